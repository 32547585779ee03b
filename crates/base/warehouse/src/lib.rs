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
pub mod arrivals;
pub mod cities;
pub mod collection;
pub mod consents;
pub mod crawls;
mod database;
pub mod datasets;
mod dialect;
mod doubt;
mod error;
pub mod images;
pub mod jobs;
pub mod label_log;
pub mod labelled_images;
pub mod labelling;
pub mod labels;
pub mod leaderships;
pub mod marts;
mod migrations;
pub mod models;
pub mod planning;
pub mod queues;
pub mod reviews;
pub mod scheduled_tasks;
pub mod settings;
pub mod sights;
mod statement;
mod times;
mod tries;

pub use address::Address;
pub use database::{Database, Session, Transaction};
pub use dialect::Dialect;
pub use error::{Error, Result};
pub use migrations::{Migrated, Version, schema};

/// The database and the blobs that its rows name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Warehouse {
    /// The rows.
    pub database: Database,
    /// The bytes of images and models.
    pub blobs: sightscan_blobs::Blobs,
}
