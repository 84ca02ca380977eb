use super::*;
use crate::{register, scene};
use regiscope_geometry::{Twist, se3};

fn go(_: u16, _: &Iteration) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The scene with piece 1 displaced about its own middle.
fn bent() -> (Pieces, Rigid) {
    let problem = scene::problem(&[0.0, 1.3]);
    let whole = Pieces::new(problem.clone(), &scene::labels(), &[1, 2], &scene::pyramid()).unwrap();
    let pivot = scene::truth() * whole.pieces[0].pivot;
    let moved = se3::exp_about(&pivot, &Twist::new(2.0, 1.5, -2.5, 0.0, 0.0, 0.0)) * scene::truth();
    let shoot = |fixed: &FixedImage| {
        let fine = whole.prepared.levels().len() - 1;
        let image = |shape: &Shape, pose: &Rigid| shape.renderers[fine].render(&fixed.view, pose);
        let parts = [
            (&whole.pieces[0], &moved),
            (&whole.pieces[1], &scene::truth()),
            (whole.rest.as_ref().unwrap(), &scene::truth()),
        ];
        let images = parts.map(|(shape, pose)| image(shape, pose));
        let sum = (0..1600).map(|p| images.iter().map(|i| i.data()[p]).sum()).collect();
        FixedImage { image: Image::new(40, 40, sum), ..fixed.clone() }
    };
    let views = problem.views().iter().map(shoot).collect();
    let problem = Problem::new(views, scene::blobs()).unwrap();
    (Pieces::new(problem, &scene::labels(), &[1, 2], &scene::pyramid()).unwrap(), moved)
}

#[test]
fn pieces_and_rest_add_up_to_the_whole() {
    let pieces = Pieces::new(scene::problem(&[0.0]), &scene::labels(), &[1, 2], &scene::pyramid()).unwrap();
    let (view, pose) = (scene::view(0.0), scene::truth());
    let whole = pieces.prepared.levels()[1].renderer.render(&view, &pose);
    let parts: Vec<_> = pieces.pieces.iter().chain(&pieces.rest).map(|s| s.renderers[1].render(&view, &pose)).collect();
    for p in 0..whole.data().len() {
        let sum: f32 = parts.iter().map(|i| i.data()[p]).sum();
        assert!((sum - whole.data()[p]).abs() < 1e-4, "{p}");
    }
}

#[test]
fn a_displaced_piece_is_found_and_the_other_stays() {
    let (pieces, moved) = bent();
    let settings = Settings::default();
    let whole = register(pieces.whole(), &settings, &scene::start(), &mut |_| ControlFlow::Continue(()));
    let from = scene::truth();
    assert!(scores::mtre(&whole.world_from_volume, &from, &scene::targets()) < 15.0);
    let options = PieceOptions { margin_mm: None, sweeps: 8, ..PieceOptions::default() };
    let found = register_pieces(&pieces, &settings, &options, &from, &mut go).unwrap();
    let error = |k: usize, truth: &Rigid| {
        let piece: &Shape = &pieces.pieces[k];
        (found[k].world_from_volume * piece.pivot - truth * piece.pivot).norm()
    };
    // A blob hardly feels its own rotation, so only its middle is well determined.
    assert!(error(0, &moved) < 0.6, "{}", error(0, &moved));
    assert!(error(1, &scene::truth()) < 0.6, "{}", error(1, &scene::truth()));
    assert!(found.iter().all(|f| f.similarity > 0.999));
}

#[test]
fn a_piece_alone_is_found_near_its_shadow() {
    let problem = scene::problem(&[0.0, 1.3]);
    let pieces = |problem| Pieces::new(problem, &scene::labels(), &[1], &scene::pyramid()).unwrap();
    let whole = pieces(problem.clone());
    let pivot = whole.pieces[0].pivot;
    let moved = se3::exp_about(&(scene::truth() * pivot), &Twist::new(2.0, 1.5, -2.5, 0.0, 0.0, 0.0)) * scene::truth();
    let shoot = |fixed: &FixedImage| {
        let image = whole.pieces[0].renderers[1].render(&fixed.view, &moved);
        FixedImage { image, ..fixed.clone() }
    };
    let alone = pieces(Problem::new(problem.views().iter().map(shoot).collect(), scene::blobs()).unwrap());
    let options = PieceOptions { rest: Rest::Absent, margin_mm: Some(20.0), sweeps: 2 };
    let found = register_pieces(&alone, &Settings::default(), &options, &scene::truth(), &mut go).unwrap();
    let error = (found[0].world_from_volume * pivot - moved * pivot).norm();
    assert!(error < 0.3 && found[0].similarity > 0.99, "{error} {found:?}");
}

#[test]
fn a_piece_carried_away_by_a_coarse_level_returns_to_a_better_start() {
    let pieces = Pieces::new(scene::problem(&[0.0, 1.3]), &scene::labels(), &[1], &scene::pyramid()).unwrap();
    let (fine, truth) = (pieces.prepared.levels().len() - 1, scene::truth());
    let regions = vec![region(&pieces, fine, &pieces.pieces[0], &PieceOptions::default(), &truth)];
    let mut objectives = objectives(&pieces, fine, &Settings::default(), &regions);
    let objective = objectives[0].as_mut().unwrap();
    let away = se3::exp(&Twist::new(1.5, -1.0, 0.5, 0.0, 0.0, 0.0)) * truth;
    let mut found = PieceSolution {
        label: 1,
        start: truth,
        world_from_volume: away,
        similarity: 0.0,
        status: Status::Converged,
        evaluations: 0,
        sweeps: 0,
        curvature: Matrix6::zeros(),
    };
    objective.set_background(|view: &View, pixels: &[u32]| {
        background(&pieces, fine, 0, Rest::Fixed, std::slice::from_ref(&found), &truth, view, pixels)
    });
    return_if_better(&mut found, objective);
    assert_eq!(found.world_from_volume, truth);
    (found.start, found.world_from_volume) = (away, truth);
    return_if_better(&mut found, objective);
    assert_eq!(found.world_from_volume, truth);
}

#[test]
fn divisions_that_make_no_sense_are_refused() {
    let new = |labels: &Volume<u16>, wanted: &[u16]| {
        Pieces::new(scene::problem(&[0.0]), labels, wanted, &scene::pyramid()).map(|_| ()).unwrap_err()
    };
    assert_eq!(new(&scene::labels(), &[1, 9]), PiecewiseError::Empty(9));
    assert_eq!(new(&scene::labels(), &[2, 2]), PiecewiseError::Twice(2));
    let small = Volume::new(Grid::centred([2, 2, 2], [1.0; 3]).unwrap(), vec![1u16; 8]);
    assert!(matches!(new(&small, &[1]), PiecewiseError::Grid { .. }));
}
