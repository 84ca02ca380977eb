//! Metrics beside those of other tools, from `../shared/reference/segmetrics`.

use regiscope_challenge::metrics::assignment::best_assignment;
use regiscope_challenge::metrics::boundary::{Band, boundary_iou};
use regiscope_challenge::metrics::mask::Mask;
use regiscope_challenge::metrics::segmentation::{Convention, Metric, Options, evaluate};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/segmetrics");
    if !folder.is_dir() {
        println!("skipped: metrics of other tools are not beside the checkout");
        return None;
    }
    Some(folder)
}

/// The values, with Python's NaN and Infinity as text.
fn values(folder: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(folder.join("values.json")).unwrap();
    let text = text.replace(": NaN", ": \"NaN\"").replace(": Infinity", ": \"Infinity\"");
    serde_json::from_str(&text).unwrap()
}

/// Extents and bytes of an array of unsigned bytes or 8-byte numbers, C order.
fn array(folder: &std::path::Path, name: &str) -> (Vec<usize>, Vec<u8>) {
    let mut archive = zip::ZipArchive::new(File::open(folder.join("masks.npz")).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let inside = header.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    (shape, bytes[10 + length..].to_vec())
}

/// The mask as nibabel would give it: the first axis is x.
fn mask(folder: &std::path::Path, case: &str, which: &str) -> Mask {
    let (extents, bytes) = array(folder, &format!("{case}__{which}"));
    let (_, spacing) = array(folder, &format!("{case}__spacing"));
    let spacing: Vec<f64> = spacing.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    let of = |values: &[f64], a: usize| values.get(a).copied().unwrap_or(1.0);
    let shape = [0, 1, 2].map(|a| extents.get(a).copied().unwrap_or(1));
    let [nx, ny, nz] = shape;
    let at = |i: usize| ((i % nx) * ny + i / nx % ny) * nz + i / (nx * ny);
    let inside = (0..bytes.len()).map(|i| bytes[at(i)] != 0).collect();
    Mask::new(shape, [0, 1, 2].map(|a| of(&spacing, a)), inside).unwrap()
}

/// Our metrics and a tool's names for them.
fn same_metrics(convention: Convention) -> (&'static str, Vec<(&'static str, Metric)>) {
    match convention {
        Convention::MetricsReloaded => (
            "MetricsReloaded",
            vec![
                ("dsc", Metric::Dsc),
                ("iou", Metric::Iou),
                ("nsd", Metric::Nsd),
                ("hd", Metric::Hd),
                ("hd_perc", Metric::Hd95),
                ("assd", Metric::Assd),
                ("masd", Metric::Masd),
                ("cldsc", Metric::ClDice),
                ("boundary_iou", Metric::BoundaryIou),
            ],
        ),
        Convention::DeepmindSurfaceDistance => (
            "surface_distance",
            vec![
                ("dsc", Metric::Dsc),
                ("hd", Metric::Hd),
                ("hd95", Metric::Hd95),
                ("nsd", Metric::Nsd),
                ("avg_gt_to_pred", Metric::AsdReference),
                ("avg_pred_to_gt", Metric::AsdPrediction),
                ("surface_overlap_gt", Metric::SurfaceOverlapReference),
            ],
        ),
        Convention::Monai => (
            "MONAI",
            vec![
                ("dsc", Metric::Dsc),
                ("hd", Metric::Hd),
                ("hd95", Metric::Hd95),
                ("assd_symmetric", Metric::Assd),
                ("nsd", Metric::Nsd),
                ("nsd_subvoxel", Metric::NsdSubvoxel),
            ],
        ),
    }
}

#[test]
fn every_value_of_every_convention_is_met() {
    let Some(folder) = folder() else { return };
    let reference = values(&folder);
    let mut compared = 0;
    for convention in [Convention::MetricsReloaded, Convention::DeepmindSurfaceDistance, Convention::Monai] {
        let (tool, metrics) = same_metrics(convention);
        for (case, entry) in reference["cases"].as_object().unwrap() {
            let (a, b) = (mask(&folder, case, "ref"), mask(&folder, case, "pred"));
            let options = Options { tolerance_mm: entry["tau"].as_f64().unwrap(), ..Options::default() };
            let asked: Vec<Metric> = metrics.iter().map(|(_, m)| *m).collect();
            let found = evaluate(&a, &b, &asked, convention, &options).unwrap();
            for ((name, metric), score) in metrics.iter().zip(found) {
                let say = format!("{tool} {name}, {case}: {score:?} and {}", entry[tool][name]);
                match &entry[tool][name] {
                    Value::Number(expected) => {
                        let (expected, value) = (expected.as_f64().unwrap(), score.value.expect(&say));
                        // MONAI adds up in single precision, in an order of the machine's.
                        let sums =
                            convention == Convention::Monai && matches!(metric, Metric::Assd | Metric::NsdSubvoxel);
                        assert!((value - expected).abs() <= if sums { 5e-7 } else { 1e-12 }, "{say}");
                        compared += 1;
                    }
                    Value::String(text) if text == "NaN" => {
                        assert!(score.value.is_none() && score.rule.is_some(), "{say}");
                    }
                    Value::String(text) if text == "Infinity" => {
                        assert!(score.value == Some(f64::INFINITY) && score.rule.is_some(), "{say}");
                    }
                    // The tool failed there (names that NumPy 2 took away).
                    _ => assert_eq!(tool, "surface_distance", "{say}"),
                }
            }
        }
    }
    assert!(compared > 230, "{compared}");
}

#[test]
fn pooled_percentiles_and_eroded_bands_are_those_of_the_plain_definitions() {
    let Some(folder) = folder() else { return };
    for (case, entry) in values(&folder)["cases"].as_object().unwrap() {
        let Some(pooled) = entry["own"]["hd95_pooled"].as_f64() else { continue };
        let (a, b) = (mask(&folder, case, "ref"), mask(&folder, case, "pred"));
        let metrics = [Metric::Hd95Pooled, Metric::Hd95Max];
        let found = evaluate(&a, &b, &metrics, Convention::DeepmindSurfaceDistance, &Options::default()).unwrap();
        assert!((found[0].value.unwrap() - pooled).abs() < 1e-12, "{case}");
        assert!((found[1].value.unwrap() - entry["own"]["hd95_max_of_two"].as_f64().unwrap()).abs() < 1e-12);
        for times in 1..=3 {
            let expected = entry["own"][format!("boundary_iou_cheng_erosion_d{times}")].as_f64().unwrap();
            let found = boundary_iou(&a, &b, Band::Erosions(times)).unwrap();
            assert!((found - expected).abs() < 1e-12, "{case} {times}");
        }
    }
}

/// The instance images themselves are not there, but the table of their Dice coefficients is.
#[test]
fn instances_are_assigned_as_by_scipy() {
    let Some(folder) = folder() else { return };
    for (name, entry) in values(&folder)["instances"].as_object().unwrap() {
        let rows = entry["dsc_matrix"].as_array().unwrap();
        let weights: Vec<f64> = rows.iter().flat_map(|r| r.as_array().unwrap()).map(|v| v.as_f64().unwrap()).collect();
        let (n, m) = (rows.len(), weights.len() / rows.len());
        let assigned = best_assignment(&weights, n, m);
        let matches = entry["hungarian_dsc_matches(ref,pred,dsc,iou)"].as_array().unwrap();
        assert_eq!(assigned.iter().flatten().count(), matches.len(), "{name}");
        for pair in matches {
            let [r, p] = [0, 1].map(|i| pair[i].as_u64().unwrap() as usize - 1);
            assert_eq!(assigned[r], Some(p), "{name}");
        }
    }
}
