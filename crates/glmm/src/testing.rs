//! Small designs and plain dense forms that the tests compare with.

use crate::design::{Covariance, Design, ModelMatrix, Predictor, RandomTerm, Response};
use crate::matrix::{Matrix, dot};
use crate::random::Layout;

/// A model matrix of an intercept and `columns − 1` deterministic covariates.
pub fn model_matrix(n: usize, columns: usize) -> ModelMatrix {
    let value = |i: usize, j: usize| if j == 0 { 1.0 } else { ((i * (5 + 2 * j) + j) % 23) as f64 / 11.0 - 1.0 };
    ModelMatrix {
        rows: n,
        values: (0..columns).flat_map(|j| (0..n).map(move |i| value(i, j))).collect(),
        names: (0..columns).map(|j| if j == 0 { "(Intercept)".into() } else { format!("x{j}") }).collect(),
        term_of_column: (0..columns).collect(),
        terms: (0..columns).map(|j| if j == 0 { "(Intercept)".into() } else { format!("x{j}") }).collect(),
        aliased: vec![],
    }
}

/// A term whose level is `level(i)`, with an intercept and `columns − 1` covariates.
pub fn term(n: usize, columns: usize, covariance: Covariance, level: impl Fn(usize) -> usize) -> RandomTerm {
    let level_of_row: Vec<u32> = (0..n).map(|i| level(i) as u32).collect();
    let levels = level_of_row.iter().max().map_or(0, |m| m + 1);
    let value = |i: usize, c: usize| if c == 0 { 1.0 } else { ((i * (3 + c) + 2 * c) % 13) as f64 / 6.0 - 1.0 };
    RandomTerm {
        group: format!("g{levels}"),
        levels: (0..levels).map(|l| format!("{l}")).collect(),
        level_of_row,
        columns: (0..columns).map(|c| if c == 0 { "(Intercept)".into() } else { format!("z{c}") }).collect(),
        values: (0..columns).flat_map(|c| (0..n).map(move |i| value(i, c))).collect(),
        covariance,
    }
}

/// A predictor without offset.
pub fn predictor(n: usize, columns: usize, random: Vec<RandomTerm>) -> Predictor {
    Predictor { fixed: model_matrix(n, columns), offset: vec![0.0; n], random }
}

/// A design of real responses.
pub fn design(response: Vec<f64>, mean: Predictor) -> Design {
    let n = response.len();
    Design {
        response: Response::Real(response),
        response_name: "y".into(),
        weights: vec![1.0; n],
        mean,
        zero: None,
        rows: (0..n as u32).collect(),
        low: None,
    }
}

/// Random terms of several kinds: one factor, crossed and nested factors, slopes of each covariance form.
pub fn random_kinds(n: usize) -> Vec<Vec<RandomTerm>> {
    vec![
        vec![term(n, 1, Covariance::Unstructured, |i| i / 6)],
        vec![term(n, 1, Covariance::Unstructured, |i| i / 4), term(n, 1, Covariance::Unstructured, |i| i % 5)],
        vec![term(n, 2, Covariance::Unstructured, |i| (i * 7) % 11)],
        vec![term(n, 2, Covariance::Diagonal, |i| i / 9), term(n, 3, Covariance::CompoundSymmetric, |i| (i * 3) % 7)],
        vec![term(n, 1, Covariance::Unstructured, |i| i / 3), term(n, 2, Covariance::Unstructured, |i| i / 15)],
    ]
}

/// A deterministic noise of mean about zero.
pub fn noise(i: usize) -> f64 {
    let x = (i as f64 * 12.9898).sin() * 43758.5453;
    2.0 * (x - x.floor()) - 1.0
}

/// Linear mixed models of several kinds, one with weights and an offset.
pub fn linear_designs() -> Vec<Design> {
    let n = 90;
    let mut designs: Vec<Design> = random_kinds(n)
        .into_iter()
        .map(|random| {
            let y = (0..n).map(|i| 3.0 + noise(i) + 0.8 * noise(1000 + i / 6) + 0.3 * (i % 5) as f64).collect();
            design(y, predictor(n, 3, random))
        })
        .collect();
    designs[1].weights = (0..n).map(|i| 0.5 + (i % 3) as f64).collect();
    designs[1].mean.offset = (0..n).map(|i| 0.1 * (i % 7) as f64).collect();
    designs
}

/// The real responses.
pub fn real(design: &Design) -> &[f64] {
    match &design.response {
        Response::Real(y) => y,
        _ => panic!("the design has real responses"),
    }
}

/// ZΛ of one predictor, as a dense matrix.
pub fn dense_z(layout: &Layout, predictor: usize, theta: &[f64], n: usize) -> Matrix {
    let factors = layout.factors(theta);
    let mut z = Matrix::zeros(n, layout.effects());
    for (t, term) in layout.terms.iter().enumerate().filter(|(t, _)| layout.predictor[*t] == predictor) {
        let k = term.columns.len();
        for i in 0..n {
            for c in 0..k {
                for d in 0..=c {
                    z[(i, layout.first[t] + term.level_of_row[i] as usize * k + d)] +=
                        term.values[c * n + i] * factors[t][(c, d)];
                }
            }
        }
    }
    z
}

/// The deviance of a linear mixed model from its marginal normal distribution.
pub fn dense_deviance(design: &Design, theta: &[f64], reml: bool, sigma: f64) -> f64 {
    let layout = Layout::new(design);
    let y = real(design);
    let n = y.len();
    let z = dense_z(&layout, 0, theta, n);
    let mut v = z.product(&z.transpose());
    for i in 0..n {
        v[(i, i)] += 1.0 / design.weights[i];
    }
    v.values.iter_mut().for_each(|v| *v *= sigma * sigma);
    let l = v.cholesky().expect("a covariance matrix");
    let x = &design.mean.fixed;
    let p = x.columns();
    let mut wx = Matrix { rows: n, columns: p, values: x.values.clone() };
    for j in 0..p {
        l.lower_solve(wx.column_mut(j));
    }
    let mut wy: Vec<f64> = y.iter().zip(&design.mean.offset).map(|(y, o)| y - o).collect();
    l.lower_solve(&mut wy);
    let xx = Matrix::from_fn(p, p, |i, j| dot(wx.column(i), wx.column(j)));
    let rx = xx.cholesky().expect("full column rank");
    let xy: Vec<f64> = (0..p).map(|j| dot(wx.column(j), &wy)).collect();
    let beta = rx.cholesky_solve(&xy);
    let fitted = wx.times(&beta);
    let rss: f64 = wy.iter().zip(&fitted).map(|(y, f)| (y - f).powi(2)).sum();
    let tau = std::f64::consts::TAU.ln();
    let ml = l.cholesky_log_determinant() + n as f64 * tau + rss;
    if reml { ml + rx.cholesky_log_determinant() - p as f64 * tau } else { ml }
}
