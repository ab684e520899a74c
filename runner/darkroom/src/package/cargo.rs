//! Builds a Cargo variant's program for Lambda, with the variant's own lockfile and profile.
//!
//! A variant's folder and an architecture → the bytes of its `bootstrap`. A build runs the
//! variant's own programs (build scripts, macros, whatever its `.cargo/config.toml` names), so it
//! happens in the sandbox: [`super::confined`]. Nothing that runs outside of the sandbox reads the
//! variant's configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

use darkroom_core::cell::Architecture;

use super::confined::{self, Bench, Built};
use super::deployable::PackageRequest;
use super::error::PackageError;
use super::offline;
use crate::advice;

/// What a build depends on besides the variant's own files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// What `rustc -vV` prints, in the variant's folder (its `rust-toolchain.toml` counts).
    pub version: String,
    host: String,
    pub sysroot: PathBuf,
}

/// Refuses a variant that names a compiler of its own by a path: rustup would start it, outside of
/// the sandbox.
fn no_toolchain_of_its_own(request: &PackageRequest) -> Result<(), PackageError> {
    for name in ["rust-toolchain.toml", "rust-toolchain"] {
        let path = request.folder.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let table = text
            .parse::<toml::Table>()
            .ok()
            .and_then(|table| table.get("toolchain")?.as_table().cloned());
        let plain = |channel: &str| {
            channel
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        let good = match &table {
            Some(table) => {
                !table.contains_key("path")
                    && table
                        .get("channel")
                        .and_then(|it| it.as_str())
                        .is_none_or(plain)
            }
            None => plain(text.trim()),
        };
        if !good {
            return Err(PackageError::OwnToolchain { path });
        }
    }
    Ok(())
}

impl Toolchain {
    /// Asks the compiler that cargo would use in `folder`.
    pub fn of(request: &PackageRequest) -> Result<Self, PackageError> {
        no_toolchain_of_its_own(request)?;
        let ask = |arguments: &[&str]| -> Result<String, String> {
            let mut rustc = Command::new("rustc");
            rustc.args(arguments).current_dir(&request.folder);
            confined::forget_secrets(&mut rustc);
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
            help: "install Rust with rustup, and check that rustc and cargo are on PATH".into(),
        };
        let version = ask(&["-vV"]).map_err(missing)?;
        let sysroot = ask(&["--print", "sysroot"]).map_err(missing)?.into();
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            version,
            host,
            sysroot,
        })
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

/// Returns what builds for a target, as one line: cargo itself for this machine, cargo-zigbuild
/// where it is installed for another machine and for Lambda, because it brings a linker for every
/// machine and glibc.
pub fn builder(toolchain: &Toolchain, triple: &str, for_lambda: bool) -> String {
    let zigbuild = || {
        let output = Command::new("cargo-zigbuild")
            .arg("--version")
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let elsewhere = for_lambda || toolchain.host != triple;
    elsewhere
        .then(zigbuild)
        .flatten()
        .unwrap_or_else(|| "cargo".to_owned())
}

/// Returns cargo's arguments.
pub fn command(builder: &str, bin: &str, triple: &str) -> Vec<String> {
    let (build, target) = match builder {
        "cargo" => ("build", triple.to_owned()),
        _ => ("zigbuild", format!("{triple}.{LAMBDAS_GLIBC}")),
    };
    [
        build,
        "--release",
        "--locked",
        "--bin",
        bin,
        "--target",
        &target,
    ]
    .map(str::to_owned)
    .into()
}

/// Builds binary `bin` of the variant out of `inputs`, paths relative to its folder. `cache_dir`
/// keeps cargo's own artefacts.
pub fn build(
    toolchain: &Toolchain,
    cache_dir: &Path,
    request: &PackageRequest,
    bin: &str,
    inputs: &[PathBuf],
) -> Result<Built, PackageError> {
    let triple = triple(request.architecture);
    let builder = builder(toolchain, triple, request.for_lambda);
    let mut variables = Vec::new();
    if toolchain.host != triple {
        standard_library(toolchain, request, triple)?;
    }
    if toolchain.host != triple && builder == "cargo" {
        let linker = cross_linker(request, triple)?.display().to_string();
        let name = triple.replace('-', "_");
        variables.push((
            format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()),
            linker.clone(),
        ));
        variables.push((format!("CC_{name}"), linker));
    }
    let bench = Bench::new(cache_dir, request, &toolchain.sysroot, inputs)?;
    let arguments = command(&builder, bin, triple);
    let failed = |output: String, help: &str| PackageError::Cargo {
        variant: request.variant.clone(),
        architecture: request.architecture,
        output,
        help: help.to_owned(),
    };
    // cargo-zigbuild brings a linker from folders that the sandbox does not show.
    let (output, confined) = bench.build(&arguments, &variables, builder == "cargo");
    let output = output.map_err(|error| failed(error.to_string(), "install Rust with rustup"))?;
    if !output.status.success() {
        if let Some(reason) = offline::reason(bench.not_fetched()) {
            let crates = format!("the crates of {}", request.named());
            return Err(PackageError::offline(crates, reason));
        }
        if let Some(path) = bench.unwritable_home() {
            return Err(PackageError::CargoHome { path });
        }
        let manifest = request.folder.join("Cargo.toml");
        let help = format!(
            "read the variant's code, then run its build alone to see why (this runs it outside \
             of the sandbox): {}",
            advice::cargo_build(&manifest)
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(failed(format!("{}{said}", bench.not_fetched()), &help));
    }
    let contents = bench.binary(triple, bin)?;
    Ok(Built {
        contents,
        not_confined: confined.err(),
    })
}

/// What else a build for another machine takes.
const ZIGBUILD: &str = "`pip install cargo-zigbuild`, which brings a linker for every machine";

/// Checks that Rust's standard library for another machine is there, or says in plain words how to
/// get it.
fn standard_library(
    toolchain: &Toolchain,
    request: &PackageRequest,
    triple: &str,
) -> Result<(), PackageError> {
    if toolchain
        .sysroot
        .join("lib/rustlib")
        .join(triple)
        .join("lib")
        .is_dir()
    {
        return Ok(());
    }
    Err(PackageError::NoTarget {
        variant: request.variant.clone(),
        architecture: request.architecture,
        missing: format!("Rust's standard library for {triple} is not installed"),
        help: format!("run `rustup target add {triple}` and {ZIGBUILD}"),
    })
}

/// Returns the linker for another machine than this, or in plain words what is missing and how to
/// get it.
fn cross_linker(request: &PackageRequest, triple: &str) -> Result<PathBuf, PackageError> {
    let linker = format!(
        "{}-linux-gnu-gcc",
        triple.split('-').next().unwrap_or_default()
    );
    let no_target = |missing: String, help: String| PackageError::NoTarget {
        variant: request.variant.clone(),
        architecture: request.architecture,
        missing,
        help,
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(&linker))
        .find(|file| file.is_file());
    found.ok_or_else(|| {
        let machine = linker
            .split('-')
            .next()
            .unwrap_or_default()
            .replace('_', "-");
        let help = format!(
            "run {ZIGBUILD}; or on Debian and Ubuntu `apt install gcc-{machine}-linux-gnu`"
        );
        no_target(
            format!("there is neither cargo-zigbuild nor the linker {linker} on PATH"),
            help,
        )
    })
}
