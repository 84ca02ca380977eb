//! Three-dimensional Fourier transforms of real fields, whole or cut to a band of low wavenumbers.
//!
//! The spectrum holds Fourier coefficients: f(x) = Σ_j c_j exp(i k_j·x), so that c₀ is the mean of the field and
//! mean f² = Σ |c_j|². Because the field is real, only wavenumbers j_x ≥ 0 are kept. A band of shape (m_x, m_y, m_z) keeps
//! the wavenumbers that a grid of that shape can carry; those at exactly half of an even m are kept only where m is the
//! grid's own size, since their sign is lost on the coarser grid.
//!
//! A transform makes two passes over memory: x and y within each plane of constant z, then z. Columns are gathered in
//! blocks into a scratch buffer that fits the cache.

use crate::real::Real;
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Columns transformed together: 128 bytes of a row in single precision.
const BLOCK: usize = 16;

/// Plans of transforms of one shape and one band. Planning costs microseconds; work space is kept between calls.
pub struct Fft3<T: Real> {
    shape: [usize; 3],
    band: [usize; 3],
    real_to_complex: Arc<dyn RealToComplex<T>>,
    complex_to_real: Arc<dyn ComplexToReal<T>>,
    forward: [Arc<dyn Fft<T>>; 2],
    inverse: [Arc<dyn Fft<T>>; 2],
    work: Mutex<Vec<Complex<T>>>,
    count: AtomicU64,
}

impl<T: Real> Fft3<T> {
    /// Transforms of fields of `shape` that keep every wavenumber.
    pub fn new(shape: [usize; 3]) -> Self {
        Self::banded(shape, shape)
    }

    /// Transforms of fields of `shape` that keep the wavenumbers of a grid of shape `band`, at most `shape`.
    pub fn banded(shape: [usize; 3], band: [usize; 3]) -> Self {
        assert!(shape.iter().all(|&n| n > 0), "a transform needs samples on every axis");
        assert!((0..3).all(|a| 0 < band[a] && band[a] <= shape[a]), "a band is part of its grid");
        let mut real = RealFftPlanner::new();
        let mut complex = FftPlanner::new();
        Self {
            shape,
            band,
            real_to_complex: real.plan_fft_forward(shape[0]),
            complex_to_real: real.plan_fft_inverse(shape[0]),
            forward: [1, 2].map(|axis| complex.plan_fft_forward(shape[axis])),
            inverse: [1, 2].map(|axis| complex.plan_fft_inverse(shape[axis])),
            work: Mutex::new(Vec::new()),
            count: AtomicU64::new(0),
        }
    }

    /// Number of samples of the field along each axis.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Shape of the grid that carries the wavenumbers kept.
    pub fn band(&self) -> [usize; 3] {
        self.band
    }

    /// Shape of the spectrum, x-fastest: half of the band along x.
    pub fn spectrum_shape(&self) -> [usize; 3] {
        spectrum_shape(self.band)
    }

    /// Number of complex coefficients of the spectrum.
    pub fn spectrum_len(&self) -> usize {
        self.spectrum_shape().iter().product()
    }

    /// Number of scalar transforms done so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Fourier coefficients of `field`.
    pub fn forward(&self, field: &[T], spectrum: &mut [Complex<T>]) {
        assert_eq!(field.len(), self.shape.iter().product::<usize>(), "the field has the plan's shape");
        assert_eq!(spectrum.len(), self.spectrum_len(), "the spectrum has the plan's shape");
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut work = self.take_work();
        let [_, rows, _] = self.spectrum_shape();
        work.par_chunks_mut(self.spectrum_shape()[0] * rows)
            .zip(field.par_chunks(self.shape[0] * self.shape[1]))
            .for_each_init(
                || self.plane_scratch(&*self.forward[0]),
                |s, (out, plane)| self.plane_forward(plane, out, s),
            );
        self.columns_forward(&work, spectrum);
        self.return_work(work);
    }

    /// The field with the Fourier coefficients `spectrum`.
    pub fn inverse(&self, spectrum: &[Complex<T>], field: &mut [T]) {
        assert_eq!(field.len(), self.shape.iter().product::<usize>(), "the field has the plan's shape");
        assert_eq!(spectrum.len(), self.spectrum_len(), "the spectrum has the plan's shape");
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut work = self.take_work();
        self.columns_inverse(spectrum, &mut work);
        let [_, rows, _] = self.spectrum_shape();
        field
            .par_chunks_mut(self.shape[0] * self.shape[1])
            .zip(work.par_chunks(self.spectrum_shape()[0] * rows))
            .for_each_init(
                || self.plane_scratch(&*self.inverse[0]),
                |s, (plane, rows)| self.plane_inverse(rows, plane, s),
            );
        self.return_work(work);
    }

    /// Rows along x, then columns along y, of one plane.
    fn plane_forward(&self, plane: &[T], out: &mut [Complex<T>], s: &mut PlaneScratch<T>) {
        let ([nx, ny, _], [mx, my, _]) = (self.shape, self.spectrum_shape());
        for (y, row) in plane.chunks_exact(nx).enumerate() {
            s.row.copy_from_slice(row);
            self.real_to_complex
                .process_with_scratch(&mut s.row, &mut s.half_row, &mut s.row_scratch)
                .expect("buffers have the plan's lengths");
            let kept = &mut s.plane[y * mx..(y + 1) * mx];
            kept.copy_from_slice(&s.half_row[..mx]);
            clear_dropped(kept, self.shape[0], self.band[0]);
        }
        for start in (0..mx).step_by(BLOCK) {
            let width = BLOCK.min(mx - start);
            let block = &mut s.block[..width * ny];
            for y in 0..ny {
                for (column, value) in s.plane[y * mx + start..][..width].iter().enumerate() {
                    block[column * ny + y] = *value;
                }
            }
            self.forward[0].process_with_scratch(block, &mut s.column_scratch);
            for j in 0..my {
                let from = whole_index(j, ny, my);
                for (column, value) in out[j * mx + start..][..width].iter_mut().enumerate() {
                    *value = from.map_or_else(Complex::default, |y| block[column * ny + y]);
                }
            }
        }
    }

    /// Columns along y, then rows along x, of one plane.
    fn plane_inverse(&self, rows: &[Complex<T>], plane: &mut [T], s: &mut PlaneScratch<T>) {
        let ([nx, ny, _], [mx, my, _]) = (self.shape, self.spectrum_shape());
        for start in (0..mx).step_by(BLOCK) {
            let width = BLOCK.min(mx - start);
            let block = &mut s.block[..width * ny];
            if my < ny {
                block.fill(Complex::default());
            }
            for j in 0..my {
                let Some(y) = whole_index(j, ny, my) else { continue };
                for (column, value) in rows[j * mx + start..][..width].iter().enumerate() {
                    block[column * ny + y] = *value;
                }
            }
            self.inverse[0].process_with_scratch(block, &mut s.column_scratch);
            for y in 0..ny {
                for (column, value) in s.plane[y * mx + start..][..width].iter_mut().enumerate() {
                    *value = block[column * ny + y];
                }
            }
        }
        for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
            s.half_row[mx..].fill(Complex::default());
            s.half_row[..mx].copy_from_slice(&s.plane[y * mx..(y + 1) * mx]);
            clear_dropped(&mut s.half_row[..mx], self.shape[0], self.band[0]);
            // Rounding leaves imaginary parts where a real field has none.
            s.half_row[0].im = T::zero();
            if nx % 2 == 0 {
                s.half_row[nx / 2].im = T::zero();
            }
            self.complex_to_real
                .process_with_scratch(&mut s.half_row, row, &mut s.row_scratch)
                .expect("buffers have the plan's lengths");
        }
    }

    /// Columns along z of every row of `work`, cut to the band and divided by the number of samples.
    fn columns_forward(&self, work: &[Complex<T>], spectrum: &mut [Complex<T>]) {
        let ([mx, my, mz], nz) = (self.spectrum_shape(), self.shape[2]);
        let scale = T::of(1.0 / self.shape.iter().product::<usize>() as f64);
        rows_by_y(spectrum, mx, my).into_par_iter().enumerate().for_each_init(
            || self.column_scratch(&*self.forward[1]),
            |(block, scratch), (y, mut rows)| {
                for start in (0..mx).step_by(BLOCK) {
                    let width = BLOCK.min(mx - start);
                    let block = &mut block[..width * nz];
                    for z in 0..nz {
                        for (column, value) in work[(z * my + y) * mx + start..][..width].iter().enumerate() {
                            block[column * nz + z] = *value;
                        }
                    }
                    self.forward[1].process_with_scratch(block, scratch);
                    for (j, row) in rows.iter_mut().enumerate() {
                        let from = whole_index(j, nz, mz);
                        for (column, value) in row[start..][..width].iter_mut().enumerate() {
                            *value = from.map_or_else(Complex::default, |z| block[column * nz + z].scale(scale));
                        }
                    }
                }
            },
        );
    }

    /// Columns along z of a spectrum, one row of `work` for every z.
    fn columns_inverse(&self, spectrum: &[Complex<T>], work: &mut [Complex<T>]) {
        let ([mx, my, mz], nz) = (self.spectrum_shape(), self.shape[2]);
        rows_by_y(work, mx, my).into_par_iter().enumerate().for_each_init(
            || self.column_scratch(&*self.inverse[1]),
            |(block, scratch), (y, mut rows)| {
                for start in (0..mx).step_by(BLOCK) {
                    let width = BLOCK.min(mx - start);
                    let block = &mut block[..width * nz];
                    if mz < nz {
                        block.fill(Complex::default());
                    }
                    for j in 0..mz {
                        let Some(z) = whole_index(j, nz, mz) else { continue };
                        for (column, value) in spectrum[(j * my + y) * mx + start..][..width].iter().enumerate() {
                            block[column * nz + z] = *value;
                        }
                    }
                    self.inverse[1].process_with_scratch(block, scratch);
                    for (z, row) in rows.iter_mut().enumerate() {
                        for (column, value) in row[start..][..width].iter_mut().enumerate() {
                            *value = block[column * nz + z];
                        }
                    }
                }
            },
        );
    }

    fn plane_scratch(&self, columns: &dyn Fft<T>) -> PlaneScratch<T> {
        let [nx, ny, _] = self.shape;
        let rows = self.real_to_complex.get_scratch_len().max(self.complex_to_real.get_scratch_len());
        PlaneScratch {
            row: vec![T::zero(); nx],
            half_row: vec![Complex::default(); nx / 2 + 1],
            row_scratch: vec![Complex::default(); rows],
            plane: vec![Complex::default(); ny * self.spectrum_shape()[0]],
            block: vec![Complex::default(); BLOCK * ny],
            column_scratch: vec![Complex::default(); columns.get_inplace_scratch_len()],
        }
    }

    fn column_scratch(&self, columns: &dyn Fft<T>) -> (Vec<Complex<T>>, Vec<Complex<T>>) {
        let block = vec![Complex::default(); BLOCK * self.shape[2]];
        (block, vec![Complex::default(); columns.get_inplace_scratch_len()])
    }

    /// The work space of one transform: (half band along x) × (band along y) × (samples along z).
    fn take_work(&self) -> Vec<Complex<T>> {
        let mut work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
        let [mx, my, _] = self.spectrum_shape();
        work.resize(mx * my * self.shape[2], Complex::default());
        work
    }

    fn return_work(&self, work: Vec<Complex<T>>) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
    }
}

struct PlaneScratch<T> {
    row: Vec<T>,
    half_row: Vec<Complex<T>>,
    row_scratch: Vec<Complex<T>>,
    plane: Vec<Complex<T>>,
    block: Vec<Complex<T>>,
    column_scratch: Vec<Complex<T>>,
}

/// Shape of the spectrum of a band: half along x.
pub fn spectrum_shape(band: [usize; 3]) -> [usize; 3] {
    [band[0] / 2 + 1, band[1], band[2]]
}

/// The smallest number from `least` on without prime factors above 7: sizes that transform fast.
pub fn smooth_size(least: usize) -> usize {
    let is_smooth = |mut n: usize| {
        for p in [2, 3, 5, 7] {
            while n.is_multiple_of(p) {
                n /= p;
            }
        }
        n == 1
    };
    (least.max(1)..).find(|&n| is_smooth(n)).expect("powers of two are smooth")
}

/// Signed wavenumber of entry `j` of a spectrum of `m` entries.
pub fn wavenumber(j: usize, m: usize) -> i64 {
    if 2 * j <= m { j as i64 } else { j as i64 - m as i64 }
}

/// Where entry `j` of a band of `m` lies in a whole spectrum of `n`; `None` for half of an even, narrower band.
fn whole_index(j: usize, n: usize, m: usize) -> Option<usize> {
    if m < n && 2 * j == m {
        None
    } else if 2 * j <= m {
        Some(j)
    } else {
        Some(n - (m - j))
    }
}

/// Clears the entry at half of an even band that is narrower than its grid.
fn clear_dropped<T: Real>(half_row: &mut [Complex<T>], n: usize, m: usize) {
    if m < n && m.is_multiple_of(2) {
        half_row[m / 2] = Complex::default();
    }
}

/// Rows of `mx` numbers of an array of `my` rows per plane, gathered by row of the plane.
fn rows_by_y<T>(array: &mut [T], mx: usize, my: usize) -> Vec<Vec<&mut [T]>> {
    let planes = array.len() / (mx * my);
    let mut rows: Vec<Vec<&mut [T]>> = (0..my).map(|_| Vec::with_capacity(planes)).collect();
    for (index, row) in array.chunks_exact_mut(mx).enumerate() {
        rows[index % my].push(row);
    }
    rows
}

#[cfg(test)]
#[path = "fft_tests.rs"]
mod tests;
