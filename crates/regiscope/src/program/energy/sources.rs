//! Where sensors are looked for, from the command line.

use crate::program::args::energy::SourceArgs;
use regiscope_energy::sensor::discover::{MeterChoice, Sources};
use regiscope_energy::sensor::external::Place;
use regiscope_energy::sensor::node::{Answer, IPMI_COMMAND};

/// The places that the options name; the others are those of Linux.
pub fn sources(arguments: &SourceArgs) -> Sources {
    let meter = |m: &crate::program::args::energy::MeterArg| MeterChoice {
        name: m.name.clone(),
        place: if m.is_command { Place::Command(m.place.clone()) } else { Place::File(m.place.clone().into()) },
    };
    let node = |n: &crate::program::args::energy::NodeArg| {
        let answer = if n.is_redfish { Answer::Redfish } else { Answer::Ipmi };
        (answer, n.command.clone().unwrap_or_else(|| IPMI_COMMAND.to_owned()))
    };
    Sources {
        powercap: arguments.powercap.clone(),
        nvml: Some(arguments.nvml.clone()),
        nodes: arguments.node.iter().map(node).collect(),
        meters: arguments.meter.iter().map(meter).collect(),
        ..Sources::default()
    }
}
