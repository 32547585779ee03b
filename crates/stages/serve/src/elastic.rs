//! Detection behind a queue: web tiers that send pictures, and workers that come and go.
//!
//! A web tier's [`Post`] stores each picture in the input bucket, sends a message and waits in its own queue of answers. A
//! [`QueueWorker`] receives with a lease, has a [`Detection`](crate::Detection) look, stores the result and the label, answers, and
//! only then deletes the message: whoever dies on the way leaves the message to others. A result is stored once and for all,
//! so that a request that was worked on twice has one answer.

mod config;
mod notifier;
mod objects;
mod post;
pub(crate) mod requests;
mod worker;

pub use config::Config;
pub use notifier::{NotNoted, Notifier};
pub use objects::{ObjectError, Objects};
pub use post::Post;
pub use worker::{QueueWorker, WorkerOptions, WorkerSummary};

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC, by this machine's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
