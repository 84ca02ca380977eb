//! Images cut to a rectangle and to a range of grey values.

use crate::volume::Image;
use std::ops::Range;

/// The pixels in ranges of rows and columns.
///
/// # Panics
/// If a range is not inside the image.
pub fn cropped_image<T: Copy>(image: &Image<T>, rows: Range<usize>, cols: Range<usize>) -> Image<T> {
    let inside =
        rows.start <= rows.end && rows.end <= image.rows() && cols.start <= cols.end && cols.end <= image.cols();
    assert!(inside, "rows {rows:?} and columns {cols:?} are not a part of {} × {}", image.rows(), image.cols());
    let (height, width) = (rows.len(), cols.len());
    let data = rows.flat_map(|row| &image.data()[row * image.cols()..][cols.clone()]).copied().collect();
    Image::new(height, width, data)
}

/// Least and greatest of the finite values; `None` if there are none.
pub fn finite_range(values: &[f32]) -> Option<(f32, f32)> {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    finite.fold(None, |range, v| Some(range.map_or((v, v), |(low, high): (f32, f32)| (low.min(v), high.max(v)))))
}

/// The `fraction` quantile (0–1) of the finite values, interpolated between order statistics as
/// `numpy.percentile` does; `None` if there are none. Takes a copy of the values and linear time.
///
/// # Panics
/// If `fraction` is not in 0–1.
pub fn quantile(values: &[f32], fraction: f64) -> Option<f32> {
    assert!((0.0..=1.0).contains(&fraction), "a quantile's fraction lies in 0–1");
    let mut finite: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return None;
    }
    let place = fraction * (finite.len() - 1) as f64;
    let (_, &mut low, above) = finite.select_nth_unstable_by(place as usize, f32::total_cmp);
    let weight = place.fract();
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    Some((f64::from(low) + weight * (f64::from(high) - f64::from(low))) as f32)
}

/// Grey values for display: `low` and below become 0, `high` and above 255, linear between; NaN becomes 0.
/// `high` below `low` turns black and white round; equal ones give a step.
pub fn windowed(image: &Image<f32>, low: f32, high: f32) -> Image<u8> {
    let (low, high) = (f64::from(low), f64::from(high));
    image.map(|&v| {
        let v = f64::from(v);
        let level = if high == low { f64::from(u8::from(v > low)) } else { (v - low) / (high - low) };
        // Casts from float saturate, and NaN becomes 0.
        (255.0 * level).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_keep_their_pixels() {
        let image = Image::new(3, 4, (0..12).collect());
        assert_eq!(cropped_image(&image, 1..3, 2..4), Image::new(2, 2, vec![6, 7, 10, 11]));
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy 2.4.6: np.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 10, 25, 50, 90, 100])
        let values = [3.0, 1.0, f32::NAN, 4.0, 1.0, 5.0, 9.0, 2.0, f32::INFINITY, 6.0];
        let quantiles = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0].map(|f| quantile(&values, f).unwrap());
        assert_eq!(quantiles, [1.0, 1.0, 1.75, 3.5, 6.9, 9.0]);
        assert_eq!(quantile(&[f32::NAN], 0.5), None);
        assert_eq!(finite_range(&values), Some((1.0, 9.0)));
        assert_eq!(finite_range(&[]), None);
    }

    #[test]
    fn windows_saturate_and_turn_round() {
        let image = Image::new(1, 5, vec![-5.0, 0.0, 5.0, 20.0, f32::NAN]);
        assert_eq!(windowed(&image, 0.0, 10.0).data(), [0, 0, 128, 255, 0]);
        assert_eq!(windowed(&image, 10.0, 0.0).data(), [255, 255, 128, 0, 0]);
        assert_eq!(windowed(&image, 1.0, 1.0).data(), [0, 0, 255, 255, 0]);
    }
}
