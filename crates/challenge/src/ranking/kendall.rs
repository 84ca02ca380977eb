//! Kendall's rank correlation τ-b.
//!
//! τ-b = (C − D) / √((P − T₁)(P − T₂)) with C concordant and D discordant pairs of P, T₁ and T₂ pairs tied in the first
//! and in the second ranking. It is the variant of `cor(method = "kendall")` in R, and equals τ-a without ties. Source:
//! Kendall 1945, "The treatment of ties in ranking problems", Biometrika 33.

/// τ-b of two rankings of the same algorithms; `None` where one of them ties all, or there are fewer than two.
pub fn tau_b(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut score, mut untied_x, mut untied_y) = (0i64, 0u64, 0u64);
    for i in 0..x.len() {
        for j in 0..i {
            let (dx, dy) = (sign(x[i] - x[j]), sign(y[i] - y[j]));
            score += dx * dy;
            untied_x += dx.unsigned_abs();
            untied_y += dy.unsigned_abs();
        }
    }
    let norm = (untied_x as f64 * untied_y as f64).sqrt();
    (norm > 0.0).then(|| (score as f64 / norm).clamp(-1.0, 1.0))
}

fn sign(difference: f64) -> i64 {
    i64::from(difference > 0.0) - i64::from(difference < 0.0)
}

/// How a ranking agrees with those of its resamples.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Mean of the defined values.
    pub mean: Option<f64>,
    /// Median of the defined values.
    pub median: Option<f64>,
    /// 25 % quantile (type 7) of the defined values.
    pub q25: Option<f64>,
    /// 75 % quantile (type 7) of the defined values.
    pub q75: Option<f64>,
    /// How many values are undefined because a ranking ties all algorithms.
    pub undefined: usize,
    /// τ-b of each resample.
    pub values: Vec<Option<f64>>,
}

/// τ-b of each ranking with the first.
pub fn agreement<'a>(original: &[f64], others: impl Iterator<Item = &'a [f64]>) -> Agreement {
    use super::method::Aggregate;
    use super::plain::aggregated;
    let values: Vec<Option<f64>> = others.map(|ranks| tau_b(original, ranks)).collect();
    let defined: Vec<f64> = values.iter().copied().flatten().collect();
    let over = |aggregate| (!defined.is_empty()).then(|| aggregated(&defined, aggregate));
    Agreement {
        mean: over(Aggregate::Mean),
        median: over(Aggregate::Median),
        q25: over(Aggregate::Quantile(0.25)),
        q75: over(Aggregate::Quantile(0.75)),
        undefined: values.len() - defined.len(),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cor(x, y, method = "kendall")` of R 4.2.2.
    #[test]
    fn values_are_those_of_r() {
        let near = |x: &[f64], y: &[f64], tau: f64| (tau_b(x, y).unwrap() - tau).abs() < 1e-15;
        assert!(near(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 2.0, 5.0, 3.0, 4.0], 0.6));
        assert!(near(&[1.0, 2.0, 2.0, 4.0], &[1.0, 1.0, 3.0, 4.0], 0.8));
        assert!(near(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], -1.0));
        assert_eq!(tau_b(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(tau_b(&[1.0], &[1.0]), None);
    }

    #[test]
    fn undefined_values_are_counted_and_left_out() {
        let others: [&[f64]; 3] = [&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0], &[3.0, 2.0, 1.0]];
        let agreement = agreement(&[1.0, 2.0, 3.0], others.into_iter());
        assert_eq!((agreement.mean, agreement.undefined), (Some(0.0), 1));
        assert_eq!(agreement.values, [Some(1.0), None, Some(-1.0)]);
    }
}
