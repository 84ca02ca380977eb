//! Places and kernel weights of a few points that start side by side on a row and are displaced.

use super::kernel::Weights;
use super::padded::PAD;
use crate::real::Real;

/// Number of points handled together.
pub(crate) const LANES: usize = 16;

/// A displacement or another vector in the first three numbers; the fourth fills a vector register and is zero.
pub type Quad<R> = [R; 4];

/// The cells in which displaced points lie.
pub(crate) struct Block<R> {
    /// Where the first weighed sample of each point lies in a padded array.
    pub place: [u32; LANES],
    /// Position of each point inside its cell, by axis.
    pub fraction: [[R; LANES]; 3],
}

/// How planes are counted: periodically from the first one of an array, or as they come, from a given plane on.
#[derive(Clone, Copy)]
pub(crate) enum Planes {
    Periodic,
    From(i32),
}

/// Cells of the points (x + l, y, z) + displacement[l] in an array of `shape`, where the kernel weighs `before`
/// samples in front of a cell. Displacements are in voxels. Lanes beyond the displacements repeat the first point.
#[inline(always)]
pub(crate) fn locate<R: Real>(
    displacement: &[Quad<R>],
    [x, y, z]: [usize; 3],
    shape: [usize; 3],
    before: i32,
    planes: Planes,
) -> Block<R> {
    let mut moved = [[R::zero(); LANES]; 3];
    if let Some(full) = displacement.first_chunk::<LANES>() {
        for l in 0..LANES {
            for a in 0..3 {
                moved[a][l] = full[l][a];
            }
        }
    } else {
        for (l, d) in displacement.iter().enumerate() {
            for a in 0..3 {
                moved[a][l] = d[a];
            }
        }
    }
    let lanes = displacement.len();
    let mut fraction = [[R::zero(); LANES]; 3];
    let mut index = [[0i32; LANES]; 3];
    for a in 0..3 {
        let start = [x, y, z][a] as i32 - before;
        for l in 0..LANES {
            let whole = moved[a][l].floor();
            fraction[a][l] = moved[a][l] - whole;
            let along = if a == 0 && l < lanes { l as i32 } else { 0 };
            index[a][l] = (start + along).wrapping_add(whole.integer());
        }
    }
    wrap(&mut index[0], shape[0]);
    wrap(&mut index[1], shape[1]);
    match planes {
        Planes::Periodic => wrap(&mut index[2], shape[2]),
        Planes::From(first) => index[2].iter_mut().for_each(|i| *i = i.wrapping_sub(first)),
    }
    let (row, plane) = ((shape[0] + PAD) as u32, ((shape[0] + PAD) * (shape[1] + PAD)) as u32);
    let mut place = [0; LANES];
    for l in 0..LANES {
        place[l] = (index[2][l] as u32).wrapping_mul(plane).wrapping_add(index[1][l] as u32 * row + index[0][l] as u32);
    }
    Block { place, fraction }
}

/// Brings indices into `0..n`.
#[inline(always)]
fn wrap(index: &mut [i32; LANES], n: usize) {
    let n = n as i32;
    let mut far = false;
    for i in index.iter_mut() {
        let up = if *i < 0 { i.wrapping_add(n) } else { *i };
        *i = if up >= n { up - n } else { up };
        far |= *i < 0 || *i >= n;
    }
    if far {
        index.iter_mut().for_each(|i| *i = i.rem_euclid(n));
    }
}

/// Weights of each axis for all points: `weights[axis][tap][lane]`.
#[inline(always)]
pub(crate) fn weights<R: Real, K: Weights<T>, const T: usize>(fraction: &[[R; LANES]; 3]) -> [[[R; LANES]; T]; 3] {
    let mut all = [[[R::zero(); LANES]; T]; 3];
    for a in 0..3 {
        for l in 0..LANES {
            let w = K::weights(fraction[a][l]);
            for k in 0..T {
                all[a][k][l] = w[k];
            }
        }
    }
    all
}

/// Derivatives of the weights: `slopes[axis][tap][lane]`.
#[inline(always)]
pub(crate) fn slopes<R: Real, K: Weights<T>, const T: usize>(fraction: &[[R; LANES]; 3]) -> [[[R; LANES]; T]; 3] {
    let mut all = [[[R::zero(); LANES]; T]; 3];
    for a in 0..3 {
        for l in 0..LANES {
            let w = K::slopes(fraction[a][l]);
            for k in 0..T {
                all[a][k][l] = w[k];
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_found_wherever_they_go() {
        let shape = [7, 5, 6];
        let moves = [0.0, 0.25, -0.25, 6.5, -7.0, 1e4 + 0.5, -1e4, f64::NAN, f64::INFINITY, -1e300];
        for dx in moves {
            for dz in moves {
                let block = locate(&[[dx, 0.5, dz, 0.0]], [3, 2, 1], shape, 1, Planes::Periodic);
                let expected =
                    |start: i32, d: f64, n: usize| start.wrapping_add(d.floor() as i32).rem_euclid(n as i32) as u32;
                let [x, y, z] = [expected(2, dx, 7), 1, expected(0, dz, 6)];
                assert_eq!(block.place[0], (z * 8 + y) * 10 + x, "{dx} {dz}");
                if dx.abs() < 1e5 {
                    assert_eq!(block.fraction[0][0], dx - dx.floor());
                }
            }
        }
    }
}
