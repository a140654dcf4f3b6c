//! A file's text, taken apart into the keys that it sets.

use super::{
    key::Key,
    mistake::{Mistake, Problem},
    nearest::nearest,
    origin::Source,
    reading::{Assignment, Reading},
    syntax, tree,
};
use std::path::Path;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

/// Reads `text`, whose keys must be among those of `defaults`; goes on after a mistake, to find them all.
pub fn read<'i>(path: &'i Path, text: &'i str, defaults: &Value) -> Reading<'i> {
    let source = Source::File { path, text };
    let (mut file, errors) = DeTable::parse_recoverable(text);
    let unquoted = syntax::unquoted(file.get_mut(), &errors, text);
    let mut reader = Reader { source, defaults, reading: Reading::default() };
    if let Value::Table(known) = defaults {
        reader.section(&Key::root(), file.get_ref(), known);
    }
    let mut reading = reader.reading;
    let syntax = errors.iter().map(|error| syntax::mistake(error, source, &unquoted, &reading));
    let syntax: Vec<_> = syntax.collect();
    reading.mistakes.extend(syntax);
    reading
}

struct Reader<'i, 'd> {
    source: Source<'i>,
    defaults: &'d Value,
    reading: Reading<'i>,
}

impl<'i> Reader<'i, '_> {
    /// Walks a section of the file and the same section of the defaults side by side.
    fn section(&mut self, at: &Key, section: &DeTable<'i>, known: &Table) {
        for (name, value) in section {
            let key = at.child(name.get_ref());
            match (known.get(name.get_ref().as_ref()), value.get_ref()) {
                (Some(Value::Table(known)), DeValue::Table(section)) => self.section(&key, section, known),
                (Some(Value::Table(_)), _) => self.mistake(value.span().start, Problem::Section(key)),
                (Some(_), _) => self.assignment(key, value),
                (None, unknown) => {
                    let kind = if unknown.is_table() { "section" } else { "key" };
                    let what = format!("{kind} {}", written(&key, unknown.is_table()));
                    let remedy = self.remedy(&key, known);
                    self.mistake(name.span().start, Problem::Unknown { what, remedy });
                }
            }
        }
    }

    fn assignment(&mut self, key: Key, value: &Spanned<DeValue<'i>>) {
        self.reading.assignments.push(Assignment { key, value: value.clone(), source: self.source });
    }

    fn mistake(&mut self, at: usize, problem: Problem) {
        self.reading.mistakes.push(Mistake { origin: self.source.origin(at), problem });
    }

    /// What was meant; or else what there is in the place where the unknown name stands.
    fn remedy(&self, unknown: &Key, known: &Table) -> String {
        let (keys, sections) = (tree::keys(self.defaults), tree::sections(self.defaults));
        if let Some(meant) = nearest(unknown, keys.into_iter().chain(sections.clone())) {
            return format!("did you mean {}?", written(&meant, sections.contains(&meant)));
        }
        let known = known.iter().map(|(name, value)| written(&name.as_str().into(), value.is_table()));
        format!("known here: {}", known.collect::<Vec<_>>().join(", "))
    }
}

/// The name of a section in brackets, as in a file.
fn written(key: &Key, is_section: bool) -> String {
    if is_section { format!("[{key}]") } else { key.to_string() }
}
