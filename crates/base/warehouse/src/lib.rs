//! The warehouse: one schema on two engines, and every SQL statement of SightScan.
//!
//! [`Database`] is a SQLite file or a PostgreSQL database, whichever [`Address`] says. The same text runs on both;
//! what differs is in [`dialect`]. Three layers stay visible to whoever opens the database with a tool:
//! `load_*` (what other programs send), the core tables, and `mart_*` (what readers ask for).
//! There is one module per aggregate, with functions that are named in the words of the domain.
//!
//! Times are milliseconds since 1970-01-01 UTC, ids UUIDs of version 7 as text (RFC 9562), JSON is text.
#![forbid(unsafe_code)]

pub mod address;
pub mod cities;
mod database;
mod dialect;
mod error;
pub mod jobs;
pub mod leaderships;
mod migrations;
pub mod planning;
pub mod scheduled_tasks;
pub mod settings;
mod statement;

pub use address::Address;
pub use database::{Database, Session, Transaction};
pub use dialect::Dialect;
pub use error::{Error, Result};
pub use migrations::{Migrated, Version, schema};
