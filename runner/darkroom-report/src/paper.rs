//! A figure for a paper, as SVG and PNG, with letters of our own: it looks the same on a machine without fonts.

use std::sync::Arc;

use darkroom_core::shown;
use resvg::{tiny_skia, usvg};

use crate::charts::Figure;

/// Inter, SIL Open Font License 1.1, Latin only.
const FONT: &[u8] = include_bytes!("../font/Inter-Regular-Latin.otf");
/// Width of a paper's text on A4, mm.
const WIDTH_MM: f32 = 176.0;
/// Pixels a pixel of the drawing: 330 dots an inch at that width.
const SCALE: f32 = 3.0;

/// Returns the figure as an SVG document of a paper's width. Letters are Inter's outlines, since programs that set papers
/// ignore fonts embedded in an SVG; what they say stands in its `<title>` and `<desc>`.
pub fn svg(figure: &Figure) -> Result<String, String> {
    let tree = tree(&figure.svg)?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let options =
        usvg::WriteOptions { preserve_text: false, indent: usvg::Indent::None, ..usvg::WriteOptions::default() };
    let drawn = tree.to_string(&options);
    let (_, body) = drawn.split_once('>').ok_or("the figure is empty")?;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{WIDTH_MM}mm\" \
         height=\"{:.2}mm\" viewBox=\"0 0 {width} {height}\"><title>{}</title><desc>{}</desc>{body}",
        WIDTH_MM * height / width,
        escape(&figure.title),
        escape(&format!("{} {}", figure.caption, figure.alternative)),
    ))
}

/// Returns the figure as PNG, on white.
pub fn png(figure: &Figure) -> Result<Vec<u8>, String> {
    let tree = tree(&figure.svg)?;
    let (width, height) = ((tree.size().width() * SCALE) as u32, (tree.size().height() * SCALE) as u32);
    let mut canvas = tiny_skia::Pixmap::new(width, height).ok_or("the figure is empty")?;
    canvas.fill(tiny_skia::Color::WHITE);
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut canvas.as_mut());
    canvas.encode_png().map_err(|error| error.to_string())
}

fn tree(svg: &str) -> Result<usvg::Tree, String> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("Inter");
    let options = usvg::Options { fontdb: Arc::new(fonts), font_family: "Inter".into(), ..usvg::Options::default() };
    usvg::Tree::from_str(&svg.replace("currentColor", "#000000"), &options).map_err(|error| error.to_string())
}

fn escape(text: &str) -> String {
    shown::line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
