//! The place where an outside meter is plugged in: a file or a command that writes lines.
//!
//! One line is one reading, as text in UTF-8:
//!
//! ```text
//! # anything after a hash is a comment
//! power_w 183.5
//! energy_j 102938.25
//! ```
//!
//! `power_w` is the mean power since the line before, in W; `energy_j` is a counter that only grows, in J. A meter
//! writes one of the two, at least once every ten seconds. A command is started once and read as it writes; of a file
//! the last whole line counts, so a meter may append to it or replace it.

use super::polled::{Latest, Stream};
use super::{Description, Domain, Reading, Scale, Sensor, SensorError, read_small};
use std::path::PathBuf;

/// Why a line is no reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Neither of the two words in front.
    #[error("\"{0}\" begins with neither power_w nor energy_j")]
    Word(String),
    /// No number, a negative one, or more than one.
    #[error("\"{0}\" holds no single number from 0 to 1e15")]
    Number(String),
}

/// The reading of a line; `None` for an empty one or a comment.
pub fn parse_line(line: &str) -> Result<Option<Reading>, LineError> {
    let content = line.split('#').next().unwrap_or_default().trim();
    if content.is_empty() {
        return Ok(None);
    }
    let shown = || content.chars().take(40).collect::<String>();
    let (word, number) = content.split_once(char::is_whitespace).ok_or_else(|| LineError::Number(shown()))?;
    let number: Option<f64> = number.trim().parse().ok().filter(|v| (0.0..=1e15).contains(v));
    match (word, number) {
        ("power_w", Some(watts)) => Ok(Some(Reading::Watts(watts))),
        ("energy_j", Some(joules)) => Ok(Some(Reading::Joules(joules))),
        ("power_w" | "energy_j", None) => Err(LineError::Number(shown())),
        _ => Err(LineError::Word(shown())),
    }
}

/// The last reading of a text; a last line without its end is not whole yet and does not count.
pub fn last_reading(text: &str) -> Result<Option<Reading>, LineError> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines().rev() {
        if let Some(reading) = parse_line(line)? {
            return Ok(Some(reading));
        }
    }
    Ok(None)
}

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file that is read at every reading.
    File(PathBuf),
    /// A command for `sh -c` that writes as long as it runs.
    Command(String),
}

/// An outside meter.
#[derive(Debug)]
pub struct External {
    source: Source,
    description: Description,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Stream(Stream),
}

/// Longest pause between two lines of a meter, s.
const SILENCE_S: f64 = 10.0;

impl External {
    /// Opens a meter of what `domain` says and waits (up to 2 s for a command) for its first line, which tells whether
    /// it gives power or energy.
    pub fn open(name: &str, domain: Domain, place: &Place, ceiling_w: f64) -> Result<Self, SensorError> {
        let (mut source, what) = match place {
            Place::File(path) => (Source::File(path.clone()), path.display().to_string()),
            Place::Command(command) => {
                let parse = |line: &str| parse_line(line).map_err(|e| e.to_string());
                (Source::Stream(Stream::start(command, parse)?), format!("`{command}`"))
            }
        };
        let scale = match source.read(&what, 2.0)? {
            Reading::Joules(_) => Scale::Counter { quantum_j: 1e-6, range_j: None, period_s: 1.0 },
            Reading::Watts(_) => Scale::Power { quantum_w: 1e-3, period_s: 1.0, window_s: 1.0 },
        };
        let (name, note) = (name.to_owned(), String::new());
        let description = Description { name, domain, source: format!("meter {what}"), scale, ceiling_w, note };
        Ok(Self { source, description })
    }
}

impl Source {
    fn read(&mut self, what: &str, patience_s: f64) -> Result<Reading, SensorError> {
        let silent = |reason: String| SensorError::Silent { what: what.to_owned(), reason };
        match self {
            Self::File(path) => {
                let text = read_small(path).map_err(|error| match error.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        SensorError::Denied { what: what.to_owned(), fix: "let this user read the file".to_owned() }
                    }
                    _ => SensorError::Gone { what: what.to_owned(), reason: error.to_string() },
                })?;
                let reading = last_reading(&text).map_err(|e| silent(e.to_string()))?;
                reading.ok_or_else(|| silent("it holds no whole line yet".to_owned()))
            }
            Self::Stream(stream) => match stream.latest(patience_s) {
                Latest::Value(reading, age_s) if age_s <= SILENCE_S => Ok(reading),
                Latest::Value(_, age_s) => Err(silent(format!("its last line is {age_s:.0} s old"))),
                Latest::Failed(reason) => Err(silent(reason)),
                Latest::Nothing => Err(silent("it has written no line yet".to_owned())),
            },
        }
    }
}

impl Sensor for External {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        let reading = self.source.read(&self.description.source, 0.0)?;
        match (reading, self.description.scale) {
            (Reading::Joules(_), Scale::Counter { .. }) | (Reading::Watts(_), Scale::Power { .. }) => Ok(reading),
            _ => Err(SensorError::Silent {
                what: self.description.source.clone(),
                reason: "it changed between power_w and energy_j".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(parse_line("power_w 183.5 # wall"), Ok(Some(Reading::Watts(183.5))));
        assert_eq!(parse_line("  energy_j\t1e3"), Ok(Some(Reading::Joules(1000.0))));
        assert_eq!(parse_line("# nothing"), Ok(None));
        for bad in ["power_w", "power_w -1", "power_w NaN", "power_w inf", "power_w 1 2", "watts 5", "5"] {
            assert!(parse_line(bad).is_err(), "{bad}");
        }
        assert_eq!(last_reading("power_w 1\npower_w 2\npower_w 3"), Ok(Some(Reading::Watts(2.0))));
        assert_eq!(last_reading("power_w 1"), Ok(None));
    }

    #[test]
    fn a_file_and_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meter");
        let place = Place::File(path.clone());
        assert!(External::open("wall", Domain::Node, &place, 500.0).is_err());
        std::fs::write(&path, "energy_j 5\n").unwrap();
        let mut meter = External::open("wall", Domain::Node, &place, 500.0).unwrap();
        std::fs::write(&path, "energy_j 5\nenergy_j 7\n").unwrap();
        assert_eq!(meter.read(), Ok(Reading::Joules(7.0)));
        std::fs::write(&path, "power_w 7\n").unwrap();
        assert!(meter.read().is_err(), "a meter keeps its kind");
        let place = Place::Command("echo power_w 42; exec sleep 60".to_owned());
        let mut meter = External::open("wall", Domain::Node, &place, 500.0).unwrap();
        assert_eq!(meter.read(), Ok(Reading::Watts(42.0)));
        let nothing = External::open("wall", Domain::Node, &Place::Command("true".to_owned()), 500.0);
        assert!(nothing.unwrap_err().to_string().contains("ended"));
    }
}
