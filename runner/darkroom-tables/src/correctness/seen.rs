//! What became of every sample at every stage, over all of its cells.
//!
//! A sample is a variant that a model wrote. Read from the tables `invocations` and `outputs`, from
//! the plan, which knows the stages without code, and from what the model was asked.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use darkroom_core::event::{ModelAsked, PlannedCell, RunStarted, Status};
use darkroom_core::ledger::CountsAs;
use darkroom_core::outcome::{Kind, Outcome};
use polars::prelude::PolarsResult;

use crate::tally::tally;

/// Who wrote a sample: a model, asked with one prompt, with so many rounds of repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// With the rounds of repair, where a run has several numbers of them: [`with_repair`].
    pub model: String,
    pub prompt: String,
    /// Rounds of repair, where a run has several numbers of them. Who had others is not compared.
    pub rounds: Option<u32>,
}

impl Author {
    /// Returns who wrote a cell's variant; `None` where no model did.
    pub fn of(planned: &PlannedCell, repairs: &Repairs) -> Option<Self> {
        Some(Self {
            model: repairs.named(planned.model.as_ref()?, &planned.cell.variant),
            prompt: planned.prompt_name()?.to_owned(),
            rounds: repairs.told_apart(&planned.cell.variant),
        })
    }

    /// Says whether models of a run were asked with several prompts, so that names tell them.
    pub fn several_prompts(run: &RunStarted) -> bool {
        let mut prompts = run.cells.iter().filter_map(PlannedCell::prompt_name);
        let first = prompts.next();
        prompts.any(|prompt| Some(prompt) != first)
    }

    /// Names it: the model, with the prompt where there are several.
    pub fn named(&self, several_prompts: bool) -> String {
        author_name(&self.model, &self.prompt, several_prompts)
    }
}

/// Names a model, with the prompt that it was asked with where there are several.
pub fn author_name(model: &str, prompt: &str, several_prompts: bool) -> String {
    if several_prompts {
        format!("{model} (prompt {prompt})")
    } else {
        model.to_owned()
    }
}

/// How many rounds of repair were allowed, by variant. Samples with other numbers of them are
/// answers to other tasks, and are never pooled.
#[derive(Clone, Debug, Default)]
pub struct Repairs(HashMap<String, u32>);

impl Repairs {
    pub fn new(asked: &[ModelAsked]) -> Self {
        let rounds = asked
            .iter()
            .map(|ask| (ask.variant.clone(), ask.rounds_allowed));
        Self(rounds.collect())
    }

    /// Returns a variant's rounds, where a run has several numbers of them.
    fn told_apart(&self, variant: &str) -> Option<u32> {
        let mut all = self.0.values();
        let first = all.next();
        let several = all.any(|rounds| Some(rounds) != first);
        self.0.get(variant).copied().filter(|_| several)
    }

    /// Names a variant's model.
    fn named(&self, model: &str, variant: &str) -> String {
        let rounds = self.told_apart(variant);
        rounds.map_or_else(|| model.to_owned(), |rounds| with_repair(model, rounds))
    }
}

/// Names a model with its rounds of repair, in a run that has several numbers of them.
pub fn with_repair(model: &str, rounds: u32) -> String {
    match rounds {
        0 => format!("{model}, no repair"),
        _ => format!("{model}, repair {rounds}"),
    }
}

/// All samples of one author that the plan can run.
#[derive(Clone, Debug)]
pub struct OfModel {
    pub author: Author,
    /// In the order of the plan.
    pub samples: Vec<Sample>,
}

/// One sample, stage by stage.
#[derive(Clone, Debug)]
pub struct Sample {
    pub variant: String,
    pub stages: Vec<Part>,
}

/// One sample at one stage, or its whole pipeline.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// `None` where nothing tells.
    pub outcome: Option<Outcome>,
    /// The model gave no code for it.
    pub gap: bool,
    /// Of each image that something is known of, with its set: whether all of that is right.
    pub images: BTreeMap<(String, String), bool>,
    /// `None` in older journals.
    pub effort: Option<Effort>,
}

/// What the answers took that a sample is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    pub asks: u64,
    /// Of these, those that were not the first answer.
    pub repairs: u64,
    /// `None` where one of the endpoints did not say.
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub seconds: f64,
    pub cost_usd: Option<f64>,
}

impl Effort {
    fn of(asked: &ModelAsked) -> Self {
        Self {
            asks: 1,
            repairs: u64::from(asked.round > 0),
            input_tokens: asked.input_tokens,
            output_tokens: asked.output_tokens,
            seconds: asked.seconds,
            cost_usd: asked.cost_usd,
        }
    }

    /// Returns the sum; `None` of nothing, and where one of them is not known.
    pub fn sum(all: impl Iterator<Item = Option<Self>>) -> Option<Self> {
        all.reduce(|a, b| {
            let (a, b) = (a?, b?);
            Some(Self {
                asks: a.asks + b.asks,
                repairs: a.repairs + b.repairs,
                input_tokens: a.input_tokens.zip(b.input_tokens).map(|(a, b)| a + b),
                output_tokens: a.output_tokens.zip(b.output_tokens).map(|(a, b)| a + b),
                seconds: a.seconds + b.seconds,
                cost_usd: a.cost_usd.zip(b.cost_usd).map(|(a, b)| a + b),
            })
        })?
    }

    pub fn tokens(&self) -> Option<u64> {
        Some(self.input_tokens? + self.output_tokens?)
    }
}

impl Part {
    pub fn is_right(&self) -> bool {
        matches!(&self.outcome, Some(outcome) if outcome.kind == Kind::Right)
    }

    /// Says whether it is not right, although some image is.
    pub fn is_right_partly(&self) -> bool {
        self.outcome.is_some() && !self.is_right() && self.images.values().any(|right| *right)
    }

    /// Returns the whole pipeline of these stages: right where every stage is; else what its first
    /// stage that is not right came to; not known where only part of it is known. The same of every
    /// image.
    pub fn whole(stages: &[Self]) -> Self {
        let outcomes = || stages.iter().map(|stage| stage.outcome.as_ref());
        let failed = outcomes().flatten().find(|of| of.kind != Kind::Right);
        let right = || {
            outcomes()
                .all(|of| of.is_some())
                .then(|| Kind::Right.into())
        };
        let of_image = |image: &(String, String)| {
            let mut of_stages = stages.iter().map(|stage| {
                let seen = stage.images.get(image).copied();
                if stage.gap { Some(false) } else { seen }
            });
            if of_stages.clone().any(|right| right == Some(false)) {
                return Some(false);
            }
            of_stages.all(|right| right == Some(true)).then_some(true)
        };
        let images = stages.iter().flat_map(|stage| stage.images.keys());
        Self {
            outcome: failed.cloned().or_else(right),
            gap: stages.iter().any(|stage| stage.gap),
            images: images
                .filter_map(|image| Some((image.clone(), of_image(image)?)))
                .collect(),
            effort: Effort::sum(stages.iter().map(|stage| stage.effort)),
        }
    }
}

/// Returns what became of every model's samples, in the order of the plan.
pub fn of_models(
    run: &RunStarted,
    asked: &[ModelAsked],
    checks: &Path,
    invocations: &Path,
) -> PolarsResult<Vec<OfModel>> {
    let authors = authors(run, &Repairs::new(asked));
    if authors.is_empty() {
        return Ok(Vec::new());
    }
    let seen = seen(checks, invocations)?;
    let effort = efforts(asked);
    let part = |cells: &[&PlannedCell], stage: &String| {
        let place = (cells[0].cell.variant.as_str(), stage.as_str());
        Part {
            effort: effort.get(&place).copied(),
            ..part(&seen, cells, stage)
        }
    };
    let sample = |cells: Vec<&PlannedCell>| Sample {
        variant: cells[0].cell.variant.clone(),
        stages: run.stages.iter().map(|stage| part(&cells, stage)).collect(),
    };
    let of_model = |(author, samples): (Author, Vec<Vec<&PlannedCell>>)| OfModel {
        author,
        samples: samples.into_iter().map(sample).collect(),
    };
    Ok(authors.into_iter().map(of_model).collect())
}

/// Returns the authors of the plan with the cells of each of their samples.
fn authors<'a>(run: &'a RunStarted, repairs: &Repairs) -> Vec<(Author, Vec<Vec<&'a PlannedCell>>)> {
    let mut authors: Vec<(Author, Vec<Vec<&PlannedCell>>)> = Vec::new();
    for planned in run.cells.iter().filter(|cell| cell.not_runnable.is_none()) {
        let Some(author) = Author::of(planned, repairs) else {
            continue;
        };
        let place = authors.iter().position(|(known, _)| *known == author);
        let place = place.unwrap_or_else(|| {
            authors.push((author, Vec::new()));
            authors.len() - 1
        });
        let variants = &mut authors[place].1;
        let of_variant =
            |cells: &&mut Vec<&PlannedCell>| cells[0].cell.variant == planned.cell.variant;
        match variants.iter_mut().find(of_variant) {
            Some(cells) => cells.push(planned),
            None => variants.push(vec![planned]),
        }
    }
    authors
}

/// What all answers for a variant's stage took together.
fn efforts(asked: &[ModelAsked]) -> HashMap<(&str, &str), Effort> {
    let mut efforts: HashMap<(&str, &str), Effort> = HashMap::new();
    for ask in asked {
        let place = (ask.variant.as_str(), ask.stage.as_str());
        let sum = Effort::sum([efforts.get(&place).copied(), Some(Effort::of(ask))].into_iter());
        efforts.insert(place, sum.unwrap_or_else(|| Effort::of(ask)));
    }
    efforts
}

/// What was seen of a cell and stage: of every image each outcome, with how often.
type Seen = HashMap<(String, String), BTreeMap<String, BTreeMap<Outcome, i64>>>;

/// Returns the outcomes of calls that failed for good and of outputs that were checked.
fn seen(checks: &Path, invocations: &Path) -> PolarsResult<Seen> {
    let mut seen = Seen::new();
    let mut add = |[cell, stage, image]: [Option<String>; 3], outcome, count| {
        let place = (cell.unwrap_or_default(), stage.unwrap_or_default());
        let of_place = seen.entry(place).or_default();
        let of_image = of_place.entry(image.unwrap_or_default()).or_default();
        *of_image.entry(outcome).or_default() += count;
    };
    let by = ["cell_id", "stage", "image", "pass", "reason"];
    for ([cell, stage, image, pass, reason], count) in tally(checks, by, Some("counts"))? {
        let verdict = (pass.as_deref() == Some("true"), reason.as_deref());
        if let Some(outcome) = Outcome::of_ending(Status::Ok, None, Some(verdict)) {
            add([cell, stage, image], outcome, count);
        }
    }
    let by = [
        "cell_id",
        "stage",
        "image",
        "counts_as",
        "status",
        "error_type",
    ];
    for ([cell, stage, image, counts_as, status, error_type], count) in
        tally(invocations, by, None)?
    {
        if counts_as.as_deref() != Some(CountsAs::Failed.as_str()) {
            continue;
        }
        let status = Status::ALL
            .into_iter()
            .find(|of| Some(of.as_str()) == status.as_deref());
        let outcome = status.and_then(|of| Outcome::of_ending(of, error_type.as_deref(), None));
        if let Some(outcome) = outcome {
            add([cell, stage, image], outcome, count);
        }
    }
    Ok(seen)
}

/// Returns what became of a sample at a stage: right where everything that was seen of it is; else
/// the failure that comes first on the way, the most frequent of its kind.
fn part(seen: &Seen, cells: &[&PlannedCell], stage: &String) -> Part {
    if let Some(gap) = cells.iter().find_map(|cell| cell.missing.get(stage)) {
        return Part {
            outcome: Some(gap.clone()),
            gap: true,
            ..Part::default()
        };
    }
    let mut found: BTreeMap<&Outcome, i64> = BTreeMap::new();
    let mut images: BTreeMap<(String, String), bool> = BTreeMap::new();
    for cell in cells {
        let of_cell = seen.get(&(cell.id.to_string(), stage.clone()));
        for (image, outcomes) in of_cell.into_iter().flatten() {
            let right = outcomes.keys().all(|outcome| outcome.kind == Kind::Right);
            let image = (cell.cell.image_set.clone(), image.clone());
            *images.entry(image).or_insert(true) &= right;
            for (outcome, count) in outcomes {
                *found.entry(outcome).or_default() += count;
            }
        }
    }
    let first = found.keys().next().map(|outcome| outcome.kind);
    let of_kind = found
        .iter()
        .filter(|(outcome, _)| Some(outcome.kind) == first);
    let worst = of_kind.max_by_key(|(outcome, count)| (**count, std::cmp::Reverse(**outcome)));
    Part {
        outcome: worst.map(|(outcome, _)| (*outcome).clone()),
        images,
        ..Part::default()
    }
}
