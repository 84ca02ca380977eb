//! The chain of vertebrae: where each body, disc and the sacrum stand in the patient.

use super::anatomy::{Anatomy, JointDimensions, VertebraDimensions};
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Point, Vector};

/// Place of a structure's own frame in the volume's LPS frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Origin of the structure, mm.
    pub origin: Vector,
    /// Its axes as columns (left, posterior, superior).
    pub axes: Matrix3<f64>,
}

impl Frame {
    /// The volume's own frame, moved.
    pub fn at(origin: Vector) -> Self {
        Self { origin, axes: Matrix3::identity() }
    }

    /// Volume position of a point of the structure.
    pub fn world_from_local(&self, p: &Vector) -> Vector {
        self.origin + self.axes * p
    }

    /// Position in the structure of a volume point.
    pub fn local_from_world(&self, p: &Vector) -> Vector {
        self.axes.tr_mul(&(p - self.origin))
    }

    fn moved(&self, offset: Vector) -> Self {
        Self { origin: self.origin + self.axes * offset, axes: self.axes }
    }

    fn turned(&self, rotation: Matrix3<f64>) -> Self {
        Self { origin: self.origin, axes: self.axes * rotation }
    }
}

/// Rotation about the left-pointing x axis; positive leans the top forwards. (libm, not the platform's sine.)
pub fn rotation_x(angle: f64) -> Matrix3<f64> {
    let (s, c) = (libm::sin(angle), libm::cos(angle));
    Matrix3::new(1.0, 0.0, 0.0, 0.0, c, -s, 0.0, s, c)
}

fn rotation_y(angle: f64) -> Matrix3<f64> {
    let (s, c) = (libm::sin(angle), libm::cos(angle));
    Matrix3::new(c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c)
}

fn rotation_z(angle: f64) -> Matrix3<f64> {
    let (s, c) = (libm::sin(angle), libm::cos(angle));
    Matrix3::new(c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0)
}

/// Frames of all segments.
#[derive(Clone, Debug)]
pub struct Spine {
    /// Body centres of T11, T12, L1 … L5.
    pub vertebrae: [Frame; 7],
    /// Disc centres below each of them.
    pub discs: [Frame; 7],
    /// Centre of the S1 end plate, z its normal.
    pub sacrum: Frame,
}

/// Stacks the spine upwards from the S1 end plate, then moves it so that the centre of L3's body lies at `l3`.
pub fn stack(anatomy: &Anatomy, l3: Point) -> Spine {
    let sacrum = Frame { origin: Vector::zeros(), axes: rotation_x(anatomy.sacral_slope) };
    let mut plate = sacrum.clone();
    let mut pairs = Vec::with_capacity(7);
    for (dimensions, joint) in anatomy.vertebrae.iter().zip(&anatomy.joints).rev() {
        let disc = cross_half_joint(&plate, joint);
        let lower_plate = cross_half_joint_up(&disc, joint);
        let body = climb_half_body(&lower_plate, dimensions);
        plate = climb_half_body_up(&body, dimensions);
        pairs.push((body, disc));
    }
    pairs.reverse();
    let shift = l3.coords - pairs[4].0.origin;
    let placed = |f: &Frame| Frame { origin: f.origin + shift, axes: f.axes };
    Spine {
        vertebrae: std::array::from_fn(|n| placed(&pairs[n].0)),
        discs: std::array::from_fn(|n| placed(&pairs[n].1)),
        sacrum: placed(&sacrum),
    }
}

fn half_turn(joint: &JointDimensions) -> Matrix3<f64> {
    rotation_x(-0.5 * joint.lordosis) * rotation_y(0.5 * joint.lateral_bend) * rotation_z(0.5 * joint.axial_rotation)
}

fn cross_half_joint(lower_plate: &Frame, joint: &JointDimensions) -> Frame {
    lower_plate.turned(half_turn(joint)).moved(Vector::z() * (0.5 * joint.height))
}

fn cross_half_joint_up(disc: &Frame, joint: &JointDimensions) -> Frame {
    disc.moved(Vector::z() * (0.5 * joint.height)).turned(half_turn(joint))
}

/// The wedge of a body turns the frame by half its angle on each side; small angles, so slope stands for angle.
fn climb_half_body(lower_plate: &Frame, d: &VertebraDimensions) -> Frame {
    lower_plate.turned(rotation_x(-d.end_plate_slope())).moved(Vector::z() * (0.5 * d.height()))
}

fn climb_half_body_up(body: &Frame, d: &VertebraDimensions) -> Frame {
    body.moved(Vector::z() * (0.5 * d.height())).turned(rotation_x(-d.end_plate_slope()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_spine_is_lordotic_and_straight() {
        let spine = stack(&Anatomy::mean(), Point::new(0.0, 15.0, 0.0));
        let origins: Vec<Vector> = spine.vertebrae.iter().map(|f| f.origin).collect();
        assert!((origins[4] - Vector::new(0.0, 15.0, 0.0)).norm() < 1e-12);
        assert!(origins.windows(2).all(|w| w[0].z > w[1].z + 20.0), "each above the next");
        assert!(origins.iter().all(|o| o.x == 0.0));
        assert!(origins[0].y > origins[4].y + 5.0 && spine.sacrum.origin.y > origins[4].y + 3.0, "L3 lies foremost");
        let top = spine.vertebrae[2].axes * rotation_x(-Anatomy::mean().vertebrae[2].end_plate_slope());
        let lordosis = (spine.sacrum.axes.column(2)).dot(&top.column(2)).acos().to_degrees();
        assert!((45.0..60.0).contains(&lordosis), "{lordosis}");
    }

    #[test]
    fn frames_are_rigid_and_invert() {
        let spine = stack(&Anatomy::draw(3, 1.0), Point::new(0.0, 15.0, 0.0));
        for frame in spine.vertebrae.iter().chain(&spine.discs).chain([&spine.sacrum]) {
            assert!((frame.axes.tr_mul(&frame.axes) - Matrix3::identity()).norm() < 1e-12);
            let p = Vector::new(3.0, -2.0, 7.0);
            assert!((frame.local_from_world(&frame.world_from_local(&p)) - p).norm() < 1e-12);
        }
    }
}
