//! The answer, in three sentences: who is faster, who is cheaper, what is right. Only what the tables claim.

use crate::noise;
use crate::number::{count, figure, interval};
use crate::run::{CellView, PIPELINE, Run, Stat};

/// Returns the sentences, in order of interest.
pub fn answer(run: &Run) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(best(run, "turnaround_s", "faster", |stat| format!("{} s per image", figure(stat.mean))));
    sentences
        .extend(best(run, "cost_usd_per_100k", "cheaper", |stat| format!("${} per 100,000 images", figure(stat.mean))));
    sentences.push(right(run));
    sentences.extend(crate::choices::sentences(run));
    sentences.extend(noise::sentence(run));
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
            "{word} than {claimed} of the {} it can be compared with, the closest {} ({}, ratio {} {}; {})",
            count(claims.len(), "cell"),
            run.cell(&closest.other).map_or("", |cell| &cell.label),
            closest.factor,
            figure(closest.ratio),
            interval(Some(closest.ci)),
            noise::beside(noise::floor(run, &[&winner.id, &closest.other], PIPELINE, comparison_metric(metric)).map(|floor| floor.apart), closest.ratio),
        )),
        None if claims.is_empty() => {
            clauses.push("no other cell differs from it in one factor only, so none is compared".into());
        }
        None => clauses.push(format!(
            "against none of the {} it can be compared with a difference is claimed, which does not mean that there is none",
            count(claims.len(), "cell")
        )),
    }
    let unclear = claims.len() - claimed;
    if unclear > 0 && claimed > 0 {
        clauses.push(format!(
            "against {} no difference is claimed (neither shown nor excluded, or within 5%)",
            count(unclear, "other")
        ));
    }
    Some(clauses.join("; ") + ".")
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
    let metric = comparison_metric(metric);
    let of =
        run.comparisons.iter().filter(|row| row.text("stage") == Some(PIPELINE) && row.text("metric") == Some(metric));
    of.filter_map(|row| {
        let (a, b) = (row.text("cell_a")?, row.text("cell_b")?);
        if a == b || row.text("factor") == Some("image_set") {
            return None; // The same cell deployed twice, or other images: nothing that code is faster by.
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

/// The name that `comparisons` has for a metric of `summary`.
fn comparison_metric(metric: &str) -> &str {
    if metric == "cost_usd_per_100k" { "cost_usd" } else { metric }
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
    format!("{sentence}{unchecked}.")
}
