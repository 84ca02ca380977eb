//! The affine stage: brings two volumes of any grids, orientations and fields of view into rough agreement.
//!
//! A start is found from moments (centre of mass, principal axes) and a look at rotations around it; then a
//! Levenberg–Marquardt climb over a pyramid, from translation over rotation and scale to the affine map wanted. The
//! measure is the sum of squared differences, the normalised cross-correlation or the mutual information with a
//! Parzen window (D. Mattes et al., IEEE TMI 22(1), 2003; P. Thévenaz and M. Unser, IEEE TIP 9(12), 2000) at a
//! jittered subset of the fixed image's voxels; the moving image is a cubic B-spline with its exact gradient.
//!
//! Maps are `moving_from_fixed` in the LPS world, mm, as ITK's.

mod climb;
mod measure;
mod model;
mod moments;
mod pyramid;
mod start;

pub use model::Model;
pub use moments::{Moments, moments};

use crate::fault::{ImageFault, check_image};
use measure::Bins;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{AffineMap, Point};
use regiscope_image::Volume;
use std::ops::ControlFlow;
use thiserror::Error;

/// How alike two images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Mean squared difference, relative to the fixed image's variance: for images of one scale.
    Ssd,
    /// Normalised cross-correlation: blind to brightness and contrast.
    Ncc,
    /// Mutual information of the grey values in this many bins (8 to 128): for images of different kinds.
    MutualInformation {
        /// Bins along each image's values.
        bins: usize,
    },
}

/// Where the climb starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// The best of: the images as they lie, their middles together, their centres of mass together with rotations
    /// of up to 60°, their principal axes together.
    Search,
    /// The images as they lie.
    AsTheyLie,
    /// A given map.
    At(AffineMap),
}

/// How the affine map is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The maps among which the answer is looked for.
    pub model: Model,
    /// How alike two images are.
    pub measure: Measure,
    /// Where the climb starts.
    pub start: Start,
    /// Most voxels of the fixed image that are looked at on a level.
    pub samples: usize,
    /// Most voxels along the longest axis on the finest level.
    pub finest: usize,
    /// Most steps on a level with one model.
    pub max_iterations: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: Model::Affine,
            measure: Measure::Ncc,
            start: Start::Search,
            samples: 60_000,
            finest: 128,
            max_iterations: 40,
        }
    }
}

/// The two images, and which of their voxels count.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// The image that stands still.
    pub fixed: &'a Volume<f32>,
    /// The image that is moved onto it.
    pub moving: &'a Volume<f32>,
    /// Voxels of the fixed image that count; on its grid.
    pub fixed_mask: Option<&'a Volume<bool>>,
    /// Voxels of the moving image that count; on its grid.
    pub moving_mask: Option<&'a Volume<bool>>,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iteration {
    /// Level of the pyramid, 0 is the coarsest.
    pub level: usize,
    /// The model that is climbed with.
    pub model: Model,
    /// Steps taken on this level with this model.
    pub iteration: usize,
    /// What is made small: see [`Solution::cost`].
    pub cost: f64,
    /// Length of the step, mm, at the moving image's radius.
    pub step_mm: f64,
}

/// How the climb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Steps became shorter than a hundredth of a voxel.
    Converged,
    /// The most steps were taken on the finest level.
    IterationLimit,
    /// The answer is no better than the images as they lie, so they were left so.
    NoImprovement,
    /// The answer is hardly better than the images as they lie, so they were left so: a deformation needs no map that
    /// would only turn or scale them by the little that it repairs itself.
    Aligned,
    /// The observer stopped it.
    Stopped,
}

impl Status {
    /// What to try; `None` where nothing is wrong.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Converged | Self::Stopped | Self::Aligned => None,
            Self::IterationLimit => Some("the affine stage was still moving at its last step: allow more iterations"),
            Self::NoImprovement => Some(
                "the affine stage found nothing better than the images as they lie: if they are not aligned, give a start, or mutual information for images of different kinds",
            ),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The map from fixed to moving points, LPS mm.
    pub moving_from_fixed: AffineMap,
    /// The fixed image's centre of mass, a good centre to write the map about.
    pub centre: Point,
    /// How it ended.
    pub status: Status,
    /// What was made small, at the answer on the finest level: the relative mean squared difference, 2 − 2 NCC, or
    /// minus the mutual information (nats).
    pub cost: f64,
    /// The same with the images as they lie; `None` where they do not meet.
    pub cost_as_they_lie: Option<f64>,
    /// Part of the looked-at voxels that fall into the moving image at the answer.
    pub overlap: f64,
    /// Steps taken.
    pub iterations: usize,
    /// Times the measure was computed.
    pub evaluations: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AffineError {
    /// The fixed image is unfit.
    #[error("the fixed image: {0}")]
    Fixed(ImageFault),
    /// The moving image is unfit.
    #[error("the moving image: {0}")]
    Moving(ImageFault),
    /// A mask on another grid.
    #[error("the mask of the {which} image has shape {found:?}, its image {needed:?}")]
    MaskShape {
        /// "fixed" or "moving".
        which: &'static str,
        /// The mask's shape.
        found: [usize; 3],
        /// The image's shape.
        needed: [usize; 3],
    },
    /// A mask without voxels, or with a constant image inside.
    #[error("inside its mask the {which} image is empty or has no contrast")]
    EmptyMask {
        /// "fixed" or "moving".
        which: &'static str,
    },
    /// The images do not meet at the start.
    #[error(
        "the images do not meet at the start: {percent:.1} % of the fixed image's voxels fall into the moving image, at least {needed:.1} % are needed; let the affine stage search its start (from centres of mass), or give a transform that brings them together"
    )]
    Disjoint {
        /// Percent of the voxels that meet.
        percent: f64,
        /// Percent that are needed.
        needed: f64,
    },
}

/// Part of the cost of the images as they lie by which an answer must be better not to leave them so.
const NOTICEABLE: f64 = 0.03;

/// Finds the affine map. Takes about a core-second whatever the size of the images, and the time to halve them.
pub fn register(
    images: Images,
    settings: &Settings,
    observer: &mut dyn FnMut(&Iteration) -> ControlFlow<()>,
) -> Result<Solution, AffineError> {
    check_image(images.fixed).map_err(AffineError::Fixed)?;
    check_image(images.moving).map_err(AffineError::Moving)?;
    check_mask("fixed", images.fixed, images.fixed_mask)?;
    check_mask("moving", images.moving, images.moving_mask)?;
    let masses = [
        moments(images.fixed, images.fixed_mask).ok_or(AffineError::EmptyMask { which: "fixed" })?,
        moments(images.moving, images.moving_mask).ok_or(AffineError::EmptyMask { which: "moving" })?,
    ];
    let bins = Bins::new(images, settings.measure);
    let levels = pyramid::levels(images, settings, &masses[1]);
    let mut work = climb::Work { bins: &bins, observer, iterations: 0, evaluations: 0, stopped: false };
    let first = start::find(images, settings, &masses, &levels[0], &mut work)?;
    let (answer, limited) = climb::all(&levels, settings, first, &mut work);

    let finest = levels.last().expect("a pyramid has a level");
    let lie = AffineMap::IDENTITY;
    let mut here = measure::evaluate(finest, &bins, &answer).map_or((f64::INFINITY, 0.0), |e| (e.cost, e.overlap));
    let as_they_lie = measure::evaluate(finest, &bins, &lie).map(|e| (e.cost, e.overlap));
    let mut moving_from_fixed = answer;
    let mut status = match (work.stopped, limited) {
        (true, _) => Status::Stopped,
        (_, true) => Status::IterationLimit,
        _ => Status::Converged,
    };
    let least = finest.least_overlap;
    let as_good = |l: &(f64, f64)| l.0 - here.0 <= NOTICEABLE * l.0.abs() && l.1 >= least;
    if let Some(found) = as_they_lie.filter(|l| settings.start == Start::Search && as_good(l)) {
        status = match work.stopped {
            true => Status::Stopped,
            false if found.0 <= here.0 => Status::NoImprovement,
            false => Status::Aligned,
        };
        (here, moving_from_fixed) = (found, lie);
    }
    Ok(Solution {
        moving_from_fixed,
        centre: masses[0].centre,
        status,
        cost: here.0,
        cost_as_they_lie: as_they_lie.map(|l| l.0),
        overlap: here.1,
        iterations: work.iterations,
        evaluations: work.evaluations,
    })
}

fn check_mask(which: &'static str, image: &Volume<f32>, mask: Option<&Volume<bool>>) -> Result<(), AffineError> {
    match mask.map(|m| m.grid().shape()) {
        Some(found) if found != image.grid().shape() => {
            Err(AffineError::MaskShape { which, found, needed: image.grid().shape() })
        }
        _ => Ok(()),
    }
}

/// The map that turns with `matrix` about `centre` and then moves it to `image`.
fn about(matrix: Matrix3<f64>, centre: &Point, image: &Point) -> AffineMap {
    AffineMap { matrix, offset: image.coords - matrix * centre.coords }
}

#[cfg(test)]
mod tests;
