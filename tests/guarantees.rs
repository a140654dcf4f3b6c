//! The documents name tests and files that exist.

use std::{fs, path::Path};

/// The words in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The text of a file, or of all files below a directory.
fn source(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).expect("text");
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.map(|entry| source(&entry.expect("an entry").path())).collect()
}

/// What is wrong with the tests that a cell of the table names: paths, each followed by names of tests in it.
fn faults(cell: &str) -> Vec<String> {
    let (mut faults, mut path) = (Vec::new(), String::new());
    for word in quoted(cell) {
        let is_path = word.contains('/') || word.ends_with(".rs");
        if is_path {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            path = if word.contains('/') { word.to_owned() } else { format!("{directory}/{word}") };
            let has_tests = |text: &str| text.contains("#[test]") || text.contains("::test]");
            if !Path::new(&path).exists() {
                faults.push(format!("{path} does not exist"));
            } else if path.starts_with("src/") && !has_tests(&source(Path::new(&path))) {
                faults.push(format!("{path} has no test"));
            }
        } else if Path::new(&path).exists() && !source(Path::new(&path)).contains(&format!("fn {word}()")) {
            faults.push(format!("{path} has no test {word}"));
        }
    }
    if path.is_empty() {
        faults.push(format!("no test is named in {cell:?}"));
    }
    faults
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let table = fs::read_to_string("docs/guarantees.md").expect("the document");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10, "the table has changed its form");
    let cells =
        rows.iter().map(|row| row.trim_end_matches(['|', ' ']).rsplit_once(" | ").expect("two cells").1);
    let faults: Vec<_> = cells.flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_path_of_the_architecture_exists() {
    let text = fs::read_to_string("docs/architecture.md").expect("the document");
    let paths: Vec<_> = quoted(&text).filter(|word| word.starts_with("src/")).collect();
    assert!(paths.len() > 10, "the document has changed its form");
    let missing: Vec<_> = paths.into_iter().filter(|path| !Path::new(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
