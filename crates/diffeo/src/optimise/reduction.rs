//! From the unknown w to the velocity v = S w and back by the adjoint.

use crate::coefficients::Coefficients;
use crate::fft::Fft3;
use crate::field::VectorField;
use crate::grid::Grid;
use crate::real::Real;
use crate::regularisation::Regularisation;
use crate::spectral::wavenumbers::Wavenumbers;

/// The change of variable on one grid, for unknowns in one band.
pub struct Reduction<T: Real> {
    fft: Fft3<T>,
    waves: Wavenumbers,
    regularisation: Regularisation,
}

impl<T: Real> Reduction<T> {
    /// Velocities on `grid` whose wavenumbers a grid of shape `band` carries.
    pub fn new(grid: &Grid, band: [usize; 3], regularisation: Regularisation) -> Self {
        Self { fft: Fft3::banded(grid.shape, band), waves: Wavenumbers::new(grid, band), regularisation }
    }

    /// The band of the unknowns.
    pub fn band(&self) -> [usize; 3] {
        self.fft.band()
    }

    /// Shape of the velocities' grid.
    pub fn shape(&self) -> [usize; 3] {
        self.fft.shape()
    }

    /// Scalar Fourier transforms done so far.
    pub fn transforms(&self) -> u64 {
        self.fft.count()
    }

    /// v = S w. Three transforms. `scratch` is overwritten.
    pub fn velocity(&self, unknown: &Coefficients<T>, scratch: &mut Coefficients<T>, out: &mut VectorField<T>) {
        scratch.clone_from(unknown);
        let regularisation = self.regularisation;
        self.waves.map_vectors(&mut scratch.components, |k, c| regularisation.apply_inverse_root(k, c));
        for (spectrum, field) in scratch.components.iter().zip(out) {
            self.fft.inverse(spectrum, field);
        }
    }

    /// G∗v for v = S w and a Gaussian G whose standard deviation is a sample of a grid that just carries the band. Three
    /// transforms. `scratch` is overwritten.
    pub fn smooth_velocity(&self, unknown: &Coefficients<T>, scratch: &mut Coefficients<T>, out: &mut VectorField<T>) {
        scratch.clone_from(unknown);
        let regularisation = self.regularisation;
        let waves = &self.waves;
        let damping = |k: [f64; 3]| {
            let exponent: f64 = (0..3).map(|a| (k[a] * waves.finest_step(a)).powi(2)).sum();
            T::of((-0.5 * exponent).exp())
        };
        waves.map_vectors(&mut scratch.components, |k, c| {
            regularisation.apply_inverse_root(k, c).map(|c| c.scale(damping(k)))
        });
        for (spectrum, field) in scratch.components.iter().zip(out) {
            self.fft.inverse(spectrum, field);
        }
    }

    /// Sᵀ g, the adjoint of [`Self::velocity`] for means over the box. Three transforms.
    pub fn pull_back(&self, field: &VectorField<T>, out: &mut Coefficients<T>) {
        for (spectrum, field) in out.components.iter_mut().zip(field) {
            self.fft.forward(field, spectrum);
        }
        let regularisation = self.regularisation;
        self.waves.map_vectors(&mut out.components, |k, c| regularisation.apply_inverse_root(k, c));
    }

    /// w = S⁻¹ v, as far as the band and the model allow. Three transforms.
    pub fn unknown_of(&self, velocity: &VectorField<T>) -> Coefficients<T> {
        let mut out = Coefficients::zeros(self.band());
        for (spectrum, field) in out.components.iter_mut().zip(velocity) {
            self.fft.forward(field, spectrum);
        }
        let regularisation = self.regularisation;
        self.waves.map_vectors(&mut out.components, |k, c| regularisation.apply_root(k, c));
        out
    }

    /// reg(w) = ½‖w‖², without the parts that are not penalised.
    pub fn energy(&self, unknown: &Coefficients<T>) -> f64 {
        let mean: f64 = unknown.components.iter().map(|c| c[0].re.wide().powi(2)).sum();
        let free = if self.regularisation.penalises([0.0; 3]) { 0.0 } else { mean };
        0.5 * (unknown.dot(unknown) - free)
    }

    /// out += β ∇reg(w).
    pub fn add_penalty(&self, beta: f64, unknown: &Coefficients<T>, out: &mut Coefficients<T>) {
        let means = [0, 1, 2].map(|a| out.components[a][0]);
        out.add_scaled(beta, unknown);
        if !self.regularisation.penalises([0.0; 3]) {
            for (component, mean) in out.components.iter_mut().zip(means) {
                component[0] = mean;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::inner;
    use crate::regularisation::Model;
    use crate::spectral::derivative::{divergence, laplacian_power};
    use crate::spectral::test_fields::{base, largest_difference, sample, uneven};

    fn field(grid: &Grid) -> VectorField<f64> {
        let [p, q, r] = base(grid);
        [
            sample(grid, |x| (p * x[0] + 2.0 * q * x[1]).sin() + 0.2),
            sample(grid, |x| (3.0 * r * x[2]).cos() * (q * x[1]).cos()),
            sample(grid, |x| (4.0 * p * x[0] - r * x[2]).cos()),
        ]
    }

    fn mean(a: &VectorField<f64>, b: &VectorField<f64>) -> f64 {
        inner(a, b) / a[0].len() as f64
    }

    #[test]
    fn pulling_back_is_the_adjoint_in_every_model_and_band() {
        let grid = uneven();
        for model in Model::ALL {
            for band in [grid.shape, [6, 7, 5]] {
                let map = Reduction::new(&grid, band, model.regularisation(0.4));
                let noise = |seed: f64| -> VectorField<f64> {
                    std::array::from_fn(|c| (0..grid.len()).map(|i| (seed * (i * i + c) as f64).sin()).collect())
                };
                let mut w = Coefficients::zeros(band);
                map.pull_back(&noise(0.37), &mut w);
                let (mut v, mut scratch) = (field(&grid), w.clone());
                map.velocity(&w, &mut scratch, &mut v);
                let g = noise(0.71);
                let mut pulled = Coefficients::zeros(band);
                map.pull_back(&g, &mut pulled);
                assert!((w.dot(&pulled) - mean(&v, &g)).abs() < 1e-13, "{model:?} {band:?}");
            }
        }
    }

    #[test]
    fn the_energy_is_the_norm_of_derivatives() {
        let grid = uneven();
        let fft = Fft3::new(grid.shape);
        let v = field(&grid);
        for (model, order) in [(Model::H1, 1), (Model::H2, 2), (Model::H3, 3)] {
            let map = Reduction::new(&grid, grid.shape, model.regularisation(0.0));
            let powers: VectorField<f64> = std::array::from_fn(|c| laplacian_power(&grid, &fft, &v[c], order));
            let expected = 0.5 * mean(&v, &powers);
            assert!((map.energy(&map.unknown_of(&v)) - expected).abs() < 1e-11 * expected, "{model:?}");
        }
        let weight = 0.4;
        let [with, without] = [Model::H1Div, Model::H1]
            .map(|m| Reduction::new(&grid, grid.shape, m.regularisation(weight)))
            .map(|map| map.energy(&map.unknown_of(&v)));
        let div = divergence(&grid, &fft, &v);
        let laplacian = laplacian_power(&grid, &fft, &div, 1);
        let h1: f64 = div.iter().zip(&laplacian).map(|(d, l)| d * (d + l)).sum::<f64>() / grid.len() as f64;
        assert!((with - without - 0.5 * weight * h1).abs() < 1e-11 * with);
    }

    #[test]
    fn the_unknown_gives_back_its_velocity_and_the_incompressible_model_has_no_divergence() {
        let grid = uneven();
        let v = field(&grid);
        for model in Model::ALL {
            let map = Reduction::new(&grid, grid.shape, model.regularisation(0.4));
            let w = map.unknown_of(&v);
            let (mut back, mut scratch) = (field(&grid), w.clone());
            map.velocity(&w, &mut scratch, &mut back);
            if model == Model::H1Stokes {
                let div = divergence(&grid, &Fft3::new(grid.shape), &back);
                assert!(div.iter().all(|d| d.abs() < 1e-12));
            } else {
                assert!((0..3).all(|c| largest_difference(&v[c], &back[c]) < 1e-11), "{model:?}");
            }
        }
    }

    #[test]
    fn the_penalty_is_the_gradient_of_the_energy() {
        let grid = uneven();
        for model in [Model::H1, Model::H2] {
            let map = Reduction::new(&grid, grid.shape, model.regularisation(0.0));
            let w: Coefficients<f64> = map.unknown_of(&field(&grid));
            let mut gradient = Coefficients::zeros(grid.shape);
            map.add_penalty(2.0, &w, &mut gradient);
            // A quadratic form: ⟨∇E, w⟩ = 2 E.
            assert!((gradient.dot(&w) - 2.0 * 2.0 * map.energy(&w)).abs() < 1e-12 * map.energy(&w));
        }
    }

    #[test]
    fn single_precision_agrees_with_double_in_every_model() {
        let grid = Grid::new([24, 20, 28], [1.0, 1.2, 0.9]);
        let noise: VectorField<f64> =
            std::array::from_fn(|c| (0..grid.len()).map(|i| (0.37 * (i * i + c) as f64).sin()).collect());
        let narrow_noise: VectorField<f32> = noise.each_ref().map(|n| n.iter().map(|&v| v as f32).collect());
        for model in Model::ALL {
            let wide = Reduction::new(&grid, grid.shape, model.regularisation(0.1));
            let narrow = Reduction::new(&grid, grid.shape, model.regularisation(0.1));
            let (mut w, mut w32) = (Coefficients::zeros(grid.shape), Coefficients::zeros(grid.shape));
            wide.pull_back(&noise, &mut w);
            narrow.pull_back(&narrow_noise, &mut w32);
            let (mut v, mut v32) = (noise.clone(), narrow_noise.clone());
            wide.velocity(&w, &mut w.clone(), &mut v);
            narrow.velocity(&w32, &mut w32.clone(), &mut v32);
            let largest = v.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
            for (a, b) in v.iter().flatten().zip(v32.iter().flatten()) {
                assert!((a - f64::from(*b)).abs() < 1e-5 * largest, "{model:?}");
            }
            let (a, b) = (wide.energy(&w), narrow.energy(&w32));
            assert!((a - b).abs() < 1e-5 * a, "{model:?}: {a} and {b}");
        }
    }
}
