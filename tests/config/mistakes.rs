//! What is refused, and what an operator is told.

use crate::support::Operator;
use std::collections::BTreeSet;
use toml::{Table, Value};
use worldcast::config::Settings;

#[test]
fn every_mistake_is_told_with_its_place_its_key_and_the_remedy() {
    for (text, told) in [
        ("wrokers = 3", "1: unknown key wrokers; did you mean workers?"),
        ("[log]\nlevel = 3\n[sesion]", "3: unknown section [sesion]; did you mean [session]?"),
        ("max_message = 3", "1: unknown key max_message; did you mean session.max_message?"),
        ("[log]\ncolour = 3", "2: unknown key log.colour; known here: level, messages"),
        ("log = 3", "1: log is a section: write [log] and its keys below it"),
        ("[session]\nping_after = 25", "2: session.ping_after = 25: expected a duration such as \"500ms\""),
        ("[session]\nping_after = 25s", "2: session.ping_after = 25s: expected quotes: \"25s\""),
        ("[log]\nmessages = yes", "2: log.messages = yes: expected true or false"),
        ("[log]\nlevel = info", "2: log.level = info: expected quotes: \"info\""),
        (
            "[page]\ndirectory = \"C:\\users\"",
            "2: not TOML: \\ in double quotes begins an escape: use single",
        ),
        ("[page]\ndirectory = 3", "2: page.directory = 3: expected a path in quotes"),
        ("[rooms]\ngreeting = 3", "2: rooms.greeting = 3: expected text in quotes"),
        ("[rooms]\ndefault = \"a/b\"", "2: rooms.default = \"a/b\": the name of a room consists of letters"),
        ("workers = 1.5", "1: workers = 1.5: expected a whole number, 0 or more"),
        ("workers = 513", "1: workers = 513 must be at most 512"),
        (
            "workers = 99999999999999999999999",
            "1: workers = 99999999999999999999999: expected a whole number",
        ),
        ("listen = 3", "1: listen = 3: expected a list such as [\"one\", \"two\"]"),
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
        ("workers = 1\nworkers = 2", "2: not TOML: duplicate key: workers"),
        ("workers =", "1: not TOML: a value is missing"),
        ("workers 3", "1: not TOML: expected key = value"),
    ] {
        let said = Operator::with_file(text).is_told();
        assert!(said.contains(&format!("worldcast.toml:{told}")), "{text:?}: {said}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let operator =
        Operator::with_file("workers = -1\n[session]\npng_after = 1\nclose_within = 5s\n[log]\nlevel = 1")
            .sets("WORLDCAST_LOGS", "1")
            .sets("WORLDCAST_ROOMS__ECHO", "maybe");
    let said = operator.is_told();
    let places: Vec<_> = said.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(said.lines().next().unwrap(), "worldcast: 6 mistakes in the configuration");
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
fn values_that_cannot_work_together_are_refused_with_the_origin_of_both() {
    let operator = Operator::with_file("[session]\noutbox_bytes = \"65549B\"");
    assert_eq!(
        operator.is_told(),
        "worldcast: worldcast.toml:2: session.outbox_bytes = \"65549B\" (worldcast.toml:2) must hold one message \
         and 14 bytes of header, but session.max_message = \"64KiB\" (default): raise the one or reduce the other\n"
    );
    Operator::with_file("[session]\noutbox_bytes = \"65550B\"").checks();

    let operator = operator.sets("WORLDCAST_LIMITS__IN_FLIGHT_BYTES", "63KiB");
    let second = "(WORLDCAST_LIMITS__IN_FLIGHT_BYTES) must hold one message, but session.max_message = ";
    assert!(operator.is_told().contains(second));
}

#[test]
fn a_long_value_is_told_in_one_line() {
    let said = Operator::with_file(&format!("workers = [\n{}]", "1,\n".repeat(1000))).is_told();
    assert_eq!(said, "worldcast: worldcast.toml:1: workers = […: expected a whole number, 0 or more\n");
    let said = Operator::with_file(&format!("[rooms]\ndefault = \"{}\"", "x".repeat(1000))).is_told();
    assert!(said.contains("xxx…: the name of a room has at most 128 bytes, this one has 1000"), "{said}");
    assert!(said.len() < 300, "{said}");
}

#[test]
fn a_value_that_is_refused_does_not_break_rules_as_well() {
    let text = "[session]\nmax_message = \"1 byte\"\noutbox_bytes = \"1KiB\"";
    let said = Operator::with_file(text).is_told();
    assert_eq!(said.lines().count(), 1, "{said}");
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
        assert_eq!(answer.said, format!("worldcast: cannot read {path}: {remedy}\n"));
    }
}

#[test]
fn every_key_misspelt_is_refused_with_the_one_that_was_meant() {
    let slips: Vec<_> = keys().iter().flat_map(slips).collect();
    let said =
        Operator::with_file(&slips.iter().map(|(wrong, _)| format!("{wrong} = 0\n")).collect::<String>())
            .is_told();
    assert_eq!(said.lines().count(), 1 + slips.len());
    for (wrong, key) in slips {
        assert!(said.contains(&format!("unknown key {wrong}; did you mean {key}?\n")), "{wrong} for {key}");
    }
}

#[test]
fn every_variable_misspelt_is_refused_with_the_one_that_was_meant() {
    let variable = |key: &str| format!("WORLDCAST_{}", key.replace('.', "__").to_uppercase());
    let slips: Vec<_> = keys().iter().flat_map(slips).collect();
    let operator = slips
        .iter()
        .fold(Operator::with_file(""), |operator, (wrong, _)| operator.sets(&variable(wrong), "0"));
    let said = operator.is_told();
    for (wrong, key) in slips {
        let told = format!("{}: unknown variable; did you mean {}?\n", variable(&wrong), variable(&key));
        assert!(said.contains(&told), "{told}");
    }
}

#[test]
fn every_section_misspelt_is_refused_with_the_one_that_was_meant() {
    let sections =
        Table::try_from(Settings::default()).unwrap().into_iter().filter(|(_, value)| value.is_table());
    let slips: Vec<_> = sections.map(|(name, _)| name).collect::<Vec<_>>().iter().flat_map(slips).collect();
    let said =
        Operator::with_file(&slips.iter().map(|(wrong, _)| format!("[{wrong}]\n")).collect::<String>())
            .is_told();
    for (wrong, section) in slips {
        let told = format!("unknown section [{wrong}]; did you mean [{section}]?\n");
        assert!(said.contains(&told), "{told}");
    }
}

/// The path of every key.
fn keys() -> Vec<String> {
    fn below(path: &str, table: Table) -> Vec<String> {
        let keys = table.into_iter().flat_map(|(name, value)| match value {
            Value::Table(section) => below(&format!("{path}{name}."), section),
            _ => vec![format!("{path}{name}")],
        });
        keys.collect()
    }
    below("", Table::try_from(Settings::default()).unwrap())
}

/// A name with two letters exchanged, one left out or one doubled, at every place; beside what was meant.
fn slips(key: &String) -> Vec<(String, String)> {
    let start = key.rfind('.').map_or(0, |dot| dot + 1);
    let slip = |at: usize| {
        let (before, letter, after) = (&key[..at], &key[at..at + 1], &key[at + 1..]);
        let exchanged = after.chars().next().map(|next| format!("{before}{next}{letter}{}", &after[1..]));
        [Some(format!("{before}{after}")), Some(format!("{before}{letter}{letter}{after}")), exchanged]
    };
    let wrong: BTreeSet<_> =
        (start..key.len()).flat_map(slip).flatten().filter(|wrong| wrong != key).collect();
    wrong.into_iter().map(|wrong| (wrong, key.clone())).collect()
}
