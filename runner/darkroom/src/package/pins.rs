//! Whether a requirements file pins every package to one version and its hashes. Pure.
//!
//! The text → the requirements that are not pinned. What pip itself would let through and what would make a package
//! differ from one day to the next (ranges, included files, URLs) is refused here.

use std::ops::Range;

use crate::advice;

/// A requirement that is not pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpinned {
    /// Where it stands, in bytes of the text: its first line.
    pub span: Range<usize>,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The package that is named, as indexes spell it, where it is one of theirs.
    pub package: Option<String>,
}

/// Returns every requirement of the text that is not pinned, in order. `file` is where the text stands.
pub fn unpinned(file: &str, text: &str) -> Vec<Unpinned> {
    logical_lines(text).into_iter().filter_map(|(span, line)| mistake(file, &line, span)).collect()
}

fn pinning(file: &str) -> String {
    let command = advice::pin(file);
    format!("Write name==version --hash=sha256:… for every package, dependencies too. {command} does that.")
}

/// Returns the packages that the text pins, as indexes spell them.
pub fn pinned(text: &str) -> Vec<String> {
    let lines = logical_lines(text).into_iter().filter(|(span, line)| mistake("", line, span.clone()).is_none());
    lines.filter_map(|(_, line)| package(&line)).collect()
}

/// Returns the name of a package that a line begins with, normalised. Source: Python packaging user guide, "Names and normalization".
fn package(line: &str) -> Option<String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name = line.split(|letter| !is_letter(letter)).next()?;
    let plain = name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && !line.contains("://");
    plain.then(|| name.to_lowercase().replace(['_', '.'], "-"))
}

/// Returns lines as pip reads them, each with its place in the text: those that end with a backslash joined with the next, without comments.
///
/// Source: pip documentation, "Requirements File Format".
pub fn logical_lines(text: &str) -> Vec<(Range<usize>, String)> {
    let mut lines: Vec<(Range<usize>, String)> = Vec::new();
    let (mut offset, mut goes_on) = (0, false);
    for physical in text.split_inclusive('\n') {
        let content = physical.trim_end_matches(['\n', '\r']);
        let indent = content.len() - content.trim_start().len();
        let span = offset + indent..offset + content.trim_end().len().max(indent);
        offset += physical.len();
        let (part, more) = match content.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (content, false),
        };
        let part = without_comment(part).trim();
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, line)) => *line = format!("{line} {part}"),
            None => lines.push((span, part.to_owned())),
        }
        goes_on = more;
    }
    lines.retain(|(_, line)| !line.trim().is_empty());
    lines
}

fn without_comment(line: &str) -> &str {
    let begins = |at: usize| at == 0 || line[..at].ends_with(char::is_whitespace);
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| begins(*at));
    comment.map_or(line, |at| &line[..at])
}

fn mistake(file: &str, line: &str, span: Range<usize>) -> Option<Unpinned> {
    let pin = pinning(file);
    let refuse = |message: String, help: &str| {
        let package = if help == pin { package(line) } else { None };
        Some(Unpinned { span: span.clone(), message, help: help.to_owned(), package })
    };
    let first = line.split([' ', '=', '\t']).next().unwrap_or(line);
    match first {
        "-r" | "--requirement" | "-c" | "--constraint" => {
            return refuse(format!("`{line}` includes another file"), "Write its packages into this file.");
        }
        "-e" | "--editable" => {
            return refuse(format!("`{line}` is an editable install"), "Copy its modules into the variant's folder.");
        }
        "--hash" => {
            return refuse("a hash stands alone".to_owned(), "End the line before it with a backslash.");
        }
        option if option.starts_with('-') => return None,
        _ => {}
    }
    let specifier = line.split(" --").next().unwrap_or(line).split(';').next().unwrap_or(line).trim();
    if specifier.contains("://") || specifier.contains('@') || specifier.starts_with(['.', '/']) {
        return refuse(format!("`{specifier}` is a URL or a path"), &pin);
    }
    let Some((name, version)) = specifier.split_once("==") else {
        return refuse(format!("`{specifier}` has no exact version"), &pin);
    };
    let exact = |version: &str| !version.is_empty() && !version.contains(['*', ',', '<', '>', '!', '~', ' ']);
    if !exact(version.trim_start_matches('=').trim()) || name.contains(['<', '>', '!', '~', ',']) {
        return refuse(format!("`{specifier}` has no exact version"), &pin);
    }
    if !line.contains("--hash=sha256:") && !line.contains("--hash sha256:") {
        return refuse(format!("`{specifier}` has no sha256 hash"), &pin);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(usize, String)> {
        let line = |span: &Range<usize>| text[..span.start].matches('\n').count() + 1;
        unpinned("requirements.txt", text).into_iter().map(|found| (line(&found.span), found.message)).collect()
    }

    #[test]
    fn the_packages_that_are_pinned_are_named_as_indexes_do() {
        let text = "Pillow==1 --hash=sha256:aa\nruamel.yaml[x]==1 \\\n --hash=sha256:aa\nnumpy\n--only-binary :all:\n";
        assert_eq!(pinned(text), ["pillow", "ruamel-yaml"]);
        assert_eq!(
            unpinned("requirements.txt", "Zope.Event>=1\n-e .\n")
                .iter()
                .map(|found| found.package.clone())
                .collect::<Vec<_>>(),
            [Some("zope-event".to_owned()), None]
        );
    }

    #[test]
    fn what_is_pinned_is_taken() {
        for text in [
            "",
            "# nothing\n\n",
            "# fine\npillow==12.0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n",
            "pillow==12.0.0 \\\r\n  --hash=sha256:aa\r\n",
            "Pillow[xmp] == 12.0.0 --hash=sha256:aa  # why\n",
            "numpy==2.5.5 ; python_version >= '3.13' --hash=sha256:aa\n",
            "--only-binary :all:\npillow===12.0.0 --hash=sha256:aa",
        ] {
            assert_eq!(told(text), [], "{text}");
        }
    }

    #[test]
    fn every_requirement_that_is_not_is_said_at_its_line() {
        let text = "# all wrong\npillow\nnumpy>=2\n\nscipy==1.*  --hash=sha256:aa\npandas==2.0\n-r more.txt\n\
                    -e .\ngit+https://host/x.git\nx @ https://host/x.whl --hash=sha256:aa\n./local.whl\n\
                    boto3~=1.40 \\\n  --hash=sha256:aa\na==1,<2 --hash=sha256:aa\nb==1 --hash=md5:aa\nc==1\n   --hash=sha256:aa\n";
        let found = told(text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17], "{found:#?}");
        assert_eq!(found[0].1, "`pillow` has no exact version");
        assert_eq!(found[3].1, "`pandas==2.0` has no sha256 hash");
        assert_eq!(found[4].1, "`-r more.txt` includes another file");
        assert_eq!(found[13].1, "a hash stands alone");
    }
}
