//! Small designs and plain dense forms that the tests compare with.

use crate::design::{Covariance, Design, ModelMatrix, Predictor, RandomTerm, Response};
use crate::laplace::model::Model;
use crate::matrix::{Matrix, dot};
use crate::random::Layout;
use crate::settings::{Family, Link, Settings, ZeroPart};

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

/// A design for every family, link and zero part, with random effects of several kinds.
pub fn generalised_designs() -> Vec<(Design, Settings)> {
    let n = 60;
    let kinds = random_kinds(n);
    let mut designs = Vec::new();
    let all = [
        Family::Gaussian,
        Family::Binomial,
        Family::Poisson,
        Family::NegativeBinomial1,
        Family::NegativeBinomial2,
        Family::Gamma,
        Family::Beta,
        Family::BetaBinomial,
        Family::Ordinal,
    ];
    for family in all {
        for (l, &link) in family.links().iter().enumerate() {
            if family == Family::Gaussian && link == Link::Identity {
                continue;
            }
            for zero in [ZeroPart::None, ZeroPart::Inflated, ZeroPart::Hurdle] {
                let settings = Settings { link, zero, ..Settings::new(family) };
                let mut design = design(vec![], predictor(n, 2, kinds[(l + zero as usize) % kinds.len()].clone()));
                design.weights = (0..n).map(|i| if i % 4 == 0 { 1.5 } else { 1.0 }).collect();
                design.rows = (0..n as u32).collect();
                design.response = response(family, n, zero);
                if zero != ZeroPart::None {
                    design.zero = Some(predictor(n, 2, kinds[l % 2].clone()));
                }
                if crate::check::check(&design, &settings).is_ok() {
                    designs.push((design, settings));
                }
            }
        }
    }
    designs
}

fn response(family: Family, n: usize, zero: ZeroPart) -> Response {
    let lump = |i: usize| zero != ZeroPart::None && i % 5 == 1;
    let unit = |i: usize| 0.5 + 0.45 * noise(i + 300);
    let group = |i: usize| 0.8 * noise(1000 + i / 6);
    match family {
        Family::Gaussian => Response::Real((0..n).map(|i| 2.0 + unit(i) + 0.2 * group(i)).collect()),
        Family::Gamma => {
            Response::Real((0..n).map(|i| if lump(i) { 0.0 } else { (unit(i) + group(i)).exp() * 0.4 }).collect())
        }
        Family::Beta => Response::Real((0..n).map(|i| if lump(i) { 0.0 } else { unit(i) }).collect()),
        Family::Binomial | Family::BetaBinomial => {
            let trials: Vec<f64> = (0..n).map(|i| (3 + i % 4) as f64).collect();
            let share = |i: usize| (unit(i) + 0.3 * group(i)).clamp(0.0, 0.99);
            let successes = (0..n).map(|i| if lump(i) { 0.0 } else { (share(i) * trials[i]).floor() }).collect();
            Response::Counts { successes, trials }
        }
        Family::Ordinal => {
            let code = |i: usize| (4.0 * (unit(i) + 0.2 * group(i)).clamp(0.0, 0.99)).floor() as u32;
            Response::Ordinal { codes: (0..n).map(code).collect(), levels: (0..4).map(|l| l.to_string()).collect() }
        }
        _ => {
            let count =
                |i: usize| ((1.6 * unit(i) + group(i)).exp() * 1.3 * (1.0 + f64::from(i.is_multiple_of(7)))).floor();
            Response::Real((0..n).map(|i| if lump(i) { 0.0 } else { count(i) }).collect())
        }
    }
}

/// Laplace's approximation with dense matrices and numerical derivatives of the log-densities, from the mode that plain
/// Newton steps find from `u`.
pub fn dense_laplace(model: &Model, psi: &[f64], mut u: Vec<f64>) -> f64 {
    let n = model.rows();
    let q = model.layout.effects();
    let z: Vec<Matrix> = (0..model.bases.len()).map(|a| dense_z(&model.layout, a, model.theta(psi), n)).collect();
    let base = model.base(psi);
    let shape = model.shape(psi);
    let likelihood = &model.likelihood;
    let weight = |i: usize| if likelihood.family == Family::Gaussian { 1.0 } else { likelihood.weights[i] };
    let density = |i: usize, eta: [f64; 2]| weight(i) * likelihood.log_density(i, eta, &shape);
    for step in 0..200 {
        let mut eta = [base[0].clone(), base[1].clone()];
        for (a, z) in z.iter().enumerate() {
            eta[a].iter_mut().zip(z.times(&u)).for_each(|(e, v)| *e += v);
        }
        let f = |i: usize, x: f64, y: f64| density(i, [eta[0][i] + x, eta[1].get(i).map_or(0.0, |e| e + y)]);
        let (mut gradient, mut h) = (u.clone(), Matrix::identity(q));
        let d = 1e-4;
        for i in 0..n {
            let slope = [(f(i, d, 0.0) - f(i, -d, 0.0)) / (2.0 * d), (f(i, 0.0, d) - f(i, 0.0, -d)) / (2.0 * d)];
            let centre = f(i, 0.0, 0.0);
            let second = [
                (f(i, d, 0.0) - 2.0 * centre + f(i, -d, 0.0)) / (d * d),
                (f(i, d, d) - f(i, d, -d) - f(i, -d, d) + f(i, -d, -d)) / (4.0 * d * d),
                (f(i, 0.0, d) - 2.0 * centre + f(i, 0.0, -d)) / (d * d),
            ];
            for (a, za) in z.iter().enumerate() {
                for r in (0..q).filter(|&r| za[(i, r)] != 0.0) {
                    gradient[r] -= slope[a] * za[(i, r)];
                    for (b, zb) in z.iter().enumerate() {
                        for c in (0..q).filter(|&c| zb[(i, c)] != 0.0) {
                            h[(r, c)] -= second[a + b] * za[(i, r)] * zb[(i, c)];
                        }
                    }
                }
            }
        }
        let mut l = h.cholesky();
        while l.is_none() {
            // Negative curvature on the way: shorter steps.
            (0..q).for_each(|r| h[(r, r)] += 1.0);
            l = h.cholesky();
        }
        let l = l.expect("the loop ends with a factor");
        let move_by = l.cholesky_solve(&gradient);
        let decrement = dot(&gradient, &move_by);
        if decrement < 1e-14 || step == 199 {
            let total: f64 = (0..n).map(|i| f(i, 0.0, 0.0)).sum();
            let square: f64 = u.iter().map(|u| u * u).sum();
            return 0.5 * square - total + 0.5 * l.cholesky_log_determinant();
        }
        let length = if decrement > 1.0 { 0.5 } else { 1.0 };
        u.iter_mut().zip(&move_by).for_each(|(u, s)| *u -= length * s);
    }
    unreachable!("the last step returns")
}
