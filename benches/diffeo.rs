//! Diffeomorphic registration: accuracy, cost, and what each choice buys.
//!
//! `cargo bench -p regiscope-diffeo --bench diffeo -- TABLE… [key=value …]`, see `--help`. Processor time is that of the
//! whole process, all threads. Tables that need images are skipped without them.

#[path = "diffeo/choices.rs"]
mod choices;
#[path = "diffeo/inverse.rs"]
mod inverse;
#[path = "diffeo/known.rs"]
mod known;
#[path = "diffeo/pair.rs"]
mod pair;
#[path = "diffeo/report.rs"]
mod report;
#[path = "diffeo/tables.rs"]
mod tables;
#[path = "diffeo/trial.rs"]
mod trial;

use std::collections::BTreeMap;

const HELP: &str = "\
TABLE… [key=value …]; results are added to out=NAME (NAME.json, NAME.md, plots) if it is given, a table under as=NAME
  with fixed=F moving=M [labels-fixed=F labels-moving=M] [affine=yes]:
    one       one registration, every Newton step shown [preset=default] [model=h1-div] [distance=ssd] [settings=FILE.json]
    presets   accuracy and cost of every preset, with the mismatch against processor time [curve=yes]
    models    the same for every model at the default preset
    distances the same for every distance [preset=default]
    choices   the same for the default preset with one choice undone at a time
    krylov    products to the same gradient by preconditioner and weight, at half resolution
    cost      processor time against voxels
    threads   one thread and two in turn [preset=default] [repetitions=5]
    memory    peak memory of every preset in fields of the grid [factor=1] [steps=N at most in a stage]
    inverse   how well the maps of every preset undo each other, voxels [displacement=STEM writes the maps]
    peak      the same of one preset, without a table
  without images:
    product   transforms and interpolations of a Hessian product
    known     recovery of a known velocity by grid, weight and time steps
    volumes   det F of the incompressible model";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let named: BTreeMap<&str, &str> = arguments.iter().filter_map(|a| a.split_once('=')).collect();
    let tables: Vec<&str> = arguments.iter().filter(|a| !a.contains('=')).map(String::as_str).collect();
    if tables.is_empty() || tables.contains(&"--help") {
        println!("skipped: no table was asked for\n{HELP}");
        return;
    }
    for table in tables {
        let needs_images = !["product", "known", "volumes"].contains(&table);
        if needs_images && !(named.contains_key("fixed") && named.contains_key("moving")) {
            println!("skipped: {table} needs fixed=FILE and moving=FILE");
            continue;
        }
        let rows = match table {
            "one" => trial::one(&named),
            "presets" => tables::presets(&named),
            "models" => tables::models(&named),
            "distances" => tables::distances(&named),
            "choices" => choices::choices(&named),
            "krylov" => tables::krylov(&named),
            "cost" => tables::cost(&named),
            "threads" => tables::threads(&named),
            "memory" => tables::memory(&named),
            "peak" => {
                tables::peak(&named);
                continue;
            }
            "inverse" => inverse::inverse(&named),
            "product" => known::product(),
            "known" => known::known(),
            "volumes" => known::volumes(),
            other => {
                println!("there is no table {other}\n{HELP}");
                continue;
            }
        };
        report::show(table, &rows);
        if let Some(out) = named.get("out") {
            report::add(out, named.get("as").copied().unwrap_or(table), table, &arguments, &rows);
        }
    }
}
