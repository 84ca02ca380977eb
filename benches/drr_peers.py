#!/usr/bin/env python3
"""Rendering speed beside its peers, in one run on one machine.

Usage:  python3 benches/drr_peers.py --volume cxr.nii.gz --out benches/results/drr.json

Rounds alternate between the programs, so that a busy machine hurts all alike; each figure is the median over the
rounds of millions of rays per core-second (user + system time), with the quartiles as its spread.

- regiscope: `cargo bench -p regiscope-drr --bench drr` (its own process-time clock around the rendering).
- plastimatch (Debian package): `plastimatch drr -i exact`. Reading the volume is taken out by the difference between
  a run of many images and a run of one.
- nanodrr (PyPI): PyTorch back end, 500 samples a ray, process time around rendering, forward and forward + backward.

A peer that is not installed is reported as missing, never silently left out.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SIDE = 200  # detector pixels along a side
DETECTOR_MM = 400.0
SOURCE_ISOCENTRE_MM = 850.0
SOURCE_DETECTOR_MM = 1020.0


def summary(values):
    values = sorted(values)
    quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": statistics.median(values), "quartiles": [quartiles[0], quartiles[2]], "runs": len(values)}


def child_seconds(command):
    """Core-seconds that a command took, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


class Plastimatch:
    name, images = "plastimatch", 41

    def __init__(self, volume, centre):
        if not shutil.which("plastimatch"):
            raise RuntimeError("plastimatch is not installed (Debian package plastimatch)")
        self.version = subprocess.run(["plastimatch", "--version"], capture_output=True, text=True).stdout.strip()
        self.volume, self.centre = volume, centre

    def run(self):
        def images(count):
            with tempfile.TemporaryDirectory() as folder:
                return child_seconds(
                    ["plastimatch", "drr", "-i", "exact", "-t", "pfm", "-r", f"{SIDE} {SIDE}"]
                    + ["-z", f"{DETECTOR_MM} {DETECTOR_MM}", "--sad", str(SOURCE_ISOCENTRE_MM)]
                    + ["--sid", str(SOURCE_DETECTOR_MM), "-o", " ".join(map(str, self.centre))]
                    # Tiny steps about the frontal view (source in front of the patient): the same work in every
                    # image. plastimatch 1.9.4 takes both angles in radians, though its help says degrees.
                    + ["-y", "-1.5707963", "-N", "0.0001", "-a", str(count), "-I", self.volume, "-O", folder + "/d"]
                )

        seconds = images(self.images) - images(1)
        return {"siddon frontal forward": (self.images - 1) * SIDE * SIDE / seconds / 1e6}


class Nanodrr:
    name = "nanodrr"

    def __init__(self, volume, _centre):
        try:
            import nanodrr
            import torch
            from nanodrr.camera import make_rt_inv
            from nanodrr.data import Subject
            from nanodrr.drr import DRR
            from nanodrr.registration import Registration
        except ImportError as error:
            raise RuntimeError(f"nanodrr is not installed (PyPI): {error}") from error
        from importlib.metadata import version

        self.torch = torch
        self.version = f"nanodrr {version('nanodrr')}, torch {torch.__version__}, {torch.get_num_threads()} threads"
        subject = Subject.from_filepath(volume)
        pitch = DETECTOR_MM / SIDE
        self.drr = DRR.from_carm_intrinsics(SOURCE_DETECTOR_MM, pitch, pitch, 0.0, 0.0, SIDE, SIDE)
        self.subject = subject
        self.pose = make_rt_inv(
            torch.tensor([[0.0, 0.0, 0.0]]),
            torch.tensor([[0.0, SOURCE_ISOCENTRE_MM, 0.0]]),
            isocenter=subject.isocenter,
        )
        self.registration = Registration(
            subject, self.pose, self.drr.k_inv, self.drr.sdd, SIDE, SIDE
        )

    def run(self):
        torch = self.torch
        start = time.process_time()
        with torch.no_grad():
            self.drr(self.subject, self.pose)
        forward = time.process_time() - start
        start = time.process_time()
        self.registration().sum().backward()
        both = time.process_time() - start
        rays = SIDE * SIDE / 1e6
        return {"trilinear frontal forward": rays / forward, "trilinear frontal forward + pose gradient": rays / both}


class Regiscope:
    name = "regiscope"

    def __init__(self, volume, _centre):
        build = ["cargo", "bench", "-p", "regiscope-drr", "--bench", "drr", "--no-run", "--message-format=json"]
        out = subprocess.run(build, check=True, capture_output=True, text=True).stdout
        artifacts = [json.loads(line) for line in out.splitlines()]
        self.program = next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == "drr")
        revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        self.version, self.volume = f"regiscope at {revision}", volume

    def run(self):
        command = [self.program, "--volume", self.volume, "--side", str(SIDE)]
        command += ["--repetitions", "5"]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return {row["case"]: row["mrays_per_core_second"] for row in rows if "case" in row}


def volume_centre(path):
    """Centre of the volume, LPS mm."""
    import nibabel
    import numpy

    image = nibabel.load(path)
    middle = image.affine @ numpy.append((numpy.array(image.shape[:3]) - 1) / 2, 1)
    return [-middle[0], -middle[1], middle[2]]


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--volume", required=True, help="CT volume (NIfTI); stated figures use the chest CT")
    arguments.add_argument("--out", required=True, help="JSON file to write")
    arguments.add_argument("--rounds", type=int, default=7)
    options = arguments.parse_args()

    centre = volume_centre(options.volume)
    programs, missing = [], {}
    for kind in (Regiscope, Plastimatch, Nanodrr):
        try:
            programs.append(kind(options.volume, centre))
        except RuntimeError as error:
            missing[kind.name] = str(error)
            print(f"missing: {error}", file=sys.stderr)
    figures = {}
    for _ in range(options.rounds):
        for program in programs:
            for case, value in program.run().items():
                figures.setdefault((program.name, case), []).append(value)

    result = {
        "what": "millions of rays per core-second, median and quartiles over alternating rounds",
        "volume": os.path.basename(options.volume),
        "detector": f"{SIDE} x {SIDE} pixels, {DETECTOR_MM} mm, frontal view",
        "machine": machine(),
        "versions": {program.name: program.version for program in programs},
        "missing": missing,
        "figures": [{"program": p, "case": c} | summary(v) for (p, c), v in figures.items()],
    }
    with open(options.out + ".part", "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    os.replace(options.out + ".part", options.out)
    for row in result["figures"]:
        print(f"{row['program']:12} {row['case']:44} {row['median']:8.3f}  [{row['quartiles'][0]:.3f}, {row['quartiles'][1]:.3f}]")


if __name__ == "__main__":
    main()
