//! A segmentation: which voxels belong to a structure, and how far voxels lie apart.

use std::ops::Range;

/// A binary image of two or three axes, x-fastest. Of two axes, the third extent is 1 and `flat` says that there is no
/// third axis, so that nothing lies above or below.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    flat: bool,
    inside: Vec<bool>,
}

/// Why a mask cannot be made, or a pair not compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MaskError {
    /// Number of values and extents disagree.
    #[error("{found} values do not fill {shape:?} voxels")]
    Length {
        /// Extents.
        shape: [usize; 3],
        /// Number of values.
        found: usize,
    },
    /// A distance between voxels that is none.
    #[error("the spacing is {0:?} mm; accepted are positive finite distances")]
    Spacing([f64; 3]),
    /// Two masks of different extents.
    #[error("the reference has {reference:?} voxels and the prediction {prediction:?}")]
    Shapes {
        /// Extents of the reference.
        reference: [usize; 3],
        /// Extents of the prediction.
        prediction: [usize; 3],
    },
    /// Two masks of different spacings.
    #[error("voxels of the reference lie {reference:?} mm apart and those of the prediction {prediction:?} mm")]
    Spacings {
        /// Spacing of the reference.
        reference: [f64; 3],
        /// Spacing of the prediction.
        prediction: [f64; 3],
    },
}

impl Mask {
    /// A mask of three axes, or of two where the third extent is 1.
    ///
    /// # Errors
    /// If extents and values disagree, or the spacing is not positive.
    pub fn new(shape: [usize; 3], spacing_mm: [f64; 3], inside: Vec<bool>) -> Result<Self, MaskError> {
        if shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)) != Some(inside.len()) {
            return Err(MaskError::Length { shape, found: inside.len() });
        }
        if !spacing_mm.iter().all(|s| s.is_finite() && *s > 0.0) {
            return Err(MaskError::Spacing(spacing_mm));
        }
        Ok(Self { shape, spacing_mm, flat: shape[2] == 1, inside })
    }

    /// Extents; the third is 1 for two axes.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Distances of neighbouring voxels.
    pub fn spacing_mm(&self) -> [f64; 3] {
        self.spacing_mm
    }

    /// Whether there are only two axes.
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Whether each voxel is inside, x-fastest.
    pub fn inside(&self) -> &[bool] {
        &self.inside
    }

    /// Number of voxels inside.
    pub fn count(&self) -> usize {
        self.inside.iter().filter(|&&v| v).count()
    }

    /// Refuses masks that do not lie on the same voxels.
    ///
    /// # Errors
    /// If extents differ, or spacings by more than 1e-4 of themselves (headers hold single precision).
    pub fn check_like(&self, prediction: &Self) -> Result<(), MaskError> {
        if self.shape != prediction.shape {
            return Err(MaskError::Shapes { reference: self.shape, prediction: prediction.shape });
        }
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-4 * a;
        if !self.spacing_mm.iter().zip(&prediction.spacing_mm).all(near) {
            return Err(MaskError::Spacings { reference: self.spacing_mm, prediction: prediction.spacing_mm });
        }
        Ok(())
    }

    /// The smallest box with all voxels inside, `None` for an empty mask.
    pub fn bounds(&self) -> Option<[Range<usize>; 3]> {
        let [nx, ny, _] = self.shape;
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        for (row, values) in self.inside.chunks_exact(nx.max(1)).enumerate() {
            // Most rows are empty, which a sum over all voxels finds faster than a search.
            if !values.iter().fold(false, |any, &v| any | v) {
                continue;
            }
            let Some(first) = values.iter().position(|&v| v) else { continue };
            let last = values.iter().rposition(|&v| v).unwrap_or(first);
            let (y, z) = (row % ny, row / ny);
            low = [low[0].min(first), low[1].min(y), low[2].min(z)];
            high = [high[0].max(last + 1), high[1].max(y + 1), high[2].max(z + 1)];
        }
        (high[0] > 0).then(|| [0, 1, 2].map(|a| low[a]..high[a]))
    }

    /// The part inside a box.
    pub fn cropped(&self, bounds: &[Range<usize>; 3]) -> Self {
        let [nx, ny, _] = self.shape;
        let mut inside = Vec::with_capacity(bounds.iter().map(|r| r.len()).product());
        for z in bounds[2].clone() {
            for y in bounds[1].clone() {
                let row = (z * ny + y) * nx;
                inside.extend_from_slice(&self.inside[row + bounds[0].start..row + bounds[0].end]);
            }
        }
        let shape = [0, 1, 2].map(|a| bounds[a].len());
        Self { shape, spacing_mm: self.spacing_mm, flat: self.flat, inside }
    }

    /// A mask of the same voxels.
    pub(super) fn like(&self, inside: Vec<bool>) -> Self {
        assert_eq!(inside.len(), self.inside.len(), "one value for each voxel");
        Self { inside, ..self.clone() }
    }
}

/// The smallest box with both masks, `None` where both are empty.
pub(super) fn common_bounds(a: &Mask, b: &Mask) -> Option<[Range<usize>; 3]> {
    match (a.bounds(), b.bounds()) {
        (Some(a), Some(b)) => Some([0, 1, 2].map(|i| a[i].start.min(b[i].start)..a[i].end.max(b[i].end))),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_crops() {
        let mut inside = vec![false; 24];
        inside[1 + 2 * 4] = true;
        inside[3 + 4 + 12] = true;
        let mask = Mask::new([4, 3, 2], [1.0; 3], inside).unwrap();
        let bounds = mask.bounds().unwrap();
        assert_eq!(bounds, [1..4, 1..3, 0..2]);
        let part = mask.cropped(&bounds);
        assert_eq!((part.shape(), part.count()), ([3, 2, 2], 2));
        assert!(part.inside()[3] && part.inside()[2 + 6]);
        assert_eq!(part.bounds().unwrap(), [0..3, 0..2, 0..2]);
        assert_eq!(Mask::new([2, 2, 1], [1.0; 3], vec![false; 4]).unwrap().bounds(), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Mask::new([2, 2, 1], [1.0; 3], vec![false; 5]).is_err());
        assert!(Mask::new([usize::MAX, 2, 1], [1.0; 3], vec![]).is_err());
        assert!(Mask::new([1, 1, 1], [1.0, 0.0, 1.0], vec![true]).is_err());
        let a = Mask::new([2, 1, 1], [1.0; 3], vec![true; 2]).unwrap();
        let b = Mask::new([1, 2, 1], [1.0; 3], vec![true; 2]).unwrap();
        let c = Mask::new([2, 1, 1], [1.0, 1.0, 1.1], vec![true; 2]).unwrap();
        assert!(matches!(a.check_like(&b), Err(MaskError::Shapes { .. })));
        assert!(matches!(a.check_like(&c), Err(MaskError::Spacings { .. })));
    }
}
