//! The volume as running sums along one axis.
//!
//! Voxels are rounded to integer multiples of a resolution fixed by the volume's largest magnitude. The sums then
//! are exact in wrapping 32-bit arithmetic, and so are differences that lie inside one column: a column needs no
//! base of its own, and sums along any axis can be turned into sums along another without loss.

use rayon::prelude::*;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Running sums along one axis. `sums[n]` is the sum of all voxels before `n` in the order of the layout, so the
/// part of a column between two of its voxels is a difference.
#[derive(Debug)]
pub struct Prefix {
    /// The axis of summation.
    pub axis: usize,
    /// Distance in `sums` of neighbours along each axis.
    pub strides: [usize; 3],
    /// The sums.
    pub sums: Vec<i32>,
}

/// A quantised volume with its running sums along each axis that was asked for. The first costs no memory beyond
/// the volume itself, each other one the same again.
#[derive(Debug)]
pub struct PrefixVolume {
    shape: [usize; 3],
    resolution: f64,
    occupied: Option<[[usize; 2]; 3]>,
    voxels: Mutex<Vec<i32>>,
    first: OnceLock<Prefix>,
    others: [OnceLock<Prefix>; 3],
}

impl PrefixVolume {
    /// Takes finite voxels, x-fastest.
    pub fn new(shape: [usize; 3], data: Vec<f32>) -> Self {
        let largest = data.par_iter().map(|v| v.abs()).reduce(|| 0.0, f32::max);
        // The integer part of a ray is at most one voxel for each step along the axis of summation: no more than
        // 2³⁰ in all, so that it survives wrapping arithmetic with its sign.
        let longest = shape.into_iter().max().unwrap_or(1) + 8;
        let resolution = if largest > 0.0 { f64::from(largest) * longest as f64 / f64::from(1 << 30) } else { 1.0 };
        let mut voxels: Vec<i32> = bytemuck::allocation::cast_vec(data);
        voxels.par_iter_mut().for_each(|v| {
            *v = (f64::from(f32::from_bits(*v as u32)) / resolution).round() as i32;
        });
        let occupied = occupied_box(shape, &voxels);
        Self {
            shape,
            resolution,
            occupied,
            voxels: Mutex::new(voxels),
            first: OnceLock::new(),
            others: Default::default(),
        }
    }

    /// Extents `[x, y, z]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Value of one unit.
    pub fn resolution(&self) -> f64 {
        self.resolution
    }

    /// First and one past the last voxel along each axis that differ from zero; `None` for an empty volume.
    pub fn occupied(&self) -> Option<[[usize; 2]; 3]> {
        self.occupied
    }

    /// The running sums along `axis`, made on first use.
    pub fn along(&self, axis: usize) -> &Prefix {
        let first = self.first.get_or_init(|| {
            let mut voxels = self.voxels.lock().unwrap_or_else(PoisonError::into_inner);
            Prefix::new(axis, self.shape, std::mem::take(&mut voxels))
        });
        if first.axis == axis {
            return first;
        }
        self.others[axis].get_or_init(|| Prefix::new(axis, self.shape, first.voxels(self.shape)))
    }
}

// Runs on one thread: several threads of a pool may wait for the first use to end, and a parallel loop in it could
// pick up work that waits in turn.
impl Prefix {
    fn new(axis: usize, shape: [usize; 3], mut voxels: Vec<i32>) -> Self {
        let [nx, ny, _] = shape;
        let strides = match axis {
            1 => [ny, 1, nx * ny],
            _ => [1, nx, nx * ny],
        };
        if axis == 2 {
            let mut total = vec![0i32; nx * ny];
            for plane in voxels.chunks_exact_mut(nx * ny) {
                for (v, t) in plane.iter_mut().zip(&mut total) {
                    let value = *v;
                    *v = *t;
                    *t = t.wrapping_add(value);
                }
            }
            voxels.reserve_exact(total.len());
            voxels.extend_from_slice(&total);
        } else {
            if axis == 1 {
                let mut turned = vec![0i32; nx * ny];
                for slice in voxels.chunks_exact_mut(nx * ny) {
                    transpose(slice, nx, &mut turned);
                    slice.copy_from_slice(&turned);
                }
            }
            let mut total = 0i32;
            for v in &mut voxels {
                let value = *v;
                *v = total;
                total = total.wrapping_add(value);
            }
            voxels.reserve_exact(1);
            voxels.push(total);
        }
        Self { axis, strides, sums: voxels }
    }

    /// Distance in `sums` from a voxel's lower to its upper sum.
    pub fn step(&self) -> usize {
        self.strides[self.axis]
    }

    /// Value of a voxel in units of the resolution.
    pub fn voxel(&self, index: [usize; 3]) -> i32 {
        let n = (0..3).map(|a| index[a] * self.strides[a]).sum::<usize>();
        self.sums[n + self.step()].wrapping_sub(self.sums[n])
    }

    /// All voxels, x-fastest.
    fn voxels(&self, shape: [usize; 3]) -> Vec<i32> {
        let [nx, ny, nz] = shape;
        let mut voxels: Vec<i32> =
            (0..nx * ny * nz).map(|n| self.sums[n + self.step()].wrapping_sub(self.sums[n])).collect();
        if self.axis == 1 {
            let mut turned = vec![0i32; nx * ny];
            for slice in voxels.chunks_exact_mut(nx * ny) {
                transpose(slice, ny, &mut turned);
                slice.copy_from_slice(&turned);
            }
        }
        voxels
    }
}

/// Writes `from`, rows of `width`, column by column.
fn transpose(from: &[i32], width: usize, to: &mut [i32]) {
    const BLOCK: usize = 16;
    let height = from.len() / width;
    for row0 in (0..height).step_by(BLOCK) {
        for col0 in (0..width).step_by(BLOCK) {
            for row in row0..(row0 + BLOCK).min(height) {
                for col in col0..(col0 + BLOCK).min(width) {
                    to[col * height + row] = from[row * width + col];
                }
            }
        }
    }
}

/// Bounding box of the voxels that differ from zero.
fn occupied_box(shape: [usize; 3], voxels: &[i32]) -> Option<[[usize; 2]; 3]> {
    const NONE: [[usize; 2]; 3] = [[usize::MAX, 0]; 3];
    let join =
        |a: [[usize; 2]; 3], b: [[usize; 2]; 3]| std::array::from_fn(|n| [a[n][0].min(b[n][0]), a[n][1].max(b[n][1])]);
    let found = voxels
        .par_chunks_exact(shape[0])
        .enumerate()
        .map(|(row, line)| {
            let Some(first) = line.iter().position(|&v| v != 0) else { return NONE };
            let last = line.iter().rposition(|&v| v != 0).map_or(0, |n| n + 1);
            let (j, k) = (row % shape[1], row / shape[1]);
            [[first, last], [j, j + 1], [k, k + 1]]
        })
        .reduce(|| NONE, join);
    (found[0][1] > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_along_every_axis_hold_the_same_voxels() {
        let shape = [5, 7, 4];
        let data: Vec<f32> = (0..140).map(|n| if n % 35 < 10 { 0.0 } else { (n * 37 % 101) as f32 - 30.0 }).collect();
        for first in 0..3 {
            let volume = PrefixVolume::new(shape, data.clone());
            volume.along(first);
            for axis in 0..3 {
                let prefix = volume.along(axis);
                for (n, &v) in data.iter().enumerate() {
                    let found = f64::from(prefix.voxel([n % 5, n / 5 % 7, n / 35])) * volume.resolution();
                    assert!((found - f64::from(v)).abs() <= 0.5 * volume.resolution(), "{first} {axis} {n}");
                }
            }
        }
    }

    #[test]
    fn occupied_box_is_tight() {
        let mut data = vec![0.0f32; 6 * 5 * 4];
        assert_eq!(PrefixVolume::new([6, 5, 4], data.clone()).occupied(), None);
        data[2 + 6 * (1 + 5 * 3)] = 1.0;
        data[4 + 6 * (3 + 5 * 2)] = -1.0;
        assert_eq!(PrefixVolume::new([6, 5, 4], data).occupied(), Some([[2, 5], [1, 4], [2, 4]]));
    }
}
