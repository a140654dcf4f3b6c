//! Commands, options and exit codes.

use crate::support::{Operator, shown};
use std::fs::OpenOptions;
use worldcast::config::DEFAULTS;

#[test]
fn check_reads_the_named_file_or_the_usual_one_or_none() {
    let stdout = Operator::new().runs(&["check"]).stdout;
    assert_eq!(shown(&stdout, "workers"), ("workers = 0", "default"));

    let operator = Operator::with_file("workers = 1").writes("other.toml", "workers = 2");
    let stdout = operator.runs(&["check"]).stdout;
    assert_eq!(shown(&stdout, "workers"), ("workers = 1", "worldcast.toml:1"));
    let stdout = operator.runs(&["check", "--config", "other.toml"]).stdout;
    assert_eq!(shown(&stdout, "workers"), ("workers = 2", "other.toml:1"));
}

#[test]
fn files_of_another_project_are_not_read() {
    let operator = Operator::new()
        .writes("config/default.toml", "workers = 2")
        .writes("config.toml", "workers = 3")
        .writes("static/index.html", "another page");
    let answer = operator.runs(&["check"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(shown(&answer.stdout, "workers"), ("workers = 0", "default"));
    assert_eq!(shown(&answer.stdout, "page.directory"), ("directory = \"\"", "default"));
}

#[test]
fn the_usual_file_is_refused_where_it_exists_and_cannot_be_read() {
    let answer = Operator::new().writes("worldcast.toml/x", "").runs(&["check"]);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.stderr.starts_with("worldcast: cannot read worldcast.toml: it is a directory"),
        "{}",
        answer.stderr
    );
    let operator = Operator::new();
    operator.links("worldcast.toml", "/no/such/file");
    let answer = operator.runs(&["check"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.starts_with("worldcast: cannot read worldcast.toml: there is no such file"));
}

#[test]
fn listen_of_the_command_line_wins_over_file_and_variable() {
    let operator = Operator::with_file("listen = [\"127.0.0.1:1\"]").sets("WORLDCAST_LISTEN", "127.0.0.1:2");
    let one = "listen = [\"127.0.0.1:3\"]";
    let two = "listen = [\"127.0.0.1:3\", \"[::1]:4\"]";
    for (arguments, setting) in [
        (&["check", "--listen", "127.0.0.1:3"][..], one),
        (&["--listen", "127.0.0.1:3", "check"], one),
        (&["check", "--listen=127.0.0.1:3", "--listen", "[::1]:4"], two),
        (&["--listen", "127.0.0.1:3", "check", "--listen", "[::1]:4"], two),
        (&["check", "--listen", "127.0.0.1:3,[::1]:4"], two),
        (
            &["check", "--listen", "0.0.0.0:0", "--listen", "0.0.0.0:0"],
            "listen = [\"0.0.0.0:0\", \"0.0.0.0:0\"]",
        ),
    ] {
        let answer = operator.runs(arguments);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        assert_eq!(shown(&answer.stdout, "listen"), (setting, "--listen"), "{arguments:?}");
    }
    assert_eq!(shown(&operator.runs(&["check"]).stdout, "listen").1, "WORLDCAST_LISTEN");
}

#[test]
fn an_invalid_address_of_the_command_line_ends_with_2() {
    for wrong in
        ["localhost:3000", "127.0.0.1", "8080", ":8080", "::1:8080", "127.0.0.1:99999", "", "127.0.0.1:1,x"]
    {
        for command in [&[][..], &["serve"], &["check"]] {
            let answer = Operator::new().runs(&[command, &["--listen", wrong]].concat());
            assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""), "{wrong}");
            let stderr = answer.stderr;
            assert!(
                stderr.contains("--listen") && stderr.contains("expected an IP address and a port"),
                "{stderr}"
            );
        }
    }
}

#[test]
fn an_address_of_the_command_line_that_breaks_a_rule_is_reported_under_the_name_of_the_option() {
    for (arguments, expected) in [
        (
            ["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"],
            "--listen: listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"] must name each address once\n",
        ),
        (
            ["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:8081"],
            "--listen: admin.listen = [\"127.0.0.1:8081\"] (default) must name no address of listen, but listen = \
             [\"127.0.0.1:1\", \"127.0.0.1:8081\"] (--listen): choose another port for one of them\n",
        ),
    ] {
        let answer = Operator::new().runs(&arguments);
        assert_eq!((answer.code, answer.stderr), (Some(1), format!("worldcast: {expected}")));
    }
}

#[test]
fn listen_is_refused_for_commands_that_do_not() {
    for command in [&["pipe", "news"][..], &["listen", "news"], &["defaults"]] {
        let answer = Operator::new().runs(&[&["--listen", "127.0.0.1:1"], command].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""), "{command:?}");
        assert!(answer.stderr.contains("--listen"), "{}", answer.stderr);
    }
}

#[test]
fn the_output_of_check_loads_to_the_same_settings() {
    let written =
        "listen = [\"127.0.0.1:1\"]\n[rooms]\ngreeting = \"a \\\"b\\\"\\n # ü\"\n[shutdown]\ndrain = \"90s\"";
    let first = Operator::with_file(written).checks();
    let again = Operator::with_file(&first).checks();
    let settings = |stdout: &str| toml::from_str::<toml::Table>(stdout).unwrap();
    assert_eq!(settings(&first), settings(&again));
    assert_eq!(shown(&first, "shutdown.drain").0, "drain = \"1m 30s\"");
}

#[test]
fn check_prints_no_password() {
    let stdout = Operator::with_file("[rooms]\ngreeting = \"redis://user:hunter2@host\"").checks();
    assert_eq!(shown(&stdout, "rooms.greeting").0, "greeting = \"redis://user:***@host\"");
}

#[test]
fn defaults_prints_the_manual() {
    let answer = Operator::new().runs(&["defaults"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), DEFAULTS));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [&["defaults"][..], &["check"], &["--help"], &["--version"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let answer = Operator::new().runs_with_stdout_into(writer, arguments);
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_failure_to_print_is_reported() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let answer = Operator::new().runs_with_stdout_into(full, &["defaults"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.starts_with("worldcast: cannot write to standard output: "), "{}", answer.stderr);
}

#[test]
fn the_file_may_be_named_before_or_after_the_command() {
    let operator = Operator::with_file("workers = 1");
    for arguments in [["--config", "worldcast.toml", "check"], ["check", "-c", "worldcast.toml"]] {
        assert_eq!(shown(&operator.runs(&arguments).stdout, "workers").1, "worldcast.toml:1");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [&["chek"][..], &["--confg", "x"], &["--config"]] {
        let answer = Operator::new().runs(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn a_refused_configuration_ends_every_command_that_needs_it_with_1() {
    let operator = Operator::with_file("workers = -1");
    for arguments in [&["-c", "worldcast.toml"][..], &["serve", "-c", "worldcast.toml"]] {
        let answer = operator.runs(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""));
        assert_eq!(
            answer.stderr,
            "worldcast: worldcast.toml:1: workers = -1: expected a whole number, 0 or more\n"
        );
    }
}

#[test]
fn help_names_every_exit_code() {
    let help = Operator::new().runs(&["--help"]);
    assert_eq!(help.code, Some(0));
    for code in ["\n    0  ", "\n    1  ", "\n    2  ", "\n   70  ", "\n  130  "] {
        assert!(help.stdout.contains(code), "{code:?} in {}", help.stdout);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = Operator::new().runs(&["--version"]);
    assert_eq!(version.stdout, format!("worldcast {}\n", env!("CARGO_PKG_VERSION")));
}
