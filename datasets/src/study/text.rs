//! A study as files: tables, the schema of its characteristics, the truth.

use super::{Kind, SURGERIES, Study};
use serde_json::{Map, Value, json};
use std::fmt::Write;

impl Study {
    /// One row for each image and algorithm: image, procedure, surgery, algorithm, failure, dice, energy_j, and the true
    /// characteristics.
    pub fn results_csv(&self) -> String {
        let names: Vec<&str> = self.characteristics.iter().map(|c| &*c.name).collect();
        let mut text = format!("image,procedure,surgery,algorithm,failure,dice,energy_j,{}\n", names.join(","));
        for (n, outcome) in self.results.iter().enumerate() {
            let (image, algorithm) = (n / self.algorithms.len(), n % self.algorithms.len());
            let procedure = self.procedure_of_image[image];
            write!(
                text,
                "{},{},{},{},{},{},{}",
                self.images[image],
                self.procedures[procedure],
                SURGERIES[self.surgery_of_procedure[procedure]],
                self.algorithms[algorithm],
                u8::from(outcome.failure),
                outcome.dice,
                outcome.energy_j
            )
            .expect("a string takes all text");
            self.values.iter().for_each(|v| write!(text, ",{}", v[image]).expect("a string takes all text"));
            text.push('\n');
        }
        text
    }

    /// One label in each row: image, characteristic, rater, label.
    pub fn annotations_csv(&self) -> String {
        let mut text = String::from("image,characteristic,rater,label\n");
        for label in &self.labels {
            let (image, characteristic) = (&self.images[label.image], &self.characteristics[label.characteristic].name);
            writeln!(text, "{image},{characteristic},{},{}", self.raters[label.rater], label.value)
                .expect("a string takes all text");
        }
        text
    }

    /// The schema of the annotations, a TOML document.
    pub fn schema_toml(&self) -> String {
        let one = |(name, kind, levels): (&str, Kind, usize)| match kind {
            Kind::Binary => format!("[{name}]\nkind = \"binary\"\n"),
            Kind::Count => format!("[{name}]\nkind = \"count\"\nmost = {}\n", levels - 1),
            Kind::Ordinal => {
                let levels: Vec<String> = (0..levels).map(|l| format!("\"{l}\"")).collect();
                format!("[{name}]\nkind = \"ordinal\"\nlevels = [{}]\n", levels.join(", "))
            }
        };
        let all = self.characteristics.iter().map(|c| one((&c.name, c.kind, c.shares.len())));
        all.collect::<Vec<_>>().join("\n")
    }

    /// The effects behind the study.
    pub fn truth_json(&self) -> Value {
        let by_name = |names: &[String], values: &[f64]| -> Value {
            Value::Object(names.iter().cloned().zip(values.iter().map(|v| json!(v))).collect())
        };
        let names: Vec<String> = self.characteristics.iter().map(|c| c.name.clone()).collect();
        let slopes: Map<String, Value> = self
            .algorithms
            .iter()
            .zip(&self.truth.slopes_of_algorithm)
            .map(|(a, slopes)| (a.clone(), by_name(&names, slopes)))
            .collect();
        json!({
            "characteristics": self.characteristics,
            "failure_intercept": self.truth.failure_intercept,
            "failure_sd": self.truth.failure_sd,
            "failure_of_algorithm": by_name(&self.algorithms, &self.truth.failure_of_algorithm),
            "slopes_of_algorithm": slopes,
            "failure_of_procedure": by_name(&self.procedures, &self.truth.failure_of_procedure),
            "score_intercept": self.truth.score_intercept,
            "zero_intercept": self.truth.zero_intercept,
            "score_precision": self.truth.score_precision,
            "score_sd": self.truth.score_sd,
            "score_of_algorithm": by_name(&self.algorithms, &self.truth.score_of_algorithm),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::study::{StudySettings, generate};

    #[test]
    fn tables_are_rectangular_and_complete() {
        let study = generate(&StudySettings { images: 40, procedures: 3, ..StudySettings::default() }).unwrap();
        let results = study.results_csv();
        let mut lines = results.lines();
        let header = lines.next().unwrap();
        assert!(header.starts_with("image,procedure,surgery,algorithm,failure,dice,energy_j,underexposed_instrument,"));
        assert!(lines.clone().all(|l| l.split(',').count() == header.split(',').count()));
        assert_eq!(lines.count(), 400);
        assert_eq!(study.annotations_csv().lines().count(), 1 + study.labels.len());
        let schema: toml::Table = study.schema_toml().parse().unwrap();
        assert_eq!(schema.len(), 19);
        assert_eq!(schema["further_instruments"]["most"].as_integer(), Some(3));
        let truth = study.truth_json();
        assert_eq!(truth["characteristics"][0]["failure"], 1.3);
        assert!(truth["slopes_of_algorithm"]["A10"]["smoke"].is_f64());
    }
}
