//! Finds a package's JPEG decoder, because a comparison is fair only if it is known.
//!
//! Libraries hold their name and version; wheels say in RECORD which file belongs to which library.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use darkroom_core::event::Build;

/// Crates that decode JPEG. One that binds a C library has the library's name and the crate's
/// version.
const CRATES: [&str; 5] = [
    "zune-jpeg",
    "jpeg-decoder",
    "mozjpeg-sys",
    "turbojpeg-sys",
    "libjpeg-turbo-sys",
];
/// What comes before the version in a library that contains a decoder, and whose decoder it is.
/// OpenCV's are those of its build information.
const MARKS: [(&str, &str); 3] = [
    ("libjpeg-turbo version ", "libjpeg-turbo"),
    ("mozjpeg version ", "mozjpeg"),
    ("libjpeg-turbo (ver ", "libjpeg-turbo"),
];

/// Returns the decoder that a locked crate is.
pub fn of_crate(name: &str, version: &str) -> Option<String> {
    CRATES.contains(&name).then(|| format!("{name} {version}"))
}

/// Adds to each dependency the decoder in its files, which lie in the layer `zip`. What can't be
/// read is not known.
///
/// What was found is kept beside the archive, whose name tells its contents: libraries are large.
pub fn add_decoders(build: &mut Build, zip: &Path) {
    let kept = zip.with_added_extension("jpeg");
    let known = fs::read_to_string(&kept)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok());
    let known: BTreeMap<String, String> = known
        .or_else(|| {
            let found = decoders(zip).ok()?;
            // Looked for again the next time if it can't be kept.
            let _ = serde_json::to_string(&found).map(|text| fs::write(&kept, text));
            Some(found)
        })
        .unwrap_or_default();
    for dependency in &mut build.dependencies {
        dependency.jpeg_decoder = known.get(&normal(&dependency.name)).cloned();
    }
}

/// Returns the decoder in each distribution of a layer, by its normal name.
fn decoders(zip: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut zip = zip::ZipArchive::new(File::open(zip)?)?;
    let (mut owners, mut found) = (BTreeMap::new(), BTreeMap::new());
    let names: Vec<String> = zip.file_names().flatten().map(Cow::into_owned).collect();
    for record in names
        .iter()
        .filter(|name| name.ends_with(".dist-info/RECORD"))
    {
        let mut text = String::new();
        zip.by_name(record)?.read_to_string(&mut text)?;
        let folder = record.rsplit('/').nth(1).unwrap_or_default();
        let owner = normal(folder.split('-').next().unwrap_or_default());
        let files = text.lines().filter_map(|line| line.split(',').next());
        owners.extend(files.map(|file| (format!("python/{file}"), owner.clone())));
    }
    for library in names.iter().filter(|name| name.contains(".so")) {
        let Some(owner) = owners.get(library) else {
            continue;
        };
        let mut contents = Vec::new();
        zip.by_name(library)?.read_to_end(&mut contents)?;
        if let Some(decoder) = said_by(&contents) {
            found.insert(owner.clone(), decoder);
        }
    }
    Ok(found)
}

/// Returns what decoder a library says it contains.
fn said_by(library: &[u8]) -> Option<String> {
    MARKS.iter().find_map(|(mark, name)| {
        let at = memchr::memmem::find_iter(library, mark).find_map(|at| {
            let version: String = library[at + mark.len()..]
                .iter()
                .map(|&byte| char::from(byte))
                .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
                .collect();
            version
                .starts_with(|letter: char| letter.is_ascii_digit())
                .then_some(version)
        })?;
        Some(format!("{name} {}", at.trim_end_matches('.')))
    })
}

/// A distribution's name as indexes compare it: case and the kind of separator say nothing.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use darkroom_core::event::Dependency;

    use super::super::zip::{Entries, Entry, write};
    use super::*;

    fn dependency(name: &str) -> Dependency {
        let (name, version) = (name.to_owned(), "1.0".to_owned());
        Dependency {
            name,
            version,
            features: vec![],
            sha256: vec![],
            jpeg_decoder: None,
        }
    }

    #[test]
    fn libraries_say_their_decoder_as_their_makers_do() {
        let cases: [(&[u8], Option<&str>); 5] = [
            (
                b"\0libjpeg-turbo version 3.2.0 (build 20261016)\0",
                Some("libjpeg-turbo 3.2.0"),
            ),
            (
                b"\0mozjpeg version 5.0.0 (build 20260926)\0",
                Some("mozjpeg 5.0.0"),
            ),
            (
                b"    JPEG:      build-libjpeg-turbo (ver 3.1.2-70)\n",
                Some("libjpeg-turbo 3.1.2"),
            ),
            (
                b"libjpeg-turbo version %s\0libjpeg-turbo version 3.1.4.1 (build",
                Some("libjpeg-turbo 3.1.4.1"),
            ),
            (b"JPEG library version mismatch\0", None),
        ];
        for (library, decoder) in cases {
            assert_eq!(
                said_by(library).as_deref(),
                decoder,
                "{}",
                library.escape_ascii()
            );
        }
    }

    #[test]
    fn the_decoder_belongs_to_the_distribution_whose_record_lists_the_library() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| Entry {
            contents: text.into(),
            executable: false,
        };
        let layer = Entries::from([
            (
                "python/pillow.libs/libjpeg-1.so.62".to_owned(),
                file("libjpeg-turbo version 3.2.0 (build 1)"),
            ),
            (
                "python/pillow-13.0.0.dist-info/RECORD".to_owned(),
                file("pillow.libs/libjpeg-1.so.62,sha256=x,37\n"),
            ),
            (
                "python/pyvips_binary.libs/libvips.so.42".to_owned(),
                file("mozjpeg version 5.0.0 (build 1)"),
            ),
            (
                "python/pyvips_binary-8.18.7.dist-info/RECORD".to_owned(),
                file("pyvips_binary.libs/libvips.so.42,,\n"),
            ),
            ("python/numpy/core.so".to_owned(), file("no decoder")),
            (
                "python/numpy-2.5.5.dist-info/RECORD".to_owned(),
                file("numpy/core.so,,\n"),
            ),
        ]);
        let zip = folder.path().join("layer.zip");
        write(&zip, &layer).unwrap();
        let dependencies = ["Pillow", "pyvips-binary", "numpy"]
            .map(dependency)
            .to_vec();
        let mut build = Build {
            dependencies,
            ..Build::default()
        };
        add_decoders(&mut build, &zip);
        let found: Vec<_> = build
            .dependencies
            .iter()
            .map(|it| it.jpeg_decoder.as_deref())
            .collect();
        assert_eq!(
            found,
            [Some("libjpeg-turbo 3.2.0"), Some("mozjpeg 5.0.0"), None]
        );

        // The second time it is known without the archive.
        std::fs::remove_file(&zip).unwrap();
        let mut again = Build {
            dependencies: vec![dependency("pillow")],
            ..Build::default()
        };
        add_decoders(&mut again, &zip);
        assert_eq!(
            again.dependencies[0].jpeg_decoder.as_deref(),
            Some("libjpeg-turbo 3.2.0")
        );
    }

    #[test]
    fn a_crate_that_decodes_is_its_own_decoder() {
        assert_eq!(
            of_crate("zune-jpeg", "0.5.15").as_deref(),
            Some("zune-jpeg 0.5.15")
        );
        assert_eq!(of_crate("image", "0.25.10"), None);
    }
}
