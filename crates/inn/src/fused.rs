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
    if x.dtype() != DType::F32 || projected.dtype() != DType::F32 || !(1..=4).contains(&depth) || x.dims()[1] == 0 {
        return None;
    }
    let tracked = x.is_autodiff() || projected.is_autodiff() || net.input.is_autodiff();
    if !tracked {
        return node::infer(net, x, projected);
    }
    match depth {
        1 => node::track::<5>(net, x, projected),
        2 => node::track::<7>(net, x, projected),
        3 => node::track::<9>(net, x, projected),
        _ => node::track::<11>(net, x, projected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subnet::{Activation, Subnet};
    use crate::tensors::{normal, to_vec};
    use burn::module::Module;
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    struct Case {
        hidden: Vec<usize>,
        activation: Activation,
        /// Rows of the batch, and of the projected condition.
        rows: (usize, usize),
    }

    /// Depths, nonlinearities, batches across the border of a block, conditions shared and per row.
    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for hidden in [vec![7], vec![16, 12], vec![5, 6, 7], vec![4, 4, 4, 4]] {
            for activation in [Activation::Relu, Activation::Silu] {
                for rows in [(1, 1), (19, 1), (19, 19), (600, 1), (600, 600)] {
                    cases.push(Case { hidden: hidden.clone(), activation, rows });
                }
            }
        }
        cases
    }

    fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
        let scale = to_vec(b.clone()).into_iter().map(f64::abs).fold(1.0, f64::max);
        to_vec(a - b).into_iter().map(f64::abs).fold(0.0, f64::max) / scale
    }

    #[test]
    fn the_fast_form_agrees_with_burns_operations_forward_and_backward() {
        for case in cases() {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let device = Device::flex().autodiff();
            let settings = Subnet { hidden: case.hidden.clone(), activation: case.activation, last_scale: 1.0 };
            let net = Mlp::new(3, 2, 5, &settings, &mut rng, &device);
            let x = normal([case.rows.0, 3], &mut rng, &device, DType::F32).require_grad();
            let condition = normal([case.rows.1, 2], &mut rng, &device, DType::F32).require_grad();
            let weights = normal([case.rows.0, 5], &mut rng, &device, DType::F32);
            let name = format!("{:?} {:?} {:?}", case.hidden, case.activation, case.rows);

            let projected = net.project(Some(&condition));
            let fast = mlp(&net, &x, &projected).expect("the fast form applies");
            let plain = net.forward_plain(x.clone(), &net.project(Some(&condition)));
            assert!(difference(fast.clone().inner(), plain.clone().inner()) < 1e-5, "{name}");
            let inference = net.valid();
            let again = mlp(&inference, &x.clone().inner(), &projected.inner()).expect("the fast form applies");
            assert!(difference(again, plain.clone().inner()) < 1e-5, "{name}: without a graph");

            let of_fast = (fast * weights.clone()).sum().backward();
            let of_plain = (plain * weights).sum().backward();
            let compare2 = |what: &str, tensor: &Tensor<2>| {
                let (a, b) = (tensor.grad(&of_fast).unwrap(), tensor.grad(&of_plain).unwrap());
                assert!(difference(a, b) < 2e-5, "{name}: gradient of {what}");
            };
            compare2("x", &x);
            compare2("the condition", &condition);
            compare2("first weights", &net.input.val());
            for (weights, bias) in net.weights.iter().zip(&net.biases) {
                compare2("weights", &weights.val());
                let (a, b) = (bias.val().grad(&of_fast).unwrap(), bias.val().grad(&of_plain).unwrap());
                assert!(difference(a, b) < 2e-5, "{name}: gradient of biases");
            }
        }
    }
}
