//! Queues of Amazon SQS, or of a service that speaks its protocol.
//!
//! Besides the queue of the requests there is one for its dead letters (`NAME-dead`), and one for the answers to each web tier
//! (`NAME-reply-…`), whose tag says until when somebody waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName, SendMessageBatchRequestEntry,
};

use crate::{Broker, Delivery, Depth, Error, Queue, Receipt, Result, aws, expiry};

/// Bytes of the largest message, and of all that are sent in one request.
const GREATEST: usize = 256 << 10;
/// Messages in one request.
const BATCH: usize = 10;
/// The longest wait of one request, in seconds.
const LONGEST_WAIT: u64 = 20;
/// For so long SQS keeps a message at most, in seconds.
const LONGEST_KEPT: &str = "1209600";
/// The longest lease, in seconds.
const LONGEST_LEASE: u64 = 43_200;
/// Says until when somebody waits for answers, in milliseconds since 1970-01-01 UTC.
const EXPIRES: &str = "sightscan-expires";

/// The queues of one queue of requests.
#[derive(Debug)]
pub struct SqsBroker {
    client: Client,
    requests: Arc<SqsQueue>,
    name: String,
    /// The addresses of queues of answers that are known.
    known: Mutex<HashMap<String, String>>,
}

/// A queue.
#[derive(Debug)]
struct SqsQueue {
    client: Client,
    name: String,
    url: String,
    /// The address of the queue of its dead letters, where it has one.
    dead: Option<String>,
    /// Messages that are among the dead letters and perhaps not deleted yet.
    buried: Mutex<HashSet<String>>,
}

impl SqsBroker {
    /// Opens the queue of this address, and makes it and that of its dead letters where they are missing. `variable` looks up
    /// the variables that Amazon's clients read, and `AWS_ACCESS_KEY`, as the original system called the secret key.
    ///
    /// # Errors
    /// When the service cannot be reached or does not let us in.
    pub async fn open(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let client = Client::new(&aws::access("SQS", variable).await);
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        let url = made(&client, &name).await?;
        let dead = Some(made(&client, &format!("{name}-dead")).await?);
        let requests = Arc::new(SqsQueue::new(&client, name.clone(), url, dead));
        Ok(Self { client, requests, name, known: Mutex::default() })
    }

    /// The name of a queue of answers, as the service knows it.
    fn reply_name(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// The address of a queue; none where it is gone.
    async fn find(&self, name: &str) -> Result<Option<String>> {
        if let Some(url) = self.known().get(name) {
            return Ok(Some(url.clone()));
        }
        match self.client.get_queue_url().queue_name(name).send().await {
            Ok(found) => {
                let url = found.queue_url().unwrap_or_default().to_owned();
                self.known().insert(name.to_owned(), url.clone());
                Ok(Some(url))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("find", name, error)),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let Some(url) = self.find(name).await? else { return Ok(()) };
        self.known().remove(name);
        match self.client.delete_queue().queue_url(url).send().await {
            Err(error) if !is_missing(&error) => Err(failed("remove", name, error)),
            _ => Ok(()),
        }
    }

    async fn is_over(&self, url: &str) -> Result<bool> {
        let tags = self.client.list_queue_tags().queue_url(url).send().await;
        let tags = match tags {
            Ok(tags) => tags,
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(failed("look at", url, error)),
        };
        Ok(tags.tags().and_then(|tags| tags.get(EXPIRES)).is_some_and(|until| expiry::is_over(until)))
    }
}

#[async_trait]
impl Broker for SqsBroker {
    fn requests(&self) -> Arc<dyn Queue> {
        Arc::<SqsQueue>::clone(&self.requests)
    }

    async fn open_replies(&self, name: &str, lease: Duration) -> Result<Arc<dyn Queue>> {
        let name = self.reply_name(name);
        let made =
            self.client.create_queue().queue_name(&name).tags(EXPIRES, expiry::after(lease)).send().await;
        let url = made.map_err(|error| failed("make", &name, error))?.queue_url.unwrap_or_default();
        self.known().insert(name.clone(), url.clone());
        Ok(Arc::new(SqsQueue::new(&self.client, name, url, None)))
    }

    async fn keep(&self, name: &str, lease: Duration) -> Result<()> {
        let name = self.reply_name(name);
        let Some(url) = self.find(&name).await? else { return Err(Error::Missing(name)) };
        match self.client.tag_queue().queue_url(url).tags(EXPIRES, expiry::after(lease)).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => {
                self.known().remove(&name);
                Err(Error::Missing(name))
            }
            Err(error) => Err(failed("keep", &name, error)),
        }
    }

    async fn reply(&self, name: &str, body: String) -> Result<bool> {
        let name = self.reply_name(name);
        let Some(url) = self.find(&name).await? else { return Ok(false) };
        match self.client.send_message().queue_url(url).message_body(body).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => {
                self.known().remove(&name);
                Ok(false)
            }
            Err(error) => Err(failed("send to", &name, error)),
        }
    }

    async fn close_replies(&self, name: &str) -> Result<()> {
        self.remove(&self.reply_name(name)).await
    }

    async fn sweep(&self) -> Result<u64> {
        // The queue of dead letters is among them, but has no tag.
        let prefix = self.reply_name("");
        let mut pages = self.client.list_queues().queue_name_prefix(&prefix).into_paginator().send();
        let mut swept = 0;
        while let Some(page) = pages.next().await {
            for url in page.map_err(|error| failed("list", &prefix, error))?.queue_urls() {
                if self.is_over(url).await? {
                    self.remove(url.rsplit('/').next().unwrap_or_default()).await?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }
}

impl SqsQueue {
    fn new(client: &Client, name: String, url: String, dead: Option<String>) -> Self {
        Self { client: client.clone(), name, url, dead, buried: Mutex::default() }
    }

    fn buried(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.buried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_letter(&self, dead: &str, body: &str, reason: &str) -> Result<()> {
        let told = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
        let told = told.map_err(|error| failed("give up a message of", &self.name, error))?;
        let asked = self.client.send_message().queue_url(dead).message_body(body);
        let sent = asked.message_attributes("reason", told).send().await;
        sent.map(drop).map_err(|error| failed("give up a message of", &self.name, error))
    }

    async fn count(&self, url: &str) -> Result<(u64, u64)> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let wanted = [Waiting, Delayed, InFlight];
        let asked = self.client.get_queue_attributes().queue_url(url);
        let found = asked.set_attribute_names(Some(wanted.to_vec())).send().await;
        let found = found.map_err(|error| failed("count", &self.name, error))?;
        let number = |name: &QueueAttributeName| {
            found.attributes().and_then(|all| all.get(name)?.parse::<u64>().ok()).unwrap_or(0)
        };
        Ok((number(&Waiting) + number(&Delayed), number(&InFlight)))
    }

    async fn send_some(&self, bodies: &[String]) -> Result<()> {
        let entry = |(number, body): (usize, &String)| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body);
            entry.build().map_err(|error| failed("send to", &self.name, error))
        };
        let entries = bodies.iter().enumerate().map(entry).collect::<Result<Vec<_>>>()?;
        let asked = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let sent = asked.send().await.map_err(|error| failed("send to", &self.name, error))?;
        match sent.failed().first() {
            None => Ok(()),
            Some(refused) => {
                let why = refused.message().unwrap_or(refused.code()).to_owned();
                Err(Error::backend("send to", &self.name, why))
            }
        }
    }

    async fn delete_some(&self, receipts: &[Receipt]) -> Result<()> {
        let entry = |(number, receipt): (usize, &Receipt)| {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(receipt.as_str());
            entry.build().map_err(|error| failed("delete from", &self.name, error))
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<Vec<_>>>()?;
        let asked = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        // Those that are refused singly are gone, or somebody else's by now.
        asked.send().await.map(drop).map_err(|error| failed("delete from", &self.name, error))
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn greatest(&self) -> usize {
        GREATEST
    }

    async fn send(&self, bodies: &[String]) -> Result<()> {
        Error::refuse_large(&self.name, bodies, GREATEST)?;
        for batch in batches(bodies) {
            self.send_some(batch).await?;
        }
        Ok(())
    }

    async fn receive(&self, most: usize, lease: Duration, wait: Duration) -> Result<Vec<Delivery>> {
        let asked = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most.clamp(1, BATCH)).unwrap_or(1))
            .visibility_timeout(seconds(lease, LONGEST_LEASE))
            .wait_time_seconds(seconds(wait, LONGEST_WAIT))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let found = asked.send().await.map_err(|error| failed("receive from", &self.name, error))?;
        // Without messages there is no list, not an empty one.
        Ok(found.messages.unwrap_or_default().into_iter().map(delivery).collect())
    }

    async fn extend(&self, receipt: &Receipt, lease: Duration) -> Result<bool> {
        let asked = self.client.change_message_visibility().queue_url(&self.url);
        let asked = asked.receipt_handle(receipt.as_str()).visibility_timeout(seconds(lease, LONGEST_LEASE));
        match asked.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_lost(&error) => Ok(false),
            Err(error) => Err(failed("keep a message of", &self.name, error)),
        }
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<()> {
        for some in receipts.chunks(BATCH) {
            self.delete_some(some).await?;
        }
        Ok(())
    }

    async fn release(&self, receipt: &Receipt, pause: Duration) -> Result<()> {
        self.extend(receipt, pause).await.map(drop)
    }

    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        let receipt = delivery.receipt.as_str();
        if let Some(dead) = &self.dead
            && !self.buried().contains(receipt)
        {
            self.send_letter(dead, &delivery.body, reason).await?;
            self.buried().insert(receipt.to_owned());
        }
        self.delete(std::slice::from_ref(&delivery.receipt)).await?;
        self.buried().remove(receipt);
        Ok(())
    }

    async fn depth(&self) -> Result<Depth> {
        let (waiting, in_flight) = self.count(&self.url).await?;
        let dead = match &self.dead {
            Some(dead) => self.count(dead).await?.0,
            None => 0,
        };
        Ok(Depth { accepted: None, waiting, in_flight, dead })
    }
}

/// What fits into one request each: so many messages, and so many bytes together.
fn batches(bodies: &[String]) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, body) in bodies.iter().enumerate() {
        if index - start == BATCH || bytes + body.len() > GREATEST {
            batches.push(&bodies[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += body.len();
    }
    if start < bodies.len() {
        batches.push(&bodies[start..]);
    }
    batches
}

fn delivery(message: Message) -> Delivery {
    let count = message.attributes.as_ref().and_then(|attributes| {
        attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok()
    });
    Delivery {
        body: message.body.unwrap_or_default(),
        receives: count.unwrap_or(1),
        receipt: Receipt::new(message.receipt_handle.unwrap_or_default()),
    }
}

/// The address of the queue of this name, which is made where it is missing.
async fn made(client: &Client, name: &str) -> Result<String> {
    match client.get_queue_url().queue_name(name).send().await {
        Ok(found) => Ok(found.queue_url.unwrap_or_default()),
        Err(error) if is_missing(&error) => {
            let asked = client.create_queue().queue_name(name);
            let made =
                asked.attributes(QueueAttributeName::MessageRetentionPeriod, LONGEST_KEPT).send().await;
            Ok(made.map_err(|error| failed("make", name, error))?.queue_url.unwrap_or_default())
        }
        Err(error) => Err(failed("find", name, error)),
    }
}

fn is_missing(error: &impl ProvideErrorMetadata) -> bool {
    let code = error.code().unwrap_or_default();
    code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist")
}

/// Whether the receipt is worth nothing any more.
fn is_lost(error: &impl ProvideErrorMetadata) -> bool {
    let code = error.code().unwrap_or_default();
    ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"]
        .iter()
        .any(|lost| code.contains(lost))
}

fn failed(doing: &'static str, queue: &str, error: impl std::error::Error) -> Error {
    Error::backend(doing, queue, DisplayErrorContext(error).to_string())
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration, greatest: u64) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole.min(greatest)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_whole_seconds_rounded_up() {
        let of = |milliseconds| seconds(Duration::from_millis(milliseconds), 20);
        assert_eq!([of(0), of(1), of(1000), of(1001), of(99_000)], [0, 1, 1, 2, 20]);
    }

    proptest! {
        #[test]
        fn batches_fit_into_a_request_and_nothing_is_left_out(sizes in prop::collection::vec(0..=GREATEST, 0..40)) {
            let bodies: Vec<String> = sizes.iter().map(|&size| "x".repeat(size)).collect();
            let batches = batches(&bodies);
            prop_assert!(batches.iter().all(|batch| batch.len() <= BATCH && !batch.is_empty()));
            let bytes = |batch: &&[String]| batch.iter().map(String::len).sum::<usize>();
            prop_assert!(batches.iter().all(|batch| bytes(batch) <= GREATEST));
            prop_assert_eq!(batches.concat(), bodies);
        }
    }
}
