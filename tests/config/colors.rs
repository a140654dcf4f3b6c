//! Colours are for people: only on a terminal.

use crate::support::Operator;
use std::io::Read;
use testing::terminal;

/// An address that is not of this machine: the program logs and ends.
const START: [(&str, &str); 3] = [
    ("WORLDCAST_ORIGINS__ALLOWED", "*"),
    ("WORLDCAST_LISTEN", "192.0.2.1:1"), // for documentation only (RFC 5737)
    ("TERM", "xterm"),
];

fn operator() -> Operator {
    START.iter().fold(Operator::new(), |operator, (variable, value)| operator.sets(variable, value))
}

#[test]
fn there_are_no_colors_without_a_terminal() {
    for arguments in [&[][..], &["--help"], &["chek"], &["check", "-c", "missing.toml"]] {
        let answer = operator().runs(arguments);
        assert!(!(answer.stdout + &answer.stderr).contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn there_are_colors_on_a_terminal() {
    for arguments in [&[][..], &["chek"]] {
        let stderr = stderr_on_a_terminal(&operator(), arguments);
        assert!(stderr.contains("\x1b["), "{arguments:?}: {stderr:?}");
    }
}

#[test]
fn there_are_no_colors_where_they_are_unwanted() {
    for arguments in [&[][..], &["chek"]] {
        let stderr = stderr_on_a_terminal(&operator().sets("NO_COLOR", "1"), arguments);
        assert!(stderr.contains("worldcast") && !stderr.contains('\x1b'), "{arguments:?}: {stderr:?}");
    }
}

/// The output to a standard error that is a terminal.
fn stderr_on_a_terminal(operator: &Operator, arguments: &[&str]) -> String {
    let (mut screen, terminal) = terminal();
    operator.runs_with_stderr_into(terminal, arguments);
    let mut stderr = Vec::new();
    let _ = screen.read_to_end(&mut stderr); // the end of a terminal is an error
    String::from_utf8(stderr).unwrap()
}
