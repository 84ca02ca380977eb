//! Registration from many starts at once.

use crate::options::Settings;
use crate::pyramid::Prepared;
use crate::register::{objectives, run};
use crate::solution::{Iteration, Solution};
use rayon::prelude::*;
use regiscope_geometry::Rigid;
use std::ops::ControlFlow;

/// Registers from every start, in parallel, and returns the solutions in the order of the starts. The observer is
/// called from several threads with the start's position; breaking ends that start only. Start `n` draws its random
/// numbers from the seed `settings.seed + n`, so the answers do not depend on the number of threads.
pub fn multi_start(
    prepared: &Prepared,
    settings: &Settings,
    starts: &[Rigid],
    observer: &(dyn Fn(usize, &Iteration) -> ControlFlow<()> + Sync),
) -> Vec<Solution> {
    let levels = objectives(prepared, settings);
    let one = |(n, start)| {
        let seed = settings.seed.wrapping_add(n as u64);
        run(&levels, prepared.reach(), settings, start, seed, &mut |iteration| observer(n, iteration))
    };
    starts.par_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, ModeTolerance, Optimiser, Options, Pyramid, Search, modes, scene, starts};

    #[test]
    fn many_starts_agree_on_one_mode_and_threads_do_not_matter() {
        let coarse = Pyramid::new(vec![Level { max_iterations: 6, ..scene::pyramid().levels()[0] }]).unwrap();
        let prepared = Prepared::new(scene::problem(&[0.0, 1.2]), &coarse).unwrap();
        let starts = starts::uniform(&scene::truth(), &prepared.pivot(), 0.25, 15.0, 6, 11);
        let search = Some(Search { samples: 20, rotation: 0.2, translation: 10.0, keep: 2 });
        for optimiser in [Optimiser::LevenbergMarquardt, Optimiser::CmaEs { sigma_mm: 4.0 }] {
            let options = Options { optimiser, search, ..Options::default() };
            let settings = Settings::new(options).unwrap();
            let starts = &starts[..if optimiser == Optimiser::LevenbergMarquardt { 6 } else { 3 }];
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| multi_start(&prepared, &settings, starts, &|_, _| ControlFlow::Continue(())))
            };
            let (one, three) = (on(1), on(3));
            assert_eq!(one, three);
            let tolerance = ModeTolerance { pivot: prepared.pivot(), translation: 2.0, rotation: 0.04 };
            let found = modes(&one, &tolerance);
            assert!(2 * found[0].members.len() > starts.len(), "{found:?}");
            let error = crate::scores::mtre(&found[0].world_from_volume, &scene::truth(), &scene::targets());
            assert!(error < 2.0, "{error}");
        }
    }
}
