//! The step along the Newton direction: halved until the objective falls enough and the map keeps its orientation.

use serde::{Deserialize, Serialize};

/// Settings of the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineSearch {
    /// Least decrease as a fraction of the slope times the step (Armijo's condition).
    pub sufficient_decrease: f64,
    /// How often the step is halved before the search gives up.
    pub halvings: usize,
}

impl Default for LineSearch {
    fn default() -> Self {
        Self { sufficient_decrease: 1e-4, halvings: 12 }
    }
}

/// The point that the search accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<S> {
    /// The step, 1 for the whole Newton step.
    pub step: f64,
    /// What the evaluation returned there.
    pub state: S,
    /// Number of evaluations.
    pub evaluations: usize,
}

/// The largest of the steps 1, ½, ¼, … for which `evaluate(step)` gives an objective J ≤ J(0) + c·step·`slope`.
///
/// `evaluate` returns the objective and its state; `None`, or an objective that is not a number, refuses the step. `slope`
/// is the derivative along the direction and negative. `None`: no step will do, or the slope does not descend.
pub fn backtrack<S>(
    search: LineSearch,
    objective: f64,
    slope: f64,
    mut evaluate: impl FnMut(f64) -> Option<(f64, S)>,
) -> Option<Accepted<S>> {
    if slope.is_nan() || slope >= 0.0 {
        return None;
    }
    let mut step = 1.0;
    for evaluations in 1..=search.halvings + 1 {
        if let Some((value, state)) = evaluate(step)
            && value <= objective + search.sufficient_decrease * step * slope
        {
            return Some(Accepted { step, state, evaluations });
        }
        step *= 0.5;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_step_is_taken_where_it_descends() {
        let found = backtrack(LineSearch::default(), 1.0, -2.0, |t| Some(((1.0 - t).powi(2), t)));
        assert_eq!(found, Some(Accepted { step: 1.0, state: 1.0, evaluations: 1 }));
    }

    #[test]
    fn steps_too_long_refused_or_not_a_number_are_halved() {
        // The slope −20 of (1 − 10 t)² needs t < 0.2.
        let long = backtrack(LineSearch::default(), 1.0, -20.0, |t| Some(((1.0 - 10.0 * t).powi(2), ())));
        assert_eq!(long.map(|a| a.step), Some(0.125));
        let folded = backtrack(LineSearch::default(), 1.0, -2.0, |t| (t < 0.3).then(|| ((1.0 - t).powi(2), ())));
        assert_eq!(folded.map(|a| a.step), Some(0.25));
        let broken = backtrack(LineSearch::default(), 1.0, -2.0, |t| Some((if t > 0.6 { f64::NAN } else { 0.0 }, ())));
        assert_eq!(broken.map(|a| a.evaluations), Some(2));
    }

    #[test]
    fn an_ascent_and_a_flat_objective_have_no_step() {
        assert_eq!(backtrack(LineSearch::default(), 1.0, 0.5, |_| Some((0.0, ()))), None);
        assert_eq!(backtrack(LineSearch::default(), 1.0, -1.0, |_| Some((1.0, ()))), None);
    }
}
