#!/usr/bin/env python3
"""Invertible networks beside FrEIA (PyPI, on PyTorch): speed of training and sampling, and inverse kinematics.

    python3 benches/inn_peers.py --bench PROGRAM [--parts speed kinematics modes] [--seeds N] --out benches/results/inn

Needs `FrEIA` and `torch` (PyPI). PROGRAM is the built bench (`cargo bench -p regiscope-inn --bench inn --no-run` prints its
path). Both sides run on one thread, one after the other, in turns; times are processor time (user and system). Kinematics:
6 all-in-one blocks with 128-128, batch 500, 3,000 steps of Adam at 2e-3 with a warm-up of 50 steps and half a cosine, the
exact posterior by importance resampling, the same scores on both sides. Parts that are not asked for stay as OUT.json has
them; `modes` (eight modes by colour) has no peer.

Writes OUT.json and OUT.md.
"""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
import FrEIA.framework as framework
import FrEIA.modules as modules

PARTS = ["speed", "kinematics", "modes"]
LENGTHS = (0.5, 0.5, 1.0)
DEVIATIONS = numpy.array([0.25, 0.5, 0.5, 0.5])


def subnet(width):
    def build(inputs, outputs):
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, width), torch.nn.ReLU(),
            torch.nn.Linear(width, width), torch.nn.ReLU(),
            torch.nn.Linear(width, outputs),
        )
    return build


def network(kind, dims, condition, blocks, width):
    net = framework.SequenceINN(dims)
    for block in range(blocks):
        if kind == "glow":
            net.append(modules.GLOWCouplingBlock, cond=0, cond_shape=(condition,), subnet_constructor=subnet(width))
            net.append(modules.PermuteRandom, seed=block)
        else:
            soft = kind == "all-in-one, soft"
            net.append(modules.AllInOneBlock, cond=0, cond_shape=(condition,), subnet_constructor=subnet(width),
                       permute_soft=soft)
    return net


def likelihood(net, x, condition):
    z, log_det = net(x, c=[condition])
    return (0.5 * (z**2).sum(1) - log_det).mean() + 0.5 * x.shape[1] * math.log(2 * math.pi)


def repeated(warm, rounds, calls, work):
    for _ in range(warm):
        work()
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(calls):
            work()
        times.append((time.process_time() - begin) / calls)
    return times


def speed(kind):
    torch.manual_seed(1)
    net = network(kind, 6, 256, 12, 256)
    x, condition = torch.randn(512, 6), torch.randn(512, 256)
    adam = torch.optim.AdamW(net.parameters(), lr=1e-3)

    def step():
        adam.zero_grad()
        loss = likelihood(net, x, condition)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        adam.step()

    training = repeated(5, 9, 6, step)
    one, count = torch.randn(1, 256), 10_000

    def sample():
        with torch.no_grad():
            net(torch.randn(count, 6), c=[one.expand(count, 256)], rev=True)

    sampling = repeated(1, 7, 1, sample)
    return {"kind": kind, "training_core_ms": [1e3 * t for t in training],
            "samples_per_core_s": [count / t for t in sampling]}


def hand(x):
    a, b, c = x[:, 1], x[:, 1] + x[:, 2], x[:, 1] + x[:, 2] + x[:, 3]
    l1, l2, l3 = LENGTHS
    return numpy.stack([x[:, 0] + l1 * numpy.sin(a) + l2 * numpy.sin(b) + l3 * numpy.sin(c),
                        l1 * numpy.cos(a) + l2 * numpy.cos(b) + l3 * numpy.cos(c)], 1)


def exact(y, count, proposals, rng):
    l1, l2, l3 = LENGTHS
    x2, x3 = rng.normal(0, 0.5, proposals), rng.normal(0, 0.5, proposals)
    cosine = (y[1] - l1 * numpy.cos(x2) - l2 * numpy.cos(x2 + x3)) / l3
    keep = numpy.abs(cosine) < 1
    x2, x3, angle = x2[keep], x3[keep], numpy.arccos(cosine[keep])
    states, weights = [], []
    for total in (angle, -angle):
        x4 = (total - x2 - x3 + math.pi) % (2 * math.pi) - math.pi
        x1 = y[0] - l1 * numpy.sin(x2) - l2 * numpy.sin(x2 + x3) - l3 * numpy.sin(total)
        states.append(numpy.stack([x1, x2, x3, x4], 1))
        weights.append(numpy.exp(-0.5 * ((x1 / 0.25) ** 2 + (x4 / 0.5) ** 2))
                       / (l3 * numpy.maximum(numpy.abs(numpy.sin(total)), 1e-3)))
    states, weights = numpy.concatenate(states), numpy.concatenate(weights)
    if weights.sum() <= 0:
        return None
    return states[rng.choice(len(states), count, p=weights / weights.sum())]


def mmd2(x, y):
    def mean(a, b):
        d2 = ((a[:, None] - b[None]) ** 2).sum(2)
        return sum((h * h / (h * h + d2)).mean() for h in (0.05, 0.2, 0.9))
    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def tensor(array):
    return torch.tensor(array, dtype=torch.float32)


def arm(seed, steps):
    torch.manual_seed(seed)
    rng = numpy.random.default_rng(seed)
    net = network("all-in-one, soft", 4, 2, 6, 128)
    adam = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-5)
    warm = 50
    rate = lambda s: (s + 1) / (warm + 1) if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / (steps - warm)))
    begin = time.process_time()
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = 2e-3 * rate(step)
        x = rng.normal(size=(500, 4)) * DEVIATIONS
        adam.zero_grad()
        loss = likelihood(net, tensor(x), tensor(hand(x)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        adam.step()
    training = time.process_time() - begin
    x = rng.normal(size=(20_000, 4)) * DEVIATIONS
    with torch.no_grad():
        nll = float(likelihood(net, tensor(x), tensor(hand(x))))
        errors, discrepancies = [], []
        while len(errors) < 100:
            y = hand(rng.normal(size=(1, 4)) * DEVIATIONS)
            truth = exact(y[0], 500, 20_000, rng)
            if truth is None:
                continue
            drawn, _ = net(torch.randn(500, 4), c=[tensor(y).expand(500, 2)], rev=True)
            drawn = drawn.numpy().astype(float)
            errors.append(float(((hand(drawn) - y) ** 2).sum(1).mean()))
            discrepancies.append(float(mmd2(drawn, truth)))
        ranks = []
        for _ in range(1000):
            truth = rng.normal(size=(1, 4)) * DEVIATIONS
            drawn, _ = net(torch.randn(99, 4), c=[tensor(hand(truth)).expand(99, 2)], rev=True)
            ranks.append(((drawn.numpy() < truth).sum(0) + rng.random(4)) / 100)
    ranks = numpy.sort(numpy.array(ranks), 0)
    low, high = (numpy.arange(1000) / 1000)[:, None], (numpy.arange(1, 1001) / 1000)[:, None]
    distances = numpy.maximum(numpy.abs(ranks - low), numpy.abs(high - ranks)).max(0)
    bounds = {"distances": distances.tolist(), "bound": 1.358 / 1000**0.5, "joint_bound": 1.593 / 1000**0.5}
    return {"seed": seed, "steps": steps, "training_core_s": training, "nll": nll, "calibration": bounds,
            "nll_without_constant": nll - 2 * math.log(2 * math.pi),
            "mmd2": statistics.mean(discrepancies), "resimulation_squared_error": statistics.mean(errors)}


def own(program, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.json")
        environment = dict(os.environ, RAYON_NUM_THREADS="1")
        subprocess.run([program, *arguments, out], check=True, env=environment, stdout=subprocess.DEVNULL)
        with open(out) as file:
            return json.load(file)


def middle(values):
    return statistics.median(values)


def calibration(run):
    found = run["calibration"]
    return f"{max(found['distances']):.3f} ({found['joint_bound']:.3f})"


def table(results):
    lines = []
    if "speed" in results:
        lines += ["| network | | regiscope-inn | FrEIA | ratio |", "|---|---|---|---|---|"]
        for mine, theirs in zip(results["speed"]["regiscope-inn"], results["speed"]["FrEIA"]):
            a, b = middle(mine["training_core_ms"]), middle(theirs["training_core_ms"])
            lines.append(f"| {mine['kind']} | training step, core-ms | {a:.1f} | {b:.1f} | {b / a:.2f} |")
            a, b = middle(mine["samples_per_core_s"]), middle(theirs["samples_per_core_s"])
            lines.append(f"| {mine['kind']} | samples per core-s | {a:.0f} | {b:.0f} | {a / b:.2f} |")
        lines.append("")
    if "modes" in results:
        lines += ["| eight modes | found | largest error of a mass | mass off every mode |", "|---|---|---|---|"]
        for run in results["modes"]["regiscope-inn"]:
            lines.append(f"| seed {run['seed']} | {run['modes_found']} of 8 | {run['largest_mass_error']:.4f} "
                         f"| {run['mass_off_every_mode']:.4f} |")
        lines.append("")
    if "kinematics" in results:
        lines += ["| inverse kinematics | NLL | NLL without ½ d ln 2π | MMD² | re-simulation | training, core-s "
                  "| calibration: largest of 4 distances (joint 95 % bound) |", "|---|---|---|---|---|---|---|"]
        for name, runs in results["kinematics"].items():
            for run in runs:
                lines.append(f"| {name}, seed {run['seed']} | {run['nll']:.2f} | {run['nll_without_constant']:.2f} "
                             f"| {run['mmd2']:.4f} | {run['resimulation_squared_error']:.4f} "
                             f"| {run['training_core_s']:.0f} | {calibration(run)} |")
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    if os.path.exists(arguments.out + ".json"):
        with open(arguments.out + ".json") as file:
            results = json.load(file)
    results |= {"machine": {"cpu": cpu(), "system": platform.platform(), "threads": 1,
                           "torch": torch.__version__, "FrEIA": importlib.metadata.version("FrEIA")}}
    if "speed" in arguments.parts:
        results["speed"] = {"regiscope-inn": own(arguments.bench, "speed")["speed"],
                            "FrEIA": [speed("all-in-one"), speed("glow")]}
    if "kinematics" in arguments.parts:
        mine = own(arguments.bench, "kinematics", f"seeds={arguments.seeds}", f"steps={arguments.steps}")
        results["kinematics"] = {"regiscope-inn": mine["kinematics"],
                                 "FrEIA": [arm(seed, arguments.steps) for seed in range(arguments.seeds)]}
    if "modes" in arguments.parts:
        mine = own(arguments.bench, "modes", f"seeds={arguments.seeds}", f"steps={arguments.steps}")
        results["modes"] = {"regiscope-inn": mine["modes"]}
    with open(arguments.out + ".json", "w") as file:
        json.dump(results, file, indent=1)
    with open(arguments.out + ".md", "w") as file:
        file.write("# Invertible networks beside FrEIA\n\n"
                   "By `benches/inn_peers.py`: processor time of one thread, medians; ratios above 1 are in favour of "
                   f"regiscope-inn. {results['machine']['cpu']}, torch {torch.__version__}.\n\n" + table(results))
    print(table(results))


def cpu():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
