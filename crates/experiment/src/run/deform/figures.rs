//! The figures of a deformation: `metrics.json`.

use super::images::Case;
use regiscope_diffeo::affine;
use regiscope_diffeo::compare::{Dice, Difference, Lengths, dice, difference, distances};
use regiscope_diffeo::warp::Determinants;
use regiscope_geometry::{AffineMap, Point, Vector};
use regiscope_image::Volume;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::measure::Criterion;
use crate::document::deform::DeformCriteria;

/// A figure with the images as they lie, after the affine stage, and deformed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stages<T> {
    /// With the images as they lie.
    pub before: T,
    /// After the affine stage.
    pub affine: T,
    /// At the answer.
    pub after: T,
}

impl<T> Stages<T> {
    /// The same figure of each stage.
    pub fn map<U>(&self, f: impl Fn(&T) -> U) -> Stages<U> {
        Stages { before: f(&self.before), affine: f(&self.affine), after: f(&self.after) }
    }
}

/// Overlap of one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelRow {
    /// The label.
    pub label: u16,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Dice at each stage.
    pub dice: Stages<f64>,
    /// Voxels in the fixed image.
    pub voxels: usize,
}

/// The affine stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AffineFigures {
    /// `affine`, or what else was asked for; `given` for a map from a file, `none` for none.
    pub model: String,
    /// Rows of the matrix (fixed to moving points).
    pub matrix: [[f64; 3]; 3],
    /// Offset, mm.
    pub offset_mm: [f64; 3],
    /// Determinant of the matrix.
    pub determinant: f64,
    /// How the climb ended.
    pub status: Option<String>,
    /// Part of the fixed image's voxels that fall into the moving one.
    pub overlap: Option<f64>,
    /// Steps taken.
    pub iterations: usize,
}

impl AffineFigures {
    /// The figures of a map and, if there was a climb, of the climb.
    pub fn new(model: &str, map: &AffineMap, found: Option<&affine::Solution>) -> Self {
        let m = &map.matrix;
        Self {
            model: model.to_owned(),
            matrix: [0, 1, 2].map(|r| [m[(r, 0)], m[(r, 1)], m[(r, 2)]]),
            offset_mm: map.offset.into(),
            determinant: m.determinant(),
            status: found.map(|f| format!("{:?}", f.status).to_lowercase()),
            overlap: found.map(|f| f.overlap),
            iterations: found.map_or(0, |f| f.iterations),
        }
    }
}

/// Everything that a deformation found: `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Title of the document.
    pub title: String,
    /// `deform`.
    pub task: String,
    /// ‖m(y) − r‖ / ‖m − r‖ of images in [0, 1] over all channels: what is left of the difference of the images as they
    /// lie. Null where there was no difference.
    pub relative_mismatch: Option<f64>,
    /// √(D/D₀) with the distance D that was made small and its value D₀ after the affine stage, in the solver's box.
    pub relative_distance: f64,
    /// The relative mismatch after the affine stage alone.
    pub relative_mismatch_affine: Option<f64>,
    /// Root mean squared differences and correlations of the first channel in [0, 1].
    pub difference: Stages<Option<Difference>>,
    /// Mean Dice over the labels; null without labels.
    pub dice_mean: Option<Stages<f64>>,
    /// Dice of all labels as one.
    pub dice_union: Option<Stages<f64>>,
    /// Every label.
    pub labels: Vec<LabelRow>,
    /// det F of the deformation, without the affine map.
    pub det_f: Determinants,
    /// det F of the whole map.
    pub det_total: Determinants,
    /// Lengths of the whole displacements, mm.
    pub displacement_mm: Lengths,
    /// Greatest and mean distance of voxels from their way there by the displacements that are written and back along the
    /// flow, voxels.
    pub inverse_voxels: Option<[f64; 2]>,
    /// The same with the way back by `inverse_displacement.nii.gz`, continued linearly between its voxels.
    pub inverse_file_voxels: Option<[f64; 2]>,
    /// Distances of landmarks, mm.
    pub landmarks_mm: Option<Stages<Lengths>>,
    /// Distance of the found displacements from the true ones inside the labels, mm.
    pub truth_mm: Option<Stages<Lengths>>,
    /// The affine stage.
    pub affine: AffineFigures,
    /// How the solver ended.
    pub outcome: String,
    /// What to make of it.
    pub advice: String,
    /// The weight β.
    pub beta: f64,
    /// Shape of the solver's box.
    pub shape: [usize; 3],
    /// Newton steps, products, transforms, interpolations.
    pub work: Value,
    /// Processor time of the solver, from prepared images to the velocity, s; null where the system does not tell.
    pub solver_core_s: Option<f64>,
    /// Processor time of the whole run, reading and writing included, s.
    pub core_s: Option<f64>,
    /// What limits the result, in sentences.
    pub limits: Vec<String>,
    /// The criteria and whether they hold.
    pub criteria: Vec<Criterion>,
    /// Sentences of the criteria that do not hold.
    pub missed: Vec<String>,
}

/// The Dice of label maps on the fixed grid, and its table.
pub fn overlaps(case: &Case, carried: &Stages<Volume<u16>>) -> Option<(Stages<Dice>, Vec<LabelRow>)> {
    let fixed = case.labels_fixed.as_ref()?;
    let all = Stages {
        before: dice(fixed, &carried.before)?,
        affine: dice(fixed, &carried.affine)?,
        after: dice(fixed, &carried.after)?,
    };
    let of = |d: &Dice, label: u16| d.labels.iter().find(|l| l.label == label).map_or(0.0, |l| l.dice);
    let row = |l: &regiscope_diffeo::compare::LabelDice| LabelRow {
        label: l.label,
        name: case.label_names.get(&l.label).map(|n| (*n).to_owned()),
        dice: all.map(|d| of(d, l.label)),
        voxels: l.first,
    };
    let rows = all.after.labels.iter().map(row).collect();
    Some((all, rows))
}

/// Labels that the fixed and the moving image do not share, in a sentence.
pub fn unshared(case: &Case) -> Option<String> {
    let present = |labels: &Volume<u16>| {
        let mut there = vec![false; usize::from(u16::MAX) + 1];
        labels.data().iter().for_each(|l| there[usize::from(*l)] = true);
        there[0] = false;
        there
    };
    let (fixed, moving) = (present(case.labels_fixed.as_ref()?), present(case.labels_moving.as_ref()?));
    let alone = |a: &[bool], b: &[bool]| -> Vec<String> {
        (0..a.len()).filter(|&l| a[l] && !b[l]).take(12).map(|l| l.to_string()).collect()
    };
    let (only_fixed, only_moving) = (alone(&fixed, &moving), alone(&moving, &fixed));
    let mut parts = Vec::new();
    for (which, labels) in [("fixed", only_fixed), ("moving", only_moving)] {
        if !labels.is_empty() {
            parts.push(format!("only the {which} image has {}", labels.join(", ")));
        }
    }
    (!parts.is_empty()).then(|| {
        format!("the label maps do not have the same labels: {}; these count with Dice 0 in the mean", parts.join("; "))
    })
}

/// Differences of the first channel at each stage, over the mask.
pub fn differences(
    fixed: &Volume<f32>,
    images: &Stages<Volume<f32>>,
    mask: Option<&Volume<bool>>,
) -> Stages<Option<Difference>> {
    images.map(|image| difference(image, fixed, mask))
}

/// Distances of landmarks at each stage.
pub fn landmark_errors(
    case: &Case,
    affine: &AffineMap,
    map: impl Fn(&Point) -> Option<Point>,
) -> (Option<Stages<Lengths>>, usize) {
    let Some([fixed, moving]) = &case.landmarks else { return (None, 0) };
    let pairs: Vec<(Point, Point, Point)> =
        fixed.iter().zip(moving).filter_map(|(a, b)| Some((a.position, map(&a.position)?, b.position))).collect();
    let lost = fixed.len() - pairs.len();
    let to = |points: Vec<Point>| Lengths::of(distances(&points, &pairs.iter().map(|p| p.2).collect::<Vec<_>>()));
    let figures = || {
        Some(Stages {
            before: to(pairs.iter().map(|p| p.0).collect())?,
            affine: to(pairs.iter().map(|p| affine.apply(&p.0)).collect())?,
            after: to(pairs.iter().map(|p| p.1).collect())?,
        })
    };
    (figures(), lost)
}

/// Distances of displacements from the true ones at the labelled voxels of the fixed image.
pub fn truth_errors(case: &Case, affine: &AffineMap, found: &Volume<[f32; 3]>) -> Option<Stages<Lengths>> {
    let (truth, labels) = (case.truth.as_ref()?, case.labels_fixed.as_ref()?);
    let vector = |u: &[f32; 3]| Vector::from(u.map(f64::from));
    let grid = truth.grid();
    let [nx, ny, _] = grid.shape();
    let mut lengths = [Vec::new(), Vec::new(), Vec::new()];
    for (o, true_u) in truth.data().iter().enumerate().filter(|(o, _)| labels.data()[*o] > 0) {
        let x = grid.world_from_index(&Point::new((o % nx) as f64, (o / nx % ny) as f64, (o / (nx * ny)) as f64));
        let u = vector(true_u);
        lengths[0].push(u.norm());
        lengths[1].push((affine.apply(&x) - x - u).norm());
        lengths[2].push((vector(&found.data()[o]) - u).norm());
    }
    let [before, at_affine, after] = lengths;
    Some(Stages { before: Lengths::of(before)?, affine: Lengths::of(at_affine)?, after: Lengths::of(after)? })
}

/// Whether the criteria hold.
pub fn judge(criteria: &DeformCriteria, metrics: &Metrics) -> Vec<Criterion> {
    let mut all = Vec::new();
    let mut ask = |key: &str, what: &str, limit: Option<f64>, found: Option<f64>, at_most: bool, unit: &str| {
        let Some(limit) = limit else { return };
        let met = found.is_some_and(|f| if at_most { f <= limit } else { f >= limit });
        let side = if at_most { "at most" } else { "at least" };
        let found = found.map_or("unknown".to_owned(), |f| format!("{f:.4}{unit}"));
        all.push(Criterion { key: key.to_owned(), required: format!("{what} {side} {limit}{unit}"), found, met });
    };
    ask("mismatch", "relative mismatch", criteria.mismatch, metrics.relative_mismatch, true, "");
    ask("dice", "mean Dice", criteria.dice, metrics.dice_mean.as_ref().map(|d| d.after), false, "");
    ask("det_f", "det F", criteria.det_f, Some(metrics.det_f.min), false, "");
    ask(
        "tre_mm",
        "mean landmark distance",
        criteria.tre_mm,
        metrics.landmarks_mm.as_ref().map(|l| l.after.mean),
        true,
        " mm",
    );
    all
}
