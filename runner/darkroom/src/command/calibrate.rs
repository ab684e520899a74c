//! `darkroom calibrate`: tests the statistics on simulated data with a known answer.

use darkroom_core::statistics::{Promise, Standing, calibrate};

use crate::cli::{CalibrateArgs, Globals};
use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run(args: &CalibrateArgs, globals: Globals) -> Result<Outcome, Failure> {
    let found = calibrate(args.simulate, args.seed);
    if globals.json {
        let json = serde_json::to_string_pretty(&found).expect("plain values");
        display::answer(&format!("{json}\n"))?;
    } else {
        for promise in &found {
            display::answer(&line(promise))?;
        }
    }
    let any = |standing| found.iter().any(|promise| promise.standing() == standing);
    if any(Standing::Unclear) {
        display::note(&format!(
            "{} simulations are too few to judge; leave out the number for 2000",
            args.simulate
        ));
    }
    Ok(if any(Standing::Broken) {
        Outcome::SomeCellsFailed
    } else {
        Outcome::Done
    })
}

fn line(promise: &Promise) -> String {
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let standing = match promise.standing() {
        Standing::Kept => "ok",
        Standing::Broken => "BROKEN",
        Standing::Unclear => "unclear",
    };
    format!(
        "{standing:7} {:52} in {:>6} of {} simulations; expected {} to {}\n",
        promise.what,
        percent(promise.share),
        promise.simulations,
        percent(promise.expected.0),
        percent(promise.expected.1),
    )
}
