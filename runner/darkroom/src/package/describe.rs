//! Decides what goes into a package: which of a variant's files, and under which name. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Names that describe a variant rather than being part of it; not packaged.
const ABOUT_THE_VARIANT: &[&str] = &["variant.toml", "provenance"];
/// Extensions that no handler reads at run time. Wheels become a layer, where requirements name
/// them.
const NOT_CODE: &[&str] = &["pyc", "pyo", "md", "whl"];

/// Returns the files of a Python variant that are packaged, out of all paths relative to its
/// folder, sorted.
///
/// Everything as it was written, but for hidden files, caches, documents, provenance,
/// `variant.toml`, and the requirements and wheels, which become a layer.
pub fn python_files(all: &[PathBuf], requirements: Option<&str>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = all
        .iter()
        .filter(|path| is_code(path) && requirements.is_none_or(|name| *path != Path::new(name)))
        .cloned()
        .collect();
    files.sort();
    files
}

/// Returns the files of a Cargo project that its binary is made from, sorted: all but build output
/// and hidden files, of which `.cargo/config.toml` alone counts.
pub fn cargo_inputs(all: &[PathBuf]) -> Vec<PathBuf> {
    let part_of_build = |path: &&PathBuf| {
        let first = path
            .components()
            .next()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default();
        first != "target"
            && path.as_path() != Path::new("variant.toml")
            && (first == ".cargo" || !is_hidden(path))
    };
    let mut files: Vec<PathBuf> = all.iter().filter(part_of_build).cloned().collect();
    files.sort();
    files
}

/// Returns the file that a Python handler (`package.module.function`) is in, the first of its two
/// possible places, if it is not among `files`.
pub fn missing_module(handler: &str, files: &[PathBuf]) -> Option<PathBuf> {
    let module = handler
        .rsplit_once('.')
        .map_or(handler, |(module, _)| module)
        .replace('.', "/");
    let places = [format!("{module}.py"), format!("{module}/__init__.py")].map(PathBuf::from);
    let known: BTreeSet<&PathBuf> = files.iter().collect();
    if places.iter().any(|place| known.contains(place)) {
        None
    } else {
        places.into_iter().next()
    }
}

/// Returns where a wheel's file belongs under `python/` of a layer; `None` for what only an
/// installer needs.
///
/// Source: binary distribution format, "Installing a wheel": files of `<name>.data/purelib` and
/// `platlib` go to the root; scripts, headers and data have no place in a layer.
pub fn layer_place(in_wheel: &str) -> Option<String> {
    let (top, rest) = in_wheel.split_once('/').unwrap_or((in_wheel, ""));
    if in_wheel.ends_with('/') {
        return None;
    }
    if Path::new(top)
        .extension()
        .is_none_or(|extension| extension != "data")
    {
        return Some(format!("python/{in_wheel}"));
    }
    let (kind, inner) = rest.split_once('/')?;
    matches!(kind, "purelib" | "platlib").then(|| format!("python/{inner}"))
}

fn is_code(path: &Path) -> bool {
    let about = |name: &str| {
        ABOUT_THE_VARIANT
            .iter()
            .any(|about| name.eq_ignore_ascii_case(about))
    };
    let stem_of_first = path
        .components()
        .next()
        .map(|c| c.as_os_str().to_string_lossy().into_owned())
        .unwrap_or_default();
    let provenance = stem_of_first.split('.').next().is_some_and(about);
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let cache = path
        .components()
        .any(|part| part.as_os_str() == "__pycache__");
    !(is_hidden(path)
        || cache
        || provenance
        || about(&path.to_string_lossy())
        || NOT_CODE.contains(&extension.as_str()))
}

fn is_hidden(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn code_goes_in_and_what_describes_the_variant_stays_out() {
        let all = paths(&[
            "resize.py",
            "variant.toml",
            "greyscale.py",
            "requirements.txt",
            "PROVENANCE.json",
            "provenance/response.txt",
            "README.md",
            ".venv/lib/x.py",
            "lib/.hidden",
            "__pycache__/greyscale.cpython-313.pyc",
            "lib/table.json",
            "lib/__pycache__/x.pyc",
            "old.pyc",
            "wheels/pkg-1.0-py3-none-any.whl",
        ]);
        assert_eq!(
            python_files(&all, Some("requirements.txt")),
            paths(&["greyscale.py", "lib/table.json", "resize.py"])
        );
    }

    #[test]
    fn a_cargo_binary_is_made_from_everything_but_build_output() {
        let all = paths(&[
            "src/main.rs",
            "Cargo.toml",
            "target/release/x",
            ".cargo/config.toml",
            ".git/HEAD",
            "Cargo.lock",
            "variant.toml",
        ]);
        assert_eq!(
            cargo_inputs(&all),
            paths(&[
                ".cargo/config.toml",
                "Cargo.lock",
                "Cargo.toml",
                "src/main.rs"
            ])
        );
    }

    #[test]
    fn a_handler_is_looked_for_as_module_and_as_package() {
        let files = paths(&["greyscale.py", "stages/resize.py", "rotate/__init__.py"]);
        assert_eq!(missing_module("greyscale.handler", &files), None);
        assert_eq!(missing_module("stages.resize.handler", &files), None);
        assert_eq!(missing_module("rotate.handler", &files), None);
        assert_eq!(
            missing_module("convert.handler", &files),
            Some("convert.py".into())
        );
    }

    #[test]
    fn a_wheels_files_land_under_python() {
        assert_eq!(
            layer_place("PIL/Image.py").as_deref(),
            Some("python/PIL/Image.py")
        );
        assert_eq!(
            layer_place("numpy-2.0.data/platlib/numpy/x.so").as_deref(),
            Some("python/numpy/x.so")
        );
        assert_eq!(layer_place("numpy-2.0.data/scripts/f2py"), None);
        assert_eq!(layer_place("PIL/"), None);
        assert_eq!(layer_place("six.py").as_deref(), Some("python/six.py"));
    }
}
