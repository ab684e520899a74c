//! Measurements of another harness become a run: what it says is in the tables, what it does not is
//! null, nothing is lost.

use std::path::{Path, PathBuf};

use darkroom_tables::read::{Rows, Wanted, read};

use crate::story::Project;

const MAP: &str = r#"
experiment = "old"
measured_by = "client"
[constants]
architecture = "x86_64"
memory_mb = 512
image_set = "theirs"
image = "one"
trigger = "direct"
input = "chained"
start = "warm"
[columns]
variant = "who"
stage = "what"
duration = "ms"
"#;

fn table(project: &Project, experiment: &str, name: &str) -> Rows {
    let path: PathBuf = project
        .root()
        .join(format!("outputs/{experiment}/latest/{name}.parquet"));
    read(&path, Wanted::default()).unwrap()
}

fn example(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../experiments/analysis/import")
        .join(file)
        .display()
        .to_string()
}

#[test]
fn the_worked_example_is_taken_in_compared_reported_and_verified_like_any_run() {
    let project = Project::new();
    let (csv, map) = (example("made-up.csv"), example("columns.toml"));
    let answer = project
        .darkroom(&["import-results", &csv, "--map", &map])
        .exits(1);
    answer
        .says("made-up.csv:19: duration is `NaN`")
        .says("made-up.csv:26: duration `-0.0100` is negative")
        .says("94 of 96 rows imported, 2 refused")
        .says("columns left out because the map does not name them: comment");

    let rows = table(&project, "made-up-study", "invocations");
    assert_eq!(rows.rows.len(), 94);
    for row in rows.iter() {
        assert_eq!(
            (row.text("target"), row.text("architecture")),
            (Some("imported"), Some("arm64"))
        );
        assert_eq!(
            (
                row.text("code_sha256"),
                row.number("init_ms"),
                row.time_ms("started_at")
            ),
            (None, None, None)
        );
        assert!(row.text("counts_as") != Some("failed") || row.number("duration_ms").is_none());
    }
    let count = |counts_as| {
        rows.iter()
            .filter(|row| row.text("counts_as") == Some(counts_as))
            .count()
    };
    assert_eq!(
        (count("sample"), count("wrong_start"), count("failed")),
        (89, 4, 1)
    );

    let summary = table(&project, "made-up-study", "summary");
    let of = |stage: &str, variant: &str, metric: &str| {
        let is = |row: &darkroom_tables::read::Row<'_>| {
            (row.text("stage"), row.text("variant"), row.text("metric"))
                == (Some(stage), Some(variant), Some(metric))
        };
        summary.iter().find(is).unwrap()
    };
    let greyscale = of("greyscale", "model-b", "duration_ms");
    assert_eq!(
        (
            greyscale.number("n"),
            greyscale.number("rank"),
            greyscale.truth("outputs_ok")
        ),
        (Some(23.0), None, None)
    );
    let note = greyscale.text("note").unwrap();
    assert!(
        note.contains("outputs not checked, not ranked")
            && note.contains("duration by the handler itself"),
        "{note}"
    );
    let mean = greyscale.number("mean").unwrap();
    assert!(
        (70.0..100.0).contains(&mean),
        "seconds became milliseconds: {mean}"
    );
    assert_eq!(
        of("resize", "model-b", "max_memory_mb").number("n"),
        Some(0.0),
        "what they lack is null"
    );

    let verdicts = table(&project, "made-up-study", "comparisons");
    assert!(
        verdicts
            .iter()
            .all(|row| row.text("verdict") == Some("outputs not checked"))
    );
    assert!(verdicts.iter().any(|row| {
        row.number("ratio_mean")
            .is_some_and(|ratio| (0.6..0.8).contains(&ratio))
    }));

    let run = "outputs/made-up-study/latest";
    assert!(
        project
            .darkroom(&["verify", run])
            .exits(0)
            .stdout()
            .contains("match the journal")
    );
    project.darkroom(&["report", run]).exits(0);
    let page = std::fs::read_to_string(project.root().join(run).join("report.html")).unwrap();
    for said in [
        "imported: measured with another tool",
        "no output was checked",
        "stage times were not added up",
    ] {
        assert!(page.contains(said), "{said}");
    }
    for wrong in [
        "do not predict AWS",
        "not AWS",
        "REPORT lines",
        "Lambda's own duration",
    ] {
        assert!(!page.contains(wrong), "{wrong}: neither local nor AWS");
    }
    project.darkroom(&["compare", run, run]).exits(0);
    assert!(
        project
            .darkroom(&["export", run])
            .exits(0)
            .stdout()
            .contains("model-b")
    );
}

#[test]
fn a_turnaround_is_what_the_rows_say_and_never_a_sum_of_stages() {
    let project = Project::new();
    project.write(
        "rows.jsonl",
        "{\"who\":\"a\",\"what\":\"one\",\"ms\":10}\n{\"who\":\"a\",\"what\":\"two\",\"ms\":20}\n",
    );
    project.write("map.toml", MAP);
    project
        .darkroom(&["import-results", "rows.jsonl", "--map", "map.toml"])
        .exits(0);
    let passes = table(&project, "old", "pipelines");
    assert_eq!(passes.rows.len(), 1);
    assert_eq!(passes.iter().next().unwrap().number("turnaround_s"), None);

    project.write(
        "rows.json",
        "[{\"who\":\"a\",\"what\":\"one\",\"ms\":10,\"all\":{\"s\":0.5}},{\"who\":\"a\",\"what\":\"two\",\"ms\":20}]",
    );
    project.write(
        "map.toml",
        format!("{MAP}turnaround = {{ column = \"all.s\", unit = \"s\" }}\n"),
    );
    project
        .darkroom(&["import-results", "rows.json", "--map", "map.toml"])
        .exits(0);
    let passes = table(&project, "old", "pipelines");
    assert_eq!(
        passes.iter().next().unwrap().number("turnaround_s"),
        Some(0.5)
    );
}

#[test]
fn saaf_writes_one_object_a_file_and_its_names_are_known() {
    let project = Project::new();
    for (number, (new, runtime)) in [(1, 310.5), (0, 38.94), (0, 41.25)].into_iter().enumerate() {
        let object = format!(
            r#"{{"version": 0.2, "lang": "python", "cpuType": "Intel(R) Xeon(R) Processor @ 2.50GHz", "cpuModel": 63,
               "vmuptime": 1551727835, "uuid": "d241c618", "newcontainer": {new}, "frameworkRuntime": 35.72,
               "message": "Hello", "runtime": {runtime}, "roundTripTime": 99.5}}"#
        );
        project.write(&format!("saaf-{number}.json"), object);
    }
    let map = MAP.replace(
        "measured_by = \"client\"",
        "measured_by = \"handler\"\nlike = \"saaf\"",
    );
    let map = map
        .replace("[columns]", "variant = \"hello\"\nstage = \"greet\"")
        .replace(
            "variant = \"who\"\nstage = \"what\"\nduration = \"ms\"\n",
            "",
        );
    project.write("map.toml", map);
    let answer = project.darkroom(&[
        "import-results",
        "saaf-0.json",
        "saaf-1.json",
        "saaf-2.json",
        "--map",
        "map.toml",
    ]);
    answer
        .exits(0)
        .says("3 of 3 rows imported")
        .says("frameworkRuntime");
    let rows = table(&project, "old", "invocations");
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.number("duration_ms"),
                row.truth("cold"),
                row.text("counts_as"),
            )
        })
        .collect();
    assert_eq!(found[0], (Some(310.5), Some(true), Some("wrong_start")));
    assert_eq!(found[2], (Some(41.25), Some(false), Some("sample")));
    let row = rows.iter().next().unwrap();
    assert_eq!(
        (row.text("environment_id"), row.number("client_ms")),
        (Some("d241c618"), Some(99.5))
    );
    assert_eq!(
        row.text("cpu_model"),
        Some("Intel(R) Xeon(R) Processor @ 2.50GHz")
    );
}

#[test]
fn a_map_that_leaves_a_level_open_is_refused_and_so_is_a_file_of_nothing() {
    let project = Project::new();
    project.write("rows.csv", "who,what,ms\na,one,\n");
    project.write("map.toml", MAP.replace("input = \"chained\"\n", ""));
    let refused = project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(2);
    refused
        .says("`input` is neither under [columns] nor under [constants]")
        .says("columns.toml");
    project.write("map.toml", MAP.replace("duration =", "durration ="));
    project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(2)
        .says("durration")
        .says("duration");
    project.write("map.toml", MAP);
    let nothing = project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(2);
    nothing
        .says("rows.csv:2: no duration")
        .says("none of the 1 rows can be imported");
    assert!(
        !project.root().join("outputs/old").exists(),
        "nothing was written"
    );
}

#[test]
fn a_column_that_no_file_has_is_said_once_with_those_that_they_have() {
    let project = Project::new();
    project.write("rows.csv", "who,what,ms\na,one,1\na,one,2\nb,one,3\n");
    project.write("map.toml", MAP.replace("\"who\"", "\"nope\""));
    let refused = project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(2);
    let said = refused
        .says("names columns that no row has: `nope`")
        .says("`ms`, `what`, `who`")
        .stderr();
    assert!(
        said.matches("nope").count() == 1 && !said.contains("no variant"),
        "{said}"
    );
    assert!(
        !project.root().join("outputs/old").exists(),
        "nothing was written"
    );

    // What a row can do without is not refused for, and not passed over.
    project.write("map.toml", format!("{MAP}init = \"nope\"\n"));
    let taken = project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(0);
    taken
        .says("columns in the map that no row has: `nope`")
        .says("3 of 3 rows imported");
}

#[test]
fn a_studys_own_verdicts_are_ranked_on_its_word_and_said_to_be_its() {
    let project = Project::new();
    let judged = |variant: &str, base: u32, right: bool| {
        let row = move |run: u32| format!("{variant},one,{},{right}", base + run % 5);
        (0..12).map(row).collect::<Vec<_>>().join("\n") + "\n"
    };
    let rows = [
        "who,what,ms,right\n",
        &judged("a", 100, true),
        &judged("b", 150, true),
        &judged("c", 10, false),
    ];
    project.write("rows.csv", rows.concat());
    project.write("map.toml", format!("{MAP}output_ok = \"right\"\n"));
    let import = ["import-results", "rows.csv", "--map", "map.toml"];
    project
        .darkroom(&import)
        .exits(2)
        .says("`outputs_checked_by = ")
        .says("who judged them");

    project.write(
        "map.toml",
        format!("outputs_checked_by = \"two students, by eye\"\n{MAP}output_ok = \"right\"\n"),
    );
    let told = project.darkroom(&import).exits(1).stdout();
    assert!(
        told.contains("WRONG  c") && told.contains("judged wrong"),
        "{told}"
    );
    let compared = table(&project, "old", "comparisons");
    let verdict = |a: &str, b: &str| {
        let of = |row: &darkroom_tables::read::Row<'_>| {
            (row.text("level_a"), row.text("level_b")) == (Some(a), Some(b))
        };
        compared
            .iter()
            .find(of)
            .and_then(|row| row.text("verdict").map(str::to_owned))
            .unwrap()
    };
    assert_eq!(
        (verdict("a", "b").as_str(), verdict("a", "c").as_str()),
        ("slower", "wrong outputs")
    );
    let summary = table(&project, "old", "summary");
    let rank = |variant| {
        summary
            .iter()
            .find(|row| row.text("variant") == Some(variant))
            .unwrap()
            .number("rank")
    };
    assert_eq!(
        (rank("a"), rank("b"), rank("c")),
        (Some(1.0), Some(2.0), None),
        "the fastest is the wrong one"
    );
    let page =
        std::fs::read_to_string(project.root().join("outputs/old/latest/report.html")).unwrap();
    assert!(
        page.matches("two students, by eye").count() >= 2,
        "in the head and in the methods"
    );
    assert!(!page.contains("checked against an independent reference"));
    project.darkroom(&["verify", "outputs/old/latest"]).exits(0);
}
