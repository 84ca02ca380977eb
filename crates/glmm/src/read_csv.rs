//! Tables from CSV text: numbers where every value of a column is one, labels otherwise.
//!
//! Empty cells and `NA` are missing. A column of `TRUE` and `FALSE` (in any case) has those two levels. Levels that are
//! not given are sorted as R sorts them in the C locale: by their bytes, or by their size where all are numbers.

use crate::decimal::parse_decimal;
use crate::quote_watch::QuoteWatch;
use crate::table::{Column, Factor, Table, TableError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use thiserror::Error;

/// What is read, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CsvSettings {
    /// The columns that are kept; all where there is none.
    pub columns: Option<BTreeSet<String>>,
    /// Columns of labels whatever their cells hold.
    pub factors: BTreeMap<String, FactorSettings>,
    /// What stands between cells; a comma where there is none.
    pub separator: Option<u8>,
    /// Whether numbers keep what rounding to `f64` cuts off ([`Table::low`]).
    pub exact: bool,
}

/// How a column of labels is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactorSettings {
    /// The levels in their order; sorted where there are none.
    pub levels: Option<Vec<String>>,
    /// Whether the order means something.
    pub ordered: bool,
}

/// Why a text is no table.
#[derive(Debug, Error)]
pub enum CsvError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A line with another number of cells than the header.
    #[error("line {line} has {found} cells; the header has {expected}")]
    Cells {
        /// The line, from 1.
        line: u64,
        /// Its cells.
        found: u64,
        /// Cells of the header.
        expected: u64,
    },
    /// Not text.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// The line, from 1.
        line: u64,
    },
    /// A quotation mark that is never closed.
    #[error("the quotation mark that opens a cell in line {line} is never closed")]
    Quote {
        /// The line, from 1.
        line: u64,
    },
    /// No header.
    #[error("the file is empty: a header with the names of the columns is needed")]
    Empty,
    /// A header that looks like another separator.
    #[error("the header is one column, \"{header}\", and holds {separator:?}: is that the separator?")]
    Separator {
        /// The header.
        header: String,
        /// The character.
        separator: char,
    },
    /// Too many rows.
    #[error("more than {limit} rows")]
    TooManyRows {
        /// The greatest number.
        limit: u32,
    },
    /// A label outside the levels that were given.
    #[error("line {line}: column \"{column}\" holds \"{label}\", which is none of the levels given ({levels})")]
    Level {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The label.
        label: String,
        /// The levels, shortened.
        levels: String,
    },
    /// The columns make no table.
    #[error("{0}")]
    Table(#[from] TableError),
}

/// Rows that are looked at before it is decided which columns hold labels.
const SNIFFED: usize = 256;

/// Reads a table. `open` opens the text; it is called again where a column that began with numbers turns out to hold
/// labels.
pub fn read_csv<R: Read>(
    mut open: impl FnMut() -> std::io::Result<R>,
    settings: &CsvSettings,
) -> Result<Table, CsvError> {
    let header = header_of(open()?, settings)?;
    let mut columns: Vec<Reading> = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let wanted = settings.columns.as_ref().is_none_or(|columns| columns.contains(name));
        if wanted && !name.is_empty() {
            if columns.iter().any(|c: &Reading| c.name == *name) {
                return Err(TableError::Twice { name: name.clone() }.into());
            }
            let cells = match settings.factors.contains_key(name) {
                true => Cells::Labels(Labels::default()),
                false => Cells::Numbers { high: Vec::new(), low: settings.exact.then(Vec::new) },
            };
            columns.push(Reading { name: name.clone(), at, cells, is_done: false });
        }
    }
    // Columns whose first cells are labels are not tried as numbers to the end.
    sniff(open()?, settings, &mut columns)?;
    while columns.iter().any(|c| !c.is_done) {
        pass(open()?, settings, &mut columns)?;
    }
    let mut table = Table::new();
    for Reading { name, cells, .. } in columns {
        match cells {
            Cells::Numbers { high, low: Some(low) } => table.push_decimal(name, high, low)?,
            Cells::Numbers { high, low: None } => table.push(name, Column::Numbers(high))?,
            Cells::Labels(labels) => {
                let factor = labels.factor(&name, settings.factors.get(&name))?;
                table.push(name, Column::Factor(factor))?;
            }
        }
    }
    Ok(table)
}

/// A factor from the labels of its rows, read as cells of CSV are.
pub fn column_of_labels<'a>(
    name: &str,
    cells: impl IntoIterator<Item = &'a str>,
    settings: Option<&FactorSettings>,
) -> Result<Factor, CsvError> {
    let mut labels = Labels::default();
    for (row, cell) in cells.into_iter().enumerate() {
        labels.push(cell.trim().as_bytes(), row as u64 + 1)?;
    }
    labels.factor(name, settings)
}

/// One column as it is read.
struct Reading {
    name: String,
    at: usize,
    cells: Cells,
    is_done: bool,
}

enum Cells {
    Numbers { high: Vec<f64>, low: Option<Vec<f64>> },
    Labels(Labels),
}

/// Labels with the code of each row, in the order of their first appearance.
#[derive(Default)]
struct Labels {
    index: HashMap<Vec<u8>, u32>,
    /// Each label with the line it first stands at.
    labels: Vec<(String, u64)>,
    codes: Vec<u32>,
    /// The cell before and its code: tables are often sorted.
    last: Option<(Vec<u8>, u32)>,
}

fn reader<R: Read>(source: R, settings: &CsvSettings) -> csv::Reader<R> {
    csv::ReaderBuilder::new().delimiter(settings.separator.unwrap_or(b',')).buffer_capacity(1 << 16).from_reader(source)
}

fn header_of<R: Read>(source: R, settings: &CsvSettings) -> Result<Vec<String>, CsvError> {
    let mut reader = reader(source, settings);
    let header: Vec<String> = reader.headers().map_err(refusal)?.iter().map(|name| name.trim().to_owned()).collect();
    match &header[..] {
        [] => Err(CsvError::Empty),
        [only] if only.is_empty() => Err(CsvError::Empty),
        [only] => match only.chars().find(|c| ";\t|,".contains(*c)) {
            Some(separator) => Err(CsvError::Separator { header: only.clone(), separator }),
            None => Ok(header),
        },
        _ => Ok(header),
    }
}

fn sniff<R: Read>(source: R, settings: &CsvSettings, columns: &mut [Reading]) -> Result<(), CsvError> {
    let mut reader = reader(source, settings);
    for record in reader.byte_records().take(SNIFFED) {
        let record = record.map_err(refusal)?;
        for column in columns.iter_mut().filter(|c| matches!(c.cells, Cells::Numbers { .. })) {
            if number(trimmed(&record[column.at])).is_none() {
                column.cells = Cells::Labels(Labels::default());
            }
        }
    }
    Ok(())
}

/// Reads the columns that are not done. A column of numbers with a cell that is none becomes one of labels, and is read
/// in the next pass.
fn pass<R: Read>(source: R, settings: &CsvSettings, columns: &mut [Reading]) -> Result<(), CsvError> {
    let (source, open_quote) = QuoteWatch::new(source, settings.separator.unwrap_or(b','));
    let mut reader = reader(source, settings);
    let mut active: Vec<&mut Reading> = columns.iter_mut().filter(|c| !c.is_done).collect();
    active.iter_mut().for_each(|c| c.is_done = true);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0_u32;
    while reader.read_byte_record(&mut record).map_err(refusal)? {
        rows = rows.checked_add(1).filter(|r| *r < u32::MAX).ok_or(CsvError::TooManyRows { limit: u32::MAX - 1 })?;
        for column in active.iter_mut().filter(|c| c.is_done) {
            let cell = trimmed(&record[column.at]);
            let is_kept = match &mut column.cells {
                Cells::Labels(labels) => {
                    labels.push(cell, record.position().map_or(0, csv::Position::line))?;
                    true
                }
                Cells::Numbers { high, low: None } => number(cell).map(|value| high.push(value)).is_some(),
                Cells::Numbers { high, low: Some(low) } => match decimal(cell) {
                    Some((value, rest)) => {
                        high.push(value);
                        low.push(rest);
                        true
                    }
                    None => false,
                },
            };
            if !is_kept {
                column.cells = Cells::Labels(Labels::default());
                column.is_done = false;
            }
        }
    }
    open_quote.get().map_or(Ok(()), |line| Err(CsvError::Quote { line }))
}

fn trimmed(cell: &[u8]) -> &[u8] {
    cell.trim_ascii()
}

fn is_missing(cell: &[u8]) -> bool {
    cell.is_empty() || cell == b"NA"
}

/// The number that a cell holds, NaN where it is missing; None for other text.
fn number(cell: &[u8]) -> Option<f64> {
    if let Some(small) = small_integer(cell) {
        return Some(small);
    }
    if is_missing(cell) {
        return Some(f64::NAN);
    }
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// Up to eight digits, which many columns of indicators and counts hold.
fn small_integer(cell: &[u8]) -> Option<f64> {
    if cell.is_empty() || cell.len() > 8 {
        return None;
    }
    let digit = |value: u32, byte: &u8| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'));
    cell.iter().try_fold(0, digit).map(f64::from)
}

fn decimal(cell: &[u8]) -> Option<(f64, f64)> {
    if is_missing(cell) {
        return Some((f64::NAN, 0.0));
    }
    parse_decimal(std::str::from_utf8(cell).ok()?)
}

impl Labels {
    fn push(&mut self, cell: &[u8], line: u64) -> Result<(), CsvError> {
        if let Some((last, code)) = &self.last
            && last == cell
        {
            self.codes.push(*code);
            return Ok(());
        }
        let code = match self.index.get(cell) {
            Some(&code) => code,
            None if is_missing(cell) => Factor::MISSING,
            None => {
                let label = std::str::from_utf8(cell).map_err(|_| CsvError::NotText { line })?;
                let code = self.labels.len() as u32;
                self.labels.push((label.to_owned(), line));
                self.index.insert(cell.to_vec(), code);
                code
            }
        };
        self.codes.push(code);
        self.last = Some((cell.to_vec(), code));
        Ok(())
    }

    /// The labels as a factor.
    fn factor(self, column: &str, settings: Option<&FactorSettings>) -> Result<Factor, CsvError> {
        let ordered = settings.is_some_and(|s| s.ordered);
        let found: Vec<&str> = self.labels.iter().map(|(label, _)| label.as_str()).collect();
        let given = settings.and_then(|s| s.levels.clone());
        let levels = given.clone().unwrap_or_else(|| sorted(&found));
        let index: HashMap<&str, u32> = levels.iter().map(String::as_str).zip(0..).collect();
        let mut code_of = Vec::with_capacity(found.len());
        for (label, line) in &self.labels {
            let canonical = canonical(label);
            let code = index.get(label.as_str()).or_else(|| index.get(canonical.as_deref()?));
            code_of.push(*code.ok_or_else(|| CsvError::Level {
                line: *line,
                column: column.to_owned(),
                label: label.clone(),
                levels: shortened(&levels),
            })?);
        }
        let codes = self.codes.iter().map(|&c| code_of.get(c as usize).copied().unwrap_or(Factor::MISSING)).collect();
        Ok(Factor { levels, codes, ordered })
    }
}

/// The other form under which a label may be a level: a number as R writes it, or TRUE and FALSE.
fn canonical(label: &str) -> Option<String> {
    match label {
        "true" | "True" => Some("TRUE".into()),
        "false" | "False" => Some("FALSE".into()),
        _ => label.parse().ok().map(crate::formula::written_number),
    }
}

/// Distinct levels in the order of R: numbers by their size (and as R writes them), text as in a
/// [dictionary](crate::collation).
fn sorted(labels: &[&str]) -> Vec<String> {
    let numbers: Option<Vec<f64>> = labels.iter().map(|l| l.parse().ok().filter(|v: &f64| !v.is_nan())).collect();
    if let Some(mut numbers) = numbers {
        numbers.sort_by(f64::total_cmp);
        let mut levels: Vec<String> = numbers.into_iter().map(crate::formula::written_number).collect();
        levels.dedup();
        return levels;
    }
    let is_logical = labels.iter().all(|l| matches!(canonical(l).as_deref().unwrap_or(l), "TRUE" | "FALSE"));
    if is_logical {
        return vec!["FALSE".into(), "TRUE".into()];
    }
    let mut levels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
    levels.sort_by(|a, b| crate::collation::compare(a, b));
    levels
}

fn shortened(levels: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = if levels.len() > SHOWN { format!(" and {} more", levels.len() - SHOWN) } else { String::new() };
    format!("{}{more}", levels[..levels.len().min(SHOWN)].join(", "))
}

fn refusal(error: csv::Error) -> CsvError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => CsvError::Io(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            CsvError::Cells { line, found: len, expected: expected_len }
        }
        _ => CsvError::NotText { line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, settings: &CsvSettings) -> Result<Table, CsvError> {
        read_csv(|| Ok(text.as_bytes()), settings)
    }

    fn factor<'t>(table: &'t Table, name: &str) -> &'t Factor {
        match table.get(name) {
            Some(Column::Factor(factor)) => factor,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn columns_are_numbers_labels_or_truths() {
        let text = "a,\"b\",c,d,e\n1,x,TRUE,NA,10\n -2.5e3 ,\"y, z\",false,, \nNA,x,,7,b\n";
        let table = read(text, &CsvSettings::default()).unwrap();
        let Some(Column::Numbers(a)) = table.get("a") else { panic!() };
        assert_eq!(a[..2], [1.0, -2500.0]);
        assert!(a[2].is_nan());
        assert_eq!(factor(&table, "b").levels, ["x", "y, z"]);
        assert_eq!(
            (&factor(&table, "c").levels[..], &factor(&table, "c").codes[..]),
            (&["FALSE".to_owned(), "TRUE".into()][..], &[1, 0, Factor::MISSING][..])
        );
        assert!(matches!(table.get("d"), Some(Column::Numbers(d)) if d[2] == 7.0 && d[0].is_nan()));
        assert_eq!(
            (factor(&table, "e").levels.join(" "), &factor(&table, "e").codes[..]),
            ("10 b".into(), &[0, Factor::MISSING, 1][..])
        );
    }

    #[test]
    fn a_late_label_turns_numbers_into_labels_as_they_are_written() {
        let mut text = "x,n\n".to_owned();
        (0..1000).for_each(|i| text += &format!("0{},{i}\n", i % 3));
        text += "zebra,5\n";
        let table = read(&text, &CsvSettings::default()).unwrap();
        assert_eq!(factor(&table, "x").levels, ["00", "01", "02", "zebra"]);
        assert_eq!(table.rows(), 1001);
        assert!(matches!(table.get("n"), Some(Column::Numbers(n)) if n[1000] == 5.0));
    }

    #[test]
    fn levels_are_sorted_as_r_sorts_them_or_stand_as_given() {
        let text = "id,size\n10,lo\n9,hi\n2.0,mid\n10,lo\n";
        let settings = |name: &str, levels: Option<Vec<&str>>, ordered| CsvSettings {
            factors: BTreeMap::from([(
                name.into(),
                FactorSettings { levels: levels.map(|l| l.into_iter().map(str::to_owned).collect()), ordered },
            )]),
            ..CsvSettings::default()
        };
        let table = read(text, &settings("id", None, false)).unwrap();
        assert_eq!(
            (factor(&table, "id").levels.join(" "), &factor(&table, "id").codes[..]),
            ("2 9 10".into(), &[2, 1, 0, 2][..])
        );
        let table = read(text, &settings("size", Some(vec!["lo", "mid", "hi"]), true)).unwrap();
        assert_eq!((&factor(&table, "size").codes[..], factor(&table, "size").ordered), (&[0, 2, 1, 0][..], true));
        let error = read(text, &settings("size", Some(vec!["lo", "mid"]), false)).unwrap_err().to_string();
        assert_eq!(error, "line 3: column \"size\" holds \"hi\", which is none of the levels given (lo, mid)");
    }

    #[test]
    fn only_wanted_columns_are_kept_and_low_parts_where_asked() {
        let settings = CsvSettings { columns: Some(["y".to_owned()].into()), exact: true, ..CsvSettings::default() };
        let table = read("x,y\n1,1000000000000.4\n2,3\n", &settings).unwrap();
        assert_eq!(table.names().collect::<Vec<_>>(), ["y"]);
        assert!(table.low("y").is_some_and(|low| low[0] != 0.0 && low[1] == 0.0));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (text, expected) in [
            ("", "the file is empty: a header with the names of the columns is needed"),
            ("a,b\n1,2\n3\n", "line 3 has 1 cells; the header has 2"),
            ("a;b\n1;2\n", "the header is one column, \"a;b\", and holds ';': is that the separator?"),
            ("a,a\n1,2\n", "column \"a\" is there twice"),
            ("a,b\n1,\"x\n2,y\n3,z\n", "the quotation mark that opens a cell in line 2 is never closed"),
        ] {
            assert_eq!(read(text, &CsvSettings::default()).unwrap_err().to_string(), expected);
        }
        let bytes = b"a,b\nx,\xff\n";
        assert!(matches!(read_csv(|| Ok(&bytes[..]), &CsvSettings::default()), Err(CsvError::NotText { line: 2 })));
        assert_eq!(read("a,b\n", &CsvSettings::default()).unwrap().rows(), 0);
    }
}
