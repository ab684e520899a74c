//! Whose turn it is: models one after the other, each with the variants that it is still to write.
//!
//! One that cannot answer now loses its turn, not the others theirs. Pure.

use std::collections::VecDeque;

/// Failures in a row after which a model is left out: each has waited as long as `timeout_s` says.
const PATIENCE: u32 = 2;

/// The variants to be made, a line for each model.
#[derive(Debug)]
pub struct Turns<T> {
    lines: Vec<Line<T>>,
    /// The line whose turn it is.
    at: usize,
}

#[derive(Debug)]
struct Line<T> {
    model: String,
    waiting: VecDeque<T>,
    failures: u32,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Done,
    /// It may work later.
    FailedForNow,
    /// It would fail again.
    FailedForGood,
}

impl<T> Turns<T> {
    /// Lines up what is to be made, in its order.
    pub fn of(all: impl IntoIterator<Item = (String, T)>) -> Self {
        let mut lines: Vec<Line<T>> = Vec::new();
        for (model, one) in all {
            match lines.iter_mut().find(|line| line.model == model) {
                Some(line) => line.waiting.push_back(one),
                None => lines.push(Line {
                    model,
                    waiting: VecDeque::from([one]),
                    failures: 0,
                }),
            }
        }
        Self { lines, at: 0 }
    }

    /// Returns what is to be made next; `None` when all is made or given up.
    pub fn whose(&mut self) -> Option<&T> {
        let lines = self.lines.len();
        let has_work = |at: &usize| self.lines[*at].may_go_on();
        let at = (self.at..self.at + lines)
            .map(|at| at % lines)
            .find(has_work)?;
        self.at = at;
        self.lines[at].waiting.front()
    }

    /// Takes what came of the turn; the next model has the next one.
    pub fn ended(&mut self, turn: Turn) {
        let line = &mut self.lines[self.at];
        match turn {
            Turn::Done => {
                line.waiting.pop_front();
                line.failures = 0;
            }
            Turn::FailedForNow => line.failures += 1,
            Turn::FailedForGood => line.failures = PATIENCE,
        }
        self.at = (self.at + 1) % self.lines.len();
    }

    /// Returns what was not made.
    pub fn left(&self) -> impl Iterator<Item = &T> {
        self.lines.iter().flat_map(|line| &line.waiting)
    }
}

impl<T> Line<T> {
    fn may_go_on(&self) -> bool {
        !self.waiting.is_empty() && self.failures < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Turns<&'static str> {
        let all = [
            ("a", "a1"),
            ("a", "a2"),
            ("a", "a3"),
            ("b", "b1"),
            ("b", "b2"),
        ];
        Turns::of(all.map(|(model, one)| (model.to_owned(), one)))
    }

    /// Carries all out; `fails` says what comes of each.
    fn order(turns: &mut Turns<&'static str>, fails: impl Fn(&str) -> Turn) -> Vec<&'static str> {
        let mut order = Vec::new();
        while let Some(&one) = turns.whose() {
            order.push(one);
            turns.ended(fails(one));
        }
        order
    }

    #[test]
    fn models_take_turns() {
        let mut all = turns();
        assert_eq!(
            order(&mut all, |_| Turn::Done),
            ["a1", "b1", "a2", "b2", "a3"]
        );
        assert_eq!(all.left().count(), 0);
    }

    #[test]
    fn a_model_that_fails_twice_in_a_row_is_left_out_and_the_others_go_on() {
        let of = |word: &str| {
            if word.starts_with('a') {
                Turn::FailedForNow
            } else {
                Turn::Done
            }
        };
        let mut all = turns();
        assert_eq!(order(&mut all, of), ["a1", "b1", "a1", "b2"]);
        assert_eq!(all.left().copied().collect::<Vec<_>>(), ["a1", "a2", "a3"]);
        let of = |word: &str| {
            if word.starts_with('a') {
                Turn::FailedForGood
            } else {
                Turn::Done
            }
        };
        assert_eq!(order(&mut turns(), of), ["a1", "b1", "b2"]);
    }

    #[test]
    fn nothing_to_do_is_no_turn() {
        assert!(Turns::<u8>::of([]).whose().is_none());
    }
}
