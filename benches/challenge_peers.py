#!/usr/bin/env python3
"""HD95, NSD, DSC and ASSD of a pair of masks by PyPI `surface-distance` and MONAI: core-seconds and values.

The pair is that of `benches/challenge.rs`. A peer that is not installed is named as missing. One thread each.
"""
import argparse
import json
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

SHAPE, SPACING, TOLERANCE = (512, 512, 133), (0.7, 0.7, 2.5), 2.0


def ellipsoid(centre, radius):
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    d = sum(((i * s - c) / r) ** 2 for i, s, c, r in zip((x, y, z), SPACING, centre, radius))
    return d < 1.0 + 0.05 * (np.sin(x * 0.11) + np.sin(y * 0.13))


def surface_distance(a, b):
    if not hasattr(np, "Inf"):  # the package is older than NumPy 2
        np.Inf, np.NaN, np.bool = np.inf, np.nan, np.bool_
    from scipy import ndimage

    for name, module in (("filters", ndimage), ("morphology", ndimage)):
        if not hasattr(ndimage, name):
            setattr(ndimage, name, module)
    import surface_distance as sd

    found = sd.compute_surface_distances(a, b, SPACING)
    return [
        float(sd.compute_robust_hausdorff(found, 95)),
        float(sd.compute_surface_dice_at_tolerance(found, TOLERANCE)),
        float(sd.compute_dice_coefficient(a, b)),
        [float(v) for v in sd.compute_average_surface_distance(found)],
    ]


def monai(a, b):
    import torch
    from monai import metrics

    torch.set_num_threads(1)
    a, b = (torch.from_numpy(m)[None, None].float() for m in (a, b))
    return [
        metrics.compute_hausdorff_distance(b, a, include_background=True, percentile=95, spacing=SPACING).item(),
        metrics.compute_surface_dice(b, a, [TOLERANCE], include_background=True, spacing=SPACING).item(),
        metrics.compute_dice(b, a, include_background=True).item(),
        metrics.compute_average_surface_distance(
            b, a, include_background=True, symmetric=True, spacing=SPACING
        ).item(),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--times", type=int, default=3)
    out = parser.parse_args()
    a = ellipsoid((180.0, 180.0, 165.0), (120.0, 100.0, 120.0))
    b = ellipsoid((184.0, 178.0, 167.0), (118.0, 104.0, 118.0))
    rows = []
    for name, peer in (("surface-distance", surface_distance), ("MONAI", monai)):
        try:
            seconds = []
            for _ in range(out.times):
                start = time.process_time()
                values = peer(a, b)
                seconds.append(time.process_time() - start)
            seconds.sort()
            row = {"peer": name, "core_s": seconds[len(seconds) // 2], "range": [seconds[0], seconds[-1]]}
            rows.append({**row, "values": values})
        except ImportError as missing:
            rows.append({"peer": name, "missing": str(missing)})
        print(rows[-1], flush=True)
    with open(out.out, "w") as file:
        json.dump({"shape": SHAPE, "spacing_mm": SPACING, "rows": rows}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
