//! What an image holds: volumes, X-rays and pictures of every format.

use super::Description;
use crate::program::failure::Failure;
use regiscope_geometry::nalgebra::Matrix4;
use regiscope_image::{RawImage, read_image};
use serde_json::json;
use std::path::Path;

/// Looks at an image; `voxel` is the index whose value is asked for.
pub fn describe(path: &Path, voxel: Option<[usize; 3]>) -> Result<Description, Failure> {
    let image = read_image(path).map_err(|e| Failure::file(path, e))?;
    let header = image.header();
    let value = voxel.map(|index| value_at(path, &image, index)).transpose()?;
    let mut shape = header.shape.clone();
    shape.resize(shape.len().max(3), 1);
    let range = range((0..header.len()).map(|n| image.samples().get(n)));
    let range = range.map(|[a, b]| match header.scale {
        Some(scale) if scale.slope < 0.0 => [scale.apply(b), scale.apply(a)],
        Some(scale) => [scale.apply(a), scale.apply(b)],
        None => [a, b],
    });
    let warnings: Vec<String> = header.warnings.iter().map(ToString::to_string).collect();
    let spacing_mm = header.grid.spacing();
    let json = json!({
        "kind": "image",
        "format": header.format.name(),
        "shape": shape,
        "spacing_mm": spacing_mm,
        "affine": rows(&header.affine),
        "scalar_type": header.scalar_type.name(),
        "scale": header.scale.map(|s| json!({"slope": s.slope, "intercept": s.intercept})),
        "range": range,
        "voxel": value,
        "warnings": warnings,
    });
    let mut text = format!("{} image, {}, {}\n", header.format.name(), times(&shape), header.scalar_type);
    text += &format!("spacing  {} mm\n", spacing_mm.map(|v| format!("{v:.6}")).join(" × "));
    text += &range_text(range);
    text += "affine   (voxel to RAS mm)\n";
    for row in rows(&header.affine) {
        text += &format!("  {}\n", row.map(|v| format!("{v:12.6}")).join(" "));
    }
    text += &voxel_text(voxel, value);
    Ok(Description { value: json, text, warnings })
}

fn value_at(path: &Path, image: &RawImage, index: [usize; 3]) -> Result<f64, Failure> {
    image.value(&index).ok_or_else(|| outside(path, index, &image.header().shape))
}

fn outside(path: &Path, [i, j, k]: [usize; 3], shape: &[usize]) -> Failure {
    Failure::file(path, format_args!("voxel {i},{j},{k} is outside the image of {} voxels", times(shape)))
}

/// Smallest and greatest finite value.
fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some([v, v]),
        Some([low, high]) => Some([low.min(v), high.max(v)]),
    })
}

fn range_text(range: Option<[f64; 2]>) -> String {
    range.map_or_else(|| "no finite values\n".into(), |[low, high]| format!("values   {low} to {high}\n"))
}

fn voxel_text(voxel: Option<[usize; 3]>, value: Option<f64>) -> String {
    match (voxel, value) {
        (Some([i, j, k]), Some(value)) => format!("voxel    {i},{j},{k} is {value}\n"),
        _ => String::new(),
    }
}

fn rows(matrix: &Matrix4<f64>) -> [[f64; 4]; 4] {
    // `+ 0.0` makes 0 of -0, which reads badly.
    std::array::from_fn(|r| std::array::from_fn(|c| matrix[(r, c)] + 0.0))
}

fn times(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_of_finite_values() {
        assert_eq!(range([3.0, f64::NAN, -1.5, f64::INFINITY].into_iter()), Some([-1.5, 3.0]));
        assert_eq!(range([f64::NAN].into_iter()), None);
    }
}
