//! Ranking methods, as they may be asked for.
//!
//! Source: Wiesenfarth et al. 2021, "Methods and open-source toolkit for analyzing and visualizing challenge results",
//! Scientific Reports 11:2369; the robustness ranking: Roß et al. 2021, "Comparative validation of multi-instance
//! instrument segmentation in endoscopy: results of the ROBUST-MIS 2019 challenge", Medical Image Analysis 70.

use super::adjust::Adjustment;
use super::order::Ties;
use super::wilcoxon::NullDistribution;
use crate::results::Better;
use std::str::FromStr;

/// What many values are summed up to.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// The arithmetic mean.
    Mean,
    /// The median; of an even number of values the mean of the two in the middle.
    Median,
    /// The quantile at this probability, type 7 of Hyndman and Fan 1996: linear between order statistics with the
    /// smallest value at 0 and the largest at 1, as R and NumPy do by default.
    Quantile(f64),
}

/// The pairwise tests of test-then-rank.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Test {
    /// How p-values are adjusted for the K (K − 1) tests of a task.
    pub adjust: Adjustment,
    /// Level: an algorithm is superior where the adjusted p-value is at most this.
    pub alpha: f64,
    /// Where p-values come from.
    pub null: NullDistribution,
}

impl Default for Test {
    fn default() -> Self {
        Self { adjust: Adjustment::Holm, alpha: 0.05, null: NullDistribution::Automatic }
    }
}

/// How algorithms are ranked.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The values of an algorithm are aggregated over the cases, and aggregates are ranked.
    AggregateThenRank(Aggregate),
    /// Algorithms are ranked on each case, and ranks are aggregated and ranked.
    RankThenAggregate(Aggregate),
    /// Algorithms are ranked by the proportion of others to which they are significantly superior.
    TestThenRank(Test),
}

impl Method {
    /// The robustness ranking of ROBUST-MIS 2019: the 5 % quantile on the bad side is ranked.
    pub fn robust_mis(better: Better) -> Self {
        let probability = match better {
            Better::Larger => 0.05,
            Better::Smaller => 0.95,
        };
        Self::AggregateThenRank(Aggregate::Quantile(probability))
    }

    /// Whether larger aggregates are better.
    pub fn aggregates_are(&self, values: Better) -> Better {
        match self {
            Self::AggregateThenRank(_) => values,
            Self::RankThenAggregate(_) => Better::Smaller,
            Self::TestThenRank(_) => Better::Larger,
        }
    }
}

/// A method that cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// The name is unknown.
    #[error(
        "{0:?} is no ranking method; accepted are mean-then-rank, median-then-rank, quantile-then-rank:P with P \
         from 0 to 1, rank-then-mean, rank-then-median, test-then-rank and robust-mis"
    )]
    Unknown(String),
    /// No probability.
    #[error("the quantile's probability is {0}; accepted are numbers from 0 to 1")]
    Probability(String),
    /// No level of a test.
    #[error("the level alpha is {0}; accepted are numbers between 0 and 1")]
    Alpha(f64),
}

impl Method {
    /// The method of a name, its tests by `test`.
    ///
    /// # Errors
    /// If there is no method of the name, or its number is out of range.
    pub fn parse(name: &str, better: Better, test: Test) -> Result<Self, MethodError> {
        if !(test.alpha > 0.0 && test.alpha < 1.0) {
            return Err(MethodError::Alpha(test.alpha));
        }
        Ok(match name {
            "mean-then-rank" => Self::AggregateThenRank(Aggregate::Mean),
            "median-then-rank" => Self::AggregateThenRank(Aggregate::Median),
            "rank-then-mean" => Self::RankThenAggregate(Aggregate::Mean),
            "rank-then-median" => Self::RankThenAggregate(Aggregate::Median),
            "test-then-rank" => Self::TestThenRank(test),
            "robust-mis" => Self::robust_mis(better),
            _ => {
                let text = name.strip_prefix("quantile-then-rank:");
                let text = text.ok_or_else(|| MethodError::Unknown(name.to_owned()))?;
                let probability = f64::from_str(text).ok().filter(|p| (0.0..=1.0).contains(p));
                let probability = probability.ok_or_else(|| MethodError::Probability(text.to_owned()))?;
                Self::AggregateThenRank(Aggregate::Quantile(probability))
            }
        })
    }
}

/// The answer of a method on one task.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Ranking {
    /// What was ranked, one number for each algorithm.
    pub aggregates: Vec<f64>,
    /// Ranks, 1 for the best.
    pub ranks: Vec<f64>,
}

impl Ranking {
    /// Ranks aggregates.
    pub fn of(aggregates: Vec<f64>, better: Better, ties: Ties) -> Self {
        let ranks = match better {
            Better::Smaller => super::order::ascending(&aggregates, ties),
            Better::Larger => {
                let turned: Vec<f64> = aggregates.iter().map(|a| -a).collect();
                super::order::ascending(&turned, ties)
            }
        };
        Self { aggregates, ranks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let parse = |name| Method::parse(name, Better::Larger, Test::default());
        assert_eq!(parse("quantile-then-rank:0.05"), Ok(Method::AggregateThenRank(Aggregate::Quantile(0.05))));
        assert_eq!(parse("quantile-then-rank:1.5"), Err(MethodError::Probability("1.5".into())));
        assert_eq!(parse("quantile-then-rank:NaN"), Err(MethodError::Probability("NaN".into())));
        assert!(matches!(parse("best"), Err(MethodError::Unknown(_))));
        let smaller = Method::parse("robust-mis", Better::Smaller, Test::default());
        assert_eq!(smaller, Ok(Method::AggregateThenRank(Aggregate::Quantile(0.95))));
        let test = Test { alpha: 0.0, ..Test::default() };
        assert_eq!(Method::parse("test-then-rank", Better::Larger, test), Err(MethodError::Alpha(0.0)));
    }
}
