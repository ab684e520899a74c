//! The command line: clap types, and the page that `darkroom --help` prints. No effects.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StyledStr};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::s3_uri::S3Uri;
use crate::study::Template;

/// Compares serverless image pipelines: one TOML manifest in, Parquet tables out.
#[derive(Debug, Parser)]
#[command(
    name = "darkroom",
    version,
    max_term_width = 110,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// How a command talks, whichever it is.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Globals {
    /// Say nothing but errors, and the answer of commands that are asked for one
    #[arg(long, short, global = true, display_order = 100)]
    pub quiet: bool,
    /// Answer in JSON on stdout, errors in JSON on stderr, no progress
    #[arg(long, global = true, display_order = 101)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a study folder that runs at once: manifests, variants, pipeline, photographs
    Init(InitArgs),
    /// Measure every cell of a manifest and make the tables
    Run(RunArgs),
    /// Go on with an interrupted run
    Resume(ResumeArgs),
    /// Make the tables of a run anew from its journal
    Aggregate(RunFolder),
    /// Make a run's report anew from its tables, or one page of several runs: HTML that opens
    /// offline
    Report(ReportArgs),
    /// Write a run's figures for a paper, as SVG, PNG and PDF
    Figures(FiguresArgs),
    /// Say what changed between two runs of one manifest, cell by cell
    Compare(CompareArgs),
    /// Say what a month of images would cost, from a run's measured work
    Cost(CostArgs),
    /// Print a table of a run as CSV, JSON, LaTeX or Markdown
    Export(ExportArgs),
    /// Put a run's tables into S3, as a part of a dataset of many runs
    Publish(PublishArgs),
    /// Make a run's tables and report anew from its journal, and say what does not match
    Verify(RunFolder),
    /// Test the statistics on simulated samples whose truth is known
    Calibrate(CalibrateArgs),
    /// Check a manifest: all mistakes at once
    Validate(ManifestArgs),
    /// List the cells of a manifest, one id a line
    Cells(CellsArgs),
    /// Show what a run would do, and deploy nothing
    Plan(PlanArgs),
    /// Check a variant's outputs against the contract, in seconds
    Check(CheckArgs),
    /// Import existing handlers as a variant, unedited
    Import(ImportArgs),
    /// Import another harness's measurements as a run: CSV, JSON, SAAF
    ImportResults(ImportResultsArgs),
    /// Ask an LLM for a variant: one prompt a stage, the first answer counts
    Generate(GenerateArgs),
    /// Print the manifest's JSON Schema, for editors
    Schema,
    /// Run the local cloud by itself, for the AWS CLI, boto3 or any SDK
    Serve(ServeArgs),
    /// Say what this machine can run, and how to mend what is missing
    Doctor(DoctorArgs),
    /// Remove what runs left in a cloud, found by tag: functions, layers, log groups, buckets
    Clean(CleanArgs),
    /// Print the least that AWS must allow, as IAM policies: you, and the functions
    IamPolicy(IamPolicyArgs),
    /// Print a completion script for a shell
    Completions { shell: Shell },
}

#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The folder to make, for example study; an empty one will do, and . is the current one
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// What the study is for
    #[arg(long, default_value = "smoke")]
    pub template: Template,
}

/// A manifest, and what to change in it.
#[derive(Clone, Debug, Args)]
pub struct ManifestArgs {
    /// The manifest, for example manifests/smoke.toml
    pub manifest: PathBuf,
    /// Override a key of the manifest, for example repetitions.count=10; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where to run: overrides [target] cloud
    #[arg(long, overrides_with = "target")]
    pub target: Option<TargetName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetName {
    /// The cloud embedded in this program, on this machine
    Local,
    /// Amazon Web Services, with the account of your AWS profile
    Aws,
}

impl TargetName {
    /// The spelling used in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Aws => "aws",
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Measure only these cells and replace only their rows in the latest run's tables; an id or a
    /// glob, may be repeated
    #[arg(long = "cell", value_name = "ID|GLOB")]
    pub cells: Vec<String>,
    /// Go on with the latest unfinished run of this manifest instead of starting anew
    #[arg(long)]
    pub resume: bool,
    /// Add repetitions to the latest finished run, up to N in all: same seed, further blocks
    #[arg(long, value_name = "repetitions.count=N", value_parser = extension, conflicts_with_all = ["resume", "cells"])]
    pub extend: Option<u32>,
    /// Where runs land: overrides [output] dir
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Leave what was deployed to AWS there when the run is whole, as `keep = true` in [target]
    /// does
    #[arg(long)]
    pub keep: bool,
    /// Do not ask before a run that costs money
    #[arg(long, short)]
    pub yes: bool,
}

fn extension(text: &str) -> Result<u32, String> {
    let wanted =
        || "expected repetitions.count=N: how many repetitions there are to be in all".to_owned();
    let (key, number) = text.split_once('=').ok_or_else(wanted)?;
    if key.trim() != "repetitions.count" {
        return Err(format!("`{}` can't be extended: {}", key.trim(), wanted()));
    }
    number
        .trim()
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(wanted)
}

#[derive(Clone, Debug, Args)]
pub struct ResumeArgs {
    /// Leave what was deployed to AWS there when the run is whole
    #[arg(long)]
    pub keep: bool,
    /// The run's folder [default: the latest unfinished run under outputs/]
    pub run: Option<PathBuf>,
    /// Override a key of the run's budget, for example budget.usd=5; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Do not ask before a run that costs money
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RunFolder {
    /// The run's folder, for example outputs/smoke/latest
    pub run: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// The run's folder, for example outputs/smoke/latest; of several the others are compared with
    /// the first
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Where to write the page [default: report.html in the run's folder; of several,
    /// side-by-side.html in the first one's]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct FiguresArgs {
    /// The run's folder, for example outputs/smoke/latest
    pub run: PathBuf,
    /// Write only these figures: a name or a glob, for example 'runtime-*'; may be repeated
    #[arg(long, value_name = "NAME|GLOB")]
    pub only: Vec<String>,
    /// Draw only these cells; an id or a glob, may be repeated
    #[arg(long = "cell", value_name = "ID|GLOB")]
    pub cells: Vec<String>,
    /// Draw as wide as a paper's column, for example 85mm or 3.35in. Letters stay as large, 7
    /// points at least
    #[arg(long, value_name = "WIDTH", default_value = "176mm", value_parser = millimetres)]
    pub width: f64,
    /// Write this format only; may be repeated [default: all three]
    #[arg(long)]
    pub format: Vec<FigureFormat>,
    /// Where to write the files [default: figures/ in the run's folder]
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FigureFormat {
    Svg,
    Png,
    Pdf,
}

impl FigureFormat {
    /// Also the end of a file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
            Self::Pdf => "pdf",
        }
    }
}

/// Reads a width on paper, in mm, cm or inches.
fn millimetres(text: &str) -> Result<f64, String> {
    let wanted = || {
        format!(
            "`{text}` is no width; write a number with its unit, for example 85mm, 8.5cm or 3.35in"
        )
    };
    let text_of = text.trim().trim_end_matches('"');
    let quoted = text_of.len() < text.trim().len();
    let (number, unit) = text_of.split_at(
        text_of
            .find(|letter: char| letter.is_ascii_alphabetic())
            .unwrap_or(text_of.len()),
    );
    let factor = match (unit.trim().to_ascii_lowercase().as_str(), quoted) {
        ("mm", false) => 1.0,
        ("cm", false) => 10.0,
        ("in" | "inch" | "inches", false) | ("", true) => 25.4,
        _ => return Err(wanted()),
    };
    let width: f64 = number.trim().parse::<f64>().map_err(|_| wanted())? * factor;
    let range = darkroom_report::paper::WIDTHS_MM;
    if range.contains(&width) {
        return Ok(width);
    }
    Err(format!(
        "expected {} to {} mm, got {width:.1} mm",
        range.start(),
        range.end()
    ))
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The run's folder, for example outputs/smoke/latest
    pub run: PathBuf,
    /// Which of its tables: a name in outputs/README.md
    #[arg(long, default_value = "summary", value_parser = table_names(), hide_possible_values = true)]
    pub table: String,
    /// CSV and JSON hold every column in full; LaTeX and Markdown what a page shows, rounded
    #[arg(long, default_value = "csv")]
    pub format: ExportFormat,
    /// Keep the rows of this metric only; can be given several times
    #[arg(long)]
    pub metric: Vec<String>,
    /// Keep the rows of this stage only (`pipeline`: the whole); can be given several times
    #[arg(long)]
    pub stage: Vec<String>,
    /// Write one row a cell, with n, mean and interval side by side (of `summary`): the main
    /// metrics, or those of --metric
    #[arg(long)]
    pub wide: bool,
    /// Write texts that begin with =, +, - or @ to CSV as they are (else an apostrophe stops a
    /// spreadsheet from running them)
    #[arg(long)]
    pub keep_formulas: bool,
}

fn table_names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        darkroom_tables::columns::TABLES
            .iter()
            .map(|table| table.name),
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Csv,
    Json,
    Latex,
    Markdown,
}

#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// How often each promise is simulated
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_value_t = 2000, default_missing_value = "2000",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub simulate: u32,
    /// Every random number comes from it
    #[arg(long, default_value_t = 562)]
    pub seed: u64,
}

#[derive(Clone, Debug, Args)]
pub struct CostArgs {
    /// The run's folder, for example outputs/full/latest
    pub run: PathBuf,
    /// Images a month
    #[arg(long, default_value_t = 100_000.0, value_parser = positive)]
    pub images: f64,
    /// Whose prices: a file of experiments/prices [default: the run's]
    #[arg(long)]
    pub region: Option<String>,
    /// Share of images that meet cold starts, 0 to 1; needs cells of both starts
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub cold_share: f64,
    /// Take off what every month includes for nothing
    #[arg(long)]
    pub free_tier: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err("expected a number above 0, for example 1e6".into())
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err("expected a share from 0 to 1, for example 0.05".into())
    }
}

#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// The run to compare with, its folder
    pub run_a: PathBuf,
    /// The run that may have changed, its folder
    pub run_b: PathBuf,
    /// End with exit code 1 when something is claimed to be that much worse, for example slower:5%;
    /// may be repeated
    #[arg(long, value_name = "slower|dearer:PERCENT%")]
    pub fail_on: Vec<Limit>,
}

/// How much worse is too much: `slower:5%`, `dearer:10%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// A verdict of the comparisons.
    pub verdict: &'static str,
    /// Smallest ratio of means that is too much.
    pub ratio: f64,
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is not a limit; write slower:5% or dearer:5%");
        let (word, percent) = text.split_once(':').ok_or_else(wanted)?;
        let verdict = ["slower", "dearer"]
            .into_iter()
            .find(|known| *known == word)
            .ok_or_else(wanted)?;
        let percent: f64 = percent
            .strip_suffix('%')
            .and_then(|number| number.parse().ok())
            .ok_or_else(wanted)?;
        if !(percent.is_finite() && percent >= 0.0) {
            return Err(wanted());
        }
        Ok(Self {
            verdict,
            ratio: 1.0 + percent / 100.0,
        })
    }
}

#[derive(Clone, Debug, Args)]
pub struct CellsArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Only cells that match; an id or a glob, may be repeated
    #[arg(long = "cell", value_name = "ID|GLOB")]
    pub cells: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Totals only, without the list of cells
    #[arg(long)]
    pub summary: bool,
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Folders under functions/, for example pillow
    #[arg(required = true)]
    pub variants: Vec<String>,
    /// The pipeline, a folder under experiments/
    #[arg(long, default_value = "image-pipeline", overrides_with = "pipeline")]
    pub pipeline: String,
    /// The images to check it on: photos, or a set that is for checking alone, ten-bit or edge
    #[arg(long, default_value = "photos")]
    pub image_set: String,
    /// Only this stage; may be repeated
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Passes of each image: more than one finds what goes wrong at random
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repetitions: u32,
    /// Keep a picture of every output, not only of the wrong ones
    #[arg(long)]
    pub pictures: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportEvents {
    /// S3 notifications: the handlers read objects and write objects
    S3,
    /// Images as base64 in the JSON payload
    Payload,
}

#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The folder that holds the handlers
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// What the variant is to be called: its folder under functions/
    #[arg(long, value_name = "NAME")]
    pub variant: String,
    /// Which handler serves a stage, where it can't be told; may be repeated
    #[arg(long = "map", value_name = "STAGE=FILE.py:FUNCTION")]
    pub map: Vec<String>,
    /// How the handlers get images [default: told from the code]
    #[arg(long)]
    pub events: Option<ImportEvents>,
    /// The pipeline that they implement [default: image-pipeline, or payload-pipeline]
    #[arg(long, overrides_with = "pipeline")]
    pub pipeline: Option<String>,
    /// What an environment name of theirs holds; {bucket}, {prefix} and {folder} are the run's; may
    /// be repeated
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub environment: Vec<String>,
    /// The key under which a stage writes, for example 'rotate=out/{name}.jpg'; may be repeated
    #[arg(long = "output-key", value_name = "[STAGE=]TEMPLATE")]
    pub output_keys: Vec<String>,
    /// Pinned requirements, with hashes [default: the folder's own, or those of pillow or numpy
    /// here]
    #[arg(long, value_name = "FILE")]
    pub requirements: Option<PathBuf>,
    /// The Lambda runtime
    #[arg(long, default_value = "python3.13")]
    pub runtime: String,
    /// What it is, in a sentence
    #[arg(long)]
    pub description: Option<String>,
    /// Do not ask whether it was understood right
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Clone, Debug, Args)]
pub struct PublishArgs {
    /// The run's folder, for example outputs/full/latest
    pub run: PathBuf,
    /// Where to: each table becomes TO/<table>/experiment=<experiment>/run=<run id>/part-0.parquet
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub to: S3Uri,
    /// The bucket's region [default: your AWS profile's or environment's]
    #[arg(long)]
    pub region: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ImportResultsArgs {
    /// Files of rows: .csv, .tsv, or .json as an array, as lines, or as one object a file (SAAF)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which column holds what, and what the files do not say; see
    /// experiments/analysis/import/columns.toml
    #[arg(long, value_name = "COLUMNS.toml")]
    pub map: PathBuf,
    /// Where runs land [default: outputs/]
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct GenerateArgs {
    /// Which model: a name in the pipeline's models.toml, for example gpt-5
    #[arg(long, required_unless_present = "dry_run")]
    pub model: Option<String>,
    /// The folder to make under functions/
    #[arg(long, required_unless_present = "dry_run")]
    pub variant: Option<String>,
    /// Ask this often, independently: makes NAME-s1, NAME-s2 and so on, those that are not there
    /// yet
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub samples: Option<u32>,
    /// Send back what the gate finds wrong, this many rounds at most [default: the first answer
    /// counts]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(0..=10))]
    pub repair: u32,
    /// Python version of the functions: 3.13 or 3.14
    #[arg(long, value_name = "VERSION", default_value = "3.13")]
    pub python: String,
    /// The pipeline, a folder under experiments/
    #[arg(long, default_value = "image-pipeline")]
    pub pipeline: String,
    /// Ask by this file's text instead of the standard prompt; `{prompt}`, `{task}`, `{event}`,
    /// `{libraries}`, `{checks}` in it are filled in
    #[arg(long, value_name = "FILE")]
    pub prompt: Option<PathBuf>,
    /// Send this file's text before every prompt, as the system's message [default: none]
    #[arg(long, value_name = "FILE")]
    pub system: Option<PathBuf>,
    /// Only this stage; may be repeated
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Ask also for what an earlier attempt at this variant was answered [default: kept answers are
    /// used]
    #[arg(long)]
    pub ask_again: bool,
    /// Print the exact prompts, which are the same for every model, and ask nobody
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The port on 127.0.0.1 [default: a free one]
    #[arg(long)]
    pub port: Option<u16>,
    /// Keep functions and objects here over a restart [default: in a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The region that it is in
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Waits before an asynchronous invocation that failed runs again, in seconds [default: AWS's,
    /// 60,120]
    #[arg(long, value_name = "SECONDS", value_delimiter = ',')]
    pub retry_delays: Vec<f64>,
    /// Let any access key in, with itself for a secret [default: only the key that is printed, new
    /// at each start]
    #[arg(long)]
    pub open: bool,
}

#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Which cloud to look at
    #[arg(long, default_value = "local")]
    pub target: TargetName,
    /// Which region of it
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Experiment whose permissions to check, if your policy covers only one
    #[arg(long, default_value = "doctor")]
    pub experiment: String,
}

#[derive(Clone, Debug, Args)]
pub struct IamPolicyArgs {
    /// Whose policy
    #[arg(value_enum)]
    pub who: PolicyOf,
    /// The experiment that the functions are of
    #[arg(long, default_value = "*")]
    pub experiment: String,
    /// Your account, 12 digits [default: any]
    #[arg(long, default_value = "*")]
    pub account: String,
    /// The region [default: any]
    #[arg(long, default_value = "*")]
    pub region: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyOf {
    /// Who runs Darkroom
    Person,
    /// The functions that it measures
    Functions,
    /// Who may take the functions' role on
    Trust,
}

#[derive(Clone, Debug, Args)]
pub struct CleanArgs {
    /// Only what this experiment made [default: everything that Darkroom made]
    pub experiment: Option<String>,
    /// Only what has expired (runs date what they make)
    #[arg(long, conflicts_with = "experiment")]
    pub expired: bool,
    /// Which cloud to clean
    #[arg(long, default_value = "local")]
    pub target: TargetName,
    /// Which region of it
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Remove without asking
    #[arg(long, short)]
    pub yes: bool,
}

/// Commands by what one wants of them, in the order of a first day. One that is in no group is
/// listed last.
const GROUPS: &[(&str, &[&str])] = &[
    ("Start", &["init", "doctor"]),
    (
        "Measure",
        &[
            "run",
            "resume",
            "aggregate",
            "report",
            "figures",
            "compare",
            "cost",
            "export",
            "publish",
            "verify",
            "import-results",
        ],
    ),
    (
        "Look before you run",
        &["validate", "cells", "plan", "check"],
    ),
    ("Make a variant", &["generate", "import"]),
    (
        "Around it",
        &[
            "serve",
            "clean",
            "iam-policy",
            "calibrate",
            "schema",
            "completions",
        ],
    ),
];

const ABOUT: &str = "\
Darkroom compares serverless image pipelines. A manifest says which variants (Pillow, Rust, code
that an LLM wrote), architectures and memory sizes to compare; `darkroom run` deploys them, measures
every repetition in random order, and leaves Parquet tables. By default everything runs on this
machine, on a local cloud that this program brings along.";

const AFTER: &str = "\
{h}Examples{r}
  darkroom init study                                            a study folder to start from
  darkroom run manifests/smoke.toml                              a first result
  darkroom plan manifests/smoke.toml                             what it would do, and can't do
  darkroom run manifests/smoke.toml --set repetitions.count=10   more repetitions
  darkroom run manifests/smoke.toml --cell 'pillow.*'            measure some cells again
  darkroom resume                                                go on after Ctrl-C or a crash

{h}Results{r}
  They land in outputs/<experiment>/<run id>/; outputs/<experiment>/latest links to the newest.
  invocations.parquet, pipelines.parquet, summary.parquet and so on are made from journal.ndjson,
  the facts. outputs/README.md explains every column.

{h}Exit codes{r}
  0    every cell is measured, or was said not to be runnable on this target
  1    some cells failed or gave wrong outputs, or the run could not be carried through
  2    the request was wrong; nothing was done
  130  interrupted; `darkroom resume` goes on

NO_COLOR=1 turns colours off. `darkroom <command> --help` says more about a command.";

impl Cli {
    /// Parses this process's arguments; on `--help`, `--version` or a mistake prints and exits (0
    /// or 2) as clap does. `None` if the version is asked for in JSON.
    pub fn parse_or_exit() -> Option<Self> {
        let parsed = command()
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches));
        match parsed {
            Ok(cli) => Some(cli),
            Err(error)
                if error.kind() == ErrorKind::DisplayVersion && in_json(std::env::args_os()) =>
            {
                None
            }
            Err(error) => error.exit(),
        }
    }
}

fn in_json(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.any(|argument| argument == "--json")
}

/// The command line with its help page.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let groups = grouped_commands(&command);
    let header = command.get_styles().get_header();
    let (h, r) = (
        header.render().to_string(),
        header.render_reset().to_string(),
    );
    let styled = |text: &str| StyledStr::from(text.replace("{h}", &h).replace("{r}", &r));
    command.before_help(ABOUT).after_help(styled(AFTER)).help_template(styled(&format!(
        "{{before-help}}{{usage-heading}} {{usage}}\n\n{groups}{{h}}Options{{r}}\n{{options}}{{after-help}}"
    )))
}

fn grouped_commands(command: &clap::Command) -> String {
    let line = |name: &str| {
        let about = command.find_subcommand(name)?.get_about()?;
        Some(format!("  {name:<12} {about}\n"))
    };
    let section = |title: &str, names: &[&str]| {
        let lines: String = names.iter().copied().filter_map(line).collect();
        if lines.is_empty() {
            lines
        } else {
            format!("{{h}}{title}{{r}}\n{lines}\n")
        }
    };
    let grouped = |name: &&str| GROUPS.iter().any(|(_, names)| names.contains(name));
    let others: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| !grouped(name))
        .collect();
    let mut text: String = GROUPS
        .iter()
        .map(|(title, names)| section(title, names))
        .collect();
    text += &section("Others", &others);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_on_the_help_page() {
        let help = command().render_help().to_string();
        for subcommand in command().get_subcommands() {
            let about = subcommand
                .get_about()
                .expect("every command says what it does")
                .to_string();
            assert!(
                help.contains(&about),
                "{} is missing from:\n{help}",
                subcommand.get_name()
            );
        }
    }
}
