//! What snapshots of environments cost (Lambda SnapStart of Python): how many are taken and
//! restored × a price table → USD.
//!
//! A snapshot is cached for as long as its version exists, and charged by the function's memory; so
//! is each restore. Knows neither who publishes versions nor when they are removed.

use serde::Serialize;

use crate::cost::PriceTable;

/// The least that a snapshot is charged to be cached, s. Source: AWS's Lambda pricing page,
/// "SnapStart pricing", as quoted in public pages: a minimum of 3 hours.
pub const LEAST_CACHED_S: f64 = 10_800.0;

/// Snapshots and restores, with the memory of their functions, GB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Snapshots {
    pub taken: u64,
    pub taken_gb: f64,
    pub restores: u64,
    pub restored_gb: f64,
}

impl Snapshots {
    /// Counts `times` snapshots of functions of this size.
    pub fn take(&mut self, memory_mb: u32, times: u64) {
        self.taken += times;
        self.taken_gb += gb(memory_mb) * times as f64;
    }

    /// Counts `times` restores of environments of this size.
    pub fn restore(&mut self, memory_mb: u32, times: u64) {
        self.restores += times;
        self.restored_gb += gb(memory_mb) * times as f64;
    }

    /// Returns the least that the snapshots cost to be cached, and the restores, USD; `None` where
    /// there are some and the table has no price of them.
    pub fn usd(&self, prices: &PriceTable) -> Option<f64> {
        if self.taken == 0 && self.restores == 0 {
            return Some(0.0);
        }
        let snapstart = prices.lambda.snapstart.as_ref()?;
        let cached = self.taken_gb * LEAST_CACHED_S * snapstart.cache_gb_second.usd;
        Some(cached + self.restored_gb * snapstart.restore_gb.usd)
    }
}

fn gb(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::tests::prices;

    #[test]
    fn snapshots_are_charged_three_hours_of_their_memory_and_restores_once() {
        let mut some = Snapshots::default();
        some.take(512, 4);
        some.restore(512, 10);
        // 2 GB × 10,800 s × $0.0000015046 and 5 GB × $0.0001397998.
        let usd = some.usd(&prices()).unwrap();
        assert!((usd - (0.032_499_36 + 0.000_698_999)).abs() < 1e-9, "{usd}");
    }

    #[test]
    fn what_has_no_price_is_not_free_and_nothing_costs_nothing() {
        let mut without = prices();
        without.lambda.snapstart = None;
        let mut some = Snapshots::default();
        assert_eq!(some.usd(&without), Some(0.0));
        some.restore(128, 1);
        assert_eq!(some.usd(&without), None);
    }
}
