//! Score against energy: which algorithms no other one beats in both, and how sure that is.

use super::observations::Observations;
use crate::ranking::bootstrap::draw;
use serde::Serialize;

/// One algorithm's score and energy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParetoPoint {
    /// The algorithm.
    pub algorithm: String,
    /// Mean score; without scores the share of results that are no failures.
    pub score: f64,
    /// Mean energy of a result, J.
    pub energy_j: f64,
    /// Whether no other algorithm has a better score for no more energy, or as good a one for less.
    pub on_front: bool,
    /// Share of the resamples in which it is on the front.
    pub stability: f64,
    /// 95 % interval of the score over resamples.
    pub score_interval: [f64; 2],
    /// 95 % interval of the energy over resamples, J.
    pub energy_interval_j: [f64; 2],
}

/// The front and what lies behind it, by energy; nothing where some algorithm has no result with energy. `resamples` are
/// drawn from the outermost groups where there are groups, else from the cases.
pub fn pareto(
    observations: &Observations,
    smaller_is_better: bool,
    resamples: usize,
    seed: u64,
) -> Option<Vec<ParetoPoint>> {
    let with_score = observations.rows.iter().any(|row| !row.score.is_nan());
    let sign = if smaller_is_better && with_score { -1.0 } else { 1.0 };
    // The innermost groups with enough levels are what is independent.
    let unit_of_case: Vec<usize> = match observations.groups.iter().rev().find(|g| g.levels.len() >= 5) {
        Some(group) => group.of_case.iter().map(|&g| g as usize).collect(),
        None => (0..observations.cases.len()).collect(),
    };
    let units = unit_of_case.iter().max().map_or(0, |m| m + 1);
    let count = observations.algorithms.len();
    // Sums of scores, their number, sums of energy, their number: by unit and algorithm.
    let mut sums = vec![[0.0; 4]; units * count];
    for row in &observations.rows {
        let score = if with_score { row.score } else { f64::from(u8::from(!row.failed)) };
        let cell = &mut sums[unit_of_case[row.case as usize] * count + row.algorithm as usize];
        if !score.is_nan() {
            cell[0] += score;
            cell[1] += 1.0;
        }
        if !row.energy_j.is_nan() {
            cell[2] += row.energy_j;
            cell[3] += 1.0;
        }
    }
    let means = |drawn: &[u32]| -> Vec<[f64; 2]> {
        let of = |a: usize| {
            let mut total = [0.0; 4];
            for (unit, &times) in drawn.iter().enumerate() {
                let cell = &sums[unit * count + a];
                (0..4).for_each(|k| total[k] += f64::from(times) * cell[k]);
            }
            [total[0] / total[1], total[2] / total[3]]
        };
        (0..count).map(of).collect()
    };
    let front = |points: &[[f64; 2]]| -> Vec<bool> {
        let beats = |a: &[f64; 2], b: &[f64; 2]| {
            let (better, cheaper) = (sign * a[0] - sign * b[0], b[1] - a[1]);
            better >= 0.0 && cheaper >= 0.0 && (better > 0.0 || cheaper > 0.0)
        };
        points.iter().map(|p| !points.iter().any(|other| beats(other, p))).collect()
    };
    let once = means(&vec![1; units]);
    if once.iter().any(|p| !p[0].is_finite() || !p[1].is_finite()) {
        return None;
    }
    let on_front = front(&once);
    let mut drawn = vec![0; units];
    let resampled: Vec<(Vec<[f64; 2]>, Vec<bool>)> = (0..resamples as u64)
        .map(|number| {
            draw(&mut drawn, seed, number);
            let points = means(&drawn);
            let on = front(&points);
            (points, on)
        })
        .collect();
    let interval = |a: usize, k: usize| {
        let mut all: Vec<f64> = resampled.iter().map(|(p, _)| p[a][k]).filter(|v| v.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all.get((share * (all.len().max(1) - 1) as f64).round() as usize).copied();
        [0.025, 0.975].map(|share| at(share).unwrap_or(once[a][k]))
    };
    let mut points: Vec<ParetoPoint> = (0..count)
        .map(|a| ParetoPoint {
            algorithm: observations.algorithms[a].clone(),
            score: once[a][0],
            energy_j: once[a][1],
            on_front: on_front[a],
            stability: resampled.iter().filter(|(_, on)| on[a]).count() as f64 / resampled.len().max(1) as f64,
            score_interval: interval(a, 0),
            energy_interval_j: interval(a, 1),
        })
        .collect();
    points.sort_by(|a, b| a.energy_j.total_cmp(&b.energy_j));
    Some(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::testing::small_study;

    #[test]
    fn the_front_is_what_nobody_beats() {
        let mut observations = small_study(1);
        // Scores and energies by algorithm: A01 cheap and bad, A02 beaten by A03, A03 good, A04 best and dear, A05 and A06
        // beaten.
        let of = [(0.5, 1.0), (0.6, 3.0), (0.7, 2.0), (0.9, 9.0), (0.4, 9.5), (0.69, 2.5)];
        for (n, row) in observations.rows.iter_mut().enumerate() {
            let (score, energy) = of[row.algorithm as usize];
            row.score = score + 0.05 * ((n * 7 % 11) as f64 / 11.0 - 0.5);
            row.energy_j = energy;
        }
        let found = pareto(&observations, false, 200, 1).unwrap();
        let front: Vec<&str> = found.iter().filter(|p| p.on_front).map(|p| &*p.algorithm).collect();
        assert_eq!(front, ["A01", "A03", "A04"]);
        assert!(found.windows(2).all(|w| w[0].energy_j <= w[1].energy_j));
        assert!(found.iter().all(|p| p.score_interval[0] <= p.score && p.score <= p.score_interval[1]));
        let stable = |name: &str| found.iter().find(|p| p.algorithm == name).unwrap().stability;
        assert!(stable("A01") == 1.0 && stable("A02") < 0.05);
        // Smaller scores are better: the cheapest wins more.
        let other = pareto(&observations, true, 50, 1).unwrap();
        let front: Vec<&str> = other.iter().filter(|p| p.on_front).map(|p| &*p.algorithm).collect();
        assert_eq!(front, ["A01", "A05"]);
        observations.rows.iter_mut().for_each(|row| row.energy_j = f64::NAN);
        assert_eq!(pareto(&observations, false, 10, 1), None);
    }
}
