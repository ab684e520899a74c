//! Runs one stage on a file without Lambda: `stage STAGE INPUT OUTPUT [TIMES]` prints each run's
//! milliseconds.

use std::time::Instant;

use darkroom_stages::stages::Stage;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stage, input, output, times @ ..] = arguments.as_slice() else {
        return Err("usage: stage STAGE INPUT OUTPUT [TIMES]".into());
    };
    let stage = Stage::named(stage)?;
    let input = std::fs::read(input)?;
    let times: u32 = times.first().map_or(Ok(1), |times| times.parse())?;
    for _ in 0..times.max(1) {
        let start = Instant::now();
        let written = (stage.run)(&input)?;
        println!("{:.3}", start.elapsed().as_secs_f64() * 1e3);
        std::fs::write(output, written)?;
    }
    Ok(())
}
