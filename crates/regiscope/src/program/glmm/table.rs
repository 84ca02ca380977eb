//! The table of a model: CSV, TSV or Parquet.

use crate::program::args::glmm::TermArgs;
use crate::program::failure::Failure;
use regiscope_glmm::formula::ColumnsUsed;
use regiscope_glmm::read_csv::{CsvSettings, FactorSettings, read_csv};
use regiscope_glmm::table::Table;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// Reads the columns that a model uses.
pub fn read(path: &Path, terms: &TermArgs, used: &ColumnsUsed, exact: bool) -> Result<Table, Failure> {
    let factors = factors(terms)?;
    let columns = (!used.all).then(|| used.names.clone());
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let separator = match (terms.separator, extension.as_deref()) {
        (Some(separator), _) => Some(u8::try_from(separator).map_err(|_| {
            Failure::Input(format!("--separator {separator:?}: the separator is one character of ASCII"))
        })?),
        (None, Some("tsv")) => Some(b'\t'),
        (None, _) => None,
    };
    let settings = CsvSettings { columns, factors, separator, exact };
    // A missing file is told as such, whatever its name promises.
    let is_folder = std::fs::metadata(path).map_err(|e| Failure::file(path, e))?.is_dir();
    if is_folder {
        return Err(Failure::file(path, "a folder, and a table is needed"));
    }
    if extension.as_deref() == Some("parquet") {
        return read_parquet(path, &settings);
    }
    read_csv(|| File::open(path), &settings).map_err(|e| Failure::file(path, e))
}

#[cfg(feature = "tables")]
use super::parquet::read as read_parquet;

#[cfg(not(feature = "tables"))]
fn read_parquet(path: &Path, _: &CsvSettings) -> Result<Table, Failure> {
    Err(Failure::file(path, "a Parquet table, and this program was built without the cargo feature `tables`"))
}

/// The columns of labels that --factor and --ordered name.
fn factors(terms: &TermArgs) -> Result<BTreeMap<String, FactorSettings>, Failure> {
    let mut factors = BTreeMap::new();
    let unordered = terms.factor.iter().map(|text| ("--factor", text, false));
    for (option, text, ordered) in unordered.chain(terms.ordered.iter().map(|text| ("--ordered", text, true))) {
        let refuse = |reason: &str| Failure::Input(format!("{option} {text}: {reason}"));
        let (name, levels) = match text.split_once('=') {
            None => (text.as_str(), None),
            Some((name, levels)) => (name, Some(list(levels).ok_or_else(|| refuse("the levels are no list"))?)),
        };
        if name.is_empty() {
            return Err(refuse("the name of a column is missing; accepted is COL or COL=l1,l2"));
        }
        let mut sorted = levels.clone().unwrap_or_default();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|w| w[0] == w[1]) {
            return Err(refuse(&format!("the level \"{}\" is there twice", twice[0])));
        }
        if factors.insert(name.to_owned(), FactorSettings { levels, ordered }).is_some() {
            return Err(refuse("the column is named twice"));
        }
    }
    Ok(factors)
}

/// Levels between commas; one that holds a comma stands in double quotes.
fn list(text: &str) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(record.iter().map(|level| level.trim().to_owned()).collect())
}
