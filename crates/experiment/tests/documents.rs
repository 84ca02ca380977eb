//! Every document in `experiments/` is accepted.

use regiscope_experiment::{Document, Places, check};
use std::path::PathBuf;

#[test]
fn every_document_loads_and_checks() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let places = Places { base_dir: folder.clone(), data_dir: folder.join("no-data-here") };
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let document = Document::parse(&std::fs::read_to_string(&path).unwrap(), &name);
        let document = document.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!document.tables.question.is_empty(), "{name} does not say what it asks");
        match check(&document, &places) {
            Ok(experiment) => {
                let estimate = experiment.estimate();
                assert!(estimate.memory_bytes > 1 << 20 && estimate.core_seconds > 0.1, "{name}: {estimate:?}");
                assert_eq!(experiment.warnings, Vec::<String>::new(), "{name}");
            }
            // Only a dataset that is not fetched, or a file of the reader's own, may be missing.
            Err(errors) => {
                let words = |e: &regiscope_experiment::document::DocumentError| {
                    e.help
                        .as_deref()
                        .is_some_and(|h| h.contains("regiscope data fetch") || h.contains("names another file"))
                };
                assert!(errors.errors.iter().all(words), "{errors}");
            }
        }
    }
    assert!(seen >= 4, "only {seen} documents in {}", folder.display());
}
