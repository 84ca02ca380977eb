//! Runs: scalar columns of the factor that have the same rows. The levels of the largest factor mostly come in such runs
//! (images of one procedure, seen by the same algorithms); what they do to the later columns is then summed up in a small
//! square and carried over once.
//!
//! A run's columns stand one after the other, each with its diagonal element l and below it its r panel elements.

use multiversion::multiversion;

/// Columns that are worked on at once.
const AT_ONCE: usize = 4;

/// Factorises the columns of a run and adds P Pᵀ of their panels (lower triangle, column after column) to `outer`.
/// False where a pivot is not above zero.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn factorise(columns: &mut [f64], r: usize, outer: &mut [f64]) -> bool {
    for column in columns.chunks_exact_mut(1 + r) {
        // A comparison that NaN fails too.
        if !(column[0] > 0.0 && column[0].is_finite()) {
            return false;
        }
        column[0] = column[0].sqrt();
        let inverse = 1.0 / column[0];
        column[1..].iter_mut().for_each(|v| *v *= inverse);
    }
    let mut groups = columns.chunks_exact(AT_ONCE * (1 + r));
    for group in groups.by_ref() {
        let panel = |g: usize| &group[g * (1 + r) + 1..][..r];
        let (a, b, c, d) = (panel(0), panel(1), panel(2), panel(3));
        for j in 0..r {
            let target = &mut outer[j * r + j..(j + 1) * r];
            let rows = target.iter_mut().zip(&a[j..]).zip(&b[j..]).zip(&c[j..]).zip(&d[j..]);
            for ((((t, x), y), z), w) in rows {
                *t += (x * a[j] + y * b[j]) + (z * c[j] + w * d[j]);
            }
        }
    }
    for column in groups.remainder().chunks_exact(1 + r) {
        let a = &column[1..];
        for j in 0..r {
            outer[j * r + j..(j + 1) * r].iter_mut().zip(&a[j..]).for_each(|(t, x)| *t += x * a[j]);
        }
    }
    true
}

/// The elements of H⁻¹ in the columns of a run from those of the factor and from `square`, H⁻¹ on the run's rows.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn invert(columns: &[f64], r: usize, square: &[f64], inverse: &mut [f64]) {
    for (column, inverse) in columns.chunks_exact(1 + r).zip(inverse.chunks_exact_mut(1 + r)) {
        let pivot = 1.0 / column[0];
        let (diagonal, panel) = inverse.split_at_mut(1);
        panel.fill(0.0);
        for (l, z) in column[1..].iter().zip(square.chunks_exact(r.max(1))) {
            let y = l * pivot;
            panel.iter_mut().zip(z).for_each(|(p, z)| *p -= z * y);
        }
        let sum: f64 = column[1..].iter().zip(&*panel).map(|(l, p)| l * p).sum();
        diagonal[0] = pivot * pivot - pivot * sum;
    }
}

/// L⁻¹ x of a run's own unknowns in place; adds what their panels take from the later ones to `taken`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn forward(columns: &[f64], r: usize, x: &mut [f64], taken: &mut [f64]) {
    for (column, x) in columns.chunks_exact(1 + r).zip(x) {
        *x /= column[0];
        let x = *x;
        taken.iter_mut().zip(&column[1..]).for_each(|(t, l)| *t += l * x);
    }
}

/// L⁻ᵀ x of a run's own unknowns in place, from the `later` ones on the run's rows.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn backward(columns: &[f64], r: usize, x: &mut [f64], later: &[f64]) {
    for (column, x) in columns.chunks_exact(1 + r).zip(x) {
        let sum: f64 = column[1..].iter().zip(later).map(|(l, v)| l * v).sum();
        *x = (*x - sum) / column[0];
    }
}
