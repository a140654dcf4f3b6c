//! axe-core: rules of the Web Content Accessibility Guidelines, run inside the page.

use super::{Window, missing::skip};
use serde_json::Value;
use std::fs;

/// The path at which tests/browser/install.sh installs it.
const PATH: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/axe/node_modules/axe-core/axe.min.js");

/// The source of axe-core.
pub struct Axe(String);

impl Axe {
    /// Nothing where it is not installed.
    pub fn find() -> Option<Self> {
        let source = fs::read_to_string(PATH).ok();
        if source.is_none() {
            skip("axe-core");
        }
        source.map(Self)
    }

    /// Asserts that axe-core finds no violation in the window.
    pub async fn approves(&self, window: &Window, state: &str) {
        let run = "const done = arguments[0]; axe.run().then(({ violations, passes }) => done({ violations, passes }));";
        let verdict = window.awaits(&format!("{}\n{run}", self.0)).await;
        let violations: Vec<_> = list(&verdict["violations"]).iter().flat_map(describe).collect();
        assert!(violations.is_empty(), "{state}: {violations:#?}");
        assert!(list(&verdict["passes"]).len() > 10, "{state}: axe-core looked at nothing");
    }
}

/// One line for each element.
fn describe(violation: &Value) -> Vec<String> {
    let shown = |node: &Value| format!("{}: {} {}", violation["id"], node["target"], node["failureSummary"]);
    list(&violation["nodes"]).iter().map(shown).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
