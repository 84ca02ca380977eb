//! Decimal text as double-double numbers.

use qd::Quad;

/// Digits that are read; what follows is below the resolution of a double-double number (about 31 digits).
const DIGITS: u32 = 36;

/// The number that a decimal text writes, as `(high, low)`: `high` is the nearest `f64` (as [`str::parse`] gives it) and
/// `low` what it lacks, so that `high + low` is right to about 30 digits.
///
/// Accepts what `f64`'s parser accepts, without surrounding space; `None` for other text. For infinities, NaN and numbers
/// whose low part would leave the range of `f64`, `low` is 0.
pub fn parse_decimal(text: &str) -> Option<(f64, f64)> {
    let high: f64 = text.parse().ok()?;
    if !high.is_finite() || high == 0.0 || !(1e-250..1e250).contains(&high.abs()) {
        return Some((high, 0.0));
    }
    let exact = digits_and_exponent(text).map_or(Quad::from(high), |(digits, exponent)| scaled(digits, exponent));
    let signed = if high < 0.0 { -exact } else { exact };
    let rest = signed - Quad::from(high);
    Some((high, rest.0 + rest.1))
}

/// The first digits as a whole number, and the power of ten that belongs to them; `None` for "inf" and "nan".
fn digits_and_exponent(text: &str) -> Option<(u128, i32)> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let (mantissa, power) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (mut digits, mut exponent, mut seen, mut past_point) = (0_u128, power, 0, false);
    for byte in mantissa.bytes() {
        match byte {
            b'.' => past_point = true,
            b'0'..=b'9' => {
                let digit = u128::from(byte - b'0');
                if seen < DIGITS {
                    digits = digits * 10 + digit;
                    seen += u32::from(digits > 0);
                    exponent = exponent.checked_sub(i32::from(past_point))?;
                } else if !past_point {
                    exponent = exponent.checked_add(1)?;
                }
            }
            _ => return None,
        }
    }
    Some((digits, exponent))
}

/// digits · 10^exponent.
fn scaled(digits: u128, exponent: i32) -> Quad {
    let high = digits as f64;
    let rest = digits.wrapping_sub(high as u128) as i128 as f64;
    let number = Quad::from(high) + Quad::from(rest);
    let power = power_of_ten(exponent.unsigned_abs());
    if exponent < 0 { number / power } else { number * power }
}

/// 10^n, exact up to n = 45.
fn power_of_ten(n: u32) -> Quad {
    let (mut power, mut square, mut left) = (Quad::ONE, Quad::from(10.0), n);
    while left > 0 {
        if left & 1 == 1 {
            power *= square;
        }
        square *= square;
        left >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_part_completes_a_decimal() {
        // 0.1 in f64 is 0.1000000000000000055511151231257827…
        let (high, low) = parse_decimal("0.1").unwrap();
        assert_eq!(high, 0.1);
        assert!((low + 5.551115123125783e-18).abs() < 1e-33, "{low:e}");
        // Ten times it is one, to 31 digits.
        let ten = Quad(high, low) * Quad::from(10.0) - Quad::ONE;
        assert!(ten.0.abs() < 1e-30);
        let (high, low) = parse_decimal("-1000000000000.4").unwrap();
        assert_eq!(high, -1000000000000.4);
        let rest = Quad(high, low) * Quad::from(10.0) + Quad::from(10000000000004.0);
        assert!(rest.0.abs() < 1e-17);
    }

    #[test]
    fn all_ways_to_write_a_number_give_one_value() {
        let expected = parse_decimal("0.00120034").unwrap();
        for text in ["1.20034e-3", "+.00120034", "120.034E-5", "0.001200340000000000000000000000000000000000000000001"]
        {
            let (high, low) = parse_decimal(text).unwrap();
            assert_eq!(high, expected.0, "{text}");
            assert!((low - expected.1).abs() < 1e-33, "{text}");
        }
        assert_eq!(parse_decimal("12"), Some((12.0, 0.0)));
        assert_eq!(parse_decimal("1e300"), Some((1e300, 0.0)));
        assert_eq!(parse_decimal("5e-324"), Some((5e-324, 0.0)));
        assert_eq!(parse_decimal("-inf"), Some((f64::NEG_INFINITY, 0.0)));
        assert!(parse_decimal("nan").unwrap().0.is_nan());
        assert_eq!(parse_decimal("abc"), None);
        assert_eq!(parse_decimal("1 2"), None);
        // 2^100 + 1 does not fit one f64, but two.
        let (high, low) = parse_decimal("1267650600228229401496703205377").unwrap();
        assert_eq!((high, low), (2_f64.powi(100), 1.0));
    }
}
