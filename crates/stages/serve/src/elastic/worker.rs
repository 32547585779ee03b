//! The worker's side of the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sightscan_blobs::BlobError;
use sightscan_http::{Hold, Problem};
use sightscan_queue::{
    Base64, Broker, Delivery, Error as QueueError, Notice, Outcome, Queue, Refusal, Reply, Request,
};
use sightscan_types::{DetectionId, Watcher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::objects::ObjectError;
use super::{Config, NotNoted, Notifier, Objects, now};
use crate::config::GREATEST_DEADLINE;
use crate::detection::{Detection, Seen};

/// How long one look for messages lasts; a worker that is told to stop ends after no longer than this.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between tries to reach a queue that does not answer.
const AGAIN: Duration = Duration::from_millis(500);
/// A picture that could not be looked at is tried again after so long.
const RETRY: Duration = Duration::from_millis(500);
/// A picture is held for so long while a bucket or the queue does not answer: that is no fault of the picture.
const OUTAGE: Duration = Duration::from_mins(5);

/// What a worker is told beyond the configuration.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Its name in results and logs.
    pub name: String,
    /// It ends when it has had nothing to do for so long.
    pub exit_when_idle: Option<Duration>,
    /// Who is told what it does.
    pub watcher: Option<Arc<dyn Watcher>>,
    /// Who hears of requests that end after their client was told their address.
    pub notifier: Option<Arc<dyn Notifier>>,
}

/// How many requests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerSummary {
    /// Pictures that were looked at.
    pub done: u64,
    /// Pictures or requests that were to blame.
    pub failed: u64,
    /// Requests that were given up.
    pub dead: u64,
    /// Tries that somebody will repeat.
    pub retried: u64,
}

/// Takes pictures out of a queue and has them looked at.
#[derive(Debug)]
pub struct QueueWorker {
    shared: Arc<Shared>,
    options: WorkerOptions,
}

#[derive(Debug)]
struct Shared {
    detection: Arc<Detection>,
    broker: Arc<dyn Broker>,
    queue: Arc<dyn Queue>,
    objects: Objects,
    config: Config,
    name: String,
    notifier: Option<Arc<dyn Notifier>>,
}

/// How one delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    Dead,
    Retried,
}

/// Why a request has not ended.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Stored(#[from] ObjectError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    NotNoted(#[from] NotNoted),
    #[error("the picture could not be looked at: {0}")]
    NotLooked(String),
    #[error("the lease was lost")]
    Lost,
    #[error("a message cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl Trouble {
    /// Whether it is no fault of the picture or of this worker.
    fn is_outage(&self) -> bool {
        matches!(self, Self::Stored(ObjectError::Blob(_)) | Self::Queue(_) | Self::NotNoted(_))
    }
}

impl From<BlobError> for Trouble {
    fn from(error: BlobError) -> Self {
        Self::Stored(error.into())
    }
}

impl QueueWorker {
    /// A worker that has not begun.
    pub fn new(
        config: Config,
        detection: Arc<Detection>,
        broker: Arc<dyn Broker>,
        objects: Objects,
        options: WorkerOptions,
    ) -> Self {
        let (queue, name, notifier) = (broker.requests(), options.name.clone(), options.notifier.clone());
        let shared = Shared { detection, broker, queue, objects, config, name, notifier };
        Self { shared: Arc::new(shared), options }
    }

    /// Takes pictures until `stop` or until there was nothing to do for long enough; those that it has are finished first.
    pub async fn run(self, stop: CancellationToken) -> WorkerSummary {
        let places = Arc::new(Semaphore::new(self.shared.detection.workers()));
        let (mut running, mut summary) = (JoinSet::new(), WorkerSummary::default());
        let mut last_work = Instant::now();
        while !stop.is_cancelled() {
            // One that is full and told to stop takes nothing more.
            let free = stop.run_until_cancelled(free_places(&places)).await.flatten();
            let Some(mut free) = free else { break };
            let received = self.receive(free.num_permits()).await;
            // A queue that does not answer is not an empty one.
            let is_outage = received.is_none();
            let deliveries = received.unwrap_or_default();
            while let Some(ended) = running.try_join_next() {
                summary.count(ended);
            }
            if is_outage || !deliveries.is_empty() || !running.is_empty() {
                last_work = Instant::now();
            } else if self.options.exit_when_idle.is_some_and(|limit| last_work.elapsed() >= limit) {
                info!("there is nothing to do");
                break;
            }
            for delivery in deliveries {
                // Its place is kept for it: nothing else is received into it.
                let place = free.split(1);
                let shared = Arc::clone(&self.shared);
                let watcher = self.options.watcher.clone();
                running.spawn(async move {
                    let _place = place;
                    let begun = Instant::now();
                    watcher.iter().for_each(|watcher| watcher.begin());
                    let ended = shared.handle(delivery).await;
                    watcher.iter().for_each(|watcher| watcher.end(begun.elapsed()));
                    ended
                });
            }
        }
        self.options.watcher.iter().for_each(|watcher| watcher.drain());
        while let Some(ended) = running.join_next().await {
            summary.count(ended);
        }
        summary
    }

    /// What waits; none where the queue does not answer.
    async fn receive(&self, most: usize) -> Option<Vec<Delivery>> {
        let found = self.shared.queue.receive(most, self.shared.config.lease(), PATIENCE).await;
        match found {
            Ok(deliveries) => Some(deliveries),
            Err(error) => {
                warn!(%error, "no pictures can be received");
                tokio::time::sleep(AGAIN).await;
                None
            }
        }
    }
}

/// All places that are free, as soon as there is one.
async fn free_places(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let mut free = Arc::clone(places).acquire_owned().await.ok()?;
    let more = u32::try_from(places.available_permits()).unwrap_or(u32::MAX);
    if let Ok(rest) = Arc::clone(places).try_acquire_many_owned(more) {
        free.merge(rest);
    }
    Some(free)
}

impl WorkerSummary {
    fn count(&mut self, ended: Result<End, tokio::task::JoinError>) {
        let counter = match ended {
            Ok(End::Done) => &mut self.done,
            Ok(End::Failed) => &mut self.failed,
            Ok(End::Dead) => &mut self.dead,
            Ok(End::Retried) | Err(_) => &mut self.retried,
        };
        *counter += 1;
    }
}

impl Shared {
    /// Brings a request to its end, or leaves it to the next try.
    async fn handle(&self, delivery: Delivery) -> End {
        let end = match self.bring_to_end(&delivery).await {
            Ok(end) => end,
            Err(trouble) => {
                warn!(%trouble, receives = delivery.receives, "a picture is tried again");
                self.give_back(&delivery, &trouble).await;
                End::Retried
            }
        };
        let metrics = &self.detection.core().metrics;
        let counter = match end {
            End::Done => &metrics.requests_done,
            End::Failed => &metrics.requests_failed,
            End::Dead => &metrics.requests_dead,
            End::Retried => &metrics.requests_retried,
        };
        counter.increment(1);
        end
    }

    async fn give_back(&self, delivery: &Delivery, trouble: &Trouble) {
        if matches!(trouble, Trouble::Lost) {
            return;
        }
        // Where this fails, too, the message comes back when its lease ends.
        if let Err(error) = self.queue.release(&delivery.receipt, RETRY).await {
            debug!(%error, "a message cannot be given back");
        }
    }

    async fn bring_to_end(&self, delivery: &Delivery) -> Result<End, Trouble> {
        let request: Request = match serde_json::from_str(&delivery.body) {
            Ok(request) => request,
            Err(error) => {
                self.queue.bury(delivery, &format!("the message cannot be read: {error}")).await?;
                return Ok(End::Dead);
            }
        };
        tokio::select! {
            ended = self.work_through_outages(&request, delivery) => ended,
            () = self.hold(delivery) => Err(Trouble::Lost),
        }
    }

    /// Works until the request has ended. What a bucket or the queue refuses is done again, so that an outage does not use up
    /// the tries of a picture.
    async fn work_through_outages(&self, request: &Request, delivery: &Delivery) -> Result<End, Trouble> {
        let begun = Instant::now();
        loop {
            match self.work(request, delivery).await {
                Err(trouble) if trouble.is_outage() && begun.elapsed() < OUTAGE => {
                    warn!(%trouble, id = %request.id, "a bucket or the queue does not answer; the picture is held");
                    tokio::time::sleep(AGAIN).await;
                }
                ended => return ended,
            }
        }
    }

    async fn work(&self, request: &Request, delivery: &Delivery) -> Result<End, Trouble> {
        let reply = match self.reply(request, delivery).await {
            // Nobody will be able to read it later either.
            Err(Trouble::Stored(ObjectError::Json(error)))
                if delivery.receives > self.config.max_receives =>
            {
                let reason = format!("the result {} cannot be read: {error}; delete it", request.id);
                self.queue.bury(delivery, &reason).await?;
                return Ok(End::Dead);
            }
            reply => reply?,
        };
        self.finish(request, delivery, reply).await
    }

    /// Keeps extending the lease; returns when it is lost.
    async fn hold(&self, delivery: &Delivery) {
        let lease = self.config.lease();
        let mut held_until = Instant::now() + lease;
        while Instant::now() < held_until {
            tokio::time::sleep(lease / 3).await;
            match self.queue.extend(&delivery.receipt, lease).await {
                Ok(true) => held_until = Instant::now() + lease,
                Ok(false) => return,
                Err(error) => warn!(%error, "a lease cannot be extended"),
            }
        }
    }

    /// How a request ends: as it has before, or now.
    async fn reply(&self, request: &Request, delivery: &Delivery) -> Result<Reply, Trouble> {
        if let Some(earlier) = self.objects.result(request.id).await? {
            return Ok(earlier);
        }
        let queued_ms = (now() - request.sent_at).max(0) as f64;
        let (outcome, waited) = self.outcome(request, delivery).await?;
        Ok(Reply {
            id: request.id,
            name: request.name.clone(),
            worker: self.name.clone(),
            queued_ms: queued_ms + waited.as_secs_f64() * 1e3,
            finished_at: now(),
            outcome,
        })
    }

    async fn outcome(&self, request: &Request, delivery: &Delivery) -> Result<(Outcome, Duration), Trouble> {
        if delivery.receives > self.config.max_receives {
            let reason = format!(
                "{} tries failed or killed their worker; the logs of the workers say why",
                self.config.max_receives
            );
            return Ok((Outcome::Dead { reason }, Duration::ZERO));
        }
        if now() > request.deadline {
            let detail = "nobody has looked at the picture within the time that it is kept".to_owned();
            return Ok((refused("deadline", detail), Duration::ZERO));
        }
        let Some(picture) = self.picture(request).await? else {
            let detail = format!("the picture `{}` is not in the input bucket any more", request.input);
            return Ok((refused("internal", detail), Duration::ZERO));
        };
        match self.look(request, picture).await {
            Ok(Seen { report, drawn, queued }) => {
                Ok((Outcome::Done { report, drawn: drawn.map(Base64) }, queued))
            }
            Err(problem) if problem.slug().status().is_client_error() => {
                Ok((refused(problem.slug().name(), problem.detail().to_owned()), Duration::ZERO))
            }
            Err(problem) => Err(Trouble::NotLooked(problem.cause().unwrap_or(problem.detail()).to_owned())),
        }
    }

    async fn picture(&self, request: &Request) -> Result<Option<Bytes>, Trouble> {
        match &request.picture {
            Some(Base64(bytes)) => Ok(Some(bytes.clone())),
            None => Ok(self.objects.input.get(&request.input).await?),
        }
    }

    async fn look(&self, request: &Request, picture: Bytes) -> Result<Seen, Problem> {
        let target = self.detection.target(&request.wanted)?;
        let deadline = Instant::now() + GREATEST_DEADLINE;
        let submitted = self.detection.submit(target, picture, deadline, Arc::new(Hold::default()))?;
        submitted.seen(request.name.clone()).await
    }

    /// Stores the result and the label, answers, and only then lets the message go.
    async fn finish(&self, request: &Request, delivery: &Delivery, reply: Reply) -> Result<End, Trouble> {
        let (reply, is_first) = self.objects.finish(reply).await?;
        self.objects.put_output(request, &reply, is_first).await?;
        self.notify(request.id).await?;
        let end = match &reply.outcome {
            Outcome::Done { .. } => End::Done,
            Outcome::Failed(_) => End::Failed,
            Outcome::Dead { .. } => End::Dead,
        };
        let reason = match &reply.outcome {
            Outcome::Dead { reason } => Some(reason.clone()),
            _ => None,
        };
        self.answer(request, reply).await?;
        match reason {
            Some(reason) => self.queue.bury(delivery, &reason).await?,
            None => self.queue.delete(std::slice::from_ref(&delivery.receipt)).await?,
        }
        Ok(end)
    }

    /// Has those hear of it who were promised to. Noted before the message is gone, so that a worker that dies notes nothing less.
    async fn notify(&self, id: DetectionId) -> Result<(), Trouble> {
        if let Some(notifier) = &self.notifier
            && self.objects.pending(id).await?.is_some()
        {
            notifier.ended(id).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: &Request, reply: Reply) -> Result<(), Trouble> {
        let mut body = serde_json::to_string(&Notice { id: request.id, reply: Some(reply) })?;
        if body.len() > self.queue.greatest() {
            body = serde_json::to_string(&Notice { id: request.id, reply: None })?;
        }
        if !self.broker.reply(&request.reply_to, body).await? {
            debug!(reply_to = request.reply_to, "the web tier is gone; the result stays in its bucket");
        }
        Ok(())
    }
}

fn refused(slug: &str, detail: String) -> Outcome {
    Outcome::Failed(Refusal { slug: slug.to_owned(), detail })
}
