//! What is to be registered, checked.

use regiscope_drr::DrrError;
use regiscope_geometry::{Point, View};
use regiscope_image::{Image, Volume};
use thiserror::Error;

/// One X-ray image and where it was taken.
#[derive(Clone, Debug)]
pub struct FixedImage {
    /// Source and detector in the LPS world.
    pub view: View,
    /// Line integrals of attenuation, or any other measure of it that the chosen similarity can bear; the size of
    /// the view's detector.
    pub image: Image<f32>,
    /// Pixels that count (`true`); `None` uses all. Pixels that do not count may hold any value.
    pub mask: Option<Image<bool>>,
}

/// A volume and the X-ray images in which its pose is sought. All images share one `world_from_volume`, so the
/// relative geometry of the views is known.
#[derive(Clone, Debug)]
pub struct Problem {
    views: Vec<FixedImage>,
    volume: Volume<f32>,
    pivot: Point,
}

/// Why a problem was refused. Views count from 0.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProblemError {
    /// No images at all.
    #[error("there is no X-ray image to register to; at least one view is needed")]
    NoViews,
    /// An image whose size is not that of its view's detector.
    #[error("view {view}: the {what} has {found:?} rows and columns, but the detector has {expected:?}")]
    Size {
        /// Which view.
        view: usize,
        /// `image` or `mask`.
        what: &'static str,
        /// Rows and columns found.
        found: [usize; 2],
        /// Rows and columns of the view.
        expected: [usize; 2],
    },
    /// NaN or infinity among the pixels that count.
    #[error("view {view}: {count} pixels are not finite numbers; mask them out or replace them")]
    NotFinite {
        /// Which view.
        view: usize,
        /// How many pixels.
        count: usize,
    },
    /// Too few pixels to find six numbers.
    #[error("view {view}: only {count} pixels count (inside the mask); at least {min} are needed", min = Problem::MIN_PIXELS)]
    TooFewPixels {
        /// Which view.
        view: usize,
        /// How many pixels count.
        count: usize,
    },
    /// All pixels that count have the same value.
    #[error("view {view}: all pixels that count have the value {value}; a constant image cannot be registered")]
    Constant {
        /// Which view.
        view: usize,
        /// The common value.
        value: f32,
    },
    /// The volume attenuates nowhere.
    #[error("the volume has the same attenuation {value} 1/mm in every voxel; there is nothing to register")]
    ConstantVolume {
        /// The common value.
        value: f32,
    },
    /// The pivot is NaN or infinite.
    #[error("the pivot {0:?} (mm) is not finite")]
    Pivot([f64; 3]),
    /// The volume cannot be rendered.
    #[error(transparent)]
    Volume(#[from] DrrError),
}

impl Problem {
    /// Fewest pixels that may count in a view.
    pub const MIN_PIXELS: usize = 16;

    /// Joins X-ray images and a volume of linear attenuation (1/mm). The pivot, about which rotations are
    /// counted, is the middle of the volume's grid; [`Self::with_pivot`] changes it.
    pub fn new(views: Vec<FixedImage>, volume: Volume<f32>) -> Result<Self, ProblemError> {
        if views.is_empty() {
            return Err(ProblemError::NoViews);
        }
        for (n, view) in views.iter().enumerate() {
            check_view(n, view)?;
        }
        let first = volume.data()[0];
        if volume.data().iter().all(|&v| v == first) {
            return Err(ProblemError::ConstantVolume { value: first });
        }
        let pivot = volume.grid().centre();
        Ok(Self { views, volume, pivot })
    }

    /// The same problem with another pivot, in the volume's own frame (mm).
    pub fn with_pivot(self, pivot: Point) -> Result<Self, ProblemError> {
        if !pivot.iter().all(|v| v.is_finite()) {
            return Err(ProblemError::Pivot(pivot.coords.into()));
        }
        Ok(Self { pivot, ..self })
    }

    /// The X-ray images.
    pub fn views(&self) -> &[FixedImage] {
        &self.views
    }

    /// Linear attenuation, 1/mm.
    pub fn volume(&self) -> &Volume<f32> {
        &self.volume
    }

    /// The point of the volume (mm, its own frame) about which rotations are counted.
    pub fn pivot(&self) -> Point {
        self.pivot
    }
}

pub(crate) fn check_view(n: usize, fixed: &FixedImage) -> Result<(), ProblemError> {
    let expected = [fixed.view.rows(), fixed.view.cols()];
    let size = |what, found| ProblemError::Size { view: n, what, found, expected };
    let found = [fixed.image.rows(), fixed.image.cols()];
    if found != expected {
        return Err(size("image", found));
    }
    if let Some(mask) = &fixed.mask
        && [mask.rows(), mask.cols()] != expected
    {
        return Err(size("mask", [mask.rows(), mask.cols()]));
    }
    let counting = || {
        let inside = |p: usize| fixed.mask.as_ref().is_none_or(|m| m.data()[p]);
        fixed.image.data().iter().enumerate().filter(move |(p, _)| inside(*p)).map(|(_, &v)| v)
    };
    let count = counting().count();
    if count < Problem::MIN_PIXELS {
        return Err(ProblemError::TooFewPixels { view: n, count });
    }
    let broken = counting().filter(|v| !v.is_finite()).count();
    if broken > 0 {
        return Err(ProblemError::NotFinite { view: n, count: broken });
    }
    let first = counting().next().expect("at least MIN_PIXELS pixels count");
    if counting().all(|v| v == first) {
        return Err(ProblemError::Constant { view: n, value: first });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::{Grid, Source, Vector};

    fn view(rows: usize, cols: usize) -> View {
        let source = Source::Point(Point::new(0.0, -500.0, 0.0));
        View::new(source, Point::new(0.0, 300.0, 0.0), Vector::x(), -Vector::z(), rows, cols).unwrap()
    }

    fn fixed(data: Vec<f32>) -> FixedImage {
        FixedImage { view: view(8, 8), image: Image::new(8, 8, data), mask: None }
    }

    fn volume() -> Volume<f32> {
        Volume::new(Grid::centred([2, 2, 2], [1.0; 3]).unwrap(), (0..8).map(|v| v as f32).collect())
    }

    fn ramp() -> Vec<f32> {
        (0..64).map(|v| v as f32).collect()
    }

    #[test]
    fn degenerate_input_is_refused() {
        let new = |views| Problem::new(views, volume()).map(|_| ());
        assert_eq!(new(vec![]), Err(ProblemError::NoViews));
        assert_eq!(new(vec![fixed(vec![3.0; 64])]), Err(ProblemError::Constant { view: 0, value: 3.0 }));
        let small = FixedImage { image: Image::new(4, 4, vec![1.0; 16]), ..fixed(ramp()) };
        assert!(matches!(new(vec![small]), Err(ProblemError::Size { what: "image", .. })));
        let mut nan = ramp();
        nan[5] = f32::NAN;
        assert_eq!(new(vec![fixed(ramp()), fixed(nan)]), Err(ProblemError::NotFinite { view: 1, count: 1 }));
        let masked = FixedImage { mask: Some(Image::new(8, 8, vec![false; 64])), ..fixed(ramp()) };
        assert_eq!(new(vec![masked]), Err(ProblemError::TooFewPixels { view: 0, count: 0 }));
        let empty = volume().map(|_| 0.0);
        let refused = Problem::new(vec![fixed(ramp())], empty).map(|_| ());
        assert_eq!(refused, Err(ProblemError::ConstantVolume { value: 0.0 }));
    }

    #[test]
    fn masked_pixels_may_be_broken() {
        let mut data = ramp();
        data[9] = f32::INFINITY;
        let mask = Image::new(8, 8, (0..64).map(|p| p != 9).collect());
        assert!(Problem::new(vec![FixedImage { mask: Some(mask), ..fixed(data) }], volume()).is_ok());
    }
}
