//! Experiment documents: from text to their typed form.

pub mod deform;
mod error;
pub mod failures;
mod node;
pub mod posterior;
pub mod ranking;
pub mod register;
mod structure;
pub mod tables;
pub mod toys;

pub use error::{DocumentError, DocumentErrors, Place, SourceText};
pub use tables::Tables;

pub(crate) use structure::nearest;

use node::{Entry, Node, Value};
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use std::sync::OnceLock;

/// Largest accepted document, bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A document as it was typed: every value of the right type and inside its range, nothing yet known about how
/// the tables fit together (see [`crate::check()`]).
#[derive(Clone, Debug)]
pub struct Document {
    sources: Vec<SourceText>,
    root: Node,
    /// The typed form, defaults filled in.
    pub tables: Tables,
}

impl Document {
    /// Reads a document; `name` (its file name) stands in messages. All mistakes are returned at once.
    pub fn parse(text: &str, name: &str) -> Result<Self, DocumentErrors> {
        let mut errors = Vec::new();
        let sources = vec![SourceText { name: name.to_owned(), text: text.to_owned() }];
        if text.len() > MAX_BYTES {
            let sentence = format!("the document has {} bytes; at most {MAX_BYTES} are accepted", text.len());
            let sources = vec![SourceText { name: name.to_owned(), text: String::new() }];
            return Err(DocumentErrors::new(sources, vec![DocumentError::new(Place::default(), sentence)]));
        }
        let root = node::parse_document(text, 0, &mut errors);
        Self::from_node(sources, root, errors)
    }

    /// The document with values replaced: each pair is a dotted key (`register.pyramid`, `views.0.rows`) and a
    /// TOML value (a bare word is a string; nothing takes the key away). Mistakes point at the override.
    pub fn with_overrides(&self, overrides: &[(String, String)]) -> Result<Self, DocumentErrors> {
        let mut errors = Vec::new();
        let mut sources = self.sources.clone();
        let mut root = self.root.clone();
        for (key, value) in overrides {
            let source = sources.len();
            let text = format!("{key}={value}");
            if value.is_empty() {
                sources.push(SourceText { name: "--set".to_owned(), text });
                if !unset(&mut root, key) {
                    let place = Place { source, span: 0..key.len() };
                    errors.push(DocumentError::new(
                        place,
                        format!("`{key}` is not in the document, so it cannot be taken away"),
                    ));
                }
                continue;
            }
            let node = node::parse_value(&text, source, key.len() + 1, &mut errors);
            let place = Place { source, span: 0..key.len() };
            sources.push(SourceText { name: "--set".to_owned(), text });
            if let Err(sentence) = set(&mut root, key, &place, node) {
                errors.push(DocumentError::new(place, sentence));
            }
        }
        Self::from_node(sources, root, errors)
    }

    fn from_node(sources: Vec<SourceText>, root: Node, mut errors: Vec<DocumentError>) -> Result<Self, DocumentErrors> {
        // A text that is not TOML has no structure worth a second complaint.
        if errors.is_empty() {
            structure::compare(&root, schema(), "", &mut errors);
        }
        if !errors.is_empty() {
            return Err(DocumentErrors::new(sources, errors));
        }
        match serde_json::from_value(root.value.to_json()) {
            Ok(tables) => Ok(Self { sources, root, tables }),
            Err(mistake) => {
                let error = DocumentError::new(Place::default(), mistake.to_string());
                Err(DocumentErrors::new(sources, vec![error]))
            }
        }
    }

    /// The file name the document was read under.
    pub fn name(&self) -> &str {
        &self.sources[0].name
    }

    /// The place where a dotted key was written, or the nearest part of it.
    pub(crate) fn place_of(&self, path: &str) -> Place {
        self.root.place_of(path)
    }

    /// Whether a dotted key was written and says something: a value equal to what is filled in anyway does not, so
    /// that a resolved document, which writes every default, is accepted as the document it came from.
    pub(crate) fn is_written(&self, path: &str) -> bool {
        let mut rest = self.root.value.to_json();
        if !remove(&mut rest, path) {
            return false;
        }
        let value_in = |tables: &Tables| {
            let tables = serde_json::to_value(tables).expect("every table has a JSON form");
            tables.pointer(&format!("/{}", path.replace('.', "/"))).cloned()
        };
        serde_json::from_value(rest).map_or(true, |rest| value_in(&rest) != value_in(&self.tables))
    }

    /// Mistakes found after reading, as one error of this document.
    pub(crate) fn refuse(&self, errors: Vec<DocumentError>) -> DocumentErrors {
        DocumentErrors::new(self.sources.clone(), errors)
    }
}

/// Takes out what stands at a dotted key; whether anything did.
fn remove(root: &mut Json, path: &str) -> bool {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let pointer = if table.is_empty() { String::new() } else { format!("/{}", table.replace('.', "/")) };
    root.pointer_mut(&pointer).and_then(Json::as_object_mut).is_some_and(|table| table.remove(key).is_some())
}

/// Puts a node at a dotted key, making the tables on the way.
fn set(root: &mut Node, path: &str, place: &Place, value: Node) -> Result<(), String> {
    let mut node = root;
    let mut done = String::new();
    for part in path.split('.') {
        if part.is_empty() {
            return Err(format!("`{path}` is not a dotted key such as register.pyramid"));
        }
        node = match &mut node.value {
            Value::Table(table) => {
                let fresh = || Entry { key: place.clone(), node: Node::empty_table(place.clone()) };
                &mut table.entry(part.to_owned()).or_insert_with(fresh).node
            }
            Value::Array(items) => {
                let count = items.len();
                let found = part.parse::<usize>().ok().and_then(|i| items.get_mut(i));
                found
                    .ok_or_else(|| format!("`{done}` has {count} elements, counted from 0; `{part}` is none of them"))?
            }
            other => return Err(format!("`{done}` is {}, it has no key `{part}`", other.kind())),
        };
        if !done.is_empty() {
            done.push('.');
        }
        done.push_str(part);
    }
    *node = value;
    Ok(())
}

/// Takes a dotted key away; whether it was there.
fn unset(root: &mut Node, path: &str) -> bool {
    let (parent, key) = path.rsplit_once('.').map_or((None, path), |(parent, key)| (Some(parent), key));
    let mut node = root;
    for part in parent.into_iter().flat_map(|p| p.split('.')) {
        let next = match &mut node.value {
            Value::Table(table) => table.get_mut(part).map(|entry| &mut entry.node),
            Value::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get_mut(i)),
            _ => None,
        };
        match next {
            Some(next) => node = next,
            None => return false,
        }
    }
    let Value::Table(table) = &mut node.value else { return false };
    table.remove(key).is_some()
}

/// JSON Schema (draft 2020-12) of the documents, for editors.
pub fn json_schema() -> Json {
    schema().clone()
}

fn schema() -> &'static Json {
    static SCHEMA: OnceLock<Json> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        let mut schema = settings.into_generator().into_root_schema_for::<Tables>().to_value();
        remove_null(&mut schema);
        schema
    })
}

/// TOML has no null: takes it out of what optional keys accept, and out of the defaults.
fn remove_null(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            if object.get("default").is_some_and(Json::is_null) {
                object.remove("default");
            }
            if let Some(Json::Array(types)) = object.get_mut("type") {
                types.retain(|t| t != "null");
                if let [one] = &types[..] {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Json::Array(forms)) = object.get_mut("anyOf") {
                forms.retain(|f| f.get("type").is_none_or(|t| t != "null"));
                if let [Json::Object(one)] = &forms[..] {
                    let one = one.clone();
                    object.remove("anyOf");
                    for (key, value) in one {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(remove_null);
        }
        Json::Array(items) => items.iter_mut().for_each(remove_null),
        _ => {}
    }
}
