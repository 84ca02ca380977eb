#!/usr/bin/env python3
"""Energy meters side by side: fixed cost, and what they tell of simulated counters whose energy is known.

Usage:  python3 benches/energy_peers.py --regiscope target/release/regiscope --out benches/results/energy.json

- Fixed cost: wall and core-seconds (user + system time) of measuring a command that does nothing, less the command.
- Scenarios: `regiscope energy simulate` drives a powercap tree, mounted at /sys/class/powercap in a mount namespace of
  its own (needs root and `unshare`); regiscope and zeus measure a job that sleeps while the power follows a profile. The truth
  is the profile's integral between the moments that the job itself notes.

Peers are taken from the Python that runs this script: codecarbon, perun and zeus (PyPI codecarbon, perun, zeus-ml). One
that is missing or fails is reported with its reason, never silently left out. Rounds alternate between the programs.
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

JOB = "import sys,time;f=open(sys.argv[1],'w');a=time.time();time.sleep({0});b=time.time();f.write(f'{{a}} {{b}}')"

CODECARBON = """
import sys, time
from codecarbon import OfflineEmissionsTracker
t = OfflineEmissionsTracker(country_iso_code="DEU", measure_power_secs=1, save_to_file=False, log_level="error")
t.start(); time.sleep(float(sys.argv[1])); t.stop()
"""

ZEUS = """
import sys, time, json
from zeus.monitor import ZeusMonitor
m = ZeusMonitor(gpu_indices=[])
m.begin_window("job", sync_execution=False); a = time.time(); time.sleep(float(sys.argv[1])); b = time.time()
r = m.end_window("job", sync_execution=False)
cpu = sum((r.cpu_energy or {}).values()) + sum((r.dram_energy or {}).values())
print(json.dumps({"joules": cpu if r.cpu_energy else None, "span": [a, b]}))
"""

# name: (profile pieces [s, W] or W, seconds before the job, seconds of the job, joules before the wrap)
SCENARIOS = {
    "constant": ("65", 1.0, 2.0, None),
    "burst then low": ([[1.2, 15], [0.4, 200], [60, 20]], 1.0, 3.0, None),
    "0.2 s job": ("65", 1.0, 0.2, None),
    "wrap in mid-run": ("65", 1.0, 3.0, 160.0),
}


def timed(command, **more):
    """Wall and core-seconds of a command, and its standard output."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, **more)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1][:200])
    return wall, core, done.stdout


def fixed_cost(options):
    """Commands that measure a job which does nothing."""
    nothing = os.path.join(options.folder, "nothing.py")
    with open(nothing, "w") as file:
        file.write("pass\n")
    return {
        "nothing": ["true"],
        "regiscope": [options.regiscope, "energy", "measure", "--quiet", "--", "true"],
        "codecarbon": [sys.executable, "-c", CODECARBON, "0"],
        "zeus": [sys.executable, "-c", ZEUS, "0"],
        "perun": [os.path.join(os.path.dirname(sys.executable), "perun"), "monitor", nothing],
        "python": [sys.executable, "-c", "pass"],
    }


def overhead(options):
    """Core-seconds per second of reading four counters ten times a second."""
    tree = os.path.join(options.folder, "overhead")
    zones = [f"--zone={name}=10" for name in ("package-0", "core", "dram", "psys")]
    subprocess.run([options.regiscope, "energy", "simulate", "--tree", tree, "--seconds", "0", "--quiet", *zones],
                   check=True, stdout=subprocess.DEVNULL)
    seconds = []
    for length in (1, 11):
        command = [options.regiscope, "energy", "measure", "--quiet", "--powercap", tree + "/class", "--", "sleep"]
        seconds.append(statistics.median(timed(command + [str(length)])[1] for _ in range(3)))
    return (seconds[1] - seconds[0]) / 10


def truth(power, start, span):
    pieces = [[1e9, float(power)]] if isinstance(power, str) else power
    joules, at = 0.0, start
    for index, (length, watts) in enumerate(pieces):
        end = at + (length if index + 1 < len(pieces) else 1e9)
        joules += watts * max(0.0, min(end, span[1]) - max(at, span[0]))
        at = end
    return joules


def measure(program, options, seconds):
    """What a program tells of a job of so many seconds: joules, interval and the job's own moments."""
    if program == "regiscope":
        out, span = os.path.join(options.folder, "out.json"), os.path.join(options.folder, "span")
        timed([options.regiscope, "energy", "measure", "--quiet", "--json", out, "--", sys.executable, "-c",
               JOB.format(seconds), span])
        report = json.load(open(out))
        wall = report["regions"][0]["wall_s"]
        noted = [float(x) for x in open(span).read().split()]
        # The meter's region holds the start and end of the interpreter too; its own times are those of the truth.
        began = noted[1] - wall
        return report["total"]["joules"], report["total"]["interval"], [began, noted[1]]
    told = json.loads(timed([sys.executable, "-c", ZEUS, str(seconds)])[2]
                      .strip().splitlines()[-1])
    return told["joules"], None, told["span"]


def scenarios(options):
    """Runs inside the namespace, where /sys/class can be written to."""
    rows = []
    for name, (power, lead, seconds, wrap) in SCENARIOS.items():
        for program in ("regiscope", "zeus"):
            tree = tempfile.mkdtemp(dir=options.folder)
            given = power
            if not isinstance(power, str):
                given = os.path.join(tree, "profile.json")
                with open(given, "w") as file:
                    json.dump({"pieces": power}, file)
            command = [options.regiscope, "energy", "simulate", "--tree", tree, f"--zone=package-0={given}",
                       "--seconds", "60", "--quiet", "--json"]
            if wrap:
                command.append(f"--wrap-after={wrap}")
            simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            link = "/sys/class/powercap"
            while not os.path.isdir(os.path.join(tree, "class", "intel-rapl:0")):
                time.sleep(0.002)
            if os.path.islink(link):
                os.remove(link)
            os.symlink(os.path.join(tree, "class"), link)
            time.sleep(lead * 0.5)
            row = {"scenario": name, "program": program}
            try:
                joules, interval, span = measure(program, options, seconds)
                simulator.terminate()
                start = json.loads(simulator.communicate()[0])["start_unix_s"]
                true = truth(power, start, span)
                row |= {"truth_j": true, "told_j": joules, "interval_j": interval}
                row["error_percent"] = None if joules is None else 100 * (joules / true - 1)
                row["inside"] = None if interval is None else interval[0] <= true <= interval[1]
            except Exception as error:  # a peer that fails is a result
                simulator.kill()
                simulator.wait()
                row["failed"] = str(error)[:200]
            rows.append(row)
    return rows


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(),
            "load": os.getloadavg()[0]}


def versions(options):
    from importlib import metadata

    found = {"regiscope": subprocess.run([options.regiscope, "--version"], capture_output=True, text=True).stdout.strip()}
    for package in ("codecarbon", "zeus-ml", "perun", "zeus"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regiscope", required=True, help="the program, built with --release")
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.regiscope = os.path.abspath(options.regiscope)
    if options.inside:
        options.folder = options.inside
        os.makedirs("/sys/class", exist_ok=True)
        json.dump(scenarios(options), open(options.out, "w"))
        return
    options.folder = tempfile.mkdtemp()
    costs, missing = {}, {}
    for _ in range(options.rounds):
        for name, command in fixed_cost(options).items():
            if name in missing:
                continue
            try:
                wall, core, _ = timed(command, cwd=options.folder)
                costs.setdefault(name, []).append((wall, core))
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                missing[name] = str(error)[:200]
    result = {
        "what": "fixed cost of measuring nothing, s (medians); error of meters on simulated counters",
        "machine": machine(),
        "versions": versions(options),
        "missing": missing,
        "fixed_cost": {n: {"wall_s": statistics.median(w for w, _ in v), "core_s": statistics.median(c for _, c in v),
                           "wall_least_s": min(w for w, _ in v), "rounds": len(v)} for n, v in costs.items()},
        "overhead_core_s_per_s": overhead(options),
    }
    inside = os.path.join(options.folder, "scenarios.json")
    try:
        timed(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/class && exec \"$@\"", "sh", sys.executable,
               os.path.abspath(__file__), "--regiscope", options.regiscope, "--out", inside, "--inside", options.folder])
        result["scenarios"] = json.load(open(inside))
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        result["missing"]["scenarios"] = str(error)[:200]
    with open(options.out + ".part", "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    os.replace(options.out + ".part", options.out)
    shutil.rmtree(options.folder, ignore_errors=True)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
