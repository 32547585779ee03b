//! Queues of NATS JetStream.
//!
//! The requests are in a stream that is a work queue, their dead letters in another one (`STREAM-dead`), and the answers to each
//! web tier in one of its own in memory (`STREAM-reply-…`), whose description says until when somebody waits.
//!
//! JetStream gives all messages of a consumer one lease. So that one is short, and while a longer one was asked for we keep
//! telling the server that somebody works: who dies does not, and loses the message soon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, AckKind, Context, Message};
use async_nats::{Client, ConnectOptions, HeaderMap};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::expiry;
use crate::{Broker, Delivery, Depth, Error, Queue, Receipt, Result};

/// What the server sends is there so soon after it was asked to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the largest message; servers take 1 MiB unless they are told otherwise.
const GREATEST: usize = 256 << 10;
/// A server that has not answered within this time whether it has stored something may have.
const ANSWER: Duration = Duration::from_secs(20);
/// A message whose receiver is not heard of for so long is somebody else's.
const ACK_WAIT: Duration = Duration::from_secs(5);
/// Answers that nobody has taken for so long are not worth anything to anybody.
const REPLY_AGE: Duration = Duration::from_hours(1);
/// Who takes messages out of a stream.
const CONSUMER: &str = "receivers";

/// The queues of one stream of requests.
#[derive(Debug)]
pub struct NatsBroker {
    context: Context,
    requests: Arc<NatsQueue>,
    stream: String,
}

/// A queue: a stream and its only consumer.
#[derive(Debug)]
struct NatsQueue {
    context: Context,
    name: String,
    stream: Stream,
    consumer: PullConsumer,
    /// The subject of its dead letters, where it has them.
    dead: Option<String>,
    held: Arc<Held>,
    keeping: JoinHandle<()>,
}

/// The messages that this process has.
#[derive(Debug, Default)]
struct Held(Mutex<HashMap<String, (Message, Instant)>>);

impl NatsBroker {
    /// Connects to a server and opens the stream of the requests, which is made where it is missing. `variable` looks up
    /// `NATS_USER` with `NATS_PASSWORD`, and `NATS_TOKEN`.
    ///
    /// # Errors
    /// When the server cannot be reached, does not let us in, or has no JetStream.
    pub async fn open(server: &str, stream: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let client = connect(server, variable).await.map_err(|error| failed("connect to", stream, error))?;
        let mut context = jetstream::new(client);
        context.set_timeout(ANSWER);
        let dead = format!("{stream}-dead");
        let kept = Config { storage: StorageType::File, ..named(&dead) };
        context.get_or_create_stream(kept).await.map_err(|error| failed("make", &dead, error))?;
        let kept =
            Config { storage: StorageType::File, retention: RetentionPolicy::WorkQueue, ..named(stream) };
        let requests = Arc::new(NatsQueue::open(&context, kept, Some(dead)).await?);
        Ok(Self { context, requests, stream: stream.to_owned() })
    }

    fn reply_name(&self, name: &str) -> String {
        format!("{}-{name}", self.stream)
    }

    fn replies(&self, name: &str, lease: Duration) -> Config {
        Config {
            storage: StorageType::Memory,
            retention: RetentionPolicy::WorkQueue,
            max_age: REPLY_AGE,
            description: Some(expiry::after(lease)),
            ..named(name)
        }
    }

    async fn remove(&self, name: &str) -> Result<()> {
        use async_nats::jetstream::context::GetStreamErrorKind::JetStream;
        match self.context.delete_stream(name).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), JetStream(why) if why.code() == 404) => Ok(()),
            Err(error) => Err(failed("remove", name, error)),
        }
    }
}

#[async_trait]
impl Broker for NatsBroker {
    fn requests(&self) -> Arc<dyn Queue> {
        Arc::<NatsQueue>::clone(&self.requests)
    }

    async fn open_replies(&self, name: &str, lease: Duration) -> Result<Arc<dyn Queue>> {
        let config = self.replies(&self.reply_name(name), lease);
        Ok(Arc::new(NatsQueue::open(&self.context, config, None).await?))
    }

    async fn keep(&self, name: &str, lease: Duration) -> Result<()> {
        let name = self.reply_name(name);
        // An update of a stream that is gone would make it again, without its consumer.
        match self.context.get_stream(&name).await {
            Ok(_) => {}
            Err(error) if is_missing(&error) => return Err(Error::Missing(name)),
            Err(error) => return Err(failed("keep", &name, error)),
        }
        let updated = self.context.update_stream(self.replies(&name, lease)).await;
        updated.map(drop).map_err(|error| failed("keep", &name, error))
    }

    async fn reply(&self, name: &str, body: String) -> Result<bool> {
        let name = self.reply_name(name);
        let sent = self.context.publish(subject(&name), body.into()).await;
        let sent = sent.map_err(|error| failed("send to", &name, error))?;
        match sent.await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => Ok(false),
            Err(error) => Err(failed("send to", &name, error)),
        }
    }

    async fn close_replies(&self, name: &str) -> Result<()> {
        self.remove(&self.reply_name(name)).await
    }

    async fn sweep(&self) -> Result<u64> {
        let prefix = self.reply_name("");
        let mut streams = self.context.streams();
        let mut swept = 0;
        while let Some(stream) = streams.try_next().await.map_err(|error| failed("list", &prefix, error))? {
            let is_over = stream.config.description.is_some_and(|until| expiry::is_over(&until));
            if is_over && stream.config.name.starts_with(&prefix) {
                self.remove(&stream.config.name).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

impl NatsQueue {
    async fn open(context: &Context, config: Config, dead: Option<String>) -> Result<Self> {
        let name = config.name.clone();
        let stream = context.get_or_create_stream(config).await;
        let stream = stream.map_err(|error| failed("make", &name, error))?;
        let consumer = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        let consumer = stream.get_or_create_consumer(CONSUMER, consumer).await;
        let consumer = consumer.map_err(|error| failed("make", &name, error))?;
        let held = Arc::new(Held::default());
        let keeping = tokio::spawn(Arc::clone(&held).keep());
        Ok(Self { context: context.clone(), name, stream, consumer, dead, held, keeping })
    }

    async fn batch(&self, most: usize, wait: Duration) -> Result<Vec<Message>> {
        // Where the answer is lost with its connection, nobody else ends the waiting.
        let waiting = tokio::time::timeout(wait + PATIENCE, self.batch_in_time(most, wait));
        waiting.await.map_err(|error| Error::backend("receive from", &self.name, error))?
    }

    async fn batch_in_time(&self, most: usize, wait: Duration) -> Result<Vec<Message>> {
        let received = |error| Error::backend("receive from", &self.name, error);
        let batch = if wait.is_zero() {
            self.consumer.fetch().max_messages(most).messages().await
        } else {
            self.consumer.batch().max_messages(most).expires(wait).messages().await
        };
        let messages = batch.map_err(|error| failed("receive from", &self.name, error))?;
        messages.try_collect().await.map_err(received)
    }

    fn delivery(&self, message: Message, until: Instant) -> Result<Delivery> {
        let info = message.info().map_err(|error| Error::backend("receive from", &self.name, error))?;
        let receives = u32::try_from(info.delivered).unwrap_or(u32::MAX);
        let receipt = message.reply.as_ref().map(ToString::to_string).unwrap_or_default();
        let body = String::from_utf8_lossy(&message.payload).into_owned();
        self.held.lock().insert(receipt.clone(), (message, until));
        Ok(Delivery { body, receives, receipt: Receipt::new(receipt) })
    }

    /// Tells the server what became of a message, and waits until it knows.
    async fn settle(&self, receipt: &Receipt, kind: AckKind) -> Result<()> {
        let Some(message) = self.held.find(receipt) else { return Ok(()) };
        let settled = message.double_ack_with(kind).await;
        settled.map_err(|error| Error::backend("settle a message of", &self.name, error))?;
        // Only now: who is told of an error settles it again.
        self.held.lock().remove(receipt.as_str());
        Ok(())
    }

    async fn publish(&self, body: &str) -> Result<()> {
        let sent = self.context.publish(subject(&self.name), body.to_owned().into()).await;
        let sent = sent.map_err(|error| failed("send to", &self.name, error))?;
        sent.await.map(drop).map_err(|error| failed("send to", &self.name, error))
    }
}

impl Drop for NatsQueue {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

#[async_trait]
impl Queue for NatsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn greatest(&self) -> usize {
        GREATEST
    }

    async fn send(&self, bodies: &[String]) -> Result<()> {
        Error::refuse_large(&self.name, bodies, GREATEST)?;
        try_join_all(bodies.iter().map(|body| self.publish(body))).await.map(drop)
    }

    async fn receive(&self, most: usize, lease: Duration, wait: Duration) -> Result<Vec<Delivery>> {
        // A batch waits until it is full: so the first message is waited for alone.
        let mut messages = self.batch(1, wait).await?;
        if !messages.is_empty() && most > 1 {
            match self.batch(most - 1, Duration::ZERO).await {
                Ok(more) => messages.extend(more),
                // The first one is there all the same; others come again.
                Err(error) => debug!(%error, "no more messages than one can be received"),
            }
        }
        let until = Instant::now() + lease;
        messages.into_iter().map(|message| self.delivery(message, until)).collect()
    }

    async fn extend(&self, receipt: &Receipt, lease: Duration) -> Result<bool> {
        let now = Instant::now();
        let message = match self.held.lock().get_mut(receipt.as_str()) {
            Some((message, until)) if *until > now => {
                *until = now + lease;
                message.clone()
            }
            _ => return Ok(false),
        };
        let told = message.ack_with(AckKind::Progress).await;
        told.map(|()| true).map_err(|error| Error::backend("keep a message of", &self.name, error))
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<()> {
        try_join_all(receipts.iter().map(|receipt| self.settle(receipt, AckKind::Ack))).await.map(drop)
    }

    async fn release(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        let pause = (!pause.is_zero()).then_some(pause);
        self.settle(receipt, AckKind::Nak(pause)).await
    }

    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        if let Some(dead) = &self.dead {
            let mut headers = HeaderMap::new();
            headers.insert("Reason", reason.replace(['\r', '\n'], " "));
            // The server drops a second letter of the same message.
            if let Some(number) = self.held.find(&delivery.receipt).as_ref().and_then(number) {
                headers.insert("Nats-Msg-Id", format!("{}-{number}", self.name));
            }
            let sent =
                self.context.publish_with_headers(subject(dead), headers, delivery.body.clone().into());
            let sent = sent.await.map_err(|error| failed("give up a message of", &self.name, error))?;
            sent.await.map_err(|error| failed("give up a message of", &self.name, error))?;
        }
        self.settle(&delivery.receipt, AckKind::Term).await
    }

    async fn depth(&self) -> Result<Depth> {
        let counted = |error| failed("count", &self.name, error);
        let stream = self.stream.get_info().await.map_err(counted)?;
        let consumer = self.consumer.get_info().await.map_err(|error| failed("count", &self.name, error))?;
        let dead = match &self.dead {
            Some(dead) => {
                let dead = self.context.get_stream(dead).await;
                dead.map_err(|error| failed("count", &self.name, error))?.cached_info().state.messages
            }
            None => 0,
        };
        let in_flight = consumer.num_ack_pending as u64;
        Ok(Depth {
            accepted: Some(stream.state.last_sequence),
            waiting: stream.state.messages.saturating_sub(in_flight),
            in_flight,
            dead,
        })
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Message, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, receipt: &Receipt) -> Option<Message> {
        self.lock().get(receipt.as_str()).map(|(message, _)| message.clone())
    }

    /// Keeps telling the server that somebody works on what is held.
    async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(ACK_WAIT / 4).await;
            let now = Instant::now();
            let held: Vec<Message> = {
                let mut held = self.lock();
                held.retain(|_, (_, until)| *until > now);
                held.values().map(|(message, _)| message.clone()).collect()
            };
            for message in held {
                // Where the server is away, the message comes back to somebody.
                let _ = message.ack_with(AckKind::Progress).await;
            }
        }
    }
}

/// The number of a message in its stream.
fn number(message: &Message) -> Option<u64> {
    message.info().ok().map(|info| info.stream_sequence)
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(why) if why.code() == 404)
}

async fn connect(
    server: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> std::result::Result<Client, async_nats::ConnectError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let options = ConnectOptions::new().name("sightscan");
    let options = match (set("NATS_USER"), set("NATS_PASSWORD"), set("NATS_TOKEN")) {
        (Some(user), Some(password), _) => options.user_and_password(user, password),
        (_, _, Some(token)) => options.token(token),
        _ => options,
    };
    options.connect(server).await
}

fn named(name: &str) -> Config {
    Config { name: name.to_owned(), subjects: vec![subject(name)], ..Config::default() }
}

/// The subject of a stream.
fn subject(stream: &str) -> String {
    format!("sightscan.{stream}")
}

fn failed(doing: &'static str, queue: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::backend(doing, queue, error)
}
