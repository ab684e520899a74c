//! The pipeline whose images travel in payloads: a whole run of it, one wrong stage, and what can't
//! be.

use darkroom_core::event::{Event, Status};

use crate::story::{HOST, Project};

fn project() -> Project {
    let project = Project::study("payload-pipeline", &["pillow-payload", "pillow"]);
    project.scenes(&[(160, 120), (90, 120)]);
    project
}

fn manifest(project: &Project, matrix: &str) {
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\npipeline = \"payload-pipeline\"\n\n[matrix]\nimage_sets = [\"photos\"]\n\
             architectures = [\"{HOST}\"]\n{matrix}\n\n[repetitions]\ncount = 2\nwarm_up = 1\n"
        ),
    );
}

fn facts(project: &Project) -> Vec<Event> {
    let journal = project.root().join("outputs/test/latest/journal.ndjson");
    darkroom::record::read(&journal)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Copies the payload variant under another name, with one file replaced.
fn twin(project: &Project, name: &str, file: &str, code: &str) {
    let from = project.root().join("functions/pillow-payload");
    project.copy_to(&from, &format!("functions/{name}"));
    project.write(&format!("functions/{name}/{file}"), code);
}

#[test]
fn a_whole_run_goes_through_payloads_and_the_wrong_stage_is_found() {
    let project = project();
    let anticlockwise = "import io\nfrom PIL import Image\nfrom payload import answer, read_image\n\n\n\
        def handler(event, context):\n    out = io.BytesIO()\n    \
        Image.open(io.BytesIO(read_image(event))).rotate(90, expand=True).save(out, 'JPEG', quality=90)\n    \
        return {**answer(out.getvalue()), 'duration_ms': 1.5}\n";
    twin(&project, "turned", "rotate.py", anticlockwise);
    manifest(&project, "variants = [\"pillow-payload\", \"turned\"]");
    let shown = project.darkroom(&["run", "m.toml"]).exits(1).stdout();
    let wrong: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("WRONG"))
        .collect();
    assert_eq!(wrong.len(), 1, "{shown}");
    assert!(
        wrong[0].contains("turned.")
            && wrong[0].contains("rotate: wrong orientation (rotated anticlockwise)")
    );
    let run = project.root().join("outputs/test/latest");
    let mut reported = 0;
    let mut checked = 0;
    for event in facts(&project) {
        match event {
            Event::PipelineFinished(pass) => {
                assert!(pass.complete && pass.turnaround_s.is_some(), "{pass:?}");
                assert!(
                    pass.input_bytes
                        .iter()
                        .chain(&pass.output_bytes)
                        .all(Option::is_some),
                    "{pass:?}"
                );
                assert_eq!(
                    pass.input_bytes[1..],
                    pass.output_bytes[..4],
                    "a stage is given what the one before gave"
                );
            }
            Event::InvocationFinished(invocation) => {
                let turned = invocation.function.contains("turned") && invocation.stage == "rotate";
                assert_eq!(invocation.handler_reported_ms, turned.then_some(1.5));
                reported += u32::from(turned);
            }
            Event::OutputChecked(check) if check.pass.cell_id.as_str().starts_with("turned") => {
                checked += 1;
                assert_eq!(check.verdict.pass, check.stage != "rotate", "{check:?}");
                if let Some(picture) = check.picture {
                    assert!(run.join(&picture).is_file(), "{picture}");
                    assert!(
                        picture.starts_with("pictures/turned.") && picture.ends_with(".rotate.png")
                    );
                }
            }
            _ => {}
        }
    }
    assert!(reported > 0 && checked >= 10);
    assert_eq!(
        std::fs::read_dir(run.join("pictures")).unwrap().count(),
        1,
        "one picture a cell and stage"
    );
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert_eq!(
        page.matches("data:image/png;base64,").count(),
        1,
        "and the report shows it"
    );
}

#[test]
fn a_stage_that_answers_with_no_image_or_too_large_a_one_breaks_the_chain_by_name() {
    let project = project();
    project.scenes(&[(160, 120)]);
    let caught = "def handler(event, context):\n    return {'statusCode': 500, 'body': 'cannot identify image'}\n";
    twin(&project, "caught", "resize.py", caught);
    let large = "import base64, os\n\n\ndef handler(event, context):\n    \
                 return {'image': base64.b64encode(os.urandom(4_718_580)).decode()}\n";
    twin(&project, "large", "resize.py", large);
    manifest(&project, "variants = [\"caught\", \"large\"]");
    let shown = project
        .darkroom(&["run", "m.toml", "--set", "repetitions.count=1"])
        .exits(1)
        .stdout();
    assert!(
        shown.contains("no image in its answer; it answered {\"statusCode\": 500"),
        "{shown}"
    );
    assert!(
        shown.contains("PayloadTooLarge: not called: stage colour-depth would get 62914"),
        "{shown}"
    );
    let called =
        |event: &Event| matches!(event, Event::InvocationFinished(i) if i.stage == "rotate");
    assert!(
        !facts(&project).iter().any(called),
        "nothing is called after the chain broke"
    );
    let not_called = |event: &Event| matches!(event, Event::InvocationFinished(i) if i.status == Status::CallError && i.request_id.is_none());
    assert!(facts(&project).iter().any(not_called));
}

#[test]
fn what_payloads_can_not_do_is_refused_before_any_effect() {
    let project = Project::study("payload-pipeline", &["pillow-payload", "pillow"]);
    std::fs::remove_dir_all(project.root().join(".darkroom")).unwrap();
    manifest(
        &project,
        "variants = [\"pillow-payload\"]\ntrigger = [\"s3\"]",
    );
    project
        .darkroom(&["run", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says("trigger \"s3\" cannot start pipeline `payload-pipeline`");
    manifest(&project, "variants = [\"pillow\"]");
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("its handlers are made for transport s3");
    // 1300 x 1300 pixels of noise, which no encoder makes smaller.
    let mut noise = image::RgbImage::new(1300, 1300);
    let mut state = 562u32;
    for pixel in noise.pixels_mut() {
        for value in &mut pixel.0 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = (state >> 24) as u8;
        }
    }
    let mut png = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let set = format!(
        "description = \"for tests\"\n{}",
        project.file("noise", &png.into_inner())
    );
    project.write("experiments/image-pipeline/image-sets/photos.toml", set);
    manifest(&project, "variants = [\"pillow-payload\"]");
    let said = "bytes as base64, but Lambda takes at most 6291456 in a payload";
    project
        .darkroom(&["plan", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says(said);
}
