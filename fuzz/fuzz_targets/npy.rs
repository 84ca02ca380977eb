//! NumPy arrays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_image::{npy, read_image_bytes};

fuzz_target!(|bytes: &[u8]| {
    let _ = npy::read_image_bytes("a.npy".as_ref(), bytes.to_vec());
    let _ = read_image_bytes("a.npy".as_ref(), bytes.to_vec());
});
