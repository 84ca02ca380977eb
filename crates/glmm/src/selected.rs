//! The selected inverse: the elements of H⁻¹ in the pattern of the Cholesky factor (Takahashi, Fagan & Chin 1973), from
//! which come the leverages of the observations, the gradients of log |H| and the conditional variances.
//!
//! With H = L Lᵀ and column j of L written (L_jj; P): for Y = P L_jj⁻¹, Z_Rj = −Z_RR Y and
//! Z_jj = L_jj⁻ᵀ L_jj⁻¹ − Yᵀ Z_Rj, from the last column to the first.

use crate::cholesky::Factor;
use crate::cross::CrossPattern;
use crate::random::Layout;
use crate::runs;
use crate::sparse::{Column, Pattern};
use faer::linalg::cholesky::llt;
use faer::{MatMut, Par, dyn_stack::MemBuffer, dyn_stack::MemStack};

/// Elements of H⁻¹ in the factor's pattern: as [`Factor::values`], but diagonal blocks and the trailing block are full.
#[derive(Clone, Debug, Default)]
pub struct SelectedInverse {
    /// The values.
    pub values: Vec<f64>,
}

impl SelectedInverse {
    /// Computes the elements from a factor.
    pub fn compute(&mut self, pattern: &Pattern, factor: &Factor) {
        self.values.clear();
        self.values.resize(pattern.len, 0.0);
        invert_tail(pattern, factor, &mut self.values[pattern.tail_values..]);
        let (mut square, mut y) = (Vec::new(), Vec::new());
        for run in pattern.runs.iter().rev() {
            let p = run.columns.start;
            match run.columns.len() {
                1 => self.column(pattern, factor, p, &pattern.columns[p], &mut square, &mut y),
                count => self.run(pattern, factor, p, count, &mut square),
            }
        }
    }

    /// The columns of a run.
    fn run(&mut self, pattern: &Pattern, factor: &Factor, p: usize, count: usize, square: &mut Vec<f64>) {
        let first = &pattern.columns[p];
        let rows = pattern.rows_of(first);
        let range = first.values..first.values + count * (1 + rows.len());
        let (head, later) = self.values.split_at_mut(range.end);
        gather(later, range.end, pattern, p, rows, square);
        runs::invert(&factor.values[range.clone()], rows.len(), square, &mut head[range]);
    }

    fn column(
        &mut self,
        pattern: &Pattern,
        factor: &Factor,
        p: usize,
        column: &Column,
        square: &mut Vec<f64>,
        y: &mut Vec<f64>,
    ) {
        let k = column.size as usize;
        let rows = pattern.rows_of(column);
        let r = rows.len();
        let l = &factor.values[column.values..];
        // Y = P L_jj⁻¹, row by row: solve y L = p.
        y.clear();
        y.extend_from_slice(&factor.values[column.panel()..][..r * k]);
        for row in y.chunks_exact_mut(k) {
            for c in (0..k).rev() {
                let sum: f64 = (c + 1..k).map(|m| row[m] * l[c * k + m]).sum();
                row[c] = (row[c] - sum) / l[c * k + c];
            }
        }
        let (head, later) = self.values.split_at_mut(column.panel() + r * k);
        let offset = column.panel() + r * k;
        let (diagonal, panel) = head[column.values..].split_at_mut(k * k);
        if rows.first().is_none_or(|&first| first as usize >= pattern.tail) {
            let m = pattern.tail_size;
            let tail = &later[pattern.tail_values - offset..];
            for (i, &row) in rows.iter().enumerate() {
                let z = &tail[(row as usize - pattern.tail) * m..][..m];
                for c in 0..k {
                    let sum: f64 =
                        rows.iter().enumerate().map(|(j, &o)| z[o as usize - pattern.tail] * y[j * k + c]).sum();
                    panel[i * k + c] = -sum;
                }
            }
        } else {
            gather(later, offset, pattern, p, rows, square);
            for i in 0..r {
                for c in 0..k {
                    let sum: f64 = (0..r).map(|j| square[i * r + j] * y[j * k + c]).sum();
                    panel[i * k + c] = -sum;
                }
            }
        }
        inverse_of_block(l, k, diagonal);
        for c in 0..k {
            for d in 0..k {
                let sum: f64 = (0..r).map(|i| y[i * k + c] * panel[i * k + d]).sum();
                diagonal[d * k + c] -= sum;
            }
        }
    }

    /// The blocks of H⁻¹ that stand where ZᵀWZ has blocks, in the cross-product pattern.
    pub fn blocks(&self, layout: &Layout, cross: &CrossPattern, pattern: &Pattern, blocks: &mut [f64]) {
        let m = pattern.tail_size;
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            let target = blocks[cross.diagonal[t]..].chunks_exact_mut(k * k);
            let sources = &pattern.diagonal_targets[pattern.first_node[t]..pattern.first_node[t + 1]];
            for (block, source) in target.zip(sources) {
                let stride = if source.dense() { m } else { k };
                for c in 0..k {
                    block[c * k..(c + 1) * k].copy_from_slice(&self.values[source.place() + c * stride..][..k]);
                }
            }
        }
        for (pair, sources) in cross.pairs.iter().zip(&pattern.pair_targets) {
            let (ka, kb) = (layout.terms[pair.t].columns.len(), layout.terms[pair.s].columns.len());
            let target = blocks[pair.start..].chunks_exact_mut(ka * kb);
            for (block, source) in target.zip(sources) {
                let column_size = if source.turned() { ka } else { kb };
                let (row_step, column_step) = if source.dense() { (1, m) } else { (column_size, 1) };
                for c in 0..kb {
                    for r in 0..ka {
                        let (row, column) = if source.turned() { (c, r) } else { (r, c) };
                        block[c * ka + r] = self.values[source.place() + row * row_step + column * column_step];
                    }
                }
            }
        }
    }
}

/// The full inverse of the trailing block.
fn invert_tail(pattern: &Pattern, factor: &Factor, inverse: &mut [f64]) {
    let m = pattern.tail_size;
    if m == 0 {
        return;
    }
    let mut memory = MemBuffer::new(llt::inverse::inverse_scratch::<f64>(m, Par::Seq));
    let out = MatMut::from_column_major_slice_mut(inverse, m, m);
    llt::inverse::inverse(out, factor.tail(pattern), Par::Seq, MemStack::new(&mut memory));
    for c in 0..m {
        for r in c + 1..m {
            inverse[r * m + c] = inverse[c * m + r];
        }
    }
}

/// L⁻ᵀ L⁻¹ of a small lower factor, column after column.
fn inverse_of_block(l: &[f64], k: usize, inverse: &mut [f64]) {
    for c in 0..k {
        let x = &mut inverse[c * k..(c + 1) * k];
        x.fill(0.0);
        x[c] = 1.0;
        for i in 0..k {
            let sum: f64 = (0..i).map(|m| l[m * k + i] * x[m]).sum();
            x[i] = (x[i] - sum) / l[i * k + i];
        }
        for i in (0..k).rev() {
            let sum: f64 = (i + 1..k).map(|m| l[i * k + m] * x[m]).sum();
            x[i] = (x[i] - sum) / l[i * k + i];
        }
    }
}

/// The square of H⁻¹ on a column's rows, from the later columns. `later` holds the values from `offset` on.
fn gather(later: &[f64], offset: usize, pattern: &Pattern, p: usize, rows: &[u32], square: &mut Vec<f64>) {
    let r = rows.len();
    square.clear();
    square.resize(r * r, 0.0);
    let mut j = 0;
    let mut next = p + 1;
    while j < r && (rows[j] as usize) < pattern.tail {
        next += pattern.columns[next..].partition_point(|c| c.first < rows[j]);
        let source = &pattern.columns[next];
        let size = source.size as usize;
        for c in 0..size {
            for d in 0..size {
                square[(j + c) * r + j + d] = later[source.values - offset + c * size + d];
            }
        }
        let source_rows = pattern.rows_of(source);
        let mut at = 0;
        for i in j + size..r {
            while source_rows[at] != rows[i] {
                at += 1;
            }
            for c in 0..size {
                let value = later[source.panel() - offset + at * size + c];
                square[i * r + j + c] = value;
                square[(j + c) * r + i] = value;
            }
        }
        j += size;
    }
    let (m, tail) = (pattern.tail_size, &later[pattern.tail_values - offset..]);
    for a in j..r {
        for b in j..r {
            square[a * r + b] = tail[(rows[a] as usize - pattern.tail) * m + rows[b] as usize - pattern.tail];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross::Weights;
    use crate::design::{Covariance, RandomTerm};
    use crate::matrix::Matrix;

    /// Terms with `columns` columns and levels given by a rule.
    fn term(n: usize, levels: usize, columns: usize, level: impl Fn(usize) -> usize) -> RandomTerm {
        RandomTerm {
            group: "g".into(),
            levels: (0..levels).map(|l| l.to_string()).collect(),
            level_of_row: (0..n).map(|i| level(i) as u32).collect(),
            columns: (0..columns).map(|c| c.to_string()).collect(),
            values: (0..n * columns).map(|e| if e < n { 1.0 } else { ((e * 31) % 17) as f64 / 8.0 - 1.0 }).collect(),
            covariance: Covariance::Unstructured,
        }
    }

    fn designs() -> Vec<Vec<RandomTerm>> {
        let n = 120;
        vec![
            vec![term(n, 30, 1, |i| i / 4), term(n, 5, 1, |i| i % 5)],
            vec![term(n, 6, 2, |i| i / 20), term(n, 60, 1, |i| i / 2), term(n, 4, 3, |i| (i * 7 + i / 9) % 4)],
            vec![term(n, 120, 1, |i| i), term(n, 40, 1, |i| i / 3), term(n, 13, 2, |i| i / 10)],
            vec![term(n, 29, 1, |i| (i * i + 3) % 29), term(n, 31, 2, |i| (i * 5 + i / 31) % 31)],
            vec![term(n, 12, 1, |i| i / 10)],
            // Chains: every level of the first factor meets two of the second, which makes long sparse columns.
            vec![term(n, 60, 1, |i| i / 2), term(n, 61, 2, |i| i / 2 + i % 2)],
        ]
    }

    #[test]
    fn sparse_factor_solve_and_inverse_agree_with_dense_ones() {
        for (case, terms) in designs().into_iter().enumerate() {
            let n = 120;
            let mut layout = Layout::empty();
            terms.iter().for_each(|t| layout.push(0, t));
            let theta: Vec<f64> = (0..layout.parameters()).map(|m| 0.9 - 0.17 * m as f64).collect();
            let factors = layout.factors(&theta);
            let q = layout.effects();
            let w: Vec<f64> = (0..n).map(|i| 0.1 + (i % 7) as f64 / 5.0).collect();

            // The dense form: ZΛ row by row.
            let mut dense = Matrix::identity(q);
            for i in 0..n {
                let mut z = vec![0.0; q];
                for (t, term) in terms.iter().enumerate() {
                    let k = term.columns.len();
                    for c in 0..k {
                        z[layout.first[t] + term.level_of_row[i] as usize * k + c] = term.values[c * n + i];
                    }
                }
                let z = layout.apply(&factors, &z, true);
                for b in 0..q {
                    for a in 0..q {
                        dense[(a, b)] += w[i] * z[a] * z[b];
                    }
                }
            }
            let dense_factor = dense.cholesky().unwrap();
            let dense_inverse = dense_factor.cholesky_inverse();

            let cross = CrossPattern::new(&layout, n);
            let pattern = Pattern::new(&layout, &cross);
            let mut blocks = vec![0.0; cross.len];
            let weights = Weights { by_pair: [w, vec![], vec![]] };
            cross.assemble(&layout, &weights, &mut blocks);
            cross.conjugate(&layout, &factors, &mut blocks, true);
            let mut factor = Factor::default();
            assert!(factor.factorise(&layout, &cross, &pattern, &blocks));
            let difference = factor.log_determinant(&pattern) - dense_factor.cholesky_log_determinant();
            assert!(difference.abs() < 1e-9, "case {case}: {difference}");

            let b: Vec<f64> = (0..q).map(|i| (i as f64 * 0.7).sin()).collect();
            let mut x = pattern.permute(&layout, &b);
            factor.solve(&pattern, &mut x);
            let x = pattern.permute_back(&layout, &x);
            let expected = dense_factor.cholesky_solve(&b);
            assert!(x.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-10), "case {case}");

            let mut inverse = SelectedInverse::default();
            inverse.compute(&pattern, &factor);
            inverse.blocks(&layout, &cross, &pattern, &mut blocks);
            for (t, term) in terms.iter().enumerate() {
                let k = term.columns.len();
                for l in 0..term.levels.len() {
                    for e in 0..k * k {
                        let (r, c) = (layout.first[t] + l * k + e % k, layout.first[t] + l * k + e / k);
                        let found = blocks[cross.diagonal[t] + l * k * k + e];
                        assert!((found - dense_inverse[(r, c)]).abs() < 1e-10, "case {case} term {t} level {l}");
                    }
                }
            }
            for pair in &cross.pairs {
                let (ka, kb) = (terms[pair.t].columns.len(), terms[pair.s].columns.len());
                for (j, &(l, m)) in pair.levels.iter().enumerate() {
                    for e in 0..ka * kb {
                        let r = layout.first[pair.t] + l as usize * ka + e % ka;
                        let c = layout.first[pair.s] + m as usize * kb + e / ka;
                        let found = blocks[pair.start + j * ka * kb + e];
                        assert!((found - dense_inverse[(r, c)]).abs() < 1e-10, "case {case} pair {j}");
                    }
                }
            }
        }
    }
}
