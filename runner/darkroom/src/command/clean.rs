//! `darkroom clean`: removes what runs left in a cloud, after showing it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use darkroom_core::manifest::Cloud;

use crate::cli::{CleanArgs, Globals, TargetName};
use crate::deploy::clean::{self, Found, Which};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::target::Target;

pub fn run(args: &CleanArgs, globals: Globals) -> Result<Outcome, Failure> {
    let root = Project::here().map_or_else(|_| PathBuf::from("."), |project| project.root().to_owned());
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::broken(miette::miette!("no threads to talk to the cloud on: {error}")))?;
    runtime.block_on(async {
        let cloud = match args.target {
            TargetName::Local => Cloud::Local,
            TargetName::Aws => Cloud::Aws,
        };
        let target = Target::open(cloud, &args.region, &root).await.map_err(Failure::broken)?;
        let outcome = clean(args, globals, &target).await;
        target.close().await;
        outcome
    })
}

async fn clean(args: &CleanArgs, globals: Globals, target: &Target) -> Result<Outcome, Failure> {
    let clients = target.clients();
    let found = clean::find(&clients, &target.region, &which(args)).await.map_err(Failure::broken)?;
    let say = |text: &str| if globals.quiet { Ok(()) } else { display::answer(text) };
    if found.is_empty() {
        say("nothing of Darkroom's is there\n")?;
        return Ok(Outcome::Done);
    }
    say(&found.to_string())?;
    if !args.yes && !agreed(&found)? {
        say("nothing was removed\n")?;
        return Ok(Outcome::Done);
    }
    let removed = clean::remove(&clients, &found, |_| {}).await;
    removed.map_err(Failure::broken)?;
    say("removed all of it\n")?;
    Ok(Outcome::Done)
}

fn which(args: &CleanArgs) -> Which {
    match &args.experiment {
        Some(name) => Which::Experiment(name.clone()),
        None if args.expired => Which::ExpiredBefore(jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
        None => Which::Everything,
    }
}

/// Asks the person at the terminal; where there is none, someone must have said `--yes`.
fn agreed(found: &Found) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::wrong_request(miette::miette!(
            help = "add --yes",
            "nothing was removed: there is no terminal to ask at"
        )));
    }
    let unreadable = |error: io::Error| Failure::broken(miette::miette!("can't ask: {error}"));
    display::note(&format!("Remove {}? [y/N]", display::count(found.count() as u64, "resource")));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(unreadable)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
