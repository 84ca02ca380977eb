//! Power of the whole node from its management controller: IPMI (DCMI power reading) and Redfish.
//!
//! No network is spoken here: a command fetches the answer (`ipmitool` on the node itself, or `curl` for Redfish), and
//! the readers below understand what it prints.

use super::polled::{Latest, Repeated};
use super::{Description, Domain, Reading, Scale, Sensor, SensorError};
use serde_json::Value;

/// What a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `ipmitool dcmi power reading` or FreeIPMI's `ipmi-dcmi --get-system-power-statistics`.
    Ipmi,
    /// JSON of Redfish: `Power`, `EnvironmentMetrics`, `ControlSubsystem` or a power `Sensor`.
    Redfish,
}

/// The command that asks the node's own controller.
pub const IPMI_COMMAND: &str = "ipmitool dcmi power reading";

/// Why an answer holds no power.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No line or key of the kind that is known.
    #[error("{0}")]
    NoPower(&'static str),
    /// Not JSON.
    #[error("the answer is no JSON: {0}")]
    NotJson(String),
}

/// Power of an IPMI answer, W.
pub fn parse_ipmi(text: &str) -> Result<f64, AnswerError> {
    let watts = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let key = key.trim();
        let is_power =
            key.eq_ignore_ascii_case("Instantaneous power reading") || key.eq_ignore_ascii_case("Current Power");
        let number = value.split_whitespace().next()?;
        is_power.then(|| number.parse::<f64>().ok())?
    });
    watts
        .filter(|w| (0.0..=1e6).contains(w))
        .ok_or(AnswerError::NoPower("the answer has no line `Instantaneous power reading: N Watts` with 0 to 1e6 W"))
}

/// Power of a Redfish answer, W; several supplies or chassis of one `Power` resource are added.
pub fn parse_redfish(text: &str) -> Result<f64, AnswerError> {
    let json: Value = serde_json::from_str(text).map_err(|e| AnswerError::NotJson(e.to_string()))?;
    let controls = json["PowerControl"].as_array().map(Vec::as_slice).unwrap_or_default();
    let consumed: Vec<f64> = controls.iter().filter_map(|c| c["PowerConsumedWatts"].as_f64()).collect();
    let watts = if consumed.is_empty() {
        let is_watts = json["ReadingUnits"].as_str() == Some("W");
        json["PowerWatts"]["Reading"].as_f64().or_else(|| json["Reading"].as_f64().filter(|_| is_watts))
    } else {
        Some(consumed.iter().sum())
    };
    watts.filter(|w| (0.0..=1e6).contains(w)).ok_or(AnswerError::NoPower(
        "the answer has none of PowerControl[].PowerConsumedWatts, PowerWatts.Reading, or Reading in W, from 0 to 1e6 W",
    ))
}

/// A management controller, asked once a second.
#[derive(Debug)]
pub struct Controller {
    command: Repeated,
    description: Description,
}

impl Controller {
    /// Begins to ask; waits up to 5 s for the first answer.
    pub fn open(answer: Answer, command: &str) -> Result<Self, SensorError> {
        let running = Repeated::start(command, move |text| {
            let watts = match answer {
                Answer::Ipmi => parse_ipmi(text),
                Answer::Redfish => parse_redfish(text),
            };
            watts.map(Reading::Watts).map_err(|e| e.to_string())
        });
        let source = format!("node power from `{command}`");
        if let Latest::Failed(reason) = running.latest(5.0) {
            return Err(SensorError::Silent { what: source, reason });
        }
        let description = Description {
            name: "node".to_owned(),
            domain: Domain::Node,
            source,
            // Controllers average over about a second and renew as often (DCMI 1.5, section 6.6.1).
            scale: Scale::Power { quantum_w: 1.0, period_s: 1.0, window_s: 1.0 },
            ceiling_w: 20_000.0,
            note: String::new(),
        };
        Ok(Self { command: running, description })
    }
}

impl Sensor for Controller {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        let silent = |reason| SensorError::Silent { what: self.description.source.clone(), reason };
        match self.command.latest(0.0) {
            Latest::Value(reading, age_s) if age_s <= 10.0 => Ok(reading),
            Latest::Value(_, age_s) => Err(silent(format!("its last answer is {age_s:.0} s old"))),
            Latest::Failed(reason) => Err(silent(reason)),
            Latest::Nothing => Err(silent("no answer yet".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_ipmi_and_redfish() {
        let ipmi = "\n    Instantaneous power reading:                   220 Watts\n    Minimum during sampling period: 12 Watts\n";
        assert_eq!(parse_ipmi(ipmi), Ok(220.0));
        assert_eq!(parse_ipmi("Current Power                        : 164 Watts\n"), Ok(164.0));
        assert!(parse_ipmi("Instantaneous power reading: none\n").is_err());
        let power = r#"{"PowerControl": [{"PowerConsumedWatts": 300}, {"PowerConsumedWatts": 44.5}, {}]}"#;
        assert_eq!(parse_redfish(power), Ok(344.5));
        assert_eq!(parse_redfish(r#"{"PowerWatts": {"Reading": 374}}"#), Ok(374.0));
        assert_eq!(parse_redfish(r#"{"Reading": 80.5, "ReadingUnits": "W"}"#), Ok(80.5));
        assert!(parse_redfish(r#"{"Reading": 80.5, "ReadingUnits": "Cel"}"#).is_err());
        assert!(parse_redfish("{").is_err());
    }

    #[test]
    fn a_controller_is_asked_by_a_command() {
        let mut node = Controller::open(Answer::Ipmi, "echo 'Instantaneous power reading: 220 Watts'").unwrap();
        assert_eq!(node.read(), Ok(Reading::Watts(220.0)));
        let error = Controller::open(Answer::Redfish, "echo nothing").unwrap_err();
        assert!(error.to_string().contains("no JSON"), "{error}");
    }
}
