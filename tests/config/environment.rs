//! Variables of the environment over files.

use crate::support::{Operator, shown};

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
    let operator = Operator::with_file("[session]\nmax_message = \"1KiB\"\noutbox_bytes = \"2MiB\"\n")
        .sets("WORLDCAST_SESSION__MAX_MESSAGE", "128KiB");
    let stdout = operator.checks();
    assert_eq!(
        shown(&stdout, "session.max_message"),
        ("max_message = \"128KiB\"", "WORLDCAST_SESSION__MAX_MESSAGE")
    );
    assert_eq!(shown(&stdout, "session.outbox_bytes"), ("outbox_bytes = \"2MiB\"", "worldcast.toml:3"));
    assert_eq!(shown(&stdout, "session.ping_after"), ("ping_after = \"25s\"", "default"));
}

#[test]
fn every_kind_of_value_can_be_set_by_a_variable() {
    for (variable, value, key, setting) in [
        ("WORLDCAST_WORKERS", "3", "workers", "workers = 3"),
        ("WORLDCAST_ROOMS__ECHO", "false", "rooms.echo", "echo = false"),
        ("WORLDCAST_ROOMS__GREETING", "", "rooms.greeting", "greeting = \"\""),
        ("WORLDCAST_ROOMS__GREETING", "123", "rooms.greeting", "greeting = \"123\""),
        ("WORLDCAST_SHUTDOWN__DRAIN", "90s", "shutdown.drain", "drain = \"1m 30s\""),
        ("WORLDCAST_COMPRESSION__THRESHOLD", "512", "compression.threshold", "threshold = \"512B\""),
        ("WORLDCAST_LOG__LEVEL", "WARN", "log.level", "level = \"warn\""),
        ("WORLDCAST_PAGE__DIRECTORY", "/srv/page", "page.directory", "directory = \"/srv/page\""),
    ] {
        let stdout = Operator::with_file("").sets(variable, value).checks();
        assert_eq!(shown(&stdout, key), (setting, variable), "{variable}={value}");
    }
}

#[test]
fn a_list_is_written_with_commas_or_as_in_a_file() {
    let written = "listen = [\"127.0.0.1:1\", \"[::1]:2\"]";
    for value in ["127.0.0.1:1,[::1]:2", " 127.0.0.1:1 , [::1]:2, ", "['127.0.0.1:1', '[::1]:2']"] {
        let stdout = Operator::with_file("").sets("WORLDCAST_LISTEN", value).checks();
        assert_eq!(shown(&stdout, "listen"), (written, "WORLDCAST_LISTEN"), "{value}");
    }
}

#[test]
fn an_address_of_ipv6_is_no_list() {
    for value in ["[::1]:8080", "[::1]:8080,", " [::1]:8080"] {
        let stdout = Operator::with_file("").sets("WORLDCAST_LISTEN", value).checks();
        assert_eq!(shown(&stdout, "listen").0, "listen = [\"[::1]:8080\"]", "{value}");
    }
}

#[test]
fn an_element_of_a_list_is_refused_by_itself() {
    let operator = Operator::with_file("").sets("WORLDCAST_LISTEN", "127.0.0.1:1, localhost:2");
    assert!(operator.is_refused().contains("WORLDCAST_LISTEN: listen = localhost:2: expected an IP address"));

    let operator = Operator::with_file("").sets("WORLDCAST_LISTEN", "[127.0.0.1:1]");
    assert!(operator.is_refused().contains("listen = [127.0.0.1:1]: expected values with commas"));
}

#[test]
fn an_unknown_variable_is_refused_with_the_one_that_was_meant() {
    for wrong in ["WORLDCAST_SESION__MAX_MESSAGE", "WORLDCAST_SESSION_MAX_MESSAGE", "WORLDCAST_MAX_MESSAGE"] {
        let stderr = Operator::with_file("").sets(wrong, "1KiB").is_refused();
        let meant = "did you mean WORLDCAST_SESSION__MAX_MESSAGE?";
        assert_eq!(stderr, format!("worldcast: {wrong}: unknown variable; {meant}\n"));
    }
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    Operator::with_file("")
        .sets("WORLDCAST", "yes")
        .sets("WORLDCAST_REQUIRE", "browser")
        .sets("WORLDCAST_SERVICE_HOST", "10.0.0.1")
        .sets("WORLDCAST_SERVICE_PORT_HTTP", "8080")
        .sets("WORLDCAST_PORT", "tcp://10.0.0.1:8080")
        .sets("WORLDCAST_PORT_8080_TCP_ADDR", "10.0.0.1")
        .checks();
    assert!(Operator::with_file("").sets("WORLDCAST_PORT", "8080").is_refused().contains("unknown variable"));
}
