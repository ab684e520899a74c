//! Makes packages, or takes them from the cache. The key is a hash of everything that a package is
//! made from.

use std::fs;
use std::path::{Path, PathBuf};

use darkroom_core::event::Build as Record;
use darkroom_core::variant::Build;
use sha2::{Digest, Sha256};

use super::deployable::{Archive, LayerPackage, Package, PackageRequest};
use super::error::PackageError;
use super::zip::{Entries, Entry};
use super::{cargo, confined, describe, files, jpeg, layer, machine, pins, provenance, zip};
use crate::plain_file;
use crate::prebuilt::{self, Prebuilt};
use crate::study;

/// Part of every cache key: raised when the same inputs are to give another archive.
const FORMAT: &str = "darkroom-package-1";

/// Lambda's limit for a zip that is uploaded in one call, bytes. Source: Lambda quotas, "Deployment
/// package".
const ZIPPED_LIMIT: u64 = 52_428_800;
/// Lambda's limit for code and layers together, unpacked, bytes. Source: as above.
const UNZIPPED_LIMIT: u64 = 262_144_000;

/// Returns the package of one request, from the cache if it is there.
pub fn package(cache_dir: &Path, request: &PackageRequest) -> Result<Package, PackageError> {
    let (archive, layers, build) = match &request.spec.build {
        Build::Python { requirements } => python(cache_dir, request, requirements.as_deref())?,
        Build::Cargo { bin } => rust(cache_dir, request, bin)?,
    };
    let package = Package {
        variant: request.variant.clone(),
        architecture: request.architecture,
        runtime: request.spec.runtime.clone(),
        archive,
        layers,
        profiled: false,
        build,
    };
    check_limits(&package)?;
    machine::check(&package)?;
    Ok(package)
}

fn python(
    cache_dir: &Path,
    request: &PackageRequest,
    requirements: Option<&str>,
) -> Result<(Archive, Vec<LayerPackage>, Record), PackageError> {
    let files = describe::python_files(&files::under(&request.folder)?, requirements);
    if !files
        .iter()
        .any(|file| file.extension().is_some_and(|extension| extension == "py"))
    {
        return Err(PackageError::Empty {
            variant: request.variant.clone(),
            folder: request.folder.clone(),
        });
    }
    for handler in request.spec.handlers.values() {
        if let Some(file) = describe::missing_module(handler, &files) {
            let (variant, handler) = (request.variant.clone(), handler.clone());
            return Err(PackageError::NoHandler {
                variant,
                handler,
                file: request.folder.join(file),
            });
        }
    }
    let entries = read_all(&request.folder, &files)?;
    let mut key = Key::new("python");
    for (name, entry) in &entries {
        key.add(name.as_bytes());
        key.add(&entry.contents);
    }
    // The code is the same for every architecture, so its archive is too.
    let archive = cached(&key.path(cache_dir, &request.variant), || Ok(entries))?;
    let Some(file) = requirements else {
        return Ok((archive, Vec::new(), Record::default()));
    };
    let (layer, record) = python_layer(cache_dir, request, &request.folder.join(file))?;
    Ok((archive, vec![layer], record))
}

fn python_layer(
    cache_dir: &Path,
    request: &PackageRequest,
    requirements: &Path,
) -> Result<(LayerPackage, Record), PackageError> {
    let text = fs::read_to_string(requirements).map_err(PackageError::io("read", requirements))?;
    if let Some(first) = pins::unpinned(&requirements.display().to_string(), &text)
        .into_iter()
        .next()
    {
        let (variant, file) = (request.variant.clone(), requirements.to_owned());
        return Err(PackageError::NotPinned {
            variant,
            file,
            line: first.message,
            help: first.help,
        });
    }
    let name = request.plain_name();
    let mut key = Key::new("layer");
    for part in [&text, &request.spec.runtime, request.architecture.as_str()] {
        key.add(part.as_bytes());
    }
    let scratch = cache_dir.join("scratch");
    let archive = cached(&key.path(cache_dir, &format!("{name}-layer")), || {
        let (file, text) = (requirements, text.as_str());
        layer::entries(&scratch, request, layer::Requirements { file, text })
    })?;
    let mut record = provenance::of_requirements(&text);
    jpeg::add_decoders(&mut record, &archive.zip);
    Ok((LayerPackage { name, archive }, record))
}

fn rust(
    cache_dir: &Path,
    request: &PackageRequest,
    bin: &str,
) -> Result<(Archive, Vec<LayerPackage>, Record), PackageError> {
    let inputs = describe::cargo_inputs(&files::under(&request.folder)?);
    let toolchain = match cargo::Toolchain::of(request) {
        Ok(toolchain) => toolchain,
        Err(missing) => return prebuilt(cache_dir, request, bin, &inputs)?.ok_or(missing),
    };
    let mut key = Key::new("cargo");
    let triple = cargo::triple(request.architecture);
    let builder = cargo::builder(&toolchain, triple, request.for_lambda);
    for part in [&toolchain.version, bin, triple, &builder] {
        key.add(part.as_bytes());
    }
    for (name, entry) in read_all(&request.folder, &inputs)? {
        key.add(name.as_bytes());
        key.add(&entry.contents);
    }
    let name = format!("{}-{}", request.variant, request.architecture);
    let place = key.path(cache_dir, &name);
    let noted = place.with_added_extension("not-confined");
    let archive = cached(&place, || {
        let built = cargo::build(&toolchain, &absolute(cache_dir)?, request, bin, &inputs)?;
        match &built.not_confined {
            Some(why) => write_note(&noted, why).map_err(PackageError::io("write", &noted))?,
            None => drop(fs::remove_file(&noted)),
        }
        let contents = built.contents;
        Ok(Entries::from([(
            "bootstrap".to_owned(),
            Entry {
                contents,
                executable: true,
            },
        )]))
    })?;
    let confined = fs::read_to_string(&noted)
        .map(|why| format!(" {}{why})", confined::OUTSIDE))
        .unwrap_or_default();
    let record = Record {
        compiler: Some(toolchain.version.lines().collect::<Vec<_>>().join("; ")),
        command: Some(format!(
            "{builder}: {}{confined}",
            cargo::command(&builder, bin, triple).join(" ")
        )),
        glibc: zip::contents(&archive.zip, "bootstrap")
            .as_deref()
            .and_then(provenance::glibc),
        ..provenance::of_cargo(&request.folder, triple)
    };
    Ok((archive, Vec::new(), record))
}

/// Returns the release's own package of these sources, for a machine that can't compile them.
fn prebuilt(
    cache_dir: &Path,
    request: &PackageRequest,
    bin: &str,
    inputs: &[PathBuf],
) -> Result<Option<(Archive, Vec<LayerPackage>, Record)>, PackageError> {
    let sources = read_all(&request.folder, inputs)?;
    let sources = sources
        .iter()
        .map(|(name, entry)| (Path::new(name), entry.contents.as_slice()));
    let found = prebuilt::of(request.architecture, study::rust_sources(), sources)
        .filter(|_| bin == "bootstrap");
    let Some(Prebuilt {
        bootstrap,
        compiler,
        command,
    }) = found
    else {
        return Ok(None);
    };
    let entry = Entry {
        contents: bootstrap.to_owned(),
        executable: true,
    };
    let name = format!("{}-{}", request.variant, request.architecture);
    let archive = of_entries(
        cache_dir,
        &name,
        Entries::from([("bootstrap".to_owned(), entry)]),
    )?;
    let record = Record {
        compiler: Some(compiler.to_owned()),
        command: Some(format!("prebuilt by the release: {command}")),
        glibc: provenance::glibc(bootstrap),
        ..provenance::of_cargo(&request.folder, cargo::triple(request.architecture))
    };
    Ok(Some((archive, Vec::new(), record)))
}

fn write_note(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Returns the archive of files that the runner itself brings.
pub(super) fn of_entries(
    cache_dir: &Path,
    name: &str,
    entries: Entries,
) -> Result<Archive, PackageError> {
    let mut key = Key::new("own");
    for (name, entry) in &entries {
        key.add(name.as_bytes());
        key.add(&entry.contents);
    }
    cached(&key.path(cache_dir, name), || Ok(entries))
}

/// A hash of everything an archive is made from.
struct Key(Sha256);

impl Key {
    fn new(kind: &str) -> Self {
        let mut key = Self(Sha256::new());
        key.add(FORMAT.as_bytes());
        key.add(kind.as_bytes());
        key
    }

    /// Adds one part. Its length goes in too, so that no two lists of parts look alike.
    fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn path(self, cache_dir: &Path, name: &str) -> PathBuf {
        cache_dir.join("packages").join(format!(
            "{name}-{}.zip",
            hex::encode(&self.0.finalize()[..10])
        ))
    }
}

/// Returns the archive at `path`, which names its inputs' hash, or makes it there.
///
/// A file next to it remembers the archive's sha256: one that was damaged is made again.
fn cached(
    path: &Path,
    make: impl FnOnce() -> Result<Entries, PackageError>,
) -> Result<Archive, PackageError> {
    let seal = path.with_added_extension("sha256");
    if let (Ok(sealed), Some(archive)) = (fs::read_to_string(&seal), zip::read(path))
        && sealed == archive.sha256_base64
    {
        return Ok(archive);
    }
    let archive = zip::write(path, &make()?)?;
    fs::write(&seal, &archive.sha256_base64).map_err(PackageError::io("write", &seal))?;
    Ok(archive)
}

/// Refuses what Lambda would refuse, before anything is uploaded.
pub(super) fn check_limits(package: &Package) -> Result<(), PackageError> {
    let too_large = |what, bytes, limit, help| {
        let (variant, architecture) = (package.variant.clone(), package.architecture);
        Err(PackageError::TooLarge {
            variant,
            architecture,
            what,
            bytes,
            limit,
            help,
        })
    };
    let smaller = "remove dependencies, tests and data that no handler uses";
    if package.archive.bytes > ZIPPED_LIMIT {
        return too_large("zipped code", package.archive.bytes, ZIPPED_LIMIT, smaller);
    }
    if let Some(layer) = package
        .layers
        .iter()
        .find(|layer| layer.archive.bytes > ZIPPED_LIMIT)
    {
        return too_large("zipped layer", layer.archive.bytes, ZIPPED_LIMIT, smaller);
    }
    let layers: u64 = package
        .layers
        .iter()
        .map(|layer| layer.archive.unzipped_bytes)
        .sum();
    let unzipped = package.archive.unzipped_bytes + layers;
    if unzipped > UNZIPPED_LIMIT {
        return too_large(
            "code and layers, unpacked,",
            unzipped,
            UNZIPPED_LIMIT,
            smaller,
        );
    }
    Ok(())
}

/// Returns the packaged files of a Python variant's folder, as named there, sorted; none where it
/// can't be listed.
pub fn packaged_files(folder: &Path, requirements: Option<&str>) -> Vec<String> {
    let files = describe::python_files(&files::under(folder).unwrap_or_default(), requirements);
    files
        .iter()
        .map(|file| file.display().to_string())
        .collect()
}

/// Returns those that are Python modules.
pub fn python_modules(folder: &Path) -> Vec<String> {
    let is_python = |file: &String| {
        Path::new(file)
            .extension()
            .is_some_and(|extension| extension == "py")
    };
    packaged_files(folder, None)
        .into_iter()
        .filter(is_python)
        .collect()
}

fn read_all(folder: &Path, files: &[PathBuf]) -> Result<Entries, PackageError> {
    let mut entries = Entries::new();
    let mut total = 0;
    for file in files {
        let path = folder.join(file);
        let contents =
            plain_file::read(&path, plain_file::MOST).map_err(PackageError::io("read", &path))?;
        total += contents.len() as u64;
        if total > plain_file::MOST {
            let large = std::io::Error::other("its files are larger than 512 MB together");
            return Err(PackageError::io("package", folder)(large));
        }
        let name: Vec<_> = file
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        entries.insert(
            name.join("/"),
            Entry {
                contents,
                executable: false,
            },
        );
    }
    Ok(entries)
}

fn absolute(path: &Path) -> Result<PathBuf, PackageError> {
    std::path::absolute(path).map_err(PackageError::io("find", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkroom_core::cell::Architecture;
    use darkroom_core::variant::Variant;
    use std::collections::BTreeMap;

    fn request(folder: &Path, build: Build) -> PackageRequest {
        PackageRequest {
            variant: "fake".into(),
            architecture: Architecture::X86_64,
            runtime: None,
            for_lambda: false,
            folder: folder.to_owned(),
            spec: Variant {
                description: String::new(),
                runtime: "python3.13".into(),
                architectures: vec![Architecture::X86_64],
                build,
                handlers: BTreeMap::from([("greyscale".into(), "greyscale.handler".into())]),
                model: None,
                sample: None,
                prompt: None,
                transport: darkroom_core::pipeline::Transport::S3,
                wrong_on_purpose: false,
                missing: std::collections::BTreeMap::new(),
                adapt: darkroom_core::adapt::Adapt::default(),
                imported: BTreeMap::new(),
            },
        }
    }

    fn project() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (variant, cache) = (
            folder.path().join("functions/fake"),
            folder.path().join(".darkroom"),
        );
        fs::create_dir_all(&variant).unwrap();
        fs::write(
            variant.join("greyscale.py"),
            "def handler(event, context): pass\n",
        )
        .unwrap();
        (folder, variant, cache)
    }

    fn changed_at(path: &Path) -> std::time::SystemTime {
        fs::metadata(path).unwrap().modified().unwrap()
    }

    #[test]
    fn the_same_code_is_the_same_package_and_is_made_once() {
        let (_keep, variant, cache) = project();
        let request = request(&variant, Build::Python { requirements: None });
        let first = package(&cache, &request).unwrap();
        let made = changed_at(&first.archive.zip);
        assert_eq!(package(&cache, &request).unwrap(), first);
        assert_eq!(changed_at(&first.archive.zip), made);
        // What is not code does not change the package; what is does.
        fs::write(variant.join("variant.toml"), "description = 'x'").unwrap();
        assert_eq!(package(&cache, &request).unwrap(), first);
        fs::write(
            variant.join("greyscale.py"),
            "def handler(event, context): return 1\n",
        )
        .unwrap();
        assert_ne!(
            package(&cache, &request).unwrap().archive.sha256_base64,
            first.archive.sha256_base64
        );
    }

    #[test]
    fn the_package_does_not_depend_on_where_the_project_lies() {
        let (a, b) = (project(), project());
        let build = || Build::Python { requirements: None };
        let [a, b] = [
            package(&a.2, &request(&a.1, build())),
            package(&b.2, &request(&b.1, build())),
        ]
        .map(Result::unwrap);
        assert_eq!(a.archive.sha256_base64, b.archive.sha256_base64);
    }

    #[test]
    fn a_damaged_archive_in_the_cache_is_made_anew() {
        let (_keep, variant, cache) = project();
        let request = request(&variant, Build::Python { requirements: None });
        let first = package(&cache, &request).unwrap();
        let whole = fs::read(&first.archive.zip).unwrap();
        // A valid zip, but another one.
        zip::write(&first.archive.zip, &Entries::new()).unwrap();
        assert_eq!(package(&cache, &request).unwrap(), first);
        assert_eq!(fs::read(&first.archive.zip).unwrap(), whole);
    }

    #[test]
    fn mistakes_in_a_variant_are_said_in_words() {
        let (_keep, variant, cache) = project();
        let mut asked = request(&variant, Build::Python { requirements: None });
        asked
            .spec
            .handlers
            .insert("resize".into(), "resize.handler".into());
        let text = package(&cache, &asked).unwrap_err().to_string();
        assert!(
            text.contains("`resize.handler`") && text.contains("resize.py"),
            "{text}"
        );

        fs::write(variant.join("requirements.txt"), "pillow\n").unwrap();
        let asked = request(
            &variant,
            Build::Python {
                requirements: Some("requirements.txt".into()),
            },
        );
        assert!(matches!(
            package(&cache, &asked),
            Err(PackageError::NotPinned { .. })
        ));

        let asked = request(&cache, Build::Python { requirements: None });
        assert!(matches!(
            package(&cache, &asked),
            Err(PackageError::Empty { .. })
        ));
    }

    #[test]
    fn a_package_over_lambdas_limits_is_refused_before_any_upload() {
        let archive = |bytes, unzipped_bytes| Archive {
            zip: PathBuf::new(),
            sha256_base64: String::new(),
            bytes,
            unzipped_bytes,
        };
        let package = |archive, layer| Package {
            variant: "fat".into(),
            architecture: Architecture::Arm64,
            runtime: "python3.13".into(),
            archive,
            layers: vec![LayerPackage {
                name: "fat".into(),
                archive: layer,
            }],
            profiled: false,
            build: Record::default(),
        };
        assert!(
            check_limits(&package(
                archive(ZIPPED_LIMIT, 1),
                archive(ZIPPED_LIMIT, UNZIPPED_LIMIT - 1)
            ))
            .is_ok()
        );
        for over in [
            package(archive(ZIPPED_LIMIT + 1, 1), archive(1, 1)),
            package(archive(1, 1), archive(ZIPPED_LIMIT + 1, 1)),
            package(archive(1, 1), archive(1, UNZIPPED_LIMIT)),
        ] {
            let text = check_limits(&over).unwrap_err().to_string();
            assert!(
                text.contains("`fat`") && text.contains("too large"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_variant_is_built_for_the_other_machine_or_it_is_said_what_that_takes() {
        const MACHINE: usize = 18; // of an ELF header: e_machine, little-endian
        let folder = tempfile::tempdir().unwrap();
        let variant = folder.path().join("fake");
        fs::create_dir_all(variant.join("src")).unwrap();
        let manifest =
            "[package]\nname = 'fake'\nversion = '0.1.0'\nedition = '2024'\n[workspace]\n";
        fs::write(variant.join("Cargo.toml"), manifest).unwrap();
        fs::write(
            variant.join("Cargo.lock"),
            "version = 4\n\n[[package]]\nname = \"fake\"\nversion = \"0.1.0\"\n",
        )
        .unwrap();
        fs::write(variant.join("src/main.rs"), "fn main() {}").unwrap();
        let mut request = request(&variant, Build::Cargo { bin: "fake".into() });
        let (other, machine) = if cfg!(target_arch = "aarch64") {
            (Architecture::X86_64, 62)
        } else {
            (Architecture::Arm64, 183)
        };
        request.architecture = other;
        match package(&folder.path().join(".darkroom"), &request) {
            Ok(made) => {
                let binary = zip::contents(&made.archive.zip, "bootstrap").unwrap();
                assert_eq!(binary[MACHINE], machine);
                assert!(
                    provenance::too_new(&made.build).is_none(),
                    "{:?}",
                    made.build.glibc
                );
                assert!(made.build.compiler.unwrap().contains("rustc"));
            }
            Err(PackageError::NoTarget { help, .. }) => {
                assert!(
                    help.contains("rustup target add")
                        || help.contains("pip install cargo-zigbuild"),
                    "{help}"
                );
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_variant_that_does_not_compile_shows_what_cargo_said() {
        let folder = tempfile::tempdir().unwrap();
        let variant = folder.path().join("fake");
        fs::create_dir_all(variant.join("src")).unwrap();
        fs::write(
            variant.join("Cargo.toml"),
            "[package]\nname = 'fake'\nversion = '0.1.0'\nedition = '2024'\n[workspace]\n",
        )
        .unwrap();
        fs::write(
            variant.join("Cargo.lock"),
            "version = 4\n\n[[package]]\nname = \"fake\"\nversion = \"0.1.0\"\n",
        )
        .unwrap();
        let build = || {
            let mut request = request(&variant, Build::Cargo { bin: "fake".into() });
            request.architecture = if cfg!(target_arch = "aarch64") {
                Architecture::Arm64
            } else {
                Architecture::X86_64
            };
            request
        };
        fs::write(
            variant.join("src/main.rs"),
            "fn main() { this_is_no_function(); }",
        )
        .unwrap();
        let cache = folder.path().join(".darkroom");
        let text = package(&cache, &build()).unwrap_err().to_string();
        assert!(
            text.contains("cargo cannot build variant `fake`")
                && text.contains("this_is_no_function"),
            "{text}"
        );

        fs::write(variant.join("src/main.rs"), "fn main() {}").unwrap();
        let made = package(&cache, &build()).unwrap();
        let mut zip = ::zip::ZipArchive::new(fs::File::open(&made.archive.zip).unwrap()).unwrap();
        let bootstrap = zip.by_index(0).unwrap();
        assert_eq!(
            (
                &*bootstrap.name().unwrap(),
                bootstrap.unix_mode().unwrap() & 0o777
            ),
            ("bootstrap", 0o755)
        );
    }
}
