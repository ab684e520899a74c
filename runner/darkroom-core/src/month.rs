//! The cost of a month of images: the measured work of one image, times their number, with price
//! tiers.
//!
//! [`crate::cost`] prices what was measured, in the first tier. This answers what-if questions:
//! other volumes, regions, shares of cold starts, the free tier.

use serde::Serialize;

use crate::cell::Architecture;
use crate::cost::{PriceTable, Tier, mix};

/// The work of one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PerImage {
    /// Billed, over all stages.
    pub gb_s: f64,
    /// Invocations.
    pub requests: f64,
    pub s3_puts: f64,
    pub s3_gets: f64,
    /// GB of environments restored from snapshots.
    pub restored_gb: f64,
}

impl PerImage {
    /// Returns the mean work when `cold_share` (0..=1) of the images meet cold starts and the rest
    /// warm ones.
    pub fn mixed(cold: Self, warm: Self, cold_share: f64) -> Self {
        let of = |part: fn(&Self) -> f64| mix(part(&cold), part(&warm), cold_share);
        Self {
            gb_s: of(|w| w.gb_s),
            requests: of(|w| w.requests),
            s3_puts: of(|w| w.s3_puts),
            s3_gets: of(|w| w.s3_gets),
            restored_gb: of(|w| w.restored_gb),
        }
    }
}

/// A month's bill, USD.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Month {
    pub gb_s: f64,
    pub compute_usd: f64,
    pub requests_usd: f64,
    /// Restores of environments from snapshots; keeping the snapshots comes on top. `None` where
    /// there are some and the table has no price of them.
    pub restore_usd: Option<f64>,
    /// Beside the hosting cost: equal for every variant.
    pub s3_usd: f64,
}

impl Month {
    /// Returns the sum; `None` where a part of it has no price.
    pub fn hosting_usd(&self) -> Option<f64> {
        Some(self.compute_usd + self.requests_usd + self.restore_usd?)
    }
}

/// Prices `images` a month, every tier of compute at its own price; the free tier only if asked
/// for.
pub fn month(
    per_image: &PerImage,
    images: f64,
    architecture: Architecture,
    prices: &PriceTable,
    free_tier: bool,
) -> Month {
    let free = &prices.lambda.free_tier;
    let (free_gb_s, free_requests) = if free_tier {
        (free.gb_s as f64, free.requests as f64)
    } else {
        (0.0, 0.0)
    };
    let restored_gb = images * per_image.restored_gb;
    let restore_usd = match prices.snapstart() {
        _ if restored_gb <= 0.0 => Some(0.0),
        snapstart => snapstart.map(|snapstart| restored_gb * snapstart.restore_gb.usd),
    };
    let (gb_s, requests) = (per_image.gb_s * images, per_image.requests * images);
    Month {
        gb_s,
        compute_usd: tiered(prices.tiers(architecture), free_gb_s, gb_s),
        requests_usd: (requests - free_requests).max(0.0) * prices.lambda.request.usd,
        restore_usd,
        s3_usd: images
            * (per_image.s3_puts * prices.s3.put.usd + per_image.s3_gets * prices.s3.get.usd),
    }
}

/// Returns the price of the GB-seconds between `from` and `to`, each at the price of the tier it
/// falls into.
fn tiered(tiers: &[Tier], from: f64, to: f64) -> f64 {
    let mut start = 0.0;
    let mut usd = 0.0;
    for tier in tiers {
        let end = tier.up_to_gb_s.map_or(f64::INFINITY, |end| end as f64);
        usd += (to.min(end) - from.max(start)).max(0.0) * tier.usd;
        start = end;
    }
    usd
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> PriceTable {
        PriceTable::parse(include_str!("../../../experiments/prices/us-east-1.toml")).unwrap()
    }

    /// The five stages of the method's worked cost.
    const WORKED: PerImage = PerImage {
        gb_s: 0.3575,
        requests: 5.0,
        s3_puts: 5.0,
        s3_gets: 5.0,
        restored_gb: 0.0,
    };

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            "found {found}, expected {expected}"
        );
    }

    #[test]
    fn in_the_first_tier_a_month_is_the_worked_cost() {
        let x86 = month(&WORKED, 1e5, Architecture::X86_64, &prices(), false);
        assert!(
            (x86.hosting_usd().unwrap() - 0.695_834_5).abs() < 1e-7,
            "{x86:?}"
        );
        close(x86.s3_usd, 2.70);
        let arm = month(&WORKED, 1e5, Architecture::Arm64, &prices(), false);
        assert!(
            (arm.hosting_usd().unwrap() - 0.576_669_0).abs() < 1e-7,
            "{arm:?}"
        );
    }

    #[test]
    fn beyond_a_tier_only_what_is_beyond_is_cheaper() {
        let work = PerImage {
            gb_s: 1.0,
            requests: 0.0,
            s3_puts: 0.0,
            s3_gets: 0.0,
            restored_gb: 0.0,
        };
        let of =
            |images: f64| month(&work, images, Architecture::X86_64, &prices(), false).compute_usd;
        close(of(6e9), 6e9 * 0.000_016_666_7);
        close(of(7e9), 6e9 * 0.000_016_666_7 + 1e9 * 0.000_015);
        close(
            of(16e9),
            6e9 * 0.000_016_666_7 + 9e9 * 0.000_015 + 1e9 * 0.000_013_333_4,
        );
    }

    #[test]
    fn the_free_tier_takes_the_first_and_never_pays_back() {
        let small = month(&WORKED, 1000.0, Architecture::X86_64, &prices(), true);
        assert_eq!((small.compute_usd, small.requests_usd), (0.0, 0.0));
        let large = month(&WORKED, 2e6, Architecture::X86_64, &prices(), true);
        close(
            large.compute_usd,
            (2e6 * 0.3575 - 400_000.0) * 0.000_016_666_7,
        );
        close(large.requests_usd, 9e6 * 0.000_000_2);
    }

    #[test]
    fn restored_environments_are_paid_for_by_their_memory() {
        let restored = PerImage {
            restored_gb: 2.5,
            ..WORKED
        };
        let of = |work: &PerImage| month(work, 1000.0, Architecture::X86_64, &prices(), false);
        let (with, without) = (of(&restored), of(&WORKED));
        let restore_usd = with.restore_usd.unwrap();
        close(restore_usd, 1000.0 * 2.5 * 0.000_139_799_8);
        let without_usd = without.hosting_usd().unwrap();
        close(with.hosting_usd().unwrap(), without_usd + restore_usd);
    }

    #[test]
    fn restores_without_a_price_are_not_free_and_no_restores_cost_nothing() {
        let mut unpriced = prices();
        unpriced.lambda.snapstart = None;
        let restored = PerImage {
            restored_gb: 2.5,
            ..WORKED
        };
        let of = |work: &PerImage| month(work, 1000.0, Architecture::X86_64, &unpriced, false);
        assert_eq!(of(&restored).restore_usd, None);
        assert_eq!(of(&restored).hosting_usd(), None);
        assert_eq!(of(&WORKED).restore_usd, Some(0.0));
        assert!(of(&WORKED).hosting_usd().is_some());
    }

    #[test]
    fn a_share_of_cold_starts_lies_between_cold_and_warm() {
        let cold = PerImage {
            gb_s: 1.0,
            ..WORKED
        };
        close(
            PerImage::mixed(cold, WORKED, 0.05).gb_s,
            0.05 + 0.95 * 0.3575,
        );
    }
}
