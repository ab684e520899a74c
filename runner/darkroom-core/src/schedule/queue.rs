//! Which passes a lane takes next.
//!
//! A session's [`Step`]s, one by one, and what has ended → [`Next`]. Pure: no clock. Lanes are not
//! numbered here: whoever is free asks, and says when what it took is over.
//!
//! A lane takes the first batch of the block whose functions are free. Two batches of the same
//! functions are never under way at once. Where there are several lanes, a block is taken in turns:
//! no functions get their second batch of a block before all have had their first. Functions with
//! equally many passes in a block are therefore equally far in the run, to one turn, whatever their
//! speed: slow ones are not pushed to the end of their block, where another hour would be measured.
//! Functions with more passes, of more images or of several cells that share them, end a block
//! alone. How many others are under way thus depends on how slow and how many a cell's passes are.
//! With one lane the order is the schedule's own.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::iter::Peekable;

use super::order::{CellShape, PlannedPass, Schedule};
use super::session::Step;

/// Passes of one deployment of one cell that begin together, at most as many as the cell runs at
/// once; or one warm-up, or one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassBatch {
    /// At least one.
    pub passes: Vec<PlannedPass>,
}

impl PassBatch {
    fn of(pass: PlannedPass) -> Self {
        Self { passes: vec![pass] }
    }

    /// Says whether it is a warm-up before counted passes; a probe is none.
    pub fn is_warm_up(&self) -> bool {
        self.passes.iter().any(|pass| pass.warm_up && !pass.probe)
    }
}

/// What a lane that is free does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Measure this, and say when it is over ([`Queue::ended`]).
    Take(PassBatch),
    /// Ask again when something under way has ended.
    Wait,
    /// Renew environments or look at intervals: nothing is under way, and nothing may be meanwhile.
    Alone(Step),
    /// Everything was taken, and is over.
    Over,
}

/// Functions that passes share: the number of the cell's functions, and of their deployment.
type Functions = (usize, u32);

/// What is left of a session, as its lanes take it.
pub struct Queue<'a> {
    shapes: &'a [CellShape],
    steps: Peekable<Box<dyn Iterator<Item = Step> + 'a>>,
    in_turns: bool,
    /// Passes of a (cell, deployment) of which not as many have come as the cell runs at once.
    gathering: BTreeMap<(usize, u32), Vec<PlannedPass>>,
    /// The block that is being taken, each batch with its turn.
    block: VecDeque<(usize, PassBatch)>,
    under_way: BTreeSet<Functions>,
}

impl Schedule {
    /// Returns the queue of a session with this many lanes at most.
    pub fn queue<'a>(
        &'a self,
        lanes: u32,
        is_complete: impl Fn(&PlannedPass) -> bool + Clone + 'a,
    ) -> Queue<'a> {
        Queue {
            shapes: &self.shapes,
            steps: self.session(is_complete).peekable(),
            in_turns: lanes > 1,
            gathering: BTreeMap::new(),
            block: VecDeque::new(),
            under_way: BTreeSet::new(),
        }
    }
}

impl Queue<'_> {
    /// Gives a free lane what to do. What it takes is under way from now on.
    pub fn give(&mut self) -> Next {
        if self.block.is_empty() {
            self.fill();
        }
        if let Some(batch) = self.take() {
            return Next::Take(batch);
        }
        if !self.block.is_empty() || !self.under_way.is_empty() {
            return Next::Wait;
        }
        self.steps.next().map_or(Next::Over, Next::Alone)
    }

    /// Takes note that a batch is over, however it ended: its functions are free.
    pub fn ended(&mut self, batch: &PassBatch) {
        let functions = self.functions(batch);
        self.under_way.remove(&functions);
    }

    /// The first of the block, among those whose turn it is, whose functions are free.
    fn take(&mut self) -> Option<PassBatch> {
        let turn = self.block.front()?.0;
        let place = self
            .block
            .iter()
            .take_while(|(of, _)| *of == turn)
            .position(|(_, batch)| !self.under_way.contains(&self.functions(batch)))?;
        let (_, batch) = self.block.remove(place)?;
        let functions = self.functions(&batch);
        self.under_way.insert(functions);
        Some(batch)
    }

    fn functions(&self, batch: &PassBatch) -> Functions {
        let PlannedPass {
            cell, deployment, ..
        } = batch.passes[0];
        (self.shapes[cell].functions, deployment)
    }

    /// Reads the steps of the next block, up to what has to be done alone. A block whose passes are
    /// all gathered for a later batch is none.
    fn fill(&mut self) {
        let mut block = Vec::new();
        while block.is_empty() && self.read_block(&mut block) {}
        let mut turns: HashMap<Functions, usize> = HashMap::new();
        let mut in_turns: Vec<(usize, PassBatch)> = block
            .into_iter()
            .map(|batch| {
                let turn = turns.entry(self.functions(&batch)).or_default();
                *turn += usize::from(self.in_turns);
                (*turn, batch)
            })
            .collect();
        in_turns.sort_by_key(|(turn, _)| *turn);
        self.block = in_turns.into();
    }

    /// Reads one block; returns whether there may be another before something that is done alone.
    fn read_block(&mut self, block: &mut Vec<PassBatch>) -> bool {
        let mut current = None;
        loop {
            let Some(Step::Pass(pass)) = self.steps.peek() else {
                self.flush(block);
                return false;
            };
            let pass = *pass;
            let number = (!pass.probe).then_some((pass.warm_up, pass.repetition));
            if current.is_some() && number.is_some() && number != current {
                return true;
            }
            current = number.or(current);
            self.steps.next();
            self.gather(pass, block);
        }
    }

    fn gather(&mut self, pass: PlannedPass, block: &mut Vec<PassBatch>) {
        if pass.probe {
            return block.push(PassBatch::of(pass));
        }
        if pass.warm_up {
            self.flush(block);
            return block.push(PassBatch::of(pass));
        }
        let at = (pass.cell, pass.deployment);
        let most = self.shapes[pass.cell].concurrency.max(1) as usize;
        let passes = self.gathering.entry(at).or_default();
        passes.push(pass);
        if passes.len() >= most {
            let passes = std::mem::take(passes);
            block.push(PassBatch { passes });
        }
    }

    /// Lets those go that did not become as many as their cell runs at once.
    fn flush(&mut self, block: &mut Vec<PassBatch>) {
        let gathered = std::mem::take(&mut self.gathering).into_values();
        let batches = gathered.filter(|passes| !passes.is_empty());
        block.extend(batches.map(|passes| PassBatch { passes }));
    }
}

#[cfg(test)]
mod tests;
