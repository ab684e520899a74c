//! Reads the images of a set: its files, and those that are made from a seed or a formula.

use std::sync::OnceLock;

use bytes::Bytes;
use darkroom_core::image_set::{self, Source};
use darkroom_core::manifest::Fault;
use darkroom_core::pipeline::Format;

use crate::execute::Image;
use crate::project::Project;

/// Returns every image of a set, in its order.
pub fn read_set(project: &Project, pipeline: &str, name: &str) -> Result<Vec<Image>, String> {
    let all = |faults: Vec<Fault>| {
        faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    };
    let set = project.image_set(pipeline, name).map_err(all)?;
    set.images
        .iter()
        .map(|image| read(project, pipeline, image))
        .collect()
}

/// Returns one image as its source gives it.
pub fn read(project: &Project, pipeline: &str, image: &image_set::Image) -> Result<Image, String> {
    let bytes = match &image.source {
        Source::File { path, .. } => file(project, pipeline, path)?,
        Source::Generated {
            width,
            height,
            seed,
            format,
        } => darkroom_contract::generate(*seed, *width, *height, *format).into(),
        Source::Pattern {
            pattern,
            width,
            height,
        } => darkroom_contract::pattern(*pattern, *width, *height).into(),
    };
    image.mismatch(&bytes).map_or(Ok(()), Err)?;
    Ok(Image {
        name: image.name.clone(),
        extension: key_extension(image, &bytes),
        bytes,
        reference_inputs: OnceLock::new(),
        judged_as: image
            .stands_for
            .as_ref()
            .map(|path| file(project, pipeline, path))
            .transpose()?,
    })
}

/// Returns the extension of the image's object key: of its kind, in lowercase, whatever the file is
/// called.
fn key_extension(image: &image_set::Image, bytes: &[u8]) -> String {
    let named = image.extension();
    if matches!(named.as_str(), "png" | "jpg" | "jpeg") {
        return named;
    }
    darkroom_contract::format_of(bytes)
        .map_or("bin", Format::extension)
        .to_owned()
}

fn file(project: &Project, pipeline: &str, path: &str) -> Result<Bytes, String> {
    let path = project.image_file(pipeline, path);
    crate::plain_file::read(&path, crate::plain_file::MOST)
        .map(Bytes::from)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}
