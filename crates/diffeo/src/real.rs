//! The two precisions in which everything of this crate is computed.

use crate::interpolate::four::Four;
use bytemuck::Pod;
use rustfft::FftNum;
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

/// `f32` or `f64`.
pub trait Real:
    FftNum + Pod + PartialOrd + AddAssign + SubAssign + MulAssign + DivAssign + Sum + Default + std::fmt::Display
{
    /// Four numbers of this precision in a vector register.
    type Four: Four<Self>;

    /// The nearest number of this precision.
    fn of(value: f64) -> Self;

    /// The number in double precision.
    fn wide(self) -> f64;

    /// The greatest whole number that is not above this one.
    fn floor(self) -> Self;

    /// A whole number as integer; what lies beyond the range of integers is limited to it, and NaN gives 0.
    fn integer(self) -> i32;

    /// The square root.
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    #[cfg(target_arch = "x86_64")]
    type Four = std::arch::x86_64::__m128;
    #[cfg(not(target_arch = "x86_64"))]
    type Four = [f32; 4];

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn floor(self) -> Self {
        f32::floor(self)
    }

    #[inline(always)]
    fn integer(self) -> i32 {
        self as i32
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    type Four = [f64; 4];

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn floor(self) -> Self {
        f64::floor(self)
    }

    #[inline(always)]
    fn integer(self) -> i32 {
        self as i32
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}
