//! Centre of mass and principal axes of an image.

use rayon::prelude::*;
use regiscope_geometry::nalgebra::{Matrix3, SymmetricEigen};
use regiscope_geometry::{Point, Vector};
use regiscope_image::Volume;

/// Moments of what stands out of the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Centre of mass in the world, mm.
    pub centre: Point,
    /// Standard deviations along the principal axes, mm, the smallest first.
    pub deviations: Vector,
    /// Principal axes as columns, a rotation.
    pub axes: Matrix3<f64>,
}

impl Moments {
    /// A radius of the object, mm: √(5/3) deviations in each direction, which is that of a homogeneous ball.
    pub fn radius(&self) -> f64 {
        (5.0 / 3.0 * self.deviations.norm_squared()).sqrt().max(1e-3)
    }
}

/// Moments of an image, weighted with the values over the background: what lies over Otsu's threshold counts with
/// its height over the threshold, up to the 99.5 % quantile. `None` where nothing stands out.
pub fn moments(image: &Volume<f32>, mask: Option<&Volume<bool>>) -> Option<Moments> {
    let counts = |n: usize| mask.is_none_or(|m| m.data()[n]);
    let values: Vec<f32> = match mask {
        None => image.data().to_vec(),
        Some(mask) => image.data().iter().zip(mask.data()).filter(|(_, m)| **m).map(|(v, _)| *v).collect(),
    };
    let (threshold, top) = otsu(&values)?;
    drop(values);
    let [nx, ny, _] = image.grid().shape();
    // Sums of w, w x, w x xᵀ over index coordinates, slice by slice, joined in order.
    let slices: Vec<[f64; 10]> = image
        .data()
        .par_chunks(nx * ny)
        .enumerate()
        .map(|(k, slice)| {
            let mut sums = [0.0; 10];
            for (n, &v) in slice.iter().enumerate() {
                if v > threshold && counts(k * nx * ny + n) {
                    let w = f64::from(v.min(top) - threshold);
                    let (x, y, z) = ((n % nx) as f64, (n / nx) as f64, k as f64);
                    let terms = [1.0, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z];
                    sums.iter_mut().zip(terms).for_each(|(s, t)| *s += w * t);
                }
            }
            sums
        })
        .collect();
    let total = slices.iter().fold([0.0; 10], |mut total, s| {
        total.iter_mut().zip(s).for_each(|(t, s)| *t += s);
        total
    });
    let [w, x, y, z, xx, yy, zz, xy, xz, yz] = total;
    if w.is_nan() || w <= 0.0 {
        return None;
    }
    let mean = Vector::new(x, y, z) / w;
    let second = Matrix3::new(xx, xy, xz, xy, yy, yz, xz, yz, zz) / w - mean * mean.transpose();
    let axes = image.grid().axes();
    let covariance = axes * second * axes.transpose();
    let eigen = SymmetricEigen::new(covariance);
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
    let mut principal = Matrix3::from_columns(&order.map(|n| eigen.eigenvectors.column(n).into_owned()));
    if principal.determinant() < 0.0 {
        principal.column_mut(0).neg_mut();
    }
    let deviations = Vector::from(order.map(|n| eigen.eigenvalues[n].max(0.0).sqrt()));
    Some(Moments { centre: image.grid().world_from_index(&Point::from(mean)), deviations, axes: principal })
}

/// Otsu's threshold between background and object (N. Otsu, IEEE Trans. SMC 9(1), 1979), and the 99.5 % quantile;
/// `None` where all values are one. The background is taken to be the darker class.
fn otsu(values: &[f32]) -> Option<(f32, f32)> {
    const BINS: usize = 256;
    let (low, high) = regiscope_image::window::finite_range(values)?;
    if high <= low {
        return None;
    }
    let width = (f64::from(high) - f64::from(low)) / BINS as f64;
    let mut counts = [0u64; BINS];
    for &v in values {
        counts[(((f64::from(v) - f64::from(low)) / width) as usize).min(BINS - 1)] += 1;
    }
    let total: u64 = counts.iter().sum();
    let all: f64 = counts.iter().enumerate().map(|(n, &c)| n as f64 * c as f64).sum();
    let (mut below, mut sum, mut best, mut cut) = (0u64, 0.0, -1.0, 0usize);
    for (n, &c) in counts.iter().enumerate().take(BINS - 1) {
        below += c;
        sum += n as f64 * c as f64;
        if below == 0 || below == total {
            continue;
        }
        let (w0, w1) = (below as f64, (total - below) as f64);
        let between = w0 * w1 * (sum / w0 - (all - sum) / w1).powi(2);
        if between > best {
            (best, cut) = (between, n);
        }
    }
    let mut seen = 0;
    let top = counts.iter().position(|&c| {
        seen += c;
        seen as f64 >= 0.995 * total as f64
    });
    let edge = |n: usize| (f64::from(low) + (n + 1) as f64 * width) as f32;
    // Both classes have members, so the threshold lies below the greatest value.
    let threshold = edge(cut).min(high);
    Some((if threshold < high { threshold } else { low }, edge(top.unwrap_or(BINS - 1)).max(threshold)))
        .map(|(t, top)| (t, if top > t { top } else { high }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;
    use regiscope_geometry::nalgebra::Rotation3;

    #[test]
    fn an_ellipsoid_has_its_moments() {
        let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.7).into_inner();
        let (centre, radii) = (Point::new(5.0, -8.0, 12.0), Vector::new(12.0, 20.0, 30.0));
        let axes = *Rotation3::from_euler_angles(0.1, 0.2, -0.3).matrix()
            * Matrix3::from_diagonal(&Vector::new(1.5, 2.0, 2.5));
        let grid = Grid::new([60, 50, 40], Point::new(-40.0, -55.0, -35.0), axes).unwrap();
        let [nx, ny, _] = grid.shape();
        let value = |n: usize| {
            let at = grid.world_from_index(&Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64));
            let q = turn.transpose() * (at - centre);
            if q.component_div(&radii).norm() < 1.0 { 80.0 } else { -20.0 }
        };
        let image = Volume::new(grid.clone(), (0..grid.len()).map(value).collect());
        let found = moments(&image, None).unwrap();
        assert!((found.centre - centre).norm() < 0.2, "{}", found.centre);
        // A homogeneous ellipsoid has the variance r²/5 along each axis.
        assert!((found.deviations * 5f64.sqrt() - radii).amax() < 0.4, "{}", found.deviations * 5f64.sqrt());
        for a in 0..3 {
            assert!(found.axes.column(a).dot(&turn.column(a)).abs() > 0.999);
        }
        assert!((found.axes.determinant() - 1.0).abs() < 1e-9);
        let half = image.map(|v| *v > 0.0);
        assert!((moments(&image, Some(&half)).is_none()), "constant inside its mask");
    }
}
