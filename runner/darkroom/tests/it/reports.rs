//! A report says what the tables say, of right cells and wrong ones, and is made anew from them alone.

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
    project.darkroom(&["run", "m.toml", "--set", "repetitions.count=2", "--set", "repetitions.warm_up=1"]).exits(1);

    let folder = project.root().join("outputs/test/latest");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for said in
        ["WRONG, and therefore not ranked: pillow", "not AWS's", "wrong mode", "Holm-adjusted", "<svg", "data-cell"]
    {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("http://") || page.matches("http://www.w3.org").count() == page.matches("http://").count());
    assert!(!page.contains("src=\"http"), "nothing is fetched");

    fs::remove_file(folder.join("report.html")).unwrap();
    project.darkroom(&["report", "outputs/test/latest"]).exits(0);
    assert_eq!(fs::read_to_string(folder.join("report.html")).unwrap(), page);

    project.darkroom(&["figures", "outputs/test/latest"]).exits(0);
    let cost = image::load_from_memory(&fs::read(folder.join("figures/cost.png")).unwrap()).unwrap();
    assert!(cost.width() > 2_000, "wide enough for print");
    let drawn = fs::read_to_string(folder.join("figures/cost.svg")).unwrap();
    assert!(drawn.ends_with("</svg>\n") || drawn.ends_with("</svg>"));
    assert!(drawn.starts_with("<svg ") && drawn.contains("width=\"176mm\"") && drawn.contains("<title>Hosting cost"));
    assert!(!drawn.contains("<text") && !drawn.contains("font-family"), "no font is asked for");
}

#[test]
fn a_run_without_tables_gets_a_sentence_and_the_command_that_makes_them() {
    let project = Project::new();
    fs::create_dir_all(project.root().join("outputs/test/r")).unwrap();
    let nothing = project.darkroom(&["report", "outputs/test/r"]).exits(2);
    nothing.says("is not a run: it has no journal.ndjson");
    project.write("outputs/test/r/journal.ndjson", "");
    let answer = project.darkroom(&["report", "outputs/test/r"]).exits(2);
    answer.says("summary.parquet").says("`darkroom aggregate outputs/test/r`");
}
