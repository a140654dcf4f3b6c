//! Colours are for people: only on a terminal.

use crate::support::Operator;
use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{fs::File, io::Read, os::fd::OwnedFd};

/// What makes the log say something before the program ends, for want of an address of this machine.
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
        assert!(!(answer.printed + &answer.said).contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn there_are_colors_on_a_terminal() {
    for arguments in [&[][..], &["chek"]] {
        let said = says_on_a_terminal(&operator(), arguments);
        assert!(said.contains("\x1b["), "{arguments:?}: {said:?}");
    }
}

#[test]
fn there_are_no_colors_where_they_are_unwanted() {
    for arguments in [&[][..], &["chek"]] {
        let said = says_on_a_terminal(&operator().sets("NO_COLOR", "1"), arguments);
        assert!(said.contains("worldcast") && !said.contains('\x1b'), "{arguments:?}: {said:?}");
    }
}

/// What the program writes to a standard error that is a terminal.
fn says_on_a_terminal(operator: &Operator, arguments: &[&str]) -> String {
    let (mut screen, terminal) = terminal();
    operator.runs_with_error_into(terminal, arguments);
    let mut said = Vec::new();
    let _ = screen.read_to_end(&mut said); // the end of a terminal is an error
    String::from_utf8(said).unwrap()
}

/// The side of a terminal that people look at, and the side that programs write to.
fn terminal() -> (File, OwnedFd) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    (screen.into(), open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap())
}
