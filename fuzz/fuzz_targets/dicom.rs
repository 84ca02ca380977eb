//! DICOM: one file as an image and as an X-ray.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_image::{dicom::read_xray_bytes, read_image_bytes};

fuzz_target!(|bytes: &[u8]| {
    let _ = read_image_bytes("a.dcm".as_ref(), bytes.to_vec());
    let _ = read_xray_bytes("a.dcm".as_ref(), bytes.to_vec(), Some(0));
});
