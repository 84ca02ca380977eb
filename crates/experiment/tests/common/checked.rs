//! Documents in tests.

use regiscope_experiment::{Document, Experiment, Places, check};
use std::path::Path;

/// The experiment of a document whose files lie in `base`, or what is wrong with it.
pub fn checked(text: &str, base: &Path) -> Result<Experiment, String> {
    let places = Places { base_dir: base.into(), data_dir: ".".into() };
    Document::parse(text, "mini.toml").and_then(|d| check(&d, &places)).map_err(|errors| errors.to_string())
}
