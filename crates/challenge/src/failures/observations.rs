//! Results and characteristics from a long table, checked.
//!
//! Each row is the result of one algorithm on one case. Characteristics belong to cases and are the same in all rows of a
//! case. Numbers count as they stand (an effect is that of one step); `yes`, `true` are 1 and `no`, `false` are 0; other
//! text makes one effect for each level but the first. Rows without an outcome, and cases without one of their
//! characteristics, are left out and counted.

pub use super::observations_error::ObservationsError;
pub use super::outcome::Outcome;

use super::FailureError;
use super::outcome::{finite, outcomes, truth};
use crate::table::{Table, is_missing};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Which columns of a table hold what.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureColumns {
    /// Cases.
    pub case: String,
    /// Algorithms.
    pub algorithm: String,
    /// Groups that cases come from, the outermost first: type of surgery, procedure.
    pub groups: Vec<String>,
    /// Failures.
    pub outcome: Outcome,
    /// The score, for the model of scores and the Pareto front.
    pub score: Option<String>,
    /// Energy of each result, J.
    pub energy: Option<String>,
    /// Characteristics of cases.
    pub characteristics: Vec<String>,
}

/// One nested level of groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// Name of the column.
    pub name: String,
    /// Names of the groups; inner ones carry the names of the outer ones: `type/procedure`.
    pub levels: Vec<String>,
    /// For each case its group.
    pub of_case: Vec<u32>,
}

/// A column of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The characteristic, and for text its level: `light: dim`.
    pub name: String,
    /// The characteristic.
    pub characteristic: String,
    /// For text the level, against the first one.
    pub level: Option<String>,
    /// For each case its value.
    pub values: Vec<f64>,
}

impl Effect {
    /// Whether the value is 0 or 1 in every case.
    pub fn is_binary(&self) -> bool {
        self.values.iter().all(|v| *v == 0.0 || *v == 1.0)
    }
}

/// One result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The case.
    pub case: u32,
    /// The algorithm.
    pub algorithm: u32,
    /// Whether the algorithm failed.
    pub failed: bool,
    /// The score, NaN without one.
    pub score: f64,
    /// Energy, J, NaN without a number.
    pub energy_j: f64,
}

/// What was left out of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Rows without an outcome.
    pub rows_without_outcome: usize,
    /// Cases without one of their characteristics.
    pub cases_without_characteristic: usize,
    /// Characteristics that are the same in every case.
    pub constant_characteristics: Vec<String>,
}

/// Results and characteristics.
#[derive(Clone, Debug, PartialEq)]
pub struct Observations {
    /// Names of the cases.
    pub cases: Vec<String>,
    /// Names of the algorithms, in the order of their names.
    pub algorithms: Vec<String>,
    /// Nested groups, the outermost first.
    pub groups: Vec<Grouping>,
    /// Columns of the model.
    pub effects: Vec<Effect>,
    /// Levels of each characteristic of text, the reference first.
    pub levels: BTreeMap<String, Vec<String>>,
    /// Results.
    pub rows: Vec<Row>,
    /// What was left out.
    pub left_out: LeftOut,
}

/// Most levels of a characteristic of text.
const MOST_LEVELS: usize = 50;

impl Observations {
    /// Reads a table.
    ///
    /// # Errors
    /// If a column is not there or holds what it must not.
    pub fn from_table(table: &Table, columns: &FailureColumns) -> Result<Self, ObservationsError> {
        let roles: Vec<&String> = [&columns.case, &columns.algorithm]
            .into_iter()
            .chain(&columns.groups)
            .chain(&columns.characteristics)
            .collect();
        if let Some(twice) = roles.iter().enumerate().find(|(i, name)| roles[..*i].contains(name)) {
            return Err(ObservationsError::TwoRoles((*twice.1).clone()));
        }
        let (case_names, algorithm_names) = (table.names(&columns.case)?, table.names(&columns.algorithm)?);
        let outcome = outcomes(table, &columns.outcome)?;
        let optional = |name: &Option<String>| match name {
            Some(name) => finite(table, name),
            None => Ok(vec![f64::NAN; table.lines.len()]),
        };
        let (score, energy) = (optional(&columns.score)?, optional(&columns.energy)?);
        let cases = Names::of(&case_names);
        let cells = columns.characteristics.iter().map(|name| {
            let by_case = one_for_each(table, name, table.column(name)?, &cases, &case_names)?;
            Ok((name, by_case))
        });
        let cells = cells.collect::<Result<Vec<(&String, Vec<String>)>, ObservationsError>>()?;
        let groups = columns
            .groups
            .iter()
            .map(|name| Ok((name, one_for_each(table, name, &table.names(name)?, &cases, &case_names)?)));
        let groups = groups.collect::<Result<Vec<(&String, Vec<String>)>, ObservationsError>>()?;
        // Which cases stay, and under which number.
        let complete = |case: usize| cells.iter().all(|(_, of)| !is_missing(&of[case]));
        let used: Vec<bool> = {
            let mut used = vec![false; cases.names.len()];
            let with_outcome = (0..outcome.len()).filter(|&row| outcome[row].is_some());
            with_outcome.for_each(|row| used[cases.of_row[row]] = true);
            used
        };
        let kept: Vec<usize> = (0..cases.names.len()).filter(|&c| used[c] && complete(c)).collect();
        let mut left_out = LeftOut {
            rows_without_outcome: outcome.iter().filter(|o| o.is_none()).count(),
            cases_without_characteristic: used.iter().filter(|u| **u).count() - kept.len(),
            ..LeftOut::default()
        };
        let number: HashMap<usize, u32> = kept.iter().enumerate().map(|(new, &old)| (old, new as u32)).collect();
        let stays = |row: usize| outcome[row].is_some() && number.contains_key(&cases.of_row[row]);
        let mut algorithms: Vec<String> =
            (0..outcome.len()).filter(|&row| stays(row)).map(|row| algorithm_names[row].clone()).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let mut rows = Vec::with_capacity(outcome.len());
        let mut seen = std::collections::HashSet::new();
        for row in 0..outcome.len() {
            let algorithm = &algorithm_names[row];
            if !seen.insert((cases.of_row[row], algorithm)) {
                let (algorithm, case) = (algorithm.clone(), case_names[row].clone());
                return Err(ObservationsError::Twice { line: table.lines[row], algorithm, case });
            }
            let (Some(failed), Some(&case)) = (outcome[row], number.get(&cases.of_row[row])) else { continue };
            let at = algorithms.binary_search(algorithm).expect("every algorithm of a kept row is listed");
            rows.push(Row { case, algorithm: at as u32, failed, score: score[row], energy_j: energy[row] });
        }
        if rows.is_empty() {
            return Err(ObservationsError::NothingLeft);
        }
        let (mut effects, mut levels) = (Vec::new(), BTreeMap::new());
        for (name, of) in &cells {
            let of: Vec<&str> = kept.iter().map(|&c| &*of[c]).collect();
            let found = effects_of(name, &of)?;
            if found.is_empty() {
                left_out.constant_characteristics.push((*name).clone());
            } else if found[0].level.is_some() {
                let mut all: Vec<String> = of.iter().map(|level| (*level).to_owned()).collect();
                all.sort_unstable();
                all.dedup();
                levels.insert((*name).clone(), all);
            }
            effects.extend(found);
        }
        Ok(Self {
            cases: kept.iter().map(|&c| cases.names[c].clone()).collect(),
            algorithms,
            groups: nested(&groups, &kept),
            effects,
            levels,
            rows,
            left_out,
        })
    }

    /// Number of failures.
    pub fn failures(&self) -> usize {
        self.rows.iter().filter(|row| row.failed).count()
    }

    /// Names of the characteristics that have effects, each once.
    pub fn characteristics(&self) -> Vec<String> {
        let mut names: Vec<String> = self.effects.iter().map(|e| e.characteristic.clone()).collect();
        names.dedup();
        names
    }

    /// The value of an effect on a new case with this cell of its characteristic.
    ///
    /// # Errors
    /// A sentence, if the cell has no value, or a level that no case has.
    pub fn value_of(&self, effect: usize, cell: &str) -> Result<f64, String> {
        let Effect { characteristic, level, .. } = &self.effects[effect];
        let refused = |accepted: &str| Err(format!("{cell:?} in column {characteristic:?}; accepted is {accepted}"));
        match level {
            None => truth(cell).filter(|v| v.is_finite()).map_or_else(|| refused("a number, yes or no"), Ok),
            Some(level) if cell == level => Ok(1.0),
            Some(_) if is_missing(cell) => refused("a level that occurs in the results"),
            Some(_) if self.levels.get(characteristic).is_some_and(|levels| levels.iter().any(|l| l == cell)) => {
                Ok(0.0)
            }
            Some(_) => refused("a level that occurs in the results"),
        }
    }

    /// Indices of the effects of a characteristic.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn effects_of(&self, what: &'static str, characteristic: &str) -> Result<Vec<usize>, FailureError> {
        let found: Vec<usize> =
            (0..self.effects.len()).filter(|&e| self.effects[e].characteristic == characteristic).collect();
        if found.is_empty() {
            let (found, there) = (characteristic.to_owned(), self.characteristics());
            return Err(FailureError::NoCharacteristic { what, found, there });
        }
        Ok(found)
    }
}

/// Names with their numbers in the order of their first row.
struct Names {
    names: Vec<String>,
    of_row: Vec<usize>,
}

impl Names {
    fn of(all: &[String]) -> Self {
        let mut number: HashMap<&str, usize> = HashMap::new();
        let mut names = Vec::new();
        let of_row = all
            .iter()
            .map(|name| {
                *number.entry(name).or_insert_with(|| {
                    names.push(name.clone());
                    names.len() - 1
                })
            })
            .collect();
        Self { names, of_row }
    }
}

/// The cell of each case, which must be the same in all of its rows; a cell without a value counts for nothing where
/// another row of the case has one.
fn one_for_each(
    table: &Table,
    column: &str,
    cells: &[String],
    cases: &Names,
    case_names: &[String],
) -> Result<Vec<String>, ObservationsError> {
    let mut of_case = vec![String::new(); cases.names.len()];
    for (row, cell) in cells.iter().enumerate() {
        let known = &mut of_case[cases.of_row[row]];
        if is_missing(cell) || known == cell {
            continue;
        }
        if !is_missing(known) {
            let same_number = known.parse::<f64>().is_ok_and(|a| cell.parse::<f64>().is_ok_and(|b| a == b));
            if same_number {
                continue;
            }
            return Err(ObservationsError::Varies {
                line: table.lines[row],
                column: column.to_owned(),
                case: case_names[row].clone(),
                found: cell.clone(),
                before: known.clone(),
            });
        }
        known.clone_from(cell);
    }
    Ok(of_case)
}

/// The effects of one characteristic; none where it is constant.
fn effects_of(name: &str, cells: &[&str]) -> Result<Vec<Effect>, ObservationsError> {
    let characteristic = name.to_owned();
    let numbers: Option<Vec<f64>> = cells.iter().map(|c| truth(c).filter(|v| v.is_finite())).collect();
    if let Some(values) = numbers {
        let varies = values.iter().any(|v| *v != values[0]);
        let effect = Effect { name: characteristic.clone(), characteristic, level: None, values };
        return Ok(if varies { vec![effect] } else { Vec::new() });
    }
    let mut levels: Vec<&str> = cells.to_vec();
    levels.sort_unstable();
    levels.dedup();
    if levels.len() > MOST_LEVELS {
        return Err(ObservationsError::Levels { column: characteristic, levels: levels.len(), most: MOST_LEVELS });
    }
    let of_level = |level: &&str| Effect {
        name: format!("{name}: {level}"),
        characteristic: characteristic.clone(),
        level: Some((*level).to_owned()),
        values: cells.iter().map(|c| f64::from(u8::from(c == level))).collect(),
    };
    Ok(levels[1..].iter().map(of_level).collect())
}

/// Groups of the kept cases, inner ones within outer ones.
fn nested(groups: &[(&String, Vec<String>)], kept: &[usize]) -> Vec<Grouping> {
    let mut outer = vec![String::new(); kept.len()];
    groups
        .iter()
        .map(|(name, of)| {
            for (full, &case) in outer.iter_mut().zip(kept) {
                let inner = &of[case];
                *full = if full.is_empty() { inner.clone() } else { format!("{full}/{inner}") };
            }
            let mut levels = outer.clone();
            levels.sort_unstable();
            levels.dedup();
            let of_case = outer.iter().map(|g| levels.binary_search(g).expect("a level of its own") as u32).collect();
            Grouping { name: (*name).clone(), levels, of_case }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(characteristics: &[&str]) -> FailureColumns {
        FailureColumns {
            case: "case".into(),
            algorithm: "alg".into(),
            groups: Vec::new(),
            outcome: Outcome::Column("failed".into()),
            score: None,
            energy: None,
            characteristics: characteristics.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    fn read(text: &str, columns: &FailureColumns) -> Result<Observations, ObservationsError> {
        Observations::from_table(&Table::from_csv(text.as_bytes()).unwrap(), columns)
    }

    #[test]
    fn numbers_words_and_levels_become_effects() {
        let text = "case,alg,failed,smoke,blur,light,same\n\
                    1,A,1,2,yes,dim,0\n1,B,0,2.0,yes,dim,0\n2,A,no,0,no,bright,0\n3,A,true,1,false,dark,0\n";
        let found = read(text, &columns(&["smoke", "blur", "light", "same"])).unwrap();
        assert_eq!(found.algorithms, ["A", "B"]);
        assert_eq!(found.rows.iter().map(|r| r.failed).collect::<Vec<_>>(), [true, false, false, true]);
        let names: Vec<&str> = found.effects.iter().map(|e| &*e.name).collect();
        assert_eq!(names, ["smoke", "blur", "light: dark", "light: dim"]);
        assert_eq!(found.effects[0].values, [2.0, 0.0, 1.0]);
        assert!(!found.effects[0].is_binary() && found.effects[1].is_binary());
        assert_eq!(found.left_out.constant_characteristics, ["same"]);
        assert_eq!(found.effects_of("a slope", "light").unwrap(), [2, 3]);
        assert_eq!(
            [found.value_of(3, "dim"), found.value_of(3, "bright"), found.value_of(1, "yes")],
            [Ok(1.0), Ok(0.0), Ok(1.0)]
        );
        assert!(found.value_of(2, "pink").is_err() && found.value_of(0, "NA").is_err());
        let refused = found.effects_of("a slope", "fog").unwrap_err().to_string();
        assert!(refused.contains("\"fog\"") && refused.contains("smoke, blur, light"), "{refused}");
    }

    #[test]
    fn what_is_missing_is_left_out_and_counted() {
        let text = "case,alg,failed,smoke\n1,A,1,2\n1,B,,2\n2,A,0,NA\n3,A,0,1\n3,B,1,\n";
        let found = read(text, &columns(&["smoke"])).unwrap();
        assert_eq!((found.rows.len(), found.cases.len()), (3, 2));
        assert_eq!((found.left_out.rows_without_outcome, found.left_out.cases_without_characteristic), (1, 1));
        assert_eq!(found.effects[0].values, [2.0, 1.0]);
        assert_eq!(read("case,alg,failed,smoke\n1,A,,2\n", &columns(&["smoke"])), Err(ObservationsError::NothingLeft));
    }

    #[test]
    fn thresholds_look_at_the_bad_side() {
        let text = "case,alg,dice,smoke\n1,A,0.4,0\n1,B,0.5,0\n2,A,0.6,1\n2,B,,1\n";
        let mut of = columns(&["smoke"]);
        let threshold =
            |smaller_is_better| Outcome::Threshold { value: "dice".into(), threshold: 0.5, smaller_is_better };
        of.outcome = threshold(false);
        of.score = Some("dice".into());
        let found = read(text, &of).unwrap();
        assert_eq!(
            found.rows.iter().map(|r| (r.failed, r.score)).collect::<Vec<_>>(),
            [(true, 0.4), (false, 0.5), (false, 0.6)]
        );
        of.outcome = threshold(true);
        assert_eq!(read(text, &of).unwrap().rows.iter().map(|r| r.failed).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn groups_are_nested() {
        let text = "case,alg,failed,smoke,type,op\n1,A,1,0,x,p\n2,A,0,1,y,p\n3,A,0,1,y,q\n";
        let mut of = columns(&["smoke"]);
        of.groups = vec!["type".into(), "op".into()];
        let found = read(text, &of).unwrap();
        assert_eq!(found.groups[1].levels, ["x/p", "y/p", "y/q"]);
        assert_eq!(found.groups[0].of_case, [0, 1, 1]);
    }

    #[test]
    fn what_does_not_fit_is_refused_in_a_sentence() {
        let said = |text: &str| read(text, &columns(&["smoke"])).unwrap_err().to_string();
        let head = "case,alg,failed,smoke\n";
        assert!(said(&format!("{head}1,A,1,0\n1,A,0,0\n")).starts_with("line 3: algorithm \"A\" has a second result"));
        assert!(said(&format!("{head}1,A,1,0\n1,B,0,1\n")).contains("is \"1\", and \"0\" in a row before"));
        assert!(said(&format!("{head}1,A,2,0\n")).contains("\"2\" in column \"failed\" is no outcome"));
        assert!(said("case,alg,failed\n1,A,1\n").contains("no column \"smoke\""));
        let names: String = (0..60).map(|i| format!("{i},A,1,n{i}\n")).collect();
        assert!(said(&format!("{head}{names}")).contains("60 levels of text"));
        let mut of = columns(&["smoke"]);
        of.outcome = Outcome::Threshold { value: "smoke".into(), threshold: 0.5, smaller_is_better: false };
        assert!(read(&format!("{head}1,A,1,inf\n"), &of).unwrap_err().to_string().contains("is not finite"));
        let twice = Observations::from_table(
            &Table::from_csv(format!("{head}1,A,1,0\n").as_bytes()).unwrap(),
            &columns(&["alg"]),
        );
        assert_eq!(twice, Err(ObservationsError::TwoRoles("alg".into())));
    }
}
