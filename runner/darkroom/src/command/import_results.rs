//! `darkroom import-results`: turns measurements of another tool into a run, with tables,
//! comparisons and report like any other.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use darkroom_core::event::{Event, JOURNAL_VERSION, RunStarted};
use darkroom_core::imported::{IMPORTED, ImportedFile, ResultsImported};
use darkroom_core::pipeline::Transport;
use sha2::{Digest, Sha256};

use crate::cli::{Globals, ImportResultsArgs};
use crate::display;
use crate::execute::now;
use crate::exit::{Failure, Outcome};
use crate::import_results::{
    Ended, Field, Map, Raw, Status, Taken, looks_like, meant, read, refusal_lines, take,
};
use crate::project::Project;
use crate::record::{Journal, RunDir};
use crate::results;

pub fn run(args: &ImportResultsArgs, globals: Globals) -> Result<Outcome, Failure> {
    let (text, map) = map_of(&args.map)?;
    let mut rows = Vec::new();
    let mut files = Vec::new();
    let mut unreadable = Vec::new();
    for path in &args.files {
        let content = bytes(path)?;
        let name = path.display().to_string();
        match read(&name, &content, &map) {
            Ok(found) => {
                if !found.told.is_empty() {
                    display::note(&format!("{name}: {}", found.told.join("; ")));
                }
                files.push((
                    name,
                    hex::encode(Sha256::digest(&content)),
                    found.rows.len(),
                ));
                rows.push(found.rows);
            }
            Err(why) => unreadable.push(why),
        }
    }
    if !unreadable.is_empty() {
        return Err(Failure::wrong_request(miette::miette!(
            "{}",
            unreadable.join("\n")
        )));
    }
    if rows.iter().all(Vec::is_empty) {
        let names: Vec<&str> = files.iter().map(|(name, ..)| name.as_str()).collect();
        return Err(Failure::wrong_request(miette::miette!(
            help = "a file needs a header and at least one row, or a JSON object; export it again",
            "no rows in {}",
            names.join(", ")
        )));
    }
    let taken = take(&rows.concat(), &map, jiff::Timestamp::now());
    refuse_as_a_whole(&taken, &map, &args.map)?;
    say_what_was_left(&taken);
    if taken.rows.is_empty() {
        return Err(Failure::wrong_request(miette::miette!(
            help = "fix the rows or the map as the lines above say, then import again",
            "none of the {} rows can be imported",
            rows.concat().len()
        )));
    }
    let taken_for = taken_for(&taken, &map);
    let kept: HashSet<&str> = taken.rows.iter().map(|row| row.from.as_str()).collect();
    let of_file = |(rows, (name, sha256, count)): (&Vec<Raw>, (String, String, usize))| {
        let taken = rows
            .iter()
            .filter(|raw| kept.contains(raw.at.as_str()))
            .count();
        ImportedFile {
            taken,
            rows: count,
            name,
            sha256,
        }
    };
    let imported = ResultsImported {
        at: now(),
        files: rows.iter().zip(files).map(of_file).collect(),
        unused_columns: taken.unused_columns.iter().cloned().collect(),
        outputs_checked_by: map.outputs_checked_by.clone(),
        refused: taken.refused.clone(),
    };
    let project = Project::here().ok();
    let outputs = args.output_dir.clone().unwrap_or_else(|| {
        project.as_ref().map_or_else(
            || Path::new("outputs").to_owned(),
            |project| project.root().join("outputs"),
        )
    });
    let refused = !taken.refused.is_empty();
    let dir = write(&outputs, &map, &text, taken, imported).map_err(Failure::broken)?;
    let run = results::started(dir.path())?;
    let prices = results::prices_or_default(project.as_ref(), &run.region)?;
    let outcome = results::show_tables(dir.path(), &run, &prices, globals)?;
    if !globals.quiet {
        display::note(&format!("{}", dir.path().display()));
    }
    display::note(&taken_for);
    Ok(if refused {
        Outcome::SomeCellsFailed
    } else {
        outcome
    })
}

fn map_of(path: &Path) -> Result<(String, Map), Failure> {
    let wrong = |why: String| {
        Failure::wrong_request(miette::miette!(
            help = "experiments/analysis/import/columns.toml is a worked example",
            "{}: {why}",
            path.display()
        ))
    };
    let text = String::from_utf8(bytes(path)?)
        .map_err(|error| wrong(format!("it is not UTF-8: {error}")))?;
    let map = Map::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|error| wrong(error.to_string()))?;
    Ok((text, map))
}

/// Refuses what concerns every row: columns that no file has, and words that say neither success
/// nor failure.
fn refuse_as_a_whole(taken: &Taken, map: &Map, path: &Path) -> Result<(), Failure> {
    let missing: Vec<&String> = taken
        .missing_columns
        .iter()
        .filter(|name| map.indispensable().contains(name.as_str()))
        .collect();
    if taken.rows.is_empty() && !taken.columns.is_empty() && !missing.is_empty() {
        // Every row would be refused for the same reason.
        let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
        let there = format!("the rows have: {}", named(&taken.columns));
        let help = [there]
            .into_iter()
            .chain(meant(&names, &taken.columns))
            .collect::<Vec<_>>()
            .join("\n");
        return Err(Failure::wrong_request(miette::miette!(
            help = help,
            "{}: [columns] names columns that no row has: {}",
            path.display(),
            named(missing)
        )));
    }
    let unknown = taken
        .statuses
        .iter()
        .filter(|(_, status)| status.ended == Ended::Unknown);
    let unknown: Vec<&str> = unknown.map(|(word, _)| word.as_str()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let seen = [
        (Ended::Unknown, "unknown"),
        (Ended::Well, "success"),
        (Ended::Badly, "failure"),
    ]
    .map(|(ended, what)| counted(taken, ended, what, |status| status.rows));
    Err(Failure::wrong_request(miette::miette!(
        help = decisions(&unknown, map),
        "{}: the status column has words with no known meaning ({})",
        path.display(),
        seen.into_iter().flatten().collect::<Vec<_>>().join("; ")
    )))
}

/// Asks what each word means. Only words that look like one thing stand under it, for the user to
/// agree with; the others are a question, and the map is refused until it answers that.
fn decisions(unknown: &[&str], map: &Map) -> String {
    let like = |ended| {
        unknown
            .iter()
            .copied()
            .filter(|word| looks_like(word) == ended)
            .collect::<Vec<_>>()
    };
    let (ok, failed, open) = (like(Ended::Well), like(Ended::Badly), like(Ended::Unknown));
    let quoted = |words: &[&str]| {
        words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let sorted = [(&ok, "success"), (&failed, "failure")]
        .into_iter()
        .filter(|(words, _)| !words.is_empty());
    let sorted: Vec<String> = sorted
        .map(|(words, what)| format!("these look like {what}: {}", quoted(words)))
        .collect();
    let checked = (!sorted.is_empty()).then(|| format!("{}. Check them", sorted.join("; ")));
    let asked = (!open.is_empty()).then(|| {
        format!(
            "success or failure? Add each to `ok` or to `failed`: {}",
            quoted(&open)
        )
    });
    let status = format!(
        "decide what each word means, and set this under [columns]:\n`{}`",
        map.with_words(&ok, &failed)
    );
    [Some(status), checked, asked]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        Failure::wrong_request(miette::miette!("cannot read {}: {error}", path.display()))
    })
}

fn named<'a>(columns: impl IntoIterator<Item = &'a String>) -> String {
    columns
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn say_what_was_left(taken: &Taken) {
    // Of rows that can't be read nobody knows their columns.
    if !taken.missing_columns.is_empty() && !taken.columns.is_empty() {
        display::note(&format!(
            "columns in the map that no row has: {}",
            named(&taken.missing_columns)
        ));
    }
    if !taken.unused_columns.is_empty() {
        let names: Vec<&str> = taken.unused_columns.iter().map(String::as_str).collect();
        display::note(&format!(
            "columns left out because the map does not name them: {}",
            names.join(", ")
        ));
    }
    let lines = refusal_lines(&taken.refused);
    for line in &lines {
        display::note(line);
    }
    if lines.len() < taken.refused.len() && !taken.rows.is_empty() {
        display::note("the run's journal lists every refused row");
    }
}

/// Says in one line what was taken for what.
fn taken_for(taken: &Taken, map: &Map) -> String {
    let all = taken.rows.len() + taken.refused.len();
    let line = format!(
        "{} of {all} rows imported, {} refused",
        taken.rows.len(),
        taken.refused.len()
    );
    let counted = |ended, what| counted(taken, ended, what, |status| status.taken);
    let without_start = match (taken.without_start, map.source(Field::Start)) {
        (0, _) | (_, None) => None,
        (1, Some(source)) => Some(format!("1 row does not say its start: using {source}")),
        (rows, Some(source)) => Some(format!(
            "{rows} rows do not say their start: using {source}"
        )),
    };
    let words = [
        counted(Ended::Well, "success"),
        counted(Ended::Badly, "failure"),
    ];
    let parts = [Some(line)]
        .into_iter()
        .chain(words)
        .chain([Some(nulls(taken)), without_start]);
    parts.flatten().collect::<Vec<_>>().join("; ")
}

/// Says which words of the status were taken for what, and how many rows of each there are, if any.
fn counted(taken: &Taken, ended: Ended, what: &str, rows: fn(&Status) -> usize) -> Option<String> {
    let words = taken
        .statuses
        .iter()
        .filter(|(_, status)| status.ended == ended && rows(status) > 0);
    let each: Vec<String> = words
        .map(|(word, status)| format!("`{word}` {}", rows(status)))
        .collect();
    (!each.is_empty()).then(|| format!("{what}: {}", each.join(", ")))
}

fn nulls(taken: &Taken) -> String {
    let said = |((column, taken_for), rows): (&(String, &str), &usize)| match *taken_for {
        "" => format!("`{column}` {rows}"),
        taken_for => format!("`{column}` {rows} ({taken_for})"),
    };
    let each: Vec<String> = taken.nulls.iter().map(said).collect();
    if each.is_empty() {
        "no missing values".to_owned()
    } else {
        format!("missing values: {}", each.join(", "))
    }
}

/// Writes the run's folder: the map as it was given, and the journal.
fn write(
    outputs: &Path,
    map: &Map,
    text: &str,
    taken: Taken,
    imported: ResultsImported,
) -> miette::Result<RunDir> {
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let run_id = format!("{time}-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
    let dir = RunDir::create(outputs, &map.experiment, &run_id)?;
    dir.write("columns.toml", text)?;
    let mut journal = Journal::create(&dir.journal())?;
    let mut hash = Sha256::new_with_prefix(text);
    imported
        .files
        .iter()
        .for_each(|file| hash.update(&file.sha256));
    journal.append(&Event::RunStarted(RunStarted {
        journal_version: JOURNAL_VERSION,
        run_id,
        at: imported.at.clone(),
        experiment: map.experiment.clone(),
        pipeline: map.experiment.clone(),
        stages: taken.stages,
        transport: Transport::default(),
        seed: 562,
        target: IMPORTED.into(),
        region: map.price_region.clone(),
        endpoint: None,
        pipeline_sha256: None,
        until: None,
        account_id: None,
        isolation: map.origin(),
        manifest_sha256: hex::encode(hash.finalize()),
        repetitions: 0,
        warm_up: 0,
        deployments: taken.deployments,
        renew_environments_every: None,
        vary_inputs: false,
        order: map.order.clone(),
        cells: taken.cells,
        image_sets: taken.image_sets,
        machine: std::collections::BTreeMap::new(),
        darkroom_version: env!("CARGO_PKG_VERSION").into(),
        not_checked: Vec::new(),
    }))?;
    let at = imported.at.clone();
    journal.append(&Event::ResultsImported(imported))?;
    for row in taken.rows {
        journal.append(&Event::RowImported(row))?;
    }
    journal.append(&Event::RunFinished { at })?;
    journal.sync()?;
    dir.link_latest()?;
    Ok(dir)
}
