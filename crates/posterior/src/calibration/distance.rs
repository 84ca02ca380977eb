//! Distances between poses, and scores between sets of them.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Point, Rigid};

/// A distance between poses in mm: displacement of the pivot and arc on the object, together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoseMetric {
    /// Point of the volume about which rotations are counted.
    pub pivot: Point,
    /// Arm at which an angle becomes a length, mm.
    pub radius_mm: f64,
}

impl PoseMetric {
    /// `√(|displacement of the pivot|² + (radius · angle)²)`, mm.
    pub fn between(&self, a: &Rigid, b: &Rigid) -> f64 {
        let moved = (a * self.pivot - b * self.pivot).norm_squared();
        (moved + (self.radius_mm * a.rotation.angle_to(&b.rotation)).powi(2)).sqrt()
    }

    /// All distances from the poses of one set to those of another, row by row.
    fn table(&self, a: &[Rigid], b: &[Rigid]) -> Vec<f64> {
        a.iter().flat_map(|x| b.iter().map(|y| self.between(x, y))).collect()
    }
}

/// Maximum mean discrepancy² (biased, so never below 0) between two sets of poses, with the sum of inverse multiquadric
/// kernels `h² / (h² + d²)` of widths ¼, 1 and 4 times the median distance within the second set. 0 for equal
/// distributions; the scale is that of three kernels.
pub fn mmd2(draws: &[Rigid], reference: &[Rigid], metric: &PoseMetric) -> f64 {
    if draws.is_empty() || reference.is_empty() {
        return f64::NAN;
    }
    let within = metric.table(reference, reference);
    let mut sorted = within.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2].max(1e-9);
    let mean = |distances: &[f64]| {
        let kernel =
            |d: &f64| [0.25, 1.0, 4.0].iter().map(|h| (h * median).powi(2)).map(|h2| h2 / (h2 + d * d)).sum::<f64>();
        distances.iter().map(kernel).sum::<f64>() / distances.len() as f64
    };
    mean(&metric.table(draws, draws)) + mean(&within) - 2.0 * mean(&metric.table(draws, reference))
}

/// Classifier two-sample test (Lopez-Paz & Oquab 2017): how often a 5-nearest-neighbour classifier that has seen half of
/// two equally large sets tells the others' origin. 0.5 is indistinguishable, 1 is apart. The larger set is thinned.
pub fn c2st(draws: &[Rigid], reference: &[Rigid], metric: &PoseMetric, rng: &mut ChaCha8Rng) -> f64 {
    const NEIGHBOURS: usize = 5;
    let n = draws.len().min(reference.len()) / 2 * 2;
    if n < 4 * NEIGHBOURS {
        return f64::NAN;
    }
    let mut shuffled = |set: &[Rigid]| {
        let mut set = set.to_vec();
        set.shuffle(rng);
        set.truncate(n);
        set
    };
    let (a, b) = (shuffled(draws), shuffled(reference));
    let known: Vec<(&Rigid, bool)> =
        a[..n / 2].iter().map(|p| (p, true)).chain(b[..n / 2].iter().map(|p| (p, false))).collect();
    let asked = a[n / 2..].iter().map(|p| (p, true)).chain(b[n / 2..].iter().map(|p| (p, false)));
    let right = |(pose, truth): (&Rigid, bool)| {
        let mut near: Vec<(f64, bool)> = known.iter().map(|(k, label)| (metric.between(pose, k), *label)).collect();
        near.select_nth_unstable_by(NEIGHBOURS - 1, |x, y| x.0.total_cmp(&y.0));
        let votes = near[..NEIGHBOURS].iter().filter(|(_, label)| *label).count();
        (2 * votes > NEIGHBOURS) == truth
    };
    asked.filter(|case| right(*case)).count() as f64 / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    #[test]
    fn equal_sets_cannot_be_told_apart_and_shifted_ones_can() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let metric = PoseMetric { pivot: Point::origin(), radius_mm: 50.0 };
        let mut set = |shift: f64| -> Vec<Rigid> {
            let one = |_| {
                let mut z = || rng.sample::<f64, _>(StandardNormal);
                let turn = Rigid::rotation(regiscope_geometry::Vector::new(z(), z(), z()) * 0.02);
                Rigid::translation(shift + z(), z(), z()) * turn
            };
            (0..300).map(one).collect()
        };
        let (a, b, c) = (set(0.0), set(0.0), set(4.0));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (same, apart) = (c2st(&a, &b, &metric, &mut rng), c2st(&a, &c, &metric, &mut rng));
        assert!((same - 0.5).abs() < 0.1 && apart > 0.9, "{same} {apart}");
        let (same, apart) = (mmd2(&a, &b, &metric), mmd2(&a, &c, &metric));
        assert!((0.0..0.02).contains(&same) && apart > 0.2, "{same} {apart}");
        assert!(mmd2(&a, &a, &metric).abs() < 1e-9);
    }
}
