//! Energy and power of hwmon devices: AMD boards (`amdgpu`), AMD processors (`amd_energy`), NVIDIA Grace and other
//! machines with ACPI power meters (`power_meter`). Files: <https://docs.kernel.org/hwmon/sysfs-interface.html>.

use super::{Description, Domain, Reading, Scale, Sensor, SensorError, Unreadable, read_small, read_whole, subfolders};
use std::path::{Path, PathBuf};

/// Where the kernel keeps the devices.
pub const ROOT: &str = "/sys/class/hwmon";

/// Worst-case power of a board or socket where no cap is stated, W.
const CEILING_W: f64 = 1500.0;

/// Averaging time of an ACPI power meter that does not state it, s (Grace: 50 ms, others up to a second).
const METER_WINDOW_S: f64 = 1.0;

/// One file of a device.
#[derive(Debug)]
pub struct Channel {
    file: PathBuf,
    description: Description,
}

/// Sensors of all devices, and those this user may not read.
pub fn discover(root: &Path) -> (Vec<Channel>, Vec<Unreadable>) {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let mut boards = 0;
    for device in subfolders(root) {
        let Ok(chip) = read_small(&device.join("name")) else { continue };
        let chip = chip.trim();
        let channels = match chip {
            "amdgpu" => {
                boards += 1;
                board(&device, boards - 1)
            }
            "amd_energy" => counters(&device),
            "power_meter" => meters(&device),
            _ => Vec::new(),
        };
        for channel in channels {
            match read_whole(&channel.file, FIX) {
                Ok(_) => found.push(channel),
                Err(SensorError::Gone { .. }) => {}
                Err(error) => unreadable.push(Unreadable {
                    name: channel.description.name,
                    domain: channel.description.domain,
                    source: channel.description.source,
                    reason: error.to_string(),
                }),
            }
        }
    }
    (found, unreadable)
}

const FIX: &str = "run as root, or let your group read the file with `sudo chmod g+r`";

fn ceiling_w(device: &Path) -> f64 {
    let cap_uw = ["power1_cap_max", "power1_cap"].iter().find_map(|f| read_whole(&device.join(f), "").ok());
    cap_uw.filter(|&uw| uw > 0).map_or(CEILING_W, |uw| 1.25e-6 * uw as f64)
}

/// An `amdgpu` board: its counter if it has one, else average power, else the momentary one.
fn board(device: &Path, number: usize) -> Vec<Channel> {
    let channel = |file: &str, scale| Channel {
        file: device.join(file),
        description: Description {
            name: format!("amdgpu-{number}"),
            domain: Domain::Gpu,
            source: format!("hwmon {}", device.join(file).display()),
            scale,
            ceiling_w: ceiling_w(device),
            note: String::new(),
        },
    };
    if device.join("energy1_input").exists() {
        return vec![channel("energy1_input", Scale::Counter { quantum_j: 1e-6, range_j: None, period_s: 0.01 })];
    }
    // The firmware averages over about a second on boards with power1_average; a momentary value sees little.
    let average = Scale::Power { quantum_w: 1.0, period_s: 0.1, window_s: 0.1 };
    let momentary = Scale::Power { quantum_w: 1.0, period_s: 0.1, window_s: 0.01 };
    [("power1_average", average), ("power1_input", momentary)]
        .into_iter()
        .find(|(file, _)| device.join(file).exists())
        .map(|(file, scale)| channel(file, scale))
        .into_iter()
        .collect()
}

/// `amd_energy`: counters labelled `Ecore…` and `Esocket…`; only sockets are taken, they include their cores.
fn counters(device: &Path) -> Vec<Channel> {
    let channel = |n: usize| {
        let label = read_small(&device.join(format!("energy{n}_label"))).ok()?;
        let socket = label.trim().strip_prefix("Esocket")?.to_owned();
        let file = device.join(format!("energy{n}_input"));
        let description = Description {
            name: format!("package-{socket}"),
            domain: Domain::Package,
            source: format!("hwmon {}", file.display()),
            scale: Scale::Counter { quantum_j: 1.0 / 65536.0, range_j: None, period_s: 0.002 },
            ceiling_w: CEILING_W,
            note: String::new(),
        };
        Some(Channel { file, description })
    };
    (1..1024).take_while(|n| device.join(format!("energy{n}_input")).exists()).filter_map(channel).collect()
}

/// ACPI power meters; Grace tells in `power1_oem_info` what each one sees.
fn meters(device: &Path) -> Vec<Channel> {
    let file = device.join("power1_average");
    if !file.exists() {
        return Vec::new();
    }
    let seen = read_small(&device.join("power1_oem_info")).unwrap_or_default().trim().to_owned();
    let interval_s = read_whole(&device.join("power1_average_interval"), "").ok().map(|ms| ms as f64 * 1e-3);
    let window_s = interval_s.filter(|s| *s > 0.0).unwrap_or(METER_WINDOW_S);
    let socket = seen.rsplit(' ').next().filter(|n| n.parse::<u32>().is_ok()).unwrap_or("0").to_owned();
    let (name, domain) = match seen.as_str() {
        // The socket's meter includes cores, memory controllers and I/O of a Grace chip (NVIDIA Grace power telemetry).
        s if s.starts_with("Grace Power Socket") => (format!("package-{socket}"), Domain::Package),
        s if s.starts_with("CPU Power Socket") => (format!("core-{socket}"), Domain::Core),
        s if s.starts_with("SysIO Power Socket") => (format!("uncore-{socket}"), Domain::Uncore),
        s if s.starts_with("Module Power Socket") => (format!("module-{socket}"), Domain::Node),
        _ => ("node".to_owned(), Domain::Node),
    };
    let description = Description {
        name,
        domain,
        source: format!("hwmon {}", file.display()),
        scale: Scale::Power { quantum_w: 1.0, period_s: window_s, window_s },
        ceiling_w: ceiling_w(device),
        note: String::new(),
    };
    vec![Channel { file, description }]
}

impl Sensor for Channel {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        // hwmon tells µJ and µW.
        let value = read_whole(&self.file, FIX)? as f64 * 1e-6;
        Ok(match self.description.scale {
            Scale::Counter { .. } => Reading::Joules(value),
            Scale::Power { .. } => Reading::Watts(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn boards_sockets_and_meters() {
        let root = tempfile::tempdir().unwrap();
        let device = |n: usize, files: &[(&str, &str)]| {
            let folder = root.path().join(format!("hwmon{n}"));
            fs::create_dir_all(&folder).unwrap();
            for (file, content) in files {
                fs::write(folder.join(file), content).unwrap();
            }
        };
        device(0, &[("name", "amdgpu\n"), ("power1_average", "55000000\n"), ("power1_cap", "200000000\n")]);
        device(
            1,
            &[
                ("name", "amd_energy\n"),
                ("energy1_label", "Ecore000\n"),
                ("energy1_input", "5\n"),
                ("energy2_label", "Esocket0\n"),
                ("energy2_input", "2500000\n"),
            ],
        );
        device(
            2,
            &[
                ("name", "power_meter\n"),
                ("power1_oem_info", "Grace Power Socket 1\n"),
                ("power1_average", "180000000\n"),
                ("power1_average_interval", "50\n"),
            ],
        );
        device(3, &[("name", "coretemp\n"), ("temp1_input", "40000\n")]);
        let (mut found, unreadable) = discover(root.path());
        assert!(unreadable.is_empty());
        let names: Vec<&str> = found.iter().map(|c| c.description.name.as_str()).collect();
        assert_eq!(names, ["amdgpu-0", "package-0", "package-1"]);
        let readings: Vec<Reading> = found.iter_mut().map(|c| c.read().unwrap()).collect();
        assert_eq!(readings, [Reading::Watts(55.0), Reading::Joules(2.5), Reading::Watts(180.0)]);
        assert!((found[0].description.ceiling_w - 250.0).abs() < 1e-9);
        assert_eq!(found[2].description.scale, Scale::Power { quantum_w: 1.0, period_s: 0.05, window_s: 0.05 });
    }
}
