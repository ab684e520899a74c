//! Projects for the peers, and `darkroom` sent there with an environment that holds nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::story::Project;

/// Which hand-written variant stands in for what a model is yet to write. Copies are made in the
/// test's folder alone, and say what they are.
const STAND_INS: [(&str, &str); 3] = [
    ("pillow", "gpt-5"),
    ("numpy", "gemini-2.5-pro"),
    ("purepy", "deepseek"),
];

/// The study as its manifest stands in this repository, with stand-ins for its variants and one
/// small image.
pub fn with_stand_ins() -> Project {
    let project = small(&[]);
    for (of, name) in STAND_INS {
        let folder = format!("functions/{name}");
        project.copy_to(&repository().join("functions").join(of), &folder);
        let description = format!("{folder}/variant.toml");
        let text = fs::read_to_string(project.root().join(&description)).unwrap();
        let rest = text.split_once('\n').unwrap().1;
        project.write(
            &description,
            format!("description = \"STAND-IN: a copy of {of}, by no model\"\n{rest}"),
        );
    }
    let text = fs::read_to_string(repository().join("manifests/llm-study.toml")).unwrap();
    let mut manifest: toml::Table = text.parse().unwrap();
    let names = STAND_INS.map(|(_, name)| toml::Value::from(name));
    manifest["matrix"]["variants"] = names.to_vec().into();
    project.write("manifests/llm-study.toml", manifest.to_string());
    project
}

/// A project with these variants of the repository, its pipeline and prices, and one small image.
pub fn small(variants: &[&str]) -> Project {
    let project = Project::study("image-pipeline", variants);
    project.copy_to(
        &repository().join("experiments/prices"),
        "experiments/prices",
    );
    project.scenes(&[(96, 64)]);
    fs::create_dir(project.root().join("home")).unwrap();
    project
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// How a command ended and what it said.
pub struct Told {
    code: Option<i32>,
    /// Both outputs.
    text: String,
}

impl Told {
    /// What it said, however it ended.
    pub fn text(self) -> String {
        self.text
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self.text
    }
}

/// Someone who works in a project with AWS's calls going to an endpoint.
pub struct Person<'a> {
    project: &'a Project,
    variables: BTreeMap<String, String>,
}

impl<'a> Person<'a> {
    pub fn new(project: &'a Project, url: &str) -> Self {
        let python = darkroom_cloud::python::find("3.13").unwrap();
        let folder = python.path.parent().unwrap().display().to_string();
        let variables = [
            (
                "PATH",
                format!("{folder}:{}", std::env::var("PATH").unwrap()),
            ),
            ("HOME", project.root().join("home").display().to_string()),
            ("AWS_ENDPOINT_URL", url.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self { project, variables }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs `darkroom` to its end.
    pub fn darkroom(&self, arguments: &[&str]) -> Told {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        Told {
            code: output.status.code(),
            text,
        }
    }

    /// Starts `darkroom`; what it says goes to a file.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut command = self.command(arguments);
        let process = command
            .stdout(said.as_file().try_clone().unwrap())
            .stderr(said.as_file().try_clone().unwrap())
            .spawn()
            .unwrap();
        Running { process, said }
    }

    /// Removes what the study's runs made, also one that was killed just now; a second time finds
    /// nothing.
    #[track_caller]
    pub fn cleans(&self) {
        self.darkroom(&["clean", "llm-study", "--target", "aws", "--yes"])
            .exits(0);
        let again = self
            .darkroom(&["clean", "--target", "aws", "--yes"])
            .exits(0);
        assert!(
            again.contains("found nothing that Darkroom made"),
            "{again}"
        );
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command
            .args(arguments)
            .current_dir(self.project.root())
            .env_clear()
            .envs(&self.variables);
        command.stdin(Stdio::null());
        command
    }
}

/// A command under way.
pub struct Running {
    process: Child,
    said: tempfile::NamedTempFile,
}

impl Running {
    pub fn goes_on(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        self.said
            .reopen()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// As Ctrl-C does.
    pub fn interrupt(mut self) -> Told {
        let pid = nix::unistd::Pid::from_raw(self.process.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let code = self.process.wait().unwrap().code();
        Told {
            code,
            text: self.text(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
