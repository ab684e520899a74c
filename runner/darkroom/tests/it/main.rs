//! Stories of the command line: a project, a command, what it says and how it ends.

#![allow(
    clippy::unwrap_used,
    reason = "a story that can't be told fails its test"
)]

mod answers;
mod architecture;
mod aws;
mod aws_clean;
mod aws_quirks;
mod bad_input;
mod budget;
mod building;
mod cheats;
mod check;
mod clients;
mod compared;
mod contradictions;
mod corpus;
mod deploy;
mod deploy_faults;
mod docs;
mod doctor;
#[path = "../../../darkroom-tables/tests/it/everything.rs"]
mod everything;
mod faults;
mod first_run;
mod generate;
mod generate_manifest;
mod image_sets;
mod import;
mod import_results;
mod init;
mod injector;
#[path = "../../../darkroom-tables/tests/it/journal.rs"]
#[allow(dead_code, reason = "the tables' own tests use the rest of it")]
mod journal;
mod lanes;
mod loops;
mod manual;
mod misbehaving;
mod odd_models;
mod payload;
mod peers;
mod prices;
mod processes;
mod publish;
mod reference;
mod remembering;
mod reports;
mod requests;
mod runs;
mod runtimes;
mod scripted;
mod serve;
mod snapstart;
mod story;
mod suggestions;
mod tour;
mod trigger;
mod troubleshooting;
mod until;
mod venv;
mod wheels;
