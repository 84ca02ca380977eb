//! Texts that the energy meter reads: traces and their replay, reports, lines of outside meters, answers of management
//! controllers, profiles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regiscope_energy::Report;
use regiscope_energy::sensor::{external, node};
use regiscope_energy::sim::profile::Profile;
use regiscope_energy::trace::{Trace, replay};

fuzz_target!(|text: &str| {
    if let Ok(trace) = Trace::parse(text) {
        assert_eq!(Trace::parse(&trace.to_text()).as_ref(), Ok(&trace));
        for region in replay(&trace) {
            if let Some((joules, [low, high])) = region.total.energy.known() {
                assert!(0.0 <= low && low <= joules && joules <= high);
            }
        }
    }
    if let Ok(report) = Report::parse(text) {
        let _ = regiscope_energy::export::csv(&report);
        let _ = regiscope_energy::export::prometheus(&report);
        let _ = regiscope_energy::export::spdx(&report);
        let _ = regiscope_energy::compare::compare(&report, &report, None);
    }
    let _ = external::last_reading(text);
    let _ = node::parse_ipmi(text);
    let _ = node::parse_redfish(text);
    if let Ok(profile) = serde_json::from_str::<Profile>(text)
        && profile.check().is_ok()
    {
        let _ = profile.energy_j(0.0, 1.0);
    }
});
