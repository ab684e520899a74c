//! The local cloud by itself, for trying it by hand:
//! `cargo run -p darkroom-cloud --example serve -- [PORT]`.

#![expect(
    clippy::print_stdout,
    reason = "the address is what a person runs this for"
)]

use darkroom_cloud::{Config, LocalCloud, sandbox};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    if let Some(code) = sandbox::run_if_asked() {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(serve()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let cache = std::env::temp_dir().join("darkroom-cache");
    let mut config = Config::new(program, cache);
    config.port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    config.retry_delays = vec![Duration::from_millis(200), Duration::from_millis(400)];
    let cloud = LocalCloud::start(config)
        .await
        .map_err(|error| error.to_string())?;
    println!("{}", cloud.endpoint_url());
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| error.to_string())?;
    cloud.stop().await;
    Ok(())
}
