//! Handlers that look for right answers instead of working: what a later stage is given, what an
//! earlier repetition was given and wrote, what an earlier run left. They fail, and say so, if they
//! find any.

use std::fs;

use crate::loops::left_behind;
use crate::runs::{changing, manifest, project, variant};
use crate::story::{HOST, Project};

/// Goes through every name that a stage can know or guess before it works; a found answer is an
/// error.
const LOOKING: &str = r#"
import os, posixpath
from urllib.parse import unquote_plus
from botocore.exceptions import ClientError
import objects

STAGES = ["greyscale", "resize", "colour-depth", "rotate", "convert"]
known = []


def there(bucket, key):
    try:
        objects.s3.get_object(Bucket=bucket, Key=key)
        return True
    except ClientError:
        return False


def listed(bucket, prefix):
    try:
        pages = objects.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    except ClientError:
        return []


def guesses(stage, key):
    file = posixpath.basename(key)
    stem = file.rsplit(".", 1)[0]
    for other in STAGES:
        if other == stage:
            continue
        for name in (file, stem + ".png", stem + ".jpg"):
            yield f"input/{other}/{name}"
            yield f"{posixpath.dirname(key).replace(stage, other)}/{name}"
            yield os.environ["OUTPUT_PREFIX"] + name
    for before in known:
        yield before
        yield before.replace("r0001", "r0002")
        yield before.replace("w0001", "r0001")
    for prefix in ("input/", "upload/", os.environ["OUTPUT_PREFIX"]):
        # What earlier stages of the same pass were given is no answer.
        of_earlier = tuple(f"input/{other}/" for other in STAGES[: STAGES.index(stage)])
        every = listed(os.environ["OUTPUT_BUCKET"], prefix)
        yield from (one for one in every if one != key and not one.startswith(of_earlier))


def wrap(real):
    def handler(event, context):
        record = event["Records"][0]["s3"]
        bucket, key = record["bucket"]["name"], unquote_plus(record["object"]["key"])
        stage = os.environ["OUTPUT_PREFIX"].rstrip("/").rsplit("/", 1)[-1]
        assert there(bucket, key), "its own input is there"
        for guess in guesses(stage, key):
            if guess != key and there(bucket, guess):
                raise RuntimeError("FOUND " + guess)
        answer = real(event, context)
        known.extend([key, answer["key"]])
        return answer
    return handler
"#;

/// Wraps every stage of the `pillow` variant in `code`.
fn wrapped(project: &Project, code: &str) {
    let folder = project.root().join("functions/pillow");
    project.write("functions/pillow/wrap.py", code);
    for stage in ["greyscale", "resize", "colour_depth", "rotate", "convert"] {
        let real = fs::read(folder.join(format!("{stage}.py"))).unwrap();
        project.write(&format!("functions/pillow/real_{stage}.py"), real);
        let wrapper = format!(
            "from wrap import wrap\nimport real_{stage}\n\nhandler = wrap(real_{stage}.handler)\n"
        );
        project.write(&format!("functions/pillow/{stage}.py"), wrapper);
    }
}

#[test]
fn no_right_answer_is_found_by_name_memory_or_list() {
    let project = Project::study("image-pipeline", &["pillow"]);
    project.scenes(&[(160, 120)]);
    wrapped(&project, LOOKING);
    for input in ["reference", "chained"] {
        project.write(
            "m.toml",
            format!(
                "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [\"pillow\"]\nimage_sets = [\"photos\"]\n\
                 architectures = [\"{HOST}\"]\ninput = [\"{input}\"]\n\n[repetitions]\ncount = 2\nwarm_up = 1\n"
            ),
        );
        let answer = project.darkroom(&["run", "m.toml"]);
        assert!(!answer.stdout().contains("FOUND"), "{}", answer.stdout());
        answer.exits(0);
    }
}

#[test]
fn a_run_begins_without_what_handlers_of_an_earlier_one_kept() {
    let project = project();
    let keeping = "    global mine\n    where = dict(Bucket=os.environ[\"OUTPUT_BUCKET\"], Key=os.environ[\"OUTPUT_PREFIX\"] + \"memo\")\n    \
        try:\n        kept = s3.get_object(**where)[\"Body\"].read()\n    except Exception:\n        kept = None\n    \
        if kept and not mine:\n        raise RuntimeError(\"FOUND what an earlier run kept\")\n    \
        mine = True\n    s3.put_object(**where, Body=data)\n    return data\n";
    variant(
        &project,
        "copy",
        &format!("mine = False\n{}", changing(keeping)),
    );
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    project.darkroom(&["run", "m.toml"]).exits(0);
    assert!(
        !left_behind(&project).is_empty(),
        "the handler kept something"
    );
    let again = project.darkroom(&["run", "m.toml"]);
    assert!(!again.stdout().contains("FOUND"), "{}", again.stdout());
    again.exits(0);
}
