//! Hearing that something happened to a city, for those who follow it.

use std::sync::OnceLock;
use std::time::Duration;

use sightscan_warehouse::{Database, cities};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// How often who follows a city looks, where the database tells nobody (SQLite).
const LOOK: Duration = Duration::from_millis(500);
/// How long to wait after a lost connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells all who follow cities in this process when to look; however many they are, they need one connection.
#[derive(Debug)]
pub(crate) struct Changes {
    database: Database,
    rung: watch::Sender<()>,
    /// Runs from the first follower on.
    bell: OnceLock<AbortOnDropHandle<()>>,
}

impl Changes {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, rung: watch::Sender::new(()), bell: OnceLock::new() }
    }

    /// Changes whenever something may have happened to some city.
    pub(crate) fn follow(&self) -> watch::Receiver<()> {
        self.bell.get_or_init(|| {
            let ring = ring(self.database.clone(), self.rung.clone());
            AbortOnDropHandle::new(tokio::spawn(ring))
        });
        self.rung.subscribe()
    }
}

async fn ring(database: Database, rung: watch::Sender<()>) {
    loop {
        if let Err(error) = listen(&database, &rung).await {
            warn!(%error, "events of cities are not heard of for a moment");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Rings until the connection is lost.
async fn listen(database: &Database, rung: &watch::Sender<()>) -> sightscan_warehouse::Result<()> {
    let mut listener = database.listener(cities::CHANNEL).await?;
    loop {
        // At the beginning, too: something may have happened before we listened.
        rung.send_replace(());
        match &mut listener {
            Some(listener) => listener.heard().await?,
            None => tokio::time::sleep(LOOK).await,
        }
    }
}
