//! A request that cannot be met, with what to do.

use crate::exit::Failure;

pub fn wrong(message: impl std::fmt::Display, help: &str) -> Failure {
    Failure::wrong_request(miette::miette!(help = help.to_owned(), "{message}"))
}
