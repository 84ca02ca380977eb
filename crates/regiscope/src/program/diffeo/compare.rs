//! `regiscope diffeo compare`: how alike two things are.

use super::transforms::{chain, field, mask_on};
use crate::program::args::diffeo::CompareArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_diffeo::compare::{Lengths, dice, difference, distances, field_difference, magnitude, relative_mismatch};
use regiscope_diffeo::prepare::same_place;
use regiscope_diffeo::warp::{Determinants, determinant};
use regiscope_geometry::{Grid, Point, points_file};
use regiscope_image::{Volume, read_header, read_labels, read_volume};
use serde_json::{Value, json};
use std::path::Path;

/// Compares two files of one kind.
pub fn run(arguments: CompareArgs, output: Output) -> Result<Ending, Failure> {
    let value = if arguments.labels {
        labels(&arguments)?
    } else if is_points(&arguments.first) {
        landmarks(&arguments)?
    } else if is_field(&arguments.first)? {
        fields(&arguments)?
    } else {
        images(&arguments)?
    };
    if !arguments.transform.is_empty() && value["kind"] != "landmarks" {
        return Err(Failure::Input("--transform carries landmarks (.csv, .fcsv); apply carries images".into()));
    }
    output.result(&value, || text(&value))?;
    Ok(Ending::Done)
}

fn is_points(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv") || e.eq_ignore_ascii_case("fcsv"))
}

fn is_field(path: &Path) -> Result<bool, Failure> {
    let header = read_header(path).map_err(|e| Failure::file(path, e))?;
    Ok(header.shape.len() == 5 && header.shape[3..] == [1, 3])
}

/// Refuses what does not lie on one grid.
fn on_one_grid(arguments: &CompareArgs, first: &Grid, second: &Grid) -> Result<(), Failure> {
    match same_place(second, first) {
        true => Ok(()),
        false => {
            let reason = format!(
                "it does not lie on the grid of {} (shapes {:?} and {:?}); `diffeo apply --reference` brings it there",
                arguments.first.display(),
                second.shape(),
                first.shape()
            );
            Err(Failure::file(&arguments.second, reason))
        }
    }
}

fn labels(arguments: &CompareArgs) -> Result<Value, Failure> {
    let read = |path: &Path| read_labels(path).map_err(|e| Failure::file(path, e));
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    on_one_grid(arguments, first.grid(), second.grid())?;
    let found = dice(&first, &second)
        .ok_or_else(|| Failure::file(&arguments.first, "neither map holds a label; every voxel is 0"))?;
    Ok(json!({
        "kind": "labels", "dice_mean": found.mean, "dice_union": found.union, "labels": found.labels,
        "only_in_one": found.alone,
    }))
}

fn landmarks(arguments: &CompareArgs) -> Result<Value, Failure> {
    let read = |path: &Path| points_file::read(path).map_err(|e| Failure::file(path, e));
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    if first.len() != second.len() {
        let reason = format!("{} landmarks for the {} of {}", second.len(), first.len(), arguments.first.display());
        return Err(Failure::file(&arguments.second, reason));
    }
    let chain = chain(&arguments.transform)?;
    let carry = |p: &points_file::NamedPoint| {
        let outside = || Failure::file(&arguments.first, format!("the point {:?} lies outside the fields", p.name));
        chain.apply(&p.position).ok_or_else(outside)
    };
    let carried: Vec<Point> = first.iter().map(carry).collect::<Result<_, _>>()?;
    let partners: Vec<Point> = second.iter().map(|p| p.position).collect();
    let apart = distances(&carried, &partners);
    let spread = Lengths::of(apart.clone()).expect("a points file holds points");
    let each: Vec<Value> = first.iter().zip(&apart).map(|(p, mm)| json!({"name": p.name, "distance_mm": mm})).collect();
    Ok(json!({"kind": "landmarks", "distance_mm": spread, "landmarks": each}))
}

fn fields(arguments: &CompareArgs) -> Result<Value, Failure> {
    let (first, second) = (field(&arguments.first)?, field(&arguments.second)?);
    on_one_grid(arguments, first.grid(), second.grid())?;
    let mask = mask_on(arguments.mask.as_deref(), first.grid())?;
    let inside = |field: &Volume<[f32; 3]>| match &mask {
        None => field.clone(),
        Some(mask) => {
            let kept: Vec<[f32; 3]> =
                field.data().iter().zip(mask.data()).filter(|(_, m)| **m).map(|(u, _)| *u).collect();
            let grid = Grid::centred([kept.len(), 1, 1], [1.0; 3]).expect("a mask holds voxels");
            Volume::new(grid, kept)
        }
    };
    let spread = |field| Determinants::of(&determinant(field), mask.as_ref());
    let (det_first, det_second) = (spread(&first), spread(&second));
    let (first, second) = (inside(&first), inside(&second));
    Ok(json!({
        "kind": "displacements", "difference_mm": field_difference(&first, &second),
        "first_mm": magnitude(&first), "second_mm": magnitude(&second),
        "det_f_first": det_first, "det_f_second": det_second,
    }))
}

fn images(arguments: &CompareArgs) -> Result<Value, Failure> {
    let read = |path: &Path| read_volume(path).map(|loaded| loaded.volume).map_err(|e| Failure::file(path, e));
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    on_one_grid(arguments, first.grid(), second.grid())?;
    let mask = mask_on(arguments.mask.as_deref(), first.grid())?;
    let found = difference(&first, &second, mask.as_ref()).expect("a mask holds voxels");
    let mut value = json!({"kind": "images", "difference": found});
    if let Some(path) = &arguments.before {
        let before = read(path)?;
        if !same_place(before.grid(), first.grid()) {
            let reason = format!("it does not lie on the grid of {}", arguments.first.display());
            return Err(Failure::file(path, reason));
        }
        value["relative_mismatch"] = json!(relative_mismatch(&second, &before, &first, mask.as_ref()));
    }
    Ok(value)
}

/// One line for each number or group of numbers.
fn text(value: &Value) -> String {
    let mut lines = String::new();
    let mut row = |name: &str, value: String| lines += &format!("{name:20}{value}\n");
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Number(number) => row(key, format!("{:.4}", number.as_f64().unwrap_or(f64::NAN))),
            Value::Object(group) => {
                let numbers = group.iter().filter_map(|(name, v)| Some(format!("{name} {:.4}", v.as_f64()?)));
                row(key, numbers.collect::<Vec<_>>().join(", "));
            }
            Value::Array(items) if key == "labels" => {
                for item in items {
                    let dice = item["dice"].as_f64().unwrap_or(f64::NAN);
                    row(&format!("  label {}", item["label"]), format!("{dice:.4}"));
                }
            }
            Value::Array(items) if key == "only_in_one" && !items.is_empty() => {
                row(key, items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            }
            _ => {}
        }
    }
    lines
}
