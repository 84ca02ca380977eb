//! Scores of found modes against reference modes.
//!
//! Found and reference modes are matched one to one: among all matchings of pairs within the tolerance, as many pairs as
//! possible, and of those the ones with the least sum of `Δ/Δ₀ + θ/θ₀` (pivot's displacement and angle over their
//! tolerances). Optimal, by the Hungarian method (H. W. Kuhn 1955, with potentials as in J. Munkres 1957).

use regiscope_geometry::{Point, Rigid};

/// How near two modes must be to match.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatchTolerance {
    /// Displacement of the pivot, mm.
    pub mm: f64,
    /// Angle, rad.
    pub rad: f64,
}

impl MatchTolerance {
    /// 5° and 5 mm.
    pub const TIGHT: Self = Self { mm: 5.0, rad: 5.0 * std::f64::consts::PI / 180.0 };
    /// 10° and 10 mm.
    pub const LOOSE: Self = Self { mm: 10.0, rad: 10.0 * std::f64::consts::PI / 180.0 };
}

/// How far two poses are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseError {
    /// Displacement of the pivot, mm.
    pub mm: f64,
    /// Angle, rad.
    pub rad: f64,
}

/// How far two poses are apart; `pivot` in the volume's frame.
pub fn pose_error(a: &Rigid, b: &Rigid, pivot: &Point) -> PoseError {
    PoseError { mm: (a * pivot - b * pivot).norm(), rad: a.rotation.angle_to(&b.rotation) }
}

impl PoseError {
    /// Whether both errors are within a tolerance.
    pub fn within(&self, tolerance: &MatchTolerance) -> bool {
        self.mm <= tolerance.mm && self.rad <= tolerance.rad
    }

    fn relative(&self, tolerance: &MatchTolerance) -> f64 {
        self.mm / tolerance.mm + self.rad / tolerance.rad
    }
}

/// A found mode and its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Position among the found modes.
    pub found: usize,
    /// Position among the reference modes.
    pub reference: usize,
    /// How far they are apart.
    pub error: PoseError,
    /// Difference of their masses, without sign.
    pub mass_error: f64,
}

/// Scores of a set of modes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeScores {
    /// Matched pairs by reference mode.
    pub matches: Vec<Match>,
    /// Part of the reference modes that were found; 1 if there are none.
    pub recall: f64,
    /// Part of the found modes that have a reference; 1 if there are none.
    pub precision: f64,
    /// Harmonic mean of both; 0 if both are.
    pub f1: f64,
    /// Sum over reference modes of the mass errors, missed ones with their whole mass, over the number of reference
    /// modes.
    pub mass_error: f64,
    /// Largest mass error, missed and invented modes with their whole mass.
    pub worst_mass_error: f64,
    /// Mass of found modes without a reference.
    pub invented_mass: f64,
    /// Error of the heaviest found mode against the heaviest reference mode.
    pub top: Option<PoseError>,
    /// Error of that found mode that is nearest to the heaviest reference mode (relative to the tolerance).
    pub best_of: Option<PoseError>,
}

/// Scores found modes (pose and mass) against reference modes; `pivot` in the volume's frame.
pub fn match_modes(
    found: &[(Rigid, f64)],
    reference: &[(Rigid, f64)],
    pivot: &Point,
    tolerance: &MatchTolerance,
) -> ModeScores {
    let error = |f: usize, r: usize| pose_error(&found[f].0, &reference[r].0, pivot);
    let pairs = assignment(reference.len(), found.len(), |r, f| {
        let error = error(f, r);
        error.within(tolerance).then(|| error.relative(tolerance))
    });
    let make = |(r, f): &(usize, usize)| Match {
        found: *f,
        reference: *r,
        error: error(*f, *r),
        mass_error: (found[*f].1 - reference[*r].1).abs(),
    };
    let matches: Vec<Match> = pairs.iter().map(make).collect();
    let share = |total: usize| if total == 0 { 1.0 } else { matches.len() as f64 / total as f64 };
    let (recall, precision) = (share(reference.len()), share(found.len()));
    let missed: Vec<f64> =
        (0..reference.len()).filter(|r| !matches.iter().any(|m| m.reference == *r)).map(|r| reference[r].1).collect();
    let invented: Vec<f64> =
        (0..found.len()).filter(|f| !matches.iter().any(|m| m.found == *f)).map(|f| found[f].1).collect();
    let of_reference: Vec<f64> = matches.iter().map(|m| m.mass_error).chain(missed).collect();
    let heaviest =
        |modes: &[(Rigid, f64)]| (0..modes.len()).max_by(|&a, &b| modes[a].1.total_cmp(&modes[b].1).then(b.cmp(&a)));
    let heaviest_reference = heaviest(reference);
    let nearest = |r: usize| {
        let relative = |f: &usize| error(*f, r).relative(tolerance);
        (0..found.len()).min_by(|a, b| relative(a).total_cmp(&relative(b)))
    };
    ModeScores {
        recall,
        precision,
        f1: if recall + precision > 0.0 { 2.0 * recall * precision / (recall + precision) } else { 0.0 },
        mass_error: of_reference.iter().sum::<f64>() / of_reference.len().max(1) as f64,
        worst_mass_error: of_reference.iter().chain(&invented).copied().fold(0.0, f64::max),
        invented_mass: invented.iter().sum(),
        top: heaviest_reference.zip(heaviest(found)).map(|(r, f)| error(f, r)),
        best_of: heaviest_reference.and_then(|r| Some(error(nearest(r)?, r))),
        matches,
    }
}

/// How many samples, in their order, are needed until every mode has one within the tolerance; `None` if they do not
/// suffice. 0 without modes.
pub fn samples_until_all(
    samples: &[Rigid],
    modes: &[Rigid],
    pivot: &Point,
    tolerance: &MatchTolerance,
) -> Option<usize> {
    let first = |mode: &Rigid| samples.iter().position(|s| pose_error(s, mode, pivot).within(tolerance));
    modes.iter().map(|m| first(m).map(|n| n + 1)).try_fold(0, |most, n| Some(most.max(n?)))
}

/// The matching of rows and columns with most pairs, and of those one of least cost; pairs in order of rows. `cost` is
/// `None` for pairs that do not match, else far below 1e6.
fn assignment(rows: usize, cols: usize, cost: impl Fn(usize, usize) -> Option<f64>) -> Vec<(usize, usize)> {
    /// What a pair that does not match costs: more than all that do.
    const NONE: f64 = 1e6;
    let size = rows.max(cols);
    let price = |r: usize, c: usize| if r < rows && c < cols { cost(r, c).unwrap_or(NONE) } else { NONE };
    let mut row_potential = vec![0.0; size];
    let mut col_potential = vec![0.0; size];
    let mut row_of: Vec<Option<usize>> = vec![None; size];
    for row in 0..size {
        // The cheapest alternating path from a new row to a free column (Dijkstra's method on reduced prices).
        let mut distance = vec![f64::INFINITY; size];
        let mut before: Vec<Option<usize>> = vec![None; size];
        let mut done = vec![false; size];
        let (mut at_row, mut at_col, mut length) = (row, None, 0.0);
        let end = loop {
            for c in (0..size).filter(|&c| !done[c]) {
                let reduced = length + price(at_row, c) - row_potential[at_row] - col_potential[c];
                if reduced < distance[c] {
                    (distance[c], before[c]) = (reduced, at_col);
                }
            }
            let next = (0..size).filter(|&c| !done[c]).min_by(|&a, &b| distance[a].total_cmp(&distance[b]));
            let c = next.expect("there is a free column for every row");
            (length, at_col, done[c]) = (distance[c], Some(c), true);
            match row_of[c] {
                Some(r) => at_row = r,
                None => break c,
            }
        };
        for c in (0..size).filter(|&c| done[c]) {
            let slack = length - distance[c];
            col_potential[c] -= slack;
            if let Some(r) = row_of[c] {
                row_potential[r] += slack;
            }
        }
        row_potential[row] += length;
        let mut c = end;
        loop {
            match before[c] {
                Some(previous) => {
                    row_of[c] = row_of[previous];
                    c = previous;
                }
                None => {
                    row_of[c] = Some(row);
                    break;
                }
            }
        }
    }
    let mut pairs: Vec<(usize, usize)> = (0..cols).filter_map(|c| Some((row_of[c]?, c))).collect();
    pairs.retain(|&(r, c)| r < rows && cost(r, c).is_some());
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use regiscope_geometry::Vector;

    fn at(x: f64, turn: f64) -> Rigid {
        Rigid::translation(x, 0.0, 0.0) * Rigid::rotation(Vector::z() * turn)
    }

    #[test]
    fn scores_of_a_small_case() {
        let reference = [(at(0.0, 0.0), 0.6), (at(0.0, 3.0), 0.3), (at(50.0, 1.0), 0.1)];
        let found = [(at(0.0, 2.97), 0.45), (at(1.0, 0.05), 0.35), (at(0.0, -1.5), 0.2)];
        let scores = match_modes(&found, &reference, &Point::origin(), &MatchTolerance::TIGHT);
        assert_eq!(scores.matches.iter().map(|m| (m.reference, m.found)).collect::<Vec<_>>(), [(0, 1), (1, 0)]);
        assert!((scores.recall - 2.0 / 3.0).abs() < 1e-12 && (scores.precision - 2.0 / 3.0).abs() < 1e-12);
        assert!((scores.f1 - 2.0 / 3.0).abs() < 1e-12);
        assert!((scores.mass_error - (0.25 + 0.15 + 0.1) / 3.0).abs() < 1e-12);
        assert!((scores.worst_mass_error - 0.25).abs() < 1e-12 && (scores.invented_mass - 0.2).abs() < 1e-12);
        // The heaviest found mode is half a turn off; the nearest one is 1 mm away.
        assert!((scores.top.unwrap().rad - 2.97).abs() < 1e-9);
        assert!((scores.best_of.unwrap().mm - 1.0).abs() < 1e-9);
        let nothing = match_modes(&[], &reference, &Point::origin(), &MatchTolerance::LOOSE);
        assert_eq!((nothing.recall, nothing.precision, nothing.f1), (0.0, 1.0, 0.0));
        assert_eq!((nothing.top, nothing.worst_mass_error), (None, 0.6));
    }

    #[test]
    fn the_matching_is_the_best_of_all() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200 {
            let (rows, cols) = (random.random_range(0..5), random.random_range(0..5));
            let table: Vec<Option<f64>> =
                (0..rows * cols).map(|_| random.random_bool(0.6).then(|| random.random::<f64>())).collect();
            let cost = |r: usize, c: usize| table[r * cols + c];
            let found = assignment(rows, cols, cost);
            let total: f64 = found.iter().map(|&(r, c)| cost(r, c).unwrap()).sum();
            // All matchings: each row takes a free column or none.
            fn best(
                r: usize,
                rows: usize,
                cols: usize,
                used: u32,
                cost: &dyn Fn(usize, usize) -> Option<f64>,
            ) -> (usize, f64) {
                if r == rows {
                    return (0, 0.0);
                }
                let mut top = best(r + 1, rows, cols, used, cost);
                for c in (0..cols).filter(|c| used >> c & 1 == 0) {
                    if let Some(price) = cost(r, c) {
                        let (pairs, sum) = best(r + 1, rows, cols, used | 1 << c, cost);
                        if pairs + 1 > top.0 || pairs + 1 == top.0 && sum + price < top.1 {
                            top = (pairs + 1, sum + price);
                        }
                    }
                }
                top
            }
            let (pairs, sum) = best(0, rows, cols, 0, &cost);
            assert_eq!(found.len(), pairs);
            assert!((total - sum).abs() < 1e-9, "{total} {sum}");
        }
    }

    #[test]
    fn all_modes_are_seen_when_the_last_one_is() {
        let modes = [at(0.0, 0.0), at(0.0, 2.0)];
        let samples = [at(1.0, 0.0), at(30.0, 2.0), at(0.0, 0.04), at(0.0, 2.05)];
        let until = |s: &[Rigid]| samples_until_all(s, &modes, &Point::origin(), &MatchTolerance::TIGHT);
        assert_eq!((until(&samples), until(&samples[..3])), (Some(4), None));
        assert_eq!(samples_until_all(&samples, &[], &Point::origin(), &MatchTolerance::TIGHT), Some(0));
    }
}
