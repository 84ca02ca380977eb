//! Linear maps that mix the numbers between couplings: permutations, rotations, reflections, LU factors.

use crate::tensors::{fixed_param, no_change, param, repeat, uniform_param};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use nalgebra::DMatrix;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// Which mixing stands between couplings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MixingKind {
    /// A random permutation, drawn once.
    Permutation,
    /// A random rotation, drawn once (a "soft permutation").
    Rotation,
    /// A learned product of reflections.
    Householder {
        /// Number of reflections, 1 to 64.
        reflections: usize,
    },
    /// A learned matrix `P·L·U`, `P` a random permutation drawn once (Kingma 2018).
    Lu,
}

/// A linear map of rows, `y = x·W`.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network holds a few dozen of them")]
pub enum Mixing {
    /// A fixed orthogonal matrix: a permutation or a rotation.
    Orthogonal(Orthogonal),
    /// Learned reflections.
    Householder(Householder),
    /// Learned triangular factors.
    Lu(Lu),
}

impl Mixing {
    /// A mixing of `dims` numbers; what is random in it comes from `rng`.
    pub fn new(kind: MixingKind, dims: usize, rng: &mut ChaCha8Rng, device: &Device) -> Mixing {
        match kind {
            MixingKind::Permutation => Mixing::Orthogonal(Orthogonal::permutation(dims, rng, device)),
            MixingKind::Rotation => Mixing::Orthogonal(Orthogonal::rotation(dims, rng, device)),
            MixingKind::Householder { reflections } => {
                Mixing::Householder(Householder::new(dims, reflections, rng, device))
            }
            MixingKind::Lu => Mixing::Lu(Lu::new(dims, rng, device)),
        }
    }

    /// `x·W` and log |det W| per row.
    pub fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let zero = no_change(&x);
        match self {
            Mixing::Orthogonal(map) => (x.matmul(map.matrix()), zero),
            Mixing::Householder(map) => (map.reflect(x, false), zero),
            Mixing::Lu(map) => {
                let rows = x.dims()[0];
                (x.matmul(map.matrix()), repeat(map.log_det(), rows))
            }
        }
    }

    /// `y·W⁻¹` and −log |det W| per row.
    pub fn inverse(&self, y: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let zero = no_change(&y);
        match self {
            Mixing::Orthogonal(map) => (y.matmul(map.matrix().transpose()), zero),
            Mixing::Householder(map) => (map.reflect(y, true), zero),
            Mixing::Lu(map) => {
                let rows = y.dims()[0];
                (y.matmul(map.inverse_matrix()), repeat(map.log_det().neg(), rows))
            }
        }
    }
}

/// A fixed orthogonal matrix.
#[derive(Module, Debug)]
pub struct Orthogonal {
    /// The matrix, `[dims, dims]`, orthogonal to single precision.
    matrix: Param<Tensor<2>>,
}

impl Orthogonal {
    fn permutation(dims: usize, rng: &mut ChaCha8Rng, device: &Device) -> Orthogonal {
        Orthogonal { matrix: fixed_param(permutation_matrix(dims, rng), [dims, dims], device) }
    }

    /// Uniform among rotations: Q of a Gaussian matrix with the signs of R's diagonal, one column turned if needed.
    fn rotation(dims: usize, rng: &mut ChaCha8Rng, device: &Device) -> Orthogonal {
        let gaussian = DMatrix::<f64>::from_fn(dims, dims, |_, _| rng.sample(StandardNormal));
        let qr = gaussian.qr();
        let (mut q, r) = (qr.q(), qr.r());
        for column in 0..dims {
            if r[(column, column)] < 0.0 {
                q.column_mut(column).neg_mut();
            }
        }
        if q.determinant() < 0.0 {
            q.column_mut(0).neg_mut();
        }
        let values = q.transpose().iter().map(|&v| v as f32).collect();
        Orthogonal { matrix: fixed_param(values, [dims, dims], device) }
    }

    /// The matrix, orthogonal to its number type: in double precision one Newton-Schulz step `Q(3 − QᵀQ)/2` squares the
    /// rounding error that storing it in single precision left.
    fn matrix(&self) -> Tensor<2> {
        let q = self.matrix.val();
        if q.dtype() != DType::F64 {
            return q;
        }
        let gram = q.clone().transpose().matmul(q.clone());
        q.clone().mul_scalar(1.5) - q.matmul(gram).mul_scalar(0.5)
    }
}

/// Learned reflections `x − 2 (x·v) v / |v|²`, one after the other.
#[derive(Module, Debug)]
pub struct Householder {
    /// Normals of the mirrors, `[reflections, dims]`.
    normals: Param<Tensor<2>>,
}

impl Householder {
    fn new(dims: usize, reflections: usize, rng: &mut ChaCha8Rng, device: &Device) -> Householder {
        let values = (0..dims * reflections).map(|_| rng.sample::<f32, _>(StandardNormal)).collect();
        Householder { normals: param(values, [reflections, dims], device) }
    }

    fn reflect(&self, x: Tensor<2>, backwards: bool) -> Tensor<2> {
        let normals = self.normals.val();
        let count = normals.dims()[0];
        (0..count).fold(x, |x, step| {
            let row = if backwards { count - 1 - step } else { step };
            let normal = normals.clone().narrow(0, row, 1);
            let length2 = normal.clone().square().sum_dim(1);
            let along = x.clone().matmul(normal.clone().transpose()).div(length2).mul_scalar(2.0);
            x - along.matmul(normal)
        })
    }
}

/// A learned matrix `W = P·L·U` with unit lower `L` and `U` of positive diagonal.
#[derive(Module, Debug)]
pub struct Lu {
    /// `P`, `[dims, dims]`.
    permutation: Param<Tensor<2>>,
    /// `L` below the diagonal.
    lower: Param<Tensor<2>>,
    /// `U` above the diagonal, its rows divided by the diagonal.
    upper: Param<Tensor<2>>,
    /// Logarithm of `U`'s diagonal.
    log_diagonal: Param<Tensor<1>>,
}

impl Lu {
    pub(crate) fn new(dims: usize, rng: &mut ChaCha8Rng, device: &Device) -> Lu {
        Lu {
            permutation: fixed_param(permutation_matrix(dims, rng), [dims, dims], device),
            lower: uniform_param([dims, dims], 0.1, rng, device),
            upper: uniform_param([dims, dims], 0.1, rng, device),
            log_diagonal: param(vec![0.0; dims], [dims], device),
        }
    }

    pub(crate) fn matrix(&self) -> Tensor<2> {
        let lower = self.lower.val().tril(-1);
        let upper = self.upper.val().triu(1);
        let left = self.permutation.val().matmul(lower.clone() + identity(&lower));
        let right = upper.clone() + identity(&upper);
        left.matmul(self.log_diagonal.val().exp().unsqueeze_dim::<2>(1) * right)
    }

    pub(crate) fn inverse_matrix(&self) -> Tensor<2> {
        let lower = unit_triangular_inverse(self.lower.val().tril(-1));
        let upper = unit_triangular_inverse(self.upper.val().triu(1));
        let right = lower.matmul(self.permutation.val().transpose());
        upper.matmul(self.log_diagonal.val().neg().exp().unsqueeze_dim::<2>(1) * right)
    }

    /// log |det W|, one number.
    pub(crate) fn log_det(&self) -> Tensor<1> {
        self.log_diagonal.val().sum()
    }
}

/// (I + N)⁻¹ of a strictly triangular N, by (I − N)(I + N²)(I + N⁴)…, which ends because N is nilpotent.
fn unit_triangular_inverse(strict: Tensor<2>) -> Tensor<2> {
    let dims = strict.dims()[0];
    let one = identity(&strict);
    let mut inverse = one.clone() - strict.clone();
    let mut power = strict.clone().matmul(strict);
    let mut order = 2;
    while order < dims {
        inverse = inverse.matmul(one.clone() + power.clone());
        power = power.clone().matmul(power);
        order *= 2;
    }
    inverse
}

fn identity(like: &Tensor<2>) -> Tensor<2> {
    Tensor::<2>::eye(like.dims()[0], &like.device()).cast(like.dtype())
}

fn permutation_matrix(dims: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut order: Vec<usize> = (0..dims).collect();
    order.shuffle(rng);
    let mut values = vec![0.0; dims * dims];
    for (to, from) in order.into_iter().enumerate() {
        values[from * dims + to] = 1.0;
    }
    values
}
