//! Judges files by hand: `check PIPELINE STAGE INPUT OUTPUT` prints the verdict;
//! `check PIPELINE STAGE INPUT` with no output writes the reference's output to standard output;
//! `check many PIPELINE` reads lines of STAGE, INPUT and OUTPUT, by tabs, and adds the verdict and
//! the distance from the known JPEG decoders to each; `check generate SEED WIDTHxHEIGHT png|jpeg`
//! an image.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a tool at the edge, not the crate"
)]

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
        ["many", pipeline] => {
            let pipeline = Pipeline::parse(pipeline, &std::fs::read_to_string(pipeline)?)?;
            for line in std::io::stdin().lines() {
                println!("{}", judged(&pipeline, &line?)?);
            }
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
        _ => Err("usage: check PIPELINE STAGE INPUT [OUTPUT] | check many PIPELINE | check generate SEED WIDTHxHEIGHT png|jpeg"
            .into()),
    }
}

/// Returns the line with: pass or WRONG, the verdict's reason and detail, the decoder that is
/// closest, `max_abs`, levels outside all decoders, bias of a level and of a colour, close levels
/// and those expected.
fn judged(pipeline: &Pipeline, line: &str) -> Result<String, Box<dyn std::error::Error>> {
    let [stage, input, output] = line.split('\t').collect::<Vec<_>>()[..] else {
        return Err("a line has three columns".into());
    };
    let (_, stage) = pipeline.stage(stage).ok_or("no such stage")?;
    let (input, output) = (std::fs::read(input)?, std::fs::read(output)?);
    let verdict = darkroom_contract::check(stage, &input, Some(&output));
    let said = [
        verdict.reason.unwrap_or_default(),
        verdict.detail.unwrap_or_default(),
    ]
    .join("\t");
    let distance = darkroom_contract::distance(stage, &input, &output).map_or_else(
        || "\t\t\t\t\t\t".to_owned(),
        |it| {
            let (level, colour, close) = (
                it.bias.of_a_level,
                it.bias.of_a_colour,
                it.bias.close_levels,
            );
            format!(
                "{}\t{}\t{}\t{level:.3}\t{colour:.3}\t{close}\t{}",
                it.decoder, it.max_abs, it.outside, it.close_levels_expected
            )
        },
    );
    Ok(format!(
        "{line}\t{}\t{said}\t{distance}",
        if verdict.pass { "pass" } else { "WRONG" }
    ))
}
