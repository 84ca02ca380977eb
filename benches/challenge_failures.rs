//! Whether the analysis of failures tells the truth: coverage of intervals, false positives and the order of causes, over
//! regenerated studies with known effects.
//!
//!     cargo bench -p regiscope-challenge --bench challenge_failures -- [studies=200] [images=2728] [labels=20]
//!         [truth=TRUTH.json] [out=benches/results/challenge_failures]
//!
//! `truth` names a file with other effects on failure (keys `intercept`, `beta`, `slope_sd` by characteristic, `sd` of
//! image, procedure, algorithm); `labels` is the number of studies that are also analysed from raters' labels. Writes
//! OUT.json and OUT.md. Processor time is that of this program over all threads.

use cpu_time::ProcessTime;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use regiscope_challenge::failures::imputation::impute;
use regiscope_challenge::failures::labels::{Aggregation, LabelColumns, aggregate};
use regiscope_challenge::failures::linearised::Linearised;
use regiscope_challenge::failures::logistic_normal::LogisticNormal;
use regiscope_challenge::failures::model::fit_failures;
use regiscope_challenge::failures::odds::odds_ratios;
use regiscope_challenge::failures::profile::profiles;
use regiscope_challenge::failures::ranks::rank;
use regiscope_challenge::failures::risk::RiskModel;
use regiscope_challenge::failures::{Adjustment, FailureColumns, Observations, Outcome};
use regiscope_challenge::table::Table;
use regiscope_datasets::study::{Study, StudySettings, generate};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hits of trials.
#[derive(Clone, Copy, Default)]
struct Share {
    hits: usize,
    trials: usize,
}

impl Share {
    fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.trials += 1;
    }

    fn value(self) -> f64 {
        self.hits as f64 / self.trials as f64
    }

    fn json(self) -> Value {
        json!({"hits": self.hits, "trials": self.trials, "share": self.value()})
    }
}

/// Errors of one quantity over the studies, beside the standard errors that were told.
#[derive(Clone, Copy, Default)]
struct Errors {
    n: f64,
    sum: f64,
    squares: f64,
    told: f64,
    covered: Share,
}

impl Errors {
    fn add(&mut self, error: f64, told: f64, covered: bool) {
        self.n += 1.0;
        self.sum += error;
        self.squares += error * error;
        self.told += told * told;
        self.covered.add(covered);
    }

    /// Mean, root mean square, and the root mean square of what was told.
    fn values(self) -> [f64; 3] {
        [self.sum / self.n, (self.squares / self.n).sqrt(), (self.told / self.n).sqrt()]
    }
}

/// What all studies together say.
#[derive(Default)]
struct Tally {
    names: Vec<String>,
    true_effects: Vec<f64>,
    sums: Vec<[f64; 3]>,
    covered: Vec<Share>,
    wald: Vec<Share>,
    false_positive: Share,
    false_positive_holm: Share,
    family: Share,
    family_bh: Share,
    in_order: Share,
    /// The order of the effects in the study's own algorithms, which no estimate can better.
    field_in_order: Share,
    /// Draws about the truth with the covariance that was told: how often they are in order.
    noise_in_order: Share,
    same_set: Share,
    first: Share,
    marginal: Share,
    marginal_of: Vec<Errors>,
    deviations: Share,
    best_algorithm: Share,
    rank_in_interval: Share,
    converged: Share,
    naive: Share,
    imputed: Share,
    /// Relative errors of strong effects from labels: their number, sums for the likeliest labels and with imputation.
    relative: [f64; 3],
    fit_core_s: f64,
}

impl Tally {
    fn new(settings: &StudySettings) -> Self {
        let count = settings.characteristics.len();
        Self {
            names: settings.characteristics.iter().map(|c| c.name.clone()).collect(),
            true_effects: settings.characteristics.iter().map(|c| c.failure).collect(),
            sums: vec![[0.0; 3]; count],
            covered: vec![Share::default(); count],
            wald: vec![Share::default(); count],
            marginal_of: vec![Errors::default(); count],
            ..Self::default()
        }
    }

    fn shares(&mut self) -> Vec<&mut Share> {
        let mut all = vec![
            &mut self.false_positive,
            &mut self.false_positive_holm,
            &mut self.family,
            &mut self.family_bh,
            &mut self.in_order,
            &mut self.field_in_order,
            &mut self.noise_in_order,
            &mut self.same_set,
            &mut self.first,
            &mut self.marginal,
            &mut self.deviations,
            &mut self.best_algorithm,
            &mut self.rank_in_interval,
            &mut self.converged,
            &mut self.naive,
            &mut self.imputed,
        ];
        all.extend(self.covered.iter_mut().chain(&mut self.wald));
        all.extend(self.marginal_of.iter_mut().map(|e| &mut e.covered));
        all
    }

    fn join(mut self, mut other: Self) -> Self {
        for (mine, theirs) in self.shares().into_iter().zip(other.shares()) {
            mine.hits += theirs.hits;
            mine.trials += theirs.trials;
        }
        for (mine, theirs) in self.sums.iter_mut().zip(&other.sums).chain([(&mut self.relative, &other.relative)]) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        for (mine, theirs) in self.marginal_of.iter_mut().zip(&other.marginal_of) {
            mine.n += theirs.n;
            mine.sum += theirs.sum;
            mine.squares += theirs.squares;
            mine.told += theirs.told;
        }
        self
    }
}

fn main() {
    let option = |name: &str| {
        let found = std::env::args().find_map(|a| a.strip_prefix(&format!("{name}=")).map(str::to_owned));
        found.filter(|v| !v.is_empty())
    };
    let number = |name: &str, usual: usize| option(name).map_or(usual, |v| v.parse().expect("a whole number"));
    let (studies, images, labels) = (number("studies", 200), number("images", 2728), number("labels", 20));
    let out = option("out").unwrap_or_else(|| "benches/results/challenge_failures".into());
    let mut settings = StudySettings { images, ..StudySettings::default() };
    if let Some(path) = option("truth") {
        effects_of(&mut settings, &std::fs::read_to_string(&path).expect("the file of the truth"));
    }
    let began = ProcessTime::now();
    let of_number = |n: usize| {
        let settings = StudySettings { seed: 1000 + n as u64, ..settings.clone() };
        (generate(&settings).expect("settings within their ranges"), settings)
    };
    // What one takes is measured alone; then all run beside each other.
    let fit_core_s = core_s_of_a_fit(&of_number(0).0);
    let done = AtomicUsize::new(0);
    let one = |n: usize| {
        let (study, settings) = of_number(n);
        let mut tally = Tally::new(&settings);
        one_study(&study, &settings, n < labels, &mut tally);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        eprintln!("{done} of {studies} studies, {:.1} core-s", began.elapsed().as_secs_f64());
        tally
    };
    let all_tallies: Vec<Tally> = (0..studies).into_par_iter().map(one).collect();
    let mut tally = all_tallies.into_iter().fold(Tally::new(&settings), Tally::join);
    tally.fit_core_s = fit_core_s;
    let core_s = began.elapsed().as_secs_f64();
    let value = json!({
        "studies": studies, "images": images, "core_s": core_s, "fit_core_s": tally.fit_core_s,
        "version": env!("CARGO_PKG_VERSION"),
        "effects": (0..tally.names.len()).map(|j| json!({
            "name": tally.names[j], "truth": tally.true_effects[j], "mean": tally.sums[j][0] / studies as f64,
            "sd": deviation(&tally.sums[j], studies), "mean_se": tally.sums[j][2] / studies as f64,
            "coverage": tally.covered[j].json(), "coverage_wald": tally.wald[j].json(),
            "marginal": {
                "bias": tally.marginal_of[j].values()[0], "rms_error": tally.marginal_of[j].values()[1],
                "rms_se": tally.marginal_of[j].values()[2], "coverage": tally.marginal_of[j].covered.json(),
            },
        })).collect::<Vec<_>>(),
        "coverage": all(&tally.covered).json(), "coverage_wald": all(&tally.wald).json(),
        "false_positive": tally.false_positive.json(), "false_positive_holm": tally.false_positive_holm.json(),
        "family_wise_holm": tally.family.json(), "family_wise_bh": tally.family_bh.json(),
        "top_five_in_order": tally.in_order.json(), "top_five_set": tally.same_set.json(), "first": tally.first.json(),
        "top_five_in_order_of_draws": tally.noise_in_order.json(),
        "top_five_in_order_in_the_field": tally.field_in_order.json(),
        "coverage_marginal_effects": tally.marginal.json(), "coverage_deviations": tally.deviations.json(),
        "best_algorithm": tally.best_algorithm.json(), "true_rank_in_interval": tally.rank_in_interval.json(),
        "converged": tally.converged.json(),
        "labels": {
            "coverage_likeliest": tally.naive.json(), "coverage_imputed": tally.imputed.json(),
            "strong_effects": tally.relative[0],
            "relative_bias_likeliest": tally.relative[1] / tally.relative[0].max(1.0),
            "relative_bias_imputed": tally.relative[2] / tally.relative[0].max(1.0),
        },
    });
    if let Some(folder) = std::path::Path::new(&out).parent() {
        std::fs::create_dir_all(folder).expect("a folder for the results");
    }
    let text = serde_json::to_string_pretty(&value).expect("plain numbers") + "\n";
    std::fs::write(format!("{out}.json"), text).expect("the results are written");
    let text = words(&tally, studies, core_s);
    std::fs::write(format!("{out}.md"), &text).expect("the results are written");
    println!("{text}");
}

fn all(shares: &[Share]) -> Share {
    shares.iter().fold(Share::default(), |a, b| Share { hits: a.hits + b.hits, trials: a.trials + b.trials })
}

fn deviation(sums: &[f64; 3], n: usize) -> f64 {
    let n = n as f64;
    ((sums[1] - sums[0] * sums[0] / n) / (n - 1.0)).max(0.0).sqrt()
}

/// Effects on failure from a file; scores keep theirs.
fn effects_of(settings: &mut StudySettings, text: &str) {
    let truth: Value = serde_json::from_str(text).expect("JSON");
    let beta = truth["beta"].as_object().expect("the key beta");
    let usual = settings.characteristics.clone();
    settings.characteristics = beta
        .iter()
        .enumerate()
        .map(|(n, (name, effect))| {
            let mut c = usual[n % usual.len()].clone();
            // Binary and ordinal shares as usual, by the kind that the file names.
            let ordinal = truth["types"][name] == "ord";
            c.shares = if ordinal { vec![0.62, 0.24, 0.14] } else { vec![0.82, 0.18] };
            c.name = name.clone();
            c.failure = effect.as_f64().expect("a number");
            c.slope_sd = truth["slope_sd"][name].as_f64().unwrap_or(0.0);
            c
        })
        .collect();
    settings.failure_intercept = truth["intercept"].as_f64().expect("the key intercept");
    let sd = |name: &str| truth["sd"][name].as_f64().expect("a standard deviation");
    settings.failure_sd.image = sd("image");
    settings.failure_sd.procedure = sd("procedure");
    settings.failure_sd.surgery = 0.0;
    settings.failure_sd.algorithm = sd("algorithm");
}

fn observations(study: &Study) -> Observations {
    let table = Table::from_csv(study.results_csv().as_bytes()).expect("the study's own table");
    Observations::from_table(&table, &columns(study)).expect("the study's own table")
}

fn columns(study: &Study) -> FailureColumns {
    FailureColumns {
        case: "image".into(),
        algorithm: "algorithm".into(),
        groups: vec!["procedure".into()],
        outcome: Outcome::Column("failure".into()),
        score: None,
        energy: None,
        characteristics: study.characteristics.iter().map(|c| c.name.clone()).collect(),
    }
}

fn slopes(study: &Study) -> Vec<usize> {
    (0..study.characteristics.len()).filter(|&j| study.characteristics[j].slope_sd > 0.0).collect()
}

/// Reading, fit, odds ratios and joint covariance of one study.
fn core_s_of_a_fit(study: &Study) -> f64 {
    let began = ProcessTime::now();
    let observations = observations(study);
    let model = fit_failures(&observations, &slopes(study), None).expect("a fit");
    odds_ratios(&observations, &model, Adjustment::Holm, 0.95).expect("odds ratios");
    Linearised::new(&model).expect("a curvature");
    began.elapsed().as_secs_f64()
}

fn one_study(study: &Study, settings: &StudySettings, with_labels: bool, tally: &mut Tally) {
    let observations = observations(study);
    let slopes = slopes(study);
    let model = fit_failures(&observations, &slopes, None).expect("a fit");
    tally.converged.add(model.fit.verdict.converged);
    let effects = odds_ratios(&observations, &model, Adjustment::Holm, 0.95).expect("odds ratios");
    let bh = odds_ratios(&observations, &model, Adjustment::BenjaminiHochberg, 0.95).expect("odds ratios");
    let joint = Linearised::new(&model).expect("a curvature");
    let (mut any, mut any_bh) = (false, false);
    for (j, effect) in effects.iter().enumerate() {
        let truth = study.characteristics[j].failure;
        tally.covered[j].add((effect.lower..=effect.upper).contains(&truth));
        let plain = 1.959_964 * model.fit.fixed.se[j + 1];
        tally.wald[j].add((effect.estimate - truth).abs() <= plain);
        let sums = &mut tally.sums[j];
        sums[0] += effect.estimate;
        sums[1] += effect.estimate * effect.estimate;
        sums[2] += effect.se;
        if truth == 0.0 {
            tally.false_positive.add(effect.p < 0.05);
            tally.false_positive_holm.add(effect.p_adjusted < 0.05);
            any |= effect.p_adjusted < 0.05;
            any_bh |= bh[j].p_adjusted < 0.05;
        }
    }
    tally.family.add(any);
    tally.family_bh.add(any_bh);
    let order = |of: &dyn Fn(usize) -> f64| -> Vec<usize> {
        let mut order: Vec<usize> = (0..effects.len()).collect();
        order.sort_by(|&a, &b| of(b).total_cmp(&of(a)));
        order.truncate(5);
        order
    };
    let (mut found, mut truth) = (order(&|j| effects[j].estimate), order(&|j| study.characteristics[j].failure));
    tally.first.add(found[0] == truth[0]);
    tally.in_order.add(found == truth);
    let algorithms = study.algorithms.len();
    let field = |of: &dyn Fn(usize) -> f64| (0..algorithms).map(of).sum::<f64>() / algorithms as f64;
    let of_field = |j: usize| study.characteristics[j].failure + field(&|a| study.truth.slopes_of_algorithm[a][j]);
    tally.field_in_order.add(order(&of_field) == truth);
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    for _ in 0..50 {
        let drawn: Vec<f64> = effects
            .iter()
            .enumerate()
            .map(|(j, e)| {
                let z: f64 = StandardNormal.sample(&mut random);
                study.characteristics[j].failure + e.se * z
            })
            .collect();
        tally.noise_in_order.add(order(&|j| drawn[j]) == truth);
    }
    found.sort_unstable();
    truth.sort_unstable();
    tally.same_set.add(found == truth);

    let risks = RiskModel::new(&observations, &model, &joint);
    let true_risks = TrueRisks::new(study, settings);
    for (j, effect) in risks.marginal_effects(0.95).iter().enumerate() {
        let truth = true_risks.marginal(j);
        let covered = (effect.effect.lower..=effect.effect.upper).contains(&truth);
        tally.marginal.add(covered);
        tally.marginal_of[j].add(effect.effect.estimate - truth, effect.effect.se, covered);
    }
    let ranking = rank(&observations, &risks, &[], 0.95, 1).expect("a ranking");
    let risk: Vec<f64> = (0..study.algorithms.len()).map(|a| true_risks.of_algorithm(a)).collect();
    for (a, found) in ranking.algorithms.iter().enumerate() {
        let rank = 1 + risk.iter().filter(|r| **r < risk[a]).count();
        tally.rank_in_interval.add((found.rank_lower..=found.rank_upper).contains(&rank));
        if rank == 1 {
            tally.best_algorithm.add(found.rank == 1);
        }
    }
    for (a, profile) in profiles(&observations, &model, &joint, 0.95).iter().enumerate() {
        for (slope, &j) in profile.slopes.iter().zip(&slopes) {
            // Relative to the field: the algorithms of the study.
            let truth = study.truth.slopes_of_algorithm[a][j] - field(&|a| study.truth.slopes_of_algorithm[a][j]);
            tally.deviations.add((slope.lower..=slope.upper).contains(&truth));
        }
    }
    if with_labels {
        from_labels(study, &slopes, tally);
    }
}

/// The same from raters' labels: the likeliest as they are, and with multiple imputation.
fn from_labels(study: &Study, slopes: &[usize], tally: &mut Tally) {
    let annotations = Table::from_csv(study.annotations_csv().as_bytes()).expect("the study's own table");
    let [case, characteristic, rater, label] = ["image", "characteristic", "rater", "label"].map(String::from);
    let of = LabelColumns { case, characteristic, rater, label };
    let names: Vec<String> = study.characteristics.iter().map(|c| c.name.clone()).collect();
    let labels = aggregate(&annotations, &of, &names, None, Aggregation::DawidSkene).expect("labels");
    let mut table = Table::from_csv(study.results_csv().as_bytes()).expect("the study's own table");
    labels.iter().for_each(|l| l.put_into(&mut table, "image").expect("the study's own table"));
    let observations = Observations::from_table(&table, &columns(study)).expect("the study's own table");
    let soft: Vec<_> = labels.iter().map(|l| l.for_cases(&observations)).collect();
    let naive = fit_failures(&observations, slopes, None).expect("a fit");
    let plain = odds_ratios(&observations, &naive, Adjustment::None, 0.95).expect("odds ratios");
    let imputed = impute(&observations, &soft, slopes, 10, 0.95, 1).expect("imputations");
    for (j, c) in study.characteristics.iter().enumerate() {
        // The study's own slopes move effects of algorithms; those without slopes are compared.
        if slopes.contains(&j) {
            continue;
        }
        tally.naive.add((plain[j].lower..=plain[j].upper).contains(&c.failure));
        tally.imputed.add((imputed.effects[j].lower..=imputed.effects[j].upper).contains(&c.failure));
        if c.failure > 0.5 {
            tally.relative[0] += 1.0;
            tally.relative[1] += plain[j].estimate / c.failure - 1.0;
            tally.relative[2] += imputed.effects[j].estimate / c.failure - 1.0;
        }
    }
}

/// Risks under the true effects, cases and procedures integrated out.
struct TrueRisks<'a> {
    study: &'a Study,
    curve: LogisticNormal,
}

impl<'a> TrueRisks<'a> {
    fn new(study: &'a Study, settings: &StudySettings) -> Self {
        let sd = settings.failure_sd;
        let total = sd.image * sd.image + sd.procedure * sd.procedure + sd.surgery * sd.surgery;
        Self { study, curve: LogisticNormal::new(total.sqrt()) }
    }

    fn risk(&self, image: usize, algorithm: usize, changed: Option<(usize, f64)>) -> f64 {
        let truth = &self.study.truth;
        let of = self.study.characteristics.iter().enumerate().map(|(j, c)| {
            let own = f64::from(self.study.values[j][image]);
            let x = changed.filter(|(k, _)| *k == j).map_or(own, |(_, v)| v);
            (c.failure + truth.slopes_of_algorithm[algorithm][j]) * x
        });
        let eta = truth.failure_intercept + truth.failure_of_algorithm[algorithm] + of.sum::<f64>();
        self.curve.at(eta).mean
    }

    fn of_algorithm(&self, algorithm: usize) -> f64 {
        let images = self.study.images.len();
        (0..images).map(|i| self.risk(i, algorithm, None)).sum::<f64>() / images as f64
    }

    fn marginal(&self, j: usize) -> f64 {
        let (images, algorithms) = (self.study.images.len(), self.study.algorithms.len());
        let binary = self.study.characteristics[j].shares.len() == 2;
        let mut sum = 0.0;
        for image in 0..images {
            let here = f64::from(self.study.values[j][image]);
            let (from, to) = if binary { (0.0, 1.0) } else { (here, here + 1.0) };
            for a in 0..algorithms {
                sum += self.risk(image, a, Some((j, to))) - self.risk(image, a, Some((j, from)));
            }
        }
        sum / (images * algorithms) as f64
    }
}

/// The figures as a page; ± is two standard errors of a share.
fn words(tally: &Tally, studies: usize, core_s: f64) -> String {
    let share = |s: Share| {
        let p = s.value();
        let error = 2.0 * (p * (1.0 - p) / s.trials.max(1) as f64).sqrt();
        format!("{:.1} ± {:.1} % of {}", 100.0 * p, 100.0 * error, s.trials)
    };
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| a.contains('=') && !a.starts_with("out=")).collect();
    let mut text = format!(
        "# Analysis of failures: {studies} regenerated studies\n\n{core_s:.0} core-s in all, {:.2} core-s for reading, fit and odds ratios of a study.\n\n`cargo bench -p regiscope-challenge --bench challenge_failures -- {}`\n\n",
        tally.fit_core_s,
        asked.join(" ")
    );
    let rows = [
        ("fits that converged", share(tally.converged)),
        ("true effect inside the 95 % interval", share(all(&tally.covered))),
        ("the same without the correction for few algorithms", share(all(&tally.wald))),
        ("true average marginal effect inside its interval", share(tally.marginal)),
        ("true deviation of an algorithm inside its interval", share(tally.deviations)),
        ("null effects with p < 0.05", share(tally.false_positive)),
        ("null effects with Holm's p < 0.05", share(tally.false_positive_holm)),
        ("studies with any null effect found, Holm", share(tally.family)),
        ("studies with any null effect found, Benjamini and Hochberg", share(tally.family_bh)),
        ("the strongest cause is first", share(tally.first)),
        ("the five strongest causes are the first five", share(tally.same_set)),
        ("the five strongest causes in order", share(tally.in_order)),
        ("the same of draws about the truth with the standard errors that were told", share(tally.noise_in_order)),
        ("the same of the true effects in the study's own ten algorithms", share(tally.field_in_order)),
        ("the algorithm with the least risk is ranked first", share(tally.best_algorithm)),
        ("true rank inside the interval of ranks", share(tally.rank_in_interval)),
        ("from likeliest labels: true effect inside the interval (effects without slopes)", share(tally.naive)),
        ("from labels with imputation: the same", share(tally.imputed)),
    ];
    writeln!(text, "| what | share |\n|---|---|").expect("a string takes all text");
    // Without studies from labels there is nothing to tell of them.
    for (what, share) in rows.into_iter().filter(|(_, share)| !share.ends_with(" of 0")) {
        writeln!(text, "| {what} | {share} |").expect("a string takes all text");
    }
    if tally.relative[0] > 0.0 {
        let [n, naive, imputed] = tally.relative;
        writeln!(
            text,
            "\nStrong effects without slopes from labels of three raters are off by {:+.1} % with the likeliest labels and by {:+.1} % with imputation.",
            100.0 * naive / n,
            100.0 * imputed / n
        )
        .expect("a string takes all text");
    }
    writeln!(text, "\n| characteristic | truth | mean | SD | mean SE | coverage | marginal effect: error | SE | coverage |\n|---|---|---|---|---|---|---|---|---|")
        .expect("a string takes all text");
    for j in 0..tally.names.len() {
        let [_, error, told] = tally.marginal_of[j].values();
        writeln!(
            text,
            "| {} | {:.2} | {:.3} | {:.3} | {:.3} | {:.1} % | {error:.5} | {told:.5} | {:.1} % |",
            tally.names[j],
            tally.true_effects[j],
            tally.sums[j][0] / studies as f64,
            deviation(&tally.sums[j], studies),
            tally.sums[j][2] / studies as f64,
            100.0 * tally.covered[j].value(),
            100.0 * tally.marginal_of[j].covered.value()
        )
        .expect("a string takes all text");
    }
    text
}
