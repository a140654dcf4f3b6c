//! The versions of the peers, as they are installed.

use super::{Peer, directory};
use serde_json::Value;
use std::{collections::BTreeMap, fs, process::Command};

/// The versions of `peers` and of their runtimes, by name, as far as they can be determined.
pub fn of(peers: &[Peer]) -> BTreeMap<String, String> {
    let versions = peers.iter().flat_map(|peer| parts(*peer));
    versions.filter_map(|(name, version)| Some((name.to_owned(), version?))).collect()
}

fn parts(peer: Peer) -> Vec<(&'static str, Option<String>)> {
    let crates = |names: &[&'static str]| names.iter().map(|name| (*name, from_crates(name))).collect();
    match peer {
        Peer::Worldcast => vec![("worldcast", Some(worldcast()))],
        Peer::Limit => Vec::new(),
        Peer::Bun => vec![("bun", from_npm("bun"))],
        Peer::Ws => vec![("ws", from_npm("ws")), ("node", node())],
        Peer::SocketIo => vec![("socket.io", from_npm("socket.io")), ("node", node())],
        Peer::Axum => crates(&["axum", "tokio-tungstenite"]),
        Peer::Actix => crates(&["actix", "actix-web", "actix-web-actors"]),
        Peer::Websockets => vec![("websockets", from_pip("websockets")), ("python", python())],
    }
}

/// With the commit of the working tree, and "-dirty" where the tree differs from it.
fn worldcast() -> String {
    let (version, tree) = (own_version(), env!("CARGO_MANIFEST_DIR"));
    match printed(Command::new("git").args(["-C", tree, "describe", "--always", "--dirty"])) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    }
}

/// The version in the manifest of the server.
fn own_version() -> String {
    let manifest: toml::Table = include_str!("../../../Cargo.toml").parse().expect("the manifest is TOML");
    manifest["package"]["version"].as_str().expect("a version").to_owned()
}

fn from_npm(package: &str) -> Option<String> {
    let text = fs::read(directory().join("node_modules").join(package).join("package.json")).ok()?;
    let package: Value = serde_json::from_slice(&text).ok()?;
    Some(package["version"].as_str()?.to_owned())
}

fn from_crates(name: &str) -> Option<String> {
    let lock: toml::Table = fs::read_to_string(directory().join("rust/Cargo.lock")).ok()?.parse().ok()?;
    let package =
        lock["package"].as_array()?.iter().find(|package| package["name"].as_str() == Some(name))?;
    Some(package["version"].as_str()?.to_owned())
}

fn from_pip(package: &str) -> Option<String> {
    let script = format!("import importlib.metadata as it; print(it.version('{package}'))");
    printed(Command::new(directory().join("venv/bin/python")).args(["-c", &script]))
}

fn python() -> Option<String> {
    let script = "import platform; print(platform.python_version())";
    printed(Command::new(directory().join("venv/bin/python")).args(["-c", script]))
}

fn node() -> Option<String> {
    Some(printed(Command::new("node").arg("--version"))?.trim_start_matches('v').to_owned())
}

fn printed(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
