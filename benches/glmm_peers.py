#!/usr/bin/env python3
"""Mixed models beside lme4 and glmmTMB (R) and glmm (PyPI): core-seconds, peak memory, log-likelihood, standard errors.

    python3 benches/glmm_peers.py --study STUDY.csv --bench PROGRAM --out benches/results/glmm_peers [--python PYTHON]
        [--rounds 3] [--limit 120] [--case NAME]

STUDY.csv is a table of failures (`failure`, `image`, `procedure`, `algorithm` and the images' characteristics). PROGRAM is
the built bench (`cargo bench -p regiscope-glmm --bench glmm --no-run` prints its path). PYTHON is an interpreter with numpy
and glmm; R is `Rscript` with lme4 and glmmTMB. What is not installed is named as missing. Every fit is a process of its own:
core-seconds (user + system) and peak memory are the operating system's, and the share that reading the table takes is
apart, as each program's own clock of its process tells it. A run that takes more than LIMIT core-seconds is stopped and
stands as "not finished". OUT.json is added to: what it holds of other cases and programs stays. Cases: the study; five correlated slopes per algorithm; ten times the rows; and a simulated table
of the shape of lme4's InstEval (73,421 ratings of 1,128 lecturers by 2,972 students in 14 departments), as a linear model
by REML and as a logit model.
"""

import argparse
import csv
import json
import math
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

NO_EFFECT = {"image", "procedure", "surgery", "algorithm", "failure", "dice"}
SLOPES = "underexposed_instrument + motion_blur + occlusion_by_tissue + smoke"

R_SCRIPT = r"""
options(warn = -1)
a <- commandArgs(TRUE)
package <- a[1]; family <- a[4]
suppressPackageStartupMessages(library(package, character.only = TRUE))
d <- read.csv(a[2])
for (f in strsplit(a[5], ",")[[1]]) d[[f]] <- factor(d[[f]])
read <- sum(proc.time()[1:2])
formula <- as.formula(a[3])
if (package == "lme4") {
  fit <- if (family == "gaussian") lmer(formula, d, REML = TRUE) else glmer(formula, d, family = binomial, nAGQ = 1)
  se <- sqrt(diag(as.matrix(vcov(fit))))
} else {
  fit <- glmmTMB(formula, d, family = if (family == "gaussian") gaussian() else binomial(), REML = family == "gaussian")
  se <- sqrt(diag(vcov(fit)$cond))
}
done <- sum(proc.time()[1:2])
cat(sprintf("FIGURES {\"fit_core_s\": %.4f, \"log_lik\": %.7f, \"se\": [%s], \"version\": \"%s\"}\n", done - read,
  as.numeric(logLik(fit)), paste(sprintf("%.9f", se), collapse = ","), as.character(packageVersion(package))))
"""

PYTHON_SCRIPT = r"""
import csv, importlib.metadata, json, sys, time
import glmm, numpy
path, formula, family, factors = sys.argv[1:5]
with open(path, newline="") as file:
    rows = list(csv.reader(file))
names, rows = rows[0], rows[1:]
kinds = {name: str if name in factors.split(",") else float for name in names}
data = {}
for j, name in enumerate(names):
    try:
        data[name] = numpy.array([kinds[name](row[j]) for row in rows])
    except ValueError:
        data[name] = numpy.array([row[j] for row in rows])
start = time.process_time()
fit = glmm.fit(data, formula, family)
se = [float(x) for x in fit.se]
print("FIGURES " + json.dumps({"fit_core_s": time.process_time() - start, "log_lik": float(fit.loglik), "se": se,
    "converged": bool(fit.converged), "version": importlib.metadata.version("glmm")}))
"""


def ten_times(study, path):
    """Ten copies, each with images of its own."""
    with open(study, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for copy in range(10):
            writer.writerows({**row, "image": f"{row['image']}.{copy}"} for row in rows)


def ratings(path):
    """Ratings of the shape of InstEval; each student rates lecturers mostly of a few departments."""
    draw = random.Random(20260731)
    students = [draw.gauss(0, 0.33) for _ in range(2972)]
    lecturers = [(draw.gauss(0, 0.51), draw.randrange(14)) for _ in range(1128)]
    departments = [draw.gauss(0, 0.1) for _ in range(14)]
    by_department = [[i for i, (_, d) in enumerate(lecturers) if d == dept] for dept in range(14)]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rating", "good", "student", "lecturer", "department", "service", "studage", "lectage"])
        for n in range(73421):
            s = n % 2972
            dept = (s + (draw.randrange(3) if draw.random() < 0.4 else 0)) % 14
            l = draw.choice(by_department[dept])
            service, studage, lectage = int(draw.random() < 0.43), 2 + s % 4, draw.randrange(1, 7)
            eta = students[s] + lecturers[l][0] + departments[dept] - 0.07 * service - 0.03 * lectage + 0.02 * studage
            rating = 3.2 + eta + draw.gauss(0, 1.18)
            good = int(draw.random() < 1 / (1 + math.exp(-eta)))
            writer.writerow([f"{rating:.4f}", good, f"S{s:04}", f"L{l:04}", f"D{dept:02}", service, studage, lectage])


CASES = [
    "study",
    "five correlated slopes",
    "ten times the rows",
    "73,421 ratings, linear (REML)",
    "73,421 ratings, logit",
]


def cases(study, folder):
    """For each case its table, formula, family and grouping factors."""
    with open(study, newline="") as file:
        effects = " + ".join(name for name in next(csv.reader(file)) if name not in NO_EFFECT)
    crossed = f"failure ~ {effects} + (1 | image) + (1 | procedure)"
    plain, slopes = f"{crossed} + (1 | algorithm)", f"{crossed} + (1 + {SLOPES} | algorithm)"
    right = "service + studage + lectage + (1 | student) + (1 | lecturer) + (1 | department)"
    copies, rated = folder / "ten_times.csv", folder / "ratings.csv"
    ten_times(study, copies)
    ratings(rated)
    of_images, of_ratings = "image,procedure,algorithm", "student,lecturer,department"
    models = [
        (study, plain, "binomial", of_images),
        (study, slopes, "binomial", of_images),
        (copies, plain, "binomial", of_images),
        (rated, f"rating ~ {right}", "gaussian", of_ratings),
        (rated, f"good ~ {right}", "binomial", of_ratings),
    ]
    return zip(CASES, models)


def programs(options, folder):
    """Name and command of every program that is installed; those that are not are named."""
    r_script, python_script = folder / "fit.R", folder / "fit.py"
    r_script.write_text(R_SCRIPT)
    python_script.write_text(PYTHON_SCRIPT)

    def own(path, formula, family, groups):
        return [options.bench, str(path), f"formula={formula}", f"family={family}", f"factors={groups}"]

    def in_r(package):
        return lambda path, formula, family, groups: ["Rscript", r_script, package, path, formula, family, groups]

    def in_python(path, formula, family, groups):
        return [options.python, python_script, path, formula, family, groups]

    found = [("regiscope", own)] if options.bench else []
    answers = lambda command: subprocess.run(command, capture_output=True).returncode == 0
    if answers([options.python, "-c", "import glmm, numpy"]):
        found.append(("glmm (PyPI)", in_python))
    else:
        print("skipped: glmm is not installed for", options.python)
    for package in ("glmmTMB", "lme4"):
        if shutil.which("Rscript") and answers(["Rscript", "-e", f"library({package})"]):
            found.append((package, in_r(package)))
        else:
            print(f"skipped: {package} is not installed")
    return found


def run(command, limit):
    """Core-seconds, peak memory and figures of one process; its figures are none where it was stopped."""

    def limited():
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))

    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, preexec_fn=limited, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, problem = out.read(), err.read()
    seconds = usage.ru_utime + usage.ru_stime
    measured = {"core_s": round(seconds, 3), "peak_mb": round(usage.ru_maxrss / 1024, 1)}
    line = next((l for l in text.splitlines() if l.startswith(("FIGURES ", "{"))), None)
    if process.returncode == 0 and line:
        return measured | json.loads(line.removeprefix("FIGURES "))
    stopped = process.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    return measured | {"failed": "not finished" if stopped else problem.strip().splitlines()[-1:]}


def summary(name, case, runs):
    done = [r for r in runs if "failed" not in r]
    if not done:
        return {"case": case, "program": name, "runs": len(runs), **runs[0]}
    median = lambda key: statistics.median(r[key] for r in done)
    spread = lambda key: [min(r[key] for r in done), max(r[key] for r in done)]
    row = {"case": case, "program": name, "runs": len(done)}
    for key in ("core_s", "fit_core_s", "peak_mb"):
        row[key] = round(median(key), 4)
        row[f"{key}_range"] = spread(key)
    row |= {"log_lik": done[0]["log_lik"], "se": done[0]["se"], "version": done[0].get("version")}
    row["has_se"] = bool(row["se"]) and all(isinstance(x, float) and math.isfinite(x) for x in row["se"])
    return row


def ordered(rows, order):
    """Case by case, the cheapest first; what did not finish last."""
    return sorted(rows, key=lambda r: (order.index(r["case"]), "failed" in r, r["core_s"]))


def table(rows):
    head = ["case", "program", "runs", "whole process, core-s", "fit, core-s", "peak MB", "log-likelihood", "SE"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        if "failed" in row:
            said = row["failed"] if isinstance(row["failed"], str) else "failed"
            cells = [row["case"], row["program"], row["runs"], f"{said} after {row['core_s']:.0f}", "", f"{row['peak_mb']:.0f}", "", ""]
        else:
            low, high = row["fit_core_s_range"]
            fit = f"{row['fit_core_s']:.3f} ({low:.3f}–{high:.3f})"
            cells = [row["case"], row["program"], row["runs"], f"{row['core_s']:.2f}", fit, f"{row['peak_mb']:.0f}"]
            cells += [f"{row['log_lik']:.6f}", "yes" if row["has_se"] else "no"]
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


def write(path, text):
    partial = Path(f"{path}.partial")
    partial.write_text(text)
    partial.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="table of failures")
    parser.add_argument("--bench", help="the built bench; without it only the peers run")
    parser.add_argument("--out", help="writes OUT.json and OUT.md")
    parser.add_argument("--python", default=sys.executable, help="interpreter with numpy and glmm")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each fit; one where a fit takes over 20 core-seconds")
    parser.add_argument("--limit", type=int, default=120, help="core-seconds after which a run is stopped")
    parser.add_argument("--case", help="only the cases whose name holds this")
    parser.add_argument("--program", help="only the programs whose name holds this")
    options = parser.parse_args()
    before = Path(f"{options.out}.json")
    rows = json.loads(before.read_text())["rows"] if options.out and before.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        installed = [p for p in programs(options, folder) if options.program is None or options.program in p[0]]
        for case, model in cases(options.study, folder):
            if options.case and options.case not in case:
                continue
            for name, command in installed:
                runs = [run(command(*model), options.limit)]
                while len(runs) < options.rounds and runs[0]["core_s"] < 20 and "failed" not in runs[0]:
                    runs.append(run(command(*model), options.limit))
                rows = [r for r in rows if (r["case"], r["program"]) != (case, name)] + [summary(name, case, runs)]
                print({k: v for k, v in rows[-1].items() if k != "se"}, flush=True)
                if options.out:
                    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), None)
                    machine = {"cpu": cpu, "cores": os.cpu_count(), "limit_core_s": options.limit}
                    rows = ordered(rows, CASES)
                    write(f"{options.out}.json", json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
                    write(f"{options.out}.md", table(rows))


if __name__ == "__main__":
    main()
