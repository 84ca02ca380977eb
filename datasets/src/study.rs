//! Seeded studies of algorithms that fail on images, shaped like the ROBUST-MIS challenge.
//!
//! Images of instruments are taken from procedures, which are nested in types of surgery; every algorithm segments every
//! image; images have characteristics (smoke, motion blur, …) that raters annotate. Algorithm a fails on image i of
//! procedure p with probability
//!
//! logit P = β₀ + Σ_j (β_j + s_aj) x_ij + u_i + u_p + u_type + u_a,
//!
//! and its score (a Dice coefficient) is 0 with probability π_ia, else beta-distributed with mean μ_ia and precision φ,
//! both with logit predictors of their own. Failure and score come from one uniform number, so that a failure has a low
//! score while both models hold exactly. All effects are known and invented; nobody and no algorithm is described. The
//! shape follows Roß et al. 2023, "Beyond rankings: Learning (more) from algorithm validation", Medical Image Analysis 86.

mod effects;
mod raters;
mod rows;
mod text;

pub use effects::{Characteristic, Kind, characteristics};
pub use raters::Label;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde::Serialize;
use thiserror::Error;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct StudySettings {
    /// Which study: every seed gives other images, random effects and results under the same fixed effects.
    pub seed: u64,
    /// Images, 30 to 100,000. Default 2,728.
    pub images: usize,
    /// Procedures, 3 to 1,000 and no more than images. Default 30.
    pub procedures: usize,
    /// Algorithms, 1 to 100. Default 10.
    pub algorithms: usize,
    /// Annotated cells (characteristics of images), at most all; others are left without a label. Default 51,542 for
    /// each 51,832, rounded.
    pub annotations: Option<usize>,
    /// Raters, 1 to 100. Default 5.
    pub raters: usize,
    /// Raters of each image, at most all. Default 3.
    pub raters_per_image: usize,
    /// The characteristics and their effects.
    pub characteristics: Vec<Characteristic>,
    /// β₀ of failure.
    pub failure_intercept: f64,
    /// Standard deviations of the random effects on failure.
    pub failure_sd: RandomSd,
}

/// Standard deviations of random intercepts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RandomSd {
    /// Of images.
    pub image: f64,
    /// Of procedures.
    pub procedure: f64,
    /// Of types of surgery.
    pub surgery: f64,
    /// Of algorithms.
    pub algorithm: f64,
}

impl Default for StudySettings {
    fn default() -> Self {
        Self {
            seed: 0,
            images: 2728,
            procedures: 30,
            algorithms: 10,
            annotations: None,
            raters: 5,
            raters_per_image: 3,
            characteristics: characteristics(),
            failure_intercept: -3.3,
            failure_sd: RandomSd { image: 1.0, procedure: 0.5, surgery: 0.2, algorithm: 0.6 },
        }
    }
}

/// Types of surgery.
pub const SURGERIES: [&str; 3] = ["proctocolectomy", "rectal_resection", "sigmoid_resection"];

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StudyError {
    /// A number lies outside its range.
    #[error("{field} is {found}; accepted are {low} to {high}")]
    OutOfRange {
        /// Which setting.
        field: String,
        /// What it was.
        found: f64,
        /// Least accepted value.
        low: f64,
        /// Largest accepted value.
        high: f64,
    },
    /// Shares of a characteristic's levels.
    #[error("the shares of {0:?} are no probabilities of at least two levels that add up to 1")]
    Shares(String),
}

/// A study: images, what is known about them, and how algorithms did on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// The characteristics with their effects.
    pub characteristics: Vec<Characteristic>,
    /// Names of the algorithms.
    pub algorithms: Vec<String>,
    /// Names of the images.
    pub images: Vec<String>,
    /// Names of the procedures.
    pub procedures: Vec<String>,
    /// For each procedure the index of its type in [`SURGERIES`].
    pub surgery_of_procedure: Vec<usize>,
    /// For each image the index of its procedure.
    pub procedure_of_image: Vec<usize>,
    /// For each characteristic the true value of every image.
    pub values: Vec<Vec<u8>>,
    /// Results image by image, in each image algorithm by algorithm.
    pub results: Vec<Outcome>,
    /// Names of the raters.
    pub raters: Vec<String>,
    /// What raters said, image by image.
    pub labels: Vec<Label>,
    /// The effects behind the results.
    pub truth: Truth,
}

/// What one algorithm did on one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it failed.
    pub failure: bool,
    /// Its Dice coefficient, 0 to 1, rounded to 6 decimals.
    pub dice: f64,
    /// What it took, J, rounded to 4 decimals.
    pub energy_j: f64,
}

/// The effects that were drawn, beside those of the [`Characteristic`]s.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// β₀ of failure.
    pub failure_intercept: f64,
    /// Standard deviations of the random intercepts of failure.
    pub failure_sd: RandomSd,
    /// For each algorithm its intercept of failure.
    pub failure_of_algorithm: Vec<f64>,
    /// For each algorithm its deviation from the field in each characteristic's effect on failure.
    pub slopes_of_algorithm: Vec<Vec<f64>>,
    /// For each procedure its effect on failure, that of its type included.
    pub failure_of_procedure: Vec<f64>,
    /// Intercept of the score's mean (logit).
    pub score_intercept: f64,
    /// Intercept of the probability of a score of 0 (logit).
    pub zero_intercept: f64,
    /// Precision φ of the scores.
    pub score_precision: f64,
    /// Standard deviations of the random intercepts of the score.
    pub score_sd: RandomSd,
    /// For each algorithm its intercept of the score.
    pub score_of_algorithm: Vec<f64>,
}

/// Standard deviations of the random intercepts of the score.
const SCORE_SD: RandomSd = RandomSd { image: 0.45, procedure: 0.25, surgery: 0.1, algorithm: 0.3 };
/// Correlation of the random effects of failure and score.
const CORRELATION: f64 = -0.8;
const SCORE_INTERCEPT: f64 = 1.9;
const ZERO_INTERCEPT: f64 = -4.8;
const SCORE_PRECISION: f64 = 9.0;

impl StudySettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// If a number lies outside its range.
    pub fn check(&self) -> Result<(), StudyError> {
        let within = |field: &str, found: f64, low: f64, high: f64| match (low..=high).contains(&found) {
            true => Ok(()),
            false => Err(StudyError::OutOfRange { field: field.to_owned(), found, low, high }),
        };
        within("images", self.images as f64, 30.0, 100_000.0)?;
        within("procedures", self.procedures as f64, 3.0, self.images.min(1000) as f64)?;
        within("algorithms", self.algorithms as f64, 1.0, 100.0)?;
        within("raters", self.raters as f64, 1.0, 100.0)?;
        within("raters_per_image", self.raters_per_image as f64, 1.0, self.raters as f64)?;
        within("characteristics", self.characteristics.len() as f64, 1.0, 200.0)?;
        let cells = self.images * self.characteristics.len();
        within("annotations", self.annotations.unwrap_or(cells) as f64, 1.0, cells as f64)?;
        within("failure_intercept", self.failure_intercept, -20.0, 20.0)?;
        let RandomSd { image, procedure, surgery, algorithm } = self.failure_sd;
        for (name, sd) in [("image", image), ("procedure", procedure), ("surgery", surgery), ("algorithm", algorithm)] {
            within(&format!("failure_sd.{name}"), sd, 0.0, 5.0)?;
        }
        for c in &self.characteristics {
            c.check()?;
            for (name, effect) in [("failure", c.failure), ("score", c.score), ("zero", c.zero)] {
                within(&format!("{name} of {}", c.name), effect, -10.0, 10.0)?;
            }
            within(&format!("slope_sd of {}", c.name), c.slope_sd, 0.0, 5.0)?;
        }
        Ok(())
    }

    /// How many cells are annotated.
    pub fn annotated_cells(&self) -> usize {
        let cells = self.images * self.characteristics.len();
        self.annotations.unwrap_or_else(|| ((cells as f64 * (51_542.0 / 51_832.0)).round() as usize).clamp(1, cells))
    }
}

/// Generates a study; the default one takes a tenth of a core-second.
///
/// # Errors
/// If the settings are out of range.
pub fn generate(settings: &StudySettings) -> Result<Study, StudyError> {
    settings.check()?;
    let stream = |number: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        random.set_stream(number);
        random
    };
    let surgery_of_procedure: Vec<usize> = (0..settings.procedures).map(|p| p % SURGERIES.len()).collect();
    let procedure_of_image = procedures(settings, &mut stream(1));
    let values = effects::values(&settings.characteristics, settings.procedures, &procedure_of_image, &mut stream(2));
    let (truth, score_of_procedure) = truth(settings, &surgery_of_procedure, &mut stream(3));
    let design = rows::Design {
        settings,
        truth: &truth,
        score_of_procedure: &score_of_procedure,
        values: &values,
        procedure_of_image: &procedure_of_image,
    };
    let results = rows::results(&design, &mut stream(4));
    let labels = raters::labels(settings, &values, &mut stream(5));
    let digits = settings.images.saturating_sub(1).to_string().len().max(4);
    Ok(Study {
        characteristics: settings.characteristics.clone(),
        algorithms: (1..=settings.algorithms).map(|a| format!("A{a:02}")).collect(),
        images: (0..settings.images).map(|i| format!("I{i:0digits$}")).collect(),
        procedures: (0..settings.procedures).map(|p| format!("P{p:02}")).collect(),
        raters: (1..=settings.raters).map(|r| format!("R{r}")).collect(),
        surgery_of_procedure,
        procedure_of_image,
        values,
        results,
        labels,
        truth,
    })
}

/// Procedures differ in length; each has at least one image, and images follow procedure by procedure.
fn procedures(settings: &StudySettings, random: &mut ChaCha8Rng) -> Vec<usize> {
    let n = settings.procedures;
    let weights: Vec<f64> = (0..n).map(|_| libm::exp(0.6 * normal(random))).collect();
    let total: f64 = weights.iter().sum();
    let mut images: Vec<usize> = (0..n).collect();
    for _ in n..settings.images {
        let mut at = random.random::<f64>() * total;
        let mut chosen = 0;
        while chosen + 1 < n && at >= weights[chosen] {
            at -= weights[chosen];
            chosen += 1;
        }
        images.push(chosen);
    }
    images.sort_unstable();
    images
}

/// Random effects of failure, and of the score those of procedures beside them.
fn truth(settings: &StudySettings, surgeries: &[usize], random: &mut ChaCha8Rng) -> (Truth, Vec<f64>) {
    let sd = settings.failure_sd;
    let mut pairs = |n: usize, first: f64, second: f64| -> (Vec<f64>, Vec<f64>) {
        (0..n).map(|_| pair(first, second, random)).unzip()
    };
    let (failure_of_algorithm, score_of_algorithm) = pairs(settings.algorithms, sd.algorithm, SCORE_SD.algorithm);
    let (of_surgery, score_of_surgery) = pairs(SURGERIES.len(), sd.surgery, SCORE_SD.surgery);
    let (mut of_procedure, mut score_of_procedure) = pairs(settings.procedures, sd.procedure, SCORE_SD.procedure);
    for (p, &s) in surgeries.iter().enumerate() {
        of_procedure[p] += of_surgery[s];
        score_of_procedure[p] += score_of_surgery[s];
    }
    let slopes = (0..settings.algorithms)
        .map(|_| settings.characteristics.iter().map(|c| c.slope_sd * normal(random)).collect())
        .collect();
    let truth = Truth {
        failure_intercept: settings.failure_intercept,
        failure_sd: sd,
        failure_of_algorithm,
        slopes_of_algorithm: slopes,
        failure_of_procedure: of_procedure,
        score_intercept: SCORE_INTERCEPT,
        zero_intercept: ZERO_INTERCEPT,
        score_precision: SCORE_PRECISION,
        score_sd: SCORE_SD,
        score_of_algorithm,
    };
    (truth, score_of_procedure)
}

/// A number of the standard normal distribution.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

/// Effects on failure and score with their standard deviations, correlated.
fn pair(first: f64, second: f64, random: &mut ChaCha8Rng) -> (f64, f64) {
    let (a, b) = (normal(random), normal(random));
    (first * a, second * (CORRELATION * a + (1.0 - CORRELATION * CORRELATION).sqrt() * b))
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_study_has_the_shape_of_the_challenge() {
        let study = generate(&StudySettings::default()).unwrap();
        assert_eq!((study.images.len(), study.procedures.len(), study.algorithms.len()), (2728, 30, 10));
        assert_eq!((study.characteristics.len(), study.results.len()), (19, 27_280));
        let cells: std::collections::BTreeSet<(usize, usize)> =
            study.labels.iter().map(|l| (l.image, l.characteristic)).collect();
        assert_eq!((cells.len(), study.labels.len()), (51_542, 3 * 51_542));
        let rate = study.results.iter().filter(|r| r.failure).count() as f64 / 27_280.0;
        assert!((0.1..0.3).contains(&rate), "{rate}");
        let zeros = study.results.iter().filter(|r| r.dice == 0.0).count() as f64 / 27_280.0;
        assert!((0.005..0.06).contains(&zeros), "{zeros}");
        assert!(study.results.iter().all(|r| (0.0..1.0).contains(&r.dice) && r.energy_j > 0.0));
        assert!((0..30).all(|p| study.procedure_of_image.contains(&p)));
    }

    #[test]
    fn seeds_decide() {
        let small = StudySettings { images: 60, procedures: 5, ..StudySettings::default() };
        let study = generate(&small).unwrap();
        assert_eq!(study, generate(&small).unwrap());
        let other = generate(&StudySettings { seed: 1, ..small.clone() }).unwrap();
        assert!(other.values != study.values && other.truth != study.truth);
        assert_eq!(other.characteristics, study.characteristics);
    }

    /// Failure and score are two faces of one draw: failures lie below other results of like cases.
    #[test]
    fn failures_have_low_scores() {
        let study = generate(&StudySettings { images: 500, ..StudySettings::default() }).unwrap();
        let mean = |failed: bool| {
            let of: Vec<f64> = study.results.iter().filter(|r| r.failure == failed).map(|r| r.dice).collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        assert!(mean(true) + 0.3 < mean(false), "{} {}", mean(true), mean(false));
    }

    /// Given all effects, the number of failures and the sum of scores are what the models say.
    #[test]
    fn results_follow_the_effects() {
        let study = generate(&StudySettings { seed: 5, ..StudySettings::default() }).unwrap();
        let t = &study.truth;
        // Images integrate out by many draws of their effect.
        let nodes: Vec<f64> = (0..41).map(|k| -4.0 + 0.2 * f64::from(k)).collect();
        let weights: Vec<f64> = nodes.iter().map(|z| libm::exp(-0.5 * z * z)).collect();
        let total: f64 = weights.iter().sum();
        let (mut expected, mut variance, mut seen) = (0.0, 0.0, 0.0);
        for (n, outcome) in study.results.iter().enumerate() {
            let (image, a) = (n / 10, n % 10);
            let of_characteristics: f64 = (0..19)
                .map(|j| {
                    let effect = study.characteristics[j].failure + t.slopes_of_algorithm[a][j];
                    effect * f64::from(study.values[j][image])
                })
                .sum();
            let eta = t.failure_intercept
                + of_characteristics
                + t.failure_of_algorithm[a]
                + t.failure_of_procedure[study.procedure_of_image[image]];
            let p: f64 = nodes.iter().zip(&weights).map(|(z, w)| w * logistic(eta + t.failure_sd.image * z)).sum();
            let p = p / total;
            expected += p;
            variance += p * (1.0 - p);
            seen += f64::from(u8::from(outcome.failure));
        }
        // Images share their effect among ten algorithms, so the sum varies more than binomially.
        assert!((seen - expected).abs() < 4.0 * (3.0 * variance).sqrt(), "{seen} {expected} {variance}");
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |settings: StudySettings| generate(&settings).unwrap_err().to_string();
        let plain = StudySettings::default;
        assert_eq!(refused(StudySettings { images: 3, ..plain() }), "images is 3; accepted are 30 to 100000");
        assert!(refused(StudySettings { raters_per_image: 9, ..plain() }).contains("accepted are 1 to 5"));
        assert!(refused(StudySettings { annotations: Some(60_000), ..plain() }).contains("1 to 51832"));
        let mut broken = plain();
        broken.characteristics[0].shares = vec![0.5, 0.2];
        assert!(refused(broken).contains("add up to 1"));
    }
}
