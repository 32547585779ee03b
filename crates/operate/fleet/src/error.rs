//! What can go wrong with a pool.

/// Shorthand for what the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
    /// Amazon EC2.
    #[cfg(feature = "cloud")]
    #[error(transparent)]
    Ec2(#[from] crate::ec2::Fault),
    /// Kubernetes.
    #[cfg(feature = "cloud")]
    #[error(transparent)]
    Kubernetes(#[from] crate::kubernetes::KubernetesError),
    /// This program has no such driver.
    #[error(
        "this program was built without the feature `cloud`, which the driver of the pool `{0}` needs; use `process`"
    )]
    NotBuiltIn(String),
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
