//! The ledger beside a slow reading of the whole journal for each question, over journals that are
//! drawn: several sessions, attempts that end in every way or not at all, cells measured again,
//! warm-ups, probes, rows out of order.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::event::{Again, Event, PassKey, PassKind, RunStarted, Status};

const CELLS: [&str; 2] = [
    "a.x86_64.512mb.photos.direct.warm.c1",
    "a.x86_64.512mb.photos.direct.cold.c1",
];

fn run() -> RunStarted {
    let cell = |id: &&str| {
        json!({
            "id": id, "variant": "v", "architecture": "x86_64", "memory_mb": 512, "image_set": "photos",
            "trigger": "direct", "input": "chained", "start": if id.contains("cold") { "cold" } else { "warm" },
            "concurrency": 1, "model": null, "sample": null, "not_runnable": null,
        })
    };
    serde_json::from_value(json!({
        "journal_version": 7, "run_id": "r", "at": "", "experiment": "t", "pipeline": "p", "stages": ["one", "two"],
        "seed": 562, "target": "local", "region": "us-east-1", "isolation": "none", "manifest_sha256": "",
        "repetitions": 3, "warm_up": 1, "deployments": 1, "order": "interleaved",
        "cells": CELLS.iter().map(cell).collect::<Vec<_>>(), "image_sets": {}, "machine": {}, "darkroom_version": "0",
    }))
    .unwrap()
}

/// One fact, before it is spelt out.
#[derive(Clone, Debug)]
#[expect(
    clippy::option_option,
    reason = "a report, and whether it tells how it started"
)]
enum Fact {
    /// Status, and the init of its report, if it has one, 100 ms; and the time from `INIT_START` to
    /// START.
    Row(PassKey, Status, Option<Option<f64>>, Option<f64>),
    Imported(PassKey, Status, Option<Option<bool>>),
    Checked(PassKey),
    Ended(PassKey, bool, Option<Again>),
    Anew(Vec<usize>),
    Resumed,
}

impl Fact {
    fn key(&self) -> Option<&PassKey> {
        match self {
            Self::Row(key, ..)
            | Self::Imported(key, ..)
            | Self::Checked(key)
            | Self::Ended(key, ..) => Some(key),
            Self::Anew(_) | Self::Resumed => None,
        }
    }

    fn event(&self) -> Event {
        let with = |key: &PassKey, more: Json| -> Event {
            let mut fact = serde_json::to_value(key).unwrap();
            fact.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            serde_json::from_value(fact).unwrap()
        };
        match self {
            Self::Row(key, status, report, init_to_start_ms) => {
                let report = report.map(|init_ms| {
                    json!({ "duration_ms": 9.0, "billed_ms": 10, "memory_mb": 512, "max_memory_mb": 90, "init_ms": init_ms })
                });
                with(
                    key,
                    json!({
                        "event": "invocation_finished", "stage": "one", "stage_index": 0, "function": "f", "sequence": 0,
                        "scheduled_at": "", "started_at": "", "client_ms": 9.0, "status": status, "error_type": null,
                        "error": null, "request_id": null, "report": report, "environment_id": null,
                        "init_to_start_ms": init_to_start_ms, "code_sha256": "",
                        "bytes_in": null, "bytes_out": null, "handler_reported_ms": null,
                    }),
                )
            }
            Self::Imported(key, status, cold) => with(
                key,
                json!({
                    "event": "row_imported", "stage": "one", "sequence": 0, "from": "x.csv:2", "started_at": null,
                    "status": status, "duration_ms": cold.map(|_| 9.0), "billed_ms": null, "init_ms": null,
                    "cold": cold.flatten(), "max_memory_mb": null, "client_ms": null, "handler_reported_ms": null,
                    "turnaround_s": null, "error_type": null, "error": null, "request_id": null, "environment_id": null,
                    "cpu_model": null,
                }),
            ),
            Self::Checked(key) => with(
                key,
                json!({
                    "event": "output_checked", "stage": "one", "stage_index": 0, "output_sha256": null, "input_sha256": null,
                    "verdict": { "pass": true, "reason": null, "detail": null, "format": null, "mode": null,
                        "width": null, "height": null, "mse": null, "psnr_db": null, "ssim": null, "max_abs": null,
                        "mean_out": null, "mean_reference": null, "levels": null, "orientation": null },
                }),
            ),
            Self::Ended(key, complete, again) => with(
                key,
                json!({
                    "event": "pipeline_finished", "started_at": "", "turnaround_s": null, "resolution_ms": 0.0,
                    "complete": complete, "failed_stage": null, "again": again, "input_bytes": [], "output_bytes": [],
                }),
            ),
            Self::Anew(cells) => Event::CellsSuperseded {
                at: String::new(),
                cells: cells
                    .iter()
                    .map(|cell| run().cells[*cell].id.clone())
                    .collect(),
            },
            Self::Resumed => Event::RunResumed {
                at: String::new(),
                cells: Vec::new(),
            },
        }
    }
}

fn key() -> impl Strategy<Value = PassKey> {
    let kinds = [(false, false), (true, false), (true, true)];
    (
        0..2_usize,
        prop::sample::select(vec!["i", "j"]),
        prop::sample::select(kinds.to_vec()),
        1..3_u32,
        1..4_u32,
    )
        .prop_map(
            |(cell, image, (warm_up, probe), repetition, attempt)| PassKey {
                cell_id: run().cells[cell].id.clone(),
                deployment: 1,
                image: image.into(),
                warm_up,
                probe,
                repetition,
                attempt,
            },
        )
}

fn fact() -> impl Strategy<Value = Fact> {
    let status = || {
        prop::sample::select(vec![
            Status::Ok,
            Status::Ok,
            Status::FunctionError,
            Status::Throttled,
        ])
    };
    let report = prop::option::weighted(0.9, prop::option::of(Just(100.0)));
    let cold = prop::option::weighted(0.9, prop::option::of(any::<bool>()));
    // In time, long before the call, or longer than an initialisation can take.
    let ahead = prop::option::of(prop::sample::select(vec![103.0, 1_200.0, 20_000.0]));
    let again = prop::sample::select(vec![
        None,
        None,
        Some(Again::WrongStart),
        Some(Again::Proactive),
        Some(Again::Throttled),
        Some(Again::Unanswered),
    ]);
    prop_oneof![
        8 => (key(), status(), report, ahead).prop_map(|(key, status, report, ahead)| Fact::Row(key, status, report, ahead)),
        1 => (key(), status(), cold).prop_map(|(key, status, cold)| Fact::Imported(key, status, cold)),
        2 => key().prop_map(Fact::Checked),
        6 => (key(), any::<bool>(), again).prop_map(|(key, complete, again)| Fact::Ended(key, complete, again)),
        1 => prop::sample::subsequence(vec![0, 1], 1..=2).prop_map(Fact::Anew),
        1 => Just(Fact::Resumed),
    ]
}

/// Answers every question by reading all facts again.
struct Slow<'a>(&'a [Fact]);

impl Slow<'_> {
    /// How often the cell had been measured again before the fact at `place`.
    fn epoch(&self, key: &PassKey, place: usize) -> usize {
        let anew = |fact: &&Fact| matches!(fact, Fact::Anew(cells) if cells.iter().any(|cell| run().cells[*cell].id == key.cell_id));
        self.0[..place].iter().filter(anew).count()
    }

    /// The facts of the same repetition and epoch as the one at `place`.
    fn beside(&self, place: usize) -> impl Iterator<Item = &Fact> {
        let key = self.0[place].key().unwrap();
        self.0.iter().enumerate().filter_map(move |(at, fact)| {
            let other = fact.key()?;
            let same = PassKey {
                attempt: 0,
                ..other.clone()
            } == PassKey {
                attempt: 0,
                ..key.clone()
            };
            (same && self.epoch(other, at) == self.epoch(key, place)).then_some(fact)
        })
    }

    fn is_old(&self, place: usize) -> bool {
        let key = self.0[place].key().unwrap();
        self.epoch(key, place) != self.epoch(key, self.0.len())
    }

    fn is_last(&self, place: usize) -> bool {
        let key = self.0[place].key().unwrap();
        self.beside(place)
            .all(|fact| fact.key().unwrap().attempt <= key.attempt)
    }

    /// Facts of the same attempt.
    fn attempt(&self, place: usize) -> impl Iterator<Item = &Fact> {
        let attempt = self.0[place].key().unwrap().attempt;
        self.beside(place)
            .filter(move |fact| fact.key().unwrap().attempt == attempt)
    }

    fn ended(&self, place: usize) -> Option<(bool, Option<Again>)> {
        let ends = self.attempt(place).filter_map(|fact| match fact {
            Fact::Ended(_, complete, again) => Some((*complete, *again)),
            _ => None,
        });
        ends.last()
    }

    fn is_wrong_start(fact: &Fact) -> bool {
        let asked = fact.key().unwrap().cell_id.as_str().contains("cold");
        match fact {
            Fact::Row(_, Status::Ok, Some(init_ms), _) if !Self::is_proactive(fact) => {
                init_ms.is_some() != asked
            }
            Fact::Imported(_, Status::Ok, Some(Some(cold))) => *cold != asked,
            _ => false,
        }
    }

    fn is_proactive(fact: &Fact) -> bool {
        match fact {
            Fact::Row(_, Status::Ok, Some(Some(_)), Some(ms)) => *ms > 1_100.0,
            Fact::Row(_, Status::Ok, Some(None), Some(ms)) => *ms > 10_000.0,
            _ => false,
        }
    }

    fn row(&self, place: usize) -> CountsAs {
        let fact = &self.0[place];
        let (status, reported) = match fact {
            Fact::Row(_, status, report, _) => (*status, report.is_some()),
            Fact::Imported(_, status, cold) => (*status, cold.is_some()),
            _ => unreachable!("only asked of rows"),
        };
        let imported = self
            .attempt(place)
            .any(|fact| matches!(fact, Fact::Imported(..)));
        let (ended, kind) = (self.ended(place), fact.key().unwrap().kind());
        let rules = [
            (self.is_old(place), CountsAs::Superseded),
            (kind == PassKind::WarmUp, CountsAs::WarmUp),
            (Self::is_wrong_start(fact), CountsAs::WrongStart),
            (Self::is_proactive(fact), CountsAs::Proactive),
            (
                !self.is_last(place) || (ended.is_none() && !imported),
                CountsAs::Superseded,
            ),
            (status != Status::Ok, CountsAs::Failed),
            (matches!(ended, Some((_, Some(_)))), CountsAs::Superseded),
            (!reported, CountsAs::NoReport),
            (kind == PassKind::Probe, CountsAs::Probe),
        ];
        rules
            .into_iter()
            .find(|(applies, _)| *applies)
            .map_or(CountsAs::Sample, |(_, counts_as)| counts_as)
    }

    fn pass(&self, place: usize) -> CountsAs {
        let Some((complete, again)) = self.ended(place) else {
            return CountsAs::Superseded;
        };
        let without_report = |fact: &Fact| {
            matches!(
                fact,
                Fact::Row(_, Status::Ok, None, _) | Fact::Imported(_, Status::Ok, None)
            )
        };
        let kind = self.0[place].key().unwrap().kind();
        let wrong_start =
            again == Some(Again::WrongStart) || self.attempt(place).any(Self::is_wrong_start);
        let proactive = again == Some(Again::Proactive)
            || (complete && self.attempt(place).any(Self::is_proactive));
        let rules = [
            (self.is_old(place), CountsAs::Superseded),
            (kind == PassKind::WarmUp, CountsAs::WarmUp),
            (wrong_start, CountsAs::WrongStart),
            (proactive, CountsAs::Proactive),
            (!self.is_last(place), CountsAs::Superseded),
            (!complete || again.is_some(), CountsAs::Failed),
            (self.attempt(place).any(without_report), CountsAs::NoReport),
            (kind == PassKind::Probe, CountsAs::Probe),
        ];
        rules
            .into_iter()
            .find(|(applies, _)| *applies)
            .map_or(CountsAs::Sample, |(_, counts_as)| counts_as)
    }

    /// Whether the repetition of the fact at `place` is done, and the number of its next attempt.
    fn goes_on(&self, place: usize) -> (bool, u32) {
        let key = self.0[place].key().unwrap();
        let of_repetition = |fact: &&Fact| {
            fact.key().is_some_and(|other| {
                PassKey {
                    attempt: 0,
                    ..other.clone()
                } == PassKey {
                    attempt: 0,
                    ..key.clone()
                }
            })
        };
        let highest = self
            .0
            .iter()
            .filter(of_repetition)
            .filter_map(|fact| Some(fact.key()?.attempt))
            .max()
            .unwrap();
        let done = self.0.iter().enumerate().any(|(at, fact)| {
            of_repetition(&fact) && !self.is_old(at) && matches!(fact, Fact::Ended(_, _, None))
        });
        (done, highest + 1)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_counts_is_what_a_reading_of_the_whole_journal_says(facts in prop::collection::vec(fact(), 1..60)) {
        let mut ledger = Ledger::new(&run());
        let ids: Vec<Option<AttemptId>> = facts.iter().map(|fact| ledger.take(&fact.event())).collect();
        let slow = Slow(&facts);
        for (place, (fact, id)) in facts.iter().zip(ids).enumerate() {
            let Some(key) = fact.key() else {
                prop_assert!(id.is_none());
                continue;
            };
            let id = id.unwrap();
            let ending = match fact.event() {
                Event::InvocationFinished(row) => Some(Ending::from(&row)),
                Event::RowImported(row) => Some(Ending::from(&row)),
                _ => None,
            };
            if let Some(ending) = ending {
                prop_assert_eq!(ledger.row_counts_as(id, ending), slow.row(place), "row {}", place);
            }
            prop_assert_eq!(ledger.pass_counts_as(id), slow.pass(place), "pass {}", place);
            let (counts, ended) = (!slow.is_old(place) && slow.is_last(place), slow.ended(place));
            prop_assert_eq!(ledger.check_counts(id), counts);
            prop_assert_eq!(ledger.stands(id), counts && matches!(ended, Some((_, None))));
            prop_assert_eq!((ledger.is_done(key), ledger.next_attempt(key)), slow.goes_on(place));
            prop_assert_eq!(ledger.number(id), key.attempt);
            prop_assert_eq!(ledger.image(ledger.repetition(id).image), &key.image);
        }
    }
}

fn planned(attempt: u32) -> PassKey {
    PassKey {
        cell_id: run().cells[0].id.clone(),
        deployment: 1,
        image: "i".into(),
        warm_up: false,
        probe: false,
        repetition: 1,
        attempt,
    }
}

/// What the rows of these facts count as, in order.
fn counted(facts: &[Fact]) -> Vec<CountsAs> {
    let mut ledger = Ledger::new(&run());
    let events: Vec<Event> = facts.iter().map(Fact::event).collect();
    let rows: Vec<(AttemptId, Ending)> = events
        .iter()
        .filter_map(|event| {
            let id = ledger.take(event)?;
            if let Event::InvocationFinished(row) = event {
                Some((id, Ending::from(row)))
            } else {
                None
            }
        })
        .collect();
    rows.into_iter()
        .map(|(id, ending)| ledger.row_counts_as(id, ending))
        .collect()
}

#[test]
fn an_attempt_that_is_to_be_made_again_gives_no_sample_and_hides_no_failure() {
    let well = Fact::Row(planned(1), Status::Ok, Some(None), None);
    let refused = Fact::Row(planned(1), Status::Throttled, None, None);
    let again = Fact::Ended(planned(1), false, Some(Again::Throttled));
    let stopped = [well.clone(), refused.clone(), again.clone()];
    assert_eq!(counted(&stopped), [CountsAs::Superseded, CountsAs::Failed]);
    let second = [
        Fact::Row(planned(2), Status::Ok, Some(None), None),
        Fact::Ended(planned(2), true, None),
    ];
    let resumed: Vec<Fact> = stopped
        .into_iter()
        .chain([Fact::Resumed])
        .chain(second)
        .collect();
    assert_eq!(
        counted(&resumed),
        [CountsAs::Superseded, CountsAs::Superseded, CountsAs::Sample]
    );
}

#[test]
fn an_environment_that_stood_ready_gives_no_sample_and_is_no_wrong_start() {
    let cold = |attempt| PassKey {
        cell_id: run().cells[1].id.clone(),
        ..planned(attempt)
    };
    let row = |key, ahead| Fact::Row(key, Status::Ok, Some(Some(100.0)), ahead);
    let facts = [
        row(cold(1), Some(6_000.0)),
        Fact::Ended(cold(1), true, Some(Again::Proactive)),
        row(cold(2), Some(104.0)),
        Fact::Ended(cold(2), true, None),
    ];
    assert_eq!(counted(&facts), [CountsAs::Proactive, CountsAs::Sample]);
    // A warm cell has no use for it either, nor does the last attempt allowed change what it was.
    let facts = [
        row(planned(1), Some(6_000.0)),
        Fact::Ended(planned(1), true, None),
    ];
    assert_eq!(counted(&facts), [CountsAs::Proactive]);
}

#[test]
fn an_attempt_that_is_announced_takes_its_number_and_nothing_else() {
    let mut ledger = Ledger::new(&run());
    ledger.take(&Fact::Ended(planned(1), true, None).event());
    ledger.announce(&planned(2));
    assert_eq!(
        (
            ledger.next_attempt(&planned(0)),
            ledger.is_done(&planned(0))
        ),
        (3, true)
    );
}

#[test]
fn a_cell_that_the_run_does_not_have_is_no_ones_attempt() {
    let mut ledger = Ledger::new(&run());
    let mut key = planned(1);
    key.cell_id = serde_json::from_value(json!("b.x86_64.512mb.photos.direct.warm.c1")).unwrap();
    assert_eq!(ledger.take(&Fact::Checked(key.clone()).event()), None);
    assert_eq!(
        (ledger.next_attempt(&key), ledger.is_done(&key)),
        (1, false)
    );
}
