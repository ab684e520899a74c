//! Judges files by hand: `check PIPELINE STAGE INPUT OUTPUT` prints the verdict; `check PIPELINE STAGE INPUT` with no
//! output writes the reference's output to standard output; `check generate SEED WIDTHxHEIGHT png|jpeg` an image.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool at the edge, not the crate")]

use std::io::Write;
use std::process::ExitCode;

use darkroom_core::pipeline::{Format, Pipeline};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["generate", seed, size, format] => {
            let (width, height) = size.split_once('x').ok_or("size is WIDTHxHEIGHT")?;
            let format = if *format == "png" { Format::Png } else { Format::Jpeg };
            let image = darkroom_contract::generate(seed.parse()?, width.parse()?, height.parse()?, format);
            std::io::stdout().write_all(&image)?;
            Ok(ExitCode::SUCCESS)
        }
        [pipeline, stage, input, rest @ ..] if rest.len() < 2 => {
            let pipeline = Pipeline::parse(pipeline, &std::fs::read_to_string(pipeline)?)?;
            let (_, stage) = pipeline.stage(stage).ok_or("no such stage")?;
            let input = std::fs::read(input)?;
            let [output] = rest else {
                std::io::stdout().write_all(&darkroom_contract::reference_output(stage, &input)?)?;
                return Ok(ExitCode::SUCCESS);
            };
            let verdict = darkroom_contract::check(stage, &input, std::fs::read(output).ok().as_deref());
            println!("{verdict:?}");
            Ok(if verdict.pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        _ => Err("usage: check PIPELINE STAGE INPUT [OUTPUT] | check generate SEED WIDTHxHEIGHT png|jpeg".into()),
    }
}
