//! Checks that a requirements file pins every package to one version and its hashes, and writes
//! what pip is given of it. Pure.
//!
//! A line is taken if every word of it is understood, and refused at its place if not: ranges,
//! included files, URLs, paths, and every option that would have a package's own code run. pip
//! never sees the file, but [`for_pip`]: where pip reads a text otherwise than this file (its
//! comments, ends of lines, encodings, quotes), a line that was not looked at would count.

use std::ops::Range;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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
    let mistake = |(span, line): (Range<usize>, String)| {
        let refused = read(file, &line).err()?;
        Some(Unpinned {
            span,
            message: refused.message,
            help: refused.help,
            package: refused.package,
        })
    };
    logical_lines(text)
        .into_iter()
        .filter_map(mistake)
        .collect()
}

/// Returns the packages that the text pins, as indexes spell them.
pub fn pinned(text: &str) -> Vec<String> {
    let lines = logical_lines(text).into_iter();
    let name = |(_, line): (Range<usize>, String)| match read("", &line).ok()? {
        RequirementLine::Package { requirement, .. } => package(&requirement),
        RequirementLine::Options(_) => None,
    };
    lines.filter_map(name).collect()
}

/// Returns the requirements for pip, one a line, as this file understands them; `folder` holds the
/// text.
///
/// Lines that are refused are left out, and options that hold anyway. Folders of wheels are named
/// from `folder`, as pip does, and as URLs, which no character in a name can end early.
pub fn for_pip(text: &str, folder: &Path) -> String {
    let mut lines = String::new();
    for (_, line) in logical_lines(text) {
        match read("", &line) {
            Ok(RequirementLine::Package {
                requirement,
                hashes,
            }) => {
                let hashes: Vec<String> = hashes
                    .iter()
                    .map(|hash| format!(" --hash=sha256:{hash}"))
                    .collect();
                lines.extend([requirement, hashes.concat(), "\n".to_owned()]);
            }
            Ok(RequirementLine::Options(options)) => {
                for option in options {
                    lines += &option.for_pip(folder);
                }
            }
            Err(_) => {}
        }
    }
    lines
}

/// What a line means.
enum RequirementLine {
    Options(Vec<Given>),
    Package {
        /// `name==version`, with extras and a marker if there are any.
        requirement: String,
        hashes: Vec<String>,
    },
}

/// An option that stands in a line, with its value if it takes one.
struct Given {
    name: &'static str,
    value: String,
}

impl Given {
    fn for_pip(&self, folder: &Path) -> String {
        match self.name {
            "--no-index" => "--no-index\n".to_owned(),
            // The command line says these of all packages.
            "--only-binary" | "--prefer-binary" | "--require-hashes" => String::new(),
            "--find-links" | "-f" => {
                let elsewhere = self.value.contains("://") || self.value.starts_with("file:");
                let place = if elsewhere {
                    self.value.clone()
                } else {
                    file_url(&folder.join(&self.value))
                };
                format!("--find-links={place}\n")
            }
            "-i" => format!("--index-url={}\n", self.value),
            name => format!("{name}={}\n", self.value),
        }
    }
}

fn file_url(path: &Path) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_');
    let path = path.display().to_string();
    format!("file://{}", utf8_percent_encode(&path, ESCAPED))
}

/// Why a line is refused.
struct Refused {
    message: String,
    help: String,
    package: Option<String>,
}

fn refuse<T>(message: String, help: &str) -> Result<T, Refused> {
    Err(Refused {
        message,
        help: help.to_owned(),
        package: None,
    })
}

/// Options that say where wheels come from, and nothing that has a package's own code run; and
/// whether each takes a value.
const ALLOWED_OPTIONS: [(&str, bool); 10] = [
    ("--only-binary", true),
    ("--prefer-binary", false),
    ("--require-hashes", false),
    ("--index-url", true),
    ("-i", true),
    ("--extra-index-url", true),
    ("--find-links", true),
    ("-f", true),
    ("--no-index", false),
    ("--trusted-host", true),
];

/// Building a source distribution runs what is in it, on this machine and outside of the sandbox.
const BUILDING: &str = "Remove it: Darkroom installs only wheels, because building a package \
    runs its code on this machine. If a package has no wheel, packaging says how to build one.";

fn read(file: &str, line: &str) -> Result<RequirementLine, Refused> {
    if line.contains("${") {
        // pip would put the value of an environment variable there, for example into an index's
        // address.
        return refuse(
            format!("`{line}` names an environment variable"),
            "Write its value instead.",
        );
    }
    if line
        .chars()
        .any(|letter| letter.is_control() && letter != '\t')
    {
        let shown = darkroom_core::shown::line(line);
        return refuse(
            format!("`{shown}` contains a control character"),
            "Remove it.",
        );
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|word| word.starts_with('-')) {
        options(line, &words).map(RequirementLine::Options)
    } else {
        requirement(file, line, &words)
    }
}

fn options(line: &str, words: &[&str]) -> Result<Vec<Given>, Refused> {
    let mut options = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (*word, None),
        };
        let Some((name, takes_value)) = ALLOWED_OPTIONS.into_iter().find(|it| it.0 == name) else {
            return not_allowed(line, name);
        };
        if takes_value && value.is_none() {
            value = words.next().copied();
        }
        let good = value.is_none_or(|it| !it.is_empty() && !it.contains(['"', '\'', '\\']));
        if takes_value != value.is_some() || !good {
            let message = format!("`{line}` is not understood");
            return refuse(message, "Write each option with one value, without quotes.");
        }
        let value = value.unwrap_or_default();
        if name == "--only-binary" && value.contains(":none:") {
            return refuse(
                format!("`{line}` allows pip to build a package here"),
                BUILDING,
            );
        }
        let value = value.to_owned();
        options.push(Given { name, value });
    }
    Ok(options)
}

/// Refuses a line for an option that has no place in it, behind a package or by itself.
fn not_allowed<T>(line: &str, option: &str) -> Result<T, Refused> {
    // Where one of these stands behind a package, pip builds everything that it is asked for.
    const BUILDS: [&str; 5] = [
        "--global-option",
        "--build-option",
        "--install-option",
        "--config-settings",
        "-C",
    ];
    match option {
        "-r" | "--requirement" | "-c" | "--constraint" => refuse(
            format!("`{line}` includes another file"),
            "Write its packages into this file.",
        ),
        "-e" | "--editable" => refuse(
            format!("`{line}` is an editable install"),
            "Copy its modules into the variant's folder.",
        ),
        "--hash" => refuse(
            "a hash without a package".to_owned(),
            "End the line before it with a backslash.",
        ),
        // pip takes the first letters of an option for the whole.
        option if option.starts_with("--no-b") || BUILDS.contains(&option) => {
            refuse(format!("`{line}` makes pip build a package here"), BUILDING)
        }
        _ => {
            let allowed = ALLOWED_OPTIONS.map(|(name, _)| name).join(", ");
            refuse(
                format!("`{line}` is not an option that Darkroom accepts here"),
                &format!("Remove it. Allowed are {allowed}."),
            )
        }
    }
}

fn requirement(file: &str, line: &str, words: &[&str]) -> Result<RequirementLine, Refused> {
    let end = words.iter().position(|word| word.starts_with('-'));
    let (named, options) = words.split_at(end.unwrap_or(words.len()));
    let requirement = named.join(" ");
    let specifier = requirement.split(';').next().unwrap_or_default().trim();
    let unpinned = |message: String| {
        Err(Refused {
            message,
            help: format!(
                "Write name==version --hash=sha256:… for every package and its dependencies. {} does that.",
                advice::pin(file)
            ),
            package: package(line),
        })
    };
    if is_url_or_path(specifier) {
        return unpinned(format!("`{specifier}` is a URL or a path"));
    }
    if !is_exact(specifier) || !requirement.is_ascii() {
        return unpinned(format!("`{specifier}` has no exact version"));
    }
    let mut hashes = Vec::new();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let hash = match option.strip_prefix("--hash=") {
            Some(hash) => hash,
            None if *option == "--hash" => options.next().copied().unwrap_or_default(),
            None => return not_allowed(line, option.split('=').next().unwrap_or(option)),
        };
        // pip takes any hash that fits, so that a weak one beside it would do.
        match hash.strip_prefix("sha256:") {
            Some(hash) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                hashes.push(hash.to_owned());
            }
            _ => return unpinned(format!("`{option}` of `{specifier}` is not a sha256 hash")),
        }
    }
    if hashes.is_empty() {
        return unpinned(format!("`{specifier}` has no sha256 hash"));
    }
    Ok(RequirementLine::Package {
        requirement,
        hashes,
    })
}

/// pip opens a file of that name where a requirement looks like one, and builds what is in it.
fn is_url_or_path(specifier: &str) -> bool {
    const ARCHIVES: [&str; 12] = [
        "zip", "whl", "tar", "gz", "tgz", "bz2", "tbz", "xz", "txz", "lz", "lzma", "tlz",
    ];
    let ending = specifier.rsplit('.').next().unwrap_or_default();
    specifier.contains(['/', '\\', '@', ':'])
        || specifier.starts_with('.')
        || ARCHIVES.contains(&ending.to_ascii_lowercase().as_str())
}

/// Whether it is `name==version` or `name[extras]==version`. Source: Python packaging user guide,
/// "Dependency specifiers" and "Version specifiers".
fn is_exact(specifier: &str) -> bool {
    let Some((name, version)) = specifier.split_once("==") else {
        return false;
    };
    let made_of = |text: &str, others: &str| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
        text.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && text.chars().all(allowed)
    };
    let (name, extras) = match name.trim().split_once('[') {
        Some((name, extras)) => (name.trim(), extras.strip_suffix(']')),
        None => (name.trim(), Some("")),
    };
    let version = version.strip_prefix('=').unwrap_or(version).trim();
    made_of(name, "-_.")
        && extras.is_some_and(|extras| extras.is_empty() || made_of(extras, "-_., "))
        && made_of(version, ".!+-_")
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

/// Returns lines as a person reads them, each with its place in the text: those that end with a
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
            ("--config-settings a=b", "makes pip build a package here"),
            ("--global-option=x", "makes pip build a package here"),
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

    /// Every line that has made pip run a package's code, or read what was not looked at.
    #[test]
    fn what_stands_behind_something_good_is_looked_at_too() {
        let pin = "x==1 --hash=sha256:aa";
        for (text, said) in [
            (
                format!("{pin} --global-option=a"),
                "makes pip build a package here",
            ),
            (
                format!("{pin} --global-option a"),
                "makes pip build a package here",
            ),
            (
                format!("{pin} --config-settings=a=b"),
                "makes pip build a package here",
            ),
            (format!("{pin} -C a=b"), "makes pip build a package here"),
            (
                format!("{pin} --no-binary :all:"),
                "makes pip build a package here",
            ),
            (
                format!("{pin} \\\n# more \\\n--no-binary :all:"),
                "makes pip build a package here",
            ),
            (
                "--no-index --no-binary :all:".to_owned(),
                "makes pip build a package here",
            ),
            (
                "-i https://host/simple --no-bin=x".to_owned(),
                "makes pip build a package here",
            ),
            (
                "--no-index --only-binary=:none:".to_owned(),
                "allows pip to build",
            ),
            ("--no-index -r more.txt".to_owned(), "includes another file"),
            ("--no-index -e .".to_owned(), "is an editable install"),
            ("--no-index x".to_owned(), "is not an option"),
            ("--find-links".to_owned(), "is not understood"),
            ("--no-index=1".to_owned(), "is not understood"),
            ("--find-links 'a' b".to_owned(), "is not understood"),
            (format!("{pin} --pre"), "is not an option"),
            (format!("{pin} --hash=md5:aa"), "is not a sha256 hash"),
            (
                format!("{pin} --hash=sha256:aa' --no-binary"),
                "is not a sha256 hash",
            ),
            (
                format!("{pin}\r--no-binary :all:"),
                "contains a control character",
            ),
            (
                format!("{pin}\u{1c}--no-binary :all:"),
                "contains a control character",
            ),
            (
                "evil/x==1.zip --hash=sha256:aa".to_owned(),
                "is a URL or a path",
            ),
            (
                "x==1.tar.gz --hash=sha256:aa".to_owned(),
                "is a URL or a path",
            ),
            (
                "x == 1.ZIP --hash=sha256:aa".to_owned(),
                "is a URL or a path",
            ),
            ("x:y==1 --hash=sha256:aa".to_owned(), "is a URL or a path"),
            (
                "\u{feff}x==1 --hash=sha256:aa".to_owned(),
                "has no exact version",
            ),
            ("x[a==1 --hash=sha256:aa".to_owned(), "has no exact version"),
        ] {
            let found = told(&text);
            let right = found.len() == 1 && found[0].1.contains(said);
            assert!(right, "{text:?}: {found:?}");
        }
    }

    #[test]
    fn pip_is_given_what_was_understood_and_nothing_else() {
        let text = "# coding: utf-7\n# +AAo---no-binary :all:\r--no-binary :all:\n--only-binary :all: -i https://host/simple\n\
                    Pillow[xmp] == 12.0.0 ; python_version >= '3.13' \\\n    --hash=sha256:aa \\\n  --hash sha256:bb # why\n\
                    --find-links my#wheels --no-index\n-f /srv/wheels\n--find-links https://host/wheels\nnumpy\n";
        assert_eq!(
            for_pip(text, Path::new("/home/me/a study/v")),
            "--index-url=https://host/simple\n\
             Pillow[xmp] == 12.0.0 ; python_version >= '3.13' --hash=sha256:aa --hash=sha256:bb\n\
             --find-links=file:///home/me/a%20study/v/my%23wheels\n--no-index\n\
             --find-links=file:///srv/wheels\n--find-links=https://host/wheels\n"
        );
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
