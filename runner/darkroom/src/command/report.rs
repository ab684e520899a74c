//! `darkroom report` and `darkroom figures`: a page of one run or of several, and figures as files
//! for a paper.

use std::fs;
use std::path::{Path, PathBuf};

use darkroom_core::selection::Selection;
use darkroom_report::paper::{self, Drawn};
use darkroom_report::{Figure, Run};
use globset::{Glob, GlobMatcher};

use crate::cli::{FigureFormat, FiguresArgs, Globals, ReportArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::results::{not_done, not_the_journals, read, replace, unreadable};

pub fn run(args: &ReportArgs, globals: Globals) -> Result<Outcome, Failure> {
    let path = match &args.runs[..] {
        [run] => {
            let path = args
                .output
                .clone()
                .unwrap_or_else(|| run.join("report.html"));
            let read = read(run, &["report", "{}"])?;
            let findings = not_the_journals(run);
            for finding in &findings {
                display::note(finding);
            }
            replace(&path, darkroom_report::html(&read, &findings).as_bytes())?;
            path
        }
        runs => side_by_side(runs, args.output.as_deref())?,
    };
    if !globals.quiet {
        display::note(&format!("{}", path.display()));
    }
    Ok(Outcome::Done)
}

/// Writes the page of several runs, beside the first unless told where, and returns its path.
fn side_by_side(runs: &[PathBuf], output: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = output.map_or_else(|| runs[0].join("side-by-side.html"), Path::to_owned);
    let all = runs
        .iter()
        .map(|run| read(run, &["report", "{}"]))
        .collect::<Result<Vec<Run>, Failure>>()?;
    let against =
        |run| darkroom_tables::between(&runs[0], run).map_err(|error| unreadable(run, &error));
    let changes = runs[1..]
        .iter()
        .map(|run| against(run))
        .collect::<Result<Vec<_>, Failure>>()?;
    let findings: Vec<Vec<String>> = runs.iter().map(|run| not_the_journals(run)).collect();
    replace(
        &path,
        darkroom_report::several(&all, &changes, &findings).as_bytes(),
    )?;
    Ok(path)
}

/// Writes the chosen figures into `figures/` of a run's folder, or where the caller says.
pub fn figures(args: &FiguresArgs, globals: Globals) -> Result<Outcome, Failure> {
    let mut run = read(&args.run, &["figures", "{}"])?;
    choose_cells(&mut run, &args.cells)?;
    let made = chosen(
        darkroom_report::figures_of_width(&run, paper::pixels(args.width)),
        args,
    )?;
    let folder = args
        .output
        .clone()
        .unwrap_or_else(|| args.run.join("figures"));
    fs::create_dir_all(&folder).map_err(|error| not_done("make", &folder, &error))?;
    let all = [FigureFormat::Svg, FigureFormat::Png, FigureFormat::Pdf];
    let formats: Vec<FigureFormat> = all
        .into_iter()
        .filter(|format| args.format.is_empty() || args.format.contains(format))
        .collect();
    for figure in &made {
        let path = |format: &FigureFormat| folder.join(format!("{}.{}", figure.id, format.name()));
        let drawn =
            Drawn::of(figure).map_err(|error| not_done("draw", &path(&formats[0]), &error))?;
        for format in &formats {
            let bytes = match format {
                FigureFormat::Svg => drawn.svg().map(String::into_bytes),
                FigureFormat::Png => drawn.png(),
                FigureFormat::Pdf => drawn.pdf(),
            };
            replace(
                &path(format),
                &bytes.map_err(|error| not_done("draw", &path(format), &error))?,
            )?;
        }
    }
    if !globals.quiet {
        let formats: Vec<String> = formats
            .iter()
            .map(|format| format.name().to_uppercase())
            .collect();
        let count = display::count(made.len() as u64, "figure");
        display::note(&format!(
            "{count}, {:.0} mm wide, as {}: {}/",
            args.width,
            formats.join(", "),
            folder.display()
        ));
    }
    Ok(Outcome::Done)
}

/// Leaves out the cells that no pattern chooses; one that chooses none is refused.
fn choose_cells(run: &mut Run, patterns: &[String]) -> Result<(), Failure> {
    let selection = Selection::new(patterns).map_err(Failure::wrong_request)?;
    let ids: Vec<&str> = run.cells.iter().map(|cell| cell.id.as_str()).collect();
    selection.check(&ids).map_err(Failure::wrong_request)?;
    run.keep_cells(|id| selection.contains(id));
    Ok(())
}

/// Returns the figures that were asked for. A name that none has is refused, with those that there
/// are.
fn chosen(figures: Vec<Figure>, args: &FiguresArgs) -> Result<Vec<Figure>, Failure> {
    let there: Vec<String> = figures.iter().map(|figure| figure.id.clone()).collect();
    if there.is_empty() {
        return Err(Failure::wrong_request(miette::miette!(
            help = "choose other cells, or measure these",
            "cannot draw a figure: the chosen cells have no measurements"
        )));
    }
    let mut wanted: Vec<GlobMatcher> = Vec::new();
    for pattern in &args.only {
        let glob = Glob::new(pattern).map_err(|error| {
            Failure::wrong_request(miette::miette!("`{pattern}`: {}", error.kind()))
        })?;
        let matcher = glob.compile_matcher();
        if !there.iter().any(|name| matcher.is_match(name)) {
            return Err(Failure::wrong_request(miette::miette!(
                help = format!("choose from these: {}", there.join(", ")),
                "this run has no figure `{pattern}`"
            )));
        }
        wanted.push(matcher);
    }
    let is_wanted =
        |figure: &Figure| wanted.is_empty() || wanted.iter().any(|glob| glob.is_match(&figure.id));
    Ok(figures.into_iter().filter(is_wanted).collect())
}
