//! The contract seen from outside: what must pass, what must fail and in which words, and that no
//! bytes make it panic.

#![expect(
    clippy::unwrap_used,
    reason = "tests; clippy.toml excuses only functions marked #[test]"
)]

mod asked;
mod corpus;
mod fixture;
mod followed;
mod handlers;
mod hostile;
mod legitimate;
mod mutants;
mod outcomes;
mod own_pixels;
mod photographs;
mod variants;
