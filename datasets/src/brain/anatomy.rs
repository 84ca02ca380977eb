//! The solids of an invented brain, in mm (LPS, left is +x), after the usual proportions of an adult's.

use crate::phantom::texture::noise;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Point, Vector};

/// Names of the labels 1, 2, …
pub const LABELS: [&str; 23] = [
    "frontal_left",
    "frontal_right",
    "parietal_left",
    "parietal_right",
    "temporal_left",
    "temporal_right",
    "occipital_left",
    "occipital_right",
    "white_matter_left",
    "white_matter_right",
    "ventricle_left",
    "ventricle_right",
    "thalamus_left",
    "thalamus_right",
    "caudate_left",
    "caudate_right",
    "putamen_left",
    "putamen_right",
    "hippocampus_left",
    "hippocampus_right",
    "cerebellum_left",
    "cerebellum_right",
    "brainstem",
];

/// The name of a label.
pub fn name_of(label: u16) -> Option<&'static str> {
    LABELS.get(usize::from(label).checked_sub(1)?).copied()
}

const WHITE: f64 = 85.0;
const GREY: f64 = 55.0;
const NUCLEUS: f64 = 66.0;
const FLUID: f64 = 18.0;

/// Thickness of the cortex, mm.
const CORTEX_MM: f64 = 5.0;

/// An ellipsoid with its label.
#[derive(Clone, Debug)]
struct Solid {
    label: u16,
    centre: Vector,
    radii: Vector,
}

impl Solid {
    /// About the signed distance to the surface, mm; exact at it.
    fn distance(&self, p: &Vector) -> f64 {
        let q = p - self.centre;
        let inner = q.component_div(&self.radii).norm();
        let outer = q.component_div(&self.radii.component_mul(&self.radii)).norm();
        if outer > 0.0 { inner * (inner - 1.0) / outer } else { -self.radii.min() }
    }
}

/// A brain.
#[derive(Clone, Debug)]
pub struct Brain {
    seed: u64,
    hemispheres: [Solid; 2],
    cerebellum: [Solid; 2],
    brainstem: Solid,
    /// Grey nuclei and ventricles, those that come later in front.
    inside: Vec<Solid>,
    /// Between frontal and parietal, parietal and occipital along y, and above the temporal lobe along z, mm.
    borders: [f64; 3],
}

impl Brain {
    /// Draws a brain: places vary by up to 2 mm, sizes by 6 %.
    pub fn draw(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x6272_6169_6e00);
        let mut solid = |label: u16, centre: [f64; 3], radii: [f64; 3]| {
            let shift = Vector::from_fn(|_, _| random.random_range(-2.0..2.0f64));
            let size = Vector::from_fn(|_, _| random.random_range(0.94..1.06f64));
            Solid { label, centre: Vector::from(centre) + shift, radii: Vector::from(radii).component_mul(&size) }
        };
        let mut pair = |label: u16, [x, y, z]: [f64; 3], radii: [f64; 3]| {
            [solid(label, [x, y, z], radii), solid(label + 1, [-x, y, z], radii)]
        };
        let hemispheres = pair(9, [30.0, 0.0, 12.0], [31.0, 76.0, 50.0]);
        let cerebellum = pair(21, [21.0, 48.0, -38.0], [25.0, 23.0, 19.0]);
        let mut inside = Vec::new();
        inside.extend(pair(17, [25.0, -6.0, 4.0], [7.0, 18.0, 11.0]));
        inside.extend(pair(15, [14.0, -20.0, 18.0], [6.0, 15.0, 10.0]));
        inside.extend(pair(13, [11.0, 10.0, 8.0], [9.0, 14.0, 9.0]));
        inside.extend(pair(19, [27.0, 18.0, -14.0], [7.0, 19.0, 6.0]));
        inside.extend(pair(11, [9.0, 4.0, 24.0], [5.0, 30.0, 8.0]));
        let brainstem = solid(23, [0.0, 24.0, -40.0], [12.0, 12.0, 26.0]);
        let mut vary = |at: f64| at + random.random_range(-4.0..4.0f64);
        let borders = [vary(-4.0), vary(46.0), vary(-2.0)];
        Self { seed, hemispheres, cerebellum, brainstem, inside, borders }
    }

    /// Middles of the structures that are single solids.
    pub fn middles(&self) -> impl Iterator<Item = (&'static str, Point)> {
        let all = self.inside.iter().chain(&self.cerebellum).chain([&self.brainstem]).chain(&self.hemispheres);
        all.map(|s| (name_of(s.label).expect("every solid has a name"), Point::from(s.centre)))
    }

    /// Grey value and label at a point; edges are spread over `width` mm.
    pub fn sample(&self, p: &Vector, width: f64) -> (f64, u16) {
        // Far outside there is nothing to look at.
        if p.component_div(&Vector::new(72.0, 92.0, 78.0)).norm() > 1.0 {
            return (0.0, 0);
        }
        let inside = |d: f64| (0.5 - d / width).clamp(0.0, 1.0);
        let over = |below: f64, value: f64, share: f64| below + (value - below) * share;
        let (mut grey, mut label) = (0.0, 0);
        let mut lay = |distance: f64, value: f64, name: u16| {
            grey = over(grey, value, inside(distance));
            if distance < 0.0 {
                label = name;
            }
        };
        lay(self.brainstem.distance(p), 0.5 * (WHITE + NUCLEUS), 23);
        for half in &self.cerebellum {
            let folia = 1.2 * noise(&Vector::new(0.3 * p.x, p.y, p.z), 5.0, self.seed ^ 3);
            let d = half.distance(p) + folia;
            lay(d, GREY, half.label);
            lay(d + 7.0 + 3.0 * noise(p, 9.0, self.seed ^ 4), WHITE, half.label);
        }
        // Folds: gyri stand out, sulci reach in deeper than the surface shows.
        let folds = noise(p, 15.0, self.seed ^ 1) + 0.5 * noise(p, 8.0, self.seed ^ 2);
        for (side, half) in self.hemispheres.iter().enumerate() {
            // The fissure between the hemispheres.
            let across = if side == 0 { p.x } else { -p.x };
            let d = half.distance(p).max(1.0 - across);
            if d > 12.0 {
                continue;
            }
            let pial = d + 3.5 * folds + 1.5;
            let white = d + CORTEX_MM + 7.0 * folds.max(-0.4) + 1.0;
            lay(pial, GREY, self.lobe(p, side as u16));
            lay(white.max(pial + 0.6 * CORTEX_MM), WHITE, half.label);
        }
        for solid in &self.inside {
            let value = if matches!(solid.label, 11 | 12) { FLUID } else { NUCLEUS };
            lay(solid.distance(p), value, solid.label);
        }
        // Tissue is not all of one grey.
        let texture = 1.0 + 0.04 * noise(p, 22.0, self.seed ^ 5) + 0.02 * noise(p, 4.5, self.seed ^ 6);
        (grey * texture, label)
    }

    fn lobe(&self, p: &Vector, side: u16) -> u16 {
        let [central, occipital, lateral] = self.borders;
        let first = if p.y > occipital {
            7
        } else if p.z < lateral && p.x.abs() > 22.0 && p.y > -38.0 {
            5
        } else if p.y > central {
            3
        } else {
            1
        };
        first + side
    }
}
