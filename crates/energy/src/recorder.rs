//! Readings at the borders of regions and in between: the meter without its thread.

use crate::border::{Beside, Border, LONG_PERIODS, Next, SLOW_S, between};
use crate::clock::Clock;
use crate::energy::Energy;
use crate::region::{DomainEnergy, Region, RegionKind, total};
use crate::sensor::discover::Found;
use crate::sensor::{Reading, Scale, Sensor, Unreadable};
use crate::trace::Sample;
use crate::track::Track;
use std::sync::Arc;

/// How a meter samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Longest time between two readings, s; 0.1 is 10 Hz.
    pub sample_s: f64,
    /// Whether every reading is kept for a trace.
    pub keep_trace: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sample_s: 0.1, keep_trace: false }
    }
}

/// Shortest time between readings just after a border, s.
const CLOSE_S: f64 = 0.002;

/// After a border readings follow at this fraction of the time since it, so a short region is seen finely.
const CLOSE_FRACTION: f64 = 0.05;

/// For so long after a border even quick counters are read closely, s: one that does not move then is late, and what it
/// is short of goes into the interval.
const ALERT_S: f64 = 0.02;

/// Longest wait after the end of a region for late sensors, s.
const LINGER_S: f64 = 0.4;

/// An open or ended region.
#[derive(Debug)]
struct Watch {
    id: u64,
    name: String,
    kind: RegionKind,
    began_s: f64,
    ended_s: Option<f64>,
    begin: Vec<Border>,
    end: Vec<Border>,
    beside: Vec<Beside>,
}

/// Names a region of one recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionId(u64);

struct Slot {
    sensor: Box<dyn Sensor>,
    track: Track,
    idle: Option<Energy>,
    reading_s: f64,
}

impl Slot {
    fn border(&self, now_s: f64, border_s: f64) -> Border {
        Border::of(&self.track, now_s, border_s, self.reading_s)
    }
}

/// Sensors, their accounts, and the regions that are open.
///
/// It reads when it is told to: [`Recorder::run_until`] reads on schedule until a moment, and [`crate::meter::Meter`]
/// puts it into a thread.
pub struct Recorder {
    slots: Vec<Slot>,
    unreadable: Vec<Unreadable>,
    messages: Vec<String>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    watches: Vec<Watch>,
    next_id: u64,
    last_border_s: f64,
    last_poll_s: f64,
    trace: Vec<Sample>,
}

impl Recorder {
    /// A recorder of the sensors found; reads each once.
    pub fn new(found: Found, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let slot = |sensor: Box<dyn Sensor>| Slot {
            track: Track::new(sensor.description().clone()),
            sensor,
            idle: None,
            reading_s: 0.0,
        };
        let now_s = clock.now_s();
        let mut recorder = Self {
            slots: found.sensors.into_iter().map(slot).collect(),
            unreadable: found.unreadable,
            messages: found.messages,
            clock,
            settings,
            watches: Vec::new(),
            next_id: 0,
            last_border_s: now_s,
            last_poll_s: now_s,
            trace: Vec::new(),
        };
        recorder.poll();
        recorder
    }

    /// The clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The sensors' accounts.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.slots.iter().map(|slot| &slot.track)
    }

    /// Whether there is any sensor to read.
    pub fn is_blind(&self) -> bool {
        self.slots.is_empty()
    }

    /// Longest period of the slow sensors, s; 0 where all are quick.
    pub fn slow_period_s(&self) -> f64 {
        self.tracks().map(Track::period_s).filter(|p| *p >= SLOW_S).fold(0.0, f64::max)
    }

    /// Readings kept for a trace.
    pub fn trace(&self) -> &[Sample] {
        &self.trace
    }

    /// Reads every sensor now.
    pub fn poll(&mut self) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let before_s = self.clock.now_s();
            let reading = slot.sensor.read();
            // The value is of some moment during the reading; a slow reader is stamped in its middle.
            let after_s = self.clock.now_s();
            let now_s = 0.5 * (before_s + after_s);
            slot.reading_s = after_s - before_s;
            if self.settings.keep_trace {
                self.trace.push(Sample::new(now_s, at, &reading));
            }
            let watts = match reading {
                Ok(Reading::Watts(watts)) => Some(watts),
                _ => None,
            };
            let moved = slot.track.book(now_s, reading);
            let account = slot.track.account_at(now_s);
            for watch in &mut self.watches {
                let beside = &mut watch.beside[at];
                if moved {
                    let next = Next { seen_s: now_s, joules: account.joules };
                    match watch.ended_s {
                        None => drop(beside.after_begin.get_or_insert(next)),
                        Some(_) => drop(beside.after_end.get_or_insert(next)),
                    }
                    if watch.ended_s.is_some() {
                        beside.after_begin.get_or_insert(next);
                    }
                }
                if let Some(watts) = watts {
                    let (least, most) = beside.extremes_w.unwrap_or((watts, watts));
                    beside.extremes_w = Some((least.min(watts), most.max(watts)));
                }
                beside.last = Some((now_s, account));
            }
        }
        self.last_poll_s = self.clock.now_s();
    }

    /// Reads closely for `budget_s`, so that counters slower than described are known before the first region.
    pub fn settle(&mut self, budget_s: f64) {
        let until_s = self.clock.now_s() + budget_s;
        while !self.slots.is_empty() && self.clock.now_s() < until_s {
            self.clock.wait_until(self.clock.now_s() + CLOSE_S.min(0.25 * budget_s));
            self.poll();
        }
        for slot in &mut self.slots {
            slot.track.note_pause();
        }
    }

    /// When the next reading is due, s: often just after a border if a sensor is slow, at the sampling rate later,
    /// always often enough that no counter can wrap twice.
    pub fn due_s(&self) -> f64 {
        if self.slots.is_empty() {
            return f64::INFINITY;
        }
        let mut step_s = self.settings.sample_s;
        let since_s = self.last_poll_s - self.last_border_s;
        if since_s < ALERT_S || self.slots.iter().any(|slot| slot.track.period_s() >= SLOW_S) {
            step_s = step_s.min((CLOSE_FRACTION * since_s).max(CLOSE_S));
        }
        for slot in &self.slots {
            if let Scale::Counter { range_j: Some(range_j), .. } = slot.track.description().scale {
                step_s = step_s.min(0.4 * range_j / slot.track.description().ceiling_w);
            }
        }
        self.last_poll_s + step_s.max(0.001)
    }

    /// Reads on schedule until `moment_s`.
    pub fn run_until(&mut self, moment_s: f64) {
        while self.clock.now_s() < moment_s {
            let due_s = self.due_s();
            self.clock.wait_until(due_s.min(moment_s));
            if self.clock.now_s() >= due_s {
                self.poll();
            }
        }
    }

    /// Opens a region: every sensor is read.
    pub fn begin(&mut self, name: &str, kind: RegionKind) -> RegionId {
        self.poll();
        let now_s = self.clock.now_s();
        self.last_border_s = now_s;
        let begin: Vec<Border> = self.slots.iter().map(|slot| slot.border(now_s, now_s)).collect();
        let beside = self.slots.iter().zip(&begin).map(|(slot, border)| Beside {
            idle_w: slot.idle.and_then(|idle| idle.joules),
            extremes_w: border.watts.map(|w| (w, w)),
            ..Beside::default()
        });
        let beside = beside.collect();
        self.next_id += 1;
        let id = self.next_id;
        let end = Vec::new();
        self.watches.push(Watch { id, name: name.to_owned(), kind, began_s: now_s, ended_s: None, begin, end, beside });
        RegionId(id)
    }

    /// Ends a region: every sensor is read. Its energy comes from [`Recorder::report`], best after
    /// [`Recorder::linger`].
    pub fn end(&mut self, id: RegionId) {
        let now_s = self.clock.now_s();
        self.poll();
        self.last_border_s = now_s;
        let ends: Vec<Border> = self.slots.iter().map(|slot| slot.border(self.clock.now_s(), now_s)).collect();
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.id == id.0 && watch.ended_s.is_none()) {
            watch.ended_s = Some(now_s);
            watch.end = ends;
        }
    }

    /// Until when readings would still sharpen an ended region, s: a slow counter has not moved since, or a slow
    /// register may still show the region. In the past where nothing is gained.
    pub fn linger_until_s(&self, id: RegionId) -> f64 {
        let Some(watch) = self.watches.iter().find(|watch| watch.id == id.0) else { return 0.0 };
        let Some(ended_s) = watch.ended_s else { return 0.0 };
        let wall_s = ended_s - watch.began_s;
        let wait_s = |(at, slot): (usize, &Slot)| {
            let period_s = slot.track.period_s();
            let waits = slot.track.failure().is_none() && period_s >= SLOW_S;
            match slot.track.description().scale {
                Scale::Counter { .. } if !waits => match watch.beside[at].after_end {
                    None if slot.track.failure().is_none() && wall_s < 60.0 => ALERT_S,
                    _ => 0.0,
                },
                _ if !waits => 0.0,
                Scale::Counter { .. } if watch.beside[at].after_end.is_some() || wall_s > 1000.0 * period_s => 0.0,
                Scale::Counter { .. } => 1.5 * period_s,
                Scale::Power { .. } if wall_s >= LONG_PERIODS * period_s => 0.0,
                Scale::Power { .. } => 2.2 * period_s,
            }
        };
        ended_s + self.slots.iter().enumerate().map(wait_s).fold(0.0, f64::max).min(LINGER_S)
    }

    /// When a region ended, s; infinite for one that is open or unknown.
    pub fn ended_s(&self, id: RegionId) -> f64 {
        self.watches.iter().find(|watch| watch.id == id.0).and_then(|watch| watch.ended_s).unwrap_or(f64::INFINITY)
    }

    /// Reads on until an ended region gets no sharper.
    pub fn linger(&mut self, id: RegionId) {
        while self.clock.now_s() < self.linger_until_s(id) {
            self.run_until(self.due_s().min(self.linger_until_s(id)));
        }
        self.poll();
    }

    /// Closes a region and tells its energy. `None` for a region of another recorder or one already reported.
    pub fn report(&mut self, id: RegionId) -> Option<Region> {
        let at = self.watches.iter().position(|watch| watch.id == id.0)?;
        if self.watches[at].ended_s.is_none() {
            self.end(id);
        }
        let watch = self.watches.remove(at);
        let mut messages = Vec::new();
        let mut domains = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            let (energy, raw_joules) = between(&slot.track, &watch.begin[at], &watch.end[at], &watch.beside[at]);
            let description = slot.track.description();
            let name = description.name.clone();
            if let Some(failure) = slot.track.failure() {
                let meaning = match energy.joules {
                    Some(_) => {
                        "the rest of the region is bridged with the power before, between zero and the sensor's ceiling"
                    }
                    None => "its energy is unmeasured",
                };
                messages.push(format!("{name}: {failure}; {meaning}"));
            }
            if slot.track.failure().is_none() && energy.joules.is_none() && slot.track.is_frozen() {
                messages.push(format!("{name} is unmeasured: its counter does not move"));
            }
            let (domain, source) = (description.domain, description.source.clone());
            domains.push(DomainEnergy { name, domain, source, energy, raw_joules });
        }
        domains.extend(self.unreadable.iter().map(DomainEnergy::of_unreadable));
        let (total, remark) = total(&domains);
        messages.extend(remark);
        let wall_s = watch.ended_s.unwrap_or(watch.began_s) - watch.began_s;
        let (name, kind, began_s) = (watch.name, watch.kind, watch.began_s);
        Some(Region { name, kind, began_s, wall_s, domains, total, messages })
    }

    /// Takes a region without work as the idle baseline of later regions.
    pub fn set_baseline(&mut self, idle: &Region) {
        for (slot, domain) in self.slots.iter_mut().zip(&idle.domains) {
            let power = domain.energy.times(1.0 / idle.wall_s);
            if let (Some(watts), true) = (power.joules, idle.wall_s > 0.0) {
                // A register that sees part of the time bounds idle power by what it showed, not by its ceiling.
                slot.track.set_floor_w(0.9 * watts);
                slot.idle = Some(power);
            }
        }
    }

    /// What should be known about the sensors as a whole: found at the start, wraps and resets since.
    pub fn messages(&self) -> Vec<String> {
        let mut messages = self.messages.clone();
        for track in self.tracks() {
            let name = &track.description().name;
            if !track.description().note.is_empty() {
                messages.push(format!("{name}: {}", track.description().note));
            }
            if track.wraps() > 0 {
                messages.push(format!("{name}: the counter wrapped {} times, put right by its range", track.wraps()));
            }
            if track.resets() > 0 {
                messages.push(format!(
                    "{name}: the counter began anew {} times without a wrap; the gap is bridged with the power before",
                    track.resets()
                ));
            }
        }
        messages
    }
}
