//! Judges one output of one stage with its own input. The checks run in the contract's order; the
//! first that fails is the reason.

use darkroom_core::event::Verdict;
use darkroom_core::pipeline::{Format, FromJpeg, Stage};

use crate::beside::{ALLOWED, beside};
use crate::bias::{CLOSE_LEVELS_TO_TELL, FEWEST_CLOSE_LEVELS};
use crate::closest::{Closest, broken};
use crate::codec::{Undecodable, decode};
use crate::diagnosis::{self, Judged};
use crate::fit;
use crate::header::{Header, NotAnImage, format_of};
use crate::jpeg_quality::jpeg_quality;
use crate::measure::{Difference, mse_under, psnr_db, ssim};
use crate::orientation::{Turn, best_fit};
use crate::picture::Picture;
use crate::reference::{input_picture, reference_picture};

/// The reasons a verdict can give, in the order the checks are made.
pub mod reason {
    pub const MISSING: &str = "missing";
    pub const NOT_DECODABLE: &str = "not decodable";
    pub const WRONG_FORMAT: &str = "wrong format";
    pub const WRONG_MODE: &str = "wrong mode/bit depth";
    /// The stage's input is not what the stage takes, so that its output can't be judged.
    pub const NO_REFERENCE: &str = "no reference";
    pub const WRONG_SIZE: &str = "wrong size";
    pub const BLANK: &str = "blank";
    pub const WRONG_ORIENTATION: &str = "wrong orientation";
    pub const OUT_OF_TOLERANCE: &str = "out of tolerance";
    pub const WRONG_QUALITY: &str = "wrong quality";
    /// The output carries more to the next stage than a picture.
    pub const MORE_THAN_A_PICTURE: &str = "more than a picture";
}

struct FailedCheck {
    reason: &'static str,
    detail: String,
}

impl FailedCheck {
    fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// Returns the verdict on what `stage` wrote for `input`; `None` if it wrote nothing.
///
/// Values that were measured before the first failed check are in the verdict; the others are
/// `None`. No bytes panic.
pub fn check(stage: &Stage, input: &[u8], output: Option<&[u8]>) -> Verdict {
    check_standing_for(stage, input, input, output)
}

/// Returns the verdict on what `stage` wrote when it was given `given`, judged by what it should
/// make of `stands_for`: the same picture in a kind that the stage takes.
pub fn check_standing_for(
    stage: &Stage,
    given: &[u8],
    stands_for: &[u8],
    output: Option<&[u8]>,
) -> Verdict {
    let mut verdict = Verdict::default();
    let lossy = format_of(given) == Some(Format::Jpeg);
    match judge(stage, stands_for, lossy, output, &mut verdict) {
        Ok(()) => verdict.pass = true,
        Err(FailedCheck { reason, detail }) => {
            verdict.reason = Some(reason.to_owned());
            verdict.detail = Some(detail);
        }
    }
    verdict
}

fn judge(
    stage: &Stage,
    input: &[u8],
    lossy: bool,
    output: Option<&[u8]>,
    verdict: &mut Verdict,
) -> Result<(), FailedCheck> {
    let bytes = output.ok_or_else(|| {
        let extension = stage.output.format.extension();
        FailedCheck::new(
            reason::MISSING,
            format!("no object at the output's key; expected a .{extension}"),
        )
    })?;
    let picture = decoded(stage, bytes, verdict)?;
    check_samples_fit(stage, &picture)?;
    let (header, first) = input_picture(stage, input)
        .map_err(|error| FailedCheck::new(reason::NO_REFERENCE, error.to_string()))?;
    check_size(stage, &first, &picture)?;
    let closest = Closest::of(stage, input, &header, first, &picture);
    let judged = Judged {
        stage,
        input: &closest.input,
        reference: &closest.reference,
        output: &picture,
    };
    record(verdict, stage, &closest.difference);
    check_blank(&judged, &closest.difference)?;
    check_orientation(&judged, verdict)?;
    verdict.quality = jpeg_quality(bytes)
        .filter(|_| stage.output.format == Format::Jpeg)
        .map(|quality| quality.value);
    verdict.ssim = ssim(&picture, &closest.reference, stage.output.peak());
    check_tolerance(&judged, &closest, input, lossy)?;
    check_quality(stage, bytes)?;
    check_beside(input, bytes)
}

/// Missing bytes apart, what the bytes are: not decodable, wrong format, wrong mode.
fn decoded(stage: &Stage, bytes: &[u8], verdict: &mut Verdict) -> Result<Picture, FailedCheck> {
    let expected = &stage.output;
    let name = format!("named .{}", expected.format.extension());
    verdict.format = format_of(bytes).map(|format| format.as_str().to_owned());
    let (header, picture) = decode(bytes).map_err(|error| match error {
        Undecodable::NotAnImage(NotAnImage::OtherFormat(found)) => {
            FailedCheck::new(reason::WRONG_FORMAT, format!("{found} bytes {name}"))
        }
        Undecodable::NotAnImage(NotAnImage::RareKind(kind)) => {
            FailedCheck::new(reason::WRONG_FORMAT, format!("{kind} ({name})"))
        }
        error => FailedCheck::new(reason::NOT_DECODABLE, format!("{error} ({name})")),
    })?;
    let Header {
        format,
        mode,
        width,
        height,
    } = header;
    verdict.mode = Some(mode.to_string());
    (verdict.width, verdict.height) = (Some(width), Some(height));
    if format != expected.format {
        return Err(FailedCheck::new(
            reason::WRONG_FORMAT,
            format!("{} bytes {name}", format.title()),
        ));
    }
    if !mode.is(expected.mode) {
        let cause = diagnosis::of_mode(expected.mode, mode)
            .map_or(String::new(), |cause| format!(": {cause}?"));
        let detail = format!("expected {}, found {mode}{cause}", expected.mode.as_str());
        return Err(FailedCheck::new(reason::WRONG_MODE, detail));
    }
    Ok(picture)
}

/// A sample above the peak is not of the promised depth.
fn check_samples_fit(stage: &Stage, picture: &Picture) -> Result<(), FailedCheck> {
    let (peak, max) = (stage.output.peak(), u32::from(picture.max()));
    if max <= peak {
        return Ok(());
    }
    let cause = if max > 4 * peak {
        "scaled to the container's range"
    } else {
        "the filter's overshoot not clipped"
    };
    let bits = stage.output.used_bits();
    let detail = format!("expected {bits}-bit samples, 0 to {peak}, found {max}: {cause}?");
    Err(FailedCheck::new(reason::WRONG_MODE, detail))
}

fn check_size(stage: &Stage, input: &Picture, output: &Picture) -> Result<(), FailedCheck> {
    let (expected, found) = (
        stage.output.size.apply(input.width, input.height),
        output.size(),
    );
    if expected == found {
        return Ok(());
    }
    let judged = Judged {
        stage,
        input,
        reference: &reference_picture(stage, input),
        output,
    };
    let cause = diagnosis::of_size(&judged).map_or(String::new(), |cause| format!(": {cause}?"));
    let detail = format!(
        "expected {}x{}, found {}x{}{cause}",
        expected.0, expected.1, found.0, found.1
    );
    Err(FailedCheck::new(reason::WRONG_SIZE, detail))
}

fn record(verdict: &mut Verdict, stage: &Stage, difference: &Difference) {
    verdict.mse = Some(difference.mse);
    verdict.psnr_db = difference.psnr_db(stage.output.peak());
    verdict.max_abs = Some(difference.max_abs);
    verdict.mean_out = Some(difference.mean_output);
    verdict.mean_reference = Some(difference.mean_reference);
    verdict.levels = Some(difference.levels_output);
}

/// Judged against the reference, never an absolute brightness: real night photographs are dark.
fn check_blank(judged: &Judged, difference: &Difference) -> Result<(), FailedCheck> {
    let tolerance = &judged.stage.check;
    let Difference {
        mean_output,
        mean_reference,
        sd_output,
        sd_reference,
        levels_output,
        levels_reference,
        ..
    } = *difference;
    let flat = sd_output < tolerance.blank_sd_share * sd_reference;
    let poor =
        f64::from(levels_output) < tolerance.blank_levels_share * f64::from(levels_reference);
    let factor = tolerance.blank_mean_factor;
    // Of two almost black pictures neither is blank because the other's mean is a tenth of a level.
    let far = (mean_output - mean_reference).abs() > 0.01 * f64::from(judged.stage.output.peak());
    let dark_or_bright =
        far && (mean_output * factor < mean_reference || mean_output > factor * mean_reference);
    if !(flat || poor || dark_or_bright) {
        return Ok(());
    }
    let cause =
        diagnosis::of_blank(judged, difference).map_or(String::new(), |cause| format!("{cause}? "));
    let detail = format!(
        "{cause}(mean {mean_output:.1} where {mean_reference:.1} was expected, standard deviation {sd_output:.1} where \
         {sd_reference:.1}, {levels_output} levels where {levels_reference})"
    );
    Err(FailedCheck::new(reason::BLANK, detail))
}

fn check_orientation(judged: &Judged, verdict: &mut Verdict) -> Result<(), FailedCheck> {
    let expected = Turn::clockwise(judged.stage.clockwise_degrees());
    let Some(fit) = best_fit(judged.output, judged.reference) else {
        return Ok(());
    };
    // That some turn fits best says nothing if none fits: then the picture is wrong, not its
    // orientation.
    let peak = judged.stage.output.peak();
    let fits = psnr_db(fit.mse, peak).is_none_or(|psnr| psnr >= 25.0);
    let straight = mse_under(judged.output, judged.reference, Turn::NONE);
    if fit.turn == Turn::NONE || !(fits || fit.mse < straight / 20.0) {
        let known = fit.turn == Turn::NONE && fit.decisive && fits;
        verdict.orientation = known.then(|| expected.to_string());
        return Ok(());
    }
    let found = expected.then(fit.turn);
    verdict.orientation = Some(found.to_string());
    let found = match (expected, found) {
        (Turn::CLOCKWISE, Turn::ANTICLOCKWISE) => "rotated anticlockwise".to_owned(),
        (Turn::NONE, found) => format!("{found}, but it should lie as the input does"),
        (expected, found) => format!("found {found}, expected {expected}"),
    };
    Err(FailedCheck::new(reason::WRONG_ORIENTATION, found))
}

/// An output is right if it is so for one decoder's reading of the input. For a JPEG it may be so
/// for a decoder that is not known here: then its samples lie near those of the known ones, it is
/// off by neither level nor colour, and it is not made of a known reading in another way.
fn check_tolerance(
    judged: &Judged,
    closest: &Closest,
    input: &[u8],
    lossy: bool,
) -> Result<(), FailedCheck> {
    let Judged { stage, output, .. } = *judged;
    let mut broken = broken(stage, &closest.difference);
    if broken.is_empty() {
        return Ok(());
    }
    if let Some(from_jpeg) = stage.check.from_jpeg.filter(|_| lossy) {
        broken = far_from_every_decoder(stage, from_jpeg, closest, output);
    }
    // Decoded once more than needed, but never for right code of a known decoder.
    let exactly = || fit::mistake(stage, input, output).ok().flatten();
    if broken.is_empty() {
        return exactly().map_or(Ok(()), |mistake| {
            Err(FailedCheck::new(reason::OUT_OF_TOLERANCE, mistake))
        });
    }
    let cause = diagnosis::of_samples(judged, &closest.difference).or_else(exactly);
    let cause = cause.map_or(String::new(), |cause| format!(": {cause}?"));
    Err(FailedCheck::new(
        reason::OUT_OF_TOLERANCE,
        format!("{}{cause}", broken.join("; ")),
    ))
}

/// Whether the output holds little beside its picture. What its input held may be handed on.
fn check_beside(input: &[u8], bytes: &[u8]) -> Result<(), FailedCheck> {
    let (found, handed_on) = (beside(bytes), beside(input));
    if found <= handed_on + ALLOWED {
        return Ok(());
    }
    let detail = format!(
        "{found} bytes of the file do not belong to the image, at most {} are allowed: data sent \
         beside the image would do the next stage's work",
        handed_on + ALLOWED
    );
    Err(FailedCheck::new(reason::MORE_THAN_A_PICTURE, detail))
}

/// Whether a JPEG was written at the quality that was asked for. Fewer bytes at a lower one are not
/// faster code.
fn check_quality(stage: &Stage, bytes: &[u8]) -> Result<(), FailedCheck> {
    let (Some(asked), Some(within)) = (stage.output.quality, stage.output.qualities()) else {
        return Ok(());
    };
    let Some(found) = jpeg_quality(bytes) else {
        return Err(FailedCheck::new(
            reason::WRONG_QUALITY,
            "its quantisation table cannot be read",
        ));
    };
    let pass = if found.exact {
        within.of_a_known_table
    } else {
        within.of_another
    };
    let (least, most) = (pass.start(), pass.end());
    if pass.contains(&found.value) {
        return Ok(());
    }
    let about = if found.exact { "" } else { "about " };
    let detail = format!(
        "expected a JPEG of quality {asked} ({least} to {most} pass), found {about}{} in its \
         quantisation table",
        found.value
    );
    Err(FailedCheck::new(reason::WRONG_QUALITY, detail))
}

/// Returns in words what no decoder of a JPEG does.
fn far_from_every_decoder(
    stage: &Stage,
    allowed: FromJpeg,
    closest: &Closest,
    output: &Picture,
) -> Vec<String> {
    let FromJpeg { max_abs, max_bias } = allowed;
    let (outside, bias) = (closest.range.outside(output), closest.bias(stage, output));
    let mut broken = Vec::new();
    if f64::from(outside) > max_abs {
        broken.push(format!(
            "a sample lies {outside} levels outside what JPEG decoders give, allowed {max_abs}"
        ));
    }
    let expected = closest.range.close_levels;
    let deeper = stage.output.used_bits() > stage.input.used_bits();
    if deeper
        && expected >= CLOSE_LEVELS_TO_TELL
        && f64::from(bias.close_levels) < FEWEST_CLOSE_LEVELS * f64::from(expected)
    {
        broken.push(format!(
            "the levels lie in steps: {} are within 2 of the next one, but {expected} are expected",
            bias.close_levels
        ));
    }
    let ((from, to), off) = (bias.level, bias.of_a_level);
    if off > max_bias {
        broken.push(format!(
            "levels {from} to {to} are off by {off:.1} on average, allowed {max_bias}"
        ));
    }
    let (off, allowed) = (bias.of_a_colour, 2.0 * max_bias);
    if off > allowed {
        broken.push(format!(
            "one colour is off by {off:.1} levels on average, allowed {allowed}"
        ));
    }
    broken
}
