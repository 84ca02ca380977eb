//! Rankings of challengeR 1.0.5's example data, beside `../shared/reference/challenge`.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regiscope_challenge::ranking::adjust::Adjustment;
use regiscope_challenge::ranking::bootstrap::draw;
use regiscope_challenge::ranking::consensus::{Consensus, consensus};
use regiscope_challenge::ranking::kendall::tau_b;
use regiscope_challenge::ranking::order::{Ties, ascending};
use regiscope_challenge::ranking::significance::significance;
use regiscope_challenge::ranking::wilcoxon::NullDistribution;
use regiscope_challenge::ranking::{Method, Prepared, Resampling, Test, bootstrap};
use regiscope_challenge::results::{Better, Missing, TaskResults, from_long};
use regiscope_challenge::table::{LongColumns, Table, long_table};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/challenge");
    if !folder.is_dir() {
        println!("skipped: the rankings of challengeR are not beside the checkout");
        return None;
    }
    Some(folder)
}

fn example(folder: &std::path::Path) -> Vec<TaskResults> {
    let bytes = fs::read(folder.join("challengeR_data_matrix.csv")).unwrap();
    let [task, case, algorithm, value] = ["task", "case", "alg_name", "value"].map(String::from);
    let columns = LongColumns { task: Some(task), case, algorithm, value, cluster: None };
    let long = long_table(&Table::from_csv(&bytes).unwrap(), &columns).unwrap();
    from_long(&long, Better::Larger, Missing::Refuse).unwrap()
}

fn json(folder: &std::path::Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

/// Names of challengeR's methods and ours.
fn methods() -> [(&'static str, Method); 7] {
    let named = |name, adjust| {
        let test = Test { adjust, alpha: 0.05, null: NullDistribution::Normal };
        Method::parse(name, Better::Larger, test).unwrap()
    };
    [
        ("meanThenRank", named("mean-then-rank", Adjustment::None)),
        ("medianThenRank", named("median-then-rank", Adjustment::None)),
        ("q05ThenRank", named("quantile-then-rank:0.05", Adjustment::None)),
        ("rankThenMean", named("rank-then-mean", Adjustment::None)),
        ("rankThenMedian", named("rank-then-median", Adjustment::None)),
        ("testThenRank_none", named("test-then-rank", Adjustment::None)),
        ("testThenRank_holm", named("test-then-rank", Adjustment::Holm)),
    ]
}

fn prepared(results: &TaskResults, method: &Method) -> Prepared {
    Prepared::new(results, method, Better::Larger, Ties::Min)
}

#[test]
fn aggregates_and_ranks_are_those_of_challenger() {
    let Some(folder) = folder() else { return };
    let (tasks, reference) = (example(&folder), json(&folder, "vignette_rankings_signif.json"));
    for (name, method) in methods() {
        for task in &tasks {
            let ranking = prepared(task, &method).rank(&vec![1; task.cases.len()]);
            let expected = &reference["methods"][name]["ranking"][&task.task];
            for (at, algorithm) in expected["algorithms"].as_array().unwrap().iter().enumerate() {
                let a = task.algorithms.iter().position(|n| n == algorithm.as_str().unwrap()).unwrap();
                let [aggregate, rank] = [0, 1].map(|i| expected["values"][at][i].as_f64().unwrap());
                // The reference is written with 15 digits.
                assert!((ranking.aggregates[a] - aggregate).abs() < 1e-15 * aggregate.max(1.0) * 5.0, "{name}");
                assert_eq!(ranking.ranks[a], rank, "{name}, {}", task.task);
            }
        }
    }
}

#[test]
fn p_values_and_decisions_are_those_of_challenger() {
    let Some(folder) = folder() else { return };
    let reference = json(&folder, "vignette_rankings_signif.json");
    for task in example(&folder) {
        for (adjust, name) in [(Adjustment::None, "none"), (Adjustment::Holm, "holm")] {
            let test = Test { adjust, alpha: 0.05, null: NullDistribution::Normal };
            let found = significance(&task, Better::Larger, &test);
            let p = &reference["pvalues"][&task.task]["p_row_better_than_col"];
            let map = &reference["significance"]["maps"][name][&task.task]["matrix"];
            for (a, b) in (0..5).flat_map(|a| (0..5).map(move |b| (a, b))).filter(|(a, b)| a != b) {
                let expected = p[a][b].as_f64().unwrap();
                assert!((found.p[a * 5 + b] - expected).abs() < 1e-14, "{} {a} {b}", task.task);
                assert_eq!(found.superior[a * 5 + b], map[a][b] == 1);
            }
        }
    }
}

/// Ranks of challengeR's bootstraps: for each task and algorithm one row.
fn reference_ranks(folder: &std::path::Path, file: &str) -> Option<Vec<(String, String, Vec<f64>)>> {
    let bytes = fs::read(folder.join(file)).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let mut fields = line.split(',').map(|f| f.trim_matches('"'));
        let (task, algorithm) = (fields.next().unwrap().to_owned(), fields.next().unwrap().to_owned());
        (task, algorithm, fields.map(|f| f.parse().unwrap()).collect())
    });
    Some(rows.collect())
}

/// The largest difference of the two empirical distribution functions.
fn kolmogorov_smirnov(x: &[f64], y: &[f64]) -> f64 {
    let below = |values: &[f64], at: f64| values.iter().filter(|&&v| v <= at).count() as f64 / values.len() as f64;
    (1..=5).map(|r| (below(x, f64::from(r)) - below(y, f64::from(r))).abs()).fold(0.0, f64::max)
}

/// The largest distance of the distributions of all algorithms, and the limit for that many resamples of challengeR:
/// 1.95 √(1/n + 1/m) is exceeded once in a thousand comparisons of equal distributions.
fn distance(theirs: &[(String, String, Vec<f64>)], task: &TaskResults, ours: &[Vec<f64>]) -> (f64, f64) {
    let mut largest = (0.0, 0.0);
    for (algorithm, ours) in task.algorithms.iter().zip(ours) {
        let row = theirs.iter().find(|(t, n, _)| *t == task.task && n == algorithm).unwrap();
        let limit = 1.95 * (1.0 / ours.len() as f64 + 1.0 / row.2.len() as f64).sqrt();
        largest = (kolmogorov_smirnov(ours, &row.2).max(largest.0), limit);
    }
    largest
}

fn by_algorithm(resampled: &regiscope_challenge::ranking::Bootstrap) -> Vec<Vec<f64>> {
    (0..resampled.k).map(|a| resampled.ranks_of(a).collect()).collect()
}

#[test]
fn bootstrap_ranks_are_distributed_as_those_of_challenger() {
    let Some(folder) = folder() else { return };
    let all = methods();
    for (name, method) in [all[0], all[1], all[2]] {
        let files = [format!("vignette_{name}_bootranks.csv.gz"), format!("vignette_{name}_bootranks_small.csv.gz")];
        for reference in files.iter().filter_map(|f| reference_ranks(&folder, f)) {
            for task in example(&folder) {
                let ours = bootstrap(&prepared(&task, &method), Resampling::Cases, 4000, 1);
                let (distance, limit) = distance(&reference, &task, &by_algorithm(&ours));
                assert!(distance <= limit, "{name}, {}: {distance} > {limit}", task.task);
            }
        }
    }
}

/// challengeR ranks the copies of a case that was drawn m times against each other: its algorithm of rank r gets the
/// rank 1 + m (r − 1) in each of the m copies, so that a case drawn twice counts four times. Reproduced here, that gives
/// its distribution; ranking each copy for itself, which is rank-then-mean on the resample, gives another one.
#[test]
fn challengers_bootstrapped_rank_then_mean_ranks_copies_of_a_case_against_each_other() {
    let Some(folder) = folder() else { return };
    let reference = reference_ranks(&folder, "vignette_rankThenMean_bootranks.csv.gz").unwrap();
    let tasks = example(&folder);
    let task = tasks.iter().find(|t| t.task == "c_random").unwrap();
    let turned: Vec<f64> = task.values.iter().map(|v| -v).collect();
    let ranks: Vec<Vec<f64>> = turned.chunks(5).map(|row| ascending(row, Ties::Min)).collect();
    let mut as_challenger = vec![Vec::new(); 5];
    let mut drawn = vec![0; 50];
    for number in 0..4000 {
        draw(&mut drawn, 1, number);
        let sum = |a: usize| -> f64 {
            let m = |c: usize| f64::from(drawn[c]);
            (0..50).map(|c| m(c) * (1.0 + m(c) * (ranks[c][a] - 1.0))).sum()
        };
        let sums: Vec<f64> = (0..5).map(sum).collect();
        as_challenger.iter_mut().zip(ascending(&sums, Ties::Min)).for_each(|(all, rank)| all.push(rank));
    }
    let (near, limit) = distance(&reference, task, &as_challenger);
    assert!(near <= limit, "{near} > {limit}");
    let (_, method) = methods()[3];
    let ours = bootstrap(&prepared(task, &method), Resampling::Cases, 4000, 1);
    let (far, limit) = distance(&reference, task, &by_algorithm(&ours));
    assert!(far > 2.0 * limit, "{far} {limit}");
}

/// challengeR tests on the distinct cases of a resample. Cutting multiplicities to one gives its distribution; counting
/// every case as often as it was drawn gives another one, with the power of the whole number of cases.
#[test]
fn challengers_bootstrapped_tests_are_those_of_distinct_cases() {
    let Some(folder) = folder() else { return };
    let tasks = example(&folder);
    let task = tasks.iter().find(|t| t.task == "c_random").unwrap();
    let (_, method) = methods()[5];
    let prepared = prepared(task, &method);
    let reference = reference_ranks(&folder, "vignette_testThenRank_none_bootranks_small.csv.gz").unwrap();
    let (mut distinct, mut counted) = (vec![Vec::new(); 5], vec![Vec::new(); 5]);
    let mut drawn = vec![0; 50];
    for number in 0..4000 {
        draw(&mut drawn, 1, number);
        let cut: Vec<u32> = drawn.iter().map(|&d| d.min(1)).collect();
        let (as_challenger, as_drawn) = (prepared.rank(&cut), prepared.rank(&drawn));
        for a in 0..5 {
            distinct[a].push(as_challenger.ranks[a]);
            counted[a].push(as_drawn.ranks[a]);
        }
    }
    let (near, limit) = distance(&reference, task, &distinct);
    assert!(near <= limit, "{near} > {limit}");
    let (far, _) = distance(&reference, task, &counted);
    assert!(far > 0.3, "{far}");
    // More power: of the ten pairs without a true difference more are called significant.
    let ties = |ranks: &[Vec<f64>]| (0..4000).filter(|&b| (0..5).all(|a| ranks[a][b] == 1.0)).count();
    assert!(ties(&distinct) > 2 * ties(&counted), "{} {}", ties(&distinct), ties(&counted));
}

#[test]
fn tasks_agree_and_join_as_in_challenger() {
    let Some(folder) = folder() else { return };
    let reference = json(&folder, "vignette_rankings_signif.json");
    let (_, mean) = methods()[0];
    let tasks = example(&folder);
    let ranks: Vec<Vec<f64>> = tasks.iter().map(|t| prepared(t, &mean).rank(&vec![1; t.cases.len()]).ranks).collect();
    let joined = consensus(&ranks, Consensus::MeanRank).unwrap();
    for (algorithm, score) in tasks[0].algorithms.iter().zip(&joined.scores) {
        let expected = reference["consensus"]["euclidean"][algorithm].as_f64().unwrap();
        assert!((score - expected).abs() < 1e-13, "{algorithm}");
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let expected = reference["task_dissimilarity"]["kendall"][a][b].as_f64();
        assert_eq!(tau_b(&ranks[a], &ranks[b]), expected);
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let Some(folder) = folder() else { return };
    let mut table = Table::from_csv(&fs::read(folder.join("challengeR_data_matrix.csv")).unwrap()).unwrap();
    let mut order: Vec<usize> = (0..table.lines.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(3));
    for column in &mut table.columns {
        *column = order.iter().map(|&row| column[row].clone()).collect();
    }
    let [task, case, algorithm, value] = ["task", "case", "alg_name", "value"].map(String::from);
    let columns = LongColumns { task: Some(task), case, algorithm, value, cluster: None };
    let shuffled = from_long(&long_table(&table, &columns).unwrap(), Better::Larger, Missing::Refuse).unwrap();
    for (_, method) in methods() {
        for task in example(&folder) {
            let other = shuffled.iter().find(|t| t.task == task.task).unwrap();
            let once = vec![1; task.cases.len()];
            let (first, second) = (prepared(&task, &method).rank(&once), prepared(other, &method).rank(&once));
            for (a, name) in task.algorithms.iter().enumerate() {
                let b = other.algorithms.iter().position(|n| n == name).unwrap();
                assert_eq!((first.aggregates[a], first.ranks[a]), (second.aggregates[b], second.ranks[b]), "{name}");
            }
        }
    }
}
