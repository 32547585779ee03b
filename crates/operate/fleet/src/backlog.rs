//! What waits for the workers of a pool.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use sightscan_queue::{Depth, Queue};

use crate::error::Result;

/// What waits for the workers of a pool: a queue of pictures, or jobs.
#[async_trait]
pub trait Backlog: Send + Sync + Debug {
    /// How much there is to do. What cannot be done yet does not wait.
    ///
    /// # Errors
    /// When it cannot be counted.
    async fn depth(&self) -> Result<Depth>;
}

#[async_trait]
impl<Q: Queue + ?Sized> Backlog for Arc<Q> {
    async fn depth(&self) -> Result<Depth> {
        Ok(Queue::depth(&**self).await?)
    }
}
