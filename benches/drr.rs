//! Rendering speed in rays per core-second (processor time of the process), forward and with the pose Jacobian.
//!
//! `cargo bench -p regiscope-drr --bench drr -- --volume CT.nii.gz` prints one JSON line for each projector, view and
//! kind of work. Without a volume a synthetic body of 512 × 512 × 133 voxels is used.

use regiscope_drr::attenuation::{Attenuation, attenuation};
use regiscope_drr::{Projector, Renderer, Settings, Span};
use regiscope_geometry::{Grid, Point, Rigid, Source, Vector, View};
use regiscope_image::{Volume, read_volume};
use std::path::Path;
use std::time::Duration;

/// Source to isocentre and source to detector, mm; side of the detector, mm.
const C_ARM: [f64; 3] = [850.0, 1020.0, 400.0];
/// Views: name, angle about the long axis and tilt towards the head, degrees.
const VIEWS: [(&str, f64, f64); 4] =
    [("frontal", 0.0, 0.0), ("oblique", 45.0, 0.0), ("lateral", 90.0, 0.0), ("tilted", 30.0, 20.0)];

struct Options {
    volume: Option<String>,
    side: usize,
    repetitions: usize,
    projector: Option<String>,
    view: Option<String>,
}

fn main() {
    let options = options();
    let volume = match &options.volume {
        Some(path) => {
            let loaded = read_volume(Path::new(path)).unwrap_or_else(|error| panic!("{error}"));
            attenuation(loaded.volume, &Attenuation::default()).unwrap_or_else(|error| panic!("{error}"))
        }
        None => synthetic(),
    };
    let projectors = [
        ("siddon", Projector::Siddon),
        ("joseph", Projector::Joseph),
        ("trilinear", Projector::Trilinear { samples: 500, span: Span::Ray }),
    ];
    let wanted = |name: &str, only: &Option<String>| only.as_ref().is_none_or(|o| o == name);
    for (name, projector) in projectors.into_iter().filter(|(name, _)| wanted(name, &options.projector)) {
        let renderer = Renderer::new(volume.clone(), Settings { projector, clip: true }).expect("a finite volume");
        for (view_name, angle, tilt) in VIEWS.into_iter().filter(|(name, ..)| wanted(name, &options.view)) {
            let view = circling(volume.grid().centre(), angle, tilt, options.side);
            for jacobian in [false, true] {
                let work = if jacobian { "forward + pose gradient" } else { "forward" };
                let rates = rates(&renderer, &view, jacobian, options.repetitions);
                let at = |q: f64| rates[((rates.len() - 1) as f64 * q).round() as usize];
                let line = serde_json::json!({
                    "case": format!("{name} {view_name} {work}"),
                    "mrays_per_core_second": at(0.5),
                    "least": at(0.0),
                    "greatest": at(1.0),
                    "side": options.side,
                    "repetitions": options.repetitions,
                    "threads": rayon::current_num_threads(),
                });
                println!("{line}");
            }
        }
    }
}

/// Millions of rays per core-second of each repetition, sorted; one more run before them warms up.
fn rates(renderer: &Renderer, view: &View, jacobian: bool, repetitions: usize) -> Vec<f64> {
    let pose = Rigid::identity();
    let once = || {
        let before = cpu_time();
        if jacobian {
            std::hint::black_box(renderer.render_with_jacobian(view, &pose));
        } else {
            std::hint::black_box(renderer.render(view, &pose));
        }
        view.pixels() as f64 / (cpu_time() - before).as_secs_f64() / 1e6
    };
    once();
    let mut rates: Vec<f64> = (0..repetitions).map(|_| once()).collect();
    rates.sort_by(f64::total_cmp);
    rates
}

fn options() -> Options {
    let mut options = Options { volume: None, side: 200, repetitions: 9, projector: None, view: None };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--volume" => options.volume = Some(value()),
            "--side" => options.side = value().parse().expect("--side is a number of pixels"),
            "--repetitions" => options.repetitions = value().parse().expect("--repetitions is a number"),
            "--projector" => options.projector = Some(value()),
            "--view" => options.view = Some(value()),
            _ => panic!("accepted: --volume --side --repetitions --projector --view; found {name}"),
        }
    }
    options
}

/// A C-arm view about `isocentre`, the source in front of the patient at angle 0.
fn circling(isocentre: Point, angle_deg: f64, tilt_deg: f64, side: usize) -> View {
    let [source_isocentre, source_detector, width] = C_ARM;
    let (angle, tilt) = (angle_deg.to_radians(), tilt_deg.to_radians());
    let beam = Vector::new(angle.sin() * tilt.cos(), angle.cos() * tilt.cos(), tilt.sin());
    let col = Vector::new(angle.cos(), -angle.sin(), 0.0);
    let row = beam.cross(&col);
    let pitch = width / side as f64;
    let middle = 0.5 * (side as f64 - 1.0);
    let pixel0 = isocentre + beam * (source_detector - source_isocentre) - (col + row) * (pitch * middle);
    let source = Source::Point(isocentre - beam * source_isocentre);
    View::new(source, pixel0, col * pitch, row * pitch, side, side).expect("a valid view")
}

/// A body of ellipsoids with a texture that depends on the voxel's position, 1/mm.
fn synthetic() -> Volume<f32> {
    let grid = Grid::centred([512, 512, 133], [0.703125, 0.703125, 2.5]).expect("a valid grid");
    let shape = grid.shape();
    let value = |n: usize| {
        let at = [n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]];
        let p = [0, 1, 2].map(|a| at[a] as f32 / shape[a] as f32 - 0.5);
        let body = (p[0] / 0.45).powi(2) + (p[1] / 0.33).powi(2);
        let lung = ((p[0].abs() - 0.2) / 0.13).powi(2) + (p[1] / 0.2).powi(2);
        let texture = 1.0 + 0.05 * ((n.wrapping_mul(2_654_435_761) >> 7) % 64) as f32 / 64.0;
        match (body > 1.0, lung < 1.0) {
            (true, _) => 0.0,
            (false, true) => 0.005 * texture,
            (false, false) => 0.02 * texture,
        }
    };
    let data = (0..grid.len()).map(value).collect();
    Volume::new(grid, data)
}

/// Processor time of this process (user and system).
fn cpu_time() -> Duration {
    cpu_time::ProcessTime::now().as_duration()
}
