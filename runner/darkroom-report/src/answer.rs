//! The answer in three sentences: which code is faster, which is cheaper, and whether outputs are
//! right. Only claims of the tables.

use std::fmt;

use darkroom_core::cell::Factors;
use darkroom_core::statistics::apart;
use darkroom_tables::read::Row;
use darkroom_tables::{comparable, is_claim};

use crate::kinds::{WorkKind, kinds};
use crate::models;
use crate::noise;
use crate::notes::percent;
use crate::number::{count, figure, interval};
use crate::pairs::turned;
use crate::run::{CellView, PIPELINE, Run, Stat};

/// Sentences on who is better, or cells with their reason, that a first screen has room for.
const LEADING: usize = 4;
/// The caveat of a claim whose cells were deployed once each.
pub const DEPLOYED_ONCE: &str = " Deployed once, so differences between hosts are not covered.";

/// What is said of who is better, in two parts: a name in it may hold any character, so nobody can
/// tell them apart afterwards.
#[derive(Clone, Debug)]
pub struct Said {
    /// What is claimed, or that nothing is.
    pub claim: String,
    /// What that stands on, from the character behind the claim on.
    pub rest: String,
}

impl Said {
    pub fn new(claim: impl Into<String>, rest: impl Into<String>) -> Self {
        Self {
            claim: claim.into(),
            rest: rest.into(),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.claim, self.rest)
    }
}

/// What is to be said first of a run.
pub struct FirstSentences {
    /// Who is faster and cheaper: as many sentences as a first screen has room for.
    pub leading: Vec<Said>,
    /// The same of the other kinds of work.
    pub more: Vec<Said>,
    /// Whose outputs are right, and what remembers outputs.
    pub right: Vec<String>,
    /// Cells were measured at different times.
    pub times: Option<String>,
    /// What follows: sizes to take, noise.
    pub then: Vec<String>,
}

/// A sentence on who is best by a metric.
struct Best {
    metric: &'static str,
    said: Said,
}

/// Returns the sentences that say who is faster and who is cheaper, for those who show the outputs'
/// verdicts themselves.
pub fn claimed(run: &Run) -> Vec<String> {
    let (best, ..) = compared(run);
    best.iter().map(|best| best.said.to_string()).collect()
}

/// Returns the sentences, in order of interest. Cells of different work (images, trigger, input,
/// start, concurrency) are not compared with each other: each kind of work has an answer of its
/// own.
pub fn answer(run: &Run) -> FirstSentences {
    let (best, shown, alone) = compared(run);
    let (leading, more) = led(&best);
    let mut right = vec![right(run)];
    right.extend(remembering(run));
    let then = aside(run, &alone)
        .into_iter()
        .chain(crate::choices::sentences(run))
        .chain(noise::sentence(run))
        .collect();
    FirstSentences {
        leading,
        more,
        right,
        times: at_different_times(run, &shown),
        then,
    }
}

/// Takes the sentences for the first screen: of the first kind of work by every metric, then of the
/// next.
fn led(best: &[Best]) -> (Vec<Said>, Vec<Said>) {
    let mut seen: Vec<&str> = Vec::new();
    let mut placed: Vec<(usize, &Best)> = Vec::new();
    for one in best {
        placed.push((
            seen.iter().filter(|metric| **metric == one.metric).count(),
            one,
        ));
        seen.push(one.metric);
    }
    placed.sort_by_key(|(place, _)| *place);
    let mut leading: Vec<Said> = placed
        .into_iter()
        .map(|(_, best)| best.said.clone())
        .collect();
    let more = leading.split_off(LEADING.min(leading.len()));
    (leading, more)
}

/// Returns what is said of each kind of work by each metric, the kinds that it is said of, and
/// those with one ranked cell alone, which are put behind where others are compared.
fn compared(run: &Run) -> (Vec<Best>, Vec<KindOfWork<'_>>, Vec<KindOfWork<'_>>) {
    let groups = groups(run);
    let ranked_cells = |group: &KindOfWork<'_>| ranked(run, group, &FASTER).len();
    let any = groups.iter().any(|group| ranked_cells(group) > 1);
    let (alone, shown): (Vec<_>, Vec<_>) = groups
        .into_iter()
        .partition(|group| any && ranked_cells(group) == 1);
    let mut said = Vec::new();
    for metric in [FASTER, CHEAPER] {
        let best: Vec<Said> = shown
            .iter()
            .filter_map(|group| best(run, group, &metric))
            .collect();
        let any_value = run
            .measured()
            .any(|cell| run.stat(cell, PIPELINE, metric.name).is_some());
        if best.is_empty() && any_value {
            let remembers = run.measured().any(|cell| !cell.remembers.is_empty());
            let also = if remembers {
                " and computes each anew"
            } else {
                ""
            };
            let none = format!(
                "No cell is ranked by {}: no cell has only right outputs{also}.",
                metric.what
            );
            said.push(Best {
                metric: metric.name,
                said: Said::new(none, ""),
            });
        }
        said.extend(best.into_iter().map(|said| Best {
            metric: metric.name,
            said,
        }));
    }
    (said, shown, alone)
}

/// Warns of cells of one kind of work that were measured at different times, for the sentences
/// before set them side by side.
fn at_different_times(run: &Run, groups: &[KindOfWork<'_>]) -> Option<String> {
    let (a, b) = groups
        .iter()
        .find_map(|group| pair_apart(run, &group.members))?;
    let of = |cell: &CellView| format!("{} {}", cell.label, run.when(&cell.id));
    Some(if run.about("order") == "sequential" {
        format!(
            "Cells were measured one after the other ({}; {}), so part of a difference may come \
             from the time. Set schedule.order = \"interleaved\" to measure them in turns.",
            of(a),
            of(b)
        )
    } else {
        format!(
            "Some cells were measured at different times ({}; {}), so part of a difference may \
             come from the time. Run them together again before you quote it.",
            of(a),
            of(b)
        )
    })
}

/// Returns the first two cells that were measured at different times.
fn pair_apart<'a>(run: &Run, cells: &[&'a CellView]) -> Option<(&'a CellView, &'a CellView)> {
    cells.iter().enumerate().find_map(|(place, a)| {
        let b = cells[place + 1..]
            .iter()
            .find(|b| run.is_apart(&a.id, &b.id))?;
        Some((*a, *b))
    })
}

/// Says what was measured beside those that are compared.
fn aside(run: &Run, alone: &[KindOfWork<'_>]) -> Option<String> {
    let told = |group: &KindOfWork<'_>| {
        let of = |metric: &Metric| {
            ranked(run, group, metric)
                .first()
                .map(|(_, stat)| metric.with_unit(stat.mean))
        };
        let values: Vec<String> = [&FASTER, &CHEAPER].into_iter().filter_map(of).collect();
        let (cell, _) = ranked(run, group, &FASTER).into_iter().next()?;
        Some(format!("{} ({})", cell.label, values.join(", ")))
    };
    let groups_of_one = alone.iter().all(|group| group.members.len() == 1);
    let alone: Vec<String> = alone.iter().filter_map(told).collect();
    let why = if groups_of_one {
        "no other cell ran this way"
    } else {
        "no other cell with right outputs ran this way"
    };
    (!alone.is_empty()).then(|| format!("Not compared ({why}): {}.", alone.join("; ")))
}

/// Cells of a group that may be called best by a metric: those with right outputs, which remember
/// none.
fn ranked<'a>(run: &'a Run, group: &KindOfWork<'a>, metric: &Metric) -> Vec<(&'a CellView, Stat)> {
    let stat = |cell: &CellView| {
        run.stat(cell, PIPELINE, metric.name)
            .filter(|_| cell.may_be_ranked())
    };
    group
        .members
        .iter()
        .filter_map(|cell| Some((*cell, stat(cell)?)))
        .collect()
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
    /// What a small difference is said with: `takes 15% less time than`.
    pub less: (&'static str, &'static str),
    /// A value with its unit.
    pub amount: fn(f64) -> String,
    /// Of how many images it is.
    pub per: &'static str,
}

impl Metric {
    pub fn with_unit(&self, value: f64) -> String {
        format!("{} {}", (self.amount)(value), self.per)
    }
}

const FASTER: Metric = Metric {
    name: "turnaround_s",
    compared: "turnaround_s",
    what: "turnaround",
    word: "faster",
    in_words: "faster",
    less: ("takes", "less time"),
    amount: |mean| format!("{} s", figure(mean)),
    per: "per image",
};
const CHEAPER: Metric = Metric {
    name: "cost_usd_per_100k",
    compared: "cost_usd",
    what: "hosting cost",
    word: "cheaper",
    in_words: "cheaper to host",
    less: ("costs", "less to host"),
    amount: |mean| format!("${}", figure(mean)),
    per: "per 100,000 images",
};

/// Cells of one kind of work.
type KindOfWork<'a> = WorkKind<&'a CellView>;

fn groups(run: &Run) -> Vec<KindOfWork<'_>> {
    kinds(run.measured(), |cell| &cell.cell)
}

/// Says what a group's best is by a metric: among models where cells are samples of them, otherwise
/// among cells. Whether they are is decided by all planned cells: a model with one right sample of
/// three is still known by that one draw only.
fn best(run: &Run, group: &KindOfWork<'_>, metric: &Metric) -> Option<Said> {
    let ranked = ranked(run, group, metric);
    let kind = comparable(&group.members.first()?.cell);
    let planned: Vec<&CellView> = run
        .cells
        .iter()
        .filter(|cell| comparable(&cell.cell) == kind)
        .collect();
    if !models::are_samples(&planned) {
        return best_cell(run, group, &ranked, metric);
    }
    let means: Vec<(&CellView, f64)> = ranked
        .iter()
        .map(|(cell, stat)| (*cell, stat.mean))
        .collect();
    let mut said = models::sentences(run, &means, metric)
        .or_else(|| best_cell(run, group, &ranked, metric))?;
    said.rest += &models::left_out(&planned, &means);
    Some(said)
}

/// Says of a group's best cell which others it is claimed to be better than, and by how much.
fn best_cell(
    run: &Run,
    group: &KindOfWork<'_>,
    ranked: &[(&CellView, Stat)],
    metric: &Metric,
) -> Option<Said> {
    let (winner, stat) = ranked.iter().min_by(|a, b| a.1.mean.total_cmp(&b.1.mean))?;
    let factors = Factors::of(group.members.iter().map(|cell| &cell.cell));
    let name = |id: &str| {
        run.cell(id)
            .map_or_else(String::new, |cell| factors.label(&cell.cell))
    };
    let (of, what) = (name(&winner.id), metric.what);
    let mean = format!("{} {}", metric.with_unit(stat.mean), interval(stat.ci));
    let mean = mean.trim_end();
    let claims = claims(run, group, winner, metric);
    let worse: Vec<&Claim> = claims
        .iter()
        .filter(|claim| claim.verdict == metric.word)
        .collect();
    let (with, [only, no]) = match &group.words {
        Some(words) => (format!("With {words}: "), ["only", "no"]),
        None => (String::new(), ["Only", "No"]),
    };
    let said = match (&worse[..], &claims[..]) {
        _ if group.members.len() == 1 => Said::new(
            format!("{only} {of} was measured, so its {what} is not compared"),
            format!(": {mean}."),
        ),
        _ if ranked.len() == 1 => {
            let remembers = group.members.iter().any(|cell| !cell.remembers.is_empty());
            let also = if remembers {
                " and computes each anew"
            } else {
                ""
            };
            Said::new(
                format!("{only} {of} has right outputs{also}, so its {what} is not compared"),
                format!(": {mean}."),
            )
        }
        (_, []) if comparisons_of(run, group, winner, metric).next().is_some() => Said::new(
            format!("{no} difference in {what} can be shown between {of}"),
            format!(" ({mean}) and the others: there are too few measurements for an interval."),
        ),
        (_, []) => Said::new(
            format!("{no} cell can be compared with {of}"),
            format!(" ({what} {mean}): every other cell differs from it in several factors."),
        ),
        (_, all) if all.iter().any(Claim::is_against) => {
            let strongest = (all.iter().filter(|claim| claim.is_against()))
                .max_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
            let (by, ci) = by_how_much(&strongest.turned(), metric);
            let other = name(&strongest.other);
            Said::new(
                format!("{no} cell is best by {what}"),
                contradicted(&of, mean, &other, &by, &ci),
            )
        }
        ([], [other]) => Said::new(
            format!(
                "{no} difference in {what} was found between {of} and {}",
                name(&other.other)
            ),
            format!(
                " ({}). There may still be one.",
                means(run, stat.mean, other, metric)
            ),
        ),
        ([], all) => Said::new(
            format!("{no} difference in {what} was found between {of}"),
            format!(
                " ({mean}) and the {} others it can be compared with. There may still be one.",
                all.len()
            ),
        ),
        (some, all) => {
            let closest = some.iter().max_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
            let (by, ci) = by_how_much(closest, metric);
            let other = name(&closest.other);
            Said::new(
                among(&of, &by, &other, some.len(), all.len(), metric),
                format!(
                    " ({}; 95% CI {ci}).{}{}",
                    means(run, stat.mean, closest, metric),
                    caveats(run, winner, closest, metric),
                    unclear(all.len() - some.len())
                ),
            )
        }
    };
    Some(Said::new(with + &said.claim, said.rest))
}

/// Says what a comparison claims against the lowest mean.
fn contradicted(of: &str, mean: &str, other: &str, by: &str, ci: &str) -> String {
    format!(
        ": {of} has the lowest mean ({mean}), but over the passes that are compared {other} {by} than \
         it (95% CI {ci})."
    )
}

/// Names the winner and whom it is better than; what follows says by how much it beats the closest.
fn among(of: &str, by: &str, closest: &str, worse: usize, all: usize, metric: &Metric) -> String {
    let word = metric.in_words;
    match (worse, all) {
        (1, 1) => format!("{of} {by} than {closest}"),
        (1, all) => format!("{of} {by} than {closest}, one of the {all} it can be compared with"),
        (some, all) if some == all => {
            format!(
                "{of} is {word} than each of the {all} it can be compared with. It {by} than the closest, {closest}"
            )
        }
        (some, all) => {
            format!(
                "{of} is {word} than {some} of the {all} it can be compared with. It {by} than the closest of these, {closest}"
            )
        }
    }
}

/// Says of how many others nothing is claimed; a sentence with a space before it, or none.
fn unclear(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " No difference was found from the other: it is unclear, or within 5%.".into(),
        many => {
            format!(" No difference was found from {many} others: it is unclear, or within 5%.")
        }
    }
}

/// Both means: `0.10 s against 0.62 s per image`.
fn means(run: &Run, of: f64, claim: &Claim, metric: &Metric) -> String {
    let other = run
        .cell(&claim.other)
        .and_then(|cell| run.stat(cell, PIPELINE, metric.name));
    let other = other.map_or_else(|| "–".to_owned(), |stat| metric.with_unit(stat.mean));
    format!("{} against {other}", (metric.amount)(of))
}

/// Says by how much the first is better, and the interval in the same words: `is 6.2 times faster`,
/// `5.1 to 7.5 times`. A difference of less than a half is a share: `takes 15% less time`,
/// `12% to 18%`.
fn by_how_much(claim: &Claim, metric: &Metric) -> (String, String) {
    let (low, high) = claim.ci;
    if claim.ratio * 1.5 <= 1.0 {
        let times = |ratio: f64| figure(1.0 / ratio);
        let by = format!("is {} times {}", times(claim.ratio), metric.in_words);
        return (by, format!("{} times", range(&times(high), &times(low))));
    }
    let less = |ratio: f64| percent(1.0 - ratio);
    let (verb, what) = metric.less;
    (
        format!("{verb} {} {what}", less(claim.ratio)),
        range(&less(high), &less(low)),
    )
}

fn range(low: &str, high: &str) -> String {
    if low == high {
        low.to_owned()
    } else {
        format!("{low} to {high}")
    }
}

/// Says what a claim does not cover, in sentences with a space before each.
fn caveats(run: &Run, winner: &CellView, claim: &Claim, metric: &Metric) -> String {
    let floor = noise::floor(run, &[&winner.id, &claim.other], PIPELINE, metric.compared);
    let hosts = match floor.map(|floor| floor.apart) {
        None => DEPLOYED_ONCE.to_owned(),
        Some(floor) if apart(claim.ratio) <= floor => {
            format!(
                " The same code deployed twice differed by up to {}, so this may come from the \
                 hosts.",
                percent(floor)
            )
        }
        Some(floor) => format!(
            " The same code deployed twice differed by up to {}.",
            percent(floor)
        ),
    };
    let times = if run.is_apart(&winner.id, &claim.other) {
        " They were measured at different times, which may cause part of the difference."
    } else {
        ""
    };
    hosts + times
}

/// Returns the comparisons of `winner` with other cells of its group by a metric, with both cells,
/// whatever came of them.
fn comparisons_of<'a>(
    run: &'a Run,
    group: &'a KindOfWork<'_>,
    winner: &'a CellView,
    metric: &'a Metric,
) -> impl Iterator<Item = (Row<'a>, &'a str, &'a str)> {
    let is_here = |id: &str| group.members.iter().any(|cell| cell.id == id);
    run.comparisons.iter().filter_map(move |row| {
        let is_of_metric =
            row.text("stage") == Some(PIPELINE) && row.text("metric") == Some(metric.compared);
        let (a, b) = (row.text("cell_a")?, row.text("cell_b")?);
        // The same cell deployed twice, or other work: nothing that code is faster by.
        let is_one = is_of_metric
            && a != b
            && is_here(a)
            && is_here(b)
            && (a == winner.id || b == winner.id);
        is_one.then_some((row, a, b))
    })
}

struct Claim {
    other: String,
    /// Winner's mean / the other's.
    ratio: f64,
    ci: (f64, f64),
    verdict: String,
}

impl Claim {
    /// Whether the other is claimed to be better, though its mean is higher: a mean is of every pass,
    /// a comparison of those that both have.
    fn is_against(&self) -> bool {
        is_claim(&self.verdict) && self.ratio > 1.0
    }

    /// The same with the other first.
    fn turned(&self) -> Self {
        Self {
            other: self.other.clone(),
            ratio: 1.0 / self.ratio,
            ci: (1.0 / self.ci.1, 1.0 / self.ci.0),
            verdict: turned(&self.verdict).to_owned(),
        }
    }
}

/// Comparisons of `winner` with cells of its group whose outputs are right, turned so that the
/// winner stands first.
fn claims(run: &Run, group: &KindOfWork<'_>, winner: &CellView, metric: &Metric) -> Vec<Claim> {
    comparisons_of(run, group, winner, metric)
        .filter_map(|(row, a, b)| {
            let (ratio, low, high) = (
                row.number("ratio_mean")?,
                row.number("ratio_mean_ci_low")?,
                row.number("ratio_mean_ci_high")?,
            );
            let verdict = row.text("verdict")?;
            if [
                "wrong outputs",
                "outputs not checked",
                "remembers outputs",
                "not measured",
            ]
            .contains(&verdict)
            {
                return None;
            }
            if b == winner.id {
                return Some(Claim {
                    other: a.to_owned(),
                    ratio,
                    ci: (low, high),
                    verdict: verdict.to_owned(),
                });
            }
            let ci = (1.0 / high, 1.0 / low);
            Some(Claim {
                other: b.to_owned(),
                ratio: 1.0 / ratio,
                ci,
                verdict: turned(verdict).to_owned(),
            })
        })
        .collect()
}

/// Warns of code whose times are those of inputs that it has seen, and says where nobody looked.
fn remembering(run: &Run) -> Option<String> {
    let told = |cell: &CellView| {
        let of = |(stage, ratio, low): &(String, f64, f64)| {
            format!("{stage} {} times ({})", figure(*ratio), figure(*low))
        };
        let stages: Vec<String> = cell.remembers.iter().map(of).collect();
        (!stages.is_empty()).then(|| format!("{}: {}", cell.label, stages.join(", ")))
    };
    let named: Vec<String> = run.measured().filter_map(told).collect();
    if !named.is_empty() {
        return Some(format!(
            "REMEMBERS OUTPUTS, so it is not ranked: {}. The numbers say how many times longer \
             it took on new pixels (in brackets: at least, 95%).",
            named.join("; ")
        ));
    }
    let probes = run
        .summary
        .iter()
        .filter_map(|row| row.number("n_probe"))
        .sum::<f64>();
    let needless = run.about("vary_inputs") == "true" || run.imported().is_some();
    (probes == 0.0 && !needless && run.measured().next().is_some()).then(|| {
        "Not checked: whether code remembers outputs, because this run has no probes.".to_owned()
    })
}

/// Says whose outputs are right.
fn right(run: &Run) -> String {
    let wrong: Vec<&CellView> = run
        .measured()
        .filter(|cell| cell.outputs_ok == Some(false))
        .collect();
    let unchecked = run
        .measured()
        .filter(|cell| cell.outputs_ok.is_none())
        .count();
    let sentence = if run.checked == 0 {
        "No output was checked, so nothing is known to be right and nothing is ranked".to_owned()
    } else if wrong.is_empty() {
        let outputs = count(run.checked, "output");
        match run.checked_by() {
            Some(who) => {
                format!(
                    "The imported study says that all {outputs} are right ({who}); Darkroom did \
                     not check them"
                )
            }
            None => format!("All {outputs} checked meet the contract"),
        }
    } else {
        let named: Vec<String> = wrong
            .iter()
            .map(|cell| {
                format!(
                    "{} ({})",
                    cell.label,
                    cell.reason.as_deref().unwrap_or("wrong")
                )
            })
            .collect();
        format!("WRONG, so not ranked: {}", first_of(&named))
    };
    let unchecked = match unchecked {
        0 => String::new(),
        _ if run.checked == 0 => String::new(),
        some => format!(
            "; {} had no output checked, so nobody knows whether they are right",
            count(some, "cell")
        ),
    };
    format!(
        "{sentence}{unchecked}.{}{}",
        failed(run),
        failed_in_some(run)
    )
}

/// Names the cells that have no turnaround because every pass of theirs failed; a sentence with a
/// space before it, or none.
fn failed(run: &Run) -> String {
    let named: Vec<String> = run
        .failed()
        .map(|(cell, what)| format!("{} ({what})", cell.label))
        .collect();
    if named.is_empty() {
        return String::new();
    }
    format!(
        " FAILED in every pass, so not ranked: {}.",
        first_of(&named)
    )
}

/// Names the cells of which some passes failed: every mean, factor and cost of theirs is of the
/// passes that ended well. A sentence with a space before it, or none.
fn failed_in_some(run: &Run) -> String {
    let named: Vec<String> = run
        .failed_in_some()
        .map(|(cell, failed, tried)| format!("{} ({failed} of {tried})", cell.label))
        .collect();
    let whose = match named.len() {
        0 => return String::new(),
        1 => "its",
        _ => "their",
    };
    format!(
        " FAILED in some passes: {}; {whose} means are of the others.",
        first_of(&named)
    )
}

/// Joins what a first screen has room for; the rest stands below it, each with its reason.
fn first_of(named: &[String]) -> String {
    let more = match named.len().saturating_sub(LEADING) {
        0 => String::new(),
        more => format!("; {more} more below"),
    };
    named[..named.len().min(LEADING)].join("; ") + &more
}
