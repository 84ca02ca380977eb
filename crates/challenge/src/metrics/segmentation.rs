//! Metrics of one structure: reference and prediction in, one number and how it came about out.
//!
//! Tools disagree on borders, percentiles, empty masks and spacing, so that a metric always names its [`Convention`].
//! What happens where a metric is not defined is part of the convention, too: the answer is then a [`Score`] without
//! value or with the value that the convention sets, and with the rule in words. It is never a silent 0 or NaN.

use super::boundary::{Band, boundary_iou};
use super::mask::{Mask, MaskError};
use super::overlap::{Counts, counts};
use super::skeleton::centreline_dice;
use super::surface::{Directed, Elements, SurfaceDistances, surface_distances};
use crate::ranking::Aggregate;
use crate::ranking::plain::sorted_quantile;
use std::str::FromStr;

/// Whose rules are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// Metrics Reloaded (Maier-Hein et al. 2024): border voxels, percentiles linear between order statistics, the larger
    /// of the two directed ones. Both masks empty is a perfect answer.
    #[default]
    MetricsReloaded,
    /// DeepMind's package surface-distance 0.1 (Nikolov et al. 2021): surface elements weighted by their area;
    /// percentiles are the first element at which the part of the area is reached. Distances to an empty mask are
    /// infinite.
    DeepmindSurfaceDistance,
    /// MONAI 1.6: border voxels, percentiles as Metrics Reloaded, single precision; NSD also on surface elements. An
    /// empty reference leaves the Dice coefficient undefined, distances to an empty mask are infinite.
    Monai,
}

/// A metric of one structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Dice similarity coefficient.
    Dsc,
    /// Intersection over union.
    Iou,
    /// Sensitivity, recall.
    Sensitivity,
    /// Specificity.
    Specificity,
    /// Positive predictive value, precision.
    Ppv,
    /// Volumetric similarity.
    VolumetricSimilarity,
    /// Hausdorff distance, mm.
    Hd,
    /// 95 % Hausdorff distance, mm, by the rule of the convention.
    Hd95,
    /// The larger of the two directed 95 % quantiles of border voxels, mm, in every convention.
    Hd95Max,
    /// The 95 % quantile of the distances of both directions together, border voxels, mm, in every convention.
    Hd95Pooled,
    /// Average symmetric surface distance: over all elements of both surfaces, mm.
    Assd,
    /// Mean average surface distance: mean of the two directed averages, mm.
    Masd,
    /// Average distance from the reference's surface to the prediction's, mm.
    AsdReference,
    /// Average distance from the prediction's surface to the reference's, mm.
    AsdPrediction,
    /// Normalised surface distance (surface Dice) at the tolerance.
    Nsd,
    /// Normalised surface distance on surface elements, whatever the convention.
    NsdSubvoxel,
    /// The part of the reference's surface within the tolerance of the prediction's.
    SurfaceOverlapReference,
    /// The part of the prediction's surface within the tolerance of the reference's.
    SurfaceOverlapPrediction,
    /// Centreline Dice.
    ClDice,
    /// Boundary IoU.
    BoundaryIou,
}

/// Names, in the order of [`Metric`]'s documentation.
const NAMES: [(&str, Metric); 20] = [
    ("dsc", Metric::Dsc),
    ("iou", Metric::Iou),
    ("sensitivity", Metric::Sensitivity),
    ("specificity", Metric::Specificity),
    ("ppv", Metric::Ppv),
    ("volumetric-similarity", Metric::VolumetricSimilarity),
    ("hd", Metric::Hd),
    ("hd95", Metric::Hd95),
    ("hd95-max", Metric::Hd95Max),
    ("hd95-pooled", Metric::Hd95Pooled),
    ("assd", Metric::Assd),
    ("masd", Metric::Masd),
    ("asd-reference", Metric::AsdReference),
    ("asd-prediction", Metric::AsdPrediction),
    ("nsd", Metric::Nsd),
    ("nsd-subvoxel", Metric::NsdSubvoxel),
    ("surface-overlap-reference", Metric::SurfaceOverlapReference),
    ("surface-overlap-prediction", Metric::SurfaceOverlapPrediction),
    ("cldice", Metric::ClDice),
    ("boundary-iou", Metric::BoundaryIou),
];

impl Metric {
    /// All metrics.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(_, metric)| *metric)
    }

    /// Whether it is a distance, mm, of which smaller ones are better; larger values of all others are.
    pub fn is_distance(self) -> bool {
        matches!(
            self,
            Self::Hd
                | Self::Hd95
                | Self::Hd95Max
                | Self::Hd95Pooled
                | Self::Assd
                | Self::Masd
                | Self::AsdReference
                | Self::AsdPrediction
        )
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, metric)| *metric == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    /// By its name, in any case, with `_` for `-`, or by another name in use: `dice`, `jaccard`, `recall`, `precision`,
    /// `surface-dice`, `cldsc`.
    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        let name = text.trim().to_ascii_lowercase().replace('_', "-");
        let name = match &*name {
            "dice" => "dsc",
            "jaccard" => "iou",
            "recall" => "sensitivity",
            "precision" => "ppv",
            "surface-dice" => "nsd",
            "cldsc" => "cldice",
            name => name,
        };
        let found = NAMES.iter().find(|(n, _)| *n == name);
        found.map(|(_, metric)| *metric).ok_or_else(|| UnknownMetric { name: text.to_owned() })
    }
}

/// No such metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no metric; accepted are {}", NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownMetric {
    /// What was asked for.
    pub name: String,
}

/// What metrics need to know beside the masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Tolerance of the normalised surface distance, mm.
    pub tolerance_mm: f64,
    /// Width of the band of the boundary IoU.
    pub band: Band,
}

impl Default for Options {
    /// 1 mm; less than 3 voxels from the border.
    fn default() -> Self {
        Self { tolerance_mm: 1.0, band: Band::Distance(3.0) }
    }
}

/// The answer of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Which metric.
    pub metric: Metric,
    /// Its value; `None` where it is undefined, infinite where the convention says so.
    pub value: Option<f64>,
    /// The rule that was applied instead of the definition, if the definition does not apply.
    pub rule: Option<&'static str>,
}

/// Computes metrics of two masks on the same voxels; each surface is looked at once.
///
/// # Errors
/// If the masks do not lie on the same voxels.
pub fn evaluate(
    reference: &Mask,
    prediction: &Mask,
    metrics: &[Metric],
    convention: Convention,
    options: &Options,
) -> Result<Vec<Score>, MaskError> {
    reference.check_like(prediction)?;
    let mut pair = Pair { reference, prediction, counts: counts(reference, prediction), voxels: None, surfels: None };
    Ok(metrics.iter().map(|&metric| pair.score(metric, convention, options)).collect())
}

/// A pair of masks with what several metrics need.
struct Pair<'a> {
    reference: &'a Mask,
    prediction: &'a Mask,
    counts: Counts,
    voxels: Option<SurfaceDistances>,
    surfels: Option<SurfaceDistances>,
}

const BOTH_EMPTY_PERFECT: &str = "both masks are empty: the best value";
const BOTH_EMPTY: &str = "both masks are empty: undefined";
const REFERENCE_EMPTY: &str = "the reference is empty: undefined";
const ONE_EMPTY: &str = "one mask is empty: undefined";
const PREDICTION_EMPTY_ZERO: &str = "the prediction is empty: 0";
const ONE_EMPTY_ZERO: &str = "one mask is empty: 0";
const NO_BACKGROUND: &str = "nothing is outside the reference: undefined";
const ONE_EMPTY_INFINITE: &str = "one mask is empty: infinite";
const NO_SKELETON_OVERLAP: &str = "no skeleton meets the other mask: 0";

impl Pair<'_> {
    fn score(&mut self, metric: Metric, convention: Convention, options: &Options) -> Score {
        let (value, rule) = match self.exception(metric, convention) {
            Some(exception) => exception,
            None => self.defined(metric, convention, options),
        };
        let single = convention == Convention::Monai;
        let value = value.map(|v| if single { f64::from(v as f32) } else { v });
        Score { metric, value, rule }
    }

    /// The rule of the convention for empty masks.
    fn exception(&self, metric: Metric, convention: Convention) -> Option<(Option<f64>, Option<&'static str>)> {
        use Convention::{DeepmindSurfaceDistance, MetricsReloaded, Monai};
        let (no_reference, no_prediction) = (self.counts.reference() == 0, self.counts.prediction() == 0);
        let undefined = |rule| Some((None, Some(rule)));
        let set = |value, rule| Some((Some(value), Some(rule)));
        match metric {
            Metric::Specificity if self.counts.true_negative + self.counts.false_positive == 0 => {
                undefined(NO_BACKGROUND)
            }
            Metric::Specificity => None,
            _ if no_reference && no_prediction => match (convention, metric) {
                (MetricsReloaded, Metric::Dsc | Metric::Nsd | Metric::NsdSubvoxel | Metric::BoundaryIou) => {
                    set(1.0, BOTH_EMPTY_PERFECT)
                }
                (MetricsReloaded, Metric::Hd | Metric::Hd95 | Metric::Hd95Max | Metric::Hd95Pooled) => {
                    set(0.0, BOTH_EMPTY_PERFECT)
                }
                (MetricsReloaded, Metric::Assd | Metric::Masd) => set(0.0, BOTH_EMPTY_PERFECT),
                (DeepmindSurfaceDistance, Metric::Hd | Metric::Hd95) => {
                    set(f64::INFINITY, "both masks are empty: infinite")
                }
                _ => undefined(BOTH_EMPTY),
            },
            Metric::Dsc if no_reference && convention == Monai => undefined(REFERENCE_EMPTY),
            Metric::Dsc | Metric::Iou | Metric::VolumetricSimilarity => None,
            Metric::Sensitivity if no_reference => undefined(REFERENCE_EMPTY),
            Metric::Ppv if no_prediction => set(0.0, PREDICTION_EMPTY_ZERO),
            Metric::Sensitivity | Metric::Ppv => None,
            _ if !no_reference && !no_prediction => None,
            Metric::Nsd | Metric::NsdSubvoxel | Metric::BoundaryIou => set(0.0, ONE_EMPTY_ZERO),
            Metric::SurfaceOverlapReference if no_prediction => set(0.0, PREDICTION_EMPTY_ZERO),
            Metric::SurfaceOverlapPrediction if no_reference => set(0.0, ONE_EMPTY_ZERO),
            Metric::Hd | Metric::Assd if convention == Monai => set(f64::INFINITY, ONE_EMPTY_INFINITE),
            Metric::Hd | Metric::Hd95 if convention == DeepmindSurfaceDistance => {
                set(f64::INFINITY, ONE_EMPTY_INFINITE)
            }
            Metric::AsdReference if no_prediction && convention == DeepmindSurfaceDistance => {
                set(f64::INFINITY, ONE_EMPTY_INFINITE)
            }
            Metric::AsdPrediction if no_reference && convention == DeepmindSurfaceDistance => {
                set(f64::INFINITY, ONE_EMPTY_INFINITE)
            }
            _ => undefined(ONE_EMPTY),
        }
    }

    /// The definition, of masks that are not empty where the metric needs them.
    fn defined(
        &mut self,
        metric: Metric,
        convention: Convention,
        options: &Options,
    ) -> (Option<f64>, Option<&'static str>) {
        let is_deepmind = convention == Convention::DeepmindSurfaceDistance;
        let elements = if is_deepmind { Elements::Surfels } else { Elements::BorderVoxels };
        let quantile = |directed: &Directed| {
            if is_deepmind { area_quantile(directed, 0.95) } else { count_quantile(directed, convention) }
        };
        let value = match metric {
            Metric::Dsc => self.counts.dice(),
            Metric::Iou => self.counts.iou(),
            Metric::Sensitivity => self.counts.sensitivity(),
            Metric::Specificity => self.counts.specificity(),
            Metric::Ppv => self.counts.ppv(),
            Metric::VolumetricSimilarity => self.counts.volumetric_similarity(),
            Metric::Hd => both(self.distances(elements), Directed::largest).map(|[a, b]| a.max(b)),
            Metric::Hd95 => both(self.distances(elements), quantile).map(|[a, b]| a.max(b)),
            Metric::Hd95Max => {
                let of_voxels = |d: &Directed| count_quantile(d, Convention::MetricsReloaded);
                both(self.distances(Elements::BorderVoxels), of_voxels).map(|[a, b]| a.max(b))
            }
            Metric::Hd95Pooled => Some(pooled_quantile(self.distances(Elements::BorderVoxels))),
            Metric::Assd => {
                let d = self.distances(elements);
                let sum = d.from_reference.weighted_sum() + d.from_prediction.weighted_sum();
                Some(sum / (d.from_reference.weight() + d.from_prediction.weight()))
            }
            Metric::Masd => both(self.distances(elements), average).map(|[a, b]| 0.5 * (a + b)),
            Metric::AsdReference => average(&self.distances(elements).from_reference),
            Metric::AsdPrediction => average(&self.distances(elements).from_prediction),
            Metric::Nsd => Some(surface_dice(self.distances(elements), options.tolerance_mm)),
            Metric::NsdSubvoxel => Some(surface_dice(self.distances(Elements::Surfels), options.tolerance_mm)),
            Metric::SurfaceOverlapReference => {
                Some(overlap(&self.distances(elements).from_reference, options.tolerance_mm))
            }
            Metric::SurfaceOverlapPrediction => {
                Some(overlap(&self.distances(elements).from_prediction, options.tolerance_mm))
            }
            Metric::ClDice => {
                let value = centreline_dice(self.reference, self.prediction);
                let rule = value.is_none().then_some(NO_SKELETON_OVERLAP);
                return (Some(value.unwrap_or(0.0)), rule);
            }
            Metric::BoundaryIou => boundary_iou(self.reference, self.prediction, options.band),
        };
        (value, None)
    }

    fn distances(&mut self, elements: Elements) -> &SurfaceDistances {
        let (reference, prediction) = (self.reference, self.prediction);
        let kept = match elements {
            Elements::BorderVoxels => &mut self.voxels,
            Elements::Surfels => &mut self.surfels,
        };
        kept.get_or_insert_with(|| surface_distances(reference, prediction, elements))
    }
}

fn both(distances: &SurfaceDistances, of: impl Fn(&Directed) -> Option<f64>) -> Option<[f64; 2]> {
    Some([of(&distances.from_reference)?, of(&distances.from_prediction)?])
}

fn average(directed: &Directed) -> Option<f64> {
    (!directed.elements.is_empty()).then(|| directed.weighted_sum() / directed.weight())
}

fn overlap(directed: &Directed, tolerance_mm: f64) -> f64 {
    directed.weight_within(tolerance_mm) / directed.weight()
}

fn surface_dice(distances: &SurfaceDistances, tolerance_mm: f64) -> f64 {
    let SurfaceDistances { from_reference, from_prediction } = distances;
    (from_reference.weight_within(tolerance_mm) + from_prediction.weight_within(tolerance_mm))
        / (from_reference.weight() + from_prediction.weight())
}

/// The 95 % quantile, every element counting once.
fn count_quantile(directed: &Directed, convention: Convention) -> Option<f64> {
    let sorted: Vec<f64> = directed.elements.iter().map(|e| e.0).collect();
    if sorted.is_empty() {
        return None;
    }
    Some(if convention == Convention::Monai { single_quantile(&sorted) } else { sorted_quantile(&sorted, 0.95) })
}

/// The 95 % quantile as `torch.quantile` finds it: distances and the probability are held in single precision.
fn single_quantile(sorted: &[f64]) -> f64 {
    let at = f64::from(0.95f32) * (sorted.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at - at.floor());
    let value = |i: usize| f64::from(sorted[i.min(sorted.len() - 1)] as f32);
    value(low) + part * (value(low + 1) - value(low))
}

fn pooled_quantile(distances: &SurfaceDistances) -> f64 {
    let both = distances.from_reference.elements.iter().chain(&distances.from_prediction.elements);
    let all: Vec<f64> = both.map(|e| e.0).collect();
    crate::ranking::plain::aggregated(&all, Aggregate::Quantile(0.95))
}

/// The distance of the first element at which the part of the area is reached.
fn area_quantile(directed: &Directed, part: f64) -> Option<f64> {
    let total = directed.weight();
    let mut reached = 0.0;
    let found = directed.elements.iter().find(|(_, weight)| {
        reached += weight;
        reached / total >= part
    });
    found.or(directed.elements.last()).map(|e| e.0)
}
