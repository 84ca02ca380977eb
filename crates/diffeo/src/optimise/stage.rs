//! The grids, images and changes of variable of one stage.

use super::data_term::DataTerm;
use super::images::{ImageTerm, Images};
use super::newton::Level;
use super::observer::Work;
use super::precondition::{Choice, Coarse};
use super::reduction::Reduction;
use super::settings::Stage;
use crate::grid::Grid;
use crate::objective::{Discretisation, ProblemError};
use crate::real::Real;
use crate::regularisation::Regularisation;
use crate::spectral::resample::{coarser_shape, grid_of_shape};

/// A stage with what it works on.
pub(super) struct StageLevel<T: Real> {
    pub stage: Stage,
    pub level: Level<T, ImageTerm<T>>,
    pub grid: Grid,
}

/// Whether two stages share grids and images.
pub(super) fn same_level(a: &Stage, b: &Stage) -> bool {
    let inner = |s: &Stage| (s.preconditioner, s.inner_coarsening, s.inner_steps);
    let key = |s: &Stage| (s.coarsening, s.band, s.smoothing, s.discretisation, inner(s));
    key(a) == key(b)
}

/// The grid of a stage of images on `grid`.
pub(super) fn stage_grid(grid: &Grid, stage: &Stage) -> Grid {
    grid_of_shape(grid, coarser_shape(grid.shape, stage.coarsening))
}

/// The band of a stage's unknowns.
pub(super) fn stage_band(grid: &Grid, stage: &Stage) -> [usize; 3] {
    band_on(stage_grid(grid, stage).shape, stage)
}

/// The band of unknowns on a stage's grid: what its flow's grid can carry at most.
fn band_on(shape: [usize; 3], stage: &Stage) -> [usize; 3] {
    let flow = coarser_shape(shape, stage.discretisation.coarsening);
    let band = coarser_shape(shape, stage.band);
    [0, 1, 2].map(|a| band[a].min(flow[a]))
}

impl<T: Real> StageLevel<T> {
    /// The level of `stage` with the images as they are on its grid.
    pub fn new(images: Images<T>, stage: Stage, regularisation: Regularisation) -> Result<Self, ProblemError> {
        let images = images.balanced();
        let grid = images.grid;
        let band = band_on(grid.shape, &stage);
        let coarse_grid = grid_of_shape(&grid, coarser_shape(grid.shape, stage.inner_coarsening));
        let coarse_band = std::array::from_fn(|a| band[a].min(coarse_grid.shape[a]));
        let coarse = match stage.preconditioner {
            Choice::Regularisation => None,
            Choice::ZeroVelocity | Choice::TwoLevel => Some(Coarse {
                data: ImageTerm::new(
                    images.on(&coarse_grid, 0.0),
                    Discretisation { coarsening: 1.0, ..stage.discretisation },
                )?,
                reduction: Reduction::new(&coarse_grid, coarse_band, regularisation),
                pointwise: stage.preconditioner == Choice::ZeroVelocity,
                iterations: stage.inner_steps,
            }),
        };
        let data = ImageTerm::new(images, stage.discretisation)?;
        let reduction = Reduction::new(data.grid(), band, regularisation);
        Ok(Self { stage, level: Level { data, reduction, coarse }, grid })
    }

    /// Adds the work done on this level.
    pub fn add_work(&self, work: &mut Work) {
        let Level { data, reduction, coarse } = &self.level;
        work.transforms += reduction.transforms();
        work.interpolations += data.interpolations();
        if let Some(coarse) = coarse {
            work.transforms += coarse.reduction.transforms();
            work.interpolations += coarse.data.interpolations();
        }
    }
}
