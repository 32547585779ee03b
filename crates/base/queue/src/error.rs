//! What can go wrong with a queue.

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a queue could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The backend failed or could not be reached.
    #[error("cannot {doing} the queue {queue}: {source}")]
    Backend {
        /// What was tried, such as `send to`.
        doing: &'static str,
        /// The queue.
        queue: String,
        /// What the backend says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such queue.
    #[error("there is no queue `{0}`; it was removed, or its owner was not heard of for too long")]
    Missing(String),
    /// The message is larger than the backend takes.
    #[error("a message of {size} bytes is too large for the queue {queue}, which takes {greatest}")]
    TooLarge {
        /// The queue.
        queue: String,
        /// Bytes of the message.
        size: usize,
        /// Bytes that are taken.
        greatest: usize,
    },
}

impl Error {
    /// Refuses messages where one is larger than the backend takes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for the first of them.
    pub fn refuse_large(queue: &str, bodies: &[String], greatest: usize) -> Result<()> {
        match bodies.iter().map(String::len).find(|size| *size > greatest) {
            Some(size) => Err(Self::TooLarge { queue: queue.to_owned(), size, greatest }),
            None => Ok(()),
        }
    }

    /// A backend that failed.
    pub fn backend(
        doing: &'static str,
        queue: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Backend { doing, queue: queue.to_owned(), source: source.into() }
    }
}
