//! Flat JSON objects with a fixed set of keys: unknown and repeated keys are refused, values are typed.

use crate::file::{Problem, nearest_key, shorten};
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use std::fmt::Write;

/// The members of a JSON object in the order of the file.
pub(crate) struct Object(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of named values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Object {
    /// Reads an object that may hold the accepted keys, each at most once.
    pub(crate) fn parse(text: &str, accepted: &[&'static str]) -> Result<Self, Problem> {
        let object: Self = serde_json::from_str(text).map_err(|e| Problem::Value {
            line: Some(e.line()),
            field: "JSON".into(),
            found: e.to_string(),
            accepted: format!("one object with the keys {}", accepted.join(", ")),
        })?;
        for (n, (key, _)) in object.0.iter().enumerate() {
            if !accepted.contains(&key.as_str()) {
                let nearest = nearest_key(key, accepted);
                return Err(Problem::UnknownKey { key: key.chars().take(60).collect(), nearest });
            }
            if object.0[..n].iter().any(|(earlier, _)| earlier == key) {
                return Err(Problem::DuplicateKey { key: key.clone() });
            }
        }
        Ok(object)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// A list of `N` finite numbers.
    pub(crate) fn numbers<const N: usize>(&self, key: &str) -> Result<Option<[f64; N]>, Problem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
        match list.and_then(|list| <[f64; N]>::try_from(list).ok()) {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(unaccepted(key, value, format!("a list of {N} finite numbers"))),
        }
    }

    /// A finite number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, Problem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| unaccepted(key, value, "a finite number".into()))
    }

    /// A count of rows or columns.
    pub(crate) fn count(&self, key: &str) -> Result<Option<usize>, Problem> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
        count.map(Some).ok_or_else(|| unaccepted(key, value, "a whole number of at least 1".into()))
    }
}

/// The problem of a value that has the wrong type or size.
pub(crate) fn unaccepted(key: &str, value: &Value, accepted: String) -> Problem {
    Problem::Value { line: None, field: key.into(), found: shorten(&value.to_string()), accepted }
}

/// The value of a key that must be there.
pub(crate) fn required<T>(key: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::MissingKey { key: key.into() })
}

/// A JSON list of finite numbers, in the shortest digits that read back exactly.
pub(crate) fn list<'a>(numbers: impl Iterator<Item = &'a f64>) -> String {
    let mut text = String::from("[");
    for (n, number) in numbers.enumerate() {
        let separator = if n == 0 { "" } else { ", " };
        write!(text, "{separator}{number:?}").expect("writing to a string does not fail");
    }
    text + "]"
}
