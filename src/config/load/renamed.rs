//! Keys that earlier versions had under another name.

use super::path::SettingPath;

/// The earlier and the present path of each renamed key.
const RENAMED: [(&str, &str); 2] = [
    ("publish.retries", "publish.idempotency_keys"),
    ("limits.recall_cache_bytes", "limits.history_cache_bytes"),
];

/// Returns the present path of the key that earlier versions called `earlier`.
pub fn present_name(earlier: &SettingPath) -> Option<SettingPath> {
    let renamed = RENAMED.iter().find(|(name, _)| *earlier == SettingPath::from(*name));
    renamed.map(|(_, present)| SettingPath::from(*present))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, load::tree};

    #[test]
    fn a_renamed_key_has_a_present_name_and_the_earlier_one_is_unknown() {
        let keys = tree::keys(&tree::tree(&Settings::default()));
        for (earlier, present) in RENAMED {
            assert!(!keys.contains(&earlier.into()) && keys.contains(&present.into()), "{earlier} {present}");
        }
    }
}
