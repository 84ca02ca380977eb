//! A tree of tasks by how alike they rank the algorithms: average linkage of Spearman's footrule.
//!
//! Sources: Diaconis and Graham 1977, "Spearman's footrule as a measure of disarray", Journal of the Royal Statistical
//! Society B 39; Sokal and Michener 1958 for average linkage.

/// Two branches that join.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Join {
    /// The branches: below the number of tasks a task, from there on the join of that number.
    pub branches: [usize; 2],
    /// The mean distance between their tasks.
    pub height: f64,
}

/// Spearman's footrule Σ |rᵢ − sᵢ| of two rankings.
pub fn footrule(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// The joins, by ascending height, one fewer than there are rankings. Of equally near pairs the first is joined.
pub fn tree(rankings: &[&[f64]]) -> Vec<Join> {
    // Branches that are not joined yet: number and tasks.
    let mut open: Vec<(usize, Vec<usize>)> = (0..rankings.len()).map(|t| (t, vec![t])).collect();
    let mut joins = Vec::new();
    while open.len() > 1 {
        let mean = |a: &[usize], b: &[usize]| {
            let pairs = a.iter().flat_map(|&s| b.iter().map(move |&t| footrule(rankings[s], rankings[t])));
            pairs.sum::<f64>() / (a.len() * b.len()) as f64
        };
        let mut best = (0, 1, f64::INFINITY);
        for i in 0..open.len() {
            for j in i + 1..open.len() {
                let height = mean(&open[i].1, &open[j].1);
                if height < best.2 {
                    best = (i, j, height);
                }
            }
        }
        let (i, j, height) = best;
        let (second, first) = (open.remove(j), open.remove(i));
        joins.push(Join { branches: [first.0, second.0], height });
        open.push((rankings.len() + joins.len() - 1, [first.1, second.1].concat()));
    }
    joins
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.cluster.hierarchy.linkage(pdist(x, "cityblock"), "average")` of SciPy 1.17.
    #[test]
    fn heights_are_mean_distances() {
        let rankings: [&[f64]; 4] =
            [&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0], &[1.0, 2.0, 4.0, 3.0], &[3.0, 4.0, 2.0, 1.0]];
        let joins = tree(&rankings);
        assert_eq!(joins[0], Join { branches: [0, 2], height: 2.0 });
        assert_eq!(joins[1], Join { branches: [1, 3], height: 2.0 });
        assert_eq!(joins[2], Join { branches: [4, 5], height: 8.0 });
        assert_eq!(tree(&[&[1.0]]), []);
        assert_eq!(tree(&[]), []);
    }
}
