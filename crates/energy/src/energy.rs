//! A number of joules that says where it comes from and between which bounds it lies.

use crate::provenance::Provenance;
use serde::{Deserialize, Serialize};

/// Energy with provenance and interval.
///
/// `joules` and `interval` are `None` exactly when the provenance is [`Provenance::Unmeasured`]: an unknown energy is
/// never written as zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// The best estimate, J.
    pub joules: Option<f64>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Lower and upper bound, J.
    pub interval: Option<[f64; 2]>,
}

impl Energy {
    /// No number at all.
    pub const UNMEASURED: Self = Self { joules: None, provenance: Provenance::Unmeasured, interval: None };

    /// An estimate with its bounds; the bounds are widened to hold the estimate and never go below zero.
    ///
    /// Unmeasured if the estimate is not a finite number.
    pub fn new(joules: f64, low: f64, high: f64, provenance: Provenance) -> Self {
        if !joules.is_finite() || low.is_nan() || high.is_nan() || provenance == Provenance::Unmeasured {
            return Self::UNMEASURED;
        }
        let joules = joules.max(0.0);
        let bounds = [low.clamp(0.0, joules), high.clamp(joules, f64::MAX)];
        Self { joules: Some(joules), provenance, interval: Some(bounds) }
    }

    /// The estimate and its bounds, if there are any.
    pub fn known(&self) -> Option<(f64, [f64; 2])> {
        self.joules.zip(self.interval)
    }

    /// Half the width of the interval over the estimate; `None` where unmeasured, infinite where the estimate is 0 but
    /// the bounds are not.
    pub fn relative_half_width(&self) -> Option<f64> {
        let (joules, [low, high]) = self.known()?;
        Some(if high > low { 0.5 * (high - low) / joules } else { 0.0 })
    }

    /// The sum; unmeasured if either is, and as sure as the less sure of both.
    ///
    /// The bounds add up, so errors of the parts may all point the same way.
    pub fn plus(&self, other: &Self) -> Self {
        let (Some((a, [a_low, a_high])), Some((b, [b_low, b_high]))) = (self.known(), other.known()) else {
            return Self::UNMEASURED;
        };
        Self::new(a + b, a_low + b_low, a_high + b_high, self.provenance.max(other.provenance))
    }

    /// The sum of all; unmeasured for none.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        parts.into_iter().copied().reduce(|sum, part| sum.plus(&part)).unwrap_or(Self::UNMEASURED)
    }

    /// What is left when `other` is taken away, not below zero; derived at best.
    pub fn minus(&self, other: &Self) -> Self {
        let (Some((a, [a_low, a_high])), Some((b, [b_low, b_high]))) = (self.known(), other.known()) else {
            return Self::UNMEASURED;
        };
        let provenance = self.provenance.max(other.provenance).max(Provenance::Derived);
        Self::new(a - b, a_low - b_high, a_high - b_low, provenance)
    }

    /// A multiple, as for a share or per unit of work; derived at best. Unmeasured for a factor that is negative or
    /// not finite.
    pub fn times(&self, factor: f64) -> Self {
        match self.known() {
            Some((joules, [low, high])) if factor.is_finite() && factor >= 0.0 => {
                let provenance = self.provenance.max(Provenance::Derived);
                Self::new(joules * factor, low * factor, high * factor, provenance)
            }
            _ => Self::UNMEASURED,
        }
    }

    /// The same number with a less sure provenance, if it is less sure.
    pub fn at_best(self, provenance: Provenance) -> Self {
        match self.joules {
            Some(_) if provenance != Provenance::Unmeasured => {
                Self { provenance: self.provenance.max(provenance), ..self }
            }
            _ => Self::UNMEASURED,
        }
    }
}

impl std::fmt::Display for Energy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.known() {
            Some((joules, [low, high])) => {
                let word = self.provenance.word();
                write!(f, "{} J ({word}, {} to {} J)", figure(joules), figure(low), figure(high))
            }
            None => write!(f, "unmeasured"),
        }
    }
}

/// A number with six significant digits, without an exponent where it is readable.
pub fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor();
    if (-4.0..15.0).contains(&magnitude) {
        let decimals = (5.0 - magnitude).max(0.0) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.5e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_makes_the_sum_unknown() {
        let measured = Energy::new(2.0, 1.5, 2.5, Provenance::Measured);
        let modelled = Energy::new(1.0, 0.5, 2.0, Provenance::Modelled);
        let sum = Energy::sum([&measured, &modelled]);
        assert_eq!(sum, Energy::new(3.0, 2.0, 4.5, Provenance::Modelled));
        assert_eq!(Energy::sum([&measured, &Energy::UNMEASURED]), Energy::UNMEASURED);
        assert_eq!(Energy::sum([]), Energy::UNMEASURED);
        assert_eq!(measured.minus(&modelled), Energy::new(1.0, 0.0, 2.0, Provenance::Modelled));
        assert_eq!(measured.times(0.5), Energy::new(1.0, 0.75, 1.25, Provenance::Derived));
        assert_eq!(measured.times(f64::NAN), Energy::UNMEASURED);
        assert_eq!(measured.at_best(Provenance::Derived).provenance, Provenance::Derived);
        assert_eq!(measured.relative_half_width(), Some(0.25));
    }

    #[test]
    fn bounds_hold_the_estimate() {
        assert_eq!(Energy::new(1.0, 2.0, 0.5, Provenance::Measured).interval, Some([1.0, 1.0]));
        assert_eq!(Energy::new(-1.0, -2.0, 0.5, Provenance::Measured).interval, Some([0.0, 0.5]));
        assert_eq!(Energy::new(f64::INFINITY, 0.0, 1.0, Provenance::Measured), Energy::UNMEASURED);
    }

    #[test]
    fn unmeasured_is_null_and_words_are_lower_case() {
        let text = serde_json::to_string(&Energy::UNMEASURED).unwrap();
        assert_eq!(text, r#"{"joules":null,"provenance":"unmeasured","interval":null}"#);
    }

    #[test]
    fn figures_have_six_digits() {
        assert_eq!(figure(1234.5678), "1234.57");
        assert_eq!(figure(0.0012345678), "0.00123457");
        assert_eq!(figure(250.0), "250");
        assert_eq!(figure(12_345_678.0), "12345678");
        assert_eq!(figure(1e-9), "1.00000e-9");
    }
}
