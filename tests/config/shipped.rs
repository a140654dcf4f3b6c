//! The files that are shipped with the program.

use crate::support::Operator;
use std::{collections::BTreeSet, fs, time::Duration};
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
fn the_file_for_a_server_has_only_values_that_differ() {
    let text = include_str!("../../config/production.toml");
    let stdout = Operator::with_file(text).checks();
    let server = text.parse().unwrap();
    assert_eq!(unchanged(&server, &Table::try_from(Settings::default()).unwrap()), [""; 0]);
    assert!(stdout.contains("0.0.0.0:8080") && stdout.contains("messages = false"), "{stdout}");
}

/// The keys that are set to their defaults.
pub fn unchanged(table: &Table, default: &Table) -> Vec<String> {
    let keys = table.iter().flat_map(|(name, value)| match value {
        Value::Table(section) => unchanged(section, default[name].as_table().unwrap()),
        value if *value == default[name] => vec![name.clone()],
        _ => vec![],
    });
    keys.collect()
}

#[test]
fn the_unit_of_systemd_leaves_descriptors_and_time_for_the_file_of_a_server() {
    let unit = include_str!("../../deploy/worldcast.service");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}"))
    };
    let settings: Settings = toml::from_str(include_str!("../../config/production.toml")).unwrap();
    let descriptors: usize = value("LimitNOFILE").parse().unwrap();
    assert!(descriptors > settings.limits.connections + 96 + 4 * 512, "each worker thread needs some, too");
    let stop = Duration::from_secs(value("TimeoutStopSec").trim_end_matches('s').parse().unwrap());
    assert!(stop > settings.shutdown.drain + settings.session.close_within + Duration::from_secs(1));
}

#[test]
fn the_image_listens_beyond_loopback() {
    let image = include_str!("../../deploy/Dockerfile");
    let variables = image.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    let operator = variables.split(' ').fold(Operator::with_file(""), |operator, variable| {
        let (name, value) = variable.split_once('=').unwrap();
        operator.sets(name, value)
    });
    let stdout = operator.checks();
    assert!(stdout.contains("0.0.0.0:8080") && stdout.contains("0.0.0.0:8081"), "{stdout}");
}
