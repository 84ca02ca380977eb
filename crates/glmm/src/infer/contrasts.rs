//! Tests and intervals of linear functions of coefficients, one by one or as a family.

use serde::Serialize;

use super::distributions::{two_sided_quantile, two_sided_t};
use super::multiplicity::{Adjustment, benjamini_hochberg, bonferroni, holm};
use super::rectangle::{Integration, RectangleError, rectangle_probability};

/// A linear function of the coefficients: Σ_j c_j β_j.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinearFunction {
    /// What it is called.
    pub label: String,
    /// c, one number for each coefficient.
    pub coefficients: Vec<f64>,
}

/// Coefficients and how sure they are.
pub struct Coefficients<'a> {
    /// β.
    pub values: &'a [f64],
    /// Rows of the covariance matrix of β.
    pub covariance: &'a [Vec<f64>],
    /// Degrees of freedom of a linear function with these coefficients c (infinite: normal distribution).
    pub df: &'a dyn Fn(&[f64]) -> f64,
}

/// One linear function with its test against zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionTest {
    /// What it is called.
    pub label: String,
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Degrees of freedom (infinite: normal distribution).
    pub df: f64,
    /// Estimate over standard error.
    pub statistic: f64,
    /// Two-sided probability of the statistic.
    pub p: f64,
    /// The same, adjusted for the number of tests.
    pub p_adjusted: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
}

/// A family of tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionTests {
    /// How the probabilities are adjusted. The intervals are joint ones for Bonferroni and single-step, Bonferroni's for
    /// Holm (which gives none), and those of each function alone otherwise.
    pub adjustment: Adjustment,
    /// Level of the intervals (0.95).
    pub level: f64,
    /// The tests, in the order of the functions.
    pub tests: Vec<FunctionTest>,
    /// Largest error of the adjusted probabilities, where they were integrated (single-step).
    pub integration_error: Option<f64>,
}

/// Tests linear functions against zero. Single-step takes the smallest degrees of freedom for all of them.
pub fn test_functions(
    functions: &[LinearFunction],
    coefficients: &Coefficients,
    adjustment: Adjustment,
    level: f64,
    integration: &Integration,
) -> Result<FunctionTests, RectangleError> {
    let covariance = function_covariance(functions, coefficients.covariance);
    let mut tests: Vec<FunctionTest> = functions
        .iter()
        .enumerate()
        .map(|(i, function)| {
            let estimate: f64 = function.coefficients.iter().zip(coefficients.values).map(|(c, b)| c * b).sum();
            let (se, df) = (covariance[i][i].max(0.0).sqrt(), (coefficients.df)(&function.coefficients));
            let statistic = estimate / se;
            let p = two_sided_t(statistic, df);
            let label = function.label.clone();
            FunctionTest { label, estimate, se, df, statistic, p, p_adjusted: p, lower: 0.0, upper: 0.0 }
        })
        .collect();
    let p: Vec<f64> = tests.iter().map(|t| t.p).collect();
    let (adjusted, integration_error) = match adjustment {
        Adjustment::None => (p, None),
        Adjustment::Bonferroni => (bonferroni(&p), None),
        Adjustment::Holm => (holm(&p), None),
        Adjustment::BenjaminiHochberg => (benjamini_hochberg(&p), None),
        Adjustment::SingleStep => {
            let family = Family::new(&tests, &covariance);
            let mut largest = 0.0_f64;
            let mut adjusted = Vec::with_capacity(p.len());
            for test in &tests {
                let (exceeded, error) = family.exceeded(test.statistic.abs(), integration)?;
                largest = largest.max(error);
                adjusted.push(exceeded);
            }
            (adjusted, Some(largest))
        }
    };
    let joint = match adjustment {
        Adjustment::SingleStep if !tests.is_empty() => {
            Some(Family::new(&tests, &covariance).critical(level, integration)?)
        }
        _ => None,
    };
    let count = tests.len() as f64;
    for (test, adjusted) in tests.iter_mut().zip(adjusted) {
        let critical = joint.unwrap_or_else(|| match adjustment {
            Adjustment::Bonferroni | Adjustment::Holm => two_sided_quantile(1.0 - (1.0 - level) / count, test.df),
            _ => two_sided_quantile(level, test.df),
        });
        test.p_adjusted = adjusted;
        (test.lower, test.upper) = (test.estimate - critical * test.se, test.estimate + critical * test.se);
    }
    Ok(FunctionTests { adjustment, level, tests, integration_error })
}

/// C V Cᵀ.
fn function_covariance(functions: &[LinearFunction], covariance: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let images: Vec<Vec<f64>> =
        functions.iter().map(|f| covariance.iter().map(|row| dot(row, &f.coefficients)).collect()).collect();
    let row = |f: &LinearFunction| images.iter().map(|image| dot(image, &f.coefficients)).collect();
    functions.iter().map(row).collect()
}

/// The joint distribution of the statistics that are not degenerate.
struct Family {
    correlation: Vec<Vec<f64>>,
    df: f64,
}

impl Family {
    fn new(tests: &[FunctionTest], covariance: &[Vec<f64>]) -> Self {
        let kept: Vec<usize> = (0..tests.len()).filter(|&i| tests[i].se > 0.0).collect();
        let entry = |i: usize, j: usize| {
            if i == j { 1.0 } else { (covariance[i][j] / (tests[i].se * tests[j].se)).clamp(-1.0, 1.0) }
        };
        let correlation = kept.iter().map(|&i| kept.iter().map(|&j| entry(i, j)).collect()).collect();
        let df = kept.iter().map(|&i| tests[i].df).fold(f64::INFINITY, f64::min);
        Self { correlation, df }
    }

    /// Probability that the largest statistic is above a limit in size, and its error.
    fn exceeded(&self, limit: f64, integration: &Integration) -> Result<(f64, f64), RectangleError> {
        let m = self.correlation.len();
        if m == 0 || limit.is_nan() {
            return Ok((f64::NAN, 0.0));
        }
        if limit == 0.0 {
            return Ok((1.0, 0.0));
        }
        let inside = rectangle_probability(&self.correlation, &vec![-limit; m], &vec![limit; m], self.df, integration)?;
        // The union bound and the single test hem the integral in; they matter where it is smaller than its error.
        let single = two_sided_t(limit, self.df);
        Ok(((1.0 - inside.value).clamp(single, (m as f64 * single).min(1.0)), inside.error))
    }

    /// The limit that the largest statistic exceeds with probability 1 − level.
    fn critical(&self, level: f64, integration: &Integration) -> Result<f64, RectangleError> {
        let (mut low, mut high) = (
            two_sided_quantile(level, self.df),
            two_sided_quantile(1.0 - (1.0 - level) / self.correlation.len().max(1) as f64, self.df),
        );
        // The single test and the union bound hem it in; false position (Illinois) on the logarithm of the probability.
        let excess = |limit: f64| Ok(self.exceeded(limit, integration)?.0.ln() - (1.0 - level).ln());
        if high - low < 1e-9 * high {
            return Ok(high);
        }
        let (mut above, mut below) = (excess(low)?, excess(high)?);
        let mut guess = high;
        for _ in 0..20 {
            let next = if above > below { low + (high - low) * above / (above - below) } else { high };
            if above <= 0.0 || below >= 0.0 || (next - guess).abs() < 1e-5 * next {
                return Ok(if above <= 0.0 { low } else { next });
            }
            guess = next;
            let value = excess(guess)?;
            if value > 0.0 {
                (low, above, below) = (guess, value, 0.5 * below);
            } else {
                (high, below, above) = (guess, value, 0.5 * above);
            }
        }
        Ok(guess)
    }
}

/// All differences a − b of linear functions, a before b.
pub fn pairwise(functions: &[LinearFunction]) -> Vec<LinearFunction> {
    let pairs = (0..functions.len()).flat_map(|i| (i + 1..functions.len()).map(move |j| (i, j)));
    pairs.map(|(i, j)| difference(&functions[i], &functions[j])).collect()
}

/// The differences of all other linear functions from the one at `control`.
pub fn treatment_vs_control(functions: &[LinearFunction], control: usize) -> Vec<LinearFunction> {
    let others = functions.iter().enumerate().filter(|&(i, _)| i != control);
    others.map(|(_, f)| difference(f, &functions[control])).collect()
}

/// Weighted sums of linear functions: one for each label and row of weights.
pub fn custom(functions: &[LinearFunction], contrasts: &[(String, Vec<f64>)]) -> Vec<LinearFunction> {
    let width = functions.first().map_or(0, |f| f.coefficients.len());
    let sum = |weights: &[f64], j: usize| weights.iter().zip(functions).map(|(w, f)| w * f.coefficients[j]).sum();
    contrasts
        .iter()
        .map(|(label, weights)| LinearFunction {
            label: label.clone(),
            coefficients: (0..width).map(|j| sum(weights, j)).collect(),
        })
        .collect()
}

fn difference(a: &LinearFunction, b: &LinearFunction) -> LinearFunction {
    let coefficients = a.coefficients.iter().zip(&b.coefficients).map(|(x, y)| x - y).collect();
    LinearFunction { label: format!("{} - {}", a.label, b.label), coefficients }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_means() -> Vec<LinearFunction> {
        let unit = |i: usize| (0..3).map(|j| f64::from(u8::from(i == j))).collect();
        ["a", "b", "c"]
            .iter()
            .enumerate()
            .map(|(i, l)| LinearFunction { label: (*l).into(), coefficients: unit(i) })
            .collect()
    }

    fn diagonal(v: f64) -> Vec<Vec<f64>> {
        (0..3).map(|i| (0..3).map(|j| if i == j { v } else { 0.0 }).collect()).collect()
    }

    #[test]
    fn contrasts_are_what_their_names_say() {
        let means = three_means();
        let pairs = pairwise(&means);
        assert_eq!(pairs.iter().map(|p| p.label.as_str()).collect::<Vec<_>>(), ["a - b", "a - c", "b - c"]);
        assert_eq!(pairs[1].coefficients, [1.0, 0.0, -1.0]);
        let controls = treatment_vs_control(&means, 1);
        assert_eq!(controls[1].label, "c - b");
        assert_eq!(controls[0].coefficients, [1.0, -1.0, 0.0]);
        let half = custom(&means, &[("ab/2 - c".into(), vec![0.5, 0.5, -1.0])]);
        assert_eq!(half[0].coefficients, [0.5, 0.5, -1.0]);
    }

    /// Tukey's test of three means of six values each: R 4.2.2, 1 − ptukey(q, 3, 15) and qtukey(0.95, 3, 15).
    #[test]
    fn single_step_on_pairwise_differences_is_tukeys_test() {
        let covariance = diagonal(1.0 / 6.0);
        let coefficients = Coefficients { values: &[1.0, 2.4, 0.9], covariance: &covariance, df: &|_| 15.0 };
        let family = |adjustment| {
            test_functions(&pairwise(&three_means()), &coefficients, adjustment, 0.95, &Integration::default()).unwrap()
        };
        let found = family(Adjustment::SingleStep);
        let expected = [0.069015772166, 0.983615241477, 0.049942777767];
        let holm = family(Adjustment::Holm);
        for (k, test) in found.tests.iter().enumerate() {
            assert!((test.p_adjusted - expected[k]).abs() < 2e-4, "{test:?}");
            assert!(test.p <= test.p_adjusted && test.p_adjusted <= 3.0 * test.p + 1e-9);
            assert!(holm.tests[k].p_adjusted >= test.p);
        }
        let critical = (found.tests[0].upper - found.tests[0].estimate) / found.tests[0].se;
        assert!((critical * std::f64::consts::SQRT_2 - 3.67337762497).abs() < 1e-3, "{critical}");
        assert!(found.integration_error.unwrap() < 1e-4);
    }

    #[test]
    fn intervals_of_one_function_alone_are_those_of_t() {
        let covariance = diagonal(4.0);
        let coefficients = Coefficients { values: &[1.0, 2.0, 3.0], covariance: &covariance, df: &|_| f64::INFINITY };
        let found =
            test_functions(&three_means(), &coefficients, Adjustment::None, 0.95, &Integration::default()).unwrap();
        let test = &found.tests[2];
        assert!((test.upper - (3.0 + 2.0 * 1.959963984540054)).abs() < 1e-12);
        assert!((test.se - 2.0).abs() < 1e-15 && (test.statistic - 1.5).abs() < 1e-15);
    }
}
