//! Means of few values and their 95 % intervals.

/// The mean; `None` of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.into_iter().fold((0u32, 0.0), |(n, s), v| (n + 1, s + v));
    (count > 0).then(|| sum / f64::from(count))
}

/// Standard deviation of a sample; 0 for fewer than two values.
pub fn deviation(values: &[f64]) -> f64 {
    let Some(middle) = mean(values.iter().copied()).filter(|_| values.len() > 1) else { return 0.0 };
    let squares: f64 = values.iter().map(|v| (v - middle).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Mean and half-width of its 95 % interval by Student's t; the half-width is infinite for fewer than two values.
pub fn mean_and_half_width(values: &[f64]) -> (f64, f64) {
    let middle = mean(values.iter().copied()).unwrap_or(f64::NAN);
    if values.len() < 2 {
        return (middle, f64::INFINITY);
    }
    let n = values.len() as f64;
    (middle, t_975(values.len() - 1) * deviation(values) / n.sqrt())
}

/// The 97.5 % quantile of Student's t.
///
/// Table values to 30 degrees of freedom; above, the expansion of Fisher and Cornish to second order, within 1e-4.
pub fn t_975(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match freedom {
        0 => f64::INFINITY,
        1..=30 => TABLE[freedom - 1],
        _ => {
            let (z, v) = (1.959_964_f64, freedom as f64);
            let first = (z.powi(3) + z) / (4.0 * v);
            let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v);
            z + first + second
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student() {
        assert_eq!(t_975(4), 2.776);
        assert!((t_975(60) - 2.0003).abs() < 2e-4 && (t_975(31) - 2.0395).abs() < 2e-4);
        let (middle, half) = mean_and_half_width(&[9.0, 10.0, 11.0]);
        assert!((middle - 10.0).abs() < 1e-12 && (half - 4.303 / 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(mean([]), None);
        assert_eq!(mean_and_half_width(&[1.0]), (1.0, f64::INFINITY));
    }
}
