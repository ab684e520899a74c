//! Dependencies of Python variants: no package's code runs on this machine, however the
//! requirements ask for it, and a wheel that somebody built is as good as one of an index.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::runs::{COPY, project, variant};
use crate::story::{Answer, Project};

/// Notes when it runs, and builds the wheel of a package `dual==1.0`.
const BACKEND: &str = r#"
import os, zipfile
open("MARKED", "a").write("x")
INFO = "dual-1.0.dist-info"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "dual-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("dual.py", "VALUE = 'from the wheel'\n")
        wheel.writestr(INFO + "/METADATA", "Metadata-Version: 2.1\nName: dual\nVersion: 1.0\n")
        wheel.writestr(INFO + "/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(INFO + "/RECORD", "")
    return name
"#;

/// A project whose variant `dual` imports a package of which there is a source distribution alone,
/// and that distribution's sha256.
fn with_source_distribution() -> (Project, String) {
    let project = project();
    let code = format!("import dual\nassert dual.VALUE == 'from the wheel'\n{COPY}");
    variant(&project, "dual", COPY);
    project.write("functions/dual/first.py", code);
    let description = project.root().join("functions/dual/variant.toml");
    let with = fs::read_to_string(&description).unwrap().replace(
        r#"{ kind = "python" }"#,
        r#"{ kind = "python", requirements = "requirements.txt" }"#,
    );
    fs::write(description, with).unwrap();

    let marked = ran(&project);
    let backend = BACKEND.replace("MARKED", marked.to_str().unwrap());
    project
        .write("sdist/dual-1.0/evil.py", backend)
        .write(
            "sdist/dual-1.0/pyproject.toml",
            "[build-system]\nrequires = []\nbuild-backend = \"evil\"\nbackend-path = [\".\"]\n",
        )
        .write(
            "sdist/dual-1.0/PKG-INFO",
            "Metadata-Version: 2.1\nName: dual\nVersion: 1.0\n",
        );
    project
        .shell("cd sdist && tar czf dual-1.0.tar.gz dual-1.0 && rm -r dual-1.0")
        .exits(0);
    let sha256 = sha256(&project.root().join("sdist/dual-1.0.tar.gz"));
    (project, sha256)
}

/// What is there once code of the package has run.
fn ran(project: &Project) -> PathBuf {
    project.root().join("ran")
}

fn sha256(file: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(file).unwrap()))
}

fn check(project: &Project, requirements: &str) -> Answer {
    project.write("functions/dual/requirements.txt", requirements);
    project.darkroom(&["check", "dual", "--stage", "first"])
}

#[test]
fn no_requirements_have_a_packages_code_run() {
    let (project, hash) = with_source_distribution();
    let pin = format!("dual==1.0 --hash=sha256:{hash}");
    let from = "--no-index\n--find-links ../../sdist\n";
    fs::copy(
        project.root().join("sdist/dual-1.0.tar.gz"),
        project.root().join("dual==1.0.tar.gz"),
    )
    .unwrap();
    for requirements in [
        format!("{from}{pin} --global-option=x\n"),
        format!("{from}{pin} \\\n# and \\\n--no-binary :all:\n"),
        format!("--no-index --find-links ../../sdist --no-binary :all:\n{pin}\n"),
        format!("# said\r--no-binary :all:\n{from}{pin}\n"),
        format!("# coding: utf-7\n# +AAo---no-binary :all:\n{from}{pin}\n"),
        format!("--no-index\ndual==1.0.tar.gz --hash=sha256:{hash}\n"),
        format!("--no-index\n./dual==1.0.tar.gz --hash=sha256:{hash}\n"),
        format!("{from}{pin}\n"),
    ] {
        let answer = check(&project, &requirements);
        assert_ne!(answer.code(), Some(0), "{requirements}: {}", answer.told());
        assert!(!ran(&project).exists(), "{requirements}: {}", answer.told());
    }
}

#[test]
fn a_wheel_that_somebody_built_becomes_part_of_the_layer() {
    let (project, hash) = with_source_distribution();
    let missing = check(
        &project,
        &format!("--no-index\n--find-links ../../sdist\ndual==1.0 --hash=sha256:{hash}\n"),
    )
    .exits(1)
    .says("Darkroom installs only wheels");
    // The folder of the package stands in for an index.
    let sdist = project.root().join("sdist");
    let index = [
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", sdist.to_str().unwrap()),
    ];
    project
        .shell_with(&missing.suggestion("pip wheel"), &index)
        .exits(0);
    assert!(ran(&project).exists(), "the user built it");
    let hashed = project.shell(&missing.suggestion("pip hash")).exits(0);
    let hash = hashed.stdout();
    let hash = hash.lines().last().unwrap();
    let links = missing.suggestion("--find-links");

    let good = format!("--no-index\n{links}\ndual==1.0 {hash}\n");
    // The handler imports the package, so a right output shows that the layer holds it.
    check(&project, &good).exits(0);
    assert_eq!(packaged(&project), ["first.py", "second.py"]);

    let other = "0".repeat(64);
    check(
        &project,
        &format!("--no-index\n{links}\ndual==1.0 --hash=sha256:{other}\n"),
    )
    .exits(1)
    .says("another hash than the requirements file");
}

/// Names in the zip of the variant's code: wheels beside it are no code.
fn packaged(project: &Project) -> Vec<String> {
    let packages = fs::read_dir(project.root().join(".darkroom/packages")).unwrap();
    let paths = packages.map(|entry| entry.unwrap().path());
    let code = paths.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("dual-") && name.ends_with(".zip") && !name.contains("-layer")
    });
    let zip = code.last().unwrap();
    let zip = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let names = zip.file_names().map(|name| name.unwrap().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
