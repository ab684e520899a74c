//! The methods paragraph: what a paper must say of this run, from its metadata.

use std::collections::BTreeSet;

use darkroom_core::event::Look;
use darkroom_core::manifest::{StoppingMetric, Until};
use darkroom_core::statistics::{LOOK_EVERY, StoppedBy};
use darkroom_core::until::asked;
use darkroom_tables::Session;
use darkroom_tables::read::Row;

use crate::number::count;
use crate::run::{CellView, PIPELINE, Run};

/// Returns the paragraph, in the past tense, ready to be pasted.
pub fn methods(run: &Run) -> String {
    let measured = run.measured().count();
    let n = sample_size(run);
    let sum = |column: &str| -> usize {
        run.summary
            .iter()
            .filter(|row| row.text("metric") == Some("duration_ms"))
            .filter_map(|row| row.number(column))
            .sum::<f64>() as usize
    };
    let machine = match run.machine() {
        known if run.is_local() && known != "–" => format!(" ({known})"),
        _ => String::new(),
    };
    let probes = match sum("n_probe") {
        0 => String::new(),
        some => format!("{some} probes with their own pixels, "),
    };
    let unconfirmed = run.unconfirmed_prices();
    let proactive = match sum("n_proactive") {
        0 => String::new(),
        some => format!("{some} in environments that were initialised before the call, "),
    };
    let intervals = intervals(run);
    let not_run = not_run(run);
    let (design, day, outputs) = (design(run), day(run), outputs(run));
    let (sessions, stopped) = (sessions(run), stopping_rule(run));
    let (how, clocks) = match run.imported() {
        Some(origin) => (
            format!(
                "imported from files of another tool ({origin}) with Darkroom {}",
                run.about("version")
            ),
            "Facts that the files do not record are unknown: starts, billed times and turnaround \
             were not inferred, and stage times were not added up.",
        ),
        None => (
            format!(
                "measured{day} with Darkroom {} on {}{machine}",
                run.about("version"),
                run.target_in_words()
            ),
            "Durations are from Lambda's REPORT lines. Turnaround is from the runner's monotonic \
             clock, from just before the first call or upload to the final object. Start kinds \
             were read from each REPORT, and from the log where it was read.",
        ),
    };
    let local = if run.imported().is_some() {
        " Costs are AWS's prices for the billed times in the rows."
    } else if run.is_aws() {
        ""
    } else {
        " Durations are of that machine and compare code on it. They are not AWS's; costs are \
         what AWS would charge for them."
    };
    format!(
        "{} of the pipeline {} ({}) {} {how}: {design}, {n} invocations per stage and cell, in \
         {}{}.{sessions}{stopped}{not_run} Code: {}. {} {clocks} Not in any statistic, but kept as \
         rows: {} warm-ups, {probes}{} invocations with the wrong start, {proactive}{} superseded, {} \
         failed. No outlier was removed. {outputs}{} {intervals} {} {} Costs: {} prices of {}, \
         first tier, without the free tier and storage requests.{unconfirmed}{local} Run {}, tables of schema \
         {}, manifest and pipeline sha256 {}, image sha256 {}, code sha256 (base64) {}.",
        count(measured, "cell"),
        run.about("pipeline"),
        run.stages.join(", "),
        if measured == 1 { "was" } else { "were" },
        order(run),
        lanes(run),
        code(run),
        decoders(run),
        sum("n_warm_up"),
        sum("n_wrong_start"),
        sum("n_superseded"),
        sum("n_failed"),
        rates(run),
        compared(run),
        noise(run),
        run.about("price_region"),
        run.about("price_date"),
        run.about("run_id"),
        run.about("schema_version"),
        run.about("manifest_sha256"),
        images(run),
        hashes(run),
    )
}

/// Says how many values a mean is of, over all measured stages and cells.
pub fn sample_size(run: &Run) -> String {
    let sizes: Vec<usize> = run
        .summary
        .iter()
        .filter(|row| row.text("metric") == Some("duration_ms"))
        .filter_map(|row| row.number("n"))
        .map(|n| n as usize)
        .filter(|n| *n > 0)
        .collect();
    match (sizes.iter().min(), sizes.iter().max()) {
        (Some(fewest), Some(most)) if fewest == most => format!("n = {most}"),
        (Some(fewest), Some(most)) => format!("n = {fewest} to {most}"),
        _ => "n = 0".into(),
    }
}

/// Says how models' rates of right samples were made and compared; nothing where there are none.
fn rates(run: &Run) -> String {
    if run.correctness.rows.is_empty() {
        return String::new();
    }
    let tests = |whole: bool| -> usize {
        let pairs = run.correctness_comparisons.iter();
        let of = pairs.filter(|row| (row.text("stage") == Some(PIPELINE)) == whole);
        of.filter(|row| row.number("p").is_some()).count()
    };
    let compared = match (tests(true), tests(false)) {
        (0, 0) => String::new(),
        (whole, stages) => format!(
            " They were compared by Fisher's exact test, two-sided ({whole} of whole pipelines, \
             {stages} of stages), adjusted by Holm's method within each of the two and each \
             factor; differences of rates have Newcombe's 95% intervals."
        ),
    };
    format!(
        " A sample of a model is right if all of its outputs passed; a stage without usable code \
         is not right. Rates of right samples have Wilson's 95% intervals.{compared} Times and \
         costs of models are of right samples only."
    )
}

/// Says how the intervals were made, and what they are of.
fn intervals(run: &Run) -> String {
    let of_means: BTreeSet<&str> = run
        .summary
        .iter()
        .filter_map(|row| row.text("ci_method")?.split(';').next())
        .collect();
    let plain: BTreeSet<&str> = of_means
        .iter()
        .map(|method| method.strip_prefix("stratified_").unwrap_or(method))
        .collect();
    let ways = plain
        .into_iter()
        .map(way_in_words)
        .collect::<Vec<_>>()
        .join("; ");
    let stratified = of_means
        .iter()
        .any(|method| method.starts_with("stratified_"));
    let of = if stratified {
        " Those of means are for these images, stratified by image. For other images, see \
         mean_ci_images_low and mean_ci_images_high in summary."
    } else {
        ""
    };
    format!(
        "Intervals are 95% ({ways}; 10,000 resamples).{of} Those of quantiles are order statistics."
    )
}

/// Names the way of an interval, a value of `ci_method` of `summary`, as a paper does.
fn way_in_words(method: &str) -> &str {
    match method {
        "bca" => "BCa bootstrap",
        "abc" => "ABC, the BCa bootstrap's approximation",
        "percentile" => "percentile bootstrap",
        "block" => "moving-block bootstrap where consecutive values resemble each other",
        "block_normal" => {
            "moving-block bootstrap's normal form where consecutive values resemble each other"
        }
        "degenerate" => "zero width where all values are equal",
        other => other,
    }
}

/// Says in which order cells were measured, and that an order holds within a session only. Cells
/// take turns where there are several and each is measured more than once.
fn order(run: &Run) -> String {
    let within = if run.sessions.len() > 1 {
        " within each session"
    } else {
        ""
    };
    let seed = format!("(seed {})", run.about("seed"));
    let design = Design::of(run);
    match (run.about("order"), design.cells, design.repetitions) {
        // Of rows that another harness measured nobody knows what else it measured meanwhile.
        (order, ..) if run.imported().is_some() && order == "interleaved" => {
            format!("interleaved order {seed}")
        }
        ("sequential", 2.., _) => {
            format!(
                "sequential order (one cell after the other, so at different times){within} {seed}"
            )
        }
        ("sequential", ..) => "one repetition after the other".to_owned(),
        ("interleaved", 1, _) if design.places < 2 => "one repetition after the other".to_owned(),
        ("interleaved", 1, 1) => format!("an order drawn at random once {seed}"),
        ("interleaved", 1, _) => format!("an order drawn anew for each repetition{within} {seed}"),
        ("interleaved", _, 1) => {
            format!("an order drawn at random once, because each cell has one repetition {seed}")
        }
        ("interleaved", ..) => format!("interleaved order{within} {seed}"),
        (other, ..) => format!("{other} order {seed}"),
    }
}

/// Says how many passes were under way at once, where there were several lanes.
fn lanes(run: &Run) -> String {
    let others = run
        .pipelines
        .iter()
        .filter_map(|row| row.number("others_under_way"));
    match others.fold(0.0, f64::max) {
        most if most > 0.0 => format!(
            ", with up to {most} passes of other functions under way beside each (column \
             others_under_way)"
        ),
        _ => String::new(),
    }
}

/// How much there was to take turns.
struct Design {
    cells: usize,
    /// Images and deployments of a cell: what one repetition measures of it.
    places: usize,
    repetitions: u32,
}

impl Design {
    fn of(run: &Run) -> Self {
        // Warm-ups and probes are numbered apart.
        let is_counted =
            |row: &Row<'_>| !matches!(row.text("counts_as"), Some("warm_up" | "probe"));
        let counted = || run.pipelines.iter().filter(is_counted);
        let place = |row: Row<'_>| {
            (
                row.text("image").map(ToOwned::to_owned),
                row.number("deployment").map(|number| number as u32),
            )
        };
        let tried = run
            .cells
            .iter()
            .filter(|cell| cell.not_measured.is_none() || cell.failed.is_some())
            .count();
        Self {
            cells: tried,
            places: counted().map(place).collect::<BTreeSet<_>>().len(),
            repetitions: counted()
                .filter_map(|row| row.number("repetition"))
                .fold(0.0, f64::max) as u32,
        }
    }
}

/// Says how cells were compared, where there were several.
fn compared(run: &Run) -> String {
    if run.comparisons.iter().next().is_none() {
        return "No cells were compared.".to_owned();
    }
    let images: BTreeSet<&str> = run
        .pipelines
        .iter()
        .filter_map(|row| row.text("image"))
        .collect();
    let over = if images.len() == 1 {
        "repetitions of the one image, so they hold for that image only"
    } else {
        "images and repetitions, so they hold for similar images too"
    };
    format!(
        "Ratios were bootstrapped over {over} (10,000 resamples, percentile). p-values are \
         Wilcoxon's or Mann-Whitney's, Holm-adjusted within a metric and factor. A difference is \
         claimed only if p < 0.05, the interval excludes 1, it is 2% or more and, if a side has \
         several environments, it is larger than differences between these (Welch's test on \
         their mean logarithms, p < 0.05). Effect sizes are Cliff's delta."
    )
}

/// Tells the run's sessions where there were several, or where the only one did not come to its
/// end.
fn sessions(run: &Run) -> String {
    let all = &run.sessions;
    if run.imported().is_some() || (all.len() < 2 && !all.iter().any(Session::was_cut_short)) {
        return String::new();
    }
    let of = count(all.len(), "session");
    let told = all
        .iter()
        .map(|session| session.in_words(session.number as usize == all.len()));
    let told: Vec<String> = told.collect();
    let ids: Vec<&str> = run.measured().map(|cell| cell.id.as_str()).collect();
    let apart = ids
        .iter()
        .enumerate()
        .any(|(place, a)| ids[place + 1..].iter().any(|b| run.is_apart(a, b)));
    let apart = if apart && run.about("order") != "sequential" {
        " Comparisons of cells that were measured at different times are marked (side_by_side is \
         false in comparisons)."
    } else {
        ""
    };
    format!(" The run took {of}. {}{apart}", told.join(" "))
}

/// Counts the cells of the plan that gave no numbers: those that failed, and those that were not
/// tried.
fn not_run(run: &Run) -> String {
    let without = run.cells.iter().filter(|cell| cell.not_measured.is_some());
    let (failed, untried): (Vec<&CellView>, Vec<&CellView>) =
        without.partition(|cell| cell.failed.is_some());
    let told = |cells: &[&CellView], what: &str| match cells.len() {
        0 => String::new(),
        some => format!(" {} of the plan {what}.", count(some, "further cell")),
    };
    told(&failed, "failed in every pass") + &told(&untried, "could not be or were not measured")
}

/// States the rule by which the number of repetitions came about, where it was not fixed before.
fn stopping_rule(run: &Run) -> String {
    let read = |key: &str| run.about.get(key);
    let until: Option<Until> = read("until").and_then(|text| serde_json::from_str(text).ok());
    let look: Option<Look> = read("last_look").and_then(|text| serde_json::from_str(text).ok());
    let Some(until) = until else {
        return String::new();
    };
    let whose = match until.metric {
        StoppingMetric::Turnaround => "the mean turnaround of every cell",
        StoppingMetric::Duration => "the mean duration of every stage and cell",
    };
    let ended = match look
        .as_ref()
        .and_then(|look| Some((look.stopped_by?, look.repetitions)))
    {
        Some((StoppedBy::CiHalfWidth, n)) => format!("it was after {n}"),
        Some((StoppedBy::Max, n)) => format!("it was not, so all {n} were measured"),
        Some((StoppedBy::NoSample, n)) => {
            format!("no cell had right values, so it ended after {n}")
        }
        None => "the run had not ended".to_owned(),
    };
    format!(
        " Repetitions ({} to {}) continued until the 95% interval of {whose} was within ±{} of \
         it, checked after {} and every {LOOK_EVERY} further whole blocks (ignoring cells with \
         wrong outputs or without any value): {ended}.",
        until.min,
        until.max,
        asked(until.ci_half_width),
        until.min,
    )
}

/// Says what the prompts ask for and no check tells.
fn not_checked(run: &Run) -> String {
    let demands: Vec<String> = run.facts("not_checked");
    let told = |demand: &String| match demand.split_once(": ") {
        Some((stage, demand)) => format!("{demand} ({stage})"),
        None => demand.clone(),
    };
    let told: Vec<String> = demands.iter().map(told).collect();
    if told.is_empty() {
        return String::new();
    }
    format!(
        " The prompts also ask for what no check can test: {}.",
        told.join("; ")
    )
}

/// Says how many images, deployments and rounds the numbers are of.
fn design(run: &Run) -> String {
    let distinct = |column: &str| -> BTreeSet<String> {
        run.pipelines
            .iter()
            .map(|row| format!("{:?}", row.value(column)))
            .filter(|value| value != "Null")
            .collect()
    };
    let images: BTreeSet<&str> = run
        .pipelines
        .iter()
        .filter_map(|row| row.text("image"))
        .collect();
    let named = if images.len() <= 12 {
        format!(
            " ({})",
            images.iter().copied().collect::<Vec<_>>().join(", ")
        )
    } else {
        String::new()
    };
    let rounds = distinct("environment_round").len();
    let rounds = if rounds > 1 {
        format!(", in {rounds} rounds of new environments")
    } else {
        String::new()
    };
    format!(
        "{}{named}, {} deployed {}{rounds}",
        count(images.len(), "image"),
        each_cell(run),
        match distinct("deployment").len() {
            0 | 1 => "once".to_owned(),
            2 => "twice under different names".to_owned(),
            times => format!("{times} times under different names"),
        }
    )
}

fn each_cell(run: &Run) -> &'static str {
    if run.measured().count() == 1 {
        "the cell"
    } else {
        "each cell"
    }
}

/// The day of the first invocation, UTC.
fn day(run: &Run) -> String {
    let day = |ms: Option<i64>| {
        let time = jiff::Timestamp::from_millisecond(ms?).ok()?;
        Some(time.strftime("%Y-%m-%d").to_string())
    };
    let times = run.times();
    match (day(times.first_ms), day(times.last_ms)) {
        (Some(first), Some(last)) if first == last => format!(" on {first} (UTC)"),
        (Some(first), Some(last)) => format!(" from {first} to {last} (UTC)"),
        _ => String::new(),
    }
}

fn outputs(run: &Run) -> String {
    if run.checked == 0 {
        return "Outputs were not checked; no cell is ranked.".into();
    }
    if let Some(who) = run.checked_by() {
        return format!(
            "{} were judged by the imported study ({who}), not by Darkroom. Cells with a wrong \
             or unjudged output are not ranked.",
            count(run.checked, "output")
        );
    }
    format!(
        "{} were checked against an independent reference, stage by stage. Cells with a wrong or \
         unchecked output are not ranked.{}",
        count(run.checked, "output"),
        not_checked(run)
    )
}

fn noise(run: &Run) -> String {
    crate::noise::floor(run, &[], crate::run::PIPELINE, "turnaround_s").map_or_else(
        || {
            format!(
                "The noise floor of identical code is unknown, because {} was deployed once.",
                each_cell(run)
            )
        },
        |floor| {
            format!(
                "Identical code deployed twice differed by up to {} in mean turnaround (outer \
                 end of the 95% interval).",
                crate::notes::percent(floor.apart)
            )
        },
    )
}

/// Dependencies of one variant that are named; of more, their number.
const NAMED: usize = 6;

/// Names every variant's runtime, compiler and dependencies, with versions.
fn code(run: &Run) -> String {
    let mut variants: Vec<(&str, Vec<&str>, Vec<String>)> = Vec::new();
    for row in run.builds.iter() {
        let Some(variant) = row.text("variant") else {
            continue;
        };
        let place = variants
            .iter()
            .position(|(of, ..)| *of == variant)
            .unwrap_or_else(|| {
                variants.push((variant, Vec::new(), Vec::new()));
                variants.len() - 1
            });
        let compiler = row
            .text("compiler")
            .and_then(|text| text.split(['\n', ';']).next());
        // A variant can have several runtimes, each a package of its own.
        for built in [row.text("runtime"), compiler].into_iter().flatten() {
            if !variants[place].1.contains(&built) {
                variants[place].1.push(built);
            }
        }
        if let (Some(name), Some(version)) = (row.text("dependency"), row.text("version")) {
            let named = format!("{name} {version}");
            if !variants[place].2.contains(&named) {
                variants[place].2.push(named);
            }
        }
    }
    let told = |(variant, built, dependencies): &(&str, Vec<&str>, Vec<String>)| {
        let with = match dependencies.len() {
            0 => String::new(),
            few if few <= NAMED => format!("; {}", dependencies.join(", ")),
            many => format!("; {many} dependencies, listed in builds.parquet"),
        };
        format!("{variant} ({}{with})", built.join(", "))
    };
    if variants.is_empty() {
        "not recorded".into()
    } else {
        variants.iter().map(told).collect::<Vec<_>>().join(", ")
    }
}

/// Says of every variant which JPEG decoder its libraries bring: outputs differ by it, and so do
/// durations.
fn decoders(run: &Run) -> String {
    let mut variants: Vec<(&str, BTreeSet<String>)> = Vec::new();
    for row in run.builds.iter() {
        let Some(variant) = row.text("variant") else {
            continue;
        };
        let place = variants
            .iter()
            .position(|(of, _)| *of == variant)
            .unwrap_or_else(|| {
                variants.push((variant, BTreeSet::new()));
                variants.len() - 1
            });
        let named = [
            row.text("dependency"),
            row.text("version"),
            row.text("jpeg_decoder"),
        ];
        if let [Some(dependency), Some(version), Some(decoder)] = named {
            let own = decoder
                .strip_prefix(dependency)
                .is_some_and(|rest| rest.starts_with(' '));
            let of = if own {
                String::new()
            } else {
                format!(" (in {dependency} {version})")
            };
            variants[place].1.insert(format!("{decoder}{of}"));
        }
    }
    let told = |(variant, decoders): &(&str, BTreeSet<String>)| match decoders.len() {
        0 => format!("The JPEG decoder of {variant} is unknown."),
        _ => format!(
            "{variant} decodes JPEG with {}.",
            decoders.iter().cloned().collect::<Vec<_>>().join(" or ")
        ),
    };
    variants.iter().map(told).collect::<Vec<_>>().join(" ")
}

/// Digits of a hash that the text has; in full it is in the table.
const DIGITS: usize = 12;
/// Images whose hashes the text has.
const IMAGES: usize = 12;

fn images(run: &Run) -> String {
    let short = |hash: &String| hash.chars().take(DIGITS).collect::<String>();
    match run.images.len() {
        0 => "not recorded".into(),
        few if few <= IMAGES => run
            .images
            .iter()
            .map(|(name, hash)| format!("{name} {}", short(hash)))
            .collect::<Vec<_>>()
            .join(", "),
        _ => "in outputs.parquet (input_sha256 of the first stage)".into(),
    }
}

/// Names the deployed code, each distinct zip once.
fn hashes(run: &Run) -> String {
    let by_function: std::collections::BTreeMap<String, String> =
        serde_json::from_str(run.about("code_sha256")).unwrap_or_default();
    let distinct: BTreeSet<&String> = by_function.values().collect();
    distinct
        .into_iter()
        .map(|hash| hash.chars().take(DIGITS).collect::<String>())
        .collect::<Vec<_>>()
        .join(", ")
}
