//! Rivals without learning: many starts, climbs, clusters.
//!
//! Starts are drawn from the prior and screened on the coarsest target; the best of each draw is climbed through the
//! levels to the finest, and the tops are gathered by the rule of [`RefineSettings`]. Everything is counted in rays, as if
//! starts came one after the other, so that time to a mode can be compared whatever the number of threads.

use super::refine::{Peak, RefineSettings, refine_one, same};
use super::target::Target;
use super::weigh::log_sum_exp;
use crate::optimise::{Limits, cma_es, levenberg_marquardt};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regiscope_geometry::Rigid;
use std::ops::ControlFlow;

/// How often a ray with its derivative is counted, in rays without: an assumption, on the high side.
pub const DERIVATIVE_RAYS: usize = 2;

/// How a start is climbed on all levels but the finest, which Levenberg–Marquardt climbs always.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Climber {
    /// Levenberg–Marquardt on the exact Jacobian.
    LevenbergMarquardt,
    /// CMA-ES, with this standard deviation (mm; rotations as arcs on the object) at first.
    CmaEs {
        /// Standard deviation of the first generation, mm, > 0.
        sigma_mm: f64,
    },
}

/// How a rival searches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RivalSettings {
    /// How starts are climbed.
    pub climber: Climber,
    /// Poses drawn for each start, of which the best on the coarsest level is climbed; ≥ 1.
    pub screen: usize,
    /// Most iterations on each coarser level (ten times as many generations of CMA-ES).
    pub coarse_iterations: usize,
    /// The last climb, and when two tops are one.
    pub refine: RefineSettings,
    /// Rays that may be traced. A start that would exceed it is not counted.
    pub budget_rays: usize,
    /// Most starts.
    pub max_starts: usize,
}

impl Default for RivalSettings {
    fn default() -> Self {
        Self {
            climber: Climber::LevenbergMarquardt,
            screen: 20,
            coarse_iterations: 15,
            refine: RefineSettings::default(),
            budget_rays: 20_000_000,
            max_starts: 1000,
        }
    }
}

/// A mode and when it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// The top, the highest of all starts that came there.
    pub peak: Peak,
    /// Rays traced when it was found first, a derivative counted [`DERIVATIVE_RAYS`] times.
    pub rays: usize,
}

/// What a rival found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discoveries {
    /// Modes in the order in which they were found.
    pub modes: Vec<Discovery>,
    /// Rays traced in all.
    pub rays: usize,
    /// Starts climbed.
    pub starts: usize,
}

impl Discoveries {
    /// Mass of each mode by its Laplace evidence.
    pub fn masses(&self) -> Vec<f64> {
        let logs: Vec<f64> = self.modes.iter().map(|m| m.peak.log_evidence).collect();
        let total = log_sum_exp(&logs);
        logs.iter().map(|l| (l - total).exp()).collect()
    }
}

/// Searches for modes until the budget is spent. `levels` are forms of one target, the coarsest first; the last one is
/// the target itself.
///
/// # Panics
/// If there is no level.
pub fn search_modes(levels: &[Target], settings: &RivalSettings, random: &mut ChaCha8Rng) -> Discoveries {
    /// Starts climbed at a time; more than the budget allows are dropped.
    const BATCH: usize = 8;
    let target = levels.last().expect("there is at least one level");
    let mut found = Discoveries { modes: Vec::new(), rays: 0, starts: 0 };
    while found.starts < settings.max_starts {
        let batch: Vec<(Vec<Rigid>, u64)> = (0..BATCH.min(settings.max_starts - found.starts))
            .map(|_| {
                let poses = (0..settings.screen.max(1)).map(|_| target.prior().sample(random)).collect();
                (poses, random.random())
            })
            .collect();
        let climbed: Vec<(Peak, usize)> =
            batch.par_iter().map(|(poses, seed)| climb(levels, poses, *seed, settings)).collect();
        for (peak, rays) in climbed {
            if found.rays + rays > settings.budget_rays {
                return found;
            }
            found.rays += rays;
            let peak = Peak { starts: vec![found.starts], ..peak };
            found.starts += 1;
            if peak.log_posterior.is_finite() {
                record(target, &mut found, peak, &settings.refine);
            }
        }
    }
    found
}

/// Adds a top to the mode it belongs to, or as a new one.
fn record(target: &Target, found: &mut Discoveries, peak: Peak, settings: &RefineSettings) {
    let rays = found.rays;
    // Whichever is higher says how near the other must be.
    let joins = |known: &Peak| {
        let (high, low) = if known.log_posterior >= peak.log_posterior { (known, &peak) } else { (&peak, known) };
        same(target, high, &low.world_from_volume, settings)
    };
    match found.modes.iter_mut().find(|known| joins(&known.peak)) {
        Some(known) if peak.log_posterior > known.peak.log_posterior => {
            let starts = [known.peak.starts.as_slice(), &peak.starts].concat();
            known.peak = Peak { starts, ..peak };
        }
        Some(known) => known.peak.starts.extend(peak.starts),
        None => found.modes.push(Discovery { peak, rays }),
    }
}

/// One start: screened, climbed through the levels; with its rays.
fn climb(levels: &[Target], poses: &[Rigid], seed: u64, settings: &RivalSettings) -> (Peak, usize) {
    let (coarsest, finest) = (&levels[0], &levels[levels.len() - 1]);
    let values = if poses.len() > 1 { coarsest.log_posteriors(poses) } else { vec![0.0] };
    let mut rays = if poses.len() > 1 { poses.len() * coarsest.likelihood().rays() } else { 0 };
    let best = (0..poses.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a)));
    let mut pose = poses[best.expect("a start has poses")];
    for (n, level) in levels[..levels.len() - 1].iter().enumerate() {
        let limits = Limits {
            max_iterations: settings.coarse_iterations,
            step_mm: 10.0 * settings.refine.step_mm,
            spread: 0.5f64.powi(n as i32),
            seed: seed.wrapping_add(n as u64),
        };
        let mut go_on = |_: &_| ControlFlow::Continue(());
        let (climbed, cost) = match settings.climber {
            Climber::LevenbergMarquardt => {
                (levenberg_marquardt::climb(level, &pose, &limits, &mut go_on), DERIVATIVE_RAYS)
            }
            Climber::CmaEs { sigma_mm } => (cma_es::climb(level, &pose, sigma_mm, &limits, &mut go_on), 1),
        };
        rays += climbed.evaluations * cost * level.likelihood().rays();
        pose = climbed.pose;
    }
    let (peak, evaluations) = refine_one(finest, 0, &pose, &settings.refine);
    (peak, rays + evaluations * DERIVATIVE_RAYS * finest.likelihood().rays())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::toy;
    use rand::SeedableRng;

    #[test]
    fn both_modes_are_found_in_order_of_cost_and_within_the_budget() {
        let toy = toy::two_bumps();
        let levels = [toy.target(), toy.target()];
        for climber in [Climber::LevenbergMarquardt, Climber::CmaEs { sigma_mm: 10.0 }] {
            // A ray of this target is one evaluation.
            let settings =
                RivalSettings { climber, screen: 4, budget_rays: 6000, max_starts: 24, ..Default::default() };
            let found = search_modes(&levels, &settings, &mut ChaCha8Rng::seed_from_u64(1));
            assert_eq!(found.modes.len(), 2, "{climber:?}");
            assert!(found.modes[0].rays < found.modes[1].rays && found.rays <= 6000 && found.starts > 2);
            for bump in &toy.bumps {
                let off = |d: &Discovery| {
                    let x = levels[1].chart(&bump.mean).coordinates(&d.peak.world_from_volume);
                    x.component_div(&bump.sd()).amax()
                };
                assert!(found.modes.iter().any(|d| off(d) < 0.1));
            }
            let heavy = found.masses().into_iter().fold(0.0, f64::max);
            assert!((heavy - 0.7).abs() < 0.02, "{heavy}");
            let poor = RivalSettings { budget_rays: 10, ..settings };
            let nothing = search_modes(&levels, &poor, &mut ChaCha8Rng::seed_from_u64(1));
            assert_eq!((nothing.starts, nothing.rays), (0, 0));
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let target = toy::blobs(&[0.0], 0.1, Default::default(), 3);
        let settings = RivalSettings { max_starts: 3, screen: 5, ..Default::default() };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let levels = [target.clone()];
            pool.install(|| search_modes(&levels, &settings, &mut ChaCha8Rng::seed_from_u64(4)))
        };
        assert_eq!(on(1), on(3));
    }
}
