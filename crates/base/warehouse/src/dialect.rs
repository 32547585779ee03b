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

/// The statement of [`Dialect::receive`].
macro_rules! receive {
    ($locking:literal) => {
        concat!(
            "WITH next AS MATERIALIZED (SELECT message_id FROM queue_messages WHERE queue = $1 AND visible_at <= $2 \
                                        ORDER BY visible_at, message_id LIMIT $5",
            $locking,
            ") UPDATE queue_messages SET visible_at = $3, receives = receives + 1, lease = $4 \
             WHERE message_id IN (SELECT message_id FROM next) RETURNING message_id, body, receives"
        )
    };
}

/// The parts of [`Dialect::store_image`].
macro_rules! insert_image {
    () => {
        "INSERT INTO images (image_id, sha256, media_type, size, width, height, perceptual_hash, review, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (sha256) DO UPDATE SET review = CASE \
             WHEN images.review IN ('pending', 'quarantined') AND excluded.review = 'accepted' THEN 'accepted' \
             ELSE images.review END"
    };
}
macro_rules! insert_origin {
    ($from:literal) => {
        concat!(
            "INSERT INTO image_origins (origin_id, image_id, kind, source, page_url, author, licence, licence_url, \
                                        retrieved_at, consent_id) \
             SELECT $10, image_id, $11, $12, $13, $14, $15, $16, $17, $18 FROM ",
            $from,
            " ON CONFLICT (image_id, source) DO NOTHING"
        )
    };
}
macro_rules! insert_change {
    () => {
        "INSERT INTO mart_changes (city_id) VALUES ($19)"
    };
}
macro_rules! insert_fact {
    ($from:literal) => {
        concat!(
            "INSERT INTO city_images (city_id, image_id, sight_id, time_id, added_at) \
             SELECT $19, image_id, $20, $21, $9 FROM ",
            $from,
            " ON CONFLICT (city_id, image_id) DO NOTHING RETURNING image_id"
        )
    };
}

/// The statement of [`Dialect::lock_blobs_against_collection`], after others.
macro_rules! hold_off {
    ($before:literal) => {
        concat!($before, "SELECT pg_advisory_xact_lock_shared(8317987319222330741)")
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
                // Other programs may have an older SQLite, whose `unixepoch` knows whole seconds only.
                let now = "(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))";
                ["BLOB", "(lower(hex(randomblob(16))))", now]
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

    /// Receives up to `$5` messages of the queue `$1` that are visible at `$2`, with the lease `$4` until `$3`. As with
    /// [`Dialect::claim`], those that others receive right now are passed over.
    pub(crate) fn receive(self) -> &'static str {
        match self {
            Self::Sqlite => receive!(""),
            Self::Postgres => receive!(" FOR UPDATE SKIP LOCKED"),
        }
    }

    /// Waits until no other refresh of the marts runs, and keeps others out until the transaction ends. Readers do not wait.
    /// SQLite's transactions keep out everybody anyway.
    pub(crate) fn lock_marts(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("LOCK TABLE mart_city_progress IN SHARE ROW EXCLUSIVE MODE"),
        }
    }

    /// Stores an image of a city, all in one way to the engine; gives the image's id if the city did not have it. `$1` to
    /// `$9` are the columns of `images`, `$10` to `$18` those of `image_origins` without the image, `$19` to `$21` city,
    /// sight and hour.
    pub(crate) fn store_image(self) -> &'static str {
        match self {
            Self::Sqlite => concat!(
                insert_image!(),
                "; ",
                insert_origin!("images WHERE sha256 = $2"),
                "; ",
                insert_change!(),
                "; ",
                insert_fact!("images WHERE sha256 = $2"),
            ),
            Self::Postgres => concat!(
                "WITH image AS (",
                insert_image!(),
                " RETURNING image_id), origin AS (",
                insert_origin!("image"),
                "), change AS (",
                insert_change!(),
                ") ",
                insert_fact!("image")
            ),
        }
    }

    /// Keeps the collector of blobs out until the transaction ends; others who keep it out do not wait. SQLite's
    /// transactions keep out everybody anyway.
    pub(crate) fn lock_blobs_against_collection(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(hold_off!("")),
        }
    }

    /// Begins a writing transaction with [`Dialect::lock_blobs_against_collection`] in it: one way to the server.
    pub(crate) fn begin_without_collection(self) -> &'static str {
        match self {
            Self::Sqlite => self.begin(),
            Self::Postgres => hold_off!("BEGIN; "),
        }
    }

    /// Begins a writing transaction. On SQLite it takes the write lock at once, so that it never fails half-way because
    /// somebody else writes.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
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
