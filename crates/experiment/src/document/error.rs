//! Mistakes in a document, each shown where it was made.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::ops::Range;

/// Where something was written: source 0 is the document, source `n` is the `n`-th override.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Which text.
    pub source: usize,
    /// Bytes of it.
    pub span: Range<usize>,
}

/// One mistake: what is wrong, where, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Where.
    pub place: Place,
    /// What was found and what is accepted.
    pub message: String,
    /// What to try, for instance the nearest accepted key.
    pub help: Option<String>,
}

impl DocumentError {
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A text that mistakes point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The document's file name, or `--set` for an override.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// All mistakes of a document at once.
///
/// As text (`Display`) it is one line per mistake, `NAME:LINE:COLUMN: message`; [`Self::render`] shows source
/// lines with carets. It is also a [`miette::Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentErrors {
    /// The document (first) and its overrides.
    pub sources: Vec<SourceText>,
    /// The mistakes in the order of their places; never empty.
    pub errors: Vec<DocumentError>,
}

impl DocumentErrors {
    pub(crate) fn new(sources: Vec<SourceText>, mut errors: Vec<DocumentError>) -> Self {
        errors.sort_by_key(|e| (e.place.source, e.place.span.start));
        Self { sources, errors }
    }

    /// Line and column of a mistake, counted from 1.
    pub fn line_and_column(&self, error: &DocumentError) -> (usize, usize) {
        let text = &self.sources[error.place.source].text;
        let mut at = error.place.span.start.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The mistakes with their source lines and carets, `width` columns wide, with colours if asked.
    pub fn render(&self, colour: bool, width: usize) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
        let mut text = String::new();
        for error in &self.errors {
            let shown = Shown::new(self, error);
            // Writing to a String does not fail; a renderer that gives up still leaves the sentence.
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&error.message);
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for DocumentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.errors.iter().enumerate() {
            let (line, column) = self.line_and_column(error);
            let name = &self.sources[error.place.source].name;
            let separator = if n == 0 { "" } else { "\n" };
            if error.place.source == 0 {
                write!(f, "{separator}{name}:{line}:{column}: {}", error.message)?;
            } else {
                write!(f, "{separator}{name} {}: {}", self.sources[error.place.source].text, error.message)?;
            }
            if let Some(help) = &error.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for DocumentErrors {}

impl Diagnostic for DocumentErrors {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.errors.first().and_then(|e| e.help.as_ref()).map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
}

/// One mistake with the source it points into, as miette draws it.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    label: LabeledSpan,
}

impl Shown {
    fn new(all: &DocumentErrors, error: &DocumentError) -> Self {
        let source = &all.sources[error.place.source];
        let (start, end) = (error.place.span.start, error.place.span.end.max(error.place.span.start + 1));
        let (start, end) = (start.min(source.text.len()), end.min(source.text.len()));
        Self {
            message: error.message.clone(),
            help: error.help.clone(),
            source: NamedSource::new(&source.name, source.text.clone()),
            label: LabeledSpan::new(Some("here".into()), start, end - start),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }
}
