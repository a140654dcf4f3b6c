//! Refused configurations, and the report to the operator.

use crate::support::Operator;

#[test]
fn every_mistake_is_reported_with_its_place_its_key_and_the_remedy() {
    for (text, expected) in [
        ("wrokers = 3", "1: unknown key wrokers; did you mean workers?"),
        ("[log]\n[sesion]", "2: unknown section [sesion]; did you mean [session]?"),
        ("max_message = 3", "1: unknown key max_message; did you mean session.max_message?"),
        ("[log]\ncolour = 3", "2: unknown key log.colour; known here: level, messages"),
        ("log = 3", "1: log is a section: write [log] and its keys below it"),
        ("[session]\nping_after = 25", "2: session.ping_after = 25: expected a duration such as \"500ms\""),
        (
            "[session]\nping_after = \"31days\"",
            "2: session.ping_after = \"31days\": expected a duration such as",
        ),
        ("[session]\nping_after = 25s", "2: session.ping_after = 25s: expected quotes: \"25s\""),
        ("[log]\nmessages = yes", "2: log.messages = yes: expected a boolean"),
        ("[log]\nlevel = info", "2: log.level = info: expected quotes: \"info\""),
        ("[page]\ndirectory = \"C:\\users\"", "2: not TOML: too few unicode value digits, expected unicode"),
        ("[page]\ndirectory = 3", "2: page.directory = 3: expected path string"),
        ("[rooms]\ngreeting = 3", "2: rooms.greeting = 3: expected a string"),
        ("[rooms]\ndefault = \"a/b\"", "2: rooms.default = \"a/b\": the name of a room consists of letters"),
        ("workers = 1.5", "1: workers = 1.5: expected a whole number, 0 or more"),
        ("workers = 513", "1: workers = 513 must be at most 512"),
        (
            "workers = 99999999999999999999999",
            "1: workers = 99999999999999999999999: expected a whole number",
        ),
        ("listen = 3", "1: listen = 3: expected a sequence"),
        ("listen = [\n127.0.0.1:80]", "2: listen = 127.0.0.1:80: expected quotes: \"127.0.0.1:80\""),
        ("listen = []", "1: listen = [] must name an address"),
        (
            "listen = [\n\"127.0.0.1:1\",\n\"localhost:1\"]",
            "3: listen = \"localhost:1\": expected an IP address",
        ),
        (
            "listen = ['[::1]:1', '[::1]:1']",
            "1: listen = [\"[::1]:1\", \"[::1]:1\"] must name each address once",
        ),
        (
            "[session]\nmax_message = \"64kb\"",
            "2: session.max_message = \"64kb\": expected a number of bytes",
        ),
        ("[session]\nmax_message = 0", "2: session.max_message = \"0B\" must be at least 1"),
        ("[session]\nping_after = \"0s\"", "2: session.ping_after = \"0s\" must be longer than 0s"),
        ("[compression]\nlevel = 10", "2: compression.level = 10 must be 1 (fast) to 9 (small)"),
        ("[limits]\nconnections = 0", "2: limits.connections = 0 must be at least 1"),
        (
            "[origins]\nallowed = [\"https://a.example\",\n\"https://b.example/c\"]",
            "3: origins.allowed = \"https://b.example/c\": expected an origin such as",
        ),
        (
            "[origins]\nallowed = [\"c.example\"]",
            "2: origins.allowed = \"c.example\": expected an origin such as \"https://example.org\"",
        ),
        (
            "[origins]\nhosts = [\"https://c.example/d\"]",
            "2: origins.hosts = \"https://c.example/d\": expected the name of a host such as \"chat.example\"",
        ),
        ("workers = 1\nworkers = 2", "2: not TOML: duplicate key: workers"),
        ("workers =", "1: not TOML: a value is missing"),
        ("workers 3", "1: not TOML: key with no value, expected `=`"),
    ] {
        let stderr = Operator::with_file(text).is_refused();
        assert!(stderr.starts_with(&format!("worldcast: worldcast.toml:{expected}")), "{text:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{text:?}: {stderr}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let operator =
        Operator::with_file("workers = -1\n[session]\npng_after = 1\nclose_within = 5s\n[log]\nlevel = 1")
            .sets("WORLDCAST_LOGS", "1")
            .sets("WORLDCAST_ROOMS__ECHO", "maybe");
    let stderr = operator.is_refused();
    let places: Vec<_> = stderr.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(stderr.lines().next().unwrap(), "worldcast: 6 mistakes in the configuration");
    assert_eq!(
        places[1..],
        [
            "  worldcast.toml:1",
            "  worldcast.toml:3",
            "  worldcast.toml:4",
            "  worldcast.toml:6",
            "  WORLDCAST_LOGS",
            "  WORLDCAST_ROOMS__ECHO"
        ]
    );
}

#[test]
fn values_that_cannot_work_together_are_refused_with_the_source_of_both() {
    let operator = Operator::with_file("[session]\noutbox_bytes = \"65549B\"");
    assert_eq!(
        operator.is_refused(),
        "worldcast: worldcast.toml:2: session.outbox_bytes = \"65549B\" (worldcast.toml:2) must hold one message \
         and 14 bytes of header, but session.max_message = \"64KiB\" (default): raise the one or reduce the other\n"
    );
    Operator::with_file("[session]\noutbox_bytes = \"65550B\"").checks();

    let operator = operator.sets("WORLDCAST_ROOMS__GREETING", &"x".repeat(66_000));
    assert!(
        operator
            .is_refused()
            .contains("must hold the greeting and 14 bytes of header, but rooms.greeting = \"xxx")
    );

    let operator = operator.sets("WORLDCAST_LIMITS__IN_FLIGHT_BYTES", "63KiB");
    let second = "(WORLDCAST_LIMITS__IN_FLIGHT_BYTES) must hold one message, but session.max_message = ";
    assert!(operator.is_refused().contains(second));
}

#[test]
fn every_wrong_element_of_a_list_is_reported() {
    let stderr = Operator::with_file("listen = [\"a:1\",\n\"127.0.0.1:1\",\n\"b:1\"]").is_refused();
    assert!(stderr.contains("worldcast.toml:1: listen = \"a:1\": expected an IP address"), "{stderr}");
    assert!(stderr.contains("worldcast.toml:3: listen = \"b:1\": expected an IP address"), "{stderr}");
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
}

#[test]
fn a_line_that_is_not_toml_is_reported_once() {
    let stderr = Operator::with_file("listen = [\"127.0.0.1:1\"\nworkers = 3\n").is_refused();
    assert!(
        stderr.starts_with("worldcast: worldcast.toml:2: not TOML: the list above has no ] at its end"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn the_bounds_themselves_are_allowed() {
    Operator::with_file(
        "workers = 512\n\
         listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n\
         session = { max_message = \"1GiB\", outbox_bytes = \"2GiB\", ping_after = \"30days\", outbox_messages = 1 }\n\
         limits = { in_flight_bytes = \"1GiB\", outbox_bytes_total = \"2GiB\", connections = 1 }\n\
         compression = { level = 9, threshold = 0 }\n\
         shutdown = { drain = \"0s\" }",
    )
    .checks();
}

#[test]
fn nothing_that_a_terminal_obeys_is_repeated() {
    let stderr = Operator::with_file("").sets("WORLDCAST_WORKERS", "\x1b[31m4").is_refused();
    assert!(stderr.contains("workers = [31m4…: expected a whole number"), "{stderr:?}");
    assert!(!stderr.contains('\x1b'), "{stderr:?}");
}

#[test]
fn no_message_shows_a_password() {
    let (password, host) = ("hunter2".repeat(20), "h".repeat(70_000));
    let url = format!("redis://user:{password}@{host}");
    for setting in [
        format!("default = \"{url}\""),
        format!("echo = \"{url}\""),
        format!("greeting = {url}"),
        format!("greeting = \"{url}\"\n[session]\noutbox_bytes = \"65KiB\""),
    ] {
        let stderr = Operator::with_file(&format!("[rooms]\n{setting}")).is_refused();
        assert!(stderr.contains("redis://user:***@hhh") && !stderr.contains("hunter2"), "{stderr}");
    }
}

#[test]
fn a_long_value_is_reported_in_one_line() {
    let stderr = Operator::with_file(&format!("workers = [\n{}]", "1,\n".repeat(1000))).is_refused();
    assert_eq!(stderr, "worldcast: worldcast.toml:1: workers = […: expected a whole number, 0 or more\n");
    let stderr = Operator::with_file(&format!("[rooms]\ndefault = \"{}\"", "x".repeat(1000))).is_refused();
    assert!(stderr.contains("xxx…: the name of a room has at most 128 bytes, this one has 1000"), "{stderr}");
    assert!(stderr.len() < 300, "{stderr}");
}

#[test]
fn a_value_that_is_refused_does_not_break_rules_as_well() {
    let text = "[session]\nmax_message = \"1 byte\"\noutbox_bytes = \"1KiB\"";
    let stderr = Operator::with_file(text).is_refused();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_in_one_line_with_the_remedy() {
    let operator = Operator::new().writes("config/x", "").writes("latin-1.toml", b"# \xe4");
    for (path, remedy) in [
        ("missing.toml", "there is no such file; `worldcast defaults > missing.toml` writes one"),
        ("config", "it is a directory; name a file in it"),
        ("latin-1.toml", "it is not text in UTF-8; save it as such"),
    ] {
        let answer = operator.runs(&["--config", path]);
        assert_eq!(answer.code, Some(1));
        assert_eq!(answer.stderr, format!("worldcast: cannot read {path}: {remedy}\n"));
    }
}

/// The command that a message prints, carried out by a shell that finds the program.
fn follows_remedy(operator: &Operator, message: &str) {
    let command = message.split('`').nth(1).unwrap_or_else(|| panic!("{message}"));
    assert!(operator.types(command), "{command}");
}

#[test]
fn the_printed_remedy_for_a_missing_file_works_wherever_the_file_is_missing() {
    for path in
        ["missing.toml", "my settings.toml", "it's.toml", "-x.toml", "a/b/c.toml", "link.toml", "link/x.toml"]
    {
        let operator = Operator::new();
        operator.links("link.toml", "/no/such/file");
        operator.links("link", "no-such-directory/deeper");
        let config = format!("--config={path}");
        let answer = operator.runs(&["check", &config]);
        assert_eq!(answer.code, Some(1), "{path}");
        follows_remedy(&operator, &answer.stderr);
        assert_eq!(operator.runs(&["check", &config]).code, Some(0), "{path}: {}", answer.stderr);
    }
}

#[test]
fn the_printed_remedy_for_a_usual_file_that_is_a_link_to_nothing_works() {
    let operator = Operator::new();
    operator.links("worldcast.toml", "/no/such/file");
    let answer = operator.runs(&["check"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("it is a link to /no/such/file"), "{}", answer.stderr);
    follows_remedy(&operator, &answer.stderr);
    assert_eq!(operator.runs(&["check"]).code, Some(0), "{}", answer.stderr);
}
