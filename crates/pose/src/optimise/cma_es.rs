//! Covariance matrix adaptation evolution strategy.
//!
//! Source: N. Hansen, "The CMA evolution strategy: a tutorial" (arXiv 1604.00772), equations and default
//! parameters of its appendix A, without negative recombination weights.

use super::{Climb, End, Limits, PATIENCE_WITHOUT_DERIVATIVE, Report, Step, Surface};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::{DMatrix, DVector, SymmetricEigen, Vector6};

/// The search distribution `N(mean, sigma² C)` and its evolution paths.
#[derive(Clone, Debug)]
pub struct Distribution {
    mean: DVector<f64>,
    sigma: f64,
    covariance: DMatrix<f64>,
    path_sigma: DVector<f64>,
    path_c: DVector<f64>,
    generation: usize,
    weights: Vec<f64>,
}

/// Learning rates that depend on the dimension and the weights only.
struct Rates {
    mu_eff: f64,
    c_sigma: f64,
    d_sigma: f64,
    c_c: f64,
    c_1: f64,
    c_mu: f64,
    /// Expected norm of a standard normal vector.
    chi: f64,
}

impl Distribution {
    /// An isotropic distribution around `mean`; `sigma` positive.
    pub fn new(mean: &[f64], sigma: f64) -> Self {
        let n = mean.len();
        let offspring = 4 + (3.0 * (n as f64).ln()).floor() as usize;
        let raw: Vec<f64> =
            (1..=offspring / 2).map(|i| ((offspring as f64 + 1.0) / 2.0).ln() - (i as f64).ln()).collect();
        let sum: f64 = raw.iter().sum();
        Self {
            mean: DVector::from_column_slice(mean),
            sigma,
            covariance: DMatrix::identity(n, n),
            path_sigma: DVector::zeros(n),
            path_c: DVector::zeros(n),
            generation: 0,
            weights: raw.iter().map(|w| w / sum).collect(),
        }
    }

    /// Number of points in a generation.
    pub fn offspring(&self) -> usize {
        4 + (3.0 * (self.mean.len() as f64).ln()).floor() as usize
    }

    /// Middle of the distribution.
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// Largest standard deviation along any direction.
    pub fn spread(&self) -> f64 {
        self.sigma * SymmetricEigen::new(self.covariance.clone()).eigenvalues.max().max(0.0).sqrt()
    }

    /// Draws one generation.
    pub fn ask(&self, random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let eigen = SymmetricEigen::new(self.covariance.clone());
        let root = &eigen.eigenvectors * DMatrix::from_diagonal(&eigen.eigenvalues.map(|v| v.max(0.0).sqrt()));
        let draw = |_| {
            let z = DVector::from_fn(self.mean.len(), |_, _| crate::starts::normal(random));
            (&self.mean + &root * z * self.sigma).as_slice().to_vec()
        };
        (0..self.offspring()).map(draw).collect()
    }

    /// Learns from a generation and its costs (smaller is better).
    pub fn tell(&mut self, points: &[Vec<f64>], costs: &[f64]) {
        let rates = self.rates();
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        let old = self.mean.clone();
        let steps: Vec<DVector<f64>> = order
            .iter()
            .take(self.weights.len())
            .map(|&n| (DVector::from_column_slice(&points[n]) - &old) / self.sigma)
            .collect();
        let mean_step: DVector<f64> =
            steps.iter().zip(&self.weights).fold(DVector::zeros(old.len()), |sum, (y, &w)| sum + y * w);
        self.mean = old + &mean_step * self.sigma;
        self.generation += 1;

        // Step-size path and step size.
        let eigen = SymmetricEigen::new(self.covariance.clone());
        let inverse_root = DMatrix::from_diagonal(&eigen.eigenvalues.map(|v| 1.0 / v.max(1e-300).sqrt()));
        let whitened = &eigen.eigenvectors * (inverse_root * (eigen.eigenvectors.transpose() * &mean_step));
        self.path_sigma *= 1.0 - rates.c_sigma;
        self.path_sigma += whitened * (rates.c_sigma * (2.0 - rates.c_sigma) * rates.mu_eff).sqrt();
        let length = self.path_sigma.norm();
        self.sigma *= ((rates.c_sigma / rates.d_sigma) * (length / rates.chi - 1.0)).exp();

        // Covariance path, rank-one and rank-mu update.
        let n = self.mean.len() as f64;
        let settled = (1.0 - (1.0 - rates.c_sigma).powi(2 * self.generation as i32)).sqrt();
        let ahead = length / settled < (1.4 + 2.0 / (n + 1.0)) * rates.chi;
        self.path_c *= 1.0 - rates.c_c;
        if ahead {
            self.path_c += &mean_step * (rates.c_c * (2.0 - rates.c_c) * rates.mu_eff).sqrt();
        }
        let lost = if ahead { 0.0 } else { rates.c_c * (2.0 - rates.c_c) };
        self.covariance *= 1.0 + rates.c_1 * lost - rates.c_1 - rates.c_mu;
        self.covariance += &self.path_c * self.path_c.transpose() * rates.c_1;
        for (y, &w) in steps.iter().zip(&self.weights) {
            self.covariance += y * y.transpose() * (rates.c_mu * w);
        }
    }

    fn rates(&self) -> Rates {
        let n = self.mean.len() as f64;
        let mu_eff = 1.0 / self.weights.iter().map(|w| w * w).sum::<f64>();
        let c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0);
        let c_1 = 2.0 / ((n + 1.3).powi(2) + mu_eff);
        Rates {
            mu_eff,
            c_sigma,
            d_sigma: 1.0 + 2.0 * (((mu_eff - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma,
            c_c: (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n),
            c_1,
            c_mu: (1.0 - c_1).min(2.0 * (mu_eff - 2.0 + 1.0 / mu_eff) / ((n + 2.0).powi(2) + mu_eff)),
            chi: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

/// Climbs until the distribution is narrower than the level's shortest step.
pub(crate) fn climb(objective: &impl Surface, start: &Rigid, sigma_mm: f64, limits: &Limits, report: Report) -> Climb {
    let chart = objective.chart(*start);
    let mut random = ChaCha8Rng::seed_from_u64(limits.seed);
    let mut distribution = Distribution::new(&[0.0; 6], sigma_mm * limits.spread);
    let similarity = objective.value(start);
    let mut climb =
        Climb { pose: *start, similarity, iterations: 0, evaluations: 1, curvature: None, end: End::IterationLimit };
    loop {
        let spread = distribution.spread();
        let Climb { pose, similarity, iterations: iteration, evaluations, .. } = climb;
        if report(&Step { iteration, pose, similarity, evaluations, step_mm: spread }).is_break() {
            return Climb { end: End::Stopped, ..climb };
        }
        if spread.is_nan() || spread < limits.step_mm {
            return Climb { end: End::Converged, ..climb };
        }
        if climb.iterations >= limits.max_iterations * PATIENCE_WITHOUT_DERIVATIVE {
            return climb;
        }
        let points = distribution.ask(&mut random);
        let poses: Vec<Rigid> = points.iter().map(|x| chart.pose(&Vector6::from_column_slice(x))).collect();
        let costs: Vec<f64> = poses.par_iter().map(|pose| -objective.value(pose)).collect();
        climb.evaluations += poses.len();
        climb.iterations += 1;
        for (pose, cost) in poses.iter().zip(&costs) {
            if -cost > climb.similarity {
                (climb.pose, climb.similarity) = (*pose, -cost);
            }
        }
        distribution.tell(&points, &costs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimise(f: impl Fn(&[f64]) -> f64, from: &[f64], generations: usize) -> Distribution {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut distribution = Distribution::new(from, 0.5);
        for _ in 0..generations {
            let points = distribution.ask(&mut random);
            let costs: Vec<f64> = points.iter().map(|x| f(x)).collect();
            distribution.tell(&points, &costs);
        }
        distribution
    }

    fn rosenbrock(x: &[f64]) -> f64 {
        x.windows(2).map(|w| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (1.0 - w[0]).powi(2)).sum()
    }

    #[test]
    fn it_finds_the_bottom_of_curved_and_stretched_valleys() {
        let found = minimise(rosenbrock, &[-1.0, 1.0], 300);
        assert!(found.mean().iter().all(|x| (x - 1.0).abs() < 1e-6), "{:?}", found.mean());
        let cigar = |x: &[f64]| x[0] * x[0] + 1e6 * x[1..].iter().map(|v| v * v).sum::<f64>();
        let found = minimise(cigar, &[3.0; 6], 400);
        assert!(found.mean().iter().all(|x| x.abs() < 1e-5), "{:?}", found.mean());
    }

    #[test]
    fn it_sees_ranks_only_and_does_not_feel_a_shift() {
        let plain = minimise(rosenbrock, &[0.0; 4], 60);
        let bent = minimise(|x| rosenbrock(x).ln_1p() * 7.0 - 3.0, &[0.0; 4], 60);
        assert_eq!(plain.mean(), bent.mean());
        let shifted = minimise(|x| rosenbrock(&x.iter().map(|v| v - 64.0).collect::<Vec<_>>()), &[64.0; 4], 20);
        let plain = minimise(rosenbrock, &[0.0; 4], 20);
        assert!(plain.mean().iter().zip(shifted.mean()).all(|(a, b)| (a + 64.0 - b).abs() < 1e-6));
    }

    #[test]
    fn without_information_the_size_stays_on_average() {
        // On a constant function the ranks are random and log sigma does an unbiased walk.
        let mean: f64 = (0..40)
            .map(|seed| {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                let mut distribution = Distribution::new(&[0.0; 6], 1.0);
                for _ in 0..50 {
                    let points = distribution.ask(&mut random);
                    let costs = vec![0.0; points.len()];
                    distribution.tell(&points, &costs);
                }
                distribution.sigma.ln() / 40.0
            })
            .sum();
        assert!(mean.abs() < 0.25, "{mean}");
    }
}
