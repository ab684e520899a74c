//! How a session relates to earlier ones, decided from the arguments and the latest run.

use std::path::Path;

use darkroom_core::cell::CellId;
use darkroom_core::selection::Selection;

use super::configuration::Configuration;
use super::configuration::{fingerprint, what_differs, with_count};
use super::refusal::Refusal;
use crate::advice;
use crate::cli::{Globals, RunArgs};
use crate::display;
use crate::exit::Failure;
use crate::record::{Earlier, History, JournalError, RunDir};

/// How the session relates to earlier ones.
pub enum SessionMode {
    /// A new run of these cells, or of all.
    Anew { cells: Option<Vec<CellId>> },
    /// An earlier run is to be carried on.
    GoOn(Earlier),
    /// A run of `from` repetitions is to have as many as the manifest now says. Where it has them
    /// already, it continues.
    Extend { earlier: Earlier, from: u32 },
    /// Some cells of an earlier run are to be measured again.
    Again {
        earlier: Earlier,
        cells: Vec<CellId>,
    },
}

impl SessionMode {
    /// Returns the run that is continued; `None` of a new one.
    pub const fn earlier(&self) -> Option<&Earlier> {
        match self {
            Self::Anew { .. } => None,
            Self::GoOn(earlier) | Self::Extend { earlier, .. } | Self::Again { earlier, .. } => {
                Some(earlier)
            }
        }
    }
}

/// Decides whether this is a new run, or more of an earlier one; `None` where there is nothing to
/// do, which has been said.
pub fn choose_mode(
    configuration: Configuration<'_>,
    args: &RunArgs,
    globals: Globals,
) -> Result<Option<SessionMode>, Failure> {
    let latest = match latest(configuration) {
        Ok(latest) => latest,
        Err(error) if args.resume || args.extend.is_some() || !args.cells.is_empty() => {
            return Err(Failure::wrong_request(error));
        }
        Err(error) => {
            display::note(&format!(
                "the latest run is damaged, so Darkroom leaves it alone: {error}"
            ));
            None
        }
    };
    if args.resume {
        return go_on(configuration, latest, globals);
    }
    if args.extend.is_some() {
        return extend(configuration, latest);
    }
    let latest = latest.filter(|latest| latest.same);
    if args.cells.is_empty() {
        if let Some(latest) = latest.filter(|latest| !latest.earlier.history.finished)
            && !globals.quiet
        {
            display::note(&format!(
                "an earlier run of this manifest is unfinished; this is a new one. Continue the \
                 earlier one with {}",
                advice::darkroom(&["resume", &latest.earlier.run.display().to_string()])
            ));
        }
        return Ok(Some(SessionMode::Anew { cells: None }));
    }
    let cells = chosen(configuration, &args.cells)?;
    if let Some(latest) = latest {
        return Ok(Some(SessionMode::Again {
            earlier: latest.earlier,
            cells,
        }));
    }
    let outputs = configuration.project.output_dir(configuration.manifest);
    if !globals.quiet && RunDir::latest(&outputs, &configuration.manifest.experiment.name).is_ok() {
        display::note("the latest run has another configuration, so these cells become a new run");
    }
    Ok(Some(SessionMode::Anew { cells: Some(cells) }))
}

/// `--resume`: the latest run, if it is this manifest's and not at its end.
fn go_on(
    configuration: Configuration<'_>,
    latest: Option<Latest>,
    globals: Globals,
) -> Result<Option<SessionMode>, Failure> {
    let folder = configuration
        .project
        .output_dir(configuration.manifest)
        .join(&configuration.manifest.experiment.name);
    let nothing = |newest: String| {
        Err(Failure::wrong_request(Refusal::NothingToContinue {
            folder: folder.clone(),
            newest,
        }))
    };
    let Some(Latest { earlier, same }) = latest else {
        return nothing(String::new());
    };
    let Earlier { run, history, .. } = &earlier;
    if same && history.finished {
        if !globals.quiet {
            display::note(&nothing_to_resume(run, history));
        }
        return Ok(None);
    }
    if same {
        return Ok(Some(SessionMode::GoOn(earlier)));
    }
    let differs = what_differs(configuration, &history.run, run);
    let shown = run.display().to_string();
    if history.finished {
        return nothing(format!(
            "; the latest, {shown}, is finished and has another configuration: {differs}"
        ));
    }
    let help = format!(
        "undo the change and use --resume again, continue that run unchanged with {}, or remove \
         --resume to start a new run",
        advice::darkroom(&["resume", &shown])
    );
    Err(Failure::wrong_request(Refusal::OtherConfiguration {
        run: format!("the unfinished run {shown}"),
        differs,
        help,
    }))
}

/// `--extend`: the latest run, if it differs from this manifest in the number of repetitions alone
/// and has come to its end.
fn extend(
    configuration: Configuration<'_>,
    latest: Option<Latest>,
) -> Result<Option<SessionMode>, Failure> {
    let refused = |refusal: Refusal| Err(Failure::wrong_request(refusal));
    if configuration.manifest.repetitions.until.is_some() {
        return refused(Refusal::UntilDecides);
    }
    let Some(Latest { earlier, same }) = latest else {
        return refused(Refusal::NothingToExtend {
            experiment: configuration.manifest.experiment.name.clone(),
        });
    };
    let Earlier { run, history, .. } = &earlier;
    let finished = history.finished;
    let (from, to) = (
        history.run.repetitions,
        configuration.manifest.repetitions.count,
    );
    let as_it_was = with_count(configuration.manifest, from);
    let was = configuration.with_manifest(&as_it_was);
    if history.run.manifest_sha256 != fingerprint(was) {
        let differs = what_differs(was, &history.run, run);
        return refused(Refusal::OtherConfiguration {
            run: run.display().to_string(),
            differs,
            help: "undo the change, or remove --extend to start a new run".to_owned(),
        });
    }
    if !finished && same {
        // An earlier session was cut short: the run has this number of repetitions already, and
        // continues.
        return Ok(Some(SessionMode::Extend { earlier, from }));
    }
    if !finished {
        return refused(Refusal::Unfinished {
            run: run.clone(),
            state: "is unfinished",
        });
    }
    if to <= from {
        return refused(Refusal::EnoughRepetitions {
            run: run.clone(),
            repetitions: from,
        });
    }
    Ok(Some(SessionMode::Extend { earlier, from }))
}

/// Says that a run is at its end, and how to measure more of it where that can be.
pub fn nothing_to_resume(run: &Path, history: &History) -> String {
    let said = format!("{} is finished: there is nothing to resume", run.display());
    let manifest = run.join("manifest.toml");
    if history.run.until.is_some() || !manifest.is_file() || !is_latest(run) {
        return said;
    }
    let count = format!(
        "repetitions.count={}",
        history.run.repetitions.saturating_mul(2)
    );
    let command = advice::darkroom(&["run", &manifest.display().to_string(), "--extend", &count]);
    format!("{said}. To add repetitions to it, for example twice as many in all: {command}")
}

/// Only an experiment's latest run can be extended.
fn is_latest(run: &Path) -> bool {
    let latest = run
        .parent()
        .map(|experiment| experiment.join("latest").canonicalize());
    latest.is_some_and(|latest| latest.is_ok_and(|latest| latest == run))
}

/// Returns the cells that the patterns of `--cell` choose; each must choose some.
fn chosen(configuration: Configuration<'_>, patterns: &[String]) -> Result<Vec<CellId>, Failure> {
    let selection = Selection::new(patterns).map_err(Failure::wrong_request)?;
    let ids: Vec<CellId> = configuration
        .plan()
        .planned_cells()
        .map(|cell| cell.id)
        .collect();
    selection.check(&ids).map_err(Failure::wrong_request)?;
    Ok(ids
        .into_iter()
        .filter(|id| selection.contains(id))
        .collect())
}

/// The experiment's latest run.
struct Latest {
    earlier: Earlier,
    /// It is a run of this very configuration.
    same: bool,
}

/// Returns the experiment's latest run; an error when its journal can't be read.
fn latest(configuration: Configuration<'_>) -> Result<Option<Latest>, JournalError> {
    let latest = RunDir::latest(
        &configuration.project.output_dir(configuration.manifest),
        &configuration.manifest.experiment.name,
    );
    let Some(run) = latest
        .ok()
        .filter(|run| run.join("journal.ndjson").exists())
    else {
        return Ok(None);
    };
    let earlier = match Earlier::read(run) {
        // Killed before its first fact.
        Err(JournalError::NoRun { path })
            if path.metadata().is_ok_and(|about| about.len() == 0) =>
        {
            return Ok(None);
        }
        earlier => earlier?,
    };
    let same = earlier.history.run.manifest_sha256 == fingerprint(configuration);
    Ok(Some(Latest { earlier, same }))
}
