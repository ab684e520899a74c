//! Extracts the file from a model's answer, by fixed rules.
//!
//! Text → [`Code`] with the rule that found it, or why there is none. Pure: the caller decides
//! whether a text is Python, and what it defines. Nothing is changed, joined or corrected. Why there
//! is no code is an [`Outcome`] of the model.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde::{Deserialize, Serialize};

use crate::outcome::{Kind, Outcome};

/// How the code was found in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtractionRule {
    /// The answer holds one Python block.
    OnlyBlock,
    /// It holds several, of which one defines the handler.
    BlockWithHandler,
    /// It holds no block and is, as a whole, a Python file that defines the handler.
    WholeText,
}

/// Code as the model gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub text: String,
    pub rule: ExtractionRule,
}

/// Why an answer can't become a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableAnswer {
    #[error("the answer is empty")]
    Empty,
    #[error(
        "the answer holds no Python code block, and as a whole it is not Python: it begins \
         {begins:?}"
    )]
    NoCode { begins: String },
    /// Marked as Python or not at all, and in no way Python.
    #[error("the answer's code does not parse: {reason}")]
    DoesNotParse { reason: String },
    #[error("none of the answer's {blocks} code blocks defines `{function}`")]
    NoHandler { blocks: usize, function: String },
    #[error(
        "{definitions} of the answer's code blocks define `{function}`, and Darkroom does not \
         guess which one is meant"
    )]
    SeveralHandlers {
        definitions: usize,
        function: String,
    },
}

/// What a look at a text as Python says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// A module that defines the function, or may: what `from x import *` brings is not known.
    Defines,
    DefinesNot,
    /// No module; says why, for example with the line.
    DoesNotParse(String),
}

impl UnusableAnswer {
    /// What of the model this is, in the words of every table.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Empty => Kind::NoAnswer.into(),
            Self::NoCode { begins } => Outcome::new(Kind::NoCode, format!("it begins {begins:?}")),
            Self::DoesNotParse { reason } => Outcome::new(Kind::DoesNotParse, reason),
            Self::NoHandler { .. } => Kind::NoHandler.into(),
            Self::SeveralHandlers {
                definitions,
                function,
            } => Outcome::new(
                Kind::SeveralCandidates,
                format!("{definitions} code blocks define `{function}`"),
            ),
        }
    }
}

/// Returns the file in `answer` that defines `function`. `look` says what a text is as a Python
/// module.
///
/// One block marked as Python is the file. Of several, marked as Python or not at all, the one that
/// defines the function is; none or more than one is no file. A file that does not parse, or does
/// not define the function, is no code that can be called.
pub fn code(
    answer: &str,
    function: &str,
    look: impl Fn(&str) -> Look,
) -> Result<Code, UnusableAnswer> {
    let (code, blocks) = file(answer, function, &look)?;
    match look(&code.text) {
        Look::Defines => Ok(code),
        Look::DefinesNot => Err(UnusableAnswer::NoHandler {
            blocks,
            function: function.to_owned(),
        }),
        Look::DoesNotParse(reason) => Err(UnusableAnswer::DoesNotParse { reason }),
    }
}

/// Returns the text that is meant to be the file, and how many blocks the answer has.
fn file(
    answer: &str,
    function: &str,
    look: &impl Fn(&str) -> Look,
) -> Result<(Code, usize), UnusableAnswer> {
    if answer.trim().is_empty() {
        return Err(UnusableAnswer::Empty);
    }
    let blocks = blocks(answer);
    let found = |text: &str, rule| {
        let text = text.to_owned();
        Ok((Code { text, rule }, blocks.len()))
    };
    match blocks.as_slice() {
        [] if defines(answer, function) && look(answer) == Look::Defines => {
            return found(answer, ExtractionRule::WholeText);
        }
        [] => {
            return Err(UnusableAnswer::NoCode {
                begins: answer.trim().chars().take(60).collect(),
            });
        }
        [Block { text, python: true }] => return found(text, ExtractionRule::OnlyBlock),
        _ => {}
    }
    let defining: Vec<&Block> = blocks
        .iter()
        .filter(|block| defines(&block.text, function))
        .collect();
    match defining.as_slice() {
        [one] if blocks.len() == 1 => found(&one.text, ExtractionRule::OnlyBlock),
        [one] => found(&one.text, ExtractionRule::BlockWithHandler),
        [] => Err(UnusableAnswer::NoHandler {
            blocks: blocks.len(),
            function: function.to_owned(),
        }),
        several => Err(UnusableAnswer::SeveralHandlers {
            definitions: several.len(),
            function: function.to_owned(),
        }),
    }
}

struct Block {
    text: String,
    /// Marked as Python; else not marked at all.
    python: bool,
}

/// Returns the fenced blocks that are marked as Python or not marked, in order.
fn blocks(answer: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for event in Parser::new(answer) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(mark))) => {
                let language: String = mark
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect();
                let python =
                    ["python", "py", "python3"].contains(&language.to_lowercase().as_str());
                open = (python || mark.trim().is_empty()).then(|| Block {
                    text: String::new(),
                    python,
                });
            }
            Event::Text(text) => {
                if let Some(block) = &mut open {
                    block.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// Says whether a line of `code`, not indented, defines or assigns `function`.
fn defines(code: &str, function: &str) -> bool {
    code.lines().any(|line| {
        let definition = line
            .strip_prefix("async ")
            .unwrap_or(line)
            .strip_prefix("def ");
        let after = |rest: &str, sign: char| {
            rest.trim_start()
                .strip_prefix(function)
                .is_some_and(|rest| rest.trim_start().starts_with(sign))
        };
        definition.is_some_and(|rest| after(rest, '('))
            || (line.starts_with(function) && after(line, '='))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "import os\n\n\ndef handler(event, context):\n    return os.environ\n";

    /// As a look at Python would see these texts: prose is no module.
    fn found(answer: &str) -> Result<Code, UnusableAnswer> {
        code(answer, "handler", |text| {
            if text.contains("Here you are") {
                Look::DoesNotParse("line 1".to_owned())
            } else if text.contains("handler") {
                Look::Defines
            } else {
                Look::DefinesNot
            }
        })
    }

    fn taken(answer: &str, rule: ExtractionRule) {
        assert_eq!(
            found(answer),
            Ok(Code {
                text: FILE.into(),
                rule
            }),
            "{answer}"
        );
    }

    #[test]
    fn one_python_block_is_taken_as_it_stands_whatever_stands_around_it() {
        taken(&format!("```python\n{FILE}```"), ExtractionRule::OnlyBlock);
        taken(
            &format!("Sure! Here it is:\n\n```py\n{FILE}```\n\nIt uses `os`.\n"),
            ExtractionRule::OnlyBlock,
        );
        taken(
            &format!("~~~~python title=greyscale.py\n{FILE}~~~~\n"),
            ExtractionRule::OnlyBlock,
        );
        taken(&format!("```\n{FILE}```\n"), ExtractionRule::OnlyBlock);
        taken(
            &format!(
                "1. The file:\n\n   ```python\n   {}```\n",
                FILE.replace('\n', "\n   ")
            ),
            ExtractionRule::OnlyBlock,
        );
        // A fence that is never closed reaches to the end, as in Markdown.
        taken(&format!("```python\n{FILE}"), ExtractionRule::OnlyBlock);
    }

    #[test]
    fn a_fence_inside_a_longer_fence_is_part_of_the_code() {
        let inner = "DOC = '''\n```\nnot the end\n```\n'''\n\ndef handler(event, context): pass\n";
        let answer = format!("````python\n{inner}````\n");
        assert_eq!(found(&answer).unwrap().text, inner);
    }

    #[test]
    fn one_python_block_that_does_not_parse_or_has_no_handler_is_an_outcome() {
        let of = |look: Look| {
            let answer = "```python\ndef main(): pass\n```";
            code(answer, "handler", |_| look.clone())
                .unwrap_err()
                .outcome()
        };
        assert_eq!(of(Look::DefinesNot).to_string(), "no handler");
        let reason = "line 1: invalid syntax".to_owned();
        assert_eq!(
            of(Look::DoesNotParse(reason)).to_string(),
            "does not parse (line 1: invalid syntax)"
        );
    }

    #[test]
    fn of_several_blocks_the_one_that_defines_the_handler_is_taken() {
        taken(
            &format!("```bash\npip install pillow\n```\n\n```python\n{FILE}```\n"),
            ExtractionRule::OnlyBlock,
        );
        taken(
            &format!("```python\n{FILE}```\nTest it:\n```python\nprint(1)\n```\n"),
            ExtractionRule::BlockWithHandler,
        );
        taken(
            &format!("```\npip install pillow\n```\n```python\n{FILE}```\n"),
            ExtractionRule::BlockWithHandler,
        );
        for handler in [
            "async def handler(event, context):\n",
            "handler = make()\n",
            "def  handler (event, c):\n",
        ] {
            let answer = format!("```python\nx = 1\n```\n```python\n{handler}```\n");
            assert_eq!(found(&answer).unwrap().text, handler);
        }
    }

    #[test]
    fn no_handler_or_several_is_no_answer() {
        let two = format!("First:\n```python\n{FILE}```\nBetter:\n```python\n{FILE}```\n");
        assert_eq!(
            found(&two),
            Err(UnusableAnswer::SeveralHandlers {
                definitions: 2,
                function: "handler".into()
            })
        );
        let none = "```python\nx = 1\n```\n```python\n  def handler(): pass\n```\n```python\nhandlers = {}\n```";
        assert_eq!(
            found(none),
            Err(UnusableAnswer::NoHandler {
                blocks: 3,
                function: "handler".into()
            })
        );
        assert_eq!(
            found("```\nx\n```"),
            Err(UnusableAnswer::NoHandler {
                blocks: 1,
                function: "handler".into()
            })
        );
    }

    #[test]
    fn without_a_fence_the_whole_text_is_code_or_there_is_none() {
        taken(FILE, ExtractionRule::WholeText);
        for prose in [
            &format!("Here you are:\n{FILE}"),
            "I'm sorry, but I can't help with that.",
            "```json\n{}\n```",
        ] {
            assert!(
                matches!(found(prose), Err(UnusableAnswer::NoCode { .. })),
                "{prose}"
            );
        }
        assert_eq!(found(" \n"), Err(UnusableAnswer::Empty));
    }
}
