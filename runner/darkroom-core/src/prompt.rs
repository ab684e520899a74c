//! A stage of a pipeline → the whole prompt that asks a model for its handler.
//!
//! Pure: the same contract and terms give the same prompt, byte for byte. Every number comes from
//! the [`Stage`] that the check uses, the event and variable names from the code that sends and
//! sets them, and the libraries from the packaged requirements. So the prompt always matches what
//! is checked, sent and installed.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use crate::pipeline::{InputSpec, Mode, OutputSpec, Qualities, SizeRule, Stage};

/// Name of the standard prompt ([`prompt`]); others are templates with names of their own.
pub const PLAIN: &str = "plain";
/// The function that a generated file defines.
pub const HANDLER: &str = "handler";
/// Environment variable that names the bucket of the output.
pub const BUCKET_VARIABLE: &str = "OUTPUT_BUCKET";
/// Environment variable that holds the prefix of the output's key.
pub const PREFIX_VARIABLE: &str = "OUTPUT_PREFIX";

/// What a handler is given beside its stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Version of Python, for example `3.13`.
    pub python: String,
    /// What may be imported beside the standard library.
    pub libraries: Vec<Library>,
    /// An event as a function receives it: JSON, indented. The names in it are examples.
    pub event: String,
}

/// A package that generated code may import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// As its index spells it.
    pub name: String,
    /// `None` where the runtime brings its own.
    pub version: Option<String>,
}

/// Returns the packages that a requirements file pins (`name==version`), in its order.
pub fn libraries(requirements: &str) -> Vec<Library> {
    let pinned = |line: &str| {
        let (name, rest) = line.split_once("==")?;
        let version = rest.split_whitespace().next()?;
        Some(Library {
            name: name.trim().to_owned(),
            version: Some(version.to_owned()),
        })
    };
    requirements
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(pinned)
        .collect()
}

/// Returns the name of the module that holds a stage's handler: the stage's name as Python can
/// spell it.
pub fn module(stage: &str) -> String {
    stage.replace('-', "_")
}

/// Returns the whole prompt for `stage`, or the name in braces that its sentences use and that is
/// no fact of it.
pub fn prompt(stage: &Stage, terms: &Terms) -> Result<String, String> {
    let Terms {
        python,
        event,
        libraries,
    } = terms;
    let (task, module) = (stage.rendered_prompt()?, module(&stage.name));
    let (extension, timeout_s) = (stage.output.format.extension(), stage.timeout_s);
    let (libraries, checks) = (spelt(libraries), bullets(&checks(stage)));
    let input = input(&stage.input);
    Ok(format!(
        "Write an AWS Lambda function in Python {python}. It is one stage of an image pipeline.

# The task

{}

# How it is called

The function is `{HANDLER}(event, context)` in the file `{module}.py`. The event is an Amazon S3 event notification with one \
record that names the input object, for example:

{}

The object's key is URL-encoded in the event. The input is {input}.

# What it does with the result

It writes one object, into the bucket that the environment variable `{BUCKET_VARIABLE}` names. The object's key is the value of \
the environment variable `{PREFIX_VARIABLE}`, as it is, followed by the last segment of the input's key with its extension \
replaced by `.{extension}`: of `some/folder/photo.x` the last segment is `photo.x`, which becomes `photo.{extension}`. The return \
value is ignored. Where the work can't be done, an exception is raised.

# Where it runs

On AWS Lambda with Python {python}, x86_64 or arm64; a call is ended after {timeout_s} s. Beside the standard library it may import \
{libraries}, and nothing else. Region and credentials come from the environment. Only /tmp can be written to, and one process \
may serve many calls.

# What is checked

Every output is compared with a reference that is made of the same input object. It passes if all of this holds:

{checks}

# What is ranked

Outputs come first: code with one wrong output is not ranked. Code whose outputs are right is ranked by how long a call takes, with \
a cold start and with a warm one, and by what AWS charges for it. Each memory size is measured; the cheapest, the fastest and the \
balanced one are named. The sizes are chosen by whoever runs it, from 128 to 10240 MB; more memory brings more CPU.

# How to answer

Answer with the whole file `{module}.py` in one Python code block. It must work as it stands.
",
        task.trim(),
        event.trim(),
    ))
}

/// Returns a prompt of the user's own with the facts that it names in braces, or the name of one
/// that is none.
///
/// `{prompt}` is the whole standard prompt, `{task}`, `{event}`, `{libraries}` and `{checks}` its
/// parts; any fact of the stage ([`Stage::facts`]) can be named too. Braces around anything but
/// lowercase letters and `_` are text: JSON, for example.
pub fn of_template(template: &str, stage: &Stage, terms: &Terms) -> Result<String, String> {
    let mut facts = stage.facts();
    facts.insert("prompt", prompt(stage, terms)?);
    facts.insert("task", stage.rendered_prompt()?.trim().to_owned());
    facts.insert("event", terms.event.trim().to_owned());
    facts.insert("libraries", spelt(&terms.libraries));
    facts.insert("checks", bullets(&checks(stage)));
    facts.insert("python", terms.python.clone());
    facts.insert("module", module(&stage.name));
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let (mut filled, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        rest = after;
        if let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_name(name)) {
            filled.push_str(facts.get(name).ok_or_else(|| name.to_owned())?);
            rest = after;
        } else {
            filled.push('{');
        }
    }
    Ok(filled + rest)
}

/// Returns what tells a model that its answer holds no usable code.
pub fn unusable(stage: &Stage, outcome: &str) -> String {
    format!(
        "Your answer could not be used: {outcome}.

Answer with the whole file `{}.py` in one Python code block. It defines `{HANDLER}`.
",
        module(&stage.name)
    )
}

/// Returns what asks a model to fix its answer: what the gate said of it, word for word.
pub fn repair(stage: &Stage, verdict: &str) -> String {
    format!(
        "Your file was run and its outputs were checked. This is what was found:

{}

Answer with the whole corrected file `{}.py` in one Python code block.
",
        verdict.trim(),
        module(&stage.name)
    )
}

/// Returns what an output must be, a sentence each, in the order in which the gate checks it.
pub fn checks(stage: &Stage) -> Vec<String> {
    let Stage { output, check, .. } = stage;
    let peak = output.peak();
    let mut checks = vec![format!(
        "It is a {} file, whatever its name, with {}.",
        output.format.title(),
        samples(output)
    )];
    checks.push(match output.size {
        SizeRule::Unchanged => "Its width and height are the input's.".to_owned(),
        SizeRule::Swapped => {
            "Its width is the input's height and its height the input's width.".to_owned()
        }
        SizeRule::Exactly { width, height } => {
            format!("It is {width} pixels wide and {height} pixels high.")
        }
    });
    checks.push(format!(
        "It is not blank: its standard deviation is at least {} of the reference's, it has at least {} of the reference's \
         distinct levels, and its mean is at most {} times the reference's and not below one part in as many.",
        check.blank_sd_share, check.blank_levels_share, check.blank_mean_factor
    ));
    checks.push(match stage.clockwise_degrees() {
        0 => "It lies as the input does, neither turned nor mirrored.".to_owned(),
        degrees => {
            format!("It lies as the input turned by {degrees} degrees clockwise, not mirrored.")
        }
    });
    let mut tolerance = String::new();
    if let Some(max_abs) = check.max_abs {
        let _ = write!(
            tolerance,
            "No sample differs from the reference's by more than {max_abs} of {peak}. "
        );
    }
    if let Some(db) = check.min_psnr_db {
        let _ = write!(
            tolerance,
            "Its PSNR against the reference is at least {db} dB (peak {peak}). "
        );
    }
    if let Some(limit) = check.max_mean_difference {
        let _ = write!(
            tolerance,
            "Its mean differs from the reference's by at most {limit} of {peak}. "
        );
    }
    if let Some(from_jpeg) = check.from_jpeg {
        let _ = write!(
            tolerance,
            "For a JPEG input each of several decoders gives a reference, and it is enough that the output matches one of them. An \
             output that matches none passes if no sample lies more than {} of {peak} outside their range, samples of one level are \
             off by at most {} on average, and samples of one colour by at most {}. It fails if it is one decoder's samples with \
             another scale, offset or weights. ",
            from_jpeg.max_abs,
            from_jpeg.max_bias,
            2.0 * from_jpeg.max_bias
        );
    }
    checks.push(tolerance.trim_end().to_owned());
    if let (
        Some(quality),
        Some(Qualities {
            of_a_known_table,
            of_another,
        }),
    ) = (output.quality, output.qualities())
    {
        let spelt = |pass: &RangeInclusive<u8>| format!("{} to {}", pass.start(), pass.end());
        let (pass, more) = (spelt(&of_a_known_table), spelt(&of_another));
        checks.push(format!(
            "Its quality, as its quantisation table says, is {quality} on libjpeg's scale; {pass} pass; {more} for a table that is \
             neither libjpeg's nor mozjpeg's default."
        ));
    }
    checks
}

fn input(input: &InputSpec) -> String {
    let formats: Vec<_> = input.formats.iter().map(|format| format.title()).collect();
    let used = input.used_bits();
    let range = if used < input.mode.container_bits() {
        format!(
            ", in which {used} bits are used (0 to {})",
            (1u32 << used) - 1
        )
    } else {
        String::new()
    };
    format!(
        "a {} with {}{range}",
        formats.join(" or "),
        channels(input.mode)
    )
}

fn samples(output: &OutputSpec) -> String {
    let channels = channels(output.mode);
    if output.used_bits() < output.mode.container_bits() {
        format!("{channels}, no sample above {}", output.peak())
    } else {
        channels.to_owned()
    }
}

const fn channels(mode: Mode) -> &'static str {
    match mode {
        Mode::Grey8 => "one 8-bit grey channel",
        Mode::Grey16 => "one 16-bit grey channel",
        Mode::Rgb8 => "three 8-bit channels (RGB)",
    }
}

fn bullets(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("- {line}")).collect();
    lines.join("\n")
}

/// Returns words as a sentence has them: `a`, `a and b`, `a, b and c`.
pub fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// `boto3, numpy 2.5.5 and pillow 13.0.0`.
fn spelt(libraries: &[Library]) -> String {
    let spell = |library: &Library| match &library.version {
        Some(version) => format!("{} {version}", library.name),
        None => library.name.clone(),
    };
    let names: Vec<String> = libraries.iter().map(spell).collect();
    if names.is_empty() {
        "no packages".to_owned()
    } else {
        listed(&names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;

    const IMAGE_PIPELINE: &str = include_str!("../../../experiments/image-pipeline/pipeline.toml");
    const REQUIREMENTS: &str =
        include_str!("../../../experiments/image-pipeline/generated/requirements.txt");

    fn terms() -> Terms {
        let mut allowed = vec![Library {
            name: "boto3".into(),
            version: None,
        }];
        allowed.extend(libraries(REQUIREMENTS));
        Terms {
            python: "3.13".into(),
            libraries: allowed,
            event: "{ \"Records\": [] }".into(),
        }
    }

    fn prompts(text: &str) -> Vec<String> {
        let pipeline = Pipeline::parse("pipeline.toml", text).unwrap();
        pipeline
            .stages
            .iter()
            .map(|stage| prompt(stage, &terms()).unwrap())
            .collect()
    }

    #[test]
    fn a_prompt_of_ones_own_is_filled_in_and_braces_of_json_stay() {
        let pipeline = Pipeline::parse("pipeline.toml", IMAGE_PIPELINE).unwrap();
        let (stage, terms) = (&pipeline.stages[1], terms());
        let filled = |template: &str| of_template(template, stage, &terms);
        assert_eq!(
            filled("{prompt}\nBe fast.").unwrap(),
            prompt(stage, &terms).unwrap() + "\nBe fast."
        );
        assert_eq!(
            filled("{module}: {width}x{height}, { \"a\": {} }").unwrap(),
            "resize: 800x600, { \"a\": {} }"
        );
        assert!(
            filled("{task} {checks}")
                .unwrap()
                .contains("exactly 800x600 pixels")
        );
        assert_eq!(filled("{colour}"), Err("colour".to_owned()));
    }

    #[test]
    fn every_prompt_says_what_is_ranked_and_claims_no_check_that_is_not_made() {
        for prompt in prompts(IMAGE_PIPELINE) {
            assert!(
                prompt.contains("# What is ranked")
                    && prompt.contains("Each memory size is measured"),
                "{prompt}"
            );
        }
        let quality = |text: &str| {
            let pipeline = Pipeline::parse("pipeline.toml", text).unwrap();
            let stage = pipeline.stages[3].clone();
            (
                checks(&stage)
                    .join(" ")
                    .contains("85 to 95 pass; 78 to 100 for a table that is neither"),
                stage.demands_not_checked(),
            )
        };
        assert_eq!(quality(IMAGE_PIPELINE), (true, vec![]));
        let unchecked = IMAGE_PIPELINE.replace(", quality_within = 5", "");
        assert_eq!(
            quality(&unchecked),
            (false, vec!["that the JPEG has quality 90".to_owned()])
        );
    }

    /// One whole prompt, and of the others what is theirs alone: the rest is the same text.
    #[test]
    fn the_prompts() {
        let pipeline = Pipeline::parse("pipeline.toml", IMAGE_PIPELINE).unwrap();
        insta::assert_snapshot!("prompt_greyscale", prompts(IMAGE_PIPELINE)[0]);
        let own = pipeline.stages[1..].iter().map(|stage| {
            format!(
                "{}.py\n\n{}\n\nThe input is {}.\n\n{}\n",
                module(&stage.name),
                stage.rendered_prompt().unwrap().trim(),
                input(&stage.input),
                bullets(&checks(stage))
            )
        });
        insta::assert_snapshot!(
            "prompts_of_the_other_stages",
            own.collect::<Vec<_>>().join("\n---\n\n")
        );
    }

    #[test]
    fn a_number_that_changes_in_the_data_changes_in_the_prompt() {
        let cases = [
            (
                0,
                "check = { max_abs = 1,",
                "check = { max_abs = 3,",
                "by more than 3 of 1023",
            ),
            (
                0,
                "max_bias = 1.5",
                "max_bias = 1.25",
                "off by at most 1.25 on average",
            ),
            (0, "timeout_s = 60", "timeout_s = 45", "ended after 45 s"),
            (
                1,
                "check = { min_psnr_db = 40 }",
                "check = { min_psnr_db = 42 }",
                "at least 42 dB (peak 1023)",
            ),
            (
                2,
                "max_mean_difference = 2",
                "max_mean_difference = 3",
                "by at most 3 of 255",
            ),
            (
                2,
                "quality = 90, quality_within = 5 }",
                "quality = 88, quality_within = 5 }",
                "at quality 88",
            ),
            (
                2,
                "quality = 90, quality_within = 5 }",
                "quality = 90, quality_within = 3 }",
                "87 to 93 pass",
            ),
            (
                3,
                "clockwise_degrees = 90 }",
                "clockwise_degrees = 270 }",
                "turned by 270 degrees clockwise",
            ),
            (
                4,
                "check = { max_abs = 0, from_jpeg",
                "check = { blank_sd_share = 0.3, max_abs = 0, from_jpeg",
                "at least 0.3 of the reference's",
            ),
        ];
        for (stage, from, to, asked) in cases {
            assert!(
                IMAGE_PIPELINE.contains(from),
                "the test replaces nothing: {from}"
            );
            let changed = prompts(&IMAGE_PIPELINE.replacen(from, to, 1));
            assert!(
                changed[stage].contains(asked),
                "{asked} is not in:\n{}",
                changed[stage]
            );
            assert!(
                !prompts(IMAGE_PIPELINE)[stage].contains(asked),
                "{asked} was there before"
            );
        }
    }

    #[test]
    fn what_may_be_imported_is_what_the_requirements_pin() {
        let pinned = libraries(
            "# numpy==1\nnumpy==2.5.5 \\\n    --hash=sha256:aa\npillow==13.0.0 --hash=sha256:bb\n",
        );
        let names: Vec<_> = pinned
            .iter()
            .map(|it| (it.name.as_str(), it.version.as_deref().unwrap()))
            .collect();
        assert_eq!(names, [("numpy", "2.5.5"), ("pillow", "13.0.0")]);
        assert!(
            prompts(IMAGE_PIPELINE)[0]
                .contains("may import boto3, numpy 2.5.5 and pillow 13.0.0, and nothing else")
        );
    }

    #[test]
    fn a_repair_quotes_the_verdict_and_names_the_file() {
        let pipeline = Pipeline::parse("pipeline.toml", IMAGE_PIPELINE).unwrap();
        let asked = repair(&pipeline.stages[2], "blank: all samples are 0\n");
        assert!(
            asked.contains("\n\nblank: all samples are 0\n\n")
                && asked.contains("`colour_depth.py`"),
            "{asked}"
        );
    }
}
