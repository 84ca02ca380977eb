//! Tables of text: CSV as spreadsheets and R write it.
//!
//! UTF-8, with or without a byte order mark; lines end with LF or CR LF; fields may be quoted. The separator is the
//! comma, or the semicolon or tab where the header has no comma but one of these. [`long_table`] picks the columns of
//! a long table of results out of it and reads its numbers.

use crate::results::LongTable;

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Columns, all equally long.
    pub columns: Vec<Vec<String>>,
    /// Line of the file that each row begins in.
    pub lines: Vec<u64>,
}

/// Which columns of a table hold what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongColumns {
    /// Tasks; none where all rows are of one task.
    pub task: Option<String>,
    /// Cases.
    pub case: String,
    /// Algorithms.
    pub algorithm: String,
    /// Values.
    pub value: String,
    /// Patients, procedures or other units that cases come from.
    pub cluster: Option<String>,
}

/// Why a table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not a byte.
    #[error("the file is empty; expected is a header line and rows")]
    Empty,
    /// A header alone.
    #[error("there is a header line and no rows")]
    NoRows,
    /// Not text.
    #[error("byte {at} is no UTF-8 text")]
    NotText {
        /// Where the first bad byte stands.
        at: usize,
    },
    /// A row with too few or too many fields.
    #[error("line {line} has {found} fields and the header has {expected}")]
    Ragged {
        /// The line.
        line: u64,
        /// Fields of the line.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// Two columns of the same name.
    #[error("the header names column {0:?} twice")]
    TwiceNamed(String),
    /// No such column.
    #[error("there is no column {wanted:?}; the columns are {}", listed(.there))]
    NoColumn {
        /// The name asked for.
        wanted: String,
        /// The names in the header.
        there: Vec<String>,
    },
    /// An empty name of a task, case, algorithm or cluster.
    #[error("line {line}: column {column:?} is empty; accepted is a name in every row")]
    NoName {
        /// The line.
        line: u64,
        /// The column.
        column: String,
    },
    /// Not a number.
    #[error(
        "line {line}: {found:?} in column {column:?} is no number; accepted are numbers, and nothing, NA or NaN for none"
    )]
    NotANumber {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        found: String,
    },
}

/// At most a dozen names, quoted.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(12).map(|n| format!("{n:?}")).collect();
    let more = if names.len() > 12 { format!(" and {} more", names.len() - 12) } else { String::new() };
    shown.join(", ") + &more
}

impl Table {
    /// Reads a table from the bytes of a file.
    ///
    /// # Errors
    /// If it is empty, no text, or not rectangular.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, TableError> {
        let text = std::str::from_utf8(bytes).map_err(|e| TableError::NotText { at: e.valid_up_to() })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(TableError::Empty);
        }
        if let Some(at) = text.find('\0') {
            return Err(TableError::NotText { at });
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator(text))
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let read = |record: Option<Result<csv::StringRecord, csv::Error>>| {
            record.transpose().map_err(|_| TableError::NotText { at: 0 })
        };
        let header = read(records.next())?.ok_or(TableError::Empty)?;
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        for (at, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..at].contains(name) {
                return Err(TableError::TwiceNamed(name.clone()));
            }
        }
        let mut table = Self { columns: vec![Vec::new(); names.len()], names, lines: Vec::new() };
        let mut lines = LineCounter { text, at: 0, line: 1 };
        while let Some(record) = read(records.next())? {
            let line = lines.line_of(record.position().map_or(0, csv::Position::byte) as usize);
            if record.len() != table.names.len() {
                // Blank lines at the end of a file are no rows.
                if record.iter().all(|field| field.trim().is_empty()) {
                    continue;
                }
                return Err(TableError::Ragged { line, found: record.len(), expected: table.names.len() });
            }
            for (column, field) in table.columns.iter_mut().zip(&record) {
                column.push(field.trim().to_owned());
            }
            table.lines.push(line);
        }
        if table.lines.is_empty() { Err(TableError::NoRows) } else { Ok(table) }
    }

    /// A column by its name.
    ///
    /// # Errors
    /// If there is none.
    pub fn column(&self, name: &str) -> Result<&[String], TableError> {
        let at = self.names.iter().position(|n| n == name);
        let at = at.ok_or_else(|| TableError::NoColumn { wanted: name.to_owned(), there: self.names.clone() })?;
        Ok(&self.columns[at])
    }

    /// A column of names, none of them empty.
    ///
    /// # Errors
    /// If there is no such column, or a name is missing.
    pub fn names(&self, column: &str) -> Result<Vec<String>, TableError> {
        let names = self.column(column)?;
        if let Some(row) = names.iter().position(String::is_empty) {
            return Err(TableError::NoName { line: self.lines[row], column: column.to_owned() });
        }
        Ok(names.to_vec())
    }

    /// A column of numbers; nothing, `NA` and `NaN` are none and become NaN.
    ///
    /// # Errors
    /// If there is no such column, or a cell is no number.
    pub fn numbers(&self, column: &str) -> Result<Vec<f64>, TableError> {
        let cells = self.column(column)?.iter().zip(&self.lines);
        cells
            .map(|(text, &line)| {
                number(text).ok_or_else(|| TableError::NotANumber {
                    line,
                    column: column.to_owned(),
                    found: text.clone(),
                })
            })
            .collect()
    }
}

/// Counts lines up to where a record begins; the reader's own count is late after CR LF.
struct LineCounter<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    fn line_of(&mut self, mut byte: usize) -> u64 {
        let bytes = self.text.as_bytes();
        while bytes.get(byte).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            byte += 1;
        }
        self.line += bytes[self.at..byte].iter().filter(|&&b| b == b'\n').count() as u64;
        self.at = byte;
        self.line
    }
}

/// Whether a cell says that it has no value.
pub fn is_missing(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("na") || text.eq_ignore_ascii_case("nan")
}

/// The number of a cell, NaN where it has none.
pub fn number(text: &str) -> Option<f64> {
    if is_missing(text) { Some(f64::NAN) } else { text.parse().ok() }
}

fn separator(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let has = |c| header.contains(c);
    match (has(','), has(';'), has('\t')) {
        (false, true, _) => b';',
        (false, false, true) => b'\t',
        _ => b',',
    }
}

/// The long table in the named columns.
///
/// # Errors
/// If a column is not there, or holds what it must not.
pub fn long_table(table: &Table, columns: &LongColumns) -> Result<LongTable, TableError> {
    let optional = |column: &Option<String>| column.as_ref().map(|c| table.names(c)).transpose();
    Ok(LongTable {
        task: optional(&columns.task)?,
        case: table.names(&columns.case)?,
        algorithm: table.names(&columns.algorithm)?,
        value: table.numbers(&columns.value)?,
        cluster: optional(&columns.cluster)?,
        line: table.lines.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> LongColumns {
        let [case, algorithm, value] = ["case", "alg", "value"].map(String::from);
        LongColumns { task: None, case, algorithm, value, cluster: None }
    }

    fn read(text: &str) -> Result<LongTable, TableError> {
        long_table(&Table::from_csv(text.as_bytes())?, &columns())
    }

    #[test]
    fn marks_line_ends_quotes_and_separators_of_other_programs_are_read() {
        let plain = read("case,alg,value\n1,A,0.5\n2,\"B, b\",1e-3\n").unwrap();
        assert_eq!(
            (&plain.algorithm[1][..], &plain.value[..], &plain.line[..]),
            ("B, b", &[0.5, 1e-3][..], &[2, 3][..])
        );
        for other in [
            "\u{feff}case,alg,value\r\n1,A,0.5\r\n2,\"B, b\",1e-3\r\n\r\n",
            "case;alg;value\n1;A;0.5\n2;B, b;1e-3",
            "case\talg\tvalue\n1\tA\t0.5\n2\tB, b\t1e-3\n\n",
            " case , alg , value \n 1 , A , 0.5 \n2,\"B, b\", 0.001",
        ] {
            assert_eq!(read(other).unwrap(), plain, "{other:?}");
        }
    }

    #[test]
    fn cells_without_a_value_are_nan() {
        let table = read("case,alg,value\n1,A,\n2,A,NA\n3,A,NaN\n4,A,na\n").unwrap();
        assert!(table.value.iter().all(|v| v.is_nan()));
        assert_eq!(read("case,alg,value\n1,A,-inf\n").unwrap().value, [f64::NEG_INFINITY]);
    }

    #[test]
    fn what_is_no_table_is_refused_in_a_sentence() {
        let said = |bytes: &[u8]| match Table::from_csv(bytes).and_then(|t| long_table(&t, &columns())) {
            Ok(_) => panic!("{bytes:?} is accepted"),
            Err(error) => error.to_string(),
        };
        assert!(said(b"").contains("empty"));
        assert!(said(b"\xef\xbb\xbf\r\n").contains("empty"));
        assert!(said(b"case,alg,value\n").contains("no rows"));
        assert!(said(b"case,alg,value\n1,A\n").contains("line 2 has 2 fields and the header has 3"));
        assert!(said(b"case,alg,value\n1,A,0.1,7\n").contains("4 fields"));
        assert!(said(b"case,alg,alg\n1,A,0.1\n").contains("\"alg\" twice"));
        assert!(said(b"case,algo,value\n1,A,0.1\n").contains("no column \"alg\"; the columns are \"case\", \"algo\""));
        assert!(said(b"case,alg,value\n1,,0.1\n").contains("line 2: column \"alg\" is empty"));
        assert!(said(b"case,alg,value\n1,A,high\n").contains("line 2: \"high\" in column \"value\" is no number"));
        assert!(said(b"case,alg,value\n1,A,0,5\n").contains("fields"));
        assert!(said(b"case,alg,value\n1,\xff,0.5\n").contains("byte 17"));
        assert!(said(b"case,alg,value\n1,\0,0.5\n").contains("UTF-8"));
    }
}
