//! SVG → PNG, with a font of our own, so that a figure looks the same on a machine without fonts.

use std::sync::Arc;

use resvg::{tiny_skia, usvg};

/// Inter, SIL Open Font License 1.1, Latin only.
const FONT: &[u8] = include_bytes!("../font/Inter-Regular-Latin.otf");
/// Pixels a pixel of the SVG: 300 dots an inch at a paper's column width.
const SCALE: f32 = 3.0;

/// Renders a figure on white.
pub fn png(svg: &str) -> Result<Vec<u8>, String> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("Inter");
    let options = usvg::Options { fontdb: Arc::new(fonts), font_family: "Inter".into(), ..usvg::Options::default() };
    let black = svg.replace("currentColor", "#000000");
    let tree = usvg::Tree::from_str(&black, &options).map_err(|error| error.to_string())?;
    let size = tree.size();
    let (width, height) = ((size.width() * SCALE) as u32, (size.height() * SCALE) as u32);
    let mut canvas = tiny_skia::Pixmap::new(width, height).ok_or("the figure is empty")?;
    canvas.fill(tiny_skia::Color::WHITE);
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut canvas.as_mut());
    canvas.encode_png().map_err(|error| error.to_string())
}
