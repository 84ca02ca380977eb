//! Named values in their order, as a map of JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Named values in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T> Entries<T> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find_map(|(n, value)| (n == name).then_some(value))
    }

    /// Adds a value; a name that is there already gets ".1", ".2", … after it, as in R.
    pub fn push_unique(&mut self, name: &str, value: T) {
        let is_there = |candidate: &str| self.0.iter().any(|(n, _)| n == candidate);
        let unique = match is_there(name) {
            false => name.to_owned(),
            true => {
                let mut numbered = (1..).map(|k| format!("{name}.{k}"));
                numbered.find(|n| !is_there(n)).expect("there are more numbers than names")
            }
        };
        self.0.push((unique, value));
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}
