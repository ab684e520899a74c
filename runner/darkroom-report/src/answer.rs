//! The answer, in three sentences: who is faster, who is cheaper, what is right. Only what the tables claim.

use std::collections::BTreeMap;

use crate::number::{count, figure, interval};
use crate::run::{CellView, PIPELINE, Run, Stat};

/// Returns the sentences, in order of interest.
pub fn answer(run: &Run) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(best(run, "turnaround_s", "faster", |stat| format!("{} s per image", figure(stat.mean))));
    sentences
        .extend(best(run, "cost_usd_per_100k", "cheaper", |stat| format!("${} per 100,000 images", figure(stat.mean))));
    sentences.push(right(run));
    sentences.extend(memory(run));
    sentences.extend(noise_floor(run));
    sentences
}

/// Says which cell has the lowest mean of a pipeline metric, and of which others that may be claimed.
fn best(run: &Run, metric: &str, word: &str, value: impl Fn(&Stat) -> String) -> Option<String> {
    let ranked: Vec<(&CellView, Stat)> = run
        .measured()
        .filter_map(|cell| Some((cell, run.stat(cell, PIPELINE, metric).filter(|s| s.rank.is_some())?)))
        .collect();
    let what = if word == "faster" { "turnaround" } else { "hosting cost" };
    let Some((winner, stat)) = ranked.iter().min_by(|a, b| a.1.mean.total_cmp(&b.1.mean)) else {
        let none = run.measured().any(|cell| run.stat(cell, PIPELINE, metric).is_some());
        return none.then(|| format!("No cell is ranked by {what}: none has outputs that were all found right."));
    };
    let mean = format!("{} {}", value(stat), interval(stat.ci));
    if ranked.len() == 1 {
        return Some(format!(
            "{}: {what} {mean}; there is no other cell with right outputs to compare it with.",
            winner.label
        ));
    }
    let claims = claims(run, winner, metric);
    let claimed = claims.iter().filter(|claim| claim.verdict == word).count();
    let mut clauses = vec![format!("Lowest mean {what}: {}, {mean}", winner.label)];
    match claims.iter().filter(|claim| claim.verdict == word).max_by(|a, b| a.ratio.total_cmp(&b.ratio)) {
        Some(closest) => clauses.push(format!(
            "{word} than {claimed} of the {} it can be compared with, the closest {} ({}, ratio {} {})",
            count(claims.len(), "cell"),
            run.cell(&closest.other).map_or("", |cell| &cell.label),
            closest.factor,
            figure(closest.ratio),
            interval(Some(closest.ci)),
        )),
        None if claims.is_empty() => {
            clauses.push("no other cell differs from it in one factor only, so none is compared".into());
        }
        None => clauses.push("no difference from any other cell is beyond noise".into()),
    }
    let unclear = claims.len() - claimed;
    if unclear > 0 && claimed > 0 {
        clauses.push(format!("against {} that can't be claimed", count(unclear, "other")));
    }
    Some(clauses.join("; ") + ".")
}

/// Says which memory size is cheapest, fastest and balanced, of each variant that has several.
fn memory(run: &Run) -> Vec<String> {
    let mut families: BTreeMap<String, Vec<(&CellView, Stat, Stat)>> = BTreeMap::new();
    for cell in run.measured().filter(|cell| cell.outputs_ok == Some(true)) {
        let stat = |metric| run.stat(cell, PIPELINE, metric);
        if let (Some(turnaround), Some(cost)) = (stat("turnaround_s"), stat("cost_usd_per_100k")) {
            let mut alike = cell.cell.clone();
            alike.memory_mb = 0;
            families.entry(alike.id().to_string()).or_default().push((cell, turnaround, cost));
        }
    }
    families.into_values().filter(|sizes| sizes.len() > 1).map(|sizes| recommended(&sizes)).collect()
}

fn recommended(sizes: &[(&CellView, Stat, Stat)]) -> String {
    let least = |of: fn(&Stat, &Stat) -> f64| {
        let best = sizes.iter().min_by(|a, b| of(&a.1, &a.2).total_cmp(&of(&b.1, &b.2)));
        best.unwrap_or(&sizes[0])
    };
    let (fastest, cheapest) = (least(|turnaround, _| turnaround.mean), least(|_, cost| cost.mean));
    // As power tuners weigh them: equally.
    let balanced = least(|turnaround, cost| turnaround.mean * cost.mean);
    let name = sizes[0].0.label.replace(&format!(" {} MB", sizes[0].0.cell.memory_mb), "");
    let mb = |of: &(&CellView, Stat, Stat)| of.0.cell.memory_mb;
    format!(
        "Memory of {name}, by means: cheapest {} MB (${} per 100,000 images {}), fastest {} MB ({} s {}), balanced {} MB (lowest \
         product of the two); where intervals overlap, the sizes may be alike.",
        mb(cheapest),
        figure(cheapest.2.mean),
        interval(cheapest.2.ci),
        mb(fastest),
        figure(fastest.1.mean),
        interval(fastest.1.ci),
        mb(balanced),
    )
}

/// Says how far identical code came out apart: what no difference can be claimed below.
fn noise_floor(run: &Run) -> Option<String> {
    let twins = run
        .comparisons
        .iter()
        .filter(|row| row.text("factor") == Some("deployment") && row.text("metric") == Some("turnaround_s"));
    let apart = twins.filter_map(|row| Some(((row.number("ratio_mean")? - 1.0).abs(), run.cell(row.text("cell_a")?)?)));
    let Some((most, cell)) = apart.max_by(|a, b| a.0.total_cmp(&b.0)) else {
        let once = run.measured().next()?;
        return run.stat(once, PIPELINE, "turnaround_s").map(|_| {
            "Noise floor unknown: each cell was deployed once, so a host's share in a difference can't be seen \
             (repetitions.deployments = 2 shows it)."
                .into()
        });
    };
    Some(format!(
        "Noise floor: the same code deployed twice differed by up to {:.1}% in mean turnaround ({}); a difference no \
         larger than that may be the host's, not the code's.",
        most * 100.0,
        cell.label
    ))
}

struct Claim {
    other: String,
    factor: String,
    /// Winner's mean / the other's.
    ratio: f64,
    ci: (f64, f64),
    verdict: String,
}

/// Comparisons of `winner` with cells whose outputs are right, turned so that the winner stands first.
fn claims(run: &Run, winner: &CellView, metric: &str) -> Vec<Claim> {
    let metric = if metric == "cost_usd_per_100k" { "cost_usd" } else { metric };
    let of =
        run.comparisons.iter().filter(|row| row.text("stage") == Some(PIPELINE) && row.text("metric") == Some(metric));
    of.filter_map(|row| {
        let (a, b) = (row.text("cell_a")?, row.text("cell_b")?);
        if a == b {
            return None; // The same cell deployed twice.
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
        if ["wrong outputs", "outputs not checked", "not measured"].contains(&verdict) {
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

/// Says whose outputs are right.
fn right(run: &Run) -> String {
    let wrong: Vec<&CellView> = run.measured().filter(|cell| cell.outputs_ok == Some(false)).collect();
    let unchecked = run.measured().filter(|cell| cell.outputs_ok.is_none()).count();
    let sentence = if wrong.is_empty() {
        format!("All {} checked are what the contract asks for", count(run.checked, "output"))
    } else {
        let named: Vec<String> = wrong
            .iter()
            .map(|cell| format!("{} ({})", cell.label, cell.reason.as_deref().unwrap_or("wrong")))
            .collect();
        format!("WRONG, and therefore not ranked: {}", named.join("; "))
    };
    let unchecked =
        if unchecked == 0 { String::new() } else { format!("; {} without a check", count(unchecked, "cell")) };
    format!("{sentence}{unchecked}.")
}
