//! Tail probabilities and quantiles of the normal, t, F and χ² distributions; degrees of freedom may be infinite.

use libm::erfc;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc_inv;
use statrs::function::gamma::{gamma_lr, gamma_ur, ln_gamma};

/// Probability that a standard normal number is at most x.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Density of the standard normal distribution.
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

/// The standard normal number that is exceeded with probability 1 − p; infinite at 0 and 1, NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let start = -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p);
    // One Newton step, on the side where the probability is small and so exact.
    let density = normal_density(start);
    if density == 0.0 {
        return start;
    }
    let error = if start < 0.0 { normal_cdf(start) - p } else { (1.0 - p) - normal_cdf(-start) };
    start - error / density
}

/// Two-sided probability of a value of Student's t with `df` degrees of freedom (infinite: of the normal distribution).
pub fn two_sided_t(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        f64::NAN
    } else if t.is_infinite() {
        0.0
    } else if df > 1e10 {
        // Normal by then; df / (df + t²) would soon be rounded to 1.
        erfc(t.abs() * std::f64::consts::FRAC_1_SQRT_2)
    } else {
        beta_reg(0.5 * df, 0.5, df / (df + t * t))
    }
}

/// The value of Student's t that is exceeded with probability 1 − p (0 < p < 1).
pub fn t_quantile(p: f64, df: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && df > 0.0) {
        return f64::NAN;
    }
    if df > 1e10 {
        return normal_quantile(p);
    }
    let tail = p.min(1.0 - p);
    if tail == 0.5 {
        return 0.0;
    }
    let normal = -normal_quantile(tail);
    let start = if df < 30.0 {
        StudentsT::new(0.0, 1.0, df).map_or(f64::NAN, |d| d.inverse_cdf(1.0 - tail)).abs()
    } else {
        expanded_t_quantile(normal, df)
    };
    // There the expansion is exact to rounding (the next term is below 1e-17), while the beta function loses digits of the
    // tail (about one part in 1e11 at 1e5) and needs ever more terms.
    if df > 1e5 || df > 1e4 && normal < 8.0 {
        return if p < 0.5 { -start } else { start };
    }
    let log_constant = ln_gamma(0.5 * (df + 1.0)) - ln_gamma(0.5 * df) - 0.5 * (df * std::f64::consts::PI).ln();
    // Newton's method in log t.
    let mut log = if start > 0.0 && start.is_finite() { start.ln() } else { 0.0 };
    for _ in 0..100 {
        let t = log.exp();
        let slope = (log + log_constant - 0.5 * (df + 1.0) * (t * t / df).ln_1p()).exp();
        let step = ((0.5 * two_sided_t(t, df) - tail) / slope).clamp(-2.0, 2.0);
        if !step.is_finite() {
            break;
        }
        log += step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    let t = log.exp();
    if p < 0.5 { -t } else { t }
}

/// Student's t quantile from the normal one z by Fisher and Cornish's expansion in 1/df (Abramowitz & Stegun 26.7.5).
fn expanded_t_quantile(z: f64, df: f64) -> f64 {
    let s = z * z;
    let first = (s + 1.0) / 4.0;
    let second = ((5.0 * s + 16.0) * s + 3.0) / 96.0;
    let third = (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0;
    let fourth = ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92160.0;
    z * (1.0 + (first + (second + (third + fourth / df) / df) / df) / df)
}

/// Probability of a larger F with (df1, df2) degrees of freedom; df2 may be infinite (χ² over df1).
pub fn upper_f(f: f64, df1: f64, df2: f64) -> f64 {
    if f.is_nan() || !(df1 > 0.0 && df2 > 0.0) {
        f64::NAN
    } else if f <= 0.0 {
        1.0
    } else if f.is_infinite() {
        0.0
    } else if df2.is_infinite() {
        upper_chi_squared(f * df1, df1)
    } else {
        beta_reg(0.5 * df2, 0.5 * df1, df2 / (df2 + df1 * f))
    }
}

/// Probability of a larger χ² with `df` degrees of freedom (0: all at zero).
pub fn upper_chi_squared(x: f64, df: f64) -> f64 {
    if x.is_nan() || df.is_nan() {
        f64::NAN
    } else if x <= 0.0 {
        1.0
    } else if df == 0.0 || x.is_infinite() {
        0.0
    } else {
        upper_gamma(0.5 * df, 0.5 * x)
    }
}

/// The value of χ² with `df` degrees of freedom that is exceeded with probability 1 − p (0 < p < 1).
pub fn chi_squared_quantile(p: f64, df: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && df > 0.0) {
        return f64::NAN;
    }
    // Wilson & Hilferty (1931), or the leading term near zero; then Newton in the logarithm.
    let shape = 0.5 * df;
    let cube = 1.0 - 2.0 / (9.0 * df) + normal_quantile(p) * (2.0 / (9.0 * df)).sqrt();
    let near_zero = 2.0 * ((p.ln() + ln_gamma(shape + 1.0)) / shape).exp();
    let mut log = if cube > 0.3 { (df * cube.powi(3)).ln() } else { near_zero.max(f64::MIN_POSITIVE).ln() };
    for _ in 0..60 {
        let half = 0.5 * log.exp();
        let slope = (shape * half.ln() - half - ln_gamma(shape)).exp();
        let error = if p < 0.5 { lower_gamma(shape, half) - p } else { (1.0 - p) - upper_gamma(shape, half) };
        let step = (error / slope).clamp(-1.0, 1.0);
        if !step.is_finite() {
            break;
        }
        log -= step;
        if step.abs() < 1e-14 {
            break;
        }
    }
    log.exp()
}

/// Regularised lower incomplete gamma function (statrs gives 0 near 0).
fn lower_gamma(shape: f64, x: f64) -> f64 {
    if x > 1e-8 {
        return gamma_lr(shape, x);
    }
    (shape * x.ln() - ln_gamma(shape + 1.0)).exp() * (1.0 - x * shape / (shape + 1.0))
}

/// Regularised upper incomplete gamma function.
fn upper_gamma(shape: f64, x: f64) -> f64 {
    if x > 1e-8 { gamma_ur(shape, x) } else { 1.0 - lower_gamma(shape, x) }
}

/// Two-sided quantile of the normal or t distribution for an interval of this level (0.95: 1.96 for infinite df).
pub fn two_sided_quantile(level: f64, df: f64) -> f64 {
    t_quantile(0.5 + 0.5 * level, df)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found / expected - 1.0).abs() < relative, "{found:e} instead of {expected:e}");
    }

    /// Figures of R 4.2.2.
    #[test]
    fn tails_and_quantiles_are_those_of_r() {
        close(normal_cdf(-8.0), 6.220960574271785e-16, 1e-12);
        close(normal_quantile(0.975), 1.959963984540054, 1e-15);
        close(normal_quantile(1e-10), -6.361340902404056, 1e-14);
        close(two_sided_t(2.5, 7.3), 0.0396502346656005, 1e-12);
        close(two_sided_t(40.0, 12.0), 3.85122958077204e-14, 1e-10);
        // So many degrees of freedom that the distribution is normal.
        close(two_sided_t(6.5, 5e38), two_sided_t(6.5, f64::INFINITY), 1e-12);
        close(t_quantile(0.975, 3.7), 2.86752070719119, 1e-13);
        close(t_quantile(0.0005, 1.0), -636.61924876872, 1e-12);
        close(upper_f(3.2, 2.0, 11.5), 0.0785430304722621, 1e-12);
        close(upper_f(2.0, 3.0, f64::INFINITY), upper_chi_squared(6.0, 3.0), 1e-15);
        close(upper_chi_squared(3.841458820694124, 1.0), 0.05, 1e-12);
        close(chi_squared_quantile(0.95, 1.0), 3.841458820694124, 1e-13);
    }

    #[test]
    fn quantiles_invert_probabilities() {
        for p in [1e-8, 0.003, 0.2, 0.5, 0.77, 0.999] {
            close(normal_cdf(normal_quantile(p)), p, 1e-12);
            for df in [0.3, 1.0, 2.5, 29.9, 30.0, 40.0, 3000.0, 99_000.0] {
                close(1.0 - upper_chi_squared(chi_squared_quantile(p, df), df), p, 1e-7);
                let t = t_quantile(p, df);
                let lower = if t < 0.0 { 0.5 * two_sided_t(t, df) } else { 1.0 - 0.5 * two_sided_t(t, df) };
                close(lower, p, 1e-9);
            }
        }
        // Found without end by iteration; both sides of the change to the expansion agree.
        for df in [1.2e5, 4.7e7, 9.9e9] {
            let expected = normal_quantile(0.975) * (1.0 + (normal_quantile(0.975).powi(2) + 1.0) / (4.0 * df));
            // What the next term of the expansion leaves.
            close(t_quantile(0.975, df), expected, 1e-12 + 2.0 / (df * df));
        }
        // In forty digits by the incomplete beta function; iteration (up to 1e4) has the digits that its tail has.
        close(t_quantile(0.975, 1e4), 1.960_201_239_890_626_3, 5e-12);
        close(t_quantile(0.975, 10_000.000_001), 1.960_201_239_890_626_3, 1e-13);
        close(t_quantile(0.975, 1e5), 1.959_987_707_534_609_6, 4e-16);
        close(t_quantile(0.025, 1.2e5), -1.959_983_753_662_981_7, 4e-16);
        assert!(t_quantile(1.0, 3.0).is_nan() && normal_quantile(2.0).is_nan());
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
