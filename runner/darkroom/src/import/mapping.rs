//! Finds the handler of each stage from names, docstrings and calls; decides only if it is certain.
//! Pure.

use std::collections::BTreeSet;

use darkroom_core::pipeline::{Operation, Pipeline, Stage};

use super::scan::{Handler, ScannedFile};

/// A handler in its file.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub file: &'a ScannedFile,
    pub handler: &'a Handler,
}

impl Candidate<'_> {
    /// Lambda's name of it, for example `grey_scale.lambda_handler`.
    pub fn lambda_name(&self) -> String {
        let module = self.file.name.trim_end_matches(".py").replace('/', ".");
        format!("{module}.{}", self.handler.name)
    }

    /// How a person passes it.
    pub fn spelt(&self) -> String {
        format!("{}:{}", self.file.name, self.handler.name)
    }
}

/// A stage with its handler and why it is that one.
#[derive(Clone, Debug)]
pub struct Mapped<'a> {
    pub stage: &'a str,
    pub candidate: Candidate<'a>,
    /// Words that decided; empty where the user said so.
    pub because: Vec<String>,
}

/// A stage whose handler is unclear, and those that it may be.
#[derive(Clone, Debug)]
pub struct Unclear {
    pub stage: String,
    pub candidates: Vec<String>,
}

pub fn candidates(files: &[ScannedFile]) -> Vec<Candidate<'_>> {
    files
        .iter()
        .flat_map(|file| {
            file.handlers
                .iter()
                .map(move |handler| Candidate { file, handler })
        })
        .collect()
}

/// Weight of a word in a file's or a function's name, in a docstring, in a body.
const IN_NAME: u32 = 10;
const IN_DOC: u32 = 3;
const IN_BODY: u32 = 1;

/// Returns a handler for each stage that `given` has none for, or the stages for which no one
/// handler is clearly it.
pub fn guess<'a>(
    pipeline: &'a Pipeline,
    candidates: &[Candidate<'a>],
    given: &[Mapped<'a>],
) -> Result<Vec<Mapped<'a>>, Vec<Unclear>> {
    let taken: BTreeSet<String> = given
        .iter()
        .map(|mapped| mapped.candidate.spelt())
        .collect();
    let free: Vec<Candidate> = candidates
        .iter()
        .copied()
        .filter(|c| !taken.contains(&c.spelt()))
        .collect();
    let open: Vec<&Stage> = pipeline
        .stages
        .iter()
        .filter(|stage| given.iter().all(|mapped| mapped.stage != stage.name))
        .collect();
    let scores: Vec<Vec<(u32, Vec<String>)>> = open
        .iter()
        .map(|stage| {
            free.iter()
                .map(|candidate| score(stage, candidate))
                .collect()
        })
        .collect();
    let mut pairs: Vec<(usize, usize)> = (0..open.len())
        .flat_map(|stage| (0..free.len()).map(move |candidate| (stage, candidate)))
        .collect();
    pairs.sort_by_key(|&(stage, candidate)| std::cmp::Reverse(scores[stage][candidate].0));
    let mut chosen: Vec<Option<usize>> = vec![None; open.len()];
    for (stage, candidate) in pairs {
        if scores[stage][candidate].0 > 0
            && chosen[stage].is_none()
            && !chosen.contains(&Some(candidate))
        {
            chosen[stage] = Some(candidate);
        }
    }
    let score_of = |stage: usize, candidate: usize| scores[stage][candidate].0;
    // Another handler may fit a stage as well only if it fits its own stage better.
    let is_clear = |stage: usize, own: usize| {
        (0..free.len())
            .filter(|&other| other != own && score_of(stage, other) >= score_of(stage, own))
            .all(|other| {
                let elsewhere = chosen.iter().position(|of| *of == Some(other));
                elsewhere.is_some_and(|elsewhere| score_of(elsewhere, other) > score_of(stage, own))
            })
    };
    let (mut mapped, mut unclear) = (Vec::new(), Vec::new());
    for (index, stage) in open.iter().enumerate() {
        match chosen[index].filter(|&own| is_clear(index, own)) {
            Some(own) => {
                let because = scores[index][own].1.clone();
                mapped.push(Mapped {
                    stage: &stage.name,
                    candidate: free[own],
                    because,
                });
            }
            None => unclear.push(Unclear {
                stage: stage.name.clone(),
                candidates: free.iter().map(Candidate::spelt).collect(),
            }),
        }
    }
    if unclear.is_empty() {
        Ok(mapped)
    } else {
        Err(unclear)
    }
}

fn score(stage: &Stage, candidate: &Candidate) -> (u32, Vec<String>) {
    let names = split(&format!(
        "{} {}",
        candidate.file.name.trim_end_matches(".py"),
        candidate.handler.name
    ));
    let docs = split(&format!("{} {}", candidate.file.doc, candidate.handler.doc));
    let body: BTreeSet<String> = candidate.handler.words.iter().cloned().collect();
    let (mut sum, mut because) = (0, Vec::new());
    for word in vocabulary(stage) {
        let found = [(&names, IN_NAME), (&docs, IN_DOC), (&body, IN_BODY)];
        let weight: u32 = found
            .iter()
            .filter(|(words, _)| words.contains(&word))
            .map(|(_, weight)| weight)
            .sum();
        if weight > 0 {
            sum += weight;
            because.push(word);
        }
    }
    (sum, because)
}

/// Words by which a stage is known: its name's, and those of what it does.
fn vocabulary(stage: &Stage) -> BTreeSet<String> {
    let mut words = split(&stage.name);
    for operation in &stage.operations {
        let known: &[&str] = match operation {
            Operation::Greyscale { .. } => &[
                "grey",
                "gray",
                "greyscale",
                "grayscale",
                "luma",
                "monochrome",
            ],
            Operation::Resize { .. } => &[
                "resize",
                "resized",
                "scale",
                "thumbnail",
                "lanczos",
                "resample",
            ],
            Operation::Depth { .. } => &[
                "depth",
                "bit",
                "bits",
                "quantize",
                "1023",
                "colordepth",
                "colourdepth",
            ],
            Operation::Rotate { .. } => {
                &["rotate", "rotated", "rotation", "transpose", "rot90", "270"]
            }
            Operation::Reencode => &[
                "convert",
                "conversion",
                "converter",
                "reencode",
                "transcode",
                "format",
            ],
        };
        words.extend(known.iter().map(|word| (*word).to_owned()));
        if *operation == Operation::Reencode {
            words.insert(stage.output.format.as_str().to_owned());
        }
    }
    // What every handler says says nothing.
    for common in ["colour", "color", "image", "scale"] {
        words.remove(common);
    }
    words
}

/// Returns the words of a text: lower case, apart at what is no letter or digit and where capitals
/// begin.
fn split(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut before = ' ';
    for letter in text.chars().chain([' ']) {
        let begins = letter.is_ascii_uppercase() && before.is_ascii_lowercase();
        if (!letter.is_ascii_alphanumeric() || begins) && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
        }
        if letter.is_ascii_alphanumeric() {
            word.push(letter.to_ascii_lowercase());
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: &str = include_str!("../../../../experiments/image-pipeline/pipeline.toml");

    fn file(name: &str, function: &str, doc: &str, words: &[&str]) -> ScannedFile {
        let handler = Handler {
            name: function.into(),
            doc: doc.into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ..Handler::default()
        };
        ScannedFile {
            name: name.into(),
            doc: String::new(),
            error: None,
            handlers: vec![handler],
            imports: Vec::new(),
        }
    }

    fn guessed(files: &[ScannedFile]) -> Result<Vec<String>, Vec<String>> {
        let pipeline = Pipeline::parse("pipeline.toml", PIPELINE).unwrap();
        let candidates = candidates(files);
        let guess = guess(&pipeline, &candidates, &[]);
        guess
            .map(|mapped| {
                mapped
                    .iter()
                    .map(|m| format!("{} {}", m.stage, m.candidate.spelt()))
                    .collect()
            })
            .map_err(|unclear| unclear.into_iter().map(|unclear| unclear.stage).collect())
    }

    #[test]
    fn handlers_of_any_name_find_their_stage_by_what_they_say_and_do() {
        let files = [
            file(
                "step1.py",
                "run",
                "Convert a colour picture to grayscale.",
                &["convert", "image", "point"],
            ),
            file("step2.py", "run", "", &["resize", "lanczos", "convert"]),
            file(
                "reduceDepth.py",
                "handle",
                "",
                &["convert", "point", "1023"],
            ),
            file(
                "turn.py",
                "handler",
                "Turns it.",
                &["rotate", "270", "save"],
            ),
            file(
                "to_png.py",
                "handler",
                "Converts the format to PNG.",
                &["save", "png", "format"],
            ),
        ];
        let expected = [
            "greyscale step1.py:run",
            "resize step2.py:run",
            "colour-depth reduceDepth.py:handle",
            "rotate turn.py:handler",
            "convert to_png.py:handler",
        ];
        assert_eq!(guessed(&files).unwrap(), expected);
    }

    #[test]
    fn a_guess_that_is_not_sure_is_none() {
        let mut files = vec![
            file("greyscale.py", "handler", "", &[]),
            file("resize.py", "handler", "", &[]),
            file("colour_depth.py", "handler", "", &[]),
            file("rotate_a.py", "handler", "", &[]),
            file("rotate_b.py", "handler", "", &[]),
            file("convert.py", "handler", "", &[]),
        ];
        assert_eq!(guessed(&files).unwrap_err(), ["rotate"]);
        files.truncate(3);
        assert_eq!(guessed(&files).unwrap_err(), ["rotate", "convert"]);
    }
}
