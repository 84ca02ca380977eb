//! Tables of mixed models, as CSV.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_glmm::read_csv::{CsvSettings, FactorSettings, read_csv};
use regiscope_glmm::table::Column;

fuzz_target!(|bytes: &[u8]| {
    let mut settings = CsvSettings { exact: bytes.len() % 2 == 0, ..CsvSettings::default() };
    settings.factors.insert("g".into(), FactorSettings { levels: None, ordered: false });
    settings.factors.insert("h".into(), FactorSettings { levels: Some(vec!["1".into(), "2".into()]), ordered: true });
    let Ok(table) = read_csv(|| Ok(bytes), &settings) else { return };
    for name in table.names() {
        match table.get(name) {
            Some(Column::Numbers(numbers)) => assert_eq!(numbers.len(), table.rows()),
            Some(Column::Factor(factor)) => {
                assert_eq!(factor.codes.len(), table.rows());
                assert!(factor.codes.iter().all(|&c| c == u32::MAX || (c as usize) < factor.levels.len()));
            }
            None => unreachable!("a table has the columns that it names"),
        }
    }
});
