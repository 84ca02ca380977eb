//! Tables that need no images: known velocities, volumes kept, work per product.

use crate::report::{Row, digits};
use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::field::{VectorField, zeros};
use regiscope_diffeo::grid::Grid;
use regiscope_diffeo::interpolate::Kernel;
use regiscope_diffeo::objective::{Component, Discretisation};
use regiscope_diffeo::optimise::data_term::DataTerm;
use regiscope_diffeo::optimise::images::ImageTerm;
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::reduction::Reduction;
use regiscope_diffeo::optimise::{Images, Solution, Start, Weight, register};
use regiscope_diffeo::regularisation::Model;
use regiscope_diffeo::transport::map::{SQUARINGS, determinant, displacement, warp};
use serde_json::json;
use std::f64::consts::TAU;

/// A bright body with waves inside, on a dark border.
fn body(x: [f64; 3]) -> f64 {
    let radius = (x[0].powi(2) + x[1].powi(2) / 1.4 + x[2].powi(2) / 0.9).sqrt();
    let waves = 0.3 * (4.0 * x[0]).sin() * (5.0 * x[1]).cos() + 0.2 * (6.0 * x[2] + x[0]).cos();
    (0.5 + waves) / (1.0 + ((radius - 1.9) * 8.0).exp())
}

/// Positions in [−π, π)³.
fn positions(n: usize) -> impl Iterator<Item = [f64; 3]> {
    (0..n * n * n).map(move |i| [i % n, i / n % n, i / (n * n)].map(|i| (i as f64 / n as f64 - 0.5) * TAU))
}

/// A velocity without divergence, units of length per unit of time.
fn velocity(n: usize) -> VectorField<f32> {
    [0, 1, 2].map(|a: usize| positions(n).map(|x| (0.4 * x[(a + 1) % 3].sin() * x[(a + 2) % 3].cos()) as f32).collect())
}

/// The body and the body carried by the velocity, with the displacement that does it.
fn pair(n: usize) -> (Images<f32>, VectorField<f32>) {
    let grid = Grid::new([n; 3], [1.0; 3]);
    let moving: Vec<f32> = positions(n).map(|x| body(x) as f32).collect();
    let truth = displacement(&grid, &velocity(n), SQUARINGS + 2);
    let fixed = warp(grid.shape, &moving, &truth, Kernel::CubicSpline);
    let components = vec![Component { fixed, moving, weight: 1.0 }];
    (Images { grid, components, mask: None, distance: Distance::SumOfSquares }, truth)
}

/// Mean distance, within the body, of two displacements, in voxels.
fn distance(images: &Images<f32>, a: &VectorField<f32>, b: &VectorField<f32>) -> f64 {
    let inside = |&i: &usize| images.components[0].fixed[i] > 0.1;
    let lengths: Vec<f64> = (0..images.grid.len())
        .filter(inside)
        .map(|i| (0..3).map(|c| f64::from(a[c][i] - b[c][i]).powi(2)).sum::<f64>().sqrt())
        .collect();
    lengths.iter().sum::<f64>() / lengths.len() as f64
}

fn solve(images: &Images<f32>, model: Model, preset: Preset, beta: f64, squarings: u32) -> Solution<f32> {
    let mut settings = presets::settings(preset, model, images.grid.shape);
    settings.weight = Weight::Fixed(beta);
    for stage in &mut settings.stages {
        stage.discretisation.squarings = squarings;
    }
    register(images.clone(), &settings, Start::Rest, &mut ()).expect("the pair can be registered")
}

/// Three channels of waves whose gradients span space everywhere, carried by the velocity. Where an image has no gradient, or
/// one direction of it, the distance says nothing of the rest of a displacement; these leave nothing open.
fn identified(n: usize) -> (Images<f32>, VectorField<f32>) {
    let grid = Grid::new([n; 3], [1.0; 3]);
    let truth = displacement(&grid, &velocity(n), SQUARINGS + 2);
    let wave = |a: usize, shift: f64| {
        move |x: [f64; 3]| (0.5 + 0.4 * (4.0 * x[a] + shift + 0.3 * x[(a + 1) % 3].sin()).sin()) as f32
    };
    let channels = (0..3).flat_map(|a| [0.0, 0.25 * TAU].map(|shift| (a, shift)));
    let components = channels
        .map(|(a, shift)| {
            let moving: Vec<f32> = positions(n).map(wave(a, shift)).collect();
            let fixed = warp(grid.shape, &moving, &truth, Kernel::CubicSpline);
            Component { fixed, moving, weight: 1.0 }
        })
        .collect();
    (Images { grid, components, mask: None, distance: Distance::SumOfSquares }, truth)
}

/// Error of the map found against the known one, for images that identify it and for a body on a dark border.
pub fn known() -> Vec<Row> {
    let cases = [
        ("waves", 32, 1e-3, 2),
        ("waves", 64, 1e-1, 2),
        ("waves", 64, 1e-2, 2),
        ("waves", 64, 1e-3, 2),
        ("waves", 64, 1e-4, 2),
        ("waves", 64, 1e-4, 0),
        ("waves", 64, 1e-4, 1),
        ("waves", 64, 1e-4, 3),
        ("waves", 96, 1e-4, 2),
        ("body", 64, 1e-3, 2),
        ("body", 64, 1e-5, 2),
    ];
    cases
        .map(|(name, n, beta, squarings)| {
            let (images, truth) = if name == "waves" { identified(n) } else { pair(n) };
            let mut settings = presets::settings(Preset::Default, Model::H1, images.grid.shape);
            settings.weight = Weight::Fixed(beta);
            settings.decrease_tolerance = 1e-4;
            for stage in &mut settings.stages {
                stage.discretisation.squarings = squarings;
                (stage.newton_steps, stage.krylov_steps, stage.gradient_tolerance) = (8, 20, 1e-3);
            }
            let solution =
                register(images.clone(), &settings, Start::Rest, &mut ()).expect("the pair can be registered");
            let found = displacement(&images.grid, &solution.velocity, SQUARINGS);
            vec![
                ("images", json!(name)),
                ("n", json!(n)),
                ("beta", json!(beta)),
                ("time_steps", json!(1 << squarings)),
                ("mismatch", digits(solution.relative_mismatch, 4)),
                ("mean_error_voxels", digits(distance(&images, &found, &truth), 4)),
                ("mean_displacement_voxels", digits(distance(&images, &zeros(images.grid.len()), &truth), 3)),
            ]
        })
        .into()
}

/// How well the incompressible model keeps volumes.
pub fn volumes() -> Vec<Row> {
    [64, 128]
        .map(|n| {
            let (images, truth) = pair(n);
            let solution = solve(&images, Model::H1Stokes, Preset::Fast, 1e-3, 4);
            let found = displacement(&images.grid, &solution.velocity, SQUARINGS);
            let worst = |d: &VectorField<f32>| {
                let determinants = determinant(images.grid.shape, d);
                determinants.iter().fold(0.0f64, |m, d| m.max((f64::from(*d) - 1.0).abs()))
            };
            vec![
                ("n", json!(n)),
                ("mismatch", digits(solution.relative_mismatch, 4)),
                ("largest_deviation_of_det_from_1", json!(worst(&found))),
                ("the_same_of_the_known_map", json!(worst(&truth))),
            ]
        })
        .into()
}

/// Transforms and interpolations of a scalar field in one Hessian product.
pub fn product() -> Vec<Row> {
    let (images, _) = pair(32);
    let regularisation = Model::H1Div.regularisation(0.1);
    let mut rows: Vec<Row> = [1, 2, 3]
        .map(|squarings| {
            let discretisation = Discretisation { squarings, ..Discretisation::default() };
            let term = ImageTerm::new(images.clone(), discretisation).expect("sound images");
            let reduction = Reduction::new(&images.grid, images.grid.shape, regularisation);
            let (at, _) = term.linearise(term.evaluate(&velocity(32)));
            let before = (reduction.transforms(), term.interpolations());
            let unknown = reduction.unknown_of(&velocity(32));
            let unknown_cost = reduction.transforms() - before.0;
            let (mut scratch, mut field) = (unknown.clone(), velocity(32));
            reduction.velocity(&unknown, &mut scratch, &mut field);
            reduction.pull_back(&term.product(&at, &field), &mut scratch);
            vec![
                ("solver", json!("this")),
                ("time_steps", json!(1 << squarings)),
                ("transforms", json!(reduction.transforms() - before.0 - unknown_cost)),
                ("interpolations", json!(term.interpolations() - before.1)),
            ]
        })
        .into();
    rows.push(vec![
        ("solver", json!("CLAIRE, as published")),
        ("time_steps", json!(4)),
        ("transforms", json!(74)),
        ("interpolations", json!(24)),
    ]);
    rows
}
