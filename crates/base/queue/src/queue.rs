//! What a backend does.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

/// What shows that a message was received, and by whom; its form is the backend's own business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(String);

impl Receipt {
    /// A receipt of this form.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message that was received. It is there again once its lease ends, unless it is deleted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What was sent.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// What shows that this one has it.
    pub receipt: Receipt,
}

/// How much is in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that were ever taken in, where the backend counts them.
    pub accepted: Option<u64>,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that somebody has.
    pub in_flight: u64,
    /// Messages that were given up.
    pub dead: u64,
}

/// One queue: each message reaches one receiver at a time, at least once.
#[async_trait]
pub trait Queue: Send + Sync + Debug {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// Bytes of the largest message.
    fn greatest(&self) -> usize;

    /// Puts messages in; when it returns, they are as durable as the backend makes them.
    ///
    /// # Errors
    /// When the backend fails (then some may be in), or a message is too large.
    async fn send(&self, bodies: &[String]) -> Result<()>;

    /// Takes out up to `most` messages for the time of `lease`; waits up to `wait` for the first.
    ///
    /// # Errors
    /// When the backend fails.
    async fn receive(&self, most: usize, lease: Duration, wait: Duration) -> Result<Vec<Delivery>>;

    /// Begins the lease of a message anew; `false` where it had ended and somebody else may have the message.
    ///
    /// # Errors
    /// When the backend fails.
    async fn extend(&self, receipt: &Receipt, lease: Duration) -> Result<bool>;

    /// Takes messages away for good. Those whose lease had ended may stay.
    ///
    /// # Errors
    /// When the backend fails.
    async fn delete(&self, receipts: &[Receipt]) -> Result<()>;

    /// Gives a message back, for others to receive it after `pause`; the receive still counts.
    ///
    /// # Errors
    /// When the backend fails.
    async fn release(&self, receipt: &Receipt, pause: Duration) -> Result<()>;

    /// Puts a message that was received to the dead letters, with the reason why.
    ///
    /// # Errors
    /// When the backend fails.
    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<()>;

    /// How much is in it. Services count with a delay.
    ///
    /// # Errors
    /// When the backend fails.
    async fn depth(&self) -> Result<Depth>;
}

/// Where queues are: that of the requests, and one of answers for each web tier.
#[async_trait]
pub trait Broker: Send + Sync + Debug {
    /// The queue of requests.
    fn requests(&self) -> Arc<dyn Queue>;

    /// Makes a queue of answers with a name that nobody else has; it may be removed when it was not [kept](Self::keep) for
    /// the time of `lease`.
    ///
    /// # Errors
    /// When the backend fails.
    async fn open_replies(&self, name: &str, lease: Duration) -> Result<Arc<dyn Queue>>;

    /// Begins the lease of a queue of answers anew.
    ///
    /// # Errors
    /// When the backend fails, or the queue was removed.
    async fn keep(&self, name: &str, lease: Duration) -> Result<()>;

    /// Sends an answer; `false` where nobody waits for it any more, because the queue is gone.
    ///
    /// # Errors
    /// When the backend fails.
    async fn reply(&self, name: &str, body: String) -> Result<bool>;

    /// Removes a queue of answers with what is in it.
    ///
    /// # Errors
    /// When the backend fails.
    async fn close_replies(&self, name: &str) -> Result<()>;

    /// Removes the queues of answers whose lease has ended; tells how many.
    ///
    /// # Errors
    /// When the backend fails.
    async fn sweep(&self) -> Result<u64>;
}
