//! The climb: Levenberg–Marquardt steps on each level with each model.

use super::measure::{Bins, Evaluation, evaluate};
use super::pyramid::Level;
use super::{Iteration, Model, Settings};
use regiscope_geometry::AffineMap;
use regiscope_geometry::nalgebra::{DMatrix, DVector};
use std::ops::ControlFlow;

/// What the climb carries along: who watches and how much was done.
pub struct Work<'a> {
    /// How values fall into bins.
    pub bins: &'a Bins,
    /// Who watches.
    pub observer: &'a mut dyn FnMut(&Iteration) -> ControlFlow<()>,
    /// Steps taken.
    pub iterations: usize,
    /// Times the measure was computed.
    pub evaluations: usize,
    /// Whether the observer stopped the climb.
    pub stopped: bool,
}

/// A step shorter than this part of a voxel ends a level.
const SHORT: f64 = 0.01;
/// First damping, relative to the curvature's diagonal.
const DAMPING: f64 = 1e-3;
/// Damping at which no step is possible.
const STUCK: f64 = 1e8;

/// Climbs all levels; whether the last of them ended at its limit.
pub fn all(levels: &[Level], settings: &Settings, start: AffineMap, work: &mut Work) -> (AffineMap, bool) {
    let mut map = start;
    let mut limited = false;
    for (n, level) in levels.iter().enumerate() {
        // Small models first while the images are far apart, the wanted one alone on the finest level.
        let models = Model::ALL.into_iter().filter(|&m| match (n == 0, n + 1 == levels.len()) {
            (true, _) => m <= settings.model,
            (_, true) => m == settings.model,
            _ => m == settings.model || (m == Model::Rigid && m < settings.model),
        });
        for model in models {
            (map, limited) = climb(level, n, model, settings.max_iterations, map, work);
            if work.stopped {
                return (map, false);
            }
        }
    }
    (map, limited)
}

/// Climbs one level with one model; whether it ended at its limit.
pub fn climb(
    level: &Level,
    number: usize,
    model: Model,
    max_iterations: usize,
    start: AffineMap,
    work: &mut Work,
) -> (AffineMap, bool) {
    let basis = model.basis();
    let look = |map: &AffineMap, work: &mut Work| -> Option<Evaluation> {
        work.evaluations += 1;
        evaluate(level, work.bins, map).filter(|e| e.overlap >= level.least_overlap)
    };
    let mut map = start;
    let Some(mut here) = look(&map, work) else { return (map, false) };
    let mut damping = DAMPING;
    for iteration in 1..=max_iterations {
        let gradient = basis.tr_mul(&here.gradient);
        let curvature = basis.tr_mul(&here.curvature) * &basis;
        let taken = loop {
            let Some(step) = damped_step(&curvature, &gradient, damping) else { return (map, false) };
            let ahead = model.step(&map, &step, &level.centre, level.radius);
            // A map that turns left into right is none of the family.
            let there = (ahead.matrix.determinant() > 0.0).then(|| look(&ahead, work)).flatten();
            match there.filter(|e| e.cost < here.cost) {
                Some(there) => {
                    damping = (damping / 10.0).max(1e-9);
                    break Some((ahead, there, step.norm()));
                }
                None if damping > STUCK || step.norm() < 0.1 * SHORT * level.voxel_mm => break None,
                None => damping *= 10.0,
            }
        };
        let Some((ahead, there, step_mm)) = taken else { return (map, false) };
        let gain = here.cost - there.cost;
        (map, here) = (ahead, there);
        work.iterations += 1;
        let report = Iteration { level: number, model, iteration, cost: here.cost, step_mm };
        if (work.observer)(&report).is_break() {
            work.stopped = true;
            return (map, false);
        }
        if step_mm < SHORT * level.voxel_mm || gain < 1e-9 * here.cost.abs() {
            return (map, false);
        }
    }
    (map, true)
}

/// The step −(H + λ diag H)⁻¹ g; `None` where the images say nothing.
fn damped_step(curvature: &DMatrix<f64>, gradient: &DVector<f64>, damping: f64) -> Option<DVector<f64>> {
    let largest = curvature.diagonal().amax();
    if largest.is_nan() || largest <= 0.0 {
        return None;
    }
    let mut damped = curvature.clone();
    for n in 0..damped.nrows() {
        // A direction that hardly matters is held by a trace of the others' weight.
        damped[(n, n)] += damping * damped[(n, n)].max(1e-6 * largest) + 1e-12 * largest;
    }
    Some(-damped.cholesky()?.solve(gradient))
}
