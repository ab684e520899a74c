//! How packages were built → the frame of `builds`: a row for the variant's own code, then one per
//! dependency.

use darkroom_core::event::{Dependency, PackageBuilt};
use polars::prelude::{DataFrame, PolarsResult};

use crate::columns;
use crate::facts::JournalFacts;
use crate::frames::{frame, integers, texts};

/// Returns the rows of `builds`, in journal order.
pub fn build_frame(facts: &JournalFacts) -> PolarsResult<DataFrame> {
    let rows: Vec<(&PackageBuilt, Option<&Dependency>)> = facts
        .built
        .iter()
        .flat_map(|built| {
            std::iter::once((built, None)).chain(
                built
                    .build
                    .dependencies
                    .iter()
                    .map(move |d| (built, Some(d))),
            )
        })
        .collect();
    let of_build =
        |of: fn(&PackageBuilt) -> Option<String>| rows.iter().map(move |(built, _)| of(built));
    let of_part =
        |of: fn(&Dependency) -> Option<String>| rows.iter().map(move |(_, part)| part.and_then(of));
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(" "));
    let layers: Vec<Option<String>> = rows
        .iter()
        .map(|(built, _)| joined(&built.layers_sha256))
        .collect();
    let features: Vec<Option<String>> = rows
        .iter()
        .map(|(_, part)| part.and_then(|p| joined(&p.features)))
        .collect();
    let hashes: Vec<Option<String>> = rows
        .iter()
        .map(|(_, part)| part.and_then(|p| joined(&p.sha256)))
        .collect();
    let columns = vec![
        texts("run_id", rows.iter().map(|_| Some(&facts.run.run_id))),
        texts("variant", of_build(|built| Some(built.variant.clone()))),
        texts(
            "architecture",
            of_build(|built| Some(built.architecture.to_string())),
        ),
        texts("runtime", of_build(|built| Some(built.runtime.clone()))),
        texts(
            "code_sha256",
            of_build(|built| Some(built.code_sha256.clone())),
        ),
        integers(
            "code_bytes",
            rows.iter().map(|(built, _)| Some(built.code_bytes as i64)),
        ),
        integers(
            "unzipped_bytes",
            rows.iter()
                .map(|(built, _)| Some(built.unzipped_bytes as i64)),
        ),
        texts("layers_sha256", layers.iter().map(Option::as_ref)),
        texts("compiler", of_build(|built| built.build.compiler.clone())),
        texts("command", of_build(|built| built.build.command.clone())),
        texts("profile", of_build(|built| built.build.profile.clone())),
        texts("glibc", of_build(|built| built.build.glibc.clone())),
        texts("dependency", of_part(|part| Some(part.name.clone()))),
        texts("version", of_part(|part| Some(part.version.clone()))),
        texts("features", features.iter().map(Option::as_ref)),
        texts("sha256", hashes.iter().map(Option::as_ref)),
        texts("jpeg_decoder", of_part(|part| part.jpeg_decoder.clone())),
    ];
    frame(&columns::BUILDS, columns)
}
