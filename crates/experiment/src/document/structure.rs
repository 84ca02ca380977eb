//! The document against the schema of its typed form: every unknown key, wrong type and value out of range at
//! once, each with its place.

use super::error::DocumentError;
use super::node::{Node, Value};
use serde_json::Value as Json;

/// Collects every mistake of `node` against `schema`; `path` is the dotted key of the node.
pub(super) fn compare(node: &Node, schema: &Json, path: &str, errors: &mut Vec<DocumentError>) {
    if let Some(choices) = constants(schema) {
        return compare_choice(node, &choices, path, errors);
    }
    if let Some(forms) = schema.get("anyOf").and_then(Json::as_array) {
        return compare_any(node, forms, path, errors);
    }
    let accepted = schema.get("type").and_then(Json::as_str).unwrap_or("any value");
    match (&node.value, accepted) {
        (_, "any value") => {}
        (Value::Table(table), "object") => {
            let properties = schema.get("properties").and_then(Json::as_object);
            // A table whose keys the user chooses has one schema for all of its values.
            let free = schema.get("additionalProperties").filter(|schema| schema.is_object());
            for (key, entry) in table {
                let inner = join(path, key);
                match properties.and_then(|p| p.get(key)).or(free) {
                    Some(schema) => compare(&entry.node, schema, &inner, errors),
                    None => errors.push(unknown_key(entry.key.clone(), key, path, properties)),
                }
            }
            for required in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
                let key = required.as_str().unwrap_or_default();
                if !table.contains_key(key) {
                    errors.push(DocumentError::new(
                        node.place.clone(),
                        format!("{} is missing", quoted(&join(path, key))),
                    ));
                }
            }
        }
        (Value::Array(items), "array") => {
            compare_length(node, items.len(), schema, path, errors);
            if let Some(inner) = schema.get("items") {
                for (n, item) in items.iter().enumerate() {
                    compare(item, inner, &join(path, &n.to_string()), errors);
                }
            }
        }
        (Value::Integer(i), "integer") => compare_range(node, *i as f64, &i.to_string(), schema, path, errors),
        (Value::Integer(i), "number") => compare_range(node, *i as f64, &i.to_string(), schema, path, errors),
        (Value::Float(f), "number") => compare_range(node, *f, &f.to_string(), schema, path, errors),
        (Value::String(s), "string") => {
            if s.len() > MAX_TEXT {
                let sentence = format!("{} has {} bytes; at most {MAX_TEXT} are accepted", quoted(path), s.len());
                errors.push(DocumentError::new(node.place.clone(), sentence));
            }
        }
        (Value::Boolean(_), "boolean") => {}
        (found, _) => errors.push(DocumentError::new(
            node.place.clone(),
            format!("{} is {}; {} is accepted", quoted(path), found.kind(), kind_of(schema)),
        )),
    }
}

/// Longest accepted string, bytes.
const MAX_TEXT: usize = 4096;

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn quoted(path: &str) -> String {
    format!("`{path}`")
}

/// What a schema accepts, with its article.
fn kind_of(schema: &Json) -> String {
    match schema.get("type").and_then(Json::as_str) {
        Some("object") => "a table".to_owned(),
        Some("array") => match schema.get("items").map(kind_of) {
            Some(items) => format!("a list ({items} for each element)"),
            None => "a list".to_owned(),
        },
        Some("string") => "a string".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => format!("an integer{}", range_words(schema)),
        Some("number") => format!("a number{}", range_words(schema)),
        _ => match (constants(schema), schema.get("anyOf").and_then(Json::as_array)) {
            (Some(choices), _) => format!("one of {}", list(&choices)),
            (_, Some(forms)) => forms.iter().map(kind_of).collect::<Vec<_>>().join(" or "),
            _ => "a value".to_owned(),
        },
    }
}

fn range_words(schema: &Json) -> String {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let low =
        bound("minimum").map(|v| format!("at least {v}")).or(bound("exclusiveMinimum").map(|v| format!("above {v}")));
    let high = bound("maximum").map(|v| format!("at most {v}"));
    match (low, high) {
        (Some(low), Some(high)) => format!(" {low} and {high}"),
        (Some(one), None) | (None, Some(one)) => format!(" {one}"),
        (None, None) => String::new(),
    }
}

/// The strings a schema of an enumeration accepts.
fn constants(schema: &Json) -> Option<Vec<&str>> {
    if let Some(list) = schema.get("enum").and_then(Json::as_array) {
        return Some(list.iter().filter_map(Json::as_str).collect());
    }
    let forms = schema.get("oneOf")?.as_array()?;
    let mut all = Vec::new();
    for form in forms {
        all.extend(constants(form).or_else(|| form.get("const")?.as_str().map(|c| vec![c]))?);
    }
    Some(all)
}

fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ")
}

fn compare_choice(node: &Node, choices: &[&str], path: &str, errors: &mut Vec<DocumentError>) {
    match &node.value {
        Value::String(s) if choices.contains(&s.as_str()) => {}
        Value::String(s) => {
            let sentence = format!("{} is \"{s}\"; accepted are {}", quoted(path), list(choices));
            let error = DocumentError::new(node.place.clone(), sentence);
            errors.push(match nearest(s, choices.iter().copied()) {
                Some(near) => error.help(format!("did you mean \"{near}\"?")),
                None => error,
            });
        }
        other => {
            let sentence = format!("{} is {}; accepted are {}", quoted(path), other.kind(), list(choices));
            errors.push(DocumentError::new(node.place.clone(), sentence));
        }
    }
}

/// One of several forms: the mistakes of the form whose kind fits are reported, else which kinds are accepted.
fn compare_any(node: &Node, forms: &[Json], path: &str, errors: &mut Vec<DocumentError>) {
    let mut nearest: Option<Vec<DocumentError>> = None;
    for form in forms {
        let mut found = Vec::new();
        compare(node, form, path, &mut found);
        if found.is_empty() {
            return;
        }
        if kind_fits(&node.value, form) {
            nearest = Some(found);
        }
    }
    match nearest {
        Some(found) => errors.extend(found),
        None => {
            let accepted = forms.iter().map(kind_of).collect::<Vec<_>>().join(" or ");
            let sentence = format!("{} is {}; {accepted} is accepted", quoted(path), node.value.kind());
            errors.push(DocumentError::new(node.place.clone(), sentence));
        }
    }
}

fn kind_fits(value: &Value, schema: &Json) -> bool {
    let accepted = schema.get("type").and_then(Json::as_str);
    match value {
        Value::Table(_) => accepted == Some("object"),
        Value::Array(_) => accepted == Some("array"),
        Value::Integer(_) => matches!(accepted, Some("integer" | "number")),
        Value::Float(_) => accepted == Some("number"),
        Value::Boolean(_) => accepted == Some("boolean"),
        Value::String(_) => accepted == Some("string") || constants(schema).is_some(),
        Value::Datetime(_) => false,
    }
}

fn compare_range(node: &Node, value: f64, shown: &str, schema: &Json, path: &str, errors: &mut Vec<DocumentError>) {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let low =
        bound("minimum").is_none_or(|min| value >= min) && bound("exclusiveMinimum").is_none_or(|min| value > min);
    if !(low && bound("maximum").is_none_or(|max| value <= max)) {
        let sentence = format!("{} is {shown}; accepted is {}", quoted(path), kind_of(schema));
        errors.push(DocumentError::new(node.place.clone(), sentence));
    }
}

fn compare_length(node: &Node, length: usize, schema: &Json, path: &str, errors: &mut Vec<DocumentError>) {
    let bound = |key: &str| schema.get(key).and_then(Json::as_u64).map(|n| n as usize);
    let (min, max) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
    if !(min..=max).contains(&length) {
        let accepted = match (min, max) {
            (min, max) if min == max => format!("{min}"),
            (min, usize::MAX) => format!("at least {min}"),
            (min, max) => format!("{min} to {max}"),
        };
        let sentence = format!("{} has {length} elements; {accepted} are accepted", quoted(path));
        errors.push(DocumentError::new(node.place.clone(), sentence));
    }
}

fn unknown_key(
    place: super::error::Place,
    key: &str,
    path: &str,
    properties: Option<&serde_json::Map<String, Json>>,
) -> DocumentError {
    let keys: Vec<&str> = properties.into_iter().flat_map(|p| p.keys().map(String::as_str)).collect();
    let within = if path.is_empty() { "the document".to_owned() } else { format!("[{path}]") };
    let error = DocumentError::new(place, format!("unknown key `{key}` in {within}"));
    match nearest(key, keys.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("accepted keys: {}", keys.join(", "))),
    }
}

/// The candidate most like `word`, if any is alike at all (Jaro-Winkler similarity of 0.75 or more).
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|c| (strsim::jaro_winkler(word, c), c))
        .filter(|(similarity, _)| *similarity >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
