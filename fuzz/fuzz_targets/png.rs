//! Grey PNG.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_image::read_image_bytes;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_image_bytes("a.png".as_ref(), bytes.to_vec());
});
