"""Prints the affines and values that nibabel gives for the headers in src/nifti/tests.rs.

pip install nibabel numpy; python nibabel_figures.py
"""
import nibabel as nib
import numpy as np

nib.imageglobals.logger.setLevel(100)
OBLIQUE = [[0.5, -0.25, 1.0, -10.5], [0.125, 0.75, 0.3, 20.25], [-0.1, 0.2, 2.0, 30.125]]
QUATERN = (0.1, -0.2, 0.3)
CASES = [
    # name, version, dim, sform code, qform code, pixdim[0:4], quatern
    ("sform before qform", 1, (4, 3, 2), 2, 1, (-1, 0.7, 0.8, 2.5), QUATERN),
    ("qform", 1, (4, 3, 2), 0, 1, (1, 0.7, 0.8, 2.5), QUATERN),
    ("qfac -1", 1, (4, 3, 2), 0, 3, (-1, 0.7, 0.8, 2.5), QUATERN),
    ("qfac 0", 1, (4, 3, 2), 0, 3, (0, 0.7, 0.8, 2.5), QUATERN),
    ("half turn", 1, (4, 3, 2), 0, 1, (1, 0.7, 0.8, 2.5), (0.6, 0.8, 0.0)),
    ("nearly a half turn", 1, (4, 3, 2), 0, 1, (1, 0.7, 0.8, 2.5), (0.6, 0.79999, 0.0)),
    ("pixdim", 1, (4, 3, 2), 0, 0, (1, 0.7, 0.8, 2.5), QUATERN),
    ("pixdim, negative", 1, (4, 3, 2), 0, 0, (1, -0.7, 0.8, 2.5), QUATERN),
    ("pixdim, two axes", 1, (4, 3), 0, 0, (1, 0.7, 0.8, 2.5), QUATERN),
    ("unknown sform code", 1, (4, 3, 2), 17, 1, (1, 0.7, 0.8, 2.5), QUATERN),
    ("NIfTI-2 sform", 2, (4, 3, 2), 1, 1, (1, 0.7, 0.8, 2.5), QUATERN),
    ("NIfTI-2 qform", 2, (4, 3, 2), 0, 1, (-1, 0.7, 0.8, 2.5), QUATERN),
]
print("nibabel", nib.__version__)
for name, version, dim, sform, qform, pixdim, quatern in CASES:
    header = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)()
    header.set_data_shape(dim)
    header["pixdim"][:4] = pixdim
    header["sform_code"], header["qform_code"] = sform, qform
    header["srow_x"], header["srow_y"], header["srow_z"] = OBLIQUE
    header["quatern_b"], header["quatern_c"], header["quatern_d"] = quatern
    header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = (-11.5, 12.25, 13.75)
    header = type(header)(header.binaryblock)  # with nibabel's checks and repairs
    print(name, header.get_best_affine()[:3].tolist())

for slope, inter in [(0.1, -1024.5), (0.0, 7.0), (float("nan"), 7.0), (1.0, 0.5), (-2.0, 0.0)]:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((4,))
    header["scl_slope"], header["scl_inter"], header["magic"] = slope, inter, b"n+1"
    header["vox_offset"] = 352
    stored = np.array([-32768, -1, 3, 32767], "<i2")
    image = nib.Nifti1Image.from_bytes(header.binaryblock + bytes(4) + stored.tobytes())
    print((slope, inter), image.get_fdata().tolist())
