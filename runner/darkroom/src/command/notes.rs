//! What several commands say about the study before or after their work.

use darkroom_core::manifest::{Generation, Manifest};

use crate::cli::Globals;
use crate::display;
use crate::project::Project;
use crate::study;

/// Says which project folder a command uses, where it is not the current folder.
pub(super) fn say_which(project: &Project, globals: Globals) {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    if !globals.quiet && !globals.json && here.is_ok_and(|here| here != project.root()) {
        display::note(&format!("project folder: {}", project.root().display()));
    }
}

/// Says which files that a manifest uses are another version's.
pub(super) fn say_what_differs(project: &Project, manifest: &Manifest, globals: Globals) {
    if globals.quiet || globals.json {
        return;
    }
    let pipeline = &manifest.experiment.pipeline;
    let variants = manifest.matrix.variants.iter();
    let below: Vec<String> = variants
        .map(|variant| format!("functions/{variant}/"))
        .chain([
            format!("experiments/{pipeline}/pipeline.toml"),
            format!("experiments/prices/{}.toml", manifest.target.region),
        ])
        .collect();
    if let Some(said) = study::differences(project.root(), &below) {
        display::note(&said);
    }
}

/// Says which samples of models are there and not asked for any more.
pub(super) fn say_what_is_left_alone(generation: &Generation, globals: Globals) {
    if generation.left_alone.is_empty() || globals.quiet || globals.json {
        return;
    }
    let names: Vec<String> = generation
        .left_alone
        .iter()
        .map(|name| format!("functions/{name}"))
        .collect();
    display::note(&format!(
        "left alone and not measured, beyond the `samples` of the manifest: {}",
        names.join(", ")
    ));
}

/// Says that a newer program made this study: what went wrong may be that.
pub(super) fn say_if_newer(globals: Globals) {
    let said = Project::here()
        .ok()
        .and_then(|project| study::by_a_newer(project.root()));
    if let Some(said) = said.filter(|_| !globals.json) {
        display::note(&said);
    }
}
