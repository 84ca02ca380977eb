//! Labels that raters gave to items, and votes.

/// One label: which item, which rater, which category; all from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The item.
    pub item: usize,
    /// The rater.
    pub rater: usize,
    /// The category.
    pub category: usize,
}

/// All labels of one characteristic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    /// Names of the items.
    pub items: Vec<String>,
    /// Names of the raters.
    pub raters: Vec<String>,
    /// Names of the categories, in their order.
    pub categories: Vec<String>,
    /// The labels, in any order; at most one for each item and rater.
    pub votes: Vec<Vote>,
}

/// For each item the probability of each category.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftLabels {
    /// Number of categories.
    pub categories: usize,
    /// Probabilities, item by item; each item's add up to one.
    pub probabilities: Vec<f64>,
}

impl SoftLabels {
    /// The probabilities of one item.
    pub fn item(&self, item: usize) -> &[f64] {
        &self.probabilities[item * self.categories..][..self.categories]
    }

    /// The likeliest category of an item, the first of equally likely ones.
    pub fn label(&self, item: usize) -> usize {
        let p = self.item(item);
        (0..p.len()).fold(0, |best, c| if p[c] > p[best] { c } else { best })
    }

    /// Entropy of an item's label, bits: 0 where it is certain.
    pub fn entropy_bits(&self, item: usize) -> f64 {
        // From zero, so that certainty is no negative zero.
        0.0 - self.item(item).iter().filter(|p| **p > 0.0).map(|p| p * p.log2()).sum::<f64>()
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.probabilities.len() / self.categories.max(1)
    }
}

impl Votes {
    /// The proportions of the votes; an item without votes gets equal ones.
    pub fn majority(&self) -> SoftLabels {
        let k = self.categories.len();
        let mut counts = vec![0.0; self.items.len() * k];
        for vote in &self.votes {
            counts[vote.item * k + vote.category] += 1.0;
        }
        for item in counts.chunks_exact_mut(k.max(1)) {
            normalise(item);
        }
        SoftLabels { categories: k, probabilities: counts }
    }

    /// Votes in the order of items, and where each item's begin.
    pub(super) fn by_item(&self) -> (Vec<Vote>, Vec<usize>) {
        let mut votes = self.votes.clone();
        votes.sort_by_key(|v| (v.item, v.rater));
        let starts = (0..=self.items.len()).map(|item| votes.partition_point(|v| v.item < item)).collect();
        (votes, starts)
    }
}

/// Makes weights add up to one; equal ones where all are 0.
pub(super) fn normalise(weights: &mut [f64]) {
    let sum: f64 = weights.iter().sum();
    let n = weights.len() as f64;
    weights.iter_mut().for_each(|w| *w = if sum > 0.0 { *w / sum } else { 1.0 / n });
}

/// From logarithms to weights that add up to one; gives the logarithm of their sum.
pub(super) fn normalise_logs(logs: &mut [f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        logs.fill(1.0 / logs.len() as f64);
        return largest;
    }
    let mut sum = 0.0;
    for log in logs.iter_mut() {
        *log = (*log - largest).exp();
        sum += *log;
    }
    logs.iter_mut().for_each(|w| *w /= sum);
    largest + sum.ln()
}
