//! What `regiscope challenge failures` says to people.

use regiscope_challenge::failures::FailureAnalysis;
use regiscope_challenge::failures::profile::Verdict;
use std::fmt::Write;

/// Pairs of characteristics that are shown at most.
const MOST_PAIRS: usize = 5;

/// The analysis in tables.
pub fn words(found: &FailureAnalysis) -> String {
    let mut text = String::new();
    write_all(&mut text, found).expect("a string takes all text");
    text
}

fn write_all(text: &mut String, found: &FailureAnalysis) -> std::fmt::Result {
    let data = &found.data;
    let percent = |v: f64| 100.0 * v;
    writeln!(
        text,
        "{} of {} results are failures ({:.1} %): {} algorithms on {} cases",
        data.failures,
        data.rows,
        percent(data.failure_rate),
        data.algorithms.len(),
        data.cases
    )?;
    writeln!(text, "{}\n", found.model.formula)?;
    let width = found.effects.iter().map(|e| e.name.len()).max().unwrap_or(0).max(14);
    let level = percent(found.level);
    writeln!(text, "{:width$}  odds ratio  {level:.0} % interval    p adjusted  points of risk", "characteristic")?;
    for (effect, marginal) in found.effects.iter().zip(&found.marginal_effects) {
        writeln!(
            text,
            "{:width$}  {:10.3}  {:6.3} to {:6.3}  {:10}  {:+.2} ± {:.2}",
            effect.name,
            effect.odds_ratio,
            effect.odds_ratio_lower,
            effect.odds_ratio_upper,
            p_value(effect.p_adjusted),
            percent(marginal.effect.estimate),
            percent(marginal.effect.se)
        )?;
    }
    if let Some(imputation) = &found.imputation {
        writeln!(
            text,
            "\nwith {} uncertain labels carried through {} fits",
            imputation.uncertain_cells, imputation.imputations
        )?;
        for effect in &imputation.effects {
            let [ratio, lower, upper] = effect.odds_ratio;
            writeln!(
                text,
                "{:width$}  {ratio:10.3}  {lower:6.3} to {upper:6.3}  {:10}",
                effect.name,
                p_value(effect.p)
            )?;
        }
    }
    for ranking in &found.rankings {
        let mix: Vec<String> =
            ranking.conditions.iter().map(|c| format!("{} in {} %", c.name, percent(c.share))).collect();
        let under = if mix.is_empty() { "cases as they are".to_owned() } else { mix.join(", ") };
        writeln!(text, "\nranks by risk of failure, {under}")?;
        let mut order: Vec<_> = ranking.algorithms.iter().collect();
        order.sort_by_key(|a| a.rank);
        for a in order {
            writeln!(
                text,
                "{:3}  {}  {:.2} % ({:.2} to {:.2}), rank {} to {}",
                a.rank,
                a.algorithm,
                percent(a.risk),
                percent(a.lower),
                percent(a.upper),
                a.rank_lower,
                a.rank_upper
            )?;
        }
    }
    let mut told = false;
    for profile in &found.profiles {
        for slope in profile.slopes.iter().filter(|s| s.verdict != Verdict::AsTheField) {
            if !std::mem::replace(&mut told, true) {
                writeln!(text, "\nstrengths and weaknesses beside the field")?;
            }
            let than = if slope.verdict == Verdict::Weakness { "more" } else { "less" };
            writeln!(
                text,
                "{}: {} harms it {than} than the field (odds ratio {:.2})",
                profile.algorithm, slope.name, slope.odds_ratio
            )?;
        }
    }
    let pairs = found.interactions.iter().filter(|i| i.p_adjusted < 0.05).take(MOST_PAIRS);
    for (n, pair) in pairs.enumerate() {
        if n == 0 {
            writeln!(text, "\npairs whose effects do not add up")?;
        }
        let how = if pair.estimate > 0.0 { "worse together" } else { "milder together" };
        writeln!(text, "{} with {}: {how} (p adjusted {})", pair.first, pair.second, p_value(pair.p_adjusted))?;
    }
    if let Some(score) = &found.score {
        writeln!(text, "\npoints of the score, zeros included ({} of {} scores are 0)", score.zeros, score.rows)?;
        for effect in &score.effects {
            writeln!(
                text,
                "{:width$}  {:+.2} ± {:.2}",
                effect.name,
                percent(effect.marginal.estimate),
                percent(effect.marginal.se)
            )?;
        }
    }
    if let Some(points) = &found.pareto {
        writeln!(text, "\nscore and energy")?;
        for point in points {
            let front = if point.on_front { "on the front" } else { "beaten" };
            writeln!(
                text,
                "{}  {:.4}  {:.4} J  {front} (on it in {:.0} % of resamples)",
                point.algorithm,
                point.score,
                point.energy_j,
                percent(point.stability)
            )?;
        }
    }
    for case in &found.new_cases {
        writeln!(text, "\nrisk of {}", case.case)?;
        for (algorithm, risk) in data.algorithms.iter().zip(&case.risks) {
            let [estimate, lower, upper] = [risk.estimate, risk.lower, risk.upper].map(percent);
            writeln!(text, "{algorithm}  {estimate:.2} % ({lower:.2} to {upper:.2})")?;
        }
    }
    Ok(())
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".into() } else { format!("{p:.4}") }
}
