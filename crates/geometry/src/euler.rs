//! Euler angles in every order. Angles are radians; degrees belong to documents and reports.
//!
//! An order is written as in SciPy: capital letters `"ZXY"` are intrinsic (each turn about the axis that the
//! earlier turns have moved: `R = R_z(a) R_x(b) R_y(c)`), small letters `"zxy"` extrinsic (about fixed axes:
//! `R = R_y(c) R_x(b) R_z(a)`). ITK's Euler3DTransform is [`EulerOrder::ITK_ZXY`], and with `ComputeZYX` set
//! [`EulerOrder::ITK_ZYX`]; its file lists the angles about x, y, z whatever the order.
//!
//! Extraction: E. Bernardes, S. Viollet, *Quaternion to Euler angles conversion: a direct, general and
//! computationally efficient method*, PLoS ONE 17(11), 2022; half angles by `atan2`, accurate up to the lock.

use crate::Vector;
use nalgebra::{Unit, UnitQuaternion};
use std::f64::consts::{FRAC_PI_2, PI};
use thiserror::Error;

/// Order of three turns about coordinate axes; the first differs from the second, the second from the third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EulerOrder {
    axes: [u8; 3],
    intrinsic: bool,
}

/// An order that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "Euler order {found:?} is not accepted: three letters of XYZ (intrinsic) or xyz (extrinsic), no two neighbours the same"
)]
pub struct EulerOrderError {
    /// The order as given (at most 8 characters).
    pub found: String,
}

/// Angles of a rotation in some order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EulerAngles {
    /// Angles in the order's own sequence, rad: the outer two in `[−π, π]`, the middle one in `[−π/2, π/2]`
    /// for three different axes and in `[0, π]` where the first axis returns.
    pub angles: [f64; 3],
    /// At the gimbal lock only the sum or difference of the outer angles is determined; the angle of the last
    /// turn (intrinsic) or the first (extrinsic) is then set to 0.
    pub locked: bool,
}

impl EulerOrder {
    /// ITK's Euler3DTransform: `R = R_z R_x R_y`.
    pub const ITK_ZXY: Self = Self { axes: [2, 0, 1], intrinsic: true };
    /// ITK's Euler3DTransform with `ComputeZYX`: `R = R_z R_y R_x`.
    pub const ITK_ZYX: Self = Self { axes: [2, 1, 0], intrinsic: true };

    /// The rotation with the given angles (rad), in the order's own sequence.
    pub fn rotation(self, angles: [f64; 3]) -> UnitQuaternion<f64> {
        let turn = |n: usize| UnitQuaternion::from_axis_angle(&axis(self.axes[n]), angles[n]);
        if self.intrinsic { turn(0) * turn(1) * turn(2) } else { turn(2) * turn(1) * turn(0) }
    }

    /// The angles of a rotation: `order.rotation(order.angles(&r).angles) = r`.
    pub fn angles(self, rotation: &UnitQuaternion<f64>) -> EulerAngles {
        // The source treats extrinsic orders; an intrinsic order is the extrinsic one read backwards.
        let sequence = if self.intrinsic { [2, 1, 0] } else { [0, 1, 2] }.map(|n: usize| usize::from(self.axes[n]));
        let [i, j, last] = sequence;
        let returns = i == last;
        let k = 3 - i - j;
        let sign = if (j + 3 - i) % 3 == 1 { 1.0 } else { -1.0 };
        let (w, v) = (rotation.scalar(), rotation.imag());
        let (qi, qj, qk) = (v[i], v[j], sign * v[k]);
        let (a, b, c, d) = if returns { (w, qi, qj, qk) } else { (w - qj, qi + qk, qj + w, qk - qi) };
        let (near, far) = (a.hypot(b), c.hypot(d));
        let (half_sum, half_difference) = (b.atan2(a), d.atan2(c));
        let locked = near.min(far) < LOCK;
        // (first, third) in the extrinsic sequence.
        let (first, third) = match (locked, near > far) {
            (false, _) => (half_sum - half_difference, half_sum + half_difference),
            (true, true) => (0.0, 2.0 * half_sum),
            (true, false) => (0.0, 2.0 * half_difference),
        };
        let middle = 2.0 * far.atan2(near);
        let (middle, third) = if returns { (middle, third) } else { (middle - FRAC_PI_2, sign * third) };
        let outer = [wrap(first), middle, wrap(third)];
        let angles = if self.intrinsic { [outer[2], outer[1], outer[0]] } else { outer };
        EulerAngles { angles, locked }
    }
}

/// Half-angle distance from the gimbal lock (rad) under which the free angle is set to 0; the error made is of
/// the same size.
const LOCK: f64 = 1e-14;

fn axis(n: u8) -> Unit<Vector> {
    [Vector::x_axis(), Vector::y_axis(), Vector::z_axis()][usize::from(n)]
}

/// The same angle in `[−π, π]`.
fn wrap(angle: f64) -> f64 {
    if angle > PI {
        angle - 2.0 * PI
    } else if angle < -PI {
        angle + 2.0 * PI
    } else {
        angle
    }
}

impl std::str::FromStr for EulerOrder {
    type Err = EulerOrderError;

    fn from_str(text: &str) -> Result<Self, EulerOrderError> {
        let refused = || EulerOrderError { found: text.chars().take(8).collect() };
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| refused())?;
        let intrinsic = letters[0].is_ascii_uppercase();
        let first = if intrinsic { b'X' } else { b'x' };
        let axes = letters.map(|letter| letter.wrapping_sub(first));
        if axes.iter().any(|&a| a > 2) || axes[0] == axes[1] || axes[1] == axes[2] {
            return Err(refused());
        }
        Ok(Self { axes, intrinsic })
    }
}

impl std::fmt::Display for EulerOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let letters = if self.intrinsic { ['X', 'Y', 'Z'] } else { ['x', 'y', 'z'] };
        self.axes.iter().try_for_each(|&a| write!(f, "{}", letters[usize::from(a)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Vec<EulerOrder> {
        let mut all = Vec::new();
        for letters in ["XYZ", "xyz"] {
            let l: Vec<char> = letters.chars().collect();
            for n in 0..27 {
                let text: String = [l[n / 9], l[n / 3 % 3], l[n % 3]].iter().collect();
                all.extend(text.parse::<EulerOrder>());
            }
        }
        assert_eq!(all.len(), 24);
        all
    }

    #[test]
    fn angles_invert_rotation_in_every_order() {
        for order in orders() {
            for angles in [[0.1, 0.2, 0.3], [3.0, 1.5, -3.1], [-2.0, 0.7, 2.5], [0.4, 1e-9, -0.2], [0.0, 0.4, 0.0]] {
                let found = order.angles(&order.rotation(angles));
                assert!(!found.locked);
                for (a, b) in found.angles.iter().zip(angles) {
                    // near the lock of a returning axis the outer angles are determined to 1e-16 / 1e-9
                    assert!(
                        (a - b).abs() < if angles[1] < 1e-3 { 1e-6 } else { 1e-13 },
                        "{order}: {found:?} {angles:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn rotations_come_back_at_and_near_the_lock() {
        for order in orders() {
            for middle in [0.0, 1e-15, 1e-12, 1e-7, FRAC_PI_2, FRAC_PI_2 - 1e-8, -FRAC_PI_2, PI, PI - 1e-9] {
                let rotation = order.rotation([0.9, middle, -2.2]);
                let back = order.rotation(order.angles(&rotation).angles);
                assert!((back.to_rotation_matrix().matrix() - rotation.to_rotation_matrix().matrix()).amax() < 1e-13);
            }
        }
    }

    #[test]
    fn the_lock_is_said_and_the_free_angle_is_zero() {
        let order: EulerOrder = "ZXY".parse().unwrap();
        let found = order.angles(&order.rotation([0.5, FRAC_PI_2, 0.3]));
        assert!(found.locked && found.angles[2] == 0.0, "{found:?}");
        let fixed: EulerOrder = "zxz".parse().unwrap();
        let found = fixed.angles(&fixed.rotation([0.5, 0.0, 0.3]));
        assert!(found.locked && found.angles[0] == 0.0 && (found.angles[2] - 0.8).abs() < 1e-14);
    }

    #[test]
    fn intrinsic_is_extrinsic_backwards() {
        let (intrinsic, extrinsic): (EulerOrder, EulerOrder) = ("ZXY".parse().unwrap(), "yxz".parse().unwrap());
        let difference = intrinsic.rotation([0.1, 0.2, 0.3]).angle_to(&extrinsic.rotation([0.3, 0.2, 0.1]));
        assert!(difference < 1e-15);
        assert_eq!(intrinsic, EulerOrder::ITK_ZXY);
        assert_eq!("ZYX".parse(), Ok(EulerOrder::ITK_ZYX));
    }

    #[test]
    fn impossible_orders_are_refused() {
        for text in ["", "XX", "XXY", "xYz", "XYZ ", "abc", "äöü"] {
            assert!(text.parse::<EulerOrder>().is_err(), "{text}");
        }
    }
}
