//! The log-likelihood of all observations given the linear predictors, with the derivatives that Laplace's approximation
//! and its gradient need.

use super::density::{self, category, with_zero_part};
use super::jet::{Jet, Variables};
use super::links;
use super::vectorised::{exp_negative, ln_one_plus};
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
    constant: f64,
}

/// One row: the log-density and its derivatives.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    value: f64,
    d1: [f64; 2],
    d2: [f64; 3],
    d3: [f64; 4],
    s: [f64; 2],
    ss: [f64; 3],
    d1s: [[f64; 2]; 2],
    d2s: [[f64; 3]; 2],
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

/// Derivatives of a row from a jet in (η, φ).
fn row_of_shape(jet: Jet<10>) -> Row {
    // Order of the coefficients: 1; η φ; ηη ηφ φφ; ηηη ηηφ ηφφ φφφ.
    let c = jet.0;
    Row {
        value: c[0],
        d1: [c[1], 0.0],
        d2: [2.0 * c[3], 0.0, 0.0],
        d3: [6.0 * c[6], 0.0, 0.0, 0.0],
        s: [c[2], 0.0],
        ss: [2.0 * c[5], 0.0, 0.0],
        d1s: [[c[4], 0.0], [0.0; 2]],
        d2s: [[2.0 * c[7], 0.0, 0.0], [0.0; 3]],
    }
}

/// Derivatives of a row from a jet in (η, ζ).
fn row_of_two(jet: Jet<10>) -> Row {
    let c = jet.0;
    Row {
        value: c[0],
        d1: [c[1], c[2]],
        d2: [2.0 * c[3], c[4], 2.0 * c[5]],
        d3: [6.0 * c[6], 2.0 * c[7], 2.0 * c[8], 6.0 * c[9]],
        ..Row::default()
    }
}

/// Derivatives of a row from a jet in (η, ζ, φ).
fn row_of_three(jet: Jet<20>) -> Row {
    // 1; x y z; xx xy xz yy yz zz; xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz.
    let c = jet.0;
    Row {
        value: c[0],
        d1: [c[1], c[2]],
        d2: [2.0 * c[4], c[5], 2.0 * c[7]],
        d3: [6.0 * c[10], 2.0 * c[11], 2.0 * c[13], 6.0 * c[16]],
        s: [c[3], 0.0],
        ss: [2.0 * c[9], 0.0, 0.0],
        d1s: [[c[6], c[8]], [0.0; 2]],
        d2s: [[2.0 * c[12], c[14], 2.0 * c[17]], [0.0; 3]],
    }
}

/// Derivatives of a row from a jet in the distances (τ_j − η, τ_{j−1} − η) to its thresholds.
fn row_of_category(jet: Jet<10>) -> Row {
    let c = jet.0;
    let (a, b) = (c[1], c[2]);
    let (aa, ab, bb) = (2.0 * c[3], c[4], 2.0 * c[5]);
    let (aaa, aab, abb, bbb) = (6.0 * c[6], 2.0 * c[7], 2.0 * c[8], 6.0 * c[9]);
    Row {
        value: c[0],
        d1: [-(a + b), 0.0],
        d2: [aa + 2.0 * ab + bb, 0.0, 0.0],
        d3: [-(aaa + 3.0 * aab + 3.0 * abb + bbb), 0.0, 0.0, 0.0],
        s: [a, b],
        ss: [aa, ab, bb],
        d1s: [[-(aa + ab), 0.0], [-(ab + bb), 0.0]],
        d2s: [[aaa + 2.0 * aab + abb, 0.0, 0.0], [aab + 2.0 * abb + bbb, 0.0, 0.0]],
    }
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
    fn general_slopes(&self, eta: [&[f64]; 2], shape: &[f64], out: &mut Slopes) {
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

    /// The log-density of one row without its weight (for Gaussian responses with it).
    pub fn log_density(&self, i: usize, eta: [f64; 2], shape: &[f64]) -> f64 {
        self.row(i, eta[0], eta[1], shape).value
    }

    fn row(&self, i: usize, eta: f64, zeta: f64, shape: &[f64]) -> Row {
        if self.family == Family::Ordinal {
            let distance = |slot: usize| self.shape_of(slot, i).map(|j| Jet::<10>::variable(shape[j] - eta, slot));
            return row_of_category(category(self.link, distance(0), distance(1)));
        }
        match (self.predictors(), self.shapes()) {
            (1, 0) => {
                let c = self.density::<4>(i, Jet::variable(eta, 0), None, None).0;
                Row {
                    value: c[0],
                    d1: [c[1], 0.0],
                    d2: [2.0 * c[2], 0.0, 0.0],
                    d3: [6.0 * c[3], 0.0, 0.0, 0.0],
                    ..Row::default()
                }
            }
            (1, _) => {
                let phi = Jet::variable(shape[0], 1);
                row_of_shape(self.density::<10>(i, Jet::variable(eta, 0), None, Some(phi)))
            }
            (_, 0) => row_of_two(self.density::<10>(i, Jet::variable(eta, 0), Some(Jet::variable(zeta, 1)), None)),
            _ => {
                let (zeta, phi) = (Jet::variable(zeta, 1), Jet::variable(shape[0], 2));
                row_of_three(self.density::<20>(i, Jet::variable(eta, 0), Some(zeta), Some(phi)))
            }
        }
    }

    fn density<const N: usize>(&self, i: usize, eta: Jet<N>, zeta: Option<Jet<N>>, phi: Option<Jet<N>>) -> Jet<N>
    where
        Jet<N>: Variables,
    {
        let (link, y) = (self.link, self.y[i]);
        // The lump is all there is to a zero of a continuous family or behind a hurdle; its own density is not defined.
        let lump_only = y == 0.0
            && zeta.is_some()
            && (self.zero == ZeroPart::Hurdle || matches!(self.family, Family::Gamma | Family::Beta));
        let (density, minus_ln_zero) = if lump_only {
            (Jet::constant(0.0), None)
        } else {
            let phi = || phi.expect("the family has a shape");
            match self.family {
                Family::Poisson => {
                    let (d, m) = density::count(self.family, link, y, eta, None);
                    (d, Some(m))
                }
                Family::NegativeBinomial1 | Family::NegativeBinomial2 => {
                    let (d, m) = density::count(self.family, link, y, eta, Some(phi()));
                    (d, Some(m))
                }
                Family::Gamma => (density::gamma(link, y, eta, phi()), None),
                Family::Beta => (density::beta(link, y, eta, phi()), None),
                Family::Binomial => {
                    let zero = zeta.map(|_| -density::binomial(link, 0.0, self.trials[i], eta));
                    (density::binomial(link, y, self.trials[i], eta), zero)
                }
                Family::BetaBinomial => {
                    let zero = zeta.map(|_| -density::beta_binomial(link, 0.0, self.trials[i], eta, phi()));
                    (density::beta_binomial(link, y, self.trials[i], eta, phi()), zero)
                }
                Family::Gaussian => (density::gaussian(link, y, self.weights[i], eta, phi()), None),
                Family::Ordinal => unreachable!("ordered categories have their own rows"),
            }
        };
        match zeta {
            Some(zeta) => with_zero_part(self.zero, y, density, minus_ln_zero, zeta),
            None => density,
        }
    }

    /// The logit of binomial data, without jets.
    fn logit_slopes(&self, eta: &[f64], out: &mut Slopes) {
        let n = eta.len();
        let (d1, w, d3) = (&mut out.d1[0][..n], &mut out.w.by_pair[0][..n], &mut out.d3[0][..n]);
        let (weights, trials, successes) = (&self.weights[..n], &self.trials[..n], &self.y[..n]);
        let mut row = |i: usize| {
            let (weight, count, y) = (weights[i], trials[i], successes[i]);
            let e = exp_negative(-eta[i].abs());
            let r = 1.0 / (1.0 + e);
            let (high, low) = (eta[i].max(0.0), eta[i].min(0.0));
            let (p, q) = if eta[i] >= 0.0 { (r, e * r) } else { (e * r, r) };
            let square = weight * count * p * q;
            d1[i] = weight * (y * q - (count - y) * p);
            w[i] = square;
            d3[i] = square * (p - q);
            // y η − n log(1 + e^η), as −y log(1 + e^−η) − (n − y) log(1 + e^η).
            weight * (y * low - (count - y) * high - count * ln_one_plus(e))
        };
        // Eight rows at a time with sums of their own, so that the loop vectorises.
        let mut sums = [0.0; 8];
        let whole = n - n % 8;
        for first in (0..whole).step_by(8) {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum += row(first + k);
            }
        }
        let rest: f64 = (whole..n).map(row).sum();
        out.value = sums.iter().sum::<f64>() + rest + self.constant;
    }

    /// The logarithm of Poisson data, without jets.
    fn log_poisson_slopes(&self, eta: &[f64], out: &mut Slopes) {
        let (d1, w, d3) = (&mut out.d1[0], &mut out.w.by_pair[0], &mut out.d3[0]);
        let mut value = 0.0;
        for i in 0..eta.len() {
            let (weight, y, mu) = (self.weights[i], self.y[i], eta[i].exp());
            value += weight * (y * eta[i] - mu);
            d1[i] = weight * (y - mu);
            w[i] = weight * mu;
            d3[i] = -weight * mu;
        }
        out.value = value + self.constant;
    }

    /// −E ∂²ℓ/∂η², lme4's weights, where the family has them in closed form; else nothing.
    pub fn expected_weight(&self, i: usize, eta: f64, shape: &[f64]) -> Option<f64> {
        if self.predictors() == 2 {
            return None;
        }
        let slope = || links::ln_mean(self.link, eta);
        let weight = self.weights[i];
        match self.family {
            Family::Binomial => {
                let (p, q) = (links::ln_probability(self.link, eta), links::ln_complement(self.link, eta));
                Some(-weight * self.trials[i] * p[1] * q[1])
            }
            Family::Poisson => {
                let m = slope();
                Some(weight * m[0].exp() * m[1] * m[1])
            }
            Family::NegativeBinomial2 => {
                let m = slope();
                Some(weight * m[0].exp() * m[1] * m[1] / (1.0 + (m[0] - shape[0]).exp()))
            }
            Family::Gamma => Some(weight * shape[0].exp() * slope()[1].powi(2)),
            Family::Gaussian => Some(weight * (-2.0 * shape[0]).exp() * links::mean(self.link, eta)[1].powi(2)),
            _ => None,
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
