//! The whole way from two volumes and an affine map to the maps between them, in single precision: images are prepared,
//! the solver runs, its velocity becomes maps in the world.
//!
//! This is what programs call: nothing of it is generic, so that the solver is compiled here and nowhere else.

use crate::deformation::Deformation;
use crate::distance::{Distance, Pair, usual_edge};
use crate::frame::Frame;
use crate::objective::{Component, ProblemError};
use crate::optimise::{
    Checkpoint, CheckpointError, Images, Observer, Progress, RegisterError, Settings, Snapshot, Solution, Start,
    register,
};
use crate::prepare::{Channel, Options, PrepareError, Prepared, prepare};
use regiscope_geometry::{AffineMap, Grid};
use regiscope_image::Volume;
use std::ops::ControlFlow;

/// Prepares channels and their masks for the solver; see [`prepare`].
///
/// # Errors
/// If the images cannot be used or do not meet under the affine map.
pub fn prepare_volumes(
    channels: &[Channel],
    masks: [Option<&Volume<bool>>; 2],
    moving_from_fixed: &AffineMap,
    options: &Options,
) -> Result<Prepared<f32>, PrepareError> {
    prepare(channels, masks, moving_from_fixed, options)
}

/// Where a run with these bytes of a checkpoint goes on.
///
/// # Errors
/// If the bytes are not those of a checkpoint.
pub fn resumed(checkpoint: &[u8]) -> Result<Start<f32>, CheckpointError> {
    Checkpoint::from_bytes(checkpoint).map(Start::Checkpoint)
}

/// Called after every Newton step with the bytes of a checkpoint, made when asked for; `Break` ends the run.
pub type OnStep<'a> = &'a mut dyn FnMut(&Progress, &dyn Fn() -> Vec<u8>) -> ControlFlow<()>;

/// How prepared images are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Likeness {
    /// By this distance.
    Distance(Distance),
    /// By normalised gradients with the usual edge for the images' first channel, see [`usual_edge`].
    NormalisedGradient,
}

/// Registers prepared images. Being interrupted by the observer is an outcome.
///
/// # Errors
/// If settings, images or the checkpoint to start from cannot be used.
pub fn register_prepared(
    prepared: Prepared<f32>,
    likeness: Likeness,
    settings: &Settings,
    start: Start<f32>,
    on_step: OnStep,
) -> Result<(Frame, Solution<f32>), RegisterError> {
    let Prepared { frame, components, mask, .. } = prepared;
    let grid = frame.periodic();
    let distance = match likeness {
        Likeness::Distance(distance) => distance,
        Likeness::NormalisedGradient => {
            let Some(Component { fixed, moving, .. }) = components.first() else {
                return Err(ProblemError::NoComponent.into());
            };
            let pair = Pair { grid: &grid, warped: moving, fixed, mask: mask.as_deref() };
            Distance::NormalisedGradient { edge: usual_edge(pair) }
        }
    };
    let images = Images { grid, components, mask, distance };
    let solution = register(images, settings, start, &mut Watch(on_step))?;
    Ok((frame, solution))
}

/// The maps of a deformation.
#[derive(Clone, Debug)]
pub struct Maps {
    /// Displacements of the whole map on the fixed grid, LPS, mm.
    pub displacement: Volume<[f32; 3]>,
    /// Displacements of the map back on the grid of the moving image, LPS, mm.
    pub inverse_displacement: Volume<[f32; 3]>,
    /// The velocity on the solver's box, LPS, mm for the unit of time.
    pub velocity: Volume<[f32; 3]>,
    /// det F of the flow on the fixed grid; times the affine map's determinant it is that of the whole map.
    pub determinant: Volume<f32>,
}

/// The maps of a deformation, the one back on the grid of the moving image.
pub fn maps(found: &Deformation<f32>, moving: &Grid) -> Maps {
    let whole = found.maps(moving);
    Maps {
        displacement: found.frame.cropped(whole.displacement.data()),
        inverse_displacement: whole.inverse_displacement,
        velocity: found.velocity_mm(),
        determinant: whole.determinant,
    }
}

struct Watch<'a>(OnStep<'a>);

impl Observer<f32> for Watch<'_> {
    fn step(&mut self, progress: &Progress, snapshot: Snapshot<f32>) -> ControlFlow<()> {
        (self.0)(progress, &|| snapshot.bytes())
    }
}
