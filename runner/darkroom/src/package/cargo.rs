//! Builds a Cargo variant's binary for Lambda, with the variant's own lockfile and profile.
//!
//! A variant's folder and an architecture → the bytes of its `bootstrap`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use darkroom_core::cell::Architecture;

use super::{PackageError, Request};
use crate::advice;

/// Set by rustup when this program was started by `cargo run`; would overrule the variant's `rust-toolchain.toml`.
const CALLERS_TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";

/// What a build depends on besides the variant's own files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// What `rustc -vV` prints, in the variant's folder (its `rust-toolchain.toml` counts).
    pub version: String,
    host: String,
    sysroot: PathBuf,
}

impl Toolchain {
    /// Asks the compiler that cargo would use in `folder`.
    pub fn of(request: &Request) -> Result<Self, PackageError> {
        let ask = |arguments: &[&str]| -> Result<String, String> {
            let mut rustc = Command::new("rustc");
            rustc.args(arguments).current_dir(&request.folder).env_remove(CALLERS_TOOLCHAIN);
            let output = rustc.output();
            let output = output.map_err(|error| error.to_string())?;
            if output.status.success() {
                Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            } else {
                Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
            }
        };
        let missing = |reason: String| PackageError::NoTarget {
            variant: request.variant.clone(),
            architecture: request.architecture,
            missing: format!("rustc does not run: {reason}"),
            help: "install Rust with rustup, and see that rustc and cargo are on PATH".into(),
        };
        let version = ask(&["-vV"]).map_err(missing)?;
        let sysroot = ask(&["--print", "sysroot"]).map_err(missing)?.into();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
        Ok(Self { version, host, sysroot })
    }
}

/// Returns the Rust target of Lambda on an architecture. Amazon Linux has glibc.
pub const fn triple(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    }
}

/// Newest glibc that a cross-built binary may ask for: that of Lambda's Amazon Linux 2023.
const LAMBDAS_GLIBC: &str = "2.34";

/// Returns what builds for a target, as one line: cargo itself here, for another machine cargo-zigbuild where it is
/// installed, because it brings a linker for every machine and glibc.
pub fn builder(toolchain: &Toolchain, triple: &str) -> String {
    let zigbuild = || {
        let output = Command::new("cargo-zigbuild").arg("--version").output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let other_machine = toolchain.host != triple;
    other_machine.then(zigbuild).flatten().unwrap_or_else(|| "cargo".to_owned())
}

/// Returns cargo's arguments.
pub fn command(builder: &str, bin: &str, triple: &str) -> Vec<String> {
    let (build, target) = match builder {
        "cargo" => ("build", triple.to_owned()),
        _ => ("zigbuild", format!("{triple}.{LAMBDAS_GLIBC}")),
    };
    [build, "--release", "--locked", "--bin", bin, "--target", &target].map(str::to_owned).into()
}

/// Builds binary `bin` of the variant and returns its bytes. `target_dir` keeps cargo's own artefacts.
pub fn build(toolchain: &Toolchain, target_dir: &Path, request: &Request, bin: &str) -> Result<Vec<u8>, PackageError> {
    let triple = triple(request.architecture);
    let mut cargo = Command::new("cargo");
    let builder = builder(toolchain, triple);
    cargo.args(command(&builder, bin, triple));
    cargo.args(remapped_paths(request)).current_dir(&request.folder);
    forget_the_callers_settings(&mut cargo);
    cargo.env("CARGO_TARGET_DIR", target_dir);
    if toolchain.host != triple {
        standard_library(toolchain, request, triple)?;
    }
    if toolchain.host != triple && builder == "cargo" {
        let linker = cross_linker(request, triple)?;
        let name = triple.replace('-', "_");
        cargo.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &linker).env(format!("CC_{name}"), &linker);
    }

    let failed = |output: String, help: &str| PackageError::Cargo {
        variant: request.variant.clone(),
        architecture: request.architecture,
        output,
        help: help.to_owned(),
    };
    let output = cargo.output().map_err(|error| failed(error.to_string(), "install Rust with rustup"))?;
    if !output.status.success() {
        let manifest = request.folder.join("Cargo.toml");
        let help = format!("see it by itself: {}", advice::cargo_build(&manifest));
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned(), &help));
    }
    let binary = target_dir.join(triple).join("release").join(bin);
    fs::read(&binary).map_err(PackageError::io("read", &binary))
}

/// Returns cargo arguments that keep this machine's folders out of the binary, so that it is the same on the next one.
fn remapped_paths(request: &Request) -> [String; 2] {
    let folder = fs::canonicalize(&request.folder).unwrap_or_else(|_| request.folder.clone());
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![remap(&folder, "/variant")];
    flags.extend(home.map(|home| remap(&home, "/cargo")));
    let quoted: Vec<String> = flags.iter().map(|flag| serde_json::Value::from(flag.as_str()).to_string()).collect();
    ["--config".to_owned(), format!("build.rustflags=[{}]", quoted.join(","))]
}

/// Variables of the caller that would change the measured binary: it is built as its own files say.
fn forget_the_callers_settings(cargo: &mut Command) {
    let changes_the_build =
        |name: &str| ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_TARGET_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(changes_the_build) {
            cargo.env_remove(name);
        }
    }
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", CALLERS_TOOLCHAIN] {
        cargo.env_remove(name);
    }
}

/// What else a build for another machine takes.
const ZIGBUILD: &str = "`pip install cargo-zigbuild`, which brings a linker for every machine";

/// Checks that Rust's standard library for another machine is there, or says in plain words how to get it.
fn standard_library(toolchain: &Toolchain, request: &Request, triple: &str) -> Result<(), PackageError> {
    if toolchain.sysroot.join("lib/rustlib").join(triple).join("lib").is_dir() {
        return Ok(());
    }
    Err(PackageError::NoTarget {
        variant: request.variant.clone(),
        architecture: request.architecture,
        missing: format!("Rust's standard library for {triple} is not installed"),
        help: format!("run `rustup target add {triple}` and {ZIGBUILD}"),
    })
}

/// Returns the linker for another machine than this, or in plain words what is missing and how to get it.
fn cross_linker(request: &Request, triple: &str) -> Result<PathBuf, PackageError> {
    let linker = format!("{}-linux-gnu-gcc", triple.split('-').next().unwrap_or_default());
    let no_target = |missing: String, help: String| PackageError::NoTarget {
        variant: request.variant.clone(),
        architecture: request.architecture,
        missing,
        help,
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(&linker)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let machine = linker.split('-').next().unwrap_or_default().replace('_', "-");
        let help = format!("run {ZIGBUILD}; or on Debian and Ubuntu `apt install gcc-{machine}-linux-gnu`");
        no_target(format!("there is neither cargo-zigbuild nor the linker {linker} on PATH"), help)
    })
}
