//! The report's tables as CSV, to compute with, and LaTeX, to print.

use super::{Challenge, latex};
use regiscope_challenge::ranking::Aggregate;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::ranking::confidence::RankSet;
use regiscope_challenge::ranking::plain::aggregated;

/// What a table says of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What was ranked.
    pub aggregate: f64,
    /// Its rank.
    pub rank: f64,
    /// Confidence set of the rank.
    pub set: Option<RankSet>,
    /// Mean rank in the resamples.
    pub mean_rank: Option<f64>,
    /// Middle 95 % of the ranks in the resamples.
    pub interval: Option<[f64; 2]>,
    /// To how many others it is superior.
    pub superior_to: usize,
}

impl Row {
    /// Of the algorithm of this number.
    pub fn of(task: &TaskAnalysis, a: usize) -> Self {
        let ranks: Option<Vec<f64>> =
            task.bootstrap.as_ref().filter(|b| !b.is_empty()).map(|b| b.ranks_of(a).collect());
        Self {
            aggregate: task.ranking.aggregates[a],
            rank: task.ranking.ranks[a],
            set: task.sets.as_ref().map(|s| s[a]),
            mean_rank: ranks.as_ref().map(|r| aggregated(r, Aggregate::Mean)),
            interval: ranks.map(|r| [0.025, 0.975].map(|p| aggregated(&r, Aggregate::Quantile(p)))),
            superior_to: task.significance.row(a).iter().filter(|&&s| s).count(),
        }
    }
}

/// All tables with their file names.
pub fn all(challenge: &Challenge) -> Vec<(&'static str, String)> {
    vec![
        ("ranking.csv", ranking_csv(challenge)),
        ("significance.csv", significance_csv(challenge)),
        ("methods.csv", methods_csv(challenge)),
        ("bootstrap_ranks.csv", bootstrap_csv(challenge)),
        ("ranking.tex", ranking_tex(challenge)),
        ("significance.tex", significance_tex(challenge)),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .collect()
}

/// Rows as a CSV file.
fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).expect("memory can be written to");
    rows.into_iter().for_each(|row| writer.write_record(row).expect("rows are as long as the header"));
    String::from_utf8(writer.into_inner().expect("memory can be written to")).expect("text was written")
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |v| v.to_string())
}

fn ranking_csv(challenge: &Challenge) -> String {
    let header = [
        "task",
        "algorithm",
        "aggregate",
        "rank",
        "rank_set_best",
        "rank_set_worst",
        "bootstrap_mean_rank",
        "bootstrap_rank_2.5",
        "bootstrap_rank_97.5",
        "superior_to",
    ];
    let rows = challenge.tasks.iter().flat_map(|task| {
        task.by_rank().into_iter().map(move |a| {
            let row = Row::of(task, a);
            vec![
                task.results.task.clone(),
                task.results.algorithms[a].clone(),
                row.aggregate.to_string(),
                row.rank.to_string(),
                text(row.set.map(|s| s.best)),
                text(row.set.map(|s| s.worst)),
                text(row.mean_rank),
                text(row.interval.map(|i| i[0])),
                text(row.interval.map(|i| i[1])),
                row.superior_to.to_string(),
            ]
        })
    });
    csv(&header, rows)
}

fn significance_csv(challenge: &Challenge) -> String {
    let header = ["task", "algorithm", "other", "p", "adjusted_p", "superior"];
    let rows = challenge.tasks.iter().flat_map(|task| {
        let (tests, k) = (&task.significance, task.results.algorithms.len());
        (0..k * k).filter(move |i| i / k != i % k).map(move |i| {
            vec![
                task.results.task.clone(),
                task.results.algorithms[i / k].clone(),
                task.results.algorithms[i % k].clone(),
                tests.p[i].to_string(),
                tests.adjusted[i].to_string(),
                tests.superior[i].to_string(),
            ]
        })
    });
    csv(&header, rows)
}

fn methods_csv(challenge: &Challenge) -> String {
    let settings = &challenge.settings;
    let rows = challenge.tasks.iter().flat_map(|task| {
        let methods = std::iter::once((&settings.method.0, &task.ranking));
        methods.chain(settings.others.iter().map(|(name, _)| name).zip(&task.others)).flat_map(
            move |(name, ranking)| {
                let row = move |(a, algorithm): (usize, &String)| {
                    let (aggregate, rank) = (ranking.aggregates[a].to_string(), ranking.ranks[a].to_string());
                    vec![task.results.task.clone(), name.clone(), algorithm.clone(), aggregate, rank]
                };
                task.results.algorithms.iter().enumerate().map(row)
            },
        )
    });
    csv(&["task", "method", "algorithm", "aggregate", "rank"], rows)
}

fn bootstrap_csv(challenge: &Challenge) -> String {
    if challenge.tasks.iter().all(|t| t.bootstrap.is_none()) {
        return String::new();
    }
    let rows = challenge.tasks.iter().flat_map(|task| {
        let bootstraps = task.bootstrap.iter();
        bootstraps.flat_map(move |b| {
            let row = move |n: usize, a: usize| {
                let (number, rank) = ((n + 1).to_string(), b.resample(n)[a].to_string());
                vec![task.results.task.clone(), number, task.results.algorithms[a].clone(), rank]
            };
            (0..b.len()).flat_map(move |n| (0..b.k).map(move |a| row(n, a)))
        })
    });
    csv(&["task", "resample", "algorithm", "rank"], rows)
}

/// One `tabular` for each task; needs no package.
fn ranking_tex(challenge: &Challenge) -> String {
    let mut out = String::new();
    for task in &challenge.tasks {
        out += &format!("% {}\n\\begin{{tabular}}{{rlrrrr}}\n\\hline\n", latex(&task.results.task));
        out += "Rank & Algorithm & Aggregate & Rank set & Bootstrap ranks & Superior to \\\\\n\\hline\n";
        for a in task.by_rank() {
            let row = Row::of(task, a);
            let set = row.set.map_or("--".to_owned(), |s| format!("{}--{}", s.best, s.worst));
            let interval = row.interval.map_or("--".to_owned(), |[low, high]| format!("{low}--{high}"));
            let name = latex(&task.results.algorithms[a]);
            out += &format!(
                "{} & {name} & {:.4} & {set} & {interval} & {} \\\\\n",
                row.rank, row.aggregate, row.superior_to
            );
        }
        out += "\\hline\n\\end{tabular}\n\n";
    }
    out
}

/// Adjusted p-values of rows being superior to columns, bold where significant.
fn significance_tex(challenge: &Challenge) -> String {
    let mut out = String::new();
    for task in &challenge.tasks {
        let (k, order) = (task.results.algorithms.len(), task.by_rank());
        let names: Vec<String> = order.iter().map(|&a| latex(&task.results.algorithms[a])).collect();
        out += &format!("% {}\n\\begin{{tabular}}{{l{}}}\n\\hline\n", latex(&task.results.task), "r".repeat(k));
        out += &format!(" & {} \\\\\n\\hline\n", names.join(" & "));
        for (&a, name) in order.iter().zip(&names) {
            let cell = |&b: &usize| {
                let (p, superior) = (task.significance.adjusted[a * k + b], task.significance.superior[a * k + b]);
                let shown = if p < 0.001 { "$<$0.001".to_owned() } else { format!("{p:.3}") };
                match (a == b, superior) {
                    (true, _) => "--".to_owned(),
                    (_, true) => format!("\\textbf{{{shown}}}"),
                    _ => shown,
                }
            };
            out += &format!("{name} & {} \\\\\n", order.iter().map(cell).collect::<Vec<_>>().join(" & "));
        }
        out += "\\hline\n\\end{tabular}\n\n";
    }
    out
}
