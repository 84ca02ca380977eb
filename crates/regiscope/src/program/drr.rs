//! `regiscope drr`: one radiograph of a volume.

use crate::program::args::{DrrArgs, Projector, Units};
use crate::program::failure::{Ending, Failure};
use crate::program::geometry;
use crate::program::labels;
use crate::program::output::Output;
use crate::program::picture::Format;
use regiscope_drr::attenuation::{Attenuation, attenuation};
use regiscope_drr::physics::{Detector, acquire};
use regiscope_drr::{Projector as Discretisation, Renderer, Settings, Span};
use regiscope_geometry::{Grid, Rigid, itk_transform_file};
use regiscope_image::{Image, Volume, read_volume};
use serde_json::json;
use std::time::Instant;

/// Renders a radiograph and writes it.
pub fn run(arguments: DrrArgs, output: Output) -> Result<Ending, Failure> {
    let format = Format::of(&arguments.out)?;
    let path = &arguments.volume;
    let started = Instant::now();
    let loaded = read_volume(path).map_err(|e| Failure::file(path, e))?;
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    for warning in &warnings {
        output.note(format_args!("warning: {}: {warning}", path.display()));
    }
    let grid = loaded.volume.grid().clone();
    output.detail(format_args!("read {} in {:.3} s", path.display(), started.elapsed().as_secs_f64()));
    let world_from_volume = match &arguments.pose {
        // ITK maps points of the fixed frame (the world) to the moving one (the volume's own).
        Some(pose) => itk_transform_file::read_rigid(pose).map_err(|e| Failure::file(pose, e))?.inverse(),
        None => Rigid::identity(),
    };
    let view = geometry::view(&arguments.geometry, &(world_from_volume * grid.centre()))?;
    let volume = in_attenuation_units(loaded.volume, &arguments)?;
    let volume = labels::shown_only(volume, path, &arguments.labels)?;
    let settings = settings(&arguments, &grid)?;
    let renderer = Renderer::new(volume, settings).map_err(|e| Failure::file(path, e))?;
    output.detail(format_args!("prepared with {settings:?}"));

    let started = Instant::now();
    let mut image = renderer.render(&view, &world_from_volume);
    let seconds = started.elapsed().as_secs_f64();
    output.detail(format_args!("rendered {} pixels in {seconds:.3} s", view.pixels()));
    if let Some(photons) = arguments.photons {
        let detector = Detector { photons, ..Detector::default() };
        image =
            acquire(&image, &view, &detector, arguments.seed).map_err(|e| Failure::Input(format!("--photons: {e}")))?;
    }
    if arguments.intensity {
        image = image.map(|&line_integral| (-line_integral).exp());
    }
    format.write(&arguments.out, &image, &view)?;
    let [min, max, mean] = statistics(&image);
    let (out, rows, cols) = (&arguments.out, image.rows(), image.cols());
    let value = json!({
        "out": out, "rows": rows, "cols": cols, "min": min, "max": max, "mean": mean,
        "seconds": seconds, "warnings": warnings,
    });
    output.result(&value, || {
        format!("{}: {rows} rows × {cols} columns, values {min} to {max}, mean {mean}", out.display())
    })?;
    Ok(Ending::Done)
}

fn in_attenuation_units(volume: Volume<f32>, arguments: &DrrArgs) -> Result<Volume<f32>, Failure> {
    match (arguments.units, arguments.energy_kev) {
        (Units::Attenuation, None) => Ok(volume),
        (Units::Attenuation, Some(_)) => {
            Err(Failure::Input("--energy-kev maps Hounsfield units; the volume holds attenuation already".into()))
        }
        (Units::Hu, energy) => {
            let usual = Attenuation::default();
            let model = Attenuation { energy_kev: energy.unwrap_or(usual.energy_kev), ..usual };
            attenuation(volume, &model).map_err(|e| Failure::file(&arguments.volume, e))
        }
    }
}

fn settings(arguments: &DrrArgs, grid: &Grid) -> Result<Settings, Failure> {
    let trilinear = arguments.projector == Projector::Trilinear;
    for (option, given) in [("--samples", arguments.samples.is_some()), ("--span", arguments.span.is_some())] {
        if given && !trilinear {
            return Err(Failure::Input(format!("{option} belongs to --projector trilinear")));
        }
    }
    let projector = match arguments.projector {
        Projector::Siddon => Discretisation::Siddon,
        Projector::Joseph => Discretisation::Joseph,
        Projector::Trilinear => Discretisation::Trilinear {
            samples: arguments.samples.unwrap_or_else(|| two_for_each_voxel(grid)),
            span: arguments.span.map_or(Span::Ray, Span::Fixed),
        },
    };
    Ok(Settings { projector, clip: !arguments.no_clip })
}

/// Samples for the longest way through a volume, two for each of its smallest voxel edges.
fn two_for_each_voxel(grid: &Grid) -> usize {
    let corners = grid.corners();
    let diagonal = corners.iter().flat_map(|a| corners.iter().map(move |b| (a - b).norm())).fold(0.0, f64::max);
    let edge = grid.spacing().into_iter().fold(f64::MAX, f64::min);
    // Even a degenerate spacing asks for no more than a sample each for what a long volume has voxels.
    ((2.0 * diagonal / edge).ceil() as usize).clamp(2, 100_000)
}

/// Smallest, greatest and mean value.
fn statistics(image: &Image<f32>) -> [f64; 3] {
    let values = || image.data().iter().map(|&v| f64::from(v));
    let sum: f64 = values().sum();
    [values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max), sum / image.data().len() as f64]
}
