//! A stand-in for `libnvidia-ml.so.1`: boards of the simulator behind NVML's C interface, for testing meters.
//!
//! Build it (`cargo build -p regiscope-fake-nvml`), copy `libregiscope_fake_nvml.so` to `DIR/libnvidia-ml.so.1`, and
//! run any program that reads NVML with `LD_LIBRARY_PATH=DIR` and `REGISCOPE_FAKE_NVML=BOARDS.json`:
//!
//! ```json
//! {"boards": [{"profile": {"pieces": [[1.0, 300.0], [1.0, 50.0]], "repeat": true}}], "start_unix_s": null}
//! ```
//!
//! Profiles begin at `start_unix_s`, or when the library is first initialised. All keys of a board are those of
//! [`regiscope_energy::sim::nvml::SimBoard`]. Without the variable, or with a damaged file, initialising answers
//! `NVML_ERROR_DRIVER_NOT_LOADED`.

pub mod boards;
mod interface;
