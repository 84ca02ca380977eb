//! The periodic box on which fields are sampled, and its unit of length.

/// A periodic grid. Scalar fields on it are slices of `len()` numbers, x-fastest; vector fields are three of them.
///
/// Velocities are in units of length per unit of time, where the unit of length makes the box's volume (2π)³ on the
/// average: one unit is `unit_mm`. Weights of the regularisation mean the same for every voxel size that way, and agree
/// with those of solvers that map every image to [0, 2π)³ where the box is a cube.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Number of samples along x, y and z.
    pub shape: [usize; 3],
    /// Distance of samples along x, y and z, in mm.
    pub spacing_mm: [f64; 3],
    /// Length in mm of one unit.
    pub unit_mm: f64,
}

impl Grid {
    /// A grid of `shape` samples at distances `spacing_mm`, with the unit of length that gives the box the volume
    /// (2π)³.
    pub fn new(shape: [usize; 3], spacing_mm: [f64; 3]) -> Self {
        let volume: f64 = (0..3).map(|a| shape[a] as f64 * spacing_mm[a]).product();
        Self { shape, spacing_mm, unit_mm: volume.cbrt() / std::f64::consts::TAU }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Distance of samples along an axis, in units of length.
    pub fn step(&self, axis: usize) -> f64 {
        self.spacing_mm[axis] / self.unit_mm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_has_the_volume_of_a_torus_of_two_pi() {
        let grid = Grid::new([12, 10, 16], [1.0, 1.5, 0.75]);
        let volume: f64 = (0..3).map(|a| grid.step(a) * grid.shape[a] as f64).product();
        assert!((volume - std::f64::consts::TAU.powi(3)).abs() < 1e-10);
    }
}
