//! True labels and raters' confusion by maximum likelihood.
//!
//! Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm": every item has a
//! true category with prior π, and rater r says l where c is true with probability Π(r, c, l). EM starts from the
//! proportions of the votes and goes on until the log-likelihood changes by less than a tolerance. The one-coin model
//! leaves each rater one probability of being right and spreads errors evenly.

use super::votes::{SoftLabels, Votes, normalise, normalise_logs};

/// What raters are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Each rater has a confusion matrix.
    Confusion,
    /// Each rater is right with a probability of its own, and errs evenly.
    OneCoin,
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Change of the log-likelihood that ends the iterations.
    pub tolerance: f64,
    /// Most iterations.
    pub iterations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tolerance: 1e-10, iterations: 100_000 }
    }
}

/// The estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Probabilities of the categories of each item.
    pub labels: SoftLabels,
    /// Prior of the categories.
    pub prior: Vec<f64>,
    /// Π: rater by rater, row by true category, column by label.
    pub confusion: Vec<f64>,
    /// Log-likelihood of all labels.
    pub log_likelihood: f64,
    /// Iterations made.
    pub iterations: usize,
    /// Whether the log-likelihood stopped changing.
    pub converged: bool,
}

/// Runs EM. There must be at least one category.
pub fn estimate(votes: &Votes, model: Model, limits: Limits) -> Estimate {
    let (k, raters) = (votes.categories.len(), votes.raters.len());
    let (by_item, starts) = votes.by_item();
    let mut labels = votes.majority();
    let (mut prior, mut confusion) = (vec![0.0; k], vec![0.0; raters * k * k]);
    let (mut before, mut converged, mut iterations) = (f64::NEG_INFINITY, false, 0);
    let mut logs = vec![0.0; raters * k * k];
    while iterations < limits.iterations && !converged {
        iterations += 1;
        // Maximisation.
        prior.fill(0.0);
        labels.probabilities.chunks_exact(k).for_each(|p| prior.iter_mut().zip(p).for_each(|(s, p)| *s += p));
        normalise(&mut prior);
        confusion.fill(0.0);
        for vote in &by_item {
            let of_item = labels.item(vote.item);
            for c in 0..k {
                confusion[(vote.rater * k + c) * k + vote.category] += of_item[c];
            }
        }
        match model {
            Model::Confusion => confusion.chunks_exact_mut(k).for_each(normalise),
            Model::OneCoin => confusion.chunks_exact_mut(k * k).for_each(|rater| one_coin(rater, k)),
        }
        // Expectation. Rows are stored label by label, so that a vote reads neighbouring numbers.
        for (rater, table) in confusion.chunks_exact(k * k).enumerate() {
            for (c, row) in table.chunks_exact(k).enumerate() {
                for (l, p) in row.iter().enumerate() {
                    logs[(rater * k + l) * k + c] = p.ln();
                }
            }
        }
        let log_prior: Vec<f64> = prior.iter().map(|p| p.ln()).collect();
        let mut log_likelihood = 0.0;
        for (item, p) in labels.probabilities.chunks_exact_mut(k).enumerate() {
            p.copy_from_slice(&log_prior);
            for vote in &by_item[starts[item]..starts[item + 1]] {
                let of_vote = &logs[(vote.rater * k + vote.category) * k..][..k];
                p.iter_mut().zip(of_vote).for_each(|(sum, log)| *sum += log);
            }
            log_likelihood += normalise_logs(p);
        }
        converged = (log_likelihood - before).abs() < limits.tolerance;
        before = log_likelihood;
    }
    Estimate { labels, prior, confusion, log_likelihood: before, iterations, converged }
}

/// From expected counts of one rater to its one-coin probabilities.
fn one_coin(table: &mut [f64], k: usize) {
    let all: f64 = table.iter().sum();
    let right: f64 = (0..k).map(|c| table[c * k + c]).sum();
    let ability = if all > 0.0 { right / all } else { 1.0 / k as f64 };
    for (i, p) in table.iter_mut().enumerate() {
        *p = if i / k == i % k { ability } else { (1.0 - ability) / (k.max(2) - 1) as f64 };
    }
}
