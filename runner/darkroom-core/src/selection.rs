//! Chooses cells by id: [`Selection`] holds the ids and globs of `--cell`.

use globset::{Glob, GlobSet, GlobSetBuilder};

/// Ids and globs; a cell is chosen when one of them matches. No pattern at all chooses every cell.
#[derive(Clone, Debug)]
pub struct Selection {
    patterns: Vec<String>,
    set: GlobSet,
}

/// A pattern of `--cell` that is not a glob.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{pattern}` is not a cell id or a glob: {reason}")]
#[diagnostic(
    code(cell::bad_pattern),
    help("`*` matches anything, `?` one character, `{{a,b}}` either")
)]
pub struct BadPattern {
    pattern: String,
    reason: String,
}

/// A pattern of `--cell` that chooses nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no cell matches `{pattern}`")]
#[diagnostic(code(cell::no_match), help("{help}"))]
pub struct NoMatch {
    pattern: String,
    help: String,
}

impl Selection {
    pub fn new(patterns: &[String]) -> Result<Self, BadPattern> {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            builder.add(glob(pattern)?);
        }
        let set = builder
            .build()
            .map_err(|error| bad(&patterns.join(" "), &error))?;
        Ok(Self {
            patterns: patterns.to_vec(),
            set,
        })
    }

    pub fn is_everything(&self) -> bool {
        self.patterns.is_empty()
    }

    pub fn contains(&self, id: impl AsRef<str>) -> bool {
        self.is_everything() || self.set.is_match(id.as_ref())
    }

    /// Fails when a pattern matches none of `ids`: a mistyped id must not silently measure nothing.
    pub fn check(&self, ids: &[impl AsRef<str>]) -> Result<(), NoMatch> {
        for pattern in &self.patterns {
            let Ok(glob) = glob(pattern) else { continue };
            let matcher = glob.compile_matcher();
            if !ids.iter().any(|id| matcher.is_match(id.as_ref())) {
                return Err(NoMatch {
                    pattern: pattern.clone(),
                    help: suggestion(pattern, ids),
                });
            }
        }
        Ok(())
    }
}

fn glob(pattern: &str) -> Result<Glob, BadPattern> {
    Glob::new(pattern).map_err(|error| bad(pattern, &error))
}

fn bad(pattern: &str, error: &globset::Error) -> BadPattern {
    BadPattern {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    }
}

fn suggestion(pattern: &str, ids: &[impl AsRef<str>]) -> String {
    let nearest = ids.iter().map(AsRef::as_ref).max_by(|a, b| {
        let likeness = |id: &str| strsim::jaro_winkler(pattern, id);
        likeness(a).total_cmp(&likeness(b))
    });
    nearest.map_or_else(
        || "the manifest has no cells".to_owned(),
        |id| format!("the nearest is {id}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellId;

    fn ids() -> Vec<CellId> {
        [
            "pillow.x86_64.512mb.photos.direct.warm.c1",
            "rust.x86_64.512mb.photos.direct.warm.c1",
        ]
        .map(|id| CellId::from(id.to_owned()))
        .to_vec()
    }

    fn chosen(patterns: &[&str]) -> Vec<bool> {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let selection = Selection::new(&patterns).unwrap();
        ids().iter().map(|id| selection.contains(id)).collect()
    }

    #[test]
    fn ids_and_globs_choose_cells() {
        assert_eq!(chosen(&[]), [true, true]);
        assert_eq!(chosen(&["rust.*"]), [false, true]);
        assert_eq!(
            chosen(&["rust.x86_64.512mb.photos.direct.warm.c1"]),
            [false, true]
        );
        assert_eq!(chosen(&["*.512mb.*"]), [true, true]);
        assert_eq!(
            chosen(&["rust"]),
            [false, false],
            "a part of an id is not the id"
        );
    }

    #[test]
    fn a_pattern_that_chooses_nothing_names_the_nearest_cell() {
        let selection = Selection::new(&[
            "rust.*".into(),
            "pilow.x86_64.512mb.photos.direct.warm.c1".into(),
        ])
        .unwrap();
        let error = selection.check(&ids()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no cell matches `pilow.x86_64.512mb.photos.direct.warm.c1`"
        );
        assert!(
            error.help.contains("the nearest is pillow.x86_64"),
            "{}",
            error.help
        );
    }

    #[test]
    fn a_broken_glob_is_refused() {
        assert!(
            Selection::new(&["rust.[".into()])
                .unwrap_err()
                .to_string()
                .starts_with("`rust.[` is not")
        );
    }
}
