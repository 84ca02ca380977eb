//! The document as a tree of values that remember where they were written.

use super::error::{DocumentError, Place};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the place it was written at.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
}

/// A table entry: the place of its key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Place,
    pub node: Node,
}

/// What was written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

impl Value {
    /// What it is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The value as JSON, through which the typed form is read. Only finite numbers reach this.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::String(s) | Self::Datetime(s) => s.clone().into(),
            Self::Integer(i) => (*i).into(),
            Self::Float(f) => (*f).into(),
            Self::Boolean(b) => (*b).into(),
            Self::Array(items) => items.iter().map(|n| n.value.to_json()).collect::<Vec<_>>().into(),
            Self::Table(table) => serde_json::Value::Object(
                table.iter().map(|(k, entry)| (k.clone(), entry.node.value.to_json())).collect(),
            ),
        }
    }
}

impl Node {
    /// An empty table at a place.
    pub fn empty_table(place: Place) -> Self {
        Self { value: Value::Table(BTreeMap::new()), place }
    }

    /// The place of a dotted path (`views.0.rows`), or of the nearest part of it that was written.
    pub fn place_of(&self, path: &str) -> Place {
        let mut node = self;
        let mut place = self.place.clone();
        for part in path.split('.') {
            match &node.value {
                Value::Table(table) => match table.get(part) {
                    Some(entry) => {
                        node = &entry.node;
                        place =
                            if matches!(node.value, Value::Table(_)) { entry.key.clone() } else { node.place.clone() };
                    }
                    None => break,
                },
                Value::Array(items) => match part.parse::<usize>().ok().and_then(|i| items.get(i)) {
                    Some(item) => {
                        node = item;
                        place = item.place.clone();
                    }
                    None => break,
                },
                _ => break,
            }
        }
        place
    }
}

/// Reads TOML; every syntax mistake is reported, each with its place in source number `source`.
pub(super) fn parse_document(text: &str, source: usize, errors: &mut Vec<DocumentError>) -> Node {
    let (table, mistakes) = DeTable::parse_recoverable(text);
    report(mistakes, source, text, errors);
    let place = Place { source, span: 0..0 };
    Node { value: Value::Table(convert_table(table.get_ref(), source, errors)), place }
}

/// Reads the value of an override: TOML, or else a bare word taken as a string.
pub(super) fn parse_value(text: &str, source: usize, offset: usize, errors: &mut Vec<DocumentError>) -> Node {
    let value_text = &text[offset..];
    let place = Place { source, span: offset..text.len() };
    match DeValue::parse(value_text) {
        Ok(value) => {
            let mut node = convert(&value, source, errors);
            shift(&mut node, offset);
            node
        }
        Err(_) if !value_text.starts_with(['[', '{', '"', '\'']) => {
            Node { value: Value::String(value_text.to_owned()), place }
        }
        Err(mistake) => {
            let end = text.len();
            let span = mistake.span().map_or(place.span, |s| (s.start + offset).min(end)..(s.end + offset).min(end));
            errors
                .push(DocumentError::new(Place { source, span }, format!("not TOML: {}", one_line(mistake.message()))));
            Node::empty_table(Place { source, span: 0..0 })
        }
    }
}

fn report(mistakes: Vec<toml::de::Error>, source: usize, text: &str, errors: &mut Vec<DocumentError>) {
    for mistake in mistakes {
        let span = mistake.span().unwrap_or(0..0);
        let span = span.start.min(text.len())..span.end.min(text.len());
        errors.push(DocumentError::new(Place { source, span }, format!("not TOML: {}", one_line(mistake.message()))));
    }
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}

fn shift(node: &mut Node, offset: usize) {
    let by = |place: &mut Place| place.span = place.span.start + offset..place.span.end + offset;
    by(&mut node.place);
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|n| shift(n, offset)),
        Value::Table(table) => table.values_mut().for_each(|entry| {
            by(&mut entry.key);
            shift(&mut entry.node, offset);
        }),
        _ => {}
    }
}

fn convert_table(table: &DeTable, source: usize, errors: &mut Vec<DocumentError>) -> BTreeMap<String, Entry> {
    table
        .iter()
        .map(|(key, value)| {
            let entry = Entry { key: Place { source, span: key.span() }, node: convert(value, source, errors) };
            (key.get_ref().to_string(), entry)
        })
        .collect()
}

fn convert(value: &Spanned<DeValue>, source: usize, errors: &mut Vec<DocumentError>) -> Node {
    let place = Place { source, span: value.span() };
    let value = match value.get_ref() {
        DeValue::String(s) => Value::String(s.to_string()),
        DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
            Ok(i) => Value::Integer(i),
            Err(_) => {
                errors.push(DocumentError::new(place.clone(), format!("{i} does not fit a 64-bit integer")));
                Value::Integer(0)
            }
        },
        DeValue::Float(f) => match f.as_str().parse::<f64>() {
            Ok(f) if f.is_finite() => Value::Float(f),
            _ => {
                errors.push(DocumentError::new(place.clone(), format!("{f} is not a finite number")));
                Value::Float(0.0)
            }
        },
        DeValue::Boolean(b) => Value::Boolean(*b),
        DeValue::Datetime(d) => Value::Datetime(d.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|v| convert(v, source, errors)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, source, errors)),
    };
    Node { value, place }
}
