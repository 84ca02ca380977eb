//! The phantom is a lumbar spine: its labels, landmarks, orientation, attenuation and its patients.

use regiscope_datasets::labels::{label_of, name_of};
use regiscope_datasets::phantom::anatomy::VERTEBRAE;
use regiscope_datasets::phantom::{Phantom, PhantomError, PhantomSettings, generate};
use regiscope_geometry::Point;
use std::collections::BTreeMap;

fn patient(seed: u64, spacing: f64, variation: f64) -> Phantom {
    generate(&PhantomSettings { seed, spacing_mm: [spacing; 3], variation, ..PhantomSettings::default() }).unwrap()
}

/// Only the surroundings of the spine, for tests that look at bones alone.
fn spine(seed: u64, spacing: f64) -> Phantom {
    let extent_mm = [110.0, 220.0, 320.0];
    generate(&PhantomSettings { seed, spacing_mm: [spacing; 3], extent_mm, variation: 1.0 }).unwrap()
}

/// Indices of each label's voxels.
fn voxels_of(phantom: &Phantom) -> BTreeMap<u16, Vec<[usize; 3]>> {
    let [nx, ny, _] = phantom.labels.grid().shape();
    let mut found: BTreeMap<u16, Vec<[usize; 3]>> = BTreeMap::new();
    for (n, &label) in phantom.labels.data().iter().enumerate() {
        found.entry(label).or_default().push([n % nx, n / nx % ny, n / (nx * ny)]);
    }
    found
}

fn centroid(phantom: &Phantom, voxels: &[[usize; 3]]) -> Point {
    let sum = voxels.iter().fold([0.0; 3], |s, v| [0, 1, 2].map(|a| s[a] + v[a] as f64));
    phantom.labels.grid().world_from_index(&Point::from(sum.map(|s| s / voxels.len() as f64)))
}

fn vertebra_label(name: &str) -> u16 {
    label_of(&format!("vertebrae_{name}")).unwrap()
}

/// FNV-1a over the bytes of volumes and landmarks.
fn fingerprint(phantom: &Phantom) -> u64 {
    let hu = phantom.hu.data().iter().flat_map(|v| v.to_le_bytes());
    let labels = phantom.labels.data().iter().flat_map(|v| v.to_le_bytes());
    let marks = phantom
        .landmarks
        .iter()
        .flat_map(|l| l.position.coords.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<_>>());
    hu.chain(labels).chain(marks).fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

#[test]
fn every_structure_is_there_and_named() {
    let phantom = patient(1, 3.0, 1.0);
    let found = voxels_of(&phantom);
    for name in VERTEBRAE {
        // Body and arch of a lumbar vertebra have 30 to 120 ml.
        let ml = found[&vertebra_label(name)].len() as f64 * 0.027;
        assert!((20.0..130.0).contains(&ml), "{name}: {ml} ml");
    }
    for name in [
        "sacrum",
        "hip_left",
        "hip_right",
        "rib_left_11",
        "rib_right_11",
        "rib_left_12",
        "rib_right_12",
        "bowel_gas",
        "colon",
        "small_bowel",
        "kidney_left",
        "kidney_right",
        "liver",
        "spleen",
        "aorta",
        "inferior_vena_cava",
        "iliopsoas_left",
        "iliopsoas_right",
        "autochthon_left",
        "autochthon_right",
        "spinal_cord",
        "intervertebral_disc_L4_L5",
        "intervertebral_disc_L5_S1",
    ] {
        let label = label_of(name).unwrap();
        assert!(found.get(&label).is_some_and(|v| v.len() > 40), "{name}");
    }
    assert!(found.keys().all(|&label| label == 0 || name_of(label).is_some()));
}

#[test]
fn landmarks_lie_on_their_bones() {
    for seed in [1, 2] {
        let phantom = spine(seed, 2.5);
        let grid = phantom.labels.grid();
        for name in VERTEBRAE {
            let label = vertebra_label(name);
            let count = phantom.landmarks.iter().filter(|l| l.label == label).count();
            assert!(count == 16 || name == "T11", "{name}: {count} landmarks");
        }
        for mark in &phantom.landmarks {
            let index = grid.index_from_world(&mark.position);
            let near = (0..27).any(|n| {
                let voxel = [n % 3, n / 3 % 3, n / 9].map(|d| d as f64 - 1.0);
                let at = [0, 1, 2].map(|a| (index[a] + voxel[a]).round());
                at.iter().all(|v| *v >= 0.0) && phantom.labels.get(at.map(|v| v as usize)) == Some(mark.label)
            });
            assert!(near, "seed {seed}: {} at {:?}", mark.name, mark.position);
        }
        let at = |name: &str| phantom.landmarks.iter().find(|l| l.name == name).unwrap().position;
        for level in &VERTEBRAE[1..] {
            let of = |name: &str| at(&format!("{level}_{name}"));
            let body = of("body_centre");
            assert!(of("spinous_process_tip").y > body.y + 40.0, "the spinous process points to the back");
            assert!(of("superior_endplate_centre").z > body.z + 6.0 && of("inferior_endplate_centre").z < body.z - 6.0);
            assert!(of("pedicle_left").x > body.x + 8.0 && of("pedicle_right").x < body.x - 8.0, "x runs to the left");
            assert!(of("superior_endplate_anterior").y < of("superior_endplate_posterior").y - 20.0);
            assert!((of("superior_endplate_left") - of("superior_endplate_right")).norm() > 30.0);
        }
    }
}

#[test]
fn the_column_stands_in_anatomical_order() {
    let phantom = patient(3, 4.0, 1.0);
    let found = voxels_of(&phantom);
    let of = |name: &str| centroid(&phantom, &found[&label_of(name).unwrap()]);
    let heights: Vec<f64> = VERTEBRAE[1..].iter().map(|n| of(&format!("vertebrae_{n}")).z).collect();
    assert!(heights.windows(2).all(|w| w[0] > w[1] + 20.0), "{heights:?}");
    assert!(of("sacrum").z < heights[5] - 25.0);
    assert!(of("hip_left").x > 50.0 && of("hip_right").x < -50.0 && of("liver").x < -20.0 && of("spleen").x > 40.0);
    assert!(of("aorta").y < of("vertebrae_L3").y && of("autochthon_left").y > of("vertebrae_L3").y);
    assert!(of("spinal_cord").y > of("vertebrae_L2").y - 5.0);
}

#[test]
fn left_mirrors_right_in_the_mean_skeleton() {
    let phantom = patient(5, 4.0, 0.0);
    let [nx, ny, nz] = phantom.labels.grid().shape();
    let mirror = |label: u16| match name_of(label) {
        Some(n) if n.contains("_left") => label_of(&n.replace("_left", "_right")).unwrap(),
        Some(n) if n.contains("_right") => label_of(&n.replace("_right", "_left")).unwrap(),
        _ => label,
    };
    let is_bone = |label: u16| matches!(label, 25..=33 | 77 | 78 | 92..=115);
    let mut bones = 0;
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx / 2 {
                let (right, left) =
                    (phantom.labels.get([i, j, k]).unwrap(), phantom.labels.get([nx - 1 - i, j, k]).unwrap());
                if is_bone(right) || is_bone(left) {
                    assert_eq!(left, mirror(right), "at {i} {j} {k}");
                    bones += 1;
                }
            }
        }
    }
    assert!(bones > 4000, "{bones}");
}

#[test]
fn attenuation_is_that_of_the_tissues() {
    let phantom = patient(6, 3.0, 1.0);
    let range = phantom.hu.data().iter().fold((f32::INFINITY, f32::NEG_INFINITY), |r, &v| (r.0.min(v), r.1.max(v)));
    assert!(range.0 >= -1000.0 && range.1 > 450.0 && range.1 < 1300.0, "{range:?}");
    let mean = |label: u16| {
        let values = phantom
            .labels
            .data()
            .iter()
            .zip(phantom.hu.data())
            .filter(|(l, _)| **l == label)
            .map(|(_, v)| f64::from(*v));
        let (sum, n) = values.fold((0.0, 0), |(s, n), v| (s + v, n + 1));
        sum / f64::from(n)
    };
    let close = |name: &str, low: f64, high: f64| {
        let hu = mean(label_of(name).unwrap());
        assert!((low..high).contains(&hu), "{name}: {hu}");
    };
    close("vertebrae_L3", 180.0, 550.0);
    close("intervertebral_disc_L3_L4", 40.0, 200.0);
    close("bowel_gas", -960.0, -600.0);
    close("liver", 40.0, 80.0);
    close("iliopsoas_left", 40.0, 80.0);
    close("kidney_left", 20.0, 50.0);
    // Spongiosa in the middle of L3, fat under the skin, air around.
    let hu = |p: [f64; 3]| {
        let index = phantom.hu.grid().index_from_world(&Point::from(p));
        f64::from(phantom.hu.get([0, 1, 2].map(|a| index[a].round() as usize)).unwrap())
    };
    let body = phantom.landmarks.iter().find(|l| l.name == "L3_body_centre").unwrap().position;
    assert!((80.0..400.0).contains(&hu([body.x, body.y, body.z])));
    assert_eq!(phantom.hu.data()[0], -1000.0);
    let fat = phantom.anatomy.trunk_half_width - 0.5 * phantom.anatomy.fat_mm;
    assert!((-130.0..-60.0).contains(&hu([fat, -10.0, 0.0])));
}

#[test]
fn every_vertebra_is_one_piece() {
    for seed in [0, 3] {
        let phantom = spine(seed, 2.0);
        let found = voxels_of(&phantom);
        for name in &VERTEBRAE[1..] {
            let voxels = &found[&vertebra_label(name)];
            let reached = reached_from(&phantom, voxels[voxels.len() / 2]);
            // Single voxels at a facet's rim may touch nothing.
            assert!(voxels.len() - reached <= 6, "seed {seed} {name}: {reached} of {}", voxels.len());
        }
    }
}

/// How many voxels of the same label are connected (26 neighbours) to this one.
fn reached_from(phantom: &Phantom, start: [usize; 3]) -> usize {
    let grid = phantom.labels.grid();
    let label = phantom.labels.get(start);
    let mut seen = vec![false; grid.len()];
    seen[grid.offset(start)] = true;
    let mut open = vec![start];
    let mut count = 0;
    while let Some(at) = open.pop() {
        count += 1;
        for n in 0..27 {
            let step = [n % 3, n / 3 % 3, n / 9];
            let next = [0, 1, 2].map(|a| (at[a] + step[a]).wrapping_sub(1));
            if phantom.labels.get(next) == label && !std::mem::replace(&mut seen[grid.offset(next)], true) {
                open.push(next);
            }
        }
    }
    count
}

#[test]
fn a_seed_is_a_patient_to_the_bit() {
    let (a, again, b) = (patient(11, 6.0, 1.0), patient(11, 6.0, 1.0), patient(12, 6.0, 1.0));
    assert_eq!(fingerprint(&a), fingerprint(&again));
    assert_ne!(a.anatomy, b.anatomy);
    let differing = a.labels.data().iter().zip(b.labels.data()).filter(|(x, y)| x != y).count();
    assert!(differing > a.labels.data().len() / 50);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one_thread.install(|| fingerprint(&patient(11, 6.0, 1.0))), fingerprint(&a));
}

#[test]
fn the_bits_are_those_of_every_machine() {
    // Made on x86-64 Linux; a change of the anatomy changes it, a change of machine must not.
    assert_eq!(format!("{:016x}", fingerprint(&patient(2024, 5.0, 1.0))), "7a283341b6d4bd76");
}

#[test]
fn voxel_sizes_agree_on_the_patient() {
    let (coarse, fine) = (patient(9, 5.0, 1.0), patient(9, 2.5, 1.0));
    assert_eq!(coarse.landmarks.len(), fine.landmarks.len());
    assert!(coarse.landmarks.iter().zip(&fine.landmarks).all(|(a, b)| a == b));
    // Partial volumes keep the amount of bone: the mass of what is denser than water agrees.
    let mass = |p: &Phantom| {
        let voxel: f64 = p.hu.grid().spacing().iter().product();
        voxel * p.hu.data().iter().map(|&v| f64::from(v) + 1000.0).sum::<f64>()
    };
    let ratio = mass(&coarse) / mass(&fine);
    assert!((ratio - 1.0).abs() < 5e-3, "{ratio}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |settings: PhantomSettings| generate(&settings).map(|_| ()).unwrap_err();
    let base = PhantomSettings::default;
    for settings in [
        PhantomSettings { spacing_mm: [2.0, 0.1, 2.0], ..base() },
        PhantomSettings { spacing_mm: [2.0, f64::NAN, 2.0], ..base() },
        PhantomSettings { extent_mm: [1e9, 10.0, 10.0], ..base() },
        PhantomSettings { variation: -0.1, ..base() },
    ] {
        assert!(matches!(refused(settings), PhantomError::OutOfRange { .. }));
    }
    let huge = PhantomSettings { spacing_mm: [0.3; 3], extent_mm: [800.0; 3], ..base() };
    assert!(matches!(refused(huge), PhantomError::TooManyVoxels { .. }));
    let thin = PhantomSettings { spacing_mm: [3.0, 3.0, 20.0], extent_mm: [60.0, 60.0, 10.0], ..base() };
    assert_eq!(generate(&thin).unwrap().hu.grid().shape(), [20, 20, 1]);
}
