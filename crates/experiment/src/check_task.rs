//! Which task a document asks for.

use crate::check::Check;
use crate::experiment::{Registration, Task};

impl Check<'_> {
    /// The task of the document, as far as it is sound.
    pub(crate) fn task(&mut self) -> Option<Task> {
        let tables = &self.document.tables;
        let registers = tables.register.is_some();
        let belonging = [
            ("starts", tables.starts.is_some()),
            ("targets", tables.targets.is_some()),
            ("landscape", tables.landscape.is_some()),
            ("criteria", tables.criteria.is_some()),
        ];
        let deforms = tables.deform.is_some();
        let analyses = tables.failures.is_some();
        for (table, there) in [("study", tables.study.is_some()), ("results", tables.results.is_some())] {
            if there && !analyses {
                self.refuse(table, format!("[{table}] belongs to [failures], which is not there"));
            }
        }
        for (table, there) in [("pair", tables.pair.is_some()), ("brain_pair", tables.brain_pair.is_some())] {
            if there && !deforms && !analyses {
                self.refuse(table, format!("[{table}] belongs to [deform], which is not there"));
            }
        }
        for (table, _) in belonging.iter().filter(|(_, there)| *there && !registers && !deforms && !analyses) {
            self.refuse(table, format!("[{table}] belongs to [register], which is not there"));
        }
        if let Some(toys) = &tables.toys {
            self.refuse_other_tasks("toys");
            return Some(Task::Toys(toys.clone()));
        }
        if let Some(failures) = &tables.failures {
            return self.only_failures(failures);
        }
        if let Some(ranking) = &tables.ranking {
            return self.only_ranking(ranking);
        }
        if tables.posterior.is_some() && (tables.render.is_some() || deforms) {
            self.refuse("posterior", "[posterior] stands alone or beside [register]");
            return None;
        }
        match (&tables.render, &tables.register, &tables.deform) {
            (Some(_), None, None) => self.scene().map(Task::Render),
            (None, Some(register), None) => {
                let (scene, registration) = (self.scene(), self.registration(register));
                let posterior = tables.posterior.as_ref().map(|asked| self.posterior(asked));
                Some(Task::Register(scene?, Box::new(Registration { posterior: posterior.flatten(), ..registration? })))
            }
            (None, None, Some(deform)) => self.deformation(deform).map(|d| Task::Deform(Box::new(d))),
            (None, None, None) if tables.posterior.is_some() => {
                let posterior = tables.posterior.as_ref().and_then(|asked| self.posterior(asked));
                Some(Task::Posterior(self.scene()?, Box::new(posterior?)))
            }
            (None, None, None) => {
                self.refuse(
                    "",
                    "no task: the document needs a [register], a [posterior], a [render], a [deform], a [ranking], a \
                     [toys] or a [failures] table",
                );
                None
            }
            _ => {
                let there = [
                    ("render", tables.render.is_some()),
                    ("register", tables.register.is_some()),
                    ("deform", tables.deform.is_some()),
                ];
                let names: Vec<String> = there.iter().filter(|t| t.1).map(|t| format!("[{}]", t.0)).collect();
                self.refuse("render", format!("the document has {}; one task is accepted", names.join(" and ")));
                None
            }
        }
    }
}
