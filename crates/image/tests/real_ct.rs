//! Real CT volumes against the figures of nibabel 5.4.2 (`nibabel.load(f)`: `shape`, `affine`, sum of the stored
//! integers and voxel [40, 30, 20]). The files are not part of the repository.

use regiscope_image::{mask, read_header, read_image, read_labels, read_volume};
use std::path::{Path, PathBuf};

fn file(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ct").join(name);
    let there = path.is_file();
    if !there {
        println!("skipped: {name} is not beside this checkout");
    }
    there.then_some(path)
}

#[test]
fn shapes_affines_and_voxels_are_those_of_nibabel() {
    let cases = [
        (
            "example_ct.nii.gz",
            [122, 101, 112],
            [[3.0, 0.0, 0.0, -177.95632934570312], [0.0, 3.0, 0.0, 11.319000244140625], [0.0, 0.0, 3.0, 94.3017578125]],
            (-496851173.0, -102.0),
        ),
        (
            "sub-ct_label-22_ct.nii.gz",
            [73, 47, 73],
            [[0.0, 0.0, 1.5, -78.0], [-1.5, 0.0, 0.0, -135.0], [0.0, -1.5, 0.0, -34.199981689453125]],
            (12207496.0, -101.0),
        ),
    ];
    for (name, shape, affine, (sum, voxel)) in cases {
        let Some(path) = file(name) else { continue };
        let image = read_image(&path).unwrap();
        let header = image.header();
        assert_eq!(header.shape, shape);
        for (r, row) in affine.iter().enumerate() {
            for (c, &value) in row.iter().enumerate() {
                assert_eq!((header.affine[(r, c)], header.grid.ras_affine()[(r, c)]), (value, value), "{name}");
            }
        }
        assert_eq!(image.value(&[40, 30, 20]), Some(voxel));
        assert_eq!((0..image.samples().len()).map(|n| image.samples().get(n)).sum::<f64>(), sum);
        let loaded = read_volume(&path).unwrap();
        assert_eq!(loaded.volume.data().iter().map(|&v| f64::from(v)).sum::<f64>(), sum);
        assert_eq!(read_header(&path).unwrap(), *header);
    }
}

#[test]
fn labels_of_a_real_spine_are_read() {
    let Some(path) = file("sub-ct_seg-vert_label-22_msk.nii.gz") else { return };
    let regions = mask::label_regions(&read_labels(&path).unwrap());
    let sum: usize = regions.iter().map(|(&label, region)| usize::from(label) * region.voxels).sum();
    assert_eq!((regions.len(), sum), (3, 805172));
}
