//! Scalar types as they stand in files, and their decoding.

use std::fmt;
use std::io::{self, Write};

/// Type of the stored numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarType {
    /// 8-bit unsigned integer.
    U8,
    /// 8-bit signed integer.
    I8,
    /// 16-bit unsigned integer.
    U16,
    /// 16-bit signed integer.
    I16,
    /// 32-bit unsigned integer.
    U32,
    /// 32-bit signed integer.
    I32,
    /// 64-bit unsigned integer.
    U64,
    /// 64-bit signed integer.
    I64,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
    /// IEEE binary128; held in memory as the nearest f64.
    F128,
}

impl ScalarType {
    /// All types, smallest first.
    pub const ALL: [Self; 11] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::F64,
        Self::F128,
    ];

    /// Bytes of one stored number.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::F128 => 16,
        }
    }

    /// The name numpy uses, e.g. `int16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F128 => "float128",
        }
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Order of the bytes of one stored number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How numbers stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Their type.
    pub scalar_type: ScalarType,
    /// The order of their bytes.
    pub byte_order: ByteOrder,
}

/// Linear map from stored to meant values, `slope · stored + intercept`, carried out in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Factor.
    pub slope: f64,
    /// Summand.
    pub intercept: f64,
}

impl Scale {
    /// Meant value of a stored one.
    pub fn apply(self, stored: f64) -> f64 {
        stored * self.slope + self.intercept
    }

    /// `None` for the identity.
    pub fn unless_identity(self) -> Option<Self> {
        (self.slope != 1.0 || self.intercept != 0.0).then_some(self)
    }
}

/// A Rust type whose numbers can stand in a file.
pub trait Scalar: Copy + Send + Sync {
    /// Its name in files.
    const SCALAR_TYPE: ScalarType;
    /// Appends the number, least significant byte first.
    fn push_le(self, bytes: &mut Vec<u8>);
}

macro_rules! stored {
    ($($t:ty => $scalar_type:ident),*) => {$(
        impl Scalar for $t {
            const SCALAR_TYPE: ScalarType = ScalarType::$scalar_type;
            fn push_le(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

stored!(u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64, f32 => F32, f64 => F64);

/// Writes numbers little-endian, a chunk at a time.
pub(crate) fn write_numbers<T: Scalar>(
    out: &mut (impl Write + ?Sized),
    numbers: impl Iterator<Item = T>,
) -> io::Result<()> {
    const CHUNK: usize = 1 << 16;
    let mut bytes = Vec::with_capacity(CHUNK + 16);
    for number in numbers {
        number.push_le(&mut bytes);
        if bytes.len() >= CHUNK {
            out.write_all(&bytes)?;
            bytes.clear();
        }
    }
    out.write_all(&bytes)
}

/// Appends the numbers in `bytes` (a whole number of them) to `out`, each after `convert`.
macro_rules! decode {
    ($t:ty, $bytes:expr, $order:expr, $out:expr, $convert:expr) => {{
        let (numbers, rest) = $bytes.as_chunks::<{ size_of::<$t>() }>();
        debug_assert!(rest.is_empty());
        match $order {
            $crate::scalar::ByteOrder::Little => $out.extend(numbers.iter().map(|b| $convert(<$t>::from_le_bytes(*b)))),
            $crate::scalar::ByteOrder::Big => $out.extend(numbers.iter().map(|b| $convert(<$t>::from_be_bytes(*b)))),
        }
    }};
}

impl Encoding {
    /// Decodes a whole number of stored values, scales them and appends them to `out`.
    pub(crate) fn decode_f32(self, bytes: &[u8], scale: Option<Scale>, out: &mut Vec<f32>) {
        match scale {
            Some(scale) => self.decode_each(bytes, out, |v: f64| scale.apply(v) as f32),
            None => self.decode_each(bytes, out, |v: f64| v as f32),
        }
    }

    fn decode_each(self, bytes: &[u8], out: &mut Vec<f32>, f: impl Fn(f64) -> f32) {
        let order = self.byte_order;
        match self.scalar_type {
            ScalarType::U8 => decode!(u8, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::I8 => decode!(i8, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::U16 => decode!(u16, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::I16 => decode!(i16, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::U32 => decode!(u32, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::I32 => decode!(i32, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::U64 => decode!(u64, bytes, order, out, |v| f(v as f64)),
            ScalarType::I64 => decode!(i64, bytes, order, out, |v| f(v as f64)),
            ScalarType::F32 => decode!(f32, bytes, order, out, |v| f(f64::from(v))),
            ScalarType::F64 => decode!(f64, bytes, order, out, f),
            ScalarType::F128 => decode!(u128, bytes, order, out, |v| f(f64_from_binary128(v))),
        }
    }
}

pub(crate) use decode;

/// The f64 nearest to an IEEE binary128 given by its bits; ties go to the even neighbour.
pub fn f64_from_binary128(bits: u128) -> f64 {
    const FRACTION_BITS: u32 = 112;
    let sign = if bits >> 127 == 1 { -1.0 } else { 1.0 };
    let exponent = (bits >> FRACTION_BITS & 0x7fff) as i32;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    match (exponent, fraction) {
        (0x7fff, 0) => return sign * f64::INFINITY,
        (0x7fff, _) => return f64::NAN,
        // Below 2^-16382: under half of the least f64.
        (0, _) => return sign * 0.0,
        _ => {}
    }
    let exponent = exponent - 16383;
    let significand = fraction | 1 << FRACTION_BITS;
    // Bits to drop so that the result's last place is the f64's: 60, more for subnormal results.
    let drop = (60 + (-1022 - exponent).max(0)).min(126) as u32;
    let (kept, dropped, half) = (significand >> drop, significand & ((1 << drop) - 1), 1u128 << (drop - 1));
    let up = dropped > half || (dropped == half && kept & 1 == 1);
    let rounded = (kept + u128::from(up)) as u64;
    if exponent > 1023 {
        return sign * f64::INFINITY;
    }
    // The implicit bit adds one to the biased exponent, and so does a carry out of the fraction.
    let biased = if exponent < -1022 { 0 } else { (exponent + 1022) as u64 };
    sign * f64::from_bits((biased << 52) + rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The binary128 of a normal f64, exactly.
    fn widened(v: f64) -> u128 {
        let bits = v.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as u128 + 16383 - 1023;
        u128::from(bits >> 63) << 127 | exponent << 112 | u128::from(bits & ((1 << 52) - 1)) << 60
    }

    #[test]
    fn binary128_of_f64_comes_back() {
        for v in [1.0, -1.0, 0.1, -123.456, f64::MAX, f64::MIN_POSITIVE, 1e300, 3e-308] {
            assert_eq!(f64_from_binary128(widened(v)), v);
        }
        assert_eq!(f64_from_binary128(0), 0.0);
        assert!(f64_from_binary128(0x7fff << 112 | 1).is_nan());
        assert_eq!(f64_from_binary128(0xffff << 112), f64::NEG_INFINITY);
    }

    #[test]
    fn binary128_rounds_to_nearest_even() {
        let one = widened(1.0);
        let half = 1u128 << 59;
        let next = f64::from_bits(1.0f64.to_bits() + 1);
        assert_eq!(f64_from_binary128(one + half), 1.0);
        assert_eq!(f64_from_binary128(one + half + 1), next);
        assert_eq!(f64_from_binary128(widened(next) + half), f64::from_bits(next.to_bits() + 1));
        assert_eq!(f64_from_binary128(widened(2.0) - 1), 2.0);
        assert_eq!(f64_from_binary128(widened(f64::MAX) + half), f64::INFINITY);
        // 2^-1074 is the least subnormal, 2^-1075 its half (to even: zero), anything above rounds up to it.
        let power = |e: i32| ((16383 + e) as u128) << 112;
        assert_eq!(f64_from_binary128(power(-1074)), f64::from_bits(1));
        assert_eq!(f64_from_binary128(power(-1075)), 0.0);
        assert_eq!(f64_from_binary128(power(-1075) + 1), f64::from_bits(1));
        assert_eq!(f64_from_binary128(power(-1022) - 1), f64::MIN_POSITIVE);
        assert_eq!(f64_from_binary128(power(-3000)), 0.0);
    }
}
