//! Trunk, muscles, vessels, organs and bowel of one patient, in paint order from the skin inwards.

use super::anatomy::{Anatomy, Draw, Topic};
use super::distance::{Rod, Rods};
use super::scene::{Cavity, Part, Shape, Tissue, Trunk};
use super::spine::{Frame, Spine};
use crate::labels::label_of;
use regiscope_geometry::Vector;

fn label(name: &str) -> u16 {
    label_of(name).expect("the label table has every structure of the phantom")
}

fn soft(hu: f64, amplitude: f64, grain: f64) -> Tissue {
    Tissue::Soft { hu, amplitude, grain }
}

fn part(label: u16, frame: Frame, shape: Shape, tissue: Tissue) -> Part {
    Part { label, frame, shape, tissue, kept_from: vec![] }
}

fn blob(name: &str, centre: Vector, semi_axes: Vector, tissue: Tissue) -> Part {
    part(label(name), Frame::at(centre), Shape::Ellipsoid(semi_axes), tissue)
}

/// A bubble of gas with the folds of the bowel's wall in its outline.
fn gas(centre: Vector, semi_axes: Vector) -> Part {
    part(label("bowel_gas"), Frame::at(centre), Shape::Uneven(semi_axes, 2.2), soft(-950.0, 0.0, 1.0))
}

/// All soft parts; bones are painted over them.
pub fn soft_tissue(anatomy: &Anatomy, spine: &Spine, seed: u64, variation: f64) -> Vec<Part> {
    let mut parts = trunk(anatomy, spine);
    let mut bowel = Draw::new(seed, Topic::Bowel, variation);
    parts.extend(upper_organs(anatomy));
    parts.extend(small_bowel(anatomy, &mut bowel));
    parts.extend(colon(anatomy, &mut bowel));
    parts.extend(kidneys(anatomy));
    parts.extend(muscles(anatomy, spine));
    parts.extend(vessels(anatomy, spine));
    parts.push(dural_sac(anatomy, spine));
    parts
}

/// Skin, fat, muscular wall and the cavity's fat.
fn trunk(anatomy: &Anatomy, spine: &Spine) -> Vec<Part> {
    let inset =
        |inset: f64| Trunk { half_width: anatomy.trunk_half_width, half_depth: anatomy.trunk_half_depth, inset };
    let here = || Frame::at(Vector::zeros());
    let cavity =
        Cavity { wall: inset(anatomy.fat_mm + 13.0 * anatomy.muscle), spine_y: spine.vertebrae[4].origin.y - 12.0 };
    vec![
        part(0, here(), Shape::Trunk(inset(0.0)), soft(20.0, 0.0, 1.0)),
        part(0, here(), Shape::Trunk(inset(2.0)), soft(-102.0, 10.0, 9.0)),
        part(0, here(), Shape::Trunk(inset(anatomy.fat_mm)), soft(48.0, 14.0, 7.0)),
        part(0, here(), Shape::Cavity(cavity), soft(-88.0, 22.0, 12.0)),
    ]
}

/// Lung bases, liver, spleen and stomach.
fn upper_organs(anatomy: &Anatomy) -> Vec<Part> {
    let at = |x: f64, y: f64, z: f64| Vector::new(x, y, z) * anatomy.size;
    let lung = || soft(-840.0, 35.0, 8.0);
    vec![
        blob("lung_lower_lobe_left", at(74.0, 34.0, 196.0), at(56.0, 58.0, 84.0), lung()),
        blob("lung_lower_lobe_right", at(-76.0, 34.0, 198.0), at(56.0, 58.0, 84.0), lung()),
        blob("spleen", at(92.0, 34.0, 112.0), at(30.0, 36.0, 44.0), soft(50.0, 6.0, 5.0)),
        blob("stomach", at(52.0, -42.0, 104.0), at(46.0, 34.0, 36.0), soft(28.0, 16.0, 9.0)),
        blob("liver", at(-66.0, -18.0, 112.0), at(76.0, 72.0, 66.0), soft(58.0, 7.0, 6.0)),
    ]
}

fn kidneys(anatomy: &Anatomy) -> Vec<Part> {
    let size = anatomy.size;
    [("kidney_left", 1.0, 46.0), ("kidney_right", -1.0, 34.0)]
        .map(|(name, side, z)| {
            // The upper poles lean towards the spine.
            let up = Vector::new(-0.25 * side, 0.18, 1.0).normalize();
            let centre = Vector::new(72.0 * side, 34.0, z) * size;
            let rod = Rod::new(
                centre - up * (30.0 * size),
                centre + up * (28.0 * size),
                Vector::y(),
                [[23.0 * size, 27.0 * size]; 2],
            );
            part(label(name), Frame::at(Vector::zeros()), Shape::Rods(Rods::new(vec![rod], 0.0)), soft(33.0, 8.0, 7.0))
        })
        .into()
}

/// Loops of small bowel, some with a bubble of gas under their front wall (the patient lies on the back).
fn small_bowel(anatomy: &Anatomy, draw: &mut Draw) -> Vec<Part> {
    let mut parts = Vec::new();
    for n in 0..26 {
        let (a, b) = (2.0 * draw.uniform() - 1.0, 2.0 * draw.uniform() - 1.0);
        let centre =
            Vector::new(78.0 * a * (1.0 - 0.3 * b * b), -48.0 + 26.0 * b, -135.0 + 7.2 * n as f64) * anatomy.size;
        let radius = (13.0 + 7.0 * draw.uniform()) * anatomy.size;
        let stretch = Vector::new(0.9 + 0.7 * draw.uniform(), 0.9, 0.8 + 0.5 * draw.uniform());
        parts.push(blob("small_bowel", centre, stretch * radius, soft(32.0, 18.0, 8.0)));
        if draw.uniform() < 0.3 {
            let semi = stretch * (radius * (0.35 + 0.3 * draw.uniform()));
            parts.push(gas(centre - Vector::y() * (0.25 * radius), semi));
        }
    }
    parts
}

/// The colon as a frame round the small bowel, with gas between its haustra.
fn colon(anatomy: &Anatomy, draw: &mut Draw) -> Vec<Part> {
    let sag = draw.deviation(14.0);
    let path = [
        [-88.0, 2.0, -105.0],
        [-98.0, 8.0, -40.0],
        [-96.0, -4.0, 28.0],
        [-50.0, -66.0, 12.0 + sag],
        [0.0, -76.0, 2.0 + 1.5 * sag],
        [52.0, -66.0, 24.0 + sag],
        [98.0, 2.0, 62.0],
        [103.0, 14.0, 0.0],
        [100.0, 10.0, -65.0],
        [70.0, -18.0, -118.0],
        [15.0, -20.0, -150.0],
    ]
    .map(|p| Vector::from(p) * anatomy.size);
    let radius = |n: usize| (if n < 3 { 25.0 } else { 18.5 }) * anatomy.size;
    let rods = (0..path.len() - 1).map(|n| Rod::round(path[n], path[n + 1], [radius(n), radius(n + 1)])).collect();
    let here = Frame::at(Vector::zeros());
    let mut parts = vec![part(label("colon"), here, Shape::Rods(Rods::new(rods, 4.0)), soft(15.0, 45.0, 10.0))];
    for n in 0..path.len() - 1 {
        // Transverse and descending colon hold most of the gas.
        let pockets = if (2..8).contains(&n) { 4 } else { 2 };
        for pocket in 0..pockets {
            if draw.uniform() > 0.62 {
                continue;
            }
            let t = (pocket as f64 + 0.2 + 0.6 * draw.uniform()) / pockets as f64;
            let r = 0.5 * (radius(n) + radius(n + 1));
            let centre = path[n] + (path[n + 1] - path[n]) * t - Vector::y() * (0.22 * r);
            let semi = Vector::from_fn(|_, _| r * (0.45 + 0.3 * draw.uniform()));
            parts.push(gas(centre, semi));
        }
    }
    parts
}

/// A chain of rods through points, with sections (front to back, side to side) at each.
fn chain(points: &[(Vector, [f64; 2])], fillet: f64) -> Rods {
    let rod = |pair: &[(Vector, [f64; 2])]| Rod::new(pair[0].0, pair[1].0, Vector::y(), [pair[0].1, pair[1].1]);
    Rods::new(points.windows(2).map(rod).collect(), fillet)
}

/// Psoas, quadratus lumborum and the erector spinae with the multifidus.
fn muscles(anatomy: &Anatomy, spine: &Spine) -> Vec<Part> {
    let (size, full) = (anatomy.size, anatomy.size * anatomy.muscle);
    let here = || Frame::at(Vector::zeros());
    let meat = || soft(54.0, 14.0, 6.0);
    let mut parts = Vec::new();
    for (side, name) in [(1.0, "left"), (-1.0, "right")] {
        let beside = |level: usize, x: f64, y: f64| {
            spine.vertebrae[level].world_from_local(&Vector::new(side * x * size, y * size, 0.0))
        };
        let pelvis = |x: f64, y: f64, z: f64| spine.sacrum.origin + Vector::new(side * x, y, z) * size;
        let section = |ap: f64, lateral: f64| [ap * full, lateral * full];
        let back = [
            (beside(0, 26.0, 42.0), section(15.0, 22.0)),
            (beside(2, 30.0, 46.0), section(21.0, 28.0)),
            (beside(4, 31.0, 50.0), section(24.0, 29.0)),
            (beside(6, 29.0, 50.0), section(22.0, 27.0)),
            (pelvis(22.0, 66.0, -45.0), section(10.0, 17.0)),
        ];
        parts.push(part(label(&format!("autochthon_{name}")), here(), Shape::Rods(chain(&back, 8.0)), meat()));
        let square = [
            (beside(1, 58.0, 34.0), section(5.0, 12.0)),
            (beside(4, 66.0, 33.0), section(8.0, 19.0)),
            (pelvis(70.0, 26.0, 12.0), section(9.0, 22.0)),
        ];
        parts.push(part(label("quadratus_lumborum"), here(), Shape::Rods(chain(&square, 6.0)), meat()));
        let psoas = [
            (beside(2, 27.0, 10.0), section(8.0, 6.0)),
            (beside(3, 34.0, 9.0), section(13.0, 10.0)),
            (beside(4, 42.0, 7.0), section(18.0, 15.0)),
            (beside(5, 47.0, 3.0), section(22.0, 18.0)),
            (pelvis(56.0, -18.0, 4.0), section(22.0, 20.0)),
            (pelvis(74.0, -52.0, -80.0), section(20.0, 22.0)),
        ];
        parts.push(part(label(&format!("iliopsoas_{name}")), here(), Shape::Rods(chain(&psoas, 8.0)), meat()));
    }
    parts
}

/// Aorta and inferior vena cava in front of the bodies, dividing before L4 and L5.
fn vessels(anatomy: &Anatomy, spine: &Spine) -> Vec<Part> {
    let size = anatomy.size;
    let before = |level: usize, x: f64, gap: f64| {
        let depth = anatomy.vertebrae[level].depth();
        spine.vertebrae[level].world_from_local(&Vector::new(x * size, -0.5 * depth - gap * size, 0.0))
    };
    let pelvis = |x: f64, y: f64, z: f64| spine.sacrum.origin + Vector::new(x, y, z) * size;
    let round = |r: f64| [r * size, r * size];
    let here = || Frame::at(Vector::zeros());
    let aorta = [
        (before(0, 12.0, 13.0), round(11.0)),
        (before(2, 10.0, 13.0), round(10.0)),
        (before(4, 9.0, 12.0), round(9.0)),
        (before(5, 4.0, 11.0), round(8.5)),
    ];
    let cava = [
        (before(0, -20.0, 26.0), [11.0 * size, 13.0 * size]),
        (before(2, -20.0, 14.0), [9.0 * size, 13.0 * size]),
        (before(4, -18.0, 11.0), [8.5 * size, 12.5 * size]),
        (before(6, -8.0, 10.0), [8.0 * size, 12.0 * size]),
    ];
    let branch = |x: f64, y: f64, r: f64, from: Vector| [(from, round(r)), (pelvis(x, y, -62.0), round(0.85 * r))];
    let blood = || soft(42.0, 4.0, 5.0);
    let vessel =
        |name: &str, points: &[(Vector, [f64; 2])]| part(label(name), here(), Shape::Rods(chain(points, 3.0)), blood());
    vec![
        vessel("inferior_vena_cava", &cava),
        vessel("iliac_vena_left", &branch(54.0, -8.0, 7.0, cava[3].0)),
        vessel("iliac_vena_right", &branch(-56.0, -8.0, 7.0, cava[3].0)),
        vessel("aorta", &aorta),
        vessel("iliac_artery_left", &branch(52.0, -24.0, 5.5, aorta[3].0)),
        vessel("iliac_artery_right", &branch(-52.0, -24.0, 5.5, aorta[3].0)),
    ]
}

/// The dural sac with cord and cauda equina, down the canals to S2.
fn dural_sac(anatomy: &Anatomy, spine: &Spine) -> Part {
    let mut points: Vec<(Vector, [f64; 2])> = anatomy
        .vertebrae
        .iter()
        .zip(&spine.vertebrae)
        .map(|(d, frame)| {
            let y = 0.5 * (d.depth() + d.canal_depth);
            (frame.world_from_local(&Vector::new(0.0, y, 0.0)), [0.36 * d.canal_depth, 0.33 * d.canal_width])
        })
        .collect();
    let size = anatomy.size;
    for (y, z, r) in [(21.0, -6.0, 6.0), (17.0, -45.0, 3.5)] {
        points.push((spine.sacrum.world_from_local(&(Vector::new(0.0, y, z) * size)), [r * size, 1.3 * r * size]));
    }
    part(label("spinal_cord"), Frame::at(Vector::zeros()), Shape::Rods(chain(&points, 2.0)), soft(28.0, 6.0, 4.0))
}
