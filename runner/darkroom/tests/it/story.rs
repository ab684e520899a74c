//! Tells a story: a project in a folder of its own, what is wrong with it, a command, and what
//! comes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The architecture of this machine as manifests spell it, and the other one.
pub const HOST: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "x86_64"
};
pub const OTHER: &str = if cfg!(target_arch = "aarch64") {
    "x86_64"
} else {
    "arm64"
};

const PIPELINE: &str = include_str!("../../../darkroom-core/tests/fixtures/two-stages.toml");

const VARIANT: &str = r#"
description = "for tests"
runtime = "python3.13"
architectures = ["x86_64", "arm64"]
build = { kind = "python" }
handlers = { greyscale = "greyscale.handler", resize = "resize.handler" }
"#;

/// A project with variants `pillow` and `rust`, a pipeline of two stages, and an image set `photos`
/// of two images.
pub struct Project {
    root: TempDir,
}

impl Project {
    pub fn new() -> Self {
        let project = Self {
            root: tempfile::tempdir().unwrap(),
        };
        for variant in ["pillow", "rust"] {
            project.variant(variant);
        }
        project.write("experiments/image-pipeline/pipeline.toml", PIPELINE);
        project.images(&["one", "two"]);
        project
    }

    /// A project with a pipeline of this repository and copies of these variants. What is installed
    /// or packaged once is shared by all stories.
    pub fn study(pipeline: &str, variants: &[&str]) -> Self {
        let project = Self::new();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for of in ["image-pipeline", pipeline] {
            let file = format!("experiments/{of}/pipeline.toml");
            project.write(&file, fs::read(repository.join(&file)).unwrap());
        }
        for variant in variants {
            project.copy(&repository, &format!("functions/{variant}"));
        }
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stories");
        fs::create_dir_all(project.root().join(".darkroom")).unwrap();
        for folder in ["runtimes", "packages"] {
            fs::create_dir_all(cache.join(folder)).unwrap();
            std::os::unix::fs::symlink(
                cache.join(folder),
                project.root().join(".darkroom").join(folder),
            )
            .unwrap();
        }
        project
    }

    /// Copies a folder's files from elsewhere to the same place here, or to `to`.
    pub fn copy_to(&self, from: &Path, to: &str) -> &Self {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                self.write(
                    &format!("{to}/{}", entry.file_name().to_str().unwrap()),
                    fs::read(entry.path()).unwrap(),
                );
            }
        }
        self
    }

    fn copy(&self, from: &Path, folder: &str) -> &Self {
        self.copy_to(&from.join(folder), folder)
    }

    /// Makes an image set `photos` of seeded scenes, of these sizes.
    pub fn scenes(&self, sizes: &[(u32, u32)]) -> &Self {
        let mut set = "description = \"for tests\"\n".to_owned();
        for (index, (width, height)) in sizes.iter().enumerate() {
            let format = darkroom_core::pipeline::Format::Png;
            let image = darkroom_contract::generate(index as u64 + 1, *width, *height, format);
            set += &self.file(&format!("scene-{}", index + 1), &image);
        }
        self.write("experiments/image-pipeline/image-sets/photos.toml", set)
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.root().join(path)).unwrap();
        self
    }

    /// Lets Lambda's runtimes be installed once for all stories.
    pub fn share_runtimes(&self) -> &Self {
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtimes");
        fs::create_dir_all(&shared).unwrap();
        fs::create_dir_all(self.root().join(".darkroom")).unwrap();
        std::os::unix::fs::symlink(shared, self.root().join(".darkroom/runtimes")).unwrap();
        self
    }

    /// Adds a variant whose handlers exist and do nothing.
    pub fn variant(&self, name: &str) -> &Self {
        self.write(&format!("functions/{name}/variant.toml"), VARIANT);
        for stage in ["greyscale", "resize"] {
            self.write(
                &format!("functions/{name}/{stage}.py"),
                "def handler(event, context): pass\n",
            );
        }
        self
    }

    /// Makes an image set `photos` of these images, 4x4 pixels each.
    pub fn images(&self, names: &[&str]) -> &Self {
        let mut set = "description = \"for tests\"\n".to_owned();
        for name in names {
            let mut png = std::io::Cursor::new(Vec::new());
            image::RgbImage::new(4, 4)
                .write_to(&mut png, image::ImageFormat::Png)
                .unwrap();
            set += &self.file(name, &png.into_inner());
        }
        self.write("experiments/image-pipeline/image-sets/photos.toml", set)
    }

    /// Writes a file of the set and returns its declaration.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        self.write(
            &format!("experiments/image-pipeline/image-sets/photos/{name}.png"),
            bytes,
        );
        let sha256 = hex::encode(Sha256::digest(bytes));
        format!("[[files]]\npath = \"photos/{name}.png\"\nsha256 = \"{sha256}\"\n")
    }

    /// Writes `m.toml`: an experiment called `test`, with these lines in its matrix.
    pub fn manifest(&self, matrix: &str) -> &Self {
        self.write(
            "m.toml",
            format!("[experiment]\nname = \"test\"\n\n[matrix]\n{matrix}\n"),
        )
    }

    /// Runs `darkroom` in the project's folder to its end.
    pub fn darkroom(&self, arguments: &[&str]) -> Answer {
        self.darkroom_with(arguments, &[])
    }

    /// The same with these environment variables.
    pub fn darkroom_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_darkroom"))
            .args(arguments)
            .current_dir(self.root())
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Answer {
            output,
            root: self.root().canonicalize().unwrap(),
        }
    }

    /// Runs a line as a person's shell would in the project's folder, with this build's `darkroom`.
    pub fn shell(&self, line: &str) -> Answer {
        self.shell_with(line, &[])
    }

    /// The same with these environment variables.
    pub fn shell_with(&self, line: &str, variables: &[(&str, &str)]) -> Answer {
        let binary = Path::new(env!("CARGO_BIN_EXE_darkroom")).parent().unwrap();
        let path = std::env::join_paths(
            std::iter::once(binary.to_owned())
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut shell = Command::new("sh");
        shell
            .args(["-c", line])
            .current_dir(self.root())
            .env("PATH", path.unwrap())
            .env_remove("NO_COLOR");
        shell.envs(variables.iter().copied());
        Answer {
            output: shell.output().unwrap(),
            root: self.root().canonicalize().unwrap(),
        }
    }
}

/// What a command said and how it ended.
pub struct Answer {
    output: Output,
    root: PathBuf,
}

impl Answer {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.output.status.code(),
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout(),
            self.stderr()
        );
        self
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// What it said on stderr, wherever it wraps.
    pub fn one_line(&self) -> String {
        one_line(&self.stderr())
    }

    /// The wrong request changed nothing: no word on stdout, no folder made.
    #[track_caller]
    pub fn before_any_effect(self) -> Self {
        assert_eq!(self.stdout(), "");
        for folder in ["outputs", ".darkroom"] {
            assert!(!self.root.join(folder).exists(), "{folder} was made");
        }
        self
    }

    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// All that was said, as one line.
    pub fn told(&self) -> String {
        one_line(&format!("{}\n{}", self.stdout(), self.stderr()))
    }

    /// Returns the one suggestion in backticks that begins with this, to be followed as it stands.
    #[track_caller]
    pub fn suggestion(&self, begin: &str) -> String {
        let told = self.told();
        match suggestions(&told, begin)[..] {
            [only] => only.to_owned(),
            ref found => panic!(
                "one suggestion that begins with `{begin}` is expected, not {found:?}, in:\n{told}"
            ),
        }
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            one_line(&self.stderr()).contains(words),
            "{words:?} is not in:\n{}",
            self.stderr()
        );
        self
    }

    /// The text with this machine's architecture and the other one under one name each.
    pub fn on_any_machine(text: &str) -> String {
        // The price of the same work on either architecture.
        let text = text
            .replace("$0.12,", "$USD,")
            .replace("$0.0999", "$USD")
            .replace("$0.14;", "$USD;")
            .replace("$0.11;", "$USD;");
        text.replace(std::env::consts::ARCH, "HOST")
            .replace(HOST, "HOST")
            .replace(OTHER, "OTHER")
    }
}

/// Returns what stands in backticks and begins with this, each once.
pub fn suggestions<'a>(told: &'a str, begin: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for words in told
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|words| words.starts_with(begin))
    {
        if !found.contains(&words) {
            found.push(words);
        }
    }
    found
}

/// As one line: where a message wraps, after a space or a hyphen, is not what is asked.
fn one_line(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| *word != "│")
        .collect::<Vec<_>>()
        .join(" ")
        .replace("- ", "-")
}
