//! `darkroom compare`: what changed between two runs, for a person, or for a CI job to fail on.

use darkroom_tables::{Between, between};

use crate::cli::{CompareArgs, Globals, Limit};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::which_run;

pub fn run(args: &CompareArgs, globals: Globals) -> Result<Outcome, Failure> {
    let (a, b) = (
        args.run_a.display().to_string(),
        args.run_b.display().to_string(),
    );
    which_run::must_be_a_run(&args.run_a, &["compare", "{}", &b])?;
    which_run::must_be_a_run(&args.run_b, &["compare", &a, "{}"])?;
    let found = between(&args.run_a, &args.run_b).map_err(|error| {
        let without = [&args.run_a, &args.run_b]
            .into_iter()
            .find(|run| !run.join("summary.parquet").is_file());
        let help = which_run::tables_of(without.unwrap_or(&args.run_b));
        Failure::wrong_request(miette::miette!(help = help, "{error}"))
    })?;
    if found.rows.is_empty() {
        return Err(Failure::wrong_request(miette::miette!(
            "the two runs have no measured cell in common"
        )));
    }
    if globals.json {
        let json = serde_json::to_string_pretty(&found).expect("plain values");
        display::answer(&format!("{json}\n"))?;
    } else if !globals.quiet {
        display::answer(&display::changes::changes(&found, display::width()))?;
    }
    let broken = too_much(&found, &args.fail_on);
    for line in &broken {
        display::note(line);
    }
    Ok(if broken.is_empty() {
        Outcome::Done
    } else {
        Outcome::SomeCellsFailed
    })
}

/// Says what is claimed to be worse than a limit allows, and by more than what is the same came out
/// apart.
fn too_much(found: &Between, limits: &[Limit]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &found.rows {
        let Some(ratio) = row.ratio.filter(|_| row.is_beyond_noise()) else {
            continue;
        };
        for limit in limits
            .iter()
            .filter(|limit| row.verdict == limit.verdict && ratio >= limit.ratio)
        {
            lines.push(format!(
                "TOO MUCH {} · {} {}: {} by {:.1}%, the limit is {:.1}%",
                row.cell_id,
                row.stage,
                row.metric,
                row.verdict,
                (ratio - 1.0) * 100.0,
                (limit.ratio - 1.0) * 100.0
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use darkroom_tables::Change;

    use super::*;

    fn change(verdict: &'static str, ratio: f64) -> Change {
        let (cell_id, stage) = ("pillow".to_owned(), "resize".to_owned());
        Change {
            cell_id,
            stage,
            metric: "duration_ms",
            n_a: 9,
            n_b: 9,
            ratio: Some(ratio),
            ratio_ci: None,
            cliffs_delta: None,
            p_adjusted: None,
            p_units: None,
            verdict,
            noise: None,
            same_code: None,
        }
    }

    #[test]
    fn only_a_claimed_change_beyond_its_limit_is_too_much() {
        let rows = vec![
            change("slower", 1.2),
            change("slower", 1.04),
            change("inconclusive", 1.5),
            change("dearer", 1.2),
        ];
        let found = Between {
            run_a: "a".into(),
            run_b: "b".into(),
            rows,
            only_in_one: vec![],
            notes: vec![],
        };
        let said = too_much(&found, &["slower:5%".parse().unwrap()]);
        assert_eq!(
            said,
            ["TOO MUCH pillow · resize duration_ms: slower by 20.0%, the limit is 5.0%"]
        );
        assert!(too_much(&found, &[]).is_empty());
    }

    #[test]
    fn a_limit_that_is_none_is_refused_with_the_form_it_has() {
        for text in ["5%", "faster:5%", "slower:5", "slower:x%", "slower:-1%"] {
            assert!(
                text.parse::<Limit>().unwrap_err().contains("slower:5%"),
                "{text}"
            );
        }
    }
}
