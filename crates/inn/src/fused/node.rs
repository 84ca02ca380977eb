//! The perceptron as a node of Burn's graph.

use super::Tracked;
use super::kernel::{self, Trace, Weights};
use crate::subnet::{Activation, Mlp};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{BackendTypes, Flex};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

type Plain = <Flex as BackendTypes>::FloatTensorPrimitive;
type OnTape = <Tracked as BackendTypes>::FloatTensorPrimitive;

/// The output for parameters and inputs outside every graph.
pub(super) fn infer(net: &Mlp, x: &Tensor<2>, projected: &Tensor<2>) -> Option<Tensor<2>> {
    let plain2 = |tensor: &Tensor<2>| Some(tensor.clone().try_into_primitive::<Flex>().ok()?.to_contiguous());
    let plain1 = |tensor: Tensor<1>| Some(tensor.try_into_primitive::<Flex>().ok()?.to_contiguous());
    let mut values = vec![plain2(x)?, plain2(projected)?, plain2(&net.input.val())?];
    for (weights, bias) in net.weights.iter().zip(&net.biases) {
        values.push(plain2(&weights.val())?);
        values.push(plain1(bias.val())?);
    }
    Some(Tensor::from_primitive::<Flex>(run(&values, net.activation())))
}

/// The output as a node of the graph; `N` is 3 + 2 × layers after the first.
pub(super) fn track<const N: usize>(net: &Mlp, x: &Tensor<2>, projected: &Tensor<2>) -> Option<Tensor<2>> {
    let taped2 = |tensor: Tensor<2>| tensor.autodiff().try_into_primitive::<Tracked>().ok();
    let taped1 = |tensor: Tensor<1>| tensor.autodiff().try_into_primitive::<Tracked>().ok();
    let mut parents: Vec<OnTape> = vec![taped2(x.clone())?, taped2(projected.clone())?, taped2(net.input.val())?];
    for (weights, bias) in net.weights.iter().zip(&net.biases) {
        parents.push(taped2(weights.val())?);
        parents.push(taped1(bias.val())?);
    }
    let parents: [OnTape; N] = parents.try_into().ok()?;
    let nodes = parents.each_ref().map(|parent| parent.node());
    let values: Vec<Plain> = parents.into_iter().map(|parent| parent.into_primitive().to_contiguous()).collect();
    let output = match Perceptron.prepare::<super::NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (output, trace) = run_and_keep(&values, net.activation());
            let state = State { values, trace: Arc::new(trace), activation: net.activation() };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(run(&values, net.activation())),
    };
    Some(Tensor::from_primitive::<Tracked>(output))
}

pub(super) fn slice(tensor: &Plain) -> &[f32] {
    tensor.as_slice().expect("made contiguous, and of f32 as the caller checked")
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Plain {
    Flex::float_from_data(TensorData::new(values, shape), &Default::default())
}

/// The tensor's numbers: its own storage where nobody shares it, a copy otherwise.
pub(super) fn owned(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("of f32 as the caller checked")
}

/// `values`: x, projected condition, first weights, then weights and bias of each further layer.
fn weights(values: &[Plain], activation: Activation) -> Weights<'_> {
    let shape = |at: usize| values[at].layout().shape();
    let count = (values.len() - 3) / 2;
    let layers = (0..count).map(|k| (slice(&values[3 + 2 * k]), slice(&values[4 + 2 * k]))).collect();
    let widths = (0..count).map(|k| shape(3 + 2 * k)[0]).collect();
    let (inputs, outputs) = (shape(0)[1], shape(values.len() - 1)[0]);
    Weights { input: slice(&values[2]), layers, widths, inputs, outputs, activation }
}

fn run(values: &[Plain], activation: Activation) -> Plain {
    let net = weights(values, activation);
    let n = values[0].layout().shape()[0];
    tensor(kernel::infer(&net, slice(&values[0]), slice(&values[1]), n), [n, net.outputs])
}

fn run_and_keep(values: &[Plain], activation: Activation) -> (Plain, Trace) {
    let net = weights(values, activation);
    let n = values[0].layout().shape()[0];
    let (output, trace) = kernel::forward(&net, slice(&values[0]), slice(&values[1]), n);
    (tensor(output, [n, net.outputs]), trace)
}

#[derive(Debug)]
struct Perceptron;

#[derive(Clone)]
struct State {
    values: Vec<Plain>,
    trace: Arc<Trace>,
    activation: Activation,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State of a perceptron with {} tensors", self.values.len())
    }
}

impl<const N: usize> Backward<Flex, N> for Perceptron {
    type State = State;

    fn backward(self, ops: Ops<State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let of_output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let State { values, trace, activation } = ops.state;
        let net = weights(&values, activation);
        let one_row = values[1].layout().shape()[0] == 1;
        let of_x = ops.parents[0].is_some();
        let formed = kernel::backward(&net, &trace, slice(&values[0]), slice(&of_output), (one_row, of_x));
        let (n, first) = (values[0].layout().shape()[0], net.widths[0]);
        let mut results = vec![
            formed.x.map(|x| tensor(x, [n, net.inputs])),
            Some(tensor(formed.projected, [if one_row { 1 } else { n }, first])),
            Some(tensor(formed.input, [net.inputs, first])),
        ];
        for (index, (of_weights, of_bias)) in formed.layers.into_iter().enumerate() {
            let to = of_bias.len();
            results.push(Some(tensor(of_weights, [net.widths[index], to])));
            results.push(Some(tensor(of_bias, [to])));
        }
        for (parent, result) in ops.parents.into_iter().zip(results) {
            if let (Some(parent), Some(result)) = (parent, result) {
                grads.register::<Flex>(parent.id, result);
            }
        }
    }
}
