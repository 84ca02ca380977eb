//! Adam's update of one parameter in one pass over its numbers, in place.

use super::node::{owned, slice, tensor};
use crate::train::adam::{Moments, Update, plain};
use burn::backend::Flex;
use burn::tensor::{DType, Tensor};

/// The updated numbers and moments: in one pass on the CPU in single precision, by Burn's operations elsewhere.
pub(crate) fn adam(value: Tensor<1>, grad: Tensor<1>, moments: Moments, by: Update) -> (Tensor<1>, Moments) {
    let on_cpu = |t: &Tensor<1>| t.dtype() == DType::F32 && t.clone().try_into_primitive::<Flex>().is_ok();
    if ![&value, &grad, &moments.first, &moments.second].into_iter().all(on_cpu) {
        return plain(value, grad, moments, by);
    }
    let grad = grad.try_into_primitive::<Flex>().expect("looked at above").to_contiguous();
    let (mut values, mut first, mut second) = (owned(value), owned(moments.first), owned(moments.second));
    one_pass(&mut values, slice(&grad), (&mut first, &mut second), by);
    let wrap = |numbers: Vec<f32>| {
        let count = numbers.len();
        Tensor::from_primitive::<Flex>(tensor(numbers, [count]))
    };
    (wrap(values), Moments { first: wrap(first), second: wrap(second) })
}

fn one_pass(values: &mut [f32], grad: &[f32], (first, second): (&mut [f32], &mut [f32]), by: Update) {
    let (beta1, beta2, shrink) = (by.beta1 as f32, by.beta2 as f32, by.shrink as f32);
    let (rest1, rest2) = ((1.0 - by.beta1) as f32, (1.0 - by.beta2) as f32);
    let (bias1, bias2) = (by.bias.0 as f32, by.bias.1 as f32);
    let (rate, keep, epsilon) = (by.rate as f32, (1.0 - by.decay) as f32, by.epsilon as f32);
    for (((value, grad), first), second) in values.iter_mut().zip(grad).zip(first).zip(second) {
        let grad = grad * shrink;
        *first = *first * beta1 + grad * rest1;
        *second = *second * beta2 + grad * grad * rest2;
        let step = *first / bias1 / ((*second / bias2).sqrt() + epsilon);
        *value = *value * keep - step * rate;
    }
}

/// The sum of squares of a tensor's numbers, in double precision on the CPU.
pub(crate) fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> f64 {
    let by_burn = |tensor: Tensor<D>| crate::tensors::to_vec(tensor.square().sum())[0];
    if tensor.dtype() != DType::F32 {
        return by_burn(tensor);
    }
    match tensor.clone().try_into_primitive::<Flex>() {
        // Sixteen running sums, so that additions do not wait for each other.
        Ok(numbers) => {
            let numbers = numbers.to_contiguous();
            let mut sums = [0.0f32; 16];
            let mut total = 0.0;
            for block in slice(&numbers).chunks(4096) {
                for chunk in block.chunks(16) {
                    sums.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += v * v);
                }
                total += sums.iter().map(|s| f64::from(*s)).sum::<f64>();
                sums = [0.0; 16];
            }
            total
        }
        Err(_) => by_burn(tensor),
    }
}
