//! What is scaled.

#[cfg(feature = "cloud")]
mod pods;
mod processes;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;

#[cfg(feature = "cloud")]
pub use pods::Pods;
pub use processes::Processes;

use super::{Error, Folder, Result, TargetPlan};

const INSTANCE: &str = "x-sightscan-instance";
/// How long a target may take to become ready.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
/// So many answers in a row for each worker must come from the right number of workers, all of them ready.
const ANSWERS: usize = 20;

/// A service whose number of workers can be set.
#[async_trait]
pub trait Target: Send {
    /// Where its pictures go, without a path: `http://127.0.0.1:5000`.
    fn origin(&self) -> &str;

    /// Sets the number of workers, and waits until exactly these answer.
    ///
    /// # Errors
    /// When workers cannot be started, or do not become ready.
    async fn scale(&mut self, workers: usize) -> Result<()>;

    /// Ends what was started for the experiment.
    ///
    /// # Errors
    /// When that does not work.
    async fn end(self: Box<Self>) -> Result<()>;
}

/// What an experiment scales. `program` is the file of this program, which workers are started with.
pub(super) async fn of(folder: &Folder, program: PathBuf) -> Result<Box<dyn Target>> {
    match &folder.plan().method.target {
        TargetPlan::Processes { .. } => Ok(Box::new(Processes::new(folder, program)?)),
        #[cfg(feature = "cloud")]
        TargetPlan::Kubernetes { .. } => Ok(Box::new(Pods::open(&folder.plan().method.target).await?)),
        #[cfg(not(feature = "cloud"))]
        TargetPlan::Kubernetes { deployment, .. } => {
            Err(sightscan_fleet::Error::NotBuiltIn(deployment.clone()).into())
        }
    }
}

/// Waits until exactly so many workers answer behind one address, each of them ready. Every question is asked over a connection of its own,
/// because a balancer chooses a worker for each connection.
pub(super) async fn ready(
    origin: &str,
    workers: usize,
    mut is_well: impl FnMut() -> Result<()> + Send,
) -> Result<()> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(5))
        .build();
    let http = http.map_err(crate::Error::Client)?;
    let (begun, mut seen) = (Instant::now(), BTreeSet::new());
    let mut in_a_row = 0;
    while in_a_row < ANSWERS * workers || seen.len() != workers {
        is_well()?;
        match ready_instance(&http, origin).await {
            Some(name) => {
                seen.insert(name);
                in_a_row += 1;
            }
            None => {
                in_a_row = 0;
                tokio::time::sleep(PAUSE).await;
            }
        }
        if seen.len() > workers {
            // One that has just ended answered before: look anew.
            seen.clear();
            in_a_row = 0;
            tokio::time::sleep(PAUSE).await;
        }
        if begun.elapsed() > PATIENCE {
            let (url, have) = (origin.to_owned(), seen.len());
            return Err(Error::NotReady { want: workers, have, url, seconds: PATIENCE.as_secs() });
        }
    }
    Ok(())
}

/// The name of the worker that has answered, if it is ready.
async fn ready_instance(http: &reqwest::Client, origin: &str) -> Option<String> {
    let answer = http.get(format!("{origin}/readyz")).send().await.ok()?;
    let name = answer.headers().get(INSTANCE)?.to_str().ok()?.to_owned();
    answer.status().is_success().then_some(name)
}
