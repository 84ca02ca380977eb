//! From the tables of a ranking to their checked form.

use crate::check::Check;
use crate::document::ranking::{RankingTable, TestAdjustment};
use crate::experiment::{RankingSource, RankingTask, Task};
use regiscope_challenge::ranking::adjust::Adjustment;
use regiscope_challenge::ranking::analysis::Settings;
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::ranking::{Method, Test};
use regiscope_challenge::results::Better;
use regiscope_datasets::study::StudySettings;

impl Check<'_> {
    /// A ranking, which stands alone in its document.
    pub(crate) fn only_ranking(&mut self, asked: &RankingTable) -> Option<Task> {
        self.refuse_other_tasks("ranking");
        self.ranking_task(asked).map(|task| Task::Rank(Box::new(task)))
    }

    /// The task [ranking].
    fn ranking_task(&mut self, asked: &RankingTable) -> Option<RankingTask> {
        let source = self.ranking_source(asked);
        let better = match &asked.table {
            Some(table) if table.smaller_is_better => Better::Smaller,
            _ => Better::Larger,
        };
        let adjust = match asked.adjust {
            TestAdjustment::Holm => Adjustment::Holm,
            TestAdjustment::Bh => Adjustment::Bh,
            TestAdjustment::None => Adjustment::None,
        };
        let test = Test { adjust, alpha: asked.alpha, ..Test::default() };
        let mut named = |key: &str, name: &String| match Method::parse(name, better, test) {
            Ok(method) => Some((name.clone(), method)),
            Err(reason) => {
                self.refuse(key, format!("`{key}`: {reason}"));
                None
            }
        };
        let method = named("ranking.method", &asked.method);
        let others: Option<Vec<_>> = asked.compare.iter().map(|name| named("ranking.compare", name)).collect();
        if asked.criteria.as_ref().is_some_and(|c| c.mean_tau.is_some()) && asked.bootstrap == 0 {
            self.refuse("ranking.criteria", "`ranking.criteria.mean_tau` needs resamples; `ranking.bootstrap` is 0");
        }
        let settings = Settings {
            better,
            ties: Ties::Min,
            test,
            method: method?,
            others: others?,
            resamples: asked.bootstrap as usize,
            seed: u64::from(self.document.tables.seed),
            jackknife: false,
        };
        Some(RankingTask { source: source?, settings, asked: asked.clone() })
    }

    fn ranking_source(&mut self, asked: &RankingTable) -> Option<RankingSource> {
        match (&asked.table, &asked.study) {
            (Some(table), None) => {
                let needed = [
                    ("data", &table.data),
                    ("case", &table.case),
                    ("algorithm", &table.algorithm),
                    ("value", &table.value),
                ];
                for (key, _) in needed.iter().filter(|(_, value)| value.is_empty()) {
                    self.refuse("ranking.table", format!("`ranking.table.{key}` is missing"));
                }
                let data = (!table.data.is_empty()).then(|| self.file("ranking.table.data", &table.data));
                Some(RankingSource::File(data?, table.clone()))
            }
            (None, Some(study)) => {
                let settings = StudySettings {
                    seed: u64::from(study.seed),
                    images: study.images as usize,
                    procedures: study.procedures as usize,
                    algorithms: study.algorithms as usize,
                    ..StudySettings::default()
                };
                if let Err(reason) = settings.check() {
                    self.refuse("ranking.study", format!("[ranking.study]: {reason}"));
                }
                Some(RankingSource::Study(Box::new(settings)))
            }
            (Some(_), Some(_)) => {
                let sentence = "the document has both [ranking.table] and [ranking.study]; one of them is accepted";
                self.refuse("ranking.study", sentence);
                None
            }
            (None, None) => {
                self.refuse("ranking", "no results: [ranking] needs a [ranking.table] or a [ranking.study]");
                None
            }
        }
    }
}
