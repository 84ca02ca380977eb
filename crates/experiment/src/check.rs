//! From the typed form of a document to its checked form.

use crate::document::register as typed;
use crate::document::tables::{Attenuation, AttenuationChange, Label, Mapping, Units, ViewTable};
use crate::document::{Document, DocumentError, DocumentErrors, nearest};
use crate::experiment::*;
use regiscope_datasets::cache;
use regiscope_datasets::manifest::{self, Member, Role};
use regiscope_datasets::phantom::PhantomSettings;
use regiscope_drr::attenuation;
use regiscope_geometry::{Rigid, Twist, itk_transform_file};
use regiscope_pose::pyramid::Reach;
use std::path::PathBuf;

/// Where the files that a document names are looked for.
#[derive(Clone, Debug)]
pub struct Places {
    /// Folder that relative file names start from: the document's own.
    pub base_dir: PathBuf,
    /// Folder of fetched datasets.
    pub data_dir: PathBuf,
}

/// Checks how the tables of a document fit together and that the files it names are there. All mistakes are
/// returned at once.
pub fn check(document: &Document, places: &Places) -> Result<Experiment, DocumentErrors> {
    let mut check = Check { document, places, errors: Vec::new(), warnings: Vec::new() };
    let task = check.task();
    let Check { errors, warnings, .. } = check;
    match task {
        Some(task) if errors.is_empty() => Ok(Experiment { tables: resolved(document, &task), task, warnings }),
        _ => Err(document.refuse(errors)),
    }
}

/// The mapping of one of the two images.
fn attenuation_model(table: &Attenuation, change: &Option<AttenuationChange>) -> AttenuationModel {
    let change = change.clone().unwrap_or_default();
    AttenuationModel {
        energy_kev: change.energy_kev.unwrap_or(table.energy_kev),
        ct_energy_kev: table.ct_energy_kev,
        mapping: match change.mapping.unwrap_or(table.mapping) {
            Mapping::AirWaterBone => attenuation::Mapping::AirWaterBone,
            Mapping::AirWater => attenuation::Mapping::AirWater,
        },
        air_below_hu: table.air_below_hu,
        bone_above_hu: table.bone_above_hu,
        bone_scale: change.bone_scale.unwrap_or(table.bone_scale),
        soft_tissue: change.soft_tissue.unwrap_or(table.soft_tissue),
    }
}

/// The document with what `check` has filled in: names of views, and the tables that belong to the task.
fn resolved(document: &Document, task: &Task) -> crate::document::Tables {
    let mut tables = document.tables.clone();
    if let Task::Render(scene) | Task::Register(scene, _) | Task::Posterior(scene, _) = task {
        for (table, view) in tables.view.iter_mut().chain(&mut tables.views).zip(&scene.views) {
            table.name = Some(view.name.clone());
        }
        if !matches!(scene.volume, VolumeSource::File { units: Units::Attenuation, .. }) {
            tables.attenuation.get_or_insert_default();
        }
        if scene.views.iter().all(|v| v.image.is_none()) {
            tables.simulate.get_or_insert_default();
        }
    }
    if tables.register.is_some() {
        tables.starts.get_or_insert_default();
        tables.targets.get_or_insert_default();
    }
    tables
}

/// A check under way.
pub(crate) struct Check<'a> {
    pub(crate) document: &'a Document,
    places: &'a Places,
    pub(crate) errors: Vec<DocumentError>,
    warnings: Vec<String>,
}

impl Check<'_> {
    pub(crate) fn refuse(&mut self, path: &str, sentence: impl Into<String>) {
        self.errors.push(DocumentError::new(self.document.place_of(path), sentence));
    }

    /// A file that the document names under a key; relative names start at the document.
    pub(crate) fn file(&mut self, key: &str, name: &str) -> PathBuf {
        let path = self.places.base_dir.join(name);
        if !path.exists() {
            self.refuse(key, format!("`{key}`: there is no file {}", path.display()));
        }
        path
    }

    /// The tables of a CT and its X-rays, as far as they are sound.
    pub(crate) fn scene(&mut self) -> Option<Box<Scene>> {
        let volume = self.volume();
        let views = self.views();
        let simulation = self.simulation();
        self.labels(volume.as_ref());
        self.attenuation(volume.as_ref());
        let attenuation = self.document.tables.attenuation.clone().unwrap_or_default();
        let model = |change: &Option<AttenuationChange>| attenuation_model(&attenuation, change);
        Some(Box::new(Scene {
            volume: volume?,
            fixed_attenuation: model(&attenuation.fixed),
            moving_attenuation: model(&attenuation.moving),
            views,
            simulation,
        }))
    }

    fn volume(&mut self) -> Option<VolumeSource> {
        let tables = &self.document.tables;
        match (&tables.phantom, &tables.volume) {
            (Some(phantom), None) => {
                let settings = PhantomSettings {
                    seed: u64::from(phantom.patient),
                    spacing_mm: [phantom.spacing_mm; 3],
                    extent_mm: phantom.extent_mm,
                    variation: phantom.variation,
                };
                if let Err(reason) = settings.check() {
                    self.refuse("phantom", format!("[phantom]: {reason}"));
                }
                Some(VolumeSource::Phantom(settings))
            }
            (None, Some(volume)) => match (&volume.file, &volume.dataset) {
                (Some(file), None) => {
                    let path = self.file("volume.file", file);
                    let labels = volume.labels.as_ref().map(|l| self.file("volume.labels", l));
                    Some(VolumeSource::File { path, labels, units: volume.units })
                }
                (None, Some(dataset)) => self.dataset(dataset),
                (Some(_), Some(_)) => {
                    self.refuse("volume.dataset", "[volume] has both `file` and `dataset`; one of them is accepted");
                    None
                }
                (None, None) => {
                    self.refuse("volume", "[volume] needs `file` or `dataset`");
                    None
                }
            },
            (Some(_), Some(_)) => {
                self.refuse("volume", "the document has both [phantom] and [volume]; one of them is accepted");
                None
            }
            (None, None) => {
                self.refuse("", "no CT: the document needs a [phantom] or a [volume] table");
                None
            }
        }
    }

    /// The files of a fetched dataset.
    fn dataset(&mut self, name: &str) -> Option<VolumeSource> {
        const KEY: &str = "volume.dataset";
        let table = self.document.tables.volume.as_ref();
        for (key, written) in [("labels", table.is_some_and(|t| t.labels.is_some())), ("units", false)] {
            if written || (key == "units" && self.document.is_written("volume.units")) {
                let key = format!("volume.{key}");
                self.refuse(&key, format!("`{key}` stands beside `dataset`, which brings its own"));
            }
        }
        let manifest = match manifest::by_name(name) {
            Ok(manifest) => manifest,
            Err(reason) => {
                self.refuse(KEY, format!("`{KEY}`: {reason}"));
                return None;
            }
        };
        let Some(volume) = manifest.member(Role::Volume) else {
            self.refuse(KEY, format!("`{KEY}`: the dataset \"{name}\" has no volume"));
            return None;
        };
        let place = |member: &Member| cache::member_path(&manifest, member, &self.places.data_dir);
        let (path, labels) = (place(volume), manifest.member(Role::Labels).map(place));
        if let Some(missing) = std::iter::once(&path).chain(&labels).find(|p| !p.is_file()) {
            let error =
                DocumentError::new(self.document.place_of(KEY), format!("`{KEY}`: {} is not there", missing.display()));
            self.errors.push(error.help(format!("`regiscope data fetch {name}` brings it")));
        }
        Some(VolumeSource::File { path, labels, units: Units::Hu })
    }

    fn views(&mut self) -> Vec<ViewSource> {
        let tables = &self.document.tables;
        let listed: Vec<(String, &ViewTable)> = match (&tables.view, tables.views.is_empty()) {
            (Some(view), true) => vec![("view".to_owned(), view)],
            (None, false) => tables.views.iter().enumerate().map(|(n, v)| (format!("views.{n}"), v)).collect(),
            (Some(_), false) => {
                self.refuse("view", "the document has both [view] and [[views]]; one of them is accepted");
                return Vec::new();
            }
            (None, true) => {
                self.refuse("", "no geometry: the document needs a [view] table, or several [[views]]");
                return Vec::new();
            }
        };
        let real = listed.iter().filter(|(_, v)| v.image.is_some()).count();
        if real != 0 && real != listed.len() {
            self.refuse("views", "some views have an `image` and some have none; either all X-rays are real or none");
        }
        let mut views: Vec<ViewSource> = Vec::new();
        for (n, (path, table)) in listed.iter().enumerate() {
            let name = table.name.clone().unwrap_or_else(|| format!("view{}", n + 1));
            if views.iter().any(|v| v.name == name) {
                self.refuse(&format!("{path}.name"), format!("two views have the name \"{name}\""));
            }
            if !is_file_word(&name) {
                let sentence =
                    format!("the name \"{name}\" is not good for a file: 1 to 40 letters, digits, - and _ are");
                self.refuse(&format!("{path}.name"), sentence);
            }
            let geometry = self.geometry(path, table);
            let image = table.image.as_ref().map(|i| (self.file(&format!("{path}.image"), i), table.image_holds));
            if image.is_none() && self.document.is_written(&format!("{path}.image_holds")) {
                self.refuse(&format!("{path}.image_holds"), "`image_holds` needs an `image`");
            }
            views.push(ViewSource { name, geometry, image });
        }
        let pixels: u64 = listed.iter().map(|(_, v)| u64::from(v.rows) * u64::from(v.cols)).sum();
        if pixels > MAX_PIXELS {
            let sentence = format!("the views have {pixels} pixels together; at most {MAX_PIXELS} are accepted");
            self.refuse(&listed[0].0, sentence);
        }
        views
    }

    fn geometry(&mut self, path: &str, table: &ViewTable) -> ViewGeometry {
        if let Some(camera) = &table.camera {
            for key in CARM_KEYS {
                let key = format!("{path}.{key}");
                if self.document.is_written(&key) {
                    self.refuse(&key, format!("`{key}` stands beside `camera`, which gives the whole geometry"));
                }
            }
            return ViewGeometry::Camera(self.file(&format!("{path}.camera"), camera));
        }
        if table.source_isocentre_mm >= table.source_detector_mm {
            let sentence = format!(
                "source_isocentre_mm = {} is not less than source_detector_mm = {}: the isocentre lies between source and detector",
                table.source_isocentre_mm, table.source_detector_mm
            );
            self.refuse(&format!("{path}.source_isocentre_mm"), sentence);
        }
        ViewGeometry::CArm {
            source_detector_mm: table.source_detector_mm,
            source_isocentre_mm: table.source_isocentre_mm,
            shape: [table.rows as usize, table.cols as usize],
            pitch_mm: table.pitch_mm,
            primary: table.primary_angle_deg.to_radians(),
            secondary: table.secondary_angle_deg.to_radians(),
            detector_rotation: table.detector_rotation_deg.to_radians(),
            horizontal_flip: table.horizontal_flip,
            beam: table.beam,
            isocentre_mm: table.isocentre_mm,
        }
    }

    fn simulation(&mut self) -> Simulation {
        let tables = &self.document.tables;
        let simulate = tables.simulate.clone().unwrap_or_default();
        if tables.view.iter().chain(&tables.views).any(|v| v.image.is_some()) && self.document.is_written("simulate") {
            self.refuse("simulate", "[simulate] stands beside real X-rays (`image`); nothing is simulated");
        }
        let labels = self.label_numbers("simulate.labels", &simulate.labels);
        let rotation = simulate.rotation_deg.map(f64::to_radians);
        let [x, y, z] = simulate.translation_mm;
        if rotation.iter().map(|r| r * r).sum::<f64>().sqrt() > std::f64::consts::PI {
            self.refuse("simulate.rotation_deg", "`simulate.rotation_deg` turns by more than 180 degrees");
        }
        Simulation {
            offset: Twist::new(x, y, z, rotation[0], rotation[1], rotation[2]),
            photons: simulate.photons,
            blur_mm: simulate.blur_mm,
            collimation_mm: simulate.collimation_mm,
            labels,
            projector: simulate.projector,
        }
    }

    pub(crate) fn registration(&mut self, register: &typed::Register) -> Option<Registration> {
        let tables = &self.document.tables;
        let starts = tables.starts.clone().unwrap_or_default();
        let labels = self.label_numbers("register.labels", &register.labels);
        let per_label = self.label_numbers("register.per_label", &register.per_label);
        if let Some(hidden) = per_label.iter().find(|l| !labels.is_empty() && !labels.contains(l)) {
            self.refuse(
                "register.per_label",
                format!("the label {hidden} is not among `labels`, so it is not rendered"),
            );
        }
        if let Some((_, twice)) = per_label.iter().enumerate().find(|(n, l)| per_label[..*n].contains(l)) {
            self.refuse("register.per_label", format!("the label {twice} stands there twice"));
        }
        if let Some(search) = &register.search
            && search.keep > search.samples
        {
            self.refuse("register.search.keep", "`register.search.keep` is more than `samples`");
        }
        self.options_that_do_nothing(register);
        let real = tables.view.iter().chain(&tables.views).any(|v| v.image.is_some());
        if !real && register.reference.is_some() {
            self.refuse(
                "register.reference",
                "simulated X-rays have their true pose as reference; `reference` is for real ones",
            );
        }
        let criteria = tables.criteria.clone();
        if let Some(criteria) = &criteria {
            if criteria.success_rate.or(criteria.median_mtre_mm).or(criteria.best_mtre_mm).is_none() {
                self.refuse("criteria", "[criteria] needs `success_rate`, `median_mtre_mm` or `best_mtre_mm`");
            }
            if real && register.reference.is_none() {
                self.refuse("criteria", "[criteria] is about errors; real X-rays need `register.reference` for that");
            }
        }
        let reference = register.reference.as_ref().and_then(|f| self.pose("register.reference", f));
        let centre = starts.centre.as_ref().and_then(|f| self.pose("starts.centre", f));
        Some(Registration {
            method: register.clone(),
            labels,
            truncate_mm: register.truncate_mm,
            per_label,
            mode_within_mm: register.mode_within_mm,
            reach: reach(register, &starts),
            reference,
            starts: StartScheme {
                count: starts.count as usize,
                rotation: starts.rotation_deg.to_radians(),
                translation_mm: starts.translation_mm,
                centre,
            },
            targets: tables.targets.clone().unwrap_or_default().points,
            landscape: tables.landscape.as_ref().map(|l| LandscapeScheme {
                points: l.points as usize,
                map_points: l.map_points as usize,
                rotation: l.rotation_deg.to_radians(),
                translation_mm: l.translation_mm,
            }),
            criteria,
            posterior: None,
        })
    }

    /// Keys that were written but that the chosen similarity or optimiser does not read.
    fn options_that_do_nothing(&mut self, register: &typed::Register) {
        use typed::{Optimiser, Similarity};
        let spread = matches!(register.optimiser, Optimiser::NelderMead | Optimiser::CmaEs);
        for (key, used, by) in [
            ("patch", register.similarity == Similarity::LocalNcc, "similarity = \"local-ncc\""),
            ("sigma", register.similarity == Similarity::GradientNcc, "similarity = \"gradient-ncc\""),
            ("bins", register.similarity == Similarity::MutualInformation, "similarity = \"mutual-information\""),
            ("spread_mm", spread, "optimiser = \"nelder-mead\" or \"cma-es\""),
        ] {
            let path = format!("register.{key}");
            if !used && self.document.is_written(&path) {
                self.refuse(&path, format!("`{path}` does nothing here: it needs {by}"));
            }
        }
    }

    /// A pose from an ITK transform file, which holds `volume_from_world`.
    fn pose(&mut self, key: &str, name: &str) -> Option<Rigid> {
        let path = self.file(key, name);
        if !path.exists() {
            return None;
        }
        match itk_transform_file::read_rigid(&path) {
            Ok(volume_from_world) => Some(volume_from_world.inverse()),
            Err(reason) => {
                self.refuse(key, format!("`{key}`: {reason}"));
                None
            }
        }
    }

    /// Labels as numbers; names are looked up in TotalSegmentator's table.
    pub(crate) fn label_numbers(&mut self, path: &str, labels: &[Label]) -> Vec<u16> {
        let mut numbers = Vec::new();
        for (n, label) in labels.iter().enumerate() {
            match label {
                Label::Number(number) => numbers.push(*number),
                Label::Name(name) => match regiscope_datasets::labels::label_of(name) {
                    Some(number) => numbers.push(number),
                    None => {
                        let place = self.document.place_of(&format!("{path}.{n}"));
                        let table = regiscope_datasets::labels::table();
                        let near = nearest(name, table.iter().map(|(_, name)| name.as_str()));
                        let error = DocumentError::new(place, format!("`{path}`: there is no label \"{name}\""));
                        self.errors.push(match near {
                            Some(near) => error.help(format!("did you mean \"{near}\"?")),
                            None => error
                                .help("names are those of TotalSegmentator, as vertebrae_L3; numbers are accepted too"),
                        });
                    }
                },
            }
        }
        numbers
    }

    fn labels(&mut self, volume: Option<&VolumeSource>) {
        let tables = &self.document.tables;
        let has_labels = !matches!(volume, Some(VolumeSource::File { labels: None, .. }) | None);
        let needs = [
            ("simulate.labels", tables.simulate.as_ref().is_some_and(|s| !s.labels.is_empty())),
            ("register.labels", tables.register.as_ref().is_some_and(|r| !r.labels.is_empty())),
            ("register.per_label", tables.register.as_ref().is_some_and(|r| !r.per_label.is_empty())),
            ("targets.points", tables.targets.as_ref().is_some_and(|t| t.points == typed::TargetPoints::Labels)),
        ];
        for (key, _) in needs.iter().filter(|(_, needed)| *needed && !has_labels && volume.is_some()) {
            self.refuse(key, format!("`{key}` needs labels: give `volume.labels`"));
        }
        if tables.targets.as_ref().is_some_and(|t| t.points == typed::TargetPoints::Landmarks)
            && !matches!(volume, Some(VolumeSource::Phantom(_)) | None)
        {
            self.refuse("targets.points", "only the [phantom] brings landmarks; use \"labels\", \"box\" or \"auto\"");
        }
    }

    fn attenuation(&mut self, volume: Option<&VolumeSource>) {
        let Some(table) = &self.document.tables.attenuation else { return };
        if table.air_below_hu >= table.bone_above_hu {
            let sentence =
                format!("bone_above_hu = {} is not above air_below_hu = {}", table.bone_above_hu, table.air_below_hu);
            self.refuse("attenuation.bone_above_hu", sentence);
        }
        let units = match volume {
            Some(VolumeSource::File { units, .. }) => *units,
            _ => return,
        };
        if units == Units::Attenuation && self.document.is_written("attenuation") {
            self.refuse("attenuation", "[attenuation] maps Hounsfield units; the volume holds attenuation already");
        }
    }
}

/// How far registrations may go: what the document says, else a quarter farther than the corner of the box that starts
/// or search draw from, whichever is larger.
fn reach(register: &typed::Register, starts: &typed::Starts) -> Option<Reach> {
    let search = register.search.as_ref();
    let corner = |start: f64, search: Option<f64>| 1.25 * 3f64.sqrt() * start.max(search.unwrap_or(0.0));
    let usual_mm = corner(starts.translation_mm, search.map(|s| s.translation_mm));
    let usual_deg = corner(starts.rotation_deg, search.map(|s| s.rotation_deg));
    let translation = register.reach_mm.unwrap_or(if usual_mm > 0.0 { usual_mm } else { UNLIMITED_MM });
    let degrees = register.reach_deg.unwrap_or(if usual_deg > 0.0 { usual_deg.min(180.0) } else { 180.0 });
    (translation < UNLIMITED_MM || degrees < 180.0).then(|| Reach { translation, rotation: degrees.to_radians() })
}

/// A displacement that no image could show, mm.
const UNLIMITED_MM: f64 = 1e6;

/// Most pixels that all views may have together.
const MAX_PIXELS: u64 = 1 << 26;

/// Keys of a view that describe the C-arm.
const CARM_KEYS: [&str; 11] = [
    "source_detector_mm",
    "source_isocentre_mm",
    "rows",
    "cols",
    "pitch_mm",
    "primary_angle_deg",
    "secondary_angle_deg",
    "detector_rotation_deg",
    "horizontal_flip",
    "beam",
    "isocentre_mm",
];

fn is_file_word(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
