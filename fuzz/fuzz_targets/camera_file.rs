//! Camera and calibration files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_geometry::{calibration_file, camera_file};

fuzz_target!(|text: &str| {
    let _ = camera_file::parse(text);
    let _ = calibration_file::parse(text);
});
