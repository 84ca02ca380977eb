//! The report of small inverse problems.

use super::svg::{Axis, Chart, Mark, Series};
use super::{Shared, render, shared};
use crate::experiment::Experiment;
use crate::run::RunError;
use crate::run::toys::{ArmPicture, ModesPicture, ToyFindings};
use regiscope_posterior::toys::{kinematics, modes};
use serde_json::json;

/// Okabe and Ito's colours, one a colour of the toy.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// The report.
pub fn toys(experiment: &Experiment, found: &ToyFindings, told: Shared) -> Result<String, RunError> {
    let metrics = &found.metrics;
    let mut sentences = Vec::new();
    if !metrics.eight_modes.is_empty() {
        let all = metrics.eight_modes.iter().filter(|m| m.modes_found == modes::MODES).count();
        let worst = metrics.eight_modes.iter().map(|m| m.largest_mass_error).fold(0.0, f64::max);
        let networks = metrics.eight_modes.len();
        sentences
            .push(format!("All eight modes were found by {all} of {networks} networks, masses within {worst:.3}."));
    }
    if !metrics.inverse_kinematics.is_empty() {
        let worst = metrics.inverse_kinematics.iter().map(|m| m.resimulation_squared_error).fold(0.0, f64::max);
        sentences.push(format!("Drawn arms put the hand where it was seen to a mean squared distance of {worst:.3}."));
    }
    let context = json!({
        "verdict": { "class": "plain", "word": "Trained" },
        "answer": sentences.join(" "),
        "metrics": metrics,
        "modes": found.modes.as_ref().map(points),
        "arms": found.arm.as_ref().map(arms),
        "shared": shared(experiment, "small inverse problems", told),
    });
    render("toys.html", context)
}

/// Draws for each colour, and circles where the modes are.
fn points(picture: &ModesPicture) -> String {
    let mut series = Vec::new();
    for mode in 0..modes::MODES {
        let [x, y] = modes::centre(mode);
        let circle = |k: i32| {
            let angle = std::f64::consts::TAU * f64::from(k) / 40.0;
            (x + 2.0 * modes::DEVIATION * angle.cos(), y + 2.0 * modes::DEVIATION * angle.sin())
        };
        series.push(Series {
            name: String::new(),
            colour: "var(--ink-soft)".into(),
            mark: Mark::Line(1.0, 1.0),
            points: (0..=40).map(circle).collect(),
        });
    }
    for (colour, drawn) in picture.points.iter().enumerate() {
        series.push(Series {
            name: format!("colour {}", colour + 1),
            colour: COLOURS[colour].into(),
            mark: Mark::Points,
            points: drawn.iter().map(|p| (p[0], p[1])).collect(),
        });
    }
    let axis = |label: &str| Axis::exact(label, [-3.0, 3.0]);
    Chart { title: String::new(), size: [520.0, 520.0], x: axis("x₁"), y: axis("x₂"), backdrop: None, series }.svg()
}

/// Arms by the network and by the exact posterior.
fn arms(picture: &ArmPicture) -> Vec<String> {
    let chart = |title: &str, states: &[[f64; 4]]| {
        let arm = |x: &[f64; 4]| {
            let [l1, l2, _] = kinematics::LENGTHS;
            let (a, b) = (x[1], x[1] + x[2]);
            let first = (x[0] + l1 * a.sin(), l1 * a.cos());
            let second = (first.0 + l2 * b.sin(), first.1 + l2 * b.cos());
            let [hx, hy] = kinematics::hand(x);
            vec![(x[0], 0.0), first, second, (hx, hy)]
        };
        let mut series: Vec<Series> = states
            .iter()
            .map(|x| Series {
                name: String::new(),
                colour: "var(--accent)".into(),
                mark: Mark::Line(1.0, 0.35),
                points: arm(x),
            })
            .collect();
        series.push(Series {
            name: "where the hand should be".into(),
            colour: "var(--bad)".into(),
            mark: Mark::Crosses,
            points: vec![(picture.hand[0], picture.hand[1])],
        });
        let (x, y) = (Axis::exact("along the rail", [-1.3, 1.3]), Axis::exact("away from the rail", [-0.5, 2.1]));
        Chart { title: title.to_owned(), size: [520.0, 520.0], x, y, backdrop: None, series }.svg()
    };
    vec![chart("drawn by the network", &picture.drawn), chart("the exact posterior", &picture.exact)]
}
