//! Columns of a model matrix that the columns before them already span.
//!
//! A column is aliased when what is left of it beside the columns before it is shorter than 10⁻⁷ of its length, which
//! is the rule of R's `qr` (LINPACK with limited pivoting), so that the same columns are left out.

/// R's tolerance.
const TOLERANCE: f64 = 1e-7;
/// Above this ratio the cheaper test below cannot be wrong: its rounding errors are near 10⁻¹⁵ in the square.
const SURE: f64 = 1e-5;
/// Rows that are worked on at once, so that their columns stay in the cache.
const BLOCK: usize = 512;

/// The columns that are kept, ascending. `values` holds column after column of `rows` numbers.
pub(crate) fn independent(values: &[f64], rows: usize, columns: usize) -> Vec<usize> {
    if columns <= rows && is_surely_full(values, rows, columns) {
        return (0..columns).collect();
    }
    gram_schmidt(values, rows, columns)
}

/// Cholesky of the matrix of cosines between columns: its pivots are the squared ratios of what is left of each column.
fn is_surely_full(values: &[f64], rows: usize, columns: usize) -> bool {
    let mut gram = vec![0.0; columns * columns];
    for start in (0..rows).step_by(BLOCK) {
        let end = (start + BLOCK).min(rows);
        for i in 0..columns {
            let a = &values[i * rows + start..i * rows + end];
            for j in 0..=i {
                let b = &values[j * rows + start..j * rows + end];
                gram[i * columns + j] += dot(a, b);
            }
        }
    }
    let lengths: Vec<f64> = (0..columns).map(|i| gram[i * columns + i].sqrt()).collect();
    for i in 0..columns {
        for j in 0..=i {
            gram[i * columns + j] /= lengths[i] * lengths[j];
        }
    }
    for j in 0..columns {
        let (done, rest) = gram.split_at_mut((j + 1) * columns);
        let row_j = &mut done[j * columns..];
        let pivot = row_j[j] - dot(&row_j[..j], &row_j[..j]);
        // A column of zeros makes NaN.
        if pivot.is_nan() || pivot <= SURE * SURE {
            return false;
        }
        row_j[j] = pivot.sqrt();
        for row_i in rest.chunks_exact_mut(columns) {
            row_i[j] = (row_i[j] - dot(&row_i[..j], &row_j[..j])) / row_j[j];
        }
    }
    true
}

/// Gram–Schmidt, twice for each column, so that what is left is exact to rounding.
fn gram_schmidt(values: &[f64], rows: usize, columns: usize) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for j in 0..columns {
        if kept.len() == rows {
            break;
        }
        let mut left = values[j * rows..(j + 1) * rows].to_vec();
        let length = dot(&left, &left).sqrt();
        for _ in 0..2 {
            for q in &basis {
                let part = dot(q, &left);
                left.iter_mut().zip(q).for_each(|(v, q)| *v -= part * q);
            }
        }
        let rest = dot(&left, &left).sqrt();
        if length > 0.0 && rest >= TOLERANCE * length {
            left.iter_mut().for_each(|v| *v /= rest);
            basis.push(left);
            kept.push(j);
        }
    }
    kept
}

/// The inner product, in eight running sums.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spanned_columns_are_left_out_in_the_order_of_r() {
        let n = 700;
        let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin()).collect();
        let y: Vec<f64> = (0..n).map(|i| (i as f64 * 0.11).cos() + 5.0).collect();
        let ones = vec![1.0; n];
        let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 2.0 * x - y + 3.0).collect();
        let near = |size: f64| -> Vec<f64> { (0..n).map(|i| x[i] + size * (i as f64 * 0.7).sin()).collect() };
        let independent_of = |columns: &[&[f64]]| independent(&columns.concat(), n, columns.len());
        assert_eq!(independent_of(&[&ones, &x, &y, &sum]), [0, 1, 2]);
        assert_eq!(independent_of(&[&ones, &sum, &x, &y]), [0, 1, 2]);
        assert_eq!(independent_of(&[&ones, &vec![0.0; n], &x]), [0, 2]);
        assert_eq!(independent_of(&[&ones, &x, &near(1e-6)]), [0, 1, 2]);
        assert_eq!(independent_of(&[&ones, &x, &near(1e-8)]), [0, 1]);
        assert_eq!(independent_of(&[]), [0; 0]);
    }

    #[test]
    fn the_quick_test_agrees_with_the_exact_one() {
        for seed in 0..20_u32 {
            let (rows, columns) = (30 + seed as usize, 6);
            let mut state = seed.wrapping_mul(2_654_435_761) | 1;
            let mut random = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 8) / f64::from(1 << 24) - 0.5
            };
            let mut values: Vec<f64> = (0..rows * columns).map(|_| random()).collect();
            let exact = gram_schmidt(&values, rows, columns);
            assert_eq!(exact.len(), columns);
            assert!(is_surely_full(&values, rows, columns));
            for i in 0..rows {
                values[4 * rows + i] = values[i] - 3.0 * values[2 * rows + i];
            }
            assert!(!is_surely_full(&values, rows, columns));
            assert_eq!(gram_schmidt(&values, rows, columns), [0, 1, 2, 3, 5]);
        }
    }

    #[test]
    fn more_columns_than_rows() {
        let values = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0];
        assert_eq!(independent(&values, 2, 4), [0, 1]);
    }
}
