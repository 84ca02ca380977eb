//! Errors of the answers, summaries and criteria: everything in `metrics.json`.

use super::record::{StartRecord, finite};
use crate::document::register::Criteria;
use regiscope_geometry::{Point, Rigid, View};
use regiscope_pose::scores::{self, Rate};
use serde::{Deserialize, Serialize};

/// What errors are measured against.
pub struct Reference<'a> {
    /// The true `world_from_volume`.
    pub gold: Rigid,
    /// Points of the volume, mm.
    pub targets: &'a [Point],
    /// The views that errors are projected on.
    pub views: &'a [View],
    /// The point of the volume whose displacement is the translation error.
    pub pivot: Point,
}

/// Errors of one pose. Definitions in [`regiscope_pose::scores`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Mean target registration error, mm.
    pub mtre_mm: f64,
    /// Mean projection distance on the detector, mean over the views, mm.
    pub mpd_mm: Option<f64>,
    /// Mean reprojection distance, mean over the views, mm.
    pub mrpd_mm: Option<f64>,
    /// Angle between the orientations, degrees.
    pub rotation_deg: f64,
    /// Displacement of the pivot, mm.
    pub translation_mm: f64,
}

impl Reference<'_> {
    /// The errors of a pose.
    pub fn errors(&self, pose: &Rigid) -> Errors {
        let over_views = |score: fn(&View, &Rigid, &Rigid, &[Point]) -> Option<f64>| {
            let all: Vec<f64> = self.views.iter().filter_map(|v| score(v, pose, &self.gold, self.targets)).collect();
            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
        };
        Errors {
            mtre_mm: scores::mtre(pose, &self.gold, self.targets),
            mpd_mm: over_views(scores::mpd),
            mrpd_mm: over_views(scores::mrpd),
            rotation_deg: pose.rotation.angle_to(&self.gold.rotation).to_degrees(),
            translation_mm: (pose * self.pivot - self.gold * self.pivot).norm(),
        }
    }
}

/// One line of the table of starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartRow {
    /// Which start, from 0.
    pub start: usize,
    /// How it ended.
    pub status: String,
    /// Similarity on the finest level.
    pub similarity: Option<f64>,
    /// Errors of the start; only with a reference.
    pub initial: Option<Errors>,
    /// Errors of the answer; only with a reference.
    pub errors: Option<Errors>,
    /// The mode it belongs to, from 0.
    pub mode: Option<usize>,
    /// Images rendered.
    pub evaluations: usize,
    /// Rays traced.
    pub rays: usize,
    /// Time on its threads, s.
    pub seconds: f64,
}

impl StartRow {
    /// The row of a record.
    pub fn new(record: &StartRecord, reference: Option<&Reference>, mode: Option<usize>) -> Self {
        Self {
            start: record.start,
            status: record.status.clone(),
            similarity: record.similarity,
            initial: reference.map(|r| r.errors(&record.from.to_rigid())),
            errors: reference.map(|r| r.errors(&record.pose.to_rigid())),
            mode,
            evaluations: record.evaluations,
            rays: record.rays,
            seconds: record.seconds,
        }
    }
}

/// A success rate with its 95 % Wilson interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Success {
    /// Threshold of mTRE, mm.
    pub within_mm: f64,
    /// Starts below it.
    pub successes: usize,
    /// Starts.
    pub trials: usize,
    /// Their ratio.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Success rates at 1, 2, 5 and 10 mm.
pub fn successes(rows: &[StartRow]) -> Vec<Success> {
    let errors = final_errors(rows);
    scores::SUCCESS_MM.iter().map(|&mm| success(&errors, mm)).collect()
}

fn success(errors: &[f64], within_mm: f64) -> Success {
    let Rate { successes, trials, rate, interval: [low, high] } = scores::success_rate(errors, within_mm);
    Success { within_mm, successes, trials, rate, low, high }
}

/// Final mTRE of all rows; empty without a reference.
pub fn final_errors(rows: &[StartRow]) -> Vec<f64> {
    rows.iter().filter_map(|r| r.errors.map(|e| e.mtre_mm)).collect()
}

/// Median, mean and extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Least value.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Mean.
    pub mean: f64,
    /// 95 % quantile (linear between order statistics).
    pub p95: f64,
    /// Greatest value.
    pub max: f64,
}

impl Spread {
    /// The spread of some values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let quantile = |part: f64| {
            let x = part * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[x as usize], sorted[x.ceil() as usize]);
            low + (high - low) * x.fract()
        };
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Some(Self { min, median: quantile(0.5), mean, p95: quantile(0.95), max })
    }
}

/// A criterion and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// The document's key.
    pub key: String,
    /// What must hold, in words.
    pub required: String,
    /// What was found, in words.
    pub found: String,
    /// Whether it holds.
    pub met: bool,
}

/// Judges the criteria; `best` is the mTRE of the most similar answer.
pub fn judge(criteria: &Criteria, rows: &[StartRow], best_mm: Option<f64>) -> Vec<Criterion> {
    let errors = final_errors(rows);
    let mut judged = Vec::new();
    if let Some(least) = criteria.success_rate {
        let found = success(&errors, criteria.success_within_mm);
        judged.push(Criterion {
            key: "success_rate".to_owned(),
            required: format!(
                "at least {:.0} % of the starts under {} mm mTRE",
                100.0 * least,
                criteria.success_within_mm
            ),
            found: format!("{} of {} starts ({:.0} %)", found.successes, found.trials, 100.0 * found.rate),
            met: found.rate >= least,
        });
    }
    let most = |key: &str, what: &str, limit: Option<f64>, found: Option<f64>| {
        limit.map(|limit| Criterion {
            key: key.to_owned(),
            required: format!("{what} at most {limit} mm"),
            found: found.map_or("unknown".to_owned(), |f| format!("{f:.3} mm")),
            met: found.is_some_and(|f| f <= limit),
        })
    };
    let median = Spread::of(&errors).map(|s| s.median);
    judged.extend(most("median_mtre_mm", "median mTRE over the starts", criteria.median_mtre_mm, median));
    judged.extend(most("best_mtre_mm", "mTRE of the most similar answer", criteria.best_mtre_mm, best_mm));
    judged
}

/// Capture range (mm): bands of 1 mm need many starts, so bands are widened until each holds ten on average.
pub fn capture_range(rows: &[StartRow]) -> Option<f64> {
    let runs: Vec<(f64, f64)> = rows.iter().filter_map(|r| Some((r.initial?.mtre_mm, r.errors?.mtre_mm))).collect();
    let farthest = runs.iter().map(|r| r.0).fold(0.0, f64::max);
    let band = (10.0 * farthest / runs.len() as f64).ceil().max(1.0);
    (runs.len() >= 50).then(|| scores::capture_range(&runs, band, 2.0)).and_then(finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(start: usize, mtre_mm: f64) -> StartRow {
        let errors = Errors { mtre_mm, mpd_mm: None, mrpd_mm: None, rotation_deg: 0.0, translation_mm: 0.0 };
        StartRow {
            start,
            status: "converged".into(),
            similarity: Some(1.0),
            initial: Some(Errors { mtre_mm: 10.0, ..errors }),
            errors: Some(errors),
            mode: Some(0),
            evaluations: 1,
            rays: 1,
            seconds: 1.0,
        }
    }

    #[test]
    fn criteria_are_judged_at_their_limits() {
        let rows: Vec<StartRow> = [0.5, 1.5, 2.5, 9.0].into_iter().enumerate().map(|(n, e)| row(n, e)).collect();
        let criteria = |success_rate, median| Criteria {
            success_rate: Some(success_rate),
            success_within_mm: 2.0,
            median_mtre_mm: Some(median),
            best_mtre_mm: Some(0.5),
        };
        let met = |c: Criteria| judge(&c, &rows, Some(0.5)).iter().map(|c| c.met).collect::<Vec<_>>();
        assert_eq!(met(criteria(0.5, 2.0)), [true, true, true]);
        assert_eq!(met(criteria(0.51, 1.99)), [false, false, true]);
        assert!(!judge(&criteria(0.5, 2.0), &[], None)[0].met, "nothing was found, so nothing holds");
    }

    #[test]
    fn spreads_interpolate_order_statistics() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.mean, spread.max), (1.0, 2.5, 2.5, 4.0));
        assert!((spread.p95 - 3.85).abs() < 1e-12);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_capture_range_needs_starts() {
        let rows: Vec<StartRow> = (0..60).map(|n| row(n, 0.1)).collect();
        assert_eq!(capture_range(&rows[..20]), None);
        assert!(capture_range(&rows).is_some());
    }
}
