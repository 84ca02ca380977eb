//! A trained network as files: `network.safetensors` and `network.json` in one folder.

use crate::error::PosteriorError;
use crate::familiar::Familiar;
use crate::simulator::Simulator;
use crate::train::{Trained, TrainingRecord, TrainingSettings, untrained};
use burn::module::Module;
use burn::tensor::Device;
use regiscope_inn::train::{load_parameters, save_parameters};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Version of the format that is written and read.
const VERSION: u32 = 1;

/// `network.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    version: u32,
    settings: TrainingSettings,
    familiar: Familiar,
    record: TrainingRecord,
}

impl Trained {
    /// Writes the network to `folder`, which exists; each file under another name first.
    pub fn save(&self, settings: &TrainingSettings, folder: &Path) -> Result<(), PosteriorError> {
        save_parameters(&self.network, &folder.join("network.safetensors"))?;
        let sheet = Sheet {
            version: VERSION,
            settings: settings.clone(),
            familiar: self.familiar.clone(),
            record: self.record.clone(),
        };
        let path = folder.join("network.json");
        let partial = folder.join("network.json.partial");
        let text = serde_json::to_vec_pretty(&sheet).expect("plain numbers and text");
        let refused = |source: std::io::Error| PosteriorError::File { path: path.clone(), message: source.to_string() };
        fs::write(&partial, text).map_err(refused)?;
        fs::rename(&partial, &path).map_err(refused)
    }

    /// Reads a network that [`Self::save`] wrote, for X-rays of `simulator`.
    pub fn load(simulator: &Simulator, folder: &Path, device: &Device) -> Result<Self, PosteriorError> {
        let path = folder.join("network.json");
        let refused = |message: String| PosteriorError::File { path: path.clone(), message };
        let text = fs::read(&path).map_err(|e| refused(e.to_string()))?;
        let sheet: Sheet = serde_json::from_slice(&text).map_err(|e| refused(e.to_string()))?;
        if sheet.version != VERSION {
            return Err(refused(format!("format {} was found; accepted is {VERSION}", sheet.version)));
        }
        sheet.settings.check()?;
        if !sheet.familiar.fits(sheet.settings.network.see.features) {
            return Err(refused("the familiar features do not fit the network".to_owned()));
        }
        let network = untrained(simulator, &sheet.settings.network, 0, device)?;
        let network = load_parameters(network, &folder.join("network.safetensors"))?.no_grad();
        Ok(Self { network, familiar: sheet.familiar, record: sheet.record })
    }
}
