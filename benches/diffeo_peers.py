#!/usr/bin/env python3
"""Peers of the diffeomorphic solver on one pair: SimpleITK's demons and ANTs' SyN, in core-seconds.

    python3 benches/diffeo_peers.py --fixed F --moving M [--labels-fixed F --labels-moving M] [--bench PROGRAM] --out OUT

Needs numpy and nibabel; `SimpleITK` and `antspyx` (PyPI) are measured where installed and named as missing where not.
PROGRAM is the built bench (`cargo bench -p regiscope-diffeo --bench diffeo --no-run` prints its path); its presets are then
measured in the same run. Core-seconds are user and system time of all threads from images in memory to the transform;
starting, reading and carrying images is left out for all alike. Mismatch (of unsmoothed images in [0, 1], relative to the
images as they lie) and Dice are computed here, by the same functions, from what each peer's own resampling gives. A point of
a peer's curve is a run with fewer iterations; the points of this program's curves are its Newton steps. With --only the rows
of other methods stay as OUT.json has them.

Writes OUT.json, OUT.md and OUT.svg (mismatch against core-seconds).
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy

# Iterations on grids of a quarter, half and full resolution.
DEMONS = [(5, 0, 0), (20, 0, 0), (20, 10, 0), (50, 40, 0), (30, 20, 5), (50, 40, 20)]
SYN = [(10, 0, 0), (40, 0, 0), (40, 20, 0), (40, 20, 5)]


def unit(path):
    data = numpy.asarray(nibabel.load(path).dataobj, dtype=numpy.float32)
    return (data - data.min()) / (data.max() - data.min())


def dice(a, b):
    labels = [x for x in numpy.union1d(a, b) if x != 0]
    each = [2 * ((a == x) & (b == x)).sum() / ((a == x).sum() + (b == x).sum()) for x in labels]
    union = 2 * ((a != 0) & (b != 0)).sum() / ((a != 0).sum() + (b != 0).sum())
    return float(numpy.mean(each)), float(union)


def demons(fixed, moving, iterations):
    """Registers; gives the core-seconds, a function that carries an array, and the range of det F."""
    import SimpleITK as sitk

    image = lambda array: sitk.GetImageFromArray(numpy.ascontiguousarray(array.transpose(2, 1, 0)))
    back = lambda i: sitk.GetArrayFromImage(i).transpose(2, 1, 0)
    f, m = image(fixed), image(moving)
    begin = time.process_time()
    field = None
    for level, count in zip((4, 2, 1), iterations):
        if count == 0:
            continue
        shrink = lambda i: sitk.Shrink(sitk.SmoothingRecursiveGaussian(i, 0.5 * level), [level] * 3) if level > 1 else i
        small_f, small_m = shrink(f), shrink(m)
        step = sitk.DiffeomorphicDemonsRegistrationFilter()
        step.SetNumberOfIterations(count)
        step.SetStandardDeviations(1.0)
        start = () if field is None else (sitk.Resample(field, small_f),)
        field = step.Execute(small_f, small_m, *start)
    field = sitk.Cast(sitk.Resample(field, f), sitk.sitkVectorFloat64)
    seconds = time.process_time() - begin
    determinant = sitk.GetArrayViewFromImage(sitk.DisplacementFieldJacobianDeterminant(field))
    range_of_det = [float(determinant.min()), float(determinant.max())]
    transform = sitk.DisplacementFieldTransform(field)

    def carry(array, labels):
        kind = sitk.sitkNearestNeighbor if labels else sitk.sitkBSpline
        return back(sitk.Resample(image(array), f, transform, kind))

    return seconds, carry, range_of_det


def syn(fixed, moving, iterations):
    """The same with ANTs' SyN, its usual measure and smoothing."""
    import ants

    f, m = ants.from_numpy(fixed), ants.from_numpy(moving)
    begin = time.process_time()
    found = ants.registration(f, m, type_of_transform="SyNOnly", reg_iterations=iterations, initial_transform="Identity")
    seconds = time.process_time() - begin
    warp = next(t for t in found["fwdtransforms"] if t.endswith(".nii.gz"))
    determinant = ants.create_jacobian_determinant_image(f, warp).numpy()

    def carry(array, labels):
        kind = "nearestNeighbor" if labels else "bSpline"
        return ants.apply_transforms(f, ants.from_numpy(array.astype(numpy.float32)), found["fwdtransforms"], interpolator=kind).numpy()

    return seconds, carry, [float(determinant.min()), float(determinant.max())]


def worker(options):
    """One registration; prints its figures as JSON."""
    fixed, moving = unit(options.fixed), unit(options.moving)
    method = {"demons": demons, "syn": syn}[options.worker]
    seconds, carry, range_of_det = method(fixed, moving, tuple(json.loads(options.iterations)))
    left = numpy.linalg.norm(carry(moving, False) - fixed) / numpy.linalg.norm(moving - fixed)
    figures = {"core_s": round(seconds, 2), "mismatch": round(float(left), 4)}
    if options.labels_fixed and options.labels_moving:
        labels = [numpy.asarray(nibabel.load(p).dataobj).astype(numpy.int32) for p in (options.labels_fixed, options.labels_moving)]
        mean, union = dice(labels[0], numpy.rint(carry(labels[1].astype(numpy.float32), True)).astype(numpy.int32))
        figures |= {"dice_mean": round(mean, 4), "dice_union": round(union, 4)}
    figures |= {"det_least": round(range_of_det[0], 3), "det_largest": round(range_of_det[1], 3)}
    print("FIGURES " + json.dumps(figures))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def peer_rows(name, module, settings, passed):
    if importlib.util.find_spec(module) is None:
        print(f"skipped: {module} is not installed")
        return []
    rows = []
    for iterations in settings:
        output = run([sys.executable, __file__, *passed, "--worker", name, "--iterations", json.dumps(iterations)])
        figures = json.loads(next(l for l in output.splitlines() if l.startswith("FIGURES "))[8:])
        rows.append({"run": name, "iterations": list(iterations), **figures})
        print(rows[-1], flush=True)
    return rows


def own_rows(program, passed):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "own"
        pairs = [f"{key[2:]}={value}" for key, value in zip(passed[::2], passed[1::2])]
        run([program, "presets", *pairs, f"out={out}"])
        rows = json.loads(out.with_suffix(".json").read_text())["presets"]["rows"]
    for row in rows:
        row["run"] = f"regiscope {row['run']}"
        print({key: row[key] for key in row if key != "curve"}, flush=True)
    return rows


def curves(rows):
    """Points (core-seconds, mismatch) by name: the Newton steps of each preset, the runs of each peer."""
    all_curves = {}
    for row in rows:
        if "curve" in row:
            all_curves[row["run"]] = [tuple(point) for point in row["curve"]]
        else:
            all_curves.setdefault(row["run"], []).append((row["core_s"], row["mismatch"]))
    return {name: sorted(points) for name, points in all_curves.items()}


COLOURS = ["#56b4e9", "#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7"]


def plot(rows):
    """Mismatch against core-seconds, both on logarithmic axes, as SVG."""
    named = curves(rows)
    points = [p for all_points in named.values() for p in all_points if p[0] > 0]
    times, left = [p[0] for p in points], [p[1] for p in points]
    low, high = math.log10(min(times)) - 0.05, math.log10(max(times)) + 0.05
    bottom, top = math.log10(min(left)) - 0.03, math.log10(max(left)) + 0.03
    x = lambda t: 70 + 500 * (math.log10(t) - low) / (high - low)
    y = lambda m: 380 - 340 * (math.log10(m) - bottom) / (top - bottom)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 430" font-family="sans-serif" font-size="13">',
             '<rect width="760" height="430" fill="white"/>']
    for decade in range(math.floor(low), math.ceil(high) + 1):
        for digit in (1, 2, 5):
            t = digit * 10.0**decade
            if low <= math.log10(t) <= high:
                parts.append(f'<path d="M{x(t):.1f} 40V380" stroke="#e4e4e4"/><text x="{x(t):.1f}" y="397" text-anchor="middle">{t:g}</text>')
    for m in (0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
        if bottom <= math.log10(m) <= top:
            parts.append(f'<path d="M70 {y(m):.1f}H570" stroke="#e4e4e4"/><text x="62" y="{y(m) + 4:.1f}" text-anchor="end">{m:g}</text>')
    parts.append('<text x="320" y="420" text-anchor="middle">core-seconds</text><text x="70" y="25">relative mismatch</text>')
    for n, (name, found) in enumerate(named.items()):
        colour = COLOURS[n % len(COLOURS)]
        found = [p for p in found if p[0] > 0]
        line = " ".join(f"{x(t):.1f},{y(m):.1f}" for t, m in found)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(t):.1f}" cy="{y(m):.1f}" r="3" fill="{colour}"/>' for t, m in found]
        parts.append(f'<path d="M585 {60 + 22 * n}h22" stroke="{colour}" stroke-width="3"/><text x="613" y="{64 + 22 * n}">{name}</text>')
    return "\n".join(parts + ["</svg>", ""])


def table(rows):
    columns = ["run", "iterations", "core_s", "mismatch", "dice_mean", "dice_union", "det_least", "det_largest"]
    cell = lambda row, c: ", ".join(map(str, row[c])) if isinstance(row.get(c), list) else str(row.get(c, ""))
    lines = [columns, ["---"] * len(columns)] + [[cell(row, c) for c in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def versions():
    names = ["SimpleITK", "antspyx", "numpy", "nibabel"]
    there = [n for n in names if importlib.util.find_spec("ants" if n == "antspyx" else n)]
    return {name: importlib.metadata.version(name) for name in there} | {"python": platform.python_version()}


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(l.split(":", 1)[1].strip() for l in lines if l.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def write(path, text):
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("fixed", "moving", "labels-fixed", "labels-moving", "bench", "out", "worker", "iterations"):
        parser.add_argument(f"--{name}", required=name in ("fixed", "moving"), help=argparse.SUPPRESS if name in ("worker", "iterations") else None)
    parser.add_argument("--only", choices=["own", "demons", "syn"], help="measures this alone")
    options = parser.parse_args()
    if options.worker:
        return worker(options)
    given = {"--fixed": options.fixed, "--moving": options.moving, "--labels-fixed": options.labels_fixed, "--labels-moving": options.labels_moving}
    passed = [part for key, value in given.items() if value for part in (key, value)]
    load = os.getloadavg()[1]
    out = Path(options.out).with_suffix("") if options.out else None
    wanted = lambda name: options.only in (None, name)
    kept = json.loads(out.with_suffix(".json").read_text())["rows"] if options.only and out and out.with_suffix(".json").exists() else []
    of = lambda name: [row for row in kept if (row["run"] if row["run"] in ("demons", "syn") else "own") == name]
    rows = own_rows(options.bench, passed) if wanted("own") and options.bench else of("own")
    rows += peer_rows("demons", "SimpleITK", DEMONS, passed) if wanted("demons") else of("demons")
    rows += peer_rows("syn", "ants", SYN, passed) if wanted("syn") else of("syn")
    if out:
        about = {"processor": processor(), "cores": os.cpu_count(), "load_5_min_before": round(load, 1), "versions": versions()}
        words = f"{about['processor']}, {about['cores']} cores, load before {about['load_5_min_before']}; " + ", ".join(f"{k} {v}" for k, v in about["versions"].items())
        command = "python3 benches/diffeo_peers.py " + " ".join(f"{key} {Path(value).name}" for key, value in given.items() if value)
        if options.bench:
            command += " --bench PROGRAM"
        write(out.with_suffix(".json"), json.dumps({"command": command, **about, "rows": rows}, indent=1) + "\n")
        write(out.with_suffix(".svg"), plot(rows))
        page = "# The diffeomorphic solver beside its peers\n\n" + table(rows) + f"\n`{command}` on {words}.\n\n"
        write(out.with_suffix(".md"), page + f"![Mismatch against core-seconds]({out.name}.svg)\n")


if __name__ == "__main__":
    main()
