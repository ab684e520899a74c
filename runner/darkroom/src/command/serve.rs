//! `darkroom serve`: starts the local cloud alone, for the AWS CLI, boto3 or any SDK, until it is
//! stopped.

use std::path::PathBuf;
use std::time::Duration;

use darkroom_cloud::{Config, LocalCloud};
use miette::miette;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Globals, ServeArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::threads;

/// What clients may sign with where any key is let in.
const ANY: &str = "darkroom";

pub fn run(args: &ServeArgs, globals: Globals) -> Result<Outcome, Failure> {
    threads::runtime()?.block_on(serve(config(args)?, globals))
}

fn config(args: &ServeArgs) -> Result<Config, Failure> {
    let root =
        Project::here().map_or_else(|_| PathBuf::from("."), |project| project.root().to_owned());
    let program = std::env::current_exe().map_err(|error| {
        Failure::broken(miette!("cannot find the path of this program: {error}"))
    })?;
    let mut config = Config::new(program, root.join(".darkroom").join("runtimes"));
    config.port = args.port;
    config.data_dir.clone_from(&args.data_dir);
    config.region.clone_from(&args.region);
    if !args.open {
        config = config.with_secret();
    }
    if !args.retry_delays.is_empty() {
        let delay = |seconds: &f64| Duration::try_from_secs_f64(*seconds);
        config.retry_delays = args
            .retry_delays
            .iter()
            .map(delay)
            .collect::<Result<_, _>>()
            .map_err(|error| {
                Failure::wrong_request(miette!(
                    "--retry-delays takes seconds, for example 0.1,0.2: {error}"
                ))
            })?;
    }
    Ok(config)
}

async fn serve(config: Config, globals: Globals) -> Result<Outcome, Failure> {
    allow_many_files();
    let region = config.region.clone();
    let (open, any) = (config.key.is_none(), || (ANY.to_owned(), ANY.to_owned()));
    let key = config.key.clone().unwrap_or_else(any);
    // Before the cloud is there, so that a signal at any later moment ends it properly.
    let mut stop = Stop::new()
        .map_err(|error| Failure::broken(miette!("cannot listen for signals: {error}")))?;
    let cloud = LocalCloud::start(config)
        .await
        .map_err(|error| Failure::broken(miette!("{error}")))?;
    if globals.json {
        display::answer_json(&json!({
            "endpoint_url": cloud.endpoint_url(),
            "region": region,
            "access_key_id": key.0,
            "secret_access_key": key.1,
            "open": open,
            "account_id": darkroom_cloud::ACCOUNT_ID,
            "isolation": cloud.isolation().label,
        }))?;
    } else {
        display::answer(&exports(cloud.endpoint_url(), &region, &key))?;
        if open {
            display::note(OPEN);
        }
        if !globals.quiet {
            display::answer(&quick_start(&cloud.isolation().label))?;
        }
    }
    stop.asked().await;
    tokio::select! {
        () = cloud.stop() => Ok(Outcome::Done),
        // A second signal: whoever asks twice does not want to wait.
        () = stop.asked() => Ok(Outcome::Interrupted),
    }
}

/// Raises the soft limit on open files to the hard one: a connection each for thousands of requests
/// at once.
///
/// Not being allowed to only means fewer connections; handlers get AWS's own limit whatever this
/// is.
fn allow_many_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Ctrl-C, or what `kill` and service managers send.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Returns lines to paste into a shell, and nothing else: `--quiet` prints just these.
fn exports(endpoint_url: &str, region: &str, (id, secret): &(String, String)) -> String {
    format!(
        "\
export AWS_ENDPOINT_URL={endpoint_url}
export AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret}
export AWS_REGION={region} AWS_DEFAULT_REGION={region}
unset AWS_SESSION_TOKEN AWS_PROFILE
"
    )
}

/// Said where there is no secret.
const OPEN: &str = "Any access key works, with the same text as its secret (--open). Every \
    program on this machine that reaches the port can use this cloud.";

fn quick_start(isolation: &str) -> String {
    format!(
        r#"
# The local cloud answers on this machine only, to requests signed with the key above. Handlers are isolated by {isolation}.
# Paste the lines above into another shell, then for example:

cd "$(mktemp -d)"
cat > handler.py <<'EOF'
def handler(event, context):
    print("hello from", context.function_name)
    return {{"hello": event["name"]}}
EOF
python3 -m zipfile -c function.zip handler.py
aws lambda create-function --function-name hello --runtime python3.13 --handler handler.handler \
  --role arn:aws:iam::{account}:role/any --zip-file fileb://function.zip
echo '{{"name": "world"}}' > event.json
aws lambda invoke --function-name hello --payload fileb://event.json answer.json
cat answer.json; echo
aws s3 mb s3://photos && aws s3 cp answer.json s3://photos/answer.json && aws s3 ls s3://photos

# Ctrl-C stops the cloud and every handler.
"#,
        account = darkroom_cloud::ACCOUNT_ID,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_exports_can_be_pasted() {
        for line in exports(
            "http://127.0.0.1:4566",
            "eu-west-1",
            &("a".into(), "b".into()),
        )
        .lines()
        {
            assert!(
                line.starts_with("export AWS_") || line.starts_with("unset AWS_"),
                "{line}"
            );
        }
    }
}
