//! Tables for `regiscope challenge`: CSV, and Parquet where the program is built with the cargo feature `tables`.

use crate::program::failure::Failure;
use regiscope_challenge::table::Table;
use std::path::Path;

/// Reads a table; the format is chosen by the ending of the name.
pub fn read(path: &Path) -> Result<Table, Failure> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")) {
        return parquet(path);
    }
    let bytes = std::fs::read(path).map_err(|e| Failure::file(path, e))?;
    Table::from_csv(&bytes).map_err(|e| Failure::file(path, e))
}

#[cfg(feature = "tables")]
fn parquet(path: &Path) -> Result<Table, Failure> {
    use crate::program::info::table::contained;
    use polars_core::prelude::{AnyValue, PolarsError};
    use polars_io::SerReader;
    use polars_io::prelude::ParquetReader;

    /// The cell as it would stand in a CSV file; numbers round-trip.
    fn text(value: AnyValue) -> String {
        match value {
            AnyValue::Null => String::new(),
            AnyValue::Float64(v) => v.to_string(),
            AnyValue::Float32(v) => f64::from(v).to_string(),
            AnyValue::String(s) => s.trim().to_owned(),
            AnyValue::StringOwned(s) => s.trim().to_owned(),
            other => other.to_string(),
        }
    }
    std::fs::metadata(path).map_err(|e| Failure::file(path, e))?;
    let read = contained(|| {
        let file = std::fs::File::open(path).map_err(PolarsError::from)?;
        let frame = ParquetReader::new(file).finish()?;
        let names = frame.columns().iter().map(|c| c.name().to_string()).collect();
        let cells =
            |column: &polars_core::prelude::Column| (0..frame.height()).map(|r| column.get(r).map(text)).collect();
        let columns = frame.columns().iter().map(cells).collect::<Result<Vec<Vec<String>>, PolarsError>>()?;
        Ok(Table { names, columns, lines: (1..=frame.height() as u64).collect() })
    });
    let table = read.map_err(|reason| Failure::file(path, reason))?;
    if table.lines.is_empty() { Err(Failure::file(path, "the table has no rows")) } else { Ok(table) }
}

#[cfg(not(feature = "tables"))]
fn parquet(path: &Path) -> Result<Table, Failure> {
    Err(Failure::file(
        path,
        "a Parquet table, and this program was built without the cargo feature `tables`; CSV is read",
    ))
}
