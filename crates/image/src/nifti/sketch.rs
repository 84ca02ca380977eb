//! NIfTI files for tests, written field by field apart from the code under test.

use crate::scalar::ByteOrder;

/// What stands in a header; [`Sketch::bytes`] makes the file.
#[derive(Clone)]
pub(crate) struct Sketch {
    pub version: u8,
    pub order: ByteOrder,
    pub magic: Option<[u8; 4]>,
    pub dim: Vec<i64>,
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub vox_offset: Option<f64>,
    pub scale: [f64; 2],
    pub units: u8,
    pub qform_code: i16,
    pub sform_code: i16,
    pub quatern: [f64; 3],
    pub qoffset: [f64; 3],
    pub srow: [[f64; 4]; 3],
    pub data: Vec<u8>,
}

impl Default for Sketch {
    /// 4 × 3 × 2 bytes 0…23 with an oblique sform, in mm.
    fn default() -> Self {
        Self {
            version: 1,
            order: ByteOrder::Little,
            magic: None,
            dim: vec![4, 3, 2],
            datatype: 2,
            bitpix: 8,
            pixdim: [1.0, 0.7, 0.8, 2.5, 1.0, 1.0, 1.0, 1.0],
            vox_offset: None,
            scale: [0.0, 0.0],
            units: 2,
            qform_code: 0,
            sform_code: 1,
            quatern: [0.1, -0.2, 0.3],
            qoffset: [-11.5, 12.25, 13.75],
            srow: [[0.5, -0.25, 1.0, -10.5], [0.125, 0.75, 0.3, 20.25], [-0.1, 0.2, 2.0, 30.125]],
            data: (0..24).collect(),
        }
    }
}

/// Writes numbers at places of a header in one byte order.
struct Pen<'a> {
    bytes: &'a mut [u8],
    big: bool,
}

impl Pen<'_> {
    fn put(&mut self, at: usize, little: &[u8]) {
        let place = &mut self.bytes[at..at + little.len()];
        place.copy_from_slice(little);
        if self.big {
            place.reverse();
        }
    }

    /// A real number: f32 in NIfTI-1, f64 in NIfTI-2.
    fn real(&mut self, version: u8, at: usize, n: usize, value: f64) {
        if version == 1 {
            self.put(at + 4 * n, &(value as f32).to_le_bytes());
        } else {
            self.put(at + 8 * n, &value.to_le_bytes());
        }
    }
}

impl Sketch {
    /// Offset of the data in a single file without extensions.
    fn natural_offset(&self) -> usize {
        if self.version == 1 { 352 } else { 544 }
    }

    /// The header alone, 348 or 540 bytes.
    pub fn header(&self) -> Vec<u8> {
        let v = self.version;
        let first = v == 1;
        let mut bytes = vec![0; if first { 348 } else { 540 }];
        let size = bytes.len() as i32;
        let mut pen = Pen { bytes: &mut bytes, big: self.order == ByteOrder::Big };
        pen.put(0, &size.to_le_bytes());
        let axes = self.dim.len() as i64;
        for (n, &extent) in std::iter::once(&axes).chain(&self.dim).enumerate() {
            if first {
                pen.put(40 + 2 * n, &(extent as i16).to_le_bytes());
            } else {
                pen.put(16 + 8 * n, &extent.to_le_bytes());
            }
        }
        pen.put(if first { 70 } else { 12 }, &self.datatype.to_le_bytes());
        pen.put(if first { 72 } else { 14 }, &self.bitpix.to_le_bytes());
        for n in 0..8 {
            pen.real(v, if first { 76 } else { 104 }, n, self.pixdim[n]);
        }
        let offset = self.vox_offset.unwrap_or(self.natural_offset() as f64);
        if first {
            pen.put(108, &(offset as f32).to_le_bytes());
            pen.put(252, &self.qform_code.to_le_bytes());
            pen.put(254, &self.sform_code.to_le_bytes());
            pen.bytes[123] = self.units;
        } else {
            pen.put(168, &(offset as i64).to_le_bytes());
            pen.put(344, &i32::from(self.qform_code).to_le_bytes());
            pen.put(348, &i32::from(self.sform_code).to_le_bytes());
            pen.put(500, &i32::from(self.units).to_le_bytes());
        }
        for (n, value) in self.scale.into_iter().enumerate() {
            pen.real(v, if first { 112 } else { 176 }, n, value);
        }
        for n in 0..3 {
            pen.real(v, if first { 256 } else { 352 }, n, self.quatern[n]);
            pen.real(v, if first { 268 } else { 376 }, n, self.qoffset[n]);
            for c in 0..4 {
                pen.real(v, if first { 280 } else { 400 }, 4 * n + c, self.srow[n][c]);
            }
        }
        let magic = self.magic.unwrap_or(if first { *b"n+1\0" } else { *b"n+2\0" });
        bytes[if first { 344 } else { 4 }..][..4].copy_from_slice(&magic);
        if !first {
            bytes[8..12].copy_from_slice(b"\r\n\x1a\n");
        }
        bytes
    }

    /// The whole file; the gap up to `vox_offset` is filled with 0xAB.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(self.natural_offset(), 0);
        if let Some(offset) = self.vox_offset.filter(|o| (0.0..1e6).contains(o)) {
            bytes.resize((offset as usize).max(bytes.len()), 0xab);
        }
        bytes.extend_from_slice(&self.data);
        bytes
    }
}
