//! What a camera file holds, or a calibration file, whose camera is given as a camera file.

use super::Description;
use crate::program::failure::Failure;
use regiscope_geometry::file::{FileError, read_text};
use regiscope_geometry::{Source, View, calibration_file, camera_file};
use serde_json::{Value, json};
use std::path::Path;

/// Looks at a camera file.
pub fn describe(path: &Path) -> Result<Description, Failure> {
    let view = view(path).map_err(|e| Failure::file(path, e))?;
    let camera: Value = serde_json::from_str(&camera_file::to_json(&view)).expect("camera files are JSON");
    let pixel_mm = [view.col_step().norm(), view.row_step().norm()];
    let distance_mm = source_detector(&view);
    let value = json!({
        "kind": "camera",
        "camera": camera,
        "pixel_mm": pixel_mm,
        "source_detector_mm": distance_mm,
        "warnings": [],
    });
    let origin = match view.source() {
        Source::Point(p) => format!("source at ({}, {}, {}) mm LPS", p.x, p.y, p.z),
        Source::Parallel(v) => format!("parallel rays along ({}, {}, {}) mm LPS", v.x, v.y, v.z),
    };
    let text = format!(
        "camera, {} rows × {} columns, pixels of {:.4} × {:.4} mm (along the row × along the column)\n\
         {origin}, {distance_mm:.3} mm from the detector\n",
        view.rows(),
        view.cols(),
        pixel_mm[0],
        pixel_mm[1],
    );
    Ok(Description { value, text, warnings: Vec::new() })
}

/// The view of a camera file, or of a calibration file: JSON with a key `K`, or OpenCV's YAML.
fn view(path: &Path) -> Result<View, FileError> {
    let text = read_text(path)?;
    let is_yaml = text.trim_start().starts_with('%');
    if is_yaml || text.contains("\"K\"") {
        return Ok(calibration_file::read(path)?.view());
    }
    camera_file::parse(&text).map_err(|problem| problem.in_file(path))
}

/// Distance from the plane of the detector at which rays begin, mm.
fn source_detector(view: &View) -> f64 {
    let (start, end) = view.ray(0.0, 0.0);
    let normal = view.col_step().cross(&view.row_step()).normalize();
    (end - start).dot(&normal).abs()
}
