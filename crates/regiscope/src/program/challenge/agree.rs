//! `regiscope challenge agree`.

use super::{annotations, tell};
use crate::program::args::challenge::AgreeArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::annotations::cohen::{self, Kappa, Weights};
use regiscope_challenge::annotations::fleiss;
use regiscope_challenge::annotations::krippendorff::{Alpha, Level, alpha};
use regiscope_challenge::annotations::votes::Votes;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The most raters of whom every pair is compared.
const MOST_RATERS: usize = 100;

/// Says how far raters agree.
pub fn run(arguments: &AgreeArgs, output: Output) -> Result<Ending, Failure> {
    if !(arguments.alpha > 0.0 && arguments.alpha < 1.0) {
        return Err(Failure::Input(format!("--alpha is {}; accepted are numbers between 0 and 1", arguments.alpha)));
    }
    let (votes, _) = annotations::read(&arguments.annotations)?;
    let (mut all, mut rules) = (Map::new(), Map::new());
    all.insert("items".into(), json!(votes.items.len()));
    all.insert("raters".into(), json!(votes.raters));
    all.insert("categories".into(), json!(votes.categories));
    all.insert("labels".into(), json!(votes.votes.len()));
    let alpha = krippendorff(&votes, arguments);
    if alpha["nominal"].is_null() {
        rules.insert("krippendorff_alpha".into(), json!(undefined(&votes)));
    }
    all.insert("krippendorff_alpha".into(), alpha);
    match fleiss::kappa(&votes) {
        Ok(kappa) => all.insert("fleiss_kappa".into(), json!(kappa)),
        Err(reason) => {
            output.note(format_args!("no Fleiss kappa: {reason}"));
            rules.insert("fleiss_kappa".into(), json!(format!("{reason}: undefined")));
            all.insert("fleiss_kappa".into(), Value::Null)
        }
    };
    if votes.raters.len() <= MOST_RATERS {
        let pairs: Vec<Value> = pairs(&votes).into_iter().map(pair_value).collect();
        if pairs.iter().any(|p| p["plain"].is_null()) {
            let rule = "pairs of raters without common items, or that gave one label only: undefined";
            rules.insert("cohen_kappa".into(), json!(rule));
        }
        all.insert("cohen_kappa".into(), json!(pairs));
    } else {
        output.note(format_args!("no Cohen kappas: {} raters, pairs of up to {MOST_RATERS}", votes.raters.len()));
    }
    all.insert("rules".into(), Value::Object(rules));
    let value = Value::Object(all);
    tell(&value, arguments.annotations.json.as_ref(), output, || words(&value))?;
    Ok(Ending::Done)
}

/// Why there is no Krippendorff alpha.
fn undefined(votes: &Votes) -> &'static str {
    match votes.categories.len() {
        1 => "all labels are equal, so that chance alone would agree as well: undefined",
        _ => "labels of items with two labels are all equal, or there are no such items: undefined",
    }
}

/// Values of the categories on an interval scale: the numbers they are, else their places.
fn positions(votes: &Votes) -> Vec<f64> {
    let numbers: Option<Vec<f64>> =
        votes.categories.iter().map(|c| c.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    numbers.unwrap_or_else(|| (0..votes.categories.len()).map(|i| i as f64).collect())
}

fn krippendorff(votes: &Votes, arguments: &AgreeArgs) -> Value {
    let values = positions(votes);
    let of = |level| -> Option<Alpha> {
        alpha(votes, &values, level, arguments.bootstrap as usize, 1.0 - arguments.alpha, arguments.seed)
    };
    json!({"nominal": of(Level::Nominal), "ordinal": of(Level::Ordinal), "interval": of(Level::Interval)})
}

/// A pair of raters: names, and kappas plain, linear and quadratic.
type RaterPair<'a> = (&'a str, &'a str, [Option<Kappa>; 3]);

fn pairs(votes: &Votes) -> Vec<RaterPair<'_>> {
    let mut labels: Vec<HashMap<usize, usize>> = vec![HashMap::new(); votes.raters.len()];
    for vote in &votes.votes {
        labels[vote.rater].insert(vote.item, vote.category);
    }
    let mut pairs = Vec::new();
    for a in 0..labels.len() {
        for b in a + 1..labels.len() {
            let mut common: Vec<(usize, (usize, usize))> =
                labels[a].iter().filter_map(|(item, &x)| Some((*item, (x, *labels[b].get(item)?)))).collect();
            common.sort_unstable();
            let common: Vec<(usize, usize)> = common.into_iter().map(|(_, pair)| pair).collect();
            let kappas = [Weights::Plain, Weights::Linear, Weights::Quadratic]
                .map(|weights| cohen::kappa(&common, votes.categories.len(), weights));
            pairs.push((&*votes.raters[a], &*votes.raters[b], kappas));
        }
    }
    pairs
}

fn pair_value((a, b, [plain, linear, quadratic]): RaterPair) -> Value {
    json!({"raters": [a, b], "plain": plain, "linear": linear, "quadratic": quadratic})
}

fn words(value: &Value) -> String {
    let number = |v: &Value| v.as_f64().map_or("undefined".to_owned(), |v| format!("{v:.6}"));
    let mut text = format!(
        "{} labels of {} items by {} raters\n",
        value["labels"],
        value["items"],
        value["raters"].as_array().map_or(0, Vec::len)
    );
    for level in ["nominal", "ordinal", "interval"] {
        let of = &value["krippendorff_alpha"][level];
        text += &format!("  Krippendorff alpha, {level:<8}  {}", number(&of["alpha"]));
        if of["interval"].is_array() {
            text += &format!("  [{}, {}]", number(&of["interval"][0]), number(&of["interval"][1]));
        }
        text.push('\n');
    }
    text += &format!("  Fleiss kappa                  {}\n", number(&value["fleiss_kappa"]));
    for (name, rule) in value["rules"].as_object().into_iter().flatten() {
        text += &format!("  {name}: {}\n", rule.as_str().unwrap_or_default());
    }
    for pair in value["cohen_kappa"].as_array().into_iter().flatten() {
        let name = |i: usize| pair["raters"][i].as_str().unwrap_or_default().to_owned();
        let of = |weights: &str| format!("{weights} {}", number(&pair[weights]["kappa"]));
        text += &format!(
            "  Cohen kappa, {} and {}: {}, {}, {}\n",
            name(0),
            name(1),
            of("plain"),
            of("linear"),
            of("quadratic")
        );
    }
    text
}
