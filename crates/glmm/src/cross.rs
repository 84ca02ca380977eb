//! The cross-products ZᵀWZ of the random-effect columns, block by block, in a fixed pattern.
//!
//! Every row of the data touches one level of each term, so ZᵀWZ has a k×k block for each level of each term and a block
//! for each pair of levels (of two terms) that meet in some row. Where each row adds to is worked out once.

use crate::matrix::Matrix;
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
            if k == 1 && is_intercept(&term.values) {
                for (&l, &w) in term.level_of_row.iter().zip(w) {
                    target[l as usize] += w;
                }
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
            if ka == 1 && kb == 1 && is_intercept(&a.values) && is_intercept(&b.values) {
                for (&block, &w) in pair.block_of_row.iter().zip(w) {
                    target[block as usize] += w;
                }
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

/// Whether the only column of a term is 1 in every row.
fn is_intercept(values: &[f64]) -> bool {
    values.iter().all(|&v| v == 1.0)
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
