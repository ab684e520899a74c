//! The journal for aggregation: later facts about an invocation are merged into its row.
//!
//! Sizes are seen after a pass. Still facts only: nothing is computed here.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::path::Path;

use darkroom_core::event::{Event, Invocation, PassKey, PipelinePass};

use super::journal::{self, JournalError};

/// Returns a run's facts in order, every invocation with its sizes where these are known.
///
/// Holds the passes in flight, not the run. A line that is not a fact is an
/// error in its place, and the others follow.
pub fn complete(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Event, JournalError>> + use<>, JournalError> {
    let mut events = journal::read(path)?;
    let (mut held, mut ready) = (Held::default(), VecDeque::new());
    let mut over = false;
    Ok(std::iter::from_fn(move || {
        while ready.is_empty() && !over {
            match events.next() {
                Some(Ok(event)) => held.take(event, &mut ready),
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    over = true;
                    held.release_all(&mut ready);
                }
            }
        }
        ready.pop_front().map(Ok)
    }))
}

#[derive(Default)]
struct Held {
    passes: HashMap<PassKey, Vec<Invocation>>,
}

impl Held {
    fn take(&mut self, event: Event, ready: &mut VecDeque<Event>) {
        match event {
            Event::InvocationFinished(invocation) => {
                self.passes
                    .entry(invocation.pass.clone())
                    .or_default()
                    .push(invocation);
            }
            Event::PipelineFinished(pass) => {
                let invocations = self.passes.remove(&pass.pass).unwrap_or_default();
                ready.extend(
                    invocations
                        .into_iter()
                        .map(|i| Event::InvocationFinished(sized(i, &pass))),
                );
                ready.push_back(Event::PipelineFinished(pass));
            }
            // What is said of cells must not overtake their invocations.
            event @ (Event::CellsSuperseded { .. }
            | Event::RunResumed { .. }
            | Event::RunExtended(_)
            | Event::RunInterrupted { .. }) => {
                self.release_all(ready);
                ready.push_back(event);
            }
            event => ready.push_back(event),
        }
    }

    /// Lets go of passes that were cut off, in the order they ran.
    fn release_all(&mut self, ready: &mut VecDeque<Event>) {
        let mut cut: Vec<Invocation> = self
            .passes
            .drain()
            .flat_map(|(_, invocations)| invocations)
            .collect();
        cut.sort_by_key(|invocation| invocation.sequence);
        ready.extend(cut.into_iter().map(Event::InvocationFinished));
    }
}

fn sized(mut invocation: Invocation, pass: &PipelinePass) -> Invocation {
    let index = invocation.stage_index as usize;
    let at = |sizes: &[Option<u64>]| sizes.get(index).copied().flatten();
    invocation.bytes_in = invocation.bytes_in.or(at(&pass.input_bytes));
    invocation.bytes_out = invocation.bytes_out.or(at(&pass.output_bytes));
    invocation
}
