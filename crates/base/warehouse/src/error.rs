//! What can go wrong in the warehouse.

use std::path::PathBuf;

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the warehouse could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings do not say where the database is.
    #[error("{0}")]
    Address(#[from] crate::address::AddressError),
    /// The folder of the SQLite file could not be made, or its lock not be taken.
    #[error("cannot prepare {}: {source}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The database cannot be reached.
    #[error("cannot open the database {address}: {source}; check that it runs and that the address is right")]
    Open {
        /// Where it was looked for, without secrets.
        address: String,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The database was written by a newer program.
    #[error(
        "the database has schema version {found}, this program knows only {known}: \
         run a newer sightscan; nothing was changed"
    )]
    NewerSchema {
        /// The newest migration that the database has.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// A migration failed; it was rolled back.
    #[error("cannot migrate the database: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("database: {0}")]
    Statement(#[from] sqlx::Error),
    /// The blobs did not take or give one.
    #[error(transparent)]
    Blobs(#[from] sightscan_blobs::BlobError),
    /// A blob was gone whenever its row was to be written.
    #[error("the blob {0} vanishes again and again; does another program clear the blobs?")]
    BlobVanished(sightscan_types::Sha256),
    /// The image is not there, or not any more.
    #[error("there is no image {0}; it may have been withdrawn")]
    NoImage(sightscan_types::ImageId),
    /// Another process has moved an arrival on.
    #[error("another process has moved this arrival on")]
    ArrivalTaken,
    /// A text is longer than a key of the database may be.
    #[error("the {what} has {length} bytes, at most {limit} are kept; shorten it")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The greatest length.
        limit: usize,
    },
    /// A row holds what this program never writes.
    #[error("the database holds an unreadable {what}: {value}")]
    Unreadable {
        /// Which column or kind of value.
        what: &'static str,
        /// What is there.
        value: String,
    },
}

impl Error {
    /// Reads a value that is stored as text.
    pub(crate) fn read<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T> {
        text.parse().map_err(|_| Self::Unreadable { what, value: text.to_owned() })
    }

    /// A value that is not what this program writes there.
    pub(crate) fn damaged(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Unreadable { what, value: why.to_string() }
    }

    /// Refuses a text that the database could not find again by an index: PostgreSQL's keys have at most 2,704 bytes.
    pub(crate) fn limit(what: &'static str, text: &str, limit: usize) -> Result<()> {
        let length = text.len();
        if length > limit { Err(Self::TooLong { what, length, limit }) } else { Ok(()) }
    }

    /// Whether a unique key refused the row.
    pub fn is_duplicate(&self) -> bool {
        self.database().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// Whether the same transaction may succeed when it is tried again: a deadlock, a serialisation failure
    /// (SQLSTATE class 40), a busy SQLite file, a lost connection.
    pub fn is_transient(&self) -> bool {
        if let Self::Statement(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) = self {
            return true;
        }
        self.database()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| is_transient_code(&code))
    }

    fn database(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Statement(error) => error.as_database_error(),
            _ => None,
        }
    }
}

/// SQLSTATE 40 (transaction rollback), 08 (connection), 57P (operator intervention: the server stops), 55P03 (lock not
/// available); SQLite's primary codes 5 (`SQLITE_BUSY`) and 6 (`SQLITE_LOCKED`), in the low byte of the extended code.
fn is_transient_code(code: &str) -> bool {
    let is_sqlite_busy = code.parse::<u32>().is_ok_and(|code| code < 10_000 && matches!(code & 0xff, 5 | 6));
    is_sqlite_busy
        || ["40", "08", "57P", "55P03"].iter().any(|class| code.len() == 5 && code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_codes_of_both_engines_are_known() {
        for code in ["40001", "40P01", "57P01", "08006", "5", "261", "517", "6"] {
            assert!(is_transient_code(code), "{code}");
        }
        for code in ["23505", "42601", "1555", "2067", "19"] {
            assert!(!is_transient_code(code), "{code}");
        }
    }
}
