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
    println!("\n{table}\n{}", markdown(&rows.iter().map(object).collect::<Vec<_>>()));
}

/// Adds a table to the results: `out`.json holds all of them, `out`.md shows them.
pub fn add(out: &str, table: &str, rows: Vec<Row>) {
    let path = Path::new(out).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
    let mut all: Map<String, Value> = serde_json::from_str(&text).expect("results are a JSON object");
    all.insert("machine".into(), machine());
    all.insert(table.into(), rows.iter().map(object).collect());
    write(&path, &serde_json::to_string_pretty(&all).expect("plain JSON"));
    let mut page = String::from("# Diffeomorphic registration\n");
    for (name, value) in &all {
        match value {
            Value::Array(rows) => page += &format!("\n## {name}\n\n{}", markdown(rows)),
            other => page += &format!("\n{name}: {other}\n"),
        }
    }
    write(&Path::new(out).with_extension("md"), &page);
    if table == "cost" {
        let mut name = PathBuf::from(out).into_os_string();
        name.push("_cost.svg");
        write(Path::new(&name), &plot(&rows));
    }
}

fn object(row: &Row) -> Value {
    Value::Object(row.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
}

/// A table without the columns that hold lists of points.
fn markdown(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else { return String::new() };
    let columns: Vec<&String> = first.iter().filter(|(k, _)| *k != "curve").map(|(k, _)| k).collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns.iter().map(|c| (*c).clone()).collect());
    text += &line(columns.iter().map(|_| "---".into()).collect());
    for row in rows {
        let cell = |column: &String| match &row[column] {
            Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        text += &line(columns.iter().map(|c| cell(c)).collect());
    }
    text
}

/// Processor seconds against voxels, both on logarithmic axes.
fn plot(rows: &[Row]) -> String {
    let number = |row: &Row, key: &str| row.iter().find(|(k, _)| *k == key).and_then(|(_, v)| v.as_f64());
    let points: Vec<(f64, f64)> =
        rows.iter().filter_map(|r| Some((number(r, "voxels")?.log10(), number(r, "core_s")?.log10()))).collect();
    let place = |(x, y): (f64, f64)| (80.0 + (x - 5.0) / 2.5 * 480.0, 360.0 - (y + 1.0) / 4.0 * 320.0);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 420\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"600\" height=\"420\" fill=\"white\"/>\n",
    );
    for decade in 5..=7 {
        let (x, _) = place((f64::from(decade), 0.0));
        svg += &format!("<path d=\"M{x} 40V360\" stroke=\"#ddd\"/><text x=\"{x}\" y=\"380\">10^{decade}</text>\n");
    }
    for decade in -1..=3 {
        let (_, y) = place((0.0, f64::from(decade)));
        svg += &format!("<path d=\"M80 {y}H560\" stroke=\"#ddd\"/><text x=\"30\" y=\"{y}\">10^{decade}</text>\n");
    }
    svg += "<text x=\"280\" y=\"405\">voxels</text><text x=\"10\" y=\"25\">core-seconds</text>\n";
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
    json!({"cpu": model, "threads": std::thread::available_parallelism().map_or(0, usize::from),
        "version": env!("CARGO_PKG_VERSION")})
}

fn write(path: &Path, text: &str) {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).expect("the result can be written");
    std::fs::rename(&partial, path).expect("the result can be renamed");
}
