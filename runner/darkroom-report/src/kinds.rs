//! Kinds of work: cells that may be held against each other (image set, trigger, input, start, concurrency alike), and what a
//! kind is called among those of a run.

use darkroom_core::cell::Cell;
use darkroom_tables::{Comparable, comparable};

/// What is of one kind of work, in the order in which it came.
pub struct Kind<T> {
    /// What tells it from the other kinds; `None` where there is one.
    pub name: Option<String>,
    pub of: Comparable,
    pub members: Vec<T>,
}

/// Groups by the kind of work of a member's cell, kinds in the order of their first members.
pub fn kinds<T>(members: impl IntoIterator<Item = T>, cell: impl Fn(&T) -> &Cell) -> Vec<Kind<T>> {
    let mut kinds: Vec<Kind<T>> = Vec::new();
    for member in members {
        let of = comparable(cell(&member));
        match kinds.iter_mut().find(|kind| kind.of == of) {
            Some(kind) => kind.members.push(member),
            None => kinds.push(Kind { name: None, of, members: vec![member] }),
        }
    }
    let names = names(&kinds.iter().map(|kind| &kind.of).collect::<Vec<_>>());
    for (kind, name) in kinds.iter_mut().zip(names) {
        kind.name = name;
    }
    kinds
}

/// Names each by the levels that differ among them.
fn names(keys: &[&Comparable]) -> Vec<Option<String>> {
    let levels = |(images, trigger, input, start, concurrency): &Comparable| {
        [
            images.clone(),
            trigger.to_string(),
            input.to_string(),
            start.to_string(),
            format!("concurrency {concurrency}"),
        ]
    };
    let all: Vec<[String; 5]> = keys.iter().map(|key| levels(key)).collect();
    let differs = |place: usize| all.iter().any(|levels| levels[place] != all[0][place]);
    let differing: Vec<usize> = (0..5).filter(|place| differs(*place)).collect();
    let name =
        |levels: &[String; 5]| differing.iter().map(|place| levels[*place].as_str()).collect::<Vec<_>>().join(", ");
    all.iter().map(|levels| (!differing.is_empty()).then(|| name(levels))).collect()
}
