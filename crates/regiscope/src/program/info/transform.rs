//! What an ITK transform file holds.

use super::Description;
use crate::program::failure::Failure;
use regiscope_geometry::itk_transform_file;
use serde_json::{Value, json};
use std::path::Path;

/// Looks at a transform file. Its matrix carries fixed to moving points, LPS mm.
pub fn describe(path: &Path) -> Result<Description, Failure> {
    let content = itk_transform_file::read(path).map_err(|e| Failure::file(path, e))?;
    let map = content.map().map_err(|e| Failure::file(path, e))?;
    let transforms: Vec<Value> = content
        .transforms
        .iter()
        .map(|t| {
            json!({
                "type": t.kind().class_name(),
                "parameters": t.parameters(),
                "fixed_parameters": t.fixed_parameters(),
            })
        })
        .collect();
    let mut matrix = [[0.0, 0.0, 0.0, 1.0]; 4];
    for (r, row) in matrix.iter_mut().take(3).enumerate() {
        *row = [map.matrix[(r, 0)], map.matrix[(r, 1)], map.matrix[(r, 2)], map.offset[r]];
    }
    let rigid = map.rigid().ok();
    let rotation_deg = rigid.map(|motion| motion.rotation.scaled_axis().map(f64::to_degrees));
    let translation_mm = rigid.map(|motion| motion.translation.vector);
    let value = json!({
        "kind": "transform",
        "transforms": transforms,
        "composite": content.composite.is_some(),
        "matrix": matrix,
        "rotation_deg": rotation_deg.map(|v| [v.x, v.y, v.z]),
        "translation_mm": translation_mm.map(|v| [v.x, v.y, v.z]),
        "warnings": [],
    });
    let names: Vec<&str> = content.transforms.iter().map(|t| t.kind().class_name()).collect();
    let mut text = format!("ITK transform: {}\nmatrix (fixed to moving points, LPS mm)\n", names.join(" after "));
    for row in matrix {
        text += &format!("  {}\n", row.map(|v| format!("{v:14.8}")).join(" "));
    }
    if let (Some(rotation), Some(translation)) = (rotation_deg, translation_mm) {
        text += &format!(
            "rigid: rotation vector ({:.6}, {:.6}, {:.6})°, translation ({:.6}, {:.6}, {:.6}) mm\n",
            rotation.x, rotation.y, rotation.z, translation.x, translation.y, translation.z
        );
    }
    Ok(Description { value, text, warnings: Vec::new() })
}
