//! The matrix: every field is its table's, every claim a comparison's, and what is not right, failed
//! or was not run looks like nothing else.

use darkroom_core::cell::{Architecture, Cell, SnapStart, Start};
use darkroom_core::event::Status;

use crate::journal::{Pass, cell};
use crate::{Made, journal, with_inits, with_status};

fn matrix(page: &str) -> &str {
    let from = page.find("id=\"matrix\"").unwrap();
    &page[from..from + page[from..].find("</section>").unwrap()]
}

/// The fields of a row, without its head.
fn fields<'a>(matrix: &'a str, stage: &str, metric: &str) -> Vec<&'a str> {
    let start = format!("data-stage=\"{stage}\" data-metric=\"{metric}\"");
    let row = matrix
        .split(&start)
        .nth(1)
        .unwrap_or_else(|| panic!("{start}"));
    row.split("</tr>")
        .next()
        .unwrap()
        .split("<td")
        .skip(1)
        .collect()
}

#[test]
fn a_field_has_the_mean_of_the_summary_and_the_ratio_of_the_comparison() {
    let made = Made::of(&journal(
        &[(cell("pillow"), 100.0), (cell("rust"), 10.0)],
        20,
        1,
        |_| 1.0,
    ));
    let page = made.html();
    let matrix = matrix(&page);
    for (stage, metric, compared, word) in [
        ("greyscale", "duration_ms", "duration_ms", "faster"),
        ("resize", "duration_ms", "duration_ms", "faster"),
        ("pipeline", "turnaround_s", "turnaround_s", "faster"),
        ("pipeline", "cost_usd_per_100k", "cost_usd", "cheaper"),
    ] {
        let fields = fields(matrix, stage, metric);
        let means: Vec<f64> = ["pillow", "rust"]
            .iter()
            .map(|name| {
                let of = made
                    .run
                    .cells
                    .iter()
                    .find(|view| view.cell.variant == *name)
                    .unwrap();
                made.run.stat(of, stage, metric).unwrap().mean
            })
            .collect();
        for (field, mean) in fields.iter().zip(&means) {
            assert!(field.contains(&format!("data-value=\"{mean}\"")), "{field}");
        }
        let row = made
            .run
            .comparisons
            .iter()
            .find(|row| row.text("stage") == Some(stage) && row.text("metric") == Some(compared))
            .unwrap();
        let ratio = darkroom_report::figure(row.number("ratio_mean").unwrap());
        assert!(
            fields[1].contains(&format!("<span>×{ratio} <i>{word}</i></span>")),
            "{}",
            fields[1]
        );
        assert!(
            fields[1].contains("class=\"better\"") && fields[1].contains("--shade:"),
            "{}",
            fields[1]
        );
        assert!(
            !fields[0].contains('×') && !fields[0].contains("--shade"),
            "the baseline: {}",
            fields[0]
        );
    }
    assert!(matrix.contains("pillow <i>baseline</i>"), "{matrix:.900}");
}

#[test]
fn what_is_not_claimed_has_no_shade_and_what_was_not_compared_says_so() {
    let alike = [(cell("pillow"), 100.0), (cell("rust"), 101.0)];
    let page = Made::of(&journal(&alike, 3, 1, |at| {
        [1.0, [0.7, 1.4][at.place as usize % 2]][at.cell]
    }))
    .html();
    let field = fields(matrix(&page), "greyscale", "duration_ms")[1];
    assert!(
        field.contains("<i>unclear</i>") && !field.contains("--shade"),
        "{field}"
    );

    let arm = Cell {
        architecture: Architecture::Arm64,
        ..cell("rust")
    };
    let two_factors = [(cell("pillow"), 100.0), (arm, 10.0)];
    let page = Made::of(&journal(&two_factors, 20, 1, |_| 1.0)).html();
    let field = fields(matrix(&page), "greyscale", "duration_ms")[1];
    assert!(
        field.contains("<i>not tested</i>") && field.contains("×0.1") && !field.contains("--shade"),
        "no comparison has two cells that differ in two factors: {field}"
    );
}

#[test]
fn wrong_failed_and_not_run_are_words_and_never_a_ratio() {
    let cells = [
        (cell("pillow"), 100.0),
        (cell("broken"), 10.0),
        (cell("numpy"), 50.0),
    ];
    let fails = |at: crate::At| {
        if at.cell == 2 {
            Status::FunctionError
        } else {
            Status::Ok
        }
    };
    let mut journal = with_status(&cells, 10, 1, |_| 1.0, fails);
    journal.check(&Pass::of(&cells[1].0, 1, 1.0), 1, Some("blank"));
    let absent = Cell {
        architecture: Architecture::Arm64,
        ..cell("rust")
    };
    let mut planned = crate::started(&mut journal).cells[0].clone();
    planned.id = absent.id();
    planned.cell = absent;
    planned.not_runnable = Some("this host is x86_64".into());
    crate::started(&mut journal).cells.push(planned);
    let page = Made::of(&journal).html();
    let matrix = matrix(&page);
    let of = |stage, metric| fields(matrix, stage, metric);
    let resize = of("resize", "duration_ms");
    assert!(
        resize[1].contains("class=\"wrong-work\"") && resize[1].contains("class=\"flag\">WRONG<"),
        "{}",
        resize[1]
    );
    assert!(!resize[1].contains('×'), "{}", resize[1]);
    let greyscale = of("greyscale", "duration_ms");
    assert!(
        !greyscale[1].contains("WRONG") && greyscale[1].contains("wrong-work"),
        "the stage itself is right: {}",
        greyscale[1]
    );
    assert!(
        greyscale[2].contains("class=\"failed\"") && greyscale[2].contains("<b>failed</b>"),
        "{}",
        greyscale[2]
    );
    assert!(
        greyscale[3].contains("class=\"not-run\"") && greyscale[3].contains("this host is x86_64"),
        "{}",
        greyscale[3]
    );
    assert!(matrix.contains("broken x86_64 (WRONG)"), "{matrix:.900}");
}

#[test]
fn a_cells_levels_are_json_whatever_their_names_are() {
    let odd = Cell {
        image_set: "a|b \"c\"".into(),
        snapstart: SnapStart::On,
        ..cell("pillow")
    };
    let page = Made::of(&journal(&[(odd, 100.0)], 3, 1, |_| 1.0)).html();
    let levels = page.split("data-levels=\"").nth(1).unwrap();
    let levels = levels.split_once('"').unwrap().0.replace("&quot;", "\"");
    assert_eq!(
        levels,
        r#"["pillow","own","x86_64","512 MB","a|b \"c\"","direct","chained","warm","on","1"]"#
    );
}

#[test]
fn each_kind_of_work_has_a_matrix_and_a_baseline_of_its_own() {
    let cold = |variant: &str| Cell {
        start: Start::Cold,
        ..cell(variant)
    };
    let cells = [
        (cell("pillow"), 100.0),
        (cell("rust"), 10.0),
        (cold("pillow"), 100.0),
        (cold("rust"), 10.0),
    ];
    let journal = with_inits(&cells, 700.0);
    let page = Made::of(&journal).html();
    let matrix = matrix(&page);
    assert_eq!(matrix.matches("<table class=\"matrix stages\">").count(), 2);
    assert_eq!(matrix.matches("<i>baseline</i>").count(), 2);
    assert!(matrix.contains("<h3>warm</h3>") && matrix.contains("<h3>cold</h3>"));
    let cold = fields(matrix, "greyscale", "cold_total_ms");
    assert_eq!(
        cold.len(),
        2,
        "cold cells stand among cold ones, with their init"
    );
    assert!(cold[1].contains("faster"), "{}", cold[1]);
}
