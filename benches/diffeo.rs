//! Diffeomorphic registration: accuracy, cost, and what each choice buys.
//!
//! `cargo bench -p regiscope-diffeo --bench diffeo -- TABLE [key=value …]`, see `--help`. Processor time is that of the
//! whole process, all threads.

#[path = "diffeo/pair.rs"]
mod pair;
#[path = "diffeo/trial.rs"]
mod trial;

use std::collections::BTreeMap;

const HELP: &str = "\
TABLE [key=value …]
  one fixed=F moving=M [labels-fixed=F labels-moving=M] [preset=default] [model=h1-div] [settings=FILE.json]
      one registration, every Newton step shown";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(table) = arguments.first() else {
        println!("skipped: no table was asked for\n{HELP}");
        return;
    };
    let named: BTreeMap<&str, &str> = arguments[1..].iter().filter_map(|a| a.split_once('=')).collect();
    match table.as_str() {
        "one" => trial::one(&named),
        _ => println!("{HELP}"),
    }
}
