//! The command line: clap types, and the page that `darkroom --help` prints. No effects.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StyledStr, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use darkroom_core::cell::Architecture;

use crate::s3_uri::S3Uri;
use crate::study::Template;

/// Compare serverless image pipelines: one TOML manifest in, Parquet tables out.
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
    /// Print only errors and the result itself
    #[arg(long, short, global = true, display_order = 100)]
    pub quiet: bool,
    /// Print the result as JSON on stdout and errors as JSON on stderr
    #[arg(long, global = true, display_order = 101)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a study folder that is ready to run
    Init(InitArgs),
    /// Measure every cell of a manifest and write the tables and the report
    Run(RunArgs),
    /// Continue an interrupted run
    Resume(ResumeArgs),
    /// Rebuild a run's tables from its journal
    Aggregate(RunFolder),
    /// Write the HTML report of a run, or of several runs side by side
    Report(ReportArgs),
    /// Export a run's figures for a paper, as SVG, PNG and PDF
    Figures(FiguresArgs),
    /// Compare two runs of one manifest, cell by cell
    Compare(CompareArgs),
    /// Estimate the monthly AWS cost from a run's measurements
    Cost(CostArgs),
    /// Check the prices that costs are computed with
    Prices(PricesArgs),
    /// Print one table of a run as CSV, JSON, LaTeX or Markdown
    Export(ExportArgs),
    /// Upload a run's tables to S3, into a dataset of many runs
    Publish(PublishArgs),
    /// Rebuild a run's tables and report, and list what differs from the files
    Verify(RunFolder),
    /// Test the statistics on simulated data with a known answer
    Calibrate(CalibrateArgs),
    /// Check a manifest and list all mistakes
    Validate(ManifestArgs),
    /// List the cells of a manifest, one per line
    Cells(CellsArgs),
    /// Show what a run would do, without deploying anything
    Plan(PlanArgs),
    /// Check a variant's outputs against the contract, without measuring
    Check(CheckArgs),
    /// Import existing handlers as a variant, without editing them
    Import(ImportArgs),
    /// Import measurements made with another tool (CSV, JSON, SAAF)
    ImportResults(ImportResultsArgs),
    /// Ask LLMs to write variants, one prompt per stage
    Generate(GenerateArgs),
    /// Print the JSON Schema of manifests, for your editor
    Schema,
    /// Start the local cloud alone, for the AWS CLI, boto3 or any AWS SDK
    Serve(ServeArgs),
    /// Check what this machine can run, and how to fix what is missing
    Doctor(DoctorArgs),
    /// Remove everything that runs left in a cloud
    Clean(CleanArgs),
    /// Print the minimal IAM policies for you and for the functions
    IamPolicy(IamPolicyArgs),
    /// Print the completion script of a shell
    Completions {
        /// Shell to complete commands in
        shell: Shell,
    },
    /// Write man pages and shell completions into a folder, for example ~/.local
    Manual(ManualArgs),
}

#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// Folder to create, for example study; an existing folder must be empty
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Kind of study to create
    #[arg(long, default_value = "smoke")]
    pub template: Template,
}

/// A manifest, and what to change in it.
#[derive(Clone, Debug, Args)]
pub struct ManifestArgs {
    /// Manifest file, for example manifests/smoke.toml
    pub manifest: PathBuf,
    /// Override a key of the manifest, for example repetitions.count=10; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Cloud to run in; overrides `cloud` in [target]
    #[arg(long, overrides_with = "target")]
    pub target: Option<TargetName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetName {
    /// The local cloud on this machine, a part of this program
    Local,
    /// Amazon Web Services, in the account of your AWS profile
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
    /// Measure these cells of the latest run again, by id or glob; repeatable
    #[arg(long = "cell", value_name = "ID|GLOB")]
    pub cells: Vec<String>,
    /// Continue the latest unfinished run of this manifest
    #[arg(long)]
    pub resume: bool,
    /// Add repetitions to the latest finished run, until it has N
    #[arg(long, value_name = "repetitions.count=N", value_parser = extension, conflicts_with_all = ["resume", "cells"])]
    pub extend: Option<u32>,
    /// Folder for runs; overrides `dir` in [output]
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Keep the deployed functions in AWS after the run, like `keep = true` in [target]
    #[arg(long)]
    pub keep: bool,
    /// Start without asking, even if the run costs money
    #[arg(long, short)]
    pub yes: bool,
}

fn extension(text: &str) -> Result<u32, String> {
    let wanted = || "write repetitions.count=N, where N is the new total of repetitions".to_owned();
    let (key, number) = text.split_once('=').ok_or_else(wanted)?;
    if key.trim() != "repetitions.count" {
        return Err(format!("cannot extend `{}`: {}", key.trim(), wanted()));
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
    /// Keep the deployed functions in AWS after the run
    #[arg(long)]
    pub keep: bool,
    /// Folder of the run [default: the latest unfinished run under outputs/]
    pub run: Option<PathBuf>,
    /// Override a key of the run's budget, for example budget.usd=5; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Start without asking, even if the run costs money
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RunFolder {
    /// Folder of the run, for example outputs/smoke/latest
    pub run: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Folder of the run, for example outputs/smoke/latest; the first of several is the baseline
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// File to write [default: report.html in the run's folder; for several runs side-by-side.html
    /// in the first one's folder]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct FiguresArgs {
    /// Folder of the run, for example outputs/smoke/latest
    pub run: PathBuf,
    /// Write only these figures, by name or glob, for example 'runtime-*'; repeatable
    #[arg(long, value_name = "NAME|GLOB")]
    pub only: Vec<String>,
    /// Draw only these cells, by id or glob; repeatable
    #[arg(long = "cell", value_name = "ID|GLOB")]
    pub cells: Vec<String>,
    /// Set the width of the figures, for example 85mm or 3.35in for one column of a paper
    #[arg(long, value_name = "WIDTH", default_value = "176mm", value_parser = millimetres)]
    pub width: f64,
    /// Write only this format; repeatable [default: all three]
    #[arg(long)]
    pub format: Vec<FigureFormat>,
    /// Folder to write to [default: figures/ in the run's folder]
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
            "`{text}` is not a width; write a number and a unit, for example 85mm, 8.5cm or 3.35in"
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
        "{width:.1} mm is out of range; write a width from {} to {} mm",
        range.start(),
        range.end()
    ))
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Folder of the run, for example outputs/smoke/latest
    pub run: PathBuf,
    /// Table to print; outputs/README.md lists the names
    #[arg(long, default_value = "summary", value_parser = table_names(), hide_possible_values = true)]
    pub table: String,
    /// Format: csv and json hold every column unrounded; latex and markdown are for a page
    #[arg(long, default_value = "csv")]
    pub format: ExportFormat,
    /// Keep only the rows of this metric; repeatable
    #[arg(long)]
    pub metric: Vec<String>,
    /// Keep only the rows of this stage, or `pipeline` for the whole pipeline; repeatable
    #[arg(long)]
    pub stage: Vec<String>,
    /// Print one row per cell, with n, mean and interval of each metric (table summary only)
    #[arg(long)]
    pub wide: bool,
    /// Do not put an apostrophe before CSV texts that a spreadsheet would run as formulas
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
    /// Simulate each promise of the statistics this many times
    #[arg(long, value_name = "TIMES", num_args = 0..=1, default_value_t = 2000, default_missing_value = "2000",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub simulate: u32,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 562)]
    pub seed: u64,
}

#[derive(Clone, Debug, Args)]
pub struct CostArgs {
    /// Folder of the run, for example outputs/full/latest
    pub run: PathBuf,
    /// Number of images per month
    #[arg(long, default_value_t = 100_000.0, value_parser = positive)]
    pub images: f64,
    /// Region to take prices of, a file in experiments/prices [default: the run's region]
    #[arg(long)]
    pub region: Option<String>,
    /// Share of images with a cold start, 0 to 1; needs warm and cold cells
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub cold_share: f64,
    /// Subtract AWS's monthly free tier
    #[arg(long)]
    pub free_tier: bool,
}

#[derive(Clone, Debug, Args)]
pub struct PricesArgs {
    #[command(subcommand)]
    pub command: PricesCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum PricesCommand {
    /// Compare a region's price table with price lists that you downloaded from AWS
    Check(PriceCheckArgs),
}

#[derive(Clone, Debug, Args)]
pub struct PriceCheckArgs {
    /// Offer files of AWS's price list (JSON) of `AWSLambda`, `AmazonS3` or `AmazonCloudWatch`
    #[arg(value_name = "FILE", required = true)]
    pub lists: Vec<PathBuf>,
    /// Region whose table to check [default: the region of the files]
    #[arg(long)]
    pub region: Option<String>,
    /// Write a price table with the files' prices, date and source
    #[arg(long, value_name = "TABLE")]
    pub write: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err("write a number above 0, for example 1e6".into())
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err("write a share from 0 to 1, for example 0.05".into())
    }
}

#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Folder of the baseline run
    pub run_a: PathBuf,
    /// Folder of the run to compare with the baseline
    pub run_b: PathBuf,
    /// Exit with 1 if a cell is significantly worse by this much, for example slower:5%; repeatable
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
    /// List only these cells, by id or glob; repeatable
    #[arg(long = "cell", value_name = "ID|GLOB")]
    pub cells: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Print only the totals, without the list of cells
    #[arg(long)]
    pub summary: bool,
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Variants to check: folders under functions/, for example pillow
    #[arg(required = true)]
    pub variants: Vec<String>,
    /// Pipeline to check against, a folder under experiments/
    #[arg(long, default_value = "image-pipeline", overrides_with = "pipeline")]
    pub pipeline: String,
    /// Image set to check with, for example photos, edge or ten-bit
    #[arg(long, default_value = "photos")]
    pub image_set: String,
    /// Check only this stage; repeatable
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Check the package for this processor; one that is not this machine's is emulated by qemu,
    /// and nothing is timed [default: this machine's]
    #[arg(long, value_parser = architectures())]
    pub architecture: Option<Architecture>,
    /// Check on this Python runtime, for example python3.14 [default: the one in variant.toml]
    #[arg(long)]
    pub runtime: Option<String>,
    /// Process each image this many times; more than 1 finds random errors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repetitions: u32,
    /// Save a picture of every output, not only of wrong ones
    #[arg(long)]
    pub pictures: bool,
}

/// Reads an architecture as Lambda spells it.
fn architectures() -> impl TypedValueParser<Value = Architecture> {
    let names = Architecture::ALL
        .iter()
        .map(|architecture| architecture.as_str());
    PossibleValuesParser::new(names).map(|name| match name.as_str() {
        "arm64" => Architecture::Arm64,
        _ => Architecture::X86_64,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportEvents {
    /// By S3 notification: handlers read objects and write objects
    S3,
    /// As base64 in the JSON event
    Payload,
}

#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Folder with the handlers
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Name of the new variant, a folder under functions/
    #[arg(long, value_name = "NAME")]
    pub variant: String,
    /// Name a stage's handler, if Darkroom cannot find it; repeatable
    #[arg(long = "map", value_name = "STAGE=FILE.py:FUNCTION")]
    pub map: Vec<String>,
    /// How the handlers receive images [default: read from the code]
    #[arg(long)]
    pub events: Option<ImportEvents>,
    /// Pipeline that they implement [default: image-pipeline, or payload-pipeline]
    #[arg(long, overrides_with = "pipeline")]
    pub pipeline: Option<String>,
    /// Set an environment variable of the handlers; {bucket}, {prefix} and {folder} are filled in;
    /// repeatable
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub environment: Vec<String>,
    /// Set the key that a stage writes to, for example 'rotate=out/{name}.jpg'; repeatable
    #[arg(long = "output-key", value_name = "[STAGE=]TEMPLATE")]
    pub output_keys: Vec<String>,
    /// Pinned requirements with hashes [default: the folder's, else those of the variants here]
    #[arg(long, value_name = "FILE")]
    pub requirements: Option<PathBuf>,
    /// Lambda runtime
    #[arg(long, default_value = "python3.13")]
    pub runtime: String,
    /// Describe the variant in one sentence
    #[arg(long)]
    pub description: Option<String>,
    /// Import without asking for confirmation
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Clone, Debug, Args)]
pub struct PublishArgs {
    /// Folder of the run, for example outputs/full/latest
    pub run: PathBuf,
    /// Place to upload to: PREFIX/<table>/experiment=<experiment>/run=<run id>/part-0.parquet
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub to: S3Uri,
    /// Region of the bucket [default: from your AWS profile or environment]
    #[arg(long)]
    pub region: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ImportResultsArgs {
    /// Files to import: .csv, .tsv, or .json (an array, one object per line, or SAAF)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File that names the columns; example: experiments/analysis/import/columns.toml
    #[arg(long, value_name = "COLUMNS.toml")]
    pub map: PathBuf,
    /// Folder for runs [default: outputs/]
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
#[command(override_usage = "darkroom generate [OPTIONS] <MANIFEST>\n       \
                      darkroom generate [OPTIONS] --model <MODEL> --variant <VARIANT>")]
pub struct GenerateArgs {
    /// Make all variants that this manifest's models are to write and that are missing
    #[arg(conflicts_with_all = ["model", "variant", "samples", "repair", "python", "pipeline",
        "prompt", "system", "stages"])]
    pub manifest: Option<PathBuf>,
    /// Override a key of the manifest, for example experiment.seed=1; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "manifest")]
    pub set: Vec<String>,
    /// Without a manifest: model to ask, a name in the pipeline's models.toml, for example gpt-5
    #[arg(long)]
    pub model: Option<String>,
    /// Name of the new variant, a folder under functions/
    #[arg(long)]
    pub variant: Option<String>,
    /// Create K independent variants, NAME-s1 to NAME-sK, and skip those that exist
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub samples: Option<u32>,
    /// Send failed checks back to the model, at most N times [default: 0, the first answer counts]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(0..=10))]
    pub repair: u32,
    /// Python version of the functions: 3.13 or 3.14
    #[arg(long, value_name = "VERSION", default_value = "3.13")]
    pub python: String,
    /// Pipeline to implement, a folder under experiments/
    #[arg(long, default_value = "image-pipeline")]
    pub pipeline: String,
    /// Use this file as the prompt; {prompt}, {task}, {event}, {libraries} and {checks} are filled
    /// in
    #[arg(long, value_name = "FILE")]
    pub prompt: Option<PathBuf>,
    /// Send this file as the system message before every prompt [default: none]
    #[arg(long, value_name = "FILE")]
    pub system: Option<PathBuf>,
    /// Ask only for this stage; repeatable
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Ask again even if an earlier attempt already got an answer [default: use that answer]
    #[arg(long)]
    pub ask_again: bool,
    /// Print the exact prompts and exit, without asking a model
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Port on 127.0.0.1 [default: a free port]
    #[arg(long)]
    pub port: Option<u16>,
    /// Keep functions and objects in this folder after a stop [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Region that the local cloud reports
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Wait this many seconds before each retry of an asynchronous invocation [default: 60,120 as
    /// on AWS]
    #[arg(long, value_name = "SECONDS", value_delimiter = ',')]
    pub retry_delays: Vec<f64>,
    /// Accept any access key whose secret equals it [default: only the key printed at the start]
    #[arg(long)]
    pub open: bool,
}

#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Cloud to check
    #[arg(long, default_value = "local")]
    pub target: TargetName,
    /// Region to check
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Experiment whose permissions to check, if your policy covers only one
    #[arg(long, default_value = "doctor")]
    pub experiment: String,
}

#[derive(Clone, Debug, Args)]
pub struct ManualArgs {
    /// Write below share/ of this folder: man, bash-completion, zsh and fish
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct IamPolicyArgs {
    /// Policy to print
    #[arg(value_enum)]
    pub who: PolicyOf,
    /// Limit the policy to this experiment [default: any]
    #[arg(long, default_value = "*")]
    pub experiment: String,
    /// Limit the policy to this account, 12 digits [default: any]
    #[arg(long, default_value = "*")]
    pub account: String,
    /// Limit the policy to this region [default: any]
    #[arg(long, default_value = "*")]
    pub region: String,
    /// ARN of the policy that must bound every role that Darkroom makes (for `person`)
    #[arg(long, value_name = "ARN")]
    pub boundary: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyOf {
    /// For the person who runs Darkroom
    Person,
    /// For the role of the measured functions
    Functions,
    /// The trust policy of the functions' role
    Trust,
    /// The most that any role of functions may do: a permissions boundary
    Boundary,
}

#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct CleanArgs {
    /// Experiment to remove, whoever made it [default: all that you made and no session uses]
    pub experiment: Option<String>,
    /// Remove only what these credentials made; this is the default
    #[arg(long, conflicts_with_all = ["experiment", "everyone"])]
    pub mine: bool,
    /// Remove what other people made too, but nothing that a running session uses
    #[arg(long, conflicts_with = "experiment")]
    pub everyone: bool,
    /// Remove only resources past the expiry date that their run gave them
    #[arg(long, conflicts_with = "experiment")]
    pub expired: bool,
    /// Cloud to clean
    #[arg(long, default_value = "local")]
    pub target: TargetName,
    /// Region to clean
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
            "prices",
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
        "Tools",
        &[
            "serve",
            "clean",
            "iam-policy",
            "calibrate",
            "schema",
            "completions",
            "manual",
        ],
    ),
];

const ABOUT: &str = "\
Darkroom compares serverless image pipelines. A manifest lists what to compare: variants (Pillow,
Rust, code that an LLM wrote), architectures and memory sizes. `darkroom run` deploys them, measures
them in random order, and writes Parquet tables and a report. By default everything runs on this
machine, in Darkroom's own local cloud.";

const AFTER: &str = "\
{h}Examples{r}
  darkroom init study                                            create a study folder
  darkroom run manifests/smoke.toml                              get a first result
  darkroom plan manifests/smoke.toml                             see what a run would do
  darkroom run manifests/smoke.toml --set repetitions.count=10   measure more repetitions
  darkroom run manifests/smoke.toml --cell 'pillow.*'            measure some cells again
  darkroom resume                                                continue after Ctrl-C or a crash

{h}Results{r}
  Each run has a folder, outputs/<experiment>/<run id>/. outputs/<experiment>/latest is the newest.
  Open report.html first. journal.ndjson holds the measured facts; the *.parquet tables are made
  from it. outputs/README.md explains every column.

{h}Exit codes{r}
  0    done; every cell was measured, or listed as unable to run on this target
  1    some cells failed or gave wrong outputs; a check found a problem (`doctor`, `check`,
       `verify`, `compare --fail-on`); or an error stopped the command halfway
  2    the request was wrong; nothing was done
  130  stopped by Ctrl-C, or because a run's budget is used up; continue with `darkroom resume`

Set NO_COLOR=1 to turn colours off. Run `darkroom <command> --help` for a command's options.";

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
