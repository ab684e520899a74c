//! The defaults of keys, where they are not those of their types.

use crate::cell::{Architecture, Input, SnapStart, Start, Trigger};

pub(super) const fn profile() -> bool {
    true
}

pub(super) fn pipeline() -> String {
    "image-pipeline".to_owned()
}
pub(super) const fn seed() -> u64 {
    562
}
pub(super) fn architectures() -> Vec<Architecture> {
    vec![Architecture::X86_64]
}
pub(super) fn memory_mb() -> Vec<u32> {
    vec![1769]
}
pub(super) fn trigger() -> Vec<Trigger> {
    vec![Trigger::Direct]
}
pub(super) fn input() -> Vec<Input> {
    vec![Input::Chained]
}
pub(super) fn start() -> Vec<Start> {
    vec![Start::Warm]
}
pub(super) fn snapstart() -> Vec<SnapStart> {
    vec![SnapStart::Off]
}
/// A manifest that does not ask for it does not mention it.
pub(super) fn is_without_snapstart(levels: &[SnapStart]) -> bool {
    levels == [SnapStart::Off]
}
pub(super) fn concurrency() -> Vec<u32> {
    vec![1]
}
