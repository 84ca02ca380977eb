//! Fleiss' κ of any number of raters.
//!
//! Source: Fleiss 1971, "Measuring nominal scale agreement among many raters". Raters may differ from item to item, but
//! every item must have equally many labels.

use super::votes::Votes;

/// Items with unequal numbers of labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "item {item:?} has {found} labels and item {first:?} has {expected}; Fleiss' kappa takes equally many, at least two"
)]
pub struct Unequal {
    /// An item.
    pub item: String,
    /// Its labels.
    pub found: usize,
    /// The first item.
    pub first: String,
    /// Its labels.
    pub expected: usize,
}

/// Fleiss' κ; `None` where all labels are in one category, or there are no items.
///
/// # Errors
/// If items have unequal numbers of labels, or one.
pub fn kappa(votes: &Votes) -> Result<Option<f64>, Unequal> {
    let (n, k) = (votes.items.len(), votes.categories.len());
    let mut counts = vec![0usize; n * k];
    votes.votes.iter().for_each(|v| counts[v.item * k + v.category] += 1);
    let labels: Vec<usize> = counts.chunks_exact(k.max(1)).map(|c| c.iter().sum()).collect();
    let Some(&m) = labels.first() else { return Ok(None) };
    if let Some(item) = labels.iter().position(|&l| l != m || l < 2) {
        let name = |i: usize| votes.items[i].clone();
        return Err(Unequal { item: name(item), found: labels[item], first: name(0), expected: m });
    }
    let pairs = (m * (m - 1)) as f64;
    let agreeing = |item: &[usize]| item.iter().map(|&c| (c * c.saturating_sub(1)) as f64).sum::<f64>() / pairs;
    let observed = counts.chunks_exact(k).map(agreeing).sum::<f64>() / n as f64;
    let part = |c: usize| (0..n).map(|i| counts[i * k + c]).sum::<usize>() as f64 / (n * m) as f64;
    let expected: f64 = (0..k).map(|c| part(c).powi(2)).sum();
    Ok((expected < 1.0).then(|| (observed - expected) / (1.0 - expected)))
}
