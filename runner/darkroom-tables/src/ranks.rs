//! Who may be ranked against whom, and the ranks themselves.
//!
//! What is ranked, and who is left out of it, is decided by those who ask.

use std::collections::HashMap;

use darkroom_core::cell::{Cell, Input, Start, Trigger};

/// The levels that two cells must share to be ranked against each other.
pub type Comparable = (String, Trigger, Input, Start, u32);

pub fn comparable(cell: &Cell) -> Comparable {
    (cell.image_set.clone(), cell.trigger, cell.input, cell.start, cell.concurrency)
}

/// Ranks `(row, group, value)` within their groups from 1, the lowest value first; equal values share a rank.
pub fn ranks<G: Eq + std::hash::Hash>(candidates: Vec<(usize, G, f64)>) -> Vec<(usize, u32)> {
    let mut by_group: HashMap<G, Vec<(f64, usize)>> = HashMap::new();
    for (row, group, value) in candidates {
        by_group.entry(group).or_default().push((value, row));
    }
    let mut ranked = Vec::new();
    for members in by_group.values_mut() {
        members.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(value, row) in members.iter() {
            let better = members.iter().take_while(|(other, _)| *other < value).count();
            ranked.push((row, better as u32 + 1));
        }
    }
    ranked
}
