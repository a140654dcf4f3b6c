//! The documents name tests and files that exist, and invariants that the source keeps.

use std::{
    fs,
    path::{Path, PathBuf},
};

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

/// The mistakes in a cell of the table, which names paths, each followed by names of tests in it.
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

/// The files below `folder` whose code, unit tests aside, contains `word`.
fn files_with(word: &str, folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries
        .flat_map(|path| match path.is_dir() {
            true => files_with(word, &path),
            false => {
                let text = source(&path);
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let mut lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                lines
                    .any(|line| line.contains(word))
                    .then(|| path.display().to_string())
                    .into_iter()
                    .collect()
            }
        })
        .collect();
    files.sort();
    files
}

#[test]
fn only_transport_names_kinds_of_sockets() {
    let mut files = files_with("TcpStream", Path::new("src"));
    files.retain(|file| !file.starts_with("src/client/")); // a program of its own
    assert_eq!(files, ["src/transport/mod.rs", "src/transport/tcp.rs"]);
}

#[test]
fn the_clock_is_the_only_state_of_a_thread_that_no_type_owns() {
    assert_eq!(files_with("thread_local", Path::new("src")), ["src/clock.rs"]);
}
