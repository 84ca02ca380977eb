//! Large images are shown smaller, so that a report stays a few megabytes.

use regiscope_image::Image;

/// Longest side of a picture in the report, pixels.
const LONGEST: usize = 768;

/// The image itself, or means of blocks so that neither side is longer than 768 pixels.
pub fn compact(image: &Image<f32>) -> Image<f32> {
    let factor = image.rows().max(image.cols()).div_ceil(LONGEST);
    if factor < 2 {
        return image.clone();
    }
    let (rows, cols) = ((image.rows() / factor).max(1), (image.cols() / factor).max(1));
    let mean = |p: usize| {
        let (r0, c0) = (p / cols * factor, p % cols * factor);
        let (r1, c1) = ((r0 + factor).min(image.rows()), (c0 + factor).min(image.cols()));
        let block = (r0..r1).flat_map(|r| &image.data()[r * image.cols() + c0..r * image.cols() + c1]);
        block.sum::<f32>() / ((r1 - r0) * (c1 - c0)) as f32
    };
    Image::new(rows, cols, (0..rows * cols).map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_averaged() {
        let image = Image::new(2, 1536, (0..3072).map(|n| (n % 1536) as f32).collect());
        let small = compact(&image);
        assert_eq!((small.rows(), small.cols()), (1, 768));
        assert_eq!(&small.data()[..3], [0.5, 2.5, 4.5]);
        let fine = Image::new(1, 3, vec![1.0, 2.0, 3.0]);
        assert_eq!(compact(&fine), fine);
    }
}
