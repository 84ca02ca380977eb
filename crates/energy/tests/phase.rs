//! Short kernels on part-time sensors: repetitions in shifted phase narrow the interval until it meets a target.

use regiscope_energy::repeat::Repeat;
use regiscope_energy::report::RegionRecord;
use regiscope_energy::sensor::discover::Found;
use regiscope_energy::sensor::nvml::{self, Boards, NvmlError};
use regiscope_energy::sim::clock::VirtualClock;
use regiscope_energy::{Clock, Recorder, RegionKind, Report, Settings};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

const IDLE_W: f64 = 50.0;
const BUSY_W: f64 = 300.0;

/// A board whose load the test switches; its register averages 25 ms of each period.
struct Switched {
    clock: VirtualClock,
    steps: Arc<Mutex<Vec<(f64, f64)>>>,
    period_s: f64,
    has_counter: bool,
}

impl Switched {
    fn energy_until(&self, t_s: f64) -> f64 {
        let steps = self.steps.lock().unwrap();
        let ends = steps.iter().skip(1).map(|s| s.0).chain([f64::INFINITY]);
        steps.iter().zip(ends).map(|(&(at, w), end)| w * (t_s.min(end) - at).max(0.0)).sum()
    }

    fn updated_s(&self) -> f64 {
        ((self.clock.now_s() - 0.017) / self.period_s + 1e-9).floor() * self.period_s + 0.017
    }
}

impl Boards for Switched {
    fn count(&self) -> Result<u32, NvmlError> {
        Ok(1)
    }

    fn name(&self, _: u32) -> Result<String, NvmlError> {
        Ok("Part-time board".to_owned())
    }

    fn energy_mj(&self, _: u32) -> Result<u64, NvmlError> {
        let function = "nvmlDeviceGetTotalEnergyConsumption";
        match self.has_counter {
            true => Ok((1e3 * self.energy_until(self.updated_s())) as u64),
            false => Err(NvmlError::Refused { function, code: 3, text: "Not Supported".to_owned() }),
        }
    }

    fn power_mw(&self, _: u32) -> Result<u32, NvmlError> {
        let at_s = self.updated_s();
        Ok(((self.energy_until(at_s) - self.energy_until(at_s - 0.025)) / 0.025 * 1e3).round() as u32)
    }

    fn limit_mw(&self, _: u32) -> Result<u32, NvmlError> {
        Ok(400_000)
    }
}

/// Repeats a kernel until the interval is within `target`; the report and the kernel's true energy.
fn repeated(period_s: f64, has_counter: bool, kernel_s: f64, target: f64) -> (Report, f64) {
    let clock = VirtualClock::at(10.0);
    let steps = Arc::new(Mutex::new(vec![(0.0, IDLE_W)]));
    let board = Switched { clock: clock.clone(), steps: steps.clone(), period_s, has_counter };
    let boards: Arc<dyn Boards> = Arc::new(board);
    let sensors = nvml::discover(&boards).0.into_iter().map(|b| Box::new(b) as _).collect();
    let mut recorder = Recorder::new(Found::of(sensors), Arc::new(clock.clone()), Settings::default());
    recorder.settle(0.02);
    let idle = recorder.begin("idle", RegionKind::Idle);
    recorder.run_until(clock.now_s() + 2.0);
    recorder.end(idle);
    let idle = recorder.report(idle).unwrap();
    recorder.set_baseline(&idle);
    let repeat = Repeat { most: 400, target: Some(target), period_s: recorder.slow_period_s() };
    let records = repeat.run(|index, first_s| -> Result<RegionRecord, Infallible> {
        let now_s = clock.now_s();
        // A period that was stated wrongly is known better after the first runs.
        let repeat = Repeat { period_s: recorder.slow_period_s(), ..repeat };
        recorder.run_until(repeat.begin_s(index, first_s.unwrap_or(now_s), now_s));
        let id = recorder.begin("kernel", RegionKind::Inference);
        steps.lock().unwrap().push((clock.now_s(), BUSY_W));
        recorder.run_until(clock.now_s() + kernel_s);
        steps.lock().unwrap().push((clock.now_s(), IDLE_W));
        recorder.end(id);
        recorder.linger(id);
        Ok(recorder.report(id).unwrap().into())
    });
    let report = Report::of(records.unwrap(), recorder.messages());
    let wall_s = report.wall_s;
    (report, BUSY_W * wall_s)
}

#[test]
fn repetitions_in_shifted_phase_meet_their_target() {
    for (period_s, has_counter, kernel_s, target) in
        [(0.1, false, 0.04, 0.1), (0.137, false, 0.04, 0.1), (0.1, false, 0.1, 0.1), (0.1, true, 0.04, 0.03)]
    {
        let (report, truth) = repeated(period_s, has_counter, kernel_s, target);
        let (joules, [low, high]) = report.total.energy.known().unwrap();
        let count = report.regions.len();
        println!(
            "{period_s} s, counter {has_counter}: {joules:.2} J of {truth:.2} J, {low:.2} to {high:.2}, {count} runs"
        );
        assert!((low..=high).contains(&truth), "{truth} in {:?}, {count} runs", report.total.energy);
        assert!((joules / truth - 1.0).abs() < target, "{joules} of {truth}");
        assert!(report.total.energy.relative_half_width().unwrap() <= target && count < 400);
        assert!((4..400).contains(&count), "{count}");
    }
}
