//! The little of NumPy's formats that the reference files use: little-endian, C order, f32 or f64.

use std::io::Read;
use std::path::Path;

/// Shape and values of an array.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// Reads a `.npy` file from memory (format 1.0).
pub fn parse(bytes: &[u8]) -> Array {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let inside = header.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let body = &bytes[10 + length..];
    let values = if header.contains("'<f8'") {
        body.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    } else {
        assert!(header.contains("'<f4'"), "{header}");
        body.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
    };
    Array { shape, values }
}

/// One array of a `.npz` archive.
pub fn from_npz(path: &Path, name: &str) -> Array {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    parse(&bytes)
}
