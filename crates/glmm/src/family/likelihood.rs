//! The log-likelihood of all observations given the linear predictors, with the derivatives that Laplace's approximation
//! and its gradient need.

use super::density;
use crate::cross::Weights;
use crate::design::{Design, Response};
use crate::matrix::Matrix;
use crate::settings::{Family, Link, Settings, ZeroPart};

/// The responses with their family.
#[derive(Clone, Debug)]
pub struct Likelihood<'a> {
    /// The family.
    pub family: Family,
    /// The link of the mean.
    pub link: Link,
    /// What the second predictor means.
    pub zero: ZeroPart,
    /// Successes, counts, numbers or categories.
    pub y: Vec<f64>,
    /// Trials of binomial families (else empty).
    pub trials: Vec<f64>,
    /// Prior weights.
    pub weights: &'a [f64],
    /// Number of categories of an ordinal response, else 0.
    pub categories: usize,
    /// The part of a binomial or Poisson log-likelihood that no parameter changes.
    pub(super) constant: f64,
}
/// Sums and arrays over the observations. Predictors are 0 (mean) and 1 (zero part); pairs of predictors are indexed by
/// their sum, as are triples. Every array has one element for each row, or none where it is zero everywhere.
#[derive(Clone, Debug, Default)]
pub struct Slopes {
    /// The log-likelihood.
    pub value: f64,
    /// ∂ℓ/∂η_a.
    pub d1: [Vec<f64>; 2],
    /// −∂²ℓ/∂η_a∂η_b.
    pub w: Weights,
    /// ∂³ℓ/∂η_a∂η_b∂η_c.
    pub d3: [Vec<f64>; 4],
    /// ∂ℓ/∂φ for each shape parameter.
    pub s: Vec<f64>,
    /// ∂²ℓ/∂φ∂φ′.
    pub ss: Matrix,
    /// For each slot (the one or two shape parameters that a row depends on) ∂²ℓ/∂φ∂η_a.
    pub d1s: [[Vec<f64>; 2]; 2],
    /// For each slot ∂³ℓ/∂φ∂η_a∂η_b.
    pub d2s: [[Vec<f64>; 3]; 2],
    /// Whether the two arrays below are wanted.
    pub by_row: bool,
    /// ℓ of each row.
    pub densities: Vec<f64>,
    /// For each slot ∂ℓ/∂φ of each row.
    pub s_by_row: [Vec<f64>; 2],
}

impl<'a> Likelihood<'a> {
    /// The likelihood of a design that has passed [`check`](crate::check::check).
    pub fn new(design: &'a Design, settings: &Settings) -> Self {
        let ones = |n: usize| vec![1.0; n];
        let binomial = matches!(settings.family, Family::Binomial | Family::BetaBinomial);
        let (y, trials, categories) = match &design.response {
            Response::Real(y) => (y.clone(), if binomial { ones(y.len()) } else { vec![] }, 0),
            Response::Counts { successes, trials } => (successes.clone(), trials.clone(), 0),
            Response::Ordinal { codes, levels } => {
                (codes.iter().map(|&c| f64::from(c)).collect(), vec![], levels.len())
            }
        };
        let (family, link, zero) = (settings.family, settings.link, settings.zero);
        let weights = &design.weights;
        let constant = match family {
            Family::Binomial => {
                let terms = y.iter().zip(&trials).zip(weights);
                terms.filter(|((_, n), _)| **n != 1.0).map(|((&y, &n), w)| w * density::ln_choose(n, y)).sum()
            }
            Family::Poisson => y.iter().zip(weights).map(|(y, w)| -w * super::special::ln_gamma(y + 1.0)).sum(),
            _ => 0.0,
        };
        Likelihood { family, link, zero, y, trials, weights, categories, constant }
    }

    /// Number of observations.
    pub fn rows(&self) -> usize {
        self.y.len()
    }

    /// Number of shape parameters: the logarithm of a scale or shape, or the thresholds.
    pub fn shapes(&self) -> usize {
        match self.family {
            Family::Binomial | Family::Poisson => 0,
            Family::Ordinal => self.categories - 1,
            _ => 1,
        }
    }

    /// Number of predictors.
    pub fn predictors(&self) -> usize {
        if self.zero == ZeroPart::None { 1 } else { 2 }
    }

    /// The shape parameter in a slot (0 or 1) of a row.
    pub fn shape_of(&self, slot: usize, row: usize) -> Option<usize> {
        match (self.family, slot) {
            (Family::Binomial | Family::Poisson, _) => None,
            (Family::Ordinal, _) => {
                let code = self.y[row] as usize;
                let index = if slot == 0 { Some(code) } else { code.checked_sub(1) };
                index.filter(|&j| j + 1 < self.categories)
            }
            (_, 0) => Some(0),
            _ => None,
        }
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        match self.family {
            Family::Binomial | Family::Poisson => 0,
            Family::Ordinal => 2,
            _ => 1,
        }
    }

    /// The log-likelihood and its derivatives at the linear predictors (`eta[1]` is empty with one predictor).
    pub fn slopes(&self, eta: [&[f64]; 2], shape: &[f64], out: &mut Slopes) {
        let n = self.rows();
        let two = self.predictors() == 2;
        let resize = |v: &mut Vec<f64>, used: bool| v.resize(if used { n } else { 0 }, 0.0);
        for (a, v) in out.d1.iter_mut().enumerate() {
            resize(v, a == 0 || two);
        }
        for (a, v) in out.w.by_pair.iter_mut().enumerate() {
            resize(v, a == 0 || two);
        }
        for (a, v) in out.d3.iter_mut().enumerate() {
            resize(v, a == 0 || two);
        }
        for slot in 0..2 {
            let used = slot < self.slots();
            out.d1s[slot].iter_mut().enumerate().for_each(|(a, v)| resize(v, used && (a == 0 || two)));
            out.d2s[slot].iter_mut().enumerate().for_each(|(a, v)| resize(v, used && (a == 0 || two)));
        }
        out.s = vec![0.0; self.shapes()];
        out.ss = Matrix::zeros(self.shapes(), self.shapes());
        out.value = 0.0;
        resize(&mut out.densities, out.by_row);
        out.s_by_row.iter_mut().enumerate().for_each(|(slot, v)| resize(v, out.by_row && slot < self.slots()));
        if out.by_row {
            return self.general_slopes(eta, shape, out);
        }
        if !two && self.link == Link::Logit && self.family == Family::Binomial {
            return self.logit_slopes(eta[0], out);
        }
        if !two && self.link == Link::Log && self.family == Family::Poisson {
            return self.log_poisson_slopes(eta[0], out);
        }
        self.general_slopes(eta, shape, out);
    }

    /// The slopes of any family, by jets.
    pub(super) fn general_slopes(&self, eta: [&[f64]; 2], shape: &[f64], out: &mut Slopes) {
        let two = self.predictors() == 2;
        for i in 0..self.rows() {
            let row = self.row(i, eta[0][i], if two { eta[1][i] } else { 0.0 }, shape);
            // A Gaussian density has taken its weight into its variance.
            let weight = if self.family == Family::Gaussian { 1.0 } else { self.weights[i] };
            out.value += weight * row.value;
            if out.by_row {
                out.densities[i] = weight * row.value;
                (0..self.slots()).for_each(|slot| out.s_by_row[slot][i] = weight * row.s[slot]);
            }
            for a in 0..self.predictors() {
                out.d1[a][i] = weight * row.d1[a];
            }
            for pair in 0..if two { 3 } else { 1 } {
                out.w.by_pair[pair][i] = -weight * row.d2[pair];
            }
            for triple in 0..if two { 4 } else { 1 } {
                out.d3[triple][i] = weight * row.d3[triple];
            }
            for slot in 0..self.slots() {
                let Some(index) = self.shape_of(slot, i) else {
                    out.d1s[slot]
                        .iter_mut()
                        .chain(&mut out.d2s[slot])
                        .filter(|v| !v.is_empty())
                        .for_each(|v| v[i] = 0.0);
                    continue;
                };
                out.s[index] += weight * row.s[slot];
                out.ss[(index, index)] += weight * row.ss[2 * slot];
                if slot == 1
                    && let Some(other) = self.shape_of(0, i)
                {
                    out.ss[(index, other)] += weight * row.ss[1];
                    out.ss[(other, index)] += weight * row.ss[1];
                }
                for (a, v) in out.d1s[slot].iter_mut().enumerate().filter(|(_, v)| !v.is_empty()) {
                    v[i] = weight * row.d1s[slot][a];
                }
                for (a, v) in out.d2s[slot].iter_mut().enumerate().filter(|(_, v)| !v.is_empty()) {
                    v[i] = weight * row.d2s[slot][a];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn likelihoods() -> Vec<(Design, Settings)> {
        testing::generalised_designs()
    }

    #[test]
    fn derivatives_agree_with_differences_for_every_family_link_and_zero_part() {
        for (design, settings) in likelihoods() {
            let l = Likelihood::new(&design, &settings);
            let n = l.rows();
            // Predictors in the range of every link.
            let shift = match (settings.family, settings.link) {
                (_, Link::Inverse | Link::Identity | Link::Sqrt) => 1.5,
                (_, Link::Log) if !l.trials.is_empty() || l.family == Family::Beta => -2.5,
                _ => 0.0,
            };
            let eta: Vec<f64> = (0..n).map(|i| shift + testing::noise(i)).collect();
            let zeta: Vec<f64> = (0..n).map(|i| 0.5 * testing::noise(i + 77)).collect();
            let zeta = if l.predictors() == 2 { zeta } else { vec![] };
            let shape: Vec<f64> = (0..l.shapes()).map(|j| 0.3 + 0.9 * j as f64).collect();
            let at = |de: f64, dz: f64, shape: &[f64]| {
                let eta: Vec<f64> = eta.iter().map(|e| e + de).collect();
                let zeta: Vec<f64> = zeta.iter().map(|z| z + dz).collect();
                let mut out = Slopes::default();
                l.slopes([&eta, &zeta], shape, &mut out);
                out
            };
            let here = at(0.0, 0.0, &shape);
            let h = 1e-5;
            let close = |what: &str, a: f64, b: f64| {
                assert!(
                    (a - b).abs() < 2e-6 * (1.0 + b.abs()),
                    "{:?} {:?} {:?} {what}: {a} {b}",
                    settings.family,
                    settings.link,
                    settings.zero
                );
            };
            let density = |i: usize, de: f64, dz: f64| {
                let z = zeta.get(i).map_or(0.0, |z| z + dz);
                let w = if l.family == Family::Gaussian { 1.0 } else { l.weights[i] };
                w * l.log_density(i, [eta[i] + de, z], &shape)
            };
            let total: f64 = (0..n).map(|i| density(i, 0.0, 0.0)).sum();
            close("value", here.value, total);
            for p in 0..l.predictors() {
                let (de, dz) = if p == 0 { (h, 0.0) } else { (0.0, h) };
                let (up, down) = (at(de, dz, &shape), at(-de, -dz, &shape));
                let slope = |f: &dyn Fn(&Slopes) -> f64| (f(&up) - f(&down)) / (2.0 * h);
                for i in 0..n {
                    close("d1", (density(i, de, dz) - density(i, -de, -dz)) / (2.0 * h), here.d1[p][i]);
                    for q in 0..l.predictors() {
                        close("w", -slope(&|s| s.d1[q][i]), here.w.by_pair[p + q][i]);
                        for r in 0..l.predictors() {
                            close("d3", -slope(&|s| s.w.by_pair[q + r][i]), here.d3[p + q + r][i]);
                        }
                    }
                }
            }
            for j in 0..l.shapes() {
                let moved = |step: f64| {
                    let mut shape = shape.clone();
                    shape[j] += step;
                    at(0.0, 0.0, &shape)
                };
                let (up, down) = (moved(h), moved(-h));
                let slope = |f: &dyn Fn(&Slopes) -> f64| (f(&up) - f(&down)) / (2.0 * h);
                close("s", slope(&|s| s.value), here.s[j]);
                for k in 0..l.shapes() {
                    close("ss", slope(&|s| s.s[k]), here.ss[(j, k)]);
                }
                for i in 0..n {
                    for p in 0..l.predictors() {
                        let of = |slot: usize| if l.shape_of(slot, i) == Some(j) { here.d1s[slot][p][i] } else { 0.0 };
                        close("d1s", slope(&|s| s.d1[p][i]), (0..l.slots()).map(of).sum());
                        for q in 0..l.predictors() {
                            let of = |slot: usize| {
                                if l.shape_of(slot, i) == Some(j) { here.d2s[slot][p + q][i] } else { 0.0 }
                            };
                            close("d2s", -slope(&|s| s.w.by_pair[p + q][i]), (0..l.slots()).map(of).sum());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn probabilities_of_counts_and_categories_add_up_to_one() {
        for (mut design, settings) in likelihoods() {
            let outcomes: Vec<f64> = match settings.family {
                Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2 => {
                    (0..400).map(f64::from).collect()
                }
                Family::Ordinal => (0..4).map(f64::from).collect(),
                _ => continue,
            };
            if settings.link == Link::Identity {
                continue;
            }
            design.weights = vec![1.0; design.weights.len()];
            let mut l = Likelihood::new(&design, &settings);
            let shape: Vec<f64> = (0..l.shapes()).map(|j| 0.3 + 0.9 * j as f64).collect();
            let mut sum = 0.0;
            for y in outcomes {
                l.y[0] = y;
                sum += l.log_density(0, [0.7, -0.4], &shape).exp();
            }
            assert!((sum - 1.0).abs() < 1e-10, "{:?} {:?}: {sum}", settings.family, settings.zero);
        }
    }
}
