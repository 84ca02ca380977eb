//! The assignment of greatest total weight.

/// For each row the column it is assigned to, so that the sum of weights is as large as possible; weights are
/// row-major, not negative, and a pair of weight 0 is left unassigned. Cost O(n³).
///
/// Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957; Jonker and Volgenant 1987).
pub fn best_assignment(weights: &[f64], rows: usize, columns: usize) -> Vec<Option<usize>> {
    let n = rows.max(columns);
    let weight = |r: usize, c: usize| if r < rows && c < columns { weights[r * columns + c] } else { 0.0 };
    // Rows and columns count from 1; row_of[0] is the row being assigned.
    let (mut u, mut v, mut row_of) = (vec![0.0; n + 1], vec![0.0; n + 1], vec![0usize; n + 1]);
    for row in 1..=n {
        row_of[0] = row;
        let (mut at, mut least, mut seen) = (0, vec![f64::INFINITY; n + 1], vec![false; n + 1]);
        let mut came_from = vec![0; n + 1];
        while row_of[at] != 0 {
            seen[at] = true;
            let (from, mut step, mut next) = (row_of[at], f64::INFINITY, 0);
            for c in (1..=n).filter(|&c| !seen[c]) {
                let reduced = -weight(from - 1, c - 1) - u[from] - v[c];
                if reduced < least[c] {
                    (least[c], came_from[c]) = (reduced, at);
                }
                if least[c] < step {
                    (step, next) = (least[c], c);
                }
            }
            for c in 0..=n {
                if seen[c] {
                    u[row_of[c]] += step;
                    v[c] -= step;
                } else {
                    least[c] -= step;
                }
            }
            at = next;
        }
        while at != 0 {
            row_of[at] = row_of[came_from[at]];
            at = came_from[at];
        }
    }
    let mut answer = vec![None; rows];
    for (c, row) in row_of[1..=columns].iter().enumerate() {
        let r = row - 1;
        if r < rows && weight(r, c) > 0.0 {
            answer[r] = Some(c);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn best_sum(weights: &[f64], rows: usize, columns: usize, row: usize, taken: u32) -> f64 {
        if row == rows {
            return 0.0;
        }
        let without = best_sum(weights, rows, columns, row + 1, taken);
        let free = (0..columns).filter(|c| taken >> c & 1 == 0);
        free.map(|c| weights[row * columns + c] + best_sum(weights, rows, columns, row + 1, taken | 1 << c))
            .fold(without, f64::max)
    }

    #[test]
    fn no_other_assignment_is_better() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for (rows, columns) in [(1, 1), (3, 5), (5, 3), (4, 4), (6, 6), (0, 3), (3, 0)] {
            for _ in 0..20 {
                let weights: Vec<f64> =
                    (0..rows * columns).map(|_| (rng.random::<f64>() * 4.0).floor() / 4.0).collect();
                let found = best_assignment(&weights, rows, columns);
                let mut taken = vec![false; columns];
                for c in found.iter().flatten() {
                    assert!(!std::mem::replace(&mut taken[*c], true), "a column is assigned twice");
                }
                let sum: f64 = found.iter().enumerate().filter_map(|(r, c)| Some(weights[r * columns + (*c)?])).sum();
                assert!((sum - best_sum(&weights, rows, columns, 0, 0)).abs() < 1e-12);
            }
        }
    }
}
