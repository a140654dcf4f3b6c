//! The files that come with the program.

use crate::support::Operator;
use std::{collections::BTreeSet, fs};
use toml::{Table, Value};
use worldcast::config::{DEFAULTS, Settings};

#[test]
fn the_manual_shows_every_key_with_its_default() {
    let manual: Table = DEFAULTS.parse().unwrap();
    assert_eq!(manual, Table::try_from(Settings::default()).unwrap());
    assert_eq!(toml::from_str::<Settings>(DEFAULTS).unwrap(), Settings::default());
}

#[test]
fn the_manual_explains_every_key() {
    let lines: Vec<_> = DEFAULTS.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with('#')) {
        assert!(pair[0].starts_with("# "), "no comment above {:?}", pair[1]);
    }
}

#[test]
fn every_shipped_file_loads() {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap();
    let names: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.contains("default.toml") && names.contains("production.toml"), "{names:?}");
    for name in names {
        let text = fs::read_to_string(format!("{}/config/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        Operator::with_file(&text).checks();
    }
}

#[test]
fn the_file_for_a_server_says_only_what_differs() {
    let text = include_str!("../../config/production.toml");
    let printed = Operator::with_file(text).checks();
    let server = text.parse().unwrap();
    assert_eq!(unchanged(&server, &Table::try_from(Settings::default()).unwrap()), [""; 0]);
    assert!(printed.contains("0.0.0.0:8080") && printed.contains("messages = false"), "{printed}");
}

/// The keys that are set to their defaults.
fn unchanged(table: &Table, default: &Table) -> Vec<String> {
    let keys = table.iter().flat_map(|(name, value)| match value {
        Value::Table(section) => unchanged(section, default[name].as_table().unwrap()),
        value if *value == default[name] => vec![name.clone()],
        _ => vec![],
    });
    keys.collect()
}
