//! Tables: CSV and Parquet, read by Polars. Built with the cargo feature `tables`.
//!
//! A CSV file is read whole, its column types inferred from all rows. Of a Parquet file the footer is read (rows,
//! columns, types) and every column chunk must lie inside the file; its pages are not decoded.

use super::Description;
use crate::program::failure::Failure;
use crate::program::panics::fenced;
use polars_core::prelude::{ArrowDataType, DataType, PolarsError, PolarsResult};
use polars_io::SerReader;
use polars_io::prelude::{CsvParseOptions, CsvReadOptions, ParquetReader};
use serde::Serialize;
use serde_json::json;
use std::fs::File;
use std::io::Cursor;
use std::path::Path;

struct Table {
    format: &'static str,
    rows: usize,
    columns: Vec<Column>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    /// Empty cells; only known where the cells are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<usize>,
}

/// Looks at a table.
pub fn describe(path: &Path) -> Result<Description, Failure> {
    let is_parquet = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    let read = if is_parquet { parquet(path) } else { csv(path) };
    let table = read.map_err(|reason| Failure::file(path, reason))?;
    let Table { format, rows, columns, warnings } = &table;
    let value = json!({
        "kind": "table", "format": format, "rows": rows, "columns": columns, "warnings": warnings,
    });
    Ok(Description { value, text: text(&table), warnings: table.warnings })
}

fn text(table: &Table) -> String {
    let width = table.columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{} table, {} rows, {} columns\n", table.format, table.rows, table.columns.len());
    for column in &table.columns {
        text += &format!("  {:width$}  {}", column.name, column.data_type);
        if let Some(missing) = column.missing.filter(|&n| n > 0) {
            text += &format!(", {missing} missing");
        }
        text.push('\n');
    }
    text
}

fn csv(path: &Path) -> Result<Table, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    if let Some(at) = bytes.iter().position(|&b| b == 0) {
        return Err(format!("byte {at} is NUL, so this is not a CSV text"));
    }
    let separator = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv")) { b'\t' } else { b',' };
    let options = CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(None)
        .with_parse_options(CsvParseOptions::default().with_separator(separator));
    let frame = contained(|| options.into_reader_with_file_handle(Cursor::new(&bytes)).finish())?;
    let columns: Vec<Column> = frame
        .columns()
        .iter()
        .map(|c| Column { name: c.name().to_string(), data_type: type_name(c.dtype()), missing: Some(c.null_count()) })
        .collect();
    let mut warnings = Vec::new();
    for column in columns.iter().filter(|c| c.name.contains("_duplicated_")) {
        warnings.push(format!("a column name stands twice in the header; the later one is called {:?}", column.name));
    }
    if let [only] = &columns[..]
        && let Some(other) = only.name.chars().find(|c| ";\t|".contains(*c))
    {
        warnings.push(format!("one column, whose name contains {other:?}: is that the separator? Read were commas"));
    }
    Ok(Table { format: "CSV", rows: frame.height(), columns, warnings })
}

fn parquet(path: &Path) -> Result<Table, String> {
    let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    let (rows, columns, end) = contained(|| {
        let mut reader = ParquetReader::new(File::open(path).map_err(PolarsError::from)?);
        let columns: Vec<Column> = reader
            .schema()?
            .iter_values()
            .map(|field| Column { name: field.name.to_string(), data_type: arrow_name(&field.dtype), missing: None })
            .collect();
        let chunks = reader.get_metadata()?.row_groups.iter().flat_map(|group| group.parquet_columns());
        let end = chunks.map(|chunk| chunk.byte_range().end).max().unwrap_or(0);
        Ok((reader.num_rows()?, columns, end))
    })?;
    if end > length {
        return Err(format!("a column chunk ends at byte {end} and the file has {length} bytes"));
    }
    Ok(Table { format: "Parquet", rows, columns, warnings: Vec::new() })
}

/// Runs the table reader; its errors and panics come back as one line.
pub fn contained<T>(work: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    match fenced(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(first_paragraph(&error.to_string())),
        Err(panic) => Err(format!("damaged ({})", first_paragraph(&panic))),
    }
}

/// Polars' advice about its own API follows after an empty line and is of no use here.
fn first_paragraph(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int64 | DataType::Int32 => "integer".into(),
        DataType::Float64 | DataType::Float32 => "number".into(),
        DataType::String => "text".into(),
        other => other.to_string(),
    }
}

fn arrow_name(data_type: &ArrowDataType) -> String {
    use ArrowDataType as T;
    match data_type {
        T::Boolean => "boolean".into(),
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => "integer".into(),
        T::Float16 | T::Float32 | T::Float64 => "number".into(),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "text".into(),
        T::Date32 | T::Date64 => "date".into(),
        T::Timestamp(..) => "time".into(),
        other => format!("{other:?}"),
    }
}
