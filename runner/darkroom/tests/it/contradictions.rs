//! Reads every text that Darkroom makes of the fixture runs, and looks for sentences that
//! contradict each other or themselves.
//!
//! [`found`] knows the kinds that a reviewer met: counts beyond their whole, ranges without width,
//! intervals that are too wide and yet within, two lines of which one denies the other. A new text
//! is read by it as soon as a fixture run has it.

use std::path::Path;

use darkroom_core::cell::{Cell, Start};
use darkroom_core::event::{Event, Look, RunStarted, Status};
use darkroom_core::manifest::{StoppingMetric, Until};
use darkroom_core::statistics::StoppedBy;

use crate::bad_input::MAP;
use crate::everything::everything;
use crate::journal::{Journal, Pass, cell};
use crate::story::Project;

/// Pairs of texts that one page or screen must not hold together.
const DENIALS: [(&str, &str); 8] = [
    ("No model was found to be faster", " times faster than"),
    (
        "No model was found to be cheaper",
        " times cheaper to host than",
    ),
    (
        "not compared with CloudWatch's metrics",
        "\nagrees with CloudWatch's metrics",
    ),
    ("No cell is ranked by turnaround", " times faster than"),
    (
        "No cell is ranked by hosting cost",
        " times cheaper to host than",
    ),
    ("meet the contract", "WRONG, so not ranked"),
    ("No repetition was completed", "$/100k:"),
    ("No output was checked", "checked meet the contract"),
];

/// Returns what contradicts itself in a text, a line each.
fn found(text: &str) -> Vec<String> {
    let mut found: Vec<String> = DENIALS
        .iter()
        .filter(|(one, other)| text.contains(one) && text.contains(other))
        .map(|(one, other)| format!("`{one}` beside `{}`", other.trim()))
        .collect();
    for sentence in text.split(['\n', ';']).flat_map(|line| line.split(". ")) {
        let tokens: Vec<&str> = sentence.split_whitespace().collect();
        if tokens
            .iter()
            .enumerate()
            .any(|(place, _)| contradicts(&tokens[place..]))
        {
            found.push(sentence.trim().to_owned());
        }
    }
    found.extend(
        text.lines()
            .filter(|line| widths_contradict(line))
            .map(str::to_owned),
    );
    found
}

fn plain(token: &str) -> &str {
    token.trim_matches(|letter: char| "(),:;.·".contains(letter))
}

fn number(token: &str) -> Option<f64> {
    plain(token)
        .trim_start_matches(['±', '$'])
        .trim_end_matches('%')
        .replace(',', "")
        .parse()
        .ok()
}

/// Whether a word is a figure: a number, a time, a share.
fn is_value(token: &str) -> bool {
    plain(token)
        .trim_start_matches(['±', '$'])
        .starts_with(|letter: char| letter.is_ascii_digit())
}

/// Whether a sentence that begins with these words says `5 of 3`, `3 min to 3 min`,
/// `191 of 180 to 216` or `2 [1, 0.5]`.
fn contradicts(tokens: &[&str]) -> bool {
    match tokens {
        [done, "of", least, "to", most, ..] if number(most).is_some() => {
            matches!((number(done), number(least)), (Some(done), Some(least)) if done > least)
        }
        [part, "of", whole, ..] if number(part) > number(whole) && number(whole).is_some() => true,
        [low, "to", high, ..] if is_value(low) && plain(low) == plain(high) => true,
        [low, unit, "to", high, of, ..] => {
            is_value(low)
                && !is_value(unit)
                && (plain(low), plain(unit)) == (plain(high), plain(of))
        }
        [value, low, high, ..] if low.starts_with('[') && high.contains(']') => {
            let end = |text: &str| number(text.trim_matches(['[', ']', ',', ')', ';', '.']));
            let (value, low, high) = (
                number(value),
                end(low),
                end(high.split(']').next().unwrap_or_default()),
            );
            low > high
                || (value.is_some()
                    && low.is_some()
                    && high.is_some()
                    && (value < low || value > high))
        }
        _ => false,
    }
}

/// Whether a line says that an interval is wider than a target, and shows a width that is not, or
/// the reverse.
fn widths_contradict(line: &str) -> bool {
    let after = |mark: &str| {
        let rest = line.split(mark).nth(1)?;
        number(rest.split_whitespace().find(|token| token.contains('±'))?)
    };
    let Some(widest) = after("the widest is ") else {
        return line.contains("1 of 1 intervals");
    };
    let above = line.contains("the widest is just above");
    let wider = after("wider than ").is_some_and(|target| widest <= target && !above);
    let within = after("is within ").is_some_and(|target| widest > target || above);
    wider || within || line.contains("1 of 1 intervals")
}

#[test]
fn the_four_that_were_met_are_found_and_what_should_stand_there_is_not() {
    for met in [
        "Stopped after 60 repetitions: 1 of 2 intervals are wider than ±10% of the mean; the widest is ±10% (a).",
        "measured 191 of 180 to 216 · 3 min left",
        "measured 3 of 180 to 216 · 3 min to 3 min left",
        "not compared with CloudWatch's metrics: interrupted\nagrees with CloudWatch's metrics: 5 functions",
        "7 of 5 outputs are right",
        "ratio 0.9 [0.95, 1.2]",
        "every interval is within ±5% of the mean; the widest is ±5.1% (a)",
        "from 18:00 UTC to 18:00 UTC",
    ] {
        assert!(!found(met).is_empty(), "{met}");
    }
    for fine in [
        "1 of 2 intervals is wider than ±10% of the mean; the widest is ±10.02% (a).",
        "the only interval is wider than ±10% of the mean; the widest is just above ±10% (a).",
        "measured 191 of at most 216 · at most 25 s left",
        "agrees with CloudWatch's metrics (1 of 2 sessions): 5 functions\nnot compared for the other sessions: interrupted",
        "0.099 s per image [0.088, 0.115]; ratio 0.9 [0.85, 1.2]",
        "at the prices of 2026-11-25",
    ] {
        assert_eq!(found(fine), Vec::<String>::new());
    }
}

fn started(journal: &mut Journal) -> &mut RunStarted {
    match &mut journal.events[0] {
        Event::RunStarted(run) => run,
        other => panic!("{other:?}"),
    }
}

/// A run of these cells, in turns, each that many ms long.
fn run(cells: &[(Cell, f64)], repetitions: u32) -> Journal {
    let mut journal = Journal::of(
        &cells
            .iter()
            .map(|(cell, _)| cell.clone())
            .collect::<Vec<_>>(),
    );
    measure(&mut journal, cells, repetitions);
    for (cell, _) in cells {
        journal.check_all(cell);
    }
    journal
}

fn measure(journal: &mut Journal, cells: &[(Cell, f64)], repetitions: u32) {
    for repetition in 1..=repetitions {
        for (place, (cell, ms)) in (1..).zip(cells) {
            let noise = 1.0 + 0.003 * f64::from((repetition * 7 + place * 5) % 11);
            let init_ms = (cell.start == Start::Cold).then_some(30.0);
            for image in ["astronaut.png", "chelsea.png"] {
                journal.pass(&Pass {
                    image,
                    init_ms,
                    ..Pass::of(cell, repetition, ms * noise)
                });
            }
        }
    }
}

/// Runs that end, or don't, by the width of their intervals.
fn by_width() -> Vec<(String, Journal)> {
    let of = |name: &str, width: Option<f64>, wider: u32, stopped_by| {
        let mut journal = run(&[(cell("pillow"), 100.0), (cell("rust"), 50.0)], 10);
        started(&mut journal).until = Some(Until {
            metric: StoppingMetric::Turnaround,
            ci_half_width: 0.1,
            min: 10,
            max: 60,
        });
        let id = cell("pillow").id();
        journal.events.push(Event::Looked(Look {
            at: "2026-11-24T18:30:00.000Z".into(),
            repetitions: 10,
            samples: 2,
            wider,
            widest: width,
            cell_id: Some(id),
            stage: None,
            excused: Vec::new(),
            stopped_by,
        }));
        (format!("until-{name}"), journal)
    };
    vec![
        of("hair", Some(0.100_2), 1, Some(StoppedBy::Max)),
        of(
            "hairs-breadth",
            Some(0.100_000_000_1),
            2,
            Some(StoppedBy::Max),
        ),
        of("narrow", Some(0.099_99), 0, Some(StoppedBy::CiHalfWidth)),
        of("exact", Some(0.1), 0, Some(StoppedBy::CiHalfWidth)),
        of("unknown", None, 1, None),
        of("none", None, 0, Some(StoppedBy::NoSample)),
    ]
}

fn journals() -> Vec<(String, Journal)> {
    let (pillow, rust) = ((cell("pillow"), 100.0), (cell("rust"), 50.0));
    let cold = (
        Cell {
            start: Start::Cold,
            ..cell("pillow")
        },
        300.0,
    );
    let pair = [pillow.clone(), rust.clone()];
    let mut sessions = run(&pair, 6);
    sessions
        .reconciled("a", 5.0, None)
        .stop("interrupted")
        .resume();
    measure(&mut sessions, &pair, 12);
    sessions
        .reconciled("a", 5.0, Some(5.0))
        .end()
        .supersede(&rust.0);
    measure(&mut sessions, &pair[1..], 12);
    sessions.end();
    let mut differing = run(&pair, 6);
    differing
        .reconciled("a", 5.0, Some(6.0))
        .reconciled("b", 4.0, None)
        .end();
    let mut sequential = run(&pair, 12);
    started(&mut sequential).order = "sequential".into();
    let mut nothing = Journal::of(&[pillow.0.clone(), rust.0.clone()]);
    nothing.stop("interrupted");
    let mut failing = run(&pair, 3);
    failing
        .pass(&Pass {
            status: [Status::Ok, Status::Timeout],
            ..Pass::of(&pillow.0, 4, 50.0)
        })
        .end();
    let mut wrong = run(&pair, 12);
    wrong
        .check(&Pass::of(&pillow.0, 1, 1.0), 1, Some("blank"))
        .end();
    let samples = [
        "gpt-s1", "gpt-s2", "gpt-s3", "opus-s1", "opus-s2", "opus-s3",
    ];
    let samples: Vec<(Cell, f64)> = samples
        .iter()
        .zip([100.0, 100.0, 100.0, 210.0, 200.0, 205.0])
        .map(|(s, ms)| (cell(s), ms))
        .collect();
    let mut models = run(&samples, 12);
    for (planned, number) in started(&mut models).cells.iter_mut().zip(1..) {
        planned.model = planned.cell.variant.split('-').next().map(str::to_owned);
        planned.sample = Some(number);
    }
    let named = [
        ("everything", everything()),
        ("sessions", sessions),
        ("differing", differing),
        ("sequential", sequential),
        ("nothing", nothing),
        ("failing", failing),
        ("wrong", wrong),
        ("models", models),
        ("starts", run(&[pillow.clone(), rust, cold], 12)),
        ("once", run(&[pillow], 1)),
    ];
    named
        .into_iter()
        .map(|(name, journal)| (name.to_owned(), journal))
        .chain(by_width())
        .collect()
}

/// What a page says, without its markup, scripts and data.
fn words(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text += &rest[..start];
        text.push('\n');
        let skipped = ["<style", "<script", "<svg"]
            .iter()
            .find(|tag| rest[start..].starts_with(**tag));
        let end = skipped
            .and_then(|tag| {
                rest[start..]
                    .find(&format!("</{}", &tag[1..]))
                    .map(|at| start + at)
            })
            .unwrap_or(start);
        rest = rest[end..].find('>').map_or("", |at| &rest[end + at + 1..]);
    }
    for (entity, letter) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    text + rest
}

/// Makes the tables and the page of a run in `folder`, and returns all that they say.
fn said(project: &Project, folder: &str) -> String {
    let told = project.darkroom(&["aggregate", folder]).told();
    let page = std::fs::read_to_string(project.root().join(folder).join("report.html")).unwrap();
    // What can't be gone on with says so, of the same run.
    let resumed = project.darkroom(&["resume", folder]).told();
    format!("\n{told}\n{}\n{resumed}", words(&page))
}

#[test]
fn no_text_of_a_fixture_run_contradicts_itself() {
    let project = Project::new();
    let mut folders = Vec::new();
    for (name, journal) in journals() {
        let lines: Vec<String> = journal
            .events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        project.write(
            &format!("outputs/{name}/run/journal.ndjson"),
            lines.join("\n") + "\n",
        );
        folders.push(format!("outputs/{name}/run"));
    }
    for fixture in ["journal-1", "journal-2"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/fixtures")
            .join(fixture);
        project.copy_to(&from, &format!("outputs/{fixture}/run"));
        folders.push(format!("outputs/{fixture}/run"));
    }
    let rows: Vec<String> = (10..20)
        .flat_map(|ms| [format!("a,one,{ms}"), format!("b,one,{}", 2 * ms)])
        .collect();
    project.write("rows.csv", format!("who,what,ms\n{}\n", rows.join("\n")));
    project.write("map.toml", MAP);
    project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(0);
    folders.push("outputs/old/latest".to_owned());
    let mut all = Vec::new();
    for folder in &folders {
        let said = said(&project, folder);
        assert!(said.len() > 1_000, "{folder}: {said}");
        all.extend(
            found(&said)
                .into_iter()
                .map(|what| format!("{folder}: {what}")),
        );
    }
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    for name in ["smoke", "full", "aws-first", "payload"] {
        let path = manifests.join(format!("{name}.toml"));
        for target in ["local", "aws"] {
            let plan = project
                .darkroom(&["plan", path.to_str().unwrap(), "--target", target])
                .exits(0)
                .told();
            assert!(plan.contains("in all "), "{name}: {plan}");
            all.extend(
                found(&plan)
                    .into_iter()
                    .map(|what| format!("plan of {name}: {what}")),
            );
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_run_that_was_stopped_at_once_shows_no_table_of_dashes() {
    let project = Project::new();
    let (_, journal) = journals()
        .into_iter()
        .find(|(name, _)| name == "nothing")
        .unwrap();
    let lines: Vec<String> = journal
        .events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    project.write(
        "outputs/nothing/run/journal.ndjson",
        lines.join("\n") + "\n",
    );
    let answer = project
        .darkroom(&["aggregate", "outputs/nothing/run"])
        .exits(1);
    let (shown, told) = (answer.stdout(), answer.stderr());
    assert!(
        shown.contains("No repetition was completed, so there are no numbers to show."),
        "{shown}"
    );
    assert!(!shown.contains('–') && !shown.contains("$/100k"), "{shown}");
    assert!(
        told.contains("INCOMPLETE no cell has a finished pass (2 cells)"),
        "{told}"
    );
    assert_eq!(told.matches("INCOMPLETE").count(), 1, "{told}");
}

#[test]
fn the_terminal_shows_warm_ups_what_passes_are_made_of_and_the_dollars_of_s3() {
    let project = Project::new();
    let mut journal = run(&[(cell("pillow"), 100.0), (cell("rust"), 50.0)], 2);
    journal.pass(&Pass {
        warm_up: true,
        ..Pass::of(&cell("pillow"), 1, 150.0)
    });
    journal.pass(&Pass {
        warm_up: true,
        probe: true,
        ..Pass::of(&cell("pillow"), 1, 150.0)
    });
    journal.events.push(Event::Spent {
        at: "2026-11-24T18:30:00.000Z".into(),
        usd: 0.012_34,
        invocations: 18,
    });
    journal.stop("interrupted");
    let lines: Vec<String> = journal
        .events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    project.write("outputs/short/run/journal.ndjson", lines.join("\n") + "\n");
    let answer = project
        .darkroom(&["aggregate", "outputs/short/run"])
        .exits(1);
    let (shown, told) = (answer.stdout(), answer.stderr());
    assert!(
        told.contains("4 of 6 passes done (3 repetitions x 2 images)"),
        "{told}"
    );
    for said in [
        "S3 $/100k",
        "not in the statistics: 2 invocations of warm-ups",
        "not in the statistics: 2 invocations of probes",
        "Would cost on AWS: $0.0123 (compute and S3 requests of 18 invocations, including warm-ups, probes and repeated attempts).",
    ] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    assert_eq!(
        shown.matches("ould cost on AWS").count(),
        1,
        "once, at the end"
    );
    let turnaround = shown
        .lines()
        .find(|line| line.contains("turnaround s"))
        .unwrap();
    assert_eq!(
        turnaround.split_whitespace().count(),
        11,
        "compute and S3: {turnaround}"
    );
}
