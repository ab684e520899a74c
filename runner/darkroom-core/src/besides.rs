//! What a run costs besides its functions' time: S3 requests, log lines, metrics. Counts × a price
//! table → USD.
//!
//! Only this file has the rules for counting requests: a plan uses them before a run, a budget
//! during it.

use serde::Serialize;

use crate::cell::{Cell, Input, Trigger};
use crate::cost::{GB_BYTES, Price, PriceTable};
use crate::pipeline::{Pipeline, Stage, Transport};
use crate::snapshots::Snapshots;

/// Log of an invocation, bytes: Lambda's START, END and REPORT and the profile's line, about, as
/// the local cloud writes them. What a handler prints comes on top.
pub const LOG_BYTES: u64 = 1_100;
/// Metrics that are asked for of a function, at each look.
pub const METRICS: u64 = 4;
/// Looks at metrics on AWS, at most: one before a session, and after it one every 20 s from the
/// first minute to the fifth.
pub const LOOKS: u64 = 14;
/// Looks for the end of a chain that S3 starts, about: they come a hundredth of a turnaround apart.
pub const POLLS: f64 = 100.0;

/// Requests to S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Requests {
    /// PUT, COPY, POST and LIST.
    pub puts: f64,
    /// GET and HEAD.
    pub gets: f64,
}

impl Requests {
    pub fn usd(self, prices: &PriceTable) -> f64 {
        self.puts * prices.s3.put.usd + self.gets * prices.s3.get.usd
    }

    pub fn add(&mut self, more: Self, times: f64) {
        self.puts += more.puts * times;
        self.gets += more.gets * times;
    }
}

/// What a handler asks of S3, by its contract.
pub fn of_invocation(pipeline: &Pipeline, stage: &Stage) -> Requests {
    match pipeline.transport {
        Transport::S3 => Requests {
            puts: 1.0,
            gets: 1.0,
        },
        Transport::Payload if pipeline.answers_with_image(stage) => Requests::default(),
        Transport::Payload => Requests {
            puts: 1.0,
            gets: 0.0,
        },
    }
}

/// What the runner itself asks of S3 for a pass: inputs put, outputs looked at and read at most
/// once with what they were made of, and the looks for a chain's end. `input` is `None` of a cell
/// that is not known.
pub fn of_runner(pipeline: &Pipeline, input: Option<Input>, polls: f64) -> Requests {
    let stages = pipeline.stages.len() as f64;
    let puts = match (pipeline.transport, input) {
        (Transport::Payload, _) => 0.0,
        (Transport::S3, Some(Input::Reference)) => stages,
        (Transport::S3, _) => 1.0,
    };
    Requests {
        puts,
        gets: 3.0 * stages + polls,
    }
}

/// All requests of a pass of a cell, before it is made.
pub fn of_pass(pipeline: &Pipeline, cell: &Cell) -> Requests {
    let polls = if cell.trigger == Trigger::S3 {
        POLLS
    } else {
        0.0
    };
    let mut all = of_runner(pipeline, Some(cell.input), polls);
    for stage in &pipeline.stages {
        all.add(of_invocation(pipeline, stage), 1.0);
    }
    all
}

/// What a run asks for beside its functions' time, and what that costs; `None` where the price
/// table has no price of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Besides {
    pub s3_puts: f64,
    pub s3_gets: f64,
    pub s3_usd: Option<f64>,
    pub log_bytes: u64,
    pub logs_usd: Option<f64>,
    /// At most, of one session.
    pub metrics: u64,
    pub metrics_usd: Option<f64>,
    /// Of cells with SnapStart; none without.
    pub snapshots: Snapshots,
    /// At least: each snapshot is cached for as long as its version exists.
    pub snapshots_usd: Option<f64>,
}

impl Besides {
    pub fn new(
        requests: Requests,
        invocations: u64,
        functions: u64,
        snapshots: Snapshots,
        prices: Option<&PriceTable>,
    ) -> Self {
        let (log_bytes, metrics) = (invocations * LOG_BYTES, functions * METRICS * LOOKS);
        let usd = |number: f64, price: fn(&PriceTable) -> Option<&Price>| {
            Some(number * price(prices?)?.usd)
        };
        Self {
            s3_puts: requests.puts,
            s3_gets: requests.gets,
            s3_usd: prices.map(|prices| requests.usd(prices)),
            log_bytes,
            logs_usd: usd(log_bytes as f64 / GB_BYTES, PriceTable::log_ingest),
            metrics,
            metrics_usd: usd(metrics as f64, PriceTable::metric_requested),
            snapshots,
            snapshots_usd: prices.and_then(|prices| snapshots.usd(prices)),
        }
    }

    /// Returns the sum of what has a price, and the names of what has none.
    pub fn usd(&self) -> (f64, Vec<&'static str>) {
        let without = self.snapshots == Snapshots::default();
        let snapshots = if without {
            Some(0.0)
        } else {
            self.snapshots_usd
        };
        let parts = [
            ("S3", self.s3_usd),
            ("logs", self.logs_usd),
            ("metrics", self.metrics_usd),
            ("SnapStart", snapshots),
        ];
        let unknown = parts
            .iter()
            .filter(|(_, usd)| usd.is_none())
            .map(|(name, _)| *name)
            .collect();
        (parts.iter().filter_map(|(_, usd)| *usd).sum(), unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::tests::prices;

    #[test]
    fn what_has_no_price_is_named_and_not_free() {
        let requests = Requests {
            puts: 1_000.0,
            gets: 10_000.0,
        };
        let all = Besides::new(
            requests,
            1_000_000,
            10,
            Snapshots::default(),
            Some(&prices()),
        );
        // $0.005 a thousand PUTs, $0.0004 a thousand GETs; 1.1 GB in GiB at $0.50; 560 metrics at
        // $0.01 a thousand.
        let near = |usd: Option<f64>, expected: f64| {
            assert!((usd.unwrap() - expected).abs() < 1e-9, "{usd:?}");
        };
        near(all.s3_usd, 0.005 + 0.004);
        near(all.logs_usd, 1.1e9 / 1_073_741_824.0 * 0.5);
        near(all.metrics_usd, 0.0056);
        assert_eq!(all.usd().1, [""; 0]);
        let without = PriceTable {
            logs: None,
            metrics: None,
            ..prices()
        };
        let some = Besides::new(
            requests,
            1_000_000,
            10,
            Snapshots::default(),
            Some(&without),
        );
        assert_eq!(
            (some.logs_usd, some.metrics_usd, some.usd().1),
            (None, None, vec!["logs", "metrics"])
        );
        assert!((some.usd().0 - 0.009).abs() < 1e-12);
        assert_eq!(
            Besides::new(requests, 1, 1, Snapshots::default(), None).usd(),
            (0.0, vec!["S3", "logs", "metrics"])
        );
    }
}
