//! Operators that are diagonal, or nearly so, on Fourier coefficients, and resampling between grids.

pub mod derivative;
pub mod leray;
pub mod resample;
pub mod smooth;
pub mod wavenumbers;

#[cfg(test)]
pub(crate) mod test_fields {
    use crate::grid::Grid;
    use crate::real::Real;

    /// Samples of a function of the position in units of length.
    pub fn sample<T: Real>(grid: &Grid, f: impl Fn([f64; 3]) -> f64) -> Vec<T> {
        let [nx, ny, _] = grid.shape;
        let position = |i: usize| [i % nx, i / nx % ny, i / (nx * ny)];
        (0..grid.len())
            .map(|i| {
                let index = position(i);
                T::of(f(std::array::from_fn(|a| index[a] as f64 * grid.step(a))))
            })
            .collect()
    }

    /// The j-th wavenumber of each axis.
    pub fn base(grid: &Grid) -> [f64; 3] {
        std::array::from_fn(|a| std::f64::consts::TAU / (grid.shape[a] as f64 * grid.step(a)))
    }

    /// An anisotropic grid with odd and even sizes.
    pub fn uneven() -> Grid {
        Grid::new([12, 15, 10], [1.0, 0.8, 1.7])
    }

    pub fn largest_difference<T: Real>(a: &[T], b: &[T]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a.wide() - b.wide()).abs()).fold(0.0, f64::max)
    }
}
