//! Who is told when a request has ended that its client did not wait for.

use std::fmt;

use async_trait::async_trait;
use sightscan_types::DetectionId;

/// Sees to it that somebody hears of requests that have ended after their client was told their address.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync {
    /// Notes that this request has ended. It may be told more than once of the same one.
    async fn ended(&self, id: DetectionId) -> Result<(), NotNoted>;
}

/// It could not be noted that a request has ended.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be noted that a request has ended: {0}")]
pub struct NotNoted(pub String);
