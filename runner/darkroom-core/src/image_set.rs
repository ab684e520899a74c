//! An image set as data (`experiments/<pipeline>/image-sets/<name>.toml`): files with their hashes, generated images
//! with their sizes and seed, or both.
//!
//! Text → [`ImageSet`]. Reading the files is the caller's; what a generated image looks like is in `darkroom-contract`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data_file::{DataFile, DataFileError};
use crate::pipeline::{Format, Tolerance, parse_size};

/// Most pixels a generated image may have: 24 megapixels and some, for round sides.
pub const MAX_GENERATED_PIXELS: u64 = 25_000_000;

/// Images in the order they are declared: files first, then generated ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSet {
    pub description: String,
    pub purpose: Purpose,
    pub images: Vec<Image>,
    /// Stage → what holds on these images instead of the pipeline's own tolerance.
    pub tolerances: BTreeMap<String, Tolerance>,
}

/// What a set is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To be measured on, and checked.
    #[default]
    Timing,
    /// For `darkroom check` alone: what it holds is unlike what a pipeline is timed on.
    Check,
}

/// How a stage must answer an image of a set for checking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// With an output that passes the contract.
    #[default]
    Right,
    /// With an error, and no output.
    Error,
    /// With one or the other: the contract does not ask for more than that it never silently gives a wrong picture.
    RightOrError,
}

impl Expect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Error => "error",
            Self::RightOrError => "right-or-error",
        }
    }
}

/// One image of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Unique in its set: lowercase letters, digits, `_` and `-`. The `image` column.
    pub name: String,
    pub source: Source,
    pub expect: Expect,
    /// The stages that are fed it, by name; empty: the pipeline's first.
    pub stages: Vec<String>,
    /// The image that the reference is made of in its stead, where its own mode is not the stage's: the same picture in
    /// the stage's mode. Relative to the folder of the set's TOML file.
    pub stands_for: Option<String>,
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
    /// A 16-bit grey PNG whose samples hold [`PATTERN_BITS`] bits.
    Pattern {
        pattern: Pattern,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// Bits of a pattern's samples.
pub const PATTERN_BITS: u32 = 10;

/// Pictures in which a lost bit, a shift or a clipped range is plain to see. None is symmetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Every level from black at the left to white at the right, a little darker towards the bottom.
    Ramp,
    /// From black at the top left to white at the bottom right.
    Diagonal,
    /// The lowest 64 levels only: what 8-bit arithmetic leaves of them is banded.
    Dark,
    /// The highest 64 levels only.
    Bright,
    /// Levels that differ in their lowest two bits alone, in broad fields.
    LowBits,
}

impl Pattern {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Diagonal => "diagonal",
            Self::Dark => "dark",
            Self::Bright => "bright",
            Self::LowBits => "low-bits",
        }
    }
}

impl Image {
    /// Returns the extension of the image's object key, without the dot.
    pub fn extension(&self) -> &str {
        match &self.source {
            Source::File { path, .. } => path.rsplit_once('.').map_or("", |(_, extension)| extension),
            Source::Generated { format, .. } => format.extension(),
            Source::Pattern { .. } => Format::Png.extension(),
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
    purpose: Purpose,
    #[serde(default)]
    files: Vec<FileShape>,
    generated: Option<GeneratedShape>,
    patterns: Option<PatternsShape>,
    #[serde(default)]
    check: BTreeMap<String, Tolerance>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    path: String,
    sha256: String,
    expect: Option<Expect>,
    #[serde(default)]
    stages: Vec<String>,
    stands_for: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternsShape {
    size: String,
    names: Vec<Pattern>,
    /// The stages that are fed them.
    stages: Vec<String>,
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
        if let Some(patterns) = &shape.patterns {
            images.extend(pattern_images(patterns).map_err(|message| refuse("size", message))?);
        }
        if images.is_empty() {
            return Err(refuse("files", "a set needs `[[files]]`, `[generated]` with sizes, or `[patterns]`".into()));
        }
        if shape.purpose == Purpose::Timing
            && let Some(key) = key_for_checking(&shape)
        {
            return Err(refuse(key, "is for sets of purpose = \"check\", which are never timed".into()));
        }
        let mut names = BTreeSet::new();
        if let Some(image) = images.iter().find(|image| !names.insert(image.name.as_str())) {
            return Err(refuse("files", format!("two images are called `{}`", image.name)));
        }
        Ok(Self { description: shape.description, purpose: shape.purpose, images, tolerances: shape.check })
    }
}

fn file_image(declared: &FileShape) -> Result<Image, String> {
    let FileShape { path, sha256, expect, stages, stands_for } = declared;
    if let Some(outside) = std::iter::once(path).chain(stands_for).find(|path| !stays_inside(path)) {
        return Err(format!("path `{outside}` does not stay inside the set's folder"));
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
    Ok(Image {
        name: name.to_owned(),
        source: Source::File { path: path.clone(), sha256: sha256.clone() },
        expect: expect.unwrap_or_default(),
        stages: stages.clone(),
        stands_for: stands_for.clone(),
    })
}

fn stays_inside(path: &str) -> bool {
    !path.starts_with('/') && !path.contains('\\') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Returns a key that a set for timing says and only a set for checking can.
fn key_for_checking(shape: &Shape) -> Option<&'static str> {
    let file = |says: fn(&FileShape) -> bool| shape.files.iter().any(says);
    [
        ("expect", file(|file| file.expect.is_some())),
        ("stages", file(|file| !file.stages.is_empty())),
        ("stands_for", file(|file| file.stands_for.is_some())),
        ("patterns", shape.patterns.is_some()),
        ("check", !shape.check.is_empty()),
    ]
    .into_iter()
    .find_map(|(key, said)| said.then_some(key))
}

fn pattern_images(declared: &PatternsShape) -> Result<Vec<Image>, String> {
    let (width, height) = sides(&declared.size)?;
    let image = |&pattern: &Pattern| Image {
        name: pattern.as_str().to_owned(),
        source: Source::Pattern { pattern, width, height },
        expect: Expect::Right,
        stages: declared.stages.clone(),
        stands_for: None,
    };
    Ok(declared.names.iter().map(image).collect())
}

fn sides(size: &str) -> Result<(u32, u32), String> {
    parse_size(size)
        .filter(|(width, height)| u64::from(*width) * u64::from(*height) <= MAX_GENERATED_PIXELS)
        .ok_or_else(|| format!("size `{size}` is not WIDTHxHEIGHT of at most {MAX_GENERATED_PIXELS} pixels"))
}

fn generated_image(declared: &GeneratedShape, size: &str) -> Result<Image, String> {
    let (width, height) = sides(size)?;
    let source = Source::Generated { width, height, seed: declared.seed, format: declared.format };
    Ok(Image { name: size.to_owned(), source, expect: Expect::Right, stages: Vec::new(), stands_for: None })
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
    fn what_is_for_checking_alone_is_refused_in_a_set_for_timing() {
        let patterns =
            "description = 'd'\n[patterns]\nsize = '8x6'\nnames = ['ramp', 'low-bits']\nstages = ['resize']\n";
        let error = ImageSet::parse("s.toml", patterns).unwrap_err().to_string();
        assert!(error.contains("patterns: is for sets of purpose = \"check\""), "{error}");
        let set = ImageSet::parse("s.toml", &patterns.replace("[patterns]", "purpose = 'check'\n[patterns]")).unwrap();
        let images: Vec<_> = set.images.iter().map(|image| (image.name.as_str(), image.extension())).collect();
        assert_eq!((set.purpose, images), (Purpose::Check, vec![("ramp", "png"), ("low-bits", "png")]));
        assert_eq!(set.images[0].stages, ["resize"]);
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
