//! Tests parsers with inputs that nobody would send: recorded, damaged, nested and endless ones.
//!
//! Every parser that a handler or a client can reach has such a test. None may panic, overflow its
//! stack or take quadratic time, because that would end or block the process that measures. Each
//! input is read on a thread with a server thread's stack size, so deep nesting overflows here too.
//! The number of inputs alone decides what a parser gets. Set `DARKROOM_HOSTILE_INPUTS` to 1000000
//! for a long test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRng, TestRunner};

/// Names the number of inputs that each parser is fed.
const INPUTS: &str = "DARKROOM_HOSTILE_INPUTS";
/// As many as an ordinary test run takes.
const FEW: u32 = 300;
/// Stack of a thread that answers requests (Tokio's default).
const STACK: usize = 2 << 20;
/// No input may take longer, however slow the build is. Reading in quadratic time takes minutes at
/// [`ENDLESS`].
const LONGEST: Duration = Duration::from_secs(10);
/// Recorded inputs up to this length are damaged in every way, in bytes.
const SHORT: usize = 4 << 10;
/// How long an endless input gets, in bytes: the most that a request to Logs or CloudWatch may
/// hold, in part.
const ENDLESS: usize = 256 << 10;

/// A parser and what to feed it.
pub struct Parser<'a> {
    /// Names the folder with its recorded inputs.
    pub name: &'a str,
    /// What its language is made of.
    pub words: &'a [&'a str],
    /// How long an input may be, in bytes, before it is refused unread: longer ones are cut.
    pub longest: usize,
}

impl Parser<'_> {
    /// Feeds `read` with all kinds of input; fails where it panics or takes too long.
    ///
    /// Recorded inputs lie in the crate's `tests/hostile/<name>`. What makes a parser fail is
    /// written there, and stays as a test.
    pub fn hold(&self, read: impl FnMut(&[u8]) + Send) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/hostile")
            .join(self.name);
        let recorded = recorded(&folder);
        assert!(
            !recorded.is_empty(),
            "no recorded inputs in {}",
            folder.display()
        );
        std::thread::scope(|scope| {
            let holding = || self.hold_here(&folder, &recorded, read);
            let thread = std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, holding)
                .unwrap();
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn hold_here(&self, folder: &Path, recorded: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
        let asked = std::env::var(INPUTS)
            .ok()
            .map(|number| number.parse().expect("a number of inputs"));
        for input in recorded {
            self.feed(folder, input, &mut read);
        }
        for input in self.endless(asked.is_some()) {
            self.feed(folder, &input, &mut read);
        }
        let cases = asked.unwrap_or(FEW);
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(
            config.clone(),
            TestRng::deterministic_rng(config.rng_algorithm),
        );
        let read = std::cell::RefCell::new(read);
        let began = Instant::now();
        runner
            .run(&self.inputs(recorded), |input| {
                self.feed(folder, &input, &mut *read.borrow_mut());
                Ok(())
            })
            .unwrap();
        if asked.is_some() {
            // Who asks for a number wants to know how it went.
            #[expect(clippy::print_stderr, reason = "a test's own report")]
            {
                eprintln!("{}: {cases} inputs in {:.0?}", self.name, began.elapsed());
            }
        }
    }

    fn feed(&self, folder: &Path, input: &[u8], read: &mut impl FnMut(&[u8])) {
        let input = &input[..input.len().min(self.longest)];
        let mut took = Duration::MAX;
        // Once more where it took long: the machine may have been busy.
        for _ in 0..3 {
            let began = Instant::now();
            let whole = catch_unwind(AssertUnwindSafe(|| read(input))).is_ok();
            assert!(
                whole,
                "{}: panics at {}",
                self.name,
                kept(folder, input).display()
            );
            took = took.min(began.elapsed());
            if took < LONGEST {
                return;
            }
        }
        panic!(
            "{}: takes {took:?} for {} bytes: {}",
            self.name,
            input.len(),
            kept(folder, input).display()
        );
    }

    /// Every word, and every pair of words if `all`, again and again until the input is long.
    fn endless(&self, all: bool) -> Vec<Vec<u8>> {
        let length = ENDLESS.min(self.longest);
        let pairs = self
            .words
            .iter()
            .flat_map(|a| self.words.iter().map(move |b| [*a, *b].concat()));
        let units = self
            .words
            .iter()
            .map(|word| (*word).to_owned())
            .chain(pairs.filter(|_| all));
        let repeated = |unit: String| {
            unit.as_bytes()
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect()
        };
        units
            .filter(|unit| !unit.is_empty())
            .map(repeated)
            .collect()
    }

    fn inputs(&self, recorded: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
        let words: Vec<Vec<u8>> = self
            .words
            .iter()
            .map(|word| word.as_bytes().to_vec())
            .collect();
        let piece = prop_oneof![4 => select(words), 1 => vec(any::<u8>(), 1..4)].boxed();
        // Of those that are short: a long one takes a thousand times as long, and is read as it is
        // anyway.
        let mut short: Vec<Vec<u8>> = recorded
            .iter()
            .filter(|input| input.len() <= SHORT)
            .cloned()
            .collect();
        if short.is_empty() {
            short.extend(recorded.iter().map(|input| input[..SHORT].to_vec()));
        }
        let damaged = (select(short), vec(edit(piece.clone()), 1..6))
            .prop_map(|(input, edits)| edits.into_iter().fold(input, |input, edit| edit.of(input)));
        let made_up = vec(piece.clone(), 0..40).prop_map(|pieces| pieces.concat());
        let nested = (piece.clone(), piece.clone(), piece, 1..2000_usize).prop_map(
            |(open, inner, close, depth)| [open.repeat(depth), inner, close.repeat(depth)].concat(),
        );
        prop_oneof![12 => damaged, 6 => made_up, 1 => nested]
    }
}

/// One change to an input.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, Vec<u8>),
    Replace(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Cut(Index),
}

fn edit(piece: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), piece.clone()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        4 => (any::<Index>(), piece).prop_map(|(at, piece)| Edit::Replace(at, piece)),
        2 => (any::<Index>(), 1..30_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => (any::<Index>(), 1..60_usize, 2..20_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Edit::Cut),
    ]
}

impl Edit {
    fn of(self, mut input: Vec<u8>) -> Vec<u8> {
        let place = |at: Index| at.index(input.len() + 1);
        match self {
            Self::Insert(at, piece) => {
                let at = place(at);
                input.splice(at..at, piece);
            }
            Self::Replace(at, piece) => {
                let at = place(at);
                let end = (at + piece.len()).min(input.len());
                input.splice(at..end, piece);
            }
            Self::Remove(at, length) => {
                let at = place(at);
                let end = (at + length).min(input.len());
                input.drain(at..end);
            }
            Self::Repeat(at, length, times) => {
                let at = place(at);
                let part = input[at..(at + length).min(input.len())].repeat(times);
                input.splice(at..at, part);
            }
            Self::Cut(at) => input.truncate(place(at)),
        }
        input
    }
}

fn recorded(folder: &Path) -> Vec<Vec<u8>> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// Keeps what made a parser fail beside its recorded inputs, where the next run finds it.
fn kept(folder: &Path, input: &[u8]) -> PathBuf {
    let path = folder.join("found");
    let _ = std::fs::write(&path, input);
    path
}
