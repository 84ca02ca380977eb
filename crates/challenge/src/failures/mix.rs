//! Weights of cases for chosen conditions: "if half of the images had smoke".
//!
//! Cases keep their other characteristics; their weights are raked (Deming & Stephan 1940) until every condition has its
//! share, which moves the distribution of cases as little as possible in the sense of Kullback and Leibler.

use super::FailureError;
use super::observations::Observations;
use serde::Serialize;

/// A share of cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// An effect or characteristic of numbers; cases whose value is not 0 have it.
    pub name: String,
    /// Share of the cases that have it, 0 to 1.
    pub share: f64,
}

/// Weights that add up to one, one for each case; equal ones without conditions.
///
/// # Errors
/// If a condition names no effect, its share is none, or no weights give all shares.
pub fn weights(observations: &Observations, conditions: &[Condition]) -> Result<Vec<f64>, FailureError> {
    let cases = observations.cases.len();
    let mut weights = vec![1.0 / cases as f64; cases];
    let mut groups = Vec::new();
    for condition in conditions {
        let refused = |reason: &str| FailureError::Mix {
            what: format!("{}={}", condition.name, condition.share),
            reason: reason.to_owned(),
        };
        if !(0.0..=1.0).contains(&condition.share) {
            return Err(refused("a share lies between 0 and 1"));
        }
        let effect = observations.effects.iter().find(|e| e.name == condition.name);
        let effect = effect.ok_or_else(|| FailureError::NoCharacteristic {
            what: "a condition",
            found: condition.name.clone(),
            there: observations.effects.iter().map(|e| e.name.clone()).collect(),
        })?;
        let has: Vec<bool> = effect.values.iter().map(|v| *v != 0.0).collect();
        let with = has.iter().filter(|h| **h).count();
        if with == 0 && condition.share > 0.0 {
            return Err(refused("no case has it"));
        }
        if with == cases && condition.share < 1.0 {
            return Err(refused("every case has it"));
        }
        groups.push((has, condition.share));
    }
    for _ in 0..2000 {
        let mut moved = 0.0_f64;
        for (has, share) in &groups {
            let with: f64 = weights.iter().zip(has).filter(|(_, h)| **h).map(|(w, _)| w).sum();
            moved = moved.max((with - share).abs());
            let total: f64 = weights.iter().sum();
            let factor = |wanted: f64, there: f64| if wanted == 0.0 { 0.0 } else { wanted / there };
            let (to, away) = (factor(*share, with), factor(1.0 - share, total - with));
            weights.iter_mut().zip(has).for_each(|(w, h)| *w *= if *h { to } else { away });
            if weights.iter().any(|w| !w.is_finite()) {
                break;
            }
        }
        if moved < 1e-12 {
            return Ok(weights);
        }
    }
    let what: Vec<String> = conditions.iter().map(|c| format!("{}={}", c.name, c.share)).collect();
    Err(FailureError::Mix { what: what.join(" and "), reason: "they contradict each other in these cases".into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::testing::small_study;

    #[test]
    fn shares_are_met_and_little_else_moves() {
        let observations = small_study(1);
        let condition = |name: &str, share| Condition { name: name.into(), share };
        let found =
            weights(&observations, &[condition("smoke", 0.5), condition("underexposed_instrument", 0.1)]).unwrap();
        let share = |name: &str| -> f64 {
            let effect = observations.effects.iter().find(|e| e.name == name).unwrap();
            found.iter().zip(&effect.values).filter(|(_, v)| **v != 0.0).map(|(w, _)| w).sum()
        };
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-10);
        assert!((share("smoke") - 0.5).abs() < 1e-10 && (share("underexposed_instrument") - 0.1).abs() < 1e-10);
        let none = weights(&observations, &[condition("smoke", 0.0)]).unwrap();
        let smoke = &observations.effects.iter().find(|e| e.name == "smoke").unwrap().values;
        assert!(none.iter().zip(smoke).all(|(w, v)| (*w == 0.0) == (*v != 0.0)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let observations = small_study(1);
        let refused = |name: &str, share| {
            weights(&observations, &[Condition { name: name.into(), share }]).unwrap_err().to_string()
        };
        assert!(refused("fog", 0.5).contains("\"fog\""));
        assert!(refused("smoke", 1.5).contains("smoke=1.5"));
        let twice = [0.2, 0.7].map(|share| Condition { name: "smoke".into(), share });
        assert!(weights(&observations, &twice).unwrap_err().to_string().contains("contradict"));
    }
}
