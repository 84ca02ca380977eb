//! Registration from one start.

use crate::objective::{Objective, usable};
use crate::optimise::{Climb, End, Limits, Step, climb};
use crate::options::{Search, Settings};
use crate::pyramid::{Level, Prepared, Reach};
use crate::solution::{Iteration, LevelRecord, Solution, Status};
use crate::starts;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::Matrix6;
use std::ops::ControlFlow;

/// Hears every iteration; [`ControlFlow::Break`] ends the registration with the best pose so far.
pub type Observer<'a> = &'a mut dyn FnMut(&Iteration) -> ControlFlow<()>;

/// Finds the pose at which the rendered images are most alike to the X-rays, from one start: on each level of the
/// pyramid, the coarsest first, the optimiser climbs from the answer of the level before.
///
/// How it went stands in [`Solution::status`]; nothing here fails.
pub fn register(prepared: &Prepared, settings: &Settings, start: &Rigid, observer: Observer) -> Solution {
    run(&objectives(prepared, settings), prepared.reach(), settings, start, settings.seed, observer)
}

/// A level, its number in the pyramid and its similarity as a function of the pose.
pub(crate) struct LevelObjective<'a> {
    pub number: usize,
    pub level: Level,
    pub objective: Objective<'a>,
}

/// The objectives of all levels on which something can be compared, the coarsest first. A level is left out where no
/// whole neighbourhood of the similarity lies inside the mask.
pub(crate) fn objectives<'a>(prepared: &'a Prepared, settings: &Settings) -> Vec<LevelObjective<'a>> {
    let one = |(n, level): (usize, &'a crate::pyramid::PreparedLevel)| {
        let seed = settings.seed.wrapping_add(1000 * n as u64);
        let (pivot, radius) = (prepared.pivot(), prepared.radius());
        let objective = Objective::new(level, pivot, radius, settings.similarity, seed)?;
        Some(LevelObjective { number: n, level: level.level, objective })
    };
    prepared.levels().iter().enumerate().filter_map(one).collect()
}

/// Registers on prepared objectives. `seed` belongs to this start.
pub(crate) fn run<'a>(
    levels: &[LevelObjective<'a>],
    reach: Option<Reach>,
    settings: &Settings,
    start: &Rigid,
    seed: u64,
    observer: Observer,
) -> Solution {
    let near = |l: &LevelObjective<'a>| LevelObjective { objective: l.objective.around(start, reach), ..*l };
    let levels: Vec<LevelObjective> = levels.iter().map(near).collect();
    let mut solution = Solution {
        start: *start,
        world_from_volume: *start,
        similarity: f64::NEG_INFINITY,
        status: Status::NoOverlap,
        evaluations: 0,
        rays: 0,
        levels: Vec::new(),
        curvature: Matrix6::zeros(),
    };
    if !usable(start) {
        return Solution { status: Status::BrokenStart, ..solution };
    }
    let Some(LevelObjective { level: first, objective: coarsest, .. }) = levels.first() else { return solution };
    if let Some(search) = &settings.search {
        let found = look_around(coarsest, first, settings, search, start, seed);
        solution.world_from_volume = found.0;
        count(&mut solution, found.1, coarsest.rays());
    }
    if !coarsest.sees(&solution.world_from_volume) {
        return solution;
    }
    for LevelObjective { number, level, objective } in &levels {
        let n = *number;
        let limits = limits(level, n, seed);
        let (before_evaluations, from) = (solution.evaluations, solution.world_from_volume);
        let mut start_similarity = None;
        let mut report = |step: &Step| {
            start_similarity.get_or_insert(step.similarity);
            observer(&Iteration {
                level: n,
                iteration: step.iteration,
                world_from_volume: step.pose,
                similarity: step.similarity,
                evaluations: before_evaluations + step.evaluations,
                step_mm: step.step_mm,
            })
        };
        let found = climb(settings.optimiser, objective, &from, &limits, &mut report);
        take(&mut solution, n, &found, start_similarity.unwrap_or(found.similarity), objective.rays());
        if found.end == End::Stopped {
            break;
        }
    }
    conclude(solution, &levels[levels.len() - 1].objective)
}

/// Limits of a level for the start with this seed.
pub(crate) fn limits(level: &Level, n: usize, seed: u64) -> Limits {
    let spread = 0.5f64.powi(n as i32);
    Limits { max_iterations: level.max_iterations, step_mm: level.step_mm, spread, seed: seed.wrapping_add(n as u64) }
}

/// Renders random poses around the start, climbs from the best ones on the coarsest level, and returns the best
/// and the number of images rendered.
fn look_around(
    objective: &Objective,
    level: &Level,
    settings: &Settings,
    search: &Search,
    start: &Rigid,
    seed: u64,
) -> (Rigid, usize) {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5ea7c4);
    let chart = objective.chart(*start);
    let mut poses = vec![(objective.value(start), *start)];
    for _ in 0..search.samples {
        let x = starts::uniform_coordinates(&mut random, search.rotation, search.translation, objective.radius());
        let pose = chart.pose(&x);
        poses.push((objective.value(&pose), pose));
    }
    let mut evaluations = poses.len();
    poses.sort_by(|a, b| b.0.total_cmp(&a.0));
    poses.truncate(search.keep);
    if search.keep > 1 {
        let limits = limits(level, 0, seed);
        for (value, pose) in &mut poses {
            let found = climb(settings.optimiser, objective, pose, &limits, &mut |_| ControlFlow::Continue(()));
            evaluations += found.evaluations;
            (*value, *pose) = (found.similarity, found.pose);
        }
        poses.sort_by(|a, b| b.0.total_cmp(&a.0));
    }
    (poses[0].1, evaluations)
}

fn count(solution: &mut Solution, evaluations: usize, rays: usize) {
    solution.evaluations += evaluations;
    solution.rays += evaluations * rays;
}

fn take(solution: &mut Solution, level: usize, found: &Climb, similarity_start: f64, rays: usize) {
    solution.status = match found.end {
        End::Converged => Status::Converged,
        End::IterationLimit => Status::IterationLimit,
        End::Stopped => Status::Stopped,
    };
    solution.world_from_volume = found.pose;
    solution.similarity = found.similarity;
    solution.curvature = found.curvature.unwrap_or_else(Matrix6::zeros);
    solution.levels.push(LevelRecord {
        level,
        iterations: found.iterations,
        similarity_start,
        similarity_end: found.similarity,
        evaluations: found.evaluations,
        rays: found.evaluations * rays,
        status: solution.status,
    });
    count(solution, found.evaluations, rays);
}

/// Judges the answer on the finest level.
fn conclude(mut solution: Solution, finest: &Objective) -> Solution {
    let pose = solution.world_from_volume;
    if solution.status == Status::Stopped {
        solution.similarity = finest.value(&pose);
    }
    if solution.curvature == Matrix6::zeros() || solution.status == Status::Stopped {
        solution.curvature = finest.quadratic(&pose).curvature;
        count(&mut solution, 1, finest.rays());
    }
    if !solution.similarity.is_finite() || solution.curvature.diagonal().max() <= 0.0 {
        solution.status = Status::Diverged;
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Optimiser, Options, Similarity};
    use crate::scene;
    use crate::scores::mtre;

    fn go(_: &Iteration) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn settings(options: Options) -> Settings {
        Settings::new(options).unwrap()
    }

    fn error(solution: &Solution) -> f64 {
        mtre(&solution.world_from_volume, &scene::truth(), &scene::targets())
    }

    #[test]
    fn every_optimiser_finds_the_pose() {
        let prepared = scene::prepared(&[0.0, 1.2]);
        let optimisers = [
            (Optimiser::LevenbergMarquardt, 0.02),
            (Optimiser::Lbfgs, 0.1),
            (Optimiser::NelderMead { simplex_mm: 15.0 }, 1.0),
            (Optimiser::CmaEs { sigma_mm: 10.0 }, 0.1),
        ];
        for (optimiser, tolerance) in optimisers {
            let options = Options { optimiser, ..Options::default() };
            let found = register(&prepared, &settings(options), &scene::start(), &mut go);
            assert!(error(&found) < tolerance, "{optimiser:?}: {} mm, {:?}", error(&found), found.status);
            assert!(found.similarity > 0.999 && found.levels.len() == 2);
            assert_eq!(
                found.evaluations,
                found.levels.iter().map(|l| l.evaluations).sum::<usize>()
                    + usize::from(optimiser != Optimiser::LevenbergMarquardt)
            );
            assert!(found.curvature.symmetric_eigenvalues().min() > 0.0);
        }
    }

    #[test]
    fn every_similarity_finds_the_pose() {
        let prepared = scene::prepared(&[0.0, 1.2]);
        let similarities = [
            (Similarity::Ssd, 0.02),
            (Similarity::Ncc, 0.02),
            (Similarity::LocalNcc { patch: 9 }, 0.5),
            (Similarity::GradientNcc { sigma: 1.0 }, 0.02),
            (Similarity::MutualInformation { bins: 24 }, 1.0),
        ];
        for (similarity, tolerance) in similarities {
            let options = Options { similarity, ..Options::default() };
            let found = register(&prepared, &settings(options), &scene::start(), &mut go);
            assert!(error(&found) < tolerance, "{similarity:?}: {} mm, {:?}", error(&found), found.status);
        }
    }

    #[test]
    fn few_rays_suffice() {
        let sparse: Vec<Level> = scene::pyramid().levels().iter().map(|l| Level { ray_fraction: 0.2, ..*l }).collect();
        let prepared = Prepared::new(scene::problem(&[0.0, 1.2]), &crate::Pyramid::new(sparse).unwrap()).unwrap();
        let found = register(&prepared, &Settings::default(), &scene::start(), &mut go);
        assert!(error(&found) < 0.05, "{} mm", error(&found));
        assert_eq!(found.levels[1].rays, found.levels[1].evaluations * 2 * 320);
    }

    #[test]
    fn a_second_view_fixes_the_depth() {
        // Along the beam one view feels little: its curvature there is far below that of the two views.
        let depth = |angles: &[f64]| {
            let found = register(&scene::prepared(angles), &Settings::default(), &scene::start(), &mut go);
            let covariance = found.curvature.try_inverse().unwrap();
            covariance[(1, 1)].sqrt() / covariance[(0, 0)].sqrt()
        };
        let (one, two) = (depth(&[0.0]), depth(&[0.0, std::f64::consts::FRAC_PI_2]));
        assert!(one > 5.0 && two < 2.0, "{one} {two}");
    }

    #[test]
    fn a_search_reaches_what_a_climb_does_not() {
        let prepared = scene::prepared(&[0.0]);
        let far = Rigid::rotation(regiscope_geometry::Vector::new(0.0, 0.0, 1.6)) * scene::truth();
        let climbed = register(&prepared, &Settings::default(), &far, &mut go);
        let search = Search { samples: 300, rotation: 1.6, translation: 5.0, keep: 12 };
        let options = Options { search: Some(search), ..Options::default() };
        let searched = register(&prepared, &settings(options), &far, &mut go);
        assert!(error(&climbed) > 10.0, "{}", error(&climbed));
        assert!(error(&searched) < 0.2, "{}", error(&searched));
    }

    #[test]
    fn broken_starts_are_outcomes() {
        let prepared = scene::prepared(&[0.0]);
        let run = |start| register(&prepared, &Settings::default(), &start, &mut go);
        for broken in [f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(run(Rigid::translation(broken, 0.0, 0.0)).status, Status::BrokenStart);
        }
        let aside = run(Rigid::translation(5000.0, 0.0, 0.0));
        assert_eq!((aside.status, aside.levels.len()), (Status::NoOverlap, 0));
        assert!(aside.status.advice().is_some());
        // With the source inside the volume the answer may be anything, but there is one.
        assert!(run(Rigid::translation(0.0, -600.0, 0.0)).world_from_volume.translation.vector.norm().is_finite());
    }

    #[test]
    fn levels_keep_their_numbers_when_one_is_left_out() {
        let mut views = scene::xrays(&scene::blobs(), &[0.0]);
        let band = (0..1600).map(|p| (14..26).contains(&(p / 40))).collect();
        views[0].mask = Some(regiscope_image::Image::new(40, 40, band));
        let problem = crate::Problem::new(views, scene::blobs()).unwrap();
        let prepared = Prepared::new(problem, &scene::pyramid()).unwrap();
        // Gradients with σ = 1 need nine rows; the coarse level has six of the band's twelve.
        let settings = settings(Options { similarity: Similarity::GradientNcc { sigma: 1.0 }, ..Options::default() });
        let found = register(&prepared, &settings, &scene::truth(), &mut go);
        assert_eq!(found.levels.iter().map(|l| l.level).collect::<Vec<_>>(), [1]);
        let axes = [crate::Axis::Translation(0); 2];
        let at = |level| crate::landscape(&prepared, &settings, level, &scene::truth(), axes, [1.0; 2], 1);
        assert!(at(0).is_none() && at(1).is_some());
    }

    #[test]
    fn a_reach_is_not_left() {
        let settings = Settings::default();
        let reach = crate::Reach { translation: 2.0, rotation: 0.5 };
        let bound = scene::prepared(&[0.0, 1.2]).with_reach(reach).unwrap();
        for optimiser in [Optimiser::LevenbergMarquardt, Optimiser::Lbfgs, Optimiser::CmaEs { sigma_mm: 2.0 }] {
            let settings = Settings::new(Options { optimiser, ..*settings }).unwrap();
            let found = register(&bound, &settings, &scene::start(), &mut go).world_from_volume;
            let pivot = bound.pivot();
            assert!((found * pivot - scene::start() * pivot).norm() <= 2.0, "{optimiser:?}");
        }
        let negative = crate::Reach { translation: -1.0, ..reach };
        assert!(scene::prepared(&[0.0]).with_reach(negative).is_err());
    }

    #[test]
    fn an_observer_can_stop() {
        let prepared = scene::prepared(&[0.0]);
        let mut calls = 0;
        let found = register(&prepared, &Settings::default(), &scene::start(), &mut |i| {
            calls += 1;
            if i.iteration == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((found.status, found.levels.len(), calls), (Status::Stopped, 1, 3));
        assert!(error(&found) < mtre(&scene::start(), &scene::truth(), &scene::targets()));
    }

    #[test]
    fn masked_pixels_are_not_seen() {
        let mut views = scene::xrays(&scene::blobs(), &[0.0, 1.2]);
        for fixed in &mut views {
            let dirt = |p: usize| (10..20).contains(&(p % 40)) && p / 40 < 12;
            let data = fixed.image.data().iter().enumerate();
            let data = data.map(|(p, &v)| if dirt(p) { f32::NAN } else { v }).collect();
            fixed.image = regiscope_image::Image::new(40, 40, data);
            fixed.mask = Some(regiscope_image::Image::new(40, 40, (0..1600).map(|p| !dirt(p)).collect()));
        }
        let problem = crate::Problem::new(views, scene::blobs()).unwrap();
        let prepared = Prepared::new(problem, &scene::pyramid()).unwrap();
        for similarity in [Similarity::Ncc, Similarity::LocalNcc { patch: 7 }, Similarity::GradientNcc { sigma: 0.7 }] {
            let options = Options { similarity, ..Options::default() };
            let found = register(&prepared, &settings(options), &scene::start(), &mut go);
            assert!(error(&found) < 1.0, "{similarity:?} {}", error(&found));
        }
    }
}
