//! Counts how often each function has run in one chain of events, to find recursive loops.
//!
//! A chain passes from an event to its invocation, to the requests that the handler makes, and to
//! the events that these cause. AWS relies on SDKs to send a request's `Lineage` in the trace
//! header. Here the environment that sends a request identifies its invocation, whichever HTTP
//! client the handler uses. The header counts only if handlers share the host's network. Time plays
//! no role.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Caller;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

/// Runs of each function in a chain, by a short hash of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(BTreeMap<u32, u32>);

/// Functions that a header may name: a chain that is longer than this comes from no handler of
/// ours.
const MOST_IN_HEADER: usize = 256;

impl Lineage {
    /// Returns how often the function has run in the chain.
    pub fn runs(&self, function: &str) -> u32 {
        self.0.get(&id(function)).copied().unwrap_or_default()
    }

    /// Adds one run of the function.
    pub fn add(&mut self, function: &str) {
        let runs = self.0.entry(id(function)).or_default();
        *runs = runs.saturating_add(1);
    }

    /// Reads `Lineage` out of a trace header; SDKs may escape what separates its parts.
    pub fn of_trace_header(header: &str) -> Self {
        let header = percent_decode_str(header).decode_utf8_lossy();
        let lineage = header
            .split(';')
            .find_map(|part| part.trim().strip_prefix("Lineage="))
            .unwrap_or_default();
        let pair = |part: &str| {
            let (function, runs) = part.split_once(':')?;
            Some((u32::from_str_radix(function, 16).ok()?, runs.parse().ok()?))
        };
        Self(
            lineage
                .split('|')
                .take(MOST_IN_HEADER)
                .filter_map(pair)
                .collect(),
        )
    }
}

/// As AWS writes it: `a87bd80c:1|68fd508a:5`.
impl fmt::Display for Lineage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (function, runs)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            write!(formatter, "{separator}{function:08x}:{runs}")?;
        }
        Ok(())
    }
}

/// The chain of the invocation that an environment works on, as its connections see it.
///
/// It stays after the invocation: what a handler's thread sends before the environment is frozen
/// belongs to it too. The function whose environment it is comes along.
#[derive(Clone, Debug, Default)]
pub struct Working {
    chain: Arc<Mutex<Lineage>>,
    caller: Option<Arc<Caller>>,
}

impl Working {
    pub fn of(caller: Option<Arc<Caller>>) -> Self {
        Self {
            caller,
            ..Self::default()
        }
    }

    pub fn caller(&self) -> Option<Arc<Caller>> {
        self.caller.clone()
    }

    /// Says that an invocation of this chain begins.
    pub fn begin(&self, lineage: Lineage) {
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = lineage;
    }

    pub fn lineage(&self) -> Lineage {
        self.chain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn id(function: &str) -> u32 {
    let digest = Sha256::digest(function.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(functions: &[&str]) -> Lineage {
        let mut lineage = Lineage::default();
        for function in functions {
            lineage.add(function);
        }
        lineage
    }

    #[test]
    fn every_function_is_counted_by_itself() {
        let lineage = chain(&["a", "b", "a"]);
        assert_eq!(
            (lineage.runs("a"), lineage.runs("b"), lineage.runs("c")),
            (2, 1, 0)
        );
    }

    #[test]
    fn a_trace_header_gives_back_what_was_put_in_escaped_or_not() {
        let lineage = chain(&["a", "b", "a"]);
        let header = format!("Root=1-0-0;Parent=0;Sampled=0;Lineage={lineage}");
        assert_eq!(Lineage::of_trace_header(&header), lineage);
        assert_eq!(
            Lineage::of_trace_header(&header.replace('|', "%7C")),
            lineage
        );
    }

    #[test]
    fn headers_that_say_nothing_of_a_chain_begin_a_new_one() {
        for header in [
            "",
            "Root=1-0-0;Sampled=1",
            "Lineage=",
            "Lineage=x:y|1",
            "Lineage=a87bd80c:-1",
        ] {
            assert_eq!(
                Lineage::of_trace_header(header),
                Lineage::default(),
                "{header}"
            );
        }
    }

    #[test]
    fn connections_see_the_chain_of_the_invocation_under_way() {
        let working = Working::default();
        let seen_by_a_connection = working.clone();
        working.begin(chain(&["a"]));
        assert_eq!(seen_by_a_connection.lineage(), chain(&["a"]));
        working.begin(chain(&["b"]));
        assert_eq!(seen_by_a_connection.lineage(), chain(&["b"]));
    }
}
