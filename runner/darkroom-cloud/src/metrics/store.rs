//! Metrics in memory: per metric and unit one [`Sum`] a minute, the oldest dropped when there are
//! too many.
//!
//! Saved as one JSON file when asked to and on drop.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::statistics::Sum;

/// Minutes of all metrics together that are kept: some 50 MB at most.
const MOST_MINUTES: usize = 200_000;

/// What identifies a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Metric {
    pub namespace: String,
    pub name: String,
    /// By name. Two metrics are the same only if all their dimensions are.
    pub dimensions: BTreeMap<String, String>,
}

/// What was observed of a metric at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    pub metric: Metric,
    pub unit: String,
    pub timestamp_ms: i64,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Values, and how often each was seen.
    List(Vec<(f64, f64)>),
    Statistics {
        count: f64,
        sum: f64,
        minimum: f64,
        maximum: f64,
    },
}

/// The sums of one metric, by unit and minute since the epoch.
pub type Series = BTreeMap<String, BTreeMap<i64, Sum>>;

#[derive(Debug)]
pub struct MetricStore {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// [`Inner::recorded`] when the file was last written. Held while it is.
    saved: Mutex<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    metrics: BTreeMap<Metric, Series>,
    minutes: usize,
    /// Observations since the store was opened.
    recorded: u64,
}

impl MetricStore {
    /// Opens `<folder>/metrics.json`.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("metrics.json");
        let saved: Vec<(Metric, Series)> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let metrics: BTreeMap<_, _> = saved.into_iter().collect();
        let minutes = metrics
            .values()
            .flat_map(Series::values)
            .map(BTreeMap::len)
            .sum();
        let inner = Mutex::new(Inner {
            metrics,
            minutes,
            recorded: 0,
        });
        Ok(Self {
            path,
            inner,
            saved: Mutex::new(0),
        })
    }

    /// Writes the file, if anything was recorded since it was last written.
    pub fn save(&self) -> io::Result<()> {
        let mut saved = self.saved.lock();
        let (text, recorded) = {
            let inner = self.inner.lock();
            if inner.recorded == *saved {
                return Ok(());
            }
            (
                serde_json::to_vec(&inner.metrics.iter().collect::<Vec<_>>())?,
                inner.recorded,
            )
        };
        let temporary = self.path.with_extension("json.new");
        std::fs::write(&temporary, text)?;
        std::fs::rename(&temporary, &self.path)?;
        *saved = recorded;
        Ok(())
    }

    pub fn record(&self, observation: &Observation) {
        let mut inner = self.inner.lock();
        inner.recorded += 1;
        if !inner.metrics.contains_key(&observation.metric) {
            inner
                .metrics
                .insert(observation.metric.clone(), Series::new());
        }
        let Some(series) = inner.metrics.get_mut(&observation.metric) else {
            return;
        };
        if !series.contains_key(&observation.unit) {
            series.insert(observation.unit.clone(), BTreeMap::new());
        }
        let Some(minutes) = series.get_mut(&observation.unit) else {
            return;
        };
        let before = minutes.len();
        let sum = minutes
            .entry(observation.timestamp_ms.div_euclid(60_000))
            .or_default();
        match &observation.values {
            Values::List(values) => values
                .iter()
                .for_each(|(value, count)| sum.add(*value, *count)),
            Values::Statistics {
                count,
                sum: total,
                minimum,
                maximum,
            } => {
                sum.add_statistics(*count, *total, *minimum, *maximum);
            }
        }
        let new = minutes.len() - before;
        inner.minutes += new;
        if inner.minutes > MOST_MINUTES {
            inner.forget(MOST_MINUTES * 9 / 10);
        }
    }

    /// Gives a metric's series to a reader.
    pub fn with_series<T>(&self, metric: &Metric, read: impl FnOnce(&Series) -> T) -> Option<T> {
        self.inner.lock().metrics.get(metric).map(read)
    }

    /// Returns the metrics that `wanted` picks, in order.
    pub fn metrics(&self, wanted: impl Fn(&Metric, &Series) -> bool) -> Vec<Metric> {
        let inner = self.inner.lock();
        inner
            .metrics
            .iter()
            .filter(|(metric, series)| wanted(metric, series))
            .map(|(metric, _)| metric.clone())
            .collect()
    }
}

impl Drop for MetricStore {
    fn drop(&mut self) {
        if let Err(error) = self.save() {
            tracing::warn!(path = %self.path.display(), %error, "cannot save the metrics");
        }
    }
}

impl Inner {
    /// Drops the oldest minutes until at most `keep` are left.
    fn forget(&mut self, keep: usize) {
        let mut minutes: Vec<i64> = self
            .metrics
            .values()
            .flat_map(Series::values)
            .flat_map(|minutes| minutes.keys().copied())
            .collect();
        minutes.sort_unstable();
        let first_kept = minutes[minutes.len().saturating_sub(keep)];
        for series in self.metrics.values_mut() {
            for minutes in series.values_mut() {
                *minutes = minutes.split_off(&first_kept);
            }
            series.retain(|_, minutes| !minutes.is_empty());
        }
        self.metrics.retain(|_, series| !series.is_empty());
        self.minutes = self
            .metrics
            .values()
            .flat_map(Series::values)
            .map(BTreeMap::len)
            .sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(name: &str, timestamp_ms: i64) -> Observation {
        Observation {
            metric: Metric {
                namespace: "N".into(),
                name: name.into(),
                dimensions: BTreeMap::new(),
            },
            unit: "Count".into(),
            timestamp_ms,
            values: Values::List(vec![(1.0, 1.0)]),
        }
    }

    #[test]
    fn observations_of_one_minute_are_one_sum() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = MetricStore::open(folder.path()).unwrap();
        for at in [0, 59_999, 60_000] {
            store.record(&observation("m", at));
        }
        let counts = store.with_series(&observation("m", 0).metric, |series| {
            series["Count"]
                .values()
                .map(|sum| sum.count)
                .collect::<Vec<_>>()
        });
        assert_eq!(counts, Some(vec![2.0, 1.0]));
    }

    #[test]
    fn metrics_are_there_after_a_restart() {
        let folder = tempfile::TempDir::new().unwrap();
        MetricStore::open(folder.path())
            .unwrap()
            .record(&observation("m", 0));
        let store = MetricStore::open(folder.path()).unwrap();
        assert_eq!(store.metrics(|_, _| true), [observation("m", 0).metric]);
    }

    #[test]
    fn the_oldest_minutes_go_first() {
        let mut inner = Inner::default();
        for minute in 0..10 {
            let series = inner.metrics.entry(observation("m", 0).metric).or_default();
            series
                .entry("Count".into())
                .or_default()
                .entry(minute)
                .or_default()
                .add(1.0, 1.0);
        }
        inner.forget(4);
        assert_eq!(inner.minutes, 4);
        let left: Vec<i64> = inner
            .metrics
            .values()
            .flat_map(|series| series["Count"].keys().copied())
            .collect();
        assert_eq!(left, [6, 7, 8, 9]);
    }
}
