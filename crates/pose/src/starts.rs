//! Seeded starts around a known pose.

use crate::chart::Chart;
use crate::scores;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::nalgebra::Vector6;
use regiscope_geometry::{Point, Rigid};
use std::ops::Range;

/// `count` poses around `world_from_volume`: each component of the rotation vector about `pivot` (volume frame, mm)
/// is uniform in `±rotation` (rad) and each component of the translation in `±translation` (mm), along the axes of
/// the world.
pub fn uniform(
    world_from_volume: &Rigid,
    pivot: &Point,
    rotation: f64,
    translation: f64,
    count: usize,
    seed: u64,
) -> Vec<Rigid> {
    let chart = Chart::new(*world_from_volume, pivot, 1.0);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| chart.pose(&uniform_coordinates(&mut random, rotation, translation, 1.0))).collect()
}

/// Starts whose initial mTRE fills bands evenly, as the evaluation of E. B. van de Kraats et al. (IEEE TMI 24(9),
/// 2005) asks for: `per_band` poses for each band (mm) of `bands`, in order. Directions are random, with rotations and
/// translations each doing half of the displacement on average; each pose is scaled along its direction until the
/// mTRE of `targets` (volume frame, mm) is a uniform number of the band.
///
/// A band that cannot be reached by turns of less than half a circle is filled as far as they reach.
pub fn banded(
    world_from_volume: &Rigid,
    pivot: &Point,
    targets: &[Point],
    bands: &[Range<f64>],
    per_band: usize,
    seed: u64,
) -> Vec<Rigid> {
    let spread = targets.iter().map(|t| (t - pivot).norm_squared()).sum::<f64>() / targets.len().max(1) as f64;
    let chart = Chart::new(*world_from_volume, pivot, spread.sqrt().max(1.0));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut start = |band: &Range<f64>| {
        let wanted = band.start + (band.end - band.start) * random.random::<f64>();
        let direction = Vector6::from_fn(|_, _| normal(&mut random)).normalize();
        let error = |length: f64| scores::mtre(&chart.pose(&(direction * length)), world_from_volume, targets);
        let (mut low, mut high) = (0.0, 4.0 * wanted.max(1e-9));
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if error(middle) < wanted { low = middle } else { high = middle }
        }
        chart.pose(&(direction * high))
    };
    bands.iter().flat_map(|band| (0..per_band).map(|_| start(band)).collect::<Vec<_>>()).collect()
}

/// Uniform chart coordinates (see [`crate::chart`]).
pub(crate) fn uniform_coordinates(
    random: &mut ChaCha8Rng,
    rotation: f64,
    translation: f64,
    radius: f64,
) -> Vector6<f64> {
    Vector6::from_fn(|n, _| {
        let half = if n < 3 { translation } else { rotation * radius };
        half * (2.0 * random.random::<f64>() - 1.0)
    })
}

/// A standard normal number (Box and Muller 1958; the same on every machine up to the last bit of `ln` and `cos`).
pub(crate) fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_starts_stay_in_their_box_and_repeat() {
        let (base, pivot) = (Rigid::translation(1.0, 2.0, 3.0), Point::new(10.0, 0.0, 5.0));
        let starts = uniform(&base, &pivot, 0.3, 20.0, 200, 7);
        assert_eq!(starts, uniform(&base, &pivot, 0.3, 20.0, 200, 7));
        assert_ne!(starts[0], uniform(&base, &pivot, 0.3, 20.0, 1, 8)[0]);
        let shifts: Vec<f64> = starts.iter().map(|s| (s * pivot - base * pivot).amax()).collect();
        assert!(shifts.iter().all(|&s| s <= 20.0) && shifts.iter().any(|&s| s > 18.0));
        assert!(starts.iter().all(|s| s.rotation.scaled_axis().amax() <= 0.3 + 1e-12));
    }

    #[test]
    fn banded_starts_have_the_error_of_their_band() {
        let targets: Vec<Point> =
            (0..8).map(|n| Point::new(f64::from(n & 1), f64::from(n >> 1 & 1), 0.5) * 80.0).collect();
        let (base, pivot) = (Rigid::identity(), Point::new(40.0, 40.0, 40.0));
        let bands: Vec<_> = (0..10).map(|n| f64::from(n)..f64::from(n + 1)).collect();
        let starts = banded(&base, &pivot, &targets, &bands, 3, 1);
        assert_eq!(starts.len(), 30);
        for (n, start) in starts.iter().enumerate() {
            let band = &bands[n / 3];
            let error = scores::mtre(start, &base, &targets);
            assert!(error >= band.start - 1e-6 && error <= band.end + 1e-6, "{error} {band:?}");
        }
    }
}
