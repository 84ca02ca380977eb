//! Manifests: which file holds the reference of a case, and which the answer of an algorithm.
//!
//! A manifest is a table with the columns `case`, `algorithm`, `reference` and `prediction`, and, where there are any,
//! `task`, `cluster` (patient, procedure) and `image` (for pictures). Other columns are not looked at. File names start
//! from the folder of the manifest. An algorithm without an answer to a case leaves `prediction` empty.

use crate::metrics::request::{NamedScore, Request};
use crate::results::LongTable;
use crate::table::{Table, TableError};
use rayon::prelude::*;
use regiscope_image::read_labels;
use std::collections::HashMap;
use std::path::Path;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Task; [`LongTable::ONLY_TASK`] in a manifest without tasks.
    pub task: String,
    /// Case.
    pub case: String,
    /// Algorithm.
    pub algorithm: String,
    /// File of the reference.
    pub reference: String,
    /// File of the answer, if there is one.
    pub prediction: Option<String>,
    /// Patient, procedure or other unit that the case comes from.
    pub cluster: Option<String>,
    /// File of the image.
    pub image: Option<String>,
    /// Line of the table.
    pub line: u64,
}

/// Metrics of an answer; `None` where an algorithm gave none.
pub type Scores = Option<Vec<NamedScore>>;

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// The table is not what it must be.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The same answer twice.
    #[error(
        "line {second} repeats algorithm {algorithm:?}, case {case:?}, task {task:?} of line {first}; accepted is one row \
         for each"
    )]
    Duplicate {
        /// Task.
        task: String,
        /// Case.
        case: String,
        /// Algorithm.
        algorithm: String,
        /// First line.
        first: u64,
        /// Second line.
        second: u64,
    },
    /// The same case with two references.
    #[error("line {line}: the reference of case {case:?} of task {task:?} is {second:?} here and {first:?} before")]
    TwoReferences {
        /// Line.
        line: u64,
        /// Task.
        task: String,
        /// Case.
        case: String,
        /// Reference of the earlier row.
        first: String,
        /// Reference of this row.
        second: String,
    },
    /// Files that cannot be read or compared.
    #[error("line {line}: {reason}")]
    Files {
        /// Line.
        line: u64,
        /// What is wrong with them.
        reason: String,
    },
}

/// The rows of a manifest.
///
/// # Errors
/// If columns or names are missing, or rows contradict each other.
pub fn entries(table: &Table) -> Result<Vec<Entry>, ManifestError> {
    let has = |name: &str| table.names.iter().any(|n| n == name);
    let named = |name: &str| if has(name) { table.names(name).map(Some) } else { Ok(None) };
    let (task, cluster) = (named("task")?, named("cluster")?);
    let image = if has("image") { Some(table.column("image")?) } else { None };
    let (case, algorithm, reference) = (table.names("case")?, table.names("algorithm")?, table.names("reference")?);
    let prediction = table.column("prediction")?;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let entry = |row: usize| Entry {
        task: task.as_ref().map_or(LongTable::ONLY_TASK.to_owned(), |t| t[row].clone()),
        case: case[row].clone(),
        algorithm: algorithm[row].clone(),
        reference: reference[row].clone(),
        prediction: some(&prediction[row]),
        cluster: cluster.as_ref().map(|c| c[row].clone()),
        image: image.and_then(|i| some(&i[row])),
        line: table.lines[row],
    };
    let entries: Vec<Entry> = (0..table.lines.len()).map(entry).collect();
    let mut answers: HashMap<[&str; 3], u64> = HashMap::new();
    let mut references: HashMap<[&str; 2], &str> = HashMap::new();
    for Entry { task, case, algorithm, reference, line, .. } in &entries {
        if let Some(first) = answers.insert([task, case, algorithm], *line) {
            let (task, case, algorithm) = (task.clone(), case.clone(), algorithm.clone());
            return Err(ManifestError::Duplicate { task, case, algorithm, first, second: *line });
        }
        let first = *references.entry([task, case]).or_insert(reference);
        if first != reference {
            let (task, case, first, second) = (task.clone(), case.clone(), first.to_owned(), reference.clone());
            return Err(ManifestError::TwoReferences { line: *line, task, case, first, second });
        }
    }
    Ok(entries)
}

/// Metrics of each row, by label and metric as [`Request::names`] orders them; `None` where there is no answer. The
/// reference of a case is read once; cases are shared among threads.
///
/// # Errors
/// If files cannot be read, or do not lie on the same voxels.
pub fn evaluate(entries: &[Entry], folder: &Path, request: &Request) -> Result<Vec<Scores>, ManifestError> {
    let mut by_reference: HashMap<&str, Vec<usize>> = HashMap::new();
    for (row, entry) in entries.iter().enumerate() {
        by_reference.entry(&entry.reference).or_default().push(row);
    }
    let mut groups: Vec<Vec<usize>> = by_reference.into_values().collect();
    groups.sort();
    let of_group = |rows: &Vec<usize>| -> Result<Vec<(usize, Scores)>, ManifestError> {
        let read = |row: usize, name: &str| {
            let files = |reason: String| ManifestError::Files { line: entries[row].line, reason };
            read_labels(&folder.join(name)).map_err(|e| files(e.to_string()))
        };
        let reference = read(rows[0], &entries[rows[0]].reference)?;
        rows.iter()
            .map(|&row| {
                let Some(name) = &entries[row].prediction else { return Ok((row, None)) };
                let prediction = read(row, name)?;
                let files = |reason: String| ManifestError::Files { line: entries[row].line, reason };
                let scores = request.compare(&reference, &prediction);
                Ok((row, Some(scores.map_err(|e| files(format!("{name}: {e}")))?)))
            })
            .collect()
    };
    // The first mistake in the order of the table, whatever thread finds its own first.
    let mut found = vec![None; entries.len()];
    let answers: Vec<_> = groups.par_iter().map(of_group).collect();
    for answer in answers {
        for (row, scores) in answer? {
            found[row] = scores;
        }
    }
    Ok(found)
}

/// The values of one metric as a long table; NaN where a metric is undefined, infinite or has no answer.
pub fn long_table(entries: &[Entry], values: &[Option<f64>]) -> LongTable {
    let column = |of: fn(&Entry) -> &String| entries.iter().map(|e| of(e).clone()).collect();
    LongTable {
        task: Some(column(|e| &e.task)),
        case: column(|e| &e.case),
        algorithm: column(|e| &e.algorithm),
        value: values.iter().map(|v| v.filter(|v| v.is_finite()).unwrap_or(f64::NAN)).collect(),
        cluster: entries.iter().map(|e| e.cluster.clone()).collect(),
        line: entries.iter().map(|e| e.line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Entry>, ManifestError> {
        entries(&Table::from_csv(text.as_bytes())?)
    }

    #[test]
    fn columns_are_found_by_name() {
        let text = "algorithm,case,reference,prediction,cluster,more\nA,1,r.png,a.png,p,x\nB,1,r.png,,p,y\n";
        let entries = read(text).unwrap();
        assert_eq!((&*entries[0].task, entries[1].prediction.as_deref()), (LongTable::ONLY_TASK, None));
        let table = long_table(&entries, &[Some(0.5), None]);
        assert_eq!((table.value[0], table.cluster.unwrap()), (0.5, vec!["p".to_owned(); 2]));
        assert!(table.value[1].is_nan());
    }

    #[test]
    fn rows_that_contradict_are_refused() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        let header = "case,algorithm,reference,prediction\n";
        assert!(said(&format!("{header}1,A,r,a\n1,A,r,b\n")).contains("line 3 repeats"));
        assert!(said(&format!("{header}1,A,r,a\n1,B,s,b\n")).contains("\"s\" here and \"r\" before"));
        assert!(said(&format!("{header}1,A,,a\n")).contains("column \"reference\" is empty"));
        assert!(said("case,algorithm,reference\n1,A,r\n").contains("no column \"prediction\""));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_line() {
        let entries = read("case,algorithm,reference,prediction\n1,A,nowhere.png,a.png\n").unwrap();
        let request = Request::new(&["dsc".to_owned()], Default::default(), Default::default(), vec![]).unwrap();
        let error = evaluate(&entries, Path::new("."), &request).unwrap_err().to_string();
        assert!(error.starts_with("line 2") && error.contains("nowhere.png"), "{error}");
    }
}
