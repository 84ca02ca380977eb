//! What an experiment document asks for. Files that it names are not looked at; `regiscope check` does that.

use super::Description;
use crate::program::document;
use crate::program::failure::Failure;
use regiscope_experiment::Document;
use serde_json::{Value, json};
use std::path::Path;

/// Looks at a document.
pub fn describe(path: &Path) -> Result<Description, Failure> {
    let text = document::read(path)?;
    let document = Document::parse(&text, &path.display().to_string()).map_err(|mistakes| {
        let sentence = mistakes.to_string();
        let first = sentence.lines().next().unwrap_or_default();
        Failure::Input(match mistakes.errors.len() {
            1 => first.to_owned(),
            n => format!("{first} (the first of {n} mistakes; `regiscope check` shows all)"),
        })
    })?;
    let tables = &document.tables;
    let task = match (&tables.register, &tables.render) {
        (Some(_), None) => Value::from("register"),
        (None, Some(_)) => Value::from("render"),
        _ => Value::Null,
    };
    let views = tables.views.len() + usize::from(tables.view.is_some());
    let resolved = serde_json::to_value(tables).expect("documents have a JSON form");
    let text = format!(
        "experiment document \"{}\"\ntask     {}\nvolume   {}\nviews    {views}\n",
        tables.title,
        task.as_str().unwrap_or("none; `regiscope check` says what is missing"),
        match (&tables.phantom, &tables.volume) {
            (Some(phantom), _) => format!("phantom, patient {}", phantom.patient),
            (None, Some(volume)) => volume.file.clone().or(volume.dataset.clone()).unwrap_or_else(|| "not said".into()),
            (None, None) => "none".into(),
        },
    );
    let value = json!({
        "kind": "document",
        "title": tables.title,
        "task": task,
        "views": views,
        "document": resolved,
        "warnings": [],
    });
    Ok(Description { value, text, warnings: Vec::new() })
}
