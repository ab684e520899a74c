//! Building is running: what a variant's build script sees of the machine, and what a variant's
//! links lead to.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use crate::story::Project;

/// Looks around as nobody should, and puts what it saw into the binary.
const BUILD_RS: &str = r#"
use std::{env, fs, net::TcpStream, path::Path, time::Duration};
fn main() {
    let mut saw = vec![];
    for (name, value) in env::vars() {
        if value.contains("do-not-tell") {
            saw.push(format!("secret {name}"));
        }
    }
    for path in ["/etc/shadow", "/root/.cargo/credentials.toml", "/proc/1/environ", "PROJECT/m.toml", "PROJECT/experiments"] {
        if fs::read(path).is_ok() || fs::read_dir(path).is_ok() {
            saw.push(format!("read {path}"));
        }
    }
    for path in ["/variant/written", "/toolchain/written", "/cargo/written", "/var/tmp/written-by-build-rs", "PROJECT/written"] {
        if fs::write(path, "x").is_ok() {
            saw.push(format!("wrote {path}"));
        }
    }
    let address = "127.0.0.1:PORT".parse().unwrap();
    if TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok() {
        saw.push("connected".to_string());
    }
    if fs::read_dir("/home").is_ok_and(|homes| homes.count() > 0) {
        saw.push("homes".to_string());
    }
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("saw"), format!("SAW[{}]", saw.join(", "))).unwrap();
}
"#;
const MAIN_RS: &str =
    "fn main() { println!(\"{}\", include_str!(concat!(env!(\"OUT_DIR\"), \"/saw\"))); }\n";
const CARGO: &str = "[package]\nname = \"bootstrap\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n\
                     [[bin]]\nname = \"bootstrap\"\npath = \"src/main.rs\"\n[workspace]\n";
const LOCK: &str = "version = 4\n\n[[package]]\nname = \"bootstrap\"\nversion = \"0.1.0\"\n";

/// A project whose variant `evil` is a Cargo project with this build script.
fn with_build_script(script: &str) -> Project {
    let project = Project::new();
    project.share_runtimes();
    let architecture = crate::story::HOST;
    project.write(
        "functions/evil/variant.toml",
        format!(
            "description = \"looks around\"\nruntime = \"provided.al2023\"\narchitectures = [\"{architecture}\"]\n\
             [build]\nkind = \"cargo\"\nbin = \"bootstrap\"\n[handlers]\ngreyscale = \"greyscale\"\nresize = \"resize\"\n"
        ),
    );
    project
        .write("functions/evil/Cargo.toml", CARGO)
        .write("functions/evil/Cargo.lock", LOCK);
    project.write("functions/evil/src/main.rs", MAIN_RS);
    project
        .write(
            "functions/evil/build.rs",
            script.replace("PROJECT", project.root().to_str().unwrap()),
        )
        .manifest("variants = [\"evil\"]\nimage_sets = [\"photos\"]");
    project
}

/// The text that the build script left in the packaged binary.
fn seen(project: &Project) -> String {
    let packages = fs::read_dir(project.root().join(".darkroom/packages")).unwrap();
    let zip = packages
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "zip"))
        .unwrap();
    let mut zip = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let mut bytes = Vec::new();
    zip.by_name("bootstrap")
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let start = text.find("SAW[").unwrap();
    text[start..=start + text[start..].find(']').unwrap()].to_owned()
}

#[test]
fn a_build_script_sees_no_secret_no_home_and_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let project = with_build_script(&BUILD_RS.replace("PORT", &port));
    let secrets = [
        ("AWS_SECRET_ACCESS_KEY", "do-not-tell"),
        ("OPENAI_API_KEY", "do-not-tell-either"),
    ];
    // The binary is no handler, so its outputs are missing; it was built all the same.
    let answer = project.darkroom_with(&["check", "evil", "--stage", "greyscale"], &secrets);
    assert_eq!(answer.code(), Some(1), "{}", answer.told());
    assert_eq!(seen(&project), "SAW[]", "{}", answer.told());
    assert!(
        !answer.told().contains("outside of the sandbox"),
        "{}",
        answer.told()
    );
    assert!(!project.root().join("functions/evil/written").exists());
    // Nor does anything that was kept hold a secret.
    let mut pending = vec![project.root().to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                assert!(
                    !bytes.windows(18).any(|part| part == b"do-not-tell-either"),
                    "{}",
                    entry.path().display()
                );
            }
        }
    }
    let state = fs::metadata(project.root().join(".darkroom")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&state.permissions()) & 0o777,
        0o700
    );
}

#[test]
fn what_a_build_script_leaves_in_place_of_the_binary_is_not_followed() {
    // It waits until cargo has linked the binary, and then there is none: a link to what only root
    // may read.
    let project = with_build_script(
        r#"
fn main() {
    use std::os::unix::fs::symlink;
    let release = format!("/target/{}/release", std::env::var("TARGET").unwrap());
    let aside = "/target/aside";
    std::fs::create_dir_all(aside).unwrap();
    std::fs::write(format!("{}/saw", std::env::var("OUT_DIR").unwrap()), "SAW[]").unwrap();
    // Cargo writes through the link, into a folder that is not the one that is read.
    let _ = std::fs::remove_file(format!("{release}/bootstrap"));
    let _ = std::fs::rename(&release, "/target/moved");
    let _ = symlink("moved", &release);
}
"#,
    );
    let told = project
        .darkroom(&["check", "evil", "--stage", "greyscale"])
        .told();
    assert!(
        told.contains("no regular file") || told.contains("cargo cannot build"),
        "{told}"
    );
}

#[test]
fn a_compiler_of_the_variants_own_is_not_started() {
    let project = with_build_script("fn main() {}");
    let marker = project.root().join("started");
    project.write(
        "functions/evil/toolchain/bin/rustc",
        format!("#!/bin/sh\ntouch {}\n", marker.display()),
    );
    for (file, text) in [
        ("rust-toolchain.toml", "[toolchain]\npath = \"toolchain\"\n"),
        ("rust-toolchain", "./toolchain\n"),
        (
            "rust-toolchain.toml",
            "[toolchain]\nchannel = \"/tmp/toolchain\"\n",
        ),
    ] {
        project.write(&format!("functions/evil/{file}"), text);
        let told = project
            .darkroom(&["check", "evil", "--stage", "greyscale"])
            .told();
        assert!(
            told.contains("names a toolchain by a path"),
            "{text}: {told}"
        );
        project.remove(&format!("functions/evil/{file}"));
    }
    assert!(!marker.exists());
}

#[test]
fn links_that_leave_a_variant_are_refused_with_the_manifest_and_by_check() {
    for (link, target) in [
        ("data.py", "/etc/hostname"),
        ("data.py", "../rust/greyscale.py"),
        ("data", "/etc"),
        ("data", "../rust"),
    ] {
        let project = Project::new();
        project.manifest("variants = [\"pillow\"]\nimage_sets = [\"photos\"]");
        symlink(target, project.root().join("functions/pillow").join(link)).unwrap();
        let told = project
            .darkroom(&["validate", "m.toml"])
            .exits(2)
            .before_any_effect()
            .told();
        assert!(
            told.contains(&format!(
                "the link functions/pillow/{link} leads out of the variant's folder"
            )),
            "{told}"
        );
        assert!(
            told.contains("Copy its target into the variant's folder"),
            "{told}"
        );
        let told = project
            .darkroom(&["check", "pillow", "--stage", "greyscale"])
            .exits(2)
            .told();
        assert!(told.contains("leads out of the variant's folder"), "{told}");
    }
    // One that stays is as good as a file.
    let project = Project::new();
    project.manifest("variants = [\"pillow\"]\nimage_sets = [\"photos\"]");
    symlink(
        "greyscale.py",
        project.root().join("functions/pillow/same.py"),
    )
    .unwrap();
    project.darkroom(&["validate", "m.toml"]).exits(0);
}
