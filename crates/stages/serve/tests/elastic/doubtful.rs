//! A queue whose answers are lost while it has an outage: what is sent arrives all the same, and nothing can be received.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sightscan_queue::{Broker, Delivery, Depth, Error, Queue, Receipt, Result};

#[derive(Debug)]
pub(super) struct Doubtful {
    broker: Arc<dyn Broker>,
    requests: Arc<Requests>,
}

#[derive(Debug)]
struct Requests {
    queue: Arc<dyn Queue>,
    is_out: AtomicBool,
}

impl Doubtful {
    /// In its outage.
    pub(super) fn new(broker: Arc<dyn Broker>) -> Arc<Self> {
        let requests = Requests { queue: broker.requests(), is_out: AtomicBool::new(true) };
        Arc::new(Self { broker, requests: Arc::new(requests) })
    }

    pub(super) fn recover(&self) {
        self.requests.is_out.store(false, Ordering::SeqCst);
    }
}

impl Requests {
    fn answered<T>(&self, answer: T) -> Result<T> {
        match self.is_out.load(Ordering::SeqCst) {
            true => Err(Error::backend("hear from", self.name(), "the connection was lost".to_owned())),
            false => Ok(answer),
        }
    }
}

#[async_trait]
impl Broker for Doubtful {
    fn requests(&self) -> Arc<dyn Queue> {
        Arc::<Requests>::clone(&self.requests)
    }

    async fn open_replies(&self, name: &str, lease: Duration) -> Result<Arc<dyn Queue>> {
        self.broker.open_replies(name, lease).await
    }

    async fn keep(&self, name: &str, lease: Duration) -> Result<()> {
        self.broker.keep(name, lease).await
    }

    async fn reply(&self, name: &str, body: String) -> Result<bool> {
        self.broker.reply(name, body).await
    }

    async fn close_replies(&self, name: &str) -> Result<()> {
        self.broker.close_replies(name).await
    }

    async fn sweep(&self) -> Result<u64> {
        self.broker.sweep().await
    }
}

#[async_trait]
impl Queue for Requests {
    fn name(&self) -> &str {
        self.queue.name()
    }

    fn greatest(&self) -> usize {
        self.queue.greatest()
    }

    async fn send(&self, bodies: &[String]) -> Result<()> {
        self.queue.send(bodies).await?;
        self.answered(())
    }

    async fn receive(&self, most: usize, lease: Duration, wait: Duration) -> Result<Vec<Delivery>> {
        self.answered(())?;
        self.queue.receive(most, lease, wait).await
    }

    async fn extend(&self, receipt: &Receipt, lease: Duration) -> Result<bool> {
        self.queue.extend(receipt, lease).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<()> {
        self.queue.delete(receipts).await
    }

    async fn release(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        self.queue.release(receipt, pause).await
    }

    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        self.queue.bury(delivery, reason).await
    }

    async fn depth(&self) -> Result<Depth> {
        self.queue.depth().await
    }
}
