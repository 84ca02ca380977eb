//! Colour pictures for reports.

use super::Window;
use crate::volume::Image;

/// Red, green and blue, 0–255.
pub type Rgb = [u8; 3];

/// Shows `base` grey through `window` with the contours of `over` on top: a pixel takes the colour if `over` is
/// at least `threshold` there and below it (or outside the picture) in one of the four neighbours.
///
/// # Panics
/// If the two images differ in shape.
pub fn overlay_contour(
    base: &Image<f32>,
    window: Window,
    over: &Image<f32>,
    threshold: f32,
    colour: Rgb,
) -> Image<Rgb> {
    let (rows, cols) = (base.rows(), base.cols());
    assert_eq!((rows, cols), (over.rows(), over.cols()), "both images have one shape");
    let inside = |row: Option<usize>, col: Option<usize>| match (row, col) {
        (Some(r), Some(c)) if r < rows && c < cols => over.data()[r * cols + c] >= threshold,
        _ => false,
    };
    let pixel = |n: usize| {
        let (r, c) = (n / cols, n % cols);
        let neighbours =
            [(r.checked_sub(1), Some(c)), (Some(r + 1), Some(c)), (Some(r), c.checked_sub(1)), (Some(r), Some(c + 1))];
        let edge = inside(Some(r), Some(c)) && neighbours.iter().any(|&(r, c)| !inside(r, c));
        if edge { colour } else { [window.level8(base.data()[n]); 3] }
    };
    Image::new(rows, cols, (0..rows * cols).map(pixel).collect())
}
