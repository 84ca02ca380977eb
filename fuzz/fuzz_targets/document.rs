//! Experiment documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_experiment::Document;

fuzz_target!(|text: &str| {
    let _ = Document::parse(text, "a.toml");
});
