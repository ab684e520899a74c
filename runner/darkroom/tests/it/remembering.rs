//! Code that remembers outputs by the hash of its input is said to remember, and honest code beside it is not.

use std::fs;
use std::path::Path;

use crate::story::Project;

/// What wraps a handler of `pillow` so that it does its work once an image only.
const WRAP: &str = "
import hashlib, sys
import objects

remembered = {}


def wrap(real):
    def handler(event, context):
        key, body = objects.read_input(event)
        digest = real.__module__.encode() + hashlib.blake2b(body).digest()
        if digest in remembered:
            return objects.write_output(key, *remembered[digest])
        module = sys.modules[real.__module__]

        def write_output(key, body, extension):
            remembered[digest] = (body, extension)
            return objects.write_output(key, body, extension)

        module.write_output, module.read_input = write_output, lambda event: (key, body)
        return real(event, context)

    return handler
";

/// A project with six scenes, `pillow`, and `cheat-memo`, which is pillow with a memory.
fn project() -> Project {
    let project = Project::study("image-pipeline", &["pillow"]);
    project.scenes(&[(800, 600), (820, 600), (840, 620), (860, 640), (880, 660), (900, 680)]);
    let pillow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/pillow");
    for entry in fs::read_dir(pillow).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let Some(stage) = name.strip_suffix(".py").filter(|stage| *stage != "objects") else {
            project.write(&format!("functions/cheat-memo/{name}"), text);
            continue;
        };
        let wrapped = format!("import real_{stage}\nfrom wrap import wrap\n\nhandler = wrap(real_{stage}.handler)\n");
        project.write(&format!("functions/cheat-memo/real_{name}"), text);
        project.write(&format!("functions/cheat-memo/{name}"), wrapped);
    }
    project.write("functions/cheat-memo/wrap.py", WRAP);
    project
}

fn manifest(project: &Project, repetitions: &str) {
    let matrix = "variants = [\"pillow\", \"cheat-memo\"]\nimage_sets = [\"photos\"]\nmemory_mb = [512]\n";
    let repetitions = format!("[repetitions]\ncount = 2\nwarm_up = 1\n{repetitions}\n");
    project.write("m.toml", format!("[experiment]\nname = \"test\"\n\n[matrix]\n{matrix}\n{repetitions}"));
}

#[test]
fn code_that_remembers_outputs_is_said_to_and_honest_code_is_not() {
    let project = project();
    manifest(&project, "");
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    for stage in ["greyscale", "resize", "convert"] {
        let words = told.split("REMEMBERS cheat-memo").nth(1).and_then(|part| part.split("(in brackets").next());
        assert!(words.is_some_and(|words| words.contains(&format!("{stage} "))), "{stage}: {told}");
    }
    assert!(!told.contains("REMEMBERS pillow"), "{told}");
    let mut runs = fs::read_dir(project.root().join("outputs/test")).unwrap();
    let report = runs.find_map(|entry| fs::read_to_string(entry.unwrap().path().join("report.html")).ok());
    let report = report.expect("a report");
    assert!(report.contains("REMEMBERS OUTPUTS, so it is not ranked: cheat-memo"), "{told}");
}

#[test]
fn with_own_pixels_for_every_repetition_nothing_is_remembered_and_every_output_is_checked() {
    let project = project();
    manifest(&project, "vary_inputs = true");
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    assert!(!told.contains("REMEMBERS"), "{told}");
    // 2 variants x 6 images x 2 repetitions x 5 stages, each with an input that no other has.
    assert!(told.contains("outputs (120)"), "{told}");
}
