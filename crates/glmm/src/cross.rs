//! The cross-products ZᵀWZ of the random-effect columns, block by block, in a fixed pattern.
//!
//! Every row of the data touches one level of each term, so ZᵀWZ has a k×k block for each level of each term and a block
//! for each pair of levels (of two terms) that meet in some row. Where each row adds to is worked out once.

use crate::fit::BetweenTerms;
use crate::matrix::{Matrix, add_by_level};
use crate::random::Layout;

/// Where the blocks of ZᵀWZ stand in one array of values; every block column after column.
#[derive(Clone, Debug)]
pub struct CrossPattern {
    /// For each term the place of its first diagonal block (k² values for each level).
    pub diagonal: Vec<usize>,
    /// The pairs of different terms.
    pub pairs: Vec<Pair>,
    /// Number of values.
    pub len: usize,
}

/// The blocks of two terms `t < s`.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The term of the blocks' rows.
    pub t: usize,
    /// The term of the blocks' columns.
    pub s: usize,
    /// Place of the first block.
    pub start: usize,
    /// The levels that meet, sorted.
    pub levels: Vec<(u32, u32)>,
    /// For each row of the data the index of its block.
    pub block_of_row: Vec<u32>,
}

/// Weights of the rows: minus the second derivatives of the log-density in the two predictors.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Mean with mean, mean with zero part, zero part with zero part; the last two are empty with one predictor.
    pub by_pair: [Vec<f64>; 3],
}

impl Weights {
    /// The weights between two predictors (empty: zero everywhere).
    pub fn between(&self, a: usize, b: usize) -> &[f64] {
        &self.by_pair[a + b]
    }
}

impl CrossPattern {
    /// The pattern of a layout of `rows` observations.
    pub fn new(layout: &Layout, rows: usize) -> Self {
        let mut len = 0;
        let mut diagonal = Vec::new();
        for term in &layout.terms {
            diagonal.push(len);
            len += term.levels.len() * term.columns.len().pow(2);
        }
        let mut pairs = Vec::new();
        for s in 0..layout.terms.len() {
            for t in 0..s {
                let (a, b) = (layout.terms[t], layout.terms[s]);
                let (levels, block_of_row) =
                    meetings(&a.level_of_row, &b.level_of_row, a.levels.len(), b.levels.len(), rows);
                let pair = Pair { t, s, start: len, levels, block_of_row };
                len += pair.levels.len() * a.columns.len() * b.columns.len();
                pairs.push(pair);
            }
        }
        CrossPattern { diagonal, pairs, len }
    }

    /// ZᵀWZ into `values`.
    pub fn assemble(&self, layout: &Layout, weights: &Weights, values: &mut [f64]) {
        values.fill(0.0);
        for (t, term) in layout.terms.iter().enumerate() {
            let p = layout.predictor[t];
            let w = weights.between(p, p);
            let k = term.columns.len();
            let target = &mut values[self.diagonal[t]..][..term.levels.len() * k * k];
            if layout.intercept[t] {
                add_by_level(target, &term.level_of_row, w.iter().copied());
                continue;
            }
            let n = w.len();
            for i in 0..n {
                let block = &mut target[term.level_of_row[i] as usize * k * k..][..k * k];
                for b in 0..k {
                    let wz = w[i] * term.values[b * n + i];
                    for a in b..k {
                        block[b * k + a] += wz * term.values[a * n + i];
                    }
                }
            }
            for block in target.chunks_exact_mut(k * k) {
                for b in 0..k {
                    for a in b + 1..k {
                        block[a * k + b] = block[b * k + a];
                    }
                }
            }
        }
        for pair in &self.pairs {
            let w = weights.between(layout.predictor[pair.t], layout.predictor[pair.s]);
            let (a, b) = (layout.terms[pair.t], layout.terms[pair.s]);
            let (ka, kb) = (a.columns.len(), b.columns.len());
            let target = &mut values[pair.start..][..pair.levels.len() * ka * kb];
            if layout.intercept[pair.t] && layout.intercept[pair.s] {
                add_by_level(target, &pair.block_of_row, w.iter().copied());
                continue;
            }
            let n = w.len();
            for i in 0..n {
                let block = &mut target[pair.block_of_row[i] as usize * ka * kb..][..ka * kb];
                for c in 0..kb {
                    let wz = w[i] * b.values[c * n + i];
                    for r in 0..ka {
                        block[c * ka + r] += wz * a.values[r * n + i];
                    }
                }
            }
        }
    }

    /// Replaces blocks A by Λ A Λᵀ (`transposed`: Λᵀ A Λ), each side with the factor of its own term.
    pub fn conjugate(&self, layout: &Layout, factors: &[Matrix], values: &mut [f64], transposed: bool) {
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            let blocks = &mut values[self.diagonal[t]..][..term.levels.len() * k * k];
            conjugate_blocks(blocks, &factors[t], &factors[t], transposed);
        }
        for pair in &self.pairs {
            let (a, b) = (&factors[pair.t], &factors[pair.s]);
            let blocks = &mut values[pair.start..][..pair.levels.len() * a.rows * b.rows];
            conjugate_blocks(blocks, a, b, transposed);
        }
    }
}

fn conjugate_blocks(blocks: &mut [f64], a: &Matrix, b: &Matrix, transposed: bool) {
    let (ka, kb) = (a.rows, b.rows);
    if ka == 1 && kb == 1 {
        let factor = a.values[0] * b.values[0];
        blocks.iter_mut().for_each(|v| *v *= factor);
        return;
    }
    let mut half = vec![0.0; ka * kb];
    for block in blocks.chunks_exact_mut(ka * kb) {
        for c in 0..kb {
            for r in 0..ka {
                half[c * ka + r] = if transposed {
                    (r..ka).map(|m| a[(m, r)] * block[c * ka + m]).sum()
                } else {
                    (0..=r).map(|m| a[(r, m)] * block[c * ka + m]).sum()
                };
            }
        }
        for c in 0..kb {
            for r in 0..ka {
                block[c * ka + r] = if transposed {
                    (c..kb).map(|m| half[m * ka + r] * b[(m, c)]).sum()
                } else {
                    (0..=c).map(|m| half[m * ka + r] * b[(c, m)]).sum()
                };
            }
        }
    }
}

/// The pairs of levels that occur, sorted, and each row's index into them.
fn meetings(a: &[u32], b: &[u32], a_levels: usize, b_levels: usize, rows: usize) -> (Vec<(u32, u32)>, Vec<u32>) {
    // Rows sorted by their level of `a` by counting; then within each level the levels of `b` are marked.
    let mut first = vec![0usize; a_levels + 1];
    for &l in a {
        first[l as usize + 1] += 1;
    }
    for l in 0..a_levels {
        first[l + 1] += first[l];
    }
    let mut next = first.clone();
    let mut sorted = vec![0u32; rows];
    for (i, &l) in a.iter().enumerate() {
        sorted[next[l as usize]] = i as u32;
        next[l as usize] += 1;
    }
    let mut block_of_level = vec![u32::MAX; b_levels];
    let mut levels = Vec::new();
    let mut block_of_row = vec![0u32; rows];
    let mut here: Vec<u32> = Vec::new();
    for l in 0..a_levels {
        let members = &sorted[first[l]..first[l + 1]];
        here.clear();
        for &i in members {
            let m = b[i as usize];
            if block_of_level[m as usize] == u32::MAX {
                block_of_level[m as usize] = 0;
                here.push(m);
            }
        }
        here.sort_unstable();
        for &m in &here {
            block_of_level[m as usize] = levels.len() as u32;
            levels.push((l as u32, m));
        }
        for &i in members {
            block_of_row[i as usize] = block_of_level[b[i as usize] as usize];
        }
        for &m in &here {
            block_of_level[m as usize] = u32::MAX;
        }
    }
    (levels, block_of_row)
}

impl CrossPattern {
    /// The product of ZᵀWZ (its `blocks`) with a vector.
    pub fn times(&self, layout: &Layout, blocks: &[f64], x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            for (l, block) in blocks[self.diagonal[t]..].chunks_exact(k * k).take(term.levels.len()).enumerate() {
                let e = layout.first[t] + l * k;
                for c in 0..k {
                    for r in 0..k {
                        y[e + r] += block[c * k + r] * x[e + c];
                    }
                }
            }
        }
        for pair in &self.pairs {
            let (ka, kb) = (layout.terms[pair.t].columns.len(), layout.terms[pair.s].columns.len());
            for (block, &(l, m)) in blocks[pair.start..].chunks_exact(ka * kb).zip(&pair.levels) {
                let (a, b) = (layout.first[pair.t] + l as usize * ka, layout.first[pair.s] + m as usize * kb);
                for c in 0..kb {
                    for r in 0..ka {
                        y[a + r] += block[c * ka + r] * x[b + c];
                        y[b + c] += block[c * ka + r] * x[a + r];
                    }
                }
            }
        }
        y
    }

    /// For each term the sum over its levels of the diagonal blocks of C Λ H⁻¹, with C = ZᵀWZ (`c`) and the selected
    /// blocks of H⁻¹ (`h`): half the derivative of log |ΛᵀCΛ + I| in the elements of Λ.
    pub fn product_with_inverse(&self, layout: &Layout, factors: &[Matrix], c: &[f64], h: &[f64]) -> Vec<Matrix> {
        let mut sums: Vec<Matrix> = factors.iter().map(|f| Matrix::zeros(f.rows, f.rows)).collect();
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            let range = self.diagonal[t]..self.diagonal[t] + term.levels.len() * k * k;
            let mut lambda_h = vec![0.0; k * k];
            for (c, h) in c[range.clone()].chunks_exact(k * k).zip(h[range].chunks_exact(k * k)) {
                lower_times(&factors[t], h, k, &mut lambda_h);
                add_product(&mut sums[t].values, c, &lambda_h, k, k, k);
            }
        }
        for pair in &self.pairs {
            let (ka, kb) = (factors[pair.t].rows, factors[pair.s].rows);
            let range = pair.start..pair.start + pair.levels.len() * ka * kb;
            if ka == 1 && kb == 1 {
                let sum: f64 = c[range.clone()].iter().zip(&h[range]).map(|(c, h)| c * h).sum();
                sums[pair.t].values[0] += sum * factors[pair.s].values[0];
                sums[pair.s].values[0] += sum * factors[pair.t].values[0];
                continue;
            }
            let (mut turned, mut left, mut right) = (vec![0.0; ka * kb], vec![0.0; ka * kb], vec![0.0; ka * kb]);
            for (c, h) in c[range.clone()].chunks_exact(ka * kb).zip(h[range].chunks_exact(ka * kb)) {
                // Term t: C_ts Λ_s H_st.
                for j in 0..kb {
                    for i in 0..ka {
                        turned[i * kb + j] = h[j * ka + i];
                    }
                }
                lower_times(&factors[pair.s], &turned, ka, &mut right);
                add_product(&mut sums[pair.t].values, c, &right, ka, kb, ka);
                // Term s: C_st Λ_t H_ts.
                lower_times(&factors[pair.t], h, kb, &mut left);
                for j in 0..kb {
                    for i in 0..ka {
                        turned[i * kb + j] = c[j * ka + i];
                    }
                }
                add_product(&mut sums[pair.s].values, &turned, &left, kb, ka, kb);
            }
        }
        sums
    }

    /// The blocks between terms of one predictor with the same grouping factor: those of one level of both.
    pub fn between_terms(&self, layout: &Layout, blocks: &[f64]) -> Vec<BetweenTerms> {
        let of_pair = |pair: &Pair| {
            let (a, b) = (layout.terms[pair.t], layout.terms[pair.s]);
            let one = layout.predictor[pair.t] == layout.predictor[pair.s] && a.group == b.group;
            if !(one && a.level_of_row == b.level_of_row && a.levels == b.levels) {
                return None;
            }
            // Each level meets itself alone, in order.
            let (rows, columns) = (a.columns.len(), b.columns.len());
            let blocks = blocks[pair.start..].chunks_exact(rows * columns).take(pair.levels.len());
            let conditional = blocks.map(|b| Matrix { rows, columns, values: b.to_vec() }).collect();
            Some(BetweenTerms { terms: (pair.t, pair.s), conditional })
        };
        self.pairs.iter().filter_map(of_pair).collect()
    }

    /// The diagonal blocks, term by term, level by level.
    pub fn diagonal_blocks(&self, layout: &Layout, blocks: &[f64]) -> Vec<Vec<Matrix>> {
        let of_term = |(t, term): (usize, &&crate::design::RandomTerm)| {
            let k = term.columns.len();
            let blocks = blocks[self.diagonal[t]..].chunks_exact(k * k).take(term.levels.len());
            blocks.map(|b| Matrix { rows: k, columns: k, values: b.to_vec() }).collect()
        };
        layout.terms.iter().enumerate().map(of_term).collect()
    }
}

/// Λ B for a lower triangular Λ and B with `columns` columns.
fn lower_times(lambda: &Matrix, b: &[f64], columns: usize, product: &mut [f64]) {
    let k = lambda.rows;
    for c in 0..columns {
        for r in 0..k {
            product[c * k + r] = (0..=r).map(|m| lambda[(r, m)] * b[c * k + m]).sum();
        }
    }
}

/// `target += A B` with A of m × n, B of n × p.
fn add_product(target: &mut [f64], a: &[f64], b: &[f64], m: usize, n: usize, p: usize) {
    for c in 0..p {
        for j in 0..n {
            let factor = b[c * n + j];
            for r in 0..m {
                target[c * m + r] += a[j * m + r] * factor;
            }
        }
    }
}
