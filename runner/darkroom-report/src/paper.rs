//! A figure for a paper, as SVG, PNG and PDF, with letters as outlines: it looks the same on a
//! machine without fonts.

use std::sync::{Arc, LazyLock};

use resvg::{tiny_skia, usvg};

use crate::charts::{Figure, PAGE_PIXELS, escape};
use crate::pdf;

/// Inter, SIL Open Font License 1.1, Latin only.
const FONT: &[u8] = include_bytes!("../font/Inter-Regular-Latin.otf");
static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("Inter");
    Arc::new(fonts)
});
/// Width of a paper's text on A4, mm: that of a figure on the page.
pub const WIDTH_MM: f64 = 176.0;
/// The narrowest and the widest that a figure can be read at, mm.
pub const WIDTHS_MM: std::ops::RangeInclusive<f64> = 60.0..=420.0;
/// Pixels of a PNG a pixel of the drawing: 330 dots an inch.
const SCALE: f32 = 3.0;

/// Returns how many pixels wide a figure is drawn that is to be so many mm wide on paper. Letters
/// are as large at every width, 7 points at least.
pub fn pixels(width_mm: f64) -> u32 {
    (f64::from(PAGE_PIXELS) * width_mm / WIDTH_MM).round() as u32
}

/// A figure with its letters laid out, once for all its files.
pub struct Drawn<'a> {
    figure: &'a Figure,
    tree: usvg::Tree,
}

impl<'a> Drawn<'a> {
    pub fn of(figure: &'a Figure) -> Result<Self, String> {
        let svg = figure.svg.replace("currentColor", "#000000");
        let options = usvg::Options {
            fontdb: FONTS.clone(),
            font_family: "Inter".into(),
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_str(&svg, &options).map_err(|error| error.to_string())?;
        Ok(Self { figure, tree })
    }

    /// Returns the figure as an SVG document. Letters are Inter's outlines, since programs that set
    /// papers ignore fonts embedded in an SVG; what they say is in its `<title>` and `<desc>`.
    pub fn svg(&self) -> Result<String, String> {
        let (width, height) = (self.tree.size().width(), self.tree.size().height());
        let options = usvg::WriteOptions {
            preserve_text: false,
            indent: usvg::Indent::None,
            ..usvg::WriteOptions::default()
        };
        let drawn = self.tree.to_string(&options);
        let (_, body) = drawn.split_once('>').ok_or("the figure is empty")?;
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{}mm\" \
             height=\"{}mm\" viewBox=\"0 0 {width} {height}\"><title>{}</title><desc>{}</desc>{body}",
            decimals(millimetres(width)),
            decimals(millimetres(height)),
            escape(&self.figure.title),
            escape(&self.words()),
        ))
    }

    /// Returns the figure as PNG, on white.
    pub fn png(&self) -> Result<Vec<u8>, String> {
        let size = self.tree.size();
        let (width, height) = (
            (size.width() * SCALE) as u32,
            (size.height() * SCALE) as u32,
        );
        let mut canvas = tiny_skia::Pixmap::new(width, height).ok_or("the figure is empty")?;
        canvas.fill(tiny_skia::Color::WHITE);
        resvg::render(
            &self.tree,
            tiny_skia::Transform::from_scale(SCALE, SCALE),
            &mut canvas.as_mut(),
        );
        canvas.encode_png().map_err(|error| error.to_string())
    }

    /// Returns the figure as a PDF of one page of its size. Letters are outlines, as in the SVG.
    pub fn pdf(&self) -> Result<Vec<u8>, String> {
        let points = 72.0 / 25.4 * millimetres(1.0) as f32;
        pdf::page(&self.tree, points, &self.figure.title, &self.words())
    }

    fn words(&self) -> String {
        format!("{} {}", self.figure.caption, self.figure.alternative)
    }
}

fn millimetres(pixels: f32) -> f64 {
    f64::from(pixels) * WIDTH_MM / f64::from(PAGE_PIXELS)
}

/// Two decimals at most.
fn decimals(number: f64) -> String {
    format!("{number:.2}")
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}
