//! Which columns of a model matrix earlier columns already span.

use super::qr::{QuadMatrix, householder, reflect, sum_of_squares};

/// Least share of its length that a column must keep outside the span of the earlier ones, if its values were rounded.
pub const TOLERANCE: f64 = 1e-10;

/// The same for a column of exact values (decimal text with its low parts, or whole numbers), computed with 31 digits.
pub const EXACT_TOLERANCE: f64 = 1e-20;

/// For each column whether it is independent of the independent ones before it (R keeps the same columns).
///
/// `values` (and `low`, the parts that rounding cut off, where known) stand column after column, `rows` numbers each.
/// The test is done in double-double arithmetic, so that polynomials of a high degree in decimal data keep all their
/// columns (NIST's Filip), while a column that is a rounded combination of others is found. Cost: 40 n p² operations.
pub fn independent_columns(rows: usize, values: &[f64], low: Option<&[f64]>) -> Vec<bool> {
    if rows == 0 {
        return Vec::new();
    }
    let columns = values.len() / rows;
    let exact: Vec<bool> = (0..columns)
        .map(|j| {
            let range = j * rows..(j + 1) * rows;
            let decimal = low.is_some_and(|low| low[range.clone()].iter().any(|&v| v != 0.0));
            decimal || values[range].iter().all(|v| v.fract() == 0.0 && v.abs() < 9e15)
        })
        .collect();
    let mut x = QuadMatrix::new(rows, columns, values, low);
    let mut rank = 0;
    let mut independent = vec![false; columns];
    let mut inexact_before = false;
    for k in 0..columns {
        let (before, after) = x.values.split_at_mut((k + 1) * rows);
        let column = &mut before[k * rows..];
        let (whole, rest) = (sum_of_squares(column).0, sum_of_squares(&column[rank.min(rows)..]).0);
        let tolerance = if exact[k] && !inexact_before { EXACT_TOLERANCE } else { TOLERANCE };
        let spanned = rest <= tolerance * tolerance * whole || whole.is_nan();
        if rank == rows || spanned {
            continue;
        }
        inexact_before |= !exact[k];
        independent[k] = true;
        let v = &mut column[rank..];
        let (_, square) = householder(v);
        for later in after.chunks_mut(rows) {
            reflect(v, square, &mut later[rank..]);
        }
        rank += 1;
    }
    independent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spanned_columns_are_found_and_steep_polynomials_kept() {
        let x: Vec<f64> = (0..12).map(|i| 0.1 * f64::from(i)).collect();
        let one = vec![1.0; 12];
        let twice: Vec<f64> = x.iter().map(|v| 2.0 * v - 0.3).collect();
        let square: Vec<f64> = x.iter().map(|v| v * v).collect();
        let matrix = [one.clone(), x.clone(), twice, square, vec![0.0; 12]].concat();
        assert_eq!(independent_columns(12, &matrix, None), [true, true, false, true, false]);

        // Whole numbers: powers up to the eleventh of 0..12 are independent, the twelfth is not.
        let powers: Vec<f64> = (0..13).flat_map(|k| (0..12).map(move |i| f64::from(i).powi(k))).collect();
        let mut expected = vec![true; 12];
        expected.push(false);
        assert_eq!(independent_columns(12, &powers, None), expected);
        // Dummies of all three levels beside an intercept.
        let level = |l: usize| (0..12).map(move |i| f64::from(u8::from(i % 3 == l)));
        let dummies: Vec<f64> = one.into_iter().chain(level(0)).chain(level(1)).chain(level(2)).collect();
        assert_eq!(independent_columns(12, &dummies, None), [true, true, true, false]);
        assert!(independent_columns(0, &[], None).is_empty());
    }
}
