//! `regiscope challenge landmarks`.

use super::tell;
use crate::program::args::challenge::LandmarksArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::metrics::landmarks::registration_error;
use regiscope_geometry::points_file::{self, NamedPoint};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Says how far points lie from where they belong. Points are paired by name; files without names by their order.
pub fn run(arguments: &LandmarksArgs, output: Output) -> Result<Ending, Failure> {
    let read = |path: &Path| points_file::read(path).map_err(|e| Failure::file(path, e));
    let (reference, prediction) = (read(&arguments.reference)?, read(&arguments.prediction)?);
    let refused = |reason: String| Failure::file(&arguments.prediction, reason);
    let is_named = |points: &[NamedPoint]| points.iter().all(|p| !p.name.is_empty());
    let mut pairs: Vec<(String, [[f64; 3]; 2])> = Vec::new();
    let place = |p: &NamedPoint| [p.position.x, p.position.y, p.position.z];
    if is_named(&reference) && is_named(&prediction) {
        for point in &reference {
            let mut found = prediction.iter().filter(|p| p.name == point.name);
            let (Some(first), None) = (found.next(), found.next()) else {
                return Err(refused(format!("it has not just one point {:?}, which the reference has", point.name)));
            };
            if pairs.iter().any(|(name, _)| *name == point.name) {
                return Err(Failure::file(&arguments.reference, format!("it has two points {:?}", point.name)));
            }
            pairs.push((point.name.clone(), [place(point), place(first)]));
        }
    } else if reference.len() == prediction.len() {
        let named = reference.iter().zip(&prediction).enumerate();
        pairs = named.map(|(n, (a, b))| ((n + 1).to_string(), [place(a), place(b)])).collect();
    } else {
        let (found, expected) = (prediction.len(), reference.len());
        return Err(refused(format!("it has {found} points and the reference {expected}, and not all have names")));
    }
    let [a, b] = [0, 1].map(|side| pairs.iter().map(|(_, p)| p[side]).collect::<Vec<_>>());
    let error = registration_error(&a, &b);
    let error = error.ok_or_else(|| Failure::file(&arguments.reference, "there are no points"))?;
    let each: Map<String, Value> =
        pairs.iter().zip(&error.distances_mm).map(|((name, _), d)| (name.clone(), json!(d))).collect();
    let value = json!({
        "points": pairs.len(), "mean_mm": error.mean_mm, "median_mm": error.median_mm, "largest_mm": error.largest_mm,
        "distances_mm": each,
    });
    let words = || {
        format!(
            "{} points\n  mean target registration error  {:.4} mm\n  median  {:.4} mm\n  largest  {:.4} mm\n",
            pairs.len(),
            error.mean_mm,
            error.median_mm,
            error.largest_mm
        )
    };
    tell(&value, arguments.json.as_ref(), output, words)?;
    Ok(Ending::Done)
}
