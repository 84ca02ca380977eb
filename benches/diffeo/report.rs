//! Tables to the terminal, JSON, Markdown, and the plot of cost against voxels.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// A row: column names and values in order.
pub type Row = Vec<(&'static str, Value)>;

/// A number with so many digits behind the point.
pub fn digits(value: f64, digits: i32) -> Value {
    json!((value * 10f64.powi(digits)).round() / 10f64.powi(digits))
}

/// Prints a table.
pub fn show(table: &str, rows: &[Row]) {
    let columns: Vec<&str> = rows.first().map_or(Vec::new(), |row| row.iter().map(|(k, _)| *k).collect());
    println!("\n{table}\n{}", markdown(&columns, &rows.iter().map(object).collect::<Vec<_>>()));
}

/// Adds a table under a name to the results, with the command that made it and the machine: `out`.json holds all of
/// them, `out`.md shows them.
pub fn add(out: &str, name: &str, table: &str, arguments: &[String], rows: &[Row]) {
    let path = Path::new(out).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
    let mut all: Map<String, Value> = serde_json::from_str(&text).expect("results are a JSON object");
    let columns: Vec<&str> = rows.first().map_or(Vec::new(), |row| row.iter().map(|(k, _)| *k).collect());
    let entry = json!({
        "about": about(table),
        "command": command(table, arguments),
        "machine": machine(),
        "columns": columns,
        "rows": rows.iter().map(object).collect::<Vec<_>>(),
    });
    all.insert(name.into(), entry);
    write(&path, &serde_json::to_string_pretty(&all).expect("plain JSON"));
    let mut page = String::from("# Diffeomorphic registration\n\n");
    page += "Made by `cargo bench -p regiscope-diffeo --bench diffeo`; core-seconds are user and system time of the process, \
             all threads. Beside other programs: [diffeo_peers.md](diffeo_peers.md).\n";
    for (name, entry) in &all {
        let rows = entry["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let columns: Vec<&str> = entry["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let [about, command] = ["about", "command"].map(|key| entry[key].as_str().unwrap_or_default());
        page += &format!("\n## {name}\n\n{about}\n\n{}\n`{command}`", markdown(&columns, rows));
        page += &format!(" on {}.\n", entry["machine"]["words"].as_str().unwrap_or("an unknown machine"));
    }
    write(&Path::new(out).with_extension("md"), &page);
    if table == "cost" {
        let mut plot_name = PathBuf::from(out).into_os_string();
        plot_name.push(format!("_{name}.svg"));
        write(Path::new(&plot_name), &plot(rows));
    }
}

/// The command with the names of files alone: where they lie is of no use elsewhere.
fn command(table: &str, arguments: &[String]) -> String {
    let named = arguments.iter().filter(|a| a.contains('=') && !a.starts_with("out="));
    let bare = |a: &String| {
        let (key, value) = a.split_once('=').unwrap_or((a, ""));
        format!(" {key}={}", value.rsplit('/').next().unwrap_or(value))
    };
    format!("diffeo {table}{}", named.map(bare).collect::<String>())
}

/// What a table shows.
fn about(table: &str) -> &'static str {
    match table {
        "presets" => {
            "Every preset with the model `h1-div`. Mismatch is that of unsmoothed images in [0, 1] relative to the images as \
             they lie, Dice that of nearest labels (mean, union), det F that of the flow's map as it is put out."
        }
        "one" => "One registration. Mismatch, Dice and det F as in `presets`.",
        "models" => "Every model at the default preset.",
        "choices" => "What each choice of the default preset buys: one undone at a time.",
        "krylov" => {
            "Products with the Hessian until the gradient has fallen to 1/20 of the first, from rest, on the half grid. \
             Inner products are those of the preconditioner on its own, coarser grid."
        }
        "cost" => "The default preset on cubes of the same box.",
        "threads" => {
            "Medians of runs in turn. Differences are the largest of the velocity, relative to its largest value."
        }
        "distances" => "Every distance; columns as in `presets`, the mismatch by squares whatever was made small.",
        "inverse" => {
            "Distances of voxels from their place, in voxels, over the whole box: there by the displacements that are \
             written and back along the flow of the velocity; there and back, and back and there, by the two files alone, \
             which are continued linearly between their voxels and do not resolve the sharpest places."
        }
        "memory" => {
            "Peak memory, and what of it lies beyond the pair that the bench itself holds, in fields of single precision \
             of the grid's size; the solver's own copy of both images is part of it."
        }
        "product" => "Work of one Hessian product. Transforms and interpolations are those of a scalar field.",
        "known" => {
            "A known velocity recovered. Errors are mean distances of the map found from the known one within the body."
        }
        "volumes" => "The incompressible model `h1-stokes`: how far det F is from 1, anywhere.",
        _ => "",
    }
}

fn object(row: &Row) -> Value {
    Value::Object(row.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
}

/// A table without the columns that hold lists of points.
fn markdown(columns: &[&str], rows: &[Value]) -> String {
    let columns: Vec<&str> = columns.iter().copied().filter(|k| *k != "curve").collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns.iter().map(|c| (*c).to_owned()).collect());
    text += &line(columns.iter().map(|_| "---".into()).collect());
    for row in rows {
        let cell = |column: &str| match &row[column] {
            Value::String(s) => s.clone(),
            Value::Array(parts) => parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("×"),
            other => other.to_string(),
        };
        text += &line(columns.iter().map(|c| cell(c)).collect());
    }
    text
}

/// Processor seconds against voxels, both on logarithmic axes, beside a line of equal cost per voxel.
fn plot(rows: &[Row]) -> String {
    let number = |row: &Row, key: &str| row.iter().find(|(k, _)| *k == key).and_then(|(_, v)| v.as_f64());
    let points: Vec<(f64, f64)> =
        rows.iter().filter_map(|r| Some((number(r, "voxels")?.log10(), number(r, "core_s")?.log10()))).collect();
    let Some(&(first, least)) = points.first() else { return String::new() };
    let most = points.iter().fold(least, |most, p| most.max(p.1));
    let [low, high] = [least.min(most - 1.0).floor(), most.ceil()];
    let place = |(x, y): (f64, f64)| (80.0 + (x - 5.0) / 2.5 * 480.0, 360.0 - (y - low) / (high - low) * 320.0);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 420\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"600\" height=\"420\" fill=\"white\"/>\n",
    );
    for n in [64.0f64, 96.0, 128.0, 192.0, 256.0] {
        let (x, _) = place((3.0 * n.log10(), low));
        svg += &format!(
            "<path d=\"M{x:.1} 40V360\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"380\" text-anchor=\"middle\">{n}³</text>\n"
        );
    }
    for decade in low as i32..=high as i32 {
        let (_, y) = place((first, f64::from(decade)));
        svg += &format!(
            "<path d=\"M80 {y:.1}H560\" stroke=\"#ddd\"/><text x=\"70\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            y + 4.0,
            10f64.powi(decade)
        );
    }
    svg += "<text x=\"320\" y=\"405\" text-anchor=\"middle\">voxels</text><text x=\"80\" y=\"25\">core-seconds, default \
            preset; dashed: the same cost per voxel as at the first point</text>\n";
    let ((ax, ay), (bx, by)) = (place((first, least)), place((first + high - least, high)));
    svg += &format!("<path d=\"M{ax:.1} {ay:.1}L{bx:.1} {by:.1}\" stroke=\"#888\" stroke-dasharray=\"5 4\"/>\n");
    let line: Vec<String> = points.iter().map(|&p| place(p)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    svg += &format!("<polyline points=\"{}\" fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"2\"/>\n", line.join(" "));
    for (x, y) in points.into_iter().map(place) {
        svg += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#1f5fa8\"/>\n");
    }
    svg + "</svg>\n"
}

fn machine() -> Value {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")).map(|l| l.trim_start_matches([' ', '\t', ':']));
    let model = model.unwrap_or("an unknown processor");
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').nth(1).unwrap_or("unknown");
    let version = env!("CARGO_PKG_VERSION");
    let revision = revision();
    let words = format!(
        "{model}, {threads} threads, load of the last five minutes {load}, regiscope-diffeo {version} at revision {revision}"
    );
    json!({"cpu": model, "threads": threads, "load_5_min": load, "version": version, "revision": revision, "words": words})
}

/// The commit that is checked out, with a plus where files differ from it.
fn revision() -> String {
    let git = |arguments: &[&str]| {
        let out =
            std::process::Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".into() };
    let sources = git(&["status", "--porcelain", "--", "src"]);
    if sources.is_none_or(|changes| changes.is_empty()) { commit } else { commit + "+" }
}

fn write(path: &Path, text: &str) {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).expect("the result can be written");
    std::fs::rename(&partial, path).expect("the result can be renamed");
}
