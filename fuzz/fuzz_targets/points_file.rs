//! Files of points: CSV and Slicer's markups.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_geometry::points_file;

fuzz_target!(|text: &str| {
    if let Ok(points) = points_file::parse(text) {
        assert!(!points.is_empty() && points.iter().all(|p| p.position.iter().all(|v| v.is_finite())));
    }
});
