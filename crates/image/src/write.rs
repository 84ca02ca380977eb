//! Writing a volume in the format that the file's name says.

use crate::error::WriteError;
use crate::metaimage::write_metaimage;
use crate::nifti::write_nifti;
use crate::nrrd::write_nrrd;
use crate::scalar::Scalar;
use crate::volume::Volume;
use std::path::Path;

/// Writes a volume, atomically, by the ending of its name: `.nii` and `.nii.gz` (NIfTI-1), `.mha` (zlib) and
/// `.mhd` (with a .raw beside it), `.nrrd` (gzip) and `.nhdr` (with a .raw beside it).
pub fn write_volume<T: Scalar>(path: &Path, volume: &Volume<T>) -> Result<(), WriteError> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".nii", ".nii.gz"]) {
        write_nifti(path, volume)
    } else if ends(&[".mha", ".mhd"]) {
        write_metaimage(path, volume, ends(&[".mha"]))
    } else if ends(&[".nrrd", ".nhdr"]) {
        write_nrrd(path, volume, ends(&[".nrrd"]))
    } else {
        let accepted = ".nii, .nii.gz, .mha, .mhd, .nrrd or .nhdr";
        Err(WriteError::unsupported(path, "the ending of the name says no format for volumes", accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_image;
    use crate::scalar::ScalarType;
    use regiscope_geometry::Grid;

    fn returns<T: Scalar + Into<f64>>(values: [T; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::new(Grid::centred([2, 1, 1], [0.5, 1.0, 2.0]).unwrap(), values.to_vec());
        for name in ["a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.NRRD", "a.nhdr"] {
            let path = folder.path().join(name);
            write_volume(&path, &volume).unwrap();
            let image = read_image(&path).unwrap();
            assert_eq!(image.header().scalar_type, T::SCALAR_TYPE, "{name}");
            assert_eq!(image.header().grid, *volume.grid(), "{name}");
            let read = [0, 1].map(|i| image.value(&[i, 0, 0]));
            assert_eq!(read, values.map(|v| Some(v.into())), "{name}");
        }
    }

    #[test]
    fn every_type_returns_from_every_format() {
        returns([1u8, 255]);
        returns([-1i8, 127]);
        returns([1u16, 65535]);
        returns([-1i16, 32767]);
        returns([1u32, u32::MAX]);
        returns([-1i32, i32::MAX]);
        returns([0.1f32, -3e30]);
        returns([0.1f64, -3e300]);
        assert_eq!(<u64 as Scalar>::SCALAR_TYPE, ScalarType::U64);
    }

    #[test]
    fn unknown_endings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::new(Grid::centred([1, 1, 1], [1.0; 3]).unwrap(), vec![0f32]);
        for name in ["a", "a.gz", "a.png", "nii"] {
            let e = write_volume(&folder.path().join(name), &volume).unwrap_err().to_string();
            assert!(e.contains(".nii.gz"), "{e}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
