//! Distances from the elements of one surface to the nearest element of another.
//!
//! Surfaces that are compared mostly lie near each other. So the rows of voxels around an element are visited by
//! ascending distance, and the nearest site of each is found by bisection, until no row can be nearer than what was
//! found. An element may visit 512 rows; what is then undecided is left to the distance transform of
//! [`distance`](super::distance), so that the cost stays linear in the number of voxels whatever the surfaces are.

use super::distance::squared_distances_at;
use rayon::prelude::*;

/// The most rows that are visited around one element.
const VISITS: usize = 512;

/// Of so many elements one is tried first; where more than a part of these is undecided, all are transformed.
const SAMPLED: usize = 64;

/// Squared distance (mm²) from each voxel of `from` to the nearest one of `to`, infinite where `to` is empty. Both list
/// voxels in ascending order.
pub fn squared_distances_between(from: &[usize], to: &[usize], shape: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f64> {
    if to.is_empty() {
        return vec![f64::INFINITY; from.len()];
    }
    let (rows, around) = (Rows::new(to, shape), Around::new(shape, spacing_mm));
    let near = |voxel: &usize| rows.nearest(*voxel, &around).unwrap_or(f64::NAN);
    let sample = || from.iter().step_by(SAMPLED);
    let undecided = sample().filter(|voxel| near(voxel).is_nan()).count();
    let mut squared = if 8 * undecided > sample().count() {
        vec![f64::NAN; from.len()]
    } else {
        from.par_iter().with_min_len(1024).map(near).collect()
    };
    let far: Vec<usize> = (0..from.len()).filter(|&i| squared[i].is_nan()).collect();
    if !far.is_empty() {
        let mut sites = vec![false; shape.iter().product()];
        to.iter().for_each(|&voxel| sites[voxel] = true);
        let at: Vec<usize> = far.iter().map(|&i| from[i]).collect();
        let transformed = squared_distances_at(&sites, shape, spacing_mm, &at);
        far.iter().zip(transformed).for_each(|(&i, value)| squared[i] = value);
    }
    squared
}

/// Sites by the row they lie in: row y + z · ny has the sites `x[starts[row]..starts[row + 1]]`.
struct Rows {
    shape: [usize; 3],
    starts: Vec<u32>,
    x: Vec<u32>,
}

impl Rows {
    fn new(sites: &[usize], shape: [usize; 3]) -> Self {
        let mut starts = vec![0u32; shape[1] * shape[2] + 1];
        sites.iter().for_each(|&site| starts[site / shape[0] + 1] += 1);
        for row in 1..starts.len() {
            starts[row] += starts[row - 1];
        }
        Self { shape, starts, x: sites.iter().map(|&site| (site % shape[0]) as u32).collect() }
    }

    /// The squared distance to the nearest site, if a few rows decide it.
    fn nearest(&self, voxel: usize, around: &Around) -> Option<f64> {
        let [nx, ny, nz] = self.shape;
        let (x, y, z) = ((voxel % nx) as u32, (voxel / nx % ny) as isize, (voxel / (nx * ny)) as isize);
        let mut best = f64::INFINITY;
        for step in &around.steps {
            if step.squared >= best {
                return Some(best);
            }
            let (y, z) = (y + step.y, z + step.z);
            if y < 0 || z < 0 || y >= ny as isize || z >= nz as isize {
                continue;
            }
            let row = z as usize * ny + y as usize;
            let sites = &self.x[self.starts[row] as usize..self.starts[row + 1] as usize];
            let next = sites.partition_point(|&site| site < x);
            // Summed in the order of the distance transform.
            let mut take = |apart: u32| {
                best = best.min((f64::from(apart) * around.spacing_x).powi(2) + step.y_squared + step.z_squared)
            };
            if let Some(&site) = sites.get(next) {
                take(site - x);
            }
            if next > 0 {
                take(x - sites[next - 1]);
            }
        }
        (best <= around.beyond).then_some(best)
    }
}

/// Steps from a row to those around it, by ascending distance.
struct Around {
    spacing_x: f64,
    steps: Vec<Step>,
    /// Squared distance that every row beyond the steps has at least.
    beyond: f64,
}

struct Step {
    y: isize,
    z: isize,
    y_squared: f64,
    z_squared: f64,
    squared: f64,
}

impl Around {
    fn new([_, ny, nz]: [usize; 3], [spacing_x, spacing_y, spacing_z]: [f64; 3]) -> Self {
        // A disc with about as many rows as may be visited, and no farther than the grid reaches.
        let radius = (VISITS as f64 * spacing_y * spacing_z / std::f64::consts::PI).sqrt();
        let reach =
            |n: usize, spacing: f64| ((radius / spacing).ceil().min(VISITS as f64) as usize).min(n - 1) as isize;
        let (reach_y, reach_z) = (reach(ny, spacing_y), reach(nz, spacing_z));
        let mut steps: Vec<Step> = (-reach_z..=reach_z)
            .flat_map(|z| (-reach_y..=reach_y).map(move |y| (y, z)))
            .map(|(y, z)| {
                let (y_squared, z_squared) = ((y as f64 * spacing_y).powi(2), (z as f64 * spacing_z).powi(2));
                Step { y, z, y_squared, z_squared, squared: y_squared + z_squared }
            })
            .collect();
        steps.sort_by(|a, b| a.squared.total_cmp(&b.squared));
        // Rows outside the box of steps: those one step beyond it, where the grid has such.
        let outside = |reached: isize, n: usize, spacing: f64| {
            if reached as usize + 1 < n { ((reached + 1) as f64 * spacing).powi(2) } else { f64::INFINITY }
        };
        let mut beyond = outside(reach_y, ny, spacing_y).min(outside(reach_z, nz, spacing_z));
        if steps.len() > VISITS {
            beyond = beyond.min(steps[VISITS].squared);
            steps.truncate(VISITS);
        }
        Self { spacing_x, steps, beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Dense sites are found in the rows around, sparse ones by the transform, and both as the transform finds them.
    #[test]
    fn it_is_the_distance_transform_at_the_elements() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for shape in [[1, 1, 1], [40, 1, 1], [23, 31, 1], [19, 17, 13], [3, 90, 70]] {
            for spacing in [[1.0, 1.0, 1.0], [0.7, 0.7, 3.0], [2.0, 0.5, 0.3]] {
                for density in [0.0, 0.0005, 0.02, 0.5, 1.0] {
                    let n: usize = shape.iter().product();
                    let mut some = |part: f64| (0..n).filter(|_| rng.random::<f64>() < part).collect::<Vec<_>>();
                    let (from, to) = (some(0.2), some(density));
                    let mut sites = vec![false; n];
                    to.iter().for_each(|&voxel| sites[voxel] = true);
                    let found = squared_distances_between(&from, &to, shape, spacing);
                    let expected = squared_distances_at(&sites, shape, spacing, &from);
                    let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= 1e-15 * b;
                    assert!(found.iter().zip(&expected).all(near), "{shape:?} {spacing:?} {density}");
                }
            }
        }
    }

    #[test]
    fn both_ways_are_taken() {
        let shape = [30, 30, 30];
        let (rows, around) = (Rows::new(&[0], shape), Around::new(shape, [1.0; 3]));
        assert_eq!(rows.nearest(5, &around), Some(25.0));
        assert_eq!(rows.nearest(30 * 30 * 30 - 1, &around), None);
        assert_eq!(squared_distances_between(&[26_999], &[0], shape, [1.0; 3]), [3.0 * 841.0]);
    }
}
