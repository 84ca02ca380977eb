//! `regiscope diffeo apply`: images, labels and points through transforms.

use super::transforms::{chain, grid, inverted};
use crate::program::args::diffeo::ApplyArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_diffeo::warp::{Chain, Interpolation, carry_image, carry_labels, carry_labels_nearest};
use regiscope_geometry::Grid;
use regiscope_geometry::points_file::{self, NamedPoint};
use regiscope_image::window::finite_range;
use regiscope_image::{read_labels, read_volume, write_volume};
use serde_json::json;
use std::path::Path;

/// Carries what was given.
pub fn run(arguments: ApplyArgs, output: Output) -> Result<Ending, Failure> {
    let mut chain = chain(&arguments.transform)?;
    if arguments.inverse {
        chain = inverted(chain, &arguments.transform)?;
    }
    if let Some(path) = &arguments.points {
        return points(&arguments, &chain, path, output);
    }
    let target = target(&arguments, &chain)?;
    let out = &arguments.out;
    let map = |x: &_| chain.apply(x);
    if let Some(path) = &arguments.labels {
        let labels = read_labels(path).map_err(|e| Failure::file(path, e))?;
        let carried = match arguments.interpolation.as_deref() {
            None | Some("soft") => carry_labels(&labels, &target, map),
            Some("nearest") => carry_labels_nearest(&labels, &target, map),
            Some(other) => {
                let reason = format!("--interpolation {other} is for images; labels are carried soft or nearest");
                return Err(Failure::Input(reason));
            }
        };
        write_volume(out, &carried).map_err(|e| Failure::file(out, e))?;
    } else if let Some(path) = &arguments.image {
        let loaded = read_volume(path).map_err(|e| Failure::file(path, e))?;
        for warning in &loaded.warnings {
            output.note(format_args!("warning: {}: {warning}", path.display()));
        }
        let interpolation = match arguments.interpolation.as_deref() {
            None | Some("cubic") => Interpolation::Cubic,
            Some("linear") => Interpolation::Linear,
            Some("nearest") => Interpolation::Nearest,
            Some(other) => {
                let reason =
                    format!("--interpolation {other} is for labels; images are carried cubic, linear or nearest");
                return Err(Failure::Input(reason));
            }
        };
        if interpolation == Interpolation::Cubic && loaded.volume.data().iter().any(|v| !v.is_finite()) {
            let reason = "it holds NaN or infinite voxels, which a cubic spline would spread; use --interpolation linear or nearest";
            return Err(Failure::file(path, reason));
        }
        let least = || finite_range(loaded.volume.data()).map_or(0.0, |r| r.0);
        let outside = arguments.outside.unwrap_or_else(least);
        let carried = carry_image(&loaded.volume, &target, map, interpolation, outside);
        write_volume(out, &carried).map_err(|e| Failure::file(out, e))?;
    }
    let [x, y, z] = target.shape();
    let value = json!({"out": out, "shape": [x, y, z]});
    output.result(&value, || format!("{}: {x} × {y} × {z} voxels", out.display()))?;
    Ok(Ending::Done)
}

/// The grid of the result.
fn target(arguments: &ApplyArgs, chain: &Chain) -> Result<Grid, Failure> {
    match (&arguments.reference, chain.grid()) {
        (Some(path), _) => grid(path),
        (None, Some(grid)) => Ok(grid.clone()),
        (None, None) => {
            let reason = "affine transforms have no grid; say --reference IMAGE, whose grid the result gets";
            Err(Failure::Input(reason.into()))
        }
    }
}

fn points(arguments: &ApplyArgs, chain: &Chain, path: &Path, output: Output) -> Result<Ending, Failure> {
    let points = points_file::read(path).map_err(|e| Failure::file(path, e))?;
    let carried: Vec<NamedPoint> = points
        .iter()
        .filter_map(|p| Some(NamedPoint { name: p.name.clone(), position: chain.apply(&p.position)? }))
        .collect();
    let lost = points.len() - carried.len();
    if carried.is_empty() {
        return Err(Failure::file(path, "every point lies outside the displacement fields"));
    }
    if lost > 0 {
        output.note(format_args!("warning: {lost} of {} points lie outside the fields and are left out", points.len()));
    }
    points_file::write(&arguments.out, &carried).map_err(|e| Failure::file(&arguments.out, e))?;
    let value = json!({"out": arguments.out, "points": carried.len(), "left_out": lost});
    output.result(&value, || format!("{}: {} points", arguments.out.display(), carried.len()))?;
    Ok(Ending::Done)
}
