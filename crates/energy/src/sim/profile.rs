//! Power over time whose energy is known exactly.

use serde::{Deserialize, Serialize};

/// Piecewise constant power; after the last piece it repeats, or stays at the last power.
///
/// As JSON: `{"pieces": [[seconds, watts], …], "repeat": false}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Length (s) and power (W) of each piece.
    pub pieces: Vec<(f64, f64)>,
    /// Whether it begins anew after the last piece.
    #[serde(default)]
    pub repeat: bool,
}

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// No piece.
    #[error("a profile needs at least one piece [seconds, watts]")]
    Empty,
    /// A piece that is not physical.
    #[error("piece {index} lasts {seconds} s at {watts} W; both must be finite, the time above 0, the power from 0")]
    Piece {
        /// Counted from 0.
        index: usize,
        /// Its length, s.
        seconds: f64,
        /// Its power, W.
        watts: f64,
    },
}

impl Profile {
    /// Constant power.
    pub fn constant(watts: f64) -> Self {
        Self { pieces: vec![(1.0, watts)], repeat: true }
    }

    /// A square wave: high for `duty` of each period, then low.
    pub fn square(period_s: f64, duty: f64, high_w: f64, low_w: f64) -> Self {
        Self { pieces: vec![(period_s * duty, high_w), (period_s * (1.0 - duty), low_w)], repeat: true }
    }

    /// Pieces once, then the power of the last one for ever.
    pub fn once(pieces: &[(f64, f64)]) -> Self {
        Self { pieces: pieces.to_vec(), repeat: false }
    }

    /// Refuses what has no energy.
    pub fn check(&self) -> Result<(), ProfileError> {
        if self.pieces.is_empty() {
            return Err(ProfileError::Empty);
        }
        for (index, &(seconds, watts)) in self.pieces.iter().enumerate() {
            if !(seconds.is_finite() && seconds > 0.0 && watts.is_finite() && watts >= 0.0) {
                return Err(ProfileError::Piece { index, seconds, watts });
            }
        }
        Ok(())
    }

    /// Energy from time 0 to `t_s`, J; before 0 the first power held.
    pub fn energy_until(&self, t_s: f64) -> f64 {
        let Some(&(_, first_w)) = self.pieces.first() else { return 0.0 };
        if t_s < 0.0 {
            return first_w * t_s;
        }
        let length_s: f64 = self.pieces.iter().map(|p| p.0).sum();
        let whole_j: f64 = self.pieces.iter().map(|p| p.0 * p.1).sum();
        // The remainder of fmod is exact; the quotient must agree with it.
        let mut rest_s = if self.repeat { t_s % length_s } else { t_s };
        let rounds = if self.repeat { ((t_s - rest_s) / length_s).round() } else { 0.0 };
        let mut joules = rounds * whole_j;
        for &(seconds, watts) in &self.pieces {
            let part_s = rest_s.min(seconds);
            joules += part_s * watts;
            rest_s -= part_s;
        }
        joules + if self.repeat { 0.0 } else { rest_s * self.pieces.last().map_or(0.0, |p| p.1) }
    }

    /// Energy between two moments, J.
    pub fn energy_j(&self, from_s: f64, to_s: f64) -> f64 {
        self.energy_until(to_s) - self.energy_until(from_s)
    }

    /// Mean power over `window_s` before `t_s`, W.
    pub fn mean_w(&self, t_s: f64, window_s: f64) -> f64 {
        self.energy_j(t_s - window_s, t_s) / window_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_exact() {
        let wave = Profile::square(0.2, 0.25, 100.0, 20.0);
        assert!((wave.energy_j(0.0, 1.0) - 40.0).abs() < 1e-12);
        assert!((wave.energy_j(0.05, 0.2) - 3.0).abs() < 1e-12);
        let burst = Profile::once(&[(0.1, 200.0), (1.0, 30.0)]);
        assert!((burst.energy_j(0.0, 2.1) - (20.0 + 60.0)).abs() < 1e-12);
        assert_eq!(burst.energy_j(-1.0, 0.0), 200.0);
        assert!((burst.mean_w(0.125, 0.05) - 115.0).abs() < 1e-9);
    }

    #[test]
    fn unphysical_profiles_are_refused() {
        assert_eq!(Profile::once(&[]).check(), Err(ProfileError::Empty));
        assert!(Profile::once(&[(0.0, 1.0)]).check().is_err());
        assert!(Profile::once(&[(1.0, f64::NAN)]).check().is_err());
        assert_eq!(Profile::constant(5.0).check(), Ok(()));
    }
}
