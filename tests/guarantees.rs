//! The documents name tests and files that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The words in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of the test functions in `source`.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    let is_attribute = |line: &str| {
        let attribute = line.trim().strip_prefix("#[").and_then(|rest| rest.split(['(', ']']).next());
        attribute.is_some_and(|name| name.ends_with("test"))
    };
    let functions = source.match_indices("fn ").filter(move |(at, _)| {
        let before = &source[..*at];
        let above = &before[before.rfind("\n\n").unwrap_or(0)..];
        above.lines().any(is_attribute) && !above.contains('{')
    });
    functions.map(|(at, _)| source[at + 3..].split(['(', '<']).next().unwrap_or_default())
}

/// True for the folder of a test that is a program of its own, without test functions.
fn is_program(path: &str) -> bool {
    fs::read_to_string(format!("{path}/main.rs"))
        .is_ok_and(|source| source.contains("\nfn main() -> ExitCode"))
}

/// The mistakes in a cell of the table, which names files, each followed by names of tests in it.
fn faults(cell: &str) -> Vec<String> {
    let (mut faults, mut files) = (Vec::new(), Vec::<(&str, Vec<&str>)>::new());
    for word in quoted(cell) {
        match (word.contains('/'), files.last_mut()) {
            (true, _) => files.push((word, Vec::new())),
            (false, Some((_, names))) => names.push(word),
            (false, None) => faults.push(format!("{word} stands before the file that has it")),
        }
    }
    for (path, names) in files.iter().filter(|(path, _)| !is_program(path)) {
        let Ok(source) = fs::read_to_string(path) else {
            faults.push(format!("{path} is no file"));
            continue;
        };
        if names.is_empty() {
            faults.push(format!("no test of {path} is named"));
        }
        let missing = names.iter().filter(|name| !tests(&source).any(|test| test == **name));
        faults.extend(missing.map(|name| format!("{path} has no test {name}")));
    }
    if files.iter().all(|(_, names)| names.is_empty()) {
        faults.push(format!("no test is named in {cell:?}"));
    }
    faults
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let table = fs::read_to_string("docs/guarantees.md").expect("the document");
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| promise |");
    let rows: Vec<_> = table.lines().filter(is_row).collect();
    assert!(rows.len() > 10, "the table has changed its form");
    let cells =
        rows.iter().map(|row| row.trim_end_matches(['|', ' ']).rsplit_once(" | ").expect("two cells").1);
    let faults: Vec<_> = cells.flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The documents at the top and in docs/.
fn documents() -> Vec<PathBuf> {
    let folders = [".", "docs"].map(|folder| fs::read_dir(folder).expect("a folder"));
    let paths = folders.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    const FOLDERS: [&str; 8] =
        ["src/", "config/", "docs/", "tests/", "static/", "deploy/", "bench/", "testing/"];
    let (mut count, mut missing) = (0, Vec::new());
    // The changelog tells of paths of its time.
    for document in documents().into_iter().filter(|path| !path.ends_with("CHANGELOG.md")) {
        let text = fs::read_to_string(&document).expect("the document");
        let is_path =
            |word: &&str| FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(' ');
        for path in quoted(&text).filter(is_path) {
            count += 1;
            if !Path::new(path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(count > 30, "the documents have changed their form");
    assert!(missing.is_empty(), "{missing:#?}");
}
