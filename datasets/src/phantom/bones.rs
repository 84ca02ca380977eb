//! The skeleton: vertebrae, discs, sacrum, hip bones and rib stubs of one patient.

use super::anatomy::{Anatomy, VERTEBRAE};
use super::distance::{Rod, Rods};
use super::pelvis::{Hip, Sacrum};
use super::scene::{Part, Shape, Tissue};
use super::spine::{Frame, Spine};
use super::vertebra::{Column, pedicle_z, superior_facet_x, vertebra};
use crate::labels::label_of;
use regiscope_geometry::Vector;

/// Gap of the facet joints, mm (cartilage and joint space).
const FACET_GAP: f64 = 1.6;
/// How far a disc is painted under the end plates, mm; the vertebrae then cover it up to their hollow faces.
const DISC_UNDERLAP: f64 = 3.0;

fn label(name: &str) -> u16 {
    label_of(name).expect("the label table has every structure of the phantom")
}

/// Parts of the skeleton in paint order; `first` is the index that the first of them gets.
pub fn bones(anatomy: &Anatomy, spine: &Spine, first: usize) -> Vec<Part> {
    let mut parts = discs(anatomy, spine);
    let sacrum = first + parts.len();
    parts.push(Part {
        label: label("sacrum"),
        frame: spine.sacrum.clone(),
        shape: Shape::Sacrum(Box::new(Sacrum::new(anatomy.size))),
        tissue: bone(anatomy, 0.8, [1.1, 1.3], 15.0),
        kept_from: vec![],
    });
    for (name, side) in [("hip_left", 1.0), ("hip_right", -1.0)] {
        parts.push(Part {
            label: label(name),
            frame: Frame::at(spine.sacrum.origin),
            shape: Shape::Hip(Box::new(Hip::new(anatomy.size, side))),
            tissue: bone(anatomy, 0.8, [1.5, 1.5], 0.0),
            kept_from: vec![(sacrum, 2.0)],
        });
    }
    let lowest = first + parts.len();
    // From L5 upwards, so that each keeps clear of the one below it.
    for level in (0..VERTEBRAE.len()).rev() {
        let below = if level + 1 == VERTEBRAE.len() { sacrum } else { first + parts.len() - 1 };
        parts.push(vertebra_part(anatomy, spine, level, below));
    }
    let index_of = |level: usize| lowest + (VERTEBRAE.len() - 1 - level);
    for (level, rib) in [(0, 11), (1, 12)] {
        for (side, sign) in [("left", 1.0), ("right", -1.0)] {
            parts.push(Part {
                label: label(&format!("rib_{side}_{rib}")),
                frame: spine.vertebrae[level].clone(),
                shape: Shape::Rods(rib_rods(anatomy, level, rib, sign)),
                tissue: bone(anatomy, 0.7, [1.2, 1.2], 0.0),
                kept_from: vec![(index_of(0), 1.5), (index_of(1), 1.5)],
            });
        }
    }
    parts
}

fn bone(anatomy: &Anatomy, density: f64, cortex_mm: [f64; 2], behind_y: f64) -> Tissue {
    Tissue::Bone {
        cortex_hu: anatomy.cortex_hu,
        spongiosa_hu: density * anatomy.spongiosa_hu,
        cortex_mm: cortex_mm.map(|mm| mm * anatomy.cortex_mm),
        behind_y,
    }
}

/// Index of the vertebra `level` among the parts that [`bones`] returns.
pub fn vertebra_index(level: usize) -> usize {
    // Seven discs, the sacrum and two hip bones come first, then L5 … T11.
    10 + (VERTEBRAE.len() - 1 - level)
}

/// Index of the sacrum among the parts that [`bones`] returns.
pub const SACRUM_INDEX: usize = 7;

fn discs(anatomy: &Anatomy, spine: &Spine) -> Vec<Part> {
    (0..VERTEBRAE.len())
        .map(|level| {
            let (above, joint) = (&anatomy.vertebrae[level], &anatomy.joints[level]);
            let (below_width, below_depth, below_name) = match anatomy.vertebrae.get(level + 1) {
                Some(below) => (below.upper_width, below.upper_depth, VERTEBRAE[level + 1]),
                None => (50.0 * anatomy.size, 33.0 * anatomy.size, "S1"),
            };
            Part {
                label: label(&format!("intervertebral_disc_{}_{below_name}", VERTEBRAE[level])),
                frame: spine.discs[level].clone(),
                shape: Shape::Column(Column {
                    half_widths: [below_width, above.lower_width].map(|w| 0.48 * w),
                    half_depths: [below_depth, above.lower_depth].map(|d| 0.48 * d),
                    half_height: 0.5 * joint.height + DISC_UNDERLAP,
                    slope: 0.5 * joint.lordosis,
                    waist: -0.05,
                    hollow: 0.0,
                }),
                tissue: Tissue::Soft { hu: 85.0, amplitude: 12.0, grain: 6.0 },
                kept_from: vec![],
            }
        })
        .collect()
}

fn vertebra_part(anatomy: &Anatomy, spine: &Spine, level: usize, below: usize) -> Part {
    let d = &anatomy.vertebrae[level];
    let facet_below = anatomy.vertebrae.get(level + 1).map_or(24.5 * anatomy.size, superior_facet_x);
    Part {
        label: label(&format!("vertebrae_{}", VERTEBRAE[level])),
        frame: spine.vertebrae[level].clone(),
        shape: Shape::Vertebra(Box::new(vertebra(d, facet_below, anatomy.joints[level].height, level < 2))),
        tissue: bone(anatomy, 1.0, [0.9, 1.45], 0.5 * d.depth()),
        kept_from: vec![(below, FACET_GAP)],
    }
}

/// A rib from beside its vertebra backwards, outwards and down along the wall of the trunk.
fn rib_rods(anatomy: &Anatomy, level: usize, rib: usize, side: f64) -> Rods {
    let d = &anatomy.vertebrae[level];
    let (size, pz) = (anatomy.size, pedicle_z(d));
    let wall = anatomy.trunk_half_width - anatomy.fat_mm - 10.0;
    let head = Vector::new(0.5 * d.upper_width + 3.0, 0.35 * d.depth(), pz + 1.0);
    let mut path = vec![head, Vector::new(34.0 * size, 25.0 * size, pz + 1.0)];
    if rib == 12 {
        path.extend([[58.0, 38.0, -9.0], [82.0, 38.0, -27.0], [101.0, 25.0, -46.0]].map(|p| Vector::from(p) * size));
    } else {
        let outer = |x: f64, y: f64, z: f64| Vector::new(x * wall, y * size, z * size);
        path.extend([
            Vector::new(60.0 * size, 40.0 * size, -6.0 * size),
            outer(0.70, 34.0, -22.0),
            outer(0.90, 8.0, -43.0),
            outer(0.99, -24.0, -62.0),
            outer(1.0, -52.0, -78.0),
        ]);
    }
    let last = path.len() - 1;
    let taper = |n: usize| 1.0 - 0.35 * n as f64 / last as f64;
    let mirrored: Vec<Vector> = path.iter().map(|p| Vector::new(side * p.x, p.y, p.z)).collect();
    let section = |n: usize| [6.0 * taper(n), 3.6 * taper(n)].map(|r| r * size);
    let rods =
        (0..last).map(|n| Rod::new(mirrored[n], mirrored[n + 1], Vector::z(), [section(n), section(n + 1)])).collect();
    Rods::new(rods, 2.0)
}
