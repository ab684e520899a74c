//! TOML text → [`Pipeline`]. Refuses stages that contradict themselves or the stage before.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{
    Format, MAX_SIDE, MAX_TIMEOUT_S, Mode, Operation, Pipeline, SizeRule, Stage, Tolerance,
    Transport,
};
use crate::data_file::{DataFile, DataFileError};

impl Pipeline {
    /// Returns the pipeline that `text` spells. `file` is its name for messages.
    ///
    /// Refuses unknown keys, impossible values, and stages whose size, mode or format contradicts
    /// their operations or the stage before.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataFileError> {
        let file = DataFile { name: file, text };
        let shape: Shape = file.parse()?;
        if let Some(other) = shape
            .image_sets_of
            .as_ref()
            .filter(|other| !is_folder_name(other))
        {
            let message = format!("`{other}` is not the name of a folder under experiments/");
            return Err(file.error_at_key(&(0..text.len()), "image_sets_of", message, None));
        }
        if shape.stages.is_empty() {
            return Err(file.error_at_key(
                &(0..text.len()),
                "stages",
                "a pipeline needs at least one stage",
                None,
            ));
        }
        let mut names = BTreeSet::new();
        let mut previous: Option<&Stage> = None;
        let mut size = None;
        for spanned in &shape.stages {
            let stage = spanned.get_ref();
            let repeated = !names.insert(stage.name.as_str());
            let mistake = if repeated {
                Some(Mistake::new(
                    "name",
                    format!("stage `{}` is declared twice", stage.name),
                ))
            } else {
                stage
                    .mistake()
                    .or_else(|| previous.and_then(|previous| stage.mistake_after(previous)))
                    .or_else(|| size.and_then(|size| stage.mistake_after_size(size)))
            };
            if let Some(Mistake { key, message }) = mistake {
                let key = format!("stages.{}.{key}", stage.name);
                return Err(file.error_at_key(
                    &table_span(text, &spanned.span()),
                    &key,
                    message,
                    None,
                ));
            }
            previous = Some(stage);
            size = stage.output.size.after(size);
        }
        let stages: Vec<Stage> = shape
            .stages
            .iter()
            .map(|stage| stage.get_ref().clone())
            .collect();
        let Shape {
            name,
            description,
            transport,
            image_sets_of,
            ..
        } = shape;
        let destination = stages
            .last()
            .map(|stage: &Stage| stage.name.clone())
            .unwrap_or_default();
        Ok(Self {
            name,
            description,
            transport,
            image_sets_of,
            destination,
            stages,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    name: String,
    description: String,
    #[serde(default)]
    transport: Transport,
    image_sets_of: Option<String>,
    stages: Vec<Spanned<Stage>>,
}

/// Returns the whole of a `[[table]]` whose span may cover its header only: up to the next `[[`.
fn table_span(text: &str, span: &Range<usize>) -> Range<usize> {
    let rest = &text[span.end.min(text.len())..];
    span.start..span.end + rest.find("\n[[").unwrap_or(rest.len())
}

fn is_folder_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

struct Mistake {
    key: &'static str,
    message: String,
}

impl Mistake {
    fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self {
            key,
            message: message.into(),
        }
    }
}

impl Stage {
    fn mistake(&self) -> Option<Mistake> {
        let name_is_plain = !self.name.is_empty()
            && self.name.len() <= 32
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !name_is_plain {
            return Some(Mistake::new(
                "name",
                "a stage's name must have 1 to 32 lowercase letters, digits and hyphens",
            ));
        }
        if !(1..=MAX_TIMEOUT_S).contains(&self.timeout_s) {
            let message = format!(
                "{} s is out of range; Lambda allows 1 to {MAX_TIMEOUT_S}",
                self.timeout_s
            );
            return Some(Mistake::new("timeout_s", message));
        }
        if self.input.formats.is_empty() {
            return Some(Mistake::new(
                "input",
                "`formats` is empty: the stage would accept nothing",
            ));
        }
        self.mistake_in_encoding()
            .or_else(|| self.operations.iter().find_map(Operation::mistake))
            .or_else(|| self.mistake_in_operations())
            .or_else(|| self.check.mistake())
            .or_else(|| {
                let name = self.rendered_prompt().err()?;
                let known = self.facts().into_keys().collect::<Vec<_>>().join(", ");
                Some(Mistake::new(
                    "prompt",
                    format!("unknown placeholder `{{{name}}}` in this stage; known: {known}"),
                ))
            })
    }

    fn mistake_in_encoding(&self) -> Option<Mistake> {
        let fits = |bits: u32, mode: Mode| (1..=mode.container_bits()).contains(&bits);
        if !fits(self.input.used_bits(), self.input.mode) {
            return Some(Mistake::new(
                "input",
                format!("`bits` does not fit {}", self.input.mode.as_str()),
            ));
        }
        let output = &self.output;
        if !fits(output.used_bits(), output.mode) {
            return Some(Mistake::new(
                "output",
                format!("`bits` does not fit {}", output.mode.as_str()),
            ));
        }
        match (output.format, output.mode, output.quality) {
            (Format::Jpeg, Mode::Grey16, _) => {
                Some(Mistake::new("output", "JPEG cannot hold 16-bit samples"))
            }
            (Format::Jpeg, _, None) => Some(Mistake::new(
                "output",
                "a JPEG output needs `quality`, 1 to 100",
            )),
            (Format::Jpeg, _, Some(0 | 101..)) => {
                Some(Mistake::new("output", "`quality` is outside 1 to 100"))
            }
            _ if output.quality_within.is_some_and(|within| within > 50) => Some(Mistake::new(
                "output",
                "`quality_within` is outside 0 to 50, so any quality would pass",
            )),
            _ if output.quality_within.is_some() && output.quality.is_none() => Some(Mistake::new(
                "output",
                "`quality_within` needs `quality`; add it",
            )),
            (Format::Png, _, Some(_)) => Some(Mistake::new(
                "output",
                "`quality` has no meaning for a PNG; remove it",
            )),
            _ => None,
        }
    }

    /// Follows size, mode and bits through the operations; what comes out must be what `output`
    /// promises.
    fn mistake_in_operations(&self) -> Option<Mistake> {
        if self.operations.is_empty() {
            return Some(Mistake::new(
                "operations",
                "is empty; write \"reencode\" for a stage that changes only the encoding",
            ));
        }
        let mut size = SizeRule::Unchanged;
        let (mut mode, mut bits) = (self.input.mode, self.input.used_bits());
        for operation in &self.operations {
            match *operation {
                Operation::Greyscale { bits: to, .. } => {
                    if mode != Mode::Rgb8 || bits != 8 {
                        return Some(Mistake::new(
                            "operations",
                            "`greyscale` needs 8-bit rgb8 before it",
                        ));
                    }
                    (mode, bits) = (grey_of(to), to);
                }
                Operation::Depth { from_bits, to_bits } => {
                    if from_bits != bits {
                        let message = format!(
                            "`depth` says from_bits = {from_bits}, but the samples have {bits} bits"
                        );
                        return Some(Mistake::new("operations", message));
                    }
                    bits = to_bits;
                    if mode != Mode::Rgb8 {
                        mode = grey_of(to_bits);
                    }
                }
                Operation::Resize { width, height, .. } => {
                    size = SizeRule::Exactly { width, height }
                }
                Operation::Rotate {
                    clockwise_degrees: 180,
                }
                | Operation::Reencode => {}
                Operation::Rotate { .. } => size = swapped(size),
            }
        }
        if (mode, bits) != (self.output.mode, self.output.used_bits()) {
            let message = format!(
                "promises {} of {} bits, but the operations make {} of {bits} bits",
                self.output.mode.as_str(),
                self.output.used_bits(),
                mode.as_str()
            );
            return Some(Mistake::new("output", message));
        }
        self.mistake_in_size(size)
    }

    fn mistake_in_size(&self, made: SizeRule) -> Option<Mistake> {
        // A rule that names the size says more than "swapped" does: the stage before decides
        // whether it is true.
        let compatible =
            made == self.output.size || (made == SizeRule::Swapped && self.output.size.is_exact());
        (!compatible).then(|| {
            let message = format!(
                "promises size {}, but the operations make it {made}",
                self.output.size
            );
            Mistake::new("output", message)
        })
    }

    fn mistake_after(&self, previous: &Self) -> Option<Mistake> {
        let (before, after) = (&previous.output, &self.input);
        if !after.formats.contains(&before.format) {
            let message = format!(
                "does not accept {}, which stage `{}` writes",
                before.format.title(),
                previous.name
            );
            return Some(Mistake::new("input", message));
        }
        if (before.mode, before.used_bits()) != (after.mode, after.used_bits()) {
            let message = format!(
                "expects {} of {} bits, but stage `{}` writes {} of {} bits",
                after.mode.as_str(),
                after.used_bits(),
                previous.name,
                before.mode.as_str(),
                before.used_bits()
            );
            return Some(Mistake::new("input", message));
        }
        None
    }

    /// `size` is what the stage before writes, where the pipeline decides it.
    fn mistake_after_size(&self, size: (u32, u32)) -> Option<Mistake> {
        let mut made = size;
        for operation in &self.operations {
            match *operation {
                Operation::Resize { width, height, .. } => made = (width, height),
                Operation::Rotate {
                    clockwise_degrees: 90 | 270,
                } => made = (made.1, made.0),
                _ => {}
            }
        }
        let promised = self.output.size.apply(size.0, size.1);
        (promised != made).then(|| {
            let message = format!(
                "promises {}x{}, but {}x{} of the stage before becomes {}x{}",
                promised.0, promised.1, size.0, size.1, made.0, made.1
            );
            Mistake::new("output", message)
        })
    }
}

const fn grey_of(bits: u32) -> Mode {
    if bits > 8 { Mode::Grey16 } else { Mode::Grey8 }
}

const fn swapped(size: SizeRule) -> SizeRule {
    match size {
        SizeRule::Unchanged => SizeRule::Swapped,
        SizeRule::Swapped => SizeRule::Unchanged,
        SizeRule::Exactly { width, height } => SizeRule::Exactly {
            width: height,
            height: width,
        },
    }
}

impl SizeRule {
    /// Returns the output's size as far as the pipeline decides it, given the input's.
    fn after(self, size: Option<(u32, u32)>) -> Option<(u32, u32)> {
        match self {
            Self::Exactly { width, height } => Some((width, height)),
            _ => size.map(|(width, height)| self.apply(width, height)),
        }
    }

    const fn is_exact(self) -> bool {
        matches!(self, Self::Exactly { .. })
    }
}

impl Operation {
    fn mistake(&self) -> Option<Mistake> {
        let sides = |side: u32| (1..=MAX_SIDE).contains(&side);
        let depth = |bits: u32| (1..=16).contains(&bits);
        let message = match *self {
            Self::Greyscale { bits, .. } if !(8..=16).contains(&bits) => {
                "`greyscale` makes 8 to 16 bits"
            }
            Self::Resize { width, height, .. } if !sides(width) || !sides(height) => {
                "`resize` makes sides of 1 to 16384 pixels"
            }
            Self::Depth { from_bits, to_bits } if !depth(from_bits) || !depth(to_bits) => {
                "`depth` maps between 1 and 16 bits"
            }
            Self::Rotate { clockwise_degrees } if !matches!(clockwise_degrees, 90 | 180 | 270) => {
                "`rotate` turns by 90, 180 or 270 clockwise_degrees"
            }
            _ => return None,
        };
        Some(Mistake::new("operations", message))
    }
}

impl Tolerance {
    fn mistake(&self) -> Option<Mistake> {
        let set = [self.max_abs, self.min_psnr_db, self.max_mean_difference];
        if self.max_abs.is_none() && self.min_psnr_db.is_none() {
            return Some(Mistake::new(
                "check",
                "needs `max_abs` or `min_psnr_db`: without one, any image would pass",
            ));
        }
        let from_jpeg = self.from_jpeg.map_or([0.0; 2], |from_jpeg| {
            [from_jpeg.max_abs, from_jpeg.max_bias]
        });
        let blank = [
            self.blank_sd_share,
            self.blank_levels_share,
            self.blank_mean_factor,
        ];
        let valid = |value: f64| value.is_finite() && value >= 0.0;
        let all_valid = set
            .into_iter()
            .flatten()
            .chain(blank)
            .chain(from_jpeg)
            .all(valid);
        (!all_valid).then(|| Mistake::new("check", "must be a number, 0 or more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE_PIPELINE: &str =
        include_str!("../../../../experiments/image-pipeline/pipeline.toml");

    fn refusal(from: &str, to: &str) -> String {
        assert!(IMAGE_PIPELINE.contains(from), "the test replaces nothing");
        let text = IMAGE_PIPELINE.replacen(from, to, 1);
        Pipeline::parse("pipeline.toml", &text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_image_pipeline_has_its_five_stages_in_order() {
        let pipeline = Pipeline::parse("pipeline.toml", IMAGE_PIPELINE).unwrap();
        let names: Vec<_> = pipeline
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["greyscale", "resize", "colour-depth", "rotate", "convert"]
        );
        assert_eq!(pipeline.stages[0].output.peak(), 1023);
        assert_eq!(pipeline.stages[3].clockwise_degrees(), 90);
        assert_eq!(pipeline.stages[1].output.size.apply(451, 300), (800, 600));
    }

    #[test]
    fn prompts_are_filled_in_from_the_data_that_is_checked() {
        let pipeline = Pipeline::parse("pipeline.toml", IMAGE_PIPELINE).unwrap();
        let prompts: Vec<_> = pipeline
            .stages
            .iter()
            .map(|stage| stage.rendered_prompt().unwrap())
            .collect();
        assert!(
            prompts[0].contains("from 0..255 to 0..1023"),
            "{}",
            prompts[0]
        );
        assert!(prompts[1].contains("exactly 800x600 pixels"));
        assert!(prompts[2].contains("1023 becomes 255"));
        assert!(prompts[3].contains("90 degrees clockwise"));
        assert!(prompts.iter().all(|prompt| !prompt.contains(['{', '}'])));
    }

    #[test]
    fn a_stage_composed_of_known_operations_needs_only_data() {
        let thumbnail = r#"
[[stages]]
name = "thumbnail"
load = "cpu"
timeout_s = 10
input = { formats = ["png"], mode = "grey8" }
output = { format = "jpeg", mode = "grey8", size = "80x60", quality = 80 }
operations = [{ rotate = { clockwise_degrees = 270 } }, { resize = { width = 80, height = 60, filter = "lanczos3" } }]
check = { min_psnr_db = 30 }
prompt = "Make a thumbnail."
"#;
        let pipeline =
            Pipeline::parse("pipeline.toml", &format!("{IMAGE_PIPELINE}{thumbnail}")).unwrap();
        assert_eq!(pipeline.stages.len(), 6);
    }

    #[test]
    fn a_mistake_is_told_with_file_line_and_key() {
        let line = 1 + IMAGE_PIPELINE
            .lines()
            .position(|line| line.starts_with("timeout_s"))
            .unwrap();
        assert_eq!(
            refusal("timeout_s = 60", "timeout_s = 901"),
            format!(
                "pipeline.toml:{line}: stages.greyscale.timeout_s: 901 s is out of range; Lambda allows 1 to 900"
            )
        );
    }

    #[test]
    fn stages_that_contradict_themselves_or_each_other_are_refused() {
        let cases = [
            (
                "name = \"resize\"",
                "name = \"greyscale\"",
                "declared twice",
            ),
            (
                "name = \"resize\"",
                "name = \"re size\"",
                "lowercase letters",
            ),
            (
                "size = \"800x600\"",
                "size = \"600x800\"",
                "promises size 600x800, but the operations make it 800x600",
            ),
            ("size = \"800x600\"", "size = \"big\"", "size `big` is not"),
            (
                "size = \"swapped\"",
                "size = \"unchanged\"",
                "promises size unchanged",
            ),
            (
                "size = \"swapped\"",
                "size = \"500x800\"",
                "promises 500x800, but 800x600",
            ),
            (
                "from_bits = 10",
                "from_bits = 12",
                "the samples have 10 bits",
            ),
            (
                "to_bits = 8",
                "to_bits = 7",
                "the operations make grey8 of 7 bits",
            ),
            (
                "bits = 10, size = \"unchanged\"",
                "bits = 17, size = \"unchanged\"",
                "does not fit grey16",
            ),
            (
                "clockwise_degrees = 90 }",
                "clockwise_degrees = 45 }",
                "turns by 90, 180 or 270",
            ),
            (", quality = 90", "", "needs `quality`"),
            (
                "quality_within = 5",
                "quality_within = 60",
                "outside 0 to 50",
            ),
            (
                "format = \"png\", mode = \"grey8\", size = \"unchanged\"",
                "format = \"png\", mode = \"grey8\", size = \"unchanged\", quality_within = 5",
                "needs `quality`",
            ),
            (
                "check = { max_abs = 0, from_jpeg = { max_abs = 2, max_bias = 2 } }",
                "check = {}",
                "any image would pass",
            ),
            (
                "check = { max_abs = 0, from_jpeg = { max_abs = 2, max_bias = 2 } }",
                "check = { max_abs = nan }",
                "must be a number, 0 or more",
            ),
            ("{width}x", "{breadth}x", "unknown placeholder `{breadth}`"),
            (
                "[\"reencode\"]",
                "[\"sharpen\"]",
                "unknown variant `sharpen`",
            ),
            (
                "input = { formats = [\"jpeg\"]",
                "input = { formats = [\"png\"]",
                "does not accept JPEG, which stage `colour-depth`",
            ),
            ("load = \"io\"", "lode = \"io\"", "unknown field `lode`"),
        ];
        for (from, to, expected) in cases {
            let message = refusal(from, to);
            assert!(message.contains(expected), "{to}: {message}");
        }
    }
}
