//! What can be asked for, and how it ends.

use crate::support::{Operator, shown};
use std::fs::OpenOptions;
use worldcast::config::DEFAULTS;

#[test]
fn check_reads_the_named_file_or_the_usual_one_or_none() {
    let printed = Operator::new().runs(&["check"]).printed;
    assert_eq!(shown(&printed, "workers"), ("workers = 0", "default"));

    let operator = Operator::with_file("workers = 1").writes("config/default.toml", "workers = 2");
    let printed = operator.runs(&["check"]).printed;
    assert_eq!(shown(&printed, "workers"), ("workers = 2", "config/default.toml:1"));
    assert_eq!(shown(&operator.checks(), "workers"), ("workers = 1", "worldcast.toml:1"));
}

#[test]
fn what_check_prints_loads_again_to_the_same() {
    let written =
        "listen = [\"127.0.0.1:1\"]\n[rooms]\ngreeting = \"a \\\"b\\\"\\n # ü\"\n[shutdown]\ndrain = \"90s\"";
    let first = Operator::with_file(written).checks();
    let again = Operator::with_file(&first).checks();
    let settings = |printed: &str| toml::from_str::<toml::Table>(printed).unwrap();
    assert_eq!(settings(&first), settings(&again));
    assert_eq!(shown(&first, "shutdown.drain").0, "drain = \"1m 30s\"");
}

#[test]
fn check_prints_no_password() {
    let printed = Operator::with_file("[rooms]\ngreeting = \"redis://user:hunter2@host\"").checks();
    assert_eq!(shown(&printed, "rooms.greeting").0, "greeting = \"redis://user:***@host\"");
}

#[test]
fn defaults_prints_the_manual() {
    let answer = Operator::new().runs(&["defaults"]);
    assert_eq!((answer.code, answer.printed.as_str()), (Some(0), DEFAULTS));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [&["defaults"][..], &["check"], &["--help"], &["--version"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let answer = Operator::new().runs_into(writer, arguments);
        assert_eq!((answer.code, answer.said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_printed_is_told() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let answer = Operator::new().runs_into(full, &["defaults"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.said.starts_with("worldcast: cannot write to standard output: "), "{}", answer.said);
}

#[test]
fn the_file_may_be_named_before_or_after_the_command() {
    let operator = Operator::with_file("workers = 1");
    for arguments in [["--config", "worldcast.toml", "check"], ["check", "-c", "worldcast.toml"]] {
        assert_eq!(shown(&operator.runs(&arguments).printed, "workers").1, "worldcast.toml:1");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [&["chek"][..], &["--confg", "x"], &["--config"]] {
        let answer = Operator::new().runs(arguments);
        assert_eq!((answer.code, answer.printed.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn a_refused_configuration_ends_every_command_that_needs_it_with_1() {
    let operator = Operator::with_file("workers = -1");
    for arguments in [&["-c", "worldcast.toml"][..], &["serve", "-c", "worldcast.toml"]] {
        let answer = operator.runs(arguments);
        assert_eq!((answer.code, answer.printed.as_str()), (Some(1), ""));
        assert_eq!(
            answer.said,
            "worldcast: worldcast.toml:1: workers = -1: expected a whole number, 0 or more\n"
        );
    }
}

#[test]
fn help_names_every_exit_code() {
    let help = Operator::new().runs(&["--help"]);
    assert_eq!(help.code, Some(0));
    for code in ["\n    0  ", "\n    1  ", "\n    2  ", "\n   70  ", "\n  130  "] {
        assert!(help.printed.contains(code), "{code:?} in {}", help.printed);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = Operator::new().runs(&["--version"]);
    assert_eq!(version.printed, format!("worldcast {}\n", env!("CARGO_PKG_VERSION")));
}
