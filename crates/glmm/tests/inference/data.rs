//! The table and the models that the reference figures belong to.
//!
//! The reference figures come from R 4.2.2 with lme4 1.1.31 (bobyqa, rhoend 1e-12), lmerTest 3.1.3, pbkrtest 0.5.2,
//! emmeans 1.8.4.1 and performance 0.10.2:
//!
//! ```r
//! i <- 0:69; i <- i[i %% 11 != 3]
//! d <- data.frame(g = factor(i %/% 6), h = factor((i * 5) %% 7), x = ((i * 7) %% 13) / 6 - 1, t = factor(i %% 3))
//! d$y <- with(d, 2 + 0.5 * x + 0.3 * (t == "1") + 0.8 * sin(1.7 * (i %/% 6) + 1) + 1.2 * x * cos(2.3 * (i %/% 6)) +
//!             0.5 * cos(1.1 * ((i * 5) %% 7)) + 0.6 * sin(12.9 * i + 0.37 * i^2))
//! ```

use regiscope_glmm::design::Design;
use regiscope_glmm::fit::{Fit, fit};
use regiscope_glmm::formula::{Built, Settings as FormulaSettings, build};
use regiscope_glmm::settings::{Criterion, Family, Settings};
use regiscope_glmm::table::{Column, Factor, Table};

fn factor(codes: impl Iterator<Item = u32>, levels: u32) -> Column {
    let levels = (0..levels).map(|l| l.to_string()).collect();
    Column::Factor(Factor { levels, codes: codes.collect(), ordered: false })
}

pub fn table() -> Table {
    let index: Vec<u32> = (0..70).filter(|i| i % 11 != 3).collect();
    let x = |i: u32| f64::from((i * 7) % 13) / 6.0 - 1.0;
    let y = |&i: &u32| {
        let (group, other, row) = (f64::from(i / 6), f64::from((i * 5) % 7), f64::from(i));
        2.0 + 0.5 * x(i)
            + 0.3 * f64::from(u8::from(i % 3 == 1))
            + 0.8 * (1.7 * group + 1.0).sin()
            + 1.2 * x(i) * (2.3 * group).cos()
            + 0.5 * (1.1 * other).cos()
            + 0.6 * (12.9 * row + 0.37 * row * row).sin()
    };
    let mut table = Table::new();
    table.push("y", Column::Numbers(index.iter().map(y).collect())).unwrap();
    table.push("x", Column::Numbers(index.iter().map(|&i| x(i)).collect())).unwrap();
    table.push("t", factor(index.iter().map(|i| i % 3), 3)).unwrap();
    table.push("g", factor(index.iter().map(|i| i / 6), 12)).unwrap();
    table.push("h", factor(index.iter().map(|i| (i * 5) % 7), 7)).unwrap();
    table
}

pub fn built(formula: &str) -> Built {
    build(formula, &table(), &FormulaSettings::default()).unwrap()
}

pub fn fitted(formula: &str, criterion: Criterion) -> (Design, Fit) {
    let design = built(formula).design;
    let settings = Settings { criterion, ..Settings::new(Family::Gaussian) };
    let fit = fit(&design, &settings, &mut |_| ()).unwrap();
    (design, fit)
}

/// `y ~ x + t + (1 + x | g)`.
pub const SLOPES: &str = "y ~ x + t + (1 + x | g)";
/// `y ~ x * t + (1 | g) + (1 | h)`.
pub const CROSSED: &str = "y ~ x * t + (1 | g) + (1 | h)";

pub fn close(found: f64, expected: f64, relative: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-3);
    assert!(error < relative, "{what}: {found} instead of {expected} (relative error {error:.1e})");
}
