//! A patient as solids in paint order: each is laid over those before it, weighted by how much of the voxel it
//! covers.

use super::distance::{Ball, Rods, ellipse, ellipsoid, intersect};
use super::pelvis::{Hip, Sacrum};
use super::spine::Frame;
use super::texture::noise;
use super::vertebra::{Column, Vertebra};
use regiscope_geometry::Vector;

/// Attenuation of air, the background, HU.
pub const AIR_HU: f64 = -1000.0;

/// The outline of the trunk, flattened behind and slightly waisted, inset by some mm.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Half the width at the waist, mm.
    pub half_width: f64,
    /// Half the depth, mm.
    pub half_depth: f64,
    /// How far inside the skin the surface lies, mm.
    pub inset: f64,
}

impl Trunk {
    fn distance(&self, p: &Vector) -> f64 {
        let flare = 1.0 + 0.05 * ((p.z / 160.0) * (p.z / 160.0)).min(2.0);
        let (a, b) = (self.half_width * flare, self.half_depth);
        let front = ellipse(p.x, p.y + 0.10 * b, a, 1.08 * b * flare);
        intersect(front, p.y - 0.98 * b, 50.0) + self.inset
    }
}

/// The abdominal cavity: inside the wall of the trunk and in front of the spine and back muscles.
#[derive(Clone, Debug)]
pub struct Cavity {
    /// Its outer wall.
    pub wall: Trunk,
    /// Where the cavity ends in front of the spine, mm.
    pub spine_y: f64,
}

impl Cavity {
    fn distance(&self, p: &Vector) -> f64 {
        let behind = self.spine_y + 0.7 * p.x.abs().min(80.0);
        intersect(self.wall.distance(p), 0.82 * (p.y - behind), 15.0)
    }
}

/// Every kind of solid.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A vertebra with its processes.
    Vertebra(Box<Vertebra>),
    /// A disc.
    Column(Column),
    /// The sacrum.
    Sacrum(Box<Sacrum>),
    /// A hip bone.
    Hip(Box<Hip>),
    /// Ribs, vessels, muscles.
    Rods(Rods),
    /// An ellipsoid with these semi-axes, mm.
    Ellipsoid(Vector),
    /// An ellipsoid with an uneven surface: semi-axes and height of the bumps, mm.
    Uneven(Vector, f64),
    /// The trunk.
    Trunk(Trunk),
    /// The abdominal cavity.
    Cavity(Cavity),
}

impl Shape {
    fn distance(&self, p: &Vector) -> f64 {
        match self {
            Shape::Vertebra(s) => s.distance(p),
            Shape::Column(s) => s.distance(p),
            Shape::Sacrum(s) => s.distance(p),
            Shape::Hip(s) => s.distance(p),
            Shape::Rods(s) => s.distance(p),
            Shape::Ellipsoid(semi_axes) => ellipsoid(p, semi_axes),
            Shape::Uneven(semi_axes, bumps) => ellipsoid(p, semi_axes) + bumps * noise(p, 10.0, semi_axes.x.to_bits()),
            Shape::Trunk(s) => s.distance(p),
            Shape::Cavity(s) => s.distance(p),
        }
    }

    fn ball(&self) -> Ball {
        match self {
            Shape::Vertebra(s) => s.ball(),
            Shape::Column(s) => s.ball(),
            Shape::Sacrum(s) => s.ball(),
            Shape::Hip(s) => s.ball(),
            Shape::Rods(s) => s.ball(),
            Shape::Ellipsoid(semi_axes) => Ball { centre: Vector::zeros(), radius: semi_axes.max() },
            // The first-order distance falls short of the true one along the long axes; twice the bumps is ample.
            Shape::Uneven(semi_axes, bumps) => Ball {
                centre: Vector::zeros(),
                radius: semi_axes.max() + 2.0 * bumps * semi_axes.max() / semi_axes.min(),
            },
            Shape::Trunk(_) | Shape::Cavity(_) => Ball { centre: Vector::zeros(), radius: f64::INFINITY },
        }
    }
}

/// What a solid is made of.
#[derive(Clone, Debug)]
pub enum Tissue {
    /// One attenuation with a texture: HU, amplitude in HU, grain in mm.
    Soft {
        /// Mean attenuation, HU.
        hu: f64,
        /// Amplitude of the texture, HU.
        amplitude: f64,
        /// Size of its grains, mm.
        grain: f64,
    },
    /// A compact shell round spongy bone.
    Bone {
        /// Attenuation of the shell, HU.
        cortex_hu: f64,
        /// Mean attenuation inside, HU.
        spongiosa_hu: f64,
        /// Thickness of the shell, mm, in front and behind …
        cortex_mm: [f64; 2],
        /// … of this y in the part's frame, changing over 10 mm.
        behind_y: f64,
    },
}

/// A solid in its place.
#[derive(Clone, Debug)]
pub struct Part {
    /// Label of the voxels whose centre it holds; 0 leaves them unlabelled.
    pub label: u16,
    /// Where it stands.
    pub frame: Frame,
    /// Its surface, in that frame.
    pub shape: Shape,
    /// What it is made of.
    pub tissue: Tissue,
    /// Parts that keep a gap of so many mm from this one, by index: joints stay open, bones stay apart.
    pub kept_from: Vec<(usize, f64)>,
}

/// Parts in paint order.
#[derive(Clone, Debug)]
pub struct Scene {
    parts: Vec<Part>,
    /// Each part's ball in the volume's frame.
    balls: Vec<Ball>,
    seed: u64,
}

/// What lies at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Attenuation, HU.
    pub hu: f64,
    /// Label of the topmost part that holds the point.
    pub label: u16,
}

impl Scene {
    /// Joins parts in paint order; `seed` fixes the texture.
    pub fn new(parts: Vec<Part>, seed: u64) -> Self {
        let balls = parts
            .iter()
            .map(|part| {
                let ball = part.shape.ball();
                Ball { centre: part.frame.world_from_local(&ball.centre), radius: ball.radius }
            })
            .collect();
        Self { parts, balls, seed }
    }

    /// The parts in paint order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Signed distance (mm) to a part's surface, joints kept open.
    pub fn distance(&self, index: usize, p: &Vector) -> f64 {
        let part = &self.parts[index];
        self.kept(part, p, part.shape.distance(&part.frame.local_from_world(p)))
    }

    fn kept(&self, part: &Part, p: &Vector, mut distance: f64) -> f64 {
        /// Farther than this (mm) from the other part's ball, the gap cannot touch surface or shell.
        const IDLE: f64 = 8.0;
        for &(other, gap) in &part.kept_from {
            if self.balls[other].distance(p) < gap + IDLE {
                let from = &self.parts[other];
                distance = distance.max(gap - from.shape.distance(&from.frame.local_from_world(p)));
            }
        }
        distance
    }

    /// Composes the parts named by `candidates` (ascending) at a point; `width` (mm) is the size over which an
    /// edge is spread.
    pub fn sample(&self, candidates: &[usize], p: &Vector, width: f64) -> Sample {
        let mut sample = Sample { hu: AIR_HU, label: 0 };
        for &index in candidates {
            if self.balls[index].distance(p) > width {
                continue;
            }
            let part = &self.parts[index];
            let local = part.frame.local_from_world(p);
            let distance = self.kept(part, p, part.shape.distance(&local));
            let cover = (0.5 - distance / width).clamp(0.0, 1.0);
            if cover > 0.0 {
                let hu = self.hu(part, p, &local, distance, width, cover);
                sample.hu += cover * (hu - sample.hu);
            }
            if distance <= 0.0 {
                sample.label = part.label;
            }
        }
        sample
    }

    fn hu(&self, part: &Part, p: &Vector, local: &Vector, distance: f64, width: f64, cover: f64) -> f64 {
        match part.tissue {
            Tissue::Soft { hu, amplitude: 0.0, .. } => hu,
            Tissue::Soft { hu, amplitude, grain } => hu + amplitude * noise(p, grain, self.seed),
            Tissue::Bone { cortex_hu, spongiosa_hu, cortex_mm: [front, back], behind_y } => {
                let behind = ((local.y - behind_y) / 10.0).clamp(0.0, 1.0);
                let shell = front + behind * (back - front);
                // Share of the covered part that lies deeper than the shell.
                let deep = (0.5 - (distance + shell) / width).clamp(0.0, 1.0) / cover;
                if deep == 0.0 {
                    return cortex_hu;
                }
                let trabeculae =
                    spongiosa_hu * (1.0 + 0.3 * noise(p, 3.0, self.seed) + 0.15 * noise(p, 11.0, !self.seed));
                cortex_hu + deep * (trabeculae - cortex_hu)
            }
        }
    }

    /// Parts that can matter within `radius` mm of `centre`, ascending: those in reach, less those buried under
    /// a later part that fills the whole ball.
    pub fn candidates(&self, centre: &Vector, radius: f64, found: &mut Vec<usize>) {
        /// The distances are estimates; a surface is ruled out only beyond this multiple of the radius.
        const TRUST: f64 = 1.6;
        found.clear();
        for (index, part) in self.parts.iter().enumerate() {
            if self.balls[index].distance(centre) > radius {
                continue;
            }
            let distance = part.shape.distance(&part.frame.local_from_world(centre));
            if distance > TRUST * radius {
                continue;
            }
            let nearest_gap = part
                .kept_from
                .iter()
                .map(|&(other, gap)| gap - self.balls[other].distance(centre))
                .fold(distance, f64::max);
            if nearest_gap < -TRUST * radius {
                found.clear();
            }
            found.push(index);
        }
    }
}
