//! All variants that a manifest's entries for models declare: which are still to be asked for, what
//! that can cost, and the wish for each.
//!
//! Reads the project: models, prompts, answers on record. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use darkroom_core::manifest::{Declared, Generation, Manifest};
use darkroom_core::models::{Model, Models};
use darkroom_core::pipeline::Pipeline;
use darkroom_core::prompt::{PLAIN, listed};
use serde::Serialize;

use super::questions::{Prompts, Questions};
use super::reading;
use super::record::{self, Record};
use super::spending::{self, Cost, Spending};
use super::wish::{Template, Wish};
use crate::display::count;
use crate::display::plan::dollars;
use crate::exit::Failure;
use crate::project::{Project, models_file, prompt_file};
use crate::provenance;

/// Bytes of what a repair sends back beside the answer itself: what an output check usually says.
const SENT_BACK: u64 = 2_000;

/// What a manifest declares, ready to be asked for.
pub struct Batch<'a> {
    project: &'a Project,
    questions: Questions<'a>,
    models: Models,
    generation: &'a Generation,
    /// By Python version and name of the prompt.
    asked: BTreeMap<(String, String), Asked<'a>>,
    pub spending: Spending,
}

/// One prompt as it is sent, stage by stage.
pub struct Asked<'a> {
    pub template: Option<Template>,
    pub prompts: Prompts<'a>,
}

/// What is still to be asked, and the most that it can cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToAsk {
    /// Variants that are not made yet.
    pub variants: u64,
    /// Models that are to write them, by their names in `models.toml`.
    pub models: BTreeSet<String>,
    /// Questions of these, a stage each, that nobody has answered.
    pub questions: u64,
    /// Those that are answered, and are not asked again.
    pub on_record: u64,
    /// Further questions if every round of repair is needed for every stage.
    pub repairs_at_most: u64,
    /// The most that the answers can cost, USD; null where nobody knows that of some model.
    pub most_usd: Option<f64>,
    /// The same without the models of `unbounded`.
    pub most_usd_without_unbounded: f64,
    /// Models of which nobody knows what an answer can cost, and why.
    pub unbounded: BTreeMap<String, String>,
    /// What the answers so far cost, USD, without those whose cost nobody knows.
    pub spent_usd: f64,
    /// How many answers these are.
    pub spent_unknown: u64,
    /// `[budget] generate_usd`.
    pub budget_usd: Option<f64>,
}

impl ToAsk {
    /// `10 variants of 2 models: 45 questions, 5 answered before; at most $3.20`.
    pub fn in_words(&self) -> String {
        let repairs = match self.repairs_at_most {
            0 => String::new(),
            repairs => format!(" and up to {} of repair", count(repairs, "question")),
        };
        let asked = format!(
            "{} of {}: {} to ask{repairs}",
            count(self.variants, "variant"),
            count(self.models.len() as u64, "model"),
            count(self.questions, "question"),
        );
        let before = (self.on_record > 0)
            .then(|| format!("{} answered before", count(self.on_record, "question")));
        let spent = Spending::new(
            None,
            Cost {
                usd: self.spent_usd,
                unknown: self.spent_unknown,
            },
        );
        let budget = self.budget_usd;
        let budget = budget.map(|usd| format!("budget.generate_usd is {}", dollars(usd)));
        let parts = [
            Some(asked),
            before,
            Some(self.most_in_words()),
            spent.in_words(),
            budget,
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Says the most that the answers can cost, and of which models nobody knows it.
    fn most_in_words(&self) -> String {
        let known = dollars(self.most_usd_without_unbounded);
        let whose: Vec<String> = self.unbounded.keys().cloned().collect();
        if whose.is_empty() {
            return format!("at most {known}");
        }
        let whose = listed(&whose);
        if self.unbounded.len() == self.models.len() {
            format!(
                "the cost is unknown: models.toml has no price or no limit of tokens for {whose}"
            )
        } else {
            format!("at most {known} without {whose}, whose cost is unknown")
        }
    }
}

impl<'a> Batch<'a> {
    /// Reads what the manifest's missing variants need; `pipeline` is the manifest's.
    pub fn of(
        project: &'a Project,
        pipeline: &'a Pipeline,
        manifest: &Manifest,
        generation: &'a Generation,
    ) -> Result<Self, Failure> {
        let questions = Questions::of(project, pipeline)?;
        let models = project
            .models(&pipeline.name)
            .map_err(Failure::wrong_request)?;
        let mut asked = BTreeMap::new();
        for declared in generation.missing() {
            in_nobodys_way(project, declared)?;
            let key = key(declared);
            if asked.contains_key(&key) {
                continue;
            }
            let template = match declared.prompt.as_str() {
                PLAIN => None,
                name => {
                    let file = prompt_file(&pipeline.name, name);
                    Some(Template::read(&project.root().join(&file), &file)?)
                }
            };
            let prompts = questions.prompts(&[], &declared.python, template.as_ref())?;
            asked.insert(key, Asked { template, prompts });
        }
        let spent = generation.declared.iter();
        let spent = spent.map(|declared| spent_on(project, &models, declared));
        Ok(Self {
            spending: Spending::new(
                manifest.budget.generate_usd,
                spent.fold(Cost::default(), |all, one| all + one),
            ),
            project,
            questions,
            models,
            generation,
            asked,
        })
    }

    /// Returns every prompt that is sent, with its Python version and name.
    pub fn asked(&self) -> impl Iterator<Item = (&(String, String), &Asked<'a>)> {
        self.asked.iter()
    }

    /// Returns the entry of `models.toml` that is to write a variant.
    pub fn model(&self, declared: &Declared) -> &Model {
        // Validation refuses a manifest whose missing variants have no entry.
        &self.models.models[&declared.model]
    }

    pub fn wish<'b>(&'b self, declared: &'b Declared, ask_again: bool) -> Wish<'b> {
        let Asked { template, prompts } = &self.asked[&key(declared)];
        Wish {
            project: self.project,
            pipeline: self.questions.pipeline,
            prompts,
            template: template.as_ref(),
            system: None,
            model_name: &declared.model,
            model: self.model(declared),
            python: &declared.python,
            requirements: &self.questions.requirements,
            variant: &declared.variant,
            sample: declared.sample,
            repair: declared.repair,
            ask_again,
            spending: &self.spending,
        }
    }

    /// Counts what is still to be asked; with `ask_again` also what is on record.
    pub fn to_ask(&self, ask_again: bool) -> ToAsk {
        let spent = self.spending.cost();
        let mut to_ask = ToAsk {
            variants: 0,
            models: BTreeSet::new(),
            questions: 0,
            on_record: 0,
            repairs_at_most: 0,
            most_usd: None,
            most_usd_without_unbounded: 0.0,
            unbounded: BTreeMap::new(),
            spent_usd: spent.usd,
            spent_unknown: spent.unknown,
            budget_usd: self.spending.limit(),
        };
        for declared in self.generation.missing() {
            let model = self.model(declared);
            to_ask.variants += 1;
            to_ask.models.insert(declared.model.clone());
            if let Some(why) = model.why_unbounded() {
                to_ask.unbounded.insert(declared.model.clone(), why);
            }
            // What nobody knows is in `unbounded`, and no part of the sum.
            let most_usd = |bytes: u64| model.most_usd(bytes).unwrap_or_default();
            let wish = self.wish(declared, false);
            for (stage, prompt) in wish.prompts {
                let bytes = prompt.len() as u64;
                if !ask_again && is_on_record(&wish, stage, prompt) {
                    to_ask.on_record += 1;
                } else {
                    to_ask.questions += 1;
                    to_ask.most_usd_without_unbounded += most_usd(bytes);
                }
                let again = bytes + model.max_output_tokens().unwrap_or_default() + SENT_BACK;
                let repairs = u64::from(declared.repair);
                to_ask.repairs_at_most += repairs;
                to_ask.most_usd_without_unbounded += repairs as f64 * most_usd(again);
            }
        }
        let all_known = to_ask.unbounded.is_empty();
        to_ask.most_usd = all_known.then_some(to_ask.most_usd_without_unbounded);
        to_ask
    }

    /// Refuses a budget that would be no limit.
    pub fn check_budget(&self, to_ask: &ToAsk) -> Result<(), Failure> {
        if to_ask.budget_usd.is_none() || to_ask.unbounded.is_empty() {
            return Ok(());
        }
        let whose = |(model, why): (&String, &String)| format!("{model} ({why})");
        let whose: Vec<String> = to_ask.unbounded.iter().map(whose).collect();
        let help = format!(
            "add `price` and `max_tokens` in {}, or remove `generate_usd` from [budget]",
            models_file(&self.questions.pipeline.name)
        );
        Err(Failure::wrong_request(miette::miette!(
            code = "generate::unbounded",
            help = help,
            "budget.generate_usd cannot be kept: nobody knows what an answer can cost of {}",
            whose.join("; ")
        )))
    }
}

/// Refuses a folder that is no variant where a variant is to be: its questions would be paid for, and
/// the answers had no place.
fn in_nobodys_way(project: &Project, declared: &Declared) -> Result<(), Failure> {
    if !project.variant_dir(&declared.variant).exists() {
        return Ok(());
    }
    let folder = format!("functions/{}", declared.variant);
    Err(Failure::wrong_request(miette::miette!(
        code = "generate::in_the_way",
        help = format!("remove or rename {folder}, and run the command again"),
        "{folder} is there and holds no variant, so nothing was asked"
    )))
}

fn key(declared: &Declared) -> (String, String) {
    (declared.python.clone(), declared.prompt.clone())
}

fn spent_on(project: &Project, models: &Models, declared: &Declared) -> Cost {
    let used = provenance::asks(&project.variant_dir(&declared.variant));
    let on_record = Record::of(project, &declared.variant).all();
    spending::cost_of_variant(models.models.get(&declared.model), &used, &on_record)
}

/// Whether an earlier attempt got an answer to a stage's first question that is not asked again.
fn is_on_record(wish: &Wish<'_>, stage: &darkroom_core::pipeline::Stage, prompt: &str) -> bool {
    let question = record::question(wish, &stage.name, 0, &wish.opening(prompt));
    let answers = Record::of(wish.project, wish.variant).answers(&stage.name, &question);
    let counts = |kept: &record::Kept| reading::of_endpoint(wish, stage, &kept.answer).is_none();
    answers.iter().any(counts)
}
