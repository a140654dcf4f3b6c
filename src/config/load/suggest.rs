//! Suggests the key that was probably meant.

use super::path::SettingPath;
use strsim::damerau_levenshtein as distance;

/// Returns the candidate that is most similar to `wrong`, in its whole path, or in its name if only
/// the section is wrong; `None` if none is similar enough.
pub fn nearest(
    wrong: &SettingPath,
    candidates: impl IntoIterator<Item = SettingPath>,
) -> Option<SettingPath> {
    candidates
        .into_iter()
        .map(|candidate| (likeness(wrong, &candidate), candidate))
        .min()
        .filter(|((changes, _), _)| *changes <= tolerated(wrong))
        .map(|(_, candidate)| candidate)
}

/// Returns the distance in changed letters, where a wrong section counts as one, and the distance
/// of the whole paths, which decides between equals.
fn likeness(wrong: &SettingPath, candidate: &SettingPath) -> (usize, usize) {
    let path = distance(&wrong.to_string(), &candidate.to_string());
    (path.min(distance(wrong.name(), candidate.name()) + 1), path)
}

/// Returns the largest distance of a suggestion, inclusive: a third of the name, rounded up.
fn tolerated(wrong: &SettingPath) -> usize {
    wrong.name().len().div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(wrong: &str) -> Option<String> {
        let keys = ["listen", "admin.listen", "session.max_message", "limits.connections", "log.message"];
        nearest(&wrong.into(), keys.map(SettingPath::from)).map(|key| key.to_string())
    }

    #[test]
    fn a_typing_mistake_is_recognized() {
        assert_eq!(meant("session.max_mesage").unwrap(), "session.max_message");
        assert_eq!(meant("lisetn").unwrap(), "listen");
        assert_eq!(meant("admin.lisetn").unwrap(), "admin.listen");
    }

    #[test]
    fn a_key_in_the_wrong_section_is_recognized() {
        assert_eq!(meant("max_message").unwrap(), "session.max_message");
        assert_eq!(meant("session.connections").unwrap(), "limits.connections");
        assert_eq!(meant("session_max_message").unwrap(), "session.max_message");
        assert_eq!(meant("session.max.message").unwrap(), "session.max_message");
    }

    #[test]
    fn nothing_is_suggested_for_an_unlike_key() {
        assert_eq!(meant("colour"), None);
    }
}
