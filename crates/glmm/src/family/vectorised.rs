//! Elementary functions in plain arithmetic, so that loops over the observations vectorise.

/// eˣ for x ≤ 0, to two units in the last place; 0 below −708.
#[inline(always)]
pub fn exp_negative(x: f64) -> f64 {
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    // ln 2 in two parts, the first with trailing zeros, so that k times it is exact (Cody & Waite 1980).
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // Adding and taking 1.5·2⁵² rounds to the nearest whole number, which then stands in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let clamped = if x < -708.0 { -708.0 } else { x };
    let shifted = clamped * LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = clamped - k * LN2_HIGH - k * LN2_LOW;
    // Taylor's polynomial on |r| ≤ ln 2 / 2; its rest is below 5e-17.
    let mut p = 1.0 / 6_227_020_800.0;
    p = p * r + 1.0 / 479_001_600.0;
    p = p * r + 1.0 / 39_916_800.0;
    p = p * r + 1.0 / 3_628_800.0;
    p = p * r + 1.0 / 362_880.0;
    p = p * r + 1.0 / 40_320.0;
    p = p * r + 1.0 / 5_040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < -708.0 { 0.0 } else { p * power }
}

/// log(1 + e) for 0 ≤ e ≤ 1: 2 artanh(e/(2 + e)) by its series, whose rest is below 1e-17.
#[inline(always)]
pub fn ln_one_plus(e: f64) -> f64 {
    let s = e / (2.0 + e);
    let t = s * s;
    let mut p = 1.0 / 33.0;
    p = p * t + 1.0 / 31.0;
    p = p * t + 1.0 / 29.0;
    p = p * t + 1.0 / 27.0;
    p = p * t + 1.0 / 25.0;
    p = p * t + 1.0 / 23.0;
    p = p * t + 1.0 / 21.0;
    p = p * t + 1.0 / 19.0;
    p = p * t + 1.0 / 17.0;
    p = p * t + 1.0 / 15.0;
    p = p * t + 1.0 / 13.0;
    p = p * t + 1.0 / 11.0;
    p = p * t + 1.0 / 9.0;
    p = p * t + 1.0 / 7.0;
    p = p * t + 1.0 / 5.0;
    p = p * t + 1.0 / 3.0;
    2.0 * (s + s * t * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_standard_library() {
        for k in 0..200_000 {
            let x = -f64::from(k) * 0.0035;
            let (found, exact) = (exp_negative(x), x.exp());
            assert!((found - exact).abs() <= 1e-15 * exact, "{x}: {found} {exact}");
            let e = f64::from(k) / 200_000.0;
            assert!((ln_one_plus(e) - e.ln_1p()).abs() <= 1e-15 * e.ln_1p(), "{e}");
        }
        assert_eq!(exp_negative(0.0), 1.0);
        assert_eq!(exp_negative(-1e300), 0.0);
        assert_eq!(ln_one_plus(0.0), 0.0);
        assert!(exp_negative(f64::NAN).is_nan());
    }
}
