//! Manifests of masks, and tables of boxes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_challenge::manifest::{entries, long_table};
use regiscope_challenge::metrics::boxes::{boxes, found};
use regiscope_challenge::results::{Better, Missing, from_long};
use regiscope_challenge::table::Table;

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = Table::from_csv(bytes) else { return };
    if let Ok(entries) = entries(&table) {
        let values: Vec<Option<f64>> = entries.iter().map(|e| e.prediction.as_ref().map(|p| p.len() as f64)).collect();
        let _ = from_long(&long_table(&entries, &values), Better::Larger, Missing::Value(0.0));
    }
    if let Ok(detections) = boxes(&table, true) {
        let found = found(&detections, &detections, 0.5, f64::NEG_INFINITY);
        assert_eq!(found.true_positive + found.false_positive, detections.len());
    }
});
