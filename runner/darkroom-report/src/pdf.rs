//! Writes a drawing as a one-page PDF: shapes of one colour, with lines and opacity. A figure has
//! nothing else, because its letters are outlines. Anything else (a gradient, a clip, an image) is
//! refused by name, never left out silently.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};
use resvg::usvg::tiny_skia_path::PathSegment;
use resvg::usvg::{self, FillRule, LineCap, LineJoin, Node, Paint, PaintOrder, Transform};

const CATALOGUE: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFORMATION: Ref = Ref::new(5);

/// Returns a drawing as a PDF: a page of its size, `points` a pixel. It holds no date, so the same
/// drawing gives the same file.
pub fn page(tree: &usvg::Tree, points: f32, title: &str, words: &str) -> Result<Vec<u8>, String> {
    let (width, height) = (tree.size().width() * points, tree.size().height() * points);
    let mut shapes = Shapes {
        content: Content::new(),
        opacities: Vec::new(),
    };
    // A PDF's origin is below, a drawing's above.
    shapes
        .content
        .transform([points, 0.0, 0.0, -points, 0.0, height]);
    shapes.group(tree.root(), 1.0)?;
    let content = shapes.content.finish();
    let content = deflated(&content).map_err(|error| error.to_string())?;

    let mut pdf = Pdf::new();
    pdf.catalog(CATALOGUE).pages(PAGES).lang(TextStr("en"));
    pdf.pages(PAGES).kids([PAGE]).count(1);
    let mut page = pdf.page(PAGE);
    page.parent(PAGES)
        .media_box(Rect::new(0.0, 0.0, width, height))
        .contents(CONTENT);
    let mut resources = page.resources();
    let mut states = resources.ext_g_states();
    for (place, (fill, stroke)) in shapes.opacities.iter().enumerate() {
        let mut state = states
            .insert(Name(state(place).as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        state.non_stroking_alpha(*fill).stroking_alpha(*stroke);
    }
    states.finish();
    resources.finish();
    page.finish();
    pdf.stream(CONTENT, &content).filter(Filter::FlateDecode);
    pdf.document_info(INFORMATION)
        .title(TextStr(title))
        .subject(TextStr(words))
        .creator(TextStr("darkroom"));
    Ok(pdf.finish())
}

fn deflated(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Name of the state of graphics at a place.
fn state(place: usize) -> String {
    format!("a{place}")
}

/// What is drawn so far.
struct Shapes {
    content: Content,
    /// Opacities in use, of the filling and of the line: each is a state of graphics.
    opacities: Vec<(f32, f32)>,
}

impl Shapes {
    fn group(&mut self, group: &usvg::Group, opacity: f32) -> Result<(), String> {
        if group.clip_path().is_some() || group.mask().is_some() || !group.filters().is_empty() {
            return Err("a figure with a clip, a mask or a filter can't be written as PDF".into());
        }
        let opacity = opacity * group.opacity().get();
        if group.opacity().get() < 1.0 && group.children().len() > 1 {
            return Err(
                "a figure with a transparent group of shapes can't be written as PDF".into(),
            );
        }
        for child in group.children() {
            match child {
                Node::Group(group) => self.group(group, opacity)?,
                Node::Text(text) => self.group(text.flattened(), opacity)?,
                Node::Path(path) if path.is_visible() => self.path(path, opacity)?,
                Node::Path(_) => {}
                Node::Image(_) => {
                    return Err("a figure with an image can't be written as PDF".into());
                }
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &usvg::Path, opacity: f32) -> Result<(), String> {
        let fill = path.fill().filter(|fill| fill.opacity().get() > 0.0);
        let stroke = path.stroke().filter(|stroke| stroke.opacity().get() > 0.0);
        if fill.is_none() && stroke.is_none() {
            return Ok(());
        }
        if fill.is_some() && stroke.is_some() && path.paint_order() != PaintOrder::FillAndStroke {
            return Err("a figure with a line below its filling can't be written as PDF".into());
        }
        self.content.save_state();
        let Transform {
            sx,
            ky,
            kx,
            sy,
            tx,
            ty,
        } = path.abs_transform();
        self.content.transform([sx, ky, kx, sy, tx, ty]);
        let of = |alpha: Option<f32>| alpha.map_or(1.0, |alpha| alpha * opacity);
        self.opacity((
            of(fill.map(|fill| fill.opacity().get())),
            of(stroke.map(|stroke| stroke.opacity().get())),
        ));
        if let Some(fill) = fill {
            let [red, green, blue] = rgb(fill.paint())?;
            self.content.set_fill_rgb(red, green, blue);
        }
        if let Some(stroke) = stroke {
            self.line(stroke)?;
        }
        self.outline(path);
        match (fill.map(usvg::Fill::rule), stroke) {
            (Some(FillRule::NonZero), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(FillRule::EvenOdd), Some(_)) => self.content.fill_even_odd_and_stroke(),
            (Some(FillRule::NonZero), None) => self.content.fill_nonzero(),
            (Some(FillRule::EvenOdd), None) => self.content.fill_even_odd(),
            (None, _) => self.content.stroke(),
        };
        self.content.restore_state();
        Ok(())
    }

    fn opacity(&mut self, wanted: (f32, f32)) {
        let known = self.opacities.iter().position(|known| *known == wanted);
        let place = known.unwrap_or_else(|| {
            self.opacities.push(wanted);
            self.opacities.len() - 1
        });
        self.content.set_parameters(Name(state(place).as_bytes()));
    }

    fn line(&mut self, stroke: &usvg::Stroke) -> Result<(), String> {
        let [red, green, blue] = rgb(stroke.paint())?;
        self.content
            .set_stroke_rgb(red, green, blue)
            .set_line_width(stroke.width().get());
        self.content.set_line_cap(match stroke.linecap() {
            LineCap::Butt => LineCapStyle::ButtCap,
            LineCap::Round => LineCapStyle::RoundCap,
            LineCap::Square => LineCapStyle::ProjectingSquareCap,
        });
        self.content.set_line_join(match stroke.linejoin() {
            LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
            LineJoin::Round => LineJoinStyle::RoundJoin,
            LineJoin::Bevel => LineJoinStyle::BevelJoin,
        });
        self.content.set_miter_limit(stroke.miterlimit().get());
        if let Some(dashes) = stroke.dasharray() {
            self.content
                .set_dash_pattern(dashes.iter().copied(), stroke.dashoffset());
        }
        Ok(())
    }

    fn outline(&mut self, path: &usvg::Path) {
        let mut from = (0.0, 0.0);
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    self.content.move_to(to.x, to.y);
                    from = (to.x, to.y);
                }
                PathSegment::LineTo(to) => {
                    self.content.line_to(to.x, to.y);
                    from = (to.x, to.y);
                }
                PathSegment::QuadTo(by, to) => {
                    // A PDF knows cubic curves only: the same curve has its handles two thirds of
                    // the way.
                    let towards = |end: f32, by: f32| end + (by - end) * 2.0 / 3.0;
                    let (x0, y0) = from;
                    let (x1, y1) = (towards(x0, by.x), towards(y0, by.y));
                    let (x2, y2) = (towards(to.x, by.x), towards(to.y, by.y));
                    self.content.cubic_to(x1, y1, x2, y2, to.x, to.y);
                    from = (to.x, to.y);
                }
                PathSegment::CubicTo(first, second, to) => {
                    self.content
                        .cubic_to(first.x, first.y, second.x, second.y, to.x, to.y);
                    from = (to.x, to.y);
                }
                PathSegment::Close => {
                    self.content.close_path();
                }
            }
        }
    }
}

fn rgb(paint: &Paint) -> Result<[f32; 3], String> {
    match paint {
        Paint::Color(colour) => {
            Ok([colour.red, colour.green, colour.blue].map(|part| f32::from(part) / 255.0))
        }
        _ => Err("a figure with a gradient or a pattern can't be written as PDF".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(svg: &str) -> Result<Vec<u8>, String> {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"50\">{svg}</svg>"
        );
        page(
            &usvg::Tree::from_str(&svg, &usvg::Options::default()).unwrap(),
            0.5,
            "Title",
            "Words",
        )
    }

    /// Returns the operators of the page.
    fn operators(pdf: &[u8]) -> String {
        let find = |what: &[u8]| {
            pdf.windows(what.len())
                .position(|window| window == what)
                .unwrap()
        };
        let (start, end) = (find(b"stream\n") + 7, find(b"\nendstream"));
        let mut text = String::new();
        std::io::Read::read_to_string(
            &mut flate2::read::ZlibDecoder::new(&pdf[start..end]),
            &mut text,
        )
        .unwrap();
        text
    }

    #[test]
    fn a_page_has_the_size_of_the_drawing_and_holds_its_shapes_and_opacities() {
        let pdf = written(
            "<rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" fill=\"#ff0000\" opacity=\"0.5\"/>\
             <line x1=\"0\" y1=\"0\" x2=\"10\" y2=\"0\" fill=\"none\" stroke=\"#0000ff\" stroke-width=\"2\"/>",
        )
        .unwrap();
        let text = String::from_utf8_lossy(&pdf).into_owned();
        assert!(
            text.starts_with("%PDF-") && text.contains("/MediaBox [0 0 50 25]"),
            "{text}"
        );
        assert!(
            text.contains("/ca 0.5")
                && text.contains("/Title (Title)")
                && text.contains("/Subject (Words)"),
            "{text}"
        );
        let drawn = operators(&pdf);
        assert!(drawn.starts_with("0.5 0 0 -0.5 0 25 cm"), "{drawn}");
        assert!(
            drawn.contains("1 0 0 rg") && drawn.contains("0 0 1 RG\n2 w"),
            "{drawn}"
        );
        assert_eq!(
            (
                drawn.matches("\nf\n").count(),
                drawn.matches("\nS\n").count()
            ),
            (1, 1),
            "{drawn}"
        );
        assert_eq!(
            written("<rect width=\"3\" height=\"4\"/>"),
            written("<rect width=\"3\" height=\"4\"/>")
        );
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_never_left_out() {
        let gradient = "<linearGradient id=\"g\"><stop offset=\"0\"/><stop offset=\"1\" stop-color=\"red\"/></linearGradient>\
                        <rect width=\"3\" height=\"4\" fill=\"url(#g)\"/>";
        let together = "<g opacity=\"0.5\"><rect width=\"3\" height=\"4\"/><rect width=\"4\" height=\"3\"/></g>";
        let clipped = "<clipPath id=\"c\"><rect width=\"2\" height=\"2\"/></clipPath>\
                       <g clip-path=\"url(#c)\"><rect width=\"3\" height=\"4\"/></g>";
        for (drawing, what) in [
            (gradient, "gradient"),
            (together, "transparent group"),
            (clipped, "clip"),
        ] {
            assert!(written(drawing).unwrap_err().contains(what), "{what}");
        }
    }
}
