//! An image set as data (`experiments/<pipeline>/image-sets/<name>.toml`): files with their hashes,
//! generated images with their sizes and seed, or both.
//!
//! Text → [`ImageSet`]. Reading the files is the caller's; what a generated image looks like is in
//! `darkroom-contract`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::Spanned;
use unicode_normalization::UnicodeNormalization as _;

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
    /// With one or the other: the contract does not ask for more than that it never silently gives
    /// a wrong picture.
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
    /// Unique in its set, of any letters but control characters and `/`. The `image` column.
    pub name: String,
    pub source: Source,
    pub expect: Expect,
    /// The stages that are fed it, by name; empty: the pipeline's first.
    pub stages: Vec<String>,
    /// The image that the reference is made of in its stead, where its own mode is not the stage's:
    /// the same picture in the stage's mode. Relative to the folder of the set's TOML file.
    pub stands_for: Option<String>,
    pub declared: Declared,
}

/// Where the set's file says what, in bytes of its text. Empty for images that are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub path: Range<usize>,
    pub sha256: Range<usize>,
    pub stands_for: Option<Range<usize>>,
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
    /// Every level from black at the left to white at the right, a little darker towards the
    /// bottom.
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
    /// One that is made rather than read.
    fn made(name: &str, source: Source, stages: Vec<String>) -> Self {
        let (expect, declared) = (Expect::Right, Declared::default());
        Self {
            name: name.to_owned(),
            source,
            expect,
            stages,
            stands_for: None,
            declared,
        }
    }

    /// Returns the extension that the file is called by, without the dot and in lowercase; empty
    /// where it has none.
    pub fn extension(&self) -> String {
        match &self.source {
            Source::File { path, .. } => {
                let file = path.rsplit('/').next().unwrap_or(path);
                file.rsplit_once('.')
                    .map_or_else(String::new, |(_, extension)| extension.to_lowercase())
            }
            Source::Generated { format, .. } => format.extension().to_owned(),
            Source::Pattern { .. } => Format::Png.extension().to_owned(),
        }
    }

    /// Returns why `bytes` are not the file that was declared, or `None` if they are (or the image
    /// has no hash).
    pub fn mismatch(&self, bytes: &[u8]) -> Option<String> {
        let Source::File { path, sha256 } = &self.source else {
            return None;
        };
        let found = hex::encode(Sha256::digest(bytes));
        (found != *sha256)
            .then(|| format!("`{path}` has sha256 {found}, but the set declares {sha256}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    description: String,
    #[serde(default)]
    purpose: Purpose,
    #[serde(default)]
    files: Vec<Spanned<FileShape>>,
    generated: Option<GeneratedShape>,
    patterns: Option<PatternsShape>,
    #[serde(default)]
    check: BTreeMap<String, Tolerance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    path: Spanned<String>,
    sha256: Spanned<String>,
    expect: Option<Spanned<Expect>>,
    #[serde(default)]
    stages: Option<Spanned<Vec<String>>>,
    stands_for: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternsShape {
    size: Spanned<String>,
    names: Vec<Pattern>,
    /// The stages that are fed them.
    stages: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratedShape {
    seed: u64,
    format: Format,
    sizes: Vec<Spanned<String>>,
}

impl ImageSet {
    /// Returns the set that `text` spells, or everything that is wrong with it. `file` is its name
    /// for messages.
    ///
    /// Refuses unknown keys, an empty set, names that repeat, paths that leave the folder, and
    /// impossible sizes.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<DataFileError>> {
        match Self::parse_what_can_be(file, text) {
            (Some(set), errors) if errors.is_empty() => Ok(set),
            (_, errors) => Err(errors),
        }
    }

    /// Returns as much of the set as can be read, and everything that is wrong: so that its files
    /// can be looked at too.
    ///
    /// A set with errors is for looking at alone. `None` where the text is not a set at all.
    pub fn parse_what_can_be(file: &str, text: &str) -> (Option<Self>, Vec<DataFileError>) {
        let file = DataFile { name: file, text };
        let shape: Shape = match file.parse() {
            Ok(shape) => shape,
            Err(error) => return (None, vec![error]),
        };
        let mut reading = Reading {
            file,
            images: Vec::new(),
            errors: Vec::new(),
        };
        for declared in &shape.files {
            reading.file_image(declared.get_ref(), shape.purpose);
        }
        if let Some(generated) = &shape.generated {
            for size in &generated.sizes {
                reading.generated_image(generated, size);
            }
        }
        if let Some(patterns) = &shape.patterns {
            reading.pattern_images(patterns);
        }
        reading.check_whole(&shape);
        let images = reading.images.into_iter().map(|(image, _)| image).collect();
        let set = Self {
            description: shape.description,
            purpose: shape.purpose,
            images,
            tolerances: shape.check,
        };
        (Some(set), reading.errors)
    }
}

/// A set in progress: its images with where they are declared, and what is wrong so far.
struct Reading<'a> {
    file: DataFile<'a>,
    images: Vec<(Image, Range<usize>)>,
    errors: Vec<DataFileError>,
}

impl Reading<'_> {
    fn refuse(
        &mut self,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors
            .push(self.file.error(span, key, message, Some(help.into())));
    }

    fn file_image(&mut self, declared: &FileShape, purpose: Purpose) {
        if purpose == Purpose::Timing {
            self.check_keys_of(declared);
        }
        let mut leads_somewhere = true;
        for (key, path) in [
            ("path", Some(&declared.path)),
            ("stands_for", declared.stands_for.as_ref()),
        ] {
            if let Some(path) = path
                && let Err((message, help)) = check_path(path.get_ref())
            {
                self.refuse(path.span(), key, message, help);
                leads_somewhere = false;
            }
        }
        let sha256 = declared.sha256.get_ref();
        if sha256.len() != 64
            || !sha256
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            let help = "Write the hash that `sha256sum` prints for the file.";
            self.refuse(
                declared.sha256.span(),
                "sha256",
                "it is not 64 lowercase hex digits",
                help,
            );
        }
        let place = |value: &Spanned<String>| value.span();
        let image = Image {
            name: image_name(declared.path.get_ref()),
            source: Source::File {
                path: declared.path.get_ref().clone(),
                sha256: sha256.clone(),
            },
            expect: declared
                .expect
                .as_ref()
                .map(|expect| *expect.get_ref())
                .unwrap_or_default(),
            stages: declared
                .stages
                .as_ref()
                .map(|stages| stages.get_ref().clone())
                .unwrap_or_default(),
            stands_for: declared
                .stands_for
                .as_ref()
                .map(|path| path.get_ref().clone()),
            declared: Declared {
                path: place(&declared.path),
                sha256: place(&declared.sha256),
                stands_for: declared.stands_for.as_ref().map(place),
            },
        };
        if leads_somewhere {
            self.add(image, declared.path.span(), "path");
        }
    }

    /// Refuses keys that only a set for checking can have.
    fn check_keys_of(&mut self, declared: &FileShape) {
        let keys = [
            ("expect", declared.expect.as_ref().map(Spanned::span)),
            ("stages", declared.stages.as_ref().map(Spanned::span)),
            (
                "stands_for",
                declared.stands_for.as_ref().map(Spanned::span),
            ),
        ];
        for (key, span) in keys {
            if let Some(span) = span {
                self.refuse(span, key, FOR_CHECKING, FOR_CHECKING_HELP);
            }
        }
    }

    fn generated_image(&mut self, declared: &GeneratedShape, size: &Spanned<String>) {
        let Some((width, height)) = self.sides(size, "sizes") else {
            return;
        };
        let source = Source::Generated {
            width,
            height,
            seed: declared.seed,
            format: declared.format,
        };
        self.add(
            Image::made(size.get_ref(), source, Vec::new()),
            size.span(),
            "sizes",
        );
    }

    fn pattern_images(&mut self, declared: &PatternsShape) {
        let Some((width, height)) = self.sides(&declared.size, "size") else {
            return;
        };
        for &pattern in &declared.names {
            let source = Source::Pattern {
                pattern,
                width,
                height,
            };
            self.add(
                Image::made(pattern.as_str(), source, declared.stages.clone()),
                declared.size.span(),
                "names",
            );
        }
    }

    fn sides(&mut self, size: &Spanned<String>, key: &str) -> Option<(u32, u32)> {
        let fits = |(width, height): &(u32, u32)| {
            u64::from(*width) * u64::from(*height) <= MAX_GENERATED_PIXELS
        };
        let sides = parse_size(size.get_ref()).filter(fits);
        if sides.is_none() {
            let message = format!(
                "size `{}` is not WIDTHxHEIGHT of at most {MAX_GENERATED_PIXELS} pixels",
                size.get_ref()
            );
            self.refuse(
                size.span(),
                key,
                message,
                "Write two whole numbers of pixels, for example \"800x600\".",
            );
        }
        sides
    }

    /// Takes an image in, and refuses it if its name is taken.
    fn add(&mut self, image: Image, span: Range<usize>, key: &str) {
        if let Some((_, first)) = self
            .images
            .iter()
            .find(|(before, _)| before.name == image.name)
        {
            let line = self.file.line_of(first.start);
            let message = format!(
                "two images are called `{}`; the first is at line {line}",
                image.name
            );
            let help = "Results name an image by its file name without the extension. Rename or \
                remove one file.";
            self.refuse(span.clone(), key, message, help);
        }
        self.images.push((image, span));
    }

    fn check_whole(&mut self, shape: &Shape) {
        let whole = || 0..self.file.text.len();
        if shape.purpose == Purpose::Timing {
            for (key, said) in [
                ("patterns", shape.patterns.is_some()),
                ("check", !shape.check.is_empty()),
            ] {
                if said {
                    let error = self.file.error_at_key(
                        &whole(),
                        key,
                        FOR_CHECKING,
                        Some(FOR_CHECKING_HELP.to_owned()),
                    );
                    self.errors.push(error);
                }
            }
        }
        if self.images.is_empty() && self.errors.is_empty() {
            let message = "a set needs `[[files]]`, `[generated]` with sizes, or `[patterns]`";
            let help = "Add one of these, for example [[files]] with `path` and `sha256`.";
            self.errors.push(self.file.error_at_key(
                &whole(),
                "files",
                message,
                Some(help.to_owned()),
            ));
        }
    }
}

const FOR_CHECKING: &str = "works only in sets of purpose = \"check\", which are never timed";
const FOR_CHECKING_HELP: &str = "Remove it, or write purpose = \"check\" at the top of the set.";

/// Returns how results name the image of a file: its file name without the extension, in one
/// Unicode spelling.
///
/// A Mac writes `é` as two characters where others write one (NFD and NFC); both are the same name.
fn image_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.rsplit_once('.').map_or(file, |(name, _)| name);
    name.nfc().collect()
}

/// Whether two file names are the same to a person who reads them.
pub fn same_name(a: &str, b: &str) -> bool {
    a.nfc().eq(b.nfc())
}

/// Of Linux, macOS and Windows, for a name in UTF-8.
const MOST_NAME_BYTES: usize = 255;

/// Says what is wrong with a path of a set, and what to do. Any name is taken that a file can have
/// here and elsewhere.
fn check_path(path: &str) -> Result<(), (String, &'static str)> {
    if let Some(control) = path.chars().find(|letter| letter.is_control()) {
        let message = format!(
            "{path:?} holds the control character {}",
            control.escape_default()
        );
        return Err((
            message,
            "Write the path in single quotes, or with forward slashes.",
        ));
    }
    if path.contains('\\') {
        return Err((
            format!("`{path}` holds a backslash"),
            "Separate folders with forward slashes.",
        ));
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let help = "Put the file into the set's folder, and write its path from there.";
        return Err((
            format!("`{path}` does not stay inside the set's folder"),
            help,
        ));
    }
    if let Some(long) = path.split('/').find(|part| part.len() > MOST_NAME_BYTES) {
        let begin: String = long.chars().take(20).collect();
        let message = format!(
            "the name `{begin}…` has {} bytes; file names have at most {MOST_NAME_BYTES}",
            long.len()
        );
        return Err((message, "Give the file a shorter name."));
    }
    if image_name(path).is_empty() {
        return Err((
            format!("`{file}` has no name before its extension"),
            "Give the file a name.",
        ));
    }
    Ok(())
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
        let names: Vec<_> = set
            .images
            .iter()
            .map(|image| (image.name.as_str(), image.extension()))
            .collect();
        assert_eq!(
            names,
            [("a", "png".to_owned()), ("816x612", "jpg".to_owned())]
        );
        assert_eq!(set.images[0].mismatch(b"pixels"), None);
        assert!(
            set.images[0]
                .mismatch(b"other")
                .unwrap()
                .contains("declares")
        );
    }

    #[test]
    fn what_is_for_checking_alone_is_refused_in_a_set_for_timing() {
        let patterns = "description = 'd'\n[patterns]\nsize = '8x6'\nnames = ['ramp', 'low-bits']\nstages = ['resize']\n";
        let error = ImageSet::parse("s.toml", patterns).unwrap_err()[0].to_string();
        assert!(
            error.contains("patterns: works only in sets of purpose = \"check\""),
            "{error}"
        );
        let set = ImageSet::parse(
            "s.toml",
            &patterns.replace("[patterns]", "purpose = 'check'\n[patterns]"),
        )
        .unwrap();
        let images: Vec<_> = set
            .images
            .iter()
            .map(|image| (image.name.as_str(), image.extension()))
            .collect();
        assert_eq!(
            (set.purpose, images),
            (
                Purpose::Check,
                vec![("ramp", "png".to_owned()), ("low-bits", "png".to_owned())]
            )
        );
        assert_eq!(set.images[0].stages, ["resize"]);
    }

    #[test]
    fn an_impossible_set_is_refused_with_its_line() {
        let refusal = |text: &str| ImageSet::parse("s.toml", text).unwrap_err()[0].to_string();
        let generated = |sizes: &str| {
            format!("description = 'd'\n[generated]\nseed = 1\nformat = 'png'\nsizes = {sizes}\n")
        };
        assert!(refusal("description = 'd'\n").contains("a set needs"));
        assert!(refusal(&generated("['0x5']")).starts_with("s.toml:5: sizes: size `0x5`"));
        assert!(refusal(&generated("['9000x9000']")).contains("at most 25000000 pixels"));
        assert!(refusal(&generated("['5x5', '5x5']")).contains("two images are called `5x5`"));
        let file =
            |path: &str| format!("description = 'd'\n[[files]]\npath = {path}\nsha256 = '00'\n");
        assert!(refusal(&file("'a.png'")).contains("64 lowercase hex digits"));
        for outside in ["../secret.png", "/etc/a.png", "a//b.png", "./a.png"] {
            assert!(
                refusal(&file(&format!("'{outside}'"))).contains("does not stay inside"),
                "{outside}"
            );
        }
        let long = format!("{}.png", "é".repeat(126));
        let said = refusal(&file(&format!("'odd/{long}'")));
        assert!(
            said.contains(
                "the name `éééééééééééééééééééé…` has 256 bytes; file names have at most 255"
            ),
            "{said}"
        );
        assert!(!refusal(&file(&format!("'odd/{}'", &long[2..]))).contains("at most 255"));
        assert!(refusal(&file("'.png'")).contains("no name before its extension"));
        assert!(refusal(&file("'photos\\a.png'")).contains("holds a backslash"));
        assert!(refusal(&file("\"photos\\new.png\"")).contains("holds the control character \\n"));
    }

    #[test]
    fn every_mistake_of_a_set_is_said_at_once_each_at_its_line() {
        let text = "description = 'd'\n[[files]]\npath = '../a.png'\nsha256 = 'x'\nexpect = 'error'\n\
                    [[files]]\npath = 'B.png'\nsha256 = 'Y'\n[generated]\nseed = 1\nformat = 'png'\nsizes = [\n'0x1',\n'x'\n]\n";
        let errors = ImageSet::parse("s.toml", text).unwrap_err();
        let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [5, 3, 4, 8, 13, 14], "{errors:?}");
        assert!(errors.iter().all(|error| error.help.is_some()));
    }

    #[test]
    fn any_file_name_is_taken_and_two_spellings_of_one_name_are_one() {
        let sha256 = "0".repeat(64);
        let names = [
            "UPPER.JPG",
            "photo (1) + b.jpg",
            "100%.png",
            "no_extension",
            "two.dots.v2.png",
            "a=b&c#d?.png",
            "quote'\".png",
            "-dash.png",
            "Ünï 日本.png",
            "upper.jpg",
        ];
        let file =
            |name: &&str| format!("[[files]]\npath = '''odd/{name}'''\nsha256 = '{sha256}'\n");
        let text = format!(
            "description = 'd'\n{}",
            names.iter().map(file).collect::<String>()
        );
        let set = ImageSet::parse("s.toml", &text).unwrap();
        let found: Vec<_> = set
            .images
            .iter()
            .map(|image| (image.name.as_str(), image.extension()))
            .collect();
        assert_eq!(found[0], ("UPPER", "jpg".to_owned()));
        assert_eq!(found[3], ("no_extension", String::new()));
        assert_eq!(found[4], ("two.dots.v2", "png".to_owned()));
        let (nfc, nfd) = ("caf\u{e9}.png", "cafe\u{301}.png");
        assert!(same_name(nfc, nfd));
        let text = format!("description = 'd'\n{}{}", file(&nfc), file(&nfd));
        let errors = ImageSet::parse("s.toml", &text).unwrap_err();
        let said = "s.toml:6: path: two images are called `caf\u{e9}`; the first is at line 3";
        assert_eq!(errors[0].to_string(), said);
    }
}
