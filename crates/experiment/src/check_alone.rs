//! Tasks on tables of results stand alone in their document.

use crate::check::Check;

/// Tables of the tasks on images, which have no place beside one on results.
const OTHERS: [&str; 16] = [
    "phantom",
    "volume",
    "attenuation",
    "view",
    "views",
    "simulate",
    "render",
    "register",
    "posterior",
    "pair",
    "brain_pair",
    "deform",
    "starts",
    "targets",
    "landscape",
    "criteria",
];

impl Check<'_> {
    /// Refuses every table of a task on images beside the table `task`.
    pub(crate) fn refuse_other_tasks(&mut self, task: &str) {
        for table in OTHERS {
            if self.document.is_written(table) {
                self.refuse(table, format!("[{table}] has no place beside [{task}]"));
            }
        }
    }
}
