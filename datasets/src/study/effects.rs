//! Characteristics of images: how often they occur, and what they do to algorithms.

use super::{StudyError, normal};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// The values of a characteristic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 0 or 1.
    Binary,
    /// Grades from 0.
    Ordinal,
    /// A number from 0.
    Count,
}

/// A characteristic and its effects for each step of its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Characteristic {
    /// Its name.
    pub name: String,
    /// Its values.
    pub kind: Kind,
    /// How often each value occurs, in the mean over procedures.
    pub shares: Vec<f64>,
    /// Effect on failure, log-odds.
    pub failure: f64,
    /// Standard deviation of the algorithms' deviations from it.
    pub slope_sd: f64,
    /// Effect on the mean score, logit.
    pub score: f64,
    /// Effect on the probability of a score of 0, logit.
    pub zero: f64,
}

impl Characteristic {
    /// Refuses shares that are no probabilities.
    pub(super) fn check(&self) -> Result<(), StudyError> {
        let sum: f64 = self.shares.iter().sum();
        let good = (2..=250).contains(&self.shares.len())
            && self.shares.iter().all(|s| (0.0..=1.0).contains(s))
            && (sum - 1.0).abs() < 1e-9;
        if good { Ok(()) } else { Err(StudyError::Shares(self.name.clone())) }
    }
}

/// Nineteen characteristics of endoscopic images: five that make algorithms fail, clearly apart; ten with weaker effects;
/// four without any.
pub fn characteristics() -> Vec<Characteristic> {
    use Kind::{Binary, Count, Ordinal};
    let all: [(&str, Kind, &[f64], [f64; 4]); 19] = [
        ("underexposed_instrument", Binary, &[0.76, 0.24], [1.30, 0.25, -0.45, 0.8]),
        ("transparent_part", Binary, &[0.88, 0.12], [1.05, 0.0, -0.38, 0.9]),
        ("motion_blur", Binary, &[0.78, 0.22], [0.80, 0.25, -0.32, 0.0]),
        ("occluded_by_tissue", Binary, &[0.64, 0.36], [0.58, 0.20, -0.26, 0.0]),
        ("smoke", Ordinal, &[0.76, 0.16, 0.08], [0.38, 0.20, -0.20, 0.5]),
        ("crossing_instruments", Binary, &[0.85, 0.15], [0.18, 0.0, -0.14, 0.0]),
        ("occluded_by_instrument", Binary, &[0.84, 0.16], [0.16, 0.0, -0.12, 0.0]),
        ("small_instrument", Ordinal, &[0.56, 0.30, 0.14], [0.15, 0.0, -0.12, 0.6]),
        ("further_instruments", Count, &[0.46, 0.32, 0.14, 0.08], [0.14, 0.0, -0.08, 0.0]),
        ("other_objects", Binary, &[0.73, 0.27], [0.14, 0.0, -0.10, 0.0]),
        ("trocar_visible", Binary, &[0.90, 0.10], [0.12, 0.0, -0.10, 0.0]),
        ("blood_on_instrument", Binary, &[0.76, 0.24], [0.12, 0.0, -0.08, 0.0]),
        ("reflecting_instrument", Binary, &[0.87, 0.13], [0.10, 0.0, -0.06, 0.0]),
        ("overexposed_instrument", Binary, &[0.88, 0.12], [0.10, 0.0, -0.06, 0.0]),
        ("dirty_lens", Binary, &[0.83, 0.17], [0.08, 0.0, -0.05, 0.0]),
        ("blood_in_scene", Ordinal, &[0.58, 0.27, 0.15], [0.0; 4]),
        ("specular_reflection", Binary, &[0.55, 0.45], [0.0; 4]),
        ("instrument_at_border", Binary, &[0.54, 0.46], [0.0; 4]),
        ("image_overlay", Binary, &[0.93, 0.07], [0.0; 4]),
    ];
    all.map(|(name, kind, shares, [failure, slope_sd, score, zero])| Characteristic {
        name: name.to_owned(),
        kind,
        shares: shares.to_vec(),
        failure,
        slope_sd,
        score,
        zero,
    })
    .into()
}

/// Standard deviation of how much more often a characteristic occurs in one procedure than in another, logit.
const BETWEEN_PROCEDURES: f64 = 0.4;

/// True values of all images: for each characteristic one for each image.
pub(super) fn values(
    characteristics: &[Characteristic],
    procedures: usize,
    procedure_of_image: &[usize],
    random: &mut ChaCha8Rng,
) -> Vec<Vec<u8>> {
    characteristics
        .iter()
        .map(|c| {
            // Proportional odds: all cumulative logits of a procedure move together.
            let shift: Vec<f64> = (0..procedures).map(|_| BETWEEN_PROCEDURES * normal(random)).collect();
            let at_least: Vec<f64> = (1..c.shares.len()).map(|k| c.shares[k..].iter().sum()).collect();
            let value = |p: usize, uniform: f64| {
                let odds = |share: f64| share / (1.0 - share).max(1e-12) * libm::exp(shift[p]);
                at_least.iter().filter(|&&share| uniform < odds(share) / (1.0 + odds(share))).count() as u8
            };
            procedure_of_image.iter().map(|&p| value(p, random.random())).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn values_occur_as_often_as_their_shares() {
        let all = characteristics();
        let images: Vec<usize> = (0..60_000).map(|i| i % 600).collect();
        let values = values(&all, 600, &images, &mut ChaCha8Rng::seed_from_u64(1));
        for (c, values) in all.iter().zip(&values) {
            for (k, share) in c.shares.iter().enumerate() {
                let found = values.iter().filter(|v| **v as usize == k).count() as f64 / values.len() as f64;
                assert!((found - share).abs() < 0.03, "{} {k}: {found} for {share}", c.name);
            }
        }
    }

    #[test]
    fn five_causes_stand_out_and_four_are_null() {
        let all = characteristics();
        assert!(all[..5].windows(2).all(|w| w[0].failure > w[1].failure + 0.15));
        assert!(all[5..].iter().all(|c| c.failure < all[4].failure - 0.15));
        assert_eq!(all.iter().filter(|c| c.failure == 0.0 && c.score == 0.0).count(), 4);
        assert!(all.iter().all(|c| c.check().is_ok()));
    }
}
