//! A project's folders as plain values for validation and execution.
//!
//! Reads `functions/`, `experiments/` and the manifest. It describes a fault in a sentence;
//! validation shows where the manifest names the thing. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use darkroom_core::data_file::DataFile;
use darkroom_core::image_set::{Image, ImageSet, Purpose, Source};
use darkroom_core::manifest::{
    self, Declared, Fault, Generation, InvalidManifest, Known, KnownImageSet, KnownPipeline,
    KnownVariant, Manifest, Override,
};
use darkroom_core::models::Models;
use darkroom_core::pipeline::{Pipeline, Stage};
use darkroom_core::variant::{Build, Variant};

use crate::cli::ManifestArgs;
use crate::package::{self, PackageError, pins};
use crate::provenance::{self, Provenance};
use crate::set_files::{self, Folder};
use crate::text_file::{self, NotUtf8, Unread};

/// Folder of a pipeline's named prompts.
const PROMPTS: &str = "prompts";

/// The folder that holds `functions/` and `experiments/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
}

/// A valid manifest with what it was checked against.
#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    pub manifest: Manifest,
    pub known: Known,
    /// What its entries for models declare. After [`load_with`] all of it is made.
    pub generation: Generation,
}

/// Why a manifest could not be loaded.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LoadError {
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(project::unreadable), help("{help}"))]
    Unreadable {
        path: PathBuf,
        source: io::Error,
        help: String,
    },
    #[error("cannot read {}: {why}", path.display())]
    #[diagnostic(code(project::not_utf8), help("{}", NotUtf8::HELP))]
    NotUtf8 { path: PathBuf, why: NotUtf8 },
    #[error("{} is not in a project: no folder above it holds functions/ and experiments/", path.display())]
    #[diagnostic(
        code(project::none),
        help("Change to a project's folder, or create one with {}", crate::advice::darkroom(&["init", "study"]))
    )]
    NoProject { path: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(#[from] InvalidManifest),
}

/// Reads and checks the manifest that a command was given. Nothing is changed anywhere.
///
/// Variants of models that it declares need not be made: what is known of them is what they would
/// be with code for every stage.
pub fn load(args: &ManifestArgs) -> Result<Loaded, LoadError> {
    load_declared(&args.manifest, &overrides(args))
}

/// Like [`load`], by the manifest's path and what is changed in it.
pub fn load_declared(path: &Path, overrides: &[Override]) -> Result<Loaded, LoadError> {
    let Read {
        project,
        name,
        text,
        mut known,
    } = read(path, overrides)?;
    let (manifest, generation) = manifest::validate_declared(&name, &text, overrides, &known)?;
    if let Some(pipeline) = known.pipeline(&manifest.experiment.pipeline).cloned() {
        let presumed = |it: &Declared| (it.variant.clone(), it.presumed(&pipeline));
        known.variants.extend(generation.missing().map(presumed));
    }
    Ok(Loaded {
        project,
        manifest,
        known,
        generation,
    })
}

/// Reads and checks a manifest that is to be run: all variants that it names are there.
pub fn load_with(path: &Path, overrides: &[Override]) -> Result<Loaded, LoadError> {
    let Read {
        project,
        name,
        text,
        known,
    } = read(path, overrides)?;
    let (manifest, generation) = manifest::validate_made(&name, &text, overrides, &known)?;
    Ok(Loaded {
        project,
        manifest,
        known,
        generation,
    })
}

/// A manifest's text with the project that it is of.
struct Read {
    project: Project,
    /// The manifest as the user calls it.
    name: String,
    text: String,
    known: Known,
}

fn read(path: &Path, overrides: &[Override]) -> Result<Read, LoadError> {
    let text = text_file::read(path).map_err(|why| match why {
        Unread::Io(source) => unreadable(path, source),
        Unread::Encoding(why) => LoadError::NotUtf8 {
            path: path.to_owned(),
            why,
        },
    })?;
    // A run's folder may lie outside: then the project is the one that the user is in.
    let project = Project::of(path).or_else(|error| Project::here().map_err(|_| error))?;
    let name = path.display().to_string();
    let known = project.known(&manifest::mentioned(&name, &text, overrides));
    Ok(Read {
        project,
        name,
        text,
        known,
    })
}

/// Returns what the options of a command change in its manifest.
pub fn overrides(args: &ManifestArgs) -> Vec<Override> {
    let set = args.set.iter().map(|argument| Override::set(argument));
    let target = args
        .target
        .map(|target| Override::option("--target", "target.cloud", target.as_str()));
    set.chain(target).collect()
}

/// The command that makes the variants that a manifest declares, in backticks.
pub fn generate_command(args: &ManifestArgs) -> String {
    let sets: Vec<&str> = args.set.iter().map(String::as_str).collect();
    manifest::generate_command(&args.manifest.display().to_string(), &sets)
}

impl LoadError {
    fn none(path: &Path) -> Self {
        Self::NoProject {
            path: path.to_owned(),
        }
    }
}

fn unreadable(path: &Path, source: io::Error) -> LoadError {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let is_manifest = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    };
    let near: Vec<String> = files(folder)
        .into_iter()
        .filter(is_manifest)
        .map(|path| {
            path.strip_prefix(".")
                .unwrap_or(&path)
                .display()
                .to_string()
        })
        .collect();
    let elsewhere = if near.is_empty() {
        manifests_here()
    } else {
        Vec::new()
    };
    let all: Vec<&str> = near.iter().chain(&elsewhere).map(String::as_str).collect();
    let listed = if all.is_empty() {
        let init = crate::advice::darkroom(&["init", "study"]);
        format!(
            "there is no manifest here: change to a project's folder, or create one with {init}"
        )
    } else {
        format!("choose from: {}", all.join(", "))
    };
    let help = match meant(path, &all) {
        Some(meant) => format!("did you mean `{meant}`? {listed}"),
        None => listed,
    };
    LoadError::Unreadable {
        path: path.to_owned(),
        source,
        help,
    }
}

/// Returns the file that is most likely meant: the one whose name is a slip away.
fn meant<'a>(path: &Path, files: &[&'a str]) -> Option<&'a str> {
    fn stem(file: &str) -> &str {
        Path::new(file)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
    }
    let stems: Vec<&str> = files.iter().map(|file| stem(file)).collect();
    let found = manifest::nearest(stem(path.to_str()?), &stems)?;
    files.iter().copied().find(|file| stem(file) == found)
}

/// The project's manifests, as they can be named in the current folder.
fn manifests_here() -> Vec<String> {
    let Ok(project) = Project::here() else {
        return Vec::new();
    };
    let here = std::env::current_dir().unwrap_or_default();
    let is_manifest = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    };
    let manifests = files(&project.root.join("manifests"))
        .into_iter()
        .filter(is_manifest);
    manifests
        .map(|path| {
            path.strip_prefix(&here)
                .unwrap_or(&path)
                .display()
                .to_string()
        })
        .collect()
}

impl Project {
    /// Returns the project that a manifest belongs to: the nearest folder above it with
    /// `functions/` and `experiments/`.
    pub fn of(manifest: &Path) -> Result<Self, LoadError> {
        let file = manifest.canonicalize().ok();
        file.as_deref()
            .and_then(Path::parent)
            .and_then(Self::above)
            .ok_or_else(|| LoadError::none(manifest))
    }

    /// Returns the project that the current folder is in.
    pub fn here() -> Result<Self, LoadError> {
        let here = Path::new(".").canonicalize().ok();
        let found = here.as_deref().and_then(Self::above);
        found.ok_or_else(|| LoadError::none(here.as_deref().unwrap_or(Path::new("."))))
    }

    fn above(folder: &Path) -> Option<Self> {
        let is_root = |folder: &&Path| {
            folder.join("functions").is_dir() && folder.join("experiments").is_dir()
        };
        folder.ancestors().find(is_root).map(|root| Self {
            root: root.to_owned(),
        })
    }

    /// Returns the project in this folder, which holds `functions/` and `experiments/`.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn variant_dir(&self, variant: &str) -> PathBuf {
        self.root.join("functions").join(variant)
    }

    pub fn image_sets_dir(&self, pipeline: &str) -> PathBuf {
        let of = self
            .pipeline(pipeline)
            .ok()
            .and_then(|pipeline| pipeline.image_sets_of);
        self.root
            .join("experiments")
            .join(of.as_deref().unwrap_or(pipeline))
            .join("image-sets")
    }

    /// Returns the pipeline that `experiments/<name>/pipeline.toml` describes, or why it can't be
    /// read.
    pub fn pipeline(&self, name: &str) -> Result<Pipeline, String> {
        let path = self
            .root
            .join("experiments")
            .join(name)
            .join("pipeline.toml");
        Pipeline::parse(&self.shown(&path), &self.text(&path)?).map_err(|error| error.to_string())
    }

    /// Returns the models that `experiments/<pipeline>/models.toml` describes, or why it can't be
    /// read at all.
    pub fn models(&self, pipeline: &str) -> Result<Models, Fault> {
        let file = models_file(pipeline);
        let text = self.text(&self.root.join(&file)).map_err(|error| {
            Fault::from(format!(
                "{error}. It lists the models that you can ask, and where"
            ))
        })?;
        Ok(Models::parse(&file, &text)?)
    }

    /// Returns the image set that `experiments/<pipeline>/image-sets/<name>.toml` describes, or why
    /// it can't be read.
    pub fn image_set(&self, pipeline: &str, name: &str) -> Result<ImageSet, Vec<Fault>> {
        let (file, text) = self.set_text(pipeline, name)?;
        ImageSet::parse(&file, &text)
            .map_err(|errors| errors.into_iter().map(Fault::from).collect())
    }

    /// Returns the file that a path of an image set names.
    pub fn image_file(&self, pipeline: &str, path: &str) -> PathBuf {
        set_files::find(&self.image_sets_dir(pipeline), path)
    }

    /// Returns the file of an image set, as the user knows it, and its text.
    fn set_text(&self, pipeline: &str, name: &str) -> Result<(String, String), Vec<Fault>> {
        let path = self.image_sets_dir(pipeline).join(format!("{name}.toml"));
        let text = self.text(&path).map_err(|error| vec![error.into()])?;
        Ok((self.shown(&path), text))
    }

    /// Returns the folder where runs land, whichever folder the program was called in.
    pub fn output_dir(&self, manifest: &Manifest) -> PathBuf {
        self.root.join(&manifest.output.dir)
    }

    /// Returns the text of the region's price table, if the project has one.
    pub fn price_table(&self, region: &str) -> Option<String> {
        fs::read_to_string(
            self.root
                .join("experiments/prices")
                .join(format!("{region}.toml")),
        )
        .ok()
    }

    /// Reads what can be named. Only what is `mentioned` is looked at closely.
    pub fn known(&self, mentioned: &BTreeSet<String>) -> Known {
        let variants = folders_with(&self.root.join("functions"), "variant.toml");
        let pipelines = folders_with(&self.root.join("experiments"), "pipeline.toml");
        let mut variants: BTreeMap<String, KnownVariant> = variants
            .into_iter()
            .map(|name| (name.clone(), self.known_variant(&name, mentioned)))
            .collect();
        self.refuse_copies(&mut variants);
        Known {
            variants,
            pipelines: pipelines
                .into_iter()
                .map(|name| (name.clone(), self.known_pipeline(&name, mentioned)))
                .collect(),
        }
    }

    fn known_variant(&self, name: &str, mentioned: &BTreeSet<String>) -> KnownVariant {
        if !manifest::mentions(mentioned, name) {
            return KnownVariant::default();
        }
        // Before anything in it is read: a link may lead to a file that is nobody's business here.
        let refused = self.packaging_faults(&self.variant_dir(name));
        if !refused.is_empty() {
            return KnownVariant {
                faults: refused,
                ..KnownVariant::default()
            };
        }
        let path = self.variant_dir(name).join("variant.toml");
        let text = match self.text(&path) {
            Ok(text) => text,
            Err(fault) => {
                return KnownVariant {
                    faults: vec![fault.into()],
                    ..KnownVariant::default()
                };
            }
        };
        match Variant::parse(&self.shown(&path), &text) {
            Ok(variant) => {
                let missing = self
                    .missing_files(name, &variant)
                    .into_iter()
                    .map(Fault::from);
                let folder = self.variant_dir(name);
                let edits = provenance::edits(&folder, &self.shown(&folder), &variant);
                let faults = missing
                    .chain(self.unpinned(name, &variant))
                    .chain(edits)
                    .collect();
                let provenance = variant.model.as_ref().and(Provenance::read(&folder));
                KnownVariant {
                    variant: Some(variant),
                    faults,
                    repair: provenance.as_ref().map(|it| it.repair_rounds_allowed),
                    prompt_template_sha256: provenance.and_then(|it| it.prompt_template_sha256),
                }
            }
            Err(error) => KnownVariant {
                faults: vec![error.to_string().into()],
                ..KnownVariant::default()
            },
        }
    }

    /// Says which links of a variant's folder leave it, and what else can't be packaged.
    fn packaging_faults(&self, folder: &Path) -> Vec<Fault> {
        let sentence = |error: PackageError| {
            let help = miette::Diagnostic::help(&error)
                .map(|help| format!(". {help}"))
                .unwrap_or_default();
            Fault::from(format!("{error}{help}").replace(&format!("{}/", self.root.display()), ""))
        };
        package::forbidden_files(folder)
            .into_iter()
            .map(sentence)
            .collect()
    }

    /// Finds variants that hold the same answers of a model: a copied folder is no further sample
    /// of it.
    fn refuse_copies(&self, variants: &mut BTreeMap<String, KnownVariant>) {
        let mut seen: Vec<(&String, Vec<provenance::Ask>)> = Vec::new();
        for (name, known) in variants {
            if known
                .variant
                .as_ref()
                .is_none_or(|variant| variant.model.is_none())
            {
                continue;
            }
            let asks = provenance::asks(&self.variant_dir(name));
            match seen
                .iter()
                .find(|(_, others)| !asks.is_empty() && *others == asks)
            {
                Some((other, _)) => {
                    let shown = |name: &str| self.shown(&self.variant_dir(name));
                    let (copy, first) = (shown(name), shown(other));
                    known.faults.push(
                        format!(
                            "{copy} and {first} hold the same answers of the model, so one is a \
                             copy and would count as a further sample. Delete one, or remove it \
                             from the manifest"
                        )
                        .into(),
                    );
                }
                None => seen.push((name, asks)),
            }
        }
    }

    /// Says which lines of a variant's requirements do not pin a package.
    fn unpinned(&self, name: &str, variant: &Variant) -> Vec<Fault> {
        let Build::Python {
            requirements: Some(file),
        } = &variant.build
        else {
            return Vec::new();
        };
        let path = self.variant_dir(name).join(file);
        if !path.is_file() {
            return Vec::new();
        }
        match self.text(&path) {
            Ok(text) => unpinned(&self.shown(&path), &text, |package| {
                self.pinned_by(package, &path)
            }),
            Err(fault) => vec![fault.into()],
        }
    }

    /// Returns another file of the project that pins a package with hashes, from which lines can be
    /// copied.
    pub fn pinned_by(&self, package: &str, but: &Path) -> Option<String> {
        let of_variants =
            folders_with(&self.root.join("functions"), "requirements.txt").into_iter();
        let of_variants = of_variants.map(|name| self.variant_dir(&name).join("requirements.txt"));
        let of_generated =
            folders_with(&self.root.join("experiments"), "generated/requirements.txt").into_iter();
        let of_generated = of_generated.map(|name| {
            self.root
                .join("experiments")
                .join(name)
                .join("generated/requirements.txt")
        });
        let pins = |path: &PathBuf| {
            path != but
                && self
                    .text(path)
                    .is_ok_and(|text| pins::pinned(&text).iter().any(|name| name == package))
        };
        of_generated
            .chain(of_variants)
            .find(pins)
            .map(|path| self.shown(&path))
    }

    /// Says which files that a variant's description names are not there.
    fn missing_files(&self, name: &str, variant: &Variant) -> Vec<String> {
        let folder = self.variant_dir(name);
        let missing = |file: &str, why: &str| {
            let path = folder.join(file);
            (!path.is_file()).then(|| format!("{} is missing: {why}", self.shown(&path)))
        };
        match &variant.build {
            Build::Cargo { .. } => missing("Cargo.toml", "cargo builds it")
                .into_iter()
                .collect(),
            Build::Python { requirements } => {
                let requirements = requirements.iter().filter_map(|file| {
                    let said = missing(file, "it lists the dependencies")?;
                    let command = crate::advice::pin_from("requirements.in", "requirements.txt");
                    Some(format!(
                        "{said}. Create it with {command}, or remove `requirements` from [build] \
                         if there are none"
                    ))
                });
                let handlers = variant.handlers.iter().filter_map(|(stage, handler)| {
                    let module = handler
                        .rsplit_once('.')
                        .map_or(handler.as_str(), |(module, _)| module);
                    let file = format!("{}.py", module.replace('.', "/"));
                    missing(&file, &format!("it must hold {handler} for stage {stage}"))
                });
                requirements.chain(handlers).collect()
            }
        }
    }

    fn known_pipeline(&self, name: &str, mentioned: &BTreeSet<String>) -> KnownPipeline {
        let parsed = self.pipeline(name);
        let image_sets = if mentioned.contains(name) {
            self.known_image_sets(name, &parsed, mentioned)
        } else {
            BTreeMap::new()
        };
        // A models file that can't be read or is wrong matters only where a model is to be asked.
        let (read, models_fault) = match self.models(name) {
            Ok(models) => (models, None),
            Err(fault) => (Models::default(), Some(fault)),
        };
        let models = read.models.into_iter();
        let broken_models = read.faults.into_iter();
        let (pipeline, fault) = match parsed {
            Ok(pipeline) => (Some(pipeline), None),
            Err(fault) => (None, Some(fault.into())),
        };
        KnownPipeline {
            pipeline,
            faults: fault.into_iter().collect(),
            image_sets,
            models: models.map(|(name, model)| (name, model.id)).collect(),
            broken_models: broken_models
                .map(|(name, fault)| (name, fault.into()))
                .collect(),
            models_fault,
            prompts: self.prompts(name),
        }
    }

    /// Returns the named prompts of a pipeline, with the sha256 of each text, hex.
    fn prompts(&self, pipeline: &str) -> BTreeMap<String, String> {
        let folder = self.root.join("experiments").join(pipeline).join(PROMPTS);
        let markdown = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
        let named = |path: PathBuf| {
            let name = path.file_stem()?.to_str()?.to_owned();
            Some((name, provenance::hash(&fs::read(&path).ok()?)))
        };
        let files = files(&folder).into_iter().filter(markdown);
        files.filter_map(named).collect()
    }

    fn known_image_sets(
        &self,
        pipeline: &str,
        parsed: &Result<Pipeline, String>,
        mentioned: &BTreeSet<String>,
    ) -> BTreeMap<String, KnownImageSet> {
        let sets = files(&self.image_sets_dir(pipeline));
        let sets = sets.iter().filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
        let names = sets.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
        let first = parsed
            .as_ref()
            .ok()
            .and_then(|pipeline| pipeline.stages.first());
        names
            .map(|name| {
                let looked_at = mentioned.contains(&name);
                let set = if looked_at {
                    self.known_image_set(pipeline, first, &name)
                } else {
                    KnownImageSet::default()
                };
                (name, set)
            })
            .collect()
    }

    fn known_image_set(&self, pipeline: &str, first: Option<&Stage>, name: &str) -> KnownImageSet {
        let of_faults = |faults| KnownImageSet {
            faults,
            ..KnownImageSet::default()
        };
        let (file, text) = match self.set_text(pipeline, name) {
            Ok(read) => read,
            Err(faults) => return of_faults(faults),
        };
        let (set, errors) = ImageSet::parse_what_can_be(&file, &text);
        let errors = errors.into_iter().map(Fault::from);
        let Some(set) = set else {
            return of_faults(errors.collect());
        };
        let path = self.image_sets_dir(pipeline);
        let shown = self.shown(&path);
        let folder = Folder {
            file: DataFile {
                name: &file,
                text: &text,
            },
            path: &path,
            shown: &shown,
            first,
        };
        let mut faults: Vec<Fault> = errors.chain(folder.faults(&set)).collect();
        faults.sort_by_key(Fault::line);
        KnownImageSet {
            faults,
            bytes: set
                .images
                .iter()
                .map(|image| self.image_bytes(pipeline, image))
                .collect(),
            for_check_only: set.purpose == Purpose::Check,
            images: set.images.into_iter().map(|image| image.name).collect(),
        }
    }

    /// Returns the size of an image's file.
    fn image_bytes(&self, pipeline: &str, image: &Image) -> Option<u64> {
        let Source::File { path, .. } = &image.source else {
            return None;
        };
        fs::metadata(self.image_file(pipeline, path))
            .ok()
            .map(|file| file.len())
    }

    fn text(&self, path: &Path) -> Result<String, String> {
        text_file::read(path).map_err(|error| match error {
            Unread::Io(error) => format!("cannot read {}: {error}", self.shown(path)),
            Unread::Encoding(why) => {
                format!("cannot read {}: {why}. {}", self.shown(path), NotUtf8::HELP)
            }
        })
    }

    /// A path as the user knows it: from the project's root.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

/// Makes the folder that holds code, objects, logs and answers, its owner's alone. One that is a
/// link to elsewhere is left as it is.
pub fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.permissions().mode() & 0o077 != 0 {
        // Another user's folder stays as it is: they let this one in.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    }
    Ok(())
}

/// The models file of a pipeline, from the project's root.
pub fn models_file(pipeline: &str) -> String {
    format!("experiments/{pipeline}/models.toml")
}

/// The file of a pipeline's named prompt, from the project's root.
pub fn prompt_file(pipeline: &str, name: &str) -> String {
    format!("experiments/{pipeline}/{PROMPTS}/{name}.md")
}

/// Returns every requirement of a text that is not pinned, as a fault of that file.
///
/// `pinned_by` says which other file pins a package, if one does.
pub fn unpinned(file: &str, text: &str, pinned_by: impl Fn(&str) -> Option<String>) -> Vec<Fault> {
    let data = DataFile { name: file, text };
    let fault = |found: pins::Unpinned| {
        let copy = found
            .package
            .as_deref()
            .and_then(|package| Some((package, pinned_by(package)?)));
        let help = match copy {
            Some((package, from)) => {
                format!(
                    "Copy the lines of {package} from {from}, where it is pinned. Or: {}",
                    found.help
                )
            }
            None => found.help,
        };
        data.error(found.span, "", found.message, Some(help)).into()
    };
    pins::unpinned(file, text).into_iter().map(fault).collect()
}

/// Names of the folders in `folder` that hold `file`, sorted; hidden ones are nobody's.
fn folders_with(folder: &Path, file: &str) -> Vec<String> {
    let paths = entries(folder)
        .into_iter()
        .filter(|path| path.join(file).is_file());
    let names = paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    names.filter(|name| !name.starts_with('.')).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder)
        .into_iter()
        .filter(|path| path.is_file())
        .collect()
}

/// What a folder holds, sorted; nothing when it can't be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}
