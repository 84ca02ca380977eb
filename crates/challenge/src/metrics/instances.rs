//! Several structures of one kind: matching, panoptic quality, multi-instance scores.
//!
//! Labels of two images on the same voxels are compared through the table of their overlaps. Sources: Kirillov et al.
//! 2019, "Panoptic segmentation", CVPR; Roß et al. 2021 (ROBUST-MIS 2019), Medical Image Analysis 70.

use super::assignment::best_assignment;
use super::mask::{Mask, MaskError};
use super::segmentation::{Convention, Metric, Options, evaluate};
use std::collections::BTreeMap;

/// How instances of the reference find theirs in the prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Matching {
    /// Pairs whose IoU is above the threshold; from 0.5 on there is at most one for each. Below, pairs are taken by
    /// falling IoU.
    Iou(f64),
    /// The assignment with the greatest sum of Dice coefficients (Hungarian method), as in ROBUST-MIS.
    HungarianDice,
}

/// What a mean over instances is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The instances of the reference; what has no match counts 0. The rule of ROBUST-MIS.
    Reference,
    /// The instances of the reference and the unmatched ones of the prediction, which count 0, too.
    ReferenceAndUnmatched,
    /// The matched pairs.
    Matched,
}

/// Sizes and overlaps of the instances of two label images.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlaps {
    /// Labels of the reference, ascending.
    pub reference: Vec<u32>,
    /// Labels of the prediction, ascending.
    pub prediction: Vec<u32>,
    reference_sizes: Vec<u64>,
    prediction_sizes: Vec<u64>,
    /// Common voxels: row by instance of the reference, column by instance of the prediction.
    common: Vec<u64>,
}

/// A pair of instances.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Pair {
    /// Index of the reference's instance.
    pub reference: usize,
    /// Index of the prediction's instance.
    pub prediction: usize,
    /// Their Dice coefficient.
    pub dice: f64,
    /// Their intersection over union.
    pub iou: f64,
}

/// Panoptic quality and its factors.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct PanopticQuality {
    /// Matched pairs.
    pub true_positive: usize,
    /// Instances of the prediction without a match.
    pub false_positive: usize,
    /// Instances of the reference without a match.
    pub false_negative: usize,
    /// Segmentation quality: mean IoU of the pairs; `None` without pairs.
    pub sq: Option<f64>,
    /// Recognition quality, F1 of detection; `None` where there are no instances at all.
    pub rq: Option<f64>,
    /// Their product, 0 without pairs; `None` where there are no instances at all.
    pub pq: Option<f64>,
}

impl Overlaps {
    /// Of two label images with one label for each voxel; 0 is background.
    ///
    /// # Panics
    /// If there are not equally many voxels.
    pub fn new(reference: &[u32], prediction: &[u32]) -> Self {
        assert_eq!(reference.len(), prediction.len(), "both label images have the same voxels");
        let mut pairs: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        // Labels come in runs, so that the map is asked once for each run.
        let voxels: Vec<(u32, u32)> = reference.iter().copied().zip(prediction.iter().copied()).collect();
        for run in voxels.chunk_by(|a, b| a == b) {
            *pairs.entry(run[0]).or_default() += run.len() as u64;
        }
        let (mut r_sizes, mut p_sizes): (BTreeMap<u32, u64>, BTreeMap<u32, u64>) = Default::default();
        for (&(r, p), &count) in &pairs {
            if r != 0 {
                *r_sizes.entry(r).or_default() += count;
            }
            if p != 0 {
                *p_sizes.entry(p).or_default() += count;
            }
        }
        let reference: Vec<u32> = r_sizes.keys().copied().collect();
        let prediction: Vec<u32> = p_sizes.keys().copied().collect();
        let mut common = vec![0; reference.len() * prediction.len()];
        for ((r, p), count) in pairs {
            if let (Ok(row), Ok(column)) = (reference.binary_search(&r), prediction.binary_search(&p)) {
                common[row * prediction.len() + column] = count;
            }
        }
        let (reference_sizes, prediction_sizes) = (r_sizes.into_values().collect(), p_sizes.into_values().collect());
        Self { reference, prediction, reference_sizes, prediction_sizes, common }
    }

    /// A pair with its overlap.
    pub fn pair(&self, reference: usize, prediction: usize) -> Pair {
        let common = self.common[reference * self.prediction.len() + prediction] as f64;
        let sum = (self.reference_sizes[reference] + self.prediction_sizes[prediction]) as f64;
        Pair { reference, prediction, dice: 2.0 * common / sum, iou: common / (sum - common) }
    }

    /// Matched pairs, by instance of the reference.
    pub fn matched(&self, matching: Matching) -> Vec<Pair> {
        let (rows, columns) = (self.reference.len(), self.prediction.len());
        let all = (0..rows * columns).map(|i| self.pair(i / columns, i % columns));
        match matching {
            Matching::HungarianDice => {
                let weights: Vec<f64> = all.map(|p| p.dice).collect();
                let assigned = best_assignment(&weights, rows, columns);
                assigned.iter().enumerate().filter_map(|(r, p)| Some(self.pair(r, (*p)?))).collect()
            }
            Matching::Iou(threshold) => {
                let mut candidates: Vec<Pair> = all.filter(|p| p.iou > threshold && p.iou > 0.0).collect();
                candidates.sort_by(|a, b| b.iou.total_cmp(&a.iou));
                let (mut of_reference, mut of_prediction) = (vec![false; rows], vec![false; columns]);
                candidates.retain(|p| {
                    let free = !of_reference[p.reference] && !of_prediction[p.prediction];
                    (of_reference[p.reference], of_prediction[p.prediction]) = (true, true);
                    free
                });
                candidates.sort_by_key(|p| p.reference);
                candidates
            }
        }
    }

    /// Panoptic quality of matched pairs.
    pub fn panoptic_quality(&self, pairs: &[Pair]) -> PanopticQuality {
        let tp = pairs.len();
        let (fp, fn_) = (self.prediction.len() - tp, self.reference.len() - tp);
        let sq = (tp > 0).then(|| pairs.iter().map(|p| p.iou).sum::<f64>() / tp as f64);
        let rq = (tp + fp + fn_ > 0).then(|| 2.0 * tp as f64 / (2 * tp + fp + fn_) as f64);
        let pq = rq.map(|rq| rq * sq.unwrap_or(0.0));
        PanopticQuality { true_positive: tp, false_positive: fp, false_negative: fn_, sq, rq, pq }
    }

    /// A mean over instances of the values of matched pairs; `None` where nothing is there to average over.
    pub fn mean(&self, values: &[f64], over: Over) -> Option<f64> {
        let n = match over {
            Over::Reference => self.reference.len(),
            Over::ReferenceAndUnmatched => self.reference.len() + self.prediction.len() - values.len(),
            Over::Matched => values.len(),
        };
        (n > 0).then(|| values.iter().sum::<f64>() / n as f64)
    }
}

/// MI_DSC and MI_NSD of ROBUST-MIS: Hungarian matching by Dice, then the mean over instances of the reference of the
/// Dice coefficient and of the normalised surface distance of matched pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiInstance {
    /// The matched pairs.
    pub pairs: Vec<Pair>,
    /// Normalised surface distance of each pair.
    pub nsd: Vec<f64>,
    /// MI_DSC; `None` where the reference has no instance.
    pub mi_dsc: Option<f64>,
    /// MI_NSD; `None` where the reference has no instance.
    pub mi_nsd: Option<f64>,
}

/// Multi-instance scores of two label images.
///
/// # Errors
/// If extents, spacing and labels do not make masks.
pub fn multi_instance(
    reference: &[u32],
    prediction: &[u32],
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    convention: Convention,
    options: &Options,
) -> Result<MultiInstance, MaskError> {
    if reference.len() != prediction.len() {
        return Err(MaskError::Length { shape, found: prediction.len() });
    }
    let overlaps = Overlaps::new(reference, prediction);
    let pairs = overlaps.matched(Matching::HungarianDice);
    let mut nsd = Vec::with_capacity(pairs.len());
    for pair in &pairs {
        let mask =
            |labels: &[u32], label: u32| Mask::new(shape, spacing_mm, labels.iter().map(|&l| l == label).collect());
        let a = mask(reference, overlaps.reference[pair.reference])?;
        let b = mask(prediction, overlaps.prediction[pair.prediction])?;
        nsd.extend(evaluate(&a, &b, &[Metric::Nsd], convention, options)?[0].value);
    }
    let dice: Vec<f64> = pairs.iter().map(|p| p.dice).collect();
    Ok(MultiInstance {
        mi_dsc: overlaps.mean(&dice, Over::Reference),
        mi_nsd: overlaps.mean(&nsd, Over::Reference),
        pairs,
        nsd,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two instances overlap, one is missed, one is invented.
    fn images() -> (Vec<u32>, Vec<u32>) {
        (vec![0, 5, 5, 5, 5, 0, 7, 7, 0, 9, 9, 0], vec![0, 1, 1, 1, 0, 0, 2, 2, 2, 0, 0, 3])
    }

    #[test]
    fn instances_are_matched_and_averaged_as_named() {
        let (a, b) = images();
        let overlaps = Overlaps::new(&a, &b);
        assert_eq!((&overlaps.reference[..], &overlaps.prediction[..]), (&[5, 7, 9][..], &[1, 2, 3][..]));
        for matching in [Matching::HungarianDice, Matching::Iou(0.5)] {
            let pairs = overlaps.matched(matching);
            assert_eq!(pairs.len(), 2);
            assert_eq!((pairs[0].iou, pairs[1].iou), (0.75, 2.0 / 3.0));
            let quality = overlaps.panoptic_quality(&pairs);
            assert_eq!((quality.true_positive, quality.false_positive, quality.false_negative), (2, 1, 1));
            assert!((quality.pq.unwrap() - (0.75 + 2.0 / 3.0) / 2.0 * 4.0 / 6.0).abs() < 1e-15);
        }
        assert_eq!(overlaps.matched(Matching::Iou(0.7)).len(), 1);
        let scores = multi_instance(&a, &b, [12, 1, 1], [1.0; 3], Convention::MetricsReloaded, &Options::default());
        let scores = scores.unwrap();
        assert!((scores.mi_dsc.unwrap() - (6.0 / 7.0 + 0.8) / 3.0).abs() < 1e-15);
        assert_eq!(scores.nsd, [1.0, 1.0]);
        let values = [6.0 / 7.0, 0.8];
        assert!(overlaps.mean(&values, Over::ReferenceAndUnmatched).unwrap() < scores.mi_dsc.unwrap());
        assert_eq!(Overlaps::new(&[0; 3], &[0; 3]).panoptic_quality(&[]).pq, None);
    }
}
