//! Stories of `generate MANIFEST`, told to a scripted endpoint. What it answers is test data: no
//! model wrote it.

use std::fs;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::scripted::{Endpoint, Reply, completion};
use crate::story::{Answer, Project};

const KEYS: [(&str, &str); 2] = [
    ("SCRIPTED_KEY", "canary-key-0d1f6c"),
    ("OTHER_KEY", "canary-key-77aa01"),
];
const ANSWER: &str = "```python\ndef handler(event, context):\n    return 'of one stage'\n```\n";

/// An answer of the model `scripted`, or of `other`.
fn answer_of(model: &str) -> Reply {
    let id = json!(format!("{model}-model"));
    Reply::Body(completion(ANSWER, &[("/model", id)]))
}

fn answers(models: &[&str]) -> Vec<Reply> {
    models.iter().map(|model| answer_of(model)).collect()
}

/// A project of two stages with a model `scripted` at the first endpoint and `other` at the second,
/// and a second prompt.
fn project(scripted: &Endpoint, other: &Endpoint) -> Project {
    let project = Project::new();
    models(&project, scripted.url(), other.url(), "max_tokens = 1000");
    project
        .write(
            "experiments/image-pipeline/generated/requirements.txt",
            "numpy==2.5.5 --hash=sha256:aa\npillow==13.0.0 --hash=sha256:bb\n",
        )
        .write(
            "experiments/image-pipeline/prompts/hints.md",
            "{prompt}\nDecode the key of {module}.\n",
        );
    project
}

fn models(project: &Project, scripted: &str, other: &str, parameters: &str) {
    let entry = |name: &str, url: &str| {
        let variable = name.to_uppercase();
        format!(
            "[models.{name}]\ntitle = \"{name}\"\nbase_url = \"{url}\"\nid = \"{name}-model\"\n\
             key_variable = \"{variable}_KEY\"\nparameters = {{ {parameters} }}\n\
             price = {{ input_usd = 2.0, output_usd = 8.0, source = \"made up\", date = \"2026-11-29\" }}\n"
        )
    };
    project.write(
        "experiments/image-pipeline/models.toml",
        entry("scripted", scripted) + &entry("other", other),
    );
}

fn manifest(project: &Project, variants: &str) {
    project.manifest(&format!(
        "variants = [{variants}]\nimage_sets = [\"photos\"]"
    ));
}

const BOTH: &str = "{ model = \"scripted\", samples = 2 }, { model = \"other\", samples = 2 }";

fn generate(project: &Project, more: &[&str]) -> Answer {
    let arguments = [&["generate", "m.toml"], more].concat();
    project.darkroom_with(&arguments, &KEYS)
}

fn made(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.root().join("functions")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| !["pillow", "rust"].contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

fn text(project: &Project, path: &str) -> String {
    fs::read_to_string(project.root().join(path)).unwrap()
}

fn asked_models(endpoint: &Endpoint) -> Vec<String> {
    let model = |body: &Json| body["model"].as_str().unwrap().to_owned();
    endpoint.asked().iter().map(|it| model(&it.body)).collect()
}

#[test]
fn one_command_makes_all_that_are_missing_and_the_models_take_turns() {
    let turns = ["scripted", "scripted", "other", "other"].repeat(2);
    let endpoint = Endpoint::new(answers(&turns));
    let project = project(&endpoint, &endpoint);
    manifest(&project, BOTH);
    project
        .darkroom(&["run", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says("2 variants of `scripted` are not made yet")
        .says("2 variants of `other` are not made yet")
        .says("run `darkroom generate m.toml`");
    let valid = project.darkroom(&["validate", "m.toml"]).exits(0).stdout();
    assert!(
        valid.contains("4 variants of models not made yet: run `darkroom generate m.toml`"),
        "{valid}"
    );
    let plan = project.darkroom(&["plan", "m.toml", "--json"]).exits(0);
    let plan: Json = serde_json::from_str(&plan.stdout()).unwrap();
    assert_eq!(
        (
            &plan["generate"]["variants"],
            &plan["generate"]["questions"]
        ),
        (&json!(4), &json!(8)),
        "{plan:#}"
    );
    let cells = plan["plan"].as_array().unwrap();
    assert_eq!(
        (
            &cells[3]["variant"],
            &cells[3]["model"],
            &cells[3]["sample"]
        ),
        (&json!("other-s2"), &json!("other"), &json!(2)),
        "{cells:#?}"
    );
    let page = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
    assert!(
        page.contains("4 variants of 2 models: 8 questions to ask; at most $0."),
        "{page}"
    );
    let refused = project.darkroom(&["run", "m.toml"]);
    let command = refused.suggestion("darkroom generate");
    let answer = project.shell_with(&command, &KEYS).exits(0);
    assert_eq!(answer.stdout().lines().count(), 4, "{}", answer.stdout());
    let answer = answer.says("other-s2: other, 3 of 4 variants made; $0.0360 spent");
    drop(answer);
    let model = |name: &&str| format!("{name}-model");
    assert_eq!(
        asked_models(&endpoint),
        turns.iter().map(model).collect::<Vec<_>>()
    );
    let all = ["other-s1", "other-s2", "scripted-s1", "scripted-s2"];
    assert_eq!(made(&project), all);
    assert!(text(&project, "functions/other-s2/variant.toml").contains("sample = 2\n"));
    generate(&project, &[])
        .exits(0)
        .says("all made: nothing to ask");
    assert_eq!(endpoint.asked().len(), 8, "nobody is asked again");
    let plan = project.darkroom(&["plan", "m.toml", "--json"]).exits(0);
    let plan: Json = serde_json::from_str(&plan.stdout()).unwrap();
    assert!(plan["generate"].is_null(), "{plan:#}");
}

#[test]
fn samples_that_were_made_one_by_one_are_those_of_the_manifest() {
    let endpoint = Endpoint::new(answers(&["scripted"; 4]));
    let project = project(&endpoint, &endpoint);
    let single = [
        "generate",
        "--model",
        "scripted",
        "--variant",
        "scripted",
        "--samples",
        "1",
    ];
    project.darkroom_with(&single, &KEYS).exits(0);
    manifest(&project, "{ model = \"scripted\", samples = 2 }");
    generate(&project, &[]).exits(0);
    assert_eq!(made(&project), ["scripted-s1", "scripted-s2"]);
    assert_eq!(endpoint.asked().len(), 4, "two stages of two samples");
}

#[test]
fn another_prompt_is_another_variant_and_its_version_is_kept() {
    let endpoint = Endpoint::new(answers(&["scripted"; 4]));
    let project = project(&endpoint, &endpoint);
    manifest(
        &project,
        "{ model = \"scripted\", prompts = [\"plain\", \"hints\"] }",
    );
    let dry = generate(&project, &["--dry-run"]).exits(0).stdout();
    assert!(
        dry.contains("===== greyscale, prompt hints, Python 3.13 =====")
            && dry.contains("Decode the key of greyscale."),
        "{dry}"
    );
    generate(&project, &[]).exits(0);
    assert_eq!(made(&project), ["scripted-hints-s1", "scripted-s1"]);
    let hinted: Vec<bool> = endpoint
        .asked()
        .iter()
        .map(|asked| asked.words().contains("Decode the key of"))
        .collect();
    assert_eq!(hinted, [false, false, true, true]);
    assert!(!text(&project, "functions/scripted-s1/variant.toml").contains("prompt ="));
    assert!(
        text(&project, "functions/scripted-hints-s1/variant.toml").contains("prompt = \"hints\"\n")
    );
    let provenance: toml::Table = text(&project, "functions/scripted-hints-s1/provenance.toml")
        .parse()
        .unwrap();
    let template = text(&project, "experiments/image-pipeline/prompts/hints.md");
    assert_eq!(
        provenance["prompt_template_sha256"].as_str(),
        Some(hex::encode(Sha256::digest(&template)).as_str())
    );
    let plan = project.darkroom(&["plan", "m.toml", "--json"]).exits(0);
    let plan: Json = serde_json::from_str(&plan.stdout()).unwrap();
    assert!(plan["plan"][0]["prompt"].is_null(), "{plan:#}");
    assert_eq!(plan["plan"][1]["prompt"], "hints", "{plan:#}");
    let kept = "functions/scripted-hints-s1/provenance/prompt-template.md";
    project.write(kept, "{prompt}\nOtherwise.\n");
    generate(&project, &[])
        .exits(2)
        .says("provenance/prompt-template.md was edited after generation");
    project.write(kept, template).write(
        "experiments/image-pipeline/prompts/hints.md",
        "{prompt}\nOtherwise.\n",
    );
    for command in ["generate", "run", "plan"] {
        project
            .darkroom_with(&[command, "m.toml"], &KEYS)
            .exits(2)
            .says("made with another version of prompt `hints`");
    }
    let file = "functions/scripted-hints-s1/variant.toml";
    let other = text(&project, file).replace("prompt = \"hints\"", "prompt = \"best\"");
    project.write(file, other);
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("it says `best`, but provenance.toml says `hints`");
}

#[test]
fn after_a_kill_the_same_command_asks_only_for_what_nobody_answered() {
    let endpoint = Endpoint::new(vec![answer_of("scripted"), Reply::Hang]);
    let project = project(&endpoint, &endpoint);
    manifest(&project, BOTH);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(["generate", "m.toml"])
        .current_dir(project.root())
        .envs(KEYS)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while endpoint.asked().len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let turns = [
        "scripted", "other", "other", "scripted", "scripted", "other", "other",
    ];
    let more = Endpoint::new(answers(&turns));
    models(&project, more.url(), more.url(), "max_tokens = 1000");
    let page = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
    assert!(
        page.contains("7 questions to ask; 1 question answered before;"),
        "{page}"
    );
    generate(&project, &[]).exits(0);
    assert_eq!(more.asked().len(), 7);
    assert_eq!(made(&project).len(), 4, "{:?}", made(&project));
}

#[test]
fn the_budget_stops_before_the_question_that_could_exceed_it_and_a_larger_one_goes_on() {
    let endpoint = Endpoint::new(answers(&["scripted"; 4]));
    let project = project(&endpoint, &endpoint);
    manifest(&project, "{ model = \"scripted\", samples = 2 }");
    // An answer costs $0.006 and could cost up to $0.015 or so: 1,000 tokens and the prompt.
    let limit = "budget.generate_usd=0.025";
    generate(&project, &["--set", limit])
        .exits(1)
        .says("stage greyscale: not asked: the answer could cost up to $0.01")
        .says("$0.0120 of budget.generate_usd = 0.025 are spent")
        .says("raise `generate_usd` in [budget]");
    assert_eq!(
        (made(&project), endpoint.asked().len()),
        (vec!["scripted-s1".to_owned()], 2)
    );
    generate(&project, &["--set", limit]).exits(1);
    assert_eq!(endpoint.asked().len(), 2, "what was spent before counts");
    let plan = project
        .darkroom(&["plan", "m.toml", "--set", "budget.generate_usd=1", "--json"])
        .exits(0);
    let plan: Json = serde_json::from_str(&plan.stdout()).unwrap();
    let spent = plan["generate"]["spent_usd"].as_f64().unwrap();
    assert!((spent - 0.012).abs() < 1e-9, "{plan:#}");
    generate(&project, &["--set", "budget.generate_usd=1"]).exits(0);
    assert_eq!((made(&project).len(), endpoint.asked().len()), (2, 4));
}

#[test]
fn a_budget_that_nothing_bounds_is_refused_and_an_unknown_cost_is_said() {
    let endpoint = Endpoint::new(vec![]);
    let project = project(&endpoint, &endpoint);
    models(
        &project,
        endpoint.url(),
        endpoint.url(),
        "temperature = 0.5",
    );
    manifest(&project, BOTH);
    let page = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
    let unknown = "models.toml has no price or no limit of tokens for";
    let said = format!(
        "4 variants of 2 models: 8 questions to ask; the cost is unknown: {unknown} other and scripted;"
    );
    assert!(page.contains(&said) && !page.contains("$0.00"), "{page}");
    generate(&project, &["--set", "budget.generate_usd=5"])
        .exits(2)
        .says("budget.generate_usd cannot be kept")
        .says("other (neither `max_tokens` nor `max_completion_tokens` is set)")
        .says("add `price` and `max_tokens` in experiments/image-pipeline/models.toml");
    assert_eq!(endpoint.asked().len(), 0);
}

#[test]
fn a_cost_that_is_not_known_is_said_and_never_added_as_nothing() {
    let endpoint = Endpoint::new(answers(&["scripted", "scripted", "other", "other"]));
    let project = project(&endpoint, &endpoint);
    let file = "experiments/image-pipeline/models.toml";
    let priced = text(&project, file);
    let (first, second) = priced.split_at(priced.find("[models.other]").unwrap());
    let second = second.lines().map(|line| match line.split_once(" = ") {
        Some(("price", _)) => "price_unknown = \"nobody says\"\n".to_owned(),
        _ => format!("{line}\n"),
    });
    project.write(file, first.to_owned() + &second.collect::<String>());
    manifest(&project, "{ model = \"scripted\" }, { model = \"other\" }");
    let plan = || {
        let plan = project.darkroom(&["plan", "m.toml", "--json"]).exits(0);
        let plan: Json = serde_json::from_str(&plan.stdout()).unwrap();
        plan["generate"].clone()
    };
    let before = plan();
    assert!(before["most_usd"].is_null(), "{before:#}");
    assert!(before["most_usd_without_unbounded"].as_f64().unwrap() > 0.0);
    assert_eq!(before["unbounded"]["other"], "price unknown: nobody says");
    let page = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
    assert!(
        page.contains(" without other, whose cost is unknown;"),
        "{page}"
    );
    generate(&project, &[]).exits(0);
    manifest(
        &project,
        "{ model = \"scripted\", samples = 2 }, { model = \"other\", samples = 2 }",
    );
    let after = plan();
    assert_eq!(after["spent_unknown"], json!(2), "{after:#}");
    assert!((after["spent_usd"].as_f64().unwrap() - 0.012).abs() < 1e-9);
    let page = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
    assert!(
        page.contains("$0.0120 spent so far, besides 2 answers whose cost is unknown"),
        "{page}"
    );
}

#[test]
fn an_entry_of_models_toml_that_is_wrong_is_refused_alone() {
    let endpoint = Endpoint::new(answers(&["scripted"; 4]));
    let project = project(&endpoint, &endpoint);
    let file = "experiments/image-pipeline/models.toml";
    let wrong = text(&project, file).replace("id = \"other-model\"", "idd = \"other-model\"");
    project.write(file, wrong);
    manifest(&project, BOTH);
    for command in ["generate", "plan", "run"] {
        let answer = project
            .darkroom_with(&[command, "m.toml"], &KEYS)
            .exits(2)
            .before_any_effect()
            .says("model `other` can't be used: models.other.idd: unknown field `idd`")
            .says(&format!("{file}:11:"));
        assert!(
            !answer.stderr().contains("`scripted` can't"),
            "{}",
            answer.stderr()
        );
    }
    let single = ["generate", "--model", "other", "--variant", "new"];
    project
        .darkroom_with(&single, &KEYS)
        .exits(2)
        .before_any_effect()
        .says(&format!("{file}:11: models.other.idd: unknown field"));
    assert!(endpoint.asked().is_empty());
    manifest(&project, "{ model = \"scripted\" }");
    generate(&project, &[]).exits(0);
    let single = ["generate", "--model", "scripted", "--variant", "new"];
    project.darkroom_with(&single, &KEYS).exits(0);
    assert_eq!(made(&project), ["new", "scripted-s1"]);
}

#[test]
fn a_models_name_among_the_variants_is_told_as_the_entry_that_measures_it() {
    let endpoint = Endpoint::new(vec![]);
    let project = project(&endpoint, &endpoint);
    // The name of an entry, and what its vendor calls it.
    for written in ["other", "other-model"] {
        manifest(&project, &format!("\"{written}\""));
        let refused = project
            .darkroom(&["plan", "m.toml"])
            .exits(2)
            .says("write `{ model = \"other\", samples = 5 }` in its place");
        let shown = refused.one_line();
        let entry = shown.split('`').find(|text| text.starts_with('{')).unwrap();
        manifest(&project, entry);
        let cells = project.darkroom(&["cells", "m.toml"]).exits(0).stdout();
        assert_eq!(cells.lines().count(), 5, "{cells}");
    }
}

#[test]
fn wrong_requests_are_refused_before_anyone_is_asked() {
    let endpoint = Endpoint::new(vec![]);
    let project = project(&endpoint, &endpoint);
    manifest(&project, "{ model = \"scriptd\" }");
    generate(&project, &[])
        .exits(2)
        .before_any_effect()
        .says("unknown model `scriptd`")
        .says("did you mean `scripted`?")
        .says("m.toml:5:");
    manifest(&project, BOTH);
    project
        .darkroom(&["generate", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says("OTHER_KEY is not set: other needs a key; SCRIPTED_KEY is not set")
        .says("run `export OTHER_KEY=...` and `export SCRIPTED_KEY=...` first");
    manifest(&project, "\"pillow\"");
    generate(&project, &[])
        .exits(2)
        .says("m.toml declares no model to be asked");
    project
        .darkroom(&["generate", "m.toml", "--model", "scripted"])
        .exits(2)
        .says("cannot be used with");
    assert_eq!(endpoint.asked().len(), 0);
}

#[test]
fn an_endpoint_that_is_down_stalls_no_other_model_and_nothing_is_lost() {
    let endpoint = Endpoint::new(answers(&["other"; 4]));
    let project = project(&endpoint, &endpoint);
    models(
        &project,
        "http://127.0.0.1:1/v1",
        endpoint.url(),
        "max_tokens = 1000",
    );
    let file = "experiments/image-pipeline/models.toml";
    let patient = text(&project, file);
    let impatient = patient.replacen("parameters", "timeout_s = 2\nparameters", 1);
    project.write(file, impatient);
    manifest(&project, BOTH);
    let answer = generate(&project, &[])
        .exits(1)
        .says("2 variants were not made")
        .says("scripted-s1: not made (endpoint down); the reason is printed at the end")
        .says("variant `scripted-s1` was not created: stage greyscale:")
        .says("run the same command again");
    let sentence = "was not created: stage greyscale";
    assert_eq!(
        answer.one_line().matches(sentence).count(),
        1,
        "the sentence stands once: {}",
        answer.stderr()
    );
    assert_eq!(answer.stdout(), "functions/other-s1\nfunctions/other-s2\n");
    let back = Endpoint::new(answers(&["scripted"; 4]));
    models(&project, back.url(), back.url(), "max_tokens = 1000");
    generate(&project, &[]).exits(0);
    assert_eq!((back.asked().len(), made(&project).len()), (4, 4));
}

#[test]
fn a_refused_key_is_not_tried_again() {
    let error = json!({ "error": { "message": "no such key", "type": "auth", "param": null, "code": null } });
    let refused = Endpoint::new(vec![Reply::Status(401, vec![], error.to_string())]);
    let other = Endpoint::new(answers(&["other"; 4]));
    let project = project(&refused, &other);
    manifest(&project, BOTH);
    generate(&project, &[])
        .exits(1)
        .says("the endpoint refused the key (HTTP 401)")
        .says("2 variants were not made");
    assert_eq!((refused.asked().len(), other.asked().len()), (1, 4));
}

#[test]
fn edited_other_and_further_folders_are_neither_overwritten_nor_measured() {
    let endpoint = Endpoint::new(answers(&["scripted"; 8]));
    let project = project(&endpoint, &endpoint);
    manifest(&project, "{ model = \"scripted\", samples = 4 }");
    generate(&project, &[]).exits(0);
    manifest(&project, "{ model = \"scripted\", samples = 3 }");
    let left = "left alone and not measured, beyond the `samples` of the manifest: \
                functions/scripted-s4";
    let cells = project.darkroom(&["cells", "m.toml"]).exits(0).stdout();
    assert_eq!(cells.lines().count(), 3, "{cells}");
    for command in ["plan", "validate", "generate"] {
        project
            .darkroom_with(&[command, "m.toml"], &KEYS)
            .exits(0)
            .says(left);
    }
    let file = "functions/scripted-s2/resize.py";
    let written = text(&project, file);
    project.write(file, written.replace("one stage", "a person"));
    generate(&project, &[])
        .exits(2)
        .says("functions/scripted-s2/resize.py")
        .says("edited after generation");
    project.write(file, written);
    project.variant("other-s1");
    manifest(&project, "{ model = \"other\" }");
    generate(&project, &[])
        .exits(2)
        .says("functions/other-s1 is not generated, not sample 1 of `other`")
        .says("rename functions/other-s1");
    assert_eq!(endpoint.asked().len(), 8);
}

#[test]
fn the_resolved_manifest_lists_the_variants_that_the_entries_stand_for() {
    let endpoint = Endpoint::new(answers(&["scripted"; 4]));
    let project = project(&endpoint, &endpoint);
    manifest(
        &project,
        "{ model = \"scripted\", prompts = [\"plain\", \"hints\"] }",
    );
    generate(&project, &[]).exits(0);
    let resolved = project.darkroom(&["validate", "m.toml", "--json"]).exits(0);
    let resolved: Json = serde_json::from_str(&resolved.stdout()).unwrap();
    assert_eq!(
        resolved["matrix"]["variants"],
        json!(["scripted-s1", "scripted-hints-s1"]),
        "the names stand for the entries in a run's folder"
    );
}

#[test]
fn the_versions_of_python_that_an_entry_may_name_are_those_that_run_here() {
    let schema: Json = serde_json::from_str(&darkroom_core::manifest::schema_text()).unwrap();
    let items = &schema["properties"]["matrix"]["properties"]["variants"]["items"]["anyOf"];
    let named = items[1]["properties"]["python"]["enum"].as_array().unwrap();
    let named: Vec<String> = named
        .iter()
        .map(|version| format!("python{}", version.as_str().unwrap()))
        .collect();
    assert_eq!(named, darkroom_cloud::python::RUNTIMES);
}

#[test]
fn a_folder_in_a_variants_way_is_refused_before_anyone_is_asked() {
    let (scripted, other) = (Endpoint::new(Vec::new()), Endpoint::new(Vec::new()));
    let project = project(&scripted, &other);
    manifest(&project, BOTH);
    fs::create_dir_all(project.root().join("functions/scripted-s2")).unwrap();
    generate(&project, &[])
        .exits(2)
        .says("functions/scripted-s2 is there and holds no variant")
        .says("remove or rename functions/scripted-s2");
    assert_eq!(asked_models(&scripted), [""; 0]);
}

#[test]
fn what_is_asked_again_is_counted_as_to_be_asked() {
    let endpoint = Endpoint::new(answers(&["scripted"; 4]));
    let other = Endpoint::new(Vec::new());
    let project = project(&endpoint, &other);
    manifest(&project, "{ model = \"scripted\" }");
    generate(&project, &["--set", "budget.generate_usd=1"])
        .exits(0)
        .says("2 questions to ask");
    fs::remove_dir_all(project.root().join("functions/scripted-s1")).unwrap();
    generate(&project, &["--ask-again"])
        .exits(0)
        .says("2 questions to ask");
    assert_eq!(asked_models(&endpoint).len(), 4);
}
