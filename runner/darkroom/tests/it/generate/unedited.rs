//! A model's code is as the model gave it, or it is refused.

use super::project::{HANDLER, fenced, generate, project, text};
use crate::scripted::Endpoint;
use crate::story::Project;

/// A project with a generated variant `new` of two stages, and the manifest `m.toml` that names it.
fn generated() -> Project {
    let endpoint = Endpoint::new(vec![fenced(HANDLER), fenced(HANDLER)]);
    let project = project(&endpoint);
    generate(&project, &["--quiet"]).exits(0);
    project.manifest("variants = [\"new\"]\nimage_sets = [\"photos\"]");
    project
        .darkroom(&["validate", "m.toml", "--quiet"])
        .exits(0);
    project
}

#[test]
fn code_of_a_model_that_was_edited_is_refused_wherever_it_would_be_measured() {
    let project = generated();
    project.write(
        "functions/new/resize.py",
        HANDLER.replace("'of one stage'", "'by hand'"),
    );
    let said =
        "edited after generation: here it differs from the model's answer in provenance/resize.md";
    for command in [
        &["validate", "m.toml"][..],
        &["plan", "m.toml"],
        &["run", "m.toml"],
        &["check", "new"],
    ] {
        let answer = project
            .darkroom(command)
            .exits(2)
            .says(said)
            .says("return 'by hand'");
        answer
            .says("`git checkout functions/new/resize.py`")
            .says("copy functions/new to a new name");
    }
    assert!(!project.root().join("outputs").exists());
    project.write("functions/new/resize.py", HANDLER);
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn every_way_to_pass_other_code_off_as_a_models_is_refused_by_name() {
    let edit = |file: &str, from: &str, to: &str| {
        let project = generated();
        let text = text(&project, &format!("functions/new/{file}"));
        assert!(text.contains(from), "{text}");
        project.write(&format!("functions/new/{file}"), text.replace(from, to));
        project.darkroom(&["validate", "m.toml"]).exits(2)
    };
    edit("provenance/resize.md", "one stage", "no stage")
        .says("functions/new/provenance/resize.md was edited after");
    edit("requirements.txt", "sha256:bb", "sha256:bc")
        .says("functions/new/requirements.txt was edited after generation");
    edit("variant.toml", "sample = 1", "sample = 2")
        .says("it says `2`, but provenance.toml says `1`");
    edit("variant.toml", "\"scripted\"", "\"other\"")
        .says("it says `other`, but provenance.toml says `scripted`");
    edit("variant.toml", "model = \"scripted\"\nsample = 1\n", "")
        .says("it says nothing, but provenance.toml says `scripted`");
    edit(
        "variant.toml",
        "\"greyscale.handler\"",
        "\"resize.handler\"",
    )
    .says("provenance.toml says `greyscale.handler`");
    edit("provenance.toml", "sample = 1", "sample = one").says("functions/new/provenance.toml");
    let project = generated();
    project.write("functions/new/numpy.py", "# not the library\n");
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("functions/new/numpy.py was added after generation");
    project
        .remove("functions/new/numpy.py")
        .remove("functions/new/provenance.toml");
    let answer = project.darkroom(&["validate", "m.toml"]).exits(2);
    answer
        .says("names `scripted` as the author, but functions/new/provenance.toml is missing")
        .says("delete `model` and");
    // What the messages say: a copy that names no author is anybody's own.
    let own = text(&project, "functions/new/variant.toml")
        .replace("model = \"scripted\"\nsample = 1\n", "");
    project.write("functions/new/variant.toml", own).write(
        "functions/new/resize.py",
        "def handler(event, context): 1\n",
    );
    project.write("functions/new/README.md", "edited by hand\n");
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn a_copy_of_a_generated_variant_is_no_further_sample() {
    let project = generated();
    let copied = |sample: &str| {
        for file in [
            "greyscale.py",
            "resize.py",
            "requirements.txt",
            "provenance/greyscale.md",
            "provenance/resize.md",
        ] {
            project.write(
                &format!("functions/new-s9/{file}"),
                text(&project, &format!("functions/new/{file}")),
            );
        }
        for file in ["variant.toml", "provenance.toml"] {
            let text =
                text(&project, &format!("functions/new/{file}")).replace("sample = 1", sample);
            project.write(&format!("functions/new-s9/{file}"), text);
        }
    };
    project.manifest("variants = [\"new\", \"new-s9\"]\nimage_sets = [\"photos\"]");
    for sample in ["sample = 1", "sample = 9"] {
        copied(sample);
        let answer = project.darkroom(&["validate", "m.toml"]).exits(2);
        answer
            .says("functions/new-s9 and functions/new hold the same answers of the model")
            .says("Delete one, or remove it from the manifest");
    }
    project.manifest("variants = [\"new\"]\nimage_sets = [\"photos\"]");
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn a_line_that_is_missing_at_the_end_and_other_line_ends_are_edits_too() {
    for text in [
        HANDLER.lines().next().unwrap().to_owned() + "\n",
        HANDLER.replace('\n', "\r\n"),
        String::new(),
    ] {
        let project = generated();
        project.write("functions/new/greyscale.py", text);
        project
            .darkroom(&["validate", "m.toml"])
            .exits(2)
            .says("edited after generation");
    }
}
