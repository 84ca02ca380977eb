//! The fixed images: simulated at the true pose, or read from files.

use super::attenuation::attenuation;
use super::error::RunError;
use super::physics;
use super::subject::Subject;
use super::views;
use crate::document::register::Projector;
use crate::document::tables::ImageHolds;
use crate::experiment::{Scene, ViewSource};
use regiscope_drr::{Renderer, Settings, Span};
use regiscope_geometry::{Point, Rigid, View, se3};
use regiscope_image::{Image, dicom, npy, read_volume};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// One X-ray.
#[derive(Clone, Debug)]
pub struct XRay {
    /// Its name.
    pub name: String,
    /// Where it was taken.
    pub view: View,
    /// Line integrals of attenuation.
    pub image: Image<f32>,
    /// Pixels that count; `None` is all.
    pub mask: Option<Image<bool>>,
}

/// How line integrals are discretised, in the engine's form.
pub fn projector(choice: Projector, shape: [usize; 3]) -> regiscope_drr::Projector {
    match choice {
        Projector::Siddon => regiscope_drr::Projector::Siddon,
        Projector::Joseph => regiscope_drr::Projector::Joseph,
        Projector::Trilinear => {
            regiscope_drr::Projector::Trilinear { samples: 2 * shape.into_iter().max().unwrap_or(1), span: Span::Ray }
        }
    }
}

/// The true pose of simulated X-rays.
pub fn true_pose(scene: &Scene, subject: &Subject) -> Rigid {
    let pivot = views::isocentre(&scene.views, &subject.centre());
    se3::exp_about(&pivot, &scene.simulation.offset)
}

/// Simulates all views; `seed` is the run's.
pub fn simulate(scene: &Scene, seed: u32, subject: &Subject, gold: &Rigid) -> Result<Vec<XRay>, RunError> {
    let simulation = &scene.simulation;
    subject.require_labels(&simulation.labels, "simulate.labels")?;
    let mu = attenuation(subject, &scene.fixed_attenuation, &simulation.labels)?;
    let settings = Settings { projector: projector(simulation.projector, mu.grid().shape()), clip: true };
    let renderer = Renderer::new(mu, settings)?;
    let one = |(n, source): (usize, &ViewSource)| {
        let view = views::place(source, &subject.centre())?;
        let ideal = renderer.render(&view, gold);
        let seed = u64::from(seed).wrapping_mul(0x9e37_79b9).wrapping_add(n as u64);
        let (image, mask) = physics::degrade(ideal, &view, simulation, seed)?;
        Ok(XRay { name: source.name.clone(), view, image, mask })
    };
    scene.views.iter().enumerate().map(one).collect()
}

/// Reads all views from files.
pub fn read(scene: &Scene, centre: &Point, warnings: &mut Vec<String>) -> Result<Vec<XRay>, RunError> {
    let one = |source: &ViewSource| {
        let view = views::place(source, centre)?;
        let (path, holds) = source.image.as_ref().expect("check() makes either all or no view real");
        let image = read_image(path, warnings)?;
        let (found, needed) = ([image.rows(), image.cols()], [view.rows(), view.cols()]);
        if found != needed {
            let reason = format!(
                "{} × {} pixels, but the view \"{}\" has {} × {}",
                found[0], found[1], source.name, needed[0], needed[1]
            );
            return Err(RunError::Unsuitable { path: path.clone(), reason });
        }
        let (image, mask) = line_integrals(image, *holds);
        Ok(XRay { name: source.name.clone(), view, image, mask })
    };
    scene.views.iter().map(one).collect()
}

/// Reads an X-ray of any format: NPY, DICOM, or a picture or volume with a single layer.
pub fn read_image(path: &Path, warnings: &mut Vec<String>) -> Result<Image<f32>, RunError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let note = |w: &regiscope_image::Warning| format!("{name}: {}", w.as_str());
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        return Ok(npy::read_image(path)?.0);
    }
    if is_dicom(path) {
        let xray = dicom::read_xray(path, None)?;
        warnings.extend(xray.warnings.iter().map(note));
        return Ok(xray.image);
    }
    let loaded = read_volume(path)?;
    warnings.extend(loaded.warnings.iter().map(note));
    let [cols, rows, layers] = loaded.volume.grid().shape();
    if layers != 1 {
        let reason = format!("{cols} × {rows} × {layers} values; an X-ray has a single layer");
        return Err(RunError::Unsuitable { path: path.to_path_buf(), reason });
    }
    Ok(Image::new(rows, cols, loaded.volume.into_parts().1))
}

/// Whether a file has DICOM's mark after its preamble (PS3.10, 7.1).
fn is_dicom(path: &Path) -> bool {
    let mut start = [0; 132];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && start.ends_with(b"DICM")
}

/// Line integrals from what a file holds; pixels that are not finite numbers do not count.
pub fn line_integrals(image: Image<f32>, holds: ImageHolds) -> (Image<f32>, Option<Image<bool>>) {
    let brightest = image.data().iter().copied().filter(|v| v.is_finite()).fold(f32::MIN_POSITIVE, f32::max);
    // A dark pixel is at most as dark as a thousandth of the brightest, lest its logarithm outweigh everything.
    let image = match holds {
        ImageHolds::LineIntegrals => image,
        ImageHolds::Intensity => image.map(|v| -(v / brightest).max(1e-3).ln()),
    };
    let mask = image.map(|v| v.is_finite());
    let all = mask.data().iter().all(|m| *m);
    (image, (!all).then_some(mask))
}
