//! What an invocation looks like from inside: one line of JSON after it, when `DARKROOM_PROFILE`
//! asks for it.
//!
//! The fields are those of Darkroom's `event::Profile`. What can't be found out is null; nothing
//! here fails an invocation.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::{Map, Value, json};

/// Of /proc/stat's first line: "cpu  user nice system idle iowait irq softirq steal guest
/// `guest_nice`", in ticks.
const STEAL: usize = 8;
/// `USER_HZ` is 100 on both of Lambda's architectures.
const MS_A_TICK: f64 = 10.0;

pub struct Profiler {
    stat: Option<File>,
    container_id: String,
    cpu_model: Option<String>,
    kernel: Option<String>,
}

/// What is compared before and after an invocation.
pub struct Before {
    steal_ms: Option<f64>,
    usage: Option<Usage>,
    started_ns: u64,
    clock: Instant,
}

/// What this process has used so far. It has no children.
struct Usage {
    user_ms: f64,
    system_ms: f64,
    voluntary: i64,
    involuntary: i64,
    minor: i64,
    major: i64,
}

impl Profiler {
    /// Returns `None` unless the environment asks for a profile.
    pub fn from_environment() -> Option<Self> {
        std::env::var_os("DARKROOM_PROFILE")?;
        let trimmed = |path: &str| {
            fs::read_to_string(path)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        Some(Self {
            stat: File::open("/proc/stat").ok(),
            container_id: trimmed("/proc/sys/kernel/random/uuid")
                .unwrap_or_default()
                .replace('-', ""),
            cpu_model: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|text| cpu_model(&text)),
            kernel: trimmed("/proc/sys/kernel/osrelease"),
        })
    }

    /// Looks before an invocation; the clocks are read last.
    pub fn look(&self) -> Before {
        let (steal_ms, usage) = (self.steal_ms(), usage());
        Before {
            steal_ms,
            usage,
            started_ns: epoch_ns(),
            clock: Instant::now(),
        }
    }

    /// Prints the line of an invocation, `number` in this process from 1, that spent `s3` in
    /// `s3_calls` calls of S3.
    pub fn say(&self, before: &Before, request_id: &str, number: u64, s3: Duration, s3_calls: u64) {
        let handler_ms = ms(before.clock.elapsed());
        let ended_ns = epoch_ns();
        let mut line = Map::from_iter([
            ("handler_started_ns".to_owned(), before.started_ns.into()),
            ("handler_ended_ns".to_owned(), ended_ns.into()),
            ("handler_ms".to_owned(), handler_ms.into()),
            ("s3_ms".to_owned(), ms(s3).into()),
            ("s3_calls".to_owned(), s3_calls.into()),
            (
                "steal_ms".to_owned(),
                before
                    .steal_ms
                    .zip(self.steal_ms())
                    .map(|(a, b)| b - a)
                    .into(),
            ),
            ("peak_rss_mb".to_owned(), peak_rss_mb().into()),
            ("container_id".to_owned(), self.container_id.as_str().into()),
            ("container_invocation".to_owned(), number.into()),
            ("cpu_model".to_owned(), self.cpu_model.as_deref().into()),
            ("kernel".to_owned(), self.kernel.as_deref().into()),
        ]);
        if let (Some(a), Some(b)) = (&before.usage, usage()) {
            line.extend(a.until(&b));
        }
        let fields = Value::from(line).to_string();
        // The mark comes first: the runner knows the line by it.
        let text = format!(
            "{{\"darkroom_profile\":1,\"request_id\":{},{}\n",
            json!(request_id),
            &fields[1..]
        );
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    fn steal_ms(&self) -> Option<f64> {
        let mut start = [0; 256];
        let length = self.stat.as_ref()?.read_at(&mut start, 0).ok()?;
        let first = std::str::from_utf8(&start[..length]).ok()?.lines().next()?;
        Some(
            first
                .split_ascii_whitespace()
                .nth(STEAL)?
                .parse::<f64>()
                .ok()?
                * MS_A_TICK,
        )
    }
}

impl Usage {
    fn until(&self, later: &Self) -> [(String, Value); 6] {
        [
            (
                "cpu_user_ms".to_owned(),
                (later.user_ms - self.user_ms).into(),
            ),
            (
                "cpu_system_ms".to_owned(),
                (later.system_ms - self.system_ms).into(),
            ),
            (
                "context_switches_voluntary".to_owned(),
                (later.voluntary - self.voluntary).into(),
            ),
            (
                "context_switches_involuntary".to_owned(),
                (later.involuntary - self.involuntary).into(),
            ),
            (
                "page_faults_minor".to_owned(),
                (later.minor - self.minor).into(),
            ),
            (
                "page_faults_major".to_owned(),
                (later.major - self.major).into(),
            ),
        ]
    }
}

fn usage() -> Option<Usage> {
    let own = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some(Usage {
        user_ms: own.user_time().num_microseconds() as f64 / 1e3,
        system_ms: own.system_time().num_microseconds() as f64 / 1e3,
        voluntary: own.voluntary_context_switches(),
        involuntary: own.involuntary_context_switches(),
        minor: own.minor_page_faults(),
        major: own.major_page_faults(),
    })
}

/// Not `getrusage`'s: that remembers the program which this process was before exec.
fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// Returns the first processor's name; arm64 kernels give none, only numbers of the maker and the
/// part.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let value = |name: &str| {
        let found = cpuinfo
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    value("model name").or_else(|| {
        Some(format!(
            "{} {}",
            value("CPU implementer")?,
            value("CPU part")?
        ))
    })
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn epoch_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_a_name_or_numbers() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\n").as_deref(),
            Some("AMD EPYC")
        );
        assert_eq!(
            cpu_model("CPU implementer\t: 0x41\nCPU part\t: 0xd40\n").as_deref(),
            Some("0x41 0xd40")
        );
        assert_eq!(cpu_model("processor: 0\n"), None);
    }

    #[test]
    fn usage_only_grows() {
        let (before, after) = (usage().unwrap(), usage().unwrap());
        assert!(
            before
                .until(&after)
                .iter()
                .all(|(_, value)| value.as_f64().unwrap() >= 0.0)
        );
    }
}
