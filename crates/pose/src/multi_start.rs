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
        run(&levels, settings, start, seed, &mut |iteration| observer(n, iteration))
    };
    starts.par_iter().enumerate().map(one).collect()
}
