//! The measurements of one patient: the mean patient, and a draw around it.
//!
//! # Sources
//! Plausible round figures for an invented patient, to about a millimetre, chosen to agree with what the studies below
//! report; they are not copies of their tables and no measure for anatomy. For their data, read them:
//! - end plates, posterior body height, canal, pedicles and transverse span of L1–L5 after Panjabi, Goel, Oxland,
//!   Takata, Duranceau, Krag, Price, "Human lumbar vertebrae: quantitative three-dimensional anatomy",
//!   Spine 17(3):299–306, 1992; of T11 and T12 after Panjabi, Takata, Goel, Federico, Oxland, Duranceau, Krag,
//!   "Thoracic human vertebrae: quantitative three-dimensional anatomy", Spine 16(8):888–901, 1991;
//! - anterior heights and disc heights chosen in the ranges of Nissan and Gilad, "Dimensions of human lumbar
//!   vertebrae in the sagittal plane", J. Biomech. 19(9):753–758, 1986: discs grow downwards and anterior heights
//!   exceed posterior ones in the lower lumbar spine;
//! - lordosis (about 50° from L1 to S1), its share by segment and the sacral slope (40°) chosen in the ranges of
//!   Vialle et al., "Radiographic analysis of the sagittal alignment and balance of the spine in asymptomatic
//!   subjects", J. Bone Joint Surg. Am. 87(2):260–267, 2005;
//! - the waist and the concave end plates follow the usual anatomical description (a tenth of the width, 2 mm).
//!
//! The remaining shape (articular and spinous processes, sacrum, ilium, ribs, organs) is drawn to look like the
//! atlas, not measured. Standard deviations are of the order usual for adults; every draw is bounded at
//! three of them, so that no seed makes an impossible patient.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Vertebrae of the phantom, from the top: T11, T12, L1 … L5.
pub const VERTEBRAE: [&str; 7] = ["T11", "T12", "L1", "L2", "L3", "L4", "L5"];

/// One vertebra's dimensions, mm.
#[derive(Clone, Debug, PartialEq)]
pub struct VertebraDimensions {
    /// Width of the superior end plate (left to right).
    pub upper_width: f64,
    /// Width of the inferior end plate.
    pub lower_width: f64,
    /// Depth of the superior end plate (anterior to posterior).
    pub upper_depth: f64,
    /// Depth of the inferior end plate.
    pub lower_depth: f64,
    /// Height of the body's anterior wall.
    pub anterior_height: f64,
    /// Height of the body's posterior wall.
    pub posterior_height: f64,
    /// Distance between the pedicles.
    pub canal_width: f64,
    /// Depth of the canal, from the posterior wall of the body.
    pub canal_depth: f64,
    /// Width of a pedicle.
    pub pedicle_width: f64,
    /// Height of a pedicle.
    pub pedicle_height: f64,
    /// Distance between the tips of the transverse processes.
    pub transverse_span: f64,
    /// From the posterior wall of the body to the tip of the spinous process.
    pub spinous_length: f64,
}

impl VertebraDimensions {
    fn from_row(row: [f64; 12]) -> Self {
        let [uw, lw, ud, ld, ah, ph, cw, cd, pw, pdh, span, spinous] = row;
        Self {
            upper_width: uw,
            lower_width: lw,
            upper_depth: ud,
            lower_depth: ld,
            anterior_height: ah,
            posterior_height: ph,
            canal_width: cw,
            canal_depth: cd,
            pedicle_width: pw,
            pedicle_height: pdh,
            transverse_span: span,
            spinous_length: spinous,
        }
    }

    fn lengths_mut(&mut self) -> [&mut f64; 12] {
        [
            &mut self.upper_width,
            &mut self.lower_width,
            &mut self.upper_depth,
            &mut self.lower_depth,
            &mut self.anterior_height,
            &mut self.posterior_height,
            &mut self.canal_width,
            &mut self.canal_depth,
            &mut self.pedicle_width,
            &mut self.pedicle_height,
            &mut self.transverse_span,
            &mut self.spinous_length,
        ]
    }

    /// Mean depth of the body, mm.
    pub fn depth(&self) -> f64 {
        0.5 * (self.upper_depth + self.lower_depth)
    }

    /// Height of the body in the middle, mm.
    pub fn height(&self) -> f64 {
        0.5 * (self.anterior_height + self.posterior_height)
    }

    /// Tilt of each end plate against the body's mid plane, as its slope; positive where the front is higher.
    pub fn end_plate_slope(&self) -> f64 {
        (self.anterior_height - self.posterior_height) / (2.0 * self.depth())
    }
}

/// The joint below a vertebra.
#[derive(Clone, Debug, PartialEq)]
pub struct JointDimensions {
    /// Height of the disc in the middle, mm.
    pub height: f64,
    /// Lordotic angle between the two end plates, rad (positive opens to the front).
    pub lordosis: f64,
    /// Lateral bend of the upper against the lower vertebra, rad.
    pub lateral_bend: f64,
    /// Axial rotation of the upper against the lower vertebra, rad.
    pub axial_rotation: f64,
}

/// All measurements of one patient; lengths in mm, angles in rad, attenuation in HU.
#[derive(Clone, Debug, PartialEq)]
pub struct Anatomy {
    /// T11, T12, L1 … L5, in the order of [`VERTEBRAE`].
    pub vertebrae: [VertebraDimensions; 7],
    /// The joint below each of them; the last is L5–S1.
    pub joints: [JointDimensions; 7],
    /// Tilt of the S1 end plate against the axial plane, forwards.
    pub sacral_slope: f64,
    /// Size of the patient relative to the mean; scales ribs, pelvis and organs.
    pub size: f64,
    /// Spongy bone inside the vertebral bodies.
    pub spongiosa_hu: f64,
    /// Compact bone of shells and end plates.
    pub cortex_hu: f64,
    /// Thickness of the shell round the vertebral bodies.
    pub cortex_mm: f64,
    /// Half the width of the trunk.
    pub trunk_half_width: f64,
    /// Half the depth of the trunk.
    pub trunk_half_depth: f64,
    /// Thickness of the subcutaneous fat.
    pub fat_mm: f64,
    /// Fullness of the muscles relative to the mean.
    pub muscle: f64,
}

/// Rows of [`VertebraDimensions`] in the order of its fields, mm.
const MEAN: [[f64; 12]; 7] = [
    [35.0, 39.0, 31.0, 32.0, 20.5, 21.5, 19.5, 16.5, 8.5, 16.0, 52.0, 48.0],
    [39.0, 42.0, 32.5, 33.5, 22.0, 23.0, 22.0, 18.0, 8.8, 16.5, 50.0, 47.0],
    [41.0, 43.5, 34.0, 35.0, 23.5, 24.0, 23.5, 19.0, 8.5, 16.0, 71.0, 49.0],
    [42.5, 45.5, 34.5, 35.0, 24.5, 24.2, 24.0, 18.0, 8.5, 15.0, 77.0, 52.0],
    [44.0, 48.0, 35.0, 35.0, 25.0, 24.0, 24.5, 17.5, 10.2, 14.5, 86.0, 54.0],
    [46.5, 49.5, 35.5, 34.0, 25.5, 24.0, 25.5, 18.5, 14.0, 15.5, 80.0, 51.0],
    [47.5, 49.5, 35.0, 33.0, 28.0, 23.0, 27.0, 19.5, 18.0, 17.5, 92.0, 44.0],
];

/// Disc height (mm) and lordosis (degrees) of the joints below T11 … L5.
const MEAN_JOINTS: [[f64; 2]; 7] =
    [[5.0, -1.0], [6.5, 1.5], [8.0, 4.0], [9.5, 6.0], [10.5, 8.0], [11.0, 10.0], [10.5, 13.0]];

impl Anatomy {
    /// The mean patient: straight in the coronal plane, left and right alike.
    pub fn mean() -> Self {
        Self {
            vertebrae: MEAN.map(VertebraDimensions::from_row),
            joints: MEAN_JOINTS.map(|[height, lordosis_deg]| JointDimensions {
                height,
                lordosis: lordosis_deg.to_radians(),
                lateral_bend: 0.0,
                axial_rotation: 0.0,
            }),
            sacral_slope: 40f64.to_radians(),
            size: 1.0,
            spongiosa_hu: 190.0,
            cortex_hu: 950.0,
            cortex_mm: 0.9,
            trunk_half_width: 160.0,
            trunk_half_depth: 116.0,
            fat_mm: 16.0,
            muscle: 1.0,
        }
    }

    /// A patient drawn around the mean. `variation` scales all deviations: 0 gives the mean, 1 the population.
    pub fn draw(seed: u64, variation: f64) -> Self {
        let mut draw = Draw::new(seed, Topic::Anatomy, variation);
        let mut anatomy = Self::mean();
        let size = 1.0 + draw.deviation(0.055);
        anatomy.size = size;
        for vertebra in &mut anatomy.vertebrae {
            for length in vertebra.lengths_mut() {
                *length *= size * (1.0 + draw.deviation(0.025));
            }
        }
        let disc_height = 1.0 + draw.deviation(0.1);
        let lordosis = 1.0 + draw.deviation(0.15);
        for joint in &mut anatomy.joints {
            joint.height *= size * disc_height * (1.0 + draw.deviation(0.06));
            joint.lordosis = joint.lordosis * lordosis + draw.deviation(0.012);
        }
        // The slope follows the lordosis, so that L3 stays about level.
        anatomy.sacral_slope *= 0.35 + 0.65 * lordosis;
        anatomy.sacral_slope += draw.deviation(0.04);
        bend_sideways(&mut anatomy.joints, &mut draw);
        anatomy.spongiosa_hu += draw.deviation(32.0);
        anatomy.cortex_hu += draw.deviation(45.0);
        anatomy.cortex_mm *= 1.0 + draw.deviation(0.1);
        let girth = draw.deviation(1.0);
        anatomy.fat_mm += 3.5 * girth;
        anatomy.trunk_half_width = anatomy.trunk_half_width * size + 3.0 * girth + draw.deviation(3.0);
        anatomy.trunk_half_depth = anatomy.trunk_half_depth * size + 3.0 * girth + draw.deviation(2.0);
        anatomy.muscle *= 1.0 + draw.deviation(0.07);
        anatomy
    }
}

/// A slight scoliosis: one curve with its apex in the spine's length, whose rotation follows the bend.
fn bend_sideways(joints: &mut [JointDimensions; 7], draw: &mut Draw) {
    let curve = draw.deviation(0.025); // rad at the apex, per joint
    let apex = 3.0 + draw.deviation(0.8);
    let coupling = 0.5 + draw.deviation(0.15);
    for (n, joint) in joints.iter_mut().enumerate() {
        let from_apex = (n as f64 - apex) / 2.5;
        // Bends one way at the apex and back towards both ends, as a compensated curve does.
        let shape = (1.0 - from_apex * from_apex).max(-0.5);
        joint.lateral_bend = curve * shape + draw.deviation(0.004);
        joint.axial_rotation = coupling * curve * shape + draw.deviation(0.004);
    }
}

/// Independent streams of random numbers, so that a new draw in one topic leaves the others as they were.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topic {
    /// Measurements.
    Anatomy = 1,
    /// Bowel loops and gas.
    Bowel = 2,
}

/// Seeded deviations from the mean, the same on every machine.
pub(crate) struct Draw {
    generator: ChaCha8Rng,
    variation: f64,
}

impl Draw {
    pub(crate) fn new(seed: u64, topic: Topic, variation: f64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(topic as u64);
        Self { generator, variation }
    }

    /// Uniform in [0, 1), not scaled by the variation.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.generator.random()
    }

    /// A bell-shaped deviation of the given standard deviation, never beyond three of them: the sum of three
    /// uniform draws from [−1, 1], whose variance is 1. (No logarithm or exponential, which machines round apart.)
    pub(crate) fn deviation(&mut self, standard_deviation: f64) -> f64 {
        let bell: f64 = (0..3).map(|_| 2.0 * self.uniform() - 1.0).sum();
        self.variation * standard_deviation * bell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variation_is_the_mean_and_seeds_differ() {
        assert_eq!(Anatomy::draw(7, 0.0), Anatomy::mean());
        assert_ne!(Anatomy::draw(7, 1.0), Anatomy::draw(8, 1.0));
        assert_eq!(Anatomy::draw(7, 1.0), Anatomy::draw(7, 1.0));
    }

    #[test]
    fn deviations_have_their_standard_deviation_and_bound() {
        let mut draw = Draw::new(1, Topic::Anatomy, 1.0);
        let all: Vec<f64> = (0..20_000).map(|_| draw.deviation(2.0)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / all.len() as f64;
        assert!(mean.abs() < 0.05 && (variance.sqrt() - 2.0).abs() < 0.05, "{mean} {variance}");
        assert!(all.iter().all(|d| d.abs() <= 6.0));
    }

    #[test]
    fn every_patient_stays_in_the_human_range() {
        for seed in 0..500 {
            let a = Anatomy::draw(seed, 1.0);
            let lordosis: f64 = a.joints[2..].iter().map(|j| j.lordosis).sum::<f64>()
                + a.vertebrae[3..].iter().map(|v| 2.0 * v.end_plate_slope()).sum::<f64>();
            assert!((15.0..85.0).contains(&lordosis.to_degrees()), "seed {seed}: {}", lordosis.to_degrees());
            assert!((15.0..65.0).contains(&a.sacral_slope.to_degrees()), "seed {seed}");
            let bend: f64 = a.joints.iter().map(|j| j.lateral_bend.abs()).sum();
            assert!(bend.to_degrees() < 30.0, "seed {seed}");
            assert!(a.spongiosa_hu > 80.0 && a.fat_mm > 4.0 && a.cortex_hu > 700.0);
            assert!(a.vertebrae.iter().all(|v| v.height() > 16.0 && v.height() < 36.0));
        }
    }
}
