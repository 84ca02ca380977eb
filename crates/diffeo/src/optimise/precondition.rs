//! Preconditioners of the Newton system S JᵀJ S + βI in the unknown w.
//!
//! Without one, the system is already preconditioned by the inverse regularisation: that is what the unknown w does, and
//! a product costs six scalar transforms. What is left to treat are the low wavenumbers, where JᵀJ outweighs β. Both
//! preconditioners solve for those on a coarser grid by conjugate gradients and leave the high ones to 1/β:
//!
//! - [`Choice::TwoLevel`] solves the actual Hessian of the images restricted to the coarser grid, at the present velocity;
//! - [`Choice::ZeroVelocity`] leaves the transport out of it, so that a product is a product of 3×3 matrices between
//!   transforms (Brunn, Himthani, Biros, Mehl & Mang 2020, "Multi-node multi-GPU diffeomorphic image registration for
//!   large-scale imaging problems", SC20).

use super::data_term::DataTerm;
use super::krylov::{KrylovLimits, KrylovWork, conjugate_gradients};
use super::reduction::Reduction;
use crate::coefficients::Coefficients;
use crate::field::{VectorField, zeros};
use crate::real::Real;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The preconditioners by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The inverse of the regularisation alone.
    Regularisation,
    /// Low wavenumbers by the Hessian without transport.
    ZeroVelocity,
    /// Low wavenumbers by the Hessian of the coarser grid.
    TwoLevel,
}

/// Data and change of variable on the coarser grid.
pub struct Coarse<T: Real, D> {
    /// The distance on the coarser grid.
    pub data: D,
    /// The change of variable there.
    pub reduction: Reduction<T>,
    /// Whether the transport is left out.
    pub pointwise: bool,
    /// Limit of the inner iteration.
    pub iterations: usize,
}

/// The preconditioner at one velocity.
pub struct Preconditioner<'a, T: Real, D: DataTerm<T>> {
    beta: f64,
    coarse: Option<CoarseSystem<'a, T, D>>,
    /// Inner products so far.
    pub inner_products: usize,
}

struct CoarseSystem<'a, T: Real, D: DataTerm<T>> {
    level: &'a Coarse<T, D>,
    hessian: Hessian<T, D::Linearisation>,
    tolerance: f64,
    right_hand_side: Coefficients<T>,
    solution: Coefficients<T>,
    work: KrylovWork<T>,
    velocity: VectorField<T>,
}

/// The data part's Hessian on the coarser grid.
enum Hessian<T, L> {
    /// The actual one.
    Actual(L),
    /// Symmetric 3×3 blocks, one per sample: xx, xy, xz, yy, yz, zz.
    Blocks([Vec<T>; 6]),
}

impl<'a, T: Real, D: DataTerm<T>> Preconditioner<'a, T, D> {
    /// The preconditioner at `unknown`; `tolerance` is that of the system it serves.
    pub fn new(coarse: Option<&'a Coarse<T, D>>, unknown: &Coefficients<T>, beta: f64, tolerance: f64) -> Self {
        let coarse = coarse.map(|level| {
            let band = level.reduction.band();
            let mut velocity = zeros(level.data.grid().len());
            let restricted = unknown.to_band(band);
            let mut solution = Coefficients::zeros(band);
            level.reduction.velocity(&restricted, &mut solution, &mut velocity);
            let (at, _) = level.data.linearise(level.data.evaluate(&velocity));
            let hessian = if level.pointwise {
                Hessian::Blocks(level.data.zero_velocity_blocks(&at))
            } else {
                Hessian::Actual(at)
            };
            CoarseSystem {
                level,
                hessian,
                tolerance: 0.5 * tolerance,
                right_hand_side: restricted,
                solution,
                work: KrylovWork::new(band),
                velocity,
            }
        });
        Self { beta, coarse, inner_products: 0 }
    }

    /// An approximation of H⁻¹ r.
    pub fn apply(&mut self, residual: &Coefficients<T>, out: &mut Coefficients<T>) {
        out.clone_from(residual);
        let Some(system) = &mut self.coarse else { return };
        out.scale(1.0 / self.beta);
        let CoarseSystem { level, hessian, tolerance, right_hand_side, solution, work, velocity } = system;
        right_hand_side.clear();
        right_hand_side.copy_common(residual);
        let product = |p: &Coefficients<T>, h: &mut Coefficients<T>| {
            // The scratch of the change of variable is the output, overwritten after that.
            level.reduction.velocity(p, h, velocity);
            match hessian {
                Hessian::Actual(at) => level.reduction.pull_back(&level.data.product(at, velocity), h),
                Hessian::Blocks(blocks) => {
                    multiply(blocks, velocity);
                    level.reduction.pull_back(velocity, h);
                }
            }
            level.reduction.add_penalty(self.beta, p, h);
        };
        let limits = KrylovLimits { tolerance: *tolerance, iterations: level.iterations };
        let identity = |r: &Coefficients<T>, z: &mut Coefficients<T>| z.clone_from(r);
        let report = conjugate_gradients(product, identity, right_hand_side, limits, work, solution);
        self.inner_products += report.iterations;
        out.copy_common(solution);
    }
}

/// The blocks times the vectors, in place.
fn multiply<T: Real>([xx, xy, xz, yy, yz, zz]: &[Vec<T>; 6], [u, v, w]: &mut VectorField<T>) {
    const PIECE: usize = 1 << 13;
    let fields = u.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE)).zip(w.par_chunks_mut(PIECE));
    fields.enumerate().for_each(|(piece, ((u, v), w))| {
        let first = piece * PIECE;
        for i in 0..u.len() {
            let (j, [a, b, c]) = (first + i, [u[i], v[i], w[i]]);
            u[i] = xx[j] * a + xy[j] * b + xz[j] * c;
            v[i] = xy[j] * a + yy[j] * b + yz[j] * c;
            w[i] = xz[j] * a + yz[j] * b + zz[j] * c;
        }
    });
}
