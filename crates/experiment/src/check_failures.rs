//! From the tables of an analysis of failures to their checked form.

use crate::check::Check;
use crate::document::failures::{Failures, Labels, ResultsTable};
use crate::experiment::{FailureFiles, FailureTask, StudySource, Task};
use regiscope_datasets::study::StudySettings;

impl Check<'_> {
    /// The task of a document with [failures].
    pub(crate) fn only_failures(&mut self, method: &Failures) -> Option<Task> {
        self.refuse_other_tasks("failures");
        if self.document.is_written("ranking") {
            self.refuse("ranking", "[ranking] has no place beside [failures]");
        }
        self.failure_task(method).map(|task| Task::Failures(Box::new(task)))
    }

    /// The task [failures].
    fn failure_task(&mut self, method: &Failures) -> Option<FailureTask> {
        let source = self.study();
        if method.imputations == 1 {
            self.refuse("failures.imputations", "`failures.imputations` is 1; accepted are 0 and 2 to 1000");
        }
        for (n, mix) in method.mixes.iter().enumerate() {
            if mix.is_empty() {
                self.refuse(
                    "failures.mixes",
                    format!("`failures.mixes` has nothing at place {n}; accepted are names with shares"),
                );
            }
            for (name, share) in mix.iter().filter(|(_, share)| !(0.0..=1.0).contains(*share)) {
                self.refuse(
                    "failures.mixes",
                    format!("`failures.mixes`: {name} = {share}; a share lies between 0 and 1"),
                );
            }
        }
        if let Some(criteria) = &method.criteria {
            if criteria.coverage.is_none() && criteria.first_in_order.is_none() {
                self.refuse("failures.criteria", "[failures.criteria] needs `coverage` or `first_in_order`");
            }
            if !matches!(source, Some(StudySource::Generated(_)) | None) {
                self.refuse("failures.criteria", "[failures.criteria] needs a [study], whose effects are known");
            }
        }
        Some(FailureTask { source: source?, method: method.clone() })
    }

    fn study(&mut self) -> Option<StudySource> {
        let tables = &self.document.tables;
        match (&tables.study, &tables.results) {
            (Some(study), None) => {
                let settings = StudySettings {
                    seed: u64::from(study.seed),
                    images: study.images as usize,
                    procedures: study.procedures as usize,
                    algorithms: study.algorithms as usize,
                    raters_per_image: study.raters_per_image as usize,
                    ..StudySettings::default()
                };
                if let Err(reason) = settings.check() {
                    self.refuse("study", format!("[study]: {reason}"));
                }
                Some(StudySource::Generated(Box::new(settings)))
            }
            (None, Some(results)) => self.result_files(results).map(|files| StudySource::Files(Box::new(files))),
            (Some(_), Some(_)) => {
                self.refuse("results", "the document has both [results] and [study]; one of them is accepted");
                None
            }
            (None, None) => {
                self.refuse("", "no results: [failures] needs a [study] or a [results] table");
                None
            }
        }
    }

    fn result_files(&mut self, results: &ResultsTable) -> Option<FailureFiles> {
        for (key, value) in [("data", &results.data), ("case", &results.case), ("algorithm", &results.algorithm)] {
            if value.is_empty() {
                self.refuse("results", format!("`results.{key}` is missing"));
            }
        }
        if results.characteristics.is_empty() {
            self.refuse("results", "`results.characteristics` is missing");
        }
        match (&results.failure, &results.threshold, &results.value) {
            (Some(_), Some(_), _) => {
                self.refuse("results.threshold", "`results.threshold` does nothing beside `results.failure`");
            }
            (None, Some(_), None) => {
                self.refuse("results.threshold", "`results.threshold` needs `results.value`, the column that it cuts");
            }
            (None, None, _) => {
                self.refuse("results", "no outcome: `results.failure`, or `results.value` with `results.threshold`");
            }
            _ => {}
        }
        if results.schema.is_some() && results.annotations.is_none() {
            self.refuse("results.schema", "`results.schema` does nothing without `results.annotations`");
        }
        let labels = self.document.tables.failures.as_ref().map(|f| f.aggregation);
        if results.annotations.is_some() && labels == Some(Labels::None) {
            let sentence = "`results.annotations` does nothing with `failures.aggregation = \"none\"`";
            self.refuse("results.annotations", sentence);
        }
        let data = (!results.data.is_empty()).then(|| self.file("results.data", &results.data));
        let annotations = results.annotations.as_ref().map(|name| self.file("results.annotations", name));
        let schema = results.schema.as_ref().map(|name| self.file("results.schema", name));
        Some(FailureFiles { data: data?, annotations, schema, table: results.clone() })
    }
}
