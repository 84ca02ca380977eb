//! Damaged files end in one sentence that names them; nothing panics and nothing is allocated for what a file
//! only claims.

use super::sketch::Sketch;
use crate::scalar::ByteOrder;
use crate::{ReadError, read_header, read_image, read_image_bytes, read_volume};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::Write;
use std::path::Path;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads in all three ways, which must agree on whether the file is sound, and gives the refusal.
fn refusal(path: &Path) -> Option<ReadError> {
    let (image, header, volume) = (read_image(path), read_header(path), read_volume(path));
    assert_eq!(image.is_ok(), header.is_ok(), "{image:?}");
    if let Err(e) = &volume {
        assert!(image.is_err() || matches!(e, ReadError::NotAVolume { .. }), "{e}");
    }
    let error = image.err()?;
    let sentence = error.to_string();
    assert!(sentence.contains(path.file_name().unwrap().to_str().unwrap()), "{sentence}");
    assert!(!sentence.contains('\n') && sentence.len() < 600, "{sentence}");
    Some(error)
}

#[test]
fn broken_headers_are_refused_by_field() {
    let base = Sketch::default;
    let mut zero_spacing = Sketch { sform_code: 0, ..base() };
    zero_spacing.pixdim[2] = 0.0;
    let mut nan_spacing = Sketch { sform_code: 0, qform_code: 1, ..base() };
    nan_spacing.pixdim[3] = f64::NAN;
    let mut nan_affine = base();
    nan_affine.srow[1][1] = f64::NAN;
    let mut infinite_affine = base();
    infinite_affine.srow[0][3] = f64::INFINITY;
    let mut flat_affine = base();
    flat_affine.srow = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]];
    let cases = [
        (Sketch { dim: vec![], ..base() }, "dim[0] is 0"),
        (Sketch { dim: vec![4, -3, 2], ..base() }, "dim[2] is -3"),
        (Sketch { dim: vec![4, 3, 0], ..base() }, "dim[3] is 0"),
        (Sketch { version: 2, dim: vec![1 << 40, 1 << 40, 2], ..base() }, "dim is"),
        (Sketch { version: 2, dim: vec![i64::MAX, 1, 1], ..base() }, "dim is"),
        (Sketch { dim: vec![32767; 7], ..base() }, "dim is"),
        (Sketch { dim: vec![1000, 1000, 1000], ..base() }, "truncated: 1000000000 bytes"),
        (Sketch { data: vec![0; 23], ..base() }, "truncated: 24 bytes of data are declared and 23 are there"),
        (Sketch { data: vec![], ..base() }, "truncated"),
        (Sketch { datatype: 0, ..base() }, "datatype is 0"),
        (Sketch { datatype: 32, bitpix: 64, ..base() }, "complex64"),
        (Sketch { datatype: 128, bitpix: 24, ..base() }, "RGB"),
        (Sketch { datatype: 2304, bitpix: 32, ..base() }, "RGBA"),
        (Sketch { datatype: 4, bitpix: 8, ..base() }, "bitpix is 8"),
        (Sketch { vox_offset: Some(0.0), ..base() }, "vox_offset is 0"),
        (Sketch { vox_offset: Some(200.0), ..base() }, "vox_offset is 200"),
        (Sketch { vox_offset: Some(-352.0), ..base() }, "vox_offset is -352"),
        (Sketch { vox_offset: Some(352.5), ..base() }, "vox_offset is 352.5"),
        (Sketch { vox_offset: Some(f64::NAN), ..base() }, "vox_offset is NaN"),
        (Sketch { vox_offset: Some(1e9), ..base() }, "vox_offset is 1000000000"),
        (Sketch { version: 2, vox_offset: Some(9.2e18), ..base() }, "vox_offset is 92"),
        (Sketch { scale: [2.0, f64::NAN], ..base() }, "scl_inter is NaN"),
        (Sketch { magic: Some(*b"nx1\0"), ..base() }, "magic"),
        (Sketch { magic: Some([0; 4]), ..base() }, "Analyze 7.5"),
        (Sketch { sform_code: 0, qform_code: 1, quatern: [1.0, 1.0, 0.0], ..base() }, "quatern_b, _c, _d"),
        (Sketch { sform_code: 0, qform_code: 1, quatern: [f64::NAN, 0.0, 0.0], ..base() }, "quatern_b, _c, _d"),
        (zero_spacing, "pixdim[2] is 0"),
        (nan_spacing, "pixdim[3] is NaN"),
        (nan_affine, "not finite"),
        (infinite_affine, "not finite"),
        (flat_affine, "singular"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (n, (sketch, words)) in cases.into_iter().enumerate() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let path = folder.path().join(format!("case-{n}.nii"));
            std::fs::write(&path, Sketch { order, ..sketch.clone() }.bytes()).unwrap();
            let sentence = refusal(&path).map(|e| e.to_string()).unwrap_or_else(|| panic!("accepted: {words}"));
            assert!(sentence.contains(words), "{sentence} / {words}");
        }
    }
}

#[test]
fn damaged_streams_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Sketch::default().bytes();
    let packed = gzip(&whole);
    let mut wrong_checksum = packed.clone();
    *wrong_checksum.iter_mut().rev().nth(5).unwrap() ^= 1;
    let mut wrong_length = packed.clone();
    *wrong_length.last_mut().unwrap() ^= 1;
    let text_mode = {
        let mut bytes = Sketch { version: 2, ..Sketch::default() }.bytes();
        bytes[8..12].copy_from_slice(b"\n\x1a\n\0");
        bytes
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.nii", vec![], "empty"),
        ("zeros.nii", vec![0; 600], "zeros"),
        ("text.nii", b"hello, world, this is no image".to_vec(), "hello"),
        ("short-header.nii", whole[..200].to_vec(), "truncated"),
        ("header-only.nii", whole[..348].to_vec(), "vox_offset"),
        ("no-voxels.nii", whole[..352].to_vec(), "truncated"),
        ("cut.nii.gz", packed[..packed.len() - 12].to_vec(), "end early"),
        ("no-checksum.nii.gz", packed[..packed.len() - 8].to_vec(), "end early"),
        ("checksum.nii.gz", wrong_checksum, "broken"),
        ("length.nii.gz", wrong_length, "broken"),
        ("few-voxels.nii.gz", gzip(&whole[..370]), "truncated: 24 bytes of data are declared and 18 are there"),
        ("member.nii.gz", [gzip(&whole[..370]), b"garbage".to_vec()].concat(), "18 are there"),
        ("text-mode.nii", text_mode, "text mode"),
    ];
    for (name, bytes, words) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let sentence = refusal(&path).unwrap_or_else(|| panic!("accepted: {name}")).to_string();
        assert!(sentence.contains(words), "{sentence}");
    }
    let garbage = folder.path().join("garbage.nii.gz");
    std::fs::write(&garbage, [packed, b"garbage".to_vec()].concat()).unwrap();
    let image = read_image(&garbage).unwrap();
    assert!(image.header().warnings.iter().any(|w| w.as_str().contains("not gzip follow")));
    assert!(read_image(folder.path()).is_err() && read_image(&folder.path().join("absent.nii")).is_err());
}

#[test]
fn bombs_are_refused_before_they_expand() {
    let folder = tempfile::tempdir().unwrap();
    // A kilobyte that declares 2 TiB: more than deflate could expand it to.
    let claim = Sketch { dim: vec![8192, 8192, 8192], datatype: 64, bitpix: 64, ..Sketch::default() };
    let path = folder.path().join("claim.nii.gz");
    std::fs::write(&path, gzip(&claim.bytes())).unwrap();
    assert!(
        matches!(refusal(&path), Some(ReadError::Truncated { needed: 0x400_0000_0000, found, .. }) if found < 1 << 20)
    );
    // Small data with 65 MiB of zeros behind them: not what the header declares.
    let mut bytes = Sketch::default().bytes();
    bytes.resize(65 << 20, 0);
    let path = folder.path().join("tail.nii.gz");
    std::fs::write(&path, gzip(&bytes)).unwrap();
    assert!(refusal(&path).unwrap().to_string().contains("64 MiB follow"));
}

#[test]
fn mutated_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let seeds: Vec<Vec<u8>> = [1, 2]
        .into_iter()
        .flat_map(|version| {
            [ByteOrder::Little, ByteOrder::Big]
                .map(|order| Sketch { version, order, qform_code: 1, scale: [2.0, 1.0], ..Sketch::default() }.bytes())
        })
        .collect();
    let mut accepted = 0;
    for n in 0..4000 {
        let mut bytes = seeds[n % seeds.len()].clone();
        let packed = rng.random_bool(0.3);
        if packed && rng.random_bool(0.5) {
            bytes = gzip(&bytes);
        }
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..4) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => bytes[at] = rng.random(),
                2 => {
                    let extreme = [
                        [0xff; 8],
                        [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                        [0; 8],
                        [0x80, 0, 0, 0, 0, 0, 0, 0],
                    ];
                    let value = extreme[rng.random_range(0..4)];
                    let end = bytes.len().min(at + [2, 4, 8][rng.random_range(0..3)]);
                    bytes[at..end].copy_from_slice(&value[..end - at]);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        if packed && !bytes.starts_with(&[0x1f, 0x8b]) {
            bytes = gzip(&bytes);
        }
        let path = folder.path().join("mutated.nii");
        let image = read_image_bytes(&path, bytes.clone());
        // All three ways of reading, from a real file, for some of them.
        if n % 20 == 0 {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(refusal(&path).is_none(), image.is_ok());
        }
        accepted += usize::from(image.is_ok());
    }
    // Most bytes of a header do not matter, so many files stay sound.
    assert!((500..3500).contains(&accepted), "{accepted}");
}
