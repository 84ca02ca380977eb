//! From the table of a posterior over poses to its checked form.

use crate::check::Check;
use crate::document::posterior::PosteriorTable;
use crate::document::tables::Label;
use crate::experiment::{PosteriorCase, PosteriorTask};

impl Check<'_> {
    /// The task [posterior].
    pub(crate) fn posterior(&mut self, asked: &PosteriorTable) -> Option<PosteriorTask> {
        let before = self.errors.len();
        self.network(asked);
        self.ranges(asked);
        let contents = self.contents(asked);
        let cases = self.cases(asked, &contents);
        if asked.reference && asked.cases.is_empty() {
            self.refuse("posterior.reference", "`posterior.reference` does nothing without [[posterior.cases]]");
        }
        if !asked.baselines.is_empty() && asked.cases.is_empty() {
            self.refuse("posterior.baselines", "`posterior.baselines` does nothing without [[posterior.cases]]");
        }
        if asked.next_view.is_some() && asked.cases.is_empty() {
            self.refuse("posterior.next_view", "`posterior.next_view` does nothing without [[posterior.cases]]");
        }
        let first = self.document.tables.view.iter().chain(&self.document.tables.views).next();
        if asked.next_view.is_some() && first.is_some_and(|view| view.camera.is_some()) {
            self.refuse("posterior.next_view", "`posterior.next_view` turns a C-arm; the first view is a camera file");
        }
        (self.errors.len() == before).then(|| PosteriorTask { asked: asked.clone(), contents, cases })
    }

    fn network(&mut self, asked: &PosteriorTable) {
        let unit = 4 << (asked.network.channels.len().clamp(1, 6) - 1);
        if !asked.pixels.is_multiple_of(unit) {
            let stages = asked.network.channels.len();
            let sentence = format!(
                "`posterior.pixels` is {}; with {stages} stages of `posterior.network.channels` it must be a multiple of {unit}",
                asked.pixels
            );
            self.refuse("posterior.pixels", sentence);
        }
    }

    fn ranges(&mut self, asked: &PosteriorTable) {
        for (key, [low, high]) in [("noise", asked.simulate.noise), ("blur_pixels", asked.simulate.blur_pixels)] {
            if low > high {
                let key = format!("posterior.simulate.{key}");
                self.refuse(&key, format!("`{key}` is [{low}, {high}]; the first must not be above the second"));
            }
        }
    }

    fn contents(&mut self, asked: &PosteriorTable) -> Vec<(String, Vec<u16>)> {
        if asked.contents.is_empty() {
            return vec![("everything".to_owned(), Vec::new())];
        }
        let mut contents: Vec<(String, Vec<u16>)> = Vec::new();
        for (n, content) in asked.contents.iter().enumerate() {
            let key = format!("posterior.contents.{n}");
            let labels = self.label_numbers(&format!("{key}.labels"), &content.labels);
            let name = content.name.clone().unwrap_or_else(|| name_of(&content.labels));
            if contents.iter().any(|(other, _)| *other == name) {
                self.refuse(&key, format!("two contents are called \"{name}\"; each needs a `name` of its own"));
            }
            contents.push((name, labels));
        }
        contents
    }

    fn cases(&mut self, asked: &PosteriorTable, contents: &[(String, Vec<u16>)]) -> Vec<PosteriorCase> {
        let mut cases = Vec::new();
        for (n, case) in asked.cases.iter().enumerate() {
            let content = match &case.content {
                None => 0,
                Some(name) => contents.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                    let known: Vec<String> = contents.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                    let key = format!("posterior.cases.{n}.content");
                    self.refuse(&key, format!("`{key}` is \"{name}\"; the contents are {}", known.join(", ")));
                    0
                }),
            };
            let [low, high] = asked.simulate.noise;
            let noise = case.noise.unwrap_or((low * high).sqrt());
            let turn = case.turn_deg.map(f64::to_radians);
            if case.turn_deg.is_some_and(|turn| turn.abs() > asked.prior.turn_deg) {
                let key = format!("posterior.cases.{n}.turn_deg");
                let sentence = format!("`{key}` lies outside `posterior.prior.turn_deg` = {}", asked.prior.turn_deg);
                self.refuse(&key, sentence);
            }
            let name = case.name.clone().unwrap_or_else(|| format!("{}, noise {noise:.2}", contents[content].0));
            cases.push(PosteriorCase { name, content, noise, turn });
        }
        cases
    }
}

/// A name for some labels.
fn name_of(labels: &[Label]) -> String {
    let one = |label: &Label| match label {
        Label::Number(number) => format!("label {number}"),
        Label::Name(name) => name.clone(),
    };
    match labels {
        [] => "everything".to_owned(),
        [only] => one(only),
        [first, .., last] => format!("{} to {}", one(first), one(last)),
    }
}
