//! `regiscope challenge detections`.

use super::{table, tell};
use crate::program::args::challenge::DetectionsArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::metrics::boxes::{Bounds, boxes, found};
use serde_json::json;
use std::path::Path;

/// Says what detections are worth.
pub fn run(arguments: &DetectionsArgs, output: Output) -> Result<Ending, Failure> {
    let DetectionsArgs { iou, confidence, .. } = *arguments;
    if !(iou > 0.0 && iou <= 1.0) {
        return Err(Failure::Input(format!("--iou is {iou}; accepted are numbers above 0, up to 1")));
    }
    if let Some(found) = confidence.filter(|c| !c.is_finite()) {
        return Err(Failure::Input(format!("--confidence is {found}; accepted are finite numbers")));
    }
    let read = |path: &Path, is_detection: bool| -> Result<Vec<Bounds>, Failure> {
        boxes(&table::read(path)?, is_detection).map_err(|e| Failure::file(path, e))
    };
    let (objects, detections) = (read(&arguments.reference, false)?, read(&arguments.prediction, true)?);
    let found = found(&objects, &detections, iou, confidence.unwrap_or(f64::NEG_INFINITY));
    let mut value = json!(found);
    value["iou"] = json!(iou);
    value["confidence"] = json!(confidence);
    let number = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.6}"));
    let words = || {
        format!(
            "{} objects, {} detections\n  average precision  {}\n  F1  {}\n  precision  {}\n  recall  {}\n",
            found.objects,
            found.detections,
            number(found.average_precision),
            number(found.f1),
            number(found.precision),
            number(found.recall)
        )
    };
    tell(&value, arguments.json.as_ref(), output, words)?;
    Ok(Ending::Done)
}
