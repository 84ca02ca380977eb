//! The fast form of the networks inside couplings: one operation with a hand-written backward pass, on the CPU.
//!
//! Burn records each operation of a perceptron, allocates its result, and walks back through all of them. Here a whole
//! perceptron is one node of the graph: biases are laid out before the products, the nonlinearity works in place, and the
//! backward pass forms each gradient once. [`Mlp::forward_plain`](crate::subnet::Mlp::forward_plain) is the reference, and
//! the form for other devices and number types.

mod adam;
mod kernel;
mod node;

pub(crate) use adam::{adam, sum_of_squares};

use crate::subnet::Mlp;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor};

type Tracked = Autodiff<Flex, NoCheckpointing>;

/// The network's output, or `None` where the fast form does not apply: another device, number type or depth, or a graph
/// with checkpointing.
pub(crate) fn mlp(net: &Mlp, x: &Tensor<2>, projected: &Tensor<2>) -> Option<Tensor<2>> {
    let depth = net.weights.len();
    if x.dtype() != DType::F32 || projected.dtype() != DType::F32 || !(2..=4).contains(&depth) || x.dims()[1] == 0 {
        return None;
    }
    let tracked = x.is_autodiff() || projected.is_autodiff() || net.input.is_autodiff();
    if !tracked {
        return node::infer(net, x, projected);
    }
    match depth {
        2 => node::track::<7>(net, x, projected),
        3 => node::track::<9>(net, x, projected),
        _ => node::track::<11>(net, x, projected),
    }
}
