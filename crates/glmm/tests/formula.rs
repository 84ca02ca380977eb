//! Designs against those of R and lme4: names, order and values of columns, levels of groups.
//!
//! `r/design.R` writes the table and the expected columns; `../shared/reference/glmm`, where it is there, holds fits.

use regiscope_glmm::design::{Covariance, ModelMatrix, RandomTerm, Response};
use regiscope_glmm::formula::{Built, Contrast, ResponseKind, Scope, Settings, Warning, build};
use regiscope_glmm::table::{Column, Factor, Table};
use std::collections::BTreeMap;

/// A CSV text as a table: numbers where every value is one, else labels sorted by their bytes.
fn table_of(text: &str, order: &BTreeMap<&str, (Vec<&str>, bool)>) -> Table {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut table = Table::new();
    for (j, name) in names.iter().enumerate() {
        let cells: Vec<&str> = records.iter().map(|r| &r[j]).collect();
        let numbers: Result<Vec<f64>, _> = cells.iter().map(|c| c.parse()).collect();
        let column = match (numbers, order.get(name.as_str())) {
            (Ok(numbers), None) => Column::Numbers(numbers),
            (_, given) => {
                let mut levels: Vec<&str> = cells.clone();
                levels.sort_unstable();
                levels.dedup();
                let (levels, ordered) = given.map_or((levels, false), |(l, o)| (l.clone(), *o));
                let code = |cell: &&str| levels.iter().position(|l| l == cell).map_or(Factor::MISSING, |at| at as u32);
                let codes = cells.iter().map(code).collect();
                Column::Factor(Factor { levels: levels.into_iter().map(str::to_owned).collect(), codes, ordered })
            }
        };
        table.push(name, column).unwrap();
    }
    table
}

fn design_table() -> Table {
    let order = BTreeMap::from([("c", (vec!["lo", "mid", "hi", "top"], true))]);
    table_of(include_str!("r/design.csv"), &order)
}

/// Sums of columns weighted by 1, i mod 7 and i², as the R script computes them.
fn check_sums(values: &[f64], rows: usize, expected: &str, what: &str) {
    let weights: [fn(usize) -> f64; 3] = [|_| 1.0, |i| (i % 7) as f64, |i| (i * i) as f64];
    let columns = values.len() / rows;
    let expected: Vec<f64> = expected.split(';').filter(|e| !e.is_empty()).map(|e| e.parse().unwrap()).collect();
    assert_eq!(expected.len(), 3 * columns, "{what}");
    for (k, weight) in weights.iter().enumerate() {
        for j in 0..columns {
            let column = &values[j * rows..(j + 1) * rows];
            let terms = || column.iter().zip(1..).map(|(v, i)| v * weight(i));
            let (sum, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
            let expected = expected[k * columns + j];
            assert!((sum - expected).abs() <= 1e-12 * size.max(1e-3), "{what}: column {j}: {sum} {expected}");
        }
    }
}

/// The matrix with the aliased columns back in their places, where they are told by name only.
fn check_matrix(matrix: &ModelMatrix, names: &str, sums: &str, what: &str) {
    let names: Vec<&str> = names.split(';').filter(|n| !n.is_empty()).collect();
    let kept: Vec<&str> = names.iter().copied().filter(|n| !matrix.aliased.iter().any(|a| a == n)).collect();
    assert_eq!(matrix.names, kept, "{what}");
    assert_eq!(matrix.names.len() + matrix.aliased.len(), names.len(), "{what}: {:?}", matrix.aliased);
    if matrix.aliased.is_empty() {
        check_sums(&matrix.values, matrix.rows, sums, what);
    }
}

#[test]
fn columns_are_those_of_r_and_lme4() {
    let table = design_table();
    let mut expected_random: BTreeMap<&str, Vec<[&str; 4]>> = BTreeMap::new();
    let mut checked = 0;
    for line in include_str!("r/design.txt").lines() {
        let (kind, rest) = line.split_once('|').unwrap();
        if kind == "random" {
            let (formula, rest) = rest.split_once(")|").unwrap();
            let fields: Vec<&str> = rest.split('|').collect();
            expected_random.entry(formula).or_default().push(fields.try_into().unwrap());
            continue;
        }
        let fields: Vec<&str> = rest.split('|').collect();
        let contrast = match kind {
            "sum" => Some(Contrast::Sum),
            "helmert" => Some(Contrast::Helmert),
            "poly" => Some(Contrast::Polynomial),
            _ => None,
        };
        let factors =
            ["a", "b", "c"].into_iter().filter(|f| fields[0].split(|c: char| !c.is_alphanumeric()).any(|w| w == *f));
        let contrasts = contrast.into_iter().flat_map(|c| factors.clone().map(move |f| (f.to_owned(), c))).collect();
        let settings = Settings { contrasts, ..Settings::default() };
        let built = build(&format!("y ~ {}", fields[0]), &table, &settings).unwrap_or_else(|e| panic!("{line}: {e}"));
        check_matrix(&built.design.mean.fixed, fields[1], fields[2], line);
        checked += 1;
    }
    for (formula, expected) in expected_random {
        let built = build(&format!("y ~ x + {formula})"), &table, &Settings::default()).unwrap();
        let mut found: Vec<(String, String, String, &[f64])> = Vec::new();
        for term in &built.design.mean.random {
            let n = built.design.rows.len();
            let split = if term.covariance == Covariance::Diagonal { 1 } else { term.columns.len() };
            for (columns, values) in term.columns.chunks(split).zip(term.values.chunks(split * n)) {
                found.push((term.group.clone(), columns.join(";"), term.levels.join(";"), values));
            }
        }
        assert_eq!(found.len(), expected.len(), "{formula}");
        for [group, columns, levels, sums] in expected {
            let what = format!("{formula}: {group}: {columns}");
            let (g, c, l, values) = found.iter().find(|f| f.0 == group && f.1 == columns).expect(&what);
            assert_eq!((g.as_str(), c.as_str(), l.as_str()), (group, columns, levels));
            let term = built.design.mean.random.iter().find(|t| t.group == group).unwrap();
            check_sums(&by_level(term, values, built.design.rows.len()), built.design.rows.len(), sums, &what);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} designs were compared");
}

/// The columns of Zᵀ as lme4 orders them: for each level all its columns.
fn by_level(term: &RandomTerm, values: &[f64], rows: usize) -> Vec<f64> {
    let columns = values.len() / rows;
    let mut z = vec![0.0; rows * columns * term.levels.len()];
    for (i, &level) in term.level_of_row.iter().enumerate() {
        for j in 0..columns {
            z[(level as usize * columns + j) * rows + i] = values[j * rows + i];
        }
    }
    z
}

fn built(formula: &str) -> Built {
    build(formula, &design_table(), &Settings::default()).unwrap()
}

#[test]
fn new_data_become_the_same_columns() {
    for (formula, settings) in [
        ("y ~ poly(x, 2) * a + scale(w) + c + offset(log(w)) + (scale(x) | g) + (a + x || h/b)", Settings::default()),
        (
            "y ~ I(x - mean(x)) + factor(num) + l + x:a + a",
            Settings { offset: Some("w / 2".into()), ..Settings::default() },
        ),
        (
            "y ~ a + I(2 * x) + x + (1 | g)",
            Settings { zero_formula: Some("~ poly(w, 2) + (1 | h)".into()), ..Settings::default() },
        ),
    ] {
        let table = design_table();
        let Built { design, recipe, .. } = build(formula, &table, &settings).unwrap();
        let again = recipe.apply(&table, Scope::Groups).unwrap();
        assert_eq!(again.mean, design.mean, "{formula}");
        assert_eq!(again.zero, design.zero, "{formula}");
        // A part of the rows gives a part of the columns.
        let part = subset(&table, &[30, 4, 17]);
        let rows = recipe.apply(&part, Scope::Groups).unwrap();
        for (k, row) in [30, 4, 17].into_iter().enumerate() {
            for j in 0..design.mean.fixed.columns() {
                assert_eq!(rows.mean.fixed.column(j)[k], design.mean.fixed.column(j)[row], "{formula}: {j}");
            }
            assert_eq!(rows.mean.offset[k], design.mean.offset[row]);
            for (new, old) in rows.mean.random.iter().zip(&design.mean.random) {
                assert_eq!(new.level_of_row[k], old.level_of_row[row]);
            }
        }
        assert!(recipe.apply(&table, Scope::Population).unwrap().mean.random.is_empty());
    }
}

/// Some rows of a table; factors keep only the levels that occur, in reverse order.
fn subset(table: &Table, rows: &[usize]) -> Table {
    let mut part = Table::new();
    for name in table.names() {
        let column = match table.get(name).unwrap() {
            Column::Numbers(values) => Column::Numbers(rows.iter().map(|&r| values[r]).collect()),
            Column::Factor(factor) => {
                let label = |r: &usize| factor.levels[factor.codes[*r] as usize].clone();
                let levels: Vec<String> =
                    factor.levels.iter().rev().filter(|l| rows.iter().any(|r| label(r) == **l)).cloned().collect();
                let code = |r: &usize| levels.iter().position(|l| *l == label(r)).unwrap() as u32;
                let codes = rows.iter().map(code).collect();
                Column::Factor(Factor { levels: levels.clone(), codes, ordered: factor.ordered })
            }
        };
        part.push(name, column).unwrap();
    }
    part
}

#[test]
fn new_levels_are_refused_in_fixed_effects_and_marked_in_groups() {
    let built = built("y ~ a + (1 | g)");
    let mut table = Table::new();
    let factor = |label: &str| Column::Factor(Factor { levels: vec![label.into()], codes: vec![0], ordered: false });
    table.push("a", factor("a2")).unwrap();
    table.push("g", factor("G99")).unwrap();
    let new = built.recipe.apply(&table, Scope::Groups).unwrap();
    assert_eq!(new.mean.random[0].level_of_row, [RandomTerm::NEW_LEVEL]);
    assert_eq!(new.mean.fixed.values, [1.0, 1.0, 0.0]);
    let mut table = Table::new();
    table.push("a", factor("a9")).unwrap();
    let error = built.recipe.apply(&table, Scope::Population).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("a has the level \"a9\", which the fit did not see; it saw \"a1\", \"a2\", \"a3\"")
    );
}

#[test]
fn rows_with_missing_values_are_left_out_and_counted() {
    let mut table = Table::new();
    let nan = f64::NAN;
    table.push("y", Column::Numbers(vec![1.0, 2.0, nan, 4.0, 5.0, 6.0])).unwrap();
    table.push("x", Column::Numbers(vec![1.0, nan, 3.0, 4.0, -1.0, 2.0])).unwrap();
    table.push("unused", Column::Numbers(vec![nan; 6])).unwrap();
    let levels = vec!["p".to_owned(), "q".to_owned(), "r".to_owned()];
    table.push("f", Column::Factor(Factor { levels, codes: vec![0, 1, 2, 2, 2, 0], ordered: false })).unwrap();
    let built = build("y ~ log(x) + f", &table, &Settings::default()).unwrap();
    assert_eq!(built.design.rows, [0, 3, 5]);
    assert_eq!(built.design.mean.fixed.names, ["(Intercept)", "log(x)", "fr"]);
    let sentences: Vec<String> = built.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        sentences,
        [
            "log(x) is not a number in 1 rows that have no missing value; they are left out",
            "3 of 6 rows have a missing value and are left out",
            "no row has \"q\" of the factor f; left out",
        ]
    );
    let weighted = Settings { weights: Some("x + 1".into()), ..Settings::default() };
    let built = build("y ~ 1", &table, &weighted).unwrap();
    assert_eq!((built.design.rows, built.design.weights), (vec![0, 3, 5], vec![2.0, 5.0, 3.0]));
    assert!(built.warnings.contains(&Warning::ZeroWeights { zero: 1 }));
}

#[test]
fn aliased_columns_and_empty_cells_are_told() {
    let built = built("y ~ x + I(2 * x) + w + c * l");
    let fixed = &built.design.mean.fixed;
    // Of the 8 cells 6 have rows; lm() of R leaves out the same columns.
    assert_eq!(fixed.aliased, ["I(2 * x)", "c.Q:lTRUE", "c.C:lTRUE"]);
    assert_eq!(fixed.values.len(), fixed.rows * fixed.columns());
    let sentences: Vec<String> = built.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        sentences,
        [
            "2 of the 8 cells of c:l have no row, such as cmid:lTRUE",
            "the fixed effects \"I(2 * x)\", \"c.Q:lTRUE\", \"c.C:lTRUE\" are left out: the columns before them span them",
        ]
    );
}

#[test]
fn responses_of_binomial_families() {
    let mut table = Table::new();
    table.push("s", Column::Numbers(vec![2.0, 0.0, 3.0])).unwrap();
    table.push("n", Column::Numbers(vec![14.0, 12.0, 3.0])).unwrap();
    table.push("bit", Column::Numbers(vec![1.0, 0.0, 1.0])).unwrap();
    let levels = vec!["no".to_owned(), "yes".to_owned()];
    table.push("f", Column::Factor(Factor { levels, codes: vec![1, 0, 1], ordered: false })).unwrap();
    let binomial = Settings { response: ResponseKind::Binomial, ..Settings::default() };
    let counts = |formula: &str, weights: Option<&str>| {
        let settings = Settings { weights: weights.map(str::to_owned), ..binomial.clone() };
        build(formula, &table, &settings).map(|b| (b.design.response, b.design.weights, b.design.response_name))
    };
    let of_14 = Response::Counts { successes: vec![2.0, 0.0, 3.0], trials: vec![14.0, 12.0, 3.0] };
    assert_eq!(counts("cbind(s, n - s) ~ 1", None).unwrap().0, of_14);
    let (response, weights, name) = counts("s / n ~ 1", Some("n")).unwrap();
    assert_eq!((response, weights, name.as_str()), (of_14, vec![1.0; 3], "s/n"));
    let bits = Response::Counts { successes: vec![1.0, 0.0, 1.0], trials: vec![1.0; 3] };
    assert_eq!(counts("bit ~ 1", None).unwrap().0, bits);
    assert_eq!(counts("f ~ 1", None).unwrap().0, bits);
    let error = counts("s ~ 1", None).unwrap_err().to_string();
    assert!(error.starts_with("the response is 2 in row 1; a binomial response is 0 or 1"), "{error}");
    assert!(
        counts("cbind(n, s - n) ~ 1", None).unwrap_err().to_string().contains("14 successes and -12 failures in row 1")
    );
    assert!(counts("cbind(s) ~ 1", None).is_err());
    assert!(build("cbind(s, n) ~ 1", &table, &Settings::default()).is_err());
    assert!(
        build("f ~ 1", &table, &Settings::default()).unwrap_err().to_string().contains("has labels (\"no\", \"yes\")")
    );
    let ordinal = Settings { response: ResponseKind::Ordinal, ..Settings::default() };
    let categories = build("s ~ n", &table, &ordinal).unwrap().design.response;
    assert_eq!(
        categories,
        Response::Ordinal { codes: vec![1, 0, 2], levels: vec!["0".into(), "2".into(), "3".into()] }
    );
}

#[test]
fn mistakes_show_the_formula_and_a_caret() {
    let table = design_table();
    let message = |formula: &str| build(formula, &table, &Settings::default()).unwrap_err().to_string();
    for (formula, first) in [
        ("y ~ X2 + a", "there is no column \"X2\"; the nearest is \"x\""),
        ("y ~ lgo(x)", "there is no function \"lgo\" in formulas; the nearest is \"log\""),
        ("x + (1 | g)", "the formula has no response: write `response ~ predictors`"),
        ("y ~ log(a)", "a holds labels (such as \"a1\"), and numbers are needed here"),
        ("y ~ poly(num, 3)", "a polynomial of degree 3 in num needs more than 3 distinct values; there are 3"),
        ("y ~ poly(x, 0)", "poly() takes one variable, a degree (a whole number from 1 to 50) and raw = TRUE or FALSE"),
        ("y ~ log(poly(x, 2))", "poly(x, 2) has 2 columns, and one is needed here"),
        ("y ~ I(2)", "I(2) is a constant, and a variable is needed here"),
        ("y ~ x | g", "a random term stands in parentheses, as in (1 | group)"),
        ("y ~ I(1 / (w - 1))", "I(1/(w - 1)) is infinite in row 5"),
        ("y ~ a * (1 | g)", "a random term can only be added with +"),
    ] {
        let said = message(formula);
        assert_eq!(said.lines().next(), Some(first));
        assert_eq!(said.lines().nth(1), Some(format!("  {formula}").as_str()));
        assert!(said.lines().nth(2).is_some_and(|l| l.trim().chars().all(|c| c == '^')), "{said}");
    }
    assert_eq!(message("y ~ a + Wx").lines().nth(2), Some("          ^^"));
}

#[test]
fn what_would_not_fit_into_memory_is_refused_with_a_number() {
    let n = 3000;
    let mut table = Table::new();
    table.push("y", Column::Numbers((0..n).map(f64::from).collect())).unwrap();
    let levels = (0..n).map(|i| i.to_string()).collect();
    let codes: Vec<u32> = (0..n as u32).collect();
    table.push("f", Column::Factor(Factor { levels, codes, ordered: false })).unwrap();
    let few = Settings { max_values: 1 << 20, ..Settings::default() };
    for formula in ["y ~ f", "y ~ 1 + (f | f)", "y ~ y:f"] {
        let error = build(formula, &table, &few).unwrap_err().to_string();
        assert!(error.starts_with("3000 rows × "), "{error}");
    }
    let settings = Settings { contrasts: BTreeMap::from([("f".into(), Contrast::Polynomial)]), ..Settings::default() };
    let error = build("y ~ f", &table, &settings).unwrap_err().to_string();
    assert!(error.starts_with("polynomial contrasts of f with 3000 levels"), "{error}");
    let error = build("y ~ f:f2", &table, &few).unwrap_err().to_string();
    assert!(error.contains("the nearest is \"f\""), "{error}");
    assert!(build("y ~ 1 + (1 | f)", &table, &few).is_ok());
}

/// Coefficient names, groups and levels of the reference fits, where they lie beside the checkout.
#[test]
fn names_are_those_of_the_reference_fits() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/glmm");
    if !folder.is_dir() {
        println!("skipped: the reference fits are not beside this checkout");
        return;
    }
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let json = |path: &str| -> serde_json::Value { serde_json::from_str(&read(path)).unwrap() };
    let mut checked = 0;
    for entry in std::fs::read_dir(folder.join("fits")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let fit = json(&format!("fits/{name}"));
        let data = fit["data"].as_str().unwrap();
        let meta = json(&format!("data/{data}.meta.json"));
        let mut order = BTreeMap::new();
        for (column, what) in meta["columns"].as_object().unwrap() {
            if let Some(levels) = what["levels"].as_array() {
                let levels: Vec<&str> = levels.iter().map(|l| l.as_str().unwrap()).collect();
                order.insert(column.as_str(), (levels, what["type"] == "ordered"));
            }
        }
        let table = table_of(&read(&format!("data/{data}.csv")), &order);
        // The first argument of the call.
        let call = fit["call"].as_str().unwrap();
        let inside = &call[call.find('(').unwrap() + 1..call.len() - 1];
        let mut depth = 0;
        let end = inside.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0 && c == ','
        });
        let formula = &inside[..end.unwrap_or(inside.len())];
        let response = match (call.starts_with("clmm"), call.contains("binomial(")) {
            (true, _) => ResponseKind::Ordinal,
            (_, true) => ResponseKind::Binomial,
            _ => ResponseKind::Real,
        };
        let settings = Settings { response, ..Settings::default() };
        let Built { design, warnings, recipe } =
            build(formula, &table, &settings).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(warnings, [], "{name}");
        if let Some(n) = fit["n_obs"].as_u64() {
            assert_eq!(n as usize, design.rows.len(), "{name}");
        }
        let names = fit["coef_names"].as_array().or(fit["cond"]["names"].as_array()).unwrap();
        let names: Vec<&str> = names.iter().map(|n| n.as_str().unwrap()).collect();
        if let Response::Ordinal { levels, .. } = &design.response {
            let thresholds = levels.windows(2).map(|w| format!("{}|{}", w[0], w[1]));
            let all: Vec<String> = thresholds.chain(design.mean.fixed.names.iter().cloned()).collect();
            assert_eq!(all, names, "{name}");
        } else {
            assert_eq!(design.mean.fixed.names, names, "{name}");
        }
        if let Some(varcorr) = fit["varcorr"].as_object() {
            let mut expected: Vec<(String, Vec<String>)> = Vec::new();
            for (group, what) in varcorr {
                let group = group.strip_suffix(".1").unwrap_or(group);
                expected.push((group.to_owned(), serde_json::from_value(what["names"].clone()).unwrap()));
            }
            let mut found: Vec<(String, Vec<String>)> = Vec::new();
            for (term, double_bar) in design.mean.random.iter().zip(recipe.double_bars()) {
                let split = if double_bar { 1 } else { term.columns.len() };
                found.extend(term.columns.chunks(split).map(|c| (term.group.clone(), c.to_vec())));
            }
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "{name}");
        }
        for (group, what) in fit["ranef"].as_object().into_iter().flatten() {
            let term = design.mean.random.iter().find(|t| t.group == *group).unwrap();
            let levels: Vec<&str> = what["levels"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
            assert_eq!(term.levels, levels, "{name}");
        }
        checked += 1;
    }
    assert!(checked >= 51, "{checked} fits were compared");
}

#[test]
fn low_parts_of_decimal_text_go_through_the_formula() {
    use regiscope_glmm::read_csv::{CsvSettings, read_csv};
    let text = "y,x\n1000000000000.4,-6.86\n0.1,-4.32\n3,0.3\n4.7,1.1\n";
    let exact = CsvSettings { exact: true, ..CsvSettings::default() };
    let table = read_csv(|| Ok(text.as_bytes()), &exact).unwrap();
    let settings = Settings { exact: true, ..Settings::default() };
    let design = build("y ~ I(x^2) + x:I(x^2)", &table, &settings).unwrap().design;
    let low = design.low.unwrap();
    assert_eq!(design.mean.fixed.names, ["(Intercept)", "I(x^2)", "I(x^2):x"]);
    // What the nearest doubles lack, from exact rationals (Python's fractions): of 1000000000000.4, and of 6.86².
    assert!((low.response[0] - -2.44140625e-5).abs() < 1e-15, "{}", low.response[0]);
    assert_eq!(design.mean.fixed.column(1)[0], 47.0596);
    assert!((low.fixed[4] - -3.205968823749572e-15).abs() < 1e-27, "{}", low.fixed[4]);
    assert!(low.fixed[..4].iter().all(|v| *v == 0.0), "the intercept is exact");
}

/// R 4.2.2: names and values of `model.matrix(~ I(x > 0) + (f == "a") + I(f %in% c("a", "b") & !(x < 2)))`.
#[test]
fn comparisons_are_columns_of_truths() {
    let table = table_of("y,x,f\n1,-1,a\n2,0.5,b\n4,3,a\n3,2,c\n1,5,b\n7,-2,c\n", &BTreeMap::new());
    let formula = "y ~ I(x > 0) + (f == \"a\") + I(f %in% c(\"a\", \"b\") & !(x < 2))";
    let fixed = build(formula, &table, &Settings::default()).unwrap().design.mean.fixed;
    assert_eq!(
        fixed.names,
        ["(Intercept)", "I(x > 0)TRUE", "f == \"a\"TRUE", "I(f %in% c(\"a\", \"b\") & !(x < 2))TRUE"]
    );
    assert_eq!(fixed.column(1), [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(fixed.column(2), [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(fixed.column(3), [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    let refused = build("y ~ I(f > \"a\")", &table, &Settings::default()).unwrap_err().to_string();
    assert!(refused.contains("labels are compared with == and !="), "{refused}");
}
