//! An image set as data (`experiments/<pipeline>/image-sets/<name>.toml`): files with their hashes, generated images
//! with their sizes and seed, or both.
//!
//! Text → [`ImageSet`]. Reading the files is the caller's; what a generated image looks like is in `darkroom-contract`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data_file::{DataFile, DataFileError};
use crate::pipeline::{Format, parse_size};

/// Most pixels a generated image may have: 24 megapixels and some, for round sides.
pub const MAX_GENERATED_PIXELS: u64 = 25_000_000;

/// Images in the order they are declared: files first, then generated ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    pub description: String,
    pub images: Vec<Image>,
}

/// One image of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Unique in its set: lowercase letters, digits, `_` and `-`. The `image` column.
    pub name: String,
    pub source: Source,
}

/// Where an image's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File {
        /// Relative to the folder of the set's TOML file.
        path: String,
        /// Of the file, hex.
        sha256: String,
    },
    Generated {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        seed: u64,
        format: Format,
    },
}

impl Image {
    /// Returns the extension of the image's object key, without the dot.
    pub fn extension(&self) -> &str {
        match &self.source {
            Source::File { path, .. } => path.rsplit_once('.').map_or("", |(_, extension)| extension),
            Source::Generated { format, .. } => format.extension(),
        }
    }

    /// Returns why `bytes` are not the file that was declared, or `None` if they are (or the image has no hash).
    pub fn mismatch(&self, bytes: &[u8]) -> Option<String> {
        let Source::File { path, sha256 } = &self.source else {
            return None;
        };
        let found = hex::encode(Sha256::digest(bytes));
        (found != *sha256).then(|| format!("{path} has sha256 {found}, but the set declares {sha256}"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    description: String,
    #[serde(default)]
    files: Vec<FileShape>,
    generated: Option<GeneratedShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    path: String,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratedShape {
    seed: u64,
    format: Format,
    sizes: Vec<String>,
}

impl ImageSet {
    /// Returns the set that `text` spells. `file` is its name for messages.
    ///
    /// Refuses unknown keys, an empty set, names that repeat, paths that leave the folder, and impossible sizes.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataFileError> {
        let file = DataFile { name: file, text };
        let shape: Shape = file.parse()?;
        let refuse = |key: &str, message: String| file.error_at_key(&(0..text.len()), key, message, None);
        let mut images = Vec::new();
        for declared in &shape.files {
            images.push(file_image(declared).map_err(|message| refuse("files", message))?);
        }
        if let Some(generated) = &shape.generated {
            for size in &generated.sizes {
                images.push(generated_image(generated, size).map_err(|message| refuse("sizes", message))?);
            }
        }
        if images.is_empty() {
            return Err(refuse("files", "a set needs `[[files]]` or `[generated]` with sizes".into()));
        }
        let mut names = BTreeSet::new();
        if let Some(image) = images.iter().find(|image| !names.insert(image.name.as_str())) {
            return Err(refuse("files", format!("two images are called `{}`", image.name)));
        }
        Ok(Self { description: shape.description, images })
    }
}

fn file_image(declared: &FileShape) -> Result<Image, String> {
    let FileShape { path, sha256 } = declared;
    let inside =
        !path.starts_with('/') && !path.contains('\\') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !inside {
        return Err(format!("path `{path}` does not stay inside the set's folder"));
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((name, extension)) = file.rsplit_once('.') else {
        return Err(format!("path `{path}` has no extension"));
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if name.is_empty() || !name.bytes().chain(extension.bytes()).all(plain) {
        return Err(format!("file name `{file}` is not lowercase letters, digits, `_` and `-` with an extension"));
    }
    if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(format!("sha256 of `{path}` is not 64 lowercase hex digits"));
    }
    Ok(Image { name: name.to_owned(), source: Source::File { path: path.clone(), sha256: sha256.clone() } })
}

fn generated_image(declared: &GeneratedShape, size: &str) -> Result<Image, String> {
    let (width, height) = parse_size(size)
        .filter(|(width, height)| u64::from(*width) * u64::from(*height) <= MAX_GENERATED_PIXELS)
        .ok_or_else(|| format!("size `{size}` is not WIDTHxHEIGHT of at most {MAX_GENERATED_PIXELS} pixels"))?;
    let source = Source::Generated { width, height, seed: declared.seed, format: declared.format };
    Ok(Image { name: size.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_generated_sizes_are_read_in_order() {
        let sha256 = hex::encode(Sha256::digest(b"pixels"));
        let text = format!(
            "description = \"d\"\n[[files]]\npath = \"photos/a.png\"\nsha256 = \"{sha256}\"\n\
             [generated]\nseed = 7\nformat = \"jpeg\"\nsizes = [\"816x612\"]\n"
        );
        let set = ImageSet::parse("s.toml", &text).unwrap();
        let names: Vec<_> = set.images.iter().map(|image| (image.name.as_str(), image.extension())).collect();
        assert_eq!(names, [("a", "png"), ("816x612", "jpg")]);
        assert_eq!(set.images[0].mismatch(b"pixels"), None);
        assert!(set.images[0].mismatch(b"other").unwrap().contains("declares"));
    }

    #[test]
    fn an_impossible_set_is_refused_with_its_line() {
        let refusal = |text: &str| ImageSet::parse("s.toml", text).unwrap_err().to_string();
        let generated =
            |sizes: &str| format!("description = 'd'\n[generated]\nseed = 1\nformat = 'png'\nsizes = {sizes}\n");
        assert!(refusal("description = 'd'\n").contains("a set needs"));
        assert!(refusal(&generated("['0x5']")).starts_with("s.toml:5: sizes: size `0x5`"));
        assert!(refusal(&generated("['9000x9000']")).contains("at most 25000000 pixels"));
        assert!(refusal(&generated("['5x5', '5x5']")).contains("two images are called `5x5`"));
        let file = |path: &str| format!("description = 'd'\n[[files]]\npath = '{path}'\nsha256 = '00'\n");
        assert!(refusal(&file("../secret.png")).contains("does not stay inside"));
        assert!(refusal(&file("a.png")).contains("64 lowercase hex digits"));
        assert!(refusal(&file("A b.png")).contains("is not lowercase letters"));
    }
}
