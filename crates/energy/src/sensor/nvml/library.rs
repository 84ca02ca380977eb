//! `libnvidia-ml.so.1` as the loader finds it. The only module that calls foreign functions.
//!
//! Signatures are those of `nvml.h` (NVML API reference, stable since CUDA 8): a device is an opaque pointer, every
//! function returns an `int` with 0 for success, results go through pointers.
#![allow(unsafe_code)]

use super::{Boards, NvmlError};
use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};

/// Name of the library in every driver since 2010.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

type Device = *mut c_void;

/// The loaded and initialised library; shut down when dropped.
#[derive(Debug)]
pub struct Nvml {
    library: Library,
    name: String,
}

impl Nvml {
    /// Loads and initialises the library; `name` is a file name for the loader, or a path.
    pub fn load(name: &str) -> Result<Self, NvmlError> {
        // SAFETY: loading runs the library's initialisers. NVIDIA's driver library, and whatever a user puts in its
        // place on the loader's path, is trusted as every program that uses the loader trusts it.
        let library = unsafe { Library::new(name) }.map_err(|error| NvmlError::Missing {
            library: name.to_owned(),
            reason: error.to_string().chars().take(160).collect(),
        })?;
        let this = Self { library, name: name.to_owned() };
        this.initialise()?;
        Ok(this)
    }

    fn initialise(&self) -> Result<(), NvmlError> {
        let plain = self.function::<unsafe extern "C" fn() -> c_int>("nvmlInit_v2", &["nvmlInit"]);
        match plain {
            // SAFETY: `int nvmlInit_v2(void)`; may be called more than once, each paired with a shutdown.
            Ok(initialise) => self.answer("nvmlInit_v2", unsafe { initialise() }),
            Err(error) => {
                let flagged = self.function::<unsafe extern "C" fn(c_uint) -> c_int>("nvmlInitWithFlags", &[]);
                let initialise = flagged.map_err(|_| error)?;
                // SAFETY: `int nvmlInitWithFlags(unsigned int)`; 0 is the default behaviour.
                self.answer("nvmlInitWithFlags", unsafe { initialise(0) })
            }
        }
    }

    /// A function by its name, or by an older one.
    fn function<F: Copy>(&self, name: &'static str, older: &[&'static str]) -> Result<F, NvmlError> {
        std::iter::once(&name)
            .chain(older)
            .find_map(|symbol| {
                // SAFETY: every caller names the type that nvml.h declares for `name` and its older form.
                let found: Result<Symbol<'_, F>, _> = unsafe { self.library.get(symbol.as_bytes()) };
                found.ok().map(|f| *f)
            })
            .ok_or(NvmlError::NoFunction { library: self.name.clone(), function: name })
    }

    fn answer(&self, function: &'static str, code: c_int) -> Result<(), NvmlError> {
        if code == 0 {
            return Ok(());
        }
        let text = self.function::<unsafe extern "C" fn(c_int) -> *const c_char>("nvmlErrorString", &[]).map_or_else(
            |_| known(code).to_owned(),
            |describe| {
                // SAFETY: `const char *nvmlErrorString(int)` returns a static string for every code.
                let text = unsafe { describe(code) };
                if text.is_null() {
                    return known(code).to_owned();
                }
                // SAFETY: not null, and NUL-terminated by NVML's contract.
                unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
            },
        );
        Err(NvmlError::Refused { function, code, text })
    }

    fn device(&self, index: u32) -> Result<Device, NvmlError> {
        type Get = unsafe extern "C" fn(c_uint, *mut Device) -> c_int;
        let name = "nvmlDeviceGetHandleByIndex_v2";
        let get: Get = self.function(name, &["nvmlDeviceGetHandleByIndex"])?;
        let mut device: Device = std::ptr::null_mut();
        // SAFETY: the pointer is valid for the call, which writes one handle.
        self.answer(name, unsafe { get(index, &mut device) })?;
        Ok(device)
    }

    /// A function `int f(device, T *result)`.
    fn value<T: Copy + Default>(&self, index: u32, name: &'static str, older: &[&'static str]) -> Result<T, NvmlError> {
        let get: unsafe extern "C" fn(Device, *mut T) -> c_int = self.function(name, older)?;
        let device = self.device(index)?;
        let mut value = T::default();
        // SAFETY: callers take `T` from nvml.h; the pointer is valid for the call, which writes one `T`.
        self.answer(name, unsafe { get(device, &mut value) })?;
        Ok(value)
    }
}

impl Boards for Nvml {
    fn count(&self) -> Result<u32, NvmlError> {
        let name = "nvmlDeviceGetCount_v2";
        let get: unsafe extern "C" fn(*mut c_uint) -> c_int = self.function(name, &["nvmlDeviceGetCount"])?;
        let mut count: c_uint = 0;
        // SAFETY: the pointer is valid for the call, which writes one number.
        self.answer(name, unsafe { get(&mut count) })?;
        Ok(count)
    }

    fn name(&self, index: u32) -> Result<String, NvmlError> {
        type Get = unsafe extern "C" fn(Device, *mut c_char, c_uint) -> c_int;
        let name = "nvmlDeviceGetName";
        let get: Get = self.function(name, &[])?;
        let device = self.device(index)?;
        let mut text = [0 as c_char; 96]; // NVML_DEVICE_NAME_V2_BUFFER_SIZE
        // SAFETY: the buffer is as long as stated; the call writes at most that much.
        self.answer(name, unsafe { get(device, text.as_mut_ptr(), text.len() as c_uint) })?;
        Ok(text.iter().take_while(|&&c| c != 0).map(|&c| char::from(c as u8)).collect())
    }

    fn energy_mj(&self, index: u32) -> Result<u64, NvmlError> {
        self.value::<c_ulonglong>(index, "nvmlDeviceGetTotalEnergyConsumption", &[])
    }

    fn power_mw(&self, index: u32) -> Result<u32, NvmlError> {
        self.value::<c_uint>(index, "nvmlDeviceGetPowerUsage", &[])
    }

    fn limit_mw(&self, index: u32) -> Result<u32, NvmlError> {
        self.value::<c_uint>(index, "nvmlDeviceGetEnforcedPowerLimit", &["nvmlDeviceGetPowerManagementLimit"])
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        if let Ok(shutdown) = self.function::<unsafe extern "C" fn() -> c_int>("nvmlShutdown", &[]) {
            // SAFETY: `int nvmlShutdown(void)`, paired with the initialisation in `load`.
            let _ = unsafe { shutdown() };
        }
    }
}

/// Words for the codes that matter where the library has none.
fn known(code: c_int) -> &'static str {
    match code {
        3 => "not supported",
        4 => "no permission",
        9 => "driver not loaded",
        15 => "the board is lost",
        _ => "unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named() {
        let error = Nvml::load("libnowhere-ml.so.1").unwrap_err();
        assert!(error.to_string().starts_with("libnowhere-ml.so.1 is not found by the loader"), "{error}");
    }
}
