//! The structure of the source: imports go one way, and what one module alone may name is named
//! there only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The imports of each part, by name.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn a_module_of_the_server_imports_only_modules_that_are_listed_below_it() {
    let list = fs::read_to_string("src/lib.rs").expect("the list of modules");
    let order: Vec<_> = list.lines().filter_map(module).collect();
    assert!(order.len() > 15, "the list has its modules: {order:?}");
    let place = |name: &str| order.iter().position(|module| module == name);
    let mut faults = Vec::new();
    for (name, imported) in imports_of_modules(Path::new("src")) {
        let Some(from) = place(&name) else { continue };
        let above = imported.into_iter().filter(|imported| place(imported).is_some_and(|to| to < from));
        faults.extend(above.map(|above| format!("{name} imports {above}, which is listed above it")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn modules_of_one_folder_import_each_other_in_one_direction() {
    for root in ["src", "bench/src"] {
        for folder in folders(Path::new(root)) {
            let files = rust_files_in(&folder);
            let imports = files.iter().map(|file| {
                let source = code(file);
                let of_folder = paths_after(&source, "super::").into_iter();
                (stem(file), of_folder.filter(|name| files.iter().any(|file| stem(file) == *name)).collect())
            });
            assert_no_circle(&imports.collect(), &folder);
        }
    }
}

#[test]
fn the_parts_of_the_benchmark_import_each_other_in_one_direction() {
    assert_no_circle(&imports_of_modules(Path::new("bench/src")), Path::new("bench/src"));
}

#[test]
fn the_scripts_of_the_page_import_each_other_in_one_direction() {
    let mut imports = Imports::new();
    for entry in fs::read_dir("static").expect("the folder of the page") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "js") {
            let source = fs::read_to_string(&path).expect("text");
            let statements =
                source.lines().filter(|line| line.starts_with("import ") || line.starts_with("} from"));
            let imported = statements.filter_map(|line| line.split("'./").nth(1)?.strip_suffix(".js';"));
            imports.insert(stem(&path), imported.map(str::to_owned).collect());
        }
    }
    assert!(imports.values().any(|imported| !imported.is_empty()));
    assert_no_circle(&imports, Path::new("static"));
}

#[test]
fn only_transport_names_kinds_of_sockets() {
    let mut files = files_with(|line| line.contains("TcpStream"), Path::new("src"));
    files.retain(|file| !file.starts_with("src/client/")); // a program of its own
    assert_eq!(files, ["src/transport/mod.rs", "src/transport/tcp.rs"]);
}

#[test]
fn the_clock_is_the_only_state_of_a_thread_that_no_type_owns() {
    let files = files_with(|line| line.contains("thread_local"), Path::new("src"));
    assert_eq!(files, ["src/clock.rs"]);
}

#[test]
fn metrics_observe_and_never_govern() {
    let files = files_with(|line| line.contains("metrics.") && line.contains(".get()"), Path::new("src"));
    assert!(files.is_empty(), "a limit decides by a count of its own: {files:?}");
}

/// The name in a line that declares a module for more than tests.
fn module(line: &str) -> Option<String> {
    let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?;
    declared.split_once(';').map(|(name, _)| name.to_owned()).filter(|name| name != "testing")
}

/// The modules right below `root`, each with those that its files import by `crate::`.
fn imports_of_modules(root: &Path) -> Imports {
    let mut imports = Imports::new();
    for file in rust_files_below(root) {
        let within = file.strip_prefix(root).expect("a file below the root");
        let module = stem(Path::new(within.iter().next().expect("a component")));
        let imported = paths_after(&code(&file), "crate::");
        imports
            .entry(module.clone())
            .or_default()
            .extend(imported.into_iter().filter(|name| *name != module));
    }
    imports.remove("lib");
    imports.remove("main");
    imports
}

/// The code of a file without its comments and without the unit tests at its end; none of a file of
/// unit tests.
fn code(file: &Path) -> String {
    if file.file_name().is_some_and(|name| name == "tests.rs") {
        return String::new();
    }
    let source = fs::read_to_string(file).expect("text");
    let before_tests = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    before_tests
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first names after each `prefix`, also those in braces.
fn paths_after(source: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in source.match_indices(prefix) {
        let path = &source[at + prefix.len()..];
        match path.strip_prefix('{') {
            None => names.extend(first_name(path)),
            Some(group) => names.extend(items(group).into_iter().filter_map(first_name)),
        }
    }
    names
}

/// The items of a group in braces, up to its end.
fn items(group: &str) -> Vec<&str> {
    let (mut items, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                items.push(&group[begin..at]);
                begin = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

fn first_name(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

/// Removes what imports nothing that is left, and what nothing left imports, until nothing changes:
/// the rest is a circle.
fn assert_no_circle(imports: &Imports, place: &Path) {
    let mut rest = imports.clone();
    loop {
        let left: BTreeSet<_> = rest.keys().cloned().collect();
        let imported: BTreeSet<_> = rest.values().flatten().cloned().collect();
        rest.retain(|name, imports| {
            imported.contains(name) && imports.iter().any(|other| left.contains(other))
        });
        if rest.len() == left.len() {
            break;
        }
    }
    assert!(rest.is_empty(), "a circle of imports in {}: {rest:#?}", place.display());
}

fn folders(root: &Path) -> BTreeSet<PathBuf> {
    let parents = rust_files_below(root).into_iter();
    parents.filter_map(|file| file.parent().map(Path::to_owned)).collect()
}

/// The modules of a folder but its own `mod.rs`.
fn rust_files_in(folder: &Path) -> Vec<PathBuf> {
    let files = rust_files_below(folder).into_iter();
    files.filter(|file| file.parent() == Some(folder) && stem(file) != "mod").collect()
}

fn rust_files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

/// The files below `folder` whose code, unit tests aside, has a line that is `wanted`.
fn files_with(wanted: fn(&str) -> bool, folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let found = |path: PathBuf| match path.is_dir() {
        true => files_with(wanted, &path),
        false => code(&path).lines().any(wanted).then(|| path.display().to_string()).into_iter().collect(),
    };
    let mut files: Vec<_> = entries.flat_map(found).collect();
    files.sort();
    files
}
