//! `regiscope info`.

use crate::support::{json, refused, run, write};
use serde_json::json;

#[test]
fn a_missing_file_is_named() {
    refused(&run(["info", "nowhere/missing.nii.gz"]), &["nowhere/missing.nii.gz", "No such file"]);
}

#[cfg(feature = "tables")]
#[test]
fn a_csv_table_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.csv", "case,error_mm,method\n1,0.5,ncc\n2,,ssd\n3,2,ncc\n");
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!((&value["kind"], &value["rows"]), (&json!("table"), &json!(3)));
    assert_eq!(
        value["columns"],
        json!([
            {"name": "case", "type": "integer", "missing": 0},
            {"name": "error_mm", "type": "number", "missing": 1},
            {"name": "method", "type": "text", "missing": 0},
        ])
    );
    for (name, content) in [("nul.csv", &b"a,b\n1,\0\n"[..]), ("empty.csv", b""), ("bytes.csv", b"a,b\n1,\xff\xfe\n")] {
        let path = write(folder.path(), name, content);
        refused(&run(["info".as_ref(), path.as_os_str()]), &[name]);
    }
}

#[cfg(feature = "tables")]
#[test]
fn a_parquet_table_is_described_and_damage_is_refused() {
    use polars_core::prelude::{Column, DataFrame};
    let folder = tempfile::tempdir().unwrap();
    let columns = vec![Column::new("case".into(), [1i64, 2, 3]), Column::new("method".into(), ["ncc", "ssd", "ncc"])];
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(3, columns).unwrap();
    polars_io::prelude::ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    let path = write(folder.path(), "a.parquet", &bytes);
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!((&value["rows"], &value["format"]), (&json!(3), &json!("Parquet")));
    assert_eq!(value["columns"], json!([{"name": "case", "type": "integer"}, {"name": "method", "type": "text"}]));
    // The footer kept, the pages gone; the footer cut; the footer's length wrong; every byte of the end flipped.
    let n = bytes.len();
    let mut damaged = vec![[&b"PAR1"[..], &bytes[n / 2..]].concat(), bytes[..n - 9].to_vec(), bytes[..7].to_vec()];
    damaged.extend((n - 12..n).map(|at| [&bytes[..at], &[!bytes[at]], &bytes[at + 1..]].concat()));
    for (at, bytes) in damaged.iter().enumerate() {
        let path = write(folder.path(), &format!("{at}.parquet"), bytes);
        refused(&run(["info".as_ref(), path.as_os_str()]), &[&format!("{at}.parquet")]);
    }
}
