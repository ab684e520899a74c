//! What the stories of `generate` share: a project whose model is a scripted endpoint, and what it
//! answers. That is test data: no model wrote it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::scripted::{Endpoint, Reply, completion};
use crate::story::{Answer, Project};

/// Must be found in a request's header and nowhere else.
pub const KEY: &str = "canary-key-0d1f6c";

pub const HANDLER: &str = "def handler(event, context):\n    return 'of one stage'\n";

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A project of two stages whose model `scripted` is this endpoint.
pub fn project(endpoint: &Endpoint) -> Project {
    let project = Project::new();
    models(&project, endpoint, "");
    let pinned = "numpy==2.5.5 --hash=sha256:aa\npillow==13.0.0 --hash=sha256:bb\n";
    project.write(
        "experiments/image-pipeline/generated/requirements.txt",
        pinned,
    );
    project
}

pub fn models(project: &Project, endpoint: &Endpoint, more: &str) {
    let url = endpoint.url();
    project.write(
        "experiments/image-pipeline/models.toml",
        format!(
            "[models.scripted]\ntitle = \"Scripted\"\nbase_url = \"{url}\"\nid = \"scripted-model\"\n\
             key_variable = \"SCRIPTED_KEY\"\nparameters = {{ temperature = 0.5 }}\nsuccessor = \"scripted-model-2\"\n\
             price = {{ input_usd = 2.0, output_usd = 8.0, source = \"made up\", date = \"2026-11-24\" }}\n{more}"
        ),
    );
}

pub fn generate(project: &Project, more: &[&str]) -> Answer {
    let mut arguments = vec!["generate", "--model", "scripted", "--variant", "new"];
    arguments.extend(more);
    project.darkroom_with(&arguments, &[("SCRIPTED_KEY", KEY)])
}

pub fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["generate", "--model", "scripted", "--variant"], more].concat()
}

pub fn fenced(code: &str) -> Reply {
    Reply::Text(format!("Here it is:\n\n```python\n{code}```\n"))
}

pub fn provenance(project: &Project, variant: &str) -> toml::Table {
    text(project, &format!("functions/{variant}/provenance.toml"))
        .parse()
        .unwrap()
}

pub fn text(project: &Project, path: &str) -> String {
    fs::read_to_string(project.root().join(path)).unwrap()
}

/// Every file with the key in it.
pub fn files_with_key(root: &Path) -> Vec<PathBuf> {
    files_with(root, KEY)
}

pub fn files_with(root: &Path, words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() && !entry.is_symlink() {
            found.extend(files_with(&entry, words));
        } else if let Ok(bytes) = fs::read(&entry)
            && bytes
                .windows(words.len())
                .any(|window| window == words.as_bytes())
        {
            found.push(entry);
        }
    }
    found
}

pub fn functions(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.root().join("functions")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn error(message: &str, kind: &str) -> String {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        .to_string()
}

/// The attempt of every ask.
pub fn attempts(provenance: &toml::Table) -> Vec<i64> {
    provenance["asks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ask| ask["attempt"].as_integer().unwrap())
        .collect()
}

/// Asks for the first stage only, with this as the last reply, and expects it to be told so and
/// nothing to be made.
#[track_caller]
pub fn told(replies: Vec<Reply>, words: &[&str]) -> (Project, Endpoint) {
    let endpoint = Endpoint::new(replies);
    let project = project(&endpoint);
    models(&project, &endpoint, "timeout_s = 5\n");
    let mut answer = generate(&project, &["--stage", "greyscale"]).exits(1);
    for words in words {
        answer = answer.says(words);
    }
    assert!(!answer.stderr().contains(KEY), "{}", answer.stderr());
    assert_eq!(
        functions(&project),
        ["pillow", "rust"],
        "nothing half-written"
    );
    assert_eq!(files_with_key(project.root()), [""; 0].map(PathBuf::from));
    (project, endpoint)
}

/// Asks for the first stage only, and returns what the made variant says of it: the outcome in
/// words.
#[track_caller]
pub fn outcome_of(reply: Reply) -> String {
    let text_of_answer = match &reply {
        Reply::Text(text) => text.clone(),
        Reply::Body(body) => {
            let body: Json = serde_json::from_str(body).unwrap();
            let text = &body["choices"][0]["message"]["content"];
            text.as_str().unwrap_or_default().to_owned()
        }
        other => panic!("{other:?} is no answer"),
    };
    let endpoint = Endpoint::new(vec![reply]);
    let project = project(&endpoint);
    let answer = generate(&project, &["--stage", "greyscale"]).exits(1);
    assert_eq!(answer.stdout(), "functions/new\n");
    assert_eq!(
        text(&project, "functions/new/provenance/greyscale.md"),
        text_of_answer,
        "word for word"
    );
    assert!(!project.root().join("functions/new/greyscale.py").exists());
    let variant: toml::Table = text(&project, "functions/new/variant.toml")
        .parse()
        .unwrap();
    assert!(variant["handlers"].as_table().unwrap().is_empty());
    let said = &variant["missing"]["greyscale"];
    assert_eq!(
        &provenance(&project, "new")["asks"][0]["missing"],
        said,
        "one fact, in both files"
    );
    let outcome: darkroom_core::outcome::Outcome = said.clone().try_into().unwrap();
    let words = format!("greyscale NOT THERE: {outcome}");
    answer.says(&words.split_whitespace().collect::<Vec<_>>().join(" "));
    outcome.to_string()
}

/// The project's own pipeline over one generated image; layers and runtime are shared by all
/// stories.
pub fn whole_project(endpoint: &Endpoint) -> Project {
    let project = project(endpoint);
    let experiment = repository().join("experiments/image-pipeline");
    for file in ["pipeline.toml", "generated/requirements.txt"] {
        project.write(
            &format!("experiments/image-pipeline/{file}"),
            fs::read(experiment.join(file)).unwrap(),
        );
    }
    let set = "description = \"for tests\"\n[generated]\nseed = 1\nformat = \"png\"\nsizes = [\"160x120\"]\n";
    project.write("experiments/image-pipeline/image-sets/photos.toml", set);
    fs::create_dir_all(project.root().join(".darkroom")).unwrap();
    for shared in ["runtimes", "packages"] {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(shared);
        fs::create_dir_all(&kept).unwrap();
        std::os::unix::fs::symlink(kept, project.root().join(".darkroom").join(shared)).unwrap();
    }
    project
}

/// A stage of one of this repository's own variants as one file.
pub fn hand_written(variant: &str, module: &str) -> String {
    let folder = repository().join("functions").join(variant);
    let own = fs::read_to_string(folder.join(format!("{module}.py"))).unwrap();
    let objects = fs::read_to_string(folder.join("objects.py")).unwrap();
    own.replace("from objects import read_input, write_output\n", &objects)
}

pub const MODULES: [&str; 5] = ["greyscale", "resize", "colour_depth", "rotate", "convert"];

pub fn right() -> Vec<Reply> {
    MODULES
        .iter()
        .map(|module| fenced(&hand_written("pillow", module)))
        .collect()
}

pub fn with_black_colour_depth() -> Vec<Reply> {
    let mut replies = right();
    replies[2] = fenced(&hand_written("broken-example", "colour_depth"));
    replies
}

/// Right answers for all stages but the third, whose answer is cut off.
pub fn with_a_gap() -> Vec<Reply> {
    let mut replies = right();
    let cut_off = [("/choices/0/finish_reason", json!("length"))];
    replies[2] = Reply::Body(completion("```python\ndef handler(ev", &cut_off));
    replies
}
