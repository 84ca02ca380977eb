//! The Cholesky factor of H = Λᵀ Zᵀ W Z Λ + I in the pattern of [`sparse`](crate::sparse): factor, solve, log-determinant.

use crate::cross::CrossPattern;
use crate::random::Layout;
use crate::runs;
use crate::sparse::{Column, Pattern};
use faer::linalg::cholesky::llt;
use faer::{MatMut, MatRef, Par, dyn_stack::MemBuffer, dyn_stack::MemStack};

/// A lower factor L with L Lᵀ = H, unknowns in order of elimination.
#[derive(Clone, Debug, Default)]
pub struct Factor {
    /// The values: for each sparse column its diagonal block and its panel, then the dense trailing block.
    pub values: Vec<f64>,
}

impl Factor {
    /// Factorises C + I, where `blocks` holds C = Λᵀ Zᵀ W Z Λ in its cross-product pattern. False where C + I is not
    /// positive definite; the factor is then of no use.
    pub fn factorise(&mut self, layout: &Layout, cross: &CrossPattern, pattern: &Pattern, blocks: &[f64]) -> bool {
        self.values.clear();
        self.values.resize(pattern.len, 0.0);
        self.scatter(layout, cross, pattern, blocks);
        let mut scratch = Vec::new();
        for run in &pattern.runs {
            let p = run.columns.start;
            let done = match run.columns.len() {
                1 => self.eliminate(pattern, p, &pattern.columns[p]),
                count => self.eliminate_run(pattern, p, count, &mut scratch),
            };
            if !done {
                return false;
            }
        }
        self.factorise_tail(pattern)
    }

    fn scatter(&mut self, layout: &Layout, cross: &CrossPattern, pattern: &Pattern, blocks: &[f64]) {
        let m = pattern.tail_size;
        let values = &mut self.values;
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            let source = blocks[cross.diagonal[t]..].chunks_exact(k * k);
            let targets = &pattern.diagonal_targets[pattern.first_node[t]..pattern.first_node[t + 1]];
            for (block, target) in source.zip(targets) {
                let stride = if target.dense() { m } else { k };
                for c in 0..k {
                    let column = &mut values[target.place() + c * stride..][..k];
                    column[c] = block[c * k + c] + 1.0;
                    column[c + 1..].copy_from_slice(&block[c * k + c + 1..(c + 1) * k]);
                }
            }
        }
        for (pair, targets) in cross.pairs.iter().zip(&pattern.pair_targets) {
            let (ka, kb) = (layout.terms[pair.t].columns.len(), layout.terms[pair.s].columns.len());
            let source = blocks[pair.start..].chunks_exact(ka * kb);
            for (block, target) in source.zip(targets) {
                // The block is ka × kb; turned, its rows are the factor's columns.
                let column_size = if target.turned() { ka } else { kb };
                let (row_step, column_step) = if target.dense() { (1, m) } else { (column_size, 1) };
                for c in 0..kb {
                    for r in 0..ka {
                        let (row, column) = if target.turned() { (c, r) } else { (r, c) };
                        values[target.place() + row * row_step + column * column_step] = block[c * ka + r];
                    }
                }
            }
        }
    }

    /// Factorises one node and takes its outer product from the later ones.
    fn eliminate(&mut self, pattern: &Pattern, p: usize, column: &Column) -> bool {
        let k = column.size as usize;
        let rows = pattern.rows_of(column);
        if !small_cholesky(&mut self.values[column.values..][..k * k], k) {
            return false;
        }
        let (head, rest) = self.values.split_at_mut(column.panel());
        let l = &head[column.values..];
        let (panel, later) = rest.split_at_mut(rows.len() * k);
        for row in panel.chunks_exact_mut(k) {
            for c in 0..k {
                let sum: f64 = (0..c).map(|m| row[m] * l[m * k + c]).sum();
                row[c] = (row[c] - sum) / l[c * k + c];
            }
        }
        let offset = column.panel() + rows.len() * k;
        let dense_from = rows.partition_point(|&r| (r as usize) < pattern.tail);
        update_tail(
            &mut later[pattern.tail_values - offset..],
            pattern,
            &rows[dense_from..],
            &panel[dense_from * k..],
            k,
        );
        update_columns(later, offset, pattern, p, rows, dense_from, |i, j| {
            panel[i * k..(i + 1) * k].iter().zip(&panel[j * k..]).map(|(a, b)| a * b).sum()
        });
        true
    }

    /// Factorises the `count` columns of a run and takes their outer products from the later ones.
    fn eliminate_run(&mut self, pattern: &Pattern, p: usize, count: usize, outer: &mut Vec<f64>) -> bool {
        let first = &pattern.columns[p];
        let rows = pattern.rows_of(first);
        let r = rows.len();
        outer.clear();
        outer.resize(r * r, 0.0);
        let offset = first.values + count * (1 + r);
        let (head, later) = self.values.split_at_mut(offset);
        if !runs::factorise(&mut head[first.values..], r, outer) {
            return false;
        }
        let dense_from = rows.partition_point(|&row| (row as usize) < pattern.tail);
        let (m, start) = (pattern.tail_size, pattern.tail);
        let tail = &mut later[pattern.tail_values - offset..];
        for (j, &row) in rows.iter().enumerate().skip(dense_from) {
            let column = &mut tail[(row as usize - start) * m..][..m];
            for (&other, sum) in rows[j..].iter().zip(&outer[j * r + j..]) {
                column[other as usize - start] -= sum;
            }
        }
        update_columns(later, offset, pattern, p, rows, dense_from, |i, j| outer[j * r + i]);
        true
    }

    fn factorise_tail(&mut self, pattern: &Pattern) -> bool {
        let m = pattern.tail_size;
        let tail = &mut self.values[pattern.tail_values..];
        if m <= 64 {
            return small_cholesky(tail, m);
        }
        let matrix = MatMut::from_column_major_slice_mut(tail, m, m);
        let mut memory = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(m, Par::Seq, Default::default()));
        let stack = MemStack::new(&mut memory);
        llt::factor::cholesky_in_place(matrix, Default::default(), Par::Seq, stack, Default::default()).is_ok()
    }

    /// log |H|.
    pub fn log_determinant(&self, pattern: &Pattern) -> f64 {
        let mut sum = 0.0;
        for column in &pattern.columns {
            let k = column.size as usize;
            sum += (0..k).map(|i| self.values[column.values + i * (k + 1)].ln()).sum::<f64>();
        }
        let m = pattern.tail_size;
        sum += (0..m).map(|i| self.values[pattern.tail_values + i * (m + 1)].ln()).sum::<f64>();
        2.0 * sum
    }

    /// L⁻¹ b in place, for b in order of elimination.
    pub fn forward(&self, pattern: &Pattern, b: &mut [f64]) {
        let mut dense = Vec::new();
        for run in &pattern.runs {
            let column = &pattern.columns[run.columns.start];
            if run.columns.len() > 1 {
                self.forward_run(pattern, column, run.columns.len(), b, &mut dense);
                continue;
            }
            let k = column.size as usize;
            let l = &self.values[column.values..];
            let (head, later) = b.split_at_mut(column.first as usize + k);
            let x = &mut head[column.first as usize..];
            for c in 0..k {
                let sum: f64 = (0..c).map(|m| l[m * k + c] * x[m]).sum();
                x[c] = (x[c] - sum) / l[c * k + c];
            }
            let panel = &self.values[column.panel()..];
            let base = column.first as usize + k;
            if k == 1 {
                for (&row, l) in pattern.rows_of(column).iter().zip(panel) {
                    later[row as usize - base] -= l * x[0];
                }
            } else {
                for (&row, l) in pattern.rows_of(column).iter().zip(panel.chunks_exact(k)) {
                    later[row as usize - base] -= l.iter().zip(&*x).map(|(l, x)| l * x).sum::<f64>();
                }
            }
        }
        let m = pattern.tail_size;
        let (l, x) = (&self.values[pattern.tail_values..], &mut b[pattern.tail..]);
        for c in 0..m {
            let (head, rest) = x.split_at_mut(c + 1);
            head[c] /= l[c * m + c];
            for (x, l) in rest.iter_mut().zip(&l[c * m + c + 1..(c + 1) * m]) {
                *x -= l * head[c];
            }
        }
    }

    /// L⁻ᵀ b in place, for b in order of elimination.
    pub fn backward(&self, pattern: &Pattern, b: &mut [f64]) {
        let m = pattern.tail_size;
        let (l, x) = (&self.values[pattern.tail_values..], &mut b[pattern.tail..]);
        for c in (0..m).rev() {
            let (head, rest) = x.split_at_mut(c + 1);
            let sum = crate::matrix::dot(rest, &l[c * m + c + 1..(c + 1) * m]);
            head[c] = (head[c] - sum) / l[c * m + c];
        }
        let mut dense = Vec::new();
        for run in pattern.runs.iter().rev() {
            let column = &pattern.columns[run.columns.start];
            if run.columns.len() > 1 {
                self.backward_run(pattern, column, run.columns.len(), b, &mut dense);
                continue;
            }
            let k = column.size as usize;
            let first = column.first as usize;
            let panel = &self.values[column.panel()..];
            for (i, &row) in pattern.rows_of(column).iter().enumerate() {
                let value = b[row as usize];
                for c in 0..k {
                    b[first + c] -= panel[i * k + c] * value;
                }
            }
            let l = &self.values[column.values..];
            for c in (0..k).rev() {
                let sum: f64 = (c + 1..k).map(|m| l[c * k + m] * b[first + m]).sum();
                b[first + c] = (b[first + c] - sum) / l[c * k + c];
            }
        }
    }

    fn forward_run(&self, pattern: &Pattern, first: &Column, count: usize, b: &mut [f64], taken: &mut Vec<f64>) {
        let rows = pattern.rows_of(first);
        let r = rows.len();
        taken.clear();
        taken.resize(r, 0.0);
        let columns = &self.values[first.values..][..count * (1 + r)];
        runs::forward(columns, r, &mut b[first.first as usize..][..count], taken);
        rows.iter().zip(&*taken).for_each(|(&row, t)| b[row as usize] -= t);
    }

    fn backward_run(&self, pattern: &Pattern, first: &Column, count: usize, b: &mut [f64], later: &mut Vec<f64>) {
        let rows = pattern.rows_of(first);
        let r = rows.len();
        later.clear();
        later.extend(rows.iter().map(|&row| b[row as usize]));
        let columns = &self.values[first.values..][..count * (1 + r)];
        runs::backward(columns, r, &mut b[first.first as usize..][..count], later);
    }

    /// H⁻¹ b in place, for b in order of elimination.
    pub fn solve(&self, pattern: &Pattern, b: &mut [f64]) {
        self.forward(pattern, b);
        self.backward(pattern, b);
    }

    /// The dense trailing block of L.
    pub fn tail<'a>(&'a self, pattern: &Pattern) -> MatRef<'a, f64> {
        let m = pattern.tail_size;
        MatRef::from_column_major_slice(&self.values[pattern.tail_values..], m, m)
    }
}

impl Pattern {
    /// A vector of random effects in the order of the layout, brought into the order of elimination.
    pub fn permute(&self, layout: &Layout, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        self.each_node(layout, |scalar, effect, k| y[scalar..scalar + k].copy_from_slice(&x[effect..effect + k]));
        y
    }

    /// A vector in the order of elimination, brought into the order of the layout.
    pub fn permute_back(&self, layout: &Layout, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        self.each_node(layout, |scalar, effect, k| y[effect..effect + k].copy_from_slice(&x[scalar..scalar + k]));
        y
    }

    fn each_node(&self, layout: &Layout, mut f: impl FnMut(usize, usize, usize)) {
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            for l in 0..term.levels.len() {
                f(self.scalar_of_node[self.first_node[t] + l] as usize, layout.first[t] + l * k, k);
            }
        }
    }
}

/// Cholesky factor of the lower half of a small matrix, column after column, in place.
fn small_cholesky(a: &mut [f64], k: usize) -> bool {
    for c in 0..k {
        let pivot = a[c * k + c];
        // A comparison that NaN fails too.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let root = pivot.sqrt();
        for v in &mut a[c * k + c..(c + 1) * k] {
            *v /= root;
        }
        let (done, rest) = a.split_at_mut((c + 1) * k);
        let column = &done[c * k..];
        for (j, target) in rest.chunks_exact_mut(k).take(k - c - 1).enumerate() {
            let first = c + 1 + j;
            let factor = column[first];
            for (t, l) in target[first..].iter_mut().zip(&column[first..]) {
                *t -= factor * l;
            }
        }
    }
    true
}

/// Takes the outer product of a panel's rows from the dense trailing block.
fn update_tail(tail: &mut [f64], pattern: &Pattern, rows: &[u32], panel: &[f64], k: usize) {
    let (m, first) = (pattern.tail_size, pattern.tail);
    if k == 1 {
        for (j, (&row, &lj)) in rows.iter().zip(panel).enumerate() {
            let column = &mut tail[(row as usize - first) * m..][..m];
            for (&other, li) in rows[j..].iter().zip(&panel[j..]) {
                column[other as usize - first] -= li * lj;
            }
        }
        return;
    }
    for (j, &row) in rows.iter().enumerate() {
        let lj = &panel[j * k..(j + 1) * k];
        let column = &mut tail[(row as usize - first) * m..][..m];
        for (&other, li) in rows[j..].iter().zip(panel[j * k..].chunks_exact(k)) {
            column[other as usize - first] -= li.iter().zip(lj).map(|(a, b)| a * b).sum::<f64>();
        }
    }
}

/// Takes the outer product of a panel's rows from the later sparse columns: `product(i, j)` is its element for rows
/// i ≥ j. `later` holds the factor's values from `offset` on; the first `sparse` of the rows belong to sparse columns.
fn update_columns(
    later: &mut [f64],
    offset: usize,
    pattern: &Pattern,
    p: usize,
    rows: &[u32],
    sparse: usize,
    product: impl Fn(usize, usize) -> f64,
) {
    let mut j = 0;
    let mut next = p + 1;
    while j < sparse {
        next += pattern.columns[next..].partition_point(|c| c.first < rows[j]);
        let target = &pattern.columns[next];
        let size = target.size as usize;
        // This node's rows come whole: rows[j..j + size] are the target's unknowns, the rest of the rows lie among the
        // target's rows.
        for c in 0..size {
            for r in c..size {
                later[target.values - offset + c * size + r] -= product(j + r, j + c);
            }
        }
        let target_rows = pattern.rows_of(target);
        let mut at = 0;
        for (i, &row) in rows.iter().enumerate().skip(j + size) {
            while target_rows[at] != row {
                at += 1;
            }
            for c in 0..size {
                later[target.panel() - offset + at * size + c] -= product(i, j + c);
            }
        }
        j += size;
    }
}
