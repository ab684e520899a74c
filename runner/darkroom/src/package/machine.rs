//! Checks that compiled files of a package are of its architecture, and that the libraries they ask
//! for are in it or on Lambda. It reads the files and runs none, so it works on any machine.
//!
//! A package → the first file for another machine, as an error; libraries that Lambda may lack, in
//! words. What was read is kept beside each archive, whose name tells its contents.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::deployable::{Archive, Package};
use super::elf;
use super::error::PackageError;

/// Libraries that Lambda's Python and OS-only runtimes have. Source: the manylinux policies
/// (PEP 513, PEP 600: glibc's own, `libgcc_s`, libstdc++), without what they allow of X11, GL and
/// `GLib`, which Lambda has not.
#[rustfmt::skip]
const ON_LAMBDA: [&str; 14] = [
    "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2", "libanl.so.1", "libc.so.6", "libdl.so.2", "libgcc_s.so.1",
    "libm.so.6", "libmvec.so.1", "libnsl.so.1", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libstdc++.so.6",
    "libutil.so.1",
];

/// A compiled file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Compiled {
    file: String,
    /// As [`elf::Elf::machine`].
    machine: String,
    needs: Vec<String>,
    /// Distribution that brought it, for example `pillow-13.0.0`.
    wheel: Option<String>,
    /// Its wheel is for every machine (`Tag: py3-none-any`): it may bring files for several, and
    /// picks one itself.
    for_any: bool,
}

/// Refuses a package with a compiled file for another architecture than its own.
pub fn check(package: &Package) -> Result<(), PackageError> {
    for (what, archive) in archives(package) {
        let all = compiled(archive).map_err(PackageError::io("read", &archive.zip))?;
        let own = package.architecture.as_str();
        if let Some(foreign) = all.into_iter().find(|it| it.machine != own && !it.for_any) {
            return Err(PackageError::ForeignMachine {
                variant: package.variant.clone(),
                architecture: package.architecture,
                what,
                help: help(&foreign, own),
                file: foreign.file,
                machine: foreign.machine,
            });
        }
    }
    Ok(())
}

fn help(foreign: &Compiled, own: &str) -> String {
    let machine = if own == "arm64" { "aarch64" } else { own };
    match &foreign.wheel {
        Some(wheel) => format!(
            "the wheel of {wheel} is not for {own}: write the hash of its manylinux {machine} wheel \
             into the requirements file, or replace the wheel that --find-links leads to"
        ),
        None if machine == own => {
            format!("build the file for {own}, or leave {own} out of the matrix")
        }
        None => format!("build the file for {own} ({machine}), or leave {own} out of the matrix"),
    }
}

/// Says which libraries a package's files ask for that are neither in it nor known to be on Lambda.
pub fn libraries_not_there(package: &Package) -> Option<String> {
    let all: Vec<Compiled> = archives(package)
        .filter_map(|(_, archive)| compiled(archive).ok())
        .flatten()
        .collect();
    let brought: BTreeSet<&str> = all
        .iter()
        .filter_map(|it| it.file.rsplit('/').next())
        .collect();
    let mut missing: BTreeMap<&str, &str> = BTreeMap::new();
    for it in all.iter().filter(|it| !it.for_any) {
        let unknown = |name: &&String| {
            !ON_LAMBDA.contains(&name.as_str()) && !brought.contains(name.as_str())
        };
        for library in it.needs.iter().filter(unknown) {
            missing.entry(library).or_insert(&it.file);
        }
    }
    let said: Vec<String> = missing
        .iter()
        .map(|(library, file)| format!("{library} (for {file})"))
        .collect();
    (!said.is_empty()).then(|| {
        format!(
            "needs libraries that it does not bring and Lambda may lack: {}",
            said.join(", ")
        )
    })
}

fn archives(package: &Package) -> impl Iterator<Item = (&'static str, &Archive)> {
    let layers = package.layers.iter().map(|layer| ("layer", &layer.archive));
    std::iter::once(("code", &package.archive)).chain(layers)
}

/// Returns the compiled files of an archive, by name.
fn compiled(archive: &Archive) -> io::Result<Vec<Compiled>> {
    let kept = archive.zip.with_added_extension("machine");
    let known = fs::read_to_string(&kept).ok();
    if let Some(known) = known.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(known);
    }
    let found = read(&archive.zip)?;
    // Looked for again the next time if it can't be kept.
    let _ = serde_json::to_string(&found).map(|text| fs::write(&kept, text));
    Ok(found)
}

fn read(path: &Path) -> io::Result<Vec<Compiled>> {
    let mut zip = zip::ZipArchive::new(File::open(path)?)?;
    let mut names: Vec<String> = zip.file_names().flatten().map(Cow::into_owned).collect();
    names.sort();
    let wheels = wheels(&mut zip, &names)?;
    let mut found = Vec::new();
    for name in names {
        let mut file = zip.by_name(&name)?;
        let mut contents = Vec::new();
        (&mut file).take(4).read_to_end(&mut contents)?;
        if contents != *b"\x7fELF" {
            continue;
        }
        file.read_to_end(&mut contents)?;
        let Some(elf::Elf { machine, needs }) = elf::read(&contents) else {
            continue;
        };
        let wheel = wheels.get(&name);
        found.push(Compiled {
            machine,
            needs,
            wheel: wheel.map(|wheel| wheel.name.clone()),
            for_any: wheel.is_some_and(|wheel| wheel.for_any),
            file: name,
        });
    }
    Ok(found)
}

#[derive(Clone)]
struct Wheel {
    name: String,
    for_any: bool,
}

/// Returns which wheel brought each file, as the wheels' RECORD files say.
fn wheels(
    zip: &mut zip::ZipArchive<File>,
    names: &[String],
) -> io::Result<BTreeMap<String, Wheel>> {
    let mut owners = BTreeMap::new();
    let mut text_of = |name: &str| -> io::Result<String> {
        let mut text = Vec::new();
        zip.by_name(name)?.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    for record in names
        .iter()
        .filter(|name| name.ends_with(".dist-info/RECORD"))
    {
        let about = record.trim_end_matches("/RECORD");
        let tags = format!("{about}/WHEEL");
        let tags = names.contains(&tags).then(|| text_of(&tags)).transpose()?;
        let is_any = |line: &str| line.starts_with("Tag:") && line.trim_end().ends_with("-any");
        let wheel = Wheel {
            name: about
                .rsplit('/')
                .next()
                .unwrap_or(about)
                .trim_end_matches(".dist-info")
                .to_owned(),
            for_any: tags.is_some_and(|tags| tags.lines().any(is_any)),
        };
        for file in text_of(record)?
            .lines()
            .filter_map(|line| line.split(',').next())
        {
            owners.insert(format!("python/{file}"), wheel.clone());
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use darkroom_core::cell::Architecture;
    use darkroom_core::event::Build;

    use super::super::deployable::LayerPackage;
    use super::super::elf::tests::shared_object;
    use super::super::zip::{Entries, Entry, write};
    use super::*;

    const X86_64: u16 = 62;
    const AARCH64: u16 = 183;

    /// A package for `arm64` whose layer holds one wheel with these files.
    fn package(folder: &Path, tag: &str, files: &[(&str, Vec<u8>)]) -> Package {
        let entry = |contents: Vec<u8>| Entry {
            contents,
            executable: false,
        };
        let record: Vec<String> = files.iter().map(|(name, _)| format!("{name},,")).collect();
        let about = |name: &str| format!("python/fast-1.0.dist-info/{name}");
        let mut entries = Entries::from([
            (about("RECORD"), entry(record.join("\n").into())),
            (
                about("WHEEL"),
                entry(format!("Wheel-Version: 1.0\nTag: {tag}\n").into()),
            ),
        ]);
        for (name, contents) in files {
            entries.insert(format!("python/{name}"), entry(contents.clone()));
        }
        let code = Entries::from([("resize.py".to_owned(), entry(b"x = 1".to_vec()))]);
        Package {
            variant: "fake".into(),
            architecture: Architecture::Arm64,
            runtime: "python3.13".into(),
            archive: write(&folder.join("code.zip"), &code).unwrap(),
            layers: vec![LayerPackage {
                name: "fake-arm64".into(),
                archive: write(&folder.join("layer.zip"), &entries).unwrap(),
            }],
            profiled: false,
            build: Build::default(),
        }
    }

    #[test]
    fn a_wheel_for_another_machine_in_an_arm64_layer_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let right = ("fast/right.abi3.so", shared_object(AARCH64, &[]));
        let wrong = ("fast/_fast.abi3.so", shared_object(X86_64, &[]));
        let tag = "cp313-cp313-manylinux_2_34_aarch64";
        let package = package(folder.path(), tag, &[right.clone(), wrong.clone()]);
        // The second time it is what was kept.
        for _ in 0..2 {
            let error = check(&package).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the layer of variant `fake` for arm64 holds python/fast/_fast.abi3.so, which is for \
                 x86_64"
            );
            let help = miette::Diagnostic::help(&error).unwrap().to_string();
            assert!(
                help.contains("the wheel of fast-1.0 is not for arm64"),
                "{help}"
            );
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let package = self::package(elsewhere.path(), tag, &[right]);
        assert!(check(&package).is_ok());
        // A wheel for every machine brings a file for each.
        let any = tempfile::tempdir().unwrap();
        assert!(check(&self::package(any.path(), "py3-none-any", &[wrong])).is_ok());
    }

    #[test]
    fn libraries_that_are_neither_brought_nor_on_lambda_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let needs = ["libc.so.6", "libjpeg-1.so.62", "libGL.so.1"];
        let extension = ("fast/_fast.abi3.so", shared_object(AARCH64, &needs));
        let jpeg = (
            "fast.libs/libjpeg-1.so.62",
            shared_object(AARCH64, &["libm.so.6"]),
        );
        let tag = "cp313-cp313-manylinux_2_34_aarch64";
        let said = libraries_not_there(&package(folder.path(), tag, &[extension, jpeg.clone()]));
        assert_eq!(
            said.unwrap(),
            "needs libraries that it does not bring and Lambda may lack: libGL.so.1 (for \
             python/fast/_fast.abi3.so)"
        );
        let whole = tempfile::tempdir().unwrap();
        assert_eq!(
            libraries_not_there(&package(whole.path(), tag, &[jpeg])),
            None
        );
    }
}
