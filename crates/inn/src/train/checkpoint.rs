//! Checkpoints: a folder per checkpoint with `model.safetensors`, `optimiser.safetensors` and `state.json`.
//!
//! A checkpoint is written to a folder of another name, which is renamed at the end, so whatever the moment a run is
//! killed at, a folder `step-…` is whole. Tensors are stored by the path of their parameter, in their own number type:
//! nothing in a checkpoint knows the device.

use super::adam::{AdamW, Moments};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A checkpoint that cannot be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The checkpoint is of another network.
    #[error(
        "the checkpoint does not fit the network: {name} has shape {found:?} there and {expected:?} in the network"
    )]
    OtherNetwork {
        /// The parameter's path.
        name: String,
        /// Shape in the checkpoint; none where it lacks the parameter.
        found: Option<Vec<usize>>,
        /// Shape in the network; none where it lacks the parameter.
        expected: Option<Vec<usize>>,
    },
}

/// Numbers of a tensor outside every device.
#[derive(Debug, Clone, PartialEq)]
struct Numbers {
    shape: Vec<usize>,
    data: TensorData,
}

/// Everything that the next step of a run depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    parameters: BTreeMap<String, Numbers>,
    moments: BTreeMap<String, Numbers>,
    state: State,
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Version of the format.
    version: u32,
    step: u64,
    optimiser_time: u64,
    /// ChaCha8: seed, stream, position (a decimal number of 128 bits).
    rng_seed: [u8; 32],
    rng_stream: u64,
    rng_position: String,
}

/// Version of the format that is written and read.
const VERSION: u32 = 1;

impl Checkpoint {
    /// The state of a run.
    pub fn of<M: Module>(model: &M, optimiser: &AdamW, step: u64, rng: &ChaCha8Rng) -> Checkpoint {
        let mut reader = Reader { path: Vec::new(), found: BTreeMap::new() };
        model.visit(&mut reader);
        let mut moments = BTreeMap::new();
        for (path, of_parameter) in &optimiser.moments {
            moments.insert(format!("first.{path}"), numbers(of_parameter.first.clone()));
            moments.insert(format!("second.{path}"), numbers(of_parameter.second.clone()));
        }
        let state = State {
            version: VERSION,
            step,
            optimiser_time: optimiser.time,
            rng_seed: rng.get_seed(),
            rng_stream: rng.get_stream(),
            rng_position: rng.get_word_pos().to_string(),
        };
        Checkpoint { step, parameters: reader.found, moments, state }
    }

    /// `model` with the parameters of the checkpoint, and the optimiser with its moments.
    pub fn restore<M: Module>(&self, model: M, optimiser: &mut AdamW) -> Result<M, CheckpointError> {
        let model = self.restore_model(model)?;
        let device = model.devices().into_iter().next().unwrap_or_default().inner();
        let tensor = |numbers: &Numbers| -> Tensor<1> { on_device(numbers, &device) };
        optimiser.time = self.state.optimiser_time;
        optimiser.moments.clear();
        for (name, first) in self.moments.iter().filter_map(|(k, v)| Some((k.strip_prefix("first.")?, v))) {
            let second = &self.moments[&format!("second.{name}")];
            optimiser.moments.insert(name.to_owned(), Moments { first: tensor(first), second: tensor(second) });
        }
        Ok(model)
    }

    /// `model` with the parameters of the checkpoint: what using a trained network needs.
    pub fn restore_model<M: Module>(&self, model: M) -> Result<M, CheckpointError> {
        put_back(model, self.parameters.clone())
    }

    /// The random numbers' state.
    pub(super) fn rng(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.state.rng_seed);
        rng.set_stream(self.state.rng_stream);
        rng.set_word_pos(self.state.rng_position.parse().expect("checked when it was read"));
        rng
    }
}

/// Writes the parameters of a network to one safetensors file, under another name first.
pub fn save_parameters<M: Module>(model: &M, path: &Path) -> Result<(), CheckpointError> {
    let mut reader = Reader { path: Vec::new(), found: BTreeMap::new() };
    model.visit(&mut reader);
    let partial = path.with_extension("partial");
    write_tensors(&partial, &reader.found)?;
    fs::rename(&partial, path).map_err(io_error(path))
}

/// `model` with the parameters of a safetensors file; every name and shape must fit.
pub fn load_parameters<M: Module>(model: M, path: &Path) -> Result<M, CheckpointError> {
    let parameters = read_tensors(path)?;
    put_back(model, parameters)
}

fn put_back<M: Module>(model: M, parameters: BTreeMap<String, Numbers>) -> Result<M, CheckpointError> {
    let mut writer = Writer { path: Vec::new(), left: parameters, mistake: None };
    let model = model.map(&mut writer);
    if let Some(mistake) = writer.mistake {
        return Err(mistake);
    }
    match writer.left.into_iter().next() {
        Some((name, numbers)) => {
            Err(CheckpointError::OtherNetwork { name, found: Some(numbers.shape), expected: None })
        }
        None => Ok(model),
    }
}

/// A folder of checkpoints of one run, of which the last two are kept.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
}

/// How many checkpoints stay.
const KEPT: usize = 2;

impl Checkpoints {
    /// Checkpoints in `folder`, which is made when the first one is written.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Checkpoints {
        Checkpoints { folder: folder.into() }
    }

    /// Writes a checkpoint and removes those before the last two.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let name = format!("step-{:010}", checkpoint.step);
        let (partial, whole) = (self.folder.join(format!(".{name}.partial")), self.folder.join(name));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(io_error(&partial))?;
        }
        fs::create_dir_all(&partial).map_err(io_error(&partial))?;
        write_tensors(&partial.join("model.safetensors"), &checkpoint.parameters)?;
        write_tensors(&partial.join("optimiser.safetensors"), &checkpoint.moments)?;
        let state = serde_json::to_vec_pretty(&checkpoint.state).expect("plain numbers and text");
        write_file(&partial.join("state.json"), &state)?;
        if whole.exists() {
            fs::remove_dir_all(&whole).map_err(io_error(&whole))?;
        }
        fs::rename(&partial, &whole).map_err(io_error(&whole))?;
        let steps = self.steps()?;
        for (_, old) in steps.iter().rev().skip(KEPT) {
            fs::remove_dir_all(old).map_err(io_error(old))?;
        }
        Ok(())
    }

    /// The last checkpoint, if there is one.
    pub fn last(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        self.steps()?.last().map(|(_, folder)| read(folder)).transpose()
    }

    /// Whole checkpoints, by step.
    fn steps(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_error(&self.folder)(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error(&self.folder))?.path();
            let step = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix("step-")?.parse().ok());
            if let Some(step) = step {
                found.push((step, path));
            }
        }
        found.sort();
        Ok(found)
    }
}

fn read(folder: &Path) -> Result<Checkpoint, CheckpointError> {
    let path = folder.join("state.json");
    let damaged = |message: String| CheckpointError::Damaged { path: path.clone(), message };
    let text = fs::read(&path).map_err(io_error(&path))?;
    let state: State = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    if state.version != VERSION {
        return Err(damaged(format!("format {} was found; accepted is {VERSION}", state.version)));
    }
    if state.rng_position.parse::<u128>().is_err() {
        return Err(damaged(format!("rng_position is {:?}; accepted is a whole number", state.rng_position)));
    }
    let parameters = read_tensors(&folder.join("model.safetensors"))?;
    let optimiser = folder.join("optimiser.safetensors");
    let moments = read_tensors(&optimiser)?;
    let alone = |name: &&String| match name.strip_prefix("first.") {
        Some(path) => !moments.contains_key(&format!("second.{path}")),
        None => false,
    };
    if let Some(name) = moments.keys().find(alone) {
        return Err(CheckpointError::Damaged { path: optimiser, message: format!("{name} has no second moment") });
    }
    Ok(Checkpoint { step: state.step, parameters, moments, state })
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Numbers {
    Numbers { shape: tensor.dims().to_vec(), data: tensor.inner().into_data() }
}

fn on_device<const D: usize>(numbers: &Numbers, device: &Device) -> Tensor<D> {
    Tensor::from_data(numbers.data.clone(), (device, numbers.data.dtype()))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path, source }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    fs::write(path, bytes).map_err(io_error(path))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error(path))
}

fn write_tensors(path: &Path, tensors: &BTreeMap<String, Numbers>) -> Result<(), CheckpointError> {
    let damaged = |message: String| CheckpointError::Damaged { path: path.to_owned(), message };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, numbers) in tensors {
        let dtype = match numbers.data.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            other => return Err(damaged(format!("{name} is of {other:?}; accepted are F32 and F64"))),
        };
        let view = TensorView::new(dtype, numbers.shape.clone(), numbers.data.as_bytes());
        views.push((name, view.map_err(|e| damaged(e.to_string()))?));
    }
    let bytes = safetensors::serialize(views, None).map_err(|e| damaged(e.to_string()))?;
    write_file(path, &bytes)
}

fn read_tensors(path: &Path) -> Result<BTreeMap<String, Numbers>, CheckpointError> {
    let damaged = |message: String| CheckpointError::Damaged { path: path.to_owned(), message };
    let bytes = fs::read(path).map_err(io_error(path))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let mut found = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let shape = view.shape().to_vec();
        let data = match view.dtype() {
            Dtype::F32 => TensorData::new(decode(view.data(), f32::from_le_bytes), shape.clone()),
            Dtype::F64 => TensorData::new(decode(view.data(), f64::from_le_bytes), shape.clone()),
            other => return Err(damaged(format!("{name} is of {other:?}; accepted are F32 and F64"))),
        };
        found.insert(name.to_owned(), Numbers { shape, data });
    }
    Ok(found)
}

fn decode<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).map(|chunk| number(chunk.try_into().expect("chunks of N bytes"))).collect()
}

/// Collects parameters by path.
struct Reader {
    path: Vec<String>,
    found: BTreeMap<String, Numbers>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), numbers(param.val()));
    }
}

/// Puts parameters back by path.
struct Writer {
    path: Vec<String>,
    left: BTreeMap<String, Numbers>,
    mistake: Option<CheckpointError>,
}

impl ModuleMapper for Writer {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let (found, expected) = (self.left.remove(&name), param.dims().to_vec());
        match found {
            Some(numbers) if numbers.shape == expected => param.map(|old| {
                let (device, grad, autodiff) = (old.device(), old.is_require_grad(), old.is_autodiff());
                let value: Tensor<D> = on_device(&numbers, &device.inner());
                if autodiff { value.autodiff().set_require_grad(grad) } else { value }
            }),
            found => {
                let found = found.map(|numbers| numbers.shape);
                self.mistake.get_or_insert(CheckpointError::OtherNetwork { name, found, expected: Some(expected) });
                param
            }
        }
    }
}
