//! What can go wrong with a crawl.

use crate::SourceError;

/// Why a crawl did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The city is gone.
    #[error("there is no such city")]
    NoCity,
    /// Nobody knows a sight of it.
    #[error(
        "{asked} knows no sights of {city}; name them in a file (`--sights FILE`), or ask another source"
    )]
    NoSights {
        /// The city.
        city: String,
        /// Who was asked.
        asked: &'static str,
    },
    /// Something could not be reached; what was decided until then is kept.
    #[error("the crawl of `{sight}` is not complete: {reason}")]
    Incomplete {
        /// The sight.
        sight: String,
        /// What happened.
        reason: String,
    },
    /// A source named nothing.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The warehouse does not answer, or refuses.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
}

/// A result of a crawl.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether another try may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoCity | Self::NoSights { .. } => false,
            Self::Source(error) => error.is_transient(),
            Self::Incomplete { .. } | Self::Warehouse(_) => true,
        }
    }
}
