//! How a receiver learns that there may be a message.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OnceCell};
use tokio::task::JoinHandle;

use crate::{Database, Dialect};

/// SQLite tells nobody anything: a receiver looks again after so long,
const FIRST_LOOK: Duration = Duration::from_millis(2);
/// and each time a little later, up to this.
const LAST_LOOK: Duration = Duration::from_millis(50);
/// PostgreSQL wakes receivers, except for messages whose lease ends.
const SELDOM: Duration = Duration::from_secs(1);
/// Before the next try to listen.
const AGAIN: Duration = Duration::from_millis(500);

/// Wakes the receivers of one queue.
#[derive(Debug)]
pub(super) struct News {
    database: Database,
    channel: String,
    woken: Arc<Notify>,
    /// Listens from the first wait on: who only sends needs no connection for it.
    listening: OnceCell<Listening>,
}

/// Ends with the queue.
#[derive(Debug)]
struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long a receiver waits before it looks again: the longer, the longer nothing came.
pub(super) struct Patience {
    next: Duration,
    greatest: Duration,
}

impl Patience {
    pub(super) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 3 / 2).min(self.greatest);
        now
    }
}

impl News {
    pub(super) fn of(database: &Database, channel: String) -> Self {
        Self { database: database.clone(), channel, woken: Arc::default(), listening: OnceCell::new() }
    }

    pub(super) fn patience(&self) -> Patience {
        match self.database.dialect() {
            Dialect::Sqlite => Patience { next: FIRST_LOOK, greatest: LAST_LOOK },
            Dialect::Postgres => Patience { next: SELDOM, greatest: SELDOM },
        }
    }

    /// Waits until something may have come, but no longer than so long.
    pub(super) async fn wait(&self, longest: Duration) {
        if self.database.dialect() == Dialect::Postgres {
            self.listening.get_or_init(async || self.listen()).await;
        }
        let _ = tokio::time::timeout(longest, self.woken.notified()).await;
    }

    fn listen(&self) -> Listening {
        let (database, channel, woken) =
            (self.database.clone(), self.channel.clone(), Arc::clone(&self.woken));
        Listening(tokio::spawn(async move {
            loop {
                if let Ok(Some(mut listener)) = database.listener(&channel).await {
                    // Something may have been sent while nobody listened.
                    wake(&woken);
                    while listener.heard().await.is_ok() {
                        wake(&woken);
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        }))
    }
}

/// Wakes all who wait, and the next who would.
fn wake(woken: &Notify) {
    woken.notify_waiters();
    woken.notify_one();
}
