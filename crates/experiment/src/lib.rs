//! Experiment documents, run folders, provenance and reports.
