//! Expands a matrix into cells, in the order its lists are declared; the last factor changes
//! fastest.
//!
//! Lists multiply, `exclude` removes, `include` adds. A variant that brings a runtime of its own is
//! there once, whatever `runtimes` names. Lazy: a million cells are a counter. Knows nothing of
//! targets.

use crate::cell::{Architecture, Cell, Input, SnapStart, Start, Trigger};
use crate::manifest::{Levels, Matrix};

/// A cell whose names are borrowed from the manifest, so that looking at a million costs no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellRef<'a> {
    pub variant: &'a str,
    /// See [`Cell::runtime`].
    pub runtime: Option<&'a str>,
    pub architecture: Architecture,
    pub memory_mb: u32,
    pub image_set: &'a str,
    pub trigger: Trigger,
    pub input: Input,
    pub start: Start,
    pub snapstart: SnapStart,
    pub concurrency: u32,
}

/// Levels that have functions of their own: cells that agree in them share functions.
pub type FunctionLevels<'a> = (
    &'a str,
    Option<&'a str>,
    Architecture,
    u32,
    Trigger,
    Start,
    SnapStart,
);

impl<'a> CellRef<'a> {
    pub const fn function_levels(&self) -> FunctionLevels<'a> {
        (
            self.variant,
            self.runtime,
            self.architecture,
            self.memory_mb,
            self.trigger,
            self.start,
            self.snapstart,
        )
    }
}

impl Cell {
    pub fn borrowed(&self) -> CellRef<'_> {
        CellRef {
            variant: &self.variant,
            runtime: self.runtime.as_deref(),
            architecture: self.architecture,
            memory_mb: self.memory_mb,
            image_set: &self.image_set,
            trigger: self.trigger,
            input: self.input,
            start: self.start,
            snapstart: self.snapstart,
            concurrency: self.concurrency,
        }
    }
}

impl CellRef<'_> {
    pub fn to_cell(&self) -> Cell {
        Cell {
            variant: self.variant.to_owned(),
            runtime: self.runtime.map(str::to_owned),
            architecture: self.architecture,
            memory_mb: self.memory_mb,
            image_set: self.image_set.to_owned(),
            trigger: self.trigger,
            input: self.input,
            start: self.start,
            snapstart: self.snapstart,
            concurrency: self.concurrency,
        }
    }

    /// Whether the cell has every level that `levels` names.
    pub fn has(&self, levels: &Levels) -> bool {
        fn agrees<T: PartialEq + Copy>(wanted: Option<T>, own: T) -> bool {
            wanted.is_none_or(|wanted| wanted == own)
        }
        agrees(levels.memory_mb, self.memory_mb)
            && agrees(levels.architecture, self.architecture)
            && agrees(levels.trigger, self.trigger)
            && agrees(levels.input, self.input)
            && agrees(levels.start, self.start)
            && agrees(levels.snapstart, self.snapstart)
            && agrees(levels.concurrency, self.concurrency)
            && agrees(levels.variant.as_deref(), self.variant)
            && agrees(levels.runtime.as_deref().map(Some), self.runtime)
            && agrees(levels.image_set.as_deref(), self.image_set)
    }
}

impl Levels {
    /// Returns the cell that these levels are, when there is one for every factor. Without a runtime
    /// it is a cell of the variant's own, without `snapstart` one that does without.
    pub fn as_cell(&self) -> Option<CellRef<'_>> {
        Some(CellRef {
            variant: self.variant.as_deref()?,
            runtime: self.runtime.as_deref(),
            architecture: self.architecture?,
            memory_mb: self.memory_mb?,
            image_set: self.image_set.as_deref()?,
            trigger: self.trigger?,
            input: self.input?,
            start: self.start?,
            snapstart: self.snapstart.unwrap_or_default(),
            concurrency: self.concurrency?,
        })
    }
}

impl Matrix {
    /// Returns how many cells the lists multiply to, before `exclude` and `include`; `None` beyond
    /// `u64`. A variant with a runtime of its own counts as often as there are runtimes.
    pub fn product(&self) -> Option<u64> {
        [
            self.variants.len(),
            self.runtimes.len().max(1),
            self.architectures.len(),
            self.memory_mb.len(),
            self.image_sets.len(),
            self.trigger.len(),
            self.input.len(),
            self.start.len(),
            self.snapstart.len(),
            self.concurrency.len(),
        ]
        .into_iter()
        .try_fold(1_u64, |product, length| product.checked_mul(length as u64))
    }

    /// Returns the cells the lists multiply to, `exclude` and `include` aside.
    ///
    /// A product beyond `u64` is cut off there; validation refuses matrices long before.
    pub fn multiplied(&self) -> impl Iterator<Item = CellRef<'_>> {
        (0..self.product().unwrap_or(u64::MAX)).filter_map(|index| self.point(index))
    }

    /// Returns the cells of the matrix: the product without what `exclude` matches, then what
    /// `include` adds.
    ///
    /// An `include` that leaves a factor open adds nothing here: validation completes or refuses
    /// it.
    pub fn cells(&self) -> impl Iterator<Item = CellRef<'_>> {
        self.multiplied()
            .filter(|cell| !self.exclude.iter().any(|levels| cell.has(levels)))
            .chain(self.include.iter().filter_map(Levels::as_cell))
    }

    /// Returns the cell at a place of the product; `None` where the variant takes no part in the
    /// runtimes and has been there.
    fn point(&self, index: u64) -> Option<CellRef<'_>> {
        let mut rest = index;
        let mut digit = |length: usize| {
            let digit = rest % length as u64;
            rest /= length as u64;
            digit as usize
        };
        // Last factor first: it changes fastest.
        let concurrency = self.concurrency[digit(self.concurrency.len())];
        let snapstart = self.snapstart[digit(self.snapstart.len())];
        let start = self.start[digit(self.start.len())];
        let input = self.input[digit(self.input.len())];
        let trigger = self.trigger[digit(self.trigger.len())];
        let image_set = &self.image_sets[digit(self.image_sets.len())];
        let memory_mb = self.memory_mb[digit(self.memory_mb.len())];
        let architecture = self.architectures[digit(self.architectures.len())];
        let level = digit(self.runtimes.len().max(1));
        let variant = &self.variants[digit(self.variants.len())];
        let runtime = if self.own_runtime.contains(variant) {
            if level > 0 {
                return None;
            }
            None
        } else {
            self.runtimes.get(level).map(String::as_str)
        };
        Some(CellRef {
            variant,
            runtime,
            architecture,
            memory_mb,
            image_set,
            trigger,
            input,
            start,
            snapstart,
            concurrency,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn matrix(variants: &[&str], memory_mb: &[u32]) -> Matrix {
        Matrix {
            variants: variants.iter().map(ToString::to_string).collect(),
            runtimes: vec![],
            own_runtime: BTreeSet::new(),
            architectures: vec![Architecture::X86_64],
            memory_mb: memory_mb.to_vec(),
            image_sets: vec!["photos".into()],
            trigger: vec![Trigger::Direct],
            input: vec![Input::Chained],
            start: vec![Start::Warm],
            snapstart: vec![SnapStart::Off],
            concurrency: vec![1],
            exclude: vec![],
            include: vec![],
        }
    }

    fn ids(matrix: &Matrix) -> Vec<String> {
        matrix
            .cells()
            .map(|cell| format!("{}.{}", cell.variant, cell.memory_mb))
            .collect()
    }

    #[test]
    fn lists_multiply_in_declared_order() {
        assert_eq!(
            ids(&matrix(&["pillow", "rust"], &[512, 128])),
            ["pillow.512", "pillow.128", "rust.512", "rust.128"]
        );
    }

    #[test]
    fn exclude_removes_every_matching_cell() {
        let mut matrix = matrix(&["pillow", "rust"], &[512, 128]);
        matrix.exclude = vec![Levels {
            memory_mb: Some(512),
            ..Levels::default()
        }];
        assert_eq!(ids(&matrix), ["pillow.128", "rust.128"]);
        matrix.exclude[0].variant = Some("rust".into());
        assert_eq!(ids(&matrix), ["pillow.512", "pillow.128", "rust.128"]);
    }

    #[test]
    fn include_adds_its_cell_after_the_product_even_where_exclude_would_match() {
        let mut matrix = matrix(&["pillow"], &[512, 128]);
        matrix.exclude = vec![Levels {
            memory_mb: Some(512),
            ..Levels::default()
        }];
        let mut added = matrix.multiplied().next().unwrap().to_cell();
        added.variant = "rust".into();
        matrix.include = vec![Levels {
            variant: Some(added.variant),
            runtime: None,
            architecture: Some(added.architecture),
            memory_mb: Some(512),
            image_set: Some(added.image_set),
            trigger: Some(added.trigger),
            input: Some(added.input),
            start: Some(added.start),
            snapstart: Some(added.snapstart),
            concurrency: Some(1),
        }];
        assert_eq!(ids(&matrix), ["pillow.128", "rust.512"]);
    }

    #[test]
    fn runtimes_multiply_and_a_variant_with_its_own_is_there_once() {
        let mut matrix = matrix(&["pillow", "rust"], &[512]);
        matrix.runtimes = vec!["python3.13".into(), "python3.14".into()];
        matrix.own_runtime = BTreeSet::from(["rust".to_owned()]);
        let found = |matrix: &Matrix| -> Vec<String> {
            let cells = matrix.cells();
            cells
                .map(|cell| format!("{} {}", cell.variant, cell.runtime.unwrap_or("own")))
                .collect()
        };
        assert_eq!(
            found(&matrix),
            ["pillow python3.13", "pillow python3.14", "rust own"]
        );
        matrix.exclude = vec![Levels {
            runtime: Some("python3.13".into()),
            ..Levels::default()
        }];
        assert_eq!(found(&matrix), ["pillow python3.14", "rust own"]);
    }

    fn some<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = Vec<T>> {
        prop::sample::subsequence(all, 1..=all.len())
    }

    fn any_matrix() -> impl Strategy<Value = Matrix> {
        let names = || prop::collection::hash_set("[a-z]{1,3}", 1..4);
        let numbers = || prop::collection::hash_set(1_u32..2000, 1..4);
        (
            (names(), some(Architecture::ALL), numbers(), names()),
            prop::sample::subsequence(&["python3.13", "python3.14"][..], 0..=2),
            (
                some(Trigger::ALL),
                some(Input::ALL),
                some(Start::ALL),
                some(SnapStart::ALL),
                numbers(),
            ),
        )
            .prop_map(
                |(
                    (variants, architectures, memory_mb, image_sets),
                    runtimes,
                    (trigger, input, start, snapstart, concurrency),
                )| Matrix {
                    variants: variants.into_iter().collect(),
                    runtimes: runtimes.into_iter().map(str::to_owned).collect(),
                    own_runtime: BTreeSet::new(),
                    architectures,
                    memory_mb: memory_mb.into_iter().collect(),
                    image_sets: image_sets.into_iter().collect(),
                    trigger,
                    input,
                    start,
                    snapstart,
                    concurrency: concurrency.into_iter().collect(),
                    exclude: vec![],
                    include: vec![],
                },
            )
    }

    proptest! {
        #[test]
        fn a_matrix_expands_to_the_product_of_its_lists_each_cell_once(matrix in any_matrix()) {
            let cells: Vec<_> = matrix.cells().collect();
            prop_assert_eq!(Some(cells.len() as u64), matrix.product());
            let ids: HashSet<_> = cells.iter().map(|cell| cell.to_cell().id()).collect();
            prop_assert_eq!(ids.len(), cells.len(), "ids tell every two cells apart");
        }

        #[test]
        fn what_is_excluded_and_what_is_left_are_the_product(matrix in any_matrix(), chosen: prop::sample::Index) {
            let mut excluding = matrix.clone();
            let memory_mb = *chosen.get(&matrix.memory_mb);
            excluding.exclude = vec![Levels { memory_mb: Some(memory_mb), ..Levels::default() }];
            let removed = matrix.product().unwrap() / matrix.memory_mb.len() as u64;
            prop_assert_eq!(excluding.cells().count() as u64, matrix.product().unwrap() - removed);
            prop_assert!(excluding.cells().all(|cell| cell.memory_mb != memory_mb));
        }
    }
}
