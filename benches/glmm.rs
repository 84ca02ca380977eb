//! Cost of fitting mixed models: core-seconds and memory on a failure study, and against the number of rows.
//!
//! `cargo bench -p regiscope-glmm --bench glmm -- STUDY.csv [OUT] [case=NAME] [rounds=N]` reads a table of failures
//! (columns `failure`, `image`, `procedure`, `algorithm` and the image's characteristics), fits it whole, with five
//! correlated slopes per algorithm, and copied or cut to other numbers of rows; it prints a table and, with OUT, writes
//! `OUT.json`, `OUT.md` and `OUT.svg` (cost against rows). Each case runs in a process of its own, so that its peak memory
//! is its own. Core-seconds are user and system time of all threads, reading the file included and stated apart.
//!
//! `TABLE.csv formula=F family=binomial|gaussian factors=A,B` fits one model of any table in this process and prints its
//! figures; `benches/glmm_peers.py` runs it beside other programs.

use cpu_time::ProcessTime;
use regiscope_glmm::design::Design;
use regiscope_glmm::fit::fit;
use regiscope_glmm::formula::{self, ResponseKind, build};
use regiscope_glmm::read_csv::{CsvSettings, FactorSettings, read_csv};
use regiscope_glmm::settings::{Family, Settings};
use regiscope_glmm::table::{Column, Factor, Table};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const EFFECTS: [&str; 19] = [
    "underexposed_instrument",
    "overexposed_instrument",
    "motion_blur",
    "occlusion_by_tissue",
    "occlusion_by_instrument",
    "smoke",
    "blood_in_scene",
    "blood_on_instrument",
    "specular_reflection",
    "instrument_reflection",
    "other_objects_background",
    "trocar_visible",
    "transparent_part",
    "crossing_instruments",
    "instrument_at_border",
    "small_instrument",
    "n_instruments_minus1",
    "lens_dirty",
    "image_overlay",
];

/// A model and the number of copies of the study (below 1 a part of its images).
struct Case {
    name: &'static str,
    slopes: bool,
    copies: f64,
}

const CASES: [Case; 6] = [
    Case { name: "study", slopes: false, copies: 1.0 },
    Case { name: "five correlated slopes per algorithm", slopes: true, copies: 1.0 },
    Case { name: "a tenth of the rows", slopes: false, copies: 0.1 },
    Case { name: "three times the rows", slopes: false, copies: 3.0 },
    Case { name: "ten times the rows", slopes: false, copies: 10.0 },
    Case { name: "a hundred times the rows", slopes: false, copies: 100.0 },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--help") {
        println!("STUDY.csv [OUT] [case=NAME] [rounds=N]: table of failures, results to OUT.json, OUT.md and OUT.svg");
        return;
    }
    let plain: Vec<&String> = arguments.iter().filter(|a| !a.contains('=')).collect();
    let named = |key: &str| arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('=').map(String::from));
    let Some(study) = plain.first().map(PathBuf::from) else {
        println!("skipped: no table of failures was given");
        return;
    };
    if let Some(formula) = named("formula") {
        let factors = named("factors").unwrap_or_default();
        println!("{}", run_formula(&study, &formula, named("family").as_deref(), &factors));
        return;
    }
    if let Some(name) = named("single") {
        let case = CASES.iter().find(|c| c.name == name).expect("a case by its name");
        println!("{}", run(&study, case));
        return;
    }
    let rounds: usize = named("rounds").map_or(3, |n| n.parse().expect("rounds=N takes a number"));
    let mut figures = Vec::new();
    for case in CASES.iter().filter(|c| named("case").is_none_or(|wanted| c.name.contains(&wanted))) {
        let rounds = if case.copies > 5.0 { 1 } else { rounds };
        let mut runs: Vec<Value> = (0..rounds).map(|_| in_own_process(&study, case)).collect();
        runs.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        let mut figure = runs[rounds / 2].clone();
        figure["fit_core_s_range"] = json!([seconds(&runs[0]), seconds(&runs[rounds - 1])]);
        println!("{}", line(&figure));
        figures.push(figure);
    }
    if let Some(out) = plain.get(1) {
        let out = Path::new(out);
        let text =
            serde_json::to_string_pretty(&json!({ "machine": machine(), "figures": figures })).expect("plain JSON");
        write(&out.with_extension("json"), &text);
        let head =
            "| case | rows | fit, core-s | reading, core-s | peak MB | log-likelihood |\n|---|---|---|---|---|---|\n";
        let rows: Vec<String> = figures.iter().map(line).collect();
        write(&out.with_extension("md"), &format!("{head}{}\n", rows.join("\n")));
        write(&out.with_extension("svg"), &plot(&figures));
    }
}

fn seconds(run: &Value) -> f64 {
    run["fit_core_s"].as_f64().expect("a number of seconds")
}

fn in_own_process(study: &Path, case: &Case) -> Value {
    let program = std::env::current_exe().expect("the running program has a path");
    let out = Command::new(program).arg(study).arg(format!("single={}", case.name)).output().expect("the case runs");
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{}: {e}\n{}", case.name, String::from_utf8_lossy(&out.stderr)))
}

fn run(study: &Path, case: &Case) -> Value {
    let formula = formula(case.slopes);
    let start = ProcessTime::now();
    let table = read(study, &formula, &["image", "procedure", "algorithm"]);
    let table = if case.copies == 1.0 { table } else { copied(&table, case.copies) };
    figures(case.name, start, table, &formula, &Settings::new(Family::Binomial))
}

/// One model of any table.
fn run_formula(path: &Path, formula: &str, family: Option<&str>, factors: &str) -> Value {
    let family = match family {
        None | Some("binomial") => Family::Binomial,
        Some("gaussian") => Family::Gaussian,
        Some(other) => panic!("family={other}: binomial or gaussian"),
    };
    let start = ProcessTime::now();
    let table = read(path, formula, &factors.split(',').filter(|f| !f.is_empty()).collect::<Vec<_>>());
    figures("formula", start, table, formula, &Settings::new(family))
}

fn read(path: &Path, formula: &str, factors: &[&str]) -> Table {
    let columns = formula::columns_used(formula, &formula::Settings::default()).expect("a formula").names;
    let factors = factors.iter().map(|name| ((*name).to_owned(), FactorSettings::default())).collect();
    let csv = CsvSettings { columns: Some(columns), factors, ..Default::default() };
    read_csv(|| std::fs::File::open(path), &csv).expect("a table")
}

fn figures(name: &str, start: ProcessTime, table: Table, formula: &str, settings: &Settings) -> Value {
    let response = if settings.family == Family::Binomial { ResponseKind::Binomial } else { ResponseKind::Real };
    let as_built = formula::Settings { response, ..Default::default() };
    let design: Design = build(formula, &table, &as_built).expect("a design").design;
    drop(table);
    let read = start.elapsed().as_secs_f64();
    let start = ProcessTime::now();
    let fit = fit(&design, settings, &mut |_| ()).expect("a fit");
    let fit_core_s = start.elapsed().as_secs_f64();
    let random = fit.random.iter().map(|r| (r.group.clone(), json!(r.sd))).collect::<serde_json::Map<_, _>>();
    json!({
        "case": name,
        "rows": fit.rows,
        "fit_core_s": fit_core_s,
        "reading_core_s": read,
        "peak_mb": peak_mb(),
        "log_lik": fit.log_lik,
        "newton_decrement": fit.verdict.newton_decrement,
        "converged": fit.verdict.converged,
        "evaluations": fit.counts.evaluations,
        "passes": fit.counts.passes,
        "se": fit.fixed.se,
        "random_sd": random,
    })
}

fn formula(slopes: bool) -> String {
    let per_algorithm = if slopes {
        "(1 + underexposed_instrument + motion_blur + occlusion_by_tissue + smoke | algorithm)"
    } else {
        "(1 | algorithm)"
    };
    format!("failure ~ {} + (1 | image) + (1 | procedure) + {per_algorithm}", EFFECTS.join(" + "))
}

/// Copies of a table, or a part of it; every copy has images of its own.
fn copied(table: &Table, copies: f64) -> Table {
    let rows = (table.rows() as f64 * copies).round() as usize;
    let mut result = Table::new();
    for name in table.names() {
        let column = match table.get(name).expect("a column by its name") {
            Column::Numbers(v) => Column::Numbers((0..rows).map(|i| v[i % v.len()]).collect()),
            Column::Factor(f) => {
                let own = name == "image";
                let (n, count) = (f.codes.len(), f.levels.len());
                let sets = if own { rows.div_ceil(n) } else { 1 };
                let level = |i: usize| {
                    if i < count { f.levels[i].clone() } else { format!("{}.{}", f.levels[i % count], i / count) }
                };
                let code = |i: usize| f.codes[i % n] + if own { (i / n * count) as u32 } else { 0 };
                Column::Factor(Factor {
                    levels: (0..sets * count).map(level).collect(),
                    codes: (0..rows).map(code).collect(),
                    ordered: false,
                })
            }
        };
        result.push(name, column).expect("columns of one length");
    }
    result
}

/// Peak resident memory of this process, MB (Linux).
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':')).map(|(_, m)| m.trim().to_owned());
    json!({
        "cpu": model,
        "cores": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn line(figure: &Value) -> String {
    format!(
        "| {} | {} | {:.3} | {:.3} | {:.0} | {:.4} |",
        figure["case"].as_str().unwrap_or_default(),
        figure["rows"],
        seconds(figure),
        figure["reading_core_s"].as_f64().unwrap_or(f64::NAN),
        figure["peak_mb"].as_f64().unwrap_or(f64::NAN),
        figure["log_lik"].as_f64().unwrap_or(f64::NAN)
    )
}

/// Cost against rows on logarithmic axes, both from 1e3 (rows) and 1e-2 (core-seconds).
fn plot(figures: &[Value]) -> String {
    let (width, height, left, bottom) = (560.0, 380.0, 70.0, 50.0);
    let mut points: Vec<(f64, f64)> = figures
        .iter()
        .filter(|f| !f["case"].as_str().is_some_and(|c| c.contains("slopes")))
        .map(|f| (f["rows"].as_f64().unwrap_or(1.0), seconds(f)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let x = |rows: f64| left + (rows.log10() - 3.0) / 4.0 * (width - left - 20.0);
    let y = |s: f64| height - bottom - (s.log10() + 2.0) / 4.0 * (height - bottom - 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for k in 0..5 {
        let (at_x, at_y) = (x(10f64.powi(3 + k)), y(10f64.powi(k - 2)));
        let (low, right) = (height - bottom, width - 20.0);
        svg += &format!("<line x1=\"{at_x}\" y1=\"20\" x2=\"{at_x}\" y2=\"{low}\" stroke=\"#ddd\"/>\n");
        svg += &format!("<text x=\"{at_x}\" y=\"{}\" text-anchor=\"middle\">1e{}</text>\n", low + 18.0, 3 + k);
        svg += &format!("<line x1=\"{left}\" y1=\"{at_y}\" x2=\"{right}\" y2=\"{at_y}\" stroke=\"#ddd\"/>\n");
        svg += &format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">1e{}</text>\n", left - 6.0, at_y + 4.0, k - 2);
    }
    let path: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
    svg += &format!("<polyline points=\"{}\" fill=\"none\" stroke=\"#0a5\" stroke-width=\"2\"/>\n", path.join(" "));
    for p in &points {
        svg += &format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#0a5\"/>\n", x(p.0), y(p.1));
    }
    svg +=
        &format!("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">rows</text>\n", 0.5 * (left + width), height - 10.0);
    svg += &format!(
        "<text x=\"16\" y=\"{0}\" transform=\"rotate(-90 16 {0})\" text-anchor=\"middle\">core-seconds of a fit</text>\n</svg>\n",
        0.5 * height
    );
    svg
}

/// Writes beside, then renames.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("part");
    std::fs::write(&beside, text).expect("the results can be written");
    std::fs::rename(&beside, path).expect("the results can be renamed");
}
