//! A session on lanes, by a clock that is only computed.
//!
//! [`Queue`] and how long a batch takes → what was under way when. For calibration and tests: what
//! lanes do to validity does not depend on a cloud.

use super::queue::{Next, PassBatch, Queue};
use super::session::Step;

/// One batch on its lane.
#[derive(Clone, Debug)]
pub struct Taken {
    pub batch: PassBatch,
    pub began_s: f64,
    pub ended_s: f64,
    /// Batches that were under way when it began.
    pub others: usize,
}

/// A batch that begins.
#[derive(Clone, Copy, Debug)]
pub struct Starts<'a> {
    pub batch: &'a PassBatch,
    pub now_s: f64,
    pub others: usize,
}

#[derive(Debug)]
pub enum Happened {
    Took(Taken),
    Alone(Step),
}

/// Lets lanes take all of a session; a batch takes as long as `duration_s` says.
///
/// # Panics
///
/// If the queue breaks its word: something is done alone while a batch is under way, or waited for
/// while none is.
pub fn on_lanes(
    mut queue: Queue<'_>,
    lanes: u32,
    mut duration_s: impl FnMut(Starts<'_>) -> f64,
) -> Vec<Happened> {
    let (mut now_s, mut under_way, mut happened) = (0.0, Vec::<Taken>::new(), Vec::new());
    loop {
        let next = if under_way.len() < lanes as usize {
            queue.give()
        } else {
            Next::Wait
        };
        match next {
            Next::Take(batch) => {
                let others = under_way.len();
                let starts = Starts {
                    batch: &batch,
                    now_s,
                    others,
                };
                let taken = Taken {
                    began_s: now_s,
                    ended_s: now_s + duration_s(starts),
                    others,
                    batch,
                };
                under_way.push(taken.clone());
                happened.push(Happened::Took(taken));
            }
            Next::Alone(step) => {
                assert!(under_way.is_empty(), "{step:?} beside {under_way:?}");
                happened.push(Happened::Alone(step));
            }
            Next::Wait => {
                let first = (0..under_way.len())
                    .min_by(|a, b| under_way[*a].ended_s.total_cmp(&under_way[*b].ended_s))
                    .expect("who waits, waits for a batch");
                let over = under_way.swap_remove(first);
                now_s = over.ended_s;
                queue.ended(&over.batch);
            }
            Next::Over => return happened,
        }
    }
}
