//! A report says what the tables say, of right cells and wrong ones, and is made anew from them
//! alone.

use std::fs;

use crate::story::Project;

const GREY: &str = r#"
import boto3, os, urllib.parse
def handler(event, context):
    s3 = boto3.client("s3")
    record = event["Records"][0]["s3"]
    key = urllib.parse.unquote_plus(record["object"]["key"])
    name = os.environ["OUTPUT_PREFIX"] + key.rsplit("/", 1)[-1].rsplit(".", 1)[0] + ".png"
    s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=name, Body=s3.get_object(Bucket=record["bucket"]["name"], Key=key)["Body"].read())
"#;

#[test]
fn a_report_shows_every_measured_cell_says_what_is_wrong_and_can_be_made_again() {
    let project = Project::new();
    for stage in ["greyscale", "resize"] {
        project.write(&format!("functions/pillow/{stage}.py"), GREY);
    }
    project.manifest("variants = [\"pillow\"]\nimage_sets = [\"photos\"]");
    // Copies are no greyscale images.
    project
        .darkroom(&[
            "run",
            "m.toml",
            "--set",
            "repetitions.count=2",
            "--set",
            "repetitions.warm_up=1",
        ])
        .exits(1);

    let folder = project.root().join("outputs/test/latest");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for said in [
        "WRONG, so not ranked: pillow",
        "not AWS's",
        "wrong mode",
        "No cells were compared.",
        "<svg",
        "data-cell",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(
        !page.contains("http://")
            || page.matches("http://www.w3.org").count() == page.matches("http://").count()
    );
    assert!(!page.contains("src=\"http"), "nothing is fetched");

    fs::remove_file(folder.join("report.html")).unwrap();
    project
        .darkroom(&["report", "outputs/test/latest"])
        .exits(0);
    assert_eq!(
        fs::read_to_string(folder.join("report.html")).unwrap(),
        page
    );

    project
        .darkroom(&["figures", "outputs/test/latest"])
        .exits(0);
    let cost =
        image::load_from_memory(&fs::read(folder.join("figures/cost.png")).unwrap()).unwrap();
    assert!(cost.width() > 2_000, "wide enough for print");
    let drawn = fs::read_to_string(folder.join("figures/cost.svg")).unwrap();
    assert!(drawn.ends_with("</svg>\n") || drawn.ends_with("</svg>"));
    assert!(
        drawn.starts_with("<svg ")
            && drawn.contains("width=\"176mm\"")
            && drawn.contains("<title>Hosting cost")
    );
    assert!(
        !drawn.contains("<text") && !drawn.contains("font-family"),
        "no font is asked for"
    );
    figures_are_chosen(&project);
}

/// `darkroom figures` takes a choice of figures and cells, a column's width and a format, and
/// refuses what there is not.
fn figures_are_chosen(project: &Project) {
    let folder = project.root().join("column");
    let figures = |more: &[&str]| {
        let _ = fs::remove_dir_all(&folder);
        project.darkroom(
            &[
                &["figures", "outputs/test/latest", "--output", "column"],
                more,
            ]
            .concat(),
        )
    };
    let files = || {
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    figures(&[
        "--only",
        "cost",
        "--only",
        "runtime-*",
        "--format",
        "pdf",
        "--width",
        "3.35in",
    ])
    .exits(0)
    .says("3 figures, 85 mm wide, as PDF: column/");
    assert_eq!(
        files(),
        ["cost.pdf", "runtime-greyscale.pdf", "runtime-resize.pdf"]
    );
    let pdf = fs::read(folder.join("cost.pdf")).unwrap();
    assert!(
        String::from_utf8_lossy(&pdf).contains("/MediaBox [0 0 240.9"),
        "85 mm are 241 points"
    );
    figures(&["--only", "cost", "--cell", "pillow.*"]).exits(0);
    assert_eq!(files(), ["cost.pdf", "cost.png", "cost.svg"]);

    let unknown = figures(&["--only", "costs"]).exits(2);
    unknown
        .says("this run has no figure `costs`")
        .says("choose from these: runtime-greyscale, runtime-resize, turnaround");
    figures(&["--cell", "rust.*"])
        .exits(2)
        .says("no cell matches `rust.*`");
    for (width, why) in [
        ("85", "write a number and a unit"),
        (
            "2cm",
            "20.0 mm is out of range; write a width from 60 to 420 mm",
        ),
        ("wide", "is not a width"),
    ] {
        figures(&["--width", width]).exits(2).says(why);
        assert!(!folder.exists(), "nothing is written");
    }
}

#[test]
fn a_run_without_tables_gets_a_sentence_and_the_command_that_makes_them() {
    let project = Project::new();
    fs::create_dir_all(project.root().join("outputs/test/r")).unwrap();
    let nothing = project.darkroom(&["report", "outputs/test/r"]).exits(2);
    nothing.says("is not a run: it has no journal.ndjson");
    project.write("outputs/test/r/journal.ndjson", "");
    let answer = project.darkroom(&["report", "outputs/test/r"]).exits(2);
    answer
        .says("summary.parquet")
        .says("`darkroom aggregate outputs/test/r`");
}
