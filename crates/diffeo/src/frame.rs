//! The periodic box around the fixed image, and the way into it and out again.
//!
//! The solver's box is periodic and wants extents that are products of 2, 3, 5 and 7. Images get a margin, so that
//! what lies at one face does not meet what lies at the opposite one; in the margin values go straight from one face
//! to the other, so that the whole is continuous around the box.

use crate::grid::Grid as Periodic;
use rayon::prelude::*;
use regiscope_geometry::{Grid, Point, Vector};
use regiscope_image::Volume;

/// A box of voxels around those of the fixed image.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The fixed image's grid.
    inner: Grid,
    /// The box's grid, of the same voxels.
    outer: Grid,
    /// Index in the box of the fixed image's first voxel.
    start: [usize; 3],
}

/// Whether a number has no other prime factors than 2, 3, 5 and 7.
pub fn is_smooth(mut n: usize) -> bool {
    for p in [2, 3, 5, 7] {
        while n > 0 && n.is_multiple_of(p) {
            n /= p;
        }
    }
    n == 1
}

/// The least even number from `n` on without other prime factors than 2, 3, 5 and 7.
pub fn smooth_from(n: usize) -> usize {
    (n.max(2)..).find(|&m| m.is_multiple_of(2) && is_smooth(m)).expect("powers of two have no end")
}

impl Frame {
    /// The box with at least `margin` voxels more than the fixed image along each axis, rounded up to fast extents.
    /// The fixed image lies in its middle.
    pub fn around(fixed: &Grid, margin: [usize; 3]) -> Self {
        let shape = fixed.shape();
        let extents = [0, 1, 2].map(|a| smooth_from(shape[a] + margin[a]));
        let start = [0, 1, 2].map(|a| (extents[a] - shape[a]) / 2);
        let first = Point::from(Vector::from(start.map(|s| -(s as f64))));
        let outer = Grid::new(extents, fixed.world_from_index(&first), *fixed.axes()).expect("a larger sound grid");
        Self { inner: fixed.clone(), outer, start }
    }

    /// The box with a margin where it is needed: along each axis the gap between what stands out of the background at
    /// one side and, around the box, at the other is at least `gap` voxels, for all images together. Images are on the
    /// fixed grid.
    pub fn automatic(fixed: &Grid, images: &[&Volume<f32>], gap: usize) -> Self {
        let mut margin = [0; 3];
        for (a, margin) in margin.iter_mut().enumerate() {
            let free = images
                .iter()
                .map(|image| free_ends(image, a))
                .fold([usize::MAX; 2], |f, e| [f[0].min(e[0]), f[1].min(e[1])]);
            *margin = gap.saturating_sub(free[0].saturating_add(free[1]));
        }
        Self::around(fixed, margin)
    }

    /// The grid of the fixed image.
    pub fn inner(&self) -> &Grid {
        &self.inner
    }

    /// The grid of the box in the world.
    pub fn outer(&self) -> &Grid {
        &self.outer
    }

    /// The box for the solver.
    pub fn periodic(&self) -> Periodic {
        Periodic::new(self.outer.shape(), self.outer.spacing())
    }

    /// Whether the box is the fixed image itself.
    pub fn is_tight(&self) -> bool {
        self.inner.shape() == self.outer.shape()
    }

    /// Puts an image on the fixed grid into the box. In the margin, values go in a straight line from one face around
    /// the box to the other.
    ///
    /// # Panics
    /// If the image is not on the fixed grid.
    pub fn framed(&self, image: &Volume<f32>) -> Volume<f32> {
        assert_eq!(image.grid().shape(), self.inner.shape(), "an image on the fixed grid");
        if self.is_tight() {
            return Volume::new(self.outer.clone(), image.data().to_vec());
        }
        let (shape, inner) = (self.outer.shape(), self.inner.shape());
        // Along each axis: two voxels of the image and the weight of the second.
        let taps =
            [0, 1, 2].map(|a| (0..shape[a]).map(|i| wrap(i, self.start[a], inner[a], shape[a])).collect::<Vec<_>>());
        let mut data = vec![0f32; self.outer.len()];
        data.par_chunks_mut(shape[0]).enumerate().for_each(|(row, values)| {
            let (y, z) = (taps[1][row % shape[1]], taps[2][row / shape[1]]);
            let line = |x: usize| {
                let at = |j: usize, k: usize| image.data()[x + inner[0] * (j + inner[1] * k)];
                let along = |k: usize| mix(at(y.0, k), at(y.1, k), y.2);
                mix(along(z.0), along(z.1), z.2)
            };
            for (value, x) in values.iter_mut().zip(&taps[0]) {
                *value = if x.0 == x.1 { line(x.0) } else { mix(line(x.0), line(x.1), x.2) };
            }
        });
        Volume::new(self.outer.clone(), data)
    }

    /// Puts voxels on the fixed grid into the box, `outside` in the margin.
    ///
    /// # Panics
    /// If the values are not on the fixed grid.
    pub fn framed_with<T: Copy>(&self, image: &Volume<T>, outside: T) -> Volume<T> {
        assert_eq!(image.grid().shape(), self.inner.shape(), "values on the fixed grid");
        let mut data = vec![outside; self.outer.len()];
        self.rows(|inner, outer, n| data[outer..outer + n].copy_from_slice(&image.data()[inner..inner + n]));
        Volume::new(self.outer.clone(), data)
    }

    /// Takes the fixed image's part out of the box.
    ///
    /// # Panics
    /// If there is not one value for each voxel of the box.
    pub fn cropped<T: Copy + Default>(&self, values: &[T]) -> Volume<T> {
        assert_eq!(values.len(), self.outer.len(), "one value for each voxel of the box");
        let mut data = vec![T::default(); self.inner.len()];
        self.rows(|inner, outer, n| data[inner..inner + n].copy_from_slice(&values[outer..outer + n]));
        Volume::new(self.inner.clone(), data)
    }

    /// Calls with the offsets of each row of the fixed image in it and in the box, and its length.
    fn rows(&self, mut row: impl FnMut(usize, usize, usize)) {
        let inner = self.inner.shape();
        for k in 0..inner[2] {
            for j in 0..inner[1] {
                let outer = [self.start[0], self.start[1] + j, self.start[2] + k];
                row(self.inner.offset([0, j, k]), self.outer.offset(outer), inner[0]);
            }
        }
    }
}

fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + weight * (b - a)
}

/// The voxels between which place `i` of the box lies, and the weight of the second.
fn wrap(i: usize, start: usize, inner: usize, outer: usize) -> (usize, usize, f32) {
    if (start..start + inner).contains(&i) {
        return (i - start, i - start, 0.0);
    }
    let beyond = (i + outer - (start + inner)) % outer;
    (inner - 1, 0, (beyond + 1) as f32 / (outer - inner + 1) as f32)
}

/// Part of the range of values by which a voxel must differ from the background to stand out of it.
const STANDS_OUT: f32 = 0.02;

/// Voxels at both ends of an axis in which nothing stands out of the background, which is the value of most border
/// voxels; none where the border has no such value.
fn free_ends(image: &Volume<f32>, axis: usize) -> [usize; 2] {
    let shape = image.grid().shape();
    let Some((low, high)) = regiscope_image::window::finite_range(image.data()) else { return [0, 0] };
    let Some(background) = background(image) else { return [0, 0] };
    let step: usize = shape[..axis].iter().product();
    let mut stands = vec![false; shape[axis]];
    for (o, v) in image.data().iter().enumerate() {
        if (v - background).abs() > STANDS_OUT * (high - low) {
            stands[o / step % shape[axis]] = true;
        }
    }
    match stands.iter().position(|s| *s) {
        Some(first) => [first, stands.iter().rev().position(|s| *s).unwrap_or(0)],
        None => [shape[axis]; 2],
    }
}

/// The value of the background: the median of the six faces' voxels, if nine tenths of them are near it.
pub fn background(image: &Volume<f32>) -> Option<f32> {
    let shape = image.grid().shape();
    let (low, high) = regiscope_image::window::finite_range(image.data())?;
    let on_face = |o: usize| {
        let index = [o % shape[0], o / shape[0] % shape[1], o / (shape[0] * shape[1])];
        (0..3).any(|a| index[a] == 0 || index[a] + 1 == shape[a])
    };
    let faces: Vec<f32> = image.data().iter().enumerate().filter(|(o, _)| on_face(*o)).map(|(_, v)| *v).collect();
    let median = regiscope_image::window::quantile(&faces, 0.5)?;
    let near = faces.iter().filter(|v| (**v - median).abs() <= STANDS_OUT * (high - low)).count();
    (10 * near >= 9 * faces.len()).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(shape: [usize; 3], f: impl Fn([usize; 3]) -> f32) -> Volume<f32> {
        let grid = Grid::centred(shape, [1.0, 1.5, 2.0]).unwrap();
        let at = |o: usize| [o % shape[0], o / shape[0] % shape[1], o / shape[0] / shape[1]];
        Volume::new(grid.clone(), (0..grid.len()).map(|o| f(at(o))).collect())
    }

    #[test]
    fn extents_are_fast() {
        assert_eq!([1, 7, 11, 13, 97, 128, 150, 251].map(smooth_from), [2, 8, 12, 14, 98, 128, 150, 252]);
        assert!(is_smooth(210) && !is_smooth(22) && !is_smooth(0));
    }

    #[test]
    fn what_goes_in_comes_out_at_its_place() {
        let inside = image([11, 10, 9], |[i, j, k]| (i + 20 * j + 300 * k) as f32);
        let frame = Frame::around(inside.grid(), [5, 0, 4]);
        assert_eq!(frame.outer().shape(), [16, 10, 14]);
        let framed = frame.framed(&inside);
        assert_eq!(frame.cropped(framed.data()), inside);
        assert_eq!(frame.cropped(frame.framed_with(&inside, -1.0).data()), inside);
        let index = Point::new(3.0, 4.0, 5.0);
        let world = inside.grid().world_from_index(&index);
        let at = frame.outer().index_from_world(&world);
        assert_eq!(framed.get([at.x as usize, at.y as usize, at.z as usize]), inside.get([3, 4, 5]));
        let tight = Frame::around(image([12, 10, 8], |_| 0.0).grid(), [0; 3]);
        assert!(tight.is_tight() && !frame.is_tight());
    }

    #[test]
    fn the_box_is_continuous_around() {
        let inside = image([11, 9, 8], |[i, j, k]| i as f32 + 2.0 * j as f32 - k as f32);
        let frame = Frame::around(inside.grid(), [6, 6, 6]);
        let framed = frame.framed(&inside);
        let shape = frame.outer().shape();
        let mut worst = 0f32;
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                for i in 0..shape[0] {
                    let here = framed.get([i, j, k]).unwrap();
                    let next = framed.get([(i + 1) % shape[0], j, k]).unwrap();
                    worst = worst.max((here - next).abs());
                }
            }
        }
        // Ten units are spread over the six steps of the margin and the one around.
        assert!(worst <= 10.0 / 6.0 + 1e-5, "{worst}");
    }

    #[test]
    fn margins_are_there_where_they_are_needed() {
        // A block that leaves 2 and 3 voxels along x, none along z, and everything along y.
        let block = image([20, 24, 16], |[i, j, _]| f32::from(u8::from((2..17).contains(&i) && (8..12).contains(&j))));
        // The faces across z are mostly background.
        let frame = Frame::automatic(block.grid(), &[&block], 8);
        assert_eq!(frame.outer().shape(), [24, 24, 24]);
        let full = image([20, 24, 16], |[i, j, k]| (i * j + k) as f32);
        assert_eq!(background(&full), None);
        assert_eq!(Frame::automatic(full.grid(), &[&full], 4).outer().shape(), [24, 28, 20]);
    }
}
