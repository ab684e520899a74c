//! Compares the files of an image set with what the set declares and what the pipeline's first
//! stage takes.
//!
//! A parsed set and its folder → every fault, each at its line of the set's file. Reads the image
//! files; changes nothing.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use darkroom_contract::{GIT_LFS_POINTER, NoReference, NotAnImage, Undecodable, format_of, unfit};
use darkroom_core::data_file::DataFile;
use darkroom_core::image_set::{Image, ImageSet, Purpose, Source, same_name};
use darkroom_core::manifest::Fault;
use darkroom_core::pipeline::{Format, Stage};

use crate::plain_file;

/// Other kinds of images, by their files' extensions.
const OTHER_IMAGES: [&str; 9] = [
    "gif", "bmp", "tif", "tiff", "webp", "avif", "heic", "jxl", "svg",
];

/// Where a set's files are, and what they are fed to.
pub struct Folder<'a> {
    /// The set's own file.
    pub file: DataFile<'a>,
    pub path: &'a Path,
    /// The folder as the user knows it.
    pub shown: &'a str,
    /// The stage that is fed the images as they are; `None` where the pipeline can't be read.
    pub first: Option<&'a Stage>,
}

/// Returns the file that a path of a set names, also where the disk spells the name in another
/// Unicode form.
pub fn find(folder: &Path, path: &str) -> PathBuf {
    let as_written = folder.join(path);
    if as_written.exists() {
        return as_written;
    }
    let mut found = folder.to_owned();
    for part in path.split('/') {
        let names = names_in(&found);
        let exact = names.iter().find(|name| *name == part);
        let Some(name) = exact.or_else(|| names.iter().find(|name| same_name(name, part))) else {
            return as_written;
        };
        found.push(name);
    }
    found
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

impl Folder<'_> {
    /// Returns everything that is wrong with the files of `set`.
    pub fn faults(&self, set: &ImageSet) -> Vec<Fault> {
        set.images
            .iter()
            .flat_map(|image| self.faults_of(image, set.purpose))
            .collect()
    }

    fn faults_of(&self, image: &Image, purpose: Purpose) -> Vec<Fault> {
        let Source::File { path, .. } = &image.source else {
            return Vec::new();
        };
        let mut faults = self.stand_in_faults(image);
        match plain_file::read(&find(self.path, path), plain_file::MOST) {
            Err(error) => faults.push(self.unreadable("path", &image.declared.path, path, &error)),
            Ok(bytes) => {
                if purpose == Purpose::Timing {
                    faults.extend(self.misfit("path", &image.declared.path, path, &bytes));
                }
                faults.extend(self.mismatch(image, &bytes));
            }
        }
        faults
    }

    /// What stands for an image makes the reference, so it is compared with the stage in every set.
    fn stand_in_faults(&self, image: &Image) -> Vec<Fault> {
        let (Some(path), Some(span)) = (&image.stands_for, &image.declared.stands_for) else {
            return Vec::new();
        };
        match plain_file::read(&find(self.path, path), plain_file::MOST) {
            Err(error) => vec![self.unreadable("stands_for", span, path, &error)],
            Ok(_) if !image.stages.is_empty() => Vec::new(),
            Ok(bytes) => self
                .misfit("stands_for", span, path, &bytes)
                .into_iter()
                .collect(),
        }
    }

    fn fault(
        &self,
        span: &Range<usize>,
        key: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Fault {
        self.file
            .error(span.clone(), key, message, Some(help.into()))
            .into()
    }

    fn unreadable(&self, key: &str, span: &Range<usize>, path: &str, error: &io::Error) -> Fault {
        if error.kind() != io::ErrorKind::NotFound {
            return self.fault(
                span,
                key,
                format!("cannot read `{path}`: {error}"),
                "Make it readable for you.",
            );
        }
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let near = names_in(&self.path.join(folder))
            .into_iter()
            .find(|name| name.to_lowercase() == file.to_lowercase());
        let help = match near {
            Some(name) if folder.is_empty() => format!("Did you mean `{name}`?"),
            Some(name) => format!("Did you mean `{folder}/{name}`?"),
            None => format!(
                "Put the file into {}, or remove it from the set.",
                self.shown
            ),
        };
        self.fault(span, key, format!("there is no file `{path}`"), help)
    }

    fn mismatch(&self, image: &Image, bytes: &[u8]) -> Option<Fault> {
        // A declared hash that is none has been refused as such.
        matches!(&image.source, Source::File { sha256, .. } if sha256.len() == 64).then_some(())?;
        let message = image.mismatch(bytes)?;
        let help = "Restore the declared file. If this one is right, write its sha256 there.";
        Some(self.fault(&image.declared.sha256, "sha256", message, help))
    }

    /// Says why the first stage can't take these bytes under this name.
    fn misfit(&self, key: &str, span: &Range<usize>, path: &str, bytes: &[u8]) -> Option<Fault> {
        let stage = self.first?;
        if let Some(error) = unfit(stage, bytes) {
            let (message, help) = explained(path, &error);
            return Some(self.fault(span, key, message, help));
        }
        let format = format_of(bytes)?;
        let extension = path.rsplit('/').next()?.rsplit_once('.')?.1.to_lowercase();
        let other = OTHER_IMAGES.contains(&extension.as_str())
            || Format::of_extension(&extension).is_some_and(|named| named != format);
        let stem = &path[..path.len() - extension.len()];
        other.then(|| {
            let message = format!("`{path}` holds a {}", format.title());
            self.fault(
                span,
                key,
                message,
                format!(
                    "Rename the file to `{stem}{}`, here and on disk.",
                    format.extension()
                ),
            )
        })
    }
}

fn explained(path: &str, error: &NoReference) -> (String, &'static str) {
    const OTHER: &str = "Convert the file, or remove it from the set. A set of purpose = \
        \"check\" may hold such a file.";
    let whole = "Restore the whole file, or remove it from the set.";
    match error {
        NoReference::WrongKind {
            stage,
            format,
            found,
            expected,
        } => (
            format!("`{path}` is a {found} {format}, but stage `{stage}` takes {expected}"),
            OTHER,
        ),
        NoReference::Undecodable(Undecodable::NotAnImage(NotAnImage::Empty)) => {
            (format!("`{path}` is empty: it has 0 bytes"), whole)
        }
        NoReference::Undecodable(Undecodable::NotAnImage(NotAnImage::OtherFormat(name)))
            if *name == GIT_LFS_POINTER =>
        {
            (
                format!("`{path}` is a {name}, not the image itself"),
                "Run `git lfs pull`.",
            )
        }
        NoReference::Undecodable(Undecodable::NotAnImage(NotAnImage::OtherFormat(name))) => {
            (format!("`{path}` holds {name}, not a PNG or a JPEG"), OTHER)
        }
        NoReference::Undecodable(Undecodable::NotAnImage(NotAnImage::RareKind(kind))) => {
            (format!("`{path}` is {kind}"), OTHER)
        }
        NoReference::Undecodable(error) => (format!("`{path}` does not decode: {error}"), whole),
        other => (format!("`{path}` cannot be used: {other}"), OTHER),
    }
}
