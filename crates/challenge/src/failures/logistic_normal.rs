//! Mean of a logistic function of a normal number: E logistic(η + σz), z standard normal.
//!
//! The trapezoidal rule over z, whose error for such integrands falls exponentially with the step: below 1e-9 for σ up to
//! 3. Values and slopes come from a table in η with cubic (Hermite) interpolation, error below 1e-9.

/// The mean, tabulated in η for one σ.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticNormal {
    table: Vec<[f64; 4]>,
}

/// A mean with its slopes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanOf {
    /// E logistic(η + σz).
    pub mean: f64,
    /// Its derivative in η.
    pub by_eta: f64,
    /// Its derivative in log σ.
    pub by_log_sd: f64,
}

const HALF_WIDTH: f64 = 36.0;
const STEP: f64 = 0.04;

impl LogisticNormal {
    /// Tabulates the mean for a standard deviation.
    pub fn new(sd: f64) -> Self {
        let nodes = nodes(sd);
        let points = (2.0 * HALF_WIDTH / STEP).round() as usize + 1;
        let at = |i: usize| {
            let eta = -HALF_WIDTH + STEP * i as f64;
            let (mut mean, mut slope, mut by_sd, mut mixed) = (0.0, 0.0, 0.0, 0.0);
            for &(z, weight) in &nodes {
                let p = logistic(eta + sd * z);
                let d = p * (1.0 - p);
                mean += weight * p;
                slope += weight * d;
                by_sd += weight * d * sd * z;
                mixed += weight * d * (1.0 - 2.0 * p) * sd * z;
            }
            [mean, slope, by_sd, mixed]
        };
        Self { table: (0..points).map(at).collect() }
    }

    /// The mean and its slopes at η.
    pub fn at(&self, eta: f64) -> MeanOf {
        let place = (eta.clamp(-HALF_WIDTH, HALF_WIDTH) + HALF_WIDTH) / STEP;
        let i = (place as usize).min(self.table.len() - 2);
        let t = place - i as f64;
        let (a, b) = (self.table[i], self.table[i + 1]);
        let cubic = |value: usize, slope: usize| {
            let (s, u) = (1.0 - t, t);
            a[value] * s * s * (1.0 + 2.0 * u)
                + b[value] * u * u * (3.0 - 2.0 * u)
                + STEP * s * u * (a[slope] * s - b[slope] * u)
        };
        // The slope in η: the derivative of the cubic.
        let by_eta = {
            let (u, v) = (t, a[0] - b[0]);
            6.0 * (u * u - u) * v / STEP + a[1] * (1.0 - 4.0 * u + 3.0 * u * u) + b[1] * (3.0 * u * u - 2.0 * u)
        };
        MeanOf { mean: cubic(0, 1), by_eta, by_log_sd: cubic(2, 3) }
    }
}

/// Nodes and weights in z; weights add up to one.
fn nodes(sd: f64) -> Vec<(f64, f64)> {
    if sd == 0.0 {
        return vec![(0.0, 1.0)];
    }
    let step = (0.6 / sd).min(0.35);
    let count = (7.5 / step).ceil() as i32;
    let all: Vec<(f64, f64)> =
        (-count..=count).map(|k| f64::from(k) * step).map(|z| (z, (-0.5 * z * z).exp())).collect();
    let total: f64 = all.iter().map(|n| n.1).sum();
    all.into_iter().map(|(z, w)| (z, w / total)).collect()
}

/// 1 / (1 + exp(−x)).
pub fn logistic(x: f64) -> f64 {
    let small = (-x.abs()).exp();
    if x < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by a rule with ten times the nodes.
    fn plain(eta: f64, sd: f64) -> f64 {
        let nodes: Vec<f64> = (-4000..=4000).map(|k| f64::from(k) * 0.0025).collect();
        let weight = |z: f64| (-0.5 * z * z).exp();
        let total: f64 = nodes.iter().map(|&z| weight(z)).sum();
        nodes.iter().map(|&z| weight(z) * logistic(eta + sd * z)).sum::<f64>() / total
    }

    #[test]
    fn the_table_meets_the_plain_integral() {
        for sd in [0.0, 0.3, 1.0, 1.7, 3.0] {
            let table = LogisticNormal::new(sd);
            for eta in [-9.3, -3.017, -0.4, 0.0, 0.713, 2.2, 8.81] {
                let (found, expected) = (table.at(eta), plain(eta, sd));
                assert!((found.mean - expected).abs() < 1e-7, "{sd} {eta}: {} {expected}", found.mean);
                let h = 1e-4;
                let by_eta = (plain(eta + h, sd) - plain(eta - h, sd)) / (2.0 * h);
                assert!((found.by_eta - by_eta).abs() < 1e-5, "{sd} {eta}: {} {by_eta}", found.by_eta);
                let by_log_sd = (plain(eta, sd * h.exp()) - plain(eta, sd * (-h).exp())) / (2.0 * h);
                assert!((found.by_log_sd - by_log_sd).abs() < 1e-6, "{sd} {eta}");
            }
        }
    }

    #[test]
    fn far_away_it_is_flat() {
        let table = LogisticNormal::new(1.0);
        assert!(table.at(1e3).mean > 1.0 - 1e-12 && table.at(-1e3).mean < 1e-12);
    }
}
