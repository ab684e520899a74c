//! An offer file of AWS's Price List beside a price table: what agrees, what differs, and the table
//! that follows from the file.
//!
//! Text in, values out; no network. Source of the format: AWS Billing user guide, "Reading the
//! service price list file for an AWS service". Which attributes name which price was read in public
//! programs that read these files (groups of Lambda and S3, usage types of CloudWatch), as no such
//! file was at hand.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::cost::{
    ComputePrices, Entry, FreeTier, LambdaPrices, LogsPrices, MetricsPrices, Price, PriceTable,
    S3Prices, SnapStartPrices, Tier,
};

/// Prices closer than this, as a share, are the same: files round to ten digits.
const SAME: f64 = 1e-6;

/// An offer file: the products of one service with their prices, of one region or of all.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceList {
    /// The service: `AWSLambda`.
    pub offer_code: String,
    /// When AWS published it: `2026-11-20T18:03:15Z`.
    pub publication_date: String,
    products: BTreeMap<String, Product>,
    terms: Terms,
}

#[derive(Clone, Debug, Deserialize)]
struct Product {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, BTreeMap<String, Term>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    #[serde(default)]
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    #[serde(default)]
    begin_range: String,
    #[serde(default)]
    end_range: String,
    #[serde(default)]
    price_per_unit: BTreeMap<String, String>,
}

/// One price of a list, of a volume up to `up_to` units a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListedTier {
    pub usd: f64,
    /// `None`: without an end.
    pub up_to: Option<u64>,
}

/// What is known of one price of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// As in the table: `s3.put`.
    pub key: &'static str,
    /// The service whose list holds it.
    pub offer: &'static str,
    pub finding: Finding,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    Agrees {
        usd: f64,
    },
    Differs {
        table: Vec<f64>,
        list: Vec<ListedTier>,
    },
    /// The list has it, the table has not.
    New(Vec<ListedTier>),
    /// The list of the service has no such product in the region.
    NotInList,
    /// The list has several products of different prices for it.
    Several(Vec<f64>),
    /// No list of the service was given.
    NoList,
}

/// What names a price in a list.
struct Wanted {
    key: &'static str,
    offer: &'static str,
    /// Attribute `group`: any of these.
    groups: &'static [&'static str],
    /// Attribute `usagetype`, without the region's prefix; empty: any.
    usage: &'static str,
}

const LAMBDA: &str = "AWSLambda";
const S3: &str = "AmazonS3";
const CLOUDWATCH: &str = "AmazonCloudWatch";

const WANTED: [Wanted; 12] = [
    Wanted {
        key: "lambda.request",
        offer: LAMBDA,
        groups: &["AWS-Lambda-Requests", "AWS-Lambda-Requests-ARM"],
        usage: "",
    },
    Wanted {
        key: "lambda.compute.x86_64",
        offer: LAMBDA,
        groups: &["AWS-Lambda-Duration"],
        usage: "",
    },
    Wanted {
        key: "lambda.compute.arm64",
        offer: LAMBDA,
        groups: &["AWS-Lambda-Duration-ARM"],
        usage: "",
    },
    Wanted {
        key: "lambda.ephemeral",
        offer: LAMBDA,
        groups: &[
            "AWS-Lambda-Storage-Duration",
            "AWS-Lambda-Storage-Duration-ARM",
        ],
        usage: "",
    },
    Wanted {
        key: "lambda.snapstart.cache_gb_second",
        offer: LAMBDA,
        groups: &[],
        usage: "Lambda-SnapStart-Cached-GB-S",
    },
    Wanted {
        key: "lambda.snapstart.restore_gb",
        offer: LAMBDA,
        groups: &[],
        usage: "Lambda-SnapStart-Restored-GB",
    },
    Wanted {
        key: "s3.put",
        offer: S3,
        groups: &["S3-API-Tier1"],
        usage: "Requests-Tier1",
    },
    Wanted {
        key: "s3.get",
        offer: S3,
        groups: &["S3-API-Tier2"],
        usage: "Requests-Tier2",
    },
    Wanted {
        key: "s3.storage_gb_month",
        offer: S3,
        groups: &[],
        usage: "TimedStorage-ByteHrs",
    },
    Wanted {
        key: "logs.ingest_gb",
        offer: CLOUDWATCH,
        groups: &["Ingested Logs"],
        usage: "DataProcessing-Bytes",
    },
    Wanted {
        key: "logs.storage_gb_month",
        offer: CLOUDWATCH,
        groups: &[],
        usage: "TimedStorage-ByteHrs",
    },
    Wanted {
        key: "metrics.requested",
        offer: CLOUDWATCH,
        groups: &[],
        usage: "CW:GMD-Metrics",
    },
];

impl Wanted {
    fn is(&self, product: &Product, region: &str) -> bool {
        let attribute = |name: &str| product.attributes.get(name).map(String::as_str);
        let group = attribute("group").unwrap_or_default();
        let usage = attribute("usagetype").unwrap_or_default();
        // Regions but the first have a prefix: `EUC2-Requests-Tier1`.
        let is_usage = match usage.strip_suffix(self.usage) {
            Some("") => true,
            Some(prefix) => prefix.strip_suffix('-').is_some_and(|it| !it.contains('-')),
            None => false,
        };
        attribute("regionCode") == Some(region)
            && (self.groups.is_empty() || self.groups.contains(&group))
            && (self.usage.is_empty() || is_usage)
    }
}

impl PriceList {
    /// Parses the text of an offer file.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Returns the regions that its products are of.
    pub fn regions(&self) -> BTreeSet<&str> {
        let codes = self.products.values();
        let codes = codes.filter_map(|product| product.attributes.get("regionCode"));
        codes
            .map(String::as_str)
            .filter(|code| !code.is_empty())
            .collect()
    }

    /// Returns the day on which AWS published it, `YYYY-MM-DD`.
    pub fn day(&self) -> &str {
        self.publication_date
            .get(..10)
            .unwrap_or(&self.publication_date)
    }

    /// Returns the prices of every product that is wanted, each once.
    fn found(&self, wanted: &Wanted, region: &str) -> Vec<Vec<ListedTier>> {
        let mut found: Vec<Vec<ListedTier>> = Vec::new();
        for (sku, product) in &self.products {
            if !wanted.is(product, region) {
                continue;
            }
            let tiers = self.tiers(sku);
            if !tiers.is_empty() && !found.contains(&tiers) {
                found.push(tiers);
            }
        }
        found
    }

    /// Returns the prices of a product, the smallest volume first, without what is free.
    fn tiers(&self, sku: &str) -> Vec<ListedTier> {
        let terms = self.terms.on_demand.get(sku).into_iter().flatten();
        let dimensions = terms.flat_map(|(_, term)| term.price_dimensions.values());
        let mut tiers: Vec<(f64, ListedTier)> = dimensions
            .filter_map(|dimension| {
                let usd: f64 = dimension.price_per_unit.get("USD")?.parse().ok()?;
                let begins = dimension.begin_range.parse().unwrap_or(0.0);
                let ends = dimension.end_range.parse::<f64>().ok();
                let up_to = ends.filter(|end| end.is_finite()).map(|end| end as u64);
                (usd.is_finite() && usd > 0.0).then_some((begins, ListedTier { usd, up_to }))
            })
            .collect();
        tiers.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        tiers.into_iter().map(|(_, tier)| tier).collect()
    }
}

/// Compares every price with the lists, in the order of the table. `table` is `None` where the
/// region has none yet.
pub fn check(table: Option<&PriceTable>, lists: &[PriceList], region: &str) -> Vec<Checked> {
    let entries = table.map(PriceTable::entries).unwrap_or_default();
    let of = |wanted: &Wanted| {
        let known = entries.iter().filter(|entry| entry.key == wanted.key);
        let known: Vec<Entry<'_>> = known.copied().collect();
        let finding = finding(&known, listed(wanted, lists, region));
        // Some regions have no SnapStart: then it is in neither.
        let in_neither = known.is_empty() && matches!(finding, Finding::NotInList);
        let sold = !(in_neither && wanted.key.starts_with("lambda.snapstart."));
        sold.then_some(Checked {
            key: wanted.key,
            offer: wanted.offer,
            finding,
        })
    };
    WANTED.iter().filter_map(of).collect()
}

/// What the lists have for a price; `None` without a list of its service.
fn listed(wanted: &Wanted, lists: &[PriceList], region: &str) -> Option<Vec<Vec<ListedTier>>> {
    let list = lists.iter().find(|list| list.offer_code == wanted.offer)?;
    Some(list.found(wanted, region))
}

fn finding(known: &[Entry<'_>], listed: Option<Vec<Vec<ListedTier>>>) -> Finding {
    let Some(mut listed) = listed else {
        return Finding::NoList;
    };
    let Some(tiers) = listed.pop() else {
        return Finding::NotInList;
    };
    if !listed.is_empty() {
        listed.push(tiers);
        return Finding::Several(listed.iter().map(|tiers| tiers[0].usd).collect());
    }
    // Of compute the table has every tier, with its bound; of the rest only the first.
    let in_tiers = |entry: &Entry<'_>| entry.key.starts_with("lambda.compute.");
    let same = |(one, tier): (&Entry<'_>, &ListedTier)| {
        (one.usd - tier.usd).abs() <= SAME * tier.usd && (!in_tiers(one) || one.up_to == tier.up_to)
    };
    let Some(first) = known.first() else {
        return Finding::New(tiers);
    };
    let complete = !in_tiers(first) || known.len() == tiers.len();
    if complete && known.iter().zip(&tiers).all(same) && known.len() <= tiers.len() {
        Finding::Agrees { usd: first.usd }
    } else {
        Finding::Differs {
            table: known.iter().map(|entry| entry.usd).collect(),
            list: tiers,
        }
    }
}

/// Returns the table with what the lists say: their prices, day and source, and no mark on what
/// they confirm. The rest stays as `old` has it. `Err`: the keys that neither has.
///
/// `free` is what a month includes for nothing, which lists do not tell as such.
pub fn renewed(
    old: Option<&PriceTable>,
    lists: &[PriceList],
    region: &str,
    free: &FreeTier,
) -> Result<PriceTable, Vec<&'static str>> {
    let mut missing = Vec::new();
    let tiers = |key: &str| -> Option<Vec<Tier>> {
        let wanted = WANTED.iter().find(|wanted| wanted.key == key)?;
        let [tiers] = <[_; 1]>::try_from(listed(wanted, lists, region)?).ok()?;
        let list = lists.iter().find(|list| list.offer_code == wanted.offer)?;
        let source = format!("AWS Price List, {} of {}", list.offer_code, list.day());
        let tier = |tier: ListedTier| Tier {
            usd: tier.usd,
            up_to_gb_s: tier.up_to,
            unconfirmed: false,
            source: source.clone(),
        };
        Some(tiers.into_iter().map(tier).collect())
    };
    let first = |key: &str, old: Option<&Price>| -> Option<Price> {
        let first = tiers(key).and_then(|tiers| tiers.into_iter().next());
        let first = first.map(|tier| Price {
            usd: tier.usd,
            unconfirmed: false,
            source: tier.source,
        });
        first.or_else(|| old.cloned())
    };
    let mut need = |key: &'static str, price: Option<Price>| {
        price.unwrap_or_else(|| {
            missing.push(key);
            Price {
                usd: 0.0,
                unconfirmed: true,
                source: String::new(),
            }
        })
    };
    let lambda = old.map(|old| &old.lambda);
    let request = first("lambda.request", lambda.map(|it| &it.request));
    let ephemeral = first("lambda.ephemeral", lambda.map(|it| &it.ephemeral));
    let snapstart = snapstart(old, first);
    let put = first("s3.put", old.map(|old| &old.s3.put));
    let get = first("s3.get", old.map(|old| &old.s3.get));
    let (request, ephemeral) = (
        need("lambda.request", request),
        need("lambda.ephemeral", ephemeral),
    );
    let (put, get) = (need("s3.put", put), need("s3.get", get));
    let compute = |key: &str, of: fn(&ComputePrices) -> &Vec<Tier>| {
        let known = lambda.map(|it| of(&it.compute).clone());
        tiers(key).or(known).unwrap_or_default()
    };
    let x86_64 = compute("lambda.compute.x86_64", |of| &of.x86_64);
    let arm64 = compute("lambda.compute.arm64", |of| &of.arm64);
    missing.extend(x86_64.is_empty().then_some("lambda.compute.x86_64"));
    missing.extend(arm64.is_empty().then_some("lambda.compute.arm64"));
    let logs = old.and_then(|old| old.logs.as_ref());
    let logs = LogsPrices {
        ingest_gb: first("logs.ingest_gb", logs.and_then(|it| it.ingest_gb.as_ref())),
        storage_gb_month: first(
            "logs.storage_gb_month",
            logs.and_then(|it| it.storage_gb_month.as_ref()),
        ),
    };
    let stored = old.and_then(|old| old.s3.storage_gb_month.as_ref());
    let requested = first(
        "metrics.requested",
        old.and_then(PriceTable::metric_requested),
    );
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(PriceTable {
        region: region.to_owned(),
        date: day(old, lists),
        lambda: LambdaPrices {
            request,
            compute: ComputePrices { x86_64, arm64 },
            ephemeral,
            snapstart,
            free_tier: lambda.map_or_else(|| free.clone(), |it| it.free_tier.clone()),
        },
        s3: S3Prices {
            put,
            get,
            storage_gb_month: first("s3.storage_gb_month", stored),
        },
        logs: (logs.ingest_gb.is_some() || logs.storage_gb_month.is_some()).then_some(logs),
        metrics: requested.map(|requested| MetricsPrices { requested }),
    })
}

/// Returns the prices of SnapStart, where there are both.
fn snapstart(
    old: Option<&PriceTable>,
    first: impl Fn(&str, Option<&Price>) -> Option<Price>,
) -> Option<SnapStartPrices> {
    let old = old.and_then(PriceTable::snapstart);
    let cache = old.map(|it| &it.cache_gb_second);
    let restore = old.map(|it| &it.restore_gb);
    Some(SnapStartPrices {
        cache_gb_second: first("lambda.snapstart.cache_gb_second", cache)?,
        restore_gb: first("lambda.snapstart.restore_gb", restore)?,
    })
}

/// Returns the day of a renewed table: that of its newest list. Where prices of services without a
/// list stay as they were, so does the table's day.
fn day(old: Option<&PriceTable>, lists: &[PriceList]) -> String {
    let newest = lists.iter().map(PriceList::day).max().unwrap_or_default();
    let has_list = |wanted: &Wanted| lists.iter().any(|list| list.offer_code == wanted.offer);
    match old {
        Some(old) if !WANTED.iter().all(has_list) || *old.date > *newest => old.date.clone(),
        _ => newest.to_owned(),
    }
}

/// Returns the text of a price table, as `PriceTable::parse` reads it.
///
/// # Errors
/// TOML can hold every table; an error would be one of the `toml` crate.
pub fn spelled(table: &PriceTable) -> Result<String, toml::ser::Error> {
    let prices = toml::to_string(table)?;
    Ok(format!(
        "# What AWS charges on demand in one region, in USD, before tax. Each `source` says where its price was read;\n\
         # `unconfirmed = true` marks a price that may be wrong. The free tier is a month's, and never applied unless\n\
         # asked for. Written by Darkroom, from AWS's price lists.\n\n{prices}"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TABLE: &str = include_str!("../../../experiments/prices/us-east-1.toml");

    fn table() -> PriceTable {
        PriceTable::parse(TABLE).unwrap()
    }

    /// A product with its price dimensions: begin, end, USD.
    type Sold<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str, &'a str)]);

    /// A list of a made-up shape of one service, in us-east-1.
    fn list(offer: &str, sold: &[Sold<'_>]) -> PriceList {
        let (mut products, mut terms) = (serde_json::Map::new(), serde_json::Map::new());
        for (sku, (group, usage, dimensions)) in sold.iter().enumerate() {
            let sku = format!("MADEUP{sku}");
            let attributes = json!({ "group": group, "usagetype": usage, "regionCode": "us-east-1", "location": "x" });
            products.insert(sku.clone(), json!({ "sku": sku, "attributes": attributes }));
            let dimensions: serde_json::Map<String, Value> = dimensions
                .iter()
                .enumerate()
                .map(|(at, (begins, ends, usd))| {
                    let dimension = json!({ "beginRange": begins, "endRange": ends, "pricePerUnit": { "USD": usd } });
                    (format!("{sku}.T.{at}"), dimension)
                })
                .collect();
            terms.insert(
                sku.clone(),
                json!({ format!("{sku}.T"): { "priceDimensions": dimensions } }),
            );
        }
        let text = json!({
            "formatVersion": "v1.0", "offerCode": offer, "publicationDate": "2026-11-20T01:02:03Z",
            "products": products, "terms": { "OnDemand": terms },
        });
        PriceList::parse(&text.to_string()).unwrap()
    }

    fn finding_of(checked: &[Checked], key: &str) -> Finding {
        let of = checked.iter().find(|of| of.key == key);
        of.unwrap().finding.clone()
    }

    const ANY: &str = "0";
    const INF: &str = "Inf";

    #[test]
    fn each_price_agrees_differs_or_is_not_there() {
        let s3 = list(
            "AmazonS3",
            &[
                (
                    "S3-API-Tier1",
                    "Requests-Tier1",
                    &[(ANY, INF, "0.0000050000")],
                ),
                (
                    "S3-API-Tier2",
                    "USE1-Requests-Tier2",
                    &[(ANY, INF, "0.0000005000")],
                ),
                // Of another storage class, and of another kind of bucket.
                (
                    "S3-API-Tier1",
                    "Requests-SIA-Tier1",
                    &[(ANY, INF, "0.00001")],
                ),
                (
                    "S3-API-Tier1",
                    "USE1-Tables-Requests-Tier1",
                    &[(ANY, INF, "0.00002")],
                ),
            ],
        );
        let table = table();
        let checked = check(Some(&table), &[s3], "us-east-1");
        assert_eq!(
            finding_of(&checked, "s3.put"),
            Finding::Agrees { usd: 0.000_005 }
        );
        let listed = ListedTier {
            usd: 0.000_000_5,
            up_to: None,
        };
        let differs = Finding::Differs {
            table: vec![0.000_000_4],
            list: vec![listed],
        };
        assert_eq!(finding_of(&checked, "s3.get"), differs);
        assert_eq!(
            finding_of(&checked, "s3.storage_gb_month"),
            Finding::NotInList
        );
        assert_eq!(finding_of(&checked, "lambda.request"), Finding::NoList);
        assert_eq!(checked.len(), 12);
    }

    #[test]
    fn tiers_are_compared_one_by_one_and_what_is_free_is_none() {
        let compute = |bound: &'static str, last: &'static str| {
            let tiers = [
                (ANY, bound, "0.0000166667"),
                ("15000000000", INF, last),
                (bound, "15000000000", "0.0000150000"),
            ];
            let list = list(
                "AWSLambda",
                &[("AWS-Lambda-Duration", "Lambda-GB-Second", &tiers)],
            );
            finding_of(
                &check(Some(&table()), &[list], "us-east-1"),
                "lambda.compute.x86_64",
            )
        };
        let agrees = Finding::Agrees {
            usd: 0.000_016_666_7,
        };
        let differs = |finding| matches!(finding, Finding::Differs { .. });
        assert_eq!(compute("6000000000", "0.0000133334"), agrees);
        assert!(differs(compute("6000000000", "0.0000133")));
        assert!(differs(compute("1000000000", "0.0000133334")));
        let free = [(ANY, "5", "0.0000000000"), ("5", INF, "0.5")];
        let list = list(
            "AmazonCloudWatch",
            &[("Ingested Logs", "USE1-DataProcessing-Bytes", &free)],
        );
        let checked = check(Some(&table()), &[list], "us-east-1");
        assert_eq!(
            finding_of(&checked, "logs.ingest_gb"),
            Finding::Agrees { usd: 0.5 }
        );
    }

    #[test]
    fn two_prices_for_one_thing_are_told_and_none_is_chosen() {
        let requests = |usd: &'static str| {
            let list = list(
                "AWSLambda",
                &[
                    ("AWS-Lambda-Requests", "Request", &[(ANY, INF, "0.0000002")]),
                    ("AWS-Lambda-Requests-ARM", "Request-ARM", &[(ANY, INF, usd)]),
                ],
            );
            finding_of(
                &check(Some(&table()), &[list], "us-east-1"),
                "lambda.request",
            )
        };
        assert!(matches!(requests("0.0000002"), Finding::Agrees { .. }));
        assert_eq!(
            requests("0.0000003"),
            Finding::Several(vec![0.000_000_2, 0.000_000_3])
        );
    }

    #[test]
    fn the_new_table_has_the_lists_prices_and_keeps_the_rest() {
        let put = list(
            "AmazonS3",
            &[(
                "S3-API-Tier1",
                "Requests-Tier1",
                &[(ANY, INF, "0.0000060000")],
            )],
        );
        let mut old = table();
        (old.s3.put.unconfirmed, old.s3.get.unconfirmed) = (true, true);
        let free = &old.lambda.free_tier;
        let new = renewed(Some(&old), &[put], "us-east-1", free).unwrap();
        assert_eq!(new.date, old.date, "most prices are of that day still");
        assert_eq!((new.s3.put.usd, new.s3.put.unconfirmed), (0.000_006, false));
        assert_eq!(new.s3.put.source, "AWS Price List, AmazonS3 of 2026-11-20");
        assert_eq!((&new.s3.get, &new.lambda), (&old.s3.get, &old.lambda));
        assert_eq!(PriceTable::parse(&spelled(&new).unwrap()).unwrap(), new);
        assert_eq!(PriceTable::parse(&spelled(&old).unwrap()).unwrap(), old);
        let nothing = renewed(None, &[], "us-east-1", free).unwrap_err();
        assert!(nothing.contains(&"lambda.compute.arm64"), "{nothing:?}");
    }

    #[test]
    fn what_is_no_offer_file_is_refused_and_another_region_is_not_taken() {
        assert!(PriceList::parse("{}").is_err());
        assert!(PriceList::parse("[1]").is_err());
        let s3 = list(
            "AmazonS3",
            &[("S3-API-Tier1", "Requests-Tier1", &[(ANY, INF, "0.000005")])],
        );
        assert_eq!(s3.regions().into_iter().collect::<Vec<_>>(), ["us-east-1"]);
        let checked = check(Some(&table()), &[s3], "eu-west-1");
        assert_eq!(finding_of(&checked, "s3.put"), Finding::NotInList);
    }
}
