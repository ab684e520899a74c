//! `darkroom manual`: every command and option is on a man page and in every completion script.

use std::fs;
use std::path::Path;

use crate::story::Project;

const SCRIPTS: [&str; 3] = [
    "share/bash-completion/completions/darkroom",
    "share/zsh/site-functions/_darkroom",
    "share/fish/vendor_completions.d/darkroom.fish",
];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Roff's text as a reader sees it, as far as names are concerned.
fn page(folder: &Path, name: &str) -> String {
    read(&folder.join("share/man/man1").join(format!("{name}.1"))).replace("\\-", "-")
}

#[test]
fn the_man_pages_and_completions_name_every_command_and_option() {
    let story = Project::new();
    let answer = story.darkroom(&["manual", "out"]).exits(0);
    let folder = story.root().join("out");
    let main = page(&folder, "darkroom");
    let scripts = SCRIPTS.map(|script| read(&folder.join(script)));
    let commands = darkroom::cli::command();
    for command in commands.get_subcommands() {
        let name = command.get_name();
        assert!(
            main.contains(&format!("darkroom-{name}(1)")),
            "darkroom.1 does not name {name}:\n{main}"
        );
        let own = page(&folder, &format!("darkroom-{name}"));
        let longs = command.get_arguments().filter_map(clap::Arg::get_long);
        for long in longs {
            assert!(
                own.contains(&format!("--{long}")),
                "darkroom-{name}.1 does not name --{long}"
            );
        }
        for (script, text) in SCRIPTS.iter().zip(&scripts) {
            assert!(text.contains(name), "{script} does not name {name}");
        }
    }
    let pages = fs::read_dir(folder.join("share/man/man1")).unwrap().count();
    assert_eq!(pages, commands.get_subcommands().count() + 1);
    assert_eq!(
        answer.stdout().lines().count(),
        pages + SCRIPTS.len(),
        "{}",
        answer.stdout()
    );
    // Once more, as after an upgrade: its own files are written anew.
    story.darkroom(&["manual", "out", "--quiet"]).exits(0);
}

#[test]
fn a_folder_that_can_not_be_written_to_is_named() {
    let story = Project::new();
    story.write("file", "");
    story
        .darkroom(&["manual", "file"])
        .exits(1)
        .says("cannot write file/share/")
        .says("Name a folder that you may write to");
}
