//! Simulated studies with known parameters: designs, truths, and what one study finds.

use regiscope_glmm::design::{Covariance, Design, ModelMatrix, Predictor, RandomTerm, Response};
use regiscope_glmm::fit::{Estimates, Fit, RandomEffects, fit};
use regiscope_glmm::infer::distributions::two_sided_quantile;
use regiscope_glmm::infer::profile_likelihood::profile_intervals;
use regiscope_glmm::infer::simulate::{SimulatedEffects, Simulator};
use regiscope_glmm::infer::wald::{DegreesOfFreedom, FixedEffects};
use regiscope_glmm::matrix::Matrix;
use regiscope_glmm::settings::{Family, Method, Settings};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::digamma;

/// One kind of study: y ~ 1 + x + z + (1 | group), x different in every row, z in every group.
pub struct Study {
    pub name: &'static str,
    pub settings: Settings,
    pub groups: usize,
    pub each: usize,
    pub fixed: [f64; 3],
    pub sd: f64,
    /// The family's scale or shape (σ of Gaussian, φ of beta responses).
    pub dispersion: Option<f64>,
    /// What the intervals are.
    pub intervals: &'static str,
}

/// The four studies. Binary data take nine quadrature points, since Laplace's approximation is biased there.
pub fn studies() -> Vec<Study> {
    let quadrature = Settings { method: Method::Quadrature(9), ..Settings::new(Family::Binomial) };
    let wald = "fixed effects: Wald z; sd and dispersion: Wald z of the logarithm";
    vec![
        Study {
            name: "linear",
            settings: Settings::new(Family::Gaussian),
            groups: 40,
            each: 6,
            fixed: [1.0, 0.5, -0.4],
            sd: 0.8,
            dispersion: Some(1.0),
            intervals: "fixed effects: Satterthwaite t; sd and sigma: profile likelihood",
        },
        Study {
            name: "logit",
            settings: quadrature,
            groups: 150,
            each: 12,
            fixed: [-0.3, 0.7, 0.5],
            sd: 0.8,
            dispersion: None,
            intervals: wald,
        },
        Study {
            name: "poisson",
            settings: Settings::new(Family::Poisson),
            groups: 150,
            each: 6,
            fixed: [0.7, 0.3, -0.2],
            sd: 0.5,
            dispersion: None,
            intervals: wald,
        },
        Study {
            name: "beta",
            settings: Settings::new(Family::Beta),
            groups: 150,
            each: 6,
            fixed: [0.3, 0.4, -0.3],
            sd: 0.5,
            dispersion: Some(12.0),
            intervals: wald,
        },
    ]
}

/// One parameter of one study.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub estimate: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Study {
    /// Names and true values of the parameters.
    pub fn truths(&self) -> Vec<(&'static str, f64)> {
        let scale = if self.settings.family == Family::Gaussian { "sigma" } else { "dispersion" };
        let fixed = ["(Intercept)", "x", "z"].into_iter().zip(self.fixed);
        fixed.chain([("sd_(Intercept)|g", self.sd)]).chain(self.dispersion.map(|d| (scale, d))).collect()
    }

    /// What theory says of bias and coverage to the first order in one over the number of groups, parameter by parameter.
    ///
    /// With v the sampling variance of one group's own estimate of its effect, maximum likelihood loses one group for each
    /// of the two coefficients that groups determine (intercept and z), so that the variance of the effects is too small by
    /// 2 (sd² + v)/groups; REML mends that. The root of an unbiased variance is too small by its variance over 8 sd³. What
    /// is left within groups (`rest` degrees of freedom) determines σ, or φ, which is one over a variance. Wald's z for the
    /// coefficients of groups takes Student's t for normal and the variance that maximum likelihood finds.
    pub fn expected(&self) -> Vec<Expected> {
        let linear = self.settings.is_linear();
        let (groups, between) = (self.groups as f64, 2.0);
        let spread = self.sd * self.sd + self.sampling_variance();
        let lost = if linear { 0.0 } else { between * spread / groups / (2.0 * self.sd) };
        let root = 2.0 * spread * spread / groups / (8.0 * self.sd.powi(3));
        let rest = groups * (self.each as f64 - 1.0) - 1.0;
        let nominal = Expected { bias: 0.0, coverage: 0.95 };
        let of_groups = match linear {
            true => nominal,
            false => {
                let t = StudentsT::new(0.0, 1.0, groups - between).expect("there are more groups than coefficients");
                let bound = two_sided_quantile(0.95, f64::INFINITY) * ((groups - between) / groups).sqrt();
                Expected { bias: 0.0, coverage: 2.0 * t.cdf(bound) - 1.0 }
            }
        };
        let mut all = vec![of_groups, nominal, of_groups, Expected { bias: -lost - root, coverage: 0.95 }];
        all.extend(self.dispersion.map(|scale| match linear {
            true => Expected { bias: -scale / (4.0 * rest), coverage: 0.95 },
            false => Expected { bias: 3.0 * scale / rest, coverage: 0.95 },
        }));
        all
    }

    /// One over the information that the rows of one group hold about its effect, on average over rows and groups.
    fn sampling_variance(&self) -> f64 {
        let design = self.design();
        let rows = design.weights.len();
        let mut information = 0.0;
        for i in 0..rows {
            let eta: f64 = (0..3).map(|j| self.fixed[j] * design.mean.fixed.column(j)[i]).sum();
            // The normal distribution of the effect at seven points of equal probability.
            for k in 0..7 {
                let b = self.sd * Normal::standard().inverse_cdf((f64::from(k) + 0.5) / 7.0);
                let mean = 1.0 / (1.0 + (-(eta + b)).exp());
                information += match self.settings.family {
                    Family::Binomial => mean * (1.0 - mean),
                    Family::Poisson => (eta + b).exp(),
                    Family::Beta => {
                        let phi = self.dispersion.unwrap_or(1.0);
                        let trigamma = |a: f64| (digamma(a + 1e-4) - digamma(a - 1e-4)) / 2e-4;
                        (phi * mean * (1.0 - mean)).powi(2) * (trigamma(mean * phi) + trigamma((1.0 - mean) * phi))
                    }
                    _ => 1.0 / self.dispersion.unwrap_or(1.0).powi(2),
                } / 7.0;
            }
        }
        rows as f64 / (self.each as f64 * information)
    }

    /// The design with responses of zero.
    pub fn design(&self) -> Design {
        let n = self.groups * self.each;
        let x = |i: usize| ((i * 37) % 101) as f64 / 50.0 - 1.0;
        let z = |i: usize| ((i / self.each * 29) % 61) as f64 / 30.0 - 1.0;
        let values = (0..n).map(|_| 1.0).chain((0..n).map(x)).chain((0..n).map(z)).collect();
        let names = ["(Intercept)", "x", "z"].map(String::from).to_vec();
        let fixed = ModelMatrix {
            rows: n,
            values,
            names: names.clone(),
            term_of_column: vec![0, 1, 2],
            terms: names,
            aliased: vec![],
        };
        let random = RandomTerm {
            group: "g".into(),
            levels: (0..self.groups).map(|g| g.to_string()).collect(),
            level_of_row: (0..n).map(|i| (i / self.each) as u32).collect(),
            columns: vec!["(Intercept)".into()],
            values: vec![1.0; n],
            covariance: Covariance::Unstructured,
        };
        Design {
            response: Response::Real(vec![0.0; n]),
            response_name: "y".into(),
            weights: vec![1.0; n],
            mean: Predictor { fixed, offset: vec![0.0; n], random: vec![random] },
            zero: None,
            rows: (0..n as u32).collect(),
            low: None,
        }
    }

    /// The true parameters in the form of a fit, to simulate from.
    fn truth(&self, design: &Design) -> Fit {
        let one = |v: f64| Matrix { rows: 1, columns: 1, values: vec![v] };
        let names = design.mean.fixed.names.clone();
        Fit {
            settings: self.settings.clone(),
            rows: design.weights.len(),
            fixed: Estimates::new(names, self.fixed.to_vec(), Matrix::zeros(3, 3)),
            zero: None,
            thresholds: None,
            random: vec![RandomEffects {
                group: "g".into(),
                predictor: 0,
                form: Covariance::Unstructured,
                columns: vec!["(Intercept)".into()],
                levels: design.mean.random[0].levels.clone(),
                covariance: one(self.sd * self.sd),
                sd: vec![self.sd],
                correlation: one(1.0),
                log_sd_se: vec![f64::NAN],
                modes: Matrix::zeros(self.groups, 1),
                conditional: vec![],
            }],
            between_terms: vec![],
            theta: vec![self.sd],
            sigma: self.dispersion.unwrap_or(1.0),
            dispersion: self.dispersion,
            parameters: Estimates::default(),
            log_lik: 0.0,
            df: 0,
            aic: 0.0,
            bic: 0.0,
            linear_predictors: vec![],
            fitted: vec![],
            pearson: vec![],
            singular: false,
            verdict: regiscope_glmm::verdict::Verdict {
                converged: true,
                newton_decrement: 0.0,
                scaled_gradient: 0.0,
                smallest_curvature: 1.0,
            },
            messages: vec![],
            counts: Default::default(),
        }
    }

    /// Simulates one study and fits it: the parameters in the order of the truths; nothing where the fit did not converge.
    pub fn run(&self, design: &Design, seed: u64, replicate: u64) -> Option<Vec<Found>> {
        let truth = self.truth(design);
        let simulator = Simulator::new(design, &truth).expect("the truth has the sizes of its design");
        let mut study = design.clone();
        study.response = simulator.draw(SimulatedEffects::New, seed, replicate);
        let found = fit(&study, &self.settings, &mut |_| ()).ok().filter(|f| f.verdict.converged)?;
        let linear = self.settings.is_linear();
        let method = if linear { DegreesOfFreedom::Satterthwaite } else { DegreesOfFreedom::Asymptotic };
        let tests = FixedEffects::new(&study, &found, method).ok()?.coefficient_tests(0.95).ok()?.tests;
        let mut all: Vec<Found> =
            tests.iter().map(|t| Found { estimate: t.estimate, lower: t.lower, upper: t.upper }).collect();
        if linear {
            let intervals = profile_intervals(&study, &found, 0.95, |n| n.starts_with("sd_") || n == "sigma").ok()?;
            // The estimates are those of REML.
            for (interval, estimate) in intervals.iter().zip([found.random[0].sd[0], found.sigma]) {
                all.push(Found { estimate, lower: interval.lower, upper: interval.upper });
            }
            return Some(all);
        }
        let quantile = two_sided_quantile(0.95, f64::INFINITY);
        let mut push = |estimate: f64, log_se: f64| {
            let factor = (quantile * log_se).exp();
            all.push(Found { estimate, lower: estimate / factor, upper: estimate * factor });
        };
        push(found.random[0].sd[0], found.random[0].log_sd_se[0]);
        if self.dispersion.is_some() {
            push(found.dispersion?, *found.parameters.se.last()?);
        }
        Some(all)
    }
}

/// What theory says of one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub bias: f64,
    pub coverage: f64,
}

/// Bias and coverage of one parameter over many studies.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Recovery {
    pub parameter: &'static str,
    pub truth: f64,
    pub bias: f64,
    /// Monte-Carlo standard error of the bias.
    pub bias_se: f64,
    /// Bias that theory expects of the method.
    pub expected_bias: f64,
    pub coverage: f64,
    /// Monte-Carlo standard error of a coverage of 0.95.
    pub coverage_se: f64,
    /// Coverage that theory expects of the interval.
    pub expected_coverage: f64,
}

/// Sums studies up.
pub fn recover(study: &Study, studies: &[Vec<Found>]) -> Vec<Recovery> {
    let (truths, expected) = (study.truths(), study.expected());
    let n = studies.len() as f64;
    let one = |(j, &(parameter, truth)): (usize, &(&'static str, f64))| {
        let mean = studies.iter().map(|s| s[j].estimate).sum::<f64>() / n;
        let square: f64 = studies.iter().map(|s| (s[j].estimate - mean).powi(2)).sum();
        let covered = studies.iter().filter(|s| s[j].lower <= truth && truth <= s[j].upper).count() as f64;
        Recovery {
            parameter,
            truth,
            bias: mean - truth,
            bias_se: (square / (n - 1.0) / n).sqrt(),
            expected_bias: expected[j].bias,
            coverage: covered / n,
            coverage_se: (0.95_f64 * 0.05 / n).sqrt(),
            expected_coverage: expected[j].coverage,
        }
    };
    truths.iter().enumerate().map(one).collect()
}
