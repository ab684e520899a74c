//! The commands that messages suggest, in backticks, ready for a shell: real paths and quotes,
//! never a placeholder. Tests take them from there. Pure: knows no other module, and reads no file.

use std::path::Path;

use darkroom_core::shell::quoted;

/// Returns a call of darkroom in backticks.
pub fn darkroom(arguments: &[&str]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    format!("`darkroom {}`", quoted.join(" "))
}

/// Returns the build of a variant in Rust, in backticks.
pub fn cargo_build(manifest: &Path) -> String {
    format!(
        "`cargo build --release --locked --manifest-path {}`",
        quoted(&manifest.display().to_string())
    )
}

/// Returns the command that pins every package of a file of requirements, and its dependencies,
/// with hashes.
pub fn pin(file: &str) -> String {
    pin_from(file, file)
}

/// The same from a file of names into another one.
pub fn pin_from(names: &str, file: &str) -> String {
    format!(
        "`uv pip compile --generate-hashes {} -o {}`",
        quoted(names),
        quoted(file)
    )
}

/// Returns the command that builds a wheel of a package, for example `name==1.0`, into a folder. It
/// runs the package's code.
pub fn build_wheel(package: &str, folder: &Path) -> String {
    format!(
        "`pip wheel {} --no-deps --wheel-dir {}`",
        quoted(package),
        quoted(&folder.display().to_string())
    )
}

/// Returns the command that prints the hashes of the wheels in a folder.
pub fn hash_wheels(folder: &Path) -> String {
    format!("`pip hash {}/*.whl`", quoted(&folder.display().to_string()))
}

/// Returns the call that removes what was deployed in AWS: of one experiment, or all that Darkroom
/// made there.
pub fn clean(experiment: Option<&str>, region: &str) -> String {
    let which = experiment.into_iter();
    let arguments: Vec<&str> = ["clean"]
        .into_iter()
        .chain(which)
        .chain(["--target", "aws", "--region", region])
        .collect();
    darkroom(&arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_command_is_quoted_as_a_shell_needs_it() {
        assert_eq!(
            darkroom(&["resume", "outputs/a/1"]),
            "`darkroom resume outputs/a/1`"
        );
        assert_eq!(
            darkroom(&["resume", "my runs/it's"]),
            r"`darkroom resume 'my runs/it'\''s'`"
        );
    }
}
