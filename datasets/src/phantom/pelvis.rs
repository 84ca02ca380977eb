//! Sacrum and hip bones. The sacrum is drawn in its own frame: origin in the middle of the S1 end plate, z its
//! normal, y to the back; it is evaluated at `|x|`.

use super::distance::{Ball, Rod, Rods, blend, ellipse, intersect};
use super::spine::rotation_x;
use super::vertebra::Column;
use regiscope_geometry::Vector;

/// Sacrum: the S1 body with its promontory, fused bodies that curve forwards, alae, lateral masses with the
/// foramina between, median crest, canal.
#[derive(Clone, Debug)]
pub struct Sacrum {
    scale: f64,
    promontory: Column,
    bone: Rods,
    holes: Rods,
}

/// Lengths of S1–S5 along the curve, mm.
const SEGMENTS: [f64; 5] = [29.0, 24.0, 20.0, 17.0, 15.0];
/// Turn of each segment against the one above, rad (forwards).
const KYPHOSIS: f64 = 0.22;

impl Sacrum {
    /// A sacrum scaled from the mean. `scale` is the patient's size.
    pub fn new(scale: f64) -> Self {
        let levels = curve();
        let at = |level: usize, x: f64, y: f64| levels[level] + Vector::new(x, y, 0.0);
        let mut bone = Vec::new();
        let width = [20.0, 16.5, 13.5, 11.0, 9.0, 7.0];
        let depth = [14.0, 11.5, 9.0, 7.5, 6.5, 5.0];
        for n in 0..5 {
            let section = |k: usize| [depth[k], width[k]];
            bone.push(Rod::new(at(n, 0.0, 0.0), at(n + 1, 0.0, 0.0), Vector::y(), [section(n), section(n + 1)]));
        }
        // Ala of S1 and the lateral mass down to S5.
        bone.push(Rod::new(
            Vector::new(16.0, 3.0, -9.0),
            Vector::new(42.0, 11.0, -11.0),
            Vector::z(),
            [[10.0, 10.0], [11.0, 11.0]],
        ));
        let lateral = [43.0, 39.0, 31.0, 24.0, 17.0, 9.0];
        let mass = [12.0, 11.0, 8.5, 6.5, 5.0, 4.0];
        for n in 0..5 {
            let y = |k: usize| 10.0 - 2.0 * k as f64;
            let section = |k: usize| [mass[k], 0.8 * mass[k]];
            let lift = if n == 0 { -9.0 } else { 0.0 };
            let start = at(n, lateral[n], y(n)) + Vector::new(0.0, 0.0, lift);
            bone.push(Rod::new(start, at(n + 1, lateral[n + 1], y(n + 1)), Vector::y(), [section(n), section(n + 1)]));
        }
        // Costal elements bridge to the lateral masses between the foramina.
        for n in 0..5 {
            let middle = |x: f64, y: f64| (levels[n] + levels[n + 1]) * 0.5 + Vector::new(x, y, 0.0);
            let radius = 8.0 - 0.9 * n as f64;
            bone.push(Rod::round(middle(0.0, 0.0), middle(lateral[n + 1], 7.0 - 1.5 * n as f64), [radius, radius]));
        }
        // Dorsal wall, median crest, and the articular processes for L5.
        let wall = |k: usize| 29.0 - 4.2 * k as f64;
        for n in 0..4 {
            let plate = [[3.0, 22.0 - 3.0 * n as f64], [2.6, 19.0 - 3.0 * n as f64]];
            bone.push(Rod::new(
                at(n, 0.0, wall(n)) + Vector::z() * -6.0,
                at(n + 1, 0.0, wall(n + 1)),
                Vector::y(),
                plate,
            ));
        }
        bone.push(Rod::new(
            at(1, 0.0, 30.0) + Vector::z() * 12.0,
            at(3, 0.0, 19.0),
            Vector::y(),
            [[7.0, 3.0], [4.0, 2.5]],
        ));
        bone.push(Rod::new(
            Vector::new(24.5, 15.0, -8.0),
            Vector::new(25.0, 17.0, 9.0),
            Vector::y(),
            [[6.0, 6.0], [4.0, 3.4]],
        ));
        // Foramina run from front to back between the segments; the canal runs down behind the bodies.
        let mut holes = Vec::new();
        for n in 1..5 {
            let x = 0.5 * (width[n] + lateral[n]) - 1.0;
            let radius = 4.2 - 0.4 * n as f64;
            holes.push(Rod::round(at(n, x - 1.0, -14.0), at(n, x - 4.0, 30.0), [radius + 0.8, radius - 1.0]));
        }
        let canal = |k: usize| at(k, 0.0, depth[k] + 5.5 - 0.6 * k as f64);
        let section = |k: usize| [7.0 - 1.1 * k as f64, 13.0 - 2.0 * k as f64];
        holes.push(Rod::new(canal(0) + Vector::z() * 14.0, canal(0), Vector::y(), [section(0), section(0)]));
        for n in 0..4 {
            holes.push(Rod::new(canal(n), canal(n + 1), Vector::y(), [section(n), section(n + 1)]));
        }
        Self { scale, promontory: promontory(), bone: Rods::new(bone, 5.0), holes: Rods::new(holes, 0.5) }
    }

    /// Signed distance, mm.
    pub fn distance(&self, p: &Vector) -> f64 {
        let q = Vector::new(p.x.abs(), p.y, p.z) / self.scale;
        let solid = blend(self.bone.distance(&q), self.promontory.distance(&(q + Vector::z() * PROMONTORY_HALF)), 4.0);
        self.scale * intersect(solid, -self.holes.distance(&q), 2.0)
    }

    /// A ball round the sacrum.
    pub fn ball(&self) -> Ball {
        let all = self.bone.ball().join(&self.promontory.ball());
        let radius = self.scale * (all.radius + all.centre.x.abs() + PROMONTORY_HALF);
        Ball { centre: Vector::new(0.0, all.centre.y, all.centre.z) * self.scale, radius }
    }

    /// Tip of the fifth segment in the sacrum's frame, mm.
    pub fn apex(&self) -> Vector {
        curve()[5] * self.scale
    }
}

const PROMONTORY_HALF: f64 = 13.0;

/// The S1 body, whose upper face is the sacral end plate.
fn promontory() -> Column {
    Column {
        half_widths: [20.0, 25.0],
        half_depths: [12.5, 16.5],
        half_height: PROMONTORY_HALF,
        slope: 0.0,
        waist: 0.06,
        hollow: 1.2,
    }
}

/// Middle of the bodies' ends from the end plate down, following the sacral kyphosis.
fn curve() -> [Vector; 6] {
    let mut at = Vector::new(0.0, -1.0, -17.0);
    let mut points = [at; 6];
    for (n, length) in SEGMENTS.iter().enumerate() {
        let shorter = if n == 0 { length - 14.0 } else { *length };
        at -= rotation_x(-KYPHOSIS * (n as f64 + 0.3)) * Vector::z() * shorter;
        points[n + 1] = at;
    }
    points
}

/// A hip bone's wing, cut off towards the acetabulum: a curved plate with a thick crest. The frame is the
/// sacrum's place without its tilt; `side` is +1 for the left, −1 for the right.
#[derive(Clone, Debug)]
pub struct Hip {
    scale: f64,
    side: f64,
    root: Rods,
}

impl Hip {
    /// A hip bone scaled from the mean.
    pub fn new(scale: f64, side: f64) -> Self {
        // The thick part by the sacroiliac joint, the arcuate line, and the body above the acetabulum.
        let root = Rods::new(
            vec![
                Rod::new(
                    Vector::new(57.0, 48.0, -12.0),
                    Vector::new(58.0, 52.0, -58.0),
                    Vector::y(),
                    [[15.0, 5.5], [13.0, 6.5]],
                ),
                Rod::new(
                    Vector::new(60.0, 48.0, -55.0),
                    Vector::new(88.0, -5.0, -82.0),
                    Vector::z(),
                    [[11.0, 7.0], [17.0, 12.0]],
                ),
                Rod::round(Vector::new(90.0, -5.0, -82.0), Vector::new(96.0, -2.0, -104.0), [17.0, 21.0]),
            ],
            8.0,
        );
        Self { scale, side, root }
    }

    /// Signed distance, mm.
    pub fn distance(&self, p: &Vector) -> f64 {
        let q = Vector::new(p.x * self.side, p.y, p.z) / self.scale;
        self.scale * blend(self.wing(&q), self.root.distance(&q), 10.0)
    }

    fn wing(&self, p: &Vector) -> f64 {
        // In the plane of the wing: u from the sacrum to the anterior spine, v up along the flaring blade.
        let offset = p - Vector::new(92.0, 6.0, -26.0);
        let u = 0.60 * offset.x - 0.80 * offset.y;
        let out = 0.80 * offset.x + 0.60 * offset.y;
        let (v, w) = (0.94 * offset.z + 0.341 * out, 0.94 * out - 0.341 * offset.z);
        let bow = w + (u * u) / 260.0 - 6.0;
        let rim = (u / 76.0) * (u / 76.0) + (v / 54.0) * (v / 54.0);
        let thickness = 3.2 + 3.3 * rim.min(1.0) * rim.min(1.0);
        intersect(ellipse(u, v, 76.0, 54.0), 0.8 * (bow.abs() - thickness), 4.0)
    }

    /// A ball round the hip bone.
    pub fn ball(&self) -> Ball {
        let wing = Ball { centre: Vector::new(92.0, 6.0, -26.0), radius: 95.0 };
        let all = self.root.ball().join(&wing);
        let centre = Vector::new(all.centre.x * self.side, all.centre.y, all.centre.z);
        Ball { centre: centre * self.scale, radius: all.radius * self.scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sacrum_tapers_and_has_its_openings() {
        let sacrum = Sacrum::new(1.0);
        let half_width = |z: f64| {
            (0..120)
                .rev()
                .map(|n| n as f64 * 0.5)
                .find(|&x| (-60..60).any(|y| sacrum.distance(&Vector::new(x, y as f64, z)) < 0.0))
        };
        let widths = [-12.0, -45.0, -70.0, -90.0].map(|z| half_width(z).expect("bone at this height"));
        assert!(widths.windows(2).all(|w| w[0] > w[1] + 2.0), "{widths:?}");
        assert!((45.0..60.0).contains(&widths[0]));
        assert!(sacrum.distance(&Vector::new(0.0, 20.0, -25.0)) > 0.0, "canal");
        assert!(sacrum.distance(&Vector::new(0.0, 0.0, -12.0)) < -5.0, "body of S1");
        assert!(sacrum.distance(&Vector::new(0.0, 0.0, 1.0)) > 0.0, "end plate");
    }

    #[test]
    fn balls_enclose_the_bones() {
        let (sacrum, hip) = (Sacrum::new(1.05), Hip::new(1.05, -1.0));
        for n in 0..60_000i64 {
            let p = Vector::new((n * 7 % 331 - 165) as f64, (n * 5 % 253 - 126) as f64, (n * 3 % 241 - 160) as f64);
            assert!(sacrum.distance(&p) > 0.0 || sacrum.ball().distance(&p) <= 0.0, "sacrum {p:?}");
            assert!(hip.distance(&p) > 0.0 || hip.ball().distance(&p) <= 0.0, "hip {p:?}");
            assert!(hip.distance(&p) > 0.0 || p.x < 0.0, "the right hip lies on the right {p:?}");
        }
    }
}
