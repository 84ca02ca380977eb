//! Regularisation norms as symbols, and the change of variable that makes the regularisation the identity.
//!
//! A regularisation reg(v) = ½⟨v, R v⟩ has for every wavenumber k the symbol R(k) = a(k) (I − P) + b(k) P, where P = kkᵀ/|k|²
//! is the part with divergence. With a(k) = |k|^{2s} (seminorm) or (1 + |k|²)^s (norm), s = 1, 2, 3, and b = a it is an H^s
//! norm; b(k) = a(k) + ω (1 + |k|²)|k|² adds the penalty ω ‖∇·v‖²_{H1} of nearly incompressible flow (Mang, Gholami &
//! Biros 2016, section 3.1), and b = ∞ leaves no divergence at all.
//!
//! The solver's unknown is not v but w with v = S w, S = R^{-1/2} = a^{-1/2} (I − P) + b^{-1/2} P. Then reg = ½‖w‖², the
//! gradient is Sᵀ∇D + βw and the Hessian S JᵀJ S + βI. No number in them is larger than the data's: |k|⁶ spans ten orders
//! of magnitude on a grid of 128³ samples, too many for single precision when it multiplies a rounded velocity, whereas
//! its inverse root only damps. H2 and H3 therefore work in single precision as H1 does.

use crate::real::Real;
use crate::spectral::leray::longitudinal;
use crate::spectral::wavenumbers::square;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

/// What keeps the velocity smooth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regularisation {
    /// The order s of the Sobolev norm, 1, 2 or 3.
    pub order: u32,
    /// Whether the mean velocity is free (|k|^{2s}) or penalised like the rest ((1 + |k|²)^s).
    pub seminorm: bool,
    /// What is asked of the velocity's divergence.
    pub divergence: Divergence,
}

/// What is asked of the divergence of the velocity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// Nothing beyond smoothness.
    Free,
    /// A penalty ½ β ω ‖∇·v‖²_{H1} with this ω.
    Penalised(f64),
    /// It is zero: volumes are kept, det F = 1.
    Zero,
}

/// The models by the names that commands use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// H1 seminorm.
    H1,
    /// H1 seminorm with a penalty on the divergence: nearly incompressible. It reaches the lowest mismatch at a given
    /// range of det F.
    #[default]
    H1Div,
    /// H1 seminorm, incompressible: det F = 1.
    H1Stokes,
    /// H2 seminorm.
    H2,
    /// H3 seminorm.
    H3,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 5] = [Self::H1, Self::H1Div, Self::H1Stokes, Self::H2, Self::H3];

    /// The name that commands use.
    pub fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H1Div => "h1-div",
            Self::H1Stokes => "h1-stokes",
            Self::H2 => "h2",
            Self::H3 => "h3",
        }
    }

    /// The regularisation of the model; `divergence_weight` is ω of [`Divergence::Penalised`] and serves `h1-div` alone.
    pub fn regularisation(self, divergence_weight: f64) -> Regularisation {
        let (order, divergence) = match self {
            Self::H1 => (1, Divergence::Free),
            Self::H1Div => (1, Divergence::Penalised(divergence_weight)),
            Self::H1Stokes => (1, Divergence::Zero),
            Self::H2 => (2, Divergence::Free),
            Self::H3 => (3, Divergence::Free),
        };
        Regularisation { order, seminorm: true, divergence }
    }
}

impl Regularisation {
    /// a(k) and b(k): what a transversal and a longitudinal part of unit size cost. `None`: forbidden.
    pub fn symbols(&self, k: [f64; 3]) -> (f64, Option<f64>) {
        let k2 = square(k);
        let transversal = (if self.seminorm { k2 } else { 1.0 + k2 }).powi(self.order as i32);
        let longitudinal = match self.divergence {
            Divergence::Free => Some(transversal),
            Divergence::Penalised(weight) => Some(transversal + weight * (1.0 + k2) * k2),
            Divergence::Zero => None,
        };
        (transversal, longitudinal)
    }

    /// Whether the part of wavenumber k is penalised; the mean velocity of a seminorm is not.
    pub fn penalises(&self, k: [f64; 3]) -> bool {
        !self.seminorm || square(k) > 0.0
    }

    /// a^{-1/2} and b^{-1/2}; 1 where nothing is penalised, 0 where nothing is allowed.
    pub fn inverse_roots(&self, k: [f64; 3]) -> (f64, f64) {
        if !self.penalises(k) {
            return (1.0, 1.0);
        }
        let (transversal, longitudinal) = self.symbols(k);
        // The mean velocity is transversal: it has no divergence.
        let along = longitudinal.map_or(0.0, |b| 1.0 / b.sqrt());
        (1.0 / transversal.sqrt(), along)
    }

    /// S(k) c: the velocity's coefficient of the unknown's coefficient c.
    pub fn apply_inverse_root<T: Real>(&self, k: [f64; 3], c: [Complex<T>; 3]) -> [Complex<T>; 3] {
        let (transversal, longitudinal) = self.inverse_roots(k);
        scale_parts(k, c, transversal, longitudinal)
    }

    /// S(k)⁻¹ c: the unknown's coefficient of a velocity's coefficient; forbidden parts are dropped.
    pub fn apply_root<T: Real>(&self, k: [f64; 3], c: [Complex<T>; 3]) -> [Complex<T>; 3] {
        let (transversal, longitudinal) = self.inverse_roots(k);
        scale_parts(k, c, 1.0 / transversal, if longitudinal > 0.0 { 1.0 / longitudinal } else { 0.0 })
    }
}

/// t (I − P) c + l P c.
fn scale_parts<T: Real>(k: [f64; 3], c: [Complex<T>; 3], t: f64, l: f64) -> [Complex<T>; 3] {
    if t == l {
        return c.map(|c| c.scale(T::of(t)));
    }
    let along = longitudinal(k, c);
    let (t, difference) = (T::of(t), T::of(l - t));
    std::array::from_fn(|a| c[a].scale(t) + along[a].scale(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Regularisation> {
        let mut all = Vec::new();
        for order in 1..=3 {
            for seminorm in [false, true] {
                for divergence in [Divergence::Free, Divergence::Penalised(0.3), Divergence::Zero] {
                    all.push(Regularisation { order, seminorm, divergence });
                }
            }
        }
        all
    }

    fn c(re: f64, im: f64) -> Complex<f64> {
        Complex::new(re, im)
    }

    /// ⟨a, b⟩ of coefficients, its real part.
    fn inner(a: [Complex<f64>; 3], b: [Complex<f64>; 3]) -> f64 {
        (0..3).map(|i| (a[i].conj() * b[i]).re).sum()
    }

    const K: [f64; 3] = [1.5, -2.0, 0.5];
    const U: [Complex<f64>; 3] = [Complex::new(1.0, 0.5), Complex::new(-0.3, 0.2), Complex::new(0.7, -1.1)];

    #[test]
    fn roots_are_symmetric_and_positive() {
        let v = [c(0.2, -0.4), c(1.3, 0.9), c(-0.6, 0.1)];
        for reg in all() {
            let (su, sv) = (reg.apply_inverse_root(K, U), reg.apply_inverse_root(K, v));
            assert!((inner(su, v) - inner(U, sv)).abs() < 1e-15, "{reg:?}");
            assert!(inner(su, U) > 0.0 && inner(sv, v) > 0.0, "{reg:?}");
        }
    }

    #[test]
    fn the_unknowns_size_is_the_regularisation_of_its_velocity() {
        for reg in all() {
            let velocity = reg.apply_inverse_root(K, U);
            let unknown = reg.apply_root(K, velocity);
            let along = longitudinal(K, velocity);
            let across: [_; 3] = std::array::from_fn(|a| velocity[a] - along[a]);
            let (a, b) = reg.symbols(K);
            let energy = a * inner(across, across) + b.map_or(0.0, |b| b * inner(along, along));
            assert!((energy - inner(unknown, unknown)).abs() < 1e-12 * energy, "{reg:?}");
            if reg.divergence == Divergence::Zero {
                assert!(inner(along, along) < 1e-30);
            }
        }
    }

    #[test]
    fn symbols_are_those_of_the_norms() {
        let k2 = 1.5f64.powi(2) + 4.0 + 0.25;
        let reg = |order, seminorm, divergence| Regularisation { order, seminorm, divergence }.symbols(K);
        assert_eq!(reg(1, true, Divergence::Free), (k2, Some(k2)));
        assert_eq!(reg(2, true, Divergence::Free).0, k2 * k2);
        assert_eq!(reg(3, false, Divergence::Zero), ((1.0 + k2).powi(3), None));
        assert_eq!(reg(1, true, Divergence::Penalised(0.5)).1, Some(k2 + 0.5 * (1.0 + k2) * k2));
        assert!(!Model::H2.regularisation(0.0).penalises([0.0; 3]));
    }
}
