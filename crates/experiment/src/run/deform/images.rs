//! The two images and what is known about them, from files or from a seed.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use crate::experiment::{PairFiles, PairSource};
use regiscope_datasets::brain::{self, name_of};
use regiscope_diffeo::fault::check_image;
use regiscope_diffeo::prepare::same_place;
use regiscope_geometry::points_file::{self, NamedPoint};
use regiscope_image::{Volume, read_labels, read_volume, write_nifti, write_nifti_displacements};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that a deformable registration is given.
pub struct Case {
    /// Channels of the fixed image, on one grid.
    pub fixed: Vec<Volume<f32>>,
    /// Channels of the moving image, on one grid.
    pub moving: Vec<Volume<f32>>,
    /// What each channel counts.
    pub weights: Vec<f64>,
    /// Labels on the fixed grid.
    pub labels_fixed: Option<Volume<u16>>,
    /// Labels on the moving grid.
    pub labels_moving: Option<Volume<u16>>,
    /// Names of labels, where they are known.
    pub label_names: BTreeMap<u16, &'static str>,
    /// Voxels of the fixed image that count.
    pub mask_fixed: Option<Volume<bool>>,
    /// Voxels of the moving image that count.
    pub mask_moving: Option<Volume<bool>>,
    /// Landmarks in both images.
    pub landmarks: Option<[Vec<NamedPoint>; 2]>,
    /// The true displacements on the fixed grid, mm.
    pub truth: Option<Volume<[f32; 3]>>,
    /// What the fixed and the moving image are, for the report.
    pub descriptions: [String; 2],
}

/// Generates or reads the images; doubts about files are added to `warnings`.
pub fn load(source: &PairSource, warnings: &mut Vec<String>) -> Result<Case, RunError> {
    match source {
        PairSource::Brains(settings) => {
            let pair = brain::generate(settings)?;
            let point = |name: &str, position| NamedPoint { name: name.to_owned(), position };
            let words = described(&format!("seeded brain {}", settings.seed), &pair.fixed);
            Ok(Case {
                landmarks: Some([
                    pair.landmarks.iter().map(|l| point(l.name, l.fixed)).collect(),
                    pair.landmarks.iter().map(|l| point(l.name, l.moving)).collect(),
                ]),
                label_names: (1..).map_while(|label| Some((label, name_of(label)?))).collect(),
                descriptions: [words.clone(), format!("{words}, carried by a known flow")],
                fixed: vec![pair.fixed],
                moving: vec![pair.moving],
                weights: vec![1.0],
                labels_fixed: Some(pair.labels_fixed),
                labels_moving: Some(pair.labels_moving),
                mask_fixed: None,
                mask_moving: None,
                truth: Some(pair.displacement),
            })
        }
        PairSource::Files(files) => read(files, warnings),
    }
}

/// Writes a generated pair to `pair/`, so that other programs and commands can take it.
pub fn write(case: &Case, folder: &RunFolder) -> Result<(), RunError> {
    folder.make_dir("pair")?;
    let file = |name: &str| folder.file(&format!("pair/{name}"));
    write_nifti(&file("fixed.nii.gz"), &case.fixed[0])?;
    write_nifti(&file("moving.nii.gz"), &case.moving[0])?;
    for (name, labels) in [("fixed", &case.labels_fixed), ("moving", &case.labels_moving)] {
        if let Some(labels) = labels {
            write_nifti(&file(&format!("{name}_labels.nii.gz")), labels)?;
        }
    }
    if let Some([fixed, moving]) = &case.landmarks {
        points_file::write(&file("fixed.csv"), fixed)?;
        points_file::write(&file("moving.csv"), moving)?;
    }
    if let Some(truth) = &case.truth {
        write_nifti_displacements(&file("displacement.nii.gz"), truth)?;
    }
    Ok(())
}

fn read(files: &PairFiles, warnings: &mut Vec<String>) -> Result<Case, RunError> {
    let fixed = channels(&files.fixed, warnings)?;
    let moving = channels(&files.moving, warnings)?;
    let mut on = |path: &Option<std::path::PathBuf>, image: &Volume<f32>, of: &Path| -> Result<_, RunError> {
        path.as_ref().map(|p| placed(read_labels(p)?, image, p, of, warnings)).transpose()
    };
    let labels_fixed = on(&files.labels_fixed, &fixed[0], &files.fixed[0])?;
    let labels_moving = on(&files.labels_moving, &moving[0], &files.moving[0])?;
    for (labels, path) in [(&labels_fixed, &files.labels_fixed), (&labels_moving, &files.labels_moving)] {
        if let (Some(labels), Some(path)) = (labels, path)
            && labels.data().iter().all(|l| *l == 0)
        {
            return Err(unsuitable(path, "every voxel is 0 (background); a label map holds at least one label"));
        }
    }
    let mut mask = |path: &Option<std::path::PathBuf>, image: &Volume<f32>, of: &Path| -> Result<_, RunError> {
        let mut read = |p: &std::path::PathBuf| -> Result<Volume<bool>, RunError> {
            let values = read_volume(p)?.volume.map(|v| *v != 0.0 && v.is_finite());
            let mask = placed(values, image, p, of, warnings)?;
            match mask.data().contains(&true) {
                true => Ok(mask),
                false => Err(unsuitable(p, "every voxel is 0; a mask holds at least one voxel that counts")),
            }
        };
        path.as_ref().map(&mut read).transpose()
    };
    let mask_fixed = mask(&files.mask_fixed, &fixed[0], &files.fixed[0])?;
    let mask_moving = mask(&files.mask_moving, &moving[0], &files.moving[0])?;
    let landmarks = match (&files.landmarks_fixed, &files.landmarks_moving) {
        (Some(a), Some(b)) => Some(landmarks(a, b)?),
        _ => None,
    };
    let words = |paths: &[std::path::PathBuf], image: &Volume<f32>| {
        let names: Vec<String> = paths.iter().map(|p| file_name(p)).collect();
        described(&names.join(" + "), image)
    };
    Ok(Case {
        descriptions: [words(&files.fixed, &fixed[0]), words(&files.moving, &moving[0])],
        fixed,
        moving,
        weights: files.weights.clone(),
        labels_fixed,
        labels_moving,
        label_names: BTreeMap::new(),
        mask_fixed,
        mask_moving,
        landmarks,
        truth: None,
    })
}

/// Reads channels, which must be fit for registration and lie on one grid.
fn channels(paths: &[std::path::PathBuf], warnings: &mut Vec<String>) -> Result<Vec<Volume<f32>>, RunError> {
    let mut all: Vec<Volume<f32>> = Vec::with_capacity(paths.len());
    for path in paths {
        let loaded = read_volume(path)?;
        // What is not finite is refused below, with its place.
        warnings.extend(loaded.warnings.iter().map(|w| format!("{}: {}", file_name(path), w.as_str())));
        check_image(&loaded.volume).map_err(|fault| unsuitable(path, fault.to_string()))?;
        let volume = match all.first() {
            Some(first) => placed(loaded.volume, first, path, &paths[0], warnings)?,
            None => loaded.volume,
        };
        all.push(volume);
    }
    Ok(all)
}

/// Values that lie on the grid of an image, nearer than a tenth of a voxel.
///
/// Label maps of public data often have another voxel size or origin in their header than their image. Where shape and
/// directions of the axes agree they are taken voxel by voxel, with a warning.
fn placed<T: Copy>(
    values: Volume<T>,
    image: &Volume<f32>,
    path: &Path,
    of: &Path,
    warnings: &mut Vec<String>,
) -> Result<Volume<T>, RunError> {
    let (ours, theirs) = (values.grid().clone(), image.grid());
    if same_place(&ours, theirs) {
        return Ok(Volume::new(theirs.clone(), values.into_parts().1));
    }
    let reason = if ours.shape() == theirs.shape() {
        let apart = ours.corners().iter().zip(theirs.corners()).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
        if (ours.direction() - theirs.direction()).norm() < 1e-3 {
            warnings.push(format!(
                "{}: its header puts it up to {apart:.3} mm away from {}; shape and axes agree, so it is taken voxel by \
                 voxel on that grid",
                file_name(path),
                file_name(of)
            ));
            return Ok(Volume::new(theirs.clone(), values.into_parts().1));
        }
        let of = of.display();
        format!("it lies up to {apart:.3} mm away from the voxels of {of}; both must be on one grid")
    } else {
        let of = of.display();
        format!("its shape {:?} is not that of {of}, {:?}; both must be on one grid", ours.shape(), theirs.shape())
    };
    Err(unsuitable(path, reason))
}

/// Landmarks of both images; with names, each finds its partner by name, else by place in the file.
fn landmarks(fixed: &Path, moving: &Path) -> Result<[Vec<NamedPoint>; 2], RunError> {
    let (a, b) = (points_file::read(fixed)?, points_file::read(moving)?);
    if a.len() != b.len() {
        let reason = format!("{} landmarks for the {} of {}", b.len(), a.len(), fixed.display());
        return Err(unsuitable(moving, reason));
    }
    let named = |points: &[NamedPoint]| {
        let mut names: Vec<&str> = points.iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len() == points.len() && !names[0].is_empty()
    };
    if !(named(&a) && named(&b)) {
        return Ok([a, b]);
    }
    let partner = |p: &NamedPoint| b.iter().find(|q| q.name == p.name).cloned();
    let found: Option<Vec<NamedPoint>> = a.iter().map(partner).collect();
    // Where the files use other names, their order pairs the points.
    Ok([a, found.unwrap_or(b)])
}

fn described(name: &str, image: &Volume<f32>) -> String {
    let [x, y, z] = image.grid().shape();
    let spacing = image.grid().spacing().map(|s| format!("{s:.3}")).join(" × ");
    format!("{name}, {x} × {y} × {z} voxels of {spacing} mm")
}

fn unsuitable(path: &Path, reason: impl Into<String>) -> RunError {
    RunError::Unsuitable { path: path.to_path_buf(), reason: reason.into() }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
