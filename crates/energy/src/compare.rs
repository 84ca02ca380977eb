//! Paired comparison of two configurations by their repetitions.
//!
//! Repetition i of one configuration is paired with repetition i of the other, so that slow drifts of the machine (its
//! temperature above all) fall on both alike. The ratio of energies is the exponential of the mean log ratio, with
//! Student's 95 % interval. Readings of one sensor share its error, which no repetition averages away; the half-widths
//! of both configurations' measured intervals are therefore added to it.

use crate::report::Report;
use crate::statistics::{mean, mean_and_half_width};
use serde::Serialize;

/// Energy (or time) of the second configuration over that of the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Geometric mean over the pairs.
    pub ratio: f64,
    /// 95 % interval.
    pub interval: [f64; 2],
}

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Pairs that were used.
    pub pairs: usize,
    /// Repetitions left out at the beginning of both.
    pub warm_up: usize,
    /// Energy of the second over the first.
    pub energy: Ratio,
    /// Wall time of the second over the first.
    pub wall: Ratio,
    /// The outcome in a sentence.
    pub verdict: String,
}

/// Why two reports cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Too few repetitions.
    #[error("the {which} report has {found} usable repetitions; at least 3 pairs are needed (`measure --repeat`)")]
    Few {
        /// first or second.
        which: &'static str,
        /// Repetitions after warm-up.
        found: usize,
    },
    /// A repetition without a number.
    #[error("repetition {index} of the {which} report is unmeasured; energies that are not known are not compared")]
    Unmeasured {
        /// first or second.
        which: &'static str,
        /// Counted from 1.
        index: usize,
    },
}

/// Compares two reports; `warm_up` repetitions are left out of both, or as many as the trend shows.
pub fn compare(first: &Report, second: &Report, warm_up: Option<usize>) -> Result<Comparison, CompareError> {
    let (a, b) = (series(first, "first")?, series(second, "second")?);
    let joules = |s: &[Run]| -> Vec<f64> { s.iter().map(|r| r.joules).collect() };
    let warm_up = warm_up.unwrap_or_else(|| settled_after(&joules(&a)).max(settled_after(&joules(&b))));
    let pairs: Vec<(Run, Run)> = a.iter().copied().zip(b.iter().copied()).skip(warm_up).collect();
    if pairs.len() < 3 {
        let (which, found) = if a.len() <= b.len() { ("first", a.len()) } else { ("second", b.len()) };
        return Err(CompareError::Few { which, found: found.saturating_sub(warm_up) });
    }
    let shared = mean(pairs.iter().map(|(x, y)| x.half_width + y.half_width)).unwrap_or(0.0);
    let energy = ratio(pairs.iter().map(|(x, y)| (y.joules / x.joules).ln()).collect(), shared);
    let wall = ratio(pairs.iter().map(|(x, y)| (y.wall_s / x.wall_s).ln()).collect(), 0.0);
    let [low, high] = energy.interval;
    let percent = 100.0 * (energy.ratio - 1.0).abs();
    let verdict = match () {
        () if high < 1.0 => format!("the second uses {percent:.2} % less energy"),
        () if low > 1.0 => format!("the second uses {percent:.2} % more energy"),
        () => "the two cannot be told apart: the interval of the ratio holds 1".to_owned(),
    };
    Ok(Comparison { pairs: pairs.len(), warm_up, energy, wall, verdict })
}

#[derive(Clone, Copy)]
struct Run {
    joules: f64,
    half_width: f64,
    wall_s: f64,
}

fn series(report: &Report, which: &'static str) -> Result<Vec<Run>, CompareError> {
    let run = |(index, record): (usize, &crate::report::RegionRecord)| {
        let energy = record.region.total.energy;
        let joules = energy.joules.filter(|j| *j > 0.0);
        let joules = joules.ok_or(CompareError::Unmeasured { which, index: index + 1 })?;
        let half_width = energy.relative_half_width().unwrap_or(0.0);
        Ok(Run { joules, half_width, wall_s: record.region.wall_s.max(1e-9) })
    };
    report.worked().enumerate().map(run).collect()
}

fn ratio(logs: Vec<f64>, shared: f64) -> Ratio {
    let (middle, half) = mean_and_half_width(&logs);
    let half = half + shared;
    Ratio { ratio: middle.exp(), interval: [(middle - half).exp(), (middle + half).exp()] }
}

/// How many values at the beginning belong to a warm-up: the truncation that minimises the marginal standard error of
/// what is left (MSER; White 1997), at most half of them.
pub fn settled_after(values: &[f64]) -> usize {
    let error = |skip: usize| {
        let rest = &values[skip..];
        let middle = mean(rest.iter().copied()).unwrap_or(0.0);
        rest.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / (rest.len() as f64).powi(2)
    };
    (0..=values.len() / 2).filter(|s| *s < values.len()).min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Energy;
    use crate::provenance::Provenance;
    use crate::region::{DomainEnergy, Region, RegionKind};
    use crate::sensor::Domain;

    fn report(joules: &[f64]) -> Report {
        let record = |&j: &f64| {
            let energy = Energy::new(j, 0.999 * j, 1.001 * j, Provenance::Measured);
            let domain = |name: &str| DomainEnergy::new(name, Domain::Package, "", energy);
            let (name, domains, total) = ("r".to_owned(), vec![domain("package-0")], domain("total"));
            Region { name, kind: RegionKind::Work, began_s: 0.0, wall_s: 2.0, domains, total, messages: vec![] }.into()
        };
        Report::of(joules.iter().map(record).collect(), Vec::new())
    }

    #[test]
    fn drift_falls_on_both_and_warm_up_is_left_out() {
        let drift = [1.4, 1.2, 1.0, 1.01, 1.02, 1.0, 1.01, 1.03];
        let noise = [0.0, 0.003, -0.002, 0.002, 0.001, -0.003, 0.0, 0.002];
        let a = report(&drift.map(|d| 100.0 * d));
        let b: Vec<f64> = drift.iter().zip(noise).map(|(d, n)| 90.0 * d * (1.0 + n)).collect();
        let found = compare(&a, &report(&b), None).unwrap();
        assert_eq!((found.warm_up, found.pairs), (2, 6));
        assert!((found.energy.ratio - 0.9).abs() < 0.003 && found.energy.interval[1] < 0.91, "{found:?}");
        assert!(found.verdict.contains("less energy"), "{}", found.verdict);
        let same = compare(&a, &a, Some(0)).unwrap();
        assert!(same.verdict.contains("cannot be told apart") && same.energy.ratio == 1.0);
    }

    #[test]
    fn unknown_energies_are_not_compared() {
        let a = report(&[1.0, 1.0, 1.0]);
        assert!(matches!(compare(&a, &report(&[1.0, 1.0]), None), Err(CompareError::Few { which: "second", .. })));
        let mut b = a.clone();
        b.regions[1].region.total.energy = Energy::UNMEASURED;
        assert_eq!(compare(&a, &b, None), Err(CompareError::Unmeasured { which: "second", index: 2 }));
    }
}
