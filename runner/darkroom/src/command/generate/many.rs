//! `darkroom generate MANIFEST`: makes the variants that the manifest's entries for models declare
//! and that are not there yet.
//!
//! Models take turns, so that one vendor's limit does not hold up the others. Answers are on record
//! as soon as they come: the same command goes on after a kill, a limit or a spent budget.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use darkroom_core::manifest::{Declared, Generation, Override};
use darkroom_core::models::Model;

use super::keys::keys;
use super::shown::{self, Made, ended, say};
use super::wrong::wrong;
use crate::cli::{GenerateArgs, Globals};
use crate::display::{self, count};
use crate::exit::{Failure, Outcome};
use crate::generate::{self, Batch, Endpoint, GenerateError, Turn, Turns, gate};
use crate::project::{self, Loaded, Project};
use crate::threads;

/// Variants that could not be made, with why.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} not made", were(*left))]
#[diagnostic(
    code(generate::not_all),
    help("Fix that and run the same command again: it asks only for what is missing.")
)]
struct NotAll {
    left: usize,
    #[related]
    faults: Vec<GenerateError>,
}

fn were(left: usize) -> String {
    let verb = if left == 1 { "was" } else { "were" };
    format!("{} {verb}", count(left as u64, "variant"))
}

pub fn run(path: &Path, args: &GenerateArgs, globals: Globals) -> Result<Outcome, Failure> {
    let sets: Vec<Override> = args.set.iter().map(|set| Override::set(set)).collect();
    let loaded = project::load_declared(path, &sets).map_err(Failure::wrong_request)?;
    let Loaded {
        project,
        manifest,
        known,
        generation,
    } = &loaded;
    super::super::say_which(project, globals);
    super::super::say_what_is_left_alone(generation, globals);
    if generation.declared.is_empty() {
        let help = "add a model to `variants` in [matrix], for example { model = \"gpt-5\", \
            samples = 5 }; or ask one with --model and --variant";
        let what = format!("{} declares no model to be asked", path.display());
        return Err(wrong(what, help));
    }
    if generation.missing().next().is_none() {
        let all = count(generation.declared.len() as u64, "variant");
        say(
            &format!("{all} declared, all made: nothing to ask"),
            globals,
        );
        if globals.json {
            display::answer_json(&[(); 0])?;
        }
        return Ok(Outcome::Done);
    }
    let pipeline = known
        .pipeline(&manifest.experiment.pipeline)
        .expect("a valid manifest names a pipeline that can be read");
    let batch = Batch::of(project, pipeline, manifest, generation)?;
    if args.dry_run {
        return shown::show_all(&batch, globals);
    }
    let to_ask = batch.to_ask(args.ask_again);
    batch.check_budget(&to_ask)?;
    let endpoints = endpoints(&batch, generation)?;
    say(&to_ask.in_words(), globals);
    Making {
        project,
        pipeline: &pipeline.name,
        generation,
        batch: &batch,
        endpoints,
        ask_again: args.ask_again,
        globals,
    }
    .all()
}

/// Makes all models ready to be asked: nothing is asked before each has a key and its Python.
fn endpoints<'a>(
    batch: &'a Batch<'_>,
    generation: &'a Generation,
) -> Result<BTreeMap<&'a str, Endpoint<'a>>, Failure> {
    let models = generation.missing();
    let models: BTreeMap<&str, &Model> = models
        .map(|declared| (declared.model.as_str(), batch.model(declared)))
        .collect();
    let keys = keys(&models)?;
    for declared in generation.missing() {
        let python = &declared.python;
        darkroom_cloud::python::find(python).map_err(|error| {
            let help = format!("install Python {python}: answers are read with it");
            wrong(error, &help)
        })?;
    }
    let endpoint = |(name, model): (&'a str, &'a Model)| {
        let endpoint = Endpoint::new(model, &keys[name], threads::runtime()?)
            .map_err(|error| Failure::broken(miette::miette!("cannot start: {error}")))?;
        Ok((name, endpoint))
    };
    models.into_iter().map(endpoint).collect()
}

/// Why variants were not made, by their names.
type Faults = BTreeMap<String, GenerateError>;

/// The work on what is missing.
struct Making<'a> {
    project: &'a Project,
    pipeline: &'a str,
    generation: &'a Generation,
    batch: &'a Batch<'a>,
    /// By the models' names.
    endpoints: BTreeMap<&'a str, Endpoint<'a>>,
    ask_again: bool,
    globals: Globals,
}

impl Making<'_> {
    fn all(&self) -> Result<Outcome, Failure> {
        let missing = self.generation.missing();
        let mut turns = Turns::of(missing.map(|it| (it.model.clone(), it)));
        let mut made = Vec::new();
        let mut faults = Faults::new();
        let (mut introduced, mut tried) = (HashSet::new(), HashSet::new());
        while let Some(&declared) = turns.whose() {
            let name = &declared.variant;
            self.announce(declared, made.len());
            if introduced.insert(&declared.model) {
                for line in shown::of_model(self.batch.model(declared)) {
                    self.say(&line);
                }
            }
            let ask_again = self.ask_again && tried.insert(name);
            match self.one(declared, ask_again) {
                Ok(None) => {
                    self.say_why(&faults);
                    self.say(
                        "interrupted; finished variants stay, and the same command goes on with \
                         the answers so far",
                    );
                    return Ok(Outcome::Interrupted);
                }
                Ok(Some(done)) => {
                    let root = self.project.root();
                    made.push(Made::shown(name.clone(), done, root, self.globals)?);
                    faults.remove(name);
                    turns.ended(Turn::Done);
                }
                Err(failure) => {
                    let fault = self.of_model(failure, &made, &faults)?;
                    turns.ended(fault.turn());
                    faults.insert(name.clone(), fault);
                }
            }
        }
        self.answer(&made)?;
        match turns.left().count() {
            0 => Ok(ended(&made)),
            left => Err(Failure::broken(NotAll {
                left,
                faults: faults.into_values().collect(),
            })),
        }
    }

    /// Returns a failure after which other models go on; any other ends the command. Its sentence
    /// is said once, at the end.
    fn of_model(
        &self,
        failure: Failure,
        made: &[Made],
        earlier: &Faults,
    ) -> Result<GenerateError, Failure> {
        let fault = failure
            .into_report()
            .downcast::<GenerateError>()
            .map_err(Failure::broken)?;
        if fault.ends_all() {
            self.say_why(earlier);
            self.answer(made)?;
            return Err(Failure::broken(fault));
        }
        self.say(&format!(
            "  {}; the reason is printed at the end",
            fault.in_short()
        ));
        Ok(fault)
    }

    /// Says why variants were not made, where no error at the end does.
    fn say_why(&self, faults: &Faults) {
        for fault in faults.values() {
            self.say(&format!("  {fault}"));
        }
    }

    fn one(&self, declared: &Declared, again: bool) -> Result<Option<generate::Made>, Failure> {
        let wish = self.batch.wish(declared, again);
        let endpoint = &self.endpoints[declared.model.as_str()];
        let verdicts =
            |draft: &Project, variant: &str| gate::verdicts(draft, self.pipeline, variant);
        generate::generate(&wish, endpoint, &verdicts, &|text| self.say(text))
    }

    /// Says whose turn it is, how far the work is, and what it cost so far.
    fn announce(&self, declared: &Declared, made_now: usize) {
        let all = self.generation.declared.len();
        let before = all - self.generation.missing().count();
        let spent = self.batch.spending.in_words();
        let spent = spent.map_or_else(String::new, |spent| format!("; {spent}"));
        let model = self.batch.model(declared);
        self.say(&format!(
            "{}: {}, {} of {all} variants made{spent}",
            declared.variant,
            model.title,
            before + made_now
        ));
    }

    fn answer(&self, made: &[Made]) -> Result<(), Failure> {
        if self.globals.json {
            display::answer_json(&made)?;
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        say(text, self.globals);
    }
}
