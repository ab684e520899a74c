//! Checks that a requirements file pins every package to one version and its hashes. Pure.
//!
//! The text → the requirements that are not pinned. It refuses what pip would accept but would make
//! a package differ from one day to the next (ranges, included files, URLs).

use std::ops::Range;

use crate::advice;

/// A requirement that is not pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpinned {
    /// Where it is, in bytes of the text: its first line.
    pub span: Range<usize>,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The package that is named, as indexes spell it, where it is one of theirs.
    pub package: Option<String>,
}

/// Returns every requirement of the text that is not pinned, in order. `file` is where the text
/// stands.
pub fn unpinned(file: &str, text: &str) -> Vec<Unpinned> {
    logical_lines(text)
        .into_iter()
        .filter_map(|(span, line)| mistake(file, &line, span))
        .collect()
}

fn pinning(file: &str) -> String {
    let command = advice::pin(file);
    format!(
        "Write name==version --hash=sha256:… for every package and its dependencies. {command} \
         does that."
    )
}

/// Returns the packages that the text pins, as indexes spell them.
pub fn pinned(text: &str) -> Vec<String> {
    let lines = logical_lines(text)
        .into_iter()
        .filter(|(span, line)| mistake("", line, span.clone()).is_none());
    lines.filter_map(|(_, line)| package(&line)).collect()
}

/// Returns the name of a package that a line begins with, normalised. Source: Python packaging user
/// guide, "Names and normalization".
fn package(line: &str) -> Option<String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name = line.split(|letter| !is_letter(letter)).next()?;
    let plain =
        name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && !line.contains("://");
    plain.then(|| name.to_lowercase().replace(['_', '.'], "-"))
}

/// Returns lines as pip reads them, each with its place in the text: those that end with a
/// backslash joined with the next, without comments.
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
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| begins(*at));
    comment.map_or(line, |at| &line[..at])
}

/// Options that say where wheels come from, and nothing that has a package's own code run.
const ALLOWED_OPTIONS: [&str; 10] = [
    "--only-binary",
    "--prefer-binary",
    "--require-hashes",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
    "--no-index",
    "--trusted-host",
];

/// Building a source distribution runs what is in it, on this machine and outside of the sandbox.
const BUILDING: &str = "Remove it: Darkroom installs only wheels, because building a package \
    runs its code on this machine.";

fn mistake(file: &str, line: &str, span: Range<usize>) -> Option<Unpinned> {
    let pin = pinning(file);
    let refuse = |message: String, help: &str| {
        let package = if help == pin { package(line) } else { None };
        Some(Unpinned {
            span: span.clone(),
            message,
            help: help.to_owned(),
            package,
        })
    };
    let first = line.split([' ', '=', '\t']).next().unwrap_or(line);
    if line.contains("${") {
        // pip would put the value of an environment variable there, for example into an index's
        // address.
        return refuse(
            format!("`{line}` names an environment variable"),
            "Write its value instead.",
        );
    }
    match first {
        "-r" | "--requirement" | "-c" | "--constraint" => {
            return refuse(
                format!("`{line}` includes another file"),
                "Write its packages into this file.",
            );
        }
        "-e" | "--editable" => {
            return refuse(
                format!("`{line}` is an editable install"),
                "Copy its modules into the variant's folder.",
            );
        }
        "--hash" => {
            return refuse(
                "a hash without a package".to_owned(),
                "End the line before it with a backslash.",
            );
        }
        "--only-binary" if line.contains(":none:") => {
            return refuse(
                format!("`{line}` allows pip to build a package here"),
                BUILDING,
            );
        }
        option if ALLOWED_OPTIONS.contains(&option) => return None,
        // pip takes the first letters of an option for the whole, and a short one with its value.
        option if option.starts_with("--no-b") => {
            return refuse(format!("`{line}` makes pip build a package here"), BUILDING);
        }
        option if option.starts_with('-') => {
            let help = format!("Remove it. Allowed are {}.", ALLOWED_OPTIONS.join(", "));
            return refuse(
                format!("`{line}` is not an option that Darkroom accepts here"),
                &help,
            );
        }
        _ => {}
    }
    let specifier = line
        .split(" --")
        .next()
        .unwrap_or(line)
        .split(';')
        .next()
        .unwrap_or(line)
        .trim();
    if specifier.contains("://") || specifier.contains('@') || specifier.starts_with(['.', '/']) {
        return refuse(format!("`{specifier}` is a URL or a path"), &pin);
    }
    let Some((name, version)) = specifier.split_once("==") else {
        return refuse(format!("`{specifier}` has no exact version"), &pin);
    };
    let exact = |version: &str| {
        !version.is_empty() && !version.contains(['*', ',', '<', '>', '!', '~', ' '])
    };
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
        unpinned("requirements.txt", text)
            .into_iter()
            .map(|found| (line(&found.span), found.message))
            .collect()
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
    fn what_would_run_a_packages_code_or_tell_a_secret_is_refused() {
        for (text, said) in [
            ("--no-binary :all:", "makes pip build a package here"),
            ("--no-binary=pillow", "makes pip build a package here"),
            ("--no-bin pillow", "makes pip build a package here"),
            ("--only-binary :none:", "allows pip to build a package here"),
            (
                "--only-binary=:all:,:none:",
                "allows pip to build a package here",
            ),
            ("--config-settings a=b", "is not an option"),
            ("--global-option=x", "is not an option"),
            ("--use-feature x", "is not an option"),
            ("-rmore.txt", "is not an option"),
            ("--req more.txt", "is not an option"),
            (
                "--index-url https://host/${AWS_SECRET_ACCESS_KEY}/simple",
                "names an environment variable",
            ),
            (
                "pillow==1 --hash=sha256:${HOME}",
                "names an environment variable",
            ),
        ] {
            let found = told(text);
            assert!(
                found.len() == 1 && found[0].1.contains(said),
                "{text}: {found:?}"
            );
        }
        for text in [
            "--index-url https://host/simple",
            "-i https://host/simple",
            "--find-links wheels",
            "--no-index",
            "--only-binary=:all:",
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
        assert_eq!(
            lines,
            [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17],
            "{found:#?}"
        );
        assert_eq!(found[0].1, "`pillow` has no exact version");
        assert_eq!(found[3].1, "`pandas==2.0` has no sha256 hash");
        assert_eq!(found[4].1, "`-r more.txt` includes another file");
        assert_eq!(found[13].1, "a hash without a package");
    }
}
