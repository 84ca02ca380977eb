//! The determinant of a map's derivative: how volumes change.

use rayon::prelude::*;
use regiscope_geometry::Vector;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_image::Volume;
use regiscope_image::window::quantile;
use thiserror::Error;

/// det ∇(x + u) at each voxel, by central differences of second order (one-sided of first order at the borders), as
/// ITK's `DisplacementFieldJacobianDeterminantFilter` with spacing. An axis of one voxel contributes no change.
pub fn determinant(field: &Volume<[f32; 3]>) -> Volume<f32> {
    let grid = field.grid();
    let shape = grid.shape();
    let steps = [1, shape[0], shape[0] * shape[1]];
    let to_world = grid.axes_inverse();
    let data = field.data();
    let at = |o: usize| Vector::from(data[o].map(f64::from));
    let mut values = vec![0f32; grid.len()];
    values.par_chunks_mut(shape[0]).enumerate().for_each(|(row, values)| {
        for (i, value) in values.iter_mut().enumerate() {
            let index = [i, row % shape[1], row / shape[1]];
            let o = row * shape[0] + i;
            // Derivatives along the index axes, as columns.
            let along = |a: usize| {
                let low = usize::from(index[a] > 0);
                let high = usize::from(index[a] + 1 < shape[a]);
                match low + high {
                    0 => Vector::zeros(),
                    n => (at(o + high * steps[a]) - at(o - low * steps[a])) / n as f64,
                }
            };
            let gradient = Matrix3::from_columns(&[along(0), along(1), along(2)]) * to_world;
            *value = (Matrix3::identity() + gradient).determinant() as f32;
        }
    });
    Volume::new(grid.clone(), values)
}

/// Why a logarithm cannot be taken.
#[derive(Clone, Debug, PartialEq, Error)]
#[error(
    "{count} voxels have a determinant that is not positive (the least is {least}): the map folds there, and its logarithm does not exist"
)]
pub struct DeterminantError {
    /// How many voxels.
    pub count: usize,
    /// The least determinant.
    pub least: f32,
}

/// The natural logarithm of determinants, all of which must be positive.
pub fn log_determinant(determinants: &Volume<f32>) -> Result<Volume<f32>, DeterminantError> {
    let folded = determinants.data().iter().filter(|d| d.is_nan() || **d <= 0.0);
    let (count, least) = folded.fold((0, f32::INFINITY), |(n, least), d| (n + 1, least.min(*d)));
    if count > 0 {
        return Err(DeterminantError { count, least });
    }
    Ok(determinants.map(|d| d.ln()))
}

/// How determinants are spread.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Determinants {
    /// The least.
    pub min: f64,
    /// 1 % quantile.
    pub p01: f64,
    /// Median.
    pub median: f64,
    /// Mean.
    pub mean: f64,
    /// 99 % quantile.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
    /// Part of the voxels at which the map folds (determinant not positive).
    pub folded: f64,
}

impl Determinants {
    /// The spread over the voxels of a mask, or all; `None` where there are none.
    pub fn of(determinants: &Volume<f32>, mask: Option<&Volume<bool>>) -> Option<Self> {
        let counted = |n: usize| mask.is_none_or(|m| m.data()[n]);
        let values: Vec<f32> =
            determinants.data().iter().enumerate().filter(|(n, _)| counted(*n)).map(|(_, v)| *v).collect();
        if values.is_empty() {
            return None;
        }
        let at = |fraction: f64| quantile(&values, fraction).map_or(f64::NAN, f64::from);
        let n = values.len() as f64;
        Some(Self {
            min: at(0.0),
            p01: at(0.01),
            median: at(0.5),
            mean: values.iter().map(|v| f64::from(*v)).sum::<f64>() / n,
            p99: at(0.99),
            max: at(1.0),
            folded: values.iter().filter(|v| v.is_nan() || **v <= 0.0).count() as f64 / n,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::field_of;
    use super::*;
    use regiscope_geometry::nalgebra::Rotation3;
    use regiscope_geometry::{AffineMap, Grid, Point};

    fn oblique(shape: [usize; 3]) -> Grid {
        let axes = *Rotation3::from_euler_angles(0.3, -0.2, 0.9).matrix()
            * Matrix3::from_diagonal(&Vector::new(1.5, -2.0, 2.5));
        Grid::new(shape, Point::new(-6.0, -7.0, -8.0), axes).unwrap()
    }

    #[test]
    fn affine_maps_have_the_determinant_of_their_matrix() {
        let map = AffineMap { matrix: Matrix3::new(1.1, 0.2, 0.0, 0.0, 0.9, -0.1, 0.3, 0.0, 1.3), offset: Vector::x() };
        let field = field_of(&oblique([6, 5, 4]), |x| map.apply(x));
        for d in determinant(&field).data() {
            assert!((f64::from(*d) - map.matrix.determinant()).abs() < 1e-5);
        }
    }

    #[test]
    fn the_error_falls_with_the_square_of_the_step() {
        // x ↦ x (1 + a |x|²): derivative (1 + a|x|²) I + 2 a x xᵀ.
        let a = 1e-3;
        let error = |n: usize| {
            let grid = Grid::centred([n; 3], [20.0 / n as f64; 3]).unwrap();
            let field = field_of(&grid, |x| x + a * x.coords.norm_squared() * x.coords);
            let found = determinant(&field);
            let inner = (0..grid.len()).filter(|&o| {
                let index = [o % n, o / n % n, o / n / n];
                index.iter().all(|&i| i > 0 && i + 1 < n)
            });
            inner.fold(0f64, |worst, o| {
                let x = super::super::world_of(&grid, o).coords;
                let m = Matrix3::identity() * (1.0 + a * x.norm_squared()) + x * x.transpose() * (2.0 * a);
                worst.max((f64::from(found.data()[o]) - m.determinant()).abs())
            })
        };
        let order = (error(16) / error(32)).log2();
        assert!(order > 1.7, "{order}");
    }

    #[test]
    fn folds_are_counted_and_have_no_logarithm() {
        let grid = oblique([6, 5, 4]);
        let turned = field_of(&grid, |x| Point::new(-x.x, x.y, x.z));
        let found = determinant(&turned);
        let spread = Determinants::of(&found, None).unwrap();
        assert!((spread.folded - 1.0).abs() < 1e-12 && (spread.median + 1.0).abs() < 1e-5);
        assert_eq!(log_determinant(&found).unwrap_err().count, 120);
        let doubled = field_of(&grid, |x| x * 2.0);
        let log = log_determinant(&determinant(&doubled)).unwrap();
        assert!(log.data().iter().all(|v| (v - 8f32.ln()).abs() < 1e-5));
        assert_eq!(Determinants::of(&found, Some(&found.map(|_| false))), None);
    }
}
