//! An emulator of another processor (qemu's user mode), and the folder with that processor's C
//! library: finds both on this machine.
//!
//! In: an architecture as Lambda calls it. Out: an [`Emulator`], which turns a command into one that
//! is emulated, or all that is missing and how to get it. What runs emulated says whether code is
//! right, and nothing of how long it takes.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a sandbox with a root of its own shows the emulator and the C library.
const INSIDE_PROGRAM: &str = "/var/emulator/qemu";
const INSIDE_ROOT: &str = "/var/emulator/root";

/// A processor that code may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Processor {
    /// As Lambda calls it.
    architecture: &'static str,
    /// As Linux and qemu call it.
    machine: &'static str,
    /// The dynamic linker, below a root.
    linker: &'static str,
    /// Where Debian's packages for cross compilers put its C library, and what they are called.
    cross_root: &'static str,
    packages: &'static str,
}

const PROCESSORS: [Processor; 2] = [
    Processor {
        architecture: "arm64",
        machine: "aarch64",
        linker: "lib/ld-linux-aarch64.so.1",
        cross_root: "/usr/aarch64-linux-gnu",
        packages: "libc6-arm64-cross libgcc-s1-arm64-cross libstdc++6-arm64-cross",
    },
    Processor {
        architecture: "x86_64",
        machine: "x86_64",
        linker: "lib64/ld-linux-x86-64.so.2",
        cross_root: "/usr/x86_64-linux-gnu",
        packages: "libc6-amd64-cross libgcc-s1-amd64-cross libstdc++6-amd64-cross",
    },
];

/// What runs code of another processor here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    /// As Lambda calls it: `arm64` or `x86_64`.
    pub architecture: &'static str,
    /// As Linux calls it: `aarch64` or `x86_64`.
    pub machine: &'static str,
    /// qemu's user mode for that processor.
    pub program: PathBuf,
    /// The root below which its dynamic linker and C library are; `None`: this machine's own.
    pub root: Option<PathBuf>,
}

/// What is missing to run code of another processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct EmulatorNotFound {
    architecture: String,
    /// What is missing, and how to get it.
    missing: Vec<(String, String)>,
}

impl fmt::Display for EmulatorNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine cannot run {} code yet:", self.architecture)?;
        for (what, how) in &self.missing {
            write!(f, "\n  {what} is missing; {how}")?;
        }
        Ok(())
    }
}

impl Emulator {
    /// Returns the command line that runs `program` emulated.
    pub fn wrapped(&self, program: &Path, arguments: Vec<String>) -> (PathBuf, Vec<String>) {
        let show = |path: &Path| path.to_string_lossy().into_owned();
        let root = self
            .root
            .iter()
            .flat_map(|root| ["-L".to_owned(), show(root)]);
        let all = root.chain([show(program)]).chain(arguments);
        (self.program.clone(), all.collect())
    }

    /// Returns a command that runs `program` emulated; arguments are to be added.
    pub fn command(&self, program: &Path) -> Command {
        let (path, arguments) = self.wrapped(program, Vec::new());
        let mut command = Command::new(path);
        command.args(arguments);
        command
    }

    /// Returns the same emulator as a sandbox with a root of its own sees it.
    #[must_use]
    pub fn inside(&self) -> Self {
        Self {
            program: INSIDE_PROGRAM.into(),
            root: self.root.as_ref().map(|_| INSIDE_ROOT.into()),
            ..self.clone()
        }
    }

    /// Returns what such a sandbox must show, and where.
    pub fn binds(&self) -> Vec<(PathBuf, PathBuf)> {
        let program = (self.program.clone(), PathBuf::from(INSIDE_PROGRAM));
        let root = self
            .root
            .clone()
            .map(|root| (root, PathBuf::from(INSIDE_ROOT)));
        std::iter::once(program).chain(root).collect()
    }
}

/// Returns what runs code of `architecture` here: a program called `qemu-<machine>-static` or
/// `qemu-<machine>`, and the root that `QEMU_LD_PREFIX` names, else that of Debian's packages.
pub fn find(architecture: &str) -> Result<Emulator, EmulatorNotFound> {
    let named = std::env::var_os("QEMU_LD_PREFIX").filter(|root| !root.is_empty());
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(
        architecture,
        &path,
        named.map(PathBuf::from),
        Path::new("/"),
    )
}

fn find_in(
    architecture: &str,
    path: &OsString,
    chosen: Option<PathBuf>,
    host: &Path,
) -> Result<Emulator, EmulatorNotFound> {
    let not_found = |missing| EmulatorNotFound {
        architecture: architecture.to_owned(),
        missing,
    };
    let Some(processor) = PROCESSORS.iter().find(|it| it.architecture == architecture) else {
        let how = "Darkroom knows arm64 and x86_64".to_owned();
        return Err(not_found(vec![("its emulator".to_owned(), how)]));
    };
    let Processor {
        machine,
        linker,
        cross_root,
        packages,
        ..
    } = *processor;
    let mut missing = Vec::new();
    let names = [format!("qemu-{machine}-static"), format!("qemu-{machine}")];
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let files = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let program = files
        .filter_map(|file| file.canonicalize().ok())
        .find(|file| file.is_file());
    if program.is_none() {
        let how = "on Debian and Ubuntu, run `apt-get install qemu-user-static`".to_owned();
        missing.push((format!("the emulator qemu-{machine}"), how));
    }
    let cross_root = host.join(cross_root.trim_start_matches('/'));
    let has_linker = |root: &PathBuf| root.join(linker).exists();
    let root = match chosen {
        Some(root) if has_linker(&root) => Some(Some(root)),
        None if has_linker(&cross_root) => Some(Some(cross_root)),
        None if host.join(linker).exists() => Some(None),
        // A root that was chosen and holds nothing is a mistake: no other stands in for it.
        _ => None,
    };
    if root.is_none() {
        let how = format!(
            "on Debian and Ubuntu, run `apt-get install {packages}`, or set QEMU_LD_PREFIX to the \
             root of a system for {machine}"
        );
        missing.push((format!("a C library for {architecture} ({linker})"), how));
    }
    match (program, root) {
        (Some(program), Some(root)) => Ok(Emulator {
            architecture: processor.architecture,
            machine,
            program,
            root,
        }),
        _ => Err(not_found(missing)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn what_is_missing_is_said_with_how_to_get_it_and_nothing_else() {
        let host = tempfile::tempdir().unwrap();
        let host = host.path().canonicalize().unwrap();
        let path = OsString::from(host.join("bin"));
        let find =
            |named: Option<&str>| find_in("arm64", &path, named.map(|it| host.join(it)), &host);
        let told = find(None).unwrap_err().to_string();
        assert!(told.contains("apt-get install qemu-user-static"), "{told}");
        assert!(told.contains("libc6-arm64-cross"), "{told}");
        touch(&host.join("bin/qemu-aarch64"));
        let told = find(None).unwrap_err().to_string();
        assert!(!told.contains("qemu-user-static"), "{told}");
        touch(&host.join("usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1"));
        let found = find(None).unwrap();
        assert_eq!(found.program, host.join("bin/qemu-aarch64"));
        assert_eq!(found.root, Some(host.join("usr/aarch64-linux-gnu")));
        assert!(
            find(Some("empty")).is_err(),
            "a root that is named must hold a C library"
        );
        touch(&host.join("own/lib/ld-linux-aarch64.so.1"));
        assert_eq!(find(Some("own")).unwrap().root, Some(host.join("own")));
    }

    #[test]
    fn a_command_is_emulated_below_the_root_that_the_sandbox_shows() {
        let emulator = Emulator {
            architecture: "arm64",
            machine: "aarch64",
            program: "/usr/bin/qemu-aarch64-static".into(),
            root: Some("/usr/aarch64-linux-gnu".into()),
        };
        let (program, arguments) = emulator
            .inside()
            .wrapped(Path::new("/var/lang/bin/python3.13"), vec!["-S".into()]);
        assert_eq!(program, Path::new(INSIDE_PROGRAM));
        assert_eq!(
            arguments,
            ["-L", INSIDE_ROOT, "/var/lang/bin/python3.13", "-S"]
        );
        let binds = emulator.binds();
        assert!(
            binds.iter().all(|(host, _)| host.starts_with("/usr")),
            "{binds:?}"
        );
        assert_eq!(binds.len(), 2);
    }
}
