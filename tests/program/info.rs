//! `regiscope info`.

use crate::support::{json, nifti, refused, run, stdout, write};
use serde_json::json;

const CAMERA: &str = r#"{"source_mm": [0, -500, 0], "pixel0_mm": [-50, 300, 50], "col_step_mm": [1, 0, 0],
    "row_step_mm": [0, 0, -1], "rows": 101, "cols": 100}"#;

#[test]
fn a_missing_file_is_named() {
    refused(&run(["info", "nowhere/missing.nii.gz"]), &["nowhere/missing.nii.gz", "No such file"]);
}

#[test]
fn a_volume_is_described_as_nibabel_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let affine = [[-2.0, 0.0, 0.0, 10.0], [0.0, 3.0, -4.0, -20.0], [0.0, 4.0, 3.0, 30.0]];
    let data: Vec<i16> = (0..24).map(|n| n * 100 - 1000).collect();
    let bytes = nifti([2, 3, 4], affine, 0.5, 1.0, &data);
    let path = write(folder.path(), "ct.nii", &bytes);
    let value = json(["info".as_ref(), path.as_os_str(), "--voxel".as_ref(), "1,2,3".as_ref()]);
    assert_eq!(value["kind"], "image");
    assert_eq!(value["shape"], json!([2, 3, 4]));
    let rows = json!([[-2.0, 0.0, 0.0, 10.0], [0.0, 3.0, -4.0, -20.0], [0.0, 4.0, 3.0, 30.0], [0.0, 0.0, 0.0, 1.0]]);
    assert_eq!(value["affine"], rows);
    assert_eq!(value["voxel"], 651.0);
    assert_eq!(value["range"], json!([-499.0, 651.0]));
    assert_eq!(value["scalar_type"], "int16");
    assert_eq!(value["warnings"], json!([]));
    assert_eq!(json(["info".as_ref(), path.as_os_str()])["voxel"], json!(null));
    let text = stdout(&run(["info".as_ref(), path.as_os_str(), "--voxel".as_ref(), "0,0,0".as_ref()]));
    assert!(text.contains("2 × 3 × 4") && text.contains("voxel    0,0,0 is -499"), "{text}");
    let outside = run(["info".as_ref(), path.as_os_str(), "--voxel".as_ref(), "2,0,0".as_ref()]);
    refused(&outside, &["ct.nii", "voxel 2,0,0", "2 × 3 × 4"]);
    let cut = write(folder.path(), "cut.nii", &bytes[..bytes.len() - 1]);
    refused(&run(["info".as_ref(), cut.as_os_str()]), &["cut.nii", "truncated"]);
    for content in [&b""[..], b"hello", &[0; 400]] {
        let path = write(folder.path(), "no.nii.gz", content);
        refused(&run(["info".as_ref(), path.as_os_str()]), &["no.nii.gz"]);
    }
}

#[test]
fn a_numpy_image_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let image = regiscope::image::Image::new(2, 3, vec![0.5, 1.0, 2.0, 3.0, 4.0, -5.0]);
    regiscope::image::npy::write_image(&path, &image).unwrap();
    let value = json(["info".as_ref(), path.as_os_str(), "--voxel".as_ref(), "2,1,0".as_ref()]);
    assert_eq!((&value["shape"], &value["voxel"]), (&json!([3, 2, 1]), &json!(-5.0)));
    assert_eq!(value["scalar_type"], "float32");
}

#[test]
fn no_content_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let magics: [&[u8]; 9] =
        [b"", b"\0", b"\x1f\x8b\x08", b"\x93NUMPY", b"NRRD0004\n", b"\x89PNG\r\n\x1a\n", b"II*\0", b"PAR1", b"{["];
    // A linear congruential generator (Numerical Recipes) makes the same noise everywhere.
    let noise = |seed: u32, length: usize| -> Vec<u8> {
        (0..length)
            .scan(seed, |s, _| {
                Some(*{
                    *s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    s
                })
            })
            .map(|s| (s >> 24) as u8)
            .collect()
    };
    let mut seed = 0;
    for ending in ["nii", "nii.gz", "mha", "dcm", "png", "npy", "json", "yaml", "tfm", "toml", "csv", "parquet", "x"] {
        for magic in magics {
            seed += 1;
            let content = [magic, &noise(seed, 400)].concat();
            let name = format!("{seed}.{ending}");
            let path = write(folder.path(), &name, content);
            refused(&run(["info".as_ref(), path.as_os_str()]), &[&name]);
        }
    }
}

#[test]
fn a_calibration_file_is_described_as_a_camera() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"K": [[2000, 0, 319.5], [0, 2000, 239.5], [0, 0, 1]], "R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "t": [0, 0, 700], "rows": 480, "cols": 640, "source_detector_mm": 1000}"#;
    let path = write(folder.path(), "calibration.json", text);
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!((&value["kind"], &value["camera"]["cols"]), (&json!("camera"), &json!(640)));
    assert!((value["source_detector_mm"].as_f64().unwrap() - 1000.0).abs() < 1e-9);
    assert!((value["pixel_mm"][0].as_f64().unwrap() - 0.5).abs() < 1e-9, "1000 mm / 2000 pixels");
}

#[test]
fn a_voxel_is_asked_of_images_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "cam.json", CAMERA);
    let output = run(["info".as_ref(), path.as_os_str(), "--voxel".as_ref(), "0,0,0".as_ref()]);
    refused(&output, &["cam.json", "--voxel"]);
}

#[test]
fn a_camera_file_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "cam.json", CAMERA);
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!(value["kind"], "camera");
    assert_eq!(value["camera"]["rows"], 101);
    assert_eq!(value["source_detector_mm"], 800.0);
    assert!(stdout(&run(["info".as_ref(), path.as_os_str()])).contains("800.000 mm from the detector"));
    let broken = write(folder.path(), "broken.json", CAMERA.replace("rows", "lines"));
    refused(&run(["info".as_ref(), broken.as_os_str()]), &["broken.json", "lines"]);
}

#[test]
fn a_transform_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let text = "#Insight Transform File V1.0\n#Transform 0\nTransform: Euler3DTransform_double_3_3\n\
        Parameters: 0 0 1.5707963267948966 10 20 30\nFixedParameters: 1 2 3 0\n";
    let path = write(folder.path(), "pose.tfm", text);
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!(value["kind"], "transform");
    assert_eq!(value["transforms"][0]["type"], "Euler3DTransform");
    // A quarter turn about z through (1, 2, 3) takes (1, 2, 3) to itself, then shifts it.
    let row = |r: usize| -> Vec<f64> { serde_json::from_value(value["matrix"][r].clone()).unwrap() };
    let image = |r: usize| row(r)[0] + 2.0 * row(r)[1] + 3.0 * row(r)[2] + row(r)[3];
    for (r, expected) in [11.0, 22.0, 33.0].into_iter().enumerate() {
        assert!((image(r) - expected).abs() < 1e-12);
    }
    assert!((value["rotation_deg"][2].as_f64().unwrap() - 90.0).abs() < 1e-9);
    let broken = write(folder.path(), "broken.tfm", text.replace("10 20", "10"));
    refused(&run(["info".as_ref(), broken.as_os_str()]), &["broken.tfm"]);
    assert!(stdout(&run(["info".as_ref(), path.as_os_str()])).contains("Euler3DTransform"));
}

#[test]
fn a_document_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.toml", "title = \"Two\"\n[phantom]\npatient = 3\n[view]\n[render]\n");
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!((&value["kind"], &value["task"], &value["views"]), (&json!("document"), &json!("render"), &json!(1)));
    assert_eq!(value["document"]["phantom"]["patient"], 3);
    let broken = write(folder.path(), "b.toml", "titel = \"Two\"\n[phantom]\npatient = -3\n");
    refused(&run(["info".as_ref(), broken.as_os_str()]), &["b.toml", "titel", "2 mistakes"]);
}

#[cfg(feature = "tables")]
#[test]
fn a_csv_table_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.csv", "case,error_mm,method\n1,0.5,ncc\n2,,ssd\n3,2,ncc\n");
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!((&value["kind"], &value["rows"]), (&json!("table"), &json!(3)));
    assert_eq!(
        value["columns"],
        json!([
            {"name": "case", "type": "integer", "missing": 0},
            {"name": "error_mm", "type": "number", "missing": 1},
            {"name": "method", "type": "text", "missing": 0},
        ])
    );
    for (name, content) in [("nul.csv", &b"a,b\n1,\0\n"[..]), ("empty.csv", b""), ("bytes.csv", b"a,b\n1,\xff\xfe\n")] {
        let path = write(folder.path(), name, content);
        refused(&run(["info".as_ref(), path.as_os_str()]), &[name]);
    }
}

#[cfg(feature = "tables")]
#[test]
fn a_parquet_table_is_described_and_damage_is_refused() {
    use polars_core::prelude::{Column, DataFrame};
    let folder = tempfile::tempdir().unwrap();
    let columns = vec![Column::new("case".into(), [1i64, 2, 3]), Column::new("method".into(), ["ncc", "ssd", "ncc"])];
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(3, columns).unwrap();
    polars_io::prelude::ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    let path = write(folder.path(), "a.parquet", &bytes);
    let value = json(["info".as_ref(), path.as_os_str()]);
    assert_eq!((&value["rows"], &value["format"]), (&json!(3), &json!("Parquet")));
    assert_eq!(value["columns"], json!([{"name": "case", "type": "integer"}, {"name": "method", "type": "text"}]));
    // The footer kept, the pages gone; the footer cut; the footer's length wrong; every byte of the end flipped.
    let n = bytes.len();
    let mut damaged = vec![[&b"PAR1"[..], &bytes[n / 2..]].concat(), bytes[..n - 9].to_vec(), bytes[..7].to_vec()];
    damaged.extend((n - 12..n).map(|at| [&bytes[..at], &[!bytes[at]], &bytes[at + 1..]].concat()));
    for (at, bytes) in damaged.iter().enumerate() {
        let path = write(folder.path(), &format!("{at}.parquet"), bytes);
        refused(&run(["info".as_ref(), path.as_os_str()]), &[&format!("{at}.parquet")]);
    }
}

#[cfg(not(feature = "tables"))]
#[test]
fn a_table_needs_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.csv", "case\n1\n");
    refused(&run(["info".as_ref(), path.as_os_str()]), &["a.csv", "cargo feature `tables`"]);
}
