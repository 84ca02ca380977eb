//! The images of a registration, and their distance on the grids of its stages.

use super::data_term::DataTerm;
use crate::distance::{Distance, Pair, balance};
use crate::field::VectorField;
use crate::grid::Grid;
use crate::objective::{Component, Discretisation, Evaluation, Linearisation, Problem, ProblemError};
use crate::real::Real;
use crate::spectral::resample::smooth_and_resample;

/// Two images of one or more channels on one grid, and what makes them alike.
#[derive(Clone, Debug)]
pub struct Images<T> {
    /// The periodic box. What leaves it on one side comes back on the other: images need a border of background.
    pub grid: Grid,
    /// The channels.
    pub components: Vec<Component<T>>,
    /// Weights in [0, 1] of the fixed image's samples.
    pub mask: Option<Vec<T>>,
    /// How unlike two images are.
    pub distance: Distance,
}

/// Images that cannot be registered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImagesError {
    /// The grid is too small.
    #[error("the images have {0:?} samples; registration needs at least 8 along every axis")]
    TooSmall([usize; 3]),
    /// An image has one value throughout.
    #[error("the {image} of channel {channel} is {value} everywhere; an image without contrast cannot be registered")]
    Constant {
        /// Which array.
        image: &'static str,
        /// Which channel, counted from 0.
        channel: usize,
        /// Its value.
        value: f64,
    },
    /// Something else is wrong with them.
    #[error(transparent)]
    Problem(#[from] ProblemError),
}

impl<T: Real> Images<T> {
    /// Whether the images can be registered.
    ///
    /// # Errors
    /// If an axis has fewer than 8 samples, an image has no contrast, or arrays do not fit each other.
    pub fn check(&self) -> Result<(), ImagesError> {
        if self.grid.shape.iter().any(|&n| n < 8) {
            return Err(ImagesError::TooSmall(self.grid.shape));
        }
        crate::objective::check(&self.grid, &self.components, self.mask.as_deref())?;
        for (channel, component) in self.components.iter().enumerate() {
            for (image, samples) in [("fixed image", &component.fixed), ("moving image", &component.moving)] {
                if samples.iter().all(|s| *s == samples[0]) {
                    return Err(ImagesError::Constant { image, channel, value: samples[0].wide() });
                }
            }
        }
        Ok(())
    }

    /// The images on another grid of the box, smoothed by a Gaussian of `sigma` samples of that grid.
    pub fn on(&self, grid: &Grid, sigma: f64) -> Self {
        if grid == &self.grid && sigma == 0.0 {
            return self.clone();
        }
        let sigma = [0, 1, 2].map(|a| sigma * grid.step(a));
        let component = |c: &Component<T>| Component {
            fixed: smooth_and_resample(&self.grid, grid, &c.fixed, sigma),
            moving: smooth_and_resample(&self.grid, grid, &c.moving, sigma),
            weight: c.weight,
        };
        let mask = self.mask.as_ref().map(|mask| {
            // Low-pass filtering overshoots at edges.
            let limit = |m: T| T::of(m.wide().clamp(0.0, 1.0));
            smooth_and_resample(&self.grid, grid, mask, sigma).into_iter().map(limit).collect()
        });
        Self { grid: *grid, components: self.components.iter().map(component).collect(), mask, distance: self.distance }
    }
}

impl<T: Real> Images<T> {
    /// The images with weights that make a weight β of the regularisation mean for their distance what it means for the
    /// sum of squared differences, see [`balance`].
    pub fn balanced(mut self) -> Self {
        for component in &mut self.components {
            let Component { fixed, moving, weight } = component;
            let pair = Pair { grid: &self.grid, warped: moving, fixed, mask: self.mask.as_deref() };
            *weight *= balance(&self.distance, pair);
        }
        self
    }
}

/// The distance of images on one grid.
pub struct ImageTerm<T: Real> {
    problem: Problem<T>,
    /// The distance of the images as they are.
    baseline: f64,
    volume: f64,
}

impl<T: Real> ImageTerm<T> {
    /// The distance of `images`.
    ///
    /// # Errors
    /// If the images do not fit each other.
    pub fn new(images: Images<T>, discretisation: Discretisation) -> Result<Self, ProblemError> {
        let Images { grid, components, mask, distance } = images;
        let of = |c: &Component<T>| {
            c.weight * distance.value(Pair { grid: &grid, warped: &c.moving, fixed: &c.fixed, mask: mask.as_deref() })
        };
        let baseline = components.iter().map(of).sum();
        let volume = (0..3).map(|a| grid.step(a) * grid.shape[a] as f64).product();
        let problem = Problem::new(grid, components, mask, distance, discretisation)?;
        Ok(Self { problem, baseline, volume })
    }

    /// √(D(y)/D(0)) through a displacement given in voxels of the images' grid: for the sum of squared differences
    /// ‖m(y) − r‖/‖m − r‖.
    pub fn mismatch_through(&self, displacement: &VectorField<T>) -> f64 {
        self.relative(self.problem.value_through(displacement))
    }

    /// A distance relative to that of the images as they are, as a ratio of norms.
    fn relative(&self, value: f64) -> f64 {
        if self.baseline == 0.0 { 0.0 } else { (value.max(0.0) / self.baseline).sqrt() }
    }
}

impl<T: Real> DataTerm<T> for ImageTerm<T> {
    type Evaluation = Evaluation<T>;
    /// Its gradient has been taken out.
    type Linearisation = Linearisation<T>;

    fn grid(&self) -> &Grid {
        self.problem.flow_grid()
    }

    fn evaluate(&self, velocity: &VectorField<T>) -> Evaluation<T> {
        self.problem.evaluate(velocity)
    }

    fn distance(&self, evaluation: &Evaluation<T>) -> f64 {
        evaluation.value / self.volume
    }

    fn relative_mismatch(&self, evaluation: &Evaluation<T>) -> f64 {
        self.relative(evaluation.value)
    }

    fn determinant_range(&self, evaluation: &Evaluation<T>) -> [f64; 2] {
        self.problem.determinant_range(evaluation)
    }

    fn determinant(&self, evaluation: &Evaluation<T>) -> Vec<T> {
        self.problem.determinant(evaluation)
    }

    fn linearise(&self, evaluation: Evaluation<T>) -> (Linearisation<T>, VectorField<T>) {
        let mut at = self.problem.linearise(evaluation);
        let gradient = std::mem::take(&mut at.gradient);
        (at, gradient)
    }

    fn product(&self, at: &Linearisation<T>, direction: &VectorField<T>) -> VectorField<T> {
        self.problem.gauss_newton_product(at, direction)
    }

    fn zero_velocity_blocks(&self, at: &Linearisation<T>) -> [Vec<T>; 6] {
        self.problem.zero_velocity_blocks(&at.evaluation)
    }

    fn interpolations(&self) -> u64 {
        self.problem.interpolations()
    }
}
