//! What `[adapt]` must hold for these handlers, as far as their code shows it, and what to ask the
//! user. Pure.

use std::collections::{BTreeMap, BTreeSet};

use darkroom_core::adapt::{Adapt, StageAdapt, TimeUnit};
use darkroom_core::pipeline::{Pipeline, Stage, Transport};
use serde_json::{Map, Value};

use super::mapping::{Candidate, Mapped};
use super::scan::{EventKey, FaultKind, Handler, ScanFault, Variable, Write};

/// What the user says where reading does not carry.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub environment: BTreeMap<String, String>,
    /// Stage → template; an empty stage means all.
    pub output_keys: BTreeMap<String, String>,
}

/// The adaptation, and words about it.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    pub adapt: Adapt,
    pub obstacles: Obstacles,
    /// What may go wrong and can't be decided here.
    pub notes: Vec<String>,
}

/// What keeps handlers from being imported as they are.
#[derive(Clone, Debug, Default)]
pub struct Obstacles {
    /// Each names a file and a line.
    pub told: Vec<String>,
    /// What to do about them.
    pub ways_out: BTreeSet<&'static str>,
}

impl Obstacles {
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Adds what a handler does, if it surely can't work in a run.
    fn add(&mut self, fault: &ScanFault) -> bool {
        let help = fault.kind.way_out(&fault.what).filter(|_| !fault.maybe);
        if let Some(help) = help {
            self.told.push(placed(fault));
            self.ways_out.insert(help);
        }
        help.is_some()
    }
}

/// Returns what must be fixed in code that may serve a stage, and whether each of these handlers
/// has something of it.
pub fn in_the_way(candidates: &[Candidate]) -> (Obstacles, bool) {
    let (mut found, mut each) = (Obstacles::default(), true);
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.file.error.is_none())
    {
        let faults = candidate.handler.faults.iter();
        each &= faults.filter(|fault| found.add(fault)).count() > 0;
    }
    once(&mut found.told);
    (found, each)
}

fn once(said: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    said.retain(|words| seen.insert(words.clone()));
}

/// Returns what these handlers need.
pub fn habits(pipeline: &Pipeline, mapped: &[Mapped], said: &Said) -> Habits {
    let mut found = Habits::default();
    for one in mapped {
        let Some((_, stage)) = pipeline.stage(one.stage) else {
            continue;
        };
        found.environment(one, said);
        found.faults(pipeline, one);
        let mut own = StageAdapt::default();
        if pipeline.answers_with_image(stage) {
            found.answer(one, &mut own);
        } else {
            own.output_key = found.output_key(pipeline, stage, one, said);
        }
        if pipeline.transport == Transport::Payload {
            own.event = found.event(pipeline, stage, one);
        }
        if let Some(reported) = &one.candidate.handler.reported {
            let usual = darkroom_core::adapt::USUAL_TIMES_MS.contains(&reported.path.as_str());
            found.adapt.reported_unit = if reported.unit == "s" {
                TimeUnit::S
            } else {
                TimeUnit::Ms
            };
            own.reported = (!usual || reported.unit == "s").then(|| reported.path.clone());
        }
        if own != StageAdapt::default() {
            found.adapt.stages.insert(one.stage.to_owned(), own);
        }
    }
    found.adapt.environment.extend(said.environment.clone());
    found.share();
    once(&mut found.obstacles.told);
    once(&mut found.notes);
    found
}

impl Habits {
    fn environment(&mut self, one: &Mapped, said: &Said) {
        let handler = one.candidate.handler;
        let keys = || {
            handler
                .writes
                .iter()
                .filter_map(|write| write.template.as_deref())
        };
        for Variable {
            name,
            default,
            file,
            line,
        } in &handler.environment
        {
            if said.environment.contains_key(name) || self.adapt.environment.contains_key(name) {
                continue;
            }
            let in_folder = keys().any(|key| key.contains(&format!("{{env:{name}}}/")));
            let value = if handler.bucket_names.contains(name) {
                Some("{bucket}")
            } else {
                value_of(name, in_folder)
            };
            match value {
                Some(value) => {
                    self.adapt
                        .environment
                        .insert(name.clone(), value.to_owned());
                }
                None if *default => {}
                None => self.obstacles.told.push(format!(
                    "{file}:{line} needs the environment variable {name}: set it with --env"
                )),
            }
        }
    }

    /// Says what can't work in a run. It is an obstacle where the code surely comes there, and a
    /// note where it may.
    fn faults(&mut self, pipeline: &Pipeline, one: &Mapped) {
        // An event of the payload is made as the code reads it; S3 makes its own.
        let made = |fault: &&ScanFault| {
            fault.kind == FaultKind::BucketFromEvent && pipeline.transport == Transport::Payload
        };
        for fault in one
            .candidate
            .handler
            .faults
            .iter()
            .filter(|fault| !made(fault))
        {
            if !self.obstacles.add(fault) {
                let may = if fault.maybe {
                    ", if the environment says so"
                } else {
                    ""
                };
                self.notes.push(format!("{}{may}", placed(fault)));
            }
        }
    }

    fn answer(&mut self, one: &Mapped, own: &mut StageAdapt) {
        match one.candidate.handler.answer_image.as_deref() {
            Some("image") => {}
            Some(path) if !path.is_empty() => own.image = Some(path.to_owned()),
            _ => self.notes.push(format!(
                "{}: Darkroom cannot tell which part of its answer holds the image, and tries \
                 `image`. If that is wrong, set `image` under [adapt.stages.{}]",
                one.candidate.spelt(),
                one.stage
            )),
        }
    }

    fn output_key(
        &mut self,
        pipeline: &Pipeline,
        stage: &Stage,
        one: &Mapped,
        said: &Said,
    ) -> Option<String> {
        if let Some(key) = said
            .output_keys
            .get(&stage.name)
            .or_else(|| said.output_keys.get(""))
        {
            if one.candidate.handler.writes.is_empty() && one.candidate.file.error.is_none() {
                let spelt = one.candidate.spelt();
                self.notes.push(format!(
                    "{spelt}: Darkroom sees no write to S3, and cannot tell which bucket it uses"
                ));
            }
            return Some(key.clone());
        }
        let writes = &one.candidate.handler.writes;
        if one.candidate.file.error.is_some() {
            // Nothing can be read of it, and it will write nothing.
            return None;
        }
        let told =
            |write: &Write| write.from_event.is_some() && pipeline.transport == Transport::Payload;
        if writes.iter().any(told) {
            return None;
        }
        let templates: Vec<&str> = writes
            .iter()
            .filter_map(|write| write.template.as_deref())
            .collect();
        let (Some(template), 1) = (templates.first(), writes.len()) else {
            self.cannot_follow(stage, one, writes);
            return None;
        };
        let (key, unknown) = self.with_environment(template);
        if unknown {
            self.cannot_follow(stage, one, writes);
            return None;
        }
        let extension = format!(".{}", stage.output.format.extension());
        let usual = format!("{{prefix}}{{name}}{extension}");
        (key != usual).then_some(key)
    }

    fn cannot_follow(&mut self, stage: &Stage, one: &Mapped, writes: &[Write]) {
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for write in writes {
            places
                .entry(&write.file)
                .or_default()
                .push(write.line.to_string());
        }
        let places: Vec<String> = places
            .iter()
            .map(|(file, lines)| format!("{file}:{}", lines.join(",")))
            .collect();
        let place = if places.is_empty() {
            one.candidate.file.name.clone()
        } else {
            places.join(" and ")
        };
        let (name, extension) = (&stage.name, stage.output.format.extension());
        self.obstacles.told.push(format!(
            "{place}: Darkroom cannot tell which key stage {name} writes to. Set it, for example \
             with `--output-key '{name}={{prefix}}{{name}}.{extension}'` (name: the input's file \
             name without extension)"
        ));
    }

    /// Puts in what the environment will say.
    fn with_environment(&self, template: &str) -> (String, bool) {
        let mut key = template.to_owned();
        for (name, value) in &self.adapt.environment {
            key = key.replace(&format!("{{env:{name}}}"), value);
        }
        key = key.replace("{env:OUTPUT_PREFIX}", "{prefix}");
        let unknown = key.contains("{env:") || key.contains("{bucket}");
        (key, unknown)
    }

    /// Makes the event that a payload handler reads; `None` where it is the pipeline's own.
    fn event(&mut self, pipeline: &Pipeline, stage: &Stage, one: &Mapped) -> Option<Value> {
        let handler = one.candidate.handler;
        let Some(image) = &handler.reads_image else {
            self.notes.push(format!(
                "{}: Darkroom cannot tell which part of the event holds the image, and tries \
                 `image`",
                one.candidate.spelt()
            ));
            return None;
        };
        let mut event = Value::Object(Map::new());
        put(&mut event, image, "{image}".into());
        let from_event = |write: &Write| write.from_event.clone();
        let mut filled = vec![image.clone()];
        if !pipeline.answers_with_image(stage) {
            for path in handler.writes.iter().filter_map(from_event) {
                put(&mut event, &path, "{output_key}".into());
                filled.push(path);
            }
        }
        for EventKey {
            path,
            default,
            line,
        } in leaves(&handler.event_keys)
        {
            if filled.contains(path) {
                continue;
            }
            match fact(stage, path) {
                Some(value) => put(&mut event, path, value),
                None if *default => {}
                None => self.notes.push(format!(
                    "{}:{line} reads {} of the event, but Darkroom does not fill that in; set it \
                     in [adapt.stages.{}] event",
                    one.candidate.file.name,
                    spelt(path),
                    one.stage
                )),
            }
        }
        (event != default_event(handler)).then_some(event)
    }

    /// Says once what all stages say alike.
    fn share(&mut self) {
        let stages = &mut self.adapt.stages;
        let alike = |of: fn(&StageAdapt) -> &Option<String>,
                     stages: &BTreeMap<String, StageAdapt>| {
            let mut said: Vec<&String> = stages
                .values()
                .filter_map(|stage| of(stage).as_ref())
                .collect();
            said.dedup();
            if said.len() == 1 {
                Some(said[0].clone())
            } else {
                None
            }
        };
        if let Some(image) = alike(|stage| &stage.image, stages) {
            for stage in stages.values_mut() {
                stage.image = None;
            }
            self.adapt.image = Some(image);
        }
        if let Some(reported) = alike(|stage| &stage.reported, stages) {
            for stage in stages.values_mut() {
                stage.reported = None;
            }
            self.adapt.reported = Some(reported);
        }
        stages.retain(|_, stage| *stage != StageAdapt::default());
    }
}

/// Says what the code does, and where.
fn placed(fault: &ScanFault) -> String {
    format!("{}:{} {}", fault.file, fault.line, fault_in_words(fault))
}

fn fault_in_words(fault: &ScanFault) -> String {
    let what = &fault.what;
    match fault.kind {
        FaultKind::Bucket => format!("names the bucket `{what}`"),
        FaultKind::BucketMade => format!("builds a bucket name: `{what}`"),
        FaultKind::BucketFromFile => format!("reads a bucket name from the file `{what}`"),
        FaultKind::BucketFromEvent => {
            format!(
                "reads a bucket name from `{what}` of the event, but an S3 event holds it elsewhere"
            )
        }
        FaultKind::UnknownBucket => format!(
            "names a bucket: Darkroom cannot tell which bucket line {} uses. A run has one, named in OUTPUT_BUCKET",
            fault.line
        ),
        FaultKind::Endpoint if what.is_empty() => "sets `endpoint_url`".to_owned(),
        FaultKind::Endpoint => format!("connects to the endpoint `{what}`"),
        FaultKind::UnknownEndpoint => {
            "sets `endpoint_url`, and Darkroom cannot tell to what; a run may use another"
                .to_owned()
        }
        FaultKind::Key => format!("has `{what}` in the code"),
        FaultKind::Profile => format!("names the profile `{what}`"),
        FaultKind::Region => format!("fixes the region `{what}`; a run may use another"),
        FaultKind::Service => {
            format!("uses the service `{what}`, but a run's functions may only read and write S3")
        }
        FaultKind::SetsEnvironment => format!("changes the environment: {what}"),
        FaultKind::Async => format!(
            "defines `{what}` with `async def`: Lambda calls a handler, and never awaits it"
        ),
        FaultKind::RelativeImport => {
            format!(
                "imports from `{what}`, but its folder becomes the top folder of the deployed \
                 code, not a package"
            )
        }
    }
}

impl FaultKind {
    /// Returns what to do about it where it surely keeps the code from working.
    fn way_out(self, what: &str) -> Option<&'static str> {
        let a_runs_own =
            what.starts_with("AWS_") || what.contains("BUCKET") || what == "OUTPUT_PREFIX";
        match self {
            Self::Bucket | Self::BucketMade | Self::BucketFromFile => Some(
                "read the bucket's name from os.environ[\"OUTPUT_BUCKET\"] there, then import \
                 again; a run has one bucket, and Darkroom never edits code",
            ),
            Self::SetsEnvironment if !a_runs_own => None,
            Self::Endpoint | Self::Key | Self::Profile | Self::SetsEnvironment => Some(
                "remove these settings from the code, then import again: each run sets its own \
                 endpoint and credentials",
            ),
            Self::Async => Some(
                "write `def` there, and run what it awaits with `asyncio.run(…)`, then import again",
            ),
            Self::RelativeImport => Some(
                "import the folder above instead, or write the import without its leading dots, then import again",
            ),
            Self::BucketFromEvent
            | Self::UnknownBucket
            | Self::UnknownEndpoint
            | Self::Region
            | Self::Service => None,
        }
    }
}

/// Returns what a name of the environment most likely holds.
fn value_of(name: &str, in_folder: bool) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let says = |word: &str| name.split('_').any(|part| part == word);
    if says("BUCKET") {
        return Some("{bucket}");
    }
    if ["PREFIX", "FOLDER", "DIR", "PATH", "DIRECTORY"]
        .iter()
        .any(|word| says(word))
    {
        return Some(if in_folder { "{folder}" } else { "{prefix}" });
    }
    says("REGION").then_some("{region}")
}

/// Paths that are read whole, not only gone through.
fn leaves(keys: &[EventKey]) -> impl Iterator<Item = &EventKey> {
    keys.iter().filter(move |key| {
        !keys
            .iter()
            .any(|other| other.path.len() > key.path.len() && other.path.starts_with(&key.path))
    })
}

fn spelt(path: &[String]) -> String {
    path.iter()
        .filter(|step| *step != "{json}")
        .cloned()
        .collect::<Vec<_>>()
        .join(".")
}

/// Returns a fact of the stage by the name that the event's last step has.
fn fact(stage: &Stage, path: &[String]) -> Option<Value> {
    let facts = stage.facts();
    let number = |name: &str| facts.get(name)?.parse::<u64>().ok().map(Value::from);
    match path.last()?.to_ascii_lowercase().as_str() {
        "width" | "target_width" | "new_width" => number("width"),
        "height" | "target_height" | "new_height" => number("height"),
        "quality" => number("quality"),
        "bucket" | "output_bucket" | "destination_bucket" | "dest_bucket" => {
            Some("{bucket}".into())
        }
        "key" | "output_key" | "destination_key" => Some("{output_key}".into()),
        "name" | "filename" | "file_name" => Some("{input_file}".into()),
        _ => None,
    }
}

/// Puts a value at a path, making what lies on the way; what is read as JSON from a string becomes
/// one.
fn put(event: &mut Value, path: &[String], value: Value) {
    let [step, rest @ ..] = path else {
        *event = value;
        return;
    };
    if step == "{json}" {
        let mut inner = event
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        put(&mut inner, rest, value);
        *event = Value::String(inner.to_string());
        return;
    }
    if let Ok(index) = step.parse::<usize>() {
        if !event.is_array() {
            *event = Value::Array(Vec::new());
        }
        if let Value::Array(items) = event {
            items.resize(items.len().max(index + 1), Value::Null);
            put(&mut items[index], rest, value);
        }
        return;
    }
    if !event.is_object() {
        *event = Value::Object(Map::new());
    }
    if let Value::Object(entries) = event {
        put(
            entries.entry(step.clone()).or_insert(Value::Null),
            rest,
            value,
        );
    }
}

/// The pipeline's own event, as far as this handler reads it.
fn default_event(handler: &Handler) -> Value {
    let mut event = Value::Object(Map::new());
    put(&mut event, &["image".to_owned()], "{image}".into());
    for (name, value) in [("bucket", "{bucket}"), ("key", "{output_key}")] {
        let path = ["params".to_owned(), name.to_owned()];
        if handler.event_keys.iter().any(|key| key.path == path) {
            put(&mut event, &path, value.into());
        }
    }
    event
}
