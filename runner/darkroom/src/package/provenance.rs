//! How a package was built, read from the variant's own lockfile, profile and requirements, and
//! from the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use darkroom_core::event::{Build, Dependency};

use super::{confined, jpeg, pins};

/// glibc of Lambda's Amazon Linux 2023.
const LAMBDAS_GLIBC: (u32, u32) = (2, 34);

/// Returns what a pinned requirements file demands.
pub fn of_requirements(text: &str) -> Build {
    let dependencies = pins::logical_lines(text)
        .into_iter()
        .filter_map(|(_, line)| {
            let (name, rest) = line.split_once("==")?;
            let mut words = rest.trim_start_matches('=').split_whitespace();
            let version = words.next()?.trim_end_matches(';');
            let hash = |word: &str| word.strip_prefix("--hash=sha256:").map(str::to_owned);
            let (name, version) = (name.trim().to_owned(), version.to_owned());
            let sha256 = words.filter_map(hash).collect();
            Some(Dependency {
                name,
                version,
                features: Vec::new(),
                sha256,
                jpeg_decoder: None,
            })
        });
    Build {
        dependencies: dependencies.collect(),
        ..Build::default()
    }
}

/// Returns what a Cargo project's binary is built of: the locked packages that `triple` needs, with
/// their features.
///
/// Without cargo's word on features (it needs the packages' sources) every locked package is
/// listed, without them.
pub fn of_cargo(folder: &Path, triple: &str) -> Build {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name))
            .ok()?
            .parse::<toml::Table>()
            .ok()
    };
    let lock = read("Cargo.lock").unwrap_or_default();
    let features = features(folder, triple);
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    let dependencies = packages.filter_map(|package| {
        let (name, version) = (text(package, "name")?, text(package, "version")?);
        let own = features
            .as_ref()
            .map(|known| known.get(&(name.clone(), version.clone())));
        let features = match own {
            Some(None) => return None,
            Some(Some(features)) => features.iter().cloned().collect(),
            None => Vec::new(),
        };
        let jpeg_decoder = jpeg::of_crate(&name, &version);
        Some(Dependency {
            name,
            version,
            features,
            sha256: text(package, "checksum").into_iter().collect(),
            jpeg_decoder,
        })
    });
    let profile =
        read("Cargo.toml").and_then(|manifest| manifest.get("profile")?.get("release").cloned());
    let profile = profile.and_then(|profile| serde_json::to_string(&profile).ok());
    Build {
        profile,
        dependencies: dependencies.collect(),
        ..Build::default()
    }
}

type Features = BTreeMap<(String, String), BTreeSet<String>>;

fn features(folder: &Path, triple: &str) -> Option<Features> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}|{f}",
    ]);
    cargo
        .args(["--target", triple])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"));
    confined::forget_secrets(&mut cargo);
    // Beside the variant's folder, whose `.cargo/config.toml` may name programs to run.
    let output = cargo.current_dir(folder.parent()?).output().ok()?;
    output
        .status
        .success()
        .then(|| tree(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads lines like `name v1.2.3 (proc-macro)|one,two (*)`.
fn tree(text: &str) -> Features {
    let mut found = Features::new();
    for (package, features) in text.lines().filter_map(|line| line.split_once('|')) {
        let mut words = package.split_whitespace();
        let (Some(name), Some(version)) = (
            words.next(),
            words.next().and_then(|word| word.strip_prefix('v')),
        ) else {
            continue;
        };
        let features = features
            .trim_end_matches("(*)")
            .trim()
            .split(',')
            .filter(|feature| !feature.is_empty());
        found
            .entry((name.to_owned(), version.to_owned()))
            .or_default()
            .extend(features.map(str::to_owned));
    }
    found
}

/// Returns the newest glibc that a binary names, `2.34` for example; `None` for one that needs
/// none.
///
/// Every version that the linker wrote down stands in the binary as a text `GLIBC_2.34`.
pub fn glibc(binary: &[u8]) -> Option<String> {
    newest(binary).map(|(major, minor)| format!("{major}.{minor}"))
}

/// Says what is wrong when a binary would not start on Lambda; it runs where it was built all the
/// same.
pub fn too_new(build: &Build) -> Option<String> {
    let (major, minor) = build.glibc.as_deref()?.split_once('.')?;
    let needs: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    let (major, minor) = LAMBDAS_GLIBC;
    (needs > LAMBDAS_GLIBC).then(|| {
        format!(
            "needs glibc {}.{}, but Lambda's Amazon Linux 2023 has {major}.{minor}, so it runs \
             here and not on AWS; build it on an older system, or with cargo-zigbuild for \
             {major}.{minor}",
            needs.0, needs.1
        )
    })
}

fn newest(binary: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let places =
        (0..binary.len().saturating_sub(MARK.len())).filter(|&at| binary[at..].starts_with(MARK));
    let versions = places.filter_map(|at| {
        let rest = &binary[at + MARK.len()..];
        let end = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
        let mut parts = std::str::from_utf8(&rest[..end]).ok()?.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_give_versions_and_hashes() {
        let build = of_requirements(
            "# why\npillow==13.0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n",
        );
        let pillow = Dependency {
            name: "pillow".into(),
            version: "13.0.0".into(),
            features: vec![],
            sha256: vec!["aa".into(), "bb".into()],
            jpeg_decoder: None,
        };
        assert_eq!(build.dependencies, std::slice::from_ref(&pillow));
        assert_eq!(
            of_requirements("pillow == 13.0.0 --hash=sha256:aa --hash=sha256:bb").dependencies,
            [pillow]
        );
    }

    #[test]
    fn features_of_a_package_that_is_built_twice_come_together() {
        let found = tree(
            "app v0.1.0 (/x)|\nflate2 v1.1.0|rust_backend\nflate2 v1.1.0|zlib (*)\nquote v1.0.0 (proc-macro)|\n",
        );
        let flate2: Vec<&str> = found[&("flate2".into(), "1.1.0".into())]
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(flate2, ["rust_backend", "zlib"]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn the_newest_glibc_counts_as_a_number_and_one_that_lambda_lacks_is_said() {
        let binary = b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE\0";
        assert_eq!(glibc(binary).as_deref(), Some("2.34"));
        assert_eq!(glibc(b"\x7fELF static"), None);
        let build = |glibc: &str| Build {
            glibc: Some(glibc.into()),
            ..Build::default()
        };
        assert_eq!(too_new(&build("2.34")), None);
        let said = too_new(&build("2.36")).unwrap();
        assert!(
            said.contains("2.36") && said.contains("2.34") && said.contains("cargo-zigbuild"),
            "{said}"
        );
    }
}
