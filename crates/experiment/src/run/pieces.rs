//! The registration of each labelled part by itself, from the answer of the whole.

use super::RunOptions;
use super::error::RunError;
use super::measure::{Errors, Reference};
use super::record::{PoseRecord, finite, word};
use super::subject::Subject;
use regiscope_geometry::{Point, Rigid};
use regiscope_pose::{PieceOptions, Pieces, Settings, register_pieces};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// The answer of one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PieceRow {
    /// Its label.
    pub label: u16,
    /// The label's name, if the table has one.
    pub name: Option<String>,
    /// How it ended.
    pub status: String,
    /// Its own pose.
    pub pose: PoseRecord,
    /// Similarity on its pixels.
    pub similarity: Option<f64>,
    /// Errors before, at the answer of the whole.
    pub before: Option<Errors>,
    /// Errors of its own pose.
    pub errors: Option<Errors>,
}

/// Registers each part from the answer of the whole; `None` if it was cancelled. Errors of a part are taken at its
/// own landmarks, or at the targets of the whole if it has none.
pub fn run(
    pieces: &Pieces,
    settings: &Settings,
    answer: &Rigid,
    subject: &Subject,
    reference: Option<&Reference>,
    run: &RunOptions,
) -> Result<Option<Vec<PieceRow>>, RunError> {
    let cancelled = || run.cancel.load(Ordering::Relaxed);
    let mut observe = |_: u16, _: &regiscope_pose::Iteration| {
        if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let found = register_pieces(pieces, settings, &PieceOptions::default(), answer, &mut observe)?;
    if cancelled() {
        return Ok(None);
    }
    let rows = found.iter().map(|piece| {
        let own: Vec<Point> = subject.landmarks.iter().filter(|(_, l)| *l == piece.label).map(|(p, _)| *p).collect();
        let errors = |pose: &Rigid| {
            reference.map(|r| Reference { targets: if own.is_empty() { r.targets } else { &own }, ..*r }.errors(pose))
        };
        PieceRow {
            label: piece.label,
            name: regiscope_datasets::labels::name_of(piece.label),
            status: word(piece.status).to_owned(),
            pose: (&piece.world_from_volume).into(),
            similarity: finite(piece.similarity),
            before: errors(answer),
            errors: errors(&piece.world_from_volume),
        }
    });
    Ok(Some(rows.collect()))
}
