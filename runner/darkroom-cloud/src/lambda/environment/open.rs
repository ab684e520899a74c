//! Makes a new environment: finds the language runtime, merges the layers, opens the sandbox,
//! serves its listeners.

use super::environments::{ServeConnection, Shared};
use super::failure::RunFailure;
use super::gauge::MemoryGauge;
use super::launch::{self, Places, RUNTIME_API_ADDRESS, RUNTIME_API_PORT, Runtime, Surroundings};
use super::lines::LogLines;
use super::run::{Environment, EnvironmentState};
use super::types::{FunctionSpec, InvokeOutcome, Report};
use crate::access::{Access, Credentials};
use crate::emulator::Emulator;
use crate::lambda::runtime_api::RuntimeApi;
use crate::lineage::Working;
use crate::python;
use crate::sandbox::{Sandbox, SandboxPlan};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinSet, spawn_blocking};

/// The language runtimes found so far.
#[derive(Default)]
pub struct Runtimes {
    /// By name, and by the processor where it is emulated.
    found: Mutex<HashMap<(String, Option<&'static str>), Runtime>>,
}

impl Runtimes {
    /// Returns the runtime of that name, found or installed at the first call; an error says how to
    /// fix it.
    pub async fn get(
        &self,
        name: &str,
        cache_dir: &Path,
        emulator: Option<&Emulator>,
    ) -> Result<Runtime, String> {
        if name.starts_with("provided") {
            return Ok(Runtime::Provided);
        }
        // Held while installing: whoever else asks meanwhile wants the same.
        let mut found = self.found.lock().await;
        let key = (name.to_owned(), emulator.map(|emulator| emulator.machine));
        if let Some(runtime) = found.get(&key) {
            return Ok(runtime.clone());
        }
        let (cache_dir, wanted) = (cache_dir.to_owned(), name.to_owned());
        let emulator = emulator.cloned();
        let python = spawn_blocking(move || match emulator {
            Some(emulator) => python::emulated_runtime(&cache_dir, &wanted, &emulator),
            None => python::runtime(&cache_dir, &wanted),
        });
        let python = python.await;
        let python = python
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let runtime = Runtime::Python(python);
        found.insert(key, runtime.clone());
        Ok(runtime)
    }
}

/// Makes an environment for `spec`; its runtime is not started yet.
pub async fn environment(
    shared: &Arc<Shared>,
    spec: &Arc<FunctionSpec>,
) -> Result<Environment, RunFailure> {
    let config = &shared.config;
    let is_for = |emulator: &&Emulator| emulator.architecture == spec.architecture;
    let emulator = config.emulator.as_ref().filter(is_for);
    let runtime = shared
        .runtimes
        .get(&spec.runtime, &config.cache_dir, emulator)
        .await
        .map_err(RunFailure::Unavailable)?;
    let layers = layers(shared, spec).await?;
    let stream = stream_name(&spec.version);
    let lines = LogLines::new(Arc::clone(&shared.logs), spec, stream.clone());
    let unavailable =
        |error: io::Error| RunFailure::Unavailable(format!("cannot make the sandbox: {error}"));

    let (mut binds, covers) = launch::folders(spec, &runtime, layers.as_deref());
    binds.extend(emulator.into_iter().flat_map(Emulator::binds));
    let listen = listen_at(&config.endpoint_url);
    let plan = SandboxPlan {
        binds,
        covers,
        memory_mb: spec.memory_mb,
        tmp_mb: spec.ephemeral_mb,
        listen,
    };
    let mut sandbox = Sandbox::open(&shared.host, &plan)
        .await
        .map_err(unavailable)?;

    let (api, events) = RuntimeApi::new();
    let mut servers = JoinSet::new();
    let listeners = std::mem::take(&mut sandbox.listeners);
    let lease = config
        .access
        .as_ref()
        .map(|access: &Access| access.issue(spec));
    let working = Working::of(lease.as_ref().map(|lease| Arc::clone(&lease.caller)));
    let connection = config.serve.clone().map(|serve| (serve, working.clone()));
    let listeners = serve(
        &mut servers,
        listeners,
        &api,
        connection,
        &config.endpoint_url,
    );
    let runtime_api = listeners.await.map_err(unavailable)?;
    let tmp = if shared.host.has_root() {
        None
    } else {
        Some(crate::scratch::private_folder("darkroom-tmp-").map_err(unavailable)?)
    };
    let places = match &tmp {
        None => Places::sandboxed(),
        Some(tmp) => Places::plain(spec, &runtime, layers.as_deref(), tmp.path()),
    };
    let shared_by_all = Credentials::default();
    let surroundings = Surroundings {
        runtime_api,
        endpoint_url: &config.endpoint_url,
        credentials: lease
            .as_ref()
            .map_or(&shared_by_all, |lease| &lease.credentials),
        log_stream: &stream,
    };
    let emulator = match &tmp {
        None => emulator.map(Emulator::inside),
        Some(_) => emulator.cloned(),
    };
    let from = (layers.as_deref(), emulator.as_ref());
    let program = launch::program(spec, &runtime, &places, from, &surroundings);
    let program = match program {
        Ok(program) => program,
        Err(reason) => {
            sandbox.close().await;
            return Err(RunFailure::Entrypoint(reason));
        }
    };
    Ok(Environment {
        spec: Arc::clone(spec),
        sandbox,
        api,
        events,
        servers,
        working,
        lease,
        program,
        lines,
        gauge: MemoryGauge::default(),
        misdeeds: Arc::clone(&shared.misdeeds),
        init_limit: config.init_limit,
        stopping: shared.stopping.subscribe(),
        tmp,
        state: EnvironmentState::default(),
    })
}

/// Returns the folder for `/opt`, and lets the sandbox's user into the code.
async fn layers(
    shared: &Arc<Shared>,
    spec: &Arc<FunctionSpec>,
) -> Result<Option<PathBuf>, RunFailure> {
    let (shared, spec) = (Arc::clone(shared), Arc::clone(spec));
    let merged = spawn_blocking(move || {
        let merged = shared.layers.merged(&spec.layer_dirs)?;
        for folder in merged.iter().chain([&spec.code_dir]) {
            open_up(folder)?;
        }
        Ok::<_, io::Error>(merged)
    });
    let unavailable = |error: &dyn std::fmt::Display| {
        RunFailure::Unavailable(format!("cannot read the code: {error}"))
    };
    merged
        .await
        .map_err(|error| unavailable(&error))?
        .map_err(|error| unavailable(&error))
}

/// Makes a folder readable to everybody, which temporary folders are not; AWS has `/var/task` and
/// `/opt` at 0755.
fn open_up(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & 0o005 == 0o005 {
        return Ok(());
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o055))
}

/// Returns where to listen inside the sandbox: the Runtime API's address and the local cloud's own.
fn listen_at(endpoint_url: &str) -> Vec<SocketAddrV4> {
    let mut addresses = vec![SocketAddrV4::new(RUNTIME_API_ADDRESS, RUNTIME_API_PORT)];
    addresses.extend(endpoint_address(endpoint_url).filter(|address| address.ip().is_loopback()));
    addresses
}

/// Returns the address in `http://127.0.0.1:4566`.
fn endpoint_address(endpoint_url: &str) -> Option<SocketAddrV4> {
    let authority = endpoint_url.split_once("://")?.1.split('/').next()?;
    authority.replace("localhost", "127.0.0.1").parse().ok()
}

/// Serves the Runtime API and, inside a network of its own, the local cloud; returns the Runtime
/// API's address.
async fn serve(
    servers: &mut JoinSet<()>,
    listeners: Vec<std::net::TcpListener>,
    api: &Arc<RuntimeApi>,
    connection: Option<(ServeConnection, Working)>,
    endpoint_url: &str,
) -> io::Result<SocketAddrV4> {
    let mut listeners = listeners.into_iter();
    let runtime_api = match listeners.next() {
        Some(listener) => listening(listener)?,
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
    };
    let SocketAddr::V4(address) = runtime_api.local_addr()? else {
        return Err(io::Error::other("the Runtime API listens at IPv6"));
    };
    servers.spawn(Arc::clone(api).serve(runtime_api));
    if let (Some(listener), Some(endpoint)) = (listeners.next(), endpoint_address(endpoint_url)) {
        servers.spawn(pass_on(listening(listener)?, connection, endpoint));
    }
    Ok(address)
}

fn listening(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Takes what a handler sends to the local cloud to it.
async fn pass_on(
    listener: TcpListener,
    connection: Option<(ServeConnection, Working)>,
    endpoint: SocketAddrV4,
) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match (accepted, &connection) {
                (Ok((stream, _)), Some((serve, working))) => serve(stream, working.clone()),
                (Ok((stream, _)), None) => {
                    streams.spawn(copy(stream, endpoint));
                }
                (Err(_), _) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            },
            Some(_) = streams.join_next() => {}
        }
    }
}

async fn copy(mut inside: TcpStream, endpoint: SocketAddrV4) {
    let Ok(mut outside) = TcpStream::connect(endpoint).await else {
        return;
    };
    let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
    // Either side may hang up whenever it likes.
    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
}

/// Returns a stream name as AWS makes them: date, version, and 32 hexadecimal digits.
fn stream_name(version: &str) -> String {
    let date = Timestamp::now().strftime("%Y/%m/%d").to_string();
    format!("{date}/[{version}]{}", uuid::Uuid::new_v4().simple())
}

/// Returns the outcome of an invocation for which no environment could be made, and logs it like
/// any other.
pub fn not_opened(
    shared: &Shared,
    spec: &FunctionSpec,
    request_id: &str,
    failure: &RunFailure,
) -> InvokeOutcome {
    let error_type = failure.error_type();
    let report = Report {
        request_id: request_id.to_owned(),
        duration_ms: 0.0,
        billed_duration_ms: 0,
        memory_mb: spec.memory_mb,
        max_memory_used_mb: 0,
        init_ms: None,
        status: failure.status(),
        error_type: error_type.clone(),
        log_stream: stream_name(&spec.version),
    };
    let mut lines = LogLines::new(Arc::clone(&shared.logs), spec, report.log_stream.clone());
    let payload = failure.document(request_id);
    lines.begin_tail();
    lines.start(request_id, &spec.version);
    lines.exited(
        &failure.sentence(request_id),
        error_type.as_deref().unwrap_or_default(),
    );
    lines.end(&report, payload.len());
    InvokeOutcome {
        payload,
        function_error: Some("Unhandled".to_owned()),
        log_tail: lines.take_tail(),
        report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_looks_like_awss() {
        let name = stream_name("$LATEST");
        let (date, rest) = name.split_once('[').unwrap();
        assert_eq!(date.len(), "2026/01/01/".len());
        assert_eq!(rest.len(), "$LATEST]".len() + 32);
    }

    #[test]
    fn the_endpoint_is_listened_to_inside_only_if_it_is_loopback() {
        assert_eq!(listen_at("http://127.0.0.1:4566").len(), 2);
        assert_eq!(listen_at("http://localhost:4566/").len(), 2);
        assert_eq!(listen_at("https://s3.example.com").len(), 1);
    }
}
