//! Marks of inline SVG: what every chart of a report is written with. Text is escaped here and nowhere else.

use std::fmt::Write;

/// An `<svg>` element under way. Writing to a `String` cannot fail, so results of `write!` are left alone.
pub struct Canvas {
    out: String,
}

/// Where a text stands relative to its place.
pub const START: &str = "start";
/// Centred.
pub const MIDDLE: &str = "middle";
/// Right-aligned.
pub const END: &str = "end";

impl Canvas {
    /// An element of this size, px, with words for those who do not see it.
    pub fn new([width, height]: [f64; 2], label: &str) -> Self {
        let label = escape(label);
        let out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             role=\"img\" aria-label=\"{label}\">"
        );
        Self { out }
    }

    /// A rectangle x, y, width, height; `style` are attributes.
    pub fn rect(&mut self, [x, y, w, h]: [f64; 4], style: &str) {
        let (w, h) = (w.max(0.0), h.max(0.0));
        let _ = write!(self.out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" {style}/>");
    }

    /// As [`Self::rect`], with words that show under the pointer.
    pub fn told_rect(&mut self, [x, y, w, h]: [f64; 4], style: &str, told: &str) {
        let told = escape(told);
        let _ = write!(
            self.out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" {style}><title>{told}</title></rect>"
        );
    }

    /// A disc with words that show under the pointer.
    pub fn disc(&mut self, [x, y]: [f64; 2], radius: f64, style: &str, told: &str) {
        let told = escape(told);
        let _ = write!(
            self.out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" {style}><title>{told}</title></circle>"
        );
    }

    /// A line from x1, y1 to x2, y2.
    pub fn line(&mut self, at: [f64; 4], style: &str) {
        line(&mut self.out, at, style);
    }

    /// Lines through points.
    pub fn lines(&mut self, points: impl IntoIterator<Item = [f64; 2]>, style: &str) {
        self.path(points, "", style);
    }

    /// A closed shape around points.
    pub fn shape(&mut self, points: impl IntoIterator<Item = [f64; 2]>, style: &str) {
        self.path(points, "Z", style);
    }

    fn path(&mut self, points: impl IntoIterator<Item = [f64; 2]>, end: &str, style: &str) {
        self.out.push_str("<path d=\"");
        for (n, [x, y]) in points.into_iter().enumerate() {
            let _ = write!(self.out, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
        }
        let _ = write!(self.out, "{end}\" {style}/>");
    }

    /// Many small dots of one colour as one path; `width` px across.
    pub fn dots(&mut self, points: impl IntoIterator<Item = [f64; 2]>, width: f64, style: &str) {
        self.out.push_str("<path d=\"");
        for [x, y] in points {
            let _ = write!(self.out, "M{x:.1} {y:.1}h0");
        }
        let _ = write!(self.out, "\" fill=\"none\" stroke-width=\"{width}\" stroke-linecap=\"round\" {style}/>");
    }

    /// Separate strokes x1, y1, x2, y2 as one path.
    pub fn strokes(&mut self, strokes: impl IntoIterator<Item = [f64; 4]>, style: &str) {
        self.out.push_str("<path fill=\"none\" d=\"");
        for [x1, y1, x2, y2] in strokes {
            let _ = write!(self.out, "M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}");
        }
        let _ = write!(self.out, "\" {style}/>");
    }

    /// A picture given as a `data:` address, its pixels kept sharp.
    pub fn image(&mut self, [x, y, w, h]: [f64; 4], data_url: &str) {
        let _ = write!(
            self.out,
            "<image href=\"{data_url}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
             preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\"/>"
        );
    }

    /// Words; `class` is `label` for those that must be read, else empty.
    pub fn text(&mut self, [x, y]: [f64; 2], anchor: &str, class: &str, words: &str) {
        text(&mut self.out, x, y, anchor, class, words);
    }

    /// A name, shortened to so many characters; the whole of it shows under the pointer.
    pub fn name(&mut self, [x, y]: [f64; 2], anchor: &str, most: usize, name: &str) {
        let (shown, whole) = (escape(&short(name, most)), escape(name));
        let _ = write!(
            self.out,
            "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{shown}<title>{whole}</title></text>"
        );
    }

    /// A shortened name that rises to the right and ends at its place.
    pub fn slanted(&mut self, [x, y]: [f64; 2], most: usize, name: &str) {
        let (shown, whole) = (escape(&short(name, most)), escape(name));
        let _ = write!(
            self.out,
            "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" transform=\"rotate(-35 {x:.1} \
             {y:.1})\">{shown}<title>{whole}</title></text>"
        );
    }

    /// Words that read upwards.
    pub fn upright(&mut self, [x, y]: [f64; 2], words: &str) {
        let words = escape(words);
        let _ = write!(
            self.out,
            "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} \
             {y:.1})\">{words}</text>"
        );
    }

    /// The element.
    pub fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// The first so many characters of a name, with an ellipsis where some are left out.
pub fn short(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// About how wide words are, px, at the charts' size of letters.
pub fn width_of(name: &str, most: usize) -> f64 {
    6.8 * name.chars().count().min(most) as f64
}

pub(super) fn line(out: &mut String, [x1, y1, x2, y2]: [f64; 4], style: &str) {
    let _ = write!(out, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {style}/>");
}

pub(super) fn text(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(words)
    );
}

/// Text that is safe inside SVG and HTML, in attributes too. Control characters, which neither allows, are shown as �.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        let mut canvas = Canvas::new([10.0, 10.0], "\"><script>");
        canvas.name([0.0, 0.0], START, 8, "</text><script>alert('x')&\u{1}");
        canvas.disc([1.0, 1.0], 2.0, "fill=\"red\"", "<b>");
        let svg = canvas.finish();
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains('\u{1}'), "{svg}");
        assert!(svg.contains("&lt;/text&gt;…") && svg.contains("alert(&#39;x&#39;)&amp;\u{fffd}"), "{svg}");
    }

    #[test]
    fn long_names_are_shortened_by_characters() {
        assert_eq!(short("ärzteteam", 5), "ärzt…");
        assert_eq!(short("abc", 3), "abc");
    }
}
