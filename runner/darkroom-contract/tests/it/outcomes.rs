//! The contract's reasons, as outcomes: the words that both crates spell are the same.

use darkroom_contract::reason;
use darkroom_core::event::Status;
use darkroom_core::outcome::{Kind, Outcome};

#[test]
fn a_missing_output_is_no_output_and_one_that_cannot_be_judged_is_no_outcome() {
    let of = |reason| Outcome::of_ending(Status::Ok, None, Some((false, Some(reason))));
    assert_eq!(of(reason::MISSING), Some(Kind::NoOutput.into()));
    assert_eq!(of(reason::NO_REFERENCE), None);
    let wrong = Outcome::new(Kind::WrongOutput, reason::WRONG_SIZE);
    assert_eq!(of(reason::WRONG_SIZE), Some(wrong));
}
