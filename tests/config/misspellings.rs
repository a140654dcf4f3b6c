//! Every slip of the finger in every name, and the name that was meant.

use crate::support::Operator;
use std::collections::BTreeSet;
use toml::{Table, Value};
use worldcast::config::Settings;

#[test]
fn every_key_misspelt_is_refused_with_the_one_that_was_meant() {
    let slips: Vec<_> = keys().iter().flat_map(slips).collect();
    let lines: String = slips.iter().map(|(wrong, _)| format!("{wrong} = 0\n")).collect();
    let stderr = Operator::with_file(&lines).is_refused();
    assert_eq!(stderr.lines().count(), 1 + slips.len());
    for (wrong, key) in slips {
        let expected = format!("unknown key {wrong}; did you mean {key}?\n");
        assert!(stderr.contains(&expected), "{expected}");
    }
}

#[test]
fn every_section_misspelt_is_refused_with_the_one_that_was_meant() {
    let slips: Vec<_> = sections().iter().flat_map(slips).collect();
    let lines: String = slips.iter().map(|(wrong, _)| format!("[{wrong}]\n")).collect();
    let stderr = Operator::with_file(&lines).is_refused();
    assert_eq!(stderr.lines().count(), 1 + slips.len());
    for (wrong, section) in slips {
        let expected = format!("unknown section [{wrong}]; did you mean [{section}]?\n");
        assert!(stderr.contains(&expected), "{expected}");
    }
}

#[test]
fn every_variable_misspelt_is_refused_with_the_one_that_was_meant() {
    let variable = |key: &str| format!("WORLDCAST_{}", key.replace('.', "__").to_uppercase());
    let slips: Vec<_> = keys().iter().flat_map(slips).collect();
    let operator = Operator::with_file("");
    let operator = slips.iter().fold(operator, |operator, (wrong, _)| operator.sets(&variable(wrong), "0"));
    let stderr = operator.is_refused();
    assert_eq!(stderr.lines().count(), 1 + slips.len());
    for (wrong, key) in slips {
        let expected = format!("{}: unknown variable; did you mean {}?\n", variable(&wrong), variable(&key));
        assert!(stderr.contains(&expected), "{expected}");
    }
}

#[test]
fn a_key_of_an_earlier_version_is_refused_with_its_present_name() {
    for (section, earlier, present) in
        [("publish", "retries", "idempotency_keys"), ("limits", "recall_cache_bytes", "history_cache_bytes")]
    {
        let lines = format!("[{section}]\n{earlier} = 7\n");
        let inline = format!("{section} = {{ {earlier} = 7 }}\n");
        let dotted = format!("{section}.{earlier} = 7\n");
        for text in [lines, inline, dotted] {
            let told = Operator::with_file(&text).is_refused();
            let expected = format!("unknown key {section}.{earlier}; it is called {section}.{present} now\n");
            assert!(told.ends_with(&expected), "{text}{told}");
        }
        let variable = |key: &str| format!("WORLDCAST_{}__{}", section.to_uppercase(), key.to_uppercase());
        let told = Operator::with_file("").sets(&variable(earlier), "7").is_refused();
        let expected = format!("unknown variable; it is called {} now\n", variable(present));
        assert!(told.ends_with(&expected), "{told}");
    }
}

fn sections() -> Vec<String> {
    let settings = Table::try_from(Settings::default()).unwrap();
    settings.into_iter().filter(|(_, value)| value.is_table()).map(|(name, _)| name).collect()
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

/// A name with two letters exchanged, one left out or one doubled, at every place; beside what was
/// meant.
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
