//! Which maps are looked among, as directions in the twelve numbers of an affine map.

use regiscope_geometry::nalgebra::{DMatrix, DVector, Matrix3, Rotation3};
use regiscope_geometry::{AffineMap, Point, Vector};

/// A family of maps, each holding the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// Shifts.
    Translation,
    /// Rotations and shifts.
    Rigid,
    /// One scale for all directions, rotations and shifts.
    Similarity,
    /// All affine maps that keep left left.
    Affine,
}

impl Model {
    /// All models, the smallest first.
    pub const ALL: [Self; 4] = [Self::Translation, Self::Rigid, Self::Similarity, Self::Affine];

    /// Number of parameters.
    pub fn parameters(self) -> usize {
        match self {
            Self::Translation => 3,
            Self::Rigid => 6,
            Self::Similarity => 7,
            Self::Affine => 12,
        }
    }

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Translation => "translation",
            Self::Rigid => "rigid",
            Self::Similarity => "similarity",
            Self::Affine => "affine",
        }
    }

    /// The parameters as directions of (t, L by rows) of the motion y ↦ y + t + L (y − c)/r, one column for each: all
    /// are in mm at the radius r.
    pub fn basis(self) -> DMatrix<f64> {
        let mut basis = DMatrix::zeros(12, self.parameters());
        for a in 0..3 {
            basis[(a, a)] = 1.0;
        }
        match self {
            Self::Translation => {}
            Self::Affine => (3..12).for_each(|n| basis[(n, n)] = 1.0),
            Self::Rigid | Self::Similarity => {
                for a in 0..3 {
                    let turn = Vector::ith(a, 1.0).cross_matrix();
                    (0..9).for_each(|n| basis[(3 + n, 3 + a)] = turn[(n / 3, n % 3)]);
                }
                if self == Self::Similarity {
                    [3, 7, 11].into_iter().for_each(|n| basis[(n, 6)] = 1.0);
                }
            }
        }
        basis
    }

    /// The map after a step `p` (mm) from `map`, about `centre` in the moving space; within the family if `map` is.
    pub fn step(self, map: &AffineMap, p: &DVector<f64>, centre: &Point, radius: f64) -> AffineMap {
        let shift = Vector::new(p[0], p[1], p[2]);
        let matrix = match self {
            Self::Translation => Matrix3::identity(),
            Self::Rigid | Self::Similarity => {
                let turn = Rotation3::new(Vector::new(p[3], p[4], p[5]) / radius).into_inner();
                if self == Self::Similarity { turn * (p[6] / radius).exp() } else { turn }
            }
            Self::Affine => Matrix3::identity() + Matrix3::from_row_slice(&p.as_slice()[3..12]) / radius,
        };
        let motion = AffineMap { matrix, offset: centre.coords + shift - matrix * centre.coords };
        motion.after(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_is_the_derivative_of_the_step() {
        let map = AffineMap { matrix: Matrix3::new(1.1, 0.2, 0.0, 0.0, 0.9, -0.1, 0.3, 0.0, 1.3), offset: Vector::x() };
        let (centre, radius, point) = (Point::new(3.0, -4.0, 5.0), 70.0, Point::new(20.0, 30.0, -10.0));
        for model in Model::ALL {
            let basis = model.basis();
            assert_eq!(basis.ncols(), model.parameters());
            let from = (map.apply(&point) - centre) / radius;
            for n in 0..model.parameters() {
                let column = basis.column(n);
                let linear = Matrix3::from_row_slice(&column.as_slice()[3..12]);
                let expected = Vector::new(column[0], column[1], column[2]) + linear * from;
                let mut p = DVector::zeros(model.parameters());
                let at = |p: &DVector<f64>| model.step(&map, p, &centre, radius).apply(&point);
                p[n] = 1e-4;
                let ahead = at(&p);
                p[n] = -1e-4;
                let slope = (ahead - at(&p)) / 2e-4;
                assert!((slope - expected).norm() < 1e-6, "{model:?} {n}: {slope} {expected}");
            }
        }
    }
}
