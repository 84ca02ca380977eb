//! Labels of several raters, from the command line.

use super::table;
use crate::program::args::challenge::AnnotationArgs;
use crate::program::failure::Failure;
use regiscope_challenge::annotations::import::{long, wide};
use regiscope_challenge::annotations::schema::{Characteristic, Schema};
use regiscope_challenge::annotations::votes::Votes;

/// Reads the votes, and the characteristic they are of where a schema names it.
pub fn read(arguments: &AnnotationArgs) -> Result<(Votes, Option<Characteristic>), Failure> {
    let characteristic = characteristic(arguments)?;
    let (path, table) = (&arguments.data, table::read(&arguments.data)?);
    let schema = characteristic.as_ref();
    let votes = match (&arguments.item, &arguments.rater, &arguments.label) {
        (Some(item), Some(rater), Some(label)) => long(&table, item, rater, label, schema),
        (item, ..) => wide(&table, item.as_deref(), schema),
    };
    Ok((votes.map_err(|e| Failure::file(path, e))?, characteristic))
}

fn characteristic(arguments: &AnnotationArgs) -> Result<Option<Characteristic>, Failure> {
    let (Some(path), Some(name)) = (&arguments.schema, &arguments.characteristic) else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
    let schema: Schema = toml::from_str(&text).map_err(|e| Failure::file(path, e.message()))?;
    let mut schema = schema.checked().map_err(|e| Failure::file(path, e))?;
    let there: Vec<String> = schema.0.keys().cloned().collect();
    let found = schema.0.remove(name);
    let reason = format!("there is no characteristic {name:?}; there are {}", there.join(", "));
    found.map(Some).ok_or_else(|| Failure::file(path, reason))
}
