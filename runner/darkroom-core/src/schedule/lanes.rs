//! How many lanes there are, what bounds their number, and how it gives way to throttles.
//!
//! Numbers → numbers. Which pass a lane takes, [`super::queue`] decides.

use serde::Serialize;

use crate::cell::{Start, Trigger};
use crate::manifest::Lanes;

/// Most lanes of `auto`: the runner itself must keep up with them.
pub const MOST_AUTO_LANES: u32 = 64;
/// Invocations that a new account may run at once, and one that says nothing. Source: AWS Lambda
/// developer guide, "Lambda quotas": new accounts have reduced concurrency, 10 as AWS Support and
/// many accounts say.
pub const NEW_ACCOUNT_CONCURRENCY: u32 = 10;
/// Of what an account may run at once, `auto` uses this share, %: the rest is others'.
const SHARE_PERCENT: u32 = 80;

/// All lanes together read logs no faster: CloudWatch Logs answers 5 searches a second, ms.
pub const LOG_READS_APART_MS: u64 = 250;
/// All lanes together call Lambda's control plane no faster: it answers 15 calls a second, ms.
/// Source: AWS Lambda developer guide, "Lambda quotas", API requests.
pub const CONTROL_CALLS_APART_MS: u64 = 80;
/// Reads of each stage's log by a pass that S3 starts, at least: before its upload, after its end,
/// and once more to see that nothing follows.
pub const LOG_READS: u64 = 3;
/// Calls for each function of a cold pass, at least: its configuration is read and changed.
pub const CONTROL_CALLS: u64 = 2;

/// How many lanes a session has at most, and why no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LaneCount {
    pub lanes: u32,
    pub bound: LaneBound,
}

/// What bounds the number of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneBound {
    /// `schedule.lanes` says so.
    Asked,
    /// There are no more deployments whose functions are their own.
    Deployments,
    /// What the account may run at once.
    Account,
    /// [`MOST_AUTO_LANES`].
    Runner,
    /// The slowest functions, whose passes come one after another: more lanes would not help.
    Slowest,
    /// Reads of logs, which all lanes make at one pace.
    Logs,
    /// Calls of Lambda's control plane, which all lanes make at one pace.
    ControlPlane,
}

/// How long a run takes on its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    /// Lanes in use at most.
    pub lanes: u32,
    /// What keeps it from being shorter.
    pub bound: LaneBound,
    /// Concurrent executions that it was computed for; `None` where nothing bounds them.
    pub account: Option<u32>,
    pub seconds: f64,
}

/// What the passes of a run take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// One after another, s.
    pub all_s: f64,
    /// Those of the functions that take longest, one after another, s.
    pub slowest_s: f64,
    /// What all lanes do at one pace.
    pub shared: SharedCalls,
}

/// Calls that keep apart over all lanes, however many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedCalls {
    pub log_reads: u64,
    pub control: u64,
}

impl SharedCalls {
    /// Adds those of passes that call so many functions each.
    pub const fn add(&mut self, trigger: Trigger, start: Start, passes: u64, functions: u64) {
        if matches!(trigger, Trigger::S3) {
            self.log_reads += passes * functions * LOG_READS;
        }
        if matches!(start, Start::Cold) {
            self.control += passes * functions * CONTROL_CALLS;
        }
    }
}

/// Returns how long this takes.
pub fn span(asked: Lanes, limits: LaneLimits, load: Load) -> Span {
    let LaneCount { lanes, bound } = count(asked, limits);
    let shared_s = load.all_s / f64::from(lanes);
    let paced_s = |calls: u64, apart_ms: u64| (calls * apart_ms) as f64 / 1000.0;
    let SharedCalls { log_reads, control } = load.shared;
    let bounds = [
        (load.slowest_s, LaneBound::Slowest),
        (paced_s(log_reads, LOG_READS_APART_MS), LaneBound::Logs),
        (
            paced_s(control, CONTROL_CALLS_APART_MS),
            LaneBound::ControlPlane,
        ),
    ];
    let (least_s, what) = bounds
        .into_iter()
        .fold((0.0, bound), |a, b| if b.0 > a.0 { b } else { a });
    Span {
        lanes,
        // Where all are equally slow, it is their number that bounds.
        bound: if least_s > 1.01 * shared_s {
            what
        } else {
            bound
        },
        account: limits.account,
        seconds: shared_s.max(least_s),
    }
}

/// What bounds the lanes of a run besides what its manifest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Deployments with functions of their own: one pass, or the passes that their cell runs at
    /// once, can be under way in each.
    pub deployments: u32,
    /// The highest concurrency of a cell: so many invocations run in one lane.
    pub concurrency: u32,
    /// Unreserved concurrent executions of the account; `None` where nothing bounds them.
    pub account: Option<u32>,
}

/// Returns how many lanes there are.
pub fn count(asked: Lanes, limits: LaneLimits) -> LaneCount {
    let by_account = limits.account.map(|executions| {
        let share = u64::from(executions) * u64::from(SHARE_PERCENT) / 100;
        share as u32 / limits.concurrency.max(1)
    });
    let auto = [
        by_account.map(|lanes| (lanes, LaneBound::Account)),
        Some((MOST_AUTO_LANES, LaneBound::Runner)),
    ];
    let bounds = match asked {
        Lanes::Fixed(lanes) => [Some((lanes, LaneBound::Asked)), None],
        Lanes::Auto => auto,
    };
    let bounds = bounds
        .into_iter()
        .chain([Some((limits.deployments, LaneBound::Deployments))]);
    let (lanes, bound) = bounds
        .flatten()
        .min_by_key(|(lanes, _)| *lanes)
        .unwrap_or((1, LaneBound::Deployments));
    LaneCount {
        lanes: lanes.max(1),
        bound,
    }
}

/// How many lanes may be busy now.
///
/// A throttle halves the number, and it grows by one again for every round of passes that all went
/// well: others of the account may need what is refused here.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    most: u32,
    now: u32,
    /// Passes that went well since the number last changed.
    well: u32,
}

impl Width {
    pub fn new(most: u32) -> Self {
        let most = most.max(1);
        Self {
            most,
            now: most,
            well: 0,
        }
    }

    /// Returns how many lanes there may ever be.
    pub const fn most(&self) -> u32 {
        self.most
    }

    pub const fn now(&self) -> usize {
        self.now as usize
    }

    pub fn throttled(&mut self) {
        self.well = 0;
        self.now = (self.now / 2).max(1);
    }

    pub fn went_well(&mut self) {
        self.well += 1;
        if self.well >= self.now && self.now < self.most {
            self.now += 1;
            self.well = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: LaneLimits = LaneLimits {
        deployments: 500,
        concurrency: 1,
        account: Some(1000),
    };

    #[test]
    fn auto_is_the_least_of_deployments_a_share_of_the_account_and_64() {
        let auto = |limits| {
            let LaneCount { lanes, bound } = count(Lanes::Auto, limits);
            (lanes, bound)
        };
        assert_eq!(auto(WIDE), (64, LaneBound::Runner));
        let few = LaneLimits {
            deployments: 12,
            ..WIDE
        };
        assert_eq!(auto(few), (12, LaneBound::Deployments));
        let new_account = LaneLimits {
            account: Some(NEW_ACCOUNT_CONCURRENCY),
            ..WIDE
        };
        assert_eq!(auto(new_account), (8, LaneBound::Account));
        let four_each = LaneLimits {
            concurrency: 4,
            ..new_account
        };
        assert_eq!(auto(four_each), (2, LaneBound::Account));
        let full = LaneLimits {
            account: Some(0),
            ..WIDE
        };
        assert_eq!(auto(full), (1, LaneBound::Account), "one at a time always");
    }

    #[test]
    fn a_run_is_as_long_as_its_lanes_share_it_and_no_shorter_than_its_slowest_functions() {
        let new_account = LaneLimits {
            account: Some(10),
            ..WIDE
        };
        let of = |limits| {
            let Span {
                lanes,
                bound,
                seconds,
                ..
            } = span(Lanes::Auto, limits, load(6400.0, 200.0));
            (lanes, bound, seconds)
        };
        assert_eq!(of(new_account), (8, LaneBound::Account, 800.0));
        assert_eq!(of(WIDE), (64, LaneBound::Slowest, 200.0));
        let one = span(Lanes::Fixed(1), WIDE, load(6400.0, 6400.0));
        assert_eq!((one.bound, one.seconds), (LaneBound::Asked, 6400.0));
    }

    fn load(all_s: f64, slowest_s: f64) -> Load {
        Load {
            all_s,
            slowest_s,
            ..Load::default()
        }
    }

    #[test]
    fn what_all_lanes_do_at_one_pace_bounds_them_too() {
        let of = |trigger, start| {
            let mut shared = SharedCalls::default();
            // 2000 passes of five stages, 2 s each, in 500 deployments.
            shared.add(trigger, start, 2000, 5);
            let load = Load {
                shared,
                ..load(4000.0, 8.0)
            };
            let Span { bound, seconds, .. } = span(Lanes::Auto, WIDE, load);
            (bound, seconds)
        };
        assert_eq!(
            of(Trigger::Direct, Start::Warm),
            (LaneBound::Runner, 4000.0 / 64.0)
        );
        // 15 reads a pass, four a second.
        assert_eq!(
            of(Trigger::S3, Start::Warm),
            (LaneBound::Logs, 2000.0 * 15.0 / 4.0)
        );
        // 10 calls a pass, 12.5 a second.
        assert_eq!(
            of(Trigger::Direct, Start::Cold),
            (LaneBound::ControlPlane, 2000.0 * 10.0 / 12.5)
        );
        assert_eq!(of(Trigger::S3, Start::Cold).0, LaneBound::Logs);
    }

    #[test]
    fn a_number_is_taken_as_it_is_up_to_the_deployments() {
        let asked = |lanes, limits| count(Lanes::Fixed(lanes), limits).lanes;
        let new_account = LaneLimits {
            account: Some(10),
            ..WIDE
        };
        assert_eq!(asked(20, new_account), 20);
        let few = LaneLimits {
            deployments: 3,
            ..WIDE
        };
        assert_eq!(asked(20, few), 3);
    }

    #[test]
    fn lanes_give_way_to_throttles_and_come_back() {
        let mut width = Width::new(16);
        (0..10).for_each(|_| width.went_well());
        assert_eq!(width.now(), 16);
        width.throttled();
        width.throttled();
        assert_eq!(width.now(), 4);
        (0..3).for_each(|_| width.went_well());
        assert_eq!(width.now(), 4, "not before a whole round went well");
        width.went_well();
        assert_eq!(width.now(), 5);
        (0..1000).for_each(|_| width.went_well());
        assert_eq!(width.now(), 16);
        (0..10).for_each(|_| width.throttled());
        assert_eq!(width.now(), 1);
    }
}
