//! What can go wrong with a pool.

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a pool cannot be looked after now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] sightscan_queue::Error),
    /// A file, a process or a control group.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// The configuration cannot be meant.
    #[error("the pool `{pool}` cannot be meant: {why}")]
    Config {
        /// The pool.
        pool: String,
        /// What is wrong and what to set.
        why: String,
    },
    /// This machine lets nobody limit a process as the pool says.
    #[error(
        "workers of the pool `{pool}` cannot be limited: {why}; leave out `cpus` and `memory_mb`, or run where control groups may be made"
    )]
    NoLimits {
        /// The pool.
        pool: String,
        /// What is missing.
        why: String,
    },
}
