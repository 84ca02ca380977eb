//! The pyramid: coarser volumes on coarser detectors with fewer rays, prepared once for many starts.

use crate::problem::{FixedImage, Problem, ProblemError};
use crate::{chart, coarsen};
use regiscope_drr::Renderer;
use regiscope_geometry::{Point, Source, View};
use regiscope_image::{Image, Volume};
use std::sync::Arc;
use thiserror::Error;

/// One level of the pyramid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Voxels are joined to blocks of about this size (mm, ≥ 0); 0 keeps the volume as it is.
    pub voxel_mm: f64,
    /// Detector pixels joined along each axis, ≥ 1 and at most the smallest detector's rows and columns over 4.
    pub detector_factor: usize,
    /// Part of the pixels whose rays are traced, above 0 up to 1.
    pub ray_fraction: f64,
    /// Most iterations, ≥ 1; Nelder–Mead and CMA-ES, whose iterations say less, may do ten times as many.
    pub max_iterations: usize,
    /// The level ends when a step is shorter than this (mm; rotations as arcs on the object), > 0.
    pub step_mm: f64,
}

/// A checked list of levels, the coarsest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Pyramid(Vec<Level>);

/// Why a level was refused. Levels count from 0.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LevelError {
    /// No levels.
    #[error("the pyramid has no levels; at least one is needed")]
    Empty,
    /// A number outside its range.
    #[error("level {level}: {field} = {found} is not accepted: it must be {accepted}")]
    Range {
        /// Which level.
        level: usize,
        /// Which field.
        field: &'static str,
        /// What was found.
        found: f64,
        /// What is accepted.
        accepted: &'static str,
    },
    /// Too few pixels are left on a coarse detector.
    #[error(
        "level {level}, view {view}: a detector of {rows} × {cols} pixels is too small for detector_factor = {factor}: at least 4 × 4 pixels must be left"
    )]
    Detector {
        /// Which level.
        level: usize,
        /// Which view.
        view: usize,
        /// The fine detector's rows.
        rows: usize,
        /// The fine detector's columns.
        cols: usize,
        /// The factor asked for.
        factor: usize,
    },
    /// No pixel counts, or they are constant, once coarsened.
    #[error(
        "level {level}, view {view}: no structure is left inside the mask when the detector is joined {factor} × {factor}; use a smaller detector_factor or a larger mask"
    )]
    Structure {
        /// Which level.
        level: usize,
        /// Which view.
        view: usize,
        /// The level's factor.
        factor: usize,
    },
    /// A reach that is not positive.
    #[error("a reach of {translation} mm and {rotation} rad is not accepted: both must be positive and finite")]
    Reach {
        /// Displacement, mm.
        translation: f64,
        /// Angle, rad.
        rotation: f64,
    },
    /// The volume or a view was refused.
    #[error(transparent)]
    Problem(#[from] ProblemError),
}

impl Pyramid {
    /// Checks a list of levels, the coarsest first.
    pub fn new(levels: Vec<Level>) -> Result<Self, LevelError> {
        if levels.is_empty() {
            return Err(LevelError::Empty);
        }
        for (level, l) in levels.iter().enumerate() {
            let checks: [(bool, &'static str, f64, &'static str); 5] = [
                (l.voxel_mm.is_finite() && l.voxel_mm >= 0.0, "voxel_mm", l.voxel_mm, "a length in mm, 0 or more"),
                (l.detector_factor >= 1, "detector_factor", l.detector_factor as f64, "1 or more"),
                (l.ray_fraction > 0.0 && l.ray_fraction <= 1.0, "ray_fraction", l.ray_fraction, "above 0 up to 1"),
                (l.max_iterations >= 1, "max_iterations", l.max_iterations as f64, "1 or more"),
                (l.step_mm.is_finite() && l.step_mm > 0.0, "step_mm", l.step_mm, "a positive length in mm"),
            ];
            if let Some(&(_, field, found, accepted)) = checks.iter().find(|c| !c.0) {
                return Err(LevelError::Range { level, field, found, accepted });
            }
        }
        Ok(Self(levels))
    }

    /// Levels that suit a problem. The coarsest detector has 24 to 47 pixels along its shortest side, the next two
    /// twice and four times as many, and the finest is the detector itself with the volume itself; on each at most
    /// about 5000 rays per view are traced. On the coarser levels voxels are about as large as the shadows of their pixels at the volume,
    /// never larger than a tenth of the volume.
    pub fn automatic(problem: &Problem) -> Self {
        /// Pixels along the shortest side of the coarsest detector.
        const COARSEST: usize = 24;
        /// Rays per view of each level.
        const RAYS: f64 = 5000.0;
        let views = || problem.views().iter().map(|v| &v.view);
        let shortest = views().map(|v| v.rows().min(v.cols())).min().expect("a problem has at least one view");
        let most = views().map(View::pixels).max().expect("a problem has at least one view");
        let shadow = views().map(pixel_at_volume).fold(f64::MAX, f64::min);
        let grid = problem.volume().grid();
        let extent = (0..3).map(|a| grid.spacing()[a] * grid.shape()[a] as f64).fold(f64::MAX, f64::min);

        let largest = 1 << (shortest / COARSEST).max(1).ilog2();
        let mut factors = vec![largest, largest / 2, largest / 4, 1];
        factors.retain(|&f| f > 0);
        factors.dedup();
        let last = factors.len() - 1;
        let level = |(n, &detector_factor): (usize, &usize)| {
            let pixels = most / (detector_factor * detector_factor);
            let block = shadow * detector_factor as f64;
            Level {
                voxel_mm: if n == last { 0.0 } else { block.min(0.1 * extent) },
                detector_factor,
                ray_fraction: (RAYS / pixels as f64).min(1.0),
                max_iterations: if n == 0 { 40 } else { 20 },
                step_mm: if n == last { 0.01 } else { 0.02 * block },
            }
        };
        Self(factors.iter().enumerate().map(level).collect())
    }

    /// The levels, the coarsest first.
    pub fn levels(&self) -> &[Level] {
        &self.0
    }
}

/// Size (mm) of a pixel's shadow halfway between source and detector; for parallel beams the pixel's own.
fn pixel_at_volume(view: &View) -> f64 {
    let pixel = view.col_step().norm().max(view.row_step().norm());
    match view.source() {
        Source::Point(_) => 0.7 * pixel,
        Source::Parallel(_) => pixel,
    }
}

/// One level, ready to be rendered and compared.
#[derive(Debug)]
pub struct PreparedLevel {
    /// The level's numbers.
    pub level: Level,
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) views: Vec<FixedImage>,
}

/// How far from its start a registration may go. Poses beyond are not rendered and count as infinitely bad; so an
/// answer that is more alike by coincidence, as a vertebra blown up until it fills the image, is kept out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// Largest displacement of the pivot, mm, > 0.
    pub translation: f64,
    /// Largest angle between the orientations, rad, > 0.
    pub rotation: f64,
}

/// A problem and its pyramid: what many starts share.
#[derive(Debug)]
pub struct Prepared {
    levels: Vec<PreparedLevel>,
    reach: Option<Reach>,
    pivot: Point,
    radius: f64,
}

impl Prepared {
    /// Makes all levels of a problem. The volume itself is kept only if a level uses it.
    pub fn new(problem: Problem, pyramid: &Pyramid) -> Result<Self, LevelError> {
        let grid = problem.volume().grid();
        let (pivot, radius) = (problem.pivot(), chart::radius_of_gyration(grid));
        let blocks: Vec<[usize; 3]> = pyramid.levels().iter().map(|l| coarsen::blocks(grid, l.voxel_mm)).collect();
        let coarse = |blocks: [usize; 3]| -> Result<Arc<Renderer>, LevelError> {
            let volume: Volume<f32> =
                if blocks == [1; 3] { problem.volume().clone() } else { coarsen::volume(problem.volume(), blocks) };
            let settings = regiscope_drr::Settings::default();
            Ok(Arc::new(Renderer::new(volume, settings).map_err(ProblemError::from)?))
        };
        let mut levels: Vec<PreparedLevel> = Vec::with_capacity(blocks.len());
        for (n, level) in pyramid.levels().iter().enumerate() {
            let same = blocks[..n].iter().position(|b| *b == blocks[n]);
            let renderer = match same {
                Some(earlier) => levels[earlier].renderer.clone(),
                None => coarse(blocks[n])?,
            };
            let views = problem.views().iter().enumerate().map(|(v, fixed)| coarse_view(n, v, fixed, level));
            let views = views.collect::<Result<_, _>>()?;
            levels.push(PreparedLevel { level: *level, renderer, views });
        }
        Ok(Self { levels, reach: None, pivot, radius })
    }

    /// The same problem with registrations kept near their starts.
    pub fn with_reach(self, reach: Reach) -> Result<Self, LevelError> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if !positive(reach.translation) || !positive(reach.rotation) {
            return Err(LevelError::Reach { translation: reach.translation, rotation: reach.rotation });
        }
        Ok(Self { reach: Some(reach), ..self })
    }

    /// How far from its start a registration may go; `None` is anywhere.
    pub fn reach(&self) -> Option<Reach> {
        self.reach
    }

    /// The levels, the coarsest first.
    pub fn levels(&self) -> &[PreparedLevel] {
        &self.levels
    }

    /// The point of the volume (mm, its own frame) about which rotations are counted.
    pub fn pivot(&self) -> Point {
        self.pivot
    }

    /// Radius of gyration of the volume's box (mm): rotations times this are comparable with translations.
    pub fn radius(&self) -> f64 {
        self.radius
    }
}

fn coarse_view(n: usize, v: usize, fixed: &FixedImage, level: &Level) -> Result<FixedImage, LevelError> {
    let (rows, cols, factor) = (fixed.view.rows(), fixed.view.cols(), level.detector_factor);
    if factor > 1 && rows.min(cols) / factor < 4 {
        return Err(LevelError::Detector { level: n, view: v, rows, cols, factor });
    }
    let (image, mask) = if factor == 1 {
        // Pixels that do not count may be broken; from here on every pixel is finite.
        let clean: Vec<f32> = fixed.image.data().iter().map(|&v| if v.is_finite() { v } else { 0.0 }).collect();
        (Image::new(rows, cols, clean), fixed.mask.clone())
    } else {
        coarsen::image(&fixed.image, fixed.mask.as_ref(), factor)
    };
    let view = fixed.view.coarsened(factor);
    let mut counting =
        image.data().iter().enumerate().filter(|(p, _)| mask.as_ref().is_none_or(|m| m.data()[*p])).map(|(_, v)| v);
    let first = counting.next();
    if counting.all(|v| Some(v) == first) {
        return Err(LevelError::Structure { level: n, view: v, factor });
    }
    Ok(FixedImage { view, image, mask })
}
