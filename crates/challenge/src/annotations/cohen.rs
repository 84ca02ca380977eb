//! Cohen's κ of two raters, plain and weighted.
//!
//! κ = 1 − Σ w p / Σ w pₑ with disagreement weights w: 0 or 1 (plain), |i − j| (linear), (i − j)² (quadratic). Standard
//! errors of Fleiss, Cohen and Everitt 1969, "Large sample standard errors of kappa and weighted kappa".

/// How disagreement grows with the distance of categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// All disagreement is alike.
    Plain,
    /// |i − j|.
    Linear,
    /// (i − j)².
    Quadratic,
}

/// κ and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Kappa {
    /// Agreement beyond chance.
    pub kappa: f64,
    /// Its asymptotic standard error.
    pub standard_error: f64,
    /// Items that both have rated.
    pub items: usize,
}

/// κ of pairs of categories, one pair for each item that both raters rated. `None` where chance alone makes both agree
/// on everything: no items, or one category.
pub fn kappa(pairs: &[(usize, usize)], categories: usize, weights: Weights) -> Option<Kappa> {
    let k = categories;
    let n = pairs.len() as f64;
    let mut p = vec![0.0; k * k];
    pairs.iter().for_each(|&(a, b)| p[a * k + b] += 1.0 / n);
    let rows: Vec<f64> = (0..k).map(|i| p[i * k..][..k].iter().sum()).collect();
    let columns: Vec<f64> = (0..k).map(|j| (0..k).map(|i| p[i * k + j]).sum()).collect();
    // Weights of agreement, 1 on the diagonal.
    let span = k.saturating_sub(1).max(1) as f64;
    let w = |i: usize, j: usize| {
        let apart = i.abs_diff(j) as f64;
        match weights {
            Weights::Plain => f64::from(u8::from(i == j)),
            Weights::Linear => 1.0 - apart / span,
            Weights::Quadratic => 1.0 - (apart / span).powi(2),
        }
    };
    let cells = || (0..k).flat_map(|i| (0..k).map(move |j| (i, j)));
    let observed: f64 = cells().map(|(i, j)| w(i, j) * p[i * k + j]).sum();
    let expected: f64 = cells().map(|(i, j)| w(i, j) * rows[i] * columns[j]).sum();
    if pairs.is_empty() || 1.0 - expected <= f64::EPSILON {
        return None;
    }
    let kappa = (observed - expected) / (1.0 - expected);
    let row_weight: Vec<f64> = (0..k).map(|i| (0..k).map(|j| w(i, j) * columns[j]).sum()).collect();
    let column_weight: Vec<f64> = (0..k).map(|j| (0..k).map(|i| w(i, j) * rows[i]).sum()).collect();
    let squares: f64 = cells()
        .map(|(i, j)| {
            p[i * k + j] * (w(i, j) * (1.0 - expected) - (row_weight[i] + column_weight[j]) * (1.0 - observed)).powi(2)
        })
        .sum();
    let centre = observed * expected - 2.0 * expected + observed;
    let variance = (squares - centre * centre) / (n * (1.0 - expected).powi(4));
    Some(Kappa { kappa, standard_error: variance.max(0.0).sqrt(), items: pairs.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fleiss, Cohen and Everitt 1969, table 1: three diagnoses of 200 patients (proportions times 200); κ = 0.429 and
    /// standard error 0.054 (Fleiss 1981, "Statistical methods for rates and proportions", p. 220).
    #[test]
    fn the_published_example_is_met() {
        let table = [[106, 10, 4], [22, 28, 10], [2, 12, 6]];
        let mut pairs = Vec::new();
        for (i, row) in table.iter().enumerate() {
            for (j, &count) in row.iter().enumerate() {
                pairs.extend(std::iter::repeat_n((i, j), count));
            }
        }
        let plain = kappa(&pairs, 3, Weights::Plain).unwrap();
        assert!((plain.kappa - 0.429).abs() < 5e-4 && (plain.standard_error - 0.054).abs() < 1e-3, "{plain:?}");
        let same: Vec<_> = (0..9).map(|i| (i % 3, i % 3)).collect();
        for weights in [Weights::Plain, Weights::Linear, Weights::Quadratic] {
            assert!((kappa(&same, 3, weights).unwrap().kappa - 1.0).abs() < 1e-15);
        }
        assert_eq!(kappa(&[(0, 0), (0, 0)], 1, Weights::Plain), None);
        assert_eq!(kappa(&[], 3, Weights::Plain), None);
    }
}
