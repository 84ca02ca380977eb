//! Four numbers in one vector register.
//!
//! Left to itself the compiler takes kernels apart into single numbers or gathers across points, several times
//! slower. On x86-64 single precision uses the registers that every such processor has; the wider encodings come with
//! the functions it is inlined into. No operation is contracted, so that every form gives the same bits.
#![allow(unsafe_code)]

/// Four numbers of one precision.
pub trait Four<R>: Copy {
    /// The four numbers of an array.
    fn load(from: &[R; 4]) -> Self;

    /// One number four times.
    fn splat(value: R) -> Self;

    /// The numbers as an array.
    fn array(self) -> [R; 4];

    /// Sums.
    fn add(self, other: Self) -> Self;

    /// Products.
    fn mul(self, other: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
impl Four<f32> for std::arch::x86_64::__m128 {
    #[inline(always)]
    fn load(from: &[f32; 4]) -> Self {
        bytemuck::cast(*from)
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        bytemuck::cast([value; 4])
    }

    #[inline(always)]
    fn array(self) -> [f32; 4] {
        bytemuck::cast(self)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: SSE is part of x86-64.
        unsafe { std::arch::x86_64::_mm_add_ps(self, other) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: SSE is part of x86-64.
        unsafe { std::arch::x86_64::_mm_mul_ps(self, other) }
    }
}

macro_rules! plain {
    ($real:ty) => {
        impl Four<$real> for [$real; 4] {
            #[inline(always)]
            fn load(from: &[$real; 4]) -> Self {
                *from
            }

            #[inline(always)]
            fn splat(value: $real) -> Self {
                [value; 4]
            }

            #[inline(always)]
            fn array(self) -> [$real; 4] {
                self
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                std::array::from_fn(|i| self[i] + other[i])
            }

            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                std::array::from_fn(|i| self[i] * other[i])
            }
        }
    };
}

#[cfg(not(target_arch = "x86_64"))]
plain!(f32);
plain!(f64);
