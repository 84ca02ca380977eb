//! All starts: which are finished, which are left, and each one kept as soon as it is done.

use super::error::RunError;
use super::folder::RunFolder;
use super::landscape::similarity_at;
use super::record::{IterationRecord, StartRecord};
use super::{Progress, RunOptions};
use regiscope_geometry::Rigid;
use regiscope_pose::{Options, Prepared, Settings, Status, register};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Registers from every start that is not kept yet. Returns all records in order, or `None` if it was cancelled
/// before the last one.
///
/// Each start draws its random numbers from its own seed, `options.seed + start`, so that neither the number of
/// threads nor an interruption changes an answer. As many starts run side by side as there are threads; each one
/// then has one thread, and its wall time is its core time.
pub fn climb(
    folder: &RunFolder,
    prepared: &Prepared,
    options: &Options,
    starts: &[Rigid],
    run: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Vec<StartRecord>>, RunError> {
    let mut records: Vec<Option<StartRecord>> = (0..starts.len()).map(|n| folder.kept(n)).collect();
    let left: Vec<usize> = (0..starts.len()).filter(|&n| records[n].is_none()).collect();
    let mut done = starts.len() - left.len();
    let mut progress = |done: usize, note: String| {
        observer(Progress { stage: "registering", done, total: starts.len(), note });
    };
    progress(done, String::new());

    let threads = rayon::current_num_threads();
    let workers = threads.min(left.len()).max(1);
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let kept = thread::scope(|scope| {
        for _ in 0..workers {
            let (send, next, left) = (send.clone(), &next, &left);
            scope.spawn(move || {
                // A pool that cannot be built leaves the start to the shared one.
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads / workers).build().ok();
                while let Some(&n) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if run.cancel.load(Ordering::Relaxed) {
                        break;
                    }
                    let work = || one(n, prepared, options, &starts[n], run);
                    let record = pool.as_ref().map_or_else(work, |pool| pool.install(work));
                    let Some(record) = record else { break };
                    if send.send(record).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let mut result = Ok(());
        for record in receive {
            result = folder.keep(&record);
            if result.is_err() {
                // Dropping the receiver makes the workers stop at their next answer.
                break;
            }
            done += 1;
            progress(done, format!("start {} {}", record.start, record.status));
            let start = record.start;
            records[start] = Some(record);
        }
        result
    });
    kept?;
    Ok(records.into_iter().collect())
}

/// One start; `None` if it was cancelled on its way.
fn one(n: usize, prepared: &Prepared, options: &Options, start: &Rigid, run: &RunOptions) -> Option<StartRecord> {
    let seed = options.seed.wrapping_add(n as u64);
    let settings = Settings::new(Options { seed, ..*options }).expect("the seed is no part of the check");
    let began = run.clock.wall_s();
    let mut iterations = Vec::new();
    let solution = register(prepared, &settings, start, &mut |iteration| {
        iterations.push(IterationRecord::new(n, iteration));
        if run.cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if solution.status == Status::Stopped {
        return None;
    }
    // Each start traced its own choice of rays; answers are ranked on one and the same.
    let common = Settings::new(*options).expect("these options were checked before");
    let similarity = similarity_at(prepared, &common, &solution.world_from_volume);
    let seconds = run.clock.wall_s() - began;
    Some(StartRecord { similarity, ..StartRecord::new(n, &solution, iterations, seconds) })
}
