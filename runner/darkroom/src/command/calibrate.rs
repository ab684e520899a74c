//! `darkroom calibrate`: tests the statistics on simulated data with a known answer.

use darkroom_core::statistics::calibrate;

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
            let percent = |share: f64| format!("{:.1}%", share * 100.0);
            display::answer(&format!(
                "{:7} {:52} in {:>6} of {} simulations; expected {} to {}\n",
                if promise.is_kept() { "ok" } else { "BROKEN" },
                promise.what,
                percent(promise.share),
                promise.simulations,
                percent(promise.expected.0),
                percent(promise.expected.1),
            ))?;
        }
    }
    Ok(
        if found
            .iter()
            .all(darkroom_core::statistics::Promise::is_kept)
        {
            Outcome::Done
        } else {
            Outcome::SomeCellsFailed
        },
    )
}
