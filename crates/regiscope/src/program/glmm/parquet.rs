//! Parquet tables, read by Polars.

use crate::program::failure::Failure;
use crate::program::panics::fenced;
use polars_core::prelude::{DataType, PolarsError, PolarsResult, Series};
use polars_io::SerReader;
use polars_io::prelude::ParquetReader;
use regiscope_glmm::read_csv::{CsvSettings, column_of_labels};
use regiscope_glmm::table::{Column, Table};
use std::fs::File;
use std::path::Path;

/// Reads the wanted columns of a Parquet file.
pub fn read(path: &Path, settings: &CsvSettings) -> Result<Table, Failure> {
    let wanted = |name: &str| settings.columns.as_ref().is_none_or(|columns| columns.contains(name));
    let length = std::fs::metadata(path).map_err(|e| Failure::file(path, e))?.len();
    let read = || -> PolarsResult<Vec<Series>> {
        let mut reader = ParquetReader::new(File::open(path).map_err(PolarsError::from)?);
        let chunks = reader.get_metadata()?.row_groups.iter().flat_map(|group| group.parquet_columns());
        if chunks.map(|chunk| chunk.byte_range().end).max().unwrap_or(0) > length {
            return Err(PolarsError::ComputeError("a column chunk ends past the end of the file".into()));
        }
        let names = reader.schema()?.iter_names().map(|n| n.to_string()).filter(|n| wanted(n)).collect::<Vec<_>>();
        let frame = reader.with_columns(Some(names)).finish()?;
        Ok(frame.columns().iter().map(|column| column.as_materialized_series().clone()).collect())
    };
    let one_line =
        |text: String| text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let series = match fenced(read) {
        Ok(Ok(series)) => series,
        Ok(Err(error)) => return Err(Failure::file(path, one_line(error.to_string()))),
        Err(panic) => return Err(Failure::file(path, format!("damaged ({})", one_line(panic)))),
    };
    let mut table = Table::new();
    for series in series {
        let name = series.name().to_string();
        let column = column(&series, settings).map_err(|reason| Failure::file(path, reason))?;
        table.push(name, column).map_err(|e| Failure::file(path, e))?;
    }
    Ok(table)
}

fn column(series: &Series, settings: &CsvSettings) -> Result<Column, String> {
    let name = series.name().as_str();
    let factor = settings.factors.get(name);
    let is_number = series.dtype().is_primitive_numeric();
    if is_number && factor.is_none() {
        let numbers = series.cast(&DataType::Float64).map_err(|e| e.to_string())?;
        let numbers = numbers.f64().map_err(|e| e.to_string())?;
        return Ok(Column::Numbers(numbers.iter().map(|v| v.unwrap_or(f64::NAN)).collect()));
    }
    let is_label = matches!(series.dtype(), DataType::String | DataType::Boolean);
    if !is_number && !is_label {
        return Err(format!(
            "column \"{name}\" has the type {}; numbers, text and truth values are accepted",
            series.dtype()
        ));
    }
    let text = series.cast(&DataType::String).map_err(|e| e.to_string())?;
    let labels = text.str().map_err(|e| e.to_string())?;
    column_of_labels(name, labels.iter().map(Option::unwrap_or_default), factor)
        .map(Column::Factor)
        .map_err(|e| e.to_string())
}
