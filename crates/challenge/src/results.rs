//! The results of a challenge: one value for each task, case and algorithm.
//!
//! [`from_long`] makes them from the rows of a long table and says in its error what does not fit. What
//! happens to cells without a value is stated by [`Missing`]; nothing is left out in silence.

use std::collections::HashMap;
use std::fmt;

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Larger values, as for the Dice coefficient.
    Larger,
    /// Smaller values, as for distances.
    Smaller,
}

/// What happens to cells without a value: an empty cell, `NA`, NaN, or a row that is not there.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// An error that names the first of them.
    Refuse,
    /// The worst value that any algorithm has in the task.
    Worst,
    /// The case is left out for all algorithms of the task.
    DropCase,
    /// This value, as 0 for a Dice coefficient.
    Value(f64),
}

/// The rows of a long table, column by column; all columns are equally long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LongTable {
    /// Task of each row; without it there is one task, [`LongTable::ONLY_TASK`].
    pub task: Option<Vec<String>>,
    /// Case (image) of each row.
    pub case: Vec<String>,
    /// Algorithm of each row.
    pub algorithm: Vec<String>,
    /// Value of each row, NaN where there is none.
    pub value: Vec<f64>,
    /// Patient, procedure or other unit that the case of each row comes from.
    pub cluster: Option<Vec<String>>,
    /// Line of the file that each row stands in, for messages.
    pub line: Vec<u64>,
}

impl LongTable {
    /// Name of the task of a table without a column of tasks.
    pub const ONLY_TASK: &str = "task";
}

/// The results of one task: a full table of cases by algorithms.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskResults {
    /// Name of the task.
    pub task: String,
    /// Names of the algorithms.
    pub algorithms: Vec<String>,
    /// Names of the cases.
    pub cases: Vec<String>,
    /// For each case the number of its cluster, from 0 without gaps.
    pub clusters: Option<Vec<usize>>,
    /// Finite values, case by case: value `case · algorithms + algorithm`.
    pub values: Vec<f64>,
    /// Cells that had no value and were filled, or cases that were dropped.
    pub treated: usize,
}

impl TaskResults {
    /// The values of one case, one for each algorithm.
    pub fn case(&self, case: usize) -> &[f64] {
        &self.values[case * self.algorithms.len()..][..self.algorithms.len()]
    }

    /// The values of one algorithm, one for each case.
    pub fn algorithm(&self, algorithm: usize) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().skip(algorithm).step_by(self.algorithms.len()).copied()
    }
}

/// Why a table of results is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ResultsError {
    /// No rows.
    #[error("the table has no rows")]
    Empty,
    /// The same cell stands in two rows.
    #[error("line {second} repeats {cell} of line {first}; accepted is one row for each task, case and algorithm")]
    Duplicate {
        /// Which cell.
        cell: Cell,
        /// Its first line.
        first: u64,
        /// Its second line.
        second: u64,
    },
    /// Cells without a value, and no rule for them.
    #[error(
        "{cell} has no value ({count} such cells in the table); state what happens to them: the worst value, \
         dropping the case, or a value"
    )]
    Missing {
        /// The first such cell.
        cell: Cell,
        /// How many there are.
        count: usize,
    },
    /// A value that is no number one can rank.
    #[error("line {line}: the value of {cell} is {value:e}; accepted are finite numbers up to 1e150 in magnitude")]
    NotFinite {
        /// Line of the table.
        line: u64,
        /// Which cell.
        cell: Cell,
        /// What was found.
        value: f64,
    },
    /// The same case in two clusters.
    #[error("line {line}: case {case:?} of task {task:?} belongs to {second:?} here and to {first:?} before")]
    TwoClusters {
        /// Line of the table.
        line: u64,
        /// The task.
        task: String,
        /// The case.
        case: String,
        /// Cluster of the earlier row.
        first: String,
        /// Cluster of this row.
        second: String,
    },
    /// No case is left.
    #[error("no case of task {task:?} has values of all algorithms, so dropping cases leaves none")]
    NothingLeft {
        /// The task.
        task: String,
    },
    /// No value to learn the worst one from.
    #[error("task {task:?} has no values at all, so none of them is the worst one")]
    NoValues {
        /// The task.
        task: String,
    },
    /// A replacement that is no number.
    #[error("missing values are to be replaced by {0}; accepted are finite numbers")]
    Replacement(f64),
}

/// One cell of the results, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its task.
    pub task: String,
    /// Its case.
    pub case: String,
    /// Its algorithm.
    pub algorithm: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "algorithm {:?}, case {:?}, task {:?}", self.algorithm, self.case, self.task)
    }
}

/// Squares of larger values, which standard deviations need, would not be finite.
const LARGEST: f64 = 1e150;

/// Numbers for names, in the order of their first appearance.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    number: HashMap<String, usize>,
}

impl Names {
    fn number(&mut self, name: &str) -> usize {
        if let Some(&n) = self.number.get(name) {
            return n;
        }
        self.names.push(name.to_owned());
        self.number.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}

/// One task while its rows are gathered.
#[derive(Default)]
struct Gathered {
    cases: Names,
    /// (case, algorithm) to (value, line).
    cells: HashMap<(usize, usize), (f64, u64)>,
    /// Cluster of each case.
    clusters: Vec<usize>,
}

/// The results of all tasks, in the order of their first row.
///
/// Every algorithm of the table takes part in every task, so that one that left a task out has missing cells there.
///
/// # Errors
/// See [`ResultsError`].
pub fn from_long(table: &LongTable, better: Better, missing: Missing) -> Result<Vec<TaskResults>, ResultsError> {
    if table.case.is_empty() {
        return Err(ResultsError::Empty);
    }
    if let Missing::Value(value) = missing
        && !value.is_finite()
    {
        return Err(ResultsError::Replacement(value));
    }
    let (mut tasks, mut algorithms, mut clusters) = (Names::default(), Names::default(), Names::default());
    let mut gathered: Vec<Gathered> = Vec::new();
    for row in 0..table.case.len() {
        let task_name = table.task.as_ref().map_or(LongTable::ONLY_TASK, |t| &t[row]);
        let task = tasks.number(task_name);
        if task == gathered.len() {
            gathered.push(Gathered::default());
        }
        let (into, line) = (&mut gathered[task], table.line[row]);
        let (case, algorithm) = (into.cases.number(&table.case[row]), algorithms.number(&table.algorithm[row]));
        let cell = || Cell {
            task: task_name.to_owned(),
            case: table.case[row].clone(),
            algorithm: table.algorithm[row].clone(),
        };
        let value = table.value[row];
        if value.abs() > LARGEST {
            return Err(ResultsError::NotFinite { line, cell: cell(), value });
        }
        if let Some((_, first)) = into.cells.insert((case, algorithm), (value, line)) {
            return Err(ResultsError::Duplicate { cell: cell(), first, second: line });
        }
        if let Some(column) = &table.cluster {
            let cluster = clusters.number(&column[row]);
            if case == into.clusters.len() {
                into.clusters.push(cluster);
            } else if into.clusters[case] != cluster {
                return Err(ResultsError::TwoClusters {
                    line,
                    task: task_name.to_owned(),
                    case: table.case[row].clone(),
                    first: clusters.names[into.clusters[case]].clone(),
                    second: column[row].clone(),
                });
            }
        }
    }
    if missing == Missing::Refuse {
        refuse_missing(&tasks.names, &algorithms.names, &gathered)?;
    }
    let named = tasks.names.into_iter().zip(gathered);
    named.map(|(task, gathered)| treated(whole_table(task, &algorithms.names, gathered), better, missing)).collect()
}

fn refuse_missing(tasks: &[String], algorithms: &[String], gathered: &[Gathered]) -> Result<(), ResultsError> {
    let (mut count, mut first) = (0, None);
    for (task, gathered) in tasks.iter().zip(gathered) {
        for (case, case_name) in gathered.cases.names.iter().enumerate() {
            for (algorithm, name) in algorithms.iter().enumerate() {
                if gathered.cells.get(&(case, algorithm)).is_none_or(|(v, _)| v.is_nan()) {
                    count += 1;
                    first.get_or_insert_with(|| Cell {
                        task: task.clone(),
                        case: case_name.clone(),
                        algorithm: name.clone(),
                    });
                }
            }
        }
    }
    first.map_or(Ok(()), |cell| Err(ResultsError::Missing { cell, count }))
}

/// The table of one task with NaN where there is no value.
fn whole_table(task: String, algorithms: &[String], gathered: Gathered) -> TaskResults {
    let k = algorithms.len();
    let cases = gathered.cases.names;
    let mut values = vec![f64::NAN; cases.len() * k];
    for ((case, algorithm), (value, _)) in &gathered.cells {
        values[case * k + algorithm] = *value;
    }
    let clusters = (!gathered.clusters.is_empty()).then_some(gathered.clusters);
    let treated = values.iter().filter(|v| v.is_nan()).count();
    TaskResults { task, algorithms: algorithms.to_vec(), cases, clusters, values, treated }
}

/// The table with its missing cells treated.
fn treated(mut results: TaskResults, better: Better, missing: Missing) -> Result<TaskResults, ResultsError> {
    match missing {
        Missing::Refuse => {}
        Missing::Value(value) => fill(&mut results.values, value),
        Missing::Worst => {
            let present = results.values.iter().copied().filter(|v| !v.is_nan());
            let worst = match better {
                Better::Larger => present.reduce(f64::min),
                Better::Smaller => present.reduce(f64::max),
            };
            let worst = worst.ok_or_else(|| ResultsError::NoValues { task: results.task.clone() })?;
            fill(&mut results.values, worst);
        }
        Missing::DropCase => results = without_incomplete_cases(results)?,
    }
    results.clusters = results.clusters.as_deref().map(without_gaps);
    Ok(results)
}

fn fill(values: &mut [f64], with: f64) {
    for value in values.iter_mut().filter(|v| v.is_nan()) {
        *value = with;
    }
}

fn without_incomplete_cases(results: TaskResults) -> Result<TaskResults, ResultsError> {
    let k = results.algorithms.len();
    let whole: Vec<usize> = (0..results.cases.len()).filter(|&c| !results.case(c).iter().any(|v| v.is_nan())).collect();
    if whole.is_empty() {
        return Err(ResultsError::NothingLeft { task: results.task });
    }
    Ok(TaskResults {
        cases: whole.iter().map(|&c| results.cases[c].clone()).collect(),
        clusters: results.clusters.as_ref().map(|clusters| whole.iter().map(|&c| clusters[c]).collect()),
        values: whole.iter().flat_map(|&c| results.values[c * k..][..k].iter().copied()).collect(),
        treated: results.cases.len() - whole.len(),
        task: results.task,
        algorithms: results.algorithms,
    })
}

/// Numbers 0, 1, … in the order of first appearance.
fn without_gaps(clusters: &[usize]) -> Vec<usize> {
    let mut seen = HashMap::new();
    clusters
        .iter()
        .map(|c| {
            let next = seen.len();
            *seen.entry(*c).or_insert(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &str, &str, f64)]) -> LongTable {
        LongTable {
            task: Some(rows.iter().map(|r| r.0.to_owned()).collect()),
            case: rows.iter().map(|r| r.1.to_owned()).collect(),
            algorithm: rows.iter().map(|r| r.2.to_owned()).collect(),
            value: rows.iter().map(|r| r.3).collect(),
            cluster: None,
            line: (2..).take(rows.len()).collect(),
        }
    }

    #[test]
    fn rows_in_any_order_make_one_table() {
        let rows = [("t", "1", "B", 0.2), ("t", "2", "A", 0.3), ("t", "1", "A", 0.1), ("t", "2", "B", 0.4)];
        let results = from_long(&table(&rows), Better::Larger, Missing::Refuse).unwrap();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].algorithms, ["B", "A"]);
        assert_eq!(results[0].values, [0.2, 0.1, 0.4, 0.3]);
        assert_eq!(results[0].algorithm(1).collect::<Vec<_>>(), [0.1, 0.3]);
    }

    #[test]
    fn every_rule_for_missing_values_does_what_it_says() {
        let rows = [("t", "1", "A", 0.5), ("t", "1", "B", f64::NAN), ("t", "2", "A", 0.7), ("t", "2", "B", 0.9)];
        let treat = |better, missing| from_long(&table(&rows), better, missing).map(|r| r[0].values.clone());
        let refused = treat(Better::Larger, Missing::Refuse).unwrap_err();
        assert!(matches!(&refused, ResultsError::Missing { cell, count: 1 } if cell.algorithm == "B"), "{refused}");
        assert_eq!(treat(Better::Larger, Missing::Worst).unwrap(), [0.5, 0.5, 0.7, 0.9]);
        assert_eq!(treat(Better::Smaller, Missing::Worst).unwrap(), [0.5, 0.9, 0.7, 0.9]);
        assert_eq!(treat(Better::Larger, Missing::Value(0.0)).unwrap(), [0.5, 0.0, 0.7, 0.9]);
        assert_eq!(treat(Better::Larger, Missing::DropCase).unwrap(), [0.7, 0.9]);
        assert!(treat(Better::Larger, Missing::Value(f64::NAN)).is_err());
        let none = [("t", "1", "A", 0.5), ("t", "2", "B", 0.9)];
        let left = from_long(&table(&none), Better::Larger, Missing::DropCase);
        assert_eq!(left, Err(ResultsError::NothingLeft { task: "t".into() }));
    }

    #[test]
    fn an_algorithm_that_left_a_task_out_has_missing_cells_there() {
        let rows = [("t", "1", "A", 0.5), ("t", "1", "B", 0.6), ("u", "1", "A", 0.7)];
        let refused = from_long(&table(&rows), Better::Larger, Missing::Refuse).unwrap_err().to_string();
        assert!(refused.contains("algorithm \"B\", case \"1\", task \"u\""), "{refused}");
    }

    #[test]
    fn what_cannot_be_ranked_is_refused_with_its_line() {
        let twice = [("t", "1", "A", 0.5), ("t", "1", "A", 0.6)];
        let said = from_long(&table(&twice), Better::Larger, Missing::Refuse).unwrap_err().to_string();
        assert!(said.contains("line 3 repeats") && said.contains("line 2"), "{said}");
        let infinite = [("t", "1", "A", f64::INFINITY)];
        let said = from_long(&table(&infinite), Better::Larger, Missing::Worst).unwrap_err().to_string();
        assert!(said.contains("line 2") && said.contains("inf"), "{said}");
        let empty = from_long(&LongTable::default(), Better::Larger, Missing::Worst);
        assert_eq!(empty, Err(ResultsError::Empty));
        let mut clustered = table(&[("t", "1", "A", 0.5), ("t", "1", "B", 0.6)]);
        clustered.cluster = Some(vec!["p".into(), "q".into()]);
        let said = from_long(&clustered, Better::Larger, Missing::Refuse).unwrap_err().to_string();
        assert!(said.contains("\"p\"") && said.contains("\"q\""), "{said}");
    }

    #[test]
    fn clusters_are_numbered_without_gaps_after_cases_were_dropped() {
        let mut rows = table(&[
            ("t", "1", "A", 0.5),
            ("t", "1", "B", f64::NAN),
            ("t", "2", "A", 0.7),
            ("t", "2", "B", 0.9),
            ("t", "3", "A", 0.7),
            ("t", "3", "B", 0.9),
        ]);
        rows.cluster = Some(["p", "p", "q", "q", "r", "r"].map(String::from).to_vec());
        let results = from_long(&rows, Better::Larger, Missing::DropCase).unwrap();
        assert_eq!(results[0].clusters, Some(vec![0, 1]));
        assert_eq!(results[0].treated, 1);
    }
}
