#!/usr/bin/env python3
"""Rankings, label aggregation and metrics of masks by Regiscope and by peers, in one run: core-seconds and values.

Peers: challengeR where it is installed, else base R (through Rscript); crowd-kit; PyPI `surface-distance` and MONAI, with
nibabel for reading. One that is not installed is named as missing. Each runs on one thread. `--python` names the
interpreter of an environment with some of the packages; it may be given several times, and the first that has a package
times it. R runs some resamples only, scaled to 1,000: the cost of resamples adds up.

    python3 benches/challenge_peers.py --bench target/release/deps/challenge-* --labels ratings.csv \
        --out benches/results/challenge.json
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

SHAPE, SPACING, TOLERANCE = (512, 512, 133), (0.7, 0.7, 2.5), 2.0
HERE = pathlib.Path(__file__).resolve().parent
# What a peer is compared with: the row of our bench.
OURS = {
    "challengeR or R, mean-then-rank": "mean-then-rank",
    "challengeR or R, rank-then-mean": "rank-then-mean",
    "challengeR or R, test-then-rank": "test-then-rank",
    "crowd-kit, Dawid-Skene": "dawid-skene",
    "crowd-kit, GLAD": "glad",
    "surface-distance": "metrics, deepmind-surface-distance",
    "MONAI": "metrics, monai",
    "nibabel, reading": "reading, pair",
}


def timed(work, times):
    """Core-seconds, median and range, and the answer."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        answer = work()
        seconds.append(time.process_time() - start)
    seconds.sort()
    return {"core_s": seconds[times // 2], "range": [seconds[0], seconds[-1]], "values": answer}


def ellipsoid(centre, radius):
    import numpy as np

    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    d = sum(((i * s - c) / r) ** 2 for i, s, c, r in zip((x, y, z), SPACING, centre, radius))
    return d < 1.0 + 0.05 * (np.sin(x * 0.11) + np.sin(y * 0.13))


def pair():
    return ellipsoid((180.0, 180.0, 165.0), (120.0, 100.0, 120.0)), ellipsoid((184.0, 178.0, 167.0), (118.0, 104.0, 118.0))


def surface_distance(times):
    import numpy as np

    if not hasattr(np, "Inf"):  # the package is older than NumPy 2
        np.Inf, np.NaN, np.bool = np.inf, np.nan, np.bool_
    from scipy import ndimage

    for name, module in (("filters", ndimage), ("morphology", ndimage)):
        if not hasattr(ndimage, name):
            setattr(ndimage, name, module)
    import surface_distance as sd

    a, b = pair()

    def work():
        found = sd.compute_surface_distances(a, b, SPACING)
        return [
            float(sd.compute_robust_hausdorff(found, 95)),
            float(sd.compute_surface_dice_at_tolerance(found, TOLERANCE)),
            float(sd.compute_dice_coefficient(a, b)),
            [float(v) for v in sd.compute_average_surface_distance(found)],
        ]

    return timed(work, times)


def monai(times):
    import torch
    from monai import metrics

    torch.set_num_threads(1)
    a, b = (torch.from_numpy(m)[None, None].float() for m in pair())
    more = {"include_background": True, "spacing": SPACING}
    return timed(
        lambda: [
            metrics.compute_hausdorff_distance(b, a, percentile=95, **more).item(),
            metrics.compute_surface_dice(b, a, [TOLERANCE], **more).item(),
            metrics.compute_dice(b, a, include_background=True).item(),
            metrics.compute_average_surface_distance(b, a, symmetric=True, **more).item(),
        ],
        times,
    )


def reading(times, folder):
    import nibabel
    import numpy as np

    files = [folder / "reference.nii.gz", folder / "prediction.nii.gz"]
    for file, mask in zip(files, pair()):
        nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8), np.diag([*SPACING, 1.0])), file)
    return timed(lambda: [int((np.asarray(nibabel.load(f).dataobj) != 0).sum()) for f in files], times)


def crowd_kit(times, labels, which):
    import pandas
    from crowdkit.aggregation import GLAD, DawidSkene

    table = pandas.read_csv(labels)[["task", "worker", "label"]]
    # As published figures were made: 100 iterations of either.
    method = (lambda: DawidSkene(n_iter=100)) if which == "dawid-skene" else (lambda: GLAD(n_iter=100))

    def work():
        method().fit_predict(table)

    return timed(work, times)


def peer(name, arguments):
    folder = pathlib.Path(arguments.folder)
    return {
        "surface-distance": lambda: surface_distance(arguments.times),
        "MONAI": lambda: monai(arguments.times),
        "nibabel, reading": lambda: reading(arguments.times, folder),
        "crowd-kit, Dawid-Skene": lambda: crowd_kit(arguments.times, arguments.labels, "dawid-skene"),
        "crowd-kit, GLAD": lambda: crowd_kit(arguments.times, arguments.labels, "glad"),
    }[name]()


def in_some_environment(name, arguments):
    """The peer, by the first interpreter that has it."""
    said = "no interpreter has it"
    for python in arguments.python or [sys.executable]:
        command = [python, __file__, "--peer", name, "--folder", str(arguments.folder), "--times", str(arguments.times)]
        command += ["--labels", arguments.labels] if arguments.labels else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return {"peer": name, **json.loads(done.stdout.splitlines()[-1])}
        said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    return {"peer": name, "missing": said}


def r(method, resamples, folder):
    """Seconds of 1,000 resamples; two numbers of resamples, so that what does not depend on them drops out."""
    import random

    name, table = f"challengeR or R, {method}", folder / "results.csv"
    if not table.exists():
        random.seed(1)
        rows = ["case,algorithm,value"]
        for case in range(2728):
            for a in range(10):
                value = 0.0 if random.random() < 0.05 else 1.0 - random.random() * (0.2 + 0.01 * a)
                rows.append(f"{case},A{a},{value!r}")
        table.write_text("\n".join(rows) + "\n")
    seconds = []
    for count in (1, 1 + resamples):
        try:
            done = subprocess.run(
                ["Rscript", HERE / "challenge_peers.R", table, str(count), method], capture_output=True, text=True
            )
        except FileNotFoundError as missing:
            return {"peer": name, "missing": str(missing)}
        if done.returncode != 0:
            return {"peer": name, "missing": done.stderr.strip().splitlines()[-1]}
        package, core_s = done.stdout.strip().splitlines()[-1].split("\t")
        seconds.append(float(core_s))
    return {"peer": name, "package": package, "resamples": resamples, "core_s": (seconds[1] - seconds[0]) * 1000 / resamples}


def markdown(rows, peers, machine):
    ours = {row["what"]: row for row in rows}
    text = "# Rankings, label aggregation and metrics\n\n"
    text += f"`benches/challenge_peers.py` on {machine['cpu']}; core-seconds (user + system), median. Rankings: 2,728 cases by 10\n"
    text += "algorithms, 1,000 resamples. Metrics: HD95, NSD, DSC and ASSD of a pair of 512 x 512 x 133 voxels, in memory.\n"
    text += "Reading: the same pair as NIfTI-1 files with gzip.\n\n"
    text += "| ours | core-s | range | process peak so far, MiB |\n|---|---|---|---|\n"
    for row in rows:
        text += f"| {row['what']} | {row['core_s']:.3f} | {row['range'][0]:.3f} to {row['range'][1]:.3f} | {row['peak_mib']:.0f} |\n"
    text += "\n| peer | core-s | ours | times faster |\n|---|---|---|---|\n"
    for row in peers:
        mine = ours.get(OURS[row["peer"]])
        if "missing" in row:
            text += f"| {row['peer']} | missing: {row['missing']} | | |\n"
        elif mine:
            name = row["peer"].replace("challengeR or R", row["package"]) if "package" in row else row["peer"]
            scaled = f" (scaled from {row['resamples']} resamples)" if "resamples" in row else ""
            text += f"| {name}{scaled} | {row['core_s']:.2f} | {mine['core_s']:.3f} | {row['core_s'] / mine['core_s']:.{0 if row['core_s'] > 10 * mine['core_s'] else 1}f} |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="JSON file; a table goes beside it")
    parser.add_argument("--bench", help="the built program of benches/challenge.rs")
    parser.add_argument("--labels", help="long table with the columns task, worker, label")
    parser.add_argument("--python", action="append", help="an interpreter that has peers")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(peer(arguments.peer, arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.folder = pathlib.Path(folder)
        names = ["nibabel, reading", "surface-distance", "MONAI"]
        names += ["crowd-kit, Dawid-Skene", "crowd-kit, GLAD"] if arguments.labels else []
        peers = []
        for name in names:
            peers.append(in_some_environment(name, arguments))
            print(peers[-1], flush=True)
        for method, resamples in (("mean-then-rank", 500), ("rank-then-mean", 20), ("test-then-rank", 10)):
            peers.append(r(method, resamples, arguments.folder))
            print(peers[-1], flush=True)
        command = [arguments.bench, f"{folder}/ours.json"]
        command += [f"labels={arguments.labels}"] if arguments.labels else []
        masks = [arguments.folder / f"{n}.nii.gz" for n in ("reference", "prediction")]
        command += [f"masks={masks[0]},{masks[1]}"] if all(m.exists() for m in masks) else []
        subprocess.run(command, check=True)
        ours = json.loads((arguments.folder / "ours.json").read_text())
    out = pathlib.Path(arguments.out)
    whole = {"shape": SHAPE, "spacing_mm": SPACING, "tolerance_mm": TOLERANCE, **ours, "peers": peers}
    out.write_text(json.dumps(whole, indent=1) + "\n")
    out.with_suffix(".md").write_text(markdown(ours["rows"], peers, ours["machine"]))


if __name__ == "__main__":
    main()
