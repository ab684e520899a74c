//! The results of a run, made and shown: its tables, its page, and whether they match its journal.
//!
//! Commands and sessions end here. Knows nothing about either, nor about clouds.

mod anew;
mod page;
mod prices;
mod tables;

pub use anew::{broken, findings, tables_anew};
pub use page::{not_done, not_the_journals, read, replace, unreadable};
pub use prices::{default_prices, prices, prices_or_default};
pub use tables::{OUT_OF_MONEY, show_tables, started};
