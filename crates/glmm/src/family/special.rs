//! Special functions with their derivatives, accurate in the tails.

use super::jet::Derivatives;
use std::f64::consts::{FRAC_1_SQRT_2, PI, TAU};

/// log Γ(x), x > 0.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// ψ(x), ψ′(x), ψ″(x) for x > 0: recurrence up to 12, then Stirling's series (Abramowitz & Stegun 6.3.18, 6.4.12 ff.).
pub fn polygamma(mut x: f64) -> [f64; 3] {
    let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
    while x < 12.0 {
        let r = 1.0 / x;
        a -= r;
        b += r * r;
        c -= 2.0 * r * r * r;
        x += 1.0;
    }
    let r = 1.0 / x;
    let s = r * r;
    let digamma = x.ln()
        - 0.5 * r
        - s * (1.0 / 12.0 - s * (1.0 / 120.0 - s * (1.0 / 252.0 - s * (1.0 / 240.0 - s * (1.0 / 132.0)))));
    let trigamma =
        r + 0.5 * s + s * r * (1.0 / 6.0 - s * (1.0 / 30.0 - s * (1.0 / 42.0 - s * (1.0 / 30.0 - s * (5.0 / 66.0)))));
    let tetragamma = -s - s * r - s * s * (0.5 - s * (1.0 / 6.0 - s * (1.0 / 6.0 - s * (0.3 - s * (5.0 / 6.0)))));
    [a + digamma, b + trigamma, c + tetragamma]
}

/// log Γ with its derivatives.
pub fn ln_gamma_derivatives(x: f64) -> Derivatives {
    let [a, b, c] = polygamma(x);
    [ln_gamma(x), a, b, c]
}

/// The rest of Stirling's series: log Γ(x) − ((x − ½) log x − x + ½ log 2π), x ≥ 10.
fn stirling_rest(x: f64) -> f64 {
    let r = 1.0 / x;
    let s = r * r;
    r * (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s * (1.0 / 1188.0)))))
}

/// Terms that are summed one by one before Stirling's series takes over.
const SUMMED: f64 = 64.0;

/// H(x) = log(Γ(x + y)/Γ(x)) − y log x = Σ_{j<y} log(1 + j/x) with its derivatives in x, for whole y ≥ 0 and x > 0.
/// It goes to zero as x grows, without cancellation.
pub fn rising_ratio(y: f64, x: f64) -> Derivatives {
    if y < 2.0 {
        return [0.0; 4];
    }
    if y <= SUMMED {
        let (mut log, mut product) = (0.0, 1.0);
        let mut d = [0.0; 3];
        let r = 1.0 / x;
        let mut j = 1.0;
        while j < y {
            product *= 1.0 + j * r;
            if product > 1e200 {
                log += product.ln();
                product = 1.0;
            }
            let s = 1.0 / (x + j);
            // 1/(x+j) − 1/x, then −(1/(x+j)² − 1/x²), then 2 (1/(x+j)³ − 1/x³).
            let first = -j * r * s;
            d[0] += first;
            d[1] -= first * (s + r);
            d[2] += 2.0 * first * (s * s + s * r + r * r);
            j += 1.0;
        }
        // For large x the product is near 1, and its logarithm is Σ log(1 + j/x) to the last digits of Σ itself.
        return [log + product.ln(), d[0], d[1], d[2]];
    }
    let (high, low) = (polygamma(x + y), polygamma(x));
    let value = if x < 10.0 {
        ln_gamma(x + y) - ln_gamma(x) - y * x.ln()
    } else {
        (x + y - 0.5) * (y / x).ln_1p() - y + stirling_rest(x + y) - stirling_rest(x)
    };
    let r = 1.0 / x;
    [value, high[0] - low[0] - y * r, high[1] - low[1] + y * r * r, high[2] - low[2] - 2.0 * y * r * r * r]
}

/// K(x) = x log x − x − log Γ(x) with its derivatives: the constant of a gamma density of shape x.
pub fn gamma_constant(x: f64) -> Derivatives {
    let value = if x < 10.0 { x * x.ln() - x - ln_gamma(x) } else { 0.5 * (x / TAU).ln() - stirling_rest(x) };
    let [a, b, c] = polygamma(x);
    [value, x.ln() - a, 1.0 / x - b, -1.0 / (x * x) - c]
}

/// log(1 + eˣ) with its derivatives.
pub fn softplus(x: f64) -> Derivatives {
    let e = (-x.abs()).exp();
    let p = if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    let q = if x >= 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
    [x.max(0.0) + e.ln_1p(), p, p * q, p * q * (q - p)]
}

/// log(1 − e⁻ˣ), x > 0, with its derivatives (Mächler 2012 on its two forms).
pub fn log_one_minus_exp(x: f64) -> Derivatives {
    let value = if x > std::f64::consts::LN_2 { (-(-x).exp()).ln_1p() } else { (-(-x).exp_m1()).ln() };
    let u = 1.0 / x.exp_m1();
    [value, u, -u * (1.0 + u), u * (1.0 + u) * (1.0 + 2.0 * u)]
}

/// log x with its derivatives.
pub fn ln(x: f64) -> Derivatives {
    let r = 1.0 / x;
    [x.ln(), r, -r * r, 2.0 * r * r * r]
}

/// log Φ(x) with its derivatives, Φ the standard normal distribution function.
pub fn ln_normal_cdf(x: f64) -> Derivatives {
    // With m = φ/Φ: m, −m(x + m), m((x + m)(x + 2m) − 1). Far below zero x + m is a small difference: a series.
    let (value, m, rest) = if x > -20.0 {
        let cdf = 0.5 * libm::erfc(-x * FRAC_1_SQRT_2);
        let m = (-0.5 * x * x).exp() / (TAU.sqrt() * cdf);
        let value = if x > 5.0 { (-0.5 * libm::erfc(x * FRAC_1_SQRT_2)).ln_1p() } else { cdf.ln() };
        (value, m, x + m)
    } else {
        let r = -1.0 / x;
        let s = r * r;
        let rest = r
            * (1.0
                - s * (2.0 - s * (10.0 - s * (74.0 - s * (706.0 - s * (8162.0 - s * (110_410.0 - s * 1_708_394.0)))))));
        let m = rest - x;
        (-0.5 * x * x - 0.5 * TAU.ln() - m.ln(), m, rest)
    };
    [value, m, -m * rest, m * (rest * (rest + m) - 1.0)]
}

/// log(½ + atan(x)/π) with its derivatives.
pub fn ln_cauchy_cdf(x: f64) -> Derivatives {
    let cdf = f64::atan2(1.0, -x) / PI;
    let square = 1.0 + x * x;
    let density = 1.0 / (PI * square);
    let a = -2.0 * x / square;
    let slope = -2.0 * (1.0 - x * x) / (square * square);
    let (p1, p2, p3) = (density / cdf, density * a / cdf, density * (a * a + slope) / cdf);
    [cdf.ln(), p1, p2 - p1 * p1, p3 - 3.0 * p1 * p2 + 2.0 * p1 * p1 * p1]
}

/// log(1 − exp(−eˣ)) with its derivatives.
pub fn ln_gumbel_cdf(x: f64) -> Derivatives {
    let t = x.exp();
    let g = if t > 700.0 {
        0.0
    } else if t < 1e-300 {
        1.0
    } else {
        t / t.exp_m1()
    };
    let value = if t < 1e-300 { x } else { log_one_minus_exp(t)[0] };
    // 1 − t − g is −t/2 + … for small t, where the difference would lose digits.
    let rest = if t < 1e-4 { -t * (0.5 + t / 12.0) } else { 1.0 - t - g };
    let second = g * rest;
    [value, g, second, second * rest - g * (t + second)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each derivative against differences of the one before.
    fn check(name: &str, f: impl Fn(f64) -> Derivatives, points: &[f64]) {
        for &x in points {
            let h = 1e-5 * x.abs();
            let (up, down, at) = (f(x + h), f(x - h), f(x));
            for k in 1..4 {
                let difference = (up[k - 1] - down[k - 1]) / (2.0 * h);
                let scale = at[k].abs().max(1e-6 * (1.0 + at[k - 1].abs()));
                assert!(
                    (difference - at[k]).abs() < 2e-6 * scale.max(1e-9),
                    "{name}({x}), {k}: {difference} {}",
                    at[k]
                );
            }
        }
    }

    #[test]
    fn derivatives_agree_with_differences_into_the_tails() {
        let line = [-200.0, -45.0, -31.0, -29.0, -9.0, -1.5, 0.2, 1.0, 4.0];
        let positive = [1e-3, 0.1, 0.7, 3.0, 9.9, 14.0, 300.0, 1e5];
        check("ln_gamma", ln_gamma_derivatives, &positive);
        check("softplus", softplus, &line);
        check("log_one_minus_exp", log_one_minus_exp, &[1e-3, 0.1, 0.7, 3.0, 20.0]);
        check("ln_normal_cdf", ln_normal_cdf, &line);
        check("ln_cauchy_cdf", ln_cauchy_cdf, &line);
        check("ln_gumbel_cdf", ln_gumbel_cdf, &[-30.0, -9.0, -1.5, 0.2, 1.0, 2.5]);
        check("gamma_constant", gamma_constant, &[0.1, 0.7, 3.0, 9.9, 14.0, 300.0]);
        for y in [0.0, 1.0, 2.0, 5.0, 64.0, 65.0, 400.0] {
            check("rising_ratio", |x| rising_ratio(y, x), &[0.01, 0.5, 3.0, 11.0, 200.0]);
        }
    }

    #[test]
    fn published_values() {
        // Abramowitz & Stegun, tables 6.1 and 6.2; ψ(1) = −γ, ψ′(1) = π²/6, ψ″(1) = −2 ζ(3).
        let [a, b, c] = polygamma(1.0);
        assert!((a + 0.577_215_664_901_532_9).abs() < 1e-14);
        assert!((b - PI * PI / 6.0).abs() < 1e-13);
        assert!((c + 2.0 * 1.202_056_903_159_594_2).abs() < 1e-12);
        // log Φ(−40) from the continued fraction, as R's pnorm(-40, log.p = TRUE) gives it.
        assert!((ln_normal_cdf(-40.0)[0] + 804.608_442_013_753_8).abs() < 1e-9);
        for (y, x) in [(70.0, 3.0), (70.0, 30.0), (50.0, 1e7)] {
            let direct: f64 = (0..y as u32).map(|j| (f64::from(j) / x).ln_1p()).sum();
            assert!((rising_ratio(y, x)[0] - direct).abs() < 1e-11 * (1.0 + direct), "{y} {x}");
        }
    }
}
