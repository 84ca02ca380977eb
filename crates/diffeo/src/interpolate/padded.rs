//! Periodic arrays with copies of their first samples behind the last ones along each axis.
//!
//! Four neighbours of any sample then lie side by side, and one address serves a whole neighbourhood.

use super::buffer::Buffer;
use bytemuck::Pod;
use rayon::prelude::*;

/// Number of samples repeated behind the last one along each axis: a cubic kernel's four neighbours less one.
pub(crate) const PAD: usize = 3;

/// A periodic array of `shape` samples, stored x-fastest with `PAD` repeated samples behind each row, plane and
/// the whole.
#[derive(Clone, Debug)]
pub struct Padded<E: Pod> {
    shape: [usize; 3],
    data: Buffer<E>,
}

impl<E: Pod + Send + Sync> Padded<E> {
    /// An array of zeros.
    pub fn new(shape: [usize; 3]) -> Self {
        let len: usize = shape.iter().map(|n| n + PAD).product();
        Self { shape, data: Buffer::new(len) }
    }

    /// An array whose row y, z is written by `write(y, z, row)`.
    pub fn from_rows(shape: [usize; 3], write: impl Fn(usize, usize, &mut [E]) + Sync) -> Self {
        let mut array = Self::new(shape);
        array.write_rows(write);
        array
    }

    /// Writes every row anew by `write(y, z, row)`.
    pub fn write_rows(&mut self, write: impl Fn(usize, usize, &mut [E]) + Sync) {
        let [nx, ny, nz] = self.shape;
        let row = nx + PAD;
        self.data.par_chunks_mut(row * (ny + PAD)).take(nz).enumerate().for_each(|(z, plane)| {
            for (y, row) in plane.chunks_exact_mut(row).take(ny).enumerate() {
                write(y, z, &mut row[..nx]);
            }
        });
        self.repeat();
    }

    /// Copies the first samples behind the last ones.
    pub(crate) fn repeat(&mut self) {
        let [nx, ny, nz] = self.shape;
        let (row, plane) = (self.row_stride(), self.plane_stride());
        self.data.par_chunks_mut(plane).take(nz).for_each(|plane| {
            for row in plane.chunks_exact_mut(row).take(ny) {
                for p in 0..PAD {
                    row[nx + p] = row[p % nx];
                }
            }
            for p in 0..PAD {
                plane.copy_within((p % ny) * row..(p % ny + 1) * row, (ny + p) * row);
            }
        });
        for p in 0..PAD {
            self.data.copy_within((p % nz) * plane..(p % nz + 1) * plane, (nz + p) * plane);
        }
    }

    /// Number of samples along x, y and z, without the repeated ones.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The samples of row y, z.
    pub fn row(&self, y: usize, z: usize) -> &[E] {
        &self.data[z * self.plane_stride() + y * self.row_stride()..][..self.shape[0]]
    }

    /// Everything stored, repeated samples too.
    pub(crate) fn data(&self) -> &[E] {
        &self.data
    }

    /// Everything stored, repeated samples too.
    pub(crate) fn data_mut(&mut self) -> &mut [E] {
        &mut self.data
    }

    /// Distance in `data` from one row to the next.
    pub(crate) fn row_stride(&self) -> usize {
        self.shape[0] + PAD
    }

    /// Distance in `data` from one plane to the next.
    pub(crate) fn plane_stride(&self) -> usize {
        (self.shape[0] + PAD) * (self.shape[1] + PAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_repeat_behind_the_last_ones_even_on_axes_shorter_than_the_repetition() {
        let shape = [2, 5, 1];
        let value = |x: usize, y: usize, z: usize| (100 * (z % shape[2]) + 10 * (y % shape[1]) + x % shape[0]) as i32;
        let array = Padded::from_rows(shape, |y, z, row: &mut [i32]| {
            row.iter_mut().enumerate().for_each(|(x, out)| *out = value(x, y, z));
        });
        for z in 0..shape[2] + PAD {
            for y in 0..shape[1] + PAD {
                for x in 0..shape[0] + PAD {
                    let at = z * array.plane_stride() + y * array.row_stride() + x;
                    assert_eq!(array.data()[at], value(x, y, z), "{x} {y} {z}");
                }
            }
        }
        assert_eq!(array.row(3, 0), [30, 31]);
    }
}
