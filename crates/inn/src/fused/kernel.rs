//! Forward and backward pass of a multilayer perceptron on plain slices of `f32`, row-major.

use crate::subnet::Activation;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// A perceptron's numbers. Matrices are `[from, to]`.
pub(super) struct Weights<'a> {
    /// First layer's weights on the input, `[inputs, widths[0]]`.
    pub(super) input: &'a [f32],
    /// Further layers: weights and biases.
    pub(super) layers: Vec<(&'a [f32], &'a [f32])>,
    /// Widths of hidden layers.
    pub(super) widths: Vec<usize>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) activation: Activation,
}

impl Weights<'_> {
    /// Width of what follows hidden layer `index`.
    fn width_after(&self, index: usize) -> usize {
        self.widths.get(index + 1).copied().unwrap_or(self.outputs)
    }
}

/// Output of every hidden layer, and where the nonlinearity is not ReLU its slope there.
pub(super) struct Trace {
    hidden: Vec<Vec<f32>>,
    slopes: Vec<Vec<f32>>,
}

/// Which gradients are asked for, and those that were formed.
pub(super) struct Gradients {
    pub(super) x: Option<Vec<f32>>,
    /// Of the projected condition: `n` rows or one.
    pub(super) projected: Vec<f32>,
    pub(super) input: Vec<f32>,
    pub(super) layers: Vec<(Vec<f32>, Vec<f32>)>,
}

/// `out (+)= a·b` with `a` `[m, k]` and `b` `[k, n]`.
fn product(out: &mut [f32], add: bool, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let (m, n) = (a.nrows(), b.ncols());
    let accumulate = if add { Accum::Add } else { Accum::Replace };
    matmul(MatMut::from_row_major_slice_mut(out, m, n), accumulate, a, b, 1.0, Par::Seq);
}

fn rows(values: &[f32], count: usize, width: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, count, width)
}

/// `n` copies of `row`.
fn filled(row: &[f32], n: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(n * row.len());
    for _ in 0..n {
        out.extend_from_slice(row);
    }
    out
}

/// The output for `n` rows of `x`, and what the backward pass needs.
pub(super) fn forward(net: &Weights<'_>, x: &[f32], projected: &[f32], n: usize) -> (Vec<f32>, Trace) {
    let mut trace = Trace { hidden: Vec::new(), slopes: Vec::new() };
    let mut current = if projected.len() == net.widths[0] { filled(projected, n) } else { projected.to_vec() };
    product(&mut current, true, rows(x, n, net.inputs), rows(net.input, net.inputs, net.widths[0]));
    for (index, (weights, bias)) in net.layers.iter().enumerate() {
        let slopes = activate(&mut current, net.activation, true);
        let (width, to) = (net.widths[index], net.width_after(index));
        let mut next = filled(bias, n);
        product(&mut next, true, rows(&current, n, width), rows(weights, width, to));
        trace.hidden.push(current);
        trace.slopes.push(slopes);
        current = next;
    }
    (current, trace)
}

/// Rows that go through all layers together where nothing is kept: what they fill stays in the cache of a core.
const BLOCK: usize = 256;

/// The output for `n` rows of `x`, block by block, blocks on all threads.
pub(super) fn infer(net: &Weights<'_>, x: &[f32], projected: &[f32], n: usize) -> Vec<f32> {
    let mut output = vec![0.0; n * net.outputs];
    let first = net.widths[0];
    let one_row = projected.len() == first;
    let block = |(at, out): (usize, &mut [f32]), buffers: &mut [Vec<f32>; 2]| {
        let (begin, count) = (at * BLOCK, out.len() / net.outputs);
        let [current, next] = buffers;
        current.clear();
        if one_row {
            (0..count).for_each(|_| current.extend_from_slice(projected));
        } else {
            current.extend_from_slice(&projected[begin * first..(begin + count) * first]);
        }
        let x = rows(&x[begin * net.inputs..(begin + count) * net.inputs], count, net.inputs);
        product(current, true, x, rows(net.input, net.inputs, first));
        let last = net.layers.len() - 1;
        for (index, (weights, bias)) in net.layers.iter().enumerate() {
            activate(current, net.activation, false);
            let (width, to) = (net.widths[index], net.width_after(index));
            if index == last {
                out.chunks_exact_mut(to).for_each(|row| row.copy_from_slice(bias));
                product(out, true, rows(current, count, width), rows(weights, width, to));
            } else {
                next.clear();
                (0..count).for_each(|_| next.extend_from_slice(bias));
                product(next, true, rows(current, count, width), rows(weights, width, to));
                std::mem::swap(current, next);
            }
        }
    };
    let blocks = output.par_chunks_mut(BLOCK * net.outputs).enumerate();
    blocks.for_each_init(|| [Vec::new(), Vec::new()], |buffers, part| block(part, buffers));
    output
}

/// Applies the nonlinearity and returns its slopes where `keep` and they do not follow from the result.
fn activate(values: &mut [f32], activation: Activation, keep: bool) -> Vec<f32> {
    match activation {
        Activation::Relu => {
            values.iter_mut().for_each(|v| *v = v.max(0.0));
            Vec::new()
        }
        Activation::Silu if keep => values
            .iter_mut()
            .map(|v| {
                let sigmoid = 1.0 / (1.0 + (-*v).exp());
                let slope = sigmoid * (1.0 + *v * (1.0 - sigmoid));
                *v *= sigmoid;
                slope
            })
            .collect(),
        Activation::Silu => {
            values.iter_mut().for_each(|v| *v /= 1.0 + (-*v).exp());
            Vec::new()
        }
    }
}

/// Multiplies gradients of a hidden layer's output by the nonlinearity's slope.
fn through(gradient: &mut [f32], hidden: &[f32], slopes: &[f32]) {
    if slopes.is_empty() {
        gradient.iter_mut().zip(hidden).for_each(|(g, h)| *g = if *h > 0.0 { *g } else { 0.0 });
    } else {
        gradient.iter_mut().zip(slopes).for_each(|(g, s)| *g *= s);
    }
}

fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in values.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
    sums
}

/// Gradients of a sum whose derivative by the output is `of_output`, `[n, outputs]`.
///
/// `one_row`: the projected condition has one row. `of_x`: the gradient of `x` is asked for.
pub(super) fn backward(
    net: &Weights<'_>,
    trace: &Trace,
    x: &[f32],
    of_output: &[f32],
    (one_row, of_x): (bool, bool),
) -> Gradients {
    let n = x.len() / net.inputs;
    let mut layers = Vec::with_capacity(net.layers.len());
    let mut gradient: Vec<f32> = Vec::new();
    for (index, (weights, _)) in net.layers.iter().enumerate().rev() {
        let above: &[f32] = if gradient.is_empty() { of_output } else { &gradient };
        let (width, to) = (net.widths[index], net.width_after(index));
        let hidden = &trace.hidden[index];
        let mut of_weights = vec![0.0; width * to];
        product(&mut of_weights, false, rows(hidden, n, width).transpose(), rows(above, n, to));
        let of_bias = column_sums(above, to);
        let mut below = vec![0.0; n * width];
        product(&mut below, false, rows(above, n, to), rows(weights, width, to).transpose());
        through(&mut below, hidden, &trace.slopes[index]);
        layers.push((of_weights, of_bias));
        gradient = below;
    }
    layers.reverse();
    let first = net.widths[0];
    let mut input = vec![0.0; net.inputs * first];
    product(&mut input, false, rows(x, n, net.inputs).transpose(), rows(&gradient, n, first));
    let x = of_x.then(|| {
        let mut of_x = vec![0.0; n * net.inputs];
        product(&mut of_x, false, rows(&gradient, n, first), rows(net.input, net.inputs, first).transpose());
        of_x
    });
    let projected = if one_row { column_sums(&gradient, first) } else { gradient };
    Gradients { x, projected, input, layers }
}
