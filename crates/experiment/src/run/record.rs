//! What the state of a run keeps of each finished start, exact to the last bit.

use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::{Quaternion, Translation3, UnitQuaternion};
use regiscope_pose::{Iteration, Solution, Status};
use serde::{Deserialize, Serialize};

/// A rigid motion as written to files.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoseRecord {
    /// Translation, mm.
    pub translation_mm: [f64; 3],
    /// Unit quaternion w, x, y, z.
    pub quaternion_wxyz: [f64; 4],
}

impl From<&Rigid> for PoseRecord {
    fn from(pose: &Rigid) -> Self {
        let q = pose.rotation.quaternion();
        Self { translation_mm: pose.translation.vector.into(), quaternion_wxyz: [q.w, q.i, q.j, q.k] }
    }
}

impl PoseRecord {
    /// The motion, bit for bit as it was recorded.
    pub fn to_rigid(self) -> Rigid {
        let [w, x, y, z] = self.quaternion_wxyz;
        // The record was made from a unit quaternion; normalising again could change its last bit.
        let rotation = UnitQuaternion::new_unchecked(Quaternion::new(w, x, y, z));
        Rigid::from_parts(Translation3::from(self.translation_mm), rotation)
    }
}

/// One iteration of one start: a line of `iterations.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IterationRecord {
    /// Which start, from 0.
    pub start: usize,
    /// Level of the pyramid, 0 is the coarsest.
    pub level: usize,
    /// Iterations done on this level.
    pub iteration: usize,
    /// Images rendered so far.
    pub evaluations: usize,
    /// Similarity on this level; null where it is undefined.
    pub similarity: Option<f64>,
    /// Length of the last step, mm.
    pub step_mm: Option<f64>,
    /// The pose `world_from_volume`.
    pub pose: PoseRecord,
}

impl IterationRecord {
    /// The record of an iteration.
    pub fn new(start: usize, iteration: &Iteration) -> Self {
        Self {
            start,
            level: iteration.level,
            iteration: iteration.iteration,
            evaluations: iteration.evaluations,
            similarity: finite(iteration.similarity),
            step_mm: finite(iteration.step_mm),
            pose: (&iteration.world_from_volume).into(),
        }
    }
}

/// A finished start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// Which start, from 0.
    pub start: usize,
    /// Where it began.
    pub from: PoseRecord,
    /// Where it ended.
    pub pose: PoseRecord,
    /// Similarity on the finest level; null where it is undefined.
    pub similarity: Option<f64>,
    /// How it ended, as `converged`.
    pub status: String,
    /// What to try if it did not converge.
    pub advice: Option<String>,
    /// Images rendered.
    pub evaluations: usize,
    /// Rays traced.
    pub rays: usize,
    /// Time it took on its threads, s.
    pub seconds: f64,
    /// Its iterations.
    pub iterations: Vec<IterationRecord>,
}

impl StartRecord {
    /// The record of a solution.
    pub fn new(start: usize, solution: &Solution, iterations: Vec<IterationRecord>, seconds: f64) -> Self {
        Self {
            start,
            from: (&solution.start).into(),
            pose: (&solution.world_from_volume).into(),
            similarity: finite(solution.similarity),
            status: word(solution.status).to_owned(),
            advice: solution.status.advice().map(str::to_owned),
            evaluations: solution.evaluations,
            rays: solution.rays,
            seconds,
            iterations,
        }
    }
}

/// A status in files.
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::IterationLimit => "iteration-limit",
        Status::Stopped => "stopped",
        Status::NoOverlap => "no-overlap",
        Status::BrokenStart => "broken-start",
        Status::Diverged => "diverged",
    }
}

/// JSON has no infinity.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::{Twist, se3};

    #[test]
    fn poses_come_back_bit_for_bit() {
        for n in 0..200 {
            let x = f64::from(n) * 0.731;
            let pose = se3::exp(&Twist::new(x, -x, x * x, x.sin(), x.cos(), (3.0 * x).sin()));
            let text = serde_json::to_string(&PoseRecord::from(&pose)).unwrap();
            let back: PoseRecord = serde_json::from_str(&text).unwrap();
            assert_eq!(back.to_rigid(), pose);
        }
    }
}
