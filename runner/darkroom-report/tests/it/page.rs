//! What the page of a sound run holds: every factor, every figure in words, every table to take
//! along, nothing fetched.

use darkroom_core::cell::{Architecture, Cell};
use darkroom_core::event::{Event, Status};
use darkroom_report::figures;

use crate::journal::cell;
use crate::{Made, journal, with_inits};

/// Both architectures and two memory sizes, deployed twice; arm64 is 20% faster.
fn study() -> Made {
    let of = |architecture, memory_mb| Cell {
        architecture,
        memory_mb,
        ..cell("pillow")
    };
    let cells = [
        (of(Architecture::X86_64, 512), 100.0),
        (of(Architecture::X86_64, 1024), 60.0),
        (of(Architecture::Arm64, 512), 80.0),
        (of(Architecture::Arm64, 1024), 48.0),
    ];
    Made::of(&journal(&cells, 30, 2, |_| 1.0))
}

#[test]
fn what_no_honest_code_does_has_a_section_and_other_runs_have_none() {
    let mut journal = journal(&[(cell("pillow"), 100.0)], 30, 1, |_| 1.0);
    assert!(!Made::of(&journal).html().contains("id=\"misdeeds\""));
    journal.misbehaved(
        "darkroom-pillow-greyscale",
        "worked",
        "it used 29 ms after <its> answer",
        2,
    );
    let page = Made::of(&journal).html();
    assert!(page.contains(
        "function darkroom-pillow-greyscale: it used 29 ms after &lt;its&gt; answer (2 times)."
    ));
}

#[test]
fn arm_against_x86_is_drawn_and_tabled_with_all_that_a_claim_stands_on() {
    let made = study();
    let figure = made.figure("ratio-architecture");
    assert!(
        figure
            .alternative
            .contains("greyscale · arm64 / x86_64 (pillow 512\u{a0}MB): ratio 0.8"),
        "{}",
        figure.alternative
    );
    for said in ["adjusted p < 0.001", "large effect", "noise floor 0."] {
        assert!(figure.alternative.contains(said), "{said}");
    }
    let page = made.html();
    let section =
        &page[page.find("id=\"comparisons\"").unwrap()..page.find("id=\"tables\"").unwrap()];
    for factor in ["By architecture", "By memory size", "By deployment"] {
        assert!(section.contains(factor), "{factor}");
    }
    for head in [
        "ratio",
        "95% low",
        "Cliff's δ",
        "p adj",
        "noise floor",
        "verdict",
    ] {
        assert!(section.contains(&format!("<th>{head}</th>")), "{head}");
    }
    assert!(
        section.contains("cheaper by 27% (noise floor"),
        "20% less time at 20% less a second, and the same for requests"
    );
}

#[test]
fn the_memory_to_take_is_said_in_words_in_a_table_and_in_figures() {
    let made = study();
    let page = made.html();
    assert!(
        page.contains("Memory of pillow arm64, by means: cheapest 512 MB ($"),
        "{page:.4000}"
    );
    assert_eq!(
        page.matches("data-pick=\"fastest\"").count(),
        2,
        "one of each architecture"
    );
    for id in ["memory-turnaround", "memory-cost"] {
        assert!(made.figure(id).alternative.contains("1024 MB"), "{id}");
    }
    assert!(
        made.figure("cost-turnaround")
            .alternative
            .contains(", on the Pareto front")
    );
}

#[test]
fn each_kind_of_work_has_an_answer_of_its_own_and_ranks_are_of_several() {
    let of = |variant: &str, image_set: &str| Cell {
        image_set: image_set.into(),
        ..cell(variant)
    };
    let cells = [
        (of("pillow", "photos"), 100.0),
        (of("rust", "photos"), 10.0),
        (of("pillow", "sizes"), 300.0),
        (of("rust", "sizes"), 400.0),
        (of("numpy", "edge"), 900.0),
    ];
    let page = Made::of(&journal(&cells, 20, 1, |_| 1.0)).html();
    let answer = &page[page.find("id=\"answer\"").unwrap()..page.find("class=\"panels\"").unwrap()];
    for said in [
        "<b>With photos: rust is 8.5",
        " times faster than pillow</b> (0.018",
        " times).</p>",
        ">deployed once</a>",
        "<b>With sizes: pillow takes 2",
        "% less time than rust</b> (0.4",
        "Not compared (no other cell ran this way): numpy edge (1.3",
        "<b>With sizes: pillow costs 2",
        "% less to host than rust</b> ($",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
    assert!(
        !answer.contains("1 of the 1") && !answer.contains("owest mean"),
        "{answer}"
    );
    let rank = |id: &str| {
        let row = page
            .split("<tr")
            .find(|row| row.contains(id) && row.contains("data-stage=\"pipeline\""))
            .unwrap();
        row.split("<td class=\"n\"")
            .last()
            .unwrap()
            .split(['>', '<'])
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        rank("data-cell=\"pillow.x86_64.512mb.sizes.direct.warm"),
        "1"
    );
    assert_eq!(
        rank("data-cell=\"pillow.x86_64.512mb.photos.direct.warm"),
        "2"
    );
    assert_eq!(rank("data-cell=\"numpy."), "–", "alone");
}

#[test]
fn a_front_is_of_one_kind_of_work_and_names_every_dot() {
    use darkroom_core::cell::Start;
    let cold = Cell {
        start: Start::Cold,
        ..cell("pillow")
    };
    let cells = [
        (cell("pillow"), 100.0),
        (cell("rust"), 101.0),
        (cell("numpy"), 400.0),
        (cold, 900.0),
    ];
    let journal = with_inits(&cells, 50.0);
    let made = Made::of(&journal);
    let ids: Vec<String> = figures(&made.run)
        .into_iter()
        .map(|figure| figure.id)
        .collect();
    assert!(ids.iter().any(|id| id == "cost-turnaround-warm"), "{ids:?}");
    assert!(
        !ids.iter().any(|id| id.contains("turnaround-cold")),
        "a front of one is no choice: {ids:?}"
    );
    let figure = made.figure("cost-turnaround-warm");
    assert_eq!(figure.title, "Cost against turnaround, warm");
    assert!(
        !figure.alternative.contains("cold"),
        "{}",
        figure.alternative
    );
    let ringed: Vec<&str> = figure
        .alternative
        .split(". ")
        .filter(|told| told.ends_with("on the Pareto front"))
        .collect();
    assert!(
        ringed.iter().all(|told| !told.starts_with("numpy")),
        "the worst cell is not on it: {ringed:?}"
    );
    for name in ["pillow", "rust", "numpy"] {
        let written = figure.svg.matches(&format!("\n{name}\n")).count()
            + figure.svg.matches(&format!(">{name}<")).count();
        assert!(
            written >= 2,
            "{name} stands in the legend and beside its dot: {}",
            figure.svg
        );
    }
}

#[test]
fn every_figure_has_words_and_a_title_and_can_be_reached_by_keyboard() {
    let made = study();
    let page = made.html();
    for figure in figures(&made.run) {
        assert!(
            !figure.alternative.is_empty() && !figure.caption.is_empty(),
            "{}",
            figure.id
        );
        assert!(
            figure.svg.contains("<title>"),
            "{} tells values when pointed at",
            figure.id
        );
        assert!(page.contains(&format!("<section id=\"{}\"", figure.id)));
    }
    assert_eq!(
        page.matches("role=\"img\"").count(),
        figures(&made.run).len()
    );
    let regions = page.matches("class=\"wide\"").count();
    assert_eq!(
        page.matches("tabindex=\"0\"").count(),
        regions,
        "what scrolls can be focused"
    );
}

#[test]
fn a_figure_of_a_narrow_column_is_drawn_anew_and_nothing_of_it_lies_outside() {
    use darkroom_report::{figures_of_width, paper};
    use resvg::usvg::{Options, Tree};
    let made = study();
    for mm in [60.0, 85.0, 176.0] {
        for figure in figures_of_width(&made.run, paper::pixels(mm)) {
            let paper = paper::Drawn::of(&figure).unwrap();
            let svg = paper.svg().unwrap();
            let wide: f64 = svg
                .split(" width=\"")
                .nth(1)
                .unwrap()
                .split("mm\"")
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!(
                (wide - mm).abs() < 0.12,
                "within half a pixel: {wide} for {mm}"
            );
            let tree = Tree::from_str(&svg, &Options::default()).unwrap();
            let (across, drawn) = (tree.size().width(), tree.root().abs_bounding_box());
            let (left, right) = (drawn.left(), drawn.right());
            assert!(
                left >= -1.0 && right <= across + 1.0,
                "{} at {mm} mm: {left} to {right} of {across}",
                figure.id
            );
            let pdf = paper.pdf().unwrap();
            assert!(
                pdf.starts_with(b"%PDF-") && pdf.ends_with(b"%%EOF"),
                "{}",
                figure.id
            );
        }
    }
    let sizes = |mm| -> Vec<String> {
        let figures = figures_of_width(&made.run, paper::pixels(mm));
        let cost = figures
            .into_iter()
            .find(|figure| figure.id == "cost")
            .unwrap();
        let mut sizes: Vec<String> = cost
            .svg
            .split("font-size=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().into())
            .collect();
        sizes.sort();
        sizes.dedup();
        sizes
    };
    assert_eq!(
        sizes(60.0),
        sizes(176.0),
        "letters are as large in a narrow column"
    );
}

#[test]
fn every_table_can_be_taken_along_from_the_page_itself() {
    use base64::Engine;
    let made = study();
    let page = made.html();
    for (name, rows) in [
        ("summary", &made.run.summary),
        ("comparisons", &made.run.comparisons),
        ("costs", &made.run.costs),
        ("choices", &made.run.choices),
    ] {
        let start = format!("<a download=\"{name}.csv\" href=\"data:text/csv;base64,");
        assert_eq!(page.matches(&start).count(), 1, "{name}, once");
        let rest = &page[page.find(&start).unwrap() + start.len()..];
        let csv = base64::prelude::BASE64_STANDARD
            .decode(&rest[..rest.find('"').unwrap()])
            .unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            rows.csv(darkroom_tables::read::Formulas::Harmless)
        );
    }
}

#[test]
fn where_names_have_no_room_numbers_stand_and_the_legend_says_whose() {
    let names = [
        "gpt-5-thinking-high-s1",
        "claude-opus-4-1-20250805-s1",
        "gemini-2.5-pro-preview-s1",
        "llama-4-maverick-instruct",
        "qwen3-coder-480b-a35b-s1",
        "deepseek-coder-v3.1-base",
        "mistral-large-2411-inst",
        "a-variant-by-our-own-hands",
        "the-same-with-another-name",
        "one-more-of-the-kind-s2",
    ];
    // Two crowds and two dots apart.
    let ms = [
        100.0, 102.0, 105.0, 98.0, 150.0, 70.0, 72.0, 108.0, 220.0, 101.0,
    ];
    let cells: Vec<(Cell, f64)> = names
        .iter()
        .zip(ms)
        .map(|(name, ms)| (cell(name), ms))
        .collect();
    let made = Made::of(&crate::journal(&cells, 6, 1, |_| 1.0));
    let [wide, narrow] = [760, 367].map(|width| {
        darkroom_report::figures_of_width(&made.run, width)
            .into_iter()
            .find(|one| one.id == "cost-turnaround")
            .unwrap()
    });
    assert!(
        narrow
            .caption
            .ends_with("Numbers stand for names; the legend explains them."),
        "{}",
        narrow.caption
    );
    for (number, name) in (1..).zip(names) {
        assert!(
            narrow.svg.contains(&format!(">{number} {name}<")),
            "{name} stands in the legend: {}",
            narrow.svg
        );
        assert!(
            narrow.svg.contains(&format!("\n{number}\n")),
            "{number} stands beside its dot: {}",
            narrow.svg
        );
        assert!(wide.alternative.contains(name) && narrow.alternative.contains(name));
    }
}

#[test]
fn nothing_is_fetched_and_nothing_is_hidden_from_who_runs_no_scripts() {
    let page = study().html();
    for reference in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(reference), "{reference}");
    }
    let script = &page[page.find("<script>").unwrap()..];
    assert!(
        !script.contains("innerHTML") && !script.contains("hidden"),
        "it sorts, and makes nothing appear"
    );
    assert!(!page.contains("display:none") && !page.contains("<noscript"));
}

#[test]
fn the_methods_can_be_pasted() {
    let page = study().html();
    let methods = &page[page.find("id=\"methods\"").unwrap()..];
    for said in [
        "on 2026-11-24 (UTC)",
        "2 images (astronaut.png, chelsea.png)",
        "each cell deployed twice",
        "n = 120",
        "interleaved order",
        "seed 562",
        "10,000 resamples",
        "Holm-adjusted",
        "Cliff&#39;s delta",
        "No outlier was removed",
        "0 warm-ups",
        "pillow 13.0.0",
        "Identical code deployed twice differed by up to",
        "pillow decodes JPEG with libjpeg-turbo 3.2.0 (in pillow 13.0.0).",
        &format!("tables of schema {}", darkroom_tables::SCHEMA_VERSION),
        "abababab",
        "us-east-1 prices of",
    ] {
        assert!(
            methods.contains(said) || methods.contains(&said.replace("&#39;", "'")),
            "{said} in {methods}"
        );
    }
}

/// What a handler's exception may be called: it retitles a terminal, is no XML, turns text around,
/// and is a formula.
const EVIL: &str = "=HYPERLINK(\"http://x\")<b onmouseover=alert(1)>\u{1b}[31m\u{0}\u{9b}2J\u{202e}\u{2028}\u{fffe}]]>";

#[test]
fn names_that_handlers_give_are_shown_escaped_and_no_figure_fails_of_them() {
    let of = |at: crate::At| {
        if at.cell == 1 {
            Status::FunctionError
        } else {
            Status::Ok
        }
    };
    let mut journal = crate::with_status(
        &[(cell("pillow"), 50.0), (cell("rust"), 9.0)],
        4,
        1,
        |_| 1.0,
        of,
    );
    for event in &mut journal.events {
        if let Event::InvocationFinished(invocation) = event
            && invocation.status != Status::Ok
        {
            invocation.error_type = Some(EVIL.to_owned());
            invocation.error = Some(format!("{EVIL}\n{EVIL}"));
        }
    }
    let made = Made::of(&journal);
    let page = made.html();
    let seen = "\\u{1b}[31m\\u{0}\\u{9b}2J\\u{202e}\\u{2028}\\u{fffe}";
    assert!(page.contains(seen), "the name is told");
    let hides = |letter: &char| {
        (letter.is_control() && *letter != '\n') || (!letter.is_ascii() && EVIL.contains(*letter))
    };
    let hidden = |text: &str| text.chars().find(hides);
    assert_eq!(hidden(&page), None);
    assert!(!page.contains("<b onmouseover"));
    for figure in figures(&made.run) {
        let paper = darkroom_report::paper::Drawn::of(&figure);
        let drawn = paper
            .as_ref()
            .map_err(Clone::clone)
            .and_then(darkroom_report::paper::Drawn::svg);
        assert!(drawn.is_ok(), "{}: {:?}", figure.id, drawn.err());
        assert_eq!(hidden(&drawn.unwrap()), None, "{}", figure.id);
        paper.unwrap().png().unwrap();
    }
    assert_eq!(
        hidden(&darkroom_report::several(&[made.run], &[], &[Vec::new()])),
        None
    );
}
