//! Probabilities of rectangles under multivariate normal and t distributions.
//!
//! Genz & Bretz (2009), "Computation of Multivariate Normal and t Probabilities", chapters 4.1–4.2: the Cholesky factor of
//! the correlation matrix turns the rectangle into nested intervals, taken narrowest first; a randomly shifted Richtmyer
//! lattice with the tent transform integrates over them, and the spread of the shifts states the error. A correlation
//! matrix without full rank (all pairwise differences) has more constraints than variables: each constraint narrows the
//! interval of the last variable that it reads, so that the integrand stays smooth.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use thiserror::Error;

use super::distributions::{chi_squared_quantile, normal_cdf, normal_density, normal_quantile};

/// Settings of the integration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Integration {
    /// Seed of the random shifts: equal seeds give equal figures.
    pub seed: u64,
    /// The error (3.5 standard errors of the shifts' mean) that is asked for.
    pub error: f64,
    /// Most points of all shifts together.
    pub max_points: usize,
}

impl Default for Integration {
    fn default() -> Self {
        Self { seed: 1, error: 5e-5, max_points: 600_000 }
    }
}

/// A probability found by integration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Probability {
    /// The probability.
    pub value: f64,
    /// 3.5 standard errors; above the error asked for when the points ran out.
    pub error: f64,
    /// Points that were evaluated.
    pub points: usize,
}

/// What is wrong with a rectangle or a correlation matrix.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RectangleError {
    /// The numbers of limits and of rows differ.
    #[error("{lower} lower and {upper} upper limits for a correlation matrix of {rows} rows")]
    Size {
        /// Lower limits.
        lower: usize,
        /// Upper limits.
        upper: usize,
        /// Rows of the matrix.
        rows: usize,
    },
    /// No correlation matrix.
    #[error(
        "entry ({row}, {column}) of the correlation matrix is {found}; the matrix is symmetric with 1 on its diagonal and no eigenvalue below 0"
    )]
    Correlation {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        column: usize,
        /// What it is.
        found: f64,
    },
    /// Degrees of freedom not above 0, or a limit that is not a number.
    #[error("{0} is not a number in range")]
    Value(&'static str),
}

/// Number of independent random shifts.
const SHIFTS: usize = 12;
/// Pivots below this are zero: the constraint is a combination of those before it.
const SINGULAR: f64 = 1e-10;

/// Probability that lower < X < upper in every coordinate, X standard normal with this correlation matrix, or
/// multivariate t with `df` degrees of freedom (infinite: normal). Limits may be infinite.
pub fn rectangle_probability(
    correlation: &[Vec<f64>],
    lower: &[f64],
    upper: &[f64],
    df: f64,
    settings: &Integration,
) -> Result<Probability, RectangleError> {
    check(correlation, lower, upper, df)?;
    if lower.iter().zip(upper).any(|(a, b)| a >= b) {
        return Ok(Probability { value: 0.0, error: 0.0, points: 0 });
    }
    let nested = Nested::new(correlation, lower, upper)?;
    let dimensions = nested.rank() - 1 + usize::from(df.is_finite());
    if dimensions == 0 {
        return Ok(Probability { value: nested.value(&[], 1.0), error: 0.0, points: 1 });
    }
    Ok(integrate(&nested, df, dimensions, settings))
}

fn check(correlation: &[Vec<f64>], lower: &[f64], upper: &[f64], df: f64) -> Result<(), RectangleError> {
    let rows = correlation.len();
    if rows == 0 || lower.len() != rows || upper.len() != rows || correlation.iter().any(|row| row.len() != rows) {
        return Err(RectangleError::Size { lower: lower.len(), upper: upper.len(), rows });
    }
    for (i, row) in correlation.iter().enumerate() {
        for (j, &found) in row.iter().enumerate() {
            let expected = if i == j { 1.0 } else { correlation[j][i] };
            let near = (found - expected).abs() < 1e-8 && found.abs() <= 1.0 + 1e-8;
            if !near {
                return Err(RectangleError::Correlation { row: i, column: j, found });
            }
        }
    }
    if lower.iter().chain(upper).any(|v| v.is_nan()) {
        return Err(RectangleError::Value("a limit"));
    }
    if df.is_nan() || df <= 0.0 {
        return Err(RectangleError::Value("the number of degrees of freedom"));
    }
    Ok(())
}

/// A linear constraint a < Σ_k c_k y_k < b on independent normal numbers; the last coefficient is not zero.
struct Constraint {
    coefficients: Vec<f64>,
    lower: f64,
    upper: f64,
}

/// Constraints, grouped by the last variable they read.
struct Nested {
    of_variable: Vec<Vec<Constraint>>,
}

impl Nested {
    /// Pivoted Cholesky; the next variable is the one whose interval, given the expected values of those before it, is
    /// least probable (Gibson, Glasbey & Elston 1994).
    fn new(correlation: &[Vec<f64>], lower: &[f64], upper: &[f64]) -> Result<Self, RectangleError> {
        let m = correlation.len();
        let mut factor: Vec<Vec<f64>> = vec![Vec::new(); m];
        let mut rest: Vec<f64> = vec![1.0; m];
        let mut open: Vec<usize> = (0..m).collect();
        let mut expected: Vec<f64> = Vec::new();
        let mut of_variable: Vec<Vec<Constraint>> = Vec::new();
        while !open.is_empty() {
            let interval = |i: usize| {
                let mean: f64 = factor[i].iter().zip(&expected).map(|(l, y)| l * y).sum();
                let deviation = rest[i].sqrt();
                ((lower[i] - mean) / deviation, (upper[i] - mean) / deviation)
            };
            let probability = |i: usize| {
                let (a, b) = interval(i);
                normal_cdf(b) - normal_cdf(a)
            };
            let Some(pivot) = open
                .iter()
                .copied()
                .filter(|&i| rest[i] > SINGULAR)
                .min_by(|&i, &j| probability(i).total_cmp(&probability(j)))
            else {
                break;
            };
            let (a, b) = interval(pivot);
            let mass = normal_cdf(b) - normal_cdf(a);
            let mean = (normal_density(a) - normal_density(b)) / mass;
            expected.push(if mass > 0.0 && mean.is_finite() { mean } else { 0.0 });
            let diagonal = rest[pivot].sqrt();
            let row = factor[pivot].clone();
            open.retain(|&i| i != pivot);
            for &i in &open {
                let inner: f64 = factor[i].iter().zip(&row).map(|(x, y)| x * y).sum();
                let entry = (correlation[i][pivot] - inner) / diagonal;
                factor[i].push(entry);
                rest[i] -= entry * entry;
                if rest[i] < -1e-6 {
                    return Err(RectangleError::Correlation { row: i, column: pivot, found: correlation[i][pivot] });
                }
            }
            factor[pivot].push(diagonal);
            let coefficients = factor[pivot].clone();
            of_variable.push(vec![Constraint { coefficients, lower: lower[pivot], upper: upper[pivot] }]);
        }
        for &i in &open {
            let last = factor[i].iter().rposition(|c| c.abs() > 1e-6);
            let Some(last) = last else { continue };
            let coefficients = factor[i][..=last].to_vec();
            of_variable[last].push(Constraint { coefficients, lower: lower[i], upper: upper[i] });
        }
        Ok(Self { of_variable })
    }

    fn rank(&self) -> usize {
        self.of_variable.len()
    }

    /// The product of the conditional probabilities, with one uniform number for each variable but the last; limits are
    /// multiplied by `radius` (multivariate t).
    fn value(&self, uniforms: &[f64], radius: f64) -> f64 {
        let mut y = [0.0_f64; 64];
        let mut spilled;
        let y: &mut [f64] = if self.rank() <= 64 {
            &mut y
        } else {
            spilled = vec![0.0; self.rank()];
            &mut spilled
        };
        let mut product = 1.0;
        for (k, constraints) in self.of_variable.iter().enumerate() {
            let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
            for constraint in constraints {
                let known: f64 = constraint.coefficients[..k].iter().zip(y.iter()).map(|(c, y)| c * y).sum();
                let scale = constraint.coefficients[k];
                let (a, b) = ((constraint.lower * radius - known) / scale, (constraint.upper * radius - known) / scale);
                low = low.max(a.min(b));
                high = high.min(a.max(b));
            }
            let (below, above) = (normal_cdf(low), normal_cdf(high));
            let mass = (above - below).max(0.0);
            product *= mass;
            if product == 0.0 {
                return 0.0;
            }
            if let Some(&u) = uniforms.get(k) {
                y[k] = normal_quantile((below + u * mass).clamp(1e-300, 1.0 - 1e-16));
            }
        }
        product
    }
}

/// Shifted Richtmyer lattices, doubled until the error is small enough.
fn integrate(nested: &Nested, df: f64, dimensions: usize, settings: &Integration) -> Probability {
    let generators: Vec<f64> = primes(dimensions).into_iter().map(|p| f64::from(p).sqrt().fract()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    let shifts: Vec<Vec<f64>> = (0..SHIFTS).map(|_| (0..dimensions).map(|_| random.random()).collect()).collect();
    let mut sums = [0.0_f64; SHIFTS];
    let (mut done, mut target) = (0_usize, 256_usize);
    let mut uniforms = vec![0.0; dimensions];
    loop {
        for (sum, shift) in sums.iter_mut().zip(&shifts) {
            for k in done..target {
                for ((u, g), s) in uniforms.iter_mut().zip(&generators).zip(shift) {
                    *u = (2.0 * ((k as f64 + 1.0) * g + s).fract() - 1.0).abs();
                }
                *sum += if df.is_finite() {
                    let p = uniforms[dimensions - 1].clamp(1e-15, 1.0 - 1e-15);
                    nested.value(&uniforms[..dimensions - 1], (chi_squared_quantile(p, df) / df).sqrt())
                } else {
                    nested.value(&uniforms, 1.0)
                };
            }
        }
        done = target;
        let means = sums.map(|sum| sum / done as f64);
        let mean = means.iter().sum::<f64>() / SHIFTS as f64;
        let square: f64 = means.iter().map(|m| (m - mean).powi(2)).sum();
        let error = 3.5 * (square / (SHIFTS * (SHIFTS - 1)) as f64).sqrt();
        if error <= settings.error || 2 * done * SHIFTS > settings.max_points {
            return Probability { value: mean.clamp(0.0, 1.0), error, points: done * SHIFTS };
        }
        target = 2 * done;
    }
}

/// The first primes.
fn primes(count: usize) -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::with_capacity(count);
    let mut candidate = 2;
    while primes.len() < count {
        if primes.iter().all(|p| candidate % p != 0) {
            primes.push(candidate);
        }
        candidate += 1;
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equicorrelated(m: usize, r: f64) -> Vec<Vec<f64>> {
        (0..m).map(|i| (0..m).map(|j| if i == j { 1.0 } else { r }).collect()).collect()
    }

    fn probability(correlation: &[Vec<f64>], lower: &[f64], upper: &[f64], df: f64) -> Probability {
        rectangle_probability(correlation, lower, upper, df, &Integration::default()).unwrap()
    }

    #[test]
    fn orthants_are_the_closed_forms() {
        // P(X > 0, Y > 0) = 1/4 + asin(ρ)/2π; three with ρ = ½: 1/4; m with ρ = ½: 1/(m + 1), for t as well.
        for r in [-0.7, 0.0, 0.3, 0.95] {
            let found = probability(&equicorrelated(2, r), &[0.0; 2], &[f64::INFINITY; 2], f64::INFINITY);
            let expected = 0.25 + r.asin() / std::f64::consts::TAU;
            assert!((found.value - expected).abs() < 1e-4, "{r}: {found:?}, {expected}");
        }
        for (m, df) in [(3, f64::INFINITY), (7, f64::INFINITY), (3, 4.0), (12, 7.5)] {
            let found = probability(&equicorrelated(m, 0.5), &vec![0.0; m], &vec![f64::INFINITY; m], df);
            assert!((found.value - 1.0 / (m as f64 + 1.0)).abs() < 1e-4, "{m}: {found:?}");
            assert!(found.error < 6e-5);
        }
    }

    #[test]
    fn independent_and_repeated_coordinates_are_products_and_the_coordinate_itself() {
        let one = normal_cdf(1.3) - normal_cdf(-0.4);
        let found = probability(&equicorrelated(5, 0.0), &[-0.4; 5], &[1.3; 5], f64::INFINITY);
        assert!((found.value - one.powi(5)).abs() < 1e-10, "{found:?}");
        let found = probability(&equicorrelated(4, 1.0), &[-0.4; 4], &[1.3; 4], f64::INFINITY);
        assert!((found.value - one).abs() < 1e-14, "{found:?}");
        let t = probability(&equicorrelated(1, 1.0), &[-2.0], &[2.0], 5.0);
        assert!((t.value - (1.0 - super::super::distributions::two_sided_t(2.0, 5.0))).abs() < 5e-5, "{t:?}");
        assert_eq!(probability(&equicorrelated(2, 0.1), &[0.0, 1.0], &[1.0, 1.0], 3.0).value, 0.0);
    }

    /// All pairwise differences of three means: rank two. The studentised range, R 4.2.2: 1 − ptukey(3.5, 3, 20) and
    /// 1 − ptukey(3.5, 4, Inf).
    #[test]
    fn pairwise_differences_give_the_studentised_range() {
        for (means, df, expected) in [(3_usize, 20.0, 0.0558918490820594), (4, f64::INFINITY, 0.0638763338592404)] {
            let pairs: Vec<(usize, usize)> = (0..means).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
            let inner = |a: (usize, usize), b: (usize, usize)| {
                let sign = |x: usize, p: (usize, usize)| f64::from(i8::from(x == p.0) - i8::from(x == p.1));
                (0..means).map(|x| sign(x, a) * sign(x, b)).sum::<f64>() / 2.0
            };
            let correlation: Vec<Vec<f64>> =
                pairs.iter().map(|&a| pairs.iter().map(|&b| inner(a, b)).collect()).collect();
            let limit = 3.5 / std::f64::consts::SQRT_2;
            let m = pairs.len();
            let found = probability(&correlation, &vec![-limit; m], &vec![limit; m], df);
            assert!((1.0 - found.value - expected).abs() < 1e-4, "{means}: {} {expected}", 1.0 - found.value);
        }
    }

    #[test]
    fn what_is_no_correlation_matrix_is_refused() {
        let settings = Integration::default();
        let matrix = [vec![1.0, 0.9, -0.9], vec![0.9, 1.0, 0.9], vec![-0.9, 0.9, 1.0]];
        let wrong = rectangle_probability(&matrix, &[0.0; 3], &[1.0; 3], 3.0, &settings);
        assert!(matches!(wrong, Err(RectangleError::Correlation { .. })));
        assert!(rectangle_probability(&equicorrelated(2, 2.0), &[0.0; 2], &[1.0; 2], 3.0, &settings).is_err());
        assert!(rectangle_probability(&equicorrelated(2, 0.0), &[0.0; 3], &[1.0; 2], 3.0, &settings).is_err());
        assert!(rectangle_probability(&equicorrelated(1, 0.0), &[f64::NAN], &[1.0], 3.0, &settings).is_err());
    }
}
