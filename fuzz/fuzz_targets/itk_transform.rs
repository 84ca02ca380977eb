//! ITK transform files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_geometry::itk_transform_file;

fuzz_target!(|text: &str| {
    if let Ok(content) = itk_transform_file::parse(text) {
        let _ = content.rigid();
        let _ = content.map();
    }
});
