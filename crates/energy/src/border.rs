//! What a region's two borders say about one sensor.
//!
//! A counter read at time t shows the energy of its last update, so E(t) lies between the value read and the value of
//! the next update. The difference of two readings is therefore uncertain by less than an update's energy at each
//! border; readings shortly after a border narrow that without any assumption.
//!
//! A power register lags by up to a period and a window. For a region that lasts less than twenty periods the energy
//! is taken over the power beside it, P₀·(b − a) + ∫ₐᶜ (P(t) − P₀) dt with c two periods after the end b, which
//! catches what the register shows late.

use crate::energy::Energy;
use crate::provenance::Provenance;
use crate::sensor::Scale;
use crate::track::{Account, Change, Track};

/// State of one sensor at a border.
#[derive(Clone, Copy, Debug)]
pub struct Border {
    /// Time of the reading, s.
    pub time_s: f64,
    /// The account then.
    pub account: Account,
    /// Last reading, W; of power registers.
    pub watts: Option<f64>,
    /// Last change of a counter before the border.
    pub change: Option<Change>,
    /// Whether the sensor answered.
    pub answered: bool,
    /// How far the reading may lie from the region's own border, s: it is taken just outside.
    pub skew_s: f64,
}

impl Border {
    /// The state of a track that was just read.
    ///
    /// `border_s` is the moment that the region's time counts from, `reading_s` how long the reading took.
    pub fn of(track: &Track, now_s: f64, border_s: f64, reading_s: f64) -> Self {
        let time_s = track.last().map_or(now_s, |(t, _)| if track.failure().is_some() { now_s } else { t });
        Self {
            time_s,
            account: track.account_at(time_s),
            watts: track.last().map(|(_, v)| v).filter(|_| matches!(track.description().scale, Scale::Power { .. })),
            change: track.change(),
            answered: track.last().is_some(),
            skew_s: (time_s - border_s).abs() + 0.5 * reading_s,
        }
    }
}

/// The first movement of a counter after a border.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    /// When it was seen, s.
    pub seen_s: f64,
    /// The account then, J.
    pub joules: f64,
}

/// What was seen of one sensor beside a region's borders.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    /// First movement after the beginning.
    pub after_begin: Option<Next>,
    /// First movement after the end.
    pub after_end: Option<Next>,
    /// Least and greatest power seen from the beginning to the last reading after the end, W.
    pub extremes_w: Option<(f64, f64)>,
    /// The account at the last reading after the end, and its time.
    pub last: Option<(f64, Account)>,
    /// Idle power of the device, W, if a baseline was measured.
    pub idle_w: Option<f64>,
}

/// Energy of one sensor between two borders, and the estimate before it was held to its bounds (for means over
/// repetitions).
pub fn between(track: &Track, begin: &Border, end: &Border, beside: &Beside) -> (Energy, Option<f64>) {
    let is_frozen = track.is_frozen() && begin.account == end.account && beside.after_end.is_none();
    if !begin.answered || !end.answered || is_frozen || (track.failure().is_some() && end.time_s <= begin.time_s) {
        return (Energy::UNMEASURED, None);
    }
    let bridged_s = end.account.bridged_s - begin.account.bridged_s;
    let (energy, raw) = match track.description().scale {
        Scale::Counter { quantum_j, .. } => counted(track, begin, end, beside, quantum_j),
        Scale::Power { quantum_w, period_s, window_s } => {
            held(track, begin, end, beside, quantum_w, period_s.max(window_s))
        }
    };
    let provenance = if bridged_s > 0.0 { Provenance::Derived } else { energy.provenance };
    (energy.at_best(provenance), raw)
}

fn counted(track: &Track, begin: &Border, end: &Border, beside: &Beside, quantum_j: f64) -> (Energy, Option<f64>) {
    let cap_w = track.border_power_w();
    let period_s = track.period_s();
    let is_slow = period_s >= SLOW_S;
    // A counter that is described as quick keeps its plain difference, even if it was seen to pause.
    let is_known_slow = track.stated_period_s() >= SLOW_S;
    // Most that a reading at a border may be short of the truth.
    let short_of = |border: &Border, next: Option<Next>| {
        let by_power = cap_w * period_s;
        next.map_or(by_power, |n| {
            (n.joules - border.account.joules).max(0.0).min(if is_slow { f64::MAX } else { by_power })
        })
    };
    let most_begin = short_of(begin, beside.after_begin);
    let most_end = short_of(end, beside.after_end);
    let (late_begin, late_end) = if is_known_slow {
        (
            late(begin, beside.after_begin, period_s, beside.idle_w, Side::Begin).clamp(0.0, most_begin),
            late(end, beside.after_end, period_s, beside.idle_w, Side::End).clamp(0.0, most_end),
        )
    } else {
        (0.0, 0.0)
    };
    let read_j = end.account.joules - begin.account.joules;
    let skew_j = cap_w * (begin.skew_s + end.skew_s);
    let low = end.account.low - begin.account.low - most_begin - quantum_j - skew_j;
    let high = end.account.high - begin.account.high + most_end + quantum_j + skew_j;
    let joules = read_j - late_begin + late_end;
    let wall_s = (end.time_s - begin.time_s).max(1e-9);
    let provenance = if is_slow && period_s > 0.01 * wall_s { Provenance::Derived } else { Provenance::Measured };
    (Energy::new(joules, low, high, provenance), Some(joules))
}

/// Counters with a longer period than this are watched closely beside the borders, s.
pub const SLOW_S: f64 = 0.005;

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Begin,
    End,
}

/// Energy between a counter's last update and the border, J: from idle power where it is known (before a beginning and
/// after an end the device idles), else in proportion of time.
fn late(border: &Border, next: Option<Next>, period_s: f64, idle_w: Option<f64>, side: Side) -> f64 {
    let Some(next) = next else { return 0.0 };
    let step_j = next.joules - border.account.joules;
    let since_s = match border.change {
        Some(change) => border.time_s - 0.5 * (change.after_s + change.seen_s),
        None => period_s - (next.seen_s - border.time_s),
    };
    let since_s = since_s.clamp(0.0, period_s);
    let until_s = (next.seen_s - border.time_s).max(0.0);
    match (idle_w, side) {
        (Some(idle), Side::Begin) => idle * since_s,
        (Some(idle), Side::End) => step_j - idle * until_s,
        (None, _) => step_j * since_s / (since_s + until_s).max(1e-9),
    }
}

fn held(
    track: &Track,
    begin: &Border,
    end: &Border,
    beside: &Beside,
    quantum_w: f64,
    period_s: f64,
) -> (Energy, Option<f64>) {
    let wall_s = (end.time_s - begin.time_s).max(0.0);
    let ceiling_j = track.description().ceiling_w * wall_s;
    let quantum_j = quantum_w * wall_s;
    if wall_s >= LONG_PERIODS * period_s {
        let spread_w = beside.extremes_w.map_or(0.0, |(least, most)| most - least);
        let lag_j = spread_w * 2.0 * period_s + quantum_j;
        let (from, to) = (begin.account, end.account);
        let joules = to.joules - from.joules;
        let (low, high) = (to.low - from.low - lag_j, to.high - from.high + lag_j);
        return (Energy::new(joules, low, high, Provenance::Derived), Some(joules));
    }
    let beside_w = beside.idle_w.or_else(|| Some(begin.watts?.min(track.last()?.1))).unwrap_or(0.0);
    let (until_s, account) = beside.last.unwrap_or((end.time_s, end.account));
    let shown_j = account.joules - begin.account.joules;
    let raw = beside_w * wall_s + shown_j - beside_w * (until_s - begin.time_s);
    let joules = raw.clamp(0.0, ceiling_j.max(quantum_j));
    // A part-time register may have seen nothing of it, or only its peak; a lagging one smears it.
    let floor_j = beside.idle_w.map_or(0.0, |idle| idle * wall_s);
    (
        Energy::new(joules, floor_j.min(joules) - quantum_j, ceiling_j.max(joules) + quantum_j, Provenance::Derived),
        Some(raw),
    )
}

/// Regions of at least so many periods are integrated between their borders.
pub const LONG_PERIODS: f64 = 20.0;
