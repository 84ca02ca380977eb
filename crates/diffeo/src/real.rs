//! The two precisions in which everything of this crate is computed.

use bytemuck::Pod;
use rustfft::FftNum;
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

/// `f32` or `f64`.
pub trait Real:
    FftNum + Pod + PartialOrd + AddAssign + SubAssign + MulAssign + DivAssign + Sum + Default + std::fmt::Display
{
    /// The nearest number of this precision.
    fn of(value: f64) -> Self;

    /// The number in double precision.
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }
}
