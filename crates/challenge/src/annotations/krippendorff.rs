//! Krippendorff's α of any number of raters, with gaps.
//!
//! α = 1 − (n − 1) Σ oₖₗ δ²ₖₗ / Σ nₖ nₗ δ²ₖₗ with coincidences o of pairable labels. Source: Krippendorff 2011, "Computing
//! Krippendorff's alpha-reliability". Intervals are quantiles over resampled items (items are drawn with replacement).

use super::votes::Votes;
use crate::ranking::Aggregate;
use crate::ranking::bootstrap::draw;
use crate::ranking::plain::aggregated;
use rayon::prelude::*;

/// How far categories lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// All disagreement is alike.
    Nominal,
    /// By the number of labels between, and half of those at, the two categories.
    Ordinal,
    /// By the difference of the categories' values.
    Interval,
}

/// α, with an interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Alpha {
    /// 1 is perfect, 0 what chance gives.
    pub alpha: f64,
    /// Quantiles of resampled items at (1 ∓ confidence) / 2, where that was asked for.
    pub interval: Option<[f64; 2]>,
    /// Items with at least two labels.
    pub items: usize,
}

/// α of votes; `values` are the categories' positions on an interval scale. With `resamples` the interval at the
/// confidence is given. `None` where no disagreement is possible: fewer than two pairable labels, or one category.
pub fn alpha(
    votes: &Votes,
    values: &[f64],
    level: Level,
    resamples: usize,
    confidence: f64,
    seed: u64,
) -> Option<Alpha> {
    let k = votes.categories.len();
    let mut counts = vec![0.0; votes.items.len() * k];
    votes.votes.iter().for_each(|v| counts[v.item * k + v.category] += 1.0);
    let items: Vec<&[f64]> = counts.chunks_exact(k.max(1)).filter(|c| c.iter().sum::<f64>() >= 2.0).collect();
    let alpha = of_items(&items, &vec![1; items.len()], values, level)?;
    let resampled: Vec<f64> = (0..resamples as u64)
        .into_par_iter()
        .filter_map(|number| {
            let mut drawn = vec![0; items.len()];
            draw(&mut drawn, seed, number);
            of_items(&items, &drawn, values, level)
        })
        .collect();
    let end = |p| aggregated(&resampled, Aggregate::Quantile(p));
    let interval = (!resampled.is_empty()).then(|| [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0].map(end));
    Some(Alpha { alpha, interval, items: items.len() })
}

fn of_items(items: &[&[f64]], multiplicity: &[u32], values: &[f64], level: Level) -> Option<f64> {
    let k = values.len();
    let mut coincidences = vec![0.0; k * k];
    for (item, &times) in items.iter().zip(multiplicity).filter(|(_, times)| **times > 0) {
        let labels: f64 = item.iter().sum();
        let weight = f64::from(times) / (labels - 1.0);
        for a in (0..k).filter(|&a| item[a] > 0.0) {
            for b in (0..k).filter(|&b| item[b] > 0.0) {
                coincidences[a * k + b] += weight * item[a] * (item[b] - f64::from(u8::from(a == b)));
            }
        }
    }
    let totals: Vec<f64> = coincidences.chunks_exact(k.max(1)).map(|row| row.iter().sum()).collect();
    let n: f64 = totals.iter().sum();
    let squared_distance = |a: usize, b: usize| -> f64 {
        match level {
            Level::Nominal => f64::from(u8::from(a != b)),
            Level::Interval => (values[a] - values[b]).powi(2),
            Level::Ordinal => {
                let between: f64 = totals[a.min(b)..=a.max(b)].iter().sum();
                (between - (totals[a] + totals[b]) / 2.0).powi(2)
            }
        }
    };
    let (mut observed, mut expected) = (0.0, 0.0);
    for a in 0..k {
        for b in (0..k).filter(|&b| b != a) {
            observed += coincidences[a * k + b] * squared_distance(a, b);
            expected += totals[a] * totals[b] * squared_distance(a, b);
        }
    }
    (expected > 0.0).then(|| 1.0 - (n - 1.0) * observed / expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::votes::Vote;

    /// Krippendorff 2011, example C: four observers, twelve units, gaps; nominal 0.743, ordinal 0.815, interval 0.849.
    #[test]
    fn the_published_example_is_met() {
        let ratings = [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
            [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
        ];
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect();
        let mut votes = Votes { items: names(12), raters: names(4), categories: names(5), votes: Vec::new() };
        for (rater, row) in ratings.iter().enumerate() {
            for (item, &label) in row.iter().enumerate().filter(|(_, label)| **label > 0) {
                votes.votes.push(Vote { item, rater, category: label - 1 });
            }
        }
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        for (level, expected) in [(Level::Nominal, 0.743), (Level::Ordinal, 0.815), (Level::Interval, 0.849)] {
            let found = alpha(&votes, &values, level, 200, 0.95, 1).unwrap();
            assert!((found.alpha - expected).abs() < 6e-4, "{level:?} {found:?}");
            let [low, high] = found.interval.unwrap();
            assert!(low < found.alpha && found.alpha < high && high <= 1.0);
        }
        votes.votes.truncate(1);
        assert_eq!(alpha(&votes, &values, Level::Nominal, 10, 0.95, 1), None);
    }
}
