//! Parses the text of a file into the keys that it sets.

use super::{
    diagnostic::{Diagnostic, Problem},
    parsed::{Assignment, Parsed},
    path::SettingPath,
    renamed::present_name,
    source::Source,
    suggest::nearest,
    syntax, tree,
};
use std::path::Path;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

/// Parses `text`, whose keys must be among those of `defaults`. It continues after a mistake, to
/// find all mistakes.
pub fn read<'i>(path: &'i Path, text: &'i str, defaults: &Value) -> Parsed<'i> {
    let source = Source::File { path, text };
    let (mut file, errors) = DeTable::parse_recoverable(text);
    let unquoted = syntax::unquoted(file.get_mut(), &errors, text);
    let mut reader = Reader { source, defaults, parsed: Parsed::default() };
    if let Value::Table(known) = defaults {
        reader.section(&SettingPath::root(), file.get_ref(), known);
    }
    let mut parsed = reader.parsed;
    let syntax = errors.iter().map(|error| syntax::diagnostic(error, source, &unquoted, &parsed));
    let syntax: Vec<_> = syntax.collect();
    parsed.diagnostics.extend(syntax);
    parsed
}

struct Reader<'i, 'd> {
    source: Source<'i>,
    defaults: &'d Value,
    parsed: Parsed<'i>,
}

impl<'i> Reader<'i, '_> {
    /// Walks a section of the file and the same section of the defaults side by side.
    fn section(&mut self, at: &SettingPath, section: &DeTable<'i>, known: &Table) {
        for (name, value) in section {
            let key = at.child(name.get_ref());
            match (known.get(name.get_ref().as_ref()), value.get_ref()) {
                (Some(Value::Table(known)), DeValue::Table(section)) => self.section(&key, section, known),
                (Some(Value::Table(_)), _) => self.diagnostic(value.span().start, Problem::Section(key)),
                (Some(_), _) => self.assignment(key, value),
                (None, unknown) => {
                    let kind = if unknown.is_table() { "section" } else { "key" };
                    let what = format!("{kind} {}", written(&key, unknown.is_table()));
                    let remedy = self.remedy(&key, known);
                    self.diagnostic(name.span().start, Problem::Unknown { what, remedy });
                }
            }
        }
    }

    fn assignment(&mut self, key: SettingPath, value: &Spanned<DeValue<'i>>) {
        self.parsed.assignments.push(Assignment { key, value: value.clone(), source: self.source });
    }

    fn diagnostic(&mut self, at: usize, problem: Problem) {
        self.parsed.diagnostics.push(Diagnostic { provenance: self.source.provenance(at), problem });
    }

    /// Returns the present name of the key, or the key that was probably meant, or else the keys
    /// that exist beside the unknown one.
    fn remedy(&self, unknown: &SettingPath, known: &Table) -> String {
        if let Some(present) = present_name(unknown) {
            return format!("it is called {present} now");
        }
        let (keys, sections) = (tree::keys(self.defaults), tree::sections(self.defaults));
        if let Some(meant) = nearest(unknown, keys.into_iter().chain(sections.clone())) {
            return format!("did you mean {}?", written(&meant, sections.contains(&meant)));
        }
        let known = known.iter().map(|(name, value)| written(&name.as_str().into(), value.is_table()));
        format!("known here: {}", known.collect::<Vec<_>>().join(", "))
    }
}

/// Writes a key as it is, and a section in brackets.
fn written(key: &SettingPath, is_section: bool) -> String {
    if is_section { format!("[{key}]") } else { key.to_string() }
}
