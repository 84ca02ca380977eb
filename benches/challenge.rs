//! Rankings, metrics and aggregation: processor time of each, and the memory of the process.
//!
//! `cargo bench -p regiscope-challenge --bench challenge -- [OUT.json] [masks=REF,PRED] [labels=TABLE.csv]` prints a line
//! for each and, with OUT.json, writes them there. The pair of masks is made here: two ellipsoids with bumps in 512 × 512
//! × 133 voxels; `masks` are files whose reading is timed beside. `labels` is a long table with the columns task, worker
//! and label. `benches/challenge_peers.py` runs this program and the peers in one run.

use cpu_time::ProcessTime;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_challenge::annotations::dawid_skene::{Limits, Model, estimate};
use regiscope_challenge::annotations::{glad, import};
use regiscope_challenge::metrics::mask::Mask;
use regiscope_challenge::metrics::segmentation::{Convention, Metric, Options, evaluate};
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::ranking::{Method, Prepared, Resampling, Test, bootstrap};
use regiscope_challenge::results::{Better, TaskResults};
use regiscope_challenge::table::Table;
use serde_json::{Value, json};
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let named = |key: &str| arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('='));
    let mut rows = rankings();
    if let Some(labels) = named("labels") {
        rows.extend(aggregation(Path::new(labels)));
    }
    if let Some((reference, prediction)) = named("masks").and_then(|m| m.split_once(',')) {
        rows.push(reading([reference, prediction]));
    }
    rows.extend(metrics());
    for row in &rows {
        println!("{row}");
    }
    if let Some(out) = arguments.iter().find(|a| !a.contains('=')) {
        let text = serde_json::to_string_pretty(&json!({"machine": machine(), "rows": rows})).expect("plain JSON");
        std::fs::write(out, text + "\n").expect("the folder is there");
    }
}

/// Runs the work several times; core-seconds of the whole process, median and range.
fn timed(what: &str, times: usize, mut work: impl FnMut()) -> Value {
    let mut seconds: Vec<f64> = (0..times)
        .map(|_| {
            let start = ProcessTime::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let (median, range) = (seconds[times / 2], [seconds[0], seconds[times - 1]]);
    json!({"what": what, "core_s": median, "range": range, "peak_mib": peak_mib()})
}

fn rankings() -> Vec<Value> {
    let (n, k) = (2728, 10);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let results = TaskResults {
        task: "task".into(),
        algorithms: (0..k).map(|a| format!("A{a}")).collect(),
        cases: (0..n).map(|c| c.to_string()).collect(),
        clusters: None,
        // Dice coefficients: some failures, the rest near 0.9 and better for the first algorithms.
        values: (0..n * k)
            .map(
                |i| if rng.random_bool(0.05) { 0.0 } else { 1.0 - rng.random::<f64>() * (0.2 + 0.01 * (i % k) as f64) },
            )
            .collect(),
        treated: 0,
    };
    let names = ["mean-then-rank", "median-then-rank", "rank-then-mean", "test-then-rank"];
    names
        .iter()
        .map(|name| {
            let method = Method::parse(name, Better::Larger, Test::default()).expect("a known method");
            timed(name, 5, || {
                let prepared = Prepared::new(&results, &method, Better::Larger, Ties::Min);
                let resamples = bootstrap(&prepared, Resampling::Cases, 1000, 1);
                assert_eq!(resamples.len(), 1000);
            })
        })
        .collect()
}

fn aggregation(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).expect("the table can be read");
    let table = Table::from_csv(&bytes).expect("a table");
    let votes = import::long(&table, "task", "worker", "label", None).expect("labels");
    vec![
        timed("dawid-skene", 5, || assert!(estimate(&votes, Model::Confusion, Limits::default()).converged)),
        timed("glad", 5, || assert!(glad::estimate(&votes).gradient < 1e-3)),
    ]
}

/// From files to masks, on one thread.
fn reading(files: [&str; 2]) -> Value {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    timed("reading, pair", 3, || {
        for file in files {
            let labels = one.install(|| regiscope_image::read_labels(Path::new(file))).expect("a label image");
            let grid = labels.grid();
            let inside = labels.data().iter().map(|&l| l != 0).collect();
            Mask::new(grid.shape(), grid.spacing(), inside).expect("a mask");
        }
    })
}

/// An ellipsoid with bumps, as `benches/challenge_peers.py` makes it.
pub fn ellipsoid(shape: [usize; 3], spacing: [f64; 3], centre: [f64; 3], radius: [f64; 3]) -> Mask {
    let n: usize = shape.iter().product();
    let inside = (0..n).map(|i| {
        let at = [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])];
        let d = [0, 1, 2].map(|a| (at[a] as f64 * spacing[a] - centre[a]) / radius[a]);
        let bump = 0.05 * ((at[0] as f64 * 0.11).sin() + (at[1] as f64 * 0.13).sin());
        d.iter().map(|v| v * v).sum::<f64>() < 1.0 + bump
    });
    Mask::new(shape, spacing, inside.collect()).expect("a mask")
}

fn metrics() -> Vec<Value> {
    let (shape, spacing) = ([512, 512, 133], [0.7, 0.7, 2.5]);
    let a = ellipsoid(shape, spacing, [180.0, 180.0, 165.0], [120.0, 100.0, 120.0]);
    let b = ellipsoid(shape, spacing, [184.0, 178.0, 167.0], [118.0, 104.0, 118.0]);
    let asked = [Metric::Hd95, Metric::Nsd, Metric::Dsc, Metric::Assd];
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut rows = Vec::new();
    for (name, convention) in [
        ("metrics-reloaded", Convention::MetricsReloaded),
        ("deepmind-surface-distance", Convention::DeepmindSurfaceDistance),
        ("monai", Convention::Monai),
    ] {
        let mut values = Vec::new();
        let mut row = timed(&format!("metrics, {name}"), 3, || {
            let options = Options { tolerance_mm: 2.0, ..Options::default() };
            let scores = one.install(|| evaluate(&a, &b, &asked, convention, &options)).expect("masks that fit");
            values = scores.iter().map(|s| s.value).collect();
        });
        row["values"] = json!(values);
        rows.push(row);
    }
    rows
}

fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some((line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0).round())
}

fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok();
    let name = cpu.as_deref().and_then(|t| t.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ")));
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    json!({"cpu": name.map(|(_, n)| n), "threads": threads, "build": "release, thin link-time optimisation"})
}
