//! Checks a drafted variant: runs `darkroom check` on it, and returns the findings as text for the
//! model.
//!
//! A project that holds the variant → what is wrong with it, by stage. Leaves nothing behind
//! outside of that project's folder.

use std::collections::BTreeMap;

use crate::checked::Checked;
use crate::cli::Globals;
use crate::display::progress::Progress;
use crate::exit::Failure;
use crate::project::Project;
use crate::session::check::{CheckRequest, check};

/// The images it is checked on.
const IMAGE_SET: &str = "photos";

/// Returns what is wrong with `variant`, by stage; empty when every output of every image passed.
pub fn verdicts(
    project: &Project,
    pipeline: &str,
    variant: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let request = CheckRequest {
        architecture: None,
        runtime: None,
        project,
        variant,
        pipeline,
        image_set: IMAGE_SET,
        stages: &[],
        repetitions: 1,
        all_pictures: false,
    };
    let report = check(
        &request,
        &Progress::new(
            Globals {
                quiet: true,
                json: false,
            },
            true,
        ),
    )?;
    let mut wrong = BTreeMap::new();
    for output in report.outputs.iter().filter(|output| !output.pass) {
        wrong
            .entry(output.stage.clone())
            .or_insert_with(|| said(output));
    }
    Ok(wrong)
}

fn said(output: &Checked) -> String {
    let call = [output.error_type.as_deref(), output.error.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    match (&output.verdict, &output.reason) {
        (Some(_), Some(reason)) => {
            format!("The output of image {} is wrong: {reason}", output.image)
        }
        (_, reason) => {
            let words = if call.is_empty() {
                reason.clone().unwrap_or_default()
            } else {
                call
            };
            format!(
                "The call for image {} failed ({}): {words}",
                output.image,
                output.status.as_str()
            )
        }
    }
}
