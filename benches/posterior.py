#!/usr/bin/env python3
"""Posteriors over poses against brute force: three contents, two levels of noise, several patients and seeds.

    python3 benches/posterior.py --regiscope PROGRAM [--patients 1 2] [--ct CT.nii.gz LABELS.nii.gz L1..L5 L3]
                                 [--seeds 1 2 3] [--set KEY=VALUE ...] --out benches/results/posterior

Runs experiments/trofimova2020.toml once for each patient and seed (phantom patients by number; --ct takes a CT, its labels,
the labels of all vertebrae joined by commas, and the label of one) and gathers their metrics.json: modes against the
reference posterior, calibration, time per image, rivals. --set changes values of the document for all runs (fewer steps,
say). --keep FOLDER keeps the runs there; finished ones are not run again.

Writes OUT.json and OUT.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile

DOCUMENT = "experiments/trofimova2020.toml"


def settings_of(patient, arguments):
    if patient != "ct":
        return [f"phantom.patient={patient}"]
    volume, labels, vertebrae, one = arguments.ct
    return ["phantom=", f"volume.file={os.path.abspath(volume)}", f"volume.labels={os.path.abspath(labels)}",
            f"posterior.contents.1.labels=[{vertebrae}]", f"posterior.contents.2.labels=[{one}]"]


def run(patient, seed, arguments, folder):
    out = os.path.join(folder, f"{patient}-{seed}")
    if not os.path.exists(os.path.join(out, "metrics.json")):
        command = [arguments.regiscope, "run", DOCUMENT, "--out", out, "--quiet", "--set", f"seed={seed}"]
        if os.path.exists(os.path.join(out, "document.toml")):
            command.append("--resume")
        for setting in settings_of(patient, arguments) + arguments.set:
            command += ["--set", setting]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(out, "metrics.json")) as file:
        metrics = json.load(file)
    with open(os.path.join(out, "run.json")) as file:
        record = json.load(file)
    return metrics, record


def case_row(patient, seed, case):
    reference = case["reference"]
    heavy = [m for m in reference["modes"] if m["mass"] >= 0.05]
    return {
        "patient": patient, "seed": seed, "content": case["content"], "noise": case["noise"],
        "modes": len([m for m in case["modes"] if m["mass"] >= 0.05]), "reference_modes": len(heavy),
        "reference_agrees": reference["agree"],
        "f1_5": reference["fine"]["f1"], "f1_10": reference["coarse"]["f1"],
        "mass_error": reference["coarse"]["mass_error"], "invented_mass": reference["coarse"]["invented_mass"],
        "c2st": reference["c2st"], "network_c2st": reference["network_c2st"],
        "mmd2": reference["mmd2"], "network_mmd2": reference["network_mmd2"],
        "network_samples_until_all": reference["network_samples_until_all"],
        "ess": case["ess"], "k_hat": case["k_hat"], "seconds": case["seconds"], "xrays": case["evaluations"],
        "reference_seconds": reference["seconds"],
        "rivals": {r["name"]: {"recall": r["coarse"]["recall"], "precision": r["coarse"]["precision"],
                               "seconds": r["seconds"], "seconds_to_truth": r["seconds_to_truth"]}
                   for r in case["rivals"]},
    }


def mean(values):
    values = [v for v in values if v is not None]
    return statistics.mean(values) if values else float("nan")


def table(results):
    rows = results["cases"]
    lines = ["| content, noise | cases | F1, 10° 10 mm | F1, 5° 5 mm | error of mass | invented mass, one mode (largest) "
             "| C2ST (network alone) | effective samples | s per image |", "|---|---|---|---|---|---|---|---|---|"]
    kinds = sorted({(r["content"], r["noise"]) for r in rows}, key=str)
    for content, noise in kinds:
        of = [r for r in rows if (r["content"], r["noise"]) == (content, noise)]
        single = [r["invented_mass"] for r in of if r["reference_modes"] == 1]
        lines.append(
            f"| {content}, {noise:g} | {len(of)} | {mean([r['f1_10'] for r in of]):.2f} | {mean([r['f1_5'] for r in of]):.2f} "
            f"| {mean([r['mass_error'] for r in of]):.3f} | {f'{max(single):.3f}' if single else '–'} "
            f"| {mean([r['c2st'] for r in of]):.2f} ({mean([r['network_c2st'] for r in of]):.2f}) "
            f"| {mean([r['ess'] for r in of]):.0f} | {mean([r['seconds'] for r in of]):.2f} |")
    lines.append(f"| all | {len(rows)} | {mean([r['f1_10'] for r in rows]):.2f} | {mean([r['f1_5'] for r in rows]):.2f} "
                 f"| {mean([r['mass_error'] for r in rows]):.3f} | | {mean([r['c2st'] for r in rows]):.2f} "
                 f"({mean([r['network_c2st'] for r in rows]):.2f}) | {mean([r['ess'] for r in rows]):.0f} "
                 f"| {mean([r['seconds'] for r in rows]):.2f} |")
    doubtful = sum(not r["reference_agrees"] for r in rows)
    lines += ["", f"References whose two halves disagree: {doubtful} of {len(rows)}. Images with more than one mode of 5 % in "
              f"the reference: {sum(r['reference_modes'] > 1 for r in rows)}.", ""]
    names = sorted({name for r in rows for name in r["rivals"]})
    if names:
        lines += ["| at equal rays per image | recall | precision | truth found within 5° and 5 mm | s to it (median) |",
                  "|---|---|---|---|---|"]
        for name in names:
            of = [r["rivals"][name] for r in rows if name in r["rivals"]]
            found = [r["seconds_to_truth"] for r in of if r["seconds_to_truth"] is not None]
            first = f"{statistics.median(found):.2f}" if found else "–"
            count = f"{len(found)} of {len(of)}" if "start" in name else "–"
            lines.append(f"| {name} | {mean([r['recall'] for r in of]):.2f} | {mean([r['precision'] for r in of]):.2f} "
                         f"| {count} | {first} |")
        lines.append("")
    if results["calibration"]:
        lines += ["| calibration | X-rays | least p of 7 ranks: network → weighted | TARP p | highest density p "
                  "| ECE of masses | not to be trusted |", "|---|---|---|---|---|---|---|"]
        for c in results["calibration"]:
            n, w = c["network"], c["weighted"]
            lines.append(f"| patient {c['patient']}, seed {c['seed']} | {c['cases']} | {n['least_p']:.3f} → {w['least_p']:.3f} "
                         f"| {n['tarp']:.3f} → {w['tarp']:.3f} | {n['highest_density']:.3f} → {w['highest_density']:.3f} "
                         f"| {w['masses']:.3f} | {100 * c['untrusted']:.0f} % |")
        lines.append("")
    return "\n".join(lines)


def calibration_row(patient, seed, calibration):
    def one(of):
        return {"least_p": of["least_p"], "tarp": of["tarp"]["p"], "highest_density": of["highest_density"]["p"],
                "masses": of["masses"]["error"] if of["masses"] else None}
    return {"patient": patient, "seed": seed, "cases": calibration["cases"], "network": one(calibration["network"]),
            "weighted": one(calibration["weighted"]), "untrusted": calibration["untrusted"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regiscope", required=True)
    parser.add_argument("--patients", nargs="*", default=["1", "2"])
    parser.add_argument("--ct", nargs=4, metavar=("CT", "LABELS", "VERTEBRAE", "ONE"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--keep")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    results = {"machine": platform.platform(), "cpus": os.cpu_count(), "set": arguments.set, "cases": [], "calibration": [],
               "training": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or temporary
        os.makedirs(folder, exist_ok=True)
        for patient in arguments.patients + (["ct"] if arguments.ct else []):
            for seed in arguments.seeds:
                metrics, record = run(patient, seed, arguments, folder)
                results["version"] = record["provenance"]["version"]
                results["revision"] = record["provenance"]["revision"]
                results["training"].append({"patient": patient, "seed": seed, **metrics["training"]})
                results["cases"] += [case_row(patient, seed, case) for case in metrics["cases"]]
                if metrics["calibration"]:
                    results["calibration"].append(calibration_row(patient, seed, metrics["calibration"]))
                with open(arguments.out + ".json", "w") as file:
                    json.dump(results, file, indent=1)
                steps = results["training"][-1]["steps"]
                with open(arguments.out + ".md", "w") as file:
                    file.write("# Posteriors over poses against brute force\n\n"
                               f"By `benches/posterior.py` on {os.cpu_count()} cores, revision {results['revision']}, networks of "
                               f"{steps} steps. Modes count from 5 % of mass on.\n\n" + table(results))
    print(table(results))


if __name__ == "__main__":
    main()
