//! Where the two engines differ.

use crate::jobs::live_job;

/// The statement of [`Dialect::claim`].
macro_rules! claim {
    ($locking:literal) => {
        concat!(
            "UPDATE jobs SET state = 'running', started_at = $2, worker = $3, lease = $4, lease_until = $5, \
                             attempts = attempts + 1, done = 0, total = NULL, message = NULL \
             WHERE job_id = (SELECT job_id FROM jobs WHERE state = 'waiting' AND name = $1 AND run_at <= $2 \
                             ORDER BY priority DESC, run_at, job_id LIMIT 1",
            $locking,
            live_job!(") RETURNING lease, lease_until,", "")
        )
    };
}

/// The engine behind a [`crate::Database`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.51 in a file, in WAL mode.
    Sqlite,
    /// PostgreSQL 14 or newer.
    Postgres,
}

impl Dialect {
    /// The name that people know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// A migration's text for this engine: `{bytes}` is the type of byte strings, `{random_id}` an expression for a
    /// fresh id and `{now}` one for the time in milliseconds, both for rows that other programs insert.
    pub(crate) fn spell(self, text: &str) -> String {
        let [bytes, random_id, now] = match self {
            Self::Sqlite => {
                ["BLOB", "(lower(hex(randomblob(16))))", "(CAST(unixepoch('subsec') * 1000 AS INTEGER))"]
            }
            Self::Postgres => {
                ["BYTEA", "gen_random_uuid()::text", "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"]
            }
        };
        text.replace("{bytes}", bytes).replace("{random_id}", random_id).replace("{now}", now)
    }

    /// The database's time in milliseconds since 1970-01-01 UTC.
    pub(crate) fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS value",
            Self::Postgres => "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS value",
        }
    }

    /// Claims the most urgent job of the name `$1` that is due at `$2` for the worker `$3` with the lease `$4` until
    /// `$5`. On SQLite a writing transaction has the file for itself; on PostgreSQL jobs that others claim right now
    /// are passed over.
    pub(crate) fn claim(self) -> &'static str {
        match self {
            Self::Sqlite => claim!(""),
            Self::Postgres => claim!(" FOR UPDATE SKIP LOCKED"),
        }
    }

    /// Keeps everybody from writing the marts that are made anew, but not from reading them, until the transaction ends:
    /// otherwise a row that somebody deletes meanwhile would come back. SQLite's transactions keep out everybody anyway.
    pub(crate) fn lock_marts(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(
                "LOCK TABLE mart_city_images, mart_current_models, mart_city_progress IN SHARE ROW EXCLUSIVE MODE",
            ),
        }
    }

    /// Keeps the collector of blobs out until the transaction ends; others who keep it out do not wait. SQLite's
    /// transactions keep out everybody anyway.
    pub(crate) fn lock_blobs_against_collection(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_advisory_xact_lock_shared(8317987319222330741)"),
        }
    }

    /// Waits until nobody keeps the collector out, and keeps them out until the transaction ends.
    pub(crate) fn lock_blobs_for_collection(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_advisory_xact_lock(8317987319222330741)"),
        }
    }
}
