//! Leverages of the observations: the elements of ZΛH⁻¹ΛᵀZᵀ that belong to one row, from the selected inverse.

use super::model::Model;
use crate::design::RandomTerm;

/// z_aᵀ V z_b for each row and pair of predictors (indexed by their sum), where `v` holds the blocks of V = ΛH⁻¹Λᵀ in the
/// cross-product pattern.
pub fn leverages(model: &Model, v: &[f64]) -> [Vec<f64>; 3] {
    let n = model.rows();
    let two = model.bases.len() == 2;
    let empty = |used: bool| vec![0.0; if used { n } else { 0 }];
    let mut sums = [empty(true), empty(two), empty(two)];
    let layout = &model.layout;
    for (t, term) in layout.terms.iter().enumerate() {
        let k = term.columns.len();
        let target = &mut sums[2 * layout.predictor[t]];
        let blocks = &v[model.cross.diagonal[t]..];
        if layout.intercept[t] {
            target.iter_mut().zip(&term.level_of_row).for_each(|(target, &l)| *target += blocks[l as usize]);
            continue;
        }
        add_forms(target, term, term, &term.level_of_row, &blocks[..term.levels.len() * k * k], 1.0);
    }
    for pair in &model.cross.pairs {
        let (a, b) = (layout.terms[pair.t], layout.terms[pair.s]);
        let (p, q) = (layout.predictor[pair.t], layout.predictor[pair.s]);
        let blocks = &v[pair.start..][..pair.levels.len() * a.columns.len() * b.columns.len()];
        let times = if p == q { 2.0 } else { 1.0 };
        if layout.intercept[pair.t] && layout.intercept[pair.s] {
            let rows = sums[p + q].iter_mut().zip(&pair.block_of_row);
            rows.for_each(|(target, &block)| *target += times * blocks[block as usize]);
            continue;
        }
        add_forms(&mut sums[p + q], a, b, &pair.block_of_row, blocks, times);
    }
    sums
}

/// Adds `times · z_aᵀ B z_b` with each row's block B.
fn add_forms(target: &mut [f64], a: &RandomTerm, b: &RandomTerm, block_of_row: &[u32], blocks: &[f64], times: f64) {
    let (ka, kb, n) = (a.columns.len(), b.columns.len(), target.len());
    if ka == 1 && kb == 1 {
        for (((target, &block), x), y) in target.iter_mut().zip(block_of_row).zip(&a.values).zip(&b.values) {
            *target += times * x * y * blocks[block as usize];
        }
        return;
    }
    for (i, target) in target.iter_mut().enumerate() {
        let block = &blocks[block_of_row[i] as usize * ka * kb..][..ka * kb];
        let mut sum = 0.0;
        for c in 0..kb {
            let z = b.values[c * n + i];
            for r in 0..ka {
                sum += block[c * ka + r] * a.values[r * n + i] * z;
            }
        }
        *target += times * sum;
    }
}
