//! Rendered images to files.

use crate::program::failure::Failure;
use regiscope_geometry::View;
use regiscope_image::picture::{Depth, Window, write_png_gray};
use regiscope_image::{Image, Volume, npy, write_nifti};
use std::path::Path;

/// The format that a file's name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy array, binary32, shape (rows, cols).
    Npy,
    /// NIfTI-1, one slice of the detector where it stands in the world: x along the columns' index, y along the rows'.
    Nifti,
    /// 16-bit grey, smallest value black, greatest white.
    Png,
}

impl Format {
    /// The format of a name.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match &name {
            n if n.ends_with(".npy") => Ok(Self::Npy),
            n if n.ends_with(".nii") || n.ends_with(".nii.gz") => Ok(Self::Nifti),
            n if n.ends_with(".png") => Ok(Self::Png),
            _ => Err(Failure::file(
                path,
                "the ending says no format that is written; accepted are .npy, .nii, .nii.gz, .png",
            )),
        }
    }

    /// Writes an image of a view.
    pub fn write(self, path: &Path, image: &Image<f32>, view: &View) -> Result<(), Failure> {
        let written = match self {
            Self::Npy => npy::write_image(path, image),
            Self::Nifti => {
                let grid = view.detector_grid().map_err(|e| Failure::file(path, e))?;
                write_nifti(path, &Volume::new(grid, image.data().to_vec()))
            }
            Self::Png => write_png_gray(path, image, Window::full(image), Depth::Sixteen),
        };
        written.map_err(|e| Failure::file(path, e))
    }
}
