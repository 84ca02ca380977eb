//! Whole images in double precision, and the linear maps on them that neighbourhood similarities are made of,
//! each with its transpose.

/// Scatters values at listed pixels into an image of `len` zeros.
pub fn scatter(pixels: &[u32], values: impl Iterator<Item = f64>, len: usize) -> Vec<f64> {
    let mut image = vec![0.0; len];
    pixels.iter().zip(values).for_each(|(&p, v)| image[p as usize] = v);
    image
}

/// Gathers an image at listed pixels.
pub fn gather(pixels: &[u32], image: &[f64]) -> Vec<f64> {
    pixels.iter().map(|&p| image[p as usize]).collect()
}

/// Sums over all `side × side` windows that lie inside the image, stored at each window's first row and column;
/// zero where no window begins.
pub fn window_sums(image: &[f64], [rows, cols]: [usize; 2], side: usize) -> Vec<f64> {
    let mut across = vec![0.0; rows * cols];
    for r in 0..rows {
        let row = &image[r * cols..(r + 1) * cols];
        for c in 0..(cols + 1).saturating_sub(side) {
            across[r * cols + c] = row[c..c + side].iter().sum();
        }
    }
    let mut sums = vec![0.0; rows * cols];
    for r in 0..(rows + 1).saturating_sub(side) {
        for s in 0..side {
            let from = &across[(r + s) * cols..(r + s + 1) * cols];
            sums[r * cols..(r + 1) * cols].iter_mut().zip(from).for_each(|(sum, v)| *sum += v);
        }
    }
    sums
}

/// Transpose of [`window_sums`]: each pixel receives the sum over the windows that contain it.
pub fn window_sums_transposed(windows: &[f64], [rows, cols]: [usize; 2], side: usize) -> Vec<f64> {
    let mut down = vec![0.0; rows * cols];
    for r in 0..(rows + 1).saturating_sub(side) {
        for s in 0..side {
            let from = &windows[r * cols..(r + 1) * cols];
            down[(r + s) * cols..(r + s + 1) * cols].iter_mut().zip(from).for_each(|(sum, v)| *sum += v);
        }
    }
    let mut image = vec![0.0; rows * cols];
    for r in 0..rows {
        for c in 0..(cols + 1).saturating_sub(side) {
            let v = down[r * cols + c];
            image[r * cols + c..r * cols + c + side].iter_mut().for_each(|sum| *sum += v);
        }
    }
    image
}

/// A filter along one axis: taps at offsets `−reach ..= reach`, and where a position outside the image reads.
pub struct Line {
    /// `2 · reach + 1` taps.
    pub taps: Vec<f64>,
    /// What stands outside the image.
    pub outside: Outside,
}

/// What a filter reads outside the image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zero,
    /// The image mirrored at its outermost pixels' centres.
    Mirror,
}

impl Line {
    /// Largest offset.
    pub fn reach(&self) -> usize {
        self.taps.len() / 2
    }

    /// Position read at `at + tap − reach` on an axis of `len` pixels.
    pub fn source(&self, at: usize, tap: usize, len: usize) -> Option<usize> {
        let position = (at + tap) as i64 - self.reach() as i64;
        let last = len as i64 - 1;
        if (0..=last).contains(&position) {
            return Some(position as usize);
        }
        match self.outside {
            Outside::Zero => None,
            Outside::Mirror if last == 0 => Some(0),
            Outside::Mirror => {
                let folded = position.rem_euclid(2 * last);
                Some(folded.min(2 * last - folded) as usize)
            }
        }
    }

    /// `out[at] = Σ taps · image[source]` along the rows' (`0`) or columns' (`1`) index.
    pub fn apply(&self, image: &[f64], shape: [usize; 2], axis: usize) -> Vec<f64> {
        let mut out = vec![0.0; image.len()];
        self.each(shape, axis, |to, from, tap| out[to] += tap * image[from]);
        out
    }

    /// Transpose of [`Self::apply`].
    pub fn apply_transposed(&self, image: &[f64], shape: [usize; 2], axis: usize) -> Vec<f64> {
        let mut out = vec![0.0; image.len()];
        self.each(shape, axis, |to, from, tap| out[from] += tap * image[to]);
        out
    }

    /// Marks every pixel that [`Self::apply`] reads to make the marked pixels.
    pub fn reads(&self, marked: &[bool], shape: [usize; 2], axis: usize) -> Vec<bool> {
        let mut out = vec![false; marked.len()];
        self.each(shape, axis, |to, from, _| out[from] |= marked[to]);
        out
    }

    fn each(&self, [rows, cols]: [usize; 2], axis: usize, mut f: impl FnMut(usize, usize, f64)) {
        let (len, stride, others) = if axis == 0 { (rows, cols, cols) } else { (cols, 1, rows) };
        let other_stride = if axis == 0 { 1 } else { cols };
        for at in 0..len {
            for (t, &tap) in self.taps.iter().enumerate() {
                let Some(from) = self.source(at, t, len) else { continue };
                for other in 0..others {
                    f(at * stride + other * other_stride, from * stride + other * other_stride, tap);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(seed: u64, len: usize) -> Vec<f64> {
        (0..len as u64).map(|n| (((n + 1) * (seed * 7919 + 12345)) % 1009) as f64 / 1009.0).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn transposes_are_transposes() {
        let shape = [7, 9];
        let (a, b) = (image(1, 63), image(2, 63));
        for side in [1, 2, 3, 7] {
            let left = dot(&window_sums(&a, shape, side), &b);
            let right = dot(&a, &window_sums_transposed(&b, shape, side));
            assert!((left - right).abs() < 1e-12 * left.abs(), "side {side}");
        }
        for outside in [Outside::Zero, Outside::Mirror] {
            for axis in [0, 1] {
                let line = Line { taps: vec![0.1, -0.4, 1.0, 2.0, 0.3], outside };
                let left = dot(&line.apply(&a, shape, axis), &b);
                let right = dot(&a, &line.apply_transposed(&b, shape, axis));
                assert!((left - right).abs() < 1e-12 * left.abs());
            }
        }
    }

    #[test]
    fn windows_sum_what_they_cover() {
        let a = image(3, 20);
        let sums = window_sums(&a, [4, 5], 2);
        assert!((sums[7] - (a[7] + a[8] + a[12] + a[13])).abs() < 1e-15);
        assert_eq!(sums[4], 0.0);
        assert_eq!(sums[15], 0.0);
    }

    #[test]
    fn mirrors_read_as_reflect_padding() {
        let line = Line { taps: vec![1.0, 0.0, 0.0, 0.0, 0.0], outside: Outside::Mirror };
        let out = line.apply(&[1.0, 2.0, 3.0, 4.0], [1, 4], 1);
        assert_eq!(out, [3.0, 2.0, 1.0, 2.0]);
    }
}
