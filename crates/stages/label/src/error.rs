//! What can go wrong with labelling a city.

/// Why a labelling did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Some images were not looked at; another try may do it.
    #[error("some images are not labelled yet: {0}")]
    Incomplete(String),
    /// A labeller cannot be used for now: its quota, its key or its bill. Nothing was labelled as empty for it.
    #[error("labelling stops: {0}")]
    Exhausted(String),
    /// The warehouse does not answer, or refuses.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
    /// Something of ours went wrong.
    #[error("a task of the labelling ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A result of a labelling.
pub type Result<T, E = Error> = std::result::Result<T, E>;
