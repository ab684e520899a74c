//! The answer, in three sentences: who is faster, who is cheaper, what is right. Only what the tables claim.

use darkroom_tables::comparable;
use darkroom_tables::read::Row;

use crate::kinds::{Kind, kinds};
use crate::models;
use crate::noise;
use crate::number::{count, figure, interval};
use crate::pairs::APART;
use crate::run::{CellView, PIPELINE, Run, Stat};

/// What is to be said first of a run.
pub struct Answer {
    /// Who is faster and cheaper, and what is right.
    pub first: Vec<String>,
    /// What follows: sizes to take, noise.
    pub then: Vec<String>,
}

/// Returns the sentences, in order of interest. Cells of different work (images, trigger, input, start, concurrency) are not
/// held against each other: each kind of work has an answer of its own.
pub fn answer(run: &Run) -> Answer {
    let groups = groups(run);
    // A cell alone in its kind of work is put behind where others are compared.
    let ranked_cells = |group: &Group<'_>| ranked(run, group, &FASTER).len();
    let compared = groups.iter().any(|group| ranked_cells(group) > 1);
    let (alone, shown): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| compared && ranked_cells(group) == 1);
    let mut first = Vec::new();
    for metric in [FASTER, CHEAPER] {
        let best: Vec<String> = shown.iter().filter_map(|group| best(run, group, &metric)).collect();
        let any_value = run.measured().any(|cell| run.stat(cell, PIPELINE, metric.name).is_some());
        if best.is_empty() && any_value {
            first.push(format!("No cell is ranked by {}: none has outputs that were all found right.", metric.what));
        }
        first.extend(best);
    }
    first.push(right(run));
    first.extend(remembering(run));
    let then = apart(run, &shown)
        .into_iter()
        .chain(aside(run, &alone))
        .chain(crate::choices::sentences(run))
        .chain(noise::sentence(run))
        .collect();
    Answer { first, then }
}

/// Warns of cells of one kind of work that were measured at different times, for the sentences before set them side by side.
fn apart(run: &Run, groups: &[Group<'_>]) -> Option<String> {
    let (a, b) = groups.iter().find_map(|group| pair_apart(run, &group.members))?;
    let of = |cell: &CellView| format!("{} {}", cell.label, run.when(&cell.id));
    Some(if run.about("order") == "sequential" {
        format!(
            "Cells were measured one after the other ({}; {}), so part of a difference between them may be the time's. Set \
             schedule.order = \"interleaved\" to measure them in turns.",
            of(a),
            of(b)
        )
    } else {
        format!(
            "Not all cells were measured side by side ({}; {}), so part of a difference between them may be the time's. Run \
             them together again before you quote it.",
            of(a),
            of(b)
        )
    })
}

/// Returns the first two cells that were measured at different times.
fn pair_apart<'a>(run: &Run, cells: &[&'a CellView]) -> Option<(&'a CellView, &'a CellView)> {
    cells.iter().enumerate().find_map(|(place, a)| {
        let b = cells[place + 1..].iter().find(|b| run.is_apart(&a.id, &b.id))?;
        Some((*a, *b))
    })
}

/// Says what was measured beside those that are compared.
fn aside(run: &Run, alone: &[Group<'_>]) -> Option<String> {
    let told = |group: &Group<'_>| {
        let of = |metric: &Metric| ranked(run, group, metric).first().map(|(_, stat)| metric.told(stat.mean));
        let values: Vec<String> = [&FASTER, &CHEAPER].into_iter().filter_map(of).collect();
        let (cell, _) = ranked(run, group, &FASTER).into_iter().next()?;
        Some(format!("{} ({})", cell.label, values.join(", ")))
    };
    let alone: Vec<String> = alone.iter().filter_map(told).collect();
    (!alone.is_empty()).then(|| format!("Alone in their kind of work, and held against none: {}.", alone.join("; ")))
}

/// Cells of a group that have a rank by a metric.
fn ranked<'a>(run: &'a Run, group: &Group<'a>, metric: &Metric) -> Vec<(&'a CellView, Stat)> {
    let stat = |cell: &CellView| run.stat(cell, PIPELINE, metric.name).filter(|stat| stat.rank.is_some());
    group.members.iter().filter_map(|cell| Some((*cell, stat(cell)?))).collect()
}

/// What a best cell is looked for by.
pub struct Metric {
    pub name: &'static str,
    /// Name in `comparisons`.
    pub compared: &'static str,
    pub what: &'static str,
    /// The verdict of what is better.
    pub word: &'static str,
    /// The same, where nothing else in the sentence says what it is about.
    pub in_words: &'static str,
    /// A value with its unit.
    pub amount: fn(f64) -> String,
    /// Of how many images it is.
    pub per: &'static str,
}

impl Metric {
    pub fn told(&self, value: f64) -> String {
        format!("{} {}", (self.amount)(value), self.per)
    }
}

const FASTER: Metric = Metric {
    name: "turnaround_s",
    compared: "turnaround_s",
    what: "turnaround",
    word: "faster",
    in_words: "faster",
    amount: |mean| format!("{} s", figure(mean)),
    per: "per image",
};
const CHEAPER: Metric = Metric {
    name: "cost_usd_per_100k",
    compared: "cost_usd",
    what: "hosting cost",
    word: "cheaper",
    in_words: "cheaper to host",
    amount: |mean| format!("${}", figure(mean)),
    per: "per 100,000 images",
};

/// Cells of one kind of work.
type Group<'a> = Kind<&'a CellView>;

fn groups(run: &Run) -> Vec<Group<'_>> {
    kinds(run.measured(), |cell| &cell.cell)
}

/// Says what a group's best is by a metric: among models where cells are samples of them, otherwise among cells. Whether they are
/// is decided by all planned cells: a model with one right sample of three is still known by that one draw only.
fn best(run: &Run, group: &Group<'_>, metric: &Metric) -> Option<String> {
    let ranked = ranked(run, group, metric);
    let kind = comparable(&group.members.first()?.cell);
    let planned: Vec<&CellView> = run.cells.iter().filter(|cell| comparable(&cell.cell) == kind).collect();
    if !models::are_samples(&planned) {
        return best_cell(run, group, &ranked, metric);
    }
    let means: Vec<(&CellView, f64)> = ranked.iter().map(|(cell, stat)| (*cell, stat.mean)).collect();
    let said = models::sentences(run, &means, metric).or_else(|| best_cell(run, group, &ranked, metric))?;
    Some(said + &models::left_out(&planned, &means))
}

/// Says which cell of a group has the lowest mean of a pipeline metric, and of which others that may be claimed.
fn best_cell(run: &Run, group: &Group<'_>, ranked: &[(&CellView, Stat)], metric: &Metric) -> Option<String> {
    let (winner, stat) = ranked.iter().min_by(|a, b| a.1.mean.total_cmp(&b.1.mean))?;
    let mean = format!("{} {}", metric.told(stat.mean), interval(stat.ci));
    let (with, lowest) = match &group.name {
        Some(name) => (format!("With {name}: "), "lowest"),
        None => (String::new(), "Lowest"),
    };
    if ranked.len() == 1 {
        return Some(format!(
            "{with}{}: {} {mean}; there is no other cell with right outputs to compare it with.",
            winner.label, metric.what
        ));
    }
    let mut clauses = vec![format!("{with}{lowest} mean {}: {}, {mean}", metric.what, winner.label)];
    clauses.extend(told(run, winner, &claims(run, group, winner, metric), metric));
    Some(clauses.join("; ") + ".")
}

/// Says of how many others it is claimed that they are worse, and of how many it is not.
fn told(run: &Run, winner: &CellView, claims: &[Claim], metric: &Metric) -> Vec<String> {
    let worse: Vec<&Claim> = claims.iter().filter(|claim| claim.verdict == metric.word).collect();
    let of = |claim: &Claim| {
        let floor = noise::floor(run, &[&winner.id, &claim.other], PIPELINE, metric.compared);
        format!(
            "{} ({}, ratio {} {}; {}{})",
            run.cell(&claim.other).map_or("", |cell| &cell.label),
            claim.factor,
            figure(claim.ratio),
            interval(Some(claim.ci)),
            noise::beside(floor.map(|floor| floor.apart), claim.ratio),
            if run.is_apart(&winner.id, &claim.other) { format!("; {APART}") } else { String::new() }
        )
    };
    let Some(closest) = worse.iter().max_by(|a, b| a.ratio.total_cmp(&b.ratio)) else {
        return vec![match claims.len() {
            0 => "no other cell differs from it in one factor only, so none is compared".into(),
            1 => "against the only cell it can be compared with no difference is claimed, which does not mean that there is \
                  none"
                .into(),
            all => format!(
                "against none of the {all} cells it can be compared with a difference is claimed, which does not mean that \
                 there is none"
            ),
        }];
    };
    let unclear = claims.len() - worse.len();
    let among = match (worse.len(), claims.len()) {
        (1, 1) => format!("{} than the only cell it can be compared with, {}", metric.word, of(closest)),
        (1, all) => format!("{} than one of the {all} cells it can be compared with, {}", metric.word, of(closest)),
        (some, all) if some == all => {
            format!("{} than all {all} cells it can be compared with, the closest {}", metric.word, of(closest))
        }
        (some, all) => {
            format!(
                "{} than {some} of the {all} cells it can be compared with, the closest {}",
                metric.word,
                of(closest)
            )
        }
    };
    let rest = (unclear > 0).then(|| {
        let others = count(unclear, "other");
        format!("against {others} no difference is claimed (neither shown nor excluded, or within 5%)")
    });
    [among].into_iter().chain(rest).collect()
}

struct Claim {
    other: String,
    factor: String,
    /// Winner's mean / the other's.
    ratio: f64,
    ci: (f64, f64),
    verdict: String,
}

/// Comparisons of `winner` with cells of its group whose outputs are right, turned so that the winner stands first.
fn claims(run: &Run, group: &Group<'_>, winner: &CellView, metric: &Metric) -> Vec<Claim> {
    let is_of_metric = |row: &Row<'_>| row.text("metric") == Some(metric.compared);
    let of = run.comparisons.iter().filter(|row| row.text("stage") == Some(PIPELINE) && is_of_metric(row));
    of.filter_map(|row| {
        let (a, b) = (row.text("cell_a")?, row.text("cell_b")?);
        let is_here = |id: &str| group.members.iter().any(|cell| cell.id == id);
        if a == b || !is_here(a) || !is_here(b) {
            return None; // The same cell deployed twice, or other work: nothing that code is faster by.
        }
        let (ratio, low, high) =
            (row.number("ratio_mean")?, row.number("ratio_mean_ci_low")?, row.number("ratio_mean_ci_high")?);
        let verdict = row.text("verdict")?;
        let turned = match verdict {
            "slower" => "faster",
            "dearer" => "cheaper",
            "faster" => "slower",
            "cheaper" => "dearer",
            other => other,
        };
        if ["wrong outputs", "outputs not checked", "remembers outputs", "not measured"].contains(&verdict) {
            return None;
        }
        let factor = crate::charts::in_words(row.text("factor")?).to_owned();
        if b == winner.id {
            Some(Claim { other: a.to_owned(), factor, ratio, ci: (low, high), verdict: verdict.to_owned() })
        } else if a == winner.id {
            let ci = (1.0 / high, 1.0 / low);
            Some(Claim { other: b.to_owned(), factor, ratio: 1.0 / ratio, ci, verdict: turned.to_owned() })
        } else {
            None
        }
    })
    .collect()
}

/// Warns of code whose times are those of inputs that it has seen, and says where nobody looked.
fn remembering(run: &Run) -> Option<String> {
    let told = |cell: &CellView| {
        let of = |(stage, ratio, low): &(String, f64, f64)| {
            format!(
                "{stage} took {} times as long on fresh pixels (95% at least {} times)",
                figure(*ratio),
                figure(*low)
            )
        };
        let stages: Vec<String> = cell.remembers.iter().map(of).collect();
        (!stages.is_empty()).then(|| format!("{}: {}", cell.label, stages.join(", ")))
    };
    let named: Vec<String> = run.measured().filter_map(told).collect();
    if !named.is_empty() {
        return Some(format!(
            "REMEMBERS OUTPUTS, and therefore not ranked: {}. Its times are those of inputs that it has seen.",
            named.join("; ")
        ));
    }
    let probes = run.summary.iter().filter_map(|row| row.number("n_probe")).sum::<f64>();
    let needless = run.about("vary_inputs") == "true" || run.imported().is_some();
    (probes == 0.0 && !needless && run.measured().next().is_some())
        .then(|| "Nobody looked whether code remembers outputs: this run has no probes.".to_owned())
}

/// Says whose outputs are right.
fn right(run: &Run) -> String {
    let wrong: Vec<&CellView> = run.measured().filter(|cell| cell.outputs_ok == Some(false)).collect();
    let unchecked = run.measured().filter(|cell| cell.outputs_ok.is_none()).count();
    let sentence = if run.checked == 0 {
        "No output was checked, so nothing is known to be right and nothing is ranked".to_owned()
    } else if wrong.is_empty() {
        let outputs = count(run.checked, "output");
        match run.checked_by() {
            Some(who) => {
                format!("All {outputs} are right by the imported study's own word ({who}); Darkroom has seen none")
            }
            None => format!("All {outputs} checked are what the contract asks for"),
        }
    } else {
        let named: Vec<String> = wrong
            .iter()
            .map(|cell| format!("{} ({})", cell.label, cell.reason.as_deref().unwrap_or("wrong")))
            .collect();
        format!("WRONG, and therefore not ranked: {}", named.join("; "))
    };
    let unchecked = match unchecked {
        0 => String::new(),
        _ if run.checked == 0 => String::new(),
        some => format!("; of {} no output was checked, so nothing says that they are right", count(some, "cell")),
    };
    format!("{sentence}{unchecked}.{}", failed(run))
}

/// Names the cells that have no turnaround because every pass of theirs failed; a sentence with a space before it, or none.
fn failed(run: &Run) -> String {
    let named: Vec<String> = run.failed().map(|(cell, what)| format!("{} ({what})", cell.label)).collect();
    if named.is_empty() {
        return String::new();
    }
    format!(" FAILED in every pass, and therefore in no ranking: {}.", named.join("; "))
}
