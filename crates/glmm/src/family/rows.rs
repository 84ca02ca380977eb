//! The log-density of one observation with its derivatives, for every family, by [jets](super::jet).

use super::density::{self, category, with_zero_part};
use super::jet::{Jet, Variables};
use super::likelihood::Likelihood;
use crate::settings::{Family, ZeroPart};

/// One row: the log-density and its derivatives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub(super) value: f64,
    pub(super) d1: [f64; 2],
    pub(super) d2: [f64; 3],
    pub(super) d3: [f64; 4],
    pub(super) s: [f64; 2],
    pub(super) ss: [f64; 3],
    pub(super) d1s: [[f64; 2]; 2],
    pub(super) d2s: [[f64; 3]; 2],
}
/// Derivatives of a row from a jet in (η, φ).
fn row_of_shape(jet: Jet<10>) -> Row {
    // Order of the coefficients: 1; η φ; ηη ηφ φφ; ηηη ηηφ ηφφ φφφ.
    let c = jet.0;
    Row {
        value: c[0],
        d1: [c[1], 0.0],
        d2: [2.0 * c[3], 0.0, 0.0],
        d3: [6.0 * c[6], 0.0, 0.0, 0.0],
        s: [c[2], 0.0],
        ss: [2.0 * c[5], 0.0, 0.0],
        d1s: [[c[4], 0.0], [0.0; 2]],
        d2s: [[2.0 * c[7], 0.0, 0.0], [0.0; 3]],
    }
}

/// Derivatives of a row from a jet in (η, ζ).
fn row_of_two(jet: Jet<10>) -> Row {
    let c = jet.0;
    Row {
        value: c[0],
        d1: [c[1], c[2]],
        d2: [2.0 * c[3], c[4], 2.0 * c[5]],
        d3: [6.0 * c[6], 2.0 * c[7], 2.0 * c[8], 6.0 * c[9]],
        ..Row::default()
    }
}

/// Derivatives of a row from a jet in (η, ζ, φ).
fn row_of_three(jet: Jet<20>) -> Row {
    // 1; x y z; xx xy xz yy yz zz; xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz.
    let c = jet.0;
    Row {
        value: c[0],
        d1: [c[1], c[2]],
        d2: [2.0 * c[4], c[5], 2.0 * c[7]],
        d3: [6.0 * c[10], 2.0 * c[11], 2.0 * c[13], 6.0 * c[16]],
        s: [c[3], 0.0],
        ss: [2.0 * c[9], 0.0, 0.0],
        d1s: [[c[6], c[8]], [0.0; 2]],
        d2s: [[2.0 * c[12], c[14], 2.0 * c[17]], [0.0; 3]],
    }
}

/// Derivatives of a row from a jet in the distances (τ_j − η, τ_{j−1} − η) to its thresholds.
fn row_of_category(jet: Jet<10>) -> Row {
    let c = jet.0;
    let (a, b) = (c[1], c[2]);
    let (aa, ab, bb) = (2.0 * c[3], c[4], 2.0 * c[5]);
    let (aaa, aab, abb, bbb) = (6.0 * c[6], 2.0 * c[7], 2.0 * c[8], 6.0 * c[9]);
    Row {
        value: c[0],
        d1: [-(a + b), 0.0],
        d2: [aa + 2.0 * ab + bb, 0.0, 0.0],
        d3: [-(aaa + 3.0 * aab + 3.0 * abb + bbb), 0.0, 0.0, 0.0],
        s: [a, b],
        ss: [aa, ab, bb],
        d1s: [[-(aa + ab), 0.0], [-(ab + bb), 0.0]],
        d2s: [[aaa + 2.0 * aab + abb, 0.0, 0.0], [aab + 2.0 * abb + bbb, 0.0, 0.0]],
    }
}
impl Likelihood<'_> {
    /// The log-density of one row without its weight (for Gaussian responses with it).
    pub fn log_density(&self, i: usize, eta: [f64; 2], shape: &[f64]) -> f64 {
        self.row(i, eta[0], eta[1], shape).value
    }

    pub(super) fn row(&self, i: usize, eta: f64, zeta: f64, shape: &[f64]) -> Row {
        if self.family == Family::Ordinal {
            let distance = |slot: usize| self.shape_of(slot, i).map(|j| Jet::<10>::variable(shape[j] - eta, slot));
            return row_of_category(category(self.link, distance(0), distance(1)));
        }
        match (self.predictors(), self.shapes()) {
            (1, 0) => {
                let c = self.density::<4>(i, Jet::variable(eta, 0), None, None).0;
                Row {
                    value: c[0],
                    d1: [c[1], 0.0],
                    d2: [2.0 * c[2], 0.0, 0.0],
                    d3: [6.0 * c[3], 0.0, 0.0, 0.0],
                    ..Row::default()
                }
            }
            (1, _) => {
                let phi = Jet::variable(shape[0], 1);
                row_of_shape(self.density::<10>(i, Jet::variable(eta, 0), None, Some(phi)))
            }
            (_, 0) => row_of_two(self.density::<10>(i, Jet::variable(eta, 0), Some(Jet::variable(zeta, 1)), None)),
            _ => {
                let (zeta, phi) = (Jet::variable(zeta, 1), Jet::variable(shape[0], 2));
                row_of_three(self.density::<20>(i, Jet::variable(eta, 0), Some(zeta), Some(phi)))
            }
        }
    }

    fn density<const N: usize>(&self, i: usize, eta: Jet<N>, zeta: Option<Jet<N>>, phi: Option<Jet<N>>) -> Jet<N>
    where
        Jet<N>: Variables,
    {
        let (link, y) = (self.link, self.y[i]);
        // The lump is all there is to a zero of a continuous family or behind a hurdle; its own density is not defined.
        let lump_only = y == 0.0
            && zeta.is_some()
            && (self.zero == ZeroPart::Hurdle || matches!(self.family, Family::Gamma | Family::Beta));
        let (density, minus_ln_zero) = if lump_only {
            (Jet::constant(0.0), None)
        } else {
            let phi = || phi.expect("the family has a shape");
            match self.family {
                Family::Poisson => {
                    let (d, m) = density::count(self.family, link, y, eta, None);
                    (d, Some(m))
                }
                Family::NegativeBinomial1 | Family::NegativeBinomial2 => {
                    let (d, m) = density::count(self.family, link, y, eta, Some(phi()));
                    (d, Some(m))
                }
                Family::Gamma => (density::gamma(link, y, eta, phi()), None),
                Family::Beta => (density::beta(link, y, eta, phi()), None),
                Family::Binomial => {
                    let zero = zeta.map(|_| -density::binomial(link, 0.0, self.trials[i], eta));
                    (density::binomial(link, y, self.trials[i], eta), zero)
                }
                Family::BetaBinomial => {
                    let zero = zeta.map(|_| -density::beta_binomial(link, 0.0, self.trials[i], eta, phi()));
                    (density::beta_binomial(link, y, self.trials[i], eta, phi()), zero)
                }
                Family::Gaussian => (density::gaussian(link, y, self.weights[i], eta, phi()), None),
                Family::Ordinal => unreachable!("ordered categories have their own rows"),
            }
        };
        match zeta {
            Some(zeta) => with_zero_part(self.zero, y, density, minus_ln_zero, zeta),
            None => density,
        }
    }
}
