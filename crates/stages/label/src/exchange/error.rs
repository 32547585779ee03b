//! What can go wrong with a data set as a whole.

/// A result of an export or an import.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a data set was not written or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data set.
    #[error(transparent)]
    Dataset(#[from] sightscan_dataset::Error),
    /// Its files are those of no format.
    #[error(
        "this is a data set of no known format; name it if it is one of yolo, coco, voc and label-studio"
    )]
    UnknownFormat,
    /// The warehouse does not answer, or refuses.
    #[error(transparent)]
    Warehouse(#[from] sightscan_warehouse::Error),
    /// Something of ours went wrong.
    #[error("a task of the exchange ended: {0}; try again")]
    Task(#[from] tokio::task::JoinError),
}
