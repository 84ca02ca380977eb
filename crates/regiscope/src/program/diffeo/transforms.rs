//! Transforms from files, and the commands from transforms to transforms.

use crate::program::args::diffeo::{ComposeArgs, InvertArgs, JacobianArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_diffeo::warp::{
    Chain, Determinants, FlowMap, PointMap, determinant, field_of, inverse, inverse_of_map, log_determinant,
};
use regiscope_geometry::itk_transform::Transform;
use regiscope_geometry::itk_transform_file::{self, TransformFile};
use regiscope_geometry::{AffineMap, Grid, Point};
use regiscope_image::{Volume, read_header, read_image, read_volume, write_nifti_displacements, write_volume};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Reads transforms that follow one another, the first one first.
pub fn chain(paths: &[PathBuf]) -> Result<Chain, Failure> {
    Ok(Chain { maps: paths.iter().map(|p| map(p)).collect::<Result<_, _>>()? })
}

/// The way back: every transform inverted, the last one first.
pub fn inverted(chain: Chain, paths: &[PathBuf]) -> Result<Chain, Failure> {
    let one = |(map, path): (PointMap, &PathBuf)| match map {
        PointMap::Affine(map) => map.inverse().map(PointMap::Affine).ok_or_else(|| singular(path)),
        PointMap::Flow(flow) => Ok(PointMap::Flow(flow.inverse())),
        PointMap::Field(_) => Err(Failure::file(
            path,
            "--inverse takes affine transforms and folders of runs; a displacement field is inverted by `diffeo invert`",
        )),
    };
    let mut maps = chain.maps.into_iter().zip(paths).map(one).collect::<Result<Vec<_>, _>>()?;
    maps.reverse();
    Ok(Chain { maps })
}

fn singular(path: &Path) -> Failure {
    Failure::file(path, "its matrix is singular, so it has no inverse")
}

/// The map of a run's folder: the flow of its velocity and the affine map after it.
fn flow(folder: &Path) -> Result<FlowMap, Failure> {
    let (velocity, affine) = (folder.join("velocity.nii.gz"), folder.join("affine.tfm"));
    let file = itk_transform_file::read(&affine).map_err(|e| Failure::file(&affine, e))?;
    let map = file.map().map_err(|e| Failure::file(&affine, e))?;
    FlowMap::new(&field(&velocity)?, map).ok_or_else(|| singular(&affine))
}

/// Reads one transform: the folder of a run, a displacement field, or an ITK transform file by its ending.
pub fn map(path: &Path) -> Result<PointMap, Failure> {
    if path.is_dir() {
        return flow(path).map(PointMap::Flow);
    }
    let name = path.to_string_lossy().to_ascii_lowercase();
    if [".tfm", ".txt", ".mat"].iter().any(|ending| name.ends_with(ending)) {
        let file = itk_transform_file::read(path).map_err(|e| Failure::file(path, e))?;
        return file.map().map(PointMap::Affine).map_err(|e| Failure::file(path, e));
    }
    field(path).map(PointMap::Field)
}

/// Reads a displacement field with finite displacements.
pub fn field(path: &Path) -> Result<Volume<[f32; 3]>, Failure> {
    let image = read_image(path).map_err(|e| Failure::file(path, e))?;
    let field = image.into_displacements().map_err(|e| Failure::file(path, e))?;
    match field.data().iter().filter(|u| u.iter().any(|v| !v.is_finite())).count() {
        0 => Ok(field),
        count => {
            Err(Failure::file(path, format!("{count} displacements are NaN or infinite; accepted are finite ones")))
        }
    }
}

/// The grid of an image.
pub fn grid(path: &Path) -> Result<Grid, Failure> {
    Ok(read_header(path).map_err(|e| Failure::file(path, e))?.grid)
}

/// The chain as one affine map, where all its parts are.
fn affine(chain: &Chain) -> Option<AffineMap> {
    chain.maps.iter().try_fold(AffineMap::IDENTITY, |all, map| match map {
        PointMap::Affine(map) => Some(map.after(&all)),
        PointMap::Field(_) | PointMap::Flow(_) => None,
    })
}

fn is_transform_file(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tfm") || e.eq_ignore_ascii_case("txt"))
}

fn write_affine(path: &Path, map: &AffineMap) -> Result<(), Failure> {
    let transforms = vec![Transform::affine(map, &Point::origin())];
    itk_transform_file::write(path, &TransformFile { transforms, composite: None }).map_err(|e| Failure::file(path, e))
}

fn write_field(path: &Path, field: &Volume<[f32; 3]>) -> Result<(), Failure> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    if !(name.ends_with(".nii") || name.ends_with(".nii.gz")) {
        return Err(Failure::file(path, "a displacement field is written as .nii or .nii.gz"));
    }
    write_nifti_displacements(path, field).map_err(|e| Failure::file(path, e))
}

/// `regiscope diffeo invert`.
pub fn invert(arguments: InvertArgs, output: Output) -> Result<Ending, Failure> {
    let target = arguments.grid.as_deref().map(grid).transpose()?;
    let singular = || singular(&arguments.transform);
    let (unreached, residual) = match map(&arguments.transform)? {
        PointMap::Affine(map) => {
            match &target {
                _ if is_transform_file(&arguments.out) => {
                    write_affine(&arguments.out, &map.inverse().ok_or_else(singular)?)?;
                }
                Some(grid) => write_field(&arguments.out, &inverse_of_map(&map, grid).ok_or_else(singular)?)?,
                None => {
                    let reason = "an affine transform is inverted into a .tfm file, or with --grid into a field";
                    return Err(Failure::file(&arguments.out, reason));
                }
            }
            (0.0, 0.0)
        }
        PointMap::Field(field) => {
            let found = inverse(&field, target.as_ref().unwrap_or(field.grid()));
            write_field(&arguments.out, &found.field)?;
            (found.unreached, found.residual_mm)
        }
        PointMap::Flow(flow) => {
            let reason = "the flow of a run is inverted into a field; --grid says at which voxels";
            let grid = target.as_ref().ok_or_else(|| Failure::file(&arguments.out, reason))?;
            let back = flow.inverse();
            write_field(&arguments.out, &field_of(grid, |y| back.apply(y)))?;
            (0.0, 0.0)
        }
    };
    if unreached > 0.0 {
        let percent = 100.0 * unreached;
        output.note(format_args!(
            "note: {percent:.1} % of the grid lies beyond what the field reaches; there stands its affine part, inverted"
        ));
    }
    let value = json!({"out": arguments.out, "unreached": unreached, "residual_mm": residual});
    output.result(&value, || {
        format!("{}: residual at most {residual:.1e} mm where the field reaches", arguments.out.display())
    })?;
    Ok(Ending::Done)
}

/// `regiscope diffeo compose`.
pub fn compose(arguments: ComposeArgs, output: Output) -> Result<Ending, Failure> {
    let chain = chain(&arguments.transform)?;
    let target = arguments.grid.as_deref().map(grid).transpose()?;
    let lost = if is_transform_file(&arguments.out) {
        let reason = "displacement fields are joined to a field (.nii or .nii.gz), not to a transform file";
        write_affine(&arguments.out, &affine(&chain).ok_or_else(|| Failure::file(&arguments.out, reason))?)?;
        0.0
    } else {
        let reason = "affine transforms are joined to a .tfm file, or with --grid to a field";
        let grid = target.as_ref().or_else(|| chain.grid()).ok_or_else(|| Failure::file(&arguments.out, reason))?;
        let (field, lost) = chain.field_on(grid);
        write_field(&arguments.out, &field)?;
        lost as f64 / grid.len() as f64
    };
    if lost > 0.0 {
        let percent = 100.0 * lost;
        output.note(format_args!(
            "note: {percent:.1} % of the points leave a field on their way; that field does not move them"
        ));
    }
    let value = json!({"out": arguments.out, "outside": lost});
    output.result(&value, || format!("{}: {} transforms joined", arguments.out.display(), chain.maps.len()))?;
    Ok(Ending::Done)
}

/// A mask on the grid of something.
pub fn mask_on(path: Option<&Path>, grid: &Grid) -> Result<Option<Volume<bool>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let mask = read_volume(path).map_err(|e| Failure::file(path, e))?.volume.map(|v| *v != 0.0 && v.is_finite());
    if mask.grid().shape() != grid.shape() {
        let reason = format!("the mask has shape {:?}; needed is {:?}", mask.grid().shape(), grid.shape());
        return Err(Failure::file(path, reason));
    }
    match mask.data().contains(&true) {
        true => Ok(Some(mask)),
        false => Err(Failure::file(path, "every voxel is 0; a mask holds at least one voxel that counts")),
    }
}

/// `regiscope diffeo jacobian`.
pub fn jacobian(arguments: JacobianArgs, output: Output) -> Result<Ending, Failure> {
    let field = field(&arguments.transform)?;
    let mask = mask_on(arguments.mask.as_deref(), field.grid())?;
    let found = determinant(&field);
    let spread = Determinants::of(&found, mask.as_ref()).expect("a mask holds voxels");
    let written = match arguments.log {
        true => log_determinant(&found).map_err(|e| Failure::file(&arguments.transform, e))?,
        false => found,
    };
    write_volume(&arguments.out, &written).map_err(|e| Failure::file(&arguments.out, e))?;
    let value = json!({"out": arguments.out, "det_f": spread});
    output.result(&value, || {
        format!(
            "{}: det F from {:.4} to {:.4}, median {:.4}; {:.2} % folded",
            arguments.out.display(),
            spread.min,
            spread.max,
            spread.median,
            100.0 * spread.folded
        )
    })?;
    Ok(Ending::Done)
}
