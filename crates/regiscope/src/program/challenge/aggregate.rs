//! `regiscope challenge aggregate`.

use super::{annotations, tell};
use crate::program::args::challenge::{AggregateArgs, Aggregation};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::annotations::dawid_skene::{self, Limits, Model};
use regiscope_challenge::annotations::glad;
use regiscope_challenge::annotations::votes::{SoftLabels, Votes};
use serde_json::{Map, Value, json};

/// Finds the likely true labels.
pub fn run(arguments: &AggregateArgs, output: Output) -> Result<Ending, Failure> {
    let (votes, _) = annotations::read(&arguments.annotations)?;
    let (labels, model) = match arguments.method {
        Aggregation::Majority => (votes.majority(), json!({"method": "majority"})),
        Aggregation::DawidSkene => likely(&votes, Model::Confusion, "dawid-skene", output),
        Aggregation::OneCoin => likely(&votes, Model::OneCoin, "one-coin", output),
        Aggregation::Glad => {
            let found = glad::estimate(&votes);
            let raters: Map<String, Value> =
                votes.raters.iter().zip(&found.ability).map(|(r, a)| (r.clone(), json!({"ability": a}))).collect();
            let model = json!({
                "method": "glad", "log_posterior": found.log_posterior, "gradient": found.gradient, "raters": raters,
                "easiness": votes.items.iter().cloned().zip(found.easiness.iter().map(|e| json!(e))).collect::<Map<_, _>>(),
            });
            (found.labels, model)
        }
    };
    let mut value = model;
    value["categories"] = json!(votes.categories);
    value["items"] = items(&votes, &labels);
    tell(&value, arguments.annotations.json.as_ref(), output, || words(&votes, &labels))?;
    Ok(Ending::Done)
}

fn likely(votes: &Votes, model: Model, name: &str, output: Output) -> (SoftLabels, Value) {
    let found = dawid_skene::estimate(votes, model, Limits::default());
    if !found.converged {
        output.note(format_args!("stopped after {} iterations before the likelihood stood still", found.iterations));
    }
    let k = votes.categories.len();
    let raters: Map<String, Value> = votes
        .raters
        .iter()
        .zip(found.confusion.chunks_exact(k * k))
        .map(|(rater, table)| (rater.clone(), json!({"confusion": table.chunks_exact(k).collect::<Vec<_>>()})))
        .collect();
    let value = json!({
        "method": name, "log_likelihood": found.log_likelihood, "iterations": found.iterations,
        "converged": found.converged, "prior": found.prior, "raters": raters,
    });
    (found.labels, value)
}

fn items(votes: &Votes, labels: &SoftLabels) -> Value {
    let of = |item: usize| {
        json!({
            "label": votes.categories[labels.label(item)],
            "probabilities": labels.item(item),
            "entropy_bits": labels.entropy_bits(item),
        })
    };
    Value::Object(votes.items.iter().enumerate().map(|(i, name)| (name.clone(), of(i))).collect())
}

/// One line for each item.
fn words(votes: &Votes, labels: &SoftLabels) -> String {
    let mut text = String::new();
    for (item, name) in votes.items.iter().enumerate() {
        let label = labels.label(item);
        text += &format!("{name}  {}  {:.4}\n", votes.categories[label], labels.item(item)[label]);
    }
    text
}
