//! Fits of linear mixed models by their profiled deviance.

use crate::design::{Design, Response};
use crate::fit::{Counts, Estimates, Fit, FitError, Progress};
use crate::generalised::{CENTRAL, improves};
use crate::matrix::Matrix;
use crate::outer::{Optimum, Point, difference_hessian, forward_hessian, minimise};
use crate::profile::{Criterion, LinearProfile, Profiled};
use crate::random::Layout;
use crate::report::{covariance_of, parameter_names, random_effects};
use crate::settings::Settings;
use crate::verdict::{Message, Verdict};

/// Steps of the differences of gradients: θ is relative to the residual standard deviation, so that 1 is its scale.
fn steps(theta: &[f64]) -> Vec<f64> {
    theta.iter().map(|t| 2e-5 * t.abs().max(0.2)).collect()
}

/// Fits a linear mixed model.
pub fn fit_linear(design: &Design, settings: &Settings, observer: &mut dyn FnMut(Progress)) -> Result<Fit, FitError> {
    let Response::Real(y) = &design.response else {
        return Err(FitError::ResponseKind { family: "gaussian", accepted: "one column of numbers" });
    };
    let profile = LinearProfile::new(&design.mean, Layout::new(design), y, &design.weights);
    let criterion = settings.criterion;
    let mut evaluations = 0;
    let mut evaluate = |theta: &[f64]| -> Option<(f64, Vec<f64>)> {
        let at = profile.solve(theta)?;
        let sigma = profile.sigma(&at, criterion);
        let value = 0.5 * profile.deviance(&at, criterion, sigma);
        let gradient = profile.gradient(&at, theta, criterion, sigma);
        evaluations += 1;
        observer(Progress { evaluations, log_lik: -value, theta });
        Some((value, gradient.into_iter().map(|g| 0.5 * g).collect()))
    };
    let central = profile.rows * profile.layout.parameters() < CENTRAL;
    let mut hessian = |evaluate: &mut crate::outer::Evaluate, point: &Point| {
        let steps = steps(&point.x);
        let short = if central { None } else { forward_hessian(evaluate, point, &steps) };
        short.or_else(|| difference_hessian(evaluate, point, &steps))
    };
    let mut run = |theta: Vec<f64>| -> Result<Optimum, FitError> {
        let failed = || FitError::Evaluation { problem: "the penalised least-squares problem has no solution".into() };
        let (value, gradient) = evaluate(&theta).ok_or_else(failed)?;
        let start = Point { x: theta, value, gradient };
        let first = forward_hessian(&mut evaluate, &start, &steps(&start.x));
        minimise(&mut evaluate, &mut hessian, start, first, settings.tolerance, settings.max_iterations)
            .ok_or_else(failed)
    };
    let unit = profile.layout.unit();
    let mut best = run(settings.start.clone().unwrap_or_else(|| unit.clone()))?;
    let mut reached = vec![-best.point.value];
    // A boundary or an unfinished fit may be one of several optima.
    let converged = Verdict::new(&best.hessian, &best.point.gradient).converged;
    if !unit.is_empty() && (!converged || crate::report::is_singular(&profile.layout, &best.point.x)) {
        for factor in [0.2, 4.0] {
            let other = run(unit.iter().map(|t| factor * t).collect())?;
            reached.push(-other.point.value);
            if improves(&other, &best) {
                best = other;
            }
        }
    }
    let at =
        profile.solve(&best.point.x).ok_or(FitError::Evaluation { problem: "the last factorisation failed".into() })?;
    let mut fit = report(design, settings, &profile, &best, &at);
    fit.counts = Counts { iterations: best.iterations, evaluations, passes: 0 };
    let highest = reached.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if reached.iter().any(|l| highest - l > 1e-4) {
        fit.messages.push(Message::SeveralOptima { log_liks: reached });
    }
    Ok(fit)
}

/// The Hessian of half the deviance in (θ, log σ), from that of the profiled one.
///
/// With h = ∂²/∂θ∂log σ = −∇r²/σ² and ∂²/∂(log σ)² = 2 m at σ̂² = r²/m, the block in θ is the profiled Hessian + h hᵀ/(2 m).
/// The signs are those of the canonical θ.
fn full_hessian(profile: &LinearProfile, criterion: Criterion, best: &Optimum, at: &Profiled) -> Matrix {
    let theta = &best.point.x;
    let k = theta.len();
    let canonical = profile.layout.canonical(theta);
    let sign: Vec<f64> = theta.iter().zip(&canonical).map(|(a, b)| if a == b { 1.0 } else { -1.0 }).collect();
    let m = profile.divisor(criterion);
    let slopes = profile.penalised_gradient(at, theta);
    let mixed: Vec<f64> = slopes.iter().zip(&sign).map(|(g, s)| -s * g * m / at.penalised).collect();
    Matrix::from_fn(k + 1, k + 1, |i, j| match (i < k, j < k) {
        (true, true) => sign[i] * sign[j] * best.hessian[(i, j)] + mixed[i] * mixed[j] / (2.0 * m),
        (true, false) => mixed[i],
        (false, true) => mixed[j],
        (false, false) => 2.0 * m,
    })
}

fn report(design: &Design, settings: &Settings, profile: &LinearProfile, best: &Optimum, at: &Profiled) -> Fit {
    let criterion = settings.criterion;
    let layout = &profile.layout;
    let theta = layout.canonical(&best.point.x);
    let sigma = profile.sigma(at, criterion);
    let rows = profile.rows;
    let p = profile.columns();

    let mut covariance = at.unscaled_covariance.clone();
    covariance.values.iter_mut().for_each(|v| *v *= sigma * sigma);
    let k = theta.len();
    let scale_covariance = covariance_of(Some(&full_hessian(profile, criterion, best, at)), k + 1);
    let all = Matrix::from_fn(p + k + 1, p + k + 1, |i, j| match (i < p, j < p) {
        (true, true) => covariance[(i, j)],
        (false, false) => scale_covariance[(i - p, j - p)],
        _ => 0.0,
    });
    let names = parameter_names(design, layout, &["log(sigma)".into()]);
    let mut values = at.beta.clone();
    values.extend(&theta);
    values.push(sigma.ln());

    let b: Vec<f64> = layout.apply(&layout.factors(&best.point.x), &at.u, false);
    let mut eta = design.mean.offset.clone();
    let x = &design.mean.fixed;
    for (j, &beta) in at.beta.iter().enumerate() {
        crate::matrix::add_scaled(&mut eta, beta, x.column(j));
    }
    layout.add_product(0, &b, &mut eta);
    let Response::Real(y) = &design.response else { unreachable!("linear models have real responses") };
    let pearson = (0..rows).map(|i| (y[i] - eta[i]) * design.weights[i].sqrt() / sigma).collect();

    let (mut conditional, mut between_terms) = profile.conditional_covariances(at, &best.point.x);
    let between = between_terms.iter_mut().flat_map(|b| &mut b.conditional);
    for m in conditional.iter_mut().flatten().chain(between) {
        m.values.iter_mut().for_each(|v| *v *= sigma * sigma);
    }
    let random = random_effects(layout, &theta, sigma, &b, conditional, &scale_covariance, true);
    let log_lik = -0.5 * profile.deviance(at, criterion, sigma);
    let df = p + k + 1;
    let verdict = Verdict::new(&best.hessian, &best.point.gradient);
    let singular = crate::report::is_singular(layout, &theta);
    let mut messages = crate::report::messages(design, layout, &theta, sigma, &verdict, singular);
    if verdict.smallest_curvature < 1e-7 && !singular {
        messages.push(crate::generalised_report::flat(&best.hessian, &names[p..p + k], verdict.smallest_curvature));
    }
    Fit {
        settings: settings.clone(),
        rows,
        fixed: Estimates::new(x.names.clone(), at.beta.clone(), covariance),
        zero: None,
        thresholds: None,
        random,
        between_terms,
        theta,
        sigma,
        dispersion: Some(sigma),
        parameters: Estimates::new(names, values, all),
        log_lik,
        df,
        aic: -2.0 * log_lik + 2.0 * df as f64,
        bic: -2.0 * log_lik + (rows as f64).ln() * df as f64,
        fitted: eta.clone(),
        linear_predictors: vec![eta],
        pearson,
        singular,
        verdict,
        messages,
        counts: Counts::default(),
    }
}

#[cfg(test)]
mod tests {
    use crate::fit::fit;
    use crate::matrix::Matrix;
    use crate::settings::{Criterion, Family, Settings};
    use crate::testing;

    /// Where the gradient of the dense form vanishes, the profile's optimum is the optimum.
    #[test]
    fn the_optimum_is_one_of_the_dense_deviance_too() {
        for design in testing::linear_designs() {
            for criterion in [Criterion::Ml, Criterion::Reml] {
                let settings = Settings { criterion, ..Settings::new(Family::Gaussian) };
                let fit = fit(&design, &settings, &mut |_| ()).unwrap();
                assert!(fit.verdict.converged, "{:?}", fit.verdict);
                let reml = criterion == Criterion::Reml;
                let at = |theta: &[f64], sigma: f64| testing::dense_deviance(&design, theta, reml, sigma);
                let here = at(&fit.theta, fit.sigma);
                assert!((here + 2.0 * fit.log_lik).abs() < 1e-7 * here.abs());
                for m in 0..fit.theta.len() {
                    for step in [-1e-3, 1e-3] {
                        let mut theta = fit.theta.clone();
                        theta[m] += step;
                        assert!(at(&theta, fit.sigma) > here - 1e-9);
                    }
                }
            }
        }
    }

    /// The covariance of (θ, log σ) against differences of the dense deviance.
    #[test]
    fn the_covariance_of_the_scales_is_the_inverse_of_the_dense_hessian() {
        for design in testing::linear_designs() {
            for criterion in [Criterion::Ml, Criterion::Reml] {
                let settings = Settings { criterion, ..Settings::new(Family::Gaussian) };
                let fit = fit(&design, &settings, &mut |_| ()).unwrap();
                if fit.singular {
                    continue;
                }
                let reml = criterion == Criterion::Reml;
                let mut x = fit.theta.clone();
                x.push(fit.sigma.ln());
                let (k, p) = (x.len(), fit.fixed.values.len());
                let half = |x: &[f64]| 0.5 * testing::dense_deviance(&design, &x[..k - 1], reml, x[k - 1].exp());
                let step = 1e-3;
                let hessian = Matrix::from_fn(k, k, |i, j| {
                    let at = |a: f64, b: f64| {
                        let mut moved = x.clone();
                        moved[i] += a * step;
                        moved[j] += b * step;
                        half(&moved)
                    };
                    (at(1.0, 1.0) - at(1.0, -1.0) - at(-1.0, 1.0) + at(-1.0, -1.0)) / (4.0 * step * step)
                });
                let found = fit.parameters.covariance.block(p, p + k);
                let product = hessian.product(&found);
                for j in 0..k {
                    for i in 0..k {
                        let unit = f64::from(u8::from(i == j));
                        assert!((product[(i, j)] - unit).abs() < 0.02, "{criterion:?} {i} {j} {}", product[(i, j)]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_model_without_random_effects_is_least_squares() {
        let mut design = testing::linear_designs().remove(0);
        design.mean.random.clear();
        let fit = fit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();
        let rss: f64 = testing::real(&design).iter().zip(&fit.fitted).map(|(y, f)| (y - f).powi(2)).sum();
        assert!((fit.sigma.powi(2) - rss / 87.0).abs() < 1e-10);
        assert!(fit.verdict.converged && !fit.singular);
    }
}
