//! What makes two runs hard to compare: place, code, images, prices, order, version.

use std::collections::{BTreeMap, BTreeSet};

use darkroom_tables::minute;

use crate::run::Run;

/// Returns what differs between two runs, a sentence each; each run comes with the letter that it
/// has on the page.
pub fn unlike((a, letter_a): (&Run, &str), (b, letter_b): (&Run, &str)) -> Vec<String> {
    let both = format!("{letter_a} and {letter_b}");
    let mut found = Vec::new();
    let mut differ = |of_a: String, of_b: String, say: &dyn Fn(&str, &str) -> String| {
        if of_a != of_b {
            found.push(say(&of_a, &of_b));
        }
    };
    let about = |run: &Run, key: &str| run.about(key).to_owned();
    differ(a.target_in_words(), b.target_in_words(), &|x, y| {
        format!(
            "{both} have different targets ({x}; {y}): their durations come from different \
             machines."
        )
    });
    differ(began(a), began(b), &|x, y| {
        format!(
            "{both} were measured at different times ({x}; {y}), which may cause part of a \
             difference."
        )
    });
    differ(a.machine(), b.machine(), &|x, y| {
        format!("{both} ran on different machines ({x}; {y}).")
    });
    let prices = |run: &Run| {
        format!(
            "{} of {}",
            run.about("price_region"),
            run.about("price_date")
        )
    };
    differ(prices(a), prices(b), &|x, y| {
        format!(
            "Costs of {both} use different prices ({x}; {y}), so their ratio does not compare code."
        )
    });
    differ(about(a, "order"), about(b, "order"), &|x, y| {
        format!("{both} ran in different orders ({x}; {y}).")
    });
    differ(about(a, "version"), about(b, "version"), &|x, y| {
        format!("{both} were measured by different versions of Darkroom ({x}; {y}).")
    });
    found.extend(pipelines(a, b, &both));
    found.extend(images(a, b, letter_a, letter_b));
    found.extend(code(a, b, &both));
    found
}

/// When a run began, to the minute.
fn began(run: &Run) -> String {
    run.sessions.first().map_or_else(
        || "not recorded".to_owned(),
        |session| minute(&session.began_at),
    )
}

fn pipelines(a: &Run, b: &Run, both: &str) -> Option<String> {
    let of = |run: &Run| (run.about("pipeline").to_owned(), run.stages.clone());
    let known = |run: &Run| {
        run.about
            .get("pipeline_sha256")
            .filter(|hash| !hash.is_empty())
            .cloned()
    };
    if of(a) != of(b) {
        return Some(format!(
            "{both} have different pipelines: stages with equal names may do different work."
        ));
    }
    match (known(a), known(b)) {
        (Some(x), Some(y)) if x != y => Some(format!(
            "The pipeline {} changed between {both}: their stages did different work, or were \
             checked differently.",
            a.about("pipeline")
        )),
        (Some(_), Some(_)) => None,
        _ => Some(format!(
            "Unknown whether {both} used the very same pipeline: that was not recorded."
        )),
    }
}

fn images(a: &Run, b: &Run, letter_a: &str, letter_b: &str) -> Vec<String> {
    let names = |run: &Run| -> BTreeSet<String> { run.images.keys().cloned().collect() };
    let (of_a, of_b) = (names(a), names(b));
    if of_a.is_empty() || of_b.is_empty() {
        return vec![format!(
            "Unknown whether {letter_a} and {letter_b} measured the same images: that was not \
             recorded."
        )];
    }
    let mut found = Vec::new();
    let list = |names: &mut dyn Iterator<Item = &String>| {
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    for (only, letter) in [
        (of_a.difference(&of_b), letter_a),
        (of_b.difference(&of_a), letter_b),
    ] {
        let names = list(&mut only.into_iter());
        if !names.is_empty() {
            found.push(format!(
                "Only {letter} measured {names}: the means cover different images."
            ));
        }
    }
    let changed = list(
        &mut of_a
            .intersection(&of_b)
            .filter(|name| a.images[*name] != b.images[*name]),
    );
    if !changed.is_empty() {
        found.push(format!(
            "Not the same files under the same names in {letter_a} and {letter_b}: {changed}."
        ));
    }
    found
}

fn code(a: &Run, b: &Run, both: &str) -> Option<String> {
    let (of_a, of_b) = (code_of(a), code_of(b));
    if of_a.is_empty() || of_b.is_empty() {
        return Some(format!(
            "Unknown whether {both} ran the same code: that was not recorded."
        ));
    }
    let changed: Vec<String> = of_a
        .iter()
        .filter(|(of, hash)| of_b.get(*of).is_some_and(|other| other != *hash))
        .map(|((variant, architecture), _)| format!("{variant} ({architecture})"))
        .collect();
    (!changed.is_empty()).then(|| {
        format!(
            "The code differs between {both}: {}. A difference may come from the code or from \
             the hour.",
            changed.join(", ")
        )
    })
}

/// Returns the zip's hash by variant and architecture.
fn code_of(run: &Run) -> BTreeMap<(String, String), String> {
    let own = run
        .builds
        .iter()
        .filter(|row| row.text("dependency").is_none());
    own.filter_map(|row| {
        let of = (
            row.text("variant")?.to_owned(),
            row.text("architecture")?.to_owned(),
        );
        Some((of, row.text("code_sha256")?.to_owned()))
    })
    .collect()
}
