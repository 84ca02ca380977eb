//! A small writer of charts as inline SVG. Colours are CSS variables of the report's page, so that charts follow
//! light and dark.

use super::canvas::{escape, line, text};
use std::fmt::Write;

/// The part of the data that an axis shows, and how.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is on it, with its unit.
    pub label: String,
    /// From … to.
    pub range: [f64; 2],
    /// Whether it is logarithmic; the range is then positive.
    pub log: bool,
}

impl Axis {
    /// A linear axis around the values, with 5 % of room; values that are not finite are left out.
    pub fn linear(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let [low, high] = extent(values);
        let room = if high > low { 0.05 * (high - low) } else { 0.5 * low.abs().max(1e-9) };
        Self { label: label.to_owned(), range: [low - room, high + room], log: false }
    }

    /// An axis that shows exactly a range.
    pub fn exact(label: &str, range: [f64; 2]) -> Self {
        Self { label: label.to_owned(), range, log: false }
    }

    /// A logarithmic axis around the positive values.
    pub fn log(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let [low, high] = extent(values.filter(|v| *v > 0.0));
        let (low, high) = if low > 0.0 { (low, high) } else { (0.1, 1.0) };
        Self { label: label.to_owned(), range: [low / 1.3, high * 1.3], log: true }
    }

    /// Position of a value along the axis, 0 to 1 inside the range.
    pub fn at(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        if self.log { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) }
    }

    /// Values that get a tick, with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let [low, high] = self.range;
        if self.log {
            let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
            let steps: &[f64] = match (high / low).log10() {
                decades if decades > 2.5 => &[1.0],
                decades if decades > 0.8 => &[1.0, 2.0, 5.0],
                _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            };
            let values = decades.flat_map(|d| steps.iter().map(move |s| s * 10f64.powi(d)));
            return values.filter(|v| (low..=high).contains(v)).map(|v| (v, short(v))).collect();
        }
        let rough = (high - low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= rough * 0.999).unwrap_or(power);
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        (first..=last.min(first + 20)).map(|n| (n as f64 * step, plain(n as f64 * step, step))).collect()
    }
}

/// Smallest and largest finite value; `[0, 1]` if there is none.
pub fn extent(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let [low, high] = values
        .filter(|v| v.is_finite())
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
    if low <= high { [low, high] } else { [0.0, 1.0] }
}

/// A number with as many decimals as the step needs, with a true minus sign.
fn plain(value: f64, step: f64) -> String {
    let decimals = (-step.abs().log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

/// A number of two figures, as a tick of a logarithmic axis has it.
fn short(value: f64) -> String {
    let one = plain(value, value);
    let exact = one.parse::<f64>().is_ok_and(|shown| (shown - value).abs() < 1e-3 * value);
    if exact { one } else { plain(value, 0.1 * value) }
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend; empty is left out.
    pub name: String,
    /// CSS colour.
    pub colour: String,
    /// How it is drawn.
    pub mark: Mark,
    /// (x, y); points that are not finite break a line.
    pub points: Vec<(f64, f64)>,
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A line of this width, px, and opacity.
    Line(f64, f64),
    /// A dashed line.
    Dashes,
    /// Dots.
    Dots,
    /// Small dots, for many.
    #[cfg_attr(not(feature = "networks"), expect(dead_code, reason = "only clouds of poses have so many"))]
    Points,
    /// Crosses, for what failed.
    Crosses,
}

/// A picture under the data, in data coordinates.
#[derive(Clone, Debug)]
pub struct Backdrop {
    /// `data:` address of a PNG.
    pub png: String,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Title above the plot; may be empty.
    pub title: String,
    /// Width and height of the whole, px.
    pub size: [f64; 2],
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// A picture that fills the plot.
    pub backdrop: Option<Backdrop>,
    /// What is drawn, first below.
    pub series: Vec<Series>,
}

impl Chart {
    /// The chart as an `<svg>` element.
    pub fn svg(&self) -> String {
        let [width, height] = self.size;
        let legend: Vec<&Series> = self.series.iter().filter(|s| !s.name.is_empty()).collect();
        let (left, right, bottom) = (58.0, 14.0, 44.0);
        let top = 12.0 + if self.title.is_empty() { 0.0 } else { 18.0 } + if legend.is_empty() { 0.0 } else { 20.0 };
        let (w, h) = (width - left - right, height - top - bottom);
        let px = |x: f64| left + w * self.x.at(x);
        let py = |y: f64| top + h * (1.0 - self.y.at(y));
        let mut out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">",
            escape(if self.title.is_empty() { &self.y.label } else { &self.title })
        );
        if !self.title.is_empty() {
            text(&mut out, left + 0.5 * w, 18.0, "middle", "title", &self.title);
        }
        if let Some(Backdrop { png }) = &self.backdrop {
            // Writing to a String cannot fail.
            let _ = write!(
                out,
                "<image href=\"{png}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\"/>"
            );
        }
        self.axes(&mut out, [left, top, w, h]);
        for series in &self.series {
            draw(&mut out, series, &px, &py, [left, top, w, h]);
        }
        let mut x = left;
        for series in legend {
            let y = top - 10.0;
            let sample = Series { points: vec![(x, y), (x + 16.0, y)], ..series.clone() };
            let sample = match series.mark {
                Mark::Dots | Mark::Points | Mark::Crosses => Series { points: vec![(x + 8.0, y)], ..sample },
                _ => sample,
            };
            draw(&mut out, &sample, &|v| v, &|v| v, [0.0, 0.0, width, height]);
            text(&mut out, x + 21.0, y + 4.0, "start", "", &series.name);
            x += 34.0 + 7.2 * series.name.chars().count() as f64;
        }
        out.push_str("</svg>");
        out
    }

    fn axes(&self, out: &mut String, [left, top, w, h]: [f64; 4]) {
        for (value, label) in self.x.ticks() {
            let x = left + w * self.x.at(value);
            if self.backdrop.is_none() {
                line(out, [x, top, x, top + h], "class=\"grid\"");
            }
            line(out, [x, top + h, x, top + h + 4.0], "class=\"axis\"");
            text(out, x, top + h + 17.0, "middle", "", &label);
        }
        for (value, label) in self.y.ticks() {
            let y = top + h * (1.0 - self.y.at(value));
            if self.backdrop.is_none() {
                line(out, [left, y, left + w, y], "class=\"grid\"");
            }
            line(out, [left - 4.0, y, left, y], "class=\"axis\"");
            text(out, left - 7.0, y + 4.0, "end", "", &label);
        }
        let _ = write!(
            out,
            "<rect class=\"axis\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"none\"/>"
        );
        text(out, left + 0.5 * w, top + h + 36.0, "middle", "label", &self.x.label);
        let (x, y) = (14.0, top + 0.5 * h);
        let _ = write!(
            out,
            "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} {y:.1})\">{}</text>",
            escape(&self.y.label)
        );
    }
}

fn draw(out: &mut String, series: &Series, px: &dyn Fn(f64) -> f64, py: &dyn Fn(f64) -> f64, frame: [f64; 4]) {
    let [left, top, w, h] = frame;
    let colour = &series.colour;
    let place = |&(x, y): &(f64, f64)| {
        let (x, y) = (px(x), py(y));
        // What leaves the frame stays visible at its edge.
        (x.is_finite() && y.is_finite()).then(|| (x.clamp(left, left + w), y.clamp(top, top + h)))
    };
    match series.mark {
        Mark::Line(..) | Mark::Dashes => {
            let mut path = String::new();
            let mut pen_down = false;
            for point in &series.points {
                match place(point) {
                    Some((x, y)) => {
                        let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { "L" } else { "M" });
                        pen_down = true;
                    }
                    None => pen_down = false,
                }
            }
            let style = match series.mark {
                Mark::Line(width, opacity) => format!("stroke-width=\"{width}\" stroke-opacity=\"{opacity}\""),
                _ => "stroke-width=\"1.4\" stroke-dasharray=\"5 4\"".to_owned(),
            };
            let _ =
                write!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-linejoin=\"round\" {style}/>");
        }
        Mark::Dots | Mark::Points => {
            let (radius, opacity) = if series.mark == Mark::Dots { (4.0, 0.75) } else { (1.8, 0.5) };
            for (x, y) in series.points.iter().filter_map(place) {
                let _ = write!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\" fill-opacity=\"{opacity}\" stroke=\"var(--paper)\" stroke-width=\"0.7\"/>"
                );
            }
        }
        Mark::Crosses => {
            for (x, y) in series.points.iter().filter_map(place) {
                let _ = write!(
                    out,
                    "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>",
                    x - 4.0,
                    y - 4.0
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(labels(&Axis::exact("x", [-20.0, 20.0])), ["−20", "−10", "0", "10", "20"]);
        assert_eq!(labels(&Axis::exact("x", [0.0, 1.0])), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            labels(&Axis { label: String::new(), range: [0.08, 12.0], log: true }),
            ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
        );
    }

    #[test]
    fn degenerate_data_still_make_a_chart() {
        for values in [vec![], vec![f64::NAN], vec![3.0], vec![0.0, 0.0], vec![-1.0, f64::INFINITY]] {
            let points: Vec<_> = values.iter().map(|&v| (v, v)).collect();
            for axis in [Axis::linear("a", values.iter().copied()), Axis::log("a", values.iter().copied())] {
                let series = Series {
                    name: "<s>".into(),
                    colour: "red".into(),
                    mark: Mark::Line(1.0, 1.0),
                    points: points.clone(),
                };
                let chart = Chart {
                    title: String::new(),
                    size: [300.0, 200.0],
                    x: axis.clone(),
                    y: axis,
                    backdrop: None,
                    series: vec![series],
                };
                let svg = chart.svg();
                assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains("&lt;s&gt;"), "{svg}");
            }
        }
    }
}
