//! The web tier's side of the queue.

mod catalogue;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use sightscan_http::health::Vitals;
use sightscan_http::{Hold, Problem, Slug};
use sightscan_queue::{
    Base64, Broker, Error as QueueError, Notice, Outcome, OutputForm, Queue, Refusal, Reply, Request, Wanted,
};
use sightscan_types::{DetectionId, PictureReport};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::objects::{ObjectError, Pending, output_key, shortened, unsent};
use super::{Config, NotNoted, Notifier, Objects, now};
use crate::detection::Seen;
use crate::error::StartError;
use crate::follow::Choice;
use crate::http::{Looked, NamedPicture};
use crate::metrics::Metrics;
use crate::models::ModelInfo;
use catalogue::Catalogue;
use waiting::Waiting;

/// Answers that are taken at once.
const ANSWERS: usize = 32;
/// An answer that was taken and not handed on comes again after so long.
const ANSWER_LEASE: Duration = Duration::from_secs(30);
/// How long one look for answers lasts.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between tries to reach a queue that does not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// Sends pictures to workers and hands on what they answer.
#[derive(Debug)]
pub struct Post {
    sender: Arc<Sender>,
    catalogue: Arc<Catalogue>,
    listening: JoinHandle<()>,
}

/// What is needed to send, also after the client has left.
#[derive(Debug)]
struct Sender {
    broker: Arc<dyn Broker>,
    requests: Arc<dyn Queue>,
    objects: Objects,
    config: Config,
    replies: Mutex<Replies>,
    waiting: Waiting,
    notifier: Option<Arc<dyn Notifier>>,
    /// When this web tier was last heard of.
    renewed: tokio::sync::Mutex<Instant>,
    metrics: Arc<Metrics>,
}

/// The queue of answers to this web tier.
#[derive(Debug, Clone)]
struct Replies {
    name: String,
    queue: Arc<dyn Queue>,
}

impl Replies {
    async fn open(broker: &dyn Broker, lease: Duration) -> Result<Self, QueueError> {
        // Never a name again: Amazon takes one only a minute after a queue of that name was removed.
        let name = format!("reply-{}", Uuid::new_v4().simple());
        Ok(Self { queue: broker.open_replies(&name, lease).await?, name })
    }
}

/// A picture that was sent.
struct Sent {
    id: DetectionId,
    name: String,
    sent_at: i64,
    answer: oneshot::Receiver<Reply>,
}

/// A picture could not be sent.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error(transparent)]
    Stored(#[from] ObjectError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    NotNoted(#[from] NotNoted),
    #[error("a message cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<Unsent> for Problem {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            // Pictures travel by their key: what is too large is what was asked for.
            Unsent::Queue(QueueError::TooLarge { greatest, .. }) => Self::new(
                Slug::InvalidParameter,
                format!("the model and the classes that are asked for must fit into {greatest} bytes"),
            ),
            unsent => Self::new(Slug::Unavailable, format!("pictures cannot be sent to workers: {unsent}")),
        }
    }
}

impl From<sightscan_blobs::BlobError> for Unsent {
    fn from(error: sightscan_blobs::BlobError) -> Self {
        Self::Stored(error.into())
    }
}

impl Post {
    /// Opens a queue for the answers to this web tier, and listens to it. `notifier` hears of requests that end after their client
    /// was told their address; workers must have it as well.
    ///
    /// # Errors
    /// When the queue cannot be made, or the metrics cannot be set up.
    pub async fn start(
        config: Config,
        broker: Arc<dyn Broker>,
        objects: Objects,
        choice: Choice,
        notifier: Option<Arc<dyn Notifier>>,
    ) -> Result<Self, StartError> {
        // Those of web tiers that died are in nobody's way, but nobody else removes them.
        let swept = broker.sweep().await?;
        let replies = Replies::open(broker.as_ref(), config.replies_lease()).await?;
        info!(
            queue = broker.requests().name(),
            replies = replies.name,
            swept,
            "pictures are sent to workers"
        );
        let sender = Arc::new(Sender {
            requests: broker.requests(),
            broker,
            objects,
            config,
            replies: Mutex::new(replies),
            waiting: Waiting::default(),
            notifier,
            renewed: tokio::sync::Mutex::new(Instant::now()),
            metrics: Arc::new(Metrics::new()?),
        });
        let listening = tokio::spawn(Arc::clone(&sender).listen());
        Ok(Self { sender, catalogue: Arc::new(Catalogue::new(choice)), listening })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.sender.config
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.sender.metrics
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.sender.objects
    }

    /// The models that workers are expected to have, which are those of the folder here.
    pub(crate) async fn models(&self) -> Result<Vec<ModelInfo>, Problem> {
        let catalogue = Arc::clone(&self.catalogue);
        let models = tokio::task::spawn_blocking(move || catalogue.models());
        models.await.map_err(Problem::internal)?.map_err(Problem::internal)
    }

    /// Sends pictures and waits until the deadline for what becomes of them. Once sent they are looked at, whether or not the
    /// client still waits.
    pub(crate) async fn ask(
        &self,
        wanted: Wanted,
        form: OutputForm,
        pictures: Vec<NamedPicture>,
        deadline: Instant,
        hold: Hold,
    ) -> Result<Vec<Looked>, Problem> {
        let sender = Arc::clone(&self.sender);
        // In a task of its own: a client that leaves must not leave a picture without its message.
        let sending = tokio::spawn(async move {
            let sent = sender.send(&wanted, form, pictures).await;
            // The bytes are on their way: they need not be in memory any more.
            drop(hold);
            sent
        });
        let sent = tokio::time::timeout_at(deadline.into(), sending).await;
        let late = |_| Problem::new(Slug::Unavailable, "the queue does not take the pictures in time");
        let sent = sent.map_err(late)?.map_err(Problem::internal)??;
        Ok(join_all(sent.into_iter().map(|sent| self.sender.outcome(sent, deadline))).await)
    }

    /// Ends; answers to those who have not been answered are at their addresses.
    pub(crate) async fn close(&self) -> bool {
        self.listening.abort();
        let name = self.sender.replies().name.clone();
        let closed = self.sender.broker.close_replies(&name).await;
        if let Err(error) = &closed {
            warn!(%error, "the queue of answers stays until its lease ends");
        }
        closed.is_ok()
    }
}

impl Vitals for Post {
    fn reasons(&self) -> Vec<String> {
        self.sender.waiting.outage().into_iter().collect()
    }

    fn metrics(&self) -> String {
        self.sender.metrics.waiting_answers.set(self.sender.waiting.len() as f64);
        self.sender.metrics.render()
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Sender {
    /// Stores the pictures, registers who waits, and sends the messages, in this order: an answer may be there at once.
    async fn send(
        &self,
        wanted: &Wanted,
        form: OutputForm,
        pictures: Vec<NamedPicture>,
    ) -> Result<Vec<Sent>, Unsent> {
        self.be_heard_of().await?;
        let names: Vec<String> = pictures.iter().map(|picture| picture.known_as().to_owned()).collect();
        let requests = self.store_all(wanted, form, pictures).await?;
        let sent: Vec<Sent> =
            requests.iter().zip(names).map(|(request, name)| self.expect(request, name)).collect();
        if let Err(error) = self.post(&requests).await {
            requests.iter().for_each(|request| self.waiting.forget(request.id));
            self.give_up(&requests, &error).await;
            return Err(error);
        }
        self.metrics.accepted.increment(sent.len() as u64);
        Ok(sent)
    }

    /// Stores all pictures of a request, or none.
    async fn store_all(
        &self,
        wanted: &Wanted,
        form: OutputForm,
        pictures: Vec<NamedPicture>,
    ) -> Result<Vec<Request>, Unsent> {
        let stored = join_all(pictures.into_iter().map(|picture| self.store(wanted, form, picture))).await;
        let (mut requests, mut failure) = (Vec::with_capacity(stored.len()), None);
        for one in stored {
            match one {
                Ok(request) => requests.push(request),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            None => Ok(requests),
            Some(error) => {
                self.take_back(&requests).await;
                Err(error)
            }
        }
    }

    /// Ends requests that could not be sent. Some may be in the queue all the same, unless none can be: their pictures stay, and
    /// whoever receives one finds how it has ended.
    async fn give_up(&self, requests: &[Request], error: &Unsent) {
        if matches!(error, Unsent::Json(_) | Unsent::Queue(QueueError::TooLarge { .. })) {
            return self.take_back(requests).await;
        }
        for request in requests {
            if let Err(error) = self.objects.finish(unsent(request)).await {
                warn!(%error, id = %request.id, "how a request has ended cannot be stored");
            }
        }
    }

    /// Deletes pictures that nobody will look at.
    async fn take_back(&self, requests: &[Request]) {
        for request in requests {
            if let Err(error) = self.objects.input.delete(&request.input).await {
                warn!(%error, "a picture stays that nobody will look at");
            }
        }
    }

    async fn store(
        &self,
        wanted: &Wanted,
        form: OutputForm,
        picture: NamedPicture,
    ) -> Result<Request, Unsent> {
        let id = DetectionId::new();
        // However long a name is, it must fit into a message.
        let name = shortened(picture.known_as());
        let input = self.objects.put_input(&name, id, picture.bytes.clone()).await?;
        let sent_at = now();
        let keep = i64::try_from(self.config.keep().as_millis()).unwrap_or(i64::MAX);
        Ok(Request {
            id,
            reply_to: self.replies().name.clone(),
            name,
            output: output_key(&input),
            input,
            form,
            picture: self.inline(picture.bytes),
            wanted: wanted.clone(),
            sent_at,
            deadline: sent_at.saturating_add(keep),
        })
    }

    /// The picture, where it fits into the message.
    fn inline(&self, picture: Bytes) -> Option<Base64> {
        let fits = picture.len() <= self.config.inline_bytes
            && Base64::written(picture.len()) <= self.requests.greatest() / 2;
        fits.then_some(Base64(picture))
    }

    fn expect(&self, request: &Request, name: String) -> Sent {
        let until = Instant::now() + self.config.keep();
        let answer = self.waiting.expect(request.id, until);
        Sent { id: request.id, name, sent_at: request.sent_at, answer }
    }

    async fn post(&self, requests: &[Request]) -> Result<(), Unsent> {
        let bodies = requests.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        Ok(self.requests.send(&bodies).await?)
    }

    async fn outcome(&self, sent: Sent, deadline: Instant) -> Looked {
        let Sent { id, name, sent_at, answer } = sent;
        if let Ok(Ok(reply)) = tokio::time::timeout_at(deadline.into(), answer).await {
            return looked(reply, name);
        }
        // The answer may have been lost on its way; the result is not.
        if let Ok(Some(reply)) = self.objects.result(id).await {
            return looked(reply, name);
        }
        self.metrics.postponed.increment(1);
        match self.postpone(&Pending { id, name, accepted_at: sent_at }).await {
            Ok(()) => Looked::Later(id),
            Err(error) => Looked::Refused(Problem::new(
                Slug::Unavailable,
                format!("a request cannot be noted: {error}"),
            )),
        }
    }

    /// Notes that the client is told the address. Whoever brings the request to its end later sees the note; where it has ended
    /// just now, nobody else does.
    async fn postpone(&self, pending: &Pending) -> Result<(), Unsent> {
        self.objects.note_pending(pending).await?;
        if let Some(notifier) = &self.notifier
            && self.objects.result(pending.id).await?.is_some()
        {
            notifier.ended(pending.id).await?;
        }
        Ok(())
    }

    /// Hands on answers, as long as somebody waits or answers may come: otherwise nothing is asked of the queue.
    async fn listen(self: Arc<Self>) {
        loop {
            self.waiting.any().await;
            let replies = self.replies().queue.clone();
            match replies.receive(ANSWERS, ANSWER_LEASE, PATIENCE).await {
                Ok(deliveries) => {
                    self.waiting.note_outage(None);
                    for delivery in &deliveries {
                        self.hand_on(&delivery.body).await;
                    }
                    let receipts: Vec<_> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
                    if let Err(error) = replies.delete(&receipts).await {
                        // They come again, and nobody waits for them then.
                        debug!(%error, "answers cannot be deleted");
                    }
                }
                Err(error) => {
                    warn!(%error, "answers cannot be received");
                    self.waiting.note_outage(Some(format!("the queue does not answer: {error}")));
                    tokio::time::sleep(AGAIN).await;
                }
            }
            self.waiting.forget_overdue();
            if let Err(error) = self.be_heard_of().await {
                warn!(%error, "the queue of answers cannot be kept");
            }
        }
    }

    async fn hand_on(&self, body: &str) {
        let Ok(notice) = serde_json::from_str::<Notice>(body) else {
            self.metrics.foreign_answers.increment(1);
            return warn!("something that is no answer is in the queue of answers");
        };
        let reply = match notice.reply {
            Some(reply) => Some(reply),
            None => self.objects.result(notice.id).await.unwrap_or_else(|error| {
                // Who waits looks into the bucket again before it gives up.
                warn!(%error, id = %notice.id, "a result cannot be read");
                None
            }),
        };
        // A second answer, or one whose client has left: the result is stored, and nobody waits.
        if !reply.is_some_and(|reply| self.waiting.answer(notice.id, reply)) {
            self.metrics.foreign_answers.increment(1);
        }
    }

    /// Has the queue of answers stay, and removes those of web tiers that are not heard of. Only while there is something to do:
    /// nothing is asked of a service otherwise.
    async fn be_heard_of(&self) -> Result<(), QueueError> {
        let (mut renewed, lease) = (self.renewed.lock().await, self.config.replies_lease());
        if renewed.elapsed() >= lease / 3 {
            self.renew(lease).await?;
            *renewed = Instant::now();
            if let Err(error) = self.broker.sweep().await {
                // Others do it as well.
                debug!(%error, "queues of answers that nobody waits at are not removed");
            }
        }
        Ok(())
    }

    async fn renew(&self, lease: Duration) -> Result<(), QueueError> {
        let name = self.replies().name.clone();
        match self.broker.keep(&name, lease).await {
            // Others took this web tier for dead. What was answered meanwhile is in the bucket of results.
            Err(QueueError::Missing(_)) => {
                let replies = Replies::open(self.broker.as_ref(), lease).await?;
                *self.replies() = replies;
                Ok(())
            }
            kept => kept,
        }
    }

    fn replies(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client hears, of a picture that it calls by this name.
fn looked(reply: Reply, image: String) -> Looked {
    match reply.outcome {
        Outcome::Done { report, drawn } => {
            let report = PictureReport { image, ..report };
            let queued = Duration::try_from_secs_f64(reply.queued_ms / 1e3).unwrap_or_default();
            Looked::Seen(Box::new(Seen { report, drawn: drawn.map(|drawn| drawn.0), queued }))
        }
        Outcome::Failed(Refusal { slug, detail }) => Looked::Refused(problem(&slug, detail)),
        Outcome::Dead { reason } => Looked::Refused(Problem::internal(reason)),
    }
}

/// The problem that a worker found.
fn problem(slug: &str, detail: String) -> Problem {
    let known = Slug::ALL.into_iter().find(|known| known.name() == slug);
    Problem::new(known.unwrap_or(Slug::Internal), detail)
}
