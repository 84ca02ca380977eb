//! Errors of a pose by their standard names.
//!
//! Source: E. B. van de Kraats, G. P. Penney, D. Tomaževič, T. van Walsum, W. J. Niessen, "Standardized evaluation
//! methodology for 2-D–3-D registration", IEEE TMI 24(9), 1177–1189, 2005. Targets are points of the volume (its own
//! frame, mm); `gold` is the true `world_from_volume`.

use regiscope_geometry::{Point, Rigid, Source, View};

/// Thresholds (mm) of the success rates that are reported by habit.
pub const SUCCESS_MM: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// Mean target registration error: the mean distance between each target where `pose` puts it and where `gold`
/// does, mm. Zero without targets.
pub fn mtre(pose: &Rigid, gold: &Rigid, targets: &[Point]) -> f64 {
    mean(targets.iter().map(|t| Some((pose * t - gold * t).norm()))).unwrap_or(0.0)
}

/// Mean projection distance: the mean distance on the detector between the projections of each target at `pose`
/// and at `gold`, mm. Targets without a projection at either are left out; `None` if none is left.
pub fn mpd(view: &View, pose: &Rigid, gold: &Rigid, targets: &[Point]) -> Option<f64> {
    mean(targets.iter().map(|t| {
        let ((row, col), (gold_row, gold_col)) = (view.project(&(pose * t))?, view.project(&(gold * t))?);
        Some((view.pixel(row, col) - view.pixel(gold_row, gold_col)).norm())
    }))
}

/// Mean reprojection distance: the mean distance from each target at `gold` to the ray through the target at
/// `pose`, mm. It does not feel errors along the ray. `None` if no target has a ray.
pub fn mrpd(view: &View, pose: &Rigid, gold: &Rigid, targets: &[Point]) -> Option<f64> {
    mean(targets.iter().map(|t| {
        let (at, truth) = (pose * t, gold * t);
        let along = match view.source() {
            Source::Point(source) => at - source,
            Source::Parallel(beam) => beam,
        };
        let direction = along.try_normalize(1e-12)?;
        let off = truth - at;
        Some((off - direction * direction.dot(&off)).norm())
    }))
}

/// The mean of what is there; `None` if nothing is.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0usize), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// A part of a whole with its Wilson score interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// How many succeeded.
    pub successes: usize,
    /// Out of how many.
    pub trials: usize,
    /// `successes / trials`; NaN without trials.
    pub rate: f64,
    /// Lower and upper end of the 95 % interval; `[0, 1]` without trials.
    pub interval: [f64; 2],
}

impl Rate {
    /// Counts successes. Interval: E. B. Wilson, "Probable inference, the law of succession, and statistical
    /// inference", JASA 22, 1927.
    pub fn new(successes: usize, trials: usize) -> Self {
        /// The 97.5 % point of the standard normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let (k, n) = (successes as f64, trials as f64);
        let rate = k / n;
        if trials == 0 {
            return Self { successes, trials, rate, interval: [0.0, 1.0] };
        }
        let centre = (k + 0.5 * Z * Z) / (n + Z * Z);
        let half = Z / (n + Z * Z) * (k * (n - k) / n + 0.25 * Z * Z).sqrt();
        Self { successes, trials, rate, interval: [(centre - half).max(0.0), (centre + half).min(1.0)] }
    }
}

/// Part of the errors (mm) below a threshold (mm). Errors that are NaN count as failures.
pub fn success_rate(errors: &[f64], threshold: f64) -> Rate {
    Rate::new(errors.iter().filter(|&&e| e < threshold).count(), errors.len())
}

/// Capture range (mm) after van de Kraats et al.: starts are sorted by initial mTRE into bands of width `band`
/// (1 mm in the paper); the range is the lower end of the first band in which fewer than 95 % of the registrations
/// succeeded (final error below `threshold`, 2 mm in the paper). A band without starts ends the range too, since
/// nothing is known there; a range that ends by the last band is a lower bound.
///
/// `runs` holds (initial, final) errors in mm; `band` must be positive, else 0 is returned.
pub fn capture_range(runs: &[(f64, f64)], band: f64, threshold: f64) -> f64 {
    if band.is_nan() || band <= 0.0 {
        return 0.0;
    }
    let last = runs.iter().map(|r| r.0).filter(|e| e.is_finite()).fold(0.0, f64::max);
    let mut range = 0.0;
    while range <= last {
        let inside: Vec<f64> = runs.iter().filter(|r| r.0 >= range && r.0 < range + band).map(|r| r.1).collect();
        let rate = success_rate(&inside, threshold).rate;
        if rate.is_nan() || rate < 0.95 {
            return range;
        }
        range += band;
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Vector;

    fn view() -> View {
        let (rows, cols) = (100, 100);
        let source = Source::Point(Point::new(0.0, -500.0, 0.0));
        View::new(source, Point::new(-50.0, 500.0, 50.0), Vector::x(), -Vector::z(), rows, cols).unwrap()
    }

    const TARGETS: [Point; 2] = [Point::new(0.0, 0.0, 0.0), Point::new(10.0, 0.0, 0.0)];

    #[test]
    fn a_shift_across_the_beam_is_magnified_on_the_detector() {
        let (gold, pose) = (Rigid::identity(), Rigid::translation(0.0, 0.0, 3.0));
        assert!((mtre(&pose, &gold, &TARGETS) - 3.0).abs() < 1e-12);
        assert!((mpd(&view(), &pose, &gold, &TARGETS).unwrap() - 6.0).abs() < 1e-9);
        // The distance to the oblique ray is 3 cos(3/500).
        let mrpd = mrpd(&view(), &pose, &gold, &TARGETS[..1]).unwrap();
        assert!((mrpd - 3.0 * (3.0f64 / 500.0).atan().cos()).abs() < 1e-9);
    }

    #[test]
    fn a_shift_along_the_ray_is_not_seen_by_the_projection() {
        let (gold, pose) = (Rigid::identity(), Rigid::translation(0.0, 20.0, 0.0));
        assert!(mpd(&view(), &pose, &gold, &TARGETS[..1]).unwrap() < 1e-9);
        assert!(mrpd(&view(), &pose, &gold, &TARGETS[..1]).unwrap() < 1e-9);
        assert!((mtre(&pose, &gold, &TARGETS) - 20.0).abs() < 1e-12);
    }

    #[test]
    fn points_behind_the_source_are_left_out() {
        let away = Rigid::translation(0.0, -800.0, 0.0);
        assert_eq!(mpd(&view(), &away, &Rigid::identity(), &TARGETS), None);
        assert_eq!(mrpd(&view(), &Rigid::identity(), &Rigid::identity(), &[]), None);
    }

    #[test]
    fn wilson_intervals_are_the_published_ones() {
        // R 4.3 prop.test(19, 20, correct = FALSE): 0.7638650 0.9911241; 20 of 20: 0.8388748 1.
        let nineteen = Rate::new(19, 20);
        assert!((nineteen.interval[0] - 0.763_865_0).abs() < 1e-5 && (nineteen.interval[1] - 0.991_124_1).abs() < 1e-5);
        let all = Rate::new(20, 20);
        assert!((all.interval[0] - 0.838_874_8).abs() < 1e-5 && all.interval[1] == 1.0);
        assert_eq!(Rate::new(0, 0).interval, [0.0, 1.0]);
        assert_eq!(success_rate(&[0.5, f64::NAN, 1.0, 0.9], 1.0).successes, 2);
    }

    #[test]
    fn the_capture_range_ends_at_the_first_band_that_fails() {
        let good = |at: f64| (at, 0.1);
        let runs = [good(0.5), good(0.7), good(1.5), good(2.1), (2.2, 9.0), good(3.5)];
        assert_eq!(capture_range(&runs, 1.0, 2.0), 2.0);
        assert_eq!(capture_range(&runs[..3], 1.0, 2.0), 2.0);
        assert_eq!(capture_range(&[good(1.5)], 1.0, 2.0), 0.0);
        assert_eq!(capture_range(&[], 1.0, 2.0), 0.0);
        assert_eq!(capture_range(&runs, 0.0, 2.0), 0.0);
    }
}
