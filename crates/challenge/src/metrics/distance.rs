//! Exact Euclidean distance transforms in linear time.
//!
//! Squared distances are separable: first along x by two scans of each row, then along y and along z by the lower
//! envelope of parabolas. Source: Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions", Theory
//! of Computing 8; Meijster, Roerdink and Hesselink 2000. Rows, planes and columns are shared among threads.

use rayon::prelude::*;

/// Squared distance (mm²) of every voxel to the nearest site, infinite without sites. Values are x-fastest.
pub fn squared_distances(sites: &[bool], shape: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f64> {
    let everywhere: Vec<usize> = (0..sites.len()).collect();
    squared_distances_at(sites, shape, spacing_mm, &everywhere)
}

/// Squared distance (mm²) of the listed voxels (ascending) to the nearest site, infinite without sites.
///
/// The last pass visits only columns along z with a listed voxel.
pub fn squared_distances_at(sites: &[bool], shape: [usize; 3], spacing_mm: [f64; 3], at: &[usize]) -> Vec<f64> {
    let [nx, ny, nz] = shape;
    if sites.is_empty() || at.is_empty() {
        return vec![f64::INFINITY; at.len()];
    }
    let mut in_planes = vec![0.0; sites.len()];
    in_planes.par_chunks_mut(nx * ny).zip(sites.par_chunks(nx * ny)).for_each(|(plane, sites)| {
        for (row, sites) in plane.chunks_exact_mut(nx).zip(sites.chunks_exact(nx)) {
            along_row(sites, spacing_mm[0], row);
        }
        if ny > 1 {
            along_columns(plane, nx, ny, spacing_mm[1]);
        }
    });
    if nz == 1 {
        return at.iter().map(|&voxel| in_planes[voxel]).collect();
    }
    along_z(&in_planes, shape, spacing_mm[2], at)
}

/// Squared distances inside a row, by a scan from each side.
fn along_row(sites: &[bool], spacing: f64, squared: &mut [f64]) {
    let mut last = None;
    for (x, (&site, value)) in sites.iter().zip(squared.iter_mut()).enumerate() {
        if site {
            last = Some(x);
        }
        *value = last.map_or(f64::INFINITY, |at| ((x - at) as f64 * spacing).powi(2));
    }
    let mut next = None;
    for (x, (&site, value)) in sites.iter().zip(squared.iter_mut()).enumerate().rev() {
        if site {
            next = Some(x);
        }
        if let Some(at) = next {
            *value = value.min(((at - x) as f64 * spacing).powi(2));
        }
    }
}

/// Columns of a plane, a few together so that whole cache lines are used.
fn along_columns(plane: &mut [f64], nx: usize, ny: usize, spacing: f64) {
    const TOGETHER: usize = 8;
    let mut columns = vec![0.0; TOGETHER * ny];
    let mut envelope = Envelope::default();
    for x0 in (0..nx).step_by(TOGETHER) {
        let width = TOGETHER.min(nx - x0);
        for y in 0..ny {
            for i in 0..width {
                columns[i * ny + y] = plane[y * nx + x0 + i];
            }
        }
        for column in columns.chunks_exact_mut(ny).take(width) {
            envelope.build(column, spacing);
            envelope.evaluate(0..ny, spacing, column);
        }
        for y in 0..ny {
            for i in 0..width {
                plane[y * nx + x0 + i] = columns[i * ny + y];
            }
        }
    }
}

/// The last axis, only where an answer is wanted.
fn along_z(in_planes: &[f64], [nx, ny, nz]: [usize; 3], spacing: f64, at: &[usize]) -> Vec<f64> {
    // Wanted voxels, ordered by row (y), then column (x), then z.
    let plane = nx * ny;
    let mut wanted: Vec<(u64, usize)> =
        at.iter().enumerate().map(|(place, &voxel)| (((voxel % plane) * nz + voxel / plane) as u64, place)).collect();
    wanted.par_sort_unstable();
    let of_column = |entry: &(u64, usize)| entry.0 / nz as u64;
    let columns: Vec<&[(u64, usize)]> = wanted.chunk_by(|a, b| of_column(a) == of_column(b)).collect();
    let found: Vec<Vec<f64>> = columns
        .par_chunks(64)
        .map_init(
            || (vec![0.0; nz], Envelope::default(), Vec::new(), Vec::new()),
            |(values, envelope, heights, answers), columns| {
                let mut found = Vec::new();
                for column in columns {
                    let offset = of_column(&column[0]) as usize;
                    for (z, value) in values.iter_mut().enumerate() {
                        *value = in_planes[offset + z * plane];
                    }
                    envelope.build(values, spacing);
                    heights.clear();
                    heights.extend(column.iter().map(|entry| (entry.0 % nz as u64) as usize));
                    answers.clear();
                    answers.resize(heights.len(), 0.0);
                    envelope.evaluate(heights.iter().copied(), spacing, answers);
                    found.extend_from_slice(answers);
                }
                found
            },
        )
        .collect();
    let mut result = vec![0.0; at.len()];
    for ((_, place), value) in wanted.iter().zip(found.into_iter().flatten()) {
        result[*place] = value;
    }
    result
}

/// The lower envelope of parabolas f(q) + (x − q)² over the samples q of a line.
#[derive(Default)]
struct Envelope {
    /// Samples whose parabolas are part of the envelope, from left to right, and their values.
    parts: Vec<(usize, f64)>,
    /// Where each part begins, mm.
    begins: Vec<f64>,
}

impl Envelope {
    fn build(&mut self, values: &[f64], spacing: f64) {
        self.parts.clear();
        self.begins.clear();
        for (q, &value) in values.iter().enumerate() {
            if value == f64::INFINITY {
                continue;
            }
            let at = q as f64 * spacing;
            let mut begin = f64::NEG_INFINITY;
            while let Some(&(p, other)) = self.parts.last() {
                let p_at = p as f64 * spacing;
                begin = ((value - other) / (at - p_at) + at + p_at) / 2.0;
                if begin > *self.begins.last().expect("each part has its begin") {
                    break;
                }
                self.parts.pop();
                self.begins.pop();
                begin = f64::NEG_INFINITY;
            }
            self.parts.push((q, value));
            self.begins.push(begin);
        }
    }

    /// The envelope at ascending positions.
    fn evaluate(&self, at: impl IntoIterator<Item = usize>, spacing: f64, into: &mut [f64]) {
        let mut part = 0;
        for (x, value) in at.into_iter().zip(into.iter_mut()) {
            while part + 1 < self.parts.len() && self.begins[part + 1] < x as f64 * spacing {
                part += 1;
            }
            *value = match self.parts.get(part) {
                Some(&(q, base)) => base + (x.abs_diff(q) as f64 * spacing).powi(2),
                None => f64::INFINITY,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Every voxel with every site.
    fn plain(sites: &[bool], [nx, ny, _]: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
        let place = |i: usize| [i % nx, i / nx % ny, i / (nx * ny)];
        let all: Vec<[usize; 3]> = (0..sites.len()).filter(|&i| sites[i]).map(place).collect();
        let squared = |a: [usize; 3], b: [usize; 3]| -> f64 {
            (0..3).map(|i| (a[i].abs_diff(b[i]) as f64 * spacing[i]).powi(2)).sum()
        };
        (0..sites.len())
            .map(|i| all.iter().map(|&site| squared(place(i), site)).fold(f64::INFINITY, f64::min))
            .collect()
    }

    #[test]
    fn it_is_the_distance_to_the_nearest_site() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let spacings = [[1.0, 1.0, 1.0], [0.7, 0.7, 3.0], [2.0, 0.5, 0.3]];
        for shape in [[1, 1, 1], [7, 1, 1], [13, 9, 1], [1, 6, 5], [9, 17, 8], [20, 3, 11]] {
            for spacing in spacings {
                for density in [0.0, 0.02, 0.2, 1.0] {
                    let n: usize = shape.iter().product();
                    let sites: Vec<bool> = (0..n).map(|_| rng.random::<f64>() < density).collect();
                    let (fast, slow) = (squared_distances(&sites, shape, spacing), plain(&sites, shape, spacing));
                    let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= 1e-13 * b;
                    assert!(fast.iter().zip(&slow).all(near), "{shape:?} {spacing:?} {density}");
                    let some: Vec<usize> = (0..n).filter(|_| rng.random::<f64>() < 0.3).collect();
                    let at = squared_distances_at(&sites, shape, spacing, &some);
                    assert!(at.iter().zip(&some).all(|(a, &i)| *a == fast[i]));
                }
            }
        }
    }
}
