//! Builds a Cargo variant in a sandbox: with its sources, a folder for output, the toolchain, and
//! nothing else of this machine.
//!
//! First `cargo fetch` downloads what the lockfile names, outside of the sandbox and with the
//! network; it runs nothing of the variant and does not read its configuration. Then cargo builds
//! offline in the sandbox. There the sources, the toolchain and cargo's registry are read-only,
//! `/target` is writable, and there is no home, no secret and no network. Without a sandbox the
//! build runs outside, with an environment of its own, and a note says so.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use darkroom_cloud::sandbox::workshop::{self, Job};
use darkroom_core::event::Build;

use super::deployable::PackageRequest;
use super::error::PackageError;

/// Stands in the recorded command of a build that ran outside of the sandbox, before the reason.
pub const OUTSIDE: &str = "(outside of the sandbox: ";
/// What build scripts and compilers may put into `/tmp`, MB.
const TMP_MB: u32 = 4096;

/// A binary, and why it was not built in the sandbox if it was not.
pub struct Built {
    pub contents: Vec<u8>,
    pub not_confined: Option<String>,
}

/// Says so of a build that ran outside of the sandbox, and why.
pub fn not_confined(build: &Build) -> Option<String> {
    let why = build
        .command
        .as_deref()?
        .split_once(OUTSIDE)?
        .1
        .trim_end_matches(')');
    Some(format!(
        "was built outside of the sandbox ({why}). Its build scripts ran as you, without the \
         secrets in your environment. Read them, or build on Linux with user namespaces"
    ))
}

/// Variables that compilers and cargo need to find each other. No secret is among them.
const KEPT: [&str; 8] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "RUSTUP_DIST_SERVER",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Leaves a command only what it needs of this process's environment: no keys, no tokens, and
/// nothing that would change a measured binary.
pub fn forget_secrets(command: &mut Command) {
    let kept = KEPT
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)));
    command.env_clear().envs(kept.collect::<Vec<_>>());
    command
        .envs(home_of("CARGO_HOME", ".cargo"))
        .envs(home_of("RUSTUP_HOME", ".rustup"));
}

/// Where cargo or rustup keeps its things, also for a program that is not told of the home folder.
fn home_of(variable: &'static str, folder: &str) -> Option<(&'static str, OsString)> {
    let named = std::env::var_os(variable).filter(|path| !path.is_empty());
    let usual = || {
        Some(
            PathBuf::from(std::env::var_os("HOME")?)
                .join(folder)
                .into_os_string(),
        )
    };
    named.or_else(usual).map(|path| (variable, path))
}

fn cargo_home() -> PathBuf {
    home_of("CARGO_HOME", ".cargo")
        .map(|(_, path)| PathBuf::from(path))
        .unwrap_or_default()
}

/// Where packages are kept, and neither tokens nor settings.
fn packages(cargo_home: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
    let folders = ["registry", "git"].map(|name| (cargo_home.join(name), name));
    folders.into_iter().filter(|(folder, _)| folder.is_dir())
}

/// Lets another user, who builds, read a folder and all that is in it, whatever umask or package
/// made it otherwise (`fnv` 1.0.7 has such files). Links are left alone.
fn readable_by_others(folder: &Path) -> io::Result<()> {
    allow(folder, fs::metadata(folder)?.permissions().mode(), 0o055)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            readable_by_others(&entry.path())?;
        } else if kind.is_file() {
            allow(&entry.path(), entry.metadata()?.permissions().mode(), 0o044)?;
        }
    }
    Ok(())
}

fn allow(path: &Path, mode: u32, needed: u32) -> io::Result<()> {
    if mode & needed == needed {
        Ok(())
    } else {
        fs::set_permissions(path, Permissions::from_mode(mode | needed))
    }
}

pub struct Bench {
    /// Holds the copied sources and what is made for this build alone.
    scratch: tempfile::TempDir,
    target_dir: PathBuf,
    sysroot: PathBuf,
    /// What `cargo fetch` said where it failed.
    not_fetched: String,
}

impl Bench {
    /// Lays out the sources and fetches what the lockfile names.
    pub fn new(
        cache_dir: &Path,
        request: &PackageRequest,
        sysroot: &Path,
        inputs: &[PathBuf],
    ) -> Result<Self, PackageError> {
        let scratch = cache_dir.join("scratch");
        fs::create_dir_all(&scratch).map_err(PackageError::io("create", &scratch))?;
        let scratch = tempfile::tempdir_in(&scratch)
            .map_err(PackageError::io("create a folder in", &scratch))?;
        let target_dir = cache_dir
            .join("cargo")
            .join(format!("{}-confined", request.variant));
        make_target(&target_dir).map_err(PackageError::io("create", &target_dir))?;
        let mut bench = Self {
            scratch,
            target_dir,
            sysroot: sysroot.to_owned(),
            not_fetched: String::new(),
        };
        fs::create_dir_all(bench.sources())
            .map_err(PackageError::io("create", &bench.sources()))?;
        for file in inputs {
            let (from, to) = (request.folder.join(file), bench.sources().join(file));
            copy(&from, &to).map_err(PackageError::io("copy", &from))?;
        }
        let home = bench.scratch.path().join("home");
        fs::create_dir(&home).map_err(PackageError::io("create", &home))?;
        readable_by_others(&bench.sources())
            .map_err(PackageError::io("open up", &bench.sources()))?;
        bench.fetch();
        if nix::unistd::geteuid().is_root() {
            // What can't be made readable shows in the build, with the file's name.
            packages(&cargo_home()).for_each(|(folder, _)| drop(readable_by_others(&folder)));
        }
        Ok(bench)
    }

    fn sources(&self) -> PathBuf {
        self.scratch.path().join("variant")
    }

    /// The toolchain's own cargo where it has one: no toolchain file of the variant is asked.
    fn cargo(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        if own.is_file() { own } else { "cargo".into() }
    }

    /// Has cargo bring the packages of the lockfile, from its cache if they are there. A failure is
    /// told if the build fails.
    fn fetch(&mut self) {
        let ask = |offline: &[&str]| {
            let mut cargo = Command::new(self.cargo());
            cargo
                .args(["fetch", "--locked", "--quiet", "--manifest-path"])
                .arg(self.sources().join("Cargo.toml"))
                .args(offline);
            forget_secrets(&mut cargo);
            // What reaches a registry, and may be secret: no code of the variant sees it.
            let reaches = |name: &str| {
                let lower = name.to_ascii_lowercase();
                ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
                    || lower.ends_with("_proxy")
                    || ["HOME", "SSH_AUTH_SOCK", "GIT_SSL_CAINFO"].contains(&name)
            };
            cargo.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(reaches)));
            // Not in the sources: their `.cargo/config.toml` would be read.
            cargo.current_dir(self.scratch.path()).output()
        };
        if ask(&["--offline"]).is_ok_and(|output| output.status.success()) {
            return;
        }
        self.not_fetched = match ask(&[]) {
            Ok(output) if output.status.success() => String::new(),
            Ok(output) => format!("{}\n", String::from_utf8_lossy(&output.stderr).trim_end()),
            Err(error) => format!("cargo fetch: {error}\n"),
        };
    }

    /// What `cargo fetch` said, of packages that could not be had.
    pub fn not_fetched(&self) -> &str {
        &self.not_fetched
    }

    /// Returns the folder that cargo keeps packages in, where that is what it failed for.
    pub fn unwritable_home(&self) -> Option<PathBuf> {
        let home = cargo_home();
        let named = home.display().to_string();
        let failed = |line: &str| line.contains("failed to ") && line.contains(&named);
        self.not_fetched.lines().any(failed).then_some(home)
    }

    /// Runs cargo's build, in the sandbox if `confined` and one can be had; else says why not.
    pub fn build(
        &self,
        arguments: &[String],
        variables: &[(String, String)],
        confined: bool,
    ) -> (io::Result<Output>, Result<(), String>) {
        let refused = if confined {
            let job = self.job(arguments, variables);
            match std::env::current_exe().and_then(|program| workshop::run(&program, &job)) {
                Ok(output) => return (Ok(output), Ok(())),
                Err(error) => error.to_string(),
            }
        } else {
            "cargo-zigbuild needs folders that are not in the sandbox".to_owned()
        };
        (self.build_outside(arguments, variables), Err(refused))
    }

    fn job(&self, arguments: &[String], variables: &[(String, String)]) -> Job {
        let distribution =
            self.sysroot.starts_with("/usr") && !self.sysroot.starts_with("/usr/local");
        let toolchain = if distribution {
            self.sysroot.clone()
        } else {
            "/toolchain".into()
        };
        let mut seen = vec![(self.sources(), "/variant".into())];
        if !distribution {
            seen.push((self.sysroot.clone(), toolchain.clone()));
        }
        let cargo_home = cargo_home();
        seen.extend(
            packages(&cargo_home).map(|(folder, name)| (folder, Path::new("/cargo").join(name))),
        );
        let settings = self.scratch.path().join("config.toml");
        if fs::write(&settings, sources_of_packages(&cargo_home)).is_ok() {
            seen.push((settings, "/cargo/config.toml".into()));
        }
        let mut environment: Vec<(String, String)> = [
            (
                "PATH",
                format!("{}/bin:/usr/bin:/bin:/usr/sbin:/sbin", toolchain.display()),
            ),
            ("HOME", "/tmp".to_owned()),
            ("TMPDIR", "/tmp".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("CARGO_HOME", "/cargo".to_owned()),
            ("CARGO_NET_OFFLINE", "true".to_owned()),
            ("CARGO_TARGET_DIR", "/target".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend_from_slice(variables);
        Job {
            program: toolchain.join("bin/cargo"),
            arguments: [arguments, &remapped("/variant", "/cargo")].concat(),
            environment,
            directory: "/variant".into(),
            seen,
            written: vec![(self.target_dir.clone(), "/target".into())],
            tmp_mb: TMP_MB,
        }
    }

    fn build_outside(
        &self,
        arguments: &[String],
        variables: &[(String, String)],
    ) -> io::Result<Output> {
        let mut cargo = Command::new(self.cargo());
        let cargo_home =
            home_of("CARGO_HOME", ".cargo").map(|(_, path)| path.to_string_lossy().into_owned());
        let sources = self.sources().canonicalize()?.display().to_string();
        cargo
            .args(arguments)
            .args(remapped(&sources, &cargo_home.unwrap_or_default()))
            .current_dir(self.sources());
        forget_secrets(&mut cargo);
        cargo.envs(variables.iter().map(|(name, value)| (name, value)));
        cargo
            .env("HOME", self.scratch.path().join("home"))
            .env("CARGO_TARGET_DIR", &self.target_dir);
        // Where pip installs for a user: cargo-zigbuild finds its linker there.
        if let Some(home) = std::env::var_os("HOME") {
            cargo.env("PYTHONUSERBASE", Path::new(&home).join(".local"));
        }
        cargo.output()
    }

    /// Returns what the build left as its binary. The build may have put a link or a pipe there:
    /// that is not followed.
    pub fn binary(&self, triple: &str, bin: &str) -> Result<Vec<u8>, PackageError> {
        let path = self.target_dir.join(triple).join("release").join(bin);
        let root = self
            .target_dir
            .canonicalize()
            .map_err(PackageError::io("find", &self.target_dir))?;
        let real = path
            .canonicalize()
            .map_err(PackageError::io("read", &path))?;
        let plain = real == root.join(triple).join("release").join(bin)
            && real.metadata().is_ok_and(|it| it.is_file());
        if !plain {
            return Err(PackageError::NoBinary { path });
        }
        fs::read(&real).map_err(PackageError::io("read", &path))
    }
}

/// Makes the folder for cargo's output, which belongs to whom the build runs as.
fn make_target(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if let Some(owner) = workshop::owner() {
        chown(path, Some(owner), Some(owner))?;
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).map(drop)
}

/// Returns cargo arguments that keep this machine's folders out of the binary, so that it is the
/// same on the next one.
fn remapped(sources: &str, cargo_home: &str) -> [String; 2] {
    let pairs = [(sources, "/variant"), (cargo_home, "/cargo")];
    let flags = pairs
        .iter()
        .filter(|(from, _)| !from.is_empty())
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    let quoted: Vec<String> = flags
        .map(|flag| serde_json::Value::from(flag).to_string())
        .collect();
    [
        "--config".to_owned(),
        format!("build.rustflags=[{}]", quoted.join(",")),
    ]
}

/// Returns the part of the user's cargo settings that says where packages are from, without tokens
/// and programs to run.
fn sources_of_packages(cargo_home: &Path) -> String {
    let read = |name: &str| {
        fs::read_to_string(cargo_home.join(name))
            .ok()?
            .parse::<toml::Table>()
            .ok()
    };
    let all = read("config.toml")
        .or_else(|| read("config"))
        .unwrap_or_default();
    let mut kept = toml::Table::new();
    kept.extend(
        all.get("source")
            .map(|source| ("source".to_owned(), source.clone())),
    );
    let registries = all
        .get("registries")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten();
    let indexes: toml::Table = registries
        .filter_map(|(name, registry)| {
            let index = registry.get("index")?.clone();
            Some((
                name.clone(),
                toml::Table::from_iter([("index".to_owned(), index)]).into(),
            ))
        })
        .collect();
    if !indexes.is_empty() {
        kept.insert("registries".to_owned(), indexes.into());
    }
    kept.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_only_their_owner_may_read_are_opened_to_the_user_who_builds() {
        let folder = tempfile::tempdir().unwrap();
        let (package, link) = (folder.path().join("fnv-1.0.7"), folder.path().join("link"));
        fs::create_dir(&package).unwrap();
        let file = package.join("lib.rs");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(&package, Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("nowhere", link).unwrap();
        readable_by_others(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&package)), (0o644, 0o755));
    }

    #[test]
    fn a_compiler_is_told_where_things_are_and_no_secret() {
        let mut command = Command::new("true");
        command.env("AWS_SECRET_ACCESS_KEY", "s");
        forget_secrets(&mut command);
        let names: Vec<String> = command
            .get_envs()
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        assert!(
            names.contains(&"PATH".to_owned()) && names.contains(&"CARGO_HOME".to_owned()),
            "{names:?}"
        );
        let allowed = |name: &String| {
            KEPT.contains(&name.as_str()) || name == "CARGO_HOME" || name == "RUSTUP_HOME"
        };
        assert!(names.iter().all(allowed), "{names:?}");
    }

    #[test]
    fn of_cargos_settings_only_where_packages_are_from_is_shown() {
        let home = tempfile::tempdir().unwrap();
        let text = "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"sparse+https://m/\"\n\
                    [registries.own]\nindex = \"sparse+https://o/\"\ntoken = \"secret\"\n[registry]\ntoken = \"secret\"\n\
                    [build]\nrustc-wrapper = \"sccache\"\n";
        fs::write(home.path().join("config.toml"), text).unwrap();
        let shown = sources_of_packages(home.path());
        assert!(
            shown.contains("replace-with = \"mirror\"") && shown.contains("sparse+https://o/"),
            "{shown}"
        );
        assert!(
            !shown.contains("secret") && !shown.contains("sccache"),
            "{shown}"
        );
        assert_eq!(sources_of_packages(Path::new("/nowhere")), "");
    }
}
