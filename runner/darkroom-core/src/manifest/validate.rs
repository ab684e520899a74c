//! Text, overrides and what is known → [`Manifest`], or every mistake at once.
//!
//! First [`super::check`] checks the document against the schema, and removes wrong values. The
//! rest is checked for what a schema cannot express: names that exist, levels that match, a matrix
//! that has cells.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use miette::NamedSource;
use serde_json::Value as Json;

use super::check::check;
use super::entries::Entries;
use super::generation::{self, Generation};
use super::mistake::{InvalidManifest, Mistake, suggestion};
use super::schema::schema;
use super::set::Override;
use super::spelling;
use super::tree::{self, Node, Value};
use super::{
    Fault, Known, KnownImageSet, KnownPipeline, Lanes, Levels, Manifest, Order, StoppingMetric,
    Until,
};
use crate::cell::{Input, SnapStart, Trigger};
use crate::pipeline::{PAYLOAD_LIMIT, Pipeline, Transport, base64_bytes};
use crate::variant::Variant;

/// Most cells a matrix may multiply to. A bound for slips: at one second a cell this is four
/// months.
pub const MAX_CELLS: u64 = 10_000_000;

/// Reads a manifest that is to be run. `name` is what the user calls the text, for example
/// `manifests/smoke.toml`.
///
/// A variant that an entry for a model declares and that is not made yet is a mistake.
pub fn validate(
    name: &str,
    text: &str,
    overrides: &[Override],
    known: &Known,
) -> Result<Manifest, InvalidManifest> {
    validate_made(name, text, overrides, known).map(|(manifest, _)| manifest)
}

/// Like [`validate`], and says what the manifest's entries for models declare.
pub fn validate_made(
    name: &str,
    text: &str,
    overrides: &[Override],
    known: &Known,
) -> Result<(Manifest, Generation), InvalidManifest> {
    read(name, text, overrides, known, NotMade::IsAMistake)
}

/// Reads a manifest, and says what its entries for models declare, made or not.
pub fn validate_declared(
    name: &str,
    text: &str,
    overrides: &[Override],
    known: &Known,
) -> Result<(Manifest, Generation), InvalidManifest> {
    read(name, text, overrides, known, NotMade::IsSaid)
}

/// What a declared variant is whose folder is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotMade {
    IsAMistake,
    IsSaid,
}

fn read(
    name: &str,
    text: &str,
    overrides: &[Override],
    known: &Known,
    not_made: NotMade,
) -> Result<(Manifest, Generation), InvalidManifest> {
    let invalid = |mistakes| InvalidManifest::new(name, mistakes);
    let mut mistakes = Vec::new();
    let mut root = document(name, text, overrides, &mut mistakes).map_err(invalid)?;
    let schema = schema();
    let written = generation::expand(&mut root, &schema);
    let names = names(known, &root);
    spelling::expand_globs(&mut root, &names, &mut mistakes);
    let sound_matrix = is_sound(root.get(&["matrix"]), &schema["properties"]["matrix"]);
    check(&mut root, &schema, "", &mut mistakes);
    let mut manifest = match filled_in(&root) {
        Ok(manifest) => manifest,
        // The schema and the types come from the same place, so this is for a rule that only serde
        // knows.
        Err(error) => {
            if mistakes.is_empty() {
                mistakes.push(Mistake::new(
                    "invalid",
                    error.to_string(),
                    &root.at,
                    "in this manifest",
                ));
            }
            return Err(invalid(mistakes));
        }
    };
    manifest.matrix.own_runtime = own_runtime(known, &names);
    let entries = Entries {
        written: &written,
        known,
        pipeline: &manifest.experiment.pipeline.clone(),
    };
    mistakes.extend(entries.mistakes());
    if not_made == NotMade::IsAMistake {
        let sets: Vec<&str> = overrides.iter().filter_map(Override::as_set).collect();
        mistakes.extend(entries.not_made(&generation::generate_command(name, &sets)));
    }
    let mut meaning = Meaning {
        root: &root,
        known,
        generation: entries.generation(&manifest.matrix.variants),
        manifest,
        mistakes,
    };
    meaning.check_names();
    meaning.check_lanes();
    meaning.check_until();
    if sound_matrix {
        meaning.check_matrix();
    }
    let Meaning {
        manifest,
        mistakes,
        generation,
        ..
    } = meaning;
    if mistakes.is_empty() {
        Ok((manifest, generation))
    } else {
        Err(invalid(mistakes))
    }
}

/// Returns every string that a manifest holds: the names that validation may ask [`Known`] about.
///
/// Empty when the text is not TOML; [`validate`] then says where.
pub fn mentioned(name: &str, text: &str, overrides: &[Override]) -> BTreeSet<String> {
    fn collect(node: &Node, strings: &mut BTreeSet<String>) {
        strings.extend(node.as_str().map(ToOwned::to_owned));
        node.items().iter().for_each(|item| collect(item, strings));
        node.entries()
            .iter()
            .for_each(|entry| collect(&entry.node, strings));
    }
    let mut strings = BTreeSet::from([super::defaults::pipeline()]);
    if let Ok(mut root) = document(name, text, overrides, &mut Vec::new()) {
        generation::expand(&mut root, &schema());
        collect(&root, &mut strings);
    }
    strings
}

fn document(
    name: &str,
    text: &str,
    overrides: &[Override],
    mistakes: &mut Vec<Mistake>,
) -> Result<Node, Vec<Mistake>> {
    let source = Arc::new(NamedSource::new(name, text.to_owned()).with_language("toml"));
    let mut root = tree::document(&source)?;
    spelling::one_name(&mut root, mistakes);
    for change in overrides {
        change.make_room(&mut root);
    }
    mistakes.extend(
        overrides
            .iter()
            .filter_map(|change| change.apply(&mut root).err()),
    );
    Ok(root)
}

/// Returns every name that a glob can match: folders that are there, and variants that are declared.
fn names(known: &Known, root: &Node) -> BTreeSet<String> {
    let listed = root
        .get(&["matrix", "variants"])
        .map_or(&[][..], Node::items);
    let listed = listed.iter().filter_map(Node::as_str);
    let listed = listed.filter(|name| !spelling::is_glob(name));
    let there = known.variants.keys().map(String::as_str);
    there.chain(listed).map(str::to_owned).collect()
}

/// Returns which of these variants are not Python, and so bring a runtime of their own.
fn own_runtime(known: &Known, names: &BTreeSet<String>) -> BTreeSet<String> {
    let is_its_own = |name: &&String| {
        let variant = known.variant(name);
        variant.is_some_and(|variant| !is_python(&variant.runtime))
    };
    names.iter().filter(is_its_own).cloned().collect()
}

/// Whether a Lambda runtime runs Python.
fn is_python(runtime: &str) -> bool {
    let minor = runtime.strip_prefix("python3.");
    minor.is_some_and(|minor| !minor.starts_with('0') && minor.parse::<u8>().is_ok())
}

/// Whether a table has no mistake by itself.
fn is_sound(node: Option<&Node>, schema: &Json) -> bool {
    let mut mistakes = Vec::new();
    node.is_some_and(|node| {
        check(&mut node.clone(), schema, "", &mut mistakes) && mistakes.is_empty()
    })
}

/// Makes the manifest that the tree spells, with defaults; what is required and missing is empty.
fn filled_in(root: &Node) -> Result<Manifest, serde_json::Error> {
    let mut json = root.to_json();
    let required: [(&str, &str, Json); 3] = [
        ("experiment", "name", Json::from("")),
        ("matrix", "variants", Json::Array(Vec::new())),
        ("matrix", "image_sets", Json::Array(Vec::new())),
    ];
    for (table, key, empty) in required {
        if json[table][key].is_null() {
            json[table][key] = empty;
        }
    }
    // What is missing in it has been said; half a rule would be no rule.
    let until = &json["repetitions"]["until"];
    if until.is_object() && serde_json::from_value::<Until>(until.clone()).is_err() {
        json["repetitions"]["until"].take();
    }
    serde_json::from_value(json)
}

/// The checks that need more than one value, or the world.
struct Meaning<'a> {
    root: &'a Node,
    known: &'a Known,
    generation: Generation,
    manifest: Manifest,
    mistakes: Vec<Mistake>,
}

impl Meaning<'_> {
    fn check_names(&mut self) {
        self.check_texts();
        self.check_pipeline();
        self.check_variants();
        self.check_runtimes();
        self.check_image_sets();
    }

    /// Only for a matrix whose every list is right: what is said of its cells would else be said of
    /// other cells.
    fn check_matrix(&mut self) {
        self.complete_includes();
        let before = self.mistakes.len();
        self.check_excludes();
        let sound_excludes = self.mistakes.len() == before;
        self.check_cells(sound_excludes);
    }

    fn check_texts(&mut self) {
        if let Some(node) = self.root.get(&["experiment", "name"]) {
            let name = node.as_str().unwrap_or_default();
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                let message = format!("`{name}` cannot be the name of an experiment");
                let label = "use letters, digits, `-`, `_` and `.`";
                self.mistakes.push(
                    Mistake::new("bad_name", message, &node.at, label)
                        .help("it becomes a folder under the output folder"),
                );
            }
        }
        if let Some(node) = self.root.get(&["target", "region"]) {
            let region = node.as_str().unwrap_or_default();
            if region.is_empty()
                || !region
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            {
                let message = format!("`{region}` is not a region");
                self.mistakes.push(Mistake::new(
                    "bad_region",
                    message,
                    &node.at,
                    "write a name like us-east-1",
                ));
            }
        }
        if let Some(node) = self.root.get(&["output", "dir"]) {
            let dir = node.as_str().unwrap_or_default();
            if dir.trim().is_empty() || dir.contains("://") {
                let message = format!("results cannot be written to `{dir}`");
                self.mistakes.push(Mistake::new(
                    "bad_folder",
                    message,
                    &node.at,
                    "write a folder on this machine",
                ));
            }
        }
    }

    /// One cell after another is one pass after another.
    fn check_lanes(&mut self) {
        let Some(node) = self.root.get(&["schedule", "lanes"]) else {
            return;
        };
        let schedule = &self.manifest.schedule;
        let several = schedule.lanes.is_some_and(|lanes| lanes != Lanes::Fixed(1));
        if schedule.order == Order::Sequential && several {
            let message = "`schedule.lanes` does not work with schedule.order = \"sequential\"";
            let label = "lanes measure several cells at once";
            let help = "remove `lanes`, or set order = \"interleaved\"";
            self.mistakes
                .push(Mistake::new("lanes", message, &node.at, label).help(help));
        }
    }

    /// A rule for stopping: its own numbers, and what it can't go with.
    fn check_until(&mut self) {
        let Some(node) = self.root.get(&["repetitions", "until"]) else {
            return;
        };
        let place = |key: &str| node.entry(key).map_or(&node.at, |entry| &entry.node.at);
        // By what is written: another mistake in the rule hides neither of these.
        let number = |key: &str| node.entry(key).and_then(|entry| entry.node.as_whole());
        if let (Some(min), Some(max)) = (number("min"), number("max"))
            && max < min
        {
            let message =
                format!("`repetitions.until` allows fewer repetitions ({max}) than it asks for");
            let label = format!("set it to {min} or more, as in `min`");
            self.mistakes
                .push(Mistake::new("until", message, place("max"), label));
        }
        // A resolved manifest says both, and the same.
        let count = self.root.get(&["repetitions", "count"]);
        if let Some(count) = count.filter(|count| count.as_whole() != number("max")) {
            let message = "`repetitions` has both `count` and `until`";
            let help = "keep one: `count` sets the number; `until` stops when the intervals are \
                narrow enough, or at `until.max`";
            self.mistakes
                .push(Mistake::new("until", message, &count.at, "a fixed number").help(help));
        }
        let Some(until) = self.manifest.repetitions.until else {
            return;
        };
        self.manifest.repetitions.count = until.max;
        if self.manifest.schedule.order == Order::Sequential {
            let message = "`repetitions.until` does not work with schedule.order = \"sequential\"";
            let label = "it checks every cell after each whole block of all cells";
            let help = "set order = \"interleaved\", which also separates the effects of cell \
                and hour";
            self.mistakes
                .push(Mistake::new("until", message, &node.at, label).help(help));
        }
        let reference = |cell: &crate::matrix::CellRef<'_>| cell.input == Input::Reference;
        if until.metric == StoppingMetric::Turnaround
            && self
                .manifest
                .matrix
                .cells()
                .take(1000)
                .any(|cell| reference(&cell))
        {
            let message = "`repetitions.until` needs turnaround, and cells with input \
                \"reference\" have none";
            let help = "set metric = \"duration\" to use the stages' times";
            let label = "their stages run independently";
            self.mistakes
                .push(Mistake::new("until", message, place("metric"), label).help(help));
        }
    }

    fn pipeline(&self) -> Option<&KnownPipeline> {
        self.known.pipelines.get(&self.manifest.experiment.pipeline)
    }

    fn check_pipeline(&mut self) {
        let name = &self.manifest.experiment.pipeline;
        let place = match self.root.get(&["experiment", "pipeline"]) {
            Some(node) => &node.at,
            None => &self.root.at,
        };
        match self.pipeline() {
            None => {
                let known = self.known.pipelines.keys().map(String::as_str);
                let message = format!("unknown pipeline `{name}`");
                let label = format!("no folder experiments/{name} with a pipeline.toml");
                let help = suggestion(name, known, "known pipelines");
                self.mistakes
                    .push(Mistake::new("unknown_pipeline", message, place, label).help(help));
            }
            Some(pipeline) => {
                let what = format!("pipeline `{name}`");
                let faults = pipeline
                    .faults
                    .iter()
                    .map(|fault| Mistake::of_fault("broken_pipeline", &what, fault, place));
                let faults: Vec<_> = faults.collect();
                self.mistakes.extend(faults);
            }
        }
    }

    fn check_variants(&mut self) {
        for node in named(self.root, "variants", "variant") {
            // A glob that is left matches nothing, which has been said.
            let Some(name) = node.as_str().filter(|name| !spelling::is_glob(name)) else {
                continue;
            };
            if self.generation.missing().any(|it| it.variant == name) {
                continue;
            }
            let Some(variant) = self.known.variants.get(name) else {
                let known = self.known.variants.keys().map(String::as_str);
                let message = format!("unknown variant `{name}`");
                let label = format!("no folder functions/{name} with a variant.toml");
                let help = suggestion(name, known, "known variants");
                let help = self
                    .how_to_generate(name)
                    .map_or(help.clone(), |how| format!("{how}; {help}"));
                self.mistakes
                    .push(Mistake::new("unknown_variant", message, &node.at, label).help(help));
                continue;
            };
            let mut faults = variant.faults.clone();
            let pipeline = self
                .pipeline()
                .and_then(|pipeline| pipeline.pipeline.as_ref());
            if let (Some(variant), Some(pipeline)) = (&variant.variant, pipeline) {
                faults.extend(other_transport(name, variant, pipeline).map(Fault::from));
                let missing = variant.stages_without_handler(pipeline);
                faults.extend(missing.iter().map(|stage| {
                    let whose = format!("functions/{name}/variant.toml names no handler");
                    Fault::from(format!("{whose} for stage {stage} of {}", pipeline.name))
                }));
            }
            let what = format!("variant `{name}`");
            let mistakes = faults
                .iter()
                .map(|fault| Mistake::of_fault("broken_variant", &what, fault, &node.at));
            self.mistakes.extend(mistakes);
        }
    }

    /// Runtimes are of Python, and some variant is.
    fn check_runtimes(&mut self) {
        for node in named(self.root, "runtimes", "runtime") {
            let Some(runtime) = node.as_str().filter(|runtime| !is_python(runtime)) else {
                continue;
            };
            let message = format!("`{runtime}` is not a runtime of Python");
            let label = "expected a name like python3.14";
            let help = "name Python runtimes only: compiled code brings its own runtime, and is \
                measured once";
            self.mistakes
                .push(Mistake::new("unknown_runtime", message, &node.at, label).help(help));
        }
        let matrix = &self.manifest.matrix;
        let is_own = |variant: &String| matrix.own_runtime.contains(variant);
        let Some(list) = self.root.get(&["matrix", "runtimes"]) else {
            return;
        };
        let included = matrix.include.iter().filter_map(|it| it.variant.as_ref());
        if matrix.variants.iter().chain(included).all(is_own) {
            let message = "`runtimes` changes nothing: no variant of the matrix is Python";
            let mistake = Mistake::new("idle_runtimes", message, &list.at, "has no effect");
            self.mistakes.push(mistake.help("remove it"));
        }
    }

    /// A variant with its own runtime takes no other, and a runtime that only an `include` names
    /// would leave the other cells on one that nothing says.
    fn check_included_runtime(&mut self, levels: &Levels, node: &Node) {
        let (Some(runtime), Some(entry)) = (&levels.runtime, node.entry("runtime")) else {
            return;
        };
        let matrix = &self.manifest.matrix;
        let own = levels.variant.as_ref();
        if let Some(own) = own.filter(|variant| matrix.own_runtime.contains(*variant)) {
            let message = format!("variant `{own}` cannot run on {runtime}: it is not Python");
            let label = "it brings its own runtime";
            let mistake = Mistake::new("impossible_cells", message, &entry.node.at, label);
            self.mistakes.push(mistake.help("remove `runtime`"));
        } else if matrix.runtimes.is_empty() {
            let message = "`include` names a runtime, but the matrix has no `runtimes`";
            let label = "the other cells run on what their variant.toml says";
            let help = "name the runtimes of the other cells in `runtimes`, for example runtimes \
                = [\"python3.13\"]";
            let mistake = Mistake::new("ambiguous_include", message, &entry.node.at, label);
            self.mistakes.push(mistake.help(help));
        }
    }

    /// Says what to write, or which command makes it, for a variant that bears the name of a model,
    /// or of a sample of its answers (`gpt-5-s2`).
    fn how_to_generate(&self, variant: &str) -> Option<String> {
        const SAMPLES: u32 = 5;
        let known = self.pipeline()?;
        let pipeline = &self.manifest.experiment.pipeline;
        let entry =
            |model: &str| format!("entry `{model}` of models.toml in experiments/{pipeline}");
        if let Some(model) = known.model_meant(variant) {
            let entry = entry(model);
            return Some(format!(
                "write `{{ model = \"{model}\", samples = {SAMPLES} }}` in its place to measure \
                 {SAMPLES} samples of that model's answers ({entry}); or run `darkroom generate \
                 --model {model} --variant {model}` to create a single variant"
            ));
        }
        let (model, sample) = variant.rsplit_once("-s")?;
        let model = known.model_names().find(|name| *name == model)?;
        let sample: u32 = sample.parse().ok().filter(|sample| *sample > 0)?;
        let entry = entry(model);
        Some(format!(
            "run `darkroom generate --model {model} --variant {model} --samples {sample}` to \
             create it, from {entry}"
        ))
    }

    fn check_image_sets(&mut self) {
        let Some(pipeline) = self.known.pipelines.get(&self.manifest.experiment.pipeline) else {
            return;
        };
        let folder = format!(
            "experiments/{}/image-sets",
            self.manifest.experiment.pipeline
        );
        for node in named(self.root, "image_sets", "image_set") {
            let Some(name) = node.as_str() else { continue };
            let Some(set) = pipeline.image_sets.get(name) else {
                let known = pipeline.image_sets.keys().map(String::as_str);
                let message = format!("unknown image set `{name}`");
                let label = format!("no {folder}/{name}.toml");
                let help = suggestion(name, known, "known image sets");
                self.mistakes
                    .push(Mistake::new("unknown_image_set", message, &node.at, label).help(help));
                continue;
            };
            if set.for_check_only {
                let message = format!("image set `{name}` is for checking only");
                let label = "its images are never timed or compared";
                let can_be_checked = |name: &&String| {
                    let entry = self.known.variants.get(*name);
                    entry.is_some_and(|entry| entry.variant.is_some() && entry.faults.is_empty())
                };
                let variant = self.manifest.matrix.variants.iter().find(can_be_checked);
                let of = match self.manifest.experiment.pipeline.as_str() {
                    "image-pipeline" => String::new(),
                    other => format!(" --pipeline {other}"),
                };
                let help = variant.map_or_else(
                    || "remove it from the matrix".to_owned(),
                    |variant| {
                        format!(
                            "check with it instead: `darkroom check {variant} --image-set \
                            {name}{of}`"
                        )
                    },
                );
                self.mistakes.push(
                    Mistake::new("check_only_image_set", message, &node.at, label).help(help),
                );
            }
            let empty = (set.images.is_empty() && set.faults.is_empty())
                .then(|| Fault::from("it holds no images"));
            let too_large = pipeline
                .pipeline
                .as_ref()
                .map(|pipeline| too_large(set, pipeline))
                .unwrap_or_default();
            let what = format!("image set `{name}`");
            self.mistakes.extend(
                (set.faults.iter().chain(&empty).chain(&too_large))
                    .map(|fault| Mistake::of_fault("broken_image_set", &what, fault, &node.at)),
            );
        }
    }

    /// Fills open factors of each `include` in, where its list has one level.
    fn complete_includes(&mut self) {
        let Some(nodes) = self.root.get(&["matrix", "include"]).map(Node::items) else {
            return;
        };
        let mut includes = std::mem::take(&mut self.manifest.matrix.include);
        for (levels, node) in includes.iter_mut().zip(nodes) {
            for (factor, count) in complete(levels, &self.manifest) {
                let message =
                    format!("`include` does not say `{factor}`, but its list has {count} levels");
                let label = format!("which {factor}?");
                let help = "name one level of every factor whose list has several: an include adds one \
                     cell";
                self.mistakes
                    .push(Mistake::new("ambiguous_include", message, &node.at, label).help(help));
            }
            self.check_included_runtime(levels, node);
        }
        self.manifest.matrix.include = includes;
    }

    /// Each exclude must have something to remove that no other exclude removes.
    fn check_excludes(&mut self) {
        let Some(nodes) = self.root.get(&["matrix", "exclude"]).map(Node::items) else {
            return;
        };
        for (index, node) in nodes.iter().enumerate() {
            if node.entries().is_empty() {
                let label = "expected at least one level";
                let message = "remove it: an empty `exclude` would remove every cell";
                self.mistakes
                    .push(Mistake::new("empty_exclude", message, &node.at, label));
                continue;
            }
            let absent = absent_levels(&self.manifest, &self.manifest.matrix.exclude[index]);
            for (factor, level, levels) in &absent {
                let Some(entry) = node.entry(factor) else {
                    continue;
                };
                let message = format!("`exclude` matches no cell: no cell has {factor} {level}");
                let help = suggestion(
                    level,
                    levels.iter().map(String::as_str),
                    "levels in the matrix",
                );
                self.mistakes.push(
                    Mistake::new("idle_exclude", message, &entry.node.at, "not in the matrix")
                        .help(help),
                );
            }
            let wider = |other: usize| {
                other != index
                    && is_part(&nodes[other], node)
                    && !(is_part(node, &nodes[other]) && other > index)
            };
            if absent.is_empty() && (0..nodes.len()).any(wider) {
                let message = "`exclude` removes only cells that another exclude removes";
                self.mistakes.push(
                    Mistake::new("idle_exclude", message, &node.at, "has no effect")
                        .help("remove it"),
                );
            }
        }
    }

    /// What only the expanded matrix shows. What is left by a wrong `exclude` is not judged.
    fn check_cells(&mut self, sound_excludes: bool) {
        let Some(matrix_node) = self.root.entry("matrix") else {
            return;
        };
        let matrix = &self.manifest.matrix;
        if matrix.product().is_none_or(|cells| cells > MAX_CELLS) {
            let message = format!("the matrix multiplies to more than {MAX_CELLS} cells");
            self.mistakes.push(
                Mistake::new(
                    "too_many_cells",
                    message,
                    &matrix_node.key_at,
                    "these lists multiply",
                )
                .help("compare fewer levels at once, or split the experiment"),
            );
            return;
        }
        let payload = self.pipeline().and_then(|known| known.pipeline.as_ref());
        let payload = payload.is_some_and(|pipeline| pipeline.transport == Transport::Payload);
        let mut any = false;
        let mut impossible = false;
        let mut triggered = BTreeSet::new();
        let includes: HashSet<_> = matrix.include.iter().filter_map(Levels::as_cell).collect();
        let mut repeated = BTreeMap::new();
        for (position, cell) in matrix.cells().enumerate() {
            any = true;
            impossible |= cell.trigger == Trigger::S3 && cell.input == Input::Reference;
            if cell.trigger == Trigger::S3 {
                triggered.insert(cell.variant.to_owned());
            }
            if includes.contains(&cell) {
                repeated
                    .entry(cell.to_cell().id())
                    .or_insert_with(Vec::new)
                    .push(position);
            }
        }
        if !any && sound_excludes {
            let place = self
                .root
                .get(&["matrix", "exclude"])
                .map_or(&matrix_node.key_at, |node| &node.at);
            let mistake = Mistake::new(
                "no_cells",
                "`exclude` removes every cell",
                place,
                "together these leave no cells",
            );
            self.mistakes
                .push(mistake.help("a run needs at least one cell"));
        }
        let repeated: Vec<_> = repeated
            .into_iter()
            .filter(|(_, at)| at.len() > 1)
            .map(|(id, _)| id)
            .collect();
        for id in repeated {
            let place = self.include_place(&id).unwrap_or(&matrix_node.key_at);
            let mistake = Mistake::new(
                "duplicate_cell",
                format!("`include` adds {id}, which exists already"),
                place,
                "added here",
            );
            self.mistakes.push(mistake.help("remove it"));
        }
        if sound_excludes && !triggered.is_empty() {
            self.check_triggers(&triggered, payload);
        }
        if impossible && sound_excludes {
            let place = self
                .root
                .get(&["matrix", "input"])
                .map_or(&matrix_node.key_at, |node| &node.at);
            let message = "input \"reference\" does not work with trigger \"s3\"";
            let label = "with an S3 trigger, every stage gets the output of the stage before";
            let help = "add exclude = [{ trigger = \"s3\", input = \"reference\" }] to leave these \
                 cells out";
            self.mistakes
                .push(Mistake::new("impossible_cells", message, place, label).help(help));
        }
    }

    /// What S3 can't start: a pipeline without objects between its stages, and handlers that need
    /// another event.
    fn check_triggers(&mut self, variants: &BTreeSet<String>, payload: bool) {
        let Some(matrix_node) = self.root.entry("matrix") else {
            return;
        };
        let place = self
            .root
            .get(&["matrix", "trigger"])
            .map_or(&matrix_node.key_at, |node| &node.at);
        if payload {
            let message = format!(
                "trigger \"s3\" cannot start pipeline `{}`",
                self.manifest.experiment.pipeline
            );
            let label = "its images travel in the payload of the runner's calls, so no upload starts a \
                 stage";
            let help = "use trigger = [\"direct\"], or a pipeline with transport s3";
            self.mistakes
                .push(Mistake::new("impossible_cells", message, place, label).help(help));
            return;
        }
        for name in variants {
            let Some(why) = self
                .known
                .variant(name)
                .and_then(|variant| variant.adapt.not_for_triggers())
            else {
                continue;
            };
            let message = format!("trigger \"s3\" cannot start variant `{name}`: {why}");
            let help = format!(
                "use trigger = [\"direct\"], or exclude = [{{ variant = \"{name}\", trigger = \
                 \"s3\" }}]"
            );
            self.mistakes.push(
                Mistake::new("impossible_cells", message, place, "requested here").help(help),
            );
        }
    }

    fn include_place(&self, id: &crate::cell::CellId) -> Option<&super::tree::Place> {
        let is_it = |levels: &Levels| {
            levels
                .as_cell()
                .is_some_and(|cell| cell.to_cell().id() == *id)
        };
        let index = self.manifest.matrix.include.iter().rposition(is_it)?;
        Some(
            &self
                .root
                .get(&["matrix", "include"])?
                .items()
                .get(index)?
                .at,
        )
    }
}

/// Says that a variant's handlers get and give images otherwise than the pipeline's stages do.
fn other_transport(name: &str, variant: &Variant, pipeline: &Pipeline) -> Option<String> {
    (variant.transport != pipeline.transport).then(|| {
        format!(
            "its handlers are made for transport {} (functions/{name}/variant.toml), but {} has \
             transport {}",
            variant.transport.as_str(),
            pipeline.name,
            pipeline.transport.as_str()
        )
    })
}

/// Says which images can't be sent to the first stage in a payload, base64 and all.
fn too_large(set: &KnownImageSet, pipeline: &Pipeline) -> Vec<Fault> {
    if pipeline.transport != Transport::Payload {
        return Vec::new();
    }
    let too_large = |(image, bytes): (&String, &Option<u64>)| {
        let payload = base64_bytes((*bytes)?);
        (payload > PAYLOAD_LIMIT).then(|| {
            Fault::from(format!(
                "image `{image}` has {payload} bytes as base64, but Lambda takes at most \
                 {PAYLOAD_LIMIT} in a payload, where pipeline {} sends images",
                pipeline.name
            ))
        })
    };
    set.images
        .iter()
        .zip(&set.bytes)
        .filter_map(too_large)
        .collect()
}

/// Every place where a level of a factor is named: in its list, and in `include`.
fn named<'a>(root: &'a Node, list: &str, factor: &'a str) -> impl Iterator<Item = &'a Node> {
    let in_list = root.get(&["matrix", list]).map_or(&[][..], Node::items);
    let includes = root
        .get(&["matrix", "include"])
        .map_or(&[][..], Node::items);
    in_list.iter().chain(
        includes
            .iter()
            .filter_map(move |include| Some(&include.entry(factor)?.node)),
    )
}

/// Gives open factors the only level of their list; returns those that have several, and how many.
fn complete(levels: &mut Levels, manifest: &Manifest) -> Vec<(&'static str, usize)> {
    let mut open = Vec::new();
    let matrix = &manifest.matrix;
    macro_rules! fill {
        ($($field:ident from $list:ident),+) => {$(
            if levels.$field.is_none() {
                match matrix.$list.as_slice() {
                    [only] => levels.$field = Some(only.clone()),
                    // An empty list has been complained about where it is.
                    [] => {}
                    several => open.push((stringify!($field), several.len())),
                }
            }
        )+};
    }
    fill!(variant from variants);
    // A variant that brings its own runtime has no other; an empty list leaves each its own.
    let takes_one = |variant: &String| !matrix.own_runtime.contains(variant);
    if levels.variant.as_ref().is_none_or(takes_one) {
        fill!(runtime from runtimes);
    }
    fill!(architecture from architectures, memory_mb from memory_mb, image_set from image_sets,
        trigger from trigger, input from input, start from start, concurrency from concurrency);
    // Off needs no saying, so a manifest that does not ask for it stays as it was.
    if matrix.snapstart != [SnapStart::Off] {
        fill!(snapstart from snapstart);
    }
    open
}

/// Levels that an exclude names and no list holds: (factor, level, the list).
fn absent_levels(manifest: &Manifest, levels: &Levels) -> Vec<(&'static str, String, Vec<String>)> {
    let matrix = &manifest.matrix;
    let mut absent = Vec::new();
    macro_rules! look {
        ($($field:ident in $list:ident),+) => {$(
            if let Some(level) = &levels.$field && !matrix.$list.contains(level) {
                absent.push((stringify!($field), level.to_string(), matrix.$list.iter().map(ToString::to_string).collect()));
            }
        )+};
    }
    look!(variant in variants, runtime in runtimes, architecture in architectures, memory_mb in memory_mb, image_set in image_sets,
        trigger in trigger, input in input, start in start, snapstart in snapstart, concurrency in concurrency);
    absent
}

/// Whether every level that `part` names is named by `whole` too.
fn is_part(part: &Node, whole: &Node) -> bool {
    let Value::Table(entries) = &part.value else {
        return false;
    };
    !entries.is_empty()
        && entries.iter().all(|entry| {
            whole
                .entry(&entry.key)
                .is_some_and(|own| own.node.to_json() == entry.node.to_json())
        })
}
