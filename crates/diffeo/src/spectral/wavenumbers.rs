//! Wavenumbers of a grid in radians per unit of length, and visits to every coefficient of a spectrum.

use crate::fft::{spectrum_shape, wavenumber};
use crate::grid::Grid;
use crate::real::Real;
use rayon::prelude::*;
use rustfft::num_complex::Complex;

/// The wavenumbers along each axis of a spectrum, in the order of its entries.
///
/// At half of an even size the sign of a wavenumber is not known; it stands here as `None`, and first derivatives and
/// velocities have no such part.
#[derive(Clone, Debug)]
pub struct Wavenumbers {
    axes: [Vec<Option<f64>>; 3],
    /// Spacing of a grid that just carries the band, units of length.
    steps: [f64; 3],
}

impl Wavenumbers {
    /// The wavenumbers of the spectrum of a band of shape `band` on the box of `grid`.
    pub fn new(grid: &Grid, band: [usize; 3]) -> Self {
        let entries = spectrum_shape(band);
        let axes = std::array::from_fn(|a| {
            let base = std::f64::consts::TAU / (grid.shape[a] as f64 * grid.step(a));
            let value = |j: usize| (2 * j != band[a]).then(|| base * wavenumber(j, band[a]) as f64);
            (0..entries[a]).map(value).collect()
        });
        let steps = std::array::from_fn(|a| grid.shape[a] as f64 * grid.step(a) / band[a] as f64);
        Self { axes, steps }
    }

    /// Spacing along an axis of a grid that just carries the band, in units of length.
    pub fn finest_step(&self, axis: usize) -> f64 {
        self.steps[axis]
    }

    /// Shape of the spectrum.
    pub fn shape(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.axes[a].len())
    }

    /// Replaces every coefficient c of wavenumber k by `f(k, c)`; zero where a component of k has no sign.
    pub fn map<T: Real>(&self, spectrum: &mut [Complex<T>], f: impl Fn([f64; 3], Complex<T>) -> Complex<T> + Sync) {
        let [mx, my, _] = self.shape();
        spectrum.par_chunks_mut(mx * my).enumerate().for_each(|(z, plane)| {
            for (y, row) in plane.chunks_exact_mut(mx).enumerate() {
                let (ky, kz) = (self.axes[1][y], self.axes[2][z]);
                for (value, kx) in row.iter_mut().zip(&self.axes[0]) {
                    *value = match (kx, ky, kz) {
                        (&Some(kx), Some(ky), Some(kz)) => f([kx, ky, kz], *value),
                        _ => Complex::default(),
                    };
                }
            }
        });
    }

    /// The same for the three components of a vector field at once.
    pub fn map_vectors<T: Real>(
        &self,
        spectra: &mut [Vec<Complex<T>>; 3],
        f: impl Fn([f64; 3], [Complex<T>; 3]) -> [Complex<T>; 3] + Sync,
    ) {
        let [mx, my, _] = self.shape();
        let plane = mx * my;
        let [u, v, w] = spectra;
        let planes = u.par_chunks_mut(plane).zip(v.par_chunks_mut(plane)).zip(w.par_chunks_mut(plane)).enumerate();
        planes.for_each(|(z, ((u, v), w))| {
            for y in 0..my {
                let (ky, kz) = (self.axes[1][y], self.axes[2][z]);
                for (x, kx) in self.axes[0].iter().enumerate() {
                    let i = y * mx + x;
                    [u[i], v[i], w[i]] = match (kx, ky, kz) {
                        (&Some(kx), Some(ky), Some(kz)) => f([kx, ky, kz], [u[i], v[i], w[i]]),
                        _ => Default::default(),
                    };
                }
            }
        });
    }
}

/// |k|².
pub fn square(k: [f64; 3]) -> f64 {
    k[0] * k[0] + k[1] * k[1] + k[2] * k[2]
}
