//! Metrics that count voxels.

use super::mask::Mask;

/// Voxels by what reference and prediction say of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inside both.
    pub true_positive: u64,
    /// Inside the prediction alone.
    pub false_positive: u64,
    /// Inside the reference alone.
    pub false_negative: u64,
    /// Inside neither.
    pub true_negative: u64,
}

/// Counts the voxels of two masks on the same voxels.
pub fn counts(reference: &Mask, prediction: &Mask) -> Counts {
    let (mut both, mut in_reference, mut in_prediction) = (0u64, 0u64, 0u64);
    // Blocks are counted in bytes, many voxels together.
    for (r, p) in reference.inside().chunks(255).zip(prediction.inside().chunks(255)) {
        let count =
            |of: fn(bool, bool) -> bool| u64::from(r.iter().zip(p).fold(0u8, |sum, (&r, &p)| sum + u8::from(of(r, p))));
        both += count(|r, p| r & p);
        in_reference += count(|r, _| r);
        in_prediction += count(|_, p| p);
    }
    let all = reference.inside().len() as u64;
    Counts {
        true_positive: both,
        false_positive: in_prediction - both,
        false_negative: in_reference - both,
        true_negative: all + both - in_reference - in_prediction,
    }
}

impl Counts {
    /// Voxels of the reference.
    pub fn reference(self) -> u64 {
        self.true_positive + self.false_negative
    }

    /// Voxels of the prediction.
    pub fn prediction(self) -> u64 {
        self.true_positive + self.false_positive
    }

    /// Dice similarity coefficient 2 |R ∩ P| / (|R| + |P|).
    pub fn dice(self) -> Option<f64> {
        ratio(2 * self.true_positive, self.reference() + self.prediction())
    }

    /// Intersection over union, Jaccard index.
    pub fn iou(self) -> Option<f64> {
        ratio(self.true_positive, self.reference() + self.false_positive)
    }

    /// Sensitivity, recall: |R ∩ P| / |R|.
    pub fn sensitivity(self) -> Option<f64> {
        ratio(self.true_positive, self.reference())
    }

    /// Specificity: the part of what is outside the reference that is outside the prediction.
    pub fn specificity(self) -> Option<f64> {
        ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    /// Positive predictive value, precision: |R ∩ P| / |P|.
    pub fn ppv(self) -> Option<f64> {
        ratio(self.true_positive, self.prediction())
    }

    /// Volumetric similarity 1 − ||R| − |P|| / (|R| + |P|) (Taha and Hanbury 2015).
    pub fn volumetric_similarity(self) -> Option<f64> {
        let difference = self.reference().abs_diff(self.prediction());
        ratio(difference, self.reference() + self.prediction()).map(|r| 1.0 - r)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_follow_from_the_counts() {
        let mask = |inside: [u8; 8]| Mask::new([4, 2, 1], [1.0; 3], inside.map(|v| v == 1).to_vec()).unwrap();
        let c = counts(&mask([1, 1, 1, 0, 0, 0, 0, 0]), &mask([1, 1, 0, 1, 1, 0, 0, 0]));
        assert_eq!((c.true_positive, c.false_positive, c.false_negative, c.true_negative), (2, 2, 1, 3));
        assert_eq!((c.dice(), c.iou()), (Some(4.0 / 7.0), Some(0.4)));
        assert_eq!((c.sensitivity(), c.specificity(), c.ppv()), (Some(2.0 / 3.0), Some(0.6), Some(0.5)));
        assert_eq!(c.volumetric_similarity(), Some(1.0 - 1.0 / 7.0));
        let nothing = counts(&mask([0; 8]), &mask([0; 8]));
        assert_eq!((nothing.dice(), nothing.iou(), nothing.ppv()), (None, None, None));
        assert_eq!(nothing.specificity(), Some(1.0));
    }
}
