//! The whole registration: stage after stage, from coarse to fine, until the weight is settled and the last one is done.

use super::checkpoint::{Checkpoint, Position, Snapshot};
use super::images::{ImageTerm, Images, ImagesError};
use super::newton::{Done, Ending, NewtonLimits, newton};
use super::observer::{Observer, Outcome, Progress, Solution, Work};
use super::reduction::Reduction;
use super::relax::{ROUNDS, outside, relax, within};
use super::settings::{Settings, SettingsError, Stage, Weight};
use super::stage::{StageLevel, same_level, stage_band, stage_grid};
use super::weight::{Next, Origin, keeps_bound, next};
use crate::coefficients::Coefficients;
use crate::field::{VectorField, zeros};
use crate::grid::Grid;
use crate::objective::ProblemError;
use crate::real::Real;
use crate::transport::map::{SQUARINGS, determinant, determinant_range, output};

/// Where a run begins.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a run")]
pub enum Start<T> {
    /// At rest: the images where they are.
    Rest,
    /// At a velocity on the images' grid, such as that of an earlier run.
    Velocity(VectorField<T>),
    /// Where an earlier run with the same images and settings was left.
    Checkpoint(Checkpoint<T>),
}

/// A registration that cannot be done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegisterError {
    /// A setting is out of its range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The images cannot be registered.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// The velocity to start from is not one of the images' grid.
    #[error("the velocity to start from has components of {found:?} samples; the images have {expected}")]
    StartLength {
        /// Samples of its components.
        found: [usize; 3],
        /// Samples of the images.
        expected: usize,
    },
    /// The velocity to start from holds NaN or an infinite number.
    #[error("the velocity to start from holds a number that is not finite")]
    StartNotFinite,
    /// The checkpoint is of another run.
    #[error("the checkpoint is of a run with other images or settings: its {what} is {found}, here it is {expected}")]
    OtherCheckpoint {
        /// What differs.
        what: &'static str,
        /// In the checkpoint.
        found: String,
        /// Here.
        expected: String,
    },
}

impl From<ProblemError> for RegisterError {
    fn from(error: ProblemError) -> Self {
        Self::Images(error.into())
    }
}

/// Registers `images` as `settings` say: the velocity that carries the moving image to the fixed one.
///
/// The images are consumed, so that the finest grid holds them once.
///
/// # Errors
/// If settings or images cannot be used. Not reaching an optimum is no error but an [`Outcome`].
pub fn register<T: Real>(
    images: Images<T>,
    settings: &Settings,
    start: Start<T>,
    observer: &mut dyn Observer<T>,
) -> Result<Solution<T>, RegisterError> {
    settings.check()?;
    images.check()?;
    let grid = images.grid;
    let mut state = begin(&grid, settings, start)?;
    let mut source = Some(images);
    let mut level: Option<StageLevel<T>> = None;
    let mut record = Record::default();
    let (outcome, judged) = loop {
        let stage = settings.stages[state.position.stage];
        let last = state.position.stage + 1 == settings.stages.len();
        let here = match level.take() {
            Some(level) if same_level(&level.stage, &stage) => StageLevel { stage, ..level },
            old => {
                old.iter().for_each(|old| old.add_work(&mut record.work));
                drop(old);
                make_level(&mut source, settings, stage, last)?
            }
        };
        state.unknown = state.unknown.to_band(here.level.reduction.band());
        let ending = run_stage(&here, settings, &mut state, &mut record, observer);
        level = Some(here);
        if ending == Ending::Interrupted {
            break (Outcome::Interrupted, None);
        }
        // A stage's own map is that of few steps on its grid; a bound is one of the map that is handed back. A guard of an
        // earlier stage makes do with the former.
        let matters = last || stage.seek_weight && matches!(settings.weight, Weight::JacobianBound { .. });
        let judged = matters.then(|| {
            let range = if last { guarded_range(settings.weight) } else { None };
            Judged::within(range, &grid, settings, &mut state.unknown, &mut record.work)
        });
        if let Some(judged) = &judged {
            state.position.jacobian = judged.jacobian;
        }
        let range = state.position.jacobian;
        if stage.seek_weight && keeps_bound(settings.weight, range) {
            state.accepted = Some(state.unknown.clone());
        }
        state.position.steps = 0;
        state.position.last_decrease = None;
        match next(settings.weight, stage.seek_weight, last, range, &mut state.position) {
            Next::GiveUp => break (Outcome::BoundNotMet, judged),
            Next::Retry(origin) => go_to(&mut state, origin),
            Next::Advance(origin) => {
                go_to(&mut state, origin);
                state.accepted = None;
                if last {
                    break (outcome_of(ending), judged.filter(|_| origin == Origin::Present));
                }
                state.position.stage += 1;
            }
        }
    };
    let here = level.expect("a stage was entered");
    let judged = judged.unwrap_or_else(|| Judged::new(&grid, settings, &state.unknown, &mut record.work));
    finish(&here, source, &state, judged, outcome, record)
}

/// A velocity on the images' grid, and its map as it is put out.
struct Judged<T> {
    velocity: VectorField<T>,
    displacement: VectorField<T>,
    jacobian: [f64; 2],
}

/// The range of det F that steps keep to.
fn guarded_range(weight: Weight) -> Option<[f64; 2]> {
    match weight {
        Weight::Guarded { bound, .. } => Some([bound, 1.0 / bound]),
        Weight::Fixed(_) | Weight::JacobianBound { .. } => None,
    }
}

impl<T: Real> Judged<T> {
    /// The same, made smoother where det F leaves a range.
    fn within(
        range: Option<[f64; 2]>,
        grid: &Grid,
        settings: &Settings,
        unknown: &mut Coefficients<T>,
        work: &mut Work,
    ) -> Self {
        let mut judged = Self::new(grid, settings, unknown, work);
        let Some(range) = range else { return judged };
        for _ in 0..ROUNDS {
            if within(judged.jacobian, range) {
                break;
            }
            let Self { mut velocity, displacement, .. } = judged;
            let marks = outside(&determinant(grid.shape, &displacement), range);
            drop(displacement);
            let reduction = Reduction::new(grid, unknown.band(), settings.regularisation);
            relax(&reduction, marks, unknown, &mut velocity);
            work.transforms += reduction.transforms();
            drop(velocity);
            judged = Self::new(grid, settings, unknown, work);
        }
        judged
    }

    fn new(grid: &Grid, settings: &Settings, unknown: &Coefficients<T>, work: &mut Work) -> Self {
        let reduction = Reduction::new(grid, unknown.band(), settings.regularisation);
        let mut velocity = zeros(grid.len());
        reduction.velocity(unknown, &mut unknown.clone(), &mut velocity);
        work.transforms += reduction.transforms();
        let map = output(grid, &velocity, SQUARINGS);
        let jacobian = determinant_range(grid.shape, &map);
        Self { velocity, displacement: map.displacement, jacobian }
    }
}

/// The work and the steps of a run.
#[derive(Default)]
struct Record {
    work: Work,
    history: Vec<Progress>,
}

/// The state that a start asks for.
fn begin<T: Real>(grid: &Grid, settings: &Settings, start: Start<T>) -> Result<Checkpoint<T>, RegisterError> {
    let first = &settings.stages[0];
    let mut position = Position::first(settings.first_weight());
    let unknown = match start {
        Start::Rest => Coefficients::zeros(stage_band(grid, first)),
        Start::Velocity(velocity) => {
            let found = [0, 1, 2].map(|a: usize| velocity[a].len());
            if found != [grid.len(); 3] {
                return Err(RegisterError::StartLength { found, expected: grid.len() });
            }
            if velocity.iter().flatten().any(|v| !v.wide().is_finite()) {
                return Err(RegisterError::StartNotFinite);
            }
            position.jacobian = determinant_range(grid.shape, &output(grid, &velocity, SQUARINGS));
            Reduction::new(grid, grid.shape, settings.regularisation).unknown_of(&velocity)
        }
        Start::Checkpoint(checkpoint) => return resume(grid, settings, checkpoint),
    };
    Ok(Checkpoint { position, unknown, accepted: None })
}

/// The checkpoint, if it can be one of this run.
fn resume<T: Real>(
    grid: &Grid,
    settings: &Settings,
    checkpoint: Checkpoint<T>,
) -> Result<Checkpoint<T>, RegisterError> {
    let Checkpoint { position, unknown, accepted } = &checkpoint;
    let other = |what, found: String, expected: String| Err(RegisterError::OtherCheckpoint { what, found, expected });
    let Some(stage) = settings.stages.get(position.stage) else {
        return other("stage", position.stage.to_string(), format!("at most {}", settings.stages.len() - 1));
    };
    let band = stage_band(grid, stage);
    for found in std::iter::once(unknown).chain(accepted).map(Coefficients::band) {
        if found != band {
            return other("band", format!("{found:?}"), format!("{band:?}"));
        }
    }
    let fixed = matches!(settings.weight, Weight::Fixed(_));
    if !(position.beta > 0.0 && position.beta.is_finite()) || fixed && position.beta != settings.first_weight() {
        return other("weight", position.beta.to_string(), settings.first_weight().to_string());
    }
    Ok(checkpoint)
}

fn go_to<T: Real>(state: &mut Checkpoint<T>, origin: Origin) {
    match (origin, &state.accepted) {
        (Origin::Present, _) => {}
        (Origin::Kept, Some(kept)) => state.unknown.clone_from(kept),
        (Origin::Rest, _) | (Origin::Kept, None) => state.unknown.clear(),
    }
    if origin != Origin::Present {
        state.position.jacobian = [1.0; 2];
    }
}

/// The level of a stage. The last stage takes the images for its own if it wants them as they are.
fn make_level<T: Real>(
    source: &mut Option<Images<T>>,
    settings: &Settings,
    stage: Stage,
    last: bool,
) -> Result<StageLevel<T>, ProblemError> {
    let images = source.take().expect("images are given away by the last stage only, which keeps its level");
    let grid = stage_grid(&images.grid, &stage);
    let on_stage = if last && as_they_are(&images.grid, &stage) {
        images
    } else {
        let on_stage = images.on(&grid, stage.smoothing);
        *source = Some(images);
        on_stage
    };
    StageLevel::new(on_stage, stage, settings.regularisation)
}

/// Whether a stage uses the images without change.
fn as_they_are(grid: &Grid, stage: &Stage) -> bool {
    stage_grid(grid, stage) == *grid && stage.smoothing == 0.0
}

/// Newton's method on one stage at the position's weight.
fn run_stage<T: Real>(
    here: &StageLevel<T>,
    settings: &Settings,
    state: &mut Checkpoint<T>,
    record: &mut Record,
    observer: &mut dyn Observer<T>,
) -> Ending {
    let StageLevel { stage, level, grid } = here;
    let limits = NewtonLimits {
        beta: state.position.beta * stage.beta_factor,
        steps: stage.newton_steps,
        krylov_steps: stage.krylov_steps,
        gradient_tolerance: stage.gradient_tolerance,
        decrease_tolerance: settings.decrease_tolerance,
        line_search: settings.line_search,
        range: guarded_range(settings.weight),
    };
    let Checkpoint { position, unknown, accepted } = state;
    let Record { work, history } = record;
    let done = Done { steps: position.steps, last_decrease: position.last_decrease };
    let mut reference = position.reference;
    let ending = newton(level, limits, unknown, &mut reference, done, |step, reference, unknown| {
        position.steps = step.number;
        position.last_decrease = Some(step.decrease);
        position.jacobian = step.jacobian;
        position.reference = Some(reference);
        work.newton_steps += 1;
        work.products += step.products as u64;
        work.inner_products += step.inner_products as u64;
        let mut so_far = *work;
        here.add_work(&mut so_far);
        let (stage, stages, shape, beta) = (position.stage, settings.stages.len(), grid.shape, limits.beta);
        let progress = Progress { stage, stages, shape, beta, step: *step, work: so_far };
        let go_on = observer.step(&progress, Snapshot { position, unknown, accepted: accepted.as_ref() });
        history.push(progress);
        go_on
    });
    position.reference = reference;
    ending
}

/// The result on the images' grid.
fn finish<T: Real>(
    here: &StageLevel<T>,
    source: Option<Images<T>>,
    state: &Checkpoint<T>,
    judged: Judged<T>,
    outcome: Outcome,
    mut record: Record,
) -> Result<Solution<T>, RegisterError> {
    here.add_work(&mut record.work);
    let Judged { velocity, displacement, jacobian } = judged;
    let relative_mismatch = match source {
        Some(images) => ImageTerm::new(images.balanced(), here.stage.discretisation)?.mismatch_through(&displacement),
        None => here.level.data.mismatch_through(&displacement),
    };
    let beta = state.position.beta * here.stage.beta_factor;
    let Record { work, history } = record;
    Ok(Solution { velocity, outcome, beta, relative_mismatch, jacobian, history, work })
}

fn outcome_of(ending: Ending) -> Outcome {
    match ending {
        Ending::Converged => Outcome::Converged,
        Ending::Stalled => Outcome::Stalled,
        Ending::StepLimit => Outcome::StepLimit,
        Ending::Interrupted => Outcome::Interrupted,
    }
}

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
