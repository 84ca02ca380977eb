//! Votes from tables.
//!
//! A **long** table has one label in each row: item, rater, label. A **wide** table has one item in each row and one
//! rater in each column. Cells that are empty, `NA` or `NaN` are no labels.

use super::schema::Characteristic;
use super::votes::{Vote, Votes};
use crate::table::{Table, TableError, is_missing};
use std::collections::{HashMap, HashSet};

/// Why annotations are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The table itself.
    #[error(transparent)]
    Table(#[from] TableError),
    /// No labels.
    #[error("the table has no labels")]
    NoLabels,
    /// A label that the schema does not know.
    #[error("line {line}: {found:?} is no label; accepted are {}", .accepted.join(", "))]
    Label {
        /// The line.
        line: u64,
        /// What stands there.
        found: String,
        /// The categories.
        accepted: Vec<String>,
    },
    /// A second label of the same rater.
    #[error("line {line}: rater {rater:?} labels item {item:?} again; accepted is one label of each rater")]
    Twice {
        /// The line.
        line: u64,
        /// The rater.
        rater: String,
        /// The item.
        item: String,
    },
    /// More categories than anyone distinguishes.
    #[error("there are {0} different labels; accepted are up to 1000 (is this the column of labels?)")]
    TooMany(usize),
}

/// One label before its category is known.
struct Cell<'a> {
    line: u64,
    item: &'a str,
    rater: &'a str,
    label: &'a str,
}

/// Votes of a long table. Without a schema categories are the labels that occur: by number where all are numbers, else
/// by name.
///
/// # Errors
/// See [`ImportError`].
pub fn long(
    table: &Table,
    item: &str,
    rater: &str,
    label: &str,
    schema: Option<&Characteristic>,
) -> Result<Votes, ImportError> {
    let (items, raters, labels) = (table.names(item)?, table.names(rater)?, table.column(label)?);
    let cells = (0..items.len()).map(|row| Cell {
        line: table.lines[row],
        item: &items[row],
        rater: &raters[row],
        label: &labels[row],
    });
    votes(cells.collect(), schema)
}

/// Votes of a wide table; all columns but `item` are raters. Without a column of items rows are numbered.
///
/// # Errors
/// See [`ImportError`].
pub fn wide(table: &Table, item: Option<&str>, schema: Option<&Characteristic>) -> Result<Votes, ImportError> {
    let numbers: Vec<String> = (1..=table.lines.len()).map(|n| n.to_string()).collect();
    let items = item.map_or(Ok(numbers), |name| table.names(name))?;
    let raters: Vec<usize> = (0..table.names.len()).filter(|&c| Some(&*table.names[c]) != item).collect();
    let cells = (0..items.len()).flat_map(|row| {
        let items = &items;
        raters.iter().map(move |&column| Cell {
            line: table.lines[row],
            item: &items[row],
            rater: &table.names[column],
            label: &table.columns[column][row],
        })
    });
    votes(cells.collect(), schema)
}

fn votes(cells: Vec<Cell>, schema: Option<&Characteristic>) -> Result<Votes, ImportError> {
    let cells: Vec<Cell> = cells.into_iter().filter(|cell| !is_missing(cell.label)).collect();
    if cells.is_empty() {
        return Err(ImportError::NoLabels);
    }
    let categories = schema.map_or_else(|| occurring(&cells), |s| Ok(s.categories()))?;
    let by_name: HashMap<&str, usize> = categories.iter().enumerate().map(|(i, c)| (&**c, i)).collect();
    let category = |label: &str| match schema {
        Some(schema) => schema.category(label),
        None => by_name.get(label).copied(),
    };
    let (mut items, mut raters, mut seen) = (Numbered::default(), Numbered::default(), HashSet::new());
    let mut all = Vec::with_capacity(cells.len());
    for cell in &cells {
        let category = category(cell.label).ok_or_else(|| ImportError::Label {
            line: cell.line,
            found: cell.label.to_owned(),
            accepted: categories.clone(),
        })?;
        let vote = Vote { item: items.number(cell.item), rater: raters.number(cell.rater), category };
        if !seen.insert((vote.item, vote.rater)) {
            let (rater, item) = (cell.rater.to_owned(), cell.item.to_owned());
            return Err(ImportError::Twice { line: cell.line, rater, item });
        }
        all.push(vote);
    }
    Ok(Votes { items: items.names, raters: raters.names, categories, votes: all })
}

/// The different labels, in order.
fn occurring(cells: &[Cell]) -> Result<Vec<String>, ImportError> {
    let different: HashSet<&str> = cells.iter().map(|cell| cell.label).collect();
    if different.len() > super::schema::MOST_CATEGORIES {
        return Err(ImportError::TooMany(different.len()));
    }
    let mut labels: Vec<&str> = different.into_iter().collect();
    let numbers: Option<Vec<f64>> = labels.iter().map(|l| l.parse().ok()).collect();
    if numbers.is_some() {
        let number = |label: &str| label.parse::<f64>().unwrap_or(f64::NAN);
        labels.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    } else {
        labels.sort_unstable();
    }
    Ok(labels.into_iter().map(str::to_owned).collect())
}

#[derive(Default)]
struct Numbered {
    names: Vec<String>,
    number: HashMap<String, usize>,
}

impl Numbered {
    fn number(&mut self, name: &str) -> usize {
        *self.number.entry(name.to_owned()).or_insert_with(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::from_csv(text.as_bytes()).unwrap()
    }

    #[test]
    fn long_and_wide_tables_say_the_same() {
        let a = long(&table("i,r,l\nx,p,2\nx,q,10\ny,p,2\ny,q,\n"), "i", "r", "l", None).unwrap();
        let b = wide(&table("i,p,q\nx,2,10\ny,2,NA\n"), Some("i"), None).unwrap();
        assert_eq!(a, b);
        assert_eq!(a.categories, ["2", "10"]);
        let unnamed = wide(&table("p,q\n2,10\n2,\n"), None, None).unwrap();
        assert_eq!((unnamed.items.len(), unnamed.votes.len()), (2, 3));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let twice = long(&table("i,r,l\nx,p,2\nx,p,3\n"), "i", "r", "l", None).unwrap_err().to_string();
        assert!(twice.contains("line 3") && twice.contains("\"p\"") && twice.contains("\"x\""), "{twice}");
        let unknown = wide(&table("p,q\n0,2\n"), None, Some(&Characteristic::Binary)).unwrap_err().to_string();
        assert!(unknown.contains("\"2\" is no label; accepted are 0, 1"), "{unknown}");
        assert_eq!(wide(&table("p,q\n,NA\n"), None, None), Err(ImportError::NoLabels));
    }
}
