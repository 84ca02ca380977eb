//! Unit quaternions (w, x, y, z) in rows of tensors, and rotation matrices of them.

use burn::tensor::Tensor;

/// Column `at` of a tensor, `[n, 1]`.
pub(super) fn column(rows: &Tensor<2>, at: usize) -> Tensor<2> {
    rows.clone().narrow(1, at, 1)
}

/// The product `a·b` of quaternions, row by row.
pub(super) fn multiply(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let [aw, ax, ay, az] = [0, 1, 2, 3].map(|k| column(a, k));
    let [bw, bx, by, bz] = [0, 1, 2, 3].map(|k| column(b, k));
    let w = aw.clone() * bw.clone() - ax.clone() * bx.clone() - ay.clone() * by.clone() - az.clone() * bz.clone();
    let x = aw.clone() * bx.clone() + ax.clone() * bw.clone() + ay.clone() * bz.clone() - az.clone() * by.clone();
    let y = aw.clone() * by.clone() - ax.clone() * bz.clone() + ay.clone() * bw.clone() + az.clone() * bx.clone();
    let z = aw * bz + ax * by - ay * bx + az * bw;
    Tensor::cat(vec![w, x, y, z], 1)
}

/// The conjugate: the inverse of unit quaternions.
pub(super) fn conjugate(q: &Tensor<2>) -> Tensor<2> {
    Tensor::cat(vec![column(q, 0), q.clone().narrow(1, 1, 3).neg()], 1)
}

/// Rows divided by their lengths.
pub(super) fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().square().sum_dim(1).sqrt();
    rows / length
}

/// Column `axis` of the rotation matrix, `[n, 3]`: where the rotation takes that axis. Even in `q`.
pub(super) fn axis(q: &Tensor<2>, axis: usize) -> Tensor<2> {
    let [w, x, y, z] = [0, 1, 2, 3].map(|k| column(q, k));
    let double = |a: Tensor<2>| a.mul_scalar(2.0);
    let diagonal = |a: Tensor<2>, b: Tensor<2>| double(a.square() + b.square()).neg().add_scalar(1.0);
    let parts = match axis {
        0 => vec![
            diagonal(y.clone(), z.clone()),
            double(x.clone() * y.clone() + w.clone() * z.clone()),
            double(x * z - w * y),
        ],
        1 => vec![
            double(x.clone() * y.clone() - w.clone() * z.clone()),
            diagonal(x.clone(), z.clone()),
            double(y * z + w * x),
        ],
        _ => vec![
            double(x.clone() * z.clone() + w.clone() * y.clone()),
            double(y.clone() * z - w * x.clone()),
            diagonal(x, y),
        ],
    };
    Tensor::cat(parts, 1)
}

/// The rotation matrix, `[n, 9]`, column after column.
pub(super) fn matrix(q: &Tensor<2>) -> Tensor<2> {
    Tensor::cat(vec![axis(q, 0), axis(q, 1), axis(q, 2)], 1)
}

/// The scalar products of rows, `[n, 1]`.
pub(super) fn dot(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    (a.clone() * b.clone()).sum_dim(1)
}

/// The vector products of rows of three.
pub(super) fn cross(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let [ax, ay, az] = [0, 1, 2].map(|k| column(a, k));
    let [bx, by, bz] = [0, 1, 2].map(|k| column(b, k));
    let x = ay.clone() * bz.clone() - az.clone() * by.clone();
    let y = az * bx.clone() - ax.clone() * bz;
    let z = ax * by - ay * bx;
    Tensor::cat(vec![x, y, z], 1)
}
