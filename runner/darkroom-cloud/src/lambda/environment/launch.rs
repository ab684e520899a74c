//! What to start for a function: program, arguments, environment variables, folders.
//!
//! The environment variables are AWS's (FACTS.md, section 5) plus those that lead SDKs to the local
//! cloud; none come from the host. Pure, except for asking which folders exist.

use super::types::{FunctionSpec, LogFormat};
use crate::access::Credentials;
use crate::emulator::Emulator;
use crate::python::PythonRuntime;
use crate::sandbox::protocol::Program;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// Where the Runtime API listens inside a sandbox, as on AWS.
pub const RUNTIME_API_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);

/// See [`RUNTIME_API_ADDRESS`].
pub const RUNTIME_API_PORT: u16 = 9001;

/// The language runtime of a function, found on this machine.
#[derive(Clone, Debug)]
pub enum Runtime {
    Python(PythonRuntime),
    /// The code brings its own `bootstrap`.
    Provided,
}

/// Where things are for the handler.
#[derive(Clone, Debug)]
pub struct Places {
    pub task: PathBuf,
    /// Folders in which to look for layers' files.
    pub opt: Vec<PathBuf>,
    pub runtime: PathBuf,
    /// Where the interpreter's prefix is.
    pub language: PathBuf,
    pub tmp: Option<PathBuf>,
}

impl Places {
    /// AWS's paths, which a sandbox with a root of its own has.
    pub fn sandboxed() -> Self {
        Self {
            task: "/var/task".into(),
            opt: vec!["/opt".into()],
            runtime: "/var/runtime".into(),
            language: "/var/lang".into(),
            tmp: None,
        }
    }

    /// The host's paths, where there is no root of its own.
    pub fn plain(
        spec: &FunctionSpec,
        runtime: &Runtime,
        layers: Option<&Path>,
        tmp: &Path,
    ) -> Self {
        let (runtime, language) = match runtime {
            Runtime::Python(python) => (
                python.runtime_dir.clone(),
                python.interpreter.prefix.clone(),
            ),
            Runtime::Provided => (PathBuf::from("/nonexistent"), PathBuf::from("/nonexistent")),
        };
        Self {
            task: spec.code_dir.clone(),
            opt: layers.map(Path::to_owned).into_iter().collect(),
            runtime,
            language,
            tmp: Some(tmp.to_owned()),
        }
    }
}

/// What an environment tells its runtime beside the function's own configuration.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    pub runtime_api: SocketAddrV4,
    pub endpoint_url: &'a str,
    pub credentials: &'a Credentials,
    pub log_stream: &'a str,
}

/// Returns the program that serves `spec`'s invocations; `Err` names the places that have no
/// `bootstrap`. The layers are as the host sees them, the emulator as the handler does.
pub fn program(
    spec: &FunctionSpec,
    runtime: &Runtime,
    places: &Places,
    (layers, emulator): (Option<&Path>, Option<&Emulator>),
    surroundings: &Surroundings<'_>,
) -> Result<Program, String> {
    let (path, arguments) = match runtime {
        Runtime::Python(python) => python_command(spec, python, places),
        Runtime::Provided => (bootstrap(spec, places, layers)?, Vec::new()),
    };
    let (path, arguments) = match emulator {
        Some(emulator) => emulator.wrapped(&path, arguments),
        None => (path, arguments),
    };
    let mut program = Program {
        path,
        arguments,
        environment: environment(spec, runtime, places, surroundings)
            .into_iter()
            .collect(),
        directory: places.task.clone(),
        telemetry_variable: matches!(runtime, Runtime::Python(_))
            .then(|| "_LAMBDA_TELEMETRY_LOG_FD".to_owned()),
    };
    if let Some(wrapper) = wrapper(spec).filter(|_| matches!(runtime, Runtime::Python(_))) {
        let wrapped = std::mem::replace(&mut program.path, wrapper.into());
        program
            .arguments
            .insert(0, wrapped.to_string_lossy().into_owned());
    }
    Ok(program)
}

/// Returns the script that the function wants its runtime started by (`AWS_LAMBDA_EXEC_WRAPPER`).
pub fn wrapper(spec: &FunctionSpec) -> Option<&str> {
    spec.environment
        .get("AWS_LAMBDA_EXEC_WRAPPER")
        .map(String::as_str)
        .filter(|path| !path.is_empty())
}

/// Starts awslambdaric with AWS's search order: the code, the layers, then `/var/runtime` from
/// `PYTHONPATH`.
fn python_command(
    spec: &FunctionSpec,
    python: &PythonRuntime,
    places: &Places,
) -> (PathBuf, Vec<String>) {
    let (major, minor, _) = python.interpreter.version;
    let mut search = vec![places.task.clone()];
    for opt in &places.opt {
        search.push(opt.join(format!("python/lib/python{major}.{minor}/site-packages")));
        search.push(opt.join("python"));
    }
    let sandboxed = places.tmp.is_none();
    // JSON's strings are Python's, too.
    let search = serde_json::json!(search);
    let mut script = format!("import sys\nsys.path[:1] = {search}\n");
    let mut arguments = Vec::new();
    if !sandboxed {
        // Without `site` the host's packages stay out; what else `site` gives is given here.
        arguments.push("-S".to_owned());
        script += "import builtins, _sitebuiltins\n\
                   builtins.exit = _sitebuiltins.Quitter('exit', '')\n\
                   builtins.quit = _sitebuiltins.Quitter('quit', '')\n";
    }
    script += "from awslambdaric.__main__ import main\nmain(sys.argv)\n";
    arguments.extend(["-c".to_owned(), script, spec.handler.clone()]);
    let executable = &python.interpreter.path;
    let path = match executable.strip_prefix(&python.interpreter.prefix) {
        Ok(below) if sandboxed => places.language.join(below),
        _ => executable.clone(),
    };
    (path, arguments)
}

/// Returns the first `bootstrap` in the code or the layers, as the handler's file system names it.
fn bootstrap(
    spec: &FunctionSpec,
    places: &Places,
    layers: Option<&Path>,
) -> Result<PathBuf, String> {
    let opt = places
        .opt
        .first()
        .map_or_else(|| PathBuf::from("/opt"), Clone::clone);
    let candidates = [
        (Some(spec.code_dir.as_path()), &places.task),
        (layers, &opt),
    ];
    for (host, inside) in &candidates {
        if host.is_some_and(|host| host.join("bootstrap").is_file()) {
            return Ok(inside.join("bootstrap"));
        }
    }
    Err("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned())
}

fn environment(
    spec: &FunctionSpec,
    runtime: &Runtime,
    places: &Places,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<String, String> {
    let show = |path: &Path| path.to_string_lossy().into_owned();
    let (task, runtime_dir, language) = (
        show(&places.task),
        show(&places.runtime),
        show(&places.language),
    );
    let opt = places
        .opt
        .first()
        .map_or_else(|| "/opt".to_owned(), |opt| show(opt));
    let path = format!("{language}/bin:/usr/local/bin:/usr/bin/:/bin:{opt}/bin");
    let libraries = format!(
        "{language}/lib:/lib64:/usr/lib64:{runtime_dir}:{runtime_dir}/lib:{task}:{task}/lib:{opt}/lib"
    );
    let api = surroundings.runtime_api.to_string();
    let credentials = surroundings.credentials;
    let fixed = [
        ("_HANDLER", spec.handler.as_str()),
        ("AWS_REGION", &spec.region),
        ("AWS_DEFAULT_REGION", &spec.region),
        ("AWS_LAMBDA_FUNCTION_NAME", &spec.name),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            &spec.memory_mb.to_string(),
        ),
        ("AWS_LAMBDA_FUNCTION_VERSION", &spec.version),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &spec.log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", surroundings.log_stream),
        ("AWS_ACCESS_KEY_ID", &credentials.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key),
        ("AWS_SESSION_TOKEN", &credentials.session_token),
        ("AWS_LAMBDA_RUNTIME_API", &api),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1:2000"),
        ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1"),
        ("_AWS_XRAY_DAEMON_PORT", "2000"),
        // Not AWS's: where the SDKs find the local cloud.
        ("AWS_ENDPOINT_URL", surroundings.endpoint_url),
        ("LAMBDA_TASK_ROOT", &task),
        ("LAMBDA_RUNTIME_DIR", &runtime_dir),
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", &path),
        ("LD_LIBRARY_PATH", &libraries),
        ("PWD", &task),
        ("SHLVL", "0"),
    ];
    let mut all: BTreeMap<String, String> = fixed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut set = |name: &str, value: String| all.insert(name.to_owned(), value);
    if let Runtime::Python(_) = runtime {
        set("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", spec.runtime));
        set("LC_CTYPE", "C.UTF-8".to_owned());
        set("PYTHONPATH", runtime_dir.clone());
    }
    if spec.log_format == LogFormat::Json {
        set("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned());
        set(
            "AWS_LAMBDA_LOG_LEVEL",
            spec.application_log_level
                .clone()
                .unwrap_or_else(|| "INFO".to_owned()),
        );
    }
    if let Some(tmp) = &places.tmp {
        set("TMPDIR", show(tmp));
    }
    all.extend(
        spec.environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    all
}

/// Returns the folders to bind for `spec`, and those to cover.
pub fn folders(
    spec: &FunctionSpec,
    runtime: &Runtime,
    layers: Option<&Path>,
) -> (Vec<(PathBuf, PathBuf)>, Vec<PathBuf>) {
    let places = Places::sandboxed();
    let mut binds = vec![(spec.code_dir.clone(), places.task)];
    binds.extend(layers.map(|layers| (layers.to_owned(), PathBuf::from("/opt"))));
    let mut covers = Vec::new();
    if let Runtime::Python(python) = runtime {
        let (prefix, (major, minor, _)) = (&python.interpreter.prefix, python.interpreter.version);
        binds.push((prefix.clone(), places.language.clone()));
        binds.push((python.runtime_dir.clone(), places.runtime));
        // The host's own packages are not part of the runtime.
        let packages = [
            format!("lib/python{major}.{minor}/site-packages"),
            "lib/python3/dist-packages".into(),
            "local".into(),
        ];
        for folder in packages
            .iter()
            .filter(|folder| prefix.join(folder).is_dir())
        {
            covers.push(places.language.join(folder));
        }
    }
    (binds, covers)
}

/// Returns the version that `INIT_START` prints, for example `python:3.13.v1`.
pub fn version_text(runtime: &str) -> String {
    let dotted = runtime
        .split_once('.')
        .filter(|(name, _)| !name.ends_with(|c: char| c.is_ascii_digit()));
    let digits = || {
        runtime.split_at(
            runtime
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(runtime.len()),
        )
    };
    let (name, version) = dotted.unwrap_or_else(digits);
    format!("{name}:{version}.v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_texts_read_as_awss() {
        assert_eq!(version_text("python3.13"), "python:3.13.v1");
        assert_eq!(version_text("provided.al2023"), "provided:al2023.v1");
    }

    #[test]
    fn the_environment_is_awss_and_the_users_and_nothing_of_the_hosts() {
        let mut spec = super::super::types::example();
        spec.runtime = "provided.al2023".into();
        spec.environment.insert("OUTPUT_BUCKET".into(), "b".into());
        let credentials = Credentials::default();
        let surroundings = Surroundings {
            runtime_api: SocketAddrV4::new(RUNTIME_API_ADDRESS, RUNTIME_API_PORT),
            endpoint_url: "http://127.0.0.1:1",
            credentials: &credentials,
            log_stream: "stream",
        };
        let all = environment(
            &spec,
            &Runtime::Provided,
            &Places::sandboxed(),
            &surroundings,
        );
        assert_eq!(all["AWS_LAMBDA_RUNTIME_API"], "169.254.100.1:9001");
        assert_eq!(all["OUTPUT_BUCKET"], "b");
        assert_eq!(
            all["PATH"],
            "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
        );
        assert!(
            !all.contains_key("AWS_EXECUTION_ENV"),
            "absent for provided runtimes"
        );
        assert!(!all.contains_key("HOME") && !all.contains_key("USER"));
    }
}
