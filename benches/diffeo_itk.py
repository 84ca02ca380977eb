"""Checks with SimpleITK that ITK applies what `regiscope diffeo register` writes: resampling the moving volume with
displacement.nii.gz gives warped.nii.gz, and inverse_displacement.nii.gz leads back.

    python3 benches/diffeo_itk.py --run runs/brain --moving b.nii.gz

With --case it prints the small case whose values `crates/diffeo/src/warp/carry.rs` keeps."""

import argparse
import json

import numpy as np
import SimpleITK as sitk


def resampled(moving, reference, displacement, interpolator):
    transform = sitk.DisplacementFieldTransform(sitk.Cast(displacement, sitk.sitkVectorFloat64))
    return sitk.Resample(sitk.Cast(moving, sitk.sitkFloat64), reference, transform, interpolator, 0.0)


def check(run, moving):
    warped = sitk.ReadImage(f"{run}/warped.nii.gz")
    displacement = sitk.ReadImage(f"{run}/displacement.nii.gz")
    theirs = sitk.GetArrayFromImage(resampled(sitk.ReadImage(moving), warped, displacement, sitk.sitkBSpline3))
    ours = sitk.GetArrayFromImage(warped)
    scale = np.ptp(ours)
    apart = np.abs(theirs - ours)[2:-2, 2:-2, 2:-2] / scale
    back = sitk.ReadImage(f"{run}/inverse_displacement.nii.gz")
    inverse = sitk.DisplacementFieldTransform(sitk.Cast(back, sitk.sitkVectorFloat64))
    forward = sitk.DisplacementFieldTransform(sitk.Cast(sitk.ReadImage(f"{run}/displacement.nii.gz"), sitk.sitkVectorFloat64))
    size, voxel = warped.GetSize(), min(warped.GetSpacing())
    random = np.random.default_rng(1)
    errors = []
    for index in random.uniform(0.2, 0.8, (5000, 3)) * (np.array(size) - 1):
        x = warped.TransformContinuousIndexToPhysicalPoint(index.tolist())
        errors.append(np.linalg.norm(np.subtract(inverse.TransformPoint(forward.TransformPoint(x)), x)) / voxel)
    print(json.dumps({
        "simpleitk": sitk.Version().VersionString(),
        "warped_difference_of_range": {"mean": float(apart.mean()), "max": float(apart.max())},
        "inverse_of_forward_voxels": {"mean": float(np.mean(errors)), "max": float(np.max(errors))},
    }, indent=1))


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
    for name, interpolator in [("linear", sitk.sitkLinear), ("cubic", sitk.sitkBSpline3), ("nearest", sitk.sitkNearestNeighbor)]:
        out = resampled(moving, moving, field, interpolator)
        print(name, [round(out[p], 6) for p in [(3, 3, 3), (4, 4, 2), (5, 3, 4), (2, 5, 3)]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="folder that `regiscope diffeo register` wrote")
    parser.add_argument("--moving", help="the moving volume of that run")
    parser.add_argument("--case", action="store_true", help="print the values of the small case")
    arguments = parser.parse_args()
    if arguments.case:
        case()
    if arguments.run:
        check(arguments.run, arguments.moving)
