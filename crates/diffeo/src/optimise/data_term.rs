//! What the optimiser asks of the distance between images: the seam that another implementation of the transport fills.

use crate::field::VectorField;
use crate::grid::Grid;
use crate::real::Real;

/// A distance D(v) ≥ 0 of the images as a function of the velocity, its gradient and its Gauss-Newton Hessian.
///
/// Values and inner products are means over the box: the derivative of D in a direction u is (1/N) Σ gradient·u.
pub trait DataTerm<T: Real> {
    /// D at one velocity and what its derivatives need.
    type Evaluation;
    /// What products with the Hessian there need.
    type Linearisation;

    /// The grid of the velocities.
    fn grid(&self) -> &Grid;

    /// Transports the images by a velocity in units of length per unit of time.
    fn evaluate(&self, velocity: &VectorField<T>) -> Self::Evaluation;

    /// D, the mean over the box.
    fn distance(&self, evaluation: &Self::Evaluation) -> f64;

    /// How far the transported images are from the fixed ones, √(D(v)/D(0)): for the sum of squared differences
    /// ‖m(1) − r‖/‖m(0) − r‖.
    fn relative_mismatch(&self, evaluation: &Self::Evaluation) -> f64;

    /// Least and largest det F of the map.
    fn determinant_range(&self, evaluation: &Self::Evaluation) -> [f64; 2];

    /// det F of the map at every sample of the velocities' grid.
    fn determinant(&self, evaluation: &Self::Evaluation) -> Vec<T>;

    /// What products with the Hessian need, and ∇D, per unit of length.
    fn linearise(&self, evaluation: Self::Evaluation) -> (Self::Linearisation, VectorField<T>);

    /// The Gauss-Newton Hessian of D times `direction`.
    fn product(&self, at: &Self::Linearisation, direction: &VectorField<T>) -> VectorField<T>;

    /// The blocks xx, xy, xz, yy, yz, zz of the Gauss-Newton Hessian at zero velocity, with the images as they are now.
    fn zero_velocity_blocks(&self, at: &Self::Linearisation) -> [Vec<T>; 6];

    /// Interpolations of a scalar field on the grid so far.
    fn interpolations(&self) -> u64;
}
