//! Damaged, edited, older and newer runs: each gets a sentence, and whatever can be computed is.

use std::fs;
use std::path::Path;

use darkroom_tables::read::{Wanted, read};

use crate::story::Project;

const RUN: &str = "outputs/old/latest";

/// How rows of `who,what,ms` are read.
pub const MAP: &str = "experiment = \"old\"\nmeasured_by = \"client\"\n\
    [constants]\narchitecture = \"x86_64\"\nmemory_mb = 512\nimage_set = \"theirs\"\nimage = \"one\"\n\
    trigger = \"direct\"\ninput = \"chained\"\nstart = \"warm\"\n\
    [columns]\nvariant = \"who\"\nstage = \"what\"\nduration = \"ms\"\n";

/// A project with an imported run of two variants, which needs no cloud.
fn imported() -> Project {
    let project = Project::new();
    let rows =
        (1..=10).flat_map(|run| [format!("a,one,{}", 10 + run), format!("b,one,{}", 20 + run)]);
    let lines: Vec<String> = std::iter::once("who,what,ms".to_owned())
        .chain(rows)
        .collect();
    project.write("rows.csv", lines.join("\n") + "\n");
    project.write("map.toml", MAP);
    project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(0);
    project
}

/// A project with a copy of a run that an earlier version left.
fn earlier(fixture: &str) -> Project {
    let project = Project::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/fixtures")
        .join(fixture);
    project.copy_to(&from, RUN);
    project
}

#[test]
fn a_truncated_line_in_the_middle_is_named_and_all_else_is_computed() {
    let project = imported();
    let journal = project.root().join(RUN).join("journal.ndjson");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = &lines[5][..lines[5].len() / 2];
    let damaged: Vec<&str> = lines
        .iter()
        .enumerate()
        .map(|(i, line)| if i == 5 { cut } else { line })
        .collect();
    fs::write(&journal, damaged.join("\n") + "\n").unwrap();

    // The tables are still the whole journal's: that does not match any more, and the others can be
    // read as they are.
    project
        .darkroom(&["verify", RUN])
        .exits(1)
        .says("journal.ndjson:6");
    assert!(
        project
            .darkroom(&["export", RUN])
            .exits(0)
            .stdout()
            .contains("mean")
    );
    project.darkroom(&["compare", RUN, RUN]).exits(0);

    let answer = project.darkroom(&["aggregate", RUN]).exits(1);
    answer
        .says("DAMAGED, left out of every table")
        .says("journal.ndjson:6: this version of Darkroom does not know this fact");
    let rows = read(
        &project.root().join(RUN).join("invocations.parquet"),
        Wanted::default(),
    )
    .unwrap();
    assert_eq!(rows.rows.len(), 19, "all but the row of the damaged line");
    project
        .darkroom(&["verify", RUN])
        .exits(1)
        .says("built without unreadable facts")
        .says("journal.ndjson:6");
    project.darkroom(&["report", RUN]).exits(0);
}

#[test]
fn a_table_edited_by_hand_is_named() {
    let project = imported();
    let run = project.root().join(RUN);
    // Tables of another run of the same shape in the place of this one's: every value of them can
    // be read.
    let other = imported();
    fs::copy(
        other.root().join(RUN).join("summary.parquet"),
        run.join("summary.parquet"),
    )
    .unwrap();
    let answer = project.darkroom(&["verify", RUN]).exits(1);
    answer.says("summary.parquet: metadata run_id");
    project.darkroom(&["aggregate", RUN]).exits(0);
    project.darkroom(&["verify", RUN]).exits(0);

    fs::write(run.join("costs.parquet"), "no Parquet").unwrap();
    project
        .darkroom(&["verify", RUN])
        .exits(1)
        .says("costs.parquet");
    for command in [
        &["report", RUN][..],
        &["compare", RUN, RUN],
        &["export", RUN, "--table", "costs"],
    ] {
        project
            .darkroom(command)
            .exits(2)
            .says("costs.parquet")
            .says("darkroom aggregate");
    }
    project.darkroom(&["export", RUN]).exits(0);
    project
        .darkroom(&["export", RUN, "--table", "prices"])
        .exits(2)
        .says("possible values: correctness, correctness_comparisons");

    // For scripts: the page is told of as the tables are.
    let json = project
        .darkroom(&["verify", RUN, "--json"])
        .exits(1)
        .stdout();
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (told["matches"].as_bool(), told["report"].as_str()),
        (Some(false), None),
        "{told:#}"
    );
    fs::write(run.join("report.html"), "another page").unwrap();
    let json = project
        .darkroom(&["verify", RUN, "--json"])
        .exits(1)
        .stdout();
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        told["report"], "differs from the page made from the journal",
        "{told:#}"
    );
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_its_tables_can_be_read() {
    let project = imported();
    let journal = project.root().join(RUN).join("journal.ndjson");
    let text = fs::read_to_string(&journal).unwrap();
    let version = format!(
        "\"journal_version\":{}",
        darkroom_core::event::JOURNAL_VERSION
    );
    fs::write(
        &journal,
        text.replacen(&version, "\"journal_version\":99", 1),
    )
    .unwrap();
    for command in ["aggregate", "verify"] {
        let answer = project.darkroom(&[command, RUN]).exits(2);
        answer
            .says("the journal has version 99")
            .says("use the version that wrote it");
    }
    assert!(
        project
            .darkroom(&["export", RUN])
            .exits(0)
            .stdout()
            .contains("mean")
    );
    project.darkroom(&["compare", RUN, RUN]).exits(0);
}

#[test]
fn a_run_of_an_earlier_version_is_read_said_to_be_one_and_made_anew() {
    let project = earlier("journal-1");
    let old = project.darkroom(&["export", RUN]).exits(0).says("schema 1");
    project
        .darkroom(&["verify", RUN])
        .exits(1)
        .says("this version's");
    project.darkroom(&["report", RUN]).exits(0);
    assert!(
        project
            .darkroom(&["compare", RUN, RUN])
            .exits(0)
            .stdout()
            .contains("schema 1")
    );
    // The first one's variant was wrong, which is exit code 1 in every version.
    project
        .shell(&old.suggestion("darkroom aggregate"))
        .exits(1);
    assert!(
        !project
            .darkroom(&["export", RUN])
            .exits(0)
            .told()
            .contains("schema 1")
    );
    for fixture in ["journal-1", "journal-2"] {
        let project = earlier(fixture);
        project
            .darkroom(&["aggregate", RUN])
            .exits(i32::from(fixture == "journal-1"));
        project.darkroom(&["verify", RUN]).exits(0);
        project.darkroom(&["report", RUN]).exits(0);
        project.darkroom(&["compare", RUN, RUN]).exits(0);
        let summary = read(
            &project.root().join(RUN).join("summary.parquet"),
            Wanted::default(),
        )
        .unwrap();
        assert!(summary.iter().any(|row| row.number("mean").is_some()));
    }
}
