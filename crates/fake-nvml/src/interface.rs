//! NVML's C interface, as `nvml.h` declares it. A handle is the board's index plus one.
#![allow(unsafe_code)]

use crate::boards::{Boards, of_process};
use regiscope_energy::sim::nvml::SimBoard;
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

const SUCCESS: c_int = 0;
const INVALID_ARGUMENT: c_int = 2;
const NOT_SUPPORTED: c_int = 3;
const INSUFFICIENT_SIZE: c_int = 7;
const DRIVER_NOT_LOADED: c_int = 9;

type Device = *mut c_void;

/// Writes a result where the caller said.
fn give<T>(place: *mut T, value: T) -> c_int {
    if place.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: not null, and by NVML's contract valid for one `T`.
    unsafe { place.write(value) };
    SUCCESS
}

/// Writes a text with its closing zero into a buffer of `length` bytes.
fn give_text(place: *mut c_char, length: c_uint, text: &str) -> c_int {
    if place.is_null() {
        return INVALID_ARGUMENT;
    }
    if text.len() >= length as usize {
        return INSUFFICIENT_SIZE;
    }
    // SAFETY: the caller's buffer holds `length` bytes, more than the text and its zero.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), place, text.len());
        place.add(text.len()).write(0);
    }
    SUCCESS
}

fn with_board(device: Device, answer: impl FnOnce(&Boards, &SimBoard) -> c_int) -> c_int {
    let Some(boards) = of_process() else { return DRIVER_NOT_LOADED };
    match (device as usize).checked_sub(1).and_then(|index| boards.boards.get(index)) {
        Some(board) => answer(boards, board),
        None => INVALID_ARGUMENT,
    }
}

fn initialise() -> c_int {
    if of_process().is_some() { SUCCESS } else { DRIVER_NOT_LOADED }
}

// SAFETY of the names below: no other library of a process that loads this one defines them.

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> c_int {
    initialise()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> c_int {
    initialise()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> c_int {
    initialise()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(code: c_int) -> *const c_char {
    let text = match code {
        SUCCESS => c"Success",
        INVALID_ARGUMENT => c"Invalid Argument",
        NOT_SUPPORTED => c"Not Supported",
        INSUFFICIENT_SIZE => c"Insufficient Size",
        DRIVER_NOT_LOADED => c"Driver Not Loaded",
        _ => c"Unknown Error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlSystemGetDriverVersion(place: *mut c_char, length: c_uint) -> c_int {
    give_text(place, length, "000.00 (simulated)")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_int {
    of_process().map_or(DRIVER_NOT_LOADED, |boards| give(count, boards.boards.len() as c_uint))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetCount(count: *mut c_uint) -> c_int {
    nvmlDeviceGetCount_v2(count)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Device) -> c_int {
    let handle = (index as usize + 1) as Device;
    with_board(handle, |_, _| give(device, handle))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByIndex(index: c_uint, device: *mut Device) -> c_int {
    nvmlDeviceGetHandleByIndex_v2(index, device)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetName(device: Device, place: *mut c_char, length: c_uint) -> c_int {
    with_board(device, |_, board| give_text(place, length, &board.name))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetUUID(device: Device, place: *mut c_char, length: c_uint) -> c_int {
    let text = format!("GPU-00000000-0000-0000-0000-{:012}", device as usize);
    with_board(device, |_, _| give_text(place, length, &text))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetIndex(device: Device, index: *mut c_uint) -> c_int {
    with_board(device, |_, _| give(index, (device as usize - 1) as c_uint))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Device, energy: *mut c_ulonglong) -> c_int {
    with_board(device, |boards, board| match board.has_counter {
        true => give(energy, board.energy_mj(boards.now_s())),
        false => NOT_SUPPORTED,
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetPowerUsage(device: Device, power: *mut c_uint) -> c_int {
    with_board(device, |boards, board| match board.has_power {
        true => give(power, board.power_mw(boards.now_s())),
        false => NOT_SUPPORTED,
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: Device, limit: *mut c_uint) -> c_int {
    with_board(device, |_, board| give(limit, (1e3 * board.limit_w) as c_uint))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetPowerManagementLimit(device: Device, limit: *mut c_uint) -> c_int {
    nvmlDeviceGetEnforcedPowerLimit(device, limit)
}
