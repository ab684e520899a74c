//! Chooses the pinned requirements of an imported variant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::error::ImportError;
use super::request::ImportRequest;
use super::scan::ScannedFile;

/// What the Lambda runtime for Python brings along.
const IN_THE_RUNTIME: &[&str] = &[
    "boto3",
    "botocore",
    "s3transfer",
    "dateutil",
    "jmespath",
    "urllib3",
    "six",
];

/// Returns the name of the requirements in the variant's folder, if the code needs more than the
/// runtime brings.
pub fn requirements(
    request: &ImportRequest<'_>,
    scanned: &[ScannedFile],
    files: &mut BTreeMap<String, PathBuf>,
    notes: &mut Vec<String>,
) -> Result<Option<String>, ImportError> {
    const NAME: &str = "darkroom-requirements.txt";
    if let Some(path) = request.requirements {
        if !path.is_file() {
            return Err(
                ImportError::new(format!("{} is not a file", path.display()))
                    .help("name a file of pinned requirements with --requirements"),
            );
        }
        files.insert(NAME.to_owned(), path.to_owned());
        return Ok(Some(NAME.to_owned()));
    }
    let own = "requirements.txt";
    if let Some(path) = files.get(own) {
        if fs::read_to_string(path).is_ok_and(|text| text.contains("--hash")) {
            return Ok(Some(own.to_owned()));
        }
        notes.push(
            "its requirements.txt has no hashes, so it does not pin the code that is measured"
                .to_owned(),
        );
    }
    let local: BTreeSet<&str> = scanned
        .iter()
        .map(|file| file.name.split(['/', '.']).next().unwrap_or(""))
        .collect();
    let needed: BTreeSet<&str> = scanned
        .iter()
        .flat_map(|file| &file.imports)
        .map(String::as_str)
        .filter(|module| !local.contains(module) && !IN_THE_RUNTIME.contains(module))
        .collect();
    let of = match needed.iter().copied().collect::<Vec<_>>().as_slice() {
        [] => return Ok(None),
        ["PIL"] => "pillow",
        ["PIL", "numpy"] | ["numpy"] => "numpy",
        _ => {
            let modules: Vec<&str> = needed.into_iter().collect();
            notes.push(format!(
                "it imports {}, and Darkroom knows no pinned requirements for that: set \
                 --requirements, or Lambda cannot import it",
                modules.join(", ")
            ));
            return Ok(None);
        }
    };
    let path = request.project.variant_dir(of).join(own);
    if !path.is_file() {
        notes.push(format!(
            "{} is missing: set --requirements to a file of pinned requirements",
            path.display()
        ));
        return Ok(None);
    }
    notes.push(format!(
        "its requirements are a copy of functions/{of}/requirements.txt, in {NAME}"
    ));
    files.insert(NAME.to_owned(), path);
    Ok(Some(NAME.to_owned()))
}
