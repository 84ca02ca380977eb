//! Modes: the answers of many starts, gathered.

use crate::solution::Solution;
use regiscope_geometry::{Point, Rigid};

/// When two poses are the same mode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModeTolerance {
    /// Point of the volume (mm, its own frame) whose displacement counts.
    pub pivot: Point,
    /// Largest displacement of the pivot, mm.
    pub translation: f64,
    /// Largest angle between the orientations, rad.
    pub rotation: f64,
}

impl ModeTolerance {
    pub(crate) fn joins(&self, a: &Rigid, b: &Rigid) -> bool {
        (a * self.pivot - b * self.pivot).norm() <= self.translation
            && a.rotation.angle_to(&b.rotation) <= self.rotation
    }
}

/// Answers that agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// The member with the greatest similarity.
    pub world_from_volume: Rigid,
    /// Its similarity.
    pub similarity: f64,
    /// Positions of the members among the solutions, the best first.
    pub members: Vec<usize>,
}

/// Gathers solutions into modes, the most similar first. Taken in order of similarity, each solution joins the
/// best mode whose representative lies within the tolerance, or opens a new one; so representatives of different
/// modes are always farther apart than the tolerance. Solutions without a finite similarity are left out. Ties keep
/// the order of the solutions.
pub fn modes(solutions: &[Solution], tolerance: &ModeTolerance) -> Vec<Mode> {
    let mut order: Vec<usize> = (0..solutions.len()).filter(|&n| solutions[n].similarity.is_finite()).collect();
    order.sort_by(|&a, &b| solutions[b].similarity.total_cmp(&solutions[a].similarity));
    let mut modes: Vec<Mode> = Vec::new();
    for n in order {
        let Solution { world_from_volume, similarity, .. } = solutions[n];
        match modes.iter_mut().find(|mode| tolerance.joins(&mode.world_from_volume, &world_from_volume)) {
            Some(mode) => mode.members.push(n),
            None => modes.push(Mode { world_from_volume, similarity, members: vec![n] }),
        }
    }
    modes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solution::Status;
    use regiscope_geometry::nalgebra::Matrix6;

    fn solution(pose: Rigid, similarity: f64) -> Solution {
        Solution {
            start: pose,
            world_from_volume: pose,
            similarity,
            status: Status::Converged,
            evaluations: 1,
            rays: 1,
            levels: vec![],
            curvature: Matrix6::identity(),
        }
    }

    #[test]
    fn answers_gather_around_the_best_of_each_mode() {
        let turned = |angle: f64| Rigid::rotation(regiscope_geometry::Vector::z() * angle);
        let solutions = [
            solution(Rigid::translation(0.4, 0.0, 0.0), 0.8),
            solution(turned(1.0), 0.7),
            solution(Rigid::identity(), 0.9),
            solution(turned(1.001), 0.75),
            solution(Rigid::identity(), f64::NEG_INFINITY),
        ];
        let tolerance = ModeTolerance { pivot: Point::origin(), translation: 0.5, rotation: 0.01 };
        let found = modes(&solutions, &tolerance);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].similarity, &found[0].members), (0.9, &vec![2, 0]));
        assert_eq!((found[1].similarity, &found[1].members), (0.75, &vec![3, 1]));
        assert_eq!(found[0].world_from_volume, Rigid::identity());
    }
}
