"""Checks with SimpleITK that ITK applies what `regiscope diffeo register` writes: resampling the moving volume with
displacement.nii.gz gives warped.nii.gz, inverse_displacement.nii.gz carries the fixed volume as `regiscope diffeo apply`
does, and one leads back from the other.

    python3 benches/diffeo_itk.py --regiscope target/release/regiscope --out benches/results/diffeo_itk.json
    python3 benches/diffeo_itk.py --run runs/brain --moving b.nii.gz

The first makes a pair of volumes on different grids, with different spacings and oblique orientations, and registers it;
the second takes a run of yours. Volumes are compared where the map stays two voxels inside the moving one, since ITK and
this program continue splines differently beyond borders; differences are fractions of the volume's range. With --case it
prints the small case whose values `crates/diffeo/src/warp/carry.rs` keeps."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

# ITK and this program may differ by the rounding of single precision, as fractions of the range.
ACCEPTED = {"mean": 1e-6, "max": 1e-5}


def transform_of(path):
    return sitk.DisplacementFieldTransform(sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkVectorFloat64))


def resampled(moving, reference, transform, interpolator):
    return sitk.Resample(sitk.Cast(moving, sitk.sitkFloat64), reference, transform, interpolator, 0.0)


def inside(source, reference, transform, voxels=2):
    """Which voxels of the reference are carried so many voxels inside the source."""
    ones = sitk.Image(source.GetSize(), sitk.sitkFloat64) + 1.0
    ones.CopyInformation(source)
    array = sitk.GetArrayFromImage(ones)
    edge = np.zeros_like(array)
    edge[(slice(voxels, -voxels),) * 3] = 1.0
    kept = sitk.GetImageFromArray(edge)
    kept.CopyInformation(source)
    return sitk.GetArrayFromImage(resampled(kept, reference, transform, sitk.sitkLinear)) > 0.999


def difference(theirs, ours, where):
    a, b = sitk.GetArrayFromImage(theirs), sitk.GetArrayFromImage(ours)
    apart = np.abs(a - b)[where] / np.ptp(b)
    return {"mean": float(apart.mean()), "max": float(apart.max()), "voxels": int(where.sum())}


def check(run, moving):
    """The figures of a run."""
    run = Path(run)
    warped, moving = sitk.ReadImage(str(run / "warped.nii.gz")), sitk.ReadImage(str(moving))
    forward = transform_of(run / "displacement.nii.gz")
    theirs = resampled(moving, warped, forward, sitk.sitkBSpline3)
    found = {"warped_difference_of_range": difference(theirs, warped, inside(moving, warped, forward))}
    inverse = transform_of(run / "inverse_displacement.nii.gz")
    size, voxel = warped.GetSize(), min(warped.GetSpacing())
    random = np.random.default_rng(1)
    errors = []
    for index in random.uniform(0.2, 0.8, (5000, 3)) * (np.array(size) - 1):
        x = warped.TransformContinuousIndexToPhysicalPoint(index.tolist())
        errors.append(np.linalg.norm(np.subtract(inverse.TransformPoint(forward.TransformPoint(x)), x)) / voxel)
    found["inverse_of_forward_voxels"] = {"mean": float(np.mean(errors)), "max": float(np.max(errors))}
    return found


def turn(axis, angle):
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def scene(p):
    """Blobs in a soft ellipsoid; p in mm, last axis."""
    blob = lambda c, r: np.exp(-(((p - c) / r) ** 2).sum(-1))
    body = 1 / (1 + np.exp(8 * (np.linalg.norm(p / [44, 54, 40], axis=-1) - 1)))
    return 100 * body + 60 * blob([14, 20, 8], [10, 13, 9]) - 70 * blob([-16, -9, 12], [9, 18, 7]) + 50 * blob([4, -28, -14], [15, 9, 7])


def volume(size, spacing, direction, value, centre=np.zeros(3)):
    """A volume whose voxels hold the value of their place, about a centre."""
    axes = direction * spacing
    index = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1)
    origin = centre - axes @ ((np.array(size) - 1) / 2)
    image = sitk.GetImageFromArray(value(index @ axes.T + origin).astype(np.float32).transpose(2, 1, 0))
    image.SetSpacing(spacing)
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    return image


def oblique_pair(folder):
    """Two volumes of one scene, the moving one bent, turned, shifted and on another grid."""
    axis = np.array([2, -1, 2]) / 3
    bend = lambda p: p + 4 * np.sin(p[..., [1, 2, 0]] / 16)
    rotation, shift = turn(axis, 0.25), np.array([30.0, -12.0, 55.0])
    fixed = volume((44, 56, 40), (2.4, 2.2, 2.6), turn(axis, -0.4), scene)
    swapped = turn(axis, 0.7) @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=float)
    moving = volume((38, 48, 58), (3.0, 2.5, 2.3), swapped, lambda q: scene(bend((q - shift) @ rotation)), shift)
    sitk.WriteImage(fixed, str(folder / "fixed.nii.gz"))
    sitk.WriteImage(moving, str(folder / "moving.nii.gz"))


def oblique(regiscope):
    """Registers the oblique pair and checks all that ITK can apply."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        oblique_pair(folder)
        do = lambda *words: subprocess.run([regiscope, "diffeo", *words], cwd=folder, check=True, capture_output=True)
        do("register", "--fixed", "fixed.nii.gz", "--moving", "moving.nii.gz", "--preset", "fast", "--out", "run")
        found = check(folder / "run", folder / "moving.nii.gz")
        metrics = json.loads((folder / "run/metrics.json").read_text())
        found["relative_mismatch"] = metrics["relative_mismatch"]
        back = "run/inverse_displacement.nii.gz"
        do("apply", "--transform", back, "--image", "fixed.nii.gz", "--out", "back.nii.gz")
        fixed, ours = (sitk.ReadImage(str(folder / f)) for f in ("fixed.nii.gz", "back.nii.gz"))
        transform = transform_of(folder / back)
        theirs = resampled(fixed, ours, transform, sitk.sitkBSpline3)
        found["fixed_carried_back_difference_of_range"] = difference(theirs, ours, inside(fixed, ours, transform))
        # The affine stage alone, as an ITK transform file.
        do("apply", "--transform", "run/affine.tfm", "--image", "moving.nii.gz", "--reference", "fixed.nii.gz", "--out", "affine.nii.gz")
        affine, moving = sitk.ReadTransform(str(folder / "run/affine.tfm")), sitk.ReadImage(str(folder / "moving.nii.gz"))
        ours = sitk.ReadImage(str(folder / "affine.nii.gz"))
        theirs = resampled(moving, ours, affine, sitk.sitkBSpline3)
        found["affine_difference_of_range"] = difference(theirs, ours, inside(moving, ours, affine))
    return found


def case():
    size = (9, 8, 7)
    direction = (0, -1, 0, 1, 0, 0, 0, 0, 1)
    x, y, z = np.meshgrid(*(np.arange(n) for n in size), indexing="ij")
    moving = sitk.GetImageFromArray(np.transpose((x * 7 + y * 13 + z * 29) % 11 * 10.0))
    moving.SetSpacing((1.5, 2.0, 2.5))
    moving.SetOrigin((10.0, -20.0, 30.0))
    moving.SetDirection(direction)
    u = np.stack([0.8 * np.sin(0.5 * y), -0.6 + 0.1 * x, 0.2 * z - 0.3 * y / 7], axis=-1)
    field = sitk.GetImageFromArray(np.transpose(u, (2, 1, 0, 3)), isVector=True)
    field.CopyInformation(moving)
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    for name, interpolator in [("linear", sitk.sitkLinear), ("cubic", sitk.sitkBSpline3), ("nearest", sitk.sitkNearestNeighbor)]:
        out = resampled(moving, moving, transform, interpolator)
        print(name, [round(out[p], 6) for p in [(3, 3, 3), (4, 4, 2), (5, 3, 4), (2, 5, 3)]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regiscope", help="the program: registers an oblique pair and checks it")
    parser.add_argument("--run", help="folder that `regiscope diffeo register` wrote")
    parser.add_argument("--moving", help="the moving volume of that run")
    parser.add_argument("--out", help="file for the figures")
    parser.add_argument("--case", action="store_true", help="print the values of the small case")
    arguments = parser.parse_args()
    if arguments.case:
        case()
    figures = {"simpleitk": sitk.Version().VersionString()}
    if arguments.regiscope:
        figures["oblique_pair"] = oblique(str(Path(arguments.regiscope).resolve()))
    if arguments.run:
        figures["run"] = check(arguments.run, arguments.moving)
    if len(figures) > 1:
        print(json.dumps(figures, indent=1))
    if arguments.out:
        partial = Path(arguments.out).with_suffix(".partial")
        partial.write_text(json.dumps(figures, indent=1) + "\n")
        partial.replace(arguments.out)
    compared = [v for part in figures.values() if isinstance(part, dict) for k, v in part.items() if k.endswith("of_range")]
    if any(v[key] > limit for v in compared for key, limit in ACCEPTED.items()):
        sys.exit("ITK and this program differ by more than rounding")


if __name__ == "__main__":
    main()
