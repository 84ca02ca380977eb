//! Studies for the tests of this module.

use super::observations::{Effect, Grouping, LeftOut, Observations, Row};
use regiscope_datasets::study::{Study, StudySettings, generate};
use std::collections::BTreeMap;

/// A study as observations, with its true characteristics.
pub fn observations_of(study: &Study) -> Observations {
    let algorithms = study.algorithms.len();
    Observations {
        cases: study.images.clone(),
        algorithms: study.algorithms.clone(),
        groups: vec![Grouping {
            name: "procedure".into(),
            levels: study.procedures.clone(),
            of_case: study.procedure_of_image.iter().map(|&p| p as u32).collect(),
        }],
        effects: study
            .characteristics
            .iter()
            .zip(&study.values)
            .map(|(c, values)| Effect {
                name: c.name.clone(),
                characteristic: c.name.clone(),
                level: None,
                values: values.iter().map(|&v| f64::from(v)).collect(),
            })
            .collect(),
        levels: BTreeMap::new(),
        rows: study
            .results
            .iter()
            .enumerate()
            .map(|(n, r)| Row {
                case: (n / algorithms) as u32,
                algorithm: (n % algorithms) as u32,
                failed: r.failure,
                score: r.dice,
                energy_j: r.energy_j,
            })
            .collect(),
        left_out: LeftOut::default(),
    }
}

/// 400 images, 12 procedures, 6 algorithms and the first six characteristics.
pub fn small_study(seed: u64) -> Observations {
    let plain = StudySettings::default();
    let characteristics = plain.characteristics[..6].to_vec();
    let settings = StudySettings { seed, images: 400, procedures: 12, algorithms: 6, characteristics, ..plain };
    observations_of(&generate(&settings).expect("settings within their ranges"))
}
