#!/usr/bin/env python3
"""Peak memory of rendering one 512 x 512 radiograph, beside the size of the volume.

Usage:  python3 benches/drr_memory.py --volume cxr.nii.gz --out benches/results/drr_memory.json

Runs `regiscope drr` (release build) and reads the peak resident set of that process from the system.
"""

import argparse
import json
import os
import subprocess
import tempfile

from drr_peers import DETECTOR_MM, SOURCE_DETECTOR_MM, SOURCE_ISOCENTRE_MM, machine

SIDE = 512


def camera(centre):
    """Frontal cone-beam view of the volume's centre: source in front of the patient, detector behind (LPS mm)."""
    x, y, z = centre
    pitch = DETECTOR_MM / SIDE
    half = DETECTOR_MM / 2 - pitch / 2
    return {
        "source_mm": [x, y - SOURCE_ISOCENTRE_MM, z],
        "pixel0_mm": [x - half, y + SOURCE_DETECTOR_MM - SOURCE_ISOCENTRE_MM, z + half],
        "col_step_mm": [pitch, 0, 0],
        "row_step_mm": [0, 0, -pitch],
        "rows": SIDE,
        "cols": SIDE,
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--volume", required=True)
    arguments.add_argument("--out", required=True)
    options = arguments.parse_args()

    target = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--no-deps"]))
    subprocess.run(["cargo", "build", "--release", "-p", "regiscope", "--no-default-features"], check=True)
    program = os.path.join(target["target_directory"], "release", "regiscope")
    info = json.loads(subprocess.check_output([program, "info", options.volume, "--json"]))
    shape, affine = info["shape"], info["affine"]
    middle = [(n - 1) / 2 for n in shape] + [1]
    ras = [sum(a * m for a, m in zip(row, middle)) for row in affine[:3]]
    with tempfile.TemporaryDirectory() as folder:
        view = os.path.join(folder, "camera.json")
        with open(view, "w") as file:
            json.dump(camera([-ras[0], -ras[1], ras[2]]), file)
        command = [program, "drr", "--volume", options.volume, "--camera", view]
        command += ["--projector", "siddon", "--out", os.path.join(folder, "drr.npy")]
        child = subprocess.Popen(command)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise SystemExit("regiscope drr failed")
    volume_mb = shape[0] * shape[1] * shape[2] * 4 / 1e6
    result = {
        "what": "peak resident set of one 512 x 512 Siddon radiograph, MB (1e6 bytes)",
        "volume": os.path.basename(options.volume),
        "volume_as_f32_mb": volume_mb,
        "peak_resident_mb": usage.ru_maxrss * 1024 / 1e6,
        "over_volume_mb": usage.ru_maxrss * 1024 / 1e6 - volume_mb,
        "core_seconds": usage.ru_utime + usage.ru_stime,
        "machine": machine(),
    }
    with open(options.out + ".part", "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    os.replace(options.out + ".part", options.out)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
