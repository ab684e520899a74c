//! Kinds of work: groups of cells that may be compared (same image set, trigger, input, start,
//! SnapStart, concurrency), and their names within a run.

use darkroom_core::cell::{Cell, Input, SnapStart, Start, Trigger};
use darkroom_core::prompt::listed;
use darkroom_tables::{Comparable, comparable};

/// What is of one kind of work, in the order in which it came.
pub struct WorkKind<T> {
    /// What tells it from the other kinds; `None` where there is one.
    pub name: Option<String>,
    /// The same as a sentence has it: `direct calls and warm starts`.
    pub words: Option<String>,
    pub of: Comparable,
    pub members: Vec<T>,
}

/// Groups by the kind of work of a member's cell, kinds in the order of their first members.
pub fn kinds<T>(
    members: impl IntoIterator<Item = T>,
    cell: impl Fn(&T) -> &Cell,
) -> Vec<WorkKind<T>> {
    let mut kinds: Vec<WorkKind<T>> = Vec::new();
    for member in members {
        let of = comparable(cell(&member));
        match kinds.iter_mut().find(|kind| kind.of == of) {
            Some(kind) => kind.members.push(member),
            None => kinds.push(WorkKind {
                name: None,
                words: None,
                of,
                members: vec![member],
            }),
        }
    }
    let names = names(&kinds.iter().map(|kind| &kind.of).collect::<Vec<_>>());
    for (kind, (name, words)) in kinds.iter_mut().zip(names) {
        (kind.name, kind.words) = (name, words);
    }
    kinds
}

/// Places of levels.
const START: usize = 3;
const SNAPSTART: usize = 4;

/// Names each by the levels that differ among them: as labels have it, and as a sentence has it.
fn names(keys: &[&Comparable]) -> Vec<(Option<String>, Option<String>)> {
    let levels = |(images, trigger, input, start, snapstart, concurrency): &Comparable| {
        [
            images.clone(),
            trigger.to_string(),
            input.to_string(),
            start.to_string(),
            format!("snapstart {snapstart}"),
            format!("concurrency {concurrency}"),
        ]
    };
    let all: Vec<[String; 6]> = keys.iter().map(|key| levels(key)).collect();
    let differs = |place: usize| all.iter().any(|levels| levels[place] != all[0][place]);
    let differing: Vec<usize> = (0..6).filter(|place| differs(*place)).collect();
    let of = |levels: &[String; 6]| {
        differing
            .iter()
            .map(|place| levels[*place].clone())
            .collect::<Vec<_>>()
    };
    let names = all.iter().zip(keys).map(|(levels, key)| {
        let spoken = spoken(key);
        let words = differing.iter().copied();
        let words: Vec<String> = words
            .filter(|place| *place != START || !differs(SNAPSTART))
            .map(|place| spoken[place].clone())
            .collect();
        (of(levels).join(", "), listed(&words))
    });
    names
        .map(|(name, words)| {
            if differing.is_empty() {
                (None, None)
            } else {
                (Some(name), Some(words))
            }
        })
        .collect()
}

/// Levels as one would say them; SnapStart's with the start that it is of.
fn spoken((images, trigger, input, start, snapstart, concurrency): &Comparable) -> [String; 6] {
    let trigger = match trigger {
        Trigger::Direct => "direct calls",
        Trigger::S3 => "S3 triggers",
    };
    let input = match input {
        Input::Chained => "chained stages",
        Input::Reference => "reference inputs",
    };
    let start = match start {
        Start::Warm => "warm starts",
        Start::Cold => "cold starts",
    };
    let snapstart = match snapstart {
        SnapStart::Off => format!("{start} without SnapStart"),
        SnapStart::On => format!("{start} with SnapStart"),
    };
    let at_once = if *concurrency == 1 {
        "one image at a time".into()
    } else {
        format!("{concurrency} images at a time")
    };
    [
        images.clone(),
        trigger.into(),
        input.into(),
        start.into(),
        snapstart,
        at_once,
    ]
}

#[cfg(test)]
mod tests {
    use darkroom_core::cell::Architecture;

    use super::*;

    fn cell(start: Start, snapstart: SnapStart) -> Cell {
        Cell {
            variant: "copy".into(),
            runtime: None,
            architecture: Architecture::X86_64,
            memory_mb: 512,
            image_set: "photos".into(),
            trigger: Trigger::Direct,
            input: Input::Chained,
            start,
            snapstart,
            concurrency: 1,
        }
    }

    fn words(cells: &[Cell]) -> Vec<String> {
        let kinds = kinds(cells, |cell| *cell).into_iter();
        kinds.map(|kind| kind.words.unwrap()).collect()
    }

    #[test]
    fn a_sentence_says_snapstart_with_the_start_that_it_is_of() {
        let cold = |snapstart| cell(Start::Cold, snapstart);
        let warm = cell(Start::Warm, SnapStart::Off);
        let both = [cold(SnapStart::Off), cold(SnapStart::On)];
        let with = "cold starts with SnapStart";
        let without = "cold starts without SnapStart";
        assert_eq!(words(&both), [without, with]);
        let [off, on] = both;
        let three = [warm.clone(), off.clone(), on];
        assert_eq!(
            words(&three),
            ["warm starts without SnapStart", without, with]
        );
        assert_eq!(words(&[warm, off]), ["warm starts", "cold starts"]);
    }
}
