#!/usr/bin/env python3
"""Peers of the diffeomorphic solver on one pair: SimpleITK's demons and ANTs' SyN, in core-seconds.

    python3 benches/diffeo_peers.py --fixed F --moving M [--labels-fixed F --labels-moving M] [--bench PROGRAM] --out OUT.json

Needs numpy and nibabel; `SimpleITK` and `antspyx` are measured where installed and named as missing where not. PROGRAM is
the built bench (`cargo bench -p regiscope-diffeo --bench diffeo --no-run` prints its path); its presets are then measured in
the same run. Each run is a process of its own, and its core-seconds (user + system) come from the operating system. Reading
the images is counted alike for all. Mismatch and Dice are computed here, by the same functions, from the warped image and
labels of each peer; a point of a curve is a run with fewer iterations.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy

DEMONS = [(10, 5, 0), (30, 20, 0), (50, 40, 20), (100, 80, 50)]
SYN = [(20, 0, 0), (40, 20, 0), (100, 70, 50, 0)]


def unit(path):
    data = numpy.asarray(nibabel.load(path).dataobj, dtype=numpy.float32)
    return (data - data.min()) / (data.max() - data.min())


def dice(a, b):
    labels = [x for x in numpy.union1d(a, b) if x != 0]
    each = [2 * ((a == x) & (b == x)).sum() / ((a == x).sum() + (b == x).sum()) for x in labels]
    union = 2 * ((a != 0) & (b != 0)).sum() / ((a != 0).sum() + (b != 0).sum())
    return float(numpy.mean(each)), float(union)


def demons(fixed, moving, labels, iterations):
    import SimpleITK as sitk

    def image(array):
        return sitk.GetImageFromArray(numpy.ascontiguousarray(array.transpose(2, 1, 0)))

    f, m = image(fixed), image(moving)
    field = None
    for level, count in zip((4, 2, 1), iterations):
        if count == 0:
            continue
        shrink = lambda i: sitk.Shrink(sitk.SmoothingRecursiveGaussian(i, 0.5 * level), [level] * 3) if level > 1 else i
        small_f, small_m = shrink(f), shrink(m)
        step = sitk.DiffeomorphicDemonsRegistrationFilter()
        step.SetNumberOfIterations(count)
        step.SetStandardDeviations(1.0)
        if field is None:
            field = step.Execute(small_f, small_m)
        else:
            field = step.Execute(small_f, small_m, sitk.Resample(field, small_f))
    transform = sitk.DisplacementFieldTransform(sitk.Cast(sitk.Resample(field, f), sitk.sitkVectorFloat64))
    back = lambda i: sitk.GetArrayFromImage(i).transpose(2, 1, 0)
    warped = back(sitk.Resample(m, f, transform, sitk.sitkBSpline))
    if labels is None:
        return warped, None
    return warped, back(sitk.Resample(image(labels), f, transform, sitk.sitkNearestNeighbor))


def syn(fixed, moving, labels, iterations):
    import ants

    f, m = ants.from_numpy(fixed), ants.from_numpy(moving)
    found = ants.registration(f, m, type_of_transform="SyNOnly", reg_iterations=iterations, initial_transform="Identity")
    transform = found["fwdtransforms"]
    warped = ants.apply_transforms(f, m, transform, interpolator="bSpline").numpy()
    if labels is None:
        return warped, None
    moved = ants.apply_transforms(f, ants.from_numpy(labels.astype(numpy.float32)), transform, interpolator="nearestNeighbor")
    return warped, moved.numpy()


def worker(options):
    """One registration; prints its figures as JSON."""
    fixed, moving = unit(options.fixed), unit(options.moving)
    labels = [numpy.asarray(nibabel.load(p).dataobj) for p in (options.labels_fixed, options.labels_moving) if p]
    method = {"demons": demons, "syn": syn}[options.worker]
    warped, moved = method(fixed, moving, labels[1] if labels else None, tuple(json.loads(options.iterations)))
    mismatch = float(numpy.linalg.norm(warped - fixed) / numpy.linalg.norm(moving - fixed))
    figures = {"mismatch": round(mismatch, 4)}
    if moved is not None:
        mean, union = dice(labels[0], numpy.rint(moved).astype(labels[0].dtype))
        figures |= {"dice_mean": round(mean, 4), "dice_union": round(union, 4)}
    print("FIGURES " + json.dumps(figures))


def run(command):
    """Output and core-seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peer_rows(name, module, settings, passed):
    if importlib.util.find_spec(module) is None:
        print(f"skipped: {module} is not installed")
        return []
    rows = []
    for iterations in settings:
        output, seconds = run([sys.executable, __file__, *passed, "--worker", name, "--iterations", json.dumps(iterations)])
        figures = json.loads(next(l for l in output.splitlines() if l.startswith("FIGURES "))[8:])
        rows.append({"run": name, "iterations": list(iterations), "core_s": round(seconds, 2), **figures})
        print(rows[-1], flush=True)
    return rows


def own_rows(program, passed):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "own"
        pairs = [f"{key[2:]}={value}" for key, value in zip(passed[::2], passed[1::2])]
        run([program, "presets", *pairs, f"out={out}"])
        rows = json.loads(out.with_suffix(".json").read_text())["presets"]
    for row in rows:
        row["run"] = f"regiscope {row['run']}"
        print({key: row[key] for key in row if key != "curve"}, flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("fixed", "moving", "labels-fixed", "labels-moving", "bench", "out", "worker", "iterations"):
        parser.add_argument(f"--{name}", required=name in ("fixed", "moving"), help=argparse.SUPPRESS if name in ("worker", "iterations") else None)
    options = parser.parse_args()
    if options.worker:
        return worker(options)
    given = {"--fixed": options.fixed, "--moving": options.moving, "--labels-fixed": options.labels_fixed, "--labels-moving": options.labels_moving}
    passed = [part for key, value in given.items() if value for part in (key, value)]
    rows = own_rows(options.bench, passed) if options.bench else []
    rows += peer_rows("demons", "SimpleITK", DEMONS, passed)
    rows += peer_rows("syn", "ants", SYN, passed)
    if options.out:
        partial = Path(options.out).with_suffix(".partial")
        partial.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1))
        partial.replace(options.out)


if __name__ == "__main__":
    main()
