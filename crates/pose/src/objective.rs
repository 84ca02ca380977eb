//! The similarity of one level as a function of the pose.

use crate::chart::Chart;
use crate::options::Similarity;
use crate::problem::FixedImage;
use crate::pyramid::{PreparedLevel, Reach};
use crate::similarity::{Compare, Quadratic, compare};
use regiscope_drr::Renderer;
use regiscope_geometry::nalgebra::Matrix6;
use regiscope_geometry::{Point, Rigid, Twist, View};
use std::sync::Arc;

/// One view of one level: what is rendered, and what it is compared with.
pub struct Part<'a> {
    renderer: &'a Renderer,
    view: &'a View,
    compare: Box<dyn Compare>,
    /// Added to what is rendered, at the compared pixels: parts of the scene that do not move.
    background: Option<Vec<f32>>,
}

/// Mean similarity over the views of one level.
#[derive(Clone)]
pub struct Objective<'a> {
    parts: Arc<Vec<Part<'a>>>,
    pivot: Point,
    radius: f64,
    /// Where poses must stay: within the reach of a start.
    home: Option<(Rigid, Reach)>,
}

/// A pose farther from the world origin than this (mm) is not rendered.
const FARTHEST: f64 = 1e6;

/// Whether a pose is made of finite, reasonable numbers.
pub fn usable(pose: &Rigid) -> bool {
    pose.rotation.coords.iter().all(|v| v.is_finite())
        && pose.translation.vector.iter().all(|v| v.abs() <= FARTHEST)
        && (pose.rotation.norm() - 1.0).abs() < 1e-6
}

impl<'a> Objective<'a> {
    /// Prepares the comparison of all views of a level; `None` if a view has nothing to compare.
    pub fn new(level: &'a PreparedLevel, pivot: Point, radius: f64, similarity: Similarity, seed: u64) -> Option<Self> {
        Self::of_views(&level.views, &level.renderer, level.level.ray_fraction, pivot, radius, similarity, seed)
    }

    /// Prepares the comparison of views with what a renderer shows.
    pub fn of_views(
        views: &'a [FixedImage],
        renderer: &'a Renderer,
        ray_fraction: f64,
        pivot: Point,
        radius: f64,
        similarity: Similarity,
        seed: u64,
    ) -> Option<Self> {
        let part = |(n, fixed): (usize, &'a FixedImage)| {
            let seed = seed.wrapping_add(n as u64);
            let compare = compare(similarity, &fixed.image, fixed.mask.as_ref(), ray_fraction, seed)?;
            Some(Part { renderer, view: &fixed.view, compare, background: None })
        };
        let parts = views.iter().enumerate().map(part).collect::<Option<Vec<_>>>()?;
        Some(Self { parts: Arc::new(parts), pivot, radius, home: None })
    }

    /// The same objective for poses within the reach of a start only.
    pub fn around(&self, start: &Rigid, reach: Option<Reach>) -> Self {
        Self { home: reach.map(|reach| (*start, reach)), ..self.clone() }
    }

    /// Whether a pose is rendered at all.
    fn allows(&self, pose: &Rigid) -> bool {
        let near = |(start, reach): &(Rigid, Reach)| {
            (pose * self.pivot - start * self.pivot).norm() <= reach.translation
                && pose.rotation.angle_to(&start.rotation) <= reach.rotation
        };
        usable(pose) && self.home.as_ref().is_none_or(near)
    }

    /// Sets what does not move: `background` is called with each view and its compared pixels.
    pub fn set_background(&mut self, background: impl Fn(&View, &[u32]) -> Vec<f32>) {
        let parts = Arc::get_mut(&mut self.parts).expect("backgrounds change before objectives are shared");
        for part in parts {
            part.background = Some(background(part.view, part.compare.pixels()));
        }
    }

    /// Chart around a pose in this objective's scale.
    pub fn chart(&self, pose: Rigid) -> Chart {
        Chart::new(pose, &self.pivot, self.radius)
    }

    /// Radius (mm) by which rotations become arcs.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// Rays of one evaluation.
    pub fn rays(&self) -> usize {
        self.parts.iter().map(|p| p.compare.pixels().len()).sum()
    }

    /// Whether the volume casts a shadow that varies on the pixels that count of at least one view.
    pub fn sees(&self, pose: &Rigid) -> bool {
        self.allows(pose)
            && self.parts.iter().any(|part| {
                let pixels = part.compare.pixels();
                let shadow = part.renderer.render_pixels(part.view, pose, pixels);
                varies(&shadow)
            })
    }

    /// Mean similarity; `−∞` at poses that are unusable, out of reach or without a shadow in any view: a flat image
    /// has a similarity too, and one that may be above that of a poor match.
    pub fn value(&self, pose: &Rigid) -> f64 {
        if !self.allows(pose) {
            return f64::NEG_INFINITY;
        }
        let (mut value, mut seen) = (0.0, false);
        for part in self.parts.iter() {
            let mut moving = part.renderer.render_pixels(part.view, pose, part.compare.pixels());
            seen |= varies(&moving);
            part.add_background(&mut moving);
            value += part.compare.value(&moving);
        }
        if seen { value / self.parts.len() as f64 } else { f64::NEG_INFINITY }
    }

    /// Mean similarity, as [`Self::value`], and its gradient by the pose twist about the world origin.
    pub fn gradient(&self, pose: &Rigid) -> (f64, Twist) {
        if !self.allows(pose) {
            return (f64::NEG_INFINITY, Twist::zeros());
        }
        let (mut value, mut gradient, mut seen) = (0.0, Twist::zeros(), false);
        for part in self.parts.iter() {
            let (moving, jacobian, shadow) = part.render_with_jacobian(pose);
            seen |= shadow;
            let (s, weights) = part.compare.weights(&moving);
            value += s;
            gradient += crate::similarity::contract(&jacobian, &weights);
        }
        let share = 1.0 / self.parts.len() as f64;
        (if seen { value * share } else { f64::NEG_INFINITY }, gradient * share)
    }

    /// Mean of the views' quadratic models along the pose twist about the world origin; its value is as
    /// [`Self::value`].
    pub fn quadratic(&self, pose: &Rigid) -> Quadratic {
        let mut sum = Quadratic { value: 0.0, gradient: Twist::zeros(), curvature: Matrix6::zeros() };
        if !self.allows(pose) {
            return Quadratic { value: f64::NEG_INFINITY, ..sum };
        }
        let mut seen = false;
        for part in self.parts.iter() {
            let (moving, jacobian, shadow) = part.render_with_jacobian(pose);
            seen |= shadow;
            let one = part.compare.quadratic(&moving, &jacobian);
            sum.value += one.value;
            sum.gradient += one.gradient;
            sum.curvature += one.curvature;
        }
        let share = 1.0 / self.parts.len() as f64;
        let value = if seen { sum.value * share } else { f64::NEG_INFINITY };
        Quadratic { value, gradient: sum.gradient * share, curvature: sum.curvature * share }
    }
}

impl crate::optimise::Surface for Objective<'_> {
    fn value(&self, pose: &Rigid) -> f64 {
        self.value(pose)
    }

    fn quadratic(&self, pose: &Rigid) -> Quadratic {
        self.quadratic(pose)
    }

    fn chart(&self, pose: Rigid) -> Chart {
        self.chart(pose)
    }

    fn radius(&self) -> f64 {
        self.radius()
    }
}

/// Whether an image is not flat.
fn varies(image: &[f32]) -> bool {
    image.windows(2).any(|w| w[0] != w[1])
}

impl Part<'_> {
    /// Image with background, derivative, and whether there is a shadow.
    fn render_with_jacobian(&self, pose: &Rigid) -> (Vec<f32>, Vec<[f32; 6]>, bool) {
        let (mut moving, jacobian) = self.renderer.render_pixels_with_jacobian(self.view, pose, self.compare.pixels());
        let shadow = varies(&moving);
        self.add_background(&mut moving);
        (moving, jacobian, shadow)
    }

    fn add_background(&self, moving: &mut [f32]) {
        if let Some(background) = &self.background {
            moving.iter_mut().zip(background).for_each(|(m, b)| *m += b);
        }
    }
}
