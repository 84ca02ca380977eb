//! What to do after a stage: on with the next one, or the same again with another weight.

use super::checkpoint::Position;
use super::settings::Weight;

/// Factor by which the weight falls while det F keeps its bound.
const RATIO: f64 = 3.162_277_660_168_379_5;
/// The search ends when the kept and the refused weight are this close.
const CLOSE: f64 = 1.8;
/// A weight this many times the first is the last that is tried upward.
const HIGHEST: f64 = 1e3;
/// How often the weight is raised after the search.
const MOST_RAISES: usize = 6;

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next stage, from there.
    Advance(Origin),
    /// This stage once more at the position's weight, from there.
    Retry(Origin),
    /// Nothing helps.
    GiveUp,
}

/// Where to continue from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The present unknown.
    Present,
    /// The unknown of the smallest weight that kept the bound.
    Kept,
    /// No deformation.
    Rest,
}

/// Whether det F within `range` keeps the bound that a weight is sought for; there is none for a fixed weight.
pub fn keeps_bound(weight: Weight, range: [f64; 2]) -> bool {
    match weight {
        Weight::Fixed(_) => true,
        Weight::Guarded { bound, .. } | Weight::JacobianBound { bound, .. } => {
            range[0] >= bound && range[1] <= 1.0 / bound
        }
    }
}

/// What follows after a stage has ended with det F within `range`; `seeks` if the weight is sought on this stage, `last` if no
/// stage follows. Changes the position's weight where another one is tried.
pub fn next(weight: Weight, seeks: bool, last: bool, range: [f64; 2], position: &mut Position) -> Next {
    let keeps = keeps_bound(weight, range);
    let (first, least) = match weight {
        Weight::JacobianBound { first, least, .. } if seeks => (first, least),
        Weight::Fixed(_) => return Next::Advance(Origin::Present),
        Weight::JacobianBound { .. } | Weight::Guarded { .. } => {
            // A guard steps in where raising the weight is still cheap, and once more at the end.
            if keeps || !last && !seeks {
                return Next::Advance(Origin::Present);
            }
            position.raised += 1;
            position.beta *= if last { RATIO.sqrt() } else { RATIO };
            return if position.raised > MOST_RAISES { Next::GiveUp } else { Next::Retry(Origin::Present) };
        }
    };
    if keeps {
        position.kept = Some(position.beta);
    } else {
        position.refused = Some(position.beta);
    }
    match (position.kept, position.refused) {
        (None, _) => {
            position.beta *= RATIO;
            if position.beta > first * HIGHEST { Next::GiveUp } else { Next::Retry(Origin::Rest) }
        }
        (Some(kept), None) if kept <= least => Next::Advance(Origin::Kept),
        (Some(kept), None) => {
            position.beta = (kept / RATIO).max(least);
            Next::Retry(Origin::Present)
        }
        (Some(kept), Some(refused)) if kept <= CLOSE * refused => {
            position.beta = kept;
            Next::Advance(Origin::Kept)
        }
        (Some(kept), Some(refused)) => {
            position.beta = (kept * refused).sqrt();
            Next::Retry(Origin::Kept)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(beta: f64) -> Position {
        Position::first(beta)
    }

    /// Searches with det F that leaves the bound below `limit`; returns the weights tried.
    fn search(limit: f64, first: f64, least: f64) -> (Vec<f64>, Next, f64) {
        let weight = Weight::JacobianBound { bound: 0.25, first, least };
        let mut position = position(first);
        let mut tried = Vec::new();
        loop {
            tried.push(position.beta);
            let range = if position.beta >= limit { [0.3, 3.0] } else { [0.2, 3.0] };
            let next = next(weight, true, false, range, &mut position);
            if !matches!(next, Next::Retry(_)) {
                return (tried, next, position.beta);
            }
        }
    }

    #[test]
    fn the_search_ends_just_above_the_limit() {
        for limit in [3e-4, 1.1e-3, 0.08, 0.5] {
            let (tried, next, beta) = search(limit, 0.1, 1e-6);
            assert_eq!(next, Next::Advance(Origin::Kept));
            assert!(beta >= limit && beta <= 1.8 * limit, "{limit}: {beta} of {tried:?}");
        }
    }

    #[test]
    fn the_search_stops_at_its_ends() {
        assert_eq!(search(0.0, 0.1, 1e-3).2, 1e-3);
        assert_eq!(search(f64::INFINITY, 0.1, 1e-3).1, Next::GiveUp);
    }

    #[test]
    fn a_fixed_weight_goes_on_and_a_late_fold_raises_the_weight() {
        let mut at = position(0.1);
        assert_eq!(next(Weight::Fixed(0.1), false, true, [-1.0, 9.0], &mut at), Next::Advance(Origin::Present));
        let bound = Weight::JacobianBound { bound: 0.5, first: 0.1, least: 1e-5 };
        assert_eq!(next(bound, false, false, [0.1, 1.0], &mut at), Next::Advance(Origin::Present));
        assert_eq!(next(bound, false, true, [0.6, 2.5], &mut at), Next::Retry(Origin::Present));
        assert!(at.beta > 0.1 && at.raised == 1);
        assert_eq!(next(bound, false, true, [0.6, 1.5], &mut at), Next::Advance(Origin::Present));
        let guarded = Weight::Guarded { beta: 0.1, bound: 0.5 };
        assert_eq!(next(guarded, false, true, [0.4, 1.5], &mut at), Next::Retry(Origin::Present));
        assert_eq!(next(guarded, false, false, [0.4, 1.5], &mut at), Next::Advance(Origin::Present));
        let before = at.beta;
        assert_eq!(next(guarded, true, false, [0.4, 1.5], &mut at), Next::Retry(Origin::Present));
        assert!(at.beta > 3.0 * before);
    }
}
