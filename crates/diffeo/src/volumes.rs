//! The whole way from two volumes and an affine map to the maps between them, in single precision.
//!
//! This is what programs call: nothing of it is generic, so that the solver is compiled here and nowhere else.

use crate::deformation::Deformation;
use crate::distance::Distance;
use crate::intensity::Scale;
use crate::optimise::{
    Checkpoint, CheckpointError, Images, Observer, Outcome, Progress, RegisterError, Settings, Snapshot, Solution,
    Start, Work, register,
};
use crate::prepare::{Channel, Options, PrepareError, Prepared, prepare};
use regiscope_geometry::AffineMap;
use regiscope_image::Volume;
use std::ops::ControlFlow;
use thiserror::Error;

/// What is registered.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The channels.
    pub channels: &'a [Channel<'a>],
    /// Voxels of the fixed and of the moving image that count.
    pub masks: [Option<&'a Volume<bool>>; 2],
    /// The affine map from fixed to moving points that the deformation comes before.
    pub moving_from_fixed: AffineMap,
    /// How the images are prepared.
    pub options: &'a Options,
    /// The solver's settings.
    pub settings: &'a Settings,
    /// The bytes of a checkpoint of the same request, to go on from.
    pub checkpoint: Option<&'a [u8]>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Displacements of the whole map on the fixed grid, LPS, mm.
    pub displacement: Volume<[f32; 3]>,
    /// Displacements of the map back on the grid of the moving image, LPS, mm.
    pub inverse_displacement: Volume<[f32; 3]>,
    /// The velocity on the solver's box, LPS, mm for the unit of time.
    pub velocity: Volume<[f32; 3]>,
    /// det F of the flow on the fixed grid; times the affine map's determinant it is that of the whole map.
    pub determinant: Volume<f32>,
    /// The scales of each channel's fixed and moving image.
    pub scales: Vec<[Scale; 2]>,
    /// How the solver ended.
    pub outcome: Outcome,
    /// Weight of the regularisation at the end.
    pub beta: f64,
    /// ‖m(1) − r‖/‖m(0) − r‖ in the solver's box, m(0) after the affine map.
    pub relative_mismatch: f64,
    /// Work of the run.
    pub work: Work,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum Error {
    /// The images cannot be prepared.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The solver refuses its settings or images.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Called after every Newton step with the bytes of a checkpoint, made when asked for; `Break` ends the run.
pub type OnStep<'a> = &'a mut dyn FnMut(&Progress, &dyn Fn() -> Vec<u8>) -> ControlFlow<()>;

/// Registers volumes. Being interrupted by the observer is an outcome.
///
/// # Errors
/// If images, settings or the checkpoint cannot be used.
pub fn register_volumes(request: &Request, on_step: OnStep) -> Result<Found, Error> {
    let Request { channels, masks, moving_from_fixed, options, settings, checkpoint } = *request;
    let start = checkpoint.map(Checkpoint::from_bytes).transpose()?.map_or(Start::Rest, Start::Checkpoint);
    let Prepared { frame, components, mask, scales } = prepare::<f32>(channels, masks, &moving_from_fixed, options)?;
    let images = Images { grid: frame.periodic(), components, mask, distance: Distance::SumOfSquares };
    let solution: Solution<f32> = register(images, settings, start, &mut Watch(on_step))?;
    let Solution { velocity, outcome, beta, relative_mismatch, work, .. } = solution;
    let found = Deformation { frame, velocity, affine: moving_from_fixed };
    let whole = found.displacement();
    let displacement = found.frame.cropped(whole.data());
    drop(whole);
    Ok(Found {
        displacement,
        inverse_displacement: found.inverse_displacement(channels[0].moving.grid()),
        velocity: found.velocity_mm(),
        determinant: found.determinant(),
        scales,
        outcome,
        beta,
        relative_mismatch,
        work,
    })
}

struct Watch<'a>(OnStep<'a>);

impl Observer<f32> for Watch<'_> {
    fn step(&mut self, progress: &Progress, snapshot: Snapshot<f32>) -> ControlFlow<()> {
        (self.0)(progress, &|| snapshot.bytes())
    }
}
