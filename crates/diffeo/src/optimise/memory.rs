//! How much memory a registration takes, before it is begun.
//!
//! Counted are arrays of the size of a grid or of a spectrum; what is left out (plans, tables of weights, a plane of work
//! space for each thread, three padding samples along each axis) adds a few percent on grids of 100 samples a side.

use super::precondition::Choice;
use super::settings::{Settings, Stage};
use super::stage::{stage_band, stage_grid};
use crate::fft::spectrum_shape;
use crate::grid::Grid;
use crate::spectral::resample::coarser_shape;
use crate::transport::between::TOGETHER;

/// The images of a registration, as far as memory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Channels.
    pub channels: usize,
    /// Whether there is a mask.
    pub masked: bool,
}

/// The largest number of scalar fields of the images' grid that a registration with the sum of squared differences holds at
/// once, the images themselves included, which it takes over from the caller.
pub fn peak_fields(grid: &Grid, inputs: Inputs, settings: &Settings) -> f64 {
    let images = image_fields(inputs);
    let last = settings.stages.len() - 1;
    let all = grid.len() as f64;
    let stages = settings.stages.iter().enumerate().map(|(i, stage)| {
        let own = i == last && stage_grid(grid, stage) == *grid && stage.smoothing == 0.0;
        let source = if own { 0.0 } else { images };
        source + Sizes::new(grid, stage, inputs).peak() / all
    });
    // The output's map: the velocity, two displacements of four numbers, the logarithm, twice more when it is looked up.
    let output = 2.0 * images + 3.0 + 8.0 + 3.0;
    let output = if stage_grid(grid, &settings.stages[last]) == *grid { output - images } else { output };
    stages.fold(output, f64::max)
}

/// Images on a grid and their mask, in fields of it.
fn image_fields(inputs: Inputs) -> f64 {
    (2 * inputs.channels + usize::from(inputs.masked)) as f64
}

/// Numbers in the arrays of a stage.
struct Sizes {
    /// A field of the stage's grid.
    fine: f64,
    /// A field of the flow's grid.
    flow: f64,
    /// What lies between the grids when a field is restricted.
    between: f64,
    /// The unknown.
    unknown: f64,
    inputs: Inputs,
    levels: f64,
    preconditioner: f64,
}

impl Sizes {
    fn new(grid: &Grid, stage: &Stage, inputs: Inputs) -> Self {
        let here = stage_grid(grid, stage);
        let flow = coarser_shape(here.shape, stage.discretisation.coarsening);
        let band = stage_band(grid, stage);
        let product = |shape: [usize; 3]| shape.iter().product::<usize>() as f64;
        let between =
            if flow == here.shape { 0.0 } else { 4.0 * product([flow[0], flow[1], here.shape[2].min(TOGETHER)]) };
        let mut sizes = Self {
            fine: product(here.shape),
            flow: product(flow),
            between,
            unknown: 6.0 * product(spectrum_shape(band)),
            inputs,
            levels: f64::from(stage.discretisation.squarings + 1),
            preconditioner: 0.0,
        };
        if stage.preconditioner != Choice::Regularisation {
            let coarse = coarser_shape(here.shape, stage.inner_coarsening);
            let band = [0, 1, 2].map(|a| band[a].min(coarse[a]));
            let (fine, unknown) = (product(coarse), 6.0 * product(spectrum_shape(band)));
            let on_coarse = Self { fine, flow: fine, between: 0.0, unknown, preconditioner: 0.0, ..sizes };
            // Its own images, evaluation, right-hand side, solution, work space and velocity.
            sizes.preconditioner = on_coarse.images() + on_coarse.product() + 6.0 * unknown;
        }
        sizes
    }

    fn images(&self) -> f64 {
        image_fields(self.inputs) * self.fine
    }

    fn peak(&self) -> f64 {
        // The unknown, gradient, direction, trial point, of which the Krylov iteration borrows one and adds three; a velocity.
        let [evaluating, solving] = [4.0, 7.0].map(|vectors| vectors * self.unknown + 3.0 * self.flow);
        let passes =
            (self.evaluation() + evaluating).max(self.linearisation() + evaluating).max(self.product() + solving);
        self.images() + self.preconditioner + passes
    }

    /// Warped images and their gradients, looked up at a displacement on both grids.
    fn evaluation(&self) -> f64 {
        let channels = self.inputs.channels as f64;
        let displacement = if self.between > 0.0 { 4.0 * self.fine } else { 4.0 * self.flow };
        4.0 * self.levels * self.flow + displacement + 4.0 * channels * self.fine
    }

    /// What an evaluation or a linearisation keeps: levels, warped images and their gradients.
    fn kept(&self) -> f64 {
        4.0 * self.levels * self.flow + 4.0 * self.inputs.channels as f64 * self.fine
    }

    /// The slopes and their way to the velocities.
    fn linearisation(&self) -> f64 {
        let slopes = self.inputs.channels as f64 * self.fine;
        self.kept() + (slopes + self.between + 4.0 * self.flow).max(TRANSPOSE * self.flow)
    }

    /// The largest pass of a product beside what is kept.
    fn product(&self) -> f64 {
        let channels = self.inputs.channels as f64;
        let tangent = 8.0 * self.flow;
        let push = 4.0 * self.flow + channels * self.fine;
        let pull = channels * self.fine + self.between + 4.0 * self.flow;
        self.kept() + tangent.max(push).max(pull).max(TRANSPOSE * self.flow)
    }
}

/// The weight that is transposed and what threads collect of it, fields of the flow's grid.
const TRANSPOSE: f64 = 9.5;
