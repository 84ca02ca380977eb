//! Results as files.

use super::error::RunError;
use super::folder::RunFolder;
use super::measure::StartRow;
use super::record::StartRecord;
use crate::report::picture;
use regiscope_geometry::itk_transform_file::{self, TransformFile};
use regiscope_geometry::{Point, Rigid, View, camera_file};
use regiscope_image::{Image, Volume, npy, write_nifti};
use serde::Serialize;

/// Writes an image as NumPy array, PNG and NIfTI, and the geometry of its view as a camera file.
pub fn image(folder: &RunFolder, name: &str, image: &Image<f32>, view: &View) -> Result<(), RunError> {
    npy::write_image(&folder.file(&format!("{name}.npy")), image)?;
    folder.write(&format!("{name}.png"), &picture::grey(image, picture::window(image), 1).png())?;
    let grid = view
        .detector_grid()
        .map_err(|reason| RunError::Unusable(format!("the detector has no place in a NIfTI file: {reason}")))?;
    let standing = Volume::new(grid, image.data().to_vec());
    Ok(write_nifti(&folder.file(&format!("{name}.nii.gz")), &standing)?)
}

/// Writes the camera file of a view.
pub fn camera(folder: &RunFolder, name: &str, view: &View) -> Result<(), RunError> {
    Ok(camera_file::write(&folder.file(&format!("camera-{name}.json")), view)?)
}

/// Writes a pose as an ITK transform. ITK maps points of the fixed frame (the X-ray's world) to the moving one (the
/// volume's own), so the file holds `volume_from_world`, the inverse of the pose.
pub fn transform(folder: &RunFolder, name: &str, world_from_volume: &Rigid) -> Result<(), RunError> {
    transform_beside(folder, &format!("transforms/{name}"), world_from_volume)
}

/// The same under a name in the folder itself.
pub fn transform_beside(folder: &RunFolder, name: &str, world_from_volume: &Rigid) -> Result<(), RunError> {
    let content = TransformFile::from_rigid(&world_from_volume.inverse(), &Point::origin());
    Ok(itk_transform_file::write(&folder.file(&format!("{name}.tfm")), &content)?)
}

/// One line of `starts.csv`.
#[derive(Serialize)]
struct Line<'a> {
    start: usize,
    status: &'a str,
    mode: Option<usize>,
    similarity: Option<f64>,
    initial_mtre_mm: Option<f64>,
    mtre_mm: Option<f64>,
    mpd_mm: Option<f64>,
    mrpd_mm: Option<f64>,
    rotation_deg: Option<f64>,
    translation_mm: Option<f64>,
    evaluations: usize,
    rays: usize,
    seconds: f64,
}

/// Writes `starts.csv`.
pub fn starts(folder: &RunFolder, rows: &[StartRow]) -> Result<(), RunError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let line = Line {
            start: row.start,
            status: &row.status,
            mode: row.mode,
            similarity: row.similarity,
            initial_mtre_mm: row.initial.map(|e| e.mtre_mm),
            mtre_mm: row.errors.map(|e| e.mtre_mm),
            mpd_mm: row.errors.and_then(|e| e.mpd_mm),
            mrpd_mm: row.errors.and_then(|e| e.mrpd_mm),
            rotation_deg: row.errors.map(|e| e.rotation_deg),
            translation_mm: row.errors.map(|e| e.translation_mm),
            evaluations: row.evaluations,
            rays: row.rays,
            seconds: row.seconds,
        };
        writer.serialize(line).expect("a line has plain fields and a Vec takes all bytes");
    }
    let bytes = writer.into_inner().expect("a Vec takes all bytes");
    folder.write("starts.csv", &bytes)
}

/// Writes `iterations.jsonl`.
pub fn iterations(folder: &RunFolder, records: &[StartRecord]) -> Result<(), RunError> {
    let mut lines = Vec::new();
    for iteration in records.iter().flat_map(|r| &r.iterations) {
        serde_json::to_writer(&mut lines, iteration).expect("records have string keys and a Vec takes all bytes");
        lines.push(b'\n');
    }
    folder.write("iterations.jsonl", &lines)
}
