//! Deviations of algorithms from the field where their spread is itself uncertain.
//!
//! The standard deviation τ of a handful of algorithms is known badly; its estimate is often near zero, and intervals that
//! take it as known are then far too short. The data speak of the deviations s of one effect by a quadratic function with
//! precision P and linear term h (all other effects taken out, the field's own effect without prior), so that for a given
//! τ they have the normal distribution with covariance V = (P + I/τ²)⁻¹ and mean V h, and τ has the restricted likelihood
//! |I + τ²P|^(−1/2) exp(½ hᵀVh). Deviations are told as the mixture over τ, with a half-normal prior of scale 1 for what
//! they do over two standard deviations of the characteristic (Röver et al. 2021, "On weakly informative prior
//! distributions for the heterogeneity parameter in Bayesian random-effects meta-analysis"; two standard deviations:
//! Gelman 2008). The field is the algorithms of the study: deviations are told relative to their mean.

use super::linearised::Linearised;
use regiscope_glmm::infer::distributions::normal_cdf;
use regiscope_glmm::matrix::{Matrix, dot};

/// Standard deviations that are tried; spaced as squares, so that they are dense near zero.
const NODES: usize = 64;

/// A mixture of normal distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Weight, mean and standard deviation of each part; weights add up to one, standard deviations are above 0.
    parts: Vec<[f64; 3]>,
}

impl Mixture {
    /// The mean.
    pub fn mean(&self) -> f64 {
        self.parts.iter().map(|[w, m, _]| w * m).sum()
    }

    /// The standard deviation.
    pub fn sd(&self) -> f64 {
        let mean = self.mean();
        self.parts.iter().map(|[w, m, s]| w * (s * s + (m - mean).powi(2))).sum::<f64>().sqrt()
    }

    /// Probability of values below x.
    pub fn below(&self, x: f64) -> f64 {
        self.parts.iter().map(|[w, m, s]| w * normal_cdf((x - m) / s)).sum()
    }

    /// The value that is exceeded with probability 1 − p, p above 0 and below 1.
    pub fn quantile(&self, p: f64) -> f64 {
        let reach = |of: &[f64; 3], sign: f64| of[1] + sign * 40.0 * of[2];
        let mut low = self.parts.iter().map(|part| reach(part, -1.0)).fold(f64::INFINITY, f64::min);
        let mut high = self.parts.iter().map(|part| reach(part, 1.0)).fold(f64::NEG_INFINITY, f64::max);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if self.below(middle) < p { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }

    /// Twice the probability of the side of zero that has less.
    pub fn two_sided(&self) -> f64 {
        let below = self.below(0.0);
        (2.0 * below.min(1.0 - below)).clamp(0.0, 1.0)
    }
}

/// What the data say of the deviations of one effect.
#[derive(Clone, Debug)]
pub struct Deviations {
    /// Precision of the deviations under the data alone.
    pub precision: Matrix,
    /// Linear term.
    pub linear: Vec<f64>,
}

impl Deviations {
    /// Mean and covariance for a standard deviation above 0, and the logarithm of its restricted likelihood.
    pub fn given(&self, sd: f64) -> Option<(Vec<f64>, Matrix, f64)> {
        let n = self.linear.len();
        let scaled = Matrix::from_fn(n, n, |i, j| sd * sd * self.precision[(i, j)] + f64::from(u8::from(i == j)));
        let root = scaled.cholesky()?;
        let mut covariance = root.cholesky_inverse();
        covariance.values.iter_mut().for_each(|v| *v *= sd * sd);
        let mean = covariance.times(&self.linear);
        let log = 0.5 * (dot(&mean, &self.linear) - root.cholesky_log_determinant());
        Some((mean, covariance, log))
    }

    /// For each level its deviation from the mean of all. `scale` is that of the prior of the standard deviation.
    pub fn from_the_mean(&self, scale: f64) -> Option<Vec<Mixture>> {
        let n = self.linear.len();
        let log_prior = |sd: f64| -0.5 * (sd / scale).powi(2);
        let log_at = |sd: f64| self.given(sd).map(|g| g.2 + log_prior(sd));
        // Beyond `end` hardly anything is left.
        let mut end = 6.0 * scale;
        let highest = (0..60).filter_map(|k| log_at(scale * 1e-4 * 1.2_f64.powi(k))).fold(f64::NEG_INFINITY, f64::max);
        while end > 1e-3 * scale && log_at(0.8 * end)? < highest - 16.0 {
            end *= 0.8;
        }
        let nodes = (0..NODES).map(|k| {
            let u = (k as f64 + 0.5) / NODES as f64;
            let sd = end * u * u;
            let (mean, covariance, log) = self.given(sd)?;
            Some((mean, covariance, log + log_prior(sd) + u.ln()))
        });
        let nodes: Vec<(Vec<f64>, Matrix, f64)> = nodes.collect::<Option<_>>()?;
        let highest = nodes.iter().map(|n| n.2).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = nodes.iter().map(|n| (n.2 - highest).exp()).sum();
        let count = n as f64;
        let of_level = |level: usize| {
            let part = |(mean, covariance, log): &(Vec<f64>, Matrix, f64)| {
                let field = mean.iter().sum::<f64>() / count;
                let with_field = covariance.column(level).iter().sum::<f64>() / count;
                let of_field = covariance.values.iter().sum::<f64>() / (count * count);
                let variance = covariance[(level, level)] - 2.0 * with_field + of_field;
                let least = 1e-12 * covariance[(level, level)];
                [(log - highest).exp() / total, mean[level] - field, variance.max(least).sqrt()]
            };
            Mixture { parts: nodes.iter().map(part).collect() }
        };
        Some((0..n).map(of_level).collect())
    }
}

impl Linearised {
    /// What the data say of one column of a random term with as many levels and columns as told; the effects of all other
    /// columns have the variances of the fit.
    pub fn deviations(&self, first: usize, column: usize, levels: usize, columns: usize) -> Option<Deviations> {
        let size = self.data.rows;
        let block: Vec<usize> = (0..levels).map(|l| first + l * columns + column).collect();
        let other: Vec<usize> = (0..size).filter(|j| block.binary_search(j).is_err()).collect();
        let (data, scale) = (&self.data, &self.scale);
        let against = Matrix::from_fn(other.len(), other.len(), |i, j| {
            let (a, b) = (other[i], other[j]);
            scale[a] * data[(a, b)] * scale[b] + f64::from(u8::from(i == j && a >= self.fixed))
        });
        let root = against.cholesky()?;
        let mixed = Matrix::from_fn(other.len(), levels, |i, k| scale[other[i]] * data[(other[i], block[k])]);
        let solved: Vec<Vec<f64>> = (0..levels).map(|k| root.cholesky_solve(mixed.column(k))).collect();
        let precision =
            Matrix::from_fn(levels, levels, |i, j| data[(block[i], block[j])] - dot(&solved[i], mixed.column(j)));
        let whole: Vec<f64> = data.times(&self.mode).iter().zip(&self.score).map(|(a, b)| a + b).collect();
        let of_other: Vec<f64> = other.iter().map(|&j| scale[j] * whole[j]).collect();
        let linear = (0..levels).map(|k| whole[block[k]] - dot(&solved[k], &of_other)).collect();
        Some(Deviations { precision, linear })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::small_study;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// At the fit's own standard deviation mean and covariance are the conditional modes and their joint covariance.
    #[test]
    fn at_the_fit_they_are_the_conditional_modes() {
        let observations = small_study(2);
        let model = fit_failures(&observations, &[0, 2], None).unwrap();
        let joint = Linearised::new(&model).unwrap();
        let term = model.algorithm_term.unwrap();
        let (random, first) = (&model.fit.random[term], joint.first[term].unwrap());
        let mut compared = 0;
        for column in 0..3 {
            let found = joint.deviations(first, column, 6, 3).unwrap();
            if random.sd[column] < 1e-3 {
                continue;
            }
            let (mean, covariance, _) = found.given(random.sd[column]).unwrap();
            for (level, mean) in mean.iter().enumerate() {
                let mode = random.modes[(level, column)];
                assert!((mean - mode).abs() < 1e-4, "{column} {level}: {mean} {mode}");
                let place = first + level * 3 + column;
                let expected = joint.covariance[(place, place)];
                // The joint covariance takes that of the fixed effects from the fit.
                assert!((covariance[(level, level)] / expected - 1.0).abs() < 0.1, "{column} {level}");
                compared += 1;
            }
        }
        assert!(compared >= 12);
    }

    /// Numbers of a normal distribution with a known error: intervals hold the truth as often as they say, also where the
    /// spread is small beside the error.
    #[test]
    fn intervals_hold_the_truth() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        for spread in [0.5, 1.0, 3.0] {
            let (mut hits, mut trials) = (0, 0);
            for _ in 0..150 {
                let truth: Vec<f64> = (0..8).map(|_| spread * 0.1 * normal()).collect();
                let seen: Vec<f64> = truth.iter().map(|t| t + 0.1 * normal()).collect();
                // Precision 100 for each, the common mean taken out.
                let precision = Matrix::from_fn(8, 8, |i, j| 100.0 * (f64::from(u8::from(i == j)) - 0.125));
                let found = Deviations { linear: precision.times(&seen), precision };
                let field = truth.iter().sum::<f64>() / 8.0;
                for (mixture, t) in found.from_the_mean(1.0).unwrap().iter().zip(&truth) {
                    let inside = mixture.quantile(0.025) <= t - field && t - field <= mixture.quantile(0.975);
                    hits += usize::from(inside);
                    trials += 1;
                    assert!((mixture.below(mixture.quantile(0.3)) - 0.3).abs() < 1e-9);
                }
            }
            let share = hits as f64 / trials as f64;
            assert!((0.93..0.985).contains(&share), "{spread}: {share}");
        }
    }
}
