//! The cost of a measured invocation: durations and a dated price table in, USD by part out
//! (`method.md` section 6).
//!
//! Prices are data: none is written in code, and this file does not know where the table comes
//! from.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::cell::Architecture;

/// Images that a hosting cost is quoted for.
pub const QUOTED_IMAGES: f64 = 100_000.0;
/// `/tmp` that Lambda includes in its price, MB.
pub const FREE_EPHEMERAL_MB: u32 = 512;

/// On-demand prices of one region on one day, USD (`experiments/prices/<region>.toml`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    pub region: String,
    /// Day the table was written down, `YYYY-MM-DD`.
    pub date: String,
    pub lambda: LambdaPrices,
    pub s3: S3Prices,
    /// `None`: what logs cost is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsPrices>,
    /// `None`: what CloudWatch's metrics cost is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsPrices>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LambdaPrices {
    /// Of one request.
    pub request: Price,
    pub compute: ComputePrices,
    /// Of one GB-second of `/tmp` beyond [`FREE_EPHEMERAL_MB`].
    pub ephemeral: Price,
    /// `None`: what SnapStart costs is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapstart: Option<SnapStartPrices>,
    pub free_tier: FreeTier,
}

/// Prices of SnapStart for Python, by the functions' memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapStartPrices {
    /// Of a GB of a snapshot cached for a second.
    pub cache_gb_second: Price,
    /// Of a GB restored.
    pub restore_gb: Price,
}

/// Price of a GB-second by monthly volume; the first tier is the one quoted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputePrices {
    pub x86_64: Vec<Tier>,
    pub arm64: Vec<Tier>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Prices {
    /// Of one PUT, COPY, POST or LIST.
    pub put: Price,
    /// Of one GET, HEAD or any other.
    pub get: Price,
    /// Of a GB of the Standard class kept for a month, first tier; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_gb_month: Option<Price>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsPrices {
    /// Of a GB ingested by CloudWatch Logs; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest_gb: Option<Price>,
    /// Of a GB kept in CloudWatch Logs for a month; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_gb_month: Option<Price>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsPrices {
    /// Of one metric that `GetMetricData` is asked for.
    pub requested: Price,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub usd: f64,
    /// The source may be wrong, and no other confirms it. Whatever uses the price says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    /// Where the price was read.
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub usd: f64,
    /// Monthly GB-seconds at which the tier ends; `None` for the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_gb_s: Option<u64>,
    /// As [`Price::unconfirmed`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    pub source: String,
}

impl Tier {
    fn entry(&self, key: &'static str) -> Entry<'_> {
        Entry {
            key,
            usd: self.usd,
            up_to: self.up_to_gb_s,
            unconfirmed: self.unconfirmed,
            source: &self.source,
        }
    }
}

/// What a month includes for nothing. Never applied unless a caller asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeTier {
    pub requests: u64,
    pub gb_s: u64,
    pub source: String,
}

/// Keys of the prices that the tables of a run use; a key stands for all that begin so.
pub const OF_TABLES: &[&str] = &["lambda.", "s3.put", "s3.get"];
/// Keys of the prices that a plan uses.
pub const OF_A_PLAN: &[&str] = &[
    "lambda.",
    "s3.put",
    "s3.get",
    "logs.ingest_gb",
    "metrics.requested",
];
/// Keys of the prices of what is kept.
pub const OF_KEEPING: &[&str] = &["s3.storage_gb_month", "logs.storage_gb_month"];

/// One price of a table, by its key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// As the file spells it: `s3.put`. Tiers share one.
    pub key: &'static str,
    pub usd: f64,
    /// As [`Tier::up_to_gb_s`]; of other prices `None`.
    pub up_to: Option<u64>,
    pub unconfirmed: bool,
    pub source: &'a str,
}

/// A price table that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    #[error("the price table does not have the expected keys: {0}")]
    Shape(#[from] toml::de::Error),
    #[error("price `{key}` is {usd}; expected a finite number of USD, 0 or more")]
    NotAPrice { key: String, usd: f64 },
    #[error("price `{key}` has no `source`; add the page where you read it")]
    NoSource { key: String },
    #[error("`lambda.compute.{architecture}` has no tiers; add at least one, the quoted one first")]
    NoTiers { architecture: Architecture },
    #[error("`date` is `{0}`; write the day on which the prices were read, as YYYY-MM-DD")]
    Date(String),
}

impl PriceTable {
    /// Parses and checks the text of a price table.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        let table: Self = toml::from_str(text)?;
        table.check()?;
        Ok(table)
    }

    /// Returns the price of a GB-second in the first tier, USD.
    pub fn gb_second_usd(&self, architecture: Architecture) -> f64 {
        self.tiers(architecture)
            .first()
            .map_or(0.0, |tier| tier.usd)
    }

    /// Returns the prices of a GB-second by monthly volume, the cheapest volume's first.
    pub fn tiers(&self, architecture: Architecture) -> &[Tier] {
        match architecture {
            Architecture::X86_64 => &self.lambda.compute.x86_64,
            Architecture::Arm64 => &self.lambda.compute.arm64,
        }
    }

    /// Returns the prices of SnapStart.
    pub fn snapstart(&self) -> Option<&SnapStartPrices> {
        self.lambda.snapstart.as_ref()
    }

    fn logs_storage(&self) -> Option<&Price> {
        self.logs.as_ref()?.storage_gb_month.as_ref()
    }

    /// Returns every price of the table, in the order of the file.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let prices = [
            ("lambda.request", Some(&self.lambda.request)),
            ("lambda.ephemeral", Some(&self.lambda.ephemeral)),
            (
                "lambda.snapstart.cache_gb_second",
                self.snapstart().map(|it| &it.cache_gb_second),
            ),
            (
                "lambda.snapstart.restore_gb",
                self.snapstart().map(|it| &it.restore_gb),
            ),
            ("s3.put", Some(&self.s3.put)),
            ("s3.get", Some(&self.s3.get)),
            ("s3.storage_gb_month", self.s3.storage_gb_month.as_ref()),
            ("logs.ingest_gb", self.log_ingest()),
            ("logs.storage_gb_month", self.logs_storage()),
            ("metrics.requested", self.metric_requested()),
        ];
        let prices = prices.into_iter().filter_map(|(key, price)| {
            let price = price?;
            Some(Entry {
                key,
                usd: price.usd,
                up_to: None,
                unconfirmed: price.unconfirmed,
                source: &price.source,
            })
        });
        let compute = &self.lambda.compute;
        let x86_64 = compute.x86_64.iter();
        let x86_64 = x86_64.map(|tier| tier.entry("lambda.compute.x86_64"));
        let arm64 = compute.arm64.iter();
        let arm64 = arm64.map(|tier| tier.entry("lambda.compute.arm64"));
        x86_64.chain(arm64).chain(prices).collect()
    }

    /// Returns the keys of unconfirmed prices among those that are used: `s3.put, s3.get`; `None`
    /// where there are none.
    pub fn unconfirmed(&self, used: &[&str]) -> Option<String> {
        let is_used = |key: &str| used.iter().any(|begins| key.starts_with(begins));
        let entries = self.entries().into_iter();
        let mut keys: Vec<&str> = entries
            .filter(|entry| entry.unconfirmed && is_used(entry.key))
            .map(|entry| entry.key)
            .collect();
        keys.dedup();
        (!keys.is_empty()).then(|| keys.join(", "))
    }

    /// Returns the price of a GB of log lines.
    pub fn log_ingest(&self) -> Option<&Price> {
        self.logs.as_ref()?.ingest_gb.as_ref()
    }

    /// Returns the price of one metric that is asked for.
    pub fn metric_requested(&self) -> Option<&Price> {
        self.metrics.as_ref().map(|metrics| &metrics.requested)
    }

    fn check(&self) -> Result<(), PriceError> {
        if !is_day(&self.date) {
            return Err(PriceError::Date(self.date.clone()));
        }
        for entry in self.entries() {
            check_price(entry.key, entry.usd, entry.source)?;
        }
        if self.lambda.free_tier.source.trim().is_empty() {
            return Err(PriceError::NoSource {
                key: "lambda.free_tier".into(),
            });
        }
        for &architecture in Architecture::ALL {
            if self.tiers(architecture).is_empty() {
                return Err(PriceError::NoTiers { architecture });
            }
        }
        Ok(())
    }
}

fn check_price(key: &str, usd: f64, source: &str) -> Result<(), PriceError> {
    if !usd.is_finite() || usd < 0.0 {
        return Err(PriceError::NotAPrice {
            key: key.into(),
            usd,
        });
    }
    if source.trim().is_empty() {
        return Err(PriceError::NoSource { key: key.into() });
    }
    Ok(())
}

fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], [y, m, d] if y.len() == 4 && m.len() == 2 && d.len() == 2)
        && parts
            .iter()
            .all(|part| part.bytes().all(|b| b.is_ascii_digit()))
}

/// What one invocation used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    pub architecture: Architecture,
    pub memory_mb: u32,
    /// As the REPORT line gives it, or from [`billed_ms`].
    pub billed_ms: u64,
    /// The REPORT line has an Init Duration or a Restore Duration: only then does any of the billed
    /// time pay for init, or for what is billed of a restore.
    pub cold: bool,
    /// It has a Restore Duration.
    pub restored: bool,
    /// Of the handler alone, ms; splits the init's share off the billed time.
    pub duration_ms: f64,
    /// Configured `/tmp`, MB.
    pub ephemeral_mb: u32,
    pub s3_puts: u32,
    pub s3_gets: u32,
}

/// USD by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// GB-seconds at their price, for handler and init together: equal billed times cost exactly
    /// the same.
    pub gb_seconds: f64,
    /// The part of `gb_seconds` that pays for the cold or restored start.
    pub init: f64,
    pub request: f64,
    pub ephemeral: f64,
    /// What restoring the environment from a snapshot costs besides its time.
    pub restore: f64,
    pub s3: f64,
}

impl Cost {
    /// Returns the hosting cost: all parts but S3 requests, which are the same for every variant.
    pub fn hosting(&self) -> f64 {
        self.gb_seconds + self.request + self.ephemeral + self.restore
    }

    /// Returns the part of the GB-seconds that pays for the handler.
    pub fn compute(&self) -> f64 {
        self.gb_seconds - self.init
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            gb_seconds: self.gb_seconds + other.gb_seconds,
            init: self.init + other.init,
            request: self.request + other.request,
            ephemeral: self.ephemeral + other.ephemeral,
            restore: self.restore + other.restore,
            s3: self.s3 + other.s3,
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// Returns what one invocation costs on demand, first tier, no free tier; `None` of a restored start
/// where the table has no price of it.
pub fn cost(usage: &Usage, prices: &PriceTable) -> Option<Cost> {
    let billed_s = usage.billed_ms as f64 / 1000.0;
    let gb = f64::from(usage.memory_mb) / 1024.0;
    let gb_second = prices.gb_second_usd(usage.architecture);
    let init_s = init_share_ms(usage) as f64 / 1000.0;
    let restore = match prices.snapstart() {
        _ if !usage.restored => 0.0,
        Some(snapstart) => gb * snapstart.restore_gb.usd,
        None => return None,
    };
    let extra_gb = f64::from(usage.ephemeral_mb.saturating_sub(FREE_EPHEMERAL_MB)) / 1024.0;
    Some(Cost {
        gb_seconds: gb * billed_s * gb_second,
        init: gb * init_s * gb_second,
        request: prices.lambda.request.usd,
        ephemeral: extra_gb * billed_s * prices.lambda.ephemeral.usd,
        restore,
        s3: f64::from(usage.s3_puts) * prices.s3.put.usd
            + f64::from(usage.s3_gets) * prices.s3.get.usd,
    })
}

/// What keeping something for a month costs, USD; `None` where the table has no price of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keeping {
    pub s3: Option<f64>,
    /// At most: logs are kept compressed, and counted before that.
    pub logs: Option<f64>,
}

/// Bytes of the GB that storage and log lines are billed by. Source: Amazon S3 FAQs, "How will I be
/// charged and billed for my use of Amazon S3?"; CloudWatch's pages name no other.
pub const GB_BYTES: f64 = 1_073_741_824.0;

/// Returns what objects and log lines of so many bytes cost if they are kept for a month, first
/// tier, no free tier.
pub fn keeping(s3_bytes: u64, log_bytes: u64, prices: &PriceTable) -> Keeping {
    let usd =
        |bytes: u64, price: Option<&Price>| price.map(|price| bytes as f64 / GB_BYTES * price.usd);
    Keeping {
        s3: usd(s3_bytes, prices.s3.storage_gb_month.as_ref()),
        logs: usd(log_bytes, prices.logs_storage()),
    }
}

/// Returns the billed duration, ms: `init_ms + duration_ms` rounded up; `init_ms` is `None` for a
/// warm start.
///
/// Source: AWS bills INIT for all on-demand functions since 2025-08-01 (AWS Compute blog).
pub fn billed_ms(duration_ms: f64, init_ms: Option<f64>) -> u64 {
    (duration_ms + init_ms.unwrap_or(0.0)).max(0.0).ceil() as u64
}

/// Returns the cost of a mix of starts: `cold_share` (0..=1) of `cold` and the rest of `warm`.
pub fn mix(cold: f64, warm: f64, cold_share: f64) -> f64 {
    let f = cold_share.clamp(0.0, 1.0);
    f * cold + (1.0 - f) * warm
}

/// Billed time beyond the handler's. A warm start has none, though a duration printed to 0.01 ms
/// may round up to one less than what was billed for it.
fn init_share_ms(usage: &Usage) -> u64 {
    if !usage.cold {
        return 0;
    }
    usage
        .billed_ms
        .saturating_sub(billed_ms(usage.duration_ms, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: &str = include_str!("../../../experiments/prices/us-east-1.toml");

    fn prices() -> PriceTable {
        PriceTable::parse(PRICES).unwrap()
    }

    fn warm(architecture: Architecture, memory_mb: u32, billed_ms: u64) -> Usage {
        Usage {
            architecture,
            memory_mb,
            billed_ms,
            cold: false,
            restored: false,
            duration_ms: billed_ms as f64 - 0.5,
            ephemeral_mb: 512,
            s3_puts: 1,
            s3_gets: 1,
        }
    }

    fn per_100k(usages: &[Usage]) -> Cost {
        let costs = usages.iter().map(|usage| cost(usage, &prices()).unwrap());
        let one: Cost = costs.sum();
        Cost {
            gb_seconds: one.gb_seconds * QUOTED_IMAGES,
            init: one.init * QUOTED_IMAGES,
            request: one.request * QUOTED_IMAGES,
            ephemeral: one.ephemeral * QUOTED_IMAGES,
            restore: one.restore * QUOTED_IMAGES,
            s3: one.s3 * QUOTED_IMAGES,
        }
    }

    fn assert_usd(found: f64, expected: f64) {
        // The worked values are printed to 7 decimals.
        assert!(
            (found - expected).abs() < 1e-7,
            "found ${found:.8}, expected ${expected:.8}"
        );
    }

    #[test]
    fn unconfirmed_prices_are_named_where_they_are_used() {
        assert_eq!(prices().unconfirmed(OF_TABLES), None);
        let marked = PRICES
            .replace("[s3.put] ", "[s3.put]\nunconfirmed = true #")
            .replace(
                "[logs.ingest_gb] ",
                "[logs.ingest_gb]\nunconfirmed = true #",
            )
            .replacen("up_to_gb_s =", "unconfirmed = true\nup_to_gb_s =", 2);
        let marked = PriceTable::parse(&marked).unwrap();
        assert_eq!(
            marked.unconfirmed(OF_TABLES).as_deref(),
            Some("lambda.compute.x86_64, s3.put")
        );
        assert_eq!(
            marked.unconfirmed(OF_A_PLAN).as_deref(),
            Some("lambda.compute.x86_64, s3.put, logs.ingest_gb")
        );
        assert_eq!(marked.unconfirmed(OF_KEEPING), None);
        assert_eq!(prices().entries().len(), 16, "every price of the file");
    }

    #[test]
    fn one_stage_of_100_ms_at_512_mb_costs_what_the_method_says() {
        assert_usd(
            per_100k(&[warm(Architecture::X86_64, 512, 100)]).hosting(),
            0.103_333_5,
        );
        assert_usd(
            per_100k(&[warm(Architecture::Arm64, 512, 100)]).hosting(),
            0.086_667_0,
        );
    }

    #[test]
    fn five_stages_cost_what_the_method_says() {
        let stages = [(512, 120), (512, 80), (512, 60), (512, 55), (1024, 200)];
        for (architecture, expected) in [
            (Architecture::X86_64, 0.695_834_5),
            (Architecture::Arm64, 0.576_669_0),
        ] {
            let usages: Vec<Usage> = stages
                .iter()
                .map(|&(mb, ms)| warm(architecture, mb, ms))
                .collect();
            let cost = per_100k(&usages);
            assert_usd(cost.hosting(), expected);
            assert_usd(cost.s3, 2.70);
            assert_usd(cost.init, 0.0);
            assert_usd(cost.request, 0.1);
        }
    }

    #[test]
    fn a_cold_start_pays_for_its_init_apart() {
        assert_eq!(billed_ms(99.2, Some(180.3)), 280);
        assert_eq!(billed_ms(99.2, None), 100);
        let mut usage = warm(Architecture::X86_64, 512, 280);
        usage.duration_ms = 99.2;
        usage.cold = true;
        let cost = per_100k(&[usage]);
        assert_usd(cost.hosting(), 0.253_333_8);
        assert_usd(cost.compute() + cost.request, 0.103_333_5);
        assert_usd(cost.init, 0.180 * 0.5 * 0.000_016_666_7 * QUOTED_IMAGES);
    }

    #[test]
    fn a_warm_start_pays_for_no_init_though_its_printed_duration_was_rounded_down() {
        let mut usage = warm(Architecture::X86_64, 512, 101);
        usage.duration_ms = 100.0; // 100.004 ms, billed as 101 and printed as 100.00.
        assert_usd(per_100k(&[usage]).init, 0.0);
    }

    #[test]
    fn a_bill_shorter_than_the_duration_has_no_negative_init() {
        let mut usage = warm(Architecture::X86_64, 512, 100);
        usage.duration_ms = 250.0;
        usage.cold = true;
        let cost = cost(&usage, &prices()).unwrap();
        assert!(cost.init == 0.0 && cost.compute() > 0.0);
    }

    /// The REPORT line of `report_line`'s test: 182 ms of the restore are billed as time, and each
    /// GB restored costs besides.
    #[test]
    fn a_restored_start_pays_for_its_restore_and_is_not_free_without_a_price() {
        let mut usage = warm(Architecture::X86_64, 2048, 2521);
        (usage.cold, usage.restored, usage.duration_ms) = (true, true, 2338.66);
        let found = per_100k(&[usage]);
        assert_usd(found.init, 0.182 * 2.0 * 0.000_016_666_7 * QUOTED_IMAGES);
        assert_usd(found.restore, 2.0 * 0.000_139_799_8 * QUOTED_IMAGES);
        assert_usd(
            found.hosting(),
            found.gb_seconds + found.request + found.restore,
        );
        let mut unpriced = prices();
        unpriced.lambda.snapstart = None;
        assert_eq!(cost(&usage, &unpriced), None);
        usage.restored = false;
        assert!(cost(&usage, &unpriced).is_some());
    }

    #[test]
    fn temporary_storage_is_charged_beyond_what_is_included() {
        let mut usage = warm(Architecture::X86_64, 512, 1000);
        assert_usd(per_100k(&[usage]).ephemeral, 0.0);
        usage.ephemeral_mb = 512 + 1024;
        assert_usd(
            per_100k(&[usage]).ephemeral,
            0.000_000_030_9 * QUOTED_IMAGES,
        );
    }

    #[test]
    fn keeping_costs_what_a_month_of_storage_does() {
        // 10 GiB at $0.023 and 0.5 GiB at $0.03.
        let month = keeping(10 * 1024 * 1024 * 1024, 512 * 1024 * 1024, &prices());
        assert_usd(month.s3.unwrap(), 0.23);
        assert_usd(month.logs.unwrap(), 0.015);
        let unpriced = PriceTable {
            logs: None,
            s3: S3Prices {
                storage_gb_month: None,
                ..prices().s3
            },
            ..prices()
        };
        assert_eq!(
            keeping(1, 1, &unpriced),
            Keeping {
                s3: None,
                logs: None
            },
            "what is not known is not free"
        );
    }

    #[test]
    fn a_price_of_storage_is_looked_at_like_the_others() {
        let negative = PRICES.replacen("usd = 0.03 ", "usd = -0.03 ", 1);
        assert!(
            matches!(PriceTable::parse(&negative), Err(PriceError::NotAPrice { key, .. }) if key == "logs.storage_gb_month")
        );
    }

    #[test]
    fn a_mix_of_starts_weighs_by_the_cold_share() {
        assert_usd(mix(0.253_333_8, 0.103_333_5, 0.0), 0.103_333_5);
        assert_usd(mix(0.253_333_8, 0.103_333_5, 0.05), 0.110_833_515);
        assert_usd(mix(0.253_333_8, 0.103_333_5, 1.0), 0.253_333_8);
    }

    #[test]
    fn a_table_without_a_source_or_with_a_wrong_price_is_refused() {
        let first_source = PRICES.find("source = ").unwrap();
        let end = PRICES[first_source..].find('\n').unwrap() + first_source;
        let no_source = format!(
            "{}source = \" \"{}",
            &PRICES[..first_source],
            &PRICES[end..]
        );
        assert!(
            matches!(PriceTable::parse(&no_source), Err(PriceError::NoSource { key }) if key == "lambda.request")
        );
        let negative = PRICES.replacen("0.000015", "-1.0", 1);
        assert!(matches!(
            PriceTable::parse(&negative),
            Err(PriceError::NotAPrice { .. })
        ));
        let nan = PRICES.replacen("0.000015", "nan", 1);
        assert!(matches!(
            PriceTable::parse(&nan),
            Err(PriceError::NotAPrice { .. })
        ));
        let undated = PRICES.replacen("2026-11-25", "today", 1);
        assert!(
            matches!(PriceTable::parse(&undated), Err(PriceError::Date(date)) if date == "today")
        );
        let unknown = format!("colour = \"red\"\n{PRICES}");
        assert!(
            PriceTable::parse(&unknown)
                .unwrap_err()
                .to_string()
                .contains("colour")
        );
    }
}
