//! Saves pictures of outputs beside what was expected: the only files that execution writes.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use darkroom_core::event::PassKey;

use super::gate::Work;

/// Of which outputs a picture is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The first wrong output of each stage in each cell, so that a run keeps few.
    FirstWrong,
    EveryWrong,
    All,
}

/// A folder of pictures.
#[derive(Debug)]
pub struct Pictures {
    root: PathBuf,
    folder: String,
    keep: Keep,
    kept: Mutex<HashSet<String>>,
}

impl Pictures {
    /// Pictures go to `root`/`folder`, which is made when the first is kept; facts name them from
    /// `root` on.
    pub fn new(root: PathBuf, folder: &str, keep: Keep) -> Self {
        Self {
            root,
            folder: folder.to_owned(),
            keep,
            kept: Mutex::default(),
        }
    }

    /// Keeps a picture of this output if one is due, and returns its name. One that can't be
    /// written is not kept: the verdict does not depend on it.
    pub async fn keep(&self, pass: &PassKey, work: &Work, passed: bool) -> Option<String> {
        if passed && self.keep != Keep::All {
            return None;
        }
        let name = self.name(pass, &work.stage.name);
        if self.keep == Keep::FirstWrong && !self.kept().insert(name.clone()) {
            return None;
        }
        let (folder, path, work) = (
            self.root.join(&self.folder),
            self.root.join(&name),
            work.clone(),
        );
        let written = tokio::task::spawn_blocking(move || {
            let png =
                darkroom_contract::side_by_side(&work.stage, &work.input, work.output.as_deref())?;
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(path, png))
                .ok()
        });
        written.await.ok().flatten().map(|()| name)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, pass: &PassKey, stage: &str) -> String {
        let folder = &self.folder;
        match (self.keep, pass.repetition) {
            (Keep::FirstWrong, _) => format!("{folder}/{}.{stage}.png", pass.cell_id),
            (_, 1) => format!("{folder}/{stage}-{}.png", pass.image),
            (_, repetition) => format!("{folder}/{stage}-{}-{repetition}.png", pass.image),
        }
    }
}
