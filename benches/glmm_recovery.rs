//! Whether fits find the parameters that data were simulated with: bias and coverage of 95 % intervals over 1,000
//! simulated studies of each kind. `cargo bench -p regiscope-glmm --bench glmm_recovery` writes
//! `benches/results/glmm_recovery.{json,md}`.

#[path = "glmm_recovery/study.rs"]
mod study;

use rayon::prelude::*;
use std::fmt::Write;
use std::path::Path;

const STUDIES: u64 = 1000;
const SEED: u64 = 20_261;

#[derive(serde::Serialize)]
struct Kind {
    name: &'static str,
    rows: usize,
    groups: usize,
    intervals: &'static str,
    studies: u64,
    seed: u64,
    /// Studies without a converged fit; they are left out.
    failed: usize,
    parameters: Vec<study::Recovery>,
}

fn main() -> std::io::Result<()> {
    let kinds: Vec<Kind> = study::studies().iter().map(run).collect();
    let results = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/results"));
    write(&results.join("glmm_recovery.json"), &(serde_json::to_string_pretty(&kinds)? + "\n"))?;
    let table = markdown(&kinds);
    print!("{table}");
    write(&results.join("glmm_recovery.md"), &table)
}

fn run(study: &study::Study) -> Kind {
    let design = study.design();
    let found: Vec<Option<Vec<study::Found>>> =
        (0..STUDIES).into_par_iter().map(|replicate| study.run(&design, SEED, replicate)).collect();
    let failed = found.iter().filter(|f| f.is_none()).count();
    let kept: Vec<Vec<study::Found>> = found.into_iter().flatten().collect();
    Kind {
        name: study.name,
        rows: study.groups * study.each,
        groups: study.groups,
        intervals: study.intervals,
        studies: STUDIES,
        seed: SEED,
        failed,
        parameters: study::recover(study, &kept),
    }
}

fn markdown(kinds: &[Kind]) -> String {
    let mut text = String::from("# Recovery of parameters in simulated studies\n\n");
    text.push_str(
        "`cargo bench -p regiscope-glmm --bench glmm_recovery`; ± is one Monte-Carlo standard error.\n\n\
         Expected is what theory says of the method to the first order (`expected` in `benches/glmm_recovery/study.rs`): \
         maximum likelihood makes standard deviations too small by about one part in the number of groups, the root of an \
         unbiased variance is biased too, and Wald's z for a coefficient that groups determine takes their number as \
         large. The distance is found − expected in Monte-Carlo standard errors: what is left to explain.\n",
    );
    for kind in kinds {
        let Kind { name, rows, groups, studies, failed, seed, intervals, .. } = kind;
        let _ = write!(
            text,
            "\n## {name}\n\ny ~ x + z + (1 | g), {rows} rows, {groups} groups; {studies} studies (seed {seed}), {failed} \
             without a converged fit. Intervals: {intervals}.\n\n\
             | parameter | truth | bias | expected | distance | coverage of 95 % intervals | expected | distance |\n\
             |---|---|---|---|---|---|---|---|\n"
        );
        for p in &kind.parameters {
            let _ = writeln!(
                text,
                "| {} | {} | {:.5} ± {:.5} | {:.5} | {:+.1} | {:.1} ± {:.1} % | {:.1} % | {:+.1} |",
                p.parameter.replace('|', "\\|"),
                p.truth,
                p.bias,
                p.bias_se,
                p.expected_bias,
                (p.bias - p.expected_bias) / p.bias_se,
                100.0 * p.coverage,
                100.0 * p.coverage_se,
                100.0 * p.expected_coverage,
                (p.coverage - p.expected_coverage) / p.coverage_se
            );
        }
    }
    text
}

/// Writes under a temporary name, then renames.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, text)?;
    std::fs::rename(&temporary, path)
}
