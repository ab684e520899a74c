//! Tables held against their journal: whole, edited by hand, of another journal.

use darkroom_tables::verify;

use crate::journal::prices;
use crate::{Run, everything};
use polars::prelude::*;

fn differences(run: &Run, journal: &crate::journal::Journal) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let found = verify(journal.facts(), &prices(), run.dir.path(), scratch.path()).unwrap();
    assert_eq!(found.len(), darkroom_tables::columns::TABLES.len());
    found
        .into_iter()
        .flat_map(|table| {
            table
                .differences
                .into_iter()
                .map(move |d| format!("{}: {d}", table.table))
        })
        .collect()
}

#[test]
fn untouched_tables_match_their_journal() {
    let journal = everything();
    assert_eq!(differences(&Run::of(&journal), &journal), [""; 0]);
}

#[test]
fn a_table_edited_by_hand_is_found_to_the_value() {
    let journal = everything();
    let run = Run::of(&journal);
    let path = run.dir.path().join("invocations.parquet");
    let mut edited = run.table("invocations");
    edited.apply("duration_ms", |column| column * 0.9).unwrap();
    ParquetWriter::new(std::fs::File::create(&path).unwrap())
        .finish(&mut edited)
        .unwrap();
    let found = differences(&run, &journal);
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("invocations: metadata run_id: nothing in the file")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("invocations: row 0, duration_ms: ")),
        "{found:?}"
    );
    assert!(
        found.iter().all(|line| line.starts_with("invocations: ")),
        "{found:?}"
    );
}

#[test]
fn a_missing_table_and_a_longer_journal_are_named() {
    let journal = everything();
    let run = Run::of(&journal);
    std::fs::remove_file(run.dir.path().join("costs.parquet")).unwrap();
    let mut longer = everything();
    longer.pass(&crate::journal::Pass::of(
        &crate::journal::cell("pillow"),
        9,
        1.0,
    ));
    let found = differences(&run, &longer);
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("costs: failed to ")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("pipelines: ") && line.ends_with(" from the journal")),
        "{found:?}"
    );
}
