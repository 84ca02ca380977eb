//! A recorder with a reading thread: regions from any thread of the program, nested or overlapping.

use crate::clock::Clock;
use crate::recorder::{Recorder, RegionId, Settings};
use crate::region::{Region, RegionKind};
use crate::sensor::discover::Found;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

struct Shared {
    recorder: Mutex<(Recorder, bool)>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Recorder, bool)> {
        // A panic of one caller between readings leaves the accounts whole.
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads sensors in a thread of its own for as long as it lives.
///
/// ```
/// use regiscope_energy::{Meter, RegionKind, Settings, SystemClock};
/// use regiscope_energy::sensor::discover::{Sources, discover};
/// let meter = Meter::start(discover(&Sources::default()), std::sync::Arc::new(SystemClock::default()), Settings::default());
/// let region = meter.region("sum", RegionKind::Work);
/// let sum: u64 = (0..1000).sum();
/// let report = region.end();
/// // On a machine without sensors this prints "unmeasured".
/// println!("{sum}: {}", report.total.energy);
/// ```
pub struct Meter {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    thread: Option<JoinHandle<()>>,
}

/// How long [`Meter::start`] reads closely to learn the sensors' real pace, s.
const SETTLE_S: f64 = 0.02;

impl Meter {
    /// Begins to read. Without sensors no thread is started and nothing is waited for.
    pub fn start(found: Found, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let mut recorder = Recorder::new(found, clock.clone(), settings);
        let is_blind = recorder.is_blind();
        if !is_blind {
            recorder.settle(SETTLE_S);
        }
        let shared = Arc::new(Shared { recorder: Mutex::new((recorder, false)), wake: Condvar::new() });
        let thread = (!is_blind).then(|| {
            let shared = shared.clone();
            let clock = clock.clone();
            std::thread::spawn(move || {
                let mut guard = shared.lock();
                while !guard.1 {
                    let wait_s = guard.0.due_s() - clock.now_s();
                    if wait_s <= 0.0 {
                        guard.0.poll();
                        continue;
                    }
                    let wait = Duration::try_from_secs_f64(wait_s).unwrap_or(Duration::from_secs(1));
                    guard = shared.wake.wait_timeout(guard, wait).unwrap_or_else(PoisonError::into_inner).0;
                }
            })
        });
        Self { shared, clock, thread }
    }

    /// Opens a region; sensors are read now.
    pub fn region(&self, name: &str, kind: RegionKind) -> OpenRegion<'_> {
        let id = self.shared.lock().0.begin(name, kind);
        // A new border changes the schedule.
        self.shared.wake.notify_all();
        OpenRegion { meter: self, id, ended: false }
    }

    /// Waits for `seconds` without work and takes the power of that time as the idle baseline of later regions.
    pub fn idle(&self, seconds: f64) -> Region {
        let region = self.region("idle", RegionKind::Idle);
        self.clock.wait_until(self.clock.now_s() + seconds);
        let report = region.end();
        self.shared.lock().0.set_baseline(&report);
        report
    }

    /// Works on the recorder between two readings.
    pub fn with<T>(&self, work: impl FnOnce(&mut Recorder) -> T) -> T {
        work(&mut self.shared.lock().0)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.shared.lock().1 = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A region that is being measured; dropping it without [`OpenRegion::end`] discards it.
pub struct OpenRegion<'a> {
    meter: &'a Meter,
    id: RegionId,
    ended: bool,
}

impl OpenRegion<'_> {
    /// Ends the region: sensors are read now. For late sensors it waits up to 0.4 s after a short region.
    pub fn end(mut self) -> Region {
        self.ended = true;
        self.meter.shared.lock().0.end(self.id);
        self.meter.shared.wake.notify_all();
        loop {
            let mut guard = self.meter.shared.lock();
            let until_s = guard.0.linger_until_s(self.id);
            let now_s = self.meter.clock.now_s();
            if now_s >= until_s {
                if until_s > guard.0.ended_s(self.id) {
                    guard.0.poll();
                }
                return guard.0.report(self.id).expect("an open region of this meter is reported once");
            }
            // The thread reads meanwhile.
            let next_s = guard.0.due_s().clamp(now_s, until_s) + 1e-4;
            drop(guard);
            self.meter.clock.wait_until(next_s);
        }
    }

    /// As [`OpenRegion::end`] without waiting for late sensors.
    pub fn end_now(mut self) -> Region {
        self.ended = true;
        let mut guard = self.meter.shared.lock();
        guard.0.end(self.id);
        guard.0.report(self.id).expect("an open region of this meter is reported once")
    }
}

impl Drop for OpenRegion<'_> {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.meter.shared.lock().0.report(self.id));
        }
    }
}
