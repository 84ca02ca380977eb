//! Intensities brought to one scale: percentiles to [0, 1], and histograms matched.

use regiscope_image::Volume;
use regiscope_image::window::{finite_range, quantile};
use serde::{Deserialize, Serialize};

/// The line that takes an image's values to [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The value that becomes 0.
    pub low: f64,
    /// The value that becomes 1; greater than `low`.
    pub high: f64,
}

impl Scale {
    /// From two percentiles (0–100) of the values; from the least to the greatest value where the two percentiles are
    /// one value. `None` where all values are one.
    pub fn of(image: &Volume<f32>, percentiles: [f64; 2]) -> Option<Self> {
        let at = |p: f64| quantile(image.data(), (p / 100.0).clamp(0.0, 1.0));
        let (mut low, mut high) = match percentiles {
            [0.0, 100.0] => finite_range(image.data())?,
            [low, high] => (at(low)?, at(high)?),
        };
        if high <= low {
            (low, high) = finite_range(image.data())?;
        }
        (high > low).then(|| Self { low: f64::from(low), high: f64::from(high) })
    }

    /// A value on the scale; what lies beyond the percentiles is cut off.
    pub fn apply(&self, value: f32) -> f32 {
        ((f64::from(value) - self.low) / (self.high - self.low)).clamp(0.0, 1.0) as f32
    }
}

/// The image on its scale.
pub fn scaled(image: &Volume<f32>, scale: &Scale) -> Volume<f32> {
    image.map(|v| scale.apply(*v))
}

/// Quantiles that histograms are matched at.
const LANDMARKS: usize = 64;

/// Gives `image` the histogram of `reference`: quantiles of its foreground go to those of the reference's foreground,
/// linearly between them (L. G. Nyúl, J. K. Udupa and X. Zhang, IEEE TMI 19(2), 2000). The foreground is what exceeds
/// the mean, as in ITK's `HistogramMatchingImageFilter`, so that fields of view of different size do not matter; the
/// background's ends go to each other. `None` where either image is constant.
pub fn histogram_matched(image: &Volume<f32>, reference: &Volume<f32>) -> Option<Volume<f32>> {
    let (from, to) = (landmarks(image)?, landmarks(reference)?);
    // Equal quantiles of the image would make a step: only growing ones are kept.
    let mut table: Vec<(f64, f64)> = Vec::with_capacity(from.len());
    for (x, y) in from.into_iter().zip(to) {
        if table.last().is_none_or(|last| x > last.0) {
            table.push((x, y));
        }
    }
    let value = |v: f32| {
        let v = f64::from(v);
        let after = table.partition_point(|t| t.0 < v).clamp(1, table.len() - 1);
        let ((x0, y0), (x1, y1)) = (table[after - 1], table[after]);
        (y0 + (y1 - y0) * (v - x0) / (x1 - x0)) as f32
    };
    (table.len() > 1).then(|| image.map(|v| value(*v)))
}

/// The least value, and quantiles of what exceeds the mean up to the greatest value.
fn landmarks(image: &Volume<f32>) -> Option<Vec<f64>> {
    let (low, high) = finite_range(image.data())?;
    if high <= low {
        return None;
    }
    let mean = image.data().iter().map(|v| f64::from(*v)).sum::<f64>() / image.data().len() as f64;
    let mut foreground: Vec<f32> = image.data().iter().copied().filter(|v| f64::from(*v) > mean).collect();
    foreground.sort_unstable_by(f32::total_cmp);
    let last = foreground.len().checked_sub(1)?;
    let quantiles = (0..=LANDMARKS).map(|n| f64::from(foreground[n * last / LANDMARKS]));
    Some(std::iter::once(f64::from(low)).chain(quantiles).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    fn image(f: impl Fn(f64) -> f64) -> Volume<f32> {
        let grid = Grid::centred([20, 10, 10], [1.0; 3]).unwrap();
        // Half background, half a slope.
        let value = |n: usize| if n < 1000 { 0.0 } else { f((n - 999) as f64 / 1001.0) };
        Volume::new(grid, (0..2000).map(|n| value(n) as f32).collect())
    }

    #[test]
    fn percentiles_become_zero_and_one() {
        let slope = image(|t| 300.0 * t + 20.0);
        let whole = Scale::of(&slope, [0.0, 100.0]).unwrap();
        assert_eq!(whole.low, 0.0);
        let range = finite_range(scaled(&slope, &whole).data()).unwrap();
        assert_eq!(range, (0.0, 1.0));
        let cut = Scale::of(&slope, [0.0, 90.0]).unwrap();
        assert!(cut.high < whole.high && scaled(&slope, &cut).data().iter().filter(|v| **v == 1.0).count() > 150);
        // Two percentiles in the background fall back to the whole range.
        assert_eq!(Scale::of(&slope, [1.0, 40.0]), Some(whole));
        assert_eq!(Scale::of(&slope.map(|_| 4.0), [0.0, 100.0]), None);
    }

    #[test]
    fn matched_histograms_undo_a_change_of_contrast() {
        let (plain, changed) = (image(|t| 100.0 * t + 50.0), image(|t| 900.0 * (t + 0.3).sqrt()));
        let matched = histogram_matched(&changed, &plain).unwrap();
        for (a, b) in matched.data().iter().zip(plain.data()) {
            assert!((a - b).abs() < 2.0, "{a} {b}");
        }
        assert!(histogram_matched(&changed.map(|_| 1.0), &plain).is_none());
    }
}
