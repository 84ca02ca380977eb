//! Predicted probabilities of a binary outcome: discrimination and calibration.

/// Area under the receiver operating characteristic: the probability that a case with the outcome has a larger score
/// than one without, ties counting half (Mann and Whitney). `None` where all outcomes are equal.
pub fn auroc(scores: &[f64], outcomes: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut twice_wins, mut with) = (0u64, 0u64, 0u64);
    for level in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = level.iter().filter(|&&i| outcomes[i]).count() as u64;
        let negative = level.len() as u64 - positive;
        twice_wins += positive * (2 * below + negative);
        below += negative;
        with += positive;
    }
    let pairs = with * below;
    (pairs > 0).then(|| twice_wins as f64 / (2 * pairs) as f64)
}

/// Expected calibration error: bins of equal width on [0, 1], |mean probability − rate of the outcome| weighted by the
/// part of the cases in the bin (Naeini et al. 2015). Bins are open on the left but the first. `None` without cases.
///
/// # Panics
/// If `bins` is 0.
pub fn expected_calibration_error(probabilities: &[f64], outcomes: &[bool], bins: usize) -> Option<f64> {
    assert!(bins > 0, "there is at least one bin");
    let mut sums = vec![(0.0, 0.0); bins];
    for (&p, &outcome) in probabilities.iter().zip(outcomes) {
        let bin = ((p * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        sums[bin].0 += p;
        sums[bin].1 += f64::from(u8::from(outcome));
    }
    let n = probabilities.len();
    (n > 0).then(|| sums.iter().map(|(p, rate)| (p - rate).abs()).sum::<f64>() / n as f64)
}

/// Brier score: mean squared difference of probability and outcome. `None` without cases.
pub fn brier(probabilities: &[f64], outcomes: &[bool]) -> Option<f64> {
    let squares = probabilities.iter().zip(outcomes).map(|(p, &o)| (p - f64::from(u8::from(o))).powi(2));
    (!probabilities.is_empty()).then(|| squares.sum::<f64>() / probabilities.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        let outcomes = [true, true, false, false];
        assert_eq!(auroc(&[0.9, 0.8, 0.3, 0.1], &outcomes), Some(1.0));
        assert_eq!(auroc(&[0.9, 0.3, 0.3, 0.1], &outcomes), Some(0.875));
        assert_eq!(auroc(&[0.5; 4], &outcomes), Some(0.5));
        assert_eq!(auroc(&[0.5; 2], &[true; 2]), None);
    }

    #[test]
    fn calibration_is_measured_bin_by_bin() {
        let outcomes = [false, false, true, true];
        // Bins (0, 0.5] and (0.5, 1]: |0.3 − 0| and |0.9 − 1|, half of the cases each.
        let error = expected_calibration_error(&[0.1, 0.5, 0.8, 1.0], &outcomes, 2).unwrap();
        assert!((error - 0.2).abs() < 1e-15);
        assert_eq!(expected_calibration_error(&[], &[], 10), None);
        assert!((brier(&[0.1, 0.5, 0.8, 1.0], &outcomes).unwrap() - 0.3 / 4.0).abs() < 1e-15);
    }
}
