//! Formulas of mixed models: what they make of a small table is finite and as long as it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_glmm::formula::{ResponseKind, Scope, Settings, build, columns_used};
use regiscope_glmm::table::{Column, Factor, Table};

fn table() -> Table {
    let mut table = Table::new();
    let numbers = |slope: f64| Column::Numbers((0..24).map(|i| (slope * f64::from(i)).sin() + 1.5).collect());
    let labels = |levels: &[&str], every: u32| {
        let codes = (0..24).map(|i| i / every % levels.len() as u32).collect();
        Column::Factor(Factor { levels: levels.iter().map(|l| (*l).to_owned()).collect(), codes, ordered: every == 3 })
    };
    table.push("y", numbers(0.7)).unwrap();
    table.push("x", numbers(1.3)).unwrap();
    table.push("n", Column::Numbers((0..24).map(|i| f64::from(i % 5)).collect())).unwrap();
    table.push("f", labels(&["a", "b", "c"], 1)).unwrap();
    table.push("g", labels(&["u", "v", "w", "z"], 3)).unwrap();
    table.push("a b", labels(&["1", "2"], 5)).unwrap();
    table
}

fuzz_target!(|text: &str| {
    let settings = Settings { response: ResponseKind::Real, max_values: 1 << 18, ..Settings::default() };
    let _ = columns_used(text, &settings);
    let table = table();
    match build(text, &table, &settings) {
        Err(error) => assert!(!error.to_string().is_empty() && !error.excerpt().is_empty()),
        Ok(built) => {
            let design = &built.design;
            assert_eq!(design.mean.fixed.rows, design.rows.len());
            assert!(design.mean.fixed.values.iter().all(|v| v.is_finite()));
            // The fit's own rows are new data that every recipe takes.
            let _ = built.recipe.apply(&table, Scope::Groups);
        }
    }
});
