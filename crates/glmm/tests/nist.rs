//! NIST's Statistical Reference Datasets: every certified value of linear regression and analysis of variance to at least
//! nine digits.

use qd::Quad;
use regiscope_glmm::decimal::parse_decimal;
use regiscope_glmm::design::{Design, LowParts, ModelMatrix, Predictor, Response};
use regiscope_glmm::linear::{LinearFit, fit_linear};

#[derive(Default)]
struct Problem {
    model: Vec<String>,
    /// Estimate and standard deviation.
    coefficients: Vec<(f64, f64)>,
    sigma: f64,
    r_squared: f64,
    /// Degrees of freedom and sum of squares.
    regression: (f64, f64),
    residual: (f64, f64),
    f: f64,
    /// Rows: y, then what the model is made of.
    data: Vec<Vec<Quad>>,
}

fn quad(text: &str) -> Quad {
    let (high, low) = parse_decimal(text).unwrap();
    Quad(high, low)
}

fn parse(text: &str) -> Problem {
    let mut problem = Problem::default();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    for line in lines.by_ref().take_while(|&line| line != "data") {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |i: usize| words[i].parse::<f64>().unwrap();
        match words[0] {
            "model" => problem.model = words[1..].iter().map(|w| w.to_string()).collect(),
            "coefficient" => problem.coefficients.push((number(1), number(2))),
            "sigma" => problem.sigma = number(1),
            "r_squared" => problem.r_squared = number(1),
            "regression" => problem.regression = (number(1), number(2)),
            "residual" => problem.residual = (number(1), number(2)),
            "f" => problem.f = number(1),
            other => panic!("unknown line {other}"),
        }
    }
    problem.data = lines.map(|line| line.split_whitespace().map(quad).collect()).collect();
    problem
}

/// Columns with their names and terms.
fn columns(problem: &Problem) -> (Vec<Vec<Quad>>, Vec<usize>, Vec<String>) {
    let one = vec![Quad::ONE; problem.data.len()];
    let variable = |k: usize| -> Vec<Quad> { problem.data.iter().map(|row| row[k]).collect() };
    let mut columns = vec![one];
    match problem.model[0].as_str() {
        "no_intercept" => return (vec![variable(1)], vec![0], vec!["x".into()]),
        "variables" => columns.extend((1..problem.data[0].len()).map(variable)),
        "polynomial" => {
            for _ in 0..problem.model[1].parse().unwrap() {
                let next = columns.last().unwrap().iter().zip(variable(1)).map(|(&a, b)| a * b).collect();
                columns.push(next);
            }
        }
        "anova" => {
            let code = variable(1);
            let levels = code.iter().map(|c| c.0 as usize).max().unwrap();
            for level in 2..=levels {
                columns.push(code.iter().map(|c| Quad::from(f64::from(u8::from(c.0 as usize == level)))).collect());
            }
            let terms = (0..columns.len()).map(|j| j.min(1)).collect();
            return (columns, terms, vec!["(Intercept)".into(), "treatment".into()]);
        }
        other => panic!("unknown model {other}"),
    }
    let terms = (0..columns.len()).collect();
    let names = (0..columns.len()).map(|k| if k == 0 { "(Intercept)".into() } else { format!("B{k}") }).collect();
    (columns, terms, names)
}

fn fit(problem: &Problem) -> LinearFit {
    let (columns, term_of_column, terms) = columns(problem);
    let rows = problem.data.len();
    let flat = columns.concat();
    let names = (0..columns.len()).map(|j| format!("B{j}")).collect();
    let values = flat.iter().map(|v| v.0).collect();
    let fixed = ModelMatrix { rows, values, names, term_of_column, terms, aliased: Vec::new() };
    fit_linear(&Design {
        response: Response::Real(problem.data.iter().map(|row| row[0].0).collect()),
        response_name: "y".into(),
        weights: vec![1.0; rows],
        mean: Predictor { fixed, offset: vec![0.0; rows], random: Vec::new() },
        zero: None,
        rows: (0..rows as u32).collect(),
        low: Some(LowParts {
            response: problem.data.iter().map(|row| row[0].1).collect(),
            fixed: flat.iter().map(|v| v.1).collect(),
        }),
    })
    .unwrap()
}

/// Log relative error: the number of right digits (of a certified zero: the negative logarithm of the absolute error).
fn digits(found: f64, certified: f64) -> f64 {
    let error = if certified == 0.0 { found.abs() } else { (found - certified).abs() / certified.abs() };
    if found == certified || (certified.is_infinite() && found > 1e25) { 15.0 } else { -error.log10() }
}

fn check(name: &str, problem: &Problem) {
    let fit = fit(problem);
    let regression = fit.regression.as_ref().unwrap();
    let mut pairs = vec![
        ("sigma", fit.sigma, problem.sigma),
        ("R²", fit.r_squared, problem.r_squared),
        ("F", regression.f, problem.f),
        ("regression sum of squares", regression.sum_of_squares, problem.regression.1),
        ("regression mean square", regression.mean_square, problem.regression.1 / problem.regression.0),
        ("residual sum of squares", fit.residual_sum_of_squares, problem.residual.1),
    ];
    assert_eq!((regression.df, fit.df_residual), (problem.regression.0, problem.residual.0), "{name}");
    for (j, &(estimate, deviation)) in problem.coefficients.iter().enumerate() {
        pairs.push(("estimate", fit.fixef[j], estimate));
        pairs.push(("standard deviation", fit.se[j], deviation));
    }
    let least = pairs.iter().map(|&(_, found, certified)| digits(found, certified)).fold(f64::INFINITY, f64::min);
    println!("{name}: at least {least:.1} digits");
    for (what, found, certified) in pairs {
        let right = digits(found, certified);
        assert!(right >= 9.0, "{name}, {what}: {found:e}, certified {certified:e}, {right:.1} digits");
    }
}

#[test]
fn linear_regression() {
    for (name, text) in [
        ("Norris", include_str!("data/nist/Norris.txt")),
        ("Pontius", include_str!("data/nist/Pontius.txt")),
        ("NoInt1", include_str!("data/nist/NoInt1.txt")),
        ("NoInt2", include_str!("data/nist/NoInt2.txt")),
        ("Filip", include_str!("data/nist/Filip.txt")),
        ("Longley", include_str!("data/nist/Longley.txt")),
        ("Wampler1", include_str!("data/nist/Wampler1.txt")),
        ("Wampler2", include_str!("data/nist/Wampler2.txt")),
        ("Wampler3", include_str!("data/nist/Wampler3.txt")),
        ("Wampler4", include_str!("data/nist/Wampler4.txt")),
        ("Wampler5", include_str!("data/nist/Wampler5.txt")),
    ] {
        check(name, &parse(text));
    }
}

#[test]
fn analysis_of_variance() {
    check("SiRstv", &parse(include_str!("data/nist/SiRstv.txt")));
    check("AtmWtAg", &parse(include_str!("data/nist/AtmWtAg.txt")));
}

/// Simon & Lesage (1989), "Assessing the Accuracy of ANOVA Calculations in Statistical Software": nine treatments of m
/// values, of which the first is the treatment's mean, and the others are a tenth below and above in turn.
#[test]
fn simon_and_lesage() {
    for (set, (leading, pairs)) in ["1", "1000000", "1000000000000"]
        .into_iter()
        .flat_map(|leading| [10, 100, 1000].map(|pairs| (leading, pairs)))
        .enumerate()
    {
        let mut problem = Problem { model: vec!["anova".into()], ..Problem::default() };
        for treatment in 1..=9_u32 {
            let mean = match treatment {
                1 => 4,
                even if even % 2 == 0 => 3,
                _ => 5,
            };
            let mut push = |tenths: u32| {
                problem.data.push(vec![quad(&format!("{leading}.{tenths}")), Quad::from(f64::from(treatment))]);
            };
            push(mean);
            (0..pairs).for_each(|_| [mean - 1, mean + 1].into_iter().for_each(&mut push));
        }
        // Certified values: within, 18 m' · 0.01 with m' pairs; between, (2 m' + 1) · 8 · 0.01.
        let m = f64::from(2 * pairs + 1);
        let (between, within) = (m * 8.0 / 100.0, 9.0 * (m - 1.0) / 100.0);
        problem.regression = (8.0, between);
        problem.residual = (9.0 * (m - 1.0), within);
        (problem.sigma, problem.r_squared, problem.f) = (0.1, between / (between + within), m);
        check(&format!("SmLs0{}", set + 1), &problem);
    }
}
