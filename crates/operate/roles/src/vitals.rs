//! How a process is: the parts that it consists of tell.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sightscan_http::health::Vitals;
use sightscan_warehouse::Database;
use tracing::{info, warn};

use crate::Stop;

/// How often the database is asked whether it answers.
const PAUSE: Duration = Duration::from_secs(2);
/// A database that takes longer to answer does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Part of a process: why it is not ready, and its metrics.
type Part = (Box<dyn Fn() -> Vec<String> + Send + Sync>, Box<dyn Fn() -> String + Send + Sync>);

/// The parts of a process, as its health routes show them.
#[derive(Default)]
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    /// Adds a part by what tells its reasons and its metrics.
    pub(crate) fn with(
        mut self,
        reasons: impl Fn() -> Vec<String> + Send + Sync + 'static,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        self.0.push((Box::new(reasons), Box::new(metrics)));
        self
    }
}

impl Vitals for Parts {
    fn reasons(&self) -> Vec<String> {
        self.0.iter().flat_map(|(reasons, _)| reasons()).collect()
    }

    fn metrics(&self) -> String {
        self.0.iter().map(|(_, metrics)| metrics()).collect()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} parts", self.0.len())
    }
}

/// Whether the database answers, asked again and again so that readiness need not wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Mutex<Option<String>>>);

impl Watch {
    /// Begins to watch; ends with `stop`.
    pub(crate) fn start(database: Database, stop: Stop) -> Self {
        let watch = Self(Arc::default());
        let watching = watch.clone();
        tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
                watching.note(ask(&database).await);
            }
        });
        watch
    }

    fn note(&self, now: Option<String>) {
        let before =
            std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        match (before, now) {
            (None, Some(reason)) => warn!(reason, "the database does not answer"),
            (Some(_), None) => info!("the database answers again"),
            _ => {}
        }
    }

    /// Why the database cannot be used.
    pub(crate) fn reasons(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

async fn ask(database: &Database) -> Option<String> {
    match tokio::time::timeout(PATIENCE, database.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("the database does not answer: {error}")),
        Err(_) => Some(format!("the database has not answered for {} seconds", PATIENCE.as_secs())),
    }
}
