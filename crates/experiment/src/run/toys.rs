//! The task `[toys]`: invertible networks on small inverse problems.

#[cfg(not(feature = "networks"))]
pub(super) use without::run;

#[cfg(feature = "networks")]
pub(super) use learned::run;
#[cfg(feature = "networks")]
pub use learned::{ArmPicture, ModesPicture, ToyFindings};

/// A program without networks refuses the task.
#[cfg(not(feature = "networks"))]
mod without {
    use super::super::error::RunError;
    use super::super::folder::RunFolder;
    use super::super::{Finished, Progress, RunOptions};
    use crate::document::toys::ToysTable;
    use crate::experiment::Experiment;

    pub fn run(
        _: &Experiment,
        _: &ToysTable,
        _: &RunFolder,
        _: &RunOptions,
        _: &mut dyn FnMut(Progress),
    ) -> Result<Option<Finished>, RunError> {
        let reason = "[toys] needs networks, which this program was built without (feature `networks`)";
        Err(RunError::Unusable(reason.to_owned()))
    }
}

#[cfg(feature = "networks")]
mod learned {
    use super::super::error::RunError;
    use super::super::folder::RunFolder;
    use super::super::{Finished, Progress, RunOptions, Status, Stopwatch};
    use crate::document::toys::{Toy, ToysTable};
    use crate::experiment::Experiment;
    use crate::report;
    use regiscope_posterior::calibration::{Uniformity, holm};
    use regiscope_posterior::toys::study::{
        draw_arms, draw_points, learn_kinematics, learn_modes, score_kinematics, score_modes,
    };
    use regiscope_posterior::toys::{kinematics, modes, seeded};
    use serde::{Deserialize, Serialize};
    use std::ops::ControlFlow;
    use std::sync::atomic::Ordering;

    /// Everything that was found: `metrics.json`.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Metrics {
        /// Title of the document.
        pub title: String,
        /// `toys`.
        pub task: String,
        /// Training steps of each network.
        pub steps: u64,
        /// Scores on the eight modes, a network each.
        pub eight_modes: Vec<EightModes>,
        /// Scores on inverse kinematics, a network each.
        pub inverse_kinematics: Vec<InverseKinematics>,
        /// Criteria that do not hold; there are none.
        pub missed: Vec<String>,
    }

    /// A network on the eight modes.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct EightModes {
        /// Its seed.
        pub seed: u64,
        /// Modes found, of eight.
        pub modes_found: usize,
        /// Largest error of a mode's mass.
        pub largest_mass_error: f64,
        /// Part of the draws off every mode.
        pub off_every_mode: f64,
    }

    /// A network on inverse kinematics.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct InverseKinematics {
        /// Its seed.
        pub seed: u64,
        /// Mean of −log density, nats.
        pub nll: f64,
        /// The same without ½ d ln 2π, as FrEIA counts.
        pub nll_without_constant: f64,
        /// Mean MMD² to the exact posterior.
        pub mmd2: f64,
        /// Mean squared distance between the draws' hands and the hand asked for.
        pub resimulation_squared_error: f64,
        /// Largest of the four numbers' distances of ranks from uniform.
        pub largest_distance: f64,
        /// Distance that one number keeps in 95 of 100 cases.
        pub bound: f64,
        /// Smallest p-value of the four, adjusted by Holm: above 0.05 the ranks are inside their joint 95 % band.
        pub least_p: f64,
    }

    /// Draws for each colour.
    pub struct ModesPicture {
        /// Points, a list a colour.
        pub points: Vec<Vec<[f64; 2]>>,
    }

    /// Arms that put the hand to one place.
    pub struct ArmPicture {
        /// Where the hand should be.
        pub hand: [f64; 2],
        /// Drawn states.
        pub drawn: Vec<[f64; 4]>,
        /// States of the exact posterior.
        pub exact: Vec<[f64; 4]>,
    }

    /// Everything that the report shows.
    pub struct ToyFindings {
        /// The scores.
        pub metrics: Metrics,
        /// The first network on the eight modes.
        pub modes: Option<ModesPicture>,
        /// The first network on inverse kinematics.
        pub arm: Option<ArmPicture>,
    }

    /// Trains and scores; `None` if cancelled. Finished networks' scores are kept in the run's state.
    pub fn run(
        experiment: &Experiment,
        asked: &ToysTable,
        folder: &RunFolder,
        options: &RunOptions,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Option<Finished>, RunError> {
        let mut watch = Stopwatch::new(options.clock);
        let metrics = Metrics {
            title: experiment.tables.title.clone(),
            task: "toys".to_owned(),
            steps: asked.steps,
            ..Metrics::default()
        };
        let mut found = ToyFindings { metrics, modes: None, arm: None };
        for toy in &asked.problems {
            for number in 0..u64::from(asked.seeds) {
                let seed = u64::from(experiment.tables.seed) + number;
                if one(*toy, seed, number == 0, asked.steps, folder, options, observer, &mut found)?.is_none() {
                    return Ok(None);
                }
                watch.lap(match toy {
                    Toy::EightModes => "eight modes",
                    Toy::InverseKinematics => "inverse kinematics",
                });
            }
        }
        let told =
            report::Shared { provenance: &options.provenance, timings: &watch.timings, warnings: &experiment.warnings };
        folder.write("report.html", report::toys::toys(experiment, &found, told)?.as_bytes())?;
        watch.lap("report");
        let metrics = serde_json::to_value(&found.metrics).expect("metrics have string keys");
        let warnings = experiment.warnings.clone();
        Ok(Some(Finished { status: Status::Done, metrics, timings: watch.timings, warnings }))
    }

    /// What the state keeps of a network: its scores and what the report draws of it.
    #[derive(Serialize, Deserialize)]
    enum Kept {
        Modes(EightModes, Vec<Vec<[f64; 2]>>),
        Arm(InverseKinematics, [f64; 2], Vec<[f64; 4]>, Vec<[f64; 4]>),
    }

    #[expect(clippy::too_many_arguments, reason = "a network, the run around it and where its scores go")]
    fn one(
        toy: Toy,
        seed: u64,
        first: bool,
        steps: u64,
        folder: &RunFolder,
        options: &RunOptions,
        observer: &mut dyn FnMut(Progress),
        found: &mut ToyFindings,
    ) -> Result<Option<()>, RunError> {
        let name = format!("toy-{toy:?}-{seed}");
        let kept = match folder.remembered(&name) {
            Some(kept) => kept,
            None => {
                let Some(kept) = learned(toy, seed, steps, options, observer)? else { return Ok(None) };
                folder.remember(&name, &kept)?;
                kept
            }
        };
        match kept {
            Kept::Modes(score, points) => {
                found.metrics.eight_modes.push(score);
                if first {
                    found.modes = Some(ModesPicture { points });
                }
            }
            Kept::Arm(score, hand, drawn, exact) => {
                found.metrics.inverse_kinematics.push(score);
                if first {
                    found.arm = Some(ArmPicture { hand, drawn, exact });
                }
            }
        }
        Ok(Some(()))
    }

    fn learned(
        toy: Toy,
        seed: u64,
        steps: u64,
        options: &RunOptions,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Option<Kept>, RunError> {
        let stage = match toy {
            Toy::EightModes => "eight modes",
            Toy::InverseKinematics => "inverse kinematics",
        };
        let hear = &mut |report: &regiscope_posterior::StepReport| {
            if (report.step + 1).is_multiple_of(20) {
                let note = format!("loss {:.2}", report.loss);
                observer(Progress { stage, done: (report.step + 1) as usize, total: steps as usize, note });
            }
            if options.cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let refused = |reason: regiscope_posterior::TrainError| RunError::Unusable(format!("[toys]: {reason}"));
        let mut rng = seeded(seed);
        Ok(match toy {
            Toy::EightModes => learn_modes(steps, seed, hear).map_err(refused)?.map(|flow| {
                let score = score_modes(&flow, seed);
                let points = (0..modes::COLOURS).map(|colour| draw_points(&flow, colour, 300, &mut rng)).collect();
                let score = EightModes {
                    seed,
                    modes_found: score.found,
                    largest_mass_error: score.largest_mass_error,
                    off_every_mode: score.off_every_mode,
                };
                Kept::Modes(score, points)
            }),
            Toy::InverseKinematics => learn_kinematics(steps, seed, hear).map_err(refused)?.map(|flow| {
                let score = score_kinematics(&flow, seed);
                let ranks = score.ranks.each_ref().map(|ranks| Uniformity::of("", ranks));
                let p = ranks.each_ref().map(|u| u.p_distance);
                let told = InverseKinematics {
                    seed,
                    nll: score.nll,
                    nll_without_constant: score.nll - 2.0 * std::f64::consts::TAU.ln(),
                    mmd2: score.mmd2,
                    resimulation_squared_error: score.resimulation,
                    largest_distance: ranks.iter().map(|u| u.distance).fold(0.0, f64::max),
                    bound: ranks[0].bound,
                    least_p: holm(&p).into_iter().fold(1.0, f64::min),
                };
                // A place that several postures reach, as in Kruse et al. 2021.
                let hand = [0.0, 1.5];
                let drawn = draw_arms(&flow, hand, 60, &mut rng);
                Kept::Arm(told, hand, drawn, kinematics::posterior(hand, 60, 20_000, &mut rng))
            }),
        })
    }
}
