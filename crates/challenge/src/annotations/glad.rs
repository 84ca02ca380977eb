//! True labels, raters' abilities and items' easiness: GLAD at its maximum a posteriori.
//!
//! Whitehill et al. 2009, "Whose vote should count more: optimal integration of labels from labelers of unknown
//! expertise": a rater of ability α labels an item of easiness β = exp(b) rightly with probability σ(α exp(b)), and errs
//! evenly. Categories are equally likely beforehand, α and b have normal priors of mean 1 and variance 1, true labels are
//! summed over. The log-posterior (up to the constants of the priors) is climbed by L-BFGS on its exact gradient until
//! that vanishes, where other programs stop after few steps of EM.

use super::votes::{SoftLabels, Vote, Votes, normalise_logs};
use std::collections::VecDeque;

/// Mean of the priors of abilities and log-easinesses.
const PRIOR_MEAN: f64 = 1.0;

/// The estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Probabilities of the categories of each item.
    pub labels: SoftLabels,
    /// α of each rater; negative where a rater is worse than chance would have it.
    pub ability: Vec<f64>,
    /// β of each item.
    pub easiness: Vec<f64>,
    /// Logarithm of the posterior, without the constants of the priors.
    pub log_posterior: f64,
    /// Largest component of its gradient there.
    pub gradient: f64,
}

/// Finds the maximum a posteriori from the priors' means. There must be at least one category.
pub fn estimate(votes: &Votes) -> Estimate {
    let (by_item, starts) = votes.by_item();
    let raters = votes.raters.len();
    let posterior = Posterior { votes: &by_item, starts: &starts, raters, categories: votes.categories.len() };
    let at = climb(&posterior, vec![PRIOR_MEAN; raters + votes.items.len()]);
    let (log_posterior, slope, labels) = posterior.evaluate(&at);
    Estimate {
        labels,
        ability: at[..raters].to_vec(),
        easiness: at[raters..].iter().map(|b| b.exp()).collect(),
        log_posterior,
        gradient: largest(&slope),
    }
}

/// Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) with steps halved until they gain enough. It ends where
/// the slope vanishes or no step gains anything.
fn climb(posterior: &Posterior, mut at: Vec<f64>) -> Vec<f64> {
    const STEPS: usize = 2000;
    const MEMORY: usize = 20;
    const FLAT: f64 = 1e-9;
    let (mut value, mut slope, _) = posterior.evaluate(&at);
    let mut past: VecDeque<Past> = VecDeque::new();
    for _ in 0..STEPS {
        if largest(&slope) < FLAT {
            break;
        }
        let mut direction = ascent(&slope, &past);
        let mut gain = dot(&direction, &slope);
        if gain <= 0.0 {
            past.clear();
            direction = slope.clone();
            gain = dot(&slope, &slope);
        }
        let first = if past.is_empty() { 1.0 / largest(&slope).max(1.0) } else { 1.0 };
        let tried = (0..40).map(|halvings| first * 0.5f64.powi(halvings)).find_map(|step| {
            let next: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            let (next_value, next_slope, _) = posterior.evaluate(&next);
            (next_value > value + 1e-4 * step * gain).then_some((next, next_value, next_slope))
        });
        let Some((next, next_value, next_slope)) = tried else { break };
        let moved: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
        let fell: Vec<f64> = slope.iter().zip(&next_slope).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &fell);
        if curvature > 1e-12 * dot(&fell, &fell) {
            past.push_back(Past { scale: 1.0 / curvature, moved, fell });
            if past.len() > MEMORY {
                past.pop_front();
            }
        }
        (at, value, slope) = (next, next_value, next_slope);
    }
    at
}

/// A step, and by how much the slope fell along it.
struct Past {
    moved: Vec<f64>,
    fell: Vec<f64>,
    scale: f64,
}

/// The slope times the approximate inverse curvature: the two loops over past steps.
fn ascent(slope: &[f64], past: &VecDeque<Past>) -> Vec<f64> {
    let mut q = slope.to_vec();
    let mut weights = Vec::with_capacity(past.len());
    for p in past.iter().rev() {
        let weight = p.scale * dot(&p.moved, &q);
        add(&mut q, -weight, &p.fell);
        weights.push(weight);
    }
    if let Some(p) = past.back() {
        let scale = 1.0 / (p.scale * dot(&p.fell, &p.fell));
        q.iter_mut().for_each(|x| *x *= scale);
    }
    for (p, weight) in past.iter().zip(weights.into_iter().rev()) {
        let back = weight - p.scale * dot(&p.fell, &q);
        add(&mut q, back, &p.moved);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(x, y)| *x += times * y);
}

fn largest(slope: &[f64]) -> f64 {
    slope.iter().fold(0.0, |most, g| g.abs().max(most))
}

/// The log-posterior over abilities, then log-easinesses.
struct Posterior<'a> {
    votes: &'a [Vote],
    starts: &'a [usize],
    raters: usize,
    categories: usize,
}

impl Posterior<'_> {
    fn evaluate(&self, at: &[f64]) -> (f64, Vec<f64>, SoftLabels) {
        let k = self.categories;
        let (ability, ease) = at.split_at(self.raters);
        let mut slope: Vec<f64> = at.iter().map(|x| PRIOR_MEAN - x).collect();
        let mut value: f64 = slope.iter().map(|d| -0.5 * d * d).sum();
        let mut probabilities = vec![0.0; ease.len() * k];
        let log_wrong_ways = ((k.max(2) - 1) as f64).ln();
        for (item, p) in probabilities.chunks_exact_mut(k).enumerate() {
            let of_item = &self.votes[self.starts[item]..self.starts[item + 1]];
            let beta = ease[item].exp();
            p.fill(-(k as f64).ln());
            for vote in of_item {
                let x = ability[vote.rater] * beta;
                let wrong = -softplus(x) - log_wrong_ways;
                p.iter_mut().for_each(|log| *log += wrong);
                p[vote.category] += -softplus(-x) - wrong;
            }
            value += normalise_logs(p);
            for vote in of_item {
                let x = ability[vote.rater] * beta;
                let surplus = p[vote.category] - 1.0 / (1.0 + (-x).exp());
                slope[vote.rater] += surplus * beta;
                slope[self.raters + item] += surplus * x;
            }
        }
        (value, slope, SoftLabels { categories: k, probabilities })
    }
}

/// log(1 + exp(x)) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn seeded(items: usize, raters: usize, categories: usize) -> (Votes, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect();
        let truth: Vec<usize> = (0..items).map(|_| rng.random_range(0..categories)).collect();
        let mut votes = Vec::new();
        for (item, &category) in truth.iter().enumerate() {
            for rater in 0..raters {
                // The first rater always errs, the others rarely.
                let right = rater > 0 && rng.random::<f64>() < 0.8;
                let category = if right { category } else { (category + rng.random_range(1..categories)) % categories };
                votes.push(Vote { item, rater, category });
            }
        }
        (Votes { items: names(items), raters: names(raters), categories: names(categories), votes }, truth)
    }

    #[test]
    fn the_slope_is_that_of_the_value_and_vanishes_at_the_answer() {
        let (votes, truth) = seeded(60, 5, 3);
        let (by_item, starts) = votes.by_item();
        let posterior = Posterior { votes: &by_item, starts: &starts, raters: 5, categories: 3 };
        let at: Vec<f64> = (0..65).map(|i| 0.5 + 0.02 * f64::from(i)).collect();
        let slope = posterior.evaluate(&at).1;
        for i in [0, 3, 5, 40] {
            let step = 1e-6;
            let value = |by: f64| {
                let mut moved = at.clone();
                moved[i] += by;
                posterior.evaluate(&moved).0
            };
            let difference = (value(step) - value(-step)) / (2.0 * step);
            assert!((difference - slope[i]).abs() < 1e-5 * (1.0 + slope[i].abs()), "{i}");
        }
        let found = estimate(&votes);
        assert!(found.gradient < 1e-4, "{}", found.gradient);
        assert!(found.ability[0] < 0.0 && found.ability[1..].iter().all(|&a| a > 0.5), "{:?}", found.ability);
        let right = (0..60).filter(|&i| found.labels.label(i) == truth[i]).count();
        assert!(right >= 55, "{right}");
    }
}
