//! One vertebra in its own frame: origin in the middle of the body, x to the left, y to the back, z upwards, mm.
//! Its left and right halves mirror each other; it is evaluated at `|x|`.

use super::anatomy::VertebraDimensions;
use super::distance::{Ball, Rod, Rods, blend, ellipse, intersect};
use regiscope_geometry::Vector;

/// A vertebral body or a disc: an elliptic column cut straight behind, narrowed or bulging in the middle,
/// between two end plates that tilt against each other and are concave.
#[derive(Clone, Debug)]
pub struct Column {
    /// Half widths at the lower and the upper end plate.
    pub half_widths: [f64; 2],
    /// Half depths at the lower and the upper end plate.
    pub half_depths: [f64; 2],
    /// Half the height in the middle.
    pub half_height: f64,
    /// Slope of each end plate (half the wedge), positive where the front is higher.
    pub slope: f64,
    /// Share by which the middle is narrower (positive) or wider (negative) than the ends.
    pub waist: f64,
    /// Depth of the end plates' hollow.
    pub hollow: f64,
}

/// The section's ellipse reaches this share of the half depth beyond its centre before the straight cut behind.
const ELLIPSE_DEPTH: f64 = 1.22;

impl Column {
    /// Signed distance, mm.
    pub fn distance(&self, p: &Vector) -> f64 {
        let t = (p.z / self.half_height).clamp(-1.0, 1.0);
        let upper = 0.5 * (1.0 + t);
        let narrowed = 1.0 - self.waist * (1.0 - t * t);
        let [a, b] = [self.half_widths, self.half_depths].map(|[low, up]| low + upper * (up - low));
        let (a, b_front) = (a * narrowed, b * (1.0 - 0.7 * self.waist * (1.0 - t * t)));
        let b_ellipse = b_front * ELLIPSE_DEPTH;
        let front = ellipse(p.x, p.y + b_front - b_ellipse, a, b_ellipse);
        let across = p.x / (0.55 * a);
        let behind = p.y - b + 1.5 * (1.0 - across * across).max(0.0);
        let side = intersect(front, behind, 5.0);
        let radial = (p.x / a) * (p.x / a) + (p.y / b) * (p.y / b);
        let plate = self.half_height - self.slope * p.y - self.hollow * (1.0 - radial).max(0.0);
        // Both end plates tilt by the same slope, mirrored: one distance to the nearer of them.
        intersect(side, p.z.abs() - plate, 2.5)
    }

    /// A ball round the column.
    pub fn ball(&self) -> Ball {
        let [a, b] = [self.half_widths, self.half_depths].map(|h| h[0].max(h[1]) * (1.0 + self.waist.abs()));
        let h = self.half_height + self.slope.abs() * b;
        Ball { centre: Vector::zeros(), radius: (a * a + b * b + h * h).sqrt() }
    }
}

/// The body with its arch and processes.
#[derive(Clone, Debug)]
pub struct Vertebra {
    body: Column,
    /// Right half of arch and processes as rods in `|x|`.
    arch: Rods,
    canal: Canal,
    ball: Ball,
}

/// The vertebral foramen, a vertical elliptic tube.
#[derive(Clone, Debug)]
struct Canal {
    centre_y: f64,
    half_width: f64,
    half_depth: f64,
}

impl Vertebra {
    /// Signed distance, mm.
    pub fn distance(&self, p: &Vector) -> f64 {
        let mirrored = Vector::new(p.x.abs(), p.y, p.z);
        let arch = self.arch.distance(&mirrored);
        let canal = ellipse(p.x, p.y - self.canal.centre_y, self.canal.half_width, self.canal.half_depth);
        blend(self.body.distance(p), intersect(arch, -canal, 1.5), 3.0)
    }

    /// A ball round the vertebra.
    pub fn ball(&self) -> Ball {
        self.ball
    }
}

/// Where the superior articular processes of a vertebra stand, `|x|` in mm.
pub fn superior_facet_x(d: &VertebraDimensions) -> f64 {
    0.5 * d.canal_width + 0.35 * d.pedicle_width + 2.5
}

/// Height of the pedicles' axis above the middle of the body, mm.
pub fn pedicle_z(d: &VertebraDimensions) -> f64 {
    0.5 * d.posterior_height - 0.5 * d.pedicle_height - 0.5
}

/// A lumbar vertebra, or T11 and T12 (`thoracic`: short transverse processes, slender steep spinous process).
/// `facet_below_x` is `|x|` of the superior articular processes of the vertebra below.
pub fn vertebra(d: &VertebraDimensions, facet_below_x: f64, disc_below: f64, thoracic: bool) -> Vertebra {
    let body = Column {
        half_widths: [0.5 * d.lower_width, 0.5 * d.upper_width],
        half_depths: [0.5 * d.lower_depth, 0.5 * d.upper_depth],
        half_height: 0.5 * d.height(),
        slope: d.end_plate_slope(),
        waist: 0.11,
        hollow: 2.0,
    };
    let arch = Rods::new(arch_rods(d, facet_below_x, disc_below, thoracic), 2.5);
    let mirrored = arch.ball();
    let arch_ball = Ball {
        centre: Vector::new(0.0, mirrored.centre.y, mirrored.centre.z),
        radius: mirrored.centre.x.abs() + mirrored.radius,
    };
    Vertebra {
        ball: body.ball().join(&arch_ball),
        body,
        arch,
        canal: Canal {
            centre_y: 0.5 * d.depth() + 0.5 * d.canal_depth,
            half_width: 0.5 * d.canal_width,
            half_depth: 0.5 * d.canal_depth,
        },
    }
}

/// Pedicle, pillar, articular processes, lamina, spinous and transverse process of one side.
fn arch_rods(d: &VertebraDimensions, facet_below_x: f64, disc_below: f64, thoracic: bool) -> Vec<Rod> {
    let (up, wall) = (Vector::z(), 0.5 * d.depth());
    let (px, pz) = (0.5 * (d.canal_width + d.pedicle_width), pedicle_z(d));
    let (facet_x, lower_x) = (superior_facet_x(d), facet_below_x - 7.5);
    let half = 0.5 * d.posterior_height;
    let rod = |a: [f64; 3], b: [f64; 3], s: [[f64; 2]; 2]| Rod::new(Vector::from(a), Vector::from(b), up, s);
    // Section of rods that stand upright: their first axis points to the back.
    let post = |a: [f64; 3], b: [f64; 3], s: [[f64; 2]; 2]| Rod::new(Vector::from(a), Vector::from(b), Vector::y(), s);
    let pedicle = [0.5 * d.pedicle_height, 0.5 * d.pedicle_width];
    let back = wall + d.canal_depth;
    let tip = wall + d.spinous_length;
    let mut rods = vec![
        rod([px - 1.5, wall - 6.0, pz], [px + 0.5, wall + 8.0, pz], [pedicle, pedicle]),
        // Pillar between the articular processes (pars interarticularis), then the processes themselves.
        post([facet_x, wall + 12.0, pz + 2.0], [lower_x + 2.0, back - 1.0, -0.45 * half], [[5.0, 5.5], [4.0, 5.0]]),
        post(
            [facet_x, wall + 11.0, pz],
            [facet_x + 1.0, wall + 12.0, half + 0.55 * disc_below],
            [[5.5, 4.5], [4.0, 3.2]],
        ),
        post(
            [lower_x + 2.0, back - 1.0, -0.4 * half],
            [lower_x, wall + 18.5, -half - disc_below - 1.0],
            [[4.0, 5.0], [3.4, 4.2]],
        ),
        // Lamina: a sloping plate to the midline.
        rod([facet_x - 2.0, wall + 13.0, -1.0], [0.0, back + 4.0, -0.5 * half], [[8.5, 3.2], [9.0, 3.4]]),
    ];
    if thoracic {
        rods.push(rod([0.0, back + 3.0, -0.5 * half], [0.0, tip - 3.0, -half - 4.0], [[8.0, 3.0], [6.5, 3.2]]));
        rods.push(rod(
            [px, wall + 10.0, pz],
            [0.5 * d.transverse_span - 4.0, wall + 15.0, pz + 1.0],
            [[6.0, 4.5], [4.5, 4.0]],
        ));
    } else {
        rods.push(rod([0.0, back + 3.0, -0.55 * half], [0.0, tip - 4.0, -0.8 * half], [[8.0, 2.2], [10.5, 4.2]]));
        let end = [0.5 * d.transverse_span - 3.0, wall + 15.0, pz + 1.0];
        let stout = d.pedicle_width / 10.0;
        rods.push(rod(
            [px + 1.0, wall + 7.0, pz - 1.0],
            end,
            [[6.5 * stout.min(1.4), 3.4 * stout.min(1.4)], [3.6, 2.2]],
        ));
    }
    rods
}

#[cfg(test)]
mod tests {
    use super::super::anatomy::Anatomy;
    use super::*;

    fn third_lumbar() -> (VertebraDimensions, Vertebra) {
        let d = Anatomy::mean().vertebrae[4].clone();
        let below = superior_facet_x(&Anatomy::mean().vertebrae[5]);
        (d.clone(), vertebra(&d, below, 10.5, false))
    }

    #[test]
    fn the_measurements_are_met() {
        let (d, v) = third_lumbar();
        let inside = |x: f64, y: f64, z: f64| v.distance(&Vector::new(x, y, z)) < 0.0;
        let (wall, pz) = (0.5 * d.depth(), pedicle_z(&d));
        assert!(inside(0.0, 0.0, 0.0) && !inside(0.0, 0.0, 0.5 * d.height()), "hollow end plate");
        assert!(inside(0.0, -wall + 3.0, 0.5 * d.anterior_height - 3.0));
        assert!(!inside(0.0, -wall - 0.5, 0.0) && !inside(0.5 * d.upper_width + 1.0, 0.0, 10.0));
        assert!(inside(0.5 * d.upper_width - 2.5, 0.0, 9.5) && !inside(0.5 * d.upper_width - 1.0, 0.0, 0.0), "waist");
        assert!(!inside(0.0, wall + 0.5 * d.canal_depth, 0.0), "the canal is open");
        assert!(inside(0.5 * (d.canal_width + d.pedicle_width), wall + 3.0, pz), "pedicle");
        assert!(inside(0.0, wall + d.spinous_length - 2.0, -0.4 * d.posterior_height), "spinous process");
        assert!(inside(0.5 * d.transverse_span - 2.0, wall + 15.0, pz + 1.0), "transverse process");
    }

    #[test]
    fn left_mirrors_right() {
        let (_, v) = third_lumbar();
        for n in 0..1000 {
            let p = Vector::new((n % 50) as f64, (n % 83) as f64 - 20.0, (n % 61) as f64 - 30.0);
            assert_eq!(v.distance(&p), v.distance(&Vector::new(-p.x, p.y, p.z)));
        }
    }

    #[test]
    fn the_ball_encloses_the_bone() {
        let (_, v) = third_lumbar();
        for n in 0..40_000 {
            let p = Vector::new((n % 70) as f64, (n % 111) as f64 - 30.0, (n % 93) as f64 - 46.0);
            assert!(v.distance(&p) > 0.0 || v.ball().distance(&p) <= 0.0);
        }
    }
}
