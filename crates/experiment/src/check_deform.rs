//! From the tables of a deformable registration to their checked form.

use crate::check::Check;
use crate::document::deform::{Affine, Deform, Distance, PairTable};
use crate::experiment::{Deformation, PairFiles, PairSource};
use regiscope_datasets::brain::PairSettings;
use regiscope_geometry::{AffineMap, itk_transform_file};
use std::path::PathBuf;

/// Tables of X-rays, which have no place beside [deform].
const OF_XRAYS: [&str; 9] =
    ["phantom", "volume", "attenuation", "view", "views", "simulate", "starts", "targets", "landscape"];

impl Check<'_> {
    /// The task [deform].
    pub(crate) fn deformation(&mut self, method: &Deform) -> Option<Deformation> {
        for table in OF_XRAYS {
            if self.document.is_written(table) {
                self.refuse(table, format!("[{table}] is about X-rays; [deform] takes a [pair] of volumes"));
            }
        }
        if self.document.tables.criteria.is_some() {
            self.refuse("criteria", "[criteria] belongs to [register]; those of [deform] stand in [deform.criteria]");
        }
        let source = self.pair();
        self.method(method);
        self.criteria(method, source.as_ref());
        let affine_start = method.affine_start.as_ref().and_then(|name| self.affine_map("deform.affine_start", name));
        Some(Deformation { source: source?, method: method.clone(), affine_start })
    }

    fn pair(&mut self) -> Option<PairSource> {
        let tables = &self.document.tables;
        match (&tables.brain_pair, &tables.pair) {
            (Some(brains), None) => {
                let settings = PairSettings {
                    seed: u64::from(brains.subject),
                    voxels: brains.voxels as usize,
                    speed_mm: brains.speed_mm,
                    waves: brains.waves,
                    rotation_deg: brains.rotation_deg,
                    translation_mm: brains.translation_mm,
                    scale: brains.scale,
                    noise: brains.noise,
                };
                if let Err(reason) = settings.check() {
                    self.refuse("brain_pair", format!("[brain_pair]: {reason}"));
                }
                Some(PairSource::Brains(settings))
            }
            (None, Some(pair)) => self.files(pair).map(|files| PairSource::Files(Box::new(files))),
            (Some(_), Some(_)) => {
                self.refuse("pair", "the document has both [pair] and [brain_pair]; one of them is accepted");
                None
            }
            (None, None) => {
                self.refuse("", "no images: [deform] needs a [pair] or a [brain_pair] table");
                None
            }
        }
    }

    fn files(&mut self, pair: &PairTable) -> Option<PairFiles> {
        let (fixed, moving) = (pair.fixed.names(), pair.moving.names());
        for (key, names) in [("pair.fixed", &fixed), ("pair.moving", &moving)] {
            if names.is_empty() {
                self.refuse("pair", format!("`{key}` is missing"));
            }
        }
        if fixed.len() != moving.len() && !fixed.is_empty() && !moving.is_empty() {
            let sentence = format!(
                "`pair.fixed` has {} channels and `pair.moving` {}; both have the same channels in the same order",
                fixed.len(),
                moving.len()
            );
            self.refuse("pair.moving", sentence);
        }
        if !pair.weights.is_empty() && pair.weights.len() != fixed.len() {
            let sentence = format!("`pair.weights` has {} numbers for {} channels", pair.weights.len(), fixed.len());
            self.refuse("pair.weights", sentence);
        }
        for (key, given, other, partner) in [
            ("landmarks_fixed", &pair.landmarks_fixed, "landmarks_moving", &pair.landmarks_moving),
            ("landmarks_moving", &pair.landmarks_moving, "landmarks_fixed", &pair.landmarks_fixed),
            ("labels_fixed", &pair.labels_fixed, "labels_moving", &pair.labels_moving),
        ] {
            if given.is_some() && partner.is_none() {
                self.refuse(&format!("pair.{key}"), format!("`pair.{key}` does nothing without `pair.{other}`"));
            }
        }
        let mut one =
            |key: &str, name: &Option<String>| name.as_ref().map(|n| self.pair_file(&format!("pair.{key}"), n));
        let (labels_fixed, labels_moving) =
            (one("labels_fixed", &pair.labels_fixed), one("labels_moving", &pair.labels_moving));
        let (mask_fixed, mask_moving) = (one("mask_fixed", &pair.mask_fixed), one("mask_moving", &pair.mask_moving));
        let (landmarks_fixed, landmarks_moving) =
            (one("landmarks_fixed", &pair.landmarks_fixed), one("landmarks_moving", &pair.landmarks_moving));
        let weights = match pair.weights.is_empty() {
            true => vec![1.0; fixed.len()],
            false => pair.weights.clone(),
        };
        let fixed = fixed.into_iter().map(|n| self.pair_file("pair.fixed", n)).collect();
        let moving = moving.into_iter().map(|n| self.pair_file("pair.moving", n)).collect();
        Some(PairFiles {
            fixed,
            moving,
            weights,
            labels_fixed,
            labels_moving,
            mask_fixed,
            mask_moving,
            landmarks_fixed,
            landmarks_moving,
        })
    }

    /// A file of the pair; one that is missing can be replaced without editing the document.
    fn pair_file(&mut self, key: &str, name: &str) -> PathBuf {
        let before = self.errors.len();
        let path = self.file(key, name);
        for error in &mut self.errors[before..] {
            error.help = Some(format!("`--set {key}=FILE` names another file"));
        }
        path
    }

    fn method(&mut self, method: &Deform) {
        if method.beta.is_some() && method.jacobian_bound.is_some() {
            let sentence = "`deform.jacobian_bound` finds the weight that `deform.beta` gives; one of them is accepted";
            self.refuse("deform.jacobian_bound", sentence);
        }
        let [low, high] = method.percentiles;
        if low >= high {
            let sentence = format!("`deform.percentiles` is [{low}, {high}]; the first must be less than the second");
            self.refuse("deform.percentiles", sentence);
        }
        for (key, distance, name) in [
            ("window_radius_voxels", Distance::Lncc, "lncc"),
            ("variance_floor", Distance::Lncc, "lncc"),
            ("edge_per_mm", Distance::Ngf, "ngf"),
        ] {
            let path = format!("deform.{key}");
            if method.distance != distance && self.document.is_written(&path) {
                self.refuse(&path, format!("`{path}` does nothing here: it needs `deform.distance = \"{name}\"`"));
            }
        }
        let path = "deform.affine_measure";
        if method.affine == Affine::None && self.document.is_written(path) {
            self.refuse(path, format!("`{path}` does nothing here: it needs an affine stage"));
        }
    }

    fn criteria(&mut self, method: &Deform, source: Option<&PairSource>) {
        let Some(criteria) = &method.criteria else { return };
        let all = [criteria.mismatch, criteria.dice, criteria.det_f, criteria.tre_mm];
        if all.iter().all(Option::is_none) {
            self.refuse("deform.criteria", "[deform.criteria] needs `mismatch`, `dice`, `det_f` or `tre_mm`");
        }
        let Some(PairSource::Files(files)) = source else { return };
        if criteria.dice.is_some() && files.labels_fixed.is_none() {
            self.refuse("deform.criteria.dice", "`deform.criteria.dice` needs labels of both images in [pair]");
        }
        if criteria.tre_mm.is_some() && files.landmarks_fixed.is_none() {
            self.refuse("deform.criteria.tre_mm", "`deform.criteria.tre_mm` needs landmarks of both images in [pair]");
        }
    }

    /// An affine map from an ITK transform file, fixed to moving points.
    fn affine_map(&mut self, key: &str, name: &str) -> Option<AffineMap> {
        let path = self.file(key, name);
        if !path.exists() {
            return None;
        }
        let read = itk_transform_file::read(&path).and_then(|f| f.map().map_err(|problem| problem.in_file(&path)));
        match read {
            Ok(map) if map.matrix.determinant() > 0.0 => Some(map),
            Ok(_) => {
                let sentence = format!("`{key}`: {}: its matrix turns left into right or is singular", path.display());
                self.refuse(key, sentence);
                None
            }
            Err(reason) => {
                self.refuse(key, format!("`{key}`: {reason}"));
                None
            }
        }
    }
}
