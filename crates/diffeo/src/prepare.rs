//! From two volumes anywhere in the world to the arrays that the solver compares: one grid, one scale of intensities,
//! one mask.

use crate::fault::{ImageFault, check_image};
use crate::frame::{Frame, background};
use crate::intensity::{Scale, histogram_matched, scaled};
use crate::objective::Component;
use crate::real::Real;
use crate::warp::{carry_mask, world_of};
use rayon::prelude::*;
use regiscope_geometry::{AffineMap, Grid, Point};
use regiscope_image::Volume;
use regiscope_image::spline::CubicSpline;
use thiserror::Error;

/// One channel: a fixed image and the moving image of the same kind.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// The image that stands still.
    pub fixed: &'a Volume<f32>,
    /// The image that is deformed onto it.
    pub moving: &'a Volume<f32>,
    /// What the channel counts, relative to the others; positive.
    pub weight: f64,
}

/// How images are prepared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Percentiles of each image that become 0 and 1.
    pub percentiles: [f64; 2],
    /// Whether moving images get the histograms of the fixed ones first.
    pub match_histograms: bool,
    /// Least gap between what stands out at one side of the box and, around it, at the other, voxels.
    pub gap: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { percentiles: [0.0, 100.0], match_histograms: false, gap: 8 }
    }
}

/// What the solver compares.
#[derive(Clone, Debug)]
pub struct Prepared<T> {
    /// The box.
    pub frame: Frame,
    /// Both images of each channel in the box, in [0, 1].
    pub components: Vec<Component<T>>,
    /// Weights of the voxels of the box; `None`: all count.
    pub mask: Option<Vec<T>>,
    /// The scales of each channel's fixed and moving image.
    pub scales: Vec<[Scale; 2]>,
}

/// Why images cannot be prepared.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PrepareError {
    /// There are no channels.
    #[error("there is no image; at least one channel is needed")]
    NoChannel,
    /// An image is unfit.
    #[error("channel {channel}: the {which} image: {fault}")]
    Unfit {
        /// Which channel, from 1.
        channel: usize,
        /// "fixed" or "moving".
        which: &'static str,
        /// What is wrong with it.
        fault: ImageFault,
    },
    /// A fixed image on another grid than that of the first channel.
    #[error(
        "channel {channel}: the fixed image has shape {found:?} or another place than that of channel 1 ({needed:?}); the fixed images of all channels lie on one grid"
    )]
    FixedGrid {
        /// Which channel, from 1.
        channel: usize,
        /// Its shape.
        found: [usize; 3],
        /// The shape of the first channel.
        needed: [usize; 3],
    },
    /// A weight that cannot be.
    #[error("channel {channel}: the weight is {found}; accepted are positive numbers")]
    Weight {
        /// Which channel, from 1.
        channel: usize,
        /// What was found.
        found: f64,
    },
    /// The images do not meet.
    #[error(
        "the fields of view do not meet: {percent:.1} % of the fixed image's voxels fall into the moving image; run the affine stage, which starts from centres of mass, or give a transform that brings the images together"
    )]
    Disjoint {
        /// Percent of the voxels that meet.
        percent: f64,
    },
    /// A mask with another shape than its image, or without voxels.
    #[error("the mask of the {which} image {problem}")]
    Mask {
        /// "fixed" or "moving".
        which: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Part of the fixed image's voxels that must fall into the moving image.
const LEAST_OVERLAP: f64 = 0.02;

/// Prepares channels for the solver: the moving images are carried onto the fixed grid by an affine map (cubic), all
/// are scaled to [0, 1] and put into the box. Where a moving image ends, its background continues; one that fills its
/// field of view up to the border is continued by its border values, which do not count.
pub fn prepare<T: Real>(
    channels: &[Channel],
    [fixed_mask, moving_mask]: [Option<&Volume<bool>>; 2],
    moving_from_fixed: &AffineMap,
    options: &Options,
) -> Result<Prepared<T>, PrepareError> {
    let grid = check(channels)?;
    for (which, mask, image) in [("fixed", fixed_mask, channels[0].fixed), ("moving", moving_mask, channels[0].moving)]
    {
        check_mask(which, mask, image)?;
    }
    let overlap = overlap(grid, channels[0].moving.grid(), moving_from_fixed);
    if overlap < LEAST_OVERLAP {
        return Err(PrepareError::Disjoint { percent: 100.0 * overlap });
    }
    let mut scales = Vec::new();
    let mut fixed = Vec::new();
    let mut moving = Vec::new();
    for (n, channel) in channels.iter().enumerate() {
        let constant =
            |which, value: f32| PrepareError::Unfit { channel: n + 1, which, fault: ImageFault::Constant { value } };
        let matched = match options.match_histograms {
            true => histogram_matched(channel.moving, channel.fixed),
            false => None,
        };
        let source = matched.as_ref().unwrap_or(channel.moving);
        let fixed_scale =
            Scale::of(channel.fixed, options.percentiles).ok_or_else(|| constant("fixed", channel.fixed.data()[0]))?;
        // Matched images are on the fixed image's scale already.
        let moving_scale = match &matched {
            Some(_) => fixed_scale,
            None => Scale::of(source, options.percentiles).ok_or_else(|| constant("moving", source.data()[0]))?,
        };
        fixed.push(scaled(channel.fixed, &fixed_scale));
        moving.push(scaled(source, &moving_scale));
        scales.push([fixed_scale, moving_scale]);
    }

    let ends: Vec<Option<f32>> = moving.iter().map(background).collect();
    let splines: Vec<CubicSpline> = moving.into_iter().map(CubicSpline::new).collect();
    let carried: Vec<Volume<f32>> =
        splines.iter().zip(&ends).map(|(s, end)| carried(s, grid, moving_from_fixed, *end)).collect();
    let all: Vec<&Volume<f32>> = fixed.iter().chain(&carried).collect();
    let frame = Frame::automatic(grid, &all, options.gap);
    let open = fixed.iter().any(|f| background(f).is_none());
    let mut components = Vec::with_capacity(channels.len());
    for (n, (fixed, carried)) in fixed.iter().zip(&carried).enumerate() {
        let moving = match ends[n] {
            // What the moving image holds beyond the fixed one's field of view may be drawn in.
            Some(_) if !frame.is_tight() => self::carried(&splines[n], frame.outer(), moving_from_fixed, ends[n]),
            _ => frame.framed(carried),
        };
        components.push(Component {
            fixed: converted(&frame.framed(fixed)),
            moving: converted(&moving),
            weight: channels[n].weight,
        });
    }

    let closed = !open && ends.iter().all(Option::is_some);
    let mask = (!closed || fixed_mask.is_some() || moving_mask.is_some()).then(|| {
        let own = fixed_mask.cloned().unwrap_or_else(|| Volume::new(grid.clone(), vec![true; grid.len()]));
        let map = |x: &Point| Some(moving_from_fixed.apply(x));
        let theirs = match (moving_mask, ends.iter().all(Option::is_some)) {
            (Some(mask), _) => Some(carry_mask(mask, grid, map)),
            (None, false) => {
                let moving = channels[0].moving.grid();
                let inside = (0..grid.len()).map(|o| is_inside(moving, &moving_from_fixed.apply(&world_of(grid, o))));
                Some(Volume::new(grid.clone(), inside.collect()))
            }
            _ => None,
        };
        let both = |o: usize| own.data()[o] && theirs.as_ref().is_none_or(|t| t.data()[o]);
        let weights = Volume::new(grid.clone(), (0..grid.len()).map(|o| f32::from(u8::from(both(o)))).collect());
        converted(&frame.framed_with(&weights, 0.0))
    });
    if let Some(mask) = &mask
        && mask.iter().all(|m: &T| m.wide() == 0.0)
    {
        return Err(PrepareError::Mask {
            which: "fixed",
            problem: "and the moving image have no voxel in common".into(),
        });
    }
    Ok(Prepared { frame, components, mask: mask.filter(|m: &Vec<T>| m.iter().any(|v| v.wide() < 1.0)), scales })
}

fn check<'a>(channels: &[Channel<'a>]) -> Result<&'a Grid, PrepareError> {
    let first = channels.first().ok_or(PrepareError::NoChannel)?;
    let grid = first.fixed.grid();
    for (n, channel) in channels.iter().enumerate().map(|(n, c)| (n + 1, c)) {
        for (which, image) in [("fixed", channel.fixed), ("moving", channel.moving)] {
            check_image(image).map_err(|fault| PrepareError::Unfit { channel: n, which, fault })?;
        }
        if !same_place(channel.fixed.grid(), grid) {
            let (found, needed) = (channel.fixed.grid().shape(), grid.shape());
            return Err(PrepareError::FixedGrid { channel: n, found, needed });
        }
        if !(channel.weight > 0.0 && channel.weight.is_finite()) {
            return Err(PrepareError::Weight { channel: n, found: channel.weight });
        }
    }
    Ok(grid)
}

/// Whether two grids have one shape and their corners are nearer than a tenth of a voxel.
pub fn same_place(a: &Grid, b: &Grid) -> bool {
    let apart = a.corners().iter().zip(b.corners()).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
    a.shape() == b.shape() && apart <= 0.1 * b.spacing().into_iter().fold(f64::MAX, f64::min)
}

fn check_mask(which: &'static str, mask: Option<&Volume<bool>>, image: &Volume<f32>) -> Result<(), PrepareError> {
    let Some(mask) = mask else { return Ok(()) };
    let (found, needed) = (mask.grid().shape(), image.grid().shape());
    let problem = if found != needed {
        format!("has shape {found:?}, its image {needed:?}")
    } else if mask.data().iter().all(|m| !m) {
        "holds no voxel".to_owned()
    } else {
        return Ok(());
    };
    Err(PrepareError::Mask { which, problem })
}

/// Part of the fixed voxels (on a lattice of every fourth) that fall into the moving image.
fn overlap(fixed: &Grid, moving: &Grid, moving_from_fixed: &AffineMap) -> f64 {
    let [nx, ny, nz] = fixed.shape();
    let (mut all, mut inside) = (0usize, 0usize);
    for k in (0..nz).step_by(4) {
        for j in (0..ny).step_by(4) {
            for i in (0..nx).step_by(4) {
                all += 1;
                let x = fixed.world_from_index(&Point::new(i as f64, j as f64, k as f64));
                inside += usize::from(is_inside(moving, &moving_from_fixed.apply(&x)));
            }
        }
    }
    inside as f64 / all as f64
}

fn is_inside(grid: &Grid, y: &Point) -> bool {
    let index = grid.index_from_world(y);
    (0..3).all(|a| index[a] >= -0.5 && index[a] <= grid.shape()[a] as f64 - 0.5)
}

/// The moving image on a grid; where it ends its background stands, or else its border values continue.
fn carried(source: &CubicSpline, grid: &Grid, moving_from_fixed: &AffineMap, background: Option<f32>) -> Volume<f32> {
    let shape = source.grid().shape();
    let row = grid.shape()[0];
    let mut data = vec![0f32; grid.len()];
    data.par_chunks_mut(row).enumerate().for_each(|(n, values)| {
        for (i, value) in values.iter_mut().enumerate() {
            let y = moving_from_fixed.apply(&world_of(grid, n * row + i));
            let index = source.grid().index_from_world(&y);
            let held = || {
                let clamp = |a: usize| index[a].clamp(0.0, (shape[a] - 1) as f64);
                source.value(&Point::new(clamp(0), clamp(1), clamp(2))).unwrap_or(0.0)
            };
            // The spline may overshoot at steep edges.
            *value = source.value(&index).or(background).unwrap_or_else(held).clamp(0.0, 1.0);
        }
    });
    Volume::new(grid.clone(), data)
}

fn converted<T: Real>(image: &Volume<f32>) -> Vec<T> {
    image.data().iter().map(|v| T::of(f64::from(*v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Vector;
    use regiscope_geometry::nalgebra::Matrix3;

    fn ball(grid: &Grid, centre: [f64; 3], radius: f64) -> Volume<f32> {
        let value = |o: usize| {
            let d = (world_of(grid, o) - Point::from(centre)).norm();
            (200.0 / (1.0 + (2.0 * (d - radius)).exp()) + 10.0) as f32
        };
        Volume::new(grid.clone(), (0..grid.len()).map(value).collect())
    }

    fn grid() -> Grid {
        Grid::centred([22, 24, 26], [1.0; 3]).unwrap()
    }

    fn channel<'a>(fixed: &'a Volume<f32>, moving: &'a Volume<f32>) -> Channel<'a> {
        Channel { fixed, moving, weight: 1.0 }
    }

    #[test]
    fn images_come_to_one_grid_and_scale() {
        let fixed = ball(&grid(), [0.0; 3], 6.0);
        let turned = Matrix3::new(0.0, -1.2, 0.0, 1.2, 0.0, 0.0, 0.0, 0.0, -1.2);
        let elsewhere = Grid::new([26, 26, 26], Point::new(80.0, -15.0, 15.0), turned).unwrap();
        let moving = ball(&elsewhere, [65.0, 0.0, 0.0], 6.0).map(|v| 3.0 * v);
        let map = AffineMap { offset: Vector::new(65.0, 0.0, 0.0), ..AffineMap::IDENTITY };
        let prepared: Prepared<f64> =
            prepare(&[channel(&fixed, &moving)], [None; 2], &map, &Options::default()).unwrap();
        assert!(prepared.mask.is_none());
        assert_eq!(prepared.frame.outer().shape(), [24, 24, 28], "factors of 11 and 13 call for a larger box");
        let component = &prepared.components[0];
        let worst = component.fixed.iter().zip(&component.moving).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 0.05, "{worst}");
        assert_eq!(component.fixed.iter().copied().fold(0.0, f64::max), 1.0);
    }

    #[test]
    fn what_fills_its_field_of_view_is_masked_beyond() {
        let ramp = |grid: &Grid| {
            Volume::new(grid.clone(), (0..grid.len()).map(|o| world_of(grid, o).coords.sum() as f32).collect())
        };
        let (fixed, moving) = (ramp(&grid()), ramp(&Grid::centred([16, 24, 26], [1.0; 3]).unwrap()));
        let prepared: Prepared<f32> =
            prepare(&[channel(&fixed, &moving)], [None; 2], &AffineMap::IDENTITY, &Options::default()).unwrap();
        let mask = prepared.mask.unwrap();
        let counted = mask.iter().filter(|m| **m == 1.0).count();
        assert_eq!(counted, 16 * 24 * 26);
        assert!(prepared.frame.outer().shape().iter().zip(grid().shape()).all(|(o, i)| *o >= i + 8));
    }

    #[test]
    fn masks_join_and_histograms_match() {
        let fixed = ball(&grid(), [0.0; 3], 6.0);
        let moving = fixed.map(|v| 40.0 * v.sqrt());
        let half = fixed.map(|v| *v > 100.0);
        let options = Options { match_histograms: true, ..Options::default() };
        let prepared: Prepared<f64> =
            prepare(&[channel(&fixed, &moving)], [Some(&half), None], &AffineMap::IDENTITY, &options).unwrap();
        let counted = prepared.mask.as_ref().unwrap().iter().filter(|m| **m == 1.0).count();
        assert_eq!(counted, half.data().iter().filter(|m| **m).count());
        let apart = |prepared: &Prepared<f64>| -> f64 {
            let component = &prepared.components[0];
            component.fixed.iter().zip(&component.moving).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let plain = Options { match_histograms: false, ..options };
        let unmatched: Prepared<f64> =
            prepare(&[channel(&fixed, &moving)], [Some(&half), None], &AffineMap::IDENTITY, &plain).unwrap();
        assert!(apart(&prepared) < 0.7 * apart(&unmatched), "{} {}", apart(&prepared), apart(&unmatched));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fixed = ball(&grid(), [0.0; 3], 6.0);
        let other = ball(&Grid::centred([22, 24, 25], [1.0; 3]).unwrap(), [0.0; 3], 6.0);
        let far = AffineMap { offset: Vector::new(500.0, 0.0, 0.0), ..AffineMap::IDENTITY };
        let tell = |channels: &[Channel], masks, map: &AffineMap| {
            prepare::<f32>(channels, masks, map, &Options::default()).unwrap_err().to_string()
        };
        let lie = AffineMap::IDENTITY;
        let one = channel(&fixed, &fixed);
        assert!(tell(&[one], [None; 2], &far).contains("0.0 % of the fixed image's voxels"));
        assert!(tell(&[], [None; 2], &lie).contains("there is no image"));
        assert!(
            tell(&[one, channel(&other, &fixed)], [None; 2], &lie).contains("channel 2: the fixed image has shape")
        );
        assert!(tell(&[Channel { weight: -1.0, ..one }], [None; 2], &lie).contains("the weight is -1"));
        let constant = fixed.map(|_| 2.0);
        assert!(
            tell(&[channel(&fixed, &constant)], [None; 2], &lie)
                .contains("the moving image: every voxel has the value 2")
        );
        let none = fixed.map(|_| false);
        assert!(tell(&[one], [None, Some(&none)], &lie).contains("mask of the moving image holds no voxel"));
        let small = other.map(|_| true);
        assert!(tell(&[one], [Some(&small), None], &lie).contains("has shape [22, 24, 25]"));
    }
}
