//! `darkroom manual`: the man pages and completion scripts, in the places where systems look for
//! them. `.ci/wheel` puts the same files into the wheel.
//!
//! All of them are made from the clap types: a command that is new is on a page at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use clap_complete::Shell;
use clap_mangen::Man;
use serde::Serialize;

use crate::cli::{Globals, ManualArgs};
use crate::display;
use crate::exit::{Failure, Outcome};

/// `manual --json`.
#[derive(Serialize)]
struct ManualAnswer<'a> {
    folder: &'a Path,
    files: Vec<&'a str>,
}

pub fn run(args: &ManualArgs, globals: Globals) -> Result<Outcome, Failure> {
    let files = files().map_err(|error| Failure::broken(miette::miette!("{error}")))?;
    for (place, contents) in &files {
        write(&args.folder.join(place), contents)?;
    }
    if globals.json {
        display::answer_json(&ManualAnswer {
            folder: &args.folder,
            files: files.keys().map(String::as_str).collect(),
        })?;
    } else if !globals.quiet {
        let lines = files
            .keys()
            .map(|place| args.folder.join(place).display().to_string());
        display::answer_lines(lines)?;
    }
    Ok(Outcome::Done)
}

fn write(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, contents))
        .map_err(|error| {
            Failure::broken(miette::miette!(
                help = "Name a folder that you may write to, for example .local in your home",
                "cannot write {}: {error}",
                path.display()
            ))
        })
}

/// Lets the examples stand in their columns, as they do in the help: roff would fill the lines.
fn unfilled(page: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(page);
    text.replace(".SH EXTRA\n", ".SH EXTRA\n.nf\n")
        .replace(".SH VERSION\n", ".fi\n.SH VERSION\n")
        .into_bytes()
}

/// Returns every file by its place.
fn files() -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut command = crate::cli::command();
    command.build();
    let shown = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help" && !command.is_hide_set());
    for command in std::iter::once(&command).chain(shown) {
        let page =
            Man::new(command.clone()).source(concat!("darkroom ", env!("CARGO_PKG_VERSION")));
        let mut text = Vec::new();
        page.render(&mut text)?;
        files.insert(
            format!("share/man/man1/{}", page.get_filename()),
            unfilled(&text),
        );
    }
    let scripts = [
        (Shell::Bash, "share/bash-completion/completions/darkroom"),
        (Shell::Zsh, "share/zsh/site-functions/_darkroom"),
        (Shell::Fish, "share/fish/vendor_completions.d/darkroom.fish"),
    ];
    for (shell, place) in scripts {
        files.insert(place.to_owned(), super::completions::script(shell));
    }
    Ok(files)
}
