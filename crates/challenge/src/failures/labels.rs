//! From annotations of several raters to characteristics: the likeliest labels, and how sure they are.

use super::imputation::SoftCharacteristic;
use super::observations::Observations;
use crate::annotations::dawid_skene::{self, Limits, Model};
use crate::annotations::glad;
use crate::annotations::import::{ImportError, long};
use crate::annotations::schema::Schema;
use crate::annotations::votes::{SoftLabels, Votes};
use crate::table::{Table, TableError};
use rayon::prelude::*;
use std::collections::HashMap;

/// How labels are aggregated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// Shares of the votes.
    Majority,
    /// A confusion matrix for each rater, by maximum likelihood.
    #[default]
    DawidSkene,
    /// One probability of being right for each rater, by maximum likelihood.
    OneCoin,
    /// Abilities of raters and easiness of items, by maximum a posteriori.
    Glad,
}

/// Which columns of a table of annotations hold what; one label in each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelColumns {
    /// Cases.
    pub case: String,
    /// Names of characteristics.
    pub characteristic: String,
    /// Raters.
    pub rater: String,
    /// Labels.
    pub label: String,
}

/// One characteristic by case.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregatedLabels {
    /// Its name.
    pub name: String,
    /// The value of each category: its number, or for words its place in their order.
    pub values: Vec<f64>,
    /// For each annotated case the probability of each category.
    pub by_case: HashMap<String, Vec<f64>>,
    /// How often each category occurs: the probabilities of cases without a label.
    pub prior: Vec<f64>,
}

/// Why annotations are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The labels of one characteristic.
    #[error("characteristic {name:?}: {reason}")]
    Labels {
        /// The characteristic.
        name: String,
        /// What is wrong.
        reason: ImportError,
    },
    /// No label of a characteristic.
    #[error("there is no label of {name:?}; annotated are {}", .there.join(", "))]
    NotAnnotated {
        /// The characteristic.
        name: String,
        /// Those that are.
        there: Vec<String>,
    },
    /// Not in the schema.
    #[error("the schema has no characteristic {name:?}; it has {}", .there.join(", "))]
    NotInSchema {
        /// The characteristic.
        name: String,
        /// Those that are.
        there: Vec<String>,
    },
}

/// Aggregates the labels of the named characteristics.
///
/// # Errors
/// If a characteristic has no labels, or labels that the schema does not know.
pub fn aggregate(
    table: &Table,
    columns: &LabelColumns,
    names: &[String],
    schema: Option<&Schema>,
    aggregation: Aggregation,
) -> Result<Vec<AggregatedLabels>, LabelsError> {
    let of = table.names(&columns.characteristic)?;
    let mut rows: HashMap<&str, Vec<usize>> = HashMap::new();
    of.iter().enumerate().for_each(|(row, name)| rows.entry(name).or_default().push(row));
    let one = |name: &String| {
        let Some(rows) = rows.get(&**name) else {
            let mut there: Vec<String> = rows.keys().map(|k| (*k).to_owned()).collect();
            there.sort_unstable();
            return Err(LabelsError::NotAnnotated { name: name.clone(), there });
        };
        let part = Table {
            names: table.names.clone(),
            columns: table.columns.iter().map(|c| rows.iter().map(|&r| c[r].clone()).collect()).collect(),
            lines: rows.iter().map(|&r| table.lines[r]).collect(),
        };
        let kind = schema.map(|schema| {
            let there = || schema.0.keys().cloned().collect();
            schema.0.get(name).ok_or_else(|| LabelsError::NotInSchema { name: name.clone(), there: there() })
        });
        let votes = long(&part, &columns.case, &columns.rater, &columns.label, kind.transpose()?)
            .map_err(|reason| LabelsError::Labels { name: name.clone(), reason })?;
        Ok(labelled(name, &votes, &soft(&votes, aggregation)))
    };
    names.par_iter().map(one).collect()
}

fn soft(votes: &Votes, aggregation: Aggregation) -> SoftLabels {
    match aggregation {
        Aggregation::Majority => votes.majority(),
        Aggregation::DawidSkene => dawid_skene::estimate(votes, Model::Confusion, Limits::default()).labels,
        Aggregation::OneCoin => dawid_skene::estimate(votes, Model::OneCoin, Limits::default()).labels,
        Aggregation::Glad => glad::estimate(votes).labels,
    }
}

fn labelled(name: &str, votes: &Votes, soft: &SoftLabels) -> AggregatedLabels {
    let numbers: Option<Vec<f64>> =
        votes.categories.iter().map(|c| c.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let k = votes.categories.len();
    let share = |c: usize| (0..soft.items()).map(|i| soft.item(i)[c]).sum::<f64>() / soft.items() as f64;
    AggregatedLabels {
        name: name.to_owned(),
        values: numbers.unwrap_or_else(|| (0..k).map(|c| c as f64).collect()),
        by_case: votes.items.iter().enumerate().map(|(i, case)| (case.clone(), soft.item(i).to_vec())).collect(),
        prior: (0..k).map(share).collect(),
    }
}

impl AggregatedLabels {
    fn of<'a>(&'a self, case: &str) -> &'a [f64] {
        self.by_case.get(case).unwrap_or(&self.prior)
    }

    /// Puts the likeliest labels into a table as a column; one that is there gives way.
    ///
    /// # Errors
    /// If the table has no such column of cases.
    pub fn put_into(&self, table: &mut Table, case: &str) -> Result<(), TableError> {
        let cells: Vec<String> = table
            .names(case)?
            .iter()
            .map(|case| {
                let p = self.of(case);
                let best = (0..p.len()).fold(0, |best, k| if p[k] > p[best] { k } else { best });
                self.values[best].to_string()
            })
            .collect();
        match table.names.iter().position(|n| *n == self.name) {
            Some(at) => table.columns[at] = cells,
            None => {
                table.names.push(self.name.clone());
                table.columns.push(cells);
            }
        }
        Ok(())
    }

    /// The probabilities of the cases of observations.
    pub fn for_cases(&self, observations: &Observations) -> SoftCharacteristic {
        SoftCharacteristic {
            name: self.name.clone(),
            values: self.values.clone(),
            probabilities: observations.cases.iter().map(|case| self.of(case).to_vec()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_datasets::study::{StudySettings, generate};

    #[test]
    fn labels_of_raters_become_characteristics() {
        let settings = StudySettings { images: 300, procedures: 6, algorithms: 2, ..StudySettings::default() };
        let study = generate(&settings).unwrap();
        let table = Table::from_csv(study.annotations_csv().as_bytes()).unwrap();
        let [case, characteristic, rater, label] = ["image", "characteristic", "rater", "label"].map(String::from);
        let columns = LabelColumns { case, characteristic, rater, label };
        let schema: Schema = toml::from_str(&study.schema_toml()).unwrap();
        let names = vec!["smoke".to_owned(), "motion_blur".to_owned()];
        for aggregation in [Aggregation::Majority, Aggregation::DawidSkene, Aggregation::OneCoin, Aggregation::Glad] {
            let found = aggregate(&table, &columns, &names, Some(&schema), aggregation).unwrap();
            assert_eq!(found[0].values, [0.0, 1.0, 2.0]);
            let mut results = Table::from_csv(study.results_csv().as_bytes()).unwrap();
            for (f, truth) in found.iter().zip([4, 2]) {
                f.put_into(&mut results, "image").unwrap();
                let cells = results.column(&f.name).unwrap();
                let right = (0..300).filter(|&i| cells[2 * i] == study.values[truth][i].to_string()).count();
                assert!(right > 280, "{aggregation:?} {}: {right}", f.name);
            }
        }
        let refused = |names: &[&str], schema: Option<&Schema>| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            aggregate(&table, &columns, &names, schema, Aggregation::Majority).unwrap_err().to_string()
        };
        assert!(refused(&["fog"], None).contains("no label of \"fog\"; annotated are blood_in_scene,"));
        let other: Schema = toml::from_str("[fog]\nkind = \"binary\"").unwrap();
        assert!(refused(&["smoke"], Some(&other)).contains("no characteristic \"smoke\"; it has fog"));
        let strict: Schema = toml::from_str("[smoke]\nkind = \"binary\"").unwrap();
        assert!(refused(&["smoke"], Some(&strict)).contains("accepted are 0, 1"));
    }
}
