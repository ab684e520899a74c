//! Finds a stage that one upload starts again and again, from the logs; stops it, names it, and
//! cleans up.
//!
//! A stage is started again by an object under its trigger, and only the chain's own handlers write
//! there. AWS stops such a loop after about 16 runs. If it does not (`RecursiveLoop=Allow`, a
//! handler that sends no trace header), Darkroom does, as AWS advises: it sets the reserved
//! concurrency to 0, which also drops waiting events. It resets this before the next pass, or the
//! next deployment does.

use std::time::Duration;

use super::log_lines::Logged;
use super::objects::sweep;
use super::{ExecuteError, Function, Setup};
use crate::error_text::error_message;

/// S3 delivers an event at least once, and seldom more than once: a stage that one upload starts
/// more often is no accident.
const MOST_DELIVERIES: usize = 4;
/// Runs after which AWS stops a loop, or about as many.
const STOPPED_AT: usize = 16;
/// Runs that no loop reaches that the platform stops.
pub const UNSTOPPED: usize = 24;
/// Share of the patience with logs for which a suspected loop must rest to count as over: a run may
/// have to wait for a cold start.
const REST: u32 = 6;

/// A stage that was started more often than deliveries explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Index of the stage.
    pub stage: usize,
    /// How often it ran for one upload.
    pub runs: usize,
    writer: Writer,
}

/// Who writes under the trigger of the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Itself,
    /// Index of the stage.
    Another(usize),
    /// The stage before, under its own prefix: several objects, each of which starts the stage.
    Before,
    /// No witness: it, or a stage after it.
    NotKnown,
}

impl Loop {
    /// Returns what happened in words, and what to do.
    pub fn in_words(&self, stages: &[&str]) -> String {
        let stage = stages[self.stage];
        // On a busy machine Darkroom gives up waiting before the platform has stopped it.
        let least = if self.runs < STOPPED_AT {
            "at least "
        } else {
            ""
        };
        let runs = format!("{least}{}", self.runs);
        let what = match self.writer {
            Writer::Itself => format!("{stage} wrote to its own trigger {runs} times"),
            Writer::Another(other) => format!(
                "{} wrote to the trigger of {stage} {runs} times",
                stages[other]
            ),
            Writer::Before | Writer::NotKnown => {
                format!(
                    "one upload started {stage} {runs} times: it, or a stage after it, writes to its trigger"
                )
            }
        };
        if self.writer == Writer::Before {
            let before = stages[self.stage.saturating_sub(1)];
            return format!(
                "one upload started {stage} {runs} times: each object that {before} writes under its OUTPUT_PREFIX starts {stage}. Write \
                 one object for each image"
            );
        }
        let whose = if self.runs > UNSTOPPED {
            "; Darkroom stopped it"
        } else {
            ""
        };
        format!("{what}{whose}. Write to OUTPUT_PREFIX only.")
    }
}

/// Returns how long a suspected loop must rest to count as over.
pub fn quiet(setup: &Setup) -> Duration {
    setup.patience.logs / REST
}

/// Returns whether a further run may be on its way that no log shows yet: a stage ran more than
/// once, or a handler was seen writing to a trigger.
pub fn may_go_on(logged: &[Vec<Logged>], triggers: &[Option<&str>]) -> bool {
    let wrote = |run: &Logged| {
        triggers
            .iter()
            .flatten()
            .any(|trigger| wrote_to(run, trigger))
    };
    logged
        .iter()
        .any(|runs| runs.len() > 1 || runs.iter().any(wrote))
}

/// Returns whether a run must still come: a stage has run less often than its trigger was seen
/// written to, its own delivery included. Of one that ran too often already nothing is owed: the
/// platform drops what follows.
pub fn owes(logged: &[Vec<Logged>], triggers: &[Option<&str>]) -> bool {
    logged.iter().zip(triggers).any(|(runs, trigger)| {
        let Some(trigger) = trigger else { return false };
        let writes = logged
            .iter()
            .flatten()
            .filter(|run| wrote_to(run, trigger))
            .count();
        writes > 0 && runs.len() <= writes && runs.len() <= MOST_DELIVERIES
    })
}

fn wrote_to(run: &Logged, trigger: &str) -> bool {
    let elsewhere = run
        .profile
        .as_ref()
        .map(|profile| profile.wrote_elsewhere.as_slice())
        .unwrap_or_default();
    elsewhere.iter().any(|key| key.starts_with(trigger))
}

/// Returns the first stage that ran too often; `triggers` are the prefixes that start each stage.
pub fn find(logged: &[Vec<Logged>], triggers: &[Option<&str>]) -> Option<Loop> {
    let is_loop = |stage: &usize| {
        let runs = logged[*stage].len();
        let explained = runs <= UNSTOPPED && fans_out(logged, *stage, triggers[*stage]);
        runs > MOST_DELIVERIES && !explained
    };
    let stage = (0..logged.len().min(triggers.len())).find(is_loop)?;
    Some(Loop {
        stage,
        runs: logged[stage].len(),
        writer: writer(logged, stage, triggers.get(stage).copied().flatten()),
    })
}

/// Returns whether a stage ran often because the stage before wrote several objects under its own
/// prefix, which it may: every run was watched, and none was seen writing to the stage's trigger.
/// The contract's object is counted once.
fn fans_out(logged: &[Vec<Logged>], stage: usize, trigger: Option<&str>) -> bool {
    let Some(trigger) = trigger.filter(|_| stage > 0) else {
        return false;
    };
    let runs = || logged.iter().flatten();
    runs().all(|run| run.profile.is_some()) && !runs().any(|run| wrote_to(run, trigger))
}

/// Asks the witnesses in the order of what they are worth: a handler that was seen writing there;
/// else that no stage after this one had begun when it was started again.
fn writer(logged: &[Vec<Logged>], stage: usize, trigger: Option<&str>) -> Writer {
    let wrote = |run: &Logged| trigger.is_some_and(|trigger| wrote_to(run, trigger));
    let writes = |stage: &usize| logged[*stage].iter().any(wrote);
    if writes(&stage) {
        return Writer::Itself;
    }
    if let Some(other) = (0..logged.len()).find(writes) {
        return Writer::Another(other);
    }
    if fans_out(logged, stage, trigger) {
        return Writer::Before;
    }
    let again_ms = logged[stage][1].started_ms;
    let later = logged[stage + 1..].iter().flatten();
    if later
        .map(|run| run.started_ms)
        .min()
        .is_none_or(|first_ms| again_ms < first_ms)
    {
        return Writer::Itself;
    }
    Writer::NotKnown
}

/// Lets the stages that ran too often run no more, and drops the events that wait for them. Returns
/// their functions.
///
/// `must` says that the loop still runs: then not being able to stop it ends the session.
pub async fn stop(
    setup: &Setup,
    functions: &[Function],
    logged: &[Vec<Logged>],
    must: bool,
) -> Result<Vec<String>, ExecuteError> {
    let mut stopped = Vec::new();
    for (function, _) in functions
        .iter()
        .zip(logged)
        .filter(|(_, runs)| runs.len() > MOST_DELIVERIES)
    {
        let put = setup
            .control
            .put_function_concurrency()
            .function_name(&function.name);
        match put.reserved_concurrent_executions(0).send().await {
            Ok(_) => stopped.push(function.name.clone()),
            Err(error) if must => {
                return Err(endless(setup, &function.name, error_message(&error)));
            }
            // The loop has come to rest by itself.
            Err(_) => {}
        }
    }
    Ok(stopped)
}

/// Removes whatever the chain has left under its prefixes, and lets its functions run again.
pub async fn clean_up(
    setup: &Setup,
    functions: &[Function],
    stopped: &[String],
) -> Result<(), ExecuteError> {
    let triggers = functions
        .iter()
        .filter_map(|function| function.triggered_by.as_deref());
    for prefix in triggers.chain(
        functions
            .iter()
            .map(|function| function.output_prefix.as_str()),
    ) {
        sweep(setup, prefix).await;
    }
    for function in stopped {
        let removed = setup
            .control
            .delete_function_concurrency()
            .function_name(function)
            .send()
            .await;
        removed.map_err(|error| endless(setup, function, error_message(&error)))?;
    }
    Ok(())
}

fn endless(setup: &Setup, function: &str, reason: String) -> ExecuteError {
    ExecuteError::Loop {
        function: function.to_owned(),
        region: setup.region.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use darkroom_core::event::Profile;

    use super::*;
    use crate::execute::log_lines::only_begun;

    const STAGES: [&str; 3] = ["greyscale", "resize", "convert"];
    const TRIGGERS: [Option<&str>; 3] = [Some("upload/"), Some("g/greyscale/"), Some("g/resize/")];

    /// Runs of one stage that start so many ms after one another.
    fn runs(count: usize, from_ms: i64, apart_ms: i64) -> Vec<Logged> {
        let run =
            |index: i64| only_begun(&format!("{from_ms}-{index}"), from_ms + apart_ms * index);
        (0..).take(count).map(run).collect()
    }

    fn writing(mut runs: Vec<Logged>, key: &str) -> Vec<Logged> {
        for run in &mut runs {
            run.profile = Some(Profile {
                wrote_elsewhere: vec![key.to_owned()],
                ..Profile::default()
            });
        }
        runs
    }

    fn said(logged: &[Vec<Logged>]) -> Option<String> {
        find(logged, &TRIGGERS).map(|found| found.in_words(&STAGES))
    }

    #[test]
    fn a_chain_with_a_delivery_too_many_is_no_loop() {
        assert_eq!(said(&[runs(1, 0, 1), runs(2, 10, 1), runs(4, 20, 1)]), None);
        assert_eq!(said(&[Vec::new(), Vec::new(), Vec::new()]), None);
    }

    #[test]
    fn several_objects_under_ones_own_prefix_are_no_loop() {
        let watched = |count| {
            let mut runs = runs(count, 0, 10);
            for run in &mut runs {
                run.profile = Some(Profile::default());
            }
            runs
        };
        assert_eq!(said(&[watched(1), watched(3), watched(9)]), None);
        assert_eq!(
            said(&[watched(1), watched(5), watched(25)]).unwrap(),
            "one upload started convert 25 times: each object that resize writes under its OUTPUT_PREFIX starts convert. Write one \
             object for each image"
        );
        let first = said(&[watched(9), watched(9), watched(9)]).unwrap();
        assert!(
            first.contains("writes to its trigger"),
            "nobody but the runner writes there: {first}"
        );
        let seen = [
            watched(1),
            watched(1),
            writing(watched(9), "g/resize/a.png"),
        ];
        assert!(
            said(&seen)
                .unwrap()
                .starts_with("convert wrote to its own trigger at least 9 times")
        );
    }

    #[test]
    fn who_was_seen_writing_to_the_trigger_is_named() {
        let own = [
            writing(runs(16, 0, 10), "upload/a.png"),
            runs(16, 5, 10),
            runs(16, 8, 10),
        ];
        assert_eq!(
            said(&own).as_deref(),
            Some("greyscale wrote to its own trigger 16 times. Write to OUTPUT_PREFIX only.")
        );
        let another = [
            runs(16, 0, 10),
            runs(16, 5, 10),
            writing(runs(16, 8, 10), "upload/again.png"),
        ];
        assert_eq!(
            said(&another).as_deref(),
            Some(
                "convert wrote to the trigger of greyscale 16 times. Write to OUTPUT_PREFIX only."
            )
        );
    }

    #[test]
    fn without_a_witness_order_in_time_excludes_what_had_not_begun() {
        let before_any_other = [runs(16, 0, 2), runs(16, 5, 10), runs(16, 8, 10)];
        assert!(
            said(&before_any_other)
                .unwrap()
                .starts_with("greyscale wrote to its own trigger 16 times")
        );
        let last = [runs(1, 0, 1), runs(1, 5, 1), runs(7, 8, 10)];
        assert!(
            said(&last)
                .unwrap()
                .starts_with("convert wrote to its own trigger at least 7 times")
        );
        let undecided = [runs(16, 0, 10), runs(16, 5, 10), runs(16, 8, 10)];
        assert_eq!(
            said(&undecided).unwrap(),
            "one upload started greyscale 16 times: it, or a stage after it, writes to its trigger. Write to \
             OUTPUT_PREFIX only."
        );
    }

    #[test]
    fn what_is_written_elsewhere_but_to_no_trigger_is_no_witness() {
        let logged = [
            writing(runs(16, 0, 10), "notes/a.txt"),
            runs(16, 5, 10),
            runs(16, 8, 10),
        ];
        assert!(
            said(&logged)
                .unwrap()
                .starts_with("one upload started greyscale")
        );
    }

    #[test]
    fn one_run_that_wrote_to_a_trigger_or_a_second_run_is_waited_upon() {
        let usual = [
            runs(1, 0, 1),
            runs(1, 5, 1),
            writing(runs(1, 8, 1), "notes/a.txt"),
        ];
        assert!(!may_go_on(&usual, &TRIGGERS));
        assert!(may_go_on(
            &[runs(1, 0, 1), runs(2, 5, 1), runs(1, 8, 1)],
            &TRIGGERS
        ));
        assert!(may_go_on(
            &[
                runs(1, 0, 1),
                runs(1, 5, 1),
                writing(runs(1, 8, 1), "upload/a.png")
            ],
            &TRIGGERS
        ));
    }

    #[test]
    fn a_write_that_has_started_nothing_yet_is_waited_for_until_it_is_a_loop() {
        let after = |writes: usize, quiet_runs: usize| {
            let mut first = writing(runs(writes, 0, 10), "upload/a.png");
            first.extend(runs(quiet_runs, 500, 10));
            owes(&[first, runs(1, 5, 1), runs(1, 8, 1)], &TRIGGERS)
        };
        assert!(after(1, 0) && after(4, 0));
        assert!(!after(5, 0), "a loop already");
        assert!(!after(1, 1), "marked once, and let be when it came again");
        assert!(!after(0, 2) && !owes(&[runs(1, 0, 1), Vec::new(), Vec::new()], &TRIGGERS));
    }

    #[test]
    fn a_loop_that_nobody_else_stopped_is_said_to_be_stopped_here() {
        let logged = [
            writing(runs(31, 0, 10), "upload/a.png"),
            runs(16, 5, 10),
            runs(16, 8, 10),
        ];
        assert!(
            said(&logged)
                .unwrap()
                .contains("31 times; Darkroom stopped it.")
        );
    }
}
