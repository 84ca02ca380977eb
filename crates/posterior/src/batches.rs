//! Batches of made-up X-rays, rendered on threads of their own while the network trains.

use crate::simulator::{Example, Simulator, normalised};
use regiscope_geometry::Point;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Batches that wait at most.
const AHEAD: usize = 2;

/// What a network is shown at once: images and poses in rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Normalised images, cases one after the other, views of a case one after the other, row-major.
    pub images: Vec<f32>,
    /// Rotations of the world from the volume, quaternions (w, x, y, z), four a case.
    pub rotations: Vec<f32>,
    /// The pivot's place in the world, mm, three a case.
    pub translations_mm: Vec<f32>,
}

impl Batch {
    /// Examples as a network sees them; `pivot` is a point of the volume.
    pub fn of(examples: &[Example], pivot: &Point) -> Self {
        let mut batch = Self { images: Vec::new(), rotations: Vec::new(), translations_mm: Vec::new() };
        for example in examples {
            for (image, mask) in example.images.iter().zip(&example.masks) {
                batch.images.extend(normalised(image, mask.as_ref()));
            }
            let q = example.pose.rotation.quaternion();
            batch.rotations.extend([q.w, q.i, q.j, q.k].map(|v| v as f32));
            let at = example.pose * pivot;
            batch.translations_mm.extend([at.x, at.y, at.z].map(|v| v as f32));
        }
        batch
    }
}

/// Which examples a training shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream {
    /// Seed of the examples.
    pub seed: u64,
    /// Examples a batch.
    pub size: u64,
    /// The first batch.
    pub first: u64,
    /// One past the last batch.
    pub last: u64,
}

/// Time that rendering took and time that training waited for it, s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Waits {
    /// Rendering, wall time of the rendering thread.
    pub rendering_s: f64,
    /// Waiting of the training thread for a batch.
    pub waiting_s: f64,
}

/// The training's end of the stream.
pub struct Batches<'scope> {
    receiver: Option<Receiver<(Batch, f64)>>,
    worker: Option<ScopedJoinHandle<'scope, ()>>,
    clock: &'scope (dyn Fn() -> f64 + Sync),
    /// Times so far.
    pub waits: Waits,
}

impl<'scope> Batches<'scope> {
    /// Starts rendering the batches of `stream` in the scope's threads; `clock` tells seconds.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        simulator: &'env Simulator,
        stream: Stream,
        clock: &'env (dyn Fn() -> f64 + Sync),
    ) -> Self
    where
        'env: 'scope,
    {
        let (sender, receiver) = sync_channel(AHEAD);
        let worker = scope.spawn(move || produce(simulator, stream, clock, &sender));
        Self { receiver: Some(receiver), worker: Some(worker), clock, waits: Waits::default() }
    }

    /// The next batch; none after the last.
    pub fn next_batch(&mut self) -> Option<Batch> {
        let before = (self.clock)();
        let (batch, rendering) = self.receiver.as_ref()?.recv().ok()?;
        self.waits.waiting_s += (self.clock)() - before;
        self.waits.rendering_s += rendering;
        Some(batch)
    }
}

impl Drop for Batches<'_> {
    /// Ends the rendering thread: its next batch finds nobody.
    fn drop(&mut self) {
        self.receiver = None;
        if let Some(worker) = self.worker.take() {
            // A panic of the worker shows when the scope ends.
            let _ = worker.join();
        }
    }
}

fn produce(simulator: &Simulator, stream: Stream, clock: &dyn Fn() -> f64, sender: &SyncSender<(Batch, f64)>) {
    for number in stream.first..stream.last {
        let before = clock();
        let numbers = number * stream.size..(number + 1) * stream.size;
        let batch = Batch::of(&simulator.examples(stream.seed, numbers), &simulator.prior().pivot());
        if sender.send((batch, clock() - before)).is_err() {
            return;
        }
    }
}
