//! The queues of detection requests and answers in the database: the backend `db:` of `sightscan-queue`.
//!
//! A message that nobody has is a row whose time has come. Receiving it moves that time to the end of the lease, so that a
//! message whose receiver vanished comes back by itself.

mod news;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sightscan_queue::{Broker, Delivery, Depth, Error as QueueError, Queue, Receipt};
use uuid::Uuid;

use crate::statement::sql;
use crate::{Database, Result, Transaction};
use news::News;

/// Bytes of the largest message: what every service takes as well, so that an installation can move to one.
const GREATEST: usize = 256 << 10;

/// The queues of a database.
#[derive(Debug, Clone)]
pub struct TableBroker {
    database: Database,
    requests: Arc<TableQueue>,
}

/// A queue in the database.
#[derive(Debug)]
struct TableQueue {
    database: Database,
    name: String,
    news: News,
}

/// Why nothing could be sent.
enum Unsent {
    Database(crate::Error),
    Missing,
}

impl From<crate::Error> for Unsent {
    fn from(error: crate::Error) -> Self {
        Self::Database(error)
    }
}

#[derive(sqlx::FromRow)]
struct Received {
    message_id: String,
    body: String,
    receives: i64,
}

#[derive(sqlx::FromRow)]
struct Counts {
    total: i64,
    in_flight: i64,
}

impl TableBroker {
    /// The queues of this database; requests are in the one of this name, which is made where it is missing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(database: &Database, requests: &str) -> Result<Self> {
        let mut transaction = database.begin().await?;
        sql("INSERT INTO queues (name, expires_at) VALUES ($1, NULL) ON CONFLICT (name) DO NOTHING")
            .bind(requests)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(Self { database: database.clone(), requests: Arc::new(TableQueue::new(database, requests)) })
    }

    fn queue(&self, name: &str) -> Arc<TableQueue> {
        Arc::new(TableQueue::new(&self.database, name))
    }

    async fn open_expiring(&self, name: &str, lease: Duration) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        sql("INSERT INTO queues (name, expires_at) VALUES ($1, $2)")
            .bind(name)
            .bind(after(&self.database, lease))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }

    async fn keep_expiring(&self, name: &str, lease: Duration) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let kept = sql("UPDATE queues SET expires_at = $2 WHERE name = $1 AND expires_at IS NOT NULL")
            .bind(name)
            .bind(after(&self.database, lease))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(kept == 1)
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        sql("DELETE FROM queues WHERE name = $1 AND expires_at IS NOT NULL")
            .bind(name)
            .execute(&mut transaction)
            .await?;
        sql("DELETE FROM queue_messages WHERE queue = $1").bind(name).execute(&mut transaction).await?;
        transaction.commit().await
    }

    async fn remove_expired(&self) -> Result<u64> {
        let mut transaction = self.database.begin().await?;
        let gone: Vec<(String,)> = sql("DELETE FROM queues WHERE expires_at <= $1 RETURNING name")
            .bind(self.database.now())
            .all(&mut transaction)
            .await?;
        for (name,) in &gone {
            sql("DELETE FROM queue_messages WHERE queue = $1").bind(name).execute(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(gone.len() as u64)
    }
}

#[async_trait]
impl Broker for TableBroker {
    fn requests(&self) -> Arc<dyn Queue> {
        Arc::<TableQueue>::clone(&self.requests)
    }

    async fn open_replies(&self, name: &str, lease: Duration) -> sightscan_queue::Result<Arc<dyn Queue>> {
        self.open_expiring(name, lease).await.map_err(|error| QueueError::backend("make", name, error))?;
        Ok(self.queue(name))
    }

    async fn keep(&self, name: &str, lease: Duration) -> sightscan_queue::Result<()> {
        match self.keep_expiring(name, lease).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(QueueError::Missing(name.to_owned())),
            Err(error) => Err(QueueError::backend("keep", name, error)),
        }
    }

    async fn reply(&self, name: &str, body: String) -> sightscan_queue::Result<bool> {
        match send(&self.database, name, &[body]).await {
            Ok(()) => Ok(true),
            Err(Unsent::Missing) => Ok(false),
            Err(Unsent::Database(error)) => Err(QueueError::backend("send to", name, error)),
        }
    }

    async fn close_replies(&self, name: &str) -> sightscan_queue::Result<()> {
        self.remove(name).await.map_err(|error| QueueError::backend("remove", name, error))
    }

    async fn sweep(&self) -> sightscan_queue::Result<u64> {
        self.remove_expired().await.map_err(|error| QueueError::backend("sweep", "replies", error))
    }
}

impl TableQueue {
    fn new(database: &Database, name: &str) -> Self {
        let news = News::of(database, channel(name));
        Self { database: database.clone(), name: name.to_owned(), news }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(crate::Error) -> QueueError {
        move |error| QueueError::backend(doing, &self.name, error)
    }

    /// Takes out what is visible now.
    async fn take(&self, most: usize, lease: Duration) -> Result<Vec<Delivery>> {
        // Looking first locks nothing, so that idle receivers disturb nobody.
        if !self.has_visible().await? {
            return Ok(Vec::new());
        }
        let token = Uuid::new_v4().simple().to_string();
        let mut transaction = self.database.begin().await?;
        let rows: Vec<Received> = sql(transaction.dialect().receive())
            .bind(&self.name)
            .bind(self.database.now())
            .bind(after(&self.database, lease))
            .bind(&token)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .all(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().map(|row| delivery(row, &token)).collect())
    }

    async fn has_visible(&self) -> Result<bool> {
        let found: Option<(i64,)> =
            sql("SELECT visible_at FROM queue_messages WHERE queue = $1 AND visible_at <= $2 LIMIT 1")
                .bind(&self.name)
                .bind(self.database.now())
                .optional(&mut self.database.session().await?)
                .await?;
        Ok(found.is_some())
    }

    /// Changes when a message that is held can be received again; whether it was still held.
    async fn show_at(&self, receipt: &Receipt, at: i64, is_held: bool) -> Result<bool> {
        let Some((id, lease)) = parts(receipt) else { return Ok(false) };
        let mut transaction = self.database.begin().await?;
        let changed =
            sql("UPDATE queue_messages SET visible_at = $3, lease = $4 WHERE message_id = $1 AND lease = $2")
                .bind(id)
                .bind(lease)
                .bind(at)
                .bind(is_held.then_some(lease))
                .execute(&mut transaction)
                .await?;
        if !is_held {
            transaction.notify(&channel(&self.name)).await?;
        }
        transaction.commit().await?;
        Ok(changed == 1)
    }

    async fn remove(&self, receipts: &[Receipt]) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        for (id, lease) in receipts.iter().filter_map(parts) {
            delete_held(&mut transaction, id, lease).await?;
        }
        transaction.commit().await
    }

    async fn give_up(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        let Some((id, lease)) = parts(&delivery.receipt) else { return Ok(()) };
        let mut transaction = self.database.begin().await?;
        sql("INSERT INTO dead_messages (message_id, queue, body, receives, reason, died_at) \
             SELECT message_id, queue, body, receives, $3, $4 FROM queue_messages \
             WHERE message_id = $1 AND lease = $2")
        .bind(id)
        .bind(lease)
        .bind(reason)
        .bind(self.database.now())
        .execute(&mut transaction)
        .await?;
        delete_held(&mut transaction, id, lease).await?;
        transaction.commit().await
    }

    async fn count(&self) -> Result<Depth> {
        let mut session = self.database.session().await?;
        // First: what is sent meanwhile is counted once too often and not never.
        let accepted: Option<(i64,)> = sql("SELECT accepted FROM queues WHERE name = $1")
            .bind(&self.name)
            .optional(&mut session)
            .await?;
        let counts: Counts = sql("SELECT COUNT(*) AS total, \
                    COUNT(*) FILTER (WHERE visible_at > $2 AND lease IS NOT NULL) AS in_flight \
             FROM queue_messages WHERE queue = $1")
        .bind(&self.name)
        .bind(self.database.now())
        .one(&mut session)
        .await?;
        let (dead,): (i64,) = sql("SELECT COUNT(*) FROM dead_messages WHERE queue = $1")
            .bind(&self.name)
            .one(&mut session)
            .await?;
        Ok(Depth {
            accepted: accepted.map(|(accepted,)| accepted.unsigned_abs()),
            waiting: (counts.total - counts.in_flight).unsigned_abs(),
            in_flight: counts.in_flight.unsigned_abs(),
            dead: dead.unsigned_abs(),
        })
    }
}

#[async_trait]
impl Queue for TableQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn greatest(&self) -> usize {
        GREATEST
    }

    async fn send(&self, bodies: &[String]) -> sightscan_queue::Result<()> {
        QueueError::refuse_large(&self.name, bodies, GREATEST)?;
        send(&self.database, &self.name, bodies).await.map_err(|error| match error {
            Unsent::Missing => QueueError::Missing(self.name.clone()),
            Unsent::Database(error) => self.failed("send to")(error),
        })
    }

    async fn receive(
        &self,
        most: usize,
        lease: Duration,
        wait: Duration,
    ) -> sightscan_queue::Result<Vec<Delivery>> {
        let until = Instant::now() + wait;
        let mut patience = self.news.patience();
        loop {
            let found = self.take(most, lease).await.map_err(self.failed("receive from"))?;
            let left = until.saturating_duration_since(Instant::now());
            if !found.is_empty() || left.is_zero() {
                return Ok(found);
            }
            self.news.wait(patience.next().min(left)).await;
        }
    }

    async fn extend(&self, receipt: &Receipt, lease: Duration) -> sightscan_queue::Result<bool> {
        let until = after(&self.database, lease);
        self.show_at(receipt, until, true).await.map_err(self.failed("keep a message of"))
    }

    async fn delete(&self, receipts: &[Receipt]) -> sightscan_queue::Result<()> {
        if receipts.is_empty() {
            return Ok(());
        }
        self.remove(receipts).await.map_err(self.failed("delete from"))
    }

    async fn release(&self, receipt: &Receipt, pause: Duration) -> sightscan_queue::Result<()> {
        let at = after(&self.database, pause);
        self.show_at(receipt, at, false).await.map(drop).map_err(self.failed("give a message back to"))
    }

    async fn bury(&self, delivery: &Delivery, reason: &str) -> sightscan_queue::Result<()> {
        self.give_up(delivery, reason).await.map_err(self.failed("give up a message of"))
    }

    async fn depth(&self) -> sightscan_queue::Result<Depth> {
        self.count().await.map_err(self.failed("count"))
    }
}

async fn send(database: &Database, queue: &str, bodies: &[String]) -> std::result::Result<(), Unsent> {
    if bodies.is_empty() {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    let now = database.now();
    // Whoever removes the queue at the same time waits, or this finds it gone.
    let is_there = sql("UPDATE queues SET accepted = accepted + $2 \
         WHERE name = $1 AND (expires_at IS NULL OR expires_at > $3)")
    .bind(queue)
    .bind(i64::try_from(bodies.len()).unwrap_or(i64::MAX))
    .bind(now)
    .execute(&mut transaction)
    .await?;
    if is_there == 0 {
        return Err(Unsent::Missing);
    }
    for body in bodies {
        insert(&mut transaction, queue, body, now).await?;
    }
    transaction.notify(&channel(queue)).await?;
    Ok(transaction.commit().await?)
}

async fn insert(transaction: &mut Transaction, queue: &str, body: &str, now: i64) -> Result<()> {
    sql("INSERT INTO queue_messages (message_id, queue, body, visible_at) VALUES ($1, $2, $3, $4)")
        .bind(Uuid::now_v7().to_string())
        .bind(queue)
        .bind(body)
        .bind(now)
        .execute(transaction)
        .await
        .map(drop)
}

/// Deletes a message of whoever shows its newest lease.
async fn delete_held(transaction: &mut Transaction, id: &str, lease: &str) -> Result<()> {
    sql("DELETE FROM queue_messages WHERE message_id = $1 AND lease = $2")
        .bind(id)
        .bind(lease)
        .execute(transaction)
        .await
        .map(drop)
}

/// Where receivers can hear that a message was sent (PostgreSQL's NOTIFY).
fn channel(queue: &str) -> String {
    format!("sightscan_queue_{queue}")
}

fn after(database: &Database, time: Duration) -> i64 {
    database.now().saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn delivery(row: Received, token: &str) -> Delivery {
    Delivery {
        receipt: Receipt::new(format!("{} {token}", row.message_id)),
        body: row.body,
        receives: u32::try_from(row.receives).unwrap_or(u32::MAX),
    }
}

fn parts(receipt: &Receipt) -> Option<(&str, &str)> {
    receipt.as_str().split_once(' ')
}
