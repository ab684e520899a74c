//! The base of every figure: plotters' SVG, finished so that it fits a page.
//!
//! Knows marks and axes, not what they mean.

use std::fmt::Write as _;

use darkroom_core::shown;
use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::scale::Scale;
use crate::number::figure;

/// Pixels of a figure's width on a page: the width of a paper's text at 110 pixels an inch.
pub const WIDTH: u32 = 760;
/// Pixels of a figure's width where several stand side by side: what a phone has.
pub const PANEL: u32 = 366;
/// Pixels that a label of the axis takes, with the room around it.
const TICK: u32 = 36;
/// Pixels left of an axis of numbers, for its own labels and title.
const Y_AREA: u32 = 58;
/// Pixels of one row of a row chart.
const ROW: u32 = 30;
const FONT: &str = "sans-serif";
/// Plotters draws a font at about 0.8 of what is asked for.
const FONT_SIZE: i32 = 14;
const LEGEND_SIZE: i32 = 12;
/// Okabe and Ito's colours, distinguished by nearly everyone (<https://jfly.uni-koeln.de/color/>),
/// without their yellow; their sky blue and orange darkened until each has a contrast of 3 with
/// either theme's paper (a test computes it).
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(20, 150, 200),
    RGBColor(176, 125, 0),
    RGBColor(128, 128, 128),
];

/// Returns the colour of the variant (or part) at `place`.
pub const fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;
/// Why a figure could not be drawn: never for a string as the canvas, so callers drop the figure.
pub type Failed = DrawingAreaErrorKind<std::io::Error>;

/// A place that tells its value when pointed at.
struct Hover {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    text: String,
}

/// A chart being drawn, and what it tells on hover.
pub struct Plot<'a> {
    pub chart: Chart<'a>,
    hovers: Vec<Hover>,
}

/// The axes of a chart.
pub struct Axes<'a> {
    /// Pixels across.
    pub width: u32,
    pub x: Scale,
    pub y: Scale,
    pub x_title: &'a str,
    pub y_title: &'a str,
    pub height: u32,
}

/// A finished chart, without a frame yet: marks, axes and what is told on hover.
pub struct Drawing {
    body: String,
    width: u32,
    height: u32,
}

/// Draws a chart with two axes of numbers.
pub fn draw(
    axes: &Axes<'_>,
    marks: impl FnOnce(&mut Plot<'_>) -> Result<(), Failed>,
) -> Option<Drawing> {
    build((axes.width, axes.height), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(44)
            .y_label_area_size(Y_AREA)
            .build_cartesian_2d(axes.x, axes.y)?;
        let mut mesh = chart.configure_mesh();
        let x_title = format!("{}{}", axes.x_title, axes.x.in_words());
        let y_title = format!("{}{}", axes.y_title, axes.y.in_words());
        style(&mut mesh, &x_title, axes.width - Y_AREA);
        mesh.x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value));
        mesh.y_labels(6).y_desc(&y_title).draw()?;
        let mut plot = Plot {
            chart,
            hovers: Vec::new(),
        };
        marks(&mut plot)?;
        Ok(plot.hovers)
    })
}

/// Draws a chart with a named row a value and an axis of numbers below: row 0 is the uppermost.
pub fn draw_rows(
    width: u32,
    labels: &[String],
    x: Scale,
    x_title: &str,
    marks: impl FnOnce(&mut Plot<'_>) -> Result<(), Failed>,
) -> Option<Drawing> {
    let (rows, across) = (labels.len(), width.cast_signed());
    let labels: Vec<Vec<String>> = labels
        .iter()
        .map(|label| wrapped(label, across / 2 - LABEL_ROOM))
        .collect();
    // Of a label that takes two lines or more the rows are higher.
    let lines = labels.iter().map(Vec::len).max().unwrap_or(1) as u32;
    let row_height = ROW.max(lines * LINE as u32 + 4);
    let title = wrapped(&format!("{x_title}{}", x.in_words()), across - LABEL_ROOM);
    let axis = 44 + (title.len() as u32 - 1) * LINE as u32;
    let height = row_height * rows as u32 + axis + 20;
    let longest = labels
        .iter()
        .flatten()
        .map(|line| name_width(line))
        .max()
        .unwrap_or(0);
    let margin = (longest + LABEL_ROOM).clamp(60, across / 2);
    build((width, height), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(axis)
            .y_label_area_size(margin)
            .build_cartesian_2d(x, Scale::linear(rows as f64, 0.0))?;
        let mut mesh = chart.configure_mesh();
        style(&mut mesh, "", width.saturating_sub(margin.cast_unsigned()));
        mesh.x_label_formatter(&|value| tick(*value))
            .disable_y_mesh()
            .y_labels(0)
            .draw()?;
        // The title stands below the middle of the axis, or as near to it as its length lets it.
        let middle = chart
            .backend_coord(&(x.start(), rows as f64))
            .0
            .midpoint(chart.backend_coord(&(x.end(), rows as f64)).0);
        let longest = title.iter().map(|line| name_width(line)).max().unwrap_or(0);
        let middle = middle.min(across - longest.midpoint(LABEL_ROOM));
        for (above, line) in (1..).zip(title.iter().rev()) {
            let down = height.cast_signed() - above * LINE;
            root.draw_text(line, &text_style(HPos::Center), (middle, down))?;
        }
        let text = text_style(HPos::Right);
        for (row, label) in labels.iter().enumerate() {
            let (left, middle) = chart.backend_coord(&(x.start(), row as f64 + 0.5));
            // Halves of a line, from the row's middle: -1 and 1 of two lines.
            for (line, words) in (0..).zip(label) {
                let halves = 2 * line - lines_of(label) + 1;
                root.draw_text(words, &text, (left - 8, middle + halves * LINE / 2))?;
            }
        }
        let mut plot = Plot {
            chart,
            hovers: Vec::new(),
        };
        marks(&mut plot)?;
        Ok(plot.hovers)
    })
}

/// What all axes look like; the one below is so many pixels wide.
fn style(mesh: &mut MeshStyle<'_, '_, Scale, Scale, SVGBackend<'_>>, x_title: &str, width: u32) {
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.6))
        .label_style((FONT, FONT_SIZE).into_font().color(&BLACK))
        .axis_desc_style((FONT, FONT_SIZE).into_font().color(&BLACK))
        .x_labels((width / TICK).clamp(2, 8) as usize)
        .x_desc(x_title);
}

impl Plot<'_> {
    /// Tells `text` when the pointer is near the place.
    pub fn tell(&mut self, (x, y): (f64, f64), radius: i32, text: String) {
        let (x, y) = self.chart.backend_coord(&(x, y));
        self.hovers.push(Hover {
            x: x - radius,
            y: y - radius,
            width: 2 * radius,
            height: 2 * radius,
            text,
        });
    }

    /// Tells `text` anywhere within the rectangle.
    pub fn tell_within(&mut self, from: (f64, f64), to: (f64, f64), text: String) {
        let ((x0, y0), (x1, y1)) = (
            self.chart.backend_coord(&from),
            self.chart.backend_coord(&to),
        );
        let (width, height) = ((x1 - x0).abs().max(4), (y1 - y0).abs().max(4));
        self.hovers.push(Hover {
            x: x0.min(x1),
            y: y0.min(y1),
            width,
            height,
            text,
        });
    }

    /// Writes a name beside each place where there is room, the first ones first: over no other
    /// name, no dot, no edge and none of these lines. Returns how many have none.
    pub fn name_all(
        &mut self,
        places: &[(f64, f64)],
        names: &[String],
        lines: &[[(f64, f64); 2]],
    ) -> Result<usize, Failed> {
        let (across, down) = self.chart.plotting_area().get_pixel_range();
        let within = Box4 {
            left: across.start,
            top: down.start,
            right: across.end,
            bottom: down.end,
        };
        let dots: Vec<(i32, i32)> = places
            .iter()
            .map(|at| self.chart.backend_coord(at))
            .collect();
        let ends = lines
            .iter()
            .map(|[from, to]| [self.chart.backend_coord(from), self.chart.backend_coord(to)]);
        let crossed: Vec<Box4> = ends.flat_map(along).collect();
        let found = beside(&dots, names, &crossed, within);
        for ((place, name), offset) in places.iter().zip(names).zip(&found) {
            let Some(offset) = *offset else { continue };
            if let Some(foot) = leader(offset, name) {
                let line = EmptyElement::at(*place)
                    + PathElement::new([(0, 0), foot], BLACK.mix(0.4).stroke_width(1));
                self.chart.draw_series([line])?;
            }
            self.label(*place, offset, name.clone())?;
        }
        Ok(found.iter().filter(|offset| offset.is_none()).count())
    }

    /// Writes a word beside a place, its near end where it was given room.
    fn label(&mut self, at: (f64, f64), (x, y): (i32, i32), text: String) -> Result<(), Failed> {
        let (end, near) = near_end(x, &text);
        let word = EmptyElement::at(at) + Text::new(text, (near, y), text_style(end));
        self.chart.draw_series([word])?;
        Ok(())
    }

    /// Draws a filled rectangle that tells `text`. Its edge keeps the full colour, however light
    /// the filling.
    pub fn bar(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        fill: RGBAColor,
        text: String,
    ) -> Result<(), Failed> {
        self.chart
            .draw_series([Rectangle::new([from, to], fill.filled())])?;
        let edge = RGBAColor(fill.0, fill.1, fill.2, 1.0).stroke_width(1);
        self.chart.draw_series([Rectangle::new([from, to], edge)])?;
        self.tell_within(from, to, text);
        Ok(())
    }

    /// Draws an interval with ends at `y`, and a dot within it.
    pub fn whisker(
        &mut self,
        (low, at, high): (f64, f64, f64),
        y: f64,
        style: ShapeStyle,
    ) -> Result<(), Failed> {
        let end = |x: f64| PathElement::new([(x, y - 0.16), (x, y + 0.16)], style);
        self.chart.draw_series([
            PathElement::new([(low, y), (high, y)], style),
            end(low),
            end(high),
        ])?;
        self.chart
            .draw_series([Circle::new((at, y), 4, style.color.filled())])?;
        Ok(())
    }
}

/// Pixels of the line that names a panel.
const HEADING: u32 = 22;

impl Drawing {
    /// Puts panels one below the other, each below its name where it has one; `None` without any.
    pub fn stacked(panels: impl Iterator<Item = (Option<String>, Self)>) -> Option<Self> {
        let mut whole: Option<Self> = None;
        for (name, panel) in panels {
            let stack = whole.get_or_insert_with(|| Self {
                body: String::new(),
                width: panel.width,
                height: 0,
            });
            if let Some(name) = name {
                let _ = write!(
                    stack.body,
                    "<text x=\"8\" y=\"{}\" font-family=\"{FONT}\" font-size=\"{LEGEND_SIZE}\" font-weight=\"bold\" fill=\"currentColor\">{}</text>",
                    stack.height + 15,
                    escape(&name)
                );
                stack.height += HEADING;
            }
            let _ = write!(
                stack.body,
                "<g transform=\"translate(0 {})\">{}</g>",
                stack.height, panel.body
            );
            stack.height += panel.height;
        }
        whole
    }

    /// Returns the figure as a whole SVG document.
    pub fn svg(&self) -> String {
        self.with_legend(&[])
    }

    /// Returns the figure with a legend above it.
    pub fn with_legend(&self, entries: &[(RGBColor, String)]) -> String {
        let (content, height) = self.below(entries);
        format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\
             {content}</svg>",
            width = self.width,
        )
    }

    /// The drawing with a legend above it, as a part of a larger one.
    pub fn under(self, entries: &[(RGBColor, String)]) -> Self {
        let (body, height) = self.below(entries);
        Self {
            body,
            width: self.width,
            height,
        }
    }

    fn below(&self, entries: &[(RGBColor, String)]) -> (String, u32) {
        let (legend, extra) = if entries.is_empty() {
            (String::new(), 0)
        } else {
            legend(entries, self.width)
        };
        let content = format!(
            "{legend}<g transform=\"translate(0 {extra})\">{}</g>",
            self.body
        );
        (content, self.height + extra)
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug)]
struct Box4 {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Box4 {
    const fn overlaps(self, other: Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    const fn holds(self, other: Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// Pixels of a letter's width at most, and of a line's height, at [`FONT_SIZE`].
const LETTER: i32 = 7;
const LINE: i32 = 15;
/// Pixels around a dot (with its ring) that a name keeps clear of.
const DOT: i32 = 10;

/// Pixels between a row's label and the edges of its column.
const LABEL_ROOM: i32 = 16;

fn lines_of(label: &[String]) -> i32 {
    i32::try_from(label.len()).unwrap_or(i32::MAX)
}

/// Breaks a label into lines of so many pixels at most, between words.
fn wrapped(label: &str, pixels: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in label.split(' ') {
        match lines.last_mut() {
            Some(line) if name_width(line) + name_width(word) + LETTER <= pixels => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn name_width(name: &str) -> i32 {
    i32::try_from(name.chars().count()).unwrap_or(i32::MAX / LETTER) * LETTER
}

/// Returns small boxes along a line, which a name must not cover.
fn along([(x0, y0), (x1, y1)]: [(i32, i32); 2]) -> Vec<Box4> {
    let steps = ((x1 - x0).abs().max((y1 - y0).abs()) / 4).max(1);
    let at = |from: i32, to: i32, step: i32| from + (to - from) * step / steps;
    let point = |step| (at(x0, x1, step), at(y0, y1, step));
    (0..=steps)
        .map(point)
        .map(|(x, y)| Box4 {
            left: x - 2,
            top: y - 2,
            right: x + 2,
            bottom: y + 2,
        })
        .collect()
}

/// Returns which end of a name is nearest to its dot, and how far off that is across, pixels. A
/// name takes less room than it is given, so it is written from there.
fn near_end(x: i32, name: &str) -> (HPos, i32) {
    match x {
        1.. => (HPos::Left, x),
        _ if x + name_width(name) < 0 => (HPos::Right, x + name_width(name)),
        _ => (HPos::Center, 0),
    }
}

/// Returns the end of the line that leads from a dot to its name, in pixels from the dot; `None`
/// where the name stands right beside, above or below it.
fn leader((x, y): (i32, i32), name: &str) -> Option<(i32, i32)> {
    let (end, near) = near_end(x, name);
    let is_next = y == 0 || (y.abs() <= LINE && matches!(end, HPos::Center));
    (!is_next).then(|| (near, y - y.signum() * LINE / 2))
}

/// Returns for each dot where its name stands, in pixels from the dot to the name's left end and
/// middle height; `None` where it has no room.
fn beside(
    dots: &[(i32, i32)],
    names: &[String],
    crossed: &[Box4],
    within: Box4,
) -> Vec<Option<(i32, i32)>> {
    let taken = |(x, y): (i32, i32)| Box4 {
        left: x - DOT,
        top: y - DOT,
        right: x + DOT,
        bottom: y + DOT,
    };
    let mut full: Vec<Box4> = dots
        .iter()
        .map(|dot| taken(*dot))
        .chain(crossed.iter().copied())
        .collect();
    let mut names_so_far: Vec<Box4> = Vec::new();
    let mut place = |(x, y): (i32, i32), name: &str| {
        let width = name_width(name);
        let (right, left) = (DOT + 2, -width - DOT - 2);
        // Beside the dot first, then further above and below.
        let rows = (0..=9).flat_map(|row| [-row * LINE, row * LINE]);
        let tried = rows.flat_map(|down| {
            let middle = (down.abs() >= LINE).then_some(-width / 2);
            [Some(right), Some(left), middle]
                .into_iter()
                .flatten()
                .map(move |along| (along, down))
        });
        let area = |(along, down): (i32, i32)| Box4 {
            left: x + along,
            top: y + down - LINE / 2,
            right: x + along + width,
            bottom: y + down + LINE / 2 + 1,
        };
        let led = |offset| {
            leader(offset, name).map_or_else(Vec::new, |(foot_x, foot_y)| {
                along([(x, y), (x + foot_x, y + foot_y)])
            })
        };
        let free = |offset: &(i32, i32)| {
            within.holds(area(*offset))
                && full.iter().all(|other| !other.overlaps(area(*offset)))
                && led(*offset)
                    .iter()
                    .all(|part| names_so_far.iter().all(|other| !other.overlaps(*part)))
        };
        let found = tried.into_iter().find(free)?;
        full.extend(led(found));
        full.push(area(found));
        names_so_far.push(area(found));
        Some(found)
    };
    dots.iter()
        .zip(names)
        .map(|(dot, name)| place(*dot, name))
        .collect()
}

/// Returns marks and words of a legend, and its height.
fn legend(entries: &[(RGBColor, String)], across: u32) -> (String, u32) {
    let mut row = String::new();
    let (mut x, mut y) = (0, 0);
    for (colour, text) in entries {
        let width = 30 + text.chars().count() as u32 * 7;
        if x + width > across && x > 0 {
            (x, y) = (0, y + 20);
        }
        let _ = write!(
            row,
            "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"{}\" font-family=\"{FONT}\" \
             font-size=\"{LEGEND_SIZE}\" fill=\"currentColor\">{}</text>",
            x + 8,
            y + 5,
            hex(*colour),
            x + 25,
            y + 15,
            escape(text)
        );
        x += width;
    }
    (format!("<g>{row}</g>"), y + 24)
}

fn text_style(horizontal: HPos) -> TextStyle<'static> {
    (FONT, FONT_SIZE)
        .into_font()
        .color(&BLACK)
        .pos(Pos::new(horizontal, VPos::Center))
}

fn tick(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let text = figure(value);
    if text.contains('.') && !text.contains('e') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

fn build<'a>(
    (width, height): (u32, u32),
    content: impl FnOnce(&Area<'_>) -> Result<Vec<Hover>, Failed> + 'a,
) -> Option<Drawing> {
    let mut svg = String::new();
    let hovers = {
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        let hovers = content(&root).ok()?;
        root.present().ok()?;
        hovers
    };
    Some(Drawing {
        body: body(&svg, &hovers)?,
        width,
        height,
    })
}

/// Takes what is within plotters' document, its black for the theme's text colour, and adds what is
/// told on hover.
fn body(svg: &str, hovers: &[Hover]) -> Option<String> {
    // XML refuses most control characters, also those that plotters wrote into a row's name.
    let svg = shown::text(svg);
    let (_, within) = svg.split_once('>')?;
    let mut body = within
        .trim_end()
        .strip_suffix("</svg>")?
        .replace("\"#000000\"", "\"currentColor\"");
    for Hover {
        x,
        y,
        width,
        height,
        text,
    } in hovers
    {
        let _ = write!(
            body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"transparent\"><title>{}</title></rect>",
            escape(text)
        );
    }
    Some(body)
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Returns a text as XML holds it, control characters shown escaped.
pub fn escape(text: &str) -> String {
    shown::line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the contrast of two colours, 1 to 21. Source: WCAG 2.2, "relative luminance" and
    /// "contrast ratio".
    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        let luminance =
            |RGBColor(r, g, b)| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Returns the themes of the style sheet in its order (light, dark, paper), each by name of
    /// colour.
    fn themes() -> Vec<std::collections::BTreeMap<String, RGBColor>> {
        let sheet = include_str!("../style.css");
        let rules = sheet
            .split(":root {")
            .skip(1)
            .map(|rule| rule.split('}').next().unwrap());
        let colour = |text: &str| {
            let of = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            RGBColor(of(1), of(3), of(5))
        };
        let theme = |rule: &str| {
            let pairs = rule
                .split(';')
                .filter_map(|pair| pair.trim().split_once(": "));
            let colours = pairs.filter(|(_, value)| value.starts_with('#') && value.len() == 7);
            colours
                .map(|(name, value)| (name.to_owned(), colour(value)))
                .collect()
        };
        rules.map(theme).collect()
    }

    #[test]
    fn a_name_of_control_characters_is_drawn_and_is_xml() {
        let name = "\u{1b}[31m\u{0}\u{fffe}=HYPERLINK(\"x\")<b>\u{202e}\u{85}".to_owned();
        let drawing = draw_rows(
            WIDTH,
            std::slice::from_ref(&name),
            Scale::linear(0.0, 1.0),
            "ms",
            |_| Ok(()),
        )
        .unwrap();
        let legend = legend(&[(COLOURS[0], name)], WIDTH).0;
        for svg in [&drawing.body, &legend] {
            assert!(svg.contains("\\u{1b}[31m\\u{0}\\u{fffe}"), "{svg}");
            assert!(
                !svg.chars()
                    .any(|letter| letter.is_control() && letter != '\n'),
                "{svg}"
            );
        }
    }

    #[test]
    fn names_keep_clear_of_each_other_of_dots_and_of_the_edges() {
        let within = Box4 {
            left: 0,
            top: 0,
            right: 400,
            bottom: 200,
        };
        let dots = [(100, 100), (104, 103), (98, 96), (390, 10), (100, 100)];
        let names: Vec<String> = ["pillow warm", "rust warm", "numpy", "at the edge", "again"]
            .map(String::from)
            .into();
        let found = beside(&dots, &names, &along([(0, 150), (400, 150)]), within);
        let areas: Vec<Box4> = dots
            .iter()
            .zip(&names)
            .zip(&found)
            .filter_map(|(((x, y), name), offset)| {
                let (along, down) = (*offset)?;
                let (left, top) = (x + along, y + down - LINE / 2);
                Some(Box4 {
                    left,
                    top,
                    right: left + name_width(name),
                    bottom: y + down + LINE / 2 + 1,
                })
            })
            .collect();
        assert_eq!(areas.len(), 5, "there is room for all: {found:?}");
        for (place, area) in areas.iter().enumerate() {
            assert!(within.holds(*area), "{area:?}");
            assert!(
                !(area.top < 150 && 150 < area.bottom),
                "over the line: {area:?}"
            );
            assert!(
                areas[place + 1..]
                    .iter()
                    .all(|other| !other.overlaps(*area)),
                "{areas:?}"
            );
            assert!(!dots.iter().any(|(x, y)| area.left < *x
                && *x < area.right
                && area.top < *y
                && *y < area.bottom));
        }
        // A line that leads to a name crosses no name.
        for (place, (dot, name)) in dots.iter().zip(&names).enumerate() {
            let Some((x, y)) = leader(found[place].unwrap(), name) else {
                continue;
            };
            let line = along([*dot, (dot.0 + x, dot.1 + y)]);
            let others = areas
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place);
            assert!(
                others
                    .into_iter()
                    .all(|(_, area)| line.iter().all(|part| !part.overlaps(*area))),
                "{name}"
            );
        }
        assert_eq!(leader((12, 0), "beside"), None);
        assert_eq!(leader((-21, 15), "centre"), None, "right below");
        assert_eq!(
            leader((-54, 30), "centre"),
            Some((-12, 23)),
            "to the end that is nearest"
        );
        let crowd = vec![(50, 50); 60];
        let crowded = beside(
            &crowd,
            &vec!["a long name of a cell".to_owned(); 60],
            &[],
            within,
        );
        assert!(
            crowded.iter().any(Option::is_none),
            "what has no room is left to the words"
        );
    }

    #[test]
    fn a_label_is_broken_between_words_where_its_column_is_narrow() {
        assert_eq!(
            wrapped("broken-example direct warm", 400),
            ["broken-example direct warm"]
        );
        assert_eq!(
            wrapped("broken-example direct warm", 150),
            ["broken-example direct", "warm"]
        );
        assert_eq!(
            wrapped("a-name-without-any-space cold", 50),
            ["a-name-without-any-space", "cold"]
        );
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 1e-9);
        assert!((contrast(RGBColor(0x76, 0x76, 0x76), WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn text_and_marks_can_be_seen_on_every_theme() {
        let themes = themes();
        assert_eq!(themes.len(), 3);
        for theme in &themes {
            let paper = theme["--paper"];
            for text in ["--ink", "--faint", "--alarm"] {
                assert!(
                    contrast(theme[text], paper) >= 4.5,
                    "{text} on {paper:?}: {}",
                    contrast(theme[text], paper)
                );
            }
            for mark in COLOURS {
                assert!(
                    contrast(mark, paper) >= 3.0,
                    "{mark:?} on {paper:?}: {}",
                    contrast(mark, paper)
                );
            }
        }
    }
}
