//! What makes an image unfit for registration.

use regiscope_image::Volume;
use thiserror::Error;

/// Fewest voxels along an axis of a volume that can be deformed: interpolation and derivatives need neighbours.
pub const LEAST_EXTENT: usize = 4;

/// Why an image cannot be registered.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ImageFault {
    /// NaN or infinite voxels.
    #[error(
        "{count} voxels are NaN or infinite, the first at {first:?}; accepted are finite values everywhere, so replace them (by the background's value, say) or cut them off"
    )]
    NotFinite {
        /// How many.
        count: usize,
        /// The first of them.
        first: [usize; 3],
    },
    /// All voxels are the same.
    #[error("every voxel has the value {value}; an image without contrast cannot be registered")]
    Constant {
        /// That value.
        value: f32,
    },
    /// Too few voxels along an axis.
    #[error(
        "its shape {shape:?} has an axis of fewer than {LEAST_EXTENT} voxels; accepted are volumes with at least {LEAST_EXTENT} along each axis"
    )]
    Thin {
        /// The shape.
        shape: [usize; 3],
    },
}

/// Refuses images that cannot be registered.
pub fn check_image(image: &Volume<f32>) -> Result<(), ImageFault> {
    let shape = image.grid().shape();
    if shape.iter().any(|&n| n < LEAST_EXTENT) {
        return Err(ImageFault::Thin { shape });
    }
    let data = image.data();
    if let Some(at) = data.iter().position(|v| !v.is_finite()) {
        let count = data.iter().filter(|v| !v.is_finite()).count();
        let first = [at % shape[0], at / shape[0] % shape[1], at / (shape[0] * shape[1])];
        return Err(ImageFault::NotFinite { count, first });
    }
    match data.iter().all(|v| *v == data[0]) {
        true => Err(ImageFault::Constant { value: data[0] }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    #[test]
    fn unfit_images_are_named() {
        let volume = |shape: [usize; 3], f: fn(usize) -> f32| {
            let grid = Grid::centred(shape, [1.0; 3]).unwrap();
            Volume::new(grid.clone(), (0..grid.len()).map(f).collect())
        };
        assert_eq!(check_image(&volume([4, 5, 6], |n| n as f32)), Ok(()));
        assert_eq!(check_image(&volume([4, 5, 6], |_| 2.0)), Err(ImageFault::Constant { value: 2.0 }));
        assert_eq!(check_image(&volume([4, 1, 6], |n| n as f32)), Err(ImageFault::Thin { shape: [4, 1, 6] }));
        let broken = volume([4, 5, 6], |n| if n == 47 || n == 119 { f32::NAN } else { n as f32 });
        assert_eq!(check_image(&broken), Err(ImageFault::NotFinite { count: 2, first: [3, 1, 2] }));
    }
}
