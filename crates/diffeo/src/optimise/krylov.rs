//! Preconditioned conjugate gradients for the Newton step, matrix-free, stopped early.
//!
//! The preconditioner may itself be an iteration and so differ from call to call; the direction is therefore made
//! conjugate by the flexible formula β = ⟨z₊, r₊ − r⟩/⟨z, r⟩ (Notay 2000, "Flexible conjugate gradients", SIAM J. Sci.
//! Comput. 22), which costs no memory since r₊ − r = −α H p is at hand.

use crate::coefficients::Coefficients;
use crate::real::Real;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KrylovLimits {
    /// Residual relative to the right-hand side, both in the plain norm.
    pub tolerance: f64,
    /// Products with the operator.
    pub iterations: usize,
}

/// How the iteration ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KrylovReport {
    /// Products with the operator.
    pub iterations: usize,
    /// Residual relative to the right-hand side, from the recurrence.
    pub relative_residual: f64,
    /// Whether a direction of negative curvature, which rounding can bring about, ended the iteration.
    pub negative_curvature: bool,
}

/// The vectors of the iteration, kept by the caller from call to call: four of the unknown's size.
pub struct KrylovWork<T> {
    residual: Coefficients<T>,
    preconditioned: Coefficients<T>,
    direction: Coefficients<T>,
    product: Coefficients<T>,
}

impl<T: Real> KrylovWork<T> {
    /// Vectors of the band.
    pub fn new(band: [usize; 3]) -> Self {
        let zeros = || Coefficients::zeros(band);
        Self { residual: zeros(), preconditioned: zeros(), direction: zeros(), product: zeros() }
    }

    /// Three new vectors and one that is lent; see [`Self::give_back`].
    pub fn with(lent: &mut Coefficients<T>) -> Self {
        let zeros = || Coefficients::zeros(lent.band());
        let (residual, direction, product) = (zeros(), zeros(), zeros());
        Self { residual, direction, product, preconditioned: std::mem::replace(lent, Coefficients::empty()) }
    }

    /// Gives the vector that was lent back, whatever it holds now.
    pub fn give_back(self, lent: &mut Coefficients<T>) {
        *lent = self.preconditioned;
    }
}

/// Solves H x = b from x = 0 into `solution`, for H symmetric positive definite.
///
/// `apply(p, out)` writes H p, `precondition(r, out)` an approximation of H⁻¹ r. With a zero right-hand side the solution is
/// zero.
pub fn conjugate_gradients<T: Real>(
    mut apply: impl FnMut(&Coefficients<T>, &mut Coefficients<T>),
    mut precondition: impl FnMut(&Coefficients<T>, &mut Coefficients<T>),
    right_hand_side: &Coefficients<T>,
    limits: KrylovLimits,
    work: &mut KrylovWork<T>,
    solution: &mut Coefficients<T>,
) -> KrylovReport {
    let KrylovWork { residual, preconditioned, direction, product } = work;
    solution.clear();
    residual.clone_from(right_hand_side);
    let target = right_hand_side.norm();
    let mut report = KrylovReport { iterations: 0, relative_residual: 1.0, negative_curvature: false };
    if target == 0.0 {
        return KrylovReport { relative_residual: 0.0, ..report };
    }
    precondition(residual, preconditioned);
    direction.clone_from(preconditioned);
    let mut along = residual.dot(preconditioned);
    while report.iterations < limits.iterations && report.relative_residual > limits.tolerance {
        apply(direction, product);
        report.iterations += 1;
        let curvature = direction.dot(product);
        if !(curvature > 0.0 && along > 0.0) {
            report.negative_curvature = true;
            if report.iterations == 1 {
                // The preconditioned right-hand side still descends.
                solution.clone_from(direction);
            }
            break;
        }
        let step = along / curvature;
        solution.add_scaled(step, direction);
        residual.add_scaled(-step, product);
        report.relative_residual = residual.norm() / target;
        if report.iterations == limits.iterations || report.relative_residual <= limits.tolerance {
            break;
        }
        precondition(residual, preconditioned);
        // ⟨z₊, r₊ − r⟩ = −α ⟨z₊, H p⟩.
        let conjugate = -step * preconditioned.dot(product) / along;
        along = residual.dot(preconditioned);
        direction.scale_and_add(conjugate, preconditioned);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rustfft::num_complex::Complex;

    const BAND: [usize; 3] = [6, 5, 4];

    fn random(seed: u64) -> Coefficients<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut out = Coefficients::zeros(BAND);
        for value in out.components.iter_mut().flatten() {
            *value = Complex::new(random.random_range(-1.0..1.0), random.random_range(-1.0..1.0));
        }
        out
    }

    /// A diagonal operator with eigenvalues 1, 2, …, `distinct` in turn, plus a rank-one part.
    fn operator(distinct: usize, rank_one: &Coefficients<f64>) -> impl Fn(&Coefficients<f64>, &mut Coefficients<f64>) {
        move |p, out| {
            for (out, p) in out.components.iter_mut().zip(&p.components) {
                for (i, (out, p)) in out.iter_mut().zip(p).enumerate() {
                    *out = p.scale((i % distinct + 1) as f64);
                }
            }
            out.add_scaled(rank_one.dot(p), rank_one);
        }
    }

    fn identity(r: &Coefficients<f64>, out: &mut Coefficients<f64>) {
        out.clone_from(r);
    }

    #[test]
    fn a_system_with_few_eigenvalues_is_solved_in_as_many_steps() {
        let (solution, rank_one) = (random(1), random(2));
        let apply = operator(5, &rank_one);
        let mut b = Coefficients::zeros(BAND);
        apply(&solution, &mut b);
        let mut found = Coefficients::zeros(BAND);
        let limits = KrylovLimits { tolerance: 1e-12, iterations: 50 };
        let report = conjugate_gradients(&apply, identity, &b, limits, &mut KrylovWork::new(BAND), &mut found);
        assert!(report.iterations <= 12, "few distinct eigenvalues: {report:?}");
        found.add_scaled(-1.0, &solution);
        assert!(found.norm() < 1e-11 * solution.norm());
    }

    #[test]
    fn the_exact_inverse_as_preconditioner_needs_one_step() {
        let zero = Coefficients::zeros(BAND);
        let apply = operator(7, &zero);
        let precondition = |r: &Coefficients<f64>, out: &mut Coefficients<f64>| {
            for (out, r) in out.components.iter_mut().zip(&r.components) {
                for (i, (out, r)) in out.iter_mut().zip(r).enumerate() {
                    *out = r.scale(1.0 / (i % 7 + 1) as f64);
                }
            }
        };
        let mut found = Coefficients::zeros(BAND);
        let limits = KrylovLimits { tolerance: 1e-13, iterations: 50 };
        let report =
            conjugate_gradients(&apply, precondition, &random(3), limits, &mut KrylovWork::new(BAND), &mut found);
        assert_eq!(report.iterations, 1);
    }

    #[test]
    fn limits_hold_and_a_zero_right_hand_side_has_a_zero_solution() {
        let rank_one = random(4);
        let apply = operator(9, &rank_one);
        let mut found = random(5);
        let mut work = KrylovWork::new(BAND);
        let limits = KrylovLimits { tolerance: 1e-14, iterations: 3 };
        assert_eq!(conjugate_gradients(&apply, identity, &random(6), limits, &mut work, &mut found).iterations, 3);
        let nothing = conjugate_gradients(&apply, identity, &Coefficients::zeros(BAND), limits, &mut work, &mut found);
        assert_eq!((nothing.iterations, found.norm()), (0, 0.0));
    }

    #[test]
    fn negative_curvature_ends_the_iteration_with_a_direction_of_descent() {
        let apply = |p: &Coefficients<f64>, out: &mut Coefficients<f64>| {
            out.clone_from(p);
            out.scale(-1.0);
        };
        let (b, mut found) = (random(7), Coefficients::zeros(BAND));
        let limits = KrylovLimits { tolerance: 1e-3, iterations: 9 };
        let report = conjugate_gradients(apply, identity, &b, limits, &mut KrylovWork::new(BAND), &mut found);
        assert!(report.negative_curvature && found.dot(&b) > 0.0);
    }
}
