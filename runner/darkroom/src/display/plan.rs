//! A plan as a page for people.

use darkroom_core::besides::{LOG_BYTES, LOOKS, METRICS};
use darkroom_core::capability::NEW_ACCOUNT_MEMORY_MB;
use darkroom_core::cell::Trigger;
use darkroom_core::cost::{OF_A_PLAN, PriceTable};
use darkroom_core::estimate::Effort;
use darkroom_core::event::PlannedCell;
use darkroom_core::manifest::{Cloud, Manifest, Order, Repetitions, StoppingMetric, Until};
use darkroom_core::plan::{Expected, Summary};
use darkroom_core::schedule::FEWEST_PASSES;
use darkroom_core::schedule::lanes::{LaneBound, LaneCount, NEW_ACCOUNT_CONCURRENCY, Span};
use darkroom_core::snapshots::{LEAST_CACHED_S, Snapshots};
use darkroom_core::statistics::LOOK_EVERY;

use serde::Serialize;

use super::numbers::{count, thousands};

/// Everything a plan has to say but the cells themselves.
pub struct Page<'a> {
    pub manifest: &'a Manifest,
    /// As in [`darkroom_core::capability::Capability::name`].
    pub target: &'a str,
    pub prices: Option<&'a PriceTable>,
    pub summary: Summary,
    pub expected: Option<Expected>,
    /// Of a run that may stop before its end.
    pub shortest: Option<Shortest>,
    /// What models are still to be asked, in words.
    pub generate: Option<String>,
}

/// What a run takes that stops at its first look.
#[derive(Serialize)]
pub struct Shortest {
    #[serde(flatten)]
    pub summary: Summary,
    pub expected: Option<Expected>,
}

impl Page<'_> {
    /// Returns the cells, one a line, each with what keeps it from running.
    pub fn cells(&self, cells: impl Iterator<Item = PlannedCell>) -> impl Iterator<Item = String> {
        let line = |cell: PlannedCell| match cell.not_runnable {
            None => cell.id.to_string(),
            Some(reason) => format!("{}  not runnable: {reason}", cell.id),
        };
        cells.map(line).chain([String::new()])
    }

    /// Returns the totals.
    pub fn totals(&self) -> String {
        let Summary {
            cells,
            runnable,
            not_runnable,
            functions,
            passes,
            warm_up_passes,
            probes,
            invocations,
            short_of_cores,
            at_most,
            at_most_on_lanes: _,
            besides: _,
        } = &self.summary;
        let Manifest {
            experiment,
            repetitions,
            schedule,
            budget,
            ..
        } = self.manifest;
        let missing = self.generate.iter();
        let mut rows: Vec<(&str, String)> =
            missing.map(|what| ("not made", what.clone())).collect();
        rows.push((
            "cells",
            format!(
                "{}, {} of them runnable on {}",
                thousands(*cells),
                thousands(*runnable),
                self.target
            ),
        ));
        rows.extend(
            not_runnable
                .iter()
                .map(|not| ("", format!("{} not: {}", thousands(not.cells), not.reason))),
        );
        let order = match schedule.order {
            Order::Interleaved => format!("in random order from seed {}", experiment.seed),
            Order::Sequential => "cell by cell".to_owned(),
        };
        let times = match &repetitions.until {
            Some(until) => format!(
                "{} to {} of every image",
                until.min,
                count(u64::from(until.max), "repetition")
            ),
            None => format!(
                "{} of every image",
                count(u64::from(repetitions.count), "repetition")
            ),
        };
        // The least that an open-ended run takes, and the most.
        let range = |most: u64, of: fn(&Summary) -> u64| match self
            .shortest
            .as_ref()
            .map(|it| of(&it.summary))
        {
            Some(least) if least < most => format!("{} to {}", thousands(least), thousands(most)),
            _ => thousands(most),
        };
        let renewed = repetitions.renew_environments_every.map(|every| {
            format!(
                "; environments are renewed every {}",
                count(u64::from(every), "repetition")
            )
        });
        let renewed = renewed.unwrap_or_default();
        let deployed = count(u64::from(repetitions.deployments), "deployment");
        rows.extend([
            ("functions", format!("{} to deploy", thousands(*functions))),
            (
                "passes",
                format!(
                    "{}: {times} in {deployed} of each cell, {order}",
                    range(*passes, |s| s.passes)
                ),
            ),
            (
                "warm-ups",
                format!(
                    "{}, not counted{renewed}",
                    range(*warm_up_passes, |s| s.warm_up_passes)
                ),
            ),
            (
                "probes",
                probed(&self.summary, repetitions, &range(*probes, |s| s.probes)),
            ),
            (
                "invocations",
                format!(
                    "{}, including warm-ups and probes",
                    range(*invocations, |s| s.invocations)
                ),
            ),
        ]);
        rows.extend(repetitions.until.map(|until| ("until", looked_for(&until))));
        if !short_of_cores.is_empty() {
            let sizes: Vec<String> = short_of_cores.iter().map(u32::to_string).collect();
            let what = "should get more CPU than this machine has: slower here than on AWS";
            rows.push(("short", format!("{} MB {what}", sizes.join(", "))));
        }
        rows.extend(self.refused_by_new_accounts().map(|what| ("memory", what)));
        rows.extend(self.expectation());
        rows.push((
            "at most",
            format!(
                "{}, if every invocation took its stage's whole timeout; without repeated \
                 attempts{}",
                spelt(at_most),
                self.without_waits()
            ),
        ));
        rows.extend(self.on_lanes());
        rows.extend(self.besides());
        rows.push(("prices", self.prices()));
        if budget.usd.is_some() || budget.minutes.is_some() {
            let usd = budget.usd.map(|usd| format!("${usd:.2}"));
            let minutes = budget.minutes.map(|minutes| format!("{minutes} min"));
            let limits = usd
                .into_iter()
                .chain(minutes)
                .collect::<Vec<_>>()
                .join(", ");
            rows.push((
                "budget",
                format!("{limits}: the run stops there; resume it with a larger budget"),
            ));
        }
        if let Some(warning) = self.beyond_budget() {
            rows.push(("", warning));
        }
        let lines: Vec<String> = rows
            .iter()
            .map(|(name, text)| format!("{name:<12} {text}"))
            .collect();
        lines.join("\n") + "\n"
    }

    /// Says which memory sizes an account may not have on AWS.
    fn refused_by_new_accounts(&self) -> Option<String> {
        let Manifest { matrix, target, .. } = self.manifest;
        let asked = matrix
            .memory_mb
            .iter()
            .copied()
            .chain(matrix.include.iter().filter_map(|cell| cell.memory_mb));
        let mut sizes: Vec<u32> = asked.filter(|size| *size > NEW_ACCOUNT_MEMORY_MB).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
        (target.cloud == Cloud::Aws && !sizes.is_empty()).then(|| {
            format!(
                "{} MB: new accounts refuse more than {NEW_ACCOUNT_MEMORY_MB} MB, and AWS has no \
                 call that tells",
                sizes.join(", ")
            )
        })
    }

    /// What the run costs beside its functions' time, and all of it together.
    fn besides(&self) -> Vec<(&'static str, String)> {
        let Summary {
            functions,
            at_most,
            besides,
            ..
        } = &self.summary;
        let no_price = || "price unknown".to_owned();
        let usd = |usd: Option<f64>, before: &str| {
            usd.map_or_else(no_price, |usd| format!("{before}{}", dollars(usd)))
        };
        let chain = if self.is_polled() {
            ", about: Darkroom polls for each pass of an S3 chain"
        } else {
            ""
        };
        let waiting = match self.manifest.target.cloud {
            Cloud::Aws => "; waiting for them takes 1 to 5 minutes per session",
            Cloud::Local => "",
        };
        let mut rows = vec![
            (
                "S3",
                format!(
                    "{}: {} PUTs and {} GETs and HEADs, by the handlers and by Darkroom{chain}",
                    usd(besides.s3_usd, ""),
                    thousands(besides.s3_puts as u64),
                    thousands(besides.s3_gets as u64)
                ),
            ),
            (
                "logs",
                format!(
                    "{}: {} ingested, {LOG_BYTES} bytes per invocation; what handlers print \
                     comes on top",
                    usd(besides.logs_usd, "about "),
                    size(besides.log_bytes)
                ),
            ),
            (
                "metrics",
                format!(
                    "{}: {} requested from CloudWatch ({}, {METRICS} each, {LOOKS} looks){waiting}",
                    usd(besides.metrics_usd, "at most "),
                    thousands(besides.metrics),
                    count(*functions, "function")
                ),
            ),
        ];
        let snapshots = &besides.snapshots;
        if snapshots.taken > 0 {
            rows.push((
                "SnapStart",
                self.snapshots(&usd(besides.snapshots_usd, "at least ")),
            ));
        }
        if let Some(compute) = at_most.usd {
            let (beside, unknown) = besides.usd();
            let kept = (snapshots.taken > 0).then_some("snapshots kept for over 3 hours");
            let apart: Vec<&str> = unknown
                .into_iter()
                .chain(kept)
                .chain(["data transfer"])
                .collect();
            rows.push((
                "in all",
                format!(
                    "at most {}; without {}",
                    dollars(compute + beside),
                    apart.join(", ")
                ),
            ));
        }
        rows
    }

    /// Says what the time of invocations leaves out.
    fn without_waits(&self) -> &'static str {
        if self.summary.besides.snapshots.taken > 0 {
            ", and without the waits for snapshots"
        } else {
            ""
        }
    }

    /// What snapshots cost, and the time that they take.
    fn snapshots(&self, usd: &str) -> String {
        let Snapshots {
            taken, restores, ..
        } = self.summary.besides.snapshots;
        let hours = LEAST_CACHED_S / 3600.0;
        format!(
            "{usd}: {}, each cached for {hours} hours or longer, and {}; AWS takes minutes for each \
             new snapshot, and a cold pass waits for those of all its functions",
            count(taken, "snapshot"),
            count(restores, "restore")
        )
    }

    /// Whether any pass is started by an upload, whose end is looked for.
    fn is_polled(&self) -> bool {
        let Manifest { matrix, .. } = self.manifest;
        matrix.trigger.contains(&Trigger::S3)
            || matrix
                .include
                .iter()
                .any(|cell| cell.trigger == Some(Trigger::S3))
    }

    fn expectation(&self) -> Option<(&'static str, String)> {
        let Expected {
            run_id,
            target,
            cells,
            effort,
            on_lanes: _,
        } = self.expected.as_ref()?;
        let least = self.shortest.as_ref().and_then(|it| it.expected.as_ref());
        let least = least.map_or_else(String::new, |least| format!("{} to ", spelt(&least.effort)));
        let share = if *cells == self.summary.runnable {
            String::new()
        } else {
            format!(
                " for {} of the {} runnable cells",
                thousands(*cells),
                thousands(self.summary.runnable)
            )
        };
        let elsewhere = match (self.manifest.target.cloud, target.as_str()) {
            (Cloud::Aws, "local") => " in the local cloud, not in AWS",
            (Cloud::Local, "aws") => " in AWS, not on this machine",
            _ => "",
        };
        Some((
            "expected",
            format!(
                "{least}{}{share}, as fast as in run {run_id}{elsewhere}",
                spelt(effort)
            ),
        ))
    }

    /// How long it is when several passes are under way, and what bounds that.
    fn on_lanes(&self) -> Option<(&'static str, String)> {
        let expected = self.expected.as_ref().map(|it| &it.on_lanes);
        let at_most = if expected.is_some() { "" } else { "at most " };
        let (first, more) = expected
            .unwrap_or(&self.summary.at_most_on_lanes)
            .split_first()?;
        let spelt = |span: &Span| {
            let (time, lanes) = (duration(span.seconds), span.lanes);
            let bound = match span.account {
                Some(NEW_ACCOUNT_CONCURRENCY) if span.bound == LaneBound::Account => format!(
                    "bounded by the {NEW_ACCOUNT_CONCURRENCY} concurrent executions of a new \
                     account (run `darkroom doctor --target aws` to see yours)"
                ),
                account => why(span.bound, account),
            };
            format!("{at_most}{time} on {lanes} lanes, {bound}")
        };
        let with_more = more
            .iter()
            .map(|span| format!("ask AWS for more: {}", spelt(span)));
        let spans: Vec<String> = std::iter::once(spelt(first)).chain(with_more).collect();
        Some(("lanes", spans.join("; ")))
    }

    /// Says that a run would not come to its end, where that is expected.
    fn beyond_budget(&self) -> Option<String> {
        let Expected {
            effort, on_lanes, ..
        } = self.expected.as_ref()?;
        let budget = &self.manifest.budget;
        let usd = budget
            .usd
            .filter(|limit| effort.usd.is_some_and(|usd| usd > *limit));
        let needed_min = of_a_new_account_s(effort.seconds, on_lanes) / 60.0;
        let minutes = budget.minutes.filter(|limit| needed_min > *limit);
        let is_enough = |limit: f64| on_lanes.iter().any(|span| span.seconds / 60.0 <= limit);
        let place = if usd.is_none() && minutes.is_some_and(is_enough) {
            " in a new account"
        } else {
            ""
        };
        let what = match (usd, minutes) {
            (Some(_), _) => "budget.usd",
            (None, Some(_)) => "budget.minutes",
            (None, None) => return None,
        };
        Some(format!(
            "too small{place}: the run will stop when {what} is used up; raise it, or resume later \
             with more"
        ))
    }

    fn prices(&self) -> String {
        let region = &self.manifest.target.region;
        let Some(prices) = self.prices else {
            return format!(
                "unknown for {region}: experiments/prices/{region}.toml does not exist"
            );
        };
        let what = format!(
            "AWS's prices in {region}, read on {}; experiments/prices/{region}.toml lists the \
             sources",
            prices.date
        );
        let what = match prices.unconfirmed(OF_A_PLAN) {
            Some(keys) => format!("{what}. Unconfirmed: {keys}"),
            None => what,
        };
        match self.manifest.target.cloud {
            Cloud::Local => format!("{what}. The local cloud bills nothing"),
            Cloud::Aws => what,
        }
    }
}

/// Returns how long a run takes where nobody knows the account: as in a new one, which may have so
/// few lanes that it is one pass after another.
fn of_a_new_account_s(one_by_one_s: f64, on_lanes: &[Span]) -> f64 {
    on_lanes
        .first()
        .filter(|span| span.account.is_none_or(|it| it == NEW_ACCOUNT_CONCURRENCY))
        .map_or(one_by_one_s, |span| span.seconds)
}

/// How many lanes a session has, and why no more.
pub fn lanes(count: LaneCount, account: Option<u32>) -> String {
    let LaneCount { lanes, bound } = count;
    format!("up to {lanes} lanes, {}", why(bound, account))
}

fn why(bound: LaneBound, account: Option<u32>) -> String {
    match bound {
        LaneBound::Asked => "as schedule.lanes says".to_owned(),
        LaneBound::Deployments => "one for each deployment".to_owned(),
        LaneBound::Account => {
            let executions = u64::from(account.unwrap_or_default());
            format!(
                "bounded by the account's {}",
                count(executions, "concurrent execution")
            )
        }
        LaneBound::Runner => "as many as auto uses".to_owned(),
        LaneBound::Slowest => {
            "bounded by the slowest functions: they make one pass at a time".to_owned()
        }
        LaneBound::Logs => {
            "bounded by CloudWatch Logs: each pass that S3 starts reads the logs of \
                            its functions, and Darkroom reads four logs a second at most"
                .to_owned()
        }
        LaneBound::ControlPlane => "bounded by Lambda's control plane: each cold pass changes its \
                                    functions, and AWS takes 15 such calls a second"
            .to_owned(),
    }
}

/// What a run waits for before it stops.
fn looked_for(until: &Until) -> String {
    let (of, share) = (until.metric.as_str(), until.ci_half_width * 100.0);
    let each = match until.metric {
        StoppingMetric::Turnaround => "every cell",
        StoppingMetric::Duration => "every stage of every cell",
    };
    format!(
        "the 95% interval of the mean {of} of {each} is within ±{share}%; checked after {} \
         repetitions and every {LOOK_EVERY} after",
        until.min
    )
}

/// Two digits or three: `143 kB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

pub fn spelt(effort: &Effort) -> String {
    let time = duration(effort.seconds);
    effort.usd.map_or_else(
        || time.clone(),
        |usd| format!("{time} and {}", dollars(usd)),
    )
}

/// Two units at most, rounded up to the second: `4 h 2 min`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let parts = match (days, hours, minutes) {
        (0, 0, 0) => [(seconds, "s"), (0, "")],
        (0, 0, _) => [(minutes, "min"), (seconds % 60, "s")],
        (0, _, _) => [(hours, "h"), (minutes % 60, "min")],
        _ => [(days, "d"), (hours % 24, "h")],
    };
    let said: Vec<String> = parts
        .iter()
        .enumerate()
        .filter(|(index, (number, unit))| !unit.is_empty() && (*index == 0 || *number > 0))
        .map(|(_, (number, unit))| format!("{} {unit}", thousands(*number)))
        .collect();
    said.join(" ")
}

/// Cents, or three significant digits where cents would say nothing.
pub fn dollars(usd: f64) -> String {
    if usd == 0.0 || usd >= 0.1 {
        format!("${usd:.2}")
    } else {
        format!("${}", significant(usd))
    }
}

fn significant(usd: f64) -> String {
    let decimals = (2.0 - usd.log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{usd:.decimals$}")
}

/// Says how many passes have pixels of their own and what share of the run they take, or why none
/// has.
fn probed(summary: &Summary, repetitions: &Repetitions, told: &str) -> String {
    let all = summary.passes + summary.warm_up_passes + summary.probes;
    let share = summary.probes as f64 / all.max(1) as f64 * 100.0;
    match summary.probes {
        _ if repetitions.vary_inputs => "none: every repetition has its own pixels".to_owned(),
        0 => format!(
            "none: a cell needs 2 repetitions and {FEWEST_PASSES} passes to show whether its \
             code remembers outputs"
        ),
        _ => format!(
            "{told} with their own pixels, not counted ({share:.0}% of all passes): they show \
             whether code remembers outputs"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let spelt = [0.0, 0.2, 61.0, 3600.0, 4.0 * 3600.0 + 125.0, 90_000.0].map(duration);
        assert_eq!(
            spelt,
            ["0 s", "1 s", "1 min 1 s", "1 h", "4 h 2 min", "1 d 1 h"]
        );
    }

    #[test]
    fn a_budget_must_do_for_a_new_account() {
        let span = |account, seconds| Span {
            lanes: 8,
            bound: LaneBound::Account,
            account,
            seconds,
        };
        let (new, usual) = (span(Some(10), 800.0), span(Some(1000), 100.0));
        assert!(of_a_new_account_s(6400.0, &[new, usual]) > 799.0);
        assert!(
            of_a_new_account_s(6400.0, &[usual]) > 6399.0,
            "a new account has one lane"
        );
        assert!(of_a_new_account_s(6400.0, &[span(None, 800.0)]) < 801.0);
        assert!(of_a_new_account_s(6400.0, &[]) > 6399.0);
    }

    #[test]
    fn small_costs_keep_their_digits() {
        assert_eq!(
            [0.0, 12.345, 0.001_234_5, 0.056_78].map(dollars),
            ["$0.00", "$12.35", "$0.00123", "$0.0568"]
        );
    }
}
