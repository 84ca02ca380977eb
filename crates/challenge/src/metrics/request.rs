//! Metrics as people ask for them: by name, of one or several labels, of structures and of instances.

use super::instances::{Matching, Overlaps, multi_instance};
use super::mask::{Mask, MaskError};
use super::segmentation::{Convention, Metric, Options, UnknownMetric, evaluate};
use crate::results::Better;
use regiscope_image::Volume;

/// A metric of all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceMetric {
    /// Multi-instance Dice of ROBUST-MIS.
    MiDsc,
    /// Multi-instance normalised surface distance of ROBUST-MIS.
    MiNsd,
    /// Panoptic quality.
    Pq,
    /// Segmentation quality.
    Sq,
    /// Recognition quality.
    Rq,
}

/// Names of metrics of instances.
const INSTANCE_METRICS: [(&str, InstanceMetric); 5] = [
    ("mi-dsc", InstanceMetric::MiDsc),
    ("mi-nsd", InstanceMetric::MiNsd),
    ("pq", InstanceMetric::Pq),
    ("sq", InstanceMetric::Sq),
    ("rq", InstanceMetric::Rq),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Structure(Metric),
    Instances(InstanceMetric),
}

/// Which metrics are computed, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    asked: Vec<(String, Asked)>,
    /// Whose rules are followed.
    pub convention: Convention,
    /// Tolerance and band.
    pub options: Options,
    /// Labels that are looked at one by one; empty for all that are not 0 as one structure.
    pub labels: Vec<u16>,
}

/// What cannot be asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// No such metric.
    #[error("{unknown}; of instances {}", INSTANCE_METRICS.map(|(name, _)| name).join(", "))]
    Unknown {
        /// What was asked for.
        unknown: UnknownMetric,
    },
    /// Nothing asked for.
    #[error("no metric is asked for")]
    Nothing,
    /// A tolerance that is none.
    #[error("the tolerance is {0} mm; accepted are numbers from 0")]
    Tolerance(f64),
}

/// A metric's answer under the name it was asked by.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedScore {
    /// The name.
    pub name: String,
    /// The label, where labels are looked at one by one.
    pub label: Option<u16>,
    /// The value; `None` where it is undefined, infinite where the convention says so.
    pub value: Option<f64>,
    /// The rule that was applied instead of the definition.
    pub rule: Option<&'static str>,
}

impl Request {
    /// Metrics by their names, in any case, with `_` for `-`.
    ///
    /// # Errors
    /// If a name or the tolerance is none.
    pub fn new(
        names: &[String],
        convention: Convention,
        options: Options,
        labels: Vec<u16>,
    ) -> Result<Self, RequestError> {
        if names.is_empty() {
            return Err(RequestError::Nothing);
        }
        if !(options.tolerance_mm >= 0.0 && options.tolerance_mm.is_finite()) {
            return Err(RequestError::Tolerance(options.tolerance_mm));
        }
        let asked = names.iter().map(|name| {
            let plain = name.trim().to_ascii_lowercase().replace('_', "-");
            let found = INSTANCE_METRICS.iter().find(|(n, _)| *n == plain);
            let asked = match found {
                Some((_, metric)) => Asked::Instances(*metric),
                None => Asked::Structure(name.parse().map_err(|unknown| RequestError::Unknown { unknown })?),
            };
            Ok((name.trim().to_owned(), asked))
        });
        Ok(Self { asked: asked.collect::<Result<_, RequestError>>()?, convention, options, labels })
    }

    /// Names of the metrics, as they were asked for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(|(name, _)| &**name)
    }

    /// Which values of the first metric are better.
    pub fn better(&self) -> Better {
        match self.asked[0].1 {
            Asked::Structure(metric) if metric.is_distance() => Better::Smaller,
            _ => Better::Larger,
        }
    }

    /// Compares two label images: metrics of structures label by label in the order of the names, then those of
    /// instances, which are of all labels.
    ///
    /// # Errors
    /// If the images do not lie on the same voxels.
    pub fn compare(&self, reference: &Volume<u16>, prediction: &Volume<u16>) -> Result<Vec<NamedScore>, MaskError> {
        let mut all = Vec::new();
        let labels: Vec<Option<u16>> =
            if self.labels.is_empty() { vec![None] } else { self.labels.iter().copied().map(Some).collect() };
        let structures: Vec<(&String, Metric)> = self
            .asked
            .iter()
            .filter_map(|(name, asked)| match asked {
                Asked::Structure(metric) => Some((name, *metric)),
                Asked::Instances(_) => None,
            })
            .collect();
        let metrics: Vec<Metric> = structures.iter().map(|(_, metric)| *metric).collect();
        for label in labels {
            let [a, b] = [reference, prediction].map(|v| structure(v, label));
            let scores = evaluate(&a, &b, &metrics, self.convention, &self.options)?;
            let named = structures.iter().zip(scores).map(|((name, _), score)| NamedScore {
                name: (*name).clone(),
                label,
                value: score.value,
                rule: score.rule,
            });
            all.extend(named);
        }
        all.extend(self.instances(reference, prediction)?);
        Ok(all)
    }

    fn instances(&self, reference: &Volume<u16>, prediction: &Volume<u16>) -> Result<Vec<NamedScore>, MaskError> {
        let asked: Vec<(&String, InstanceMetric)> = self
            .asked
            .iter()
            .filter_map(|(name, asked)| match asked {
                Asked::Instances(metric) => Some((name, *metric)),
                Asked::Structure(_) => None,
            })
            .collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        structure(reference, None).check_like(&structure(prediction, None))?;
        let [a, b] = [reference, prediction].map(|v| v.data().iter().map(|&l| u32::from(l)).collect::<Vec<u32>>());
        let grid = reference.grid();
        let scores = multi_instance(&a, &b, grid.shape(), grid.spacing(), self.convention, &self.options)?;
        let overlaps = Overlaps::new(&a, &b);
        let quality = overlaps.panoptic_quality(&overlaps.matched(Matching::Iou(0.5)));
        let score = |(name, metric): (&String, InstanceMetric)| {
            let (value, rule) = match metric {
                InstanceMetric::MiDsc => (scores.mi_dsc, "the reference has no instance: undefined"),
                InstanceMetric::MiNsd => (scores.mi_nsd, "the reference has no instance: undefined"),
                InstanceMetric::Pq => (quality.pq, "there are no instances: undefined"),
                InstanceMetric::Sq => (quality.sq, "no instances match: undefined"),
                InstanceMetric::Rq => (quality.rq, "there are no instances: undefined"),
            };
            NamedScore { name: name.clone(), label: None, value, rule: value.is_none().then_some(rule) }
        };
        Ok(asked.into_iter().map(score).collect())
    }
}

/// The voxels of a label, or of all.
fn structure(labels: &Volume<u16>, label: Option<u16>) -> Mask {
    let inside = match label {
        Some(label) => labels.data().iter().map(|&l| l == label).collect(),
        None => labels.data().iter().map(|&l| l != 0).collect(),
    };
    let grid = labels.grid();
    Mask::new(grid.shape(), grid.spacing(), inside).expect("a volume fills its grid, whose spacing is positive")
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    fn labels(values: [u16; 8]) -> Volume<u16> {
        let grid = Grid::centred([4, 2, 1], [1.0; 3]).unwrap();
        Volume::new(grid, values.to_vec())
    }

    #[test]
    fn labels_are_looked_at_one_by_one_or_together() {
        let (a, b) = (labels([1, 1, 2, 0, 0, 0, 0, 0]), labels([1, 0, 2, 2, 0, 0, 0, 0]));
        let names = ["dsc".to_owned(), "PQ".to_owned()];
        let ask = |labels: Vec<u16>| Request::new(&names, Convention::default(), Options::default(), labels).unwrap();
        let together = ask(vec![]).compare(&a, &b).unwrap();
        assert_eq!((together.len(), together[0].value, together[0].label), (2, Some(2.0 / 3.0), None));
        let each = ask(vec![1, 2, 3]).compare(&a, &b).unwrap();
        assert_eq!((each[0].value, each[1].value), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!((each[2].label, each[2].rule), (Some(3), Some("both masks are empty: the best value")));
        assert_eq!((&*each[3].name, each[3].value), ("PQ", Some(0.0)));
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        let ask = |name: &str| Request::new(&[name.to_owned()], Convention::default(), Options::default(), vec![]);
        let error = ask("dise").unwrap_err().to_string();
        assert!(error.contains("\"dise\"") && error.contains("mi-dsc"), "{error}");
        for (name, same) in [("Dice", "dsc"), ("JACCARD", "iou"), ("surface_dice", "nsd"), ("cldsc", "cldice")] {
            assert_eq!(ask(name).unwrap().asked[0].1, ask(same).unwrap().asked[0].1);
        }
        assert_eq!((ask("hd95").unwrap().better(), ask("nsd").unwrap().better()), (Better::Smaller, Better::Larger));
    }
}
