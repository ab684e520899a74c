//! Code that remembers outputs by the hash of its input is said to remember, and honest code beside
//! it is not.

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

/// What wraps a handler of `pillow` so that it knows an image by its look, and hides it: a few
/// pixels of what it kept change.
const DISGUISE: &str = "
import io
import objects
from PIL import Image

remembered = {}


def disguised(body, extension, count):
    image = Image.open(io.BytesIO(body))
    image.load()
    for n in range(9):
        place = ((count * 13 + n * 29) % image.width, (count * 7 + n * 31) % image.height)
        image.putpixel(place, image.getpixel(place) ^ 1)
    out = io.BytesIO()
    image.save(out, {'png': 'PNG', 'jpg': 'JPEG', 'jpeg': 'JPEG'}[extension.strip('.')], **({} if 'png' in extension else {'quality': 90}))
    return out.getvalue()


def wrap(real):
    def handler(event, context):
        key, body = objects.read_input(event)
        with Image.open(io.BytesIO(body)) as image:
            small = image.convert('I' if image.mode.startswith('I') else 'L').resize((3, 3), Image.Resampling.BOX)
            step = 160 if image.mode.startswith('I') else 40
            known = (real.__module__, image.size, *(level // step for level in small.getdata()))
        if known in remembered:
            kept = remembered[known]
            kept[2] += 1
            return objects.write_output(key, disguised(*kept), kept[1])
        module = __import__('sys').modules[real.__module__]

        def write_output(key, body, extension):
            remembered[known] = [body, extension, 0]
            return objects.write_output(key, body, extension)

        module.write_output, module.read_input = write_output, lambda event: (key, body)
        return real(event, context)

    return handler
";

/// A project with six scenes, `pillow`, and a variant which is pillow with a memory.
fn project(cheat: &str, wrap: &str) -> Project {
    let project = Project::study("image-pipeline", &["pillow"]);
    project.scenes(&[
        (800, 600),
        (820, 600),
        (840, 620),
        (860, 640),
        (880, 660),
        (900, 680),
    ]);
    let pillow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/pillow");
    for entry in fs::read_dir(pillow).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let Some(stage) = name.strip_suffix(".py").filter(|stage| *stage != "objects") else {
            project.write(&format!("functions/{cheat}/{name}"), text);
            continue;
        };
        let wrapped = format!(
            "import real_{stage}\nfrom wrap import wrap\n\nhandler = wrap(real_{stage}.handler)\n"
        );
        project.write(&format!("functions/{cheat}/real_{name}"), text);
        project.write(&format!("functions/{cheat}/{name}"), wrapped);
    }
    project.write(&format!("functions/{cheat}/wrap.py"), wrap);
    project
}

fn manifest(project: &Project, cheat: &str, repetitions: &str) {
    let matrix = format!(
        "variants = [\"pillow\", \"{cheat}\"]\nimage_sets = [\"photos\"]\nmemory_mb = [512]\n"
    );
    let repetitions = format!("[repetitions]\ncount = 2\nwarm_up = 1\n{repetitions}\n");
    project.write(
        "m.toml",
        format!("[experiment]\nname = \"test\"\n\n[matrix]\n{matrix}\n{repetitions}"),
    );
}

#[test]
fn code_that_remembers_outputs_is_said_to_and_honest_code_is_not() {
    let project = project("cheat-memo", WRAP);
    manifest(&project, "cheat-memo", "");
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    for stage in ["greyscale", "resize", "convert"] {
        let words = told
            .split("REMEMBERS cheat-memo")
            .nth(1)
            .and_then(|part| part.split("(in brackets").next());
        assert!(
            words.is_some_and(|words| words.contains(&format!("{stage} "))),
            "{stage}: {told}"
        );
    }
    assert!(!told.contains("REMEMBERS pillow"), "{told}");
    let mut runs = fs::read_dir(project.root().join("outputs/test")).unwrap();
    let report =
        runs.find_map(|entry| fs::read_to_string(entry.unwrap().path().join("report.html")).ok());
    let report = report.expect("a report");
    assert!(
        report.contains("REMEMBERS OUTPUTS, so it is not ranked: cheat-memo"),
        "{told}"
    );
}

#[test]
fn nothing_is_remembered_with_own_pixels_for_every_repetition() {
    let project = project("cheat-memo", WRAP);
    manifest(&project, "cheat-memo", "vary_inputs = true");
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    assert!(!told.contains("REMEMBERS"), "{told}");
    // 2 variants x 6 images x 2 repetitions x 5 stages, each with an input that no other has.
    assert!(told.contains("outputs (120)"), "{told}");
}

#[test]
fn code_that_knows_an_image_by_its_look_is_wrong_however_it_changes_what_it_kept() {
    let project = project("cheat-look", DISGUISE);
    manifest(&project, "cheat-look", "");
    let told = project
        .darkroom(&["run", "m.toml", "--set", "matrix.input=[\"reference\"]"])
        .exits(1)
        .told();
    for stage in ["greyscale", "resize", "colour-depth", "rotate", "convert"] {
        let named = format!(
            "WRONG cheat-look.x86_64.512mb.photos.direct.reference.warm.c1 · {stage}: made of other pixels"
        );
        assert!(told.contains(&named), "{stage}: {told}");
    }
    assert!(!told.contains("WRONG pillow"), "{told}");
}
