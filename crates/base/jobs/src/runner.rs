//! The loop that claims jobs and runs them.

mod attempt;
mod outage;
mod places;

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::BuildError;
use sightscan_types::Watcher;
use sightscan_warehouse::jobs::{self, Claim};
use sightscan_warehouse::{Database, Error};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::handler::Registry;
use crate::metrics::Metrics;
use crate::observer::{Event, Observer, StageJob};
use crate::run::Observed;
use attempt::{Attempt, Outcome};
use outage::Outage;
use places::Places;

/// How often a runner looks for workers that vanished, at most.
const SWEEP: Duration = Duration::from_secs(1);
/// How often the depth of the queues is measured.
const DEPTHS: Duration = Duration::from_secs(15);
/// Between tries to reach a database that does not answer.
const OUTAGE: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// How a runner works.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// The queues whose jobs are claimed; none means those of all jobs that are known.
    pub queues: Vec<String>,
    /// Jobs at the same time.
    pub concurrency: usize,
    /// Queues of jobs that take hours: one of them at a time, beside the others, so that they wait for nobody and nobody
    /// waits for them.
    pub long_queues: Vec<String>,
    /// A job whose worker was not heard of for so long is somebody else's.
    pub lease: Duration,
    /// How often a worker is heard of; a third of the lease leaves room for two that fail.
    pub heartbeat: Duration,
    /// How often an idle runner looks for jobs. PostgreSQL wakes it sooner, except for those that were planned for
    /// later and those of workers that vanished.
    pub poll: Duration,
    /// How long a job may go on after it or the runner was asked to stop.
    pub grace: Duration,
    /// The runner ends when nothing was due for so long.
    pub exit_when_idle: Option<Duration>,
    /// Its name in the database and in logs.
    pub worker: String,
    /// How long a job waits that failed.
    pub backoff: Backoff,
    /// Who is told what the worker does.
    pub watcher: Option<Arc<dyn Watcher>>,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            queues: Vec::new(),
            concurrency: 1,
            long_queues: Vec::new(),
            lease: Duration::from_mins(1),
            heartbeat: Duration::from_secs(20),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(20),
            exit_when_idle: None,
            worker: worker_name(),
            backoff: Backoff::default(),
            watcher: None,
        }
    }
}

/// A name for a worker that no other has: machine, process, chance.
pub fn worker_name() -> String {
    let host = whoami::hostname().unwrap_or_else(|_| "localhost".to_owned());
    format!("{host}-{}-{:08x}", std::process::id(), fastrand::u32(..))
}

/// How many runs ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Finished with their effect.
    pub done: u64,
    /// Failed, and will be tried again.
    pub retried: u64,
    /// Failed for good.
    pub dead: u64,
    /// Stopped because somebody had asked for that.
    pub cancelled: u64,
    /// Given back because the runner stopped.
    pub handed_back: u64,
    /// Somebody else has them by now.
    pub lost: u64,
}

impl Summary {
    fn count(&mut self, outcome: Outcome) {
        let number = match outcome {
            Outcome::Done => &mut self.done,
            Outcome::Retried => &mut self.retried,
            Outcome::Dead => &mut self.dead,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::HandedBack => &mut self.handed_back,
            Outcome::Lost => &mut self.lost,
        };
        *number += 1;
    }
}

/// Claims jobs that the registry knows and runs them.
pub struct Runner(Arc<Shared>);

impl std::fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Runner").field(&self.0.config).finish()
    }
}

/// What the loop and the runs of jobs share.
struct Shared {
    database: Database,
    registry: Registry,
    config: RunnerConfig,
    observer: Option<Arc<dyn Observer>>,
    metrics: Arc<Metrics>,
    outage: Outage,
}

/// What came of looking for jobs.
enum Found {
    /// All places are taken.
    Full,
    /// Nothing is due.
    Nothing,
    /// The database does not answer.
    Outage,
}

impl Runner {
    /// A runner of the jobs that the registry knows.
    ///
    /// # Errors
    /// When its metrics cannot be made.
    pub fn new(
        database: Database,
        registry: Registry,
        config: RunnerConfig,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, BuildError> {
        let metrics = Arc::new(Metrics::new()?);
        let outage = Outage::default();
        Ok(Self(Arc::new(Shared { database, registry, config, observer, metrics, outage })))
    }

    /// What it counts and measures.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.metrics)
    }

    /// Runs jobs until it is told to stop, or is idle for long enough. Jobs that are running then have a time of
    /// grace to finish; those that do not are given back.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let work = Loop::new(self.0, stop);
        info!(worker = %work.shared.config.worker, jobs = ?work.names, "the worker is ready");
        let summary = work.run().await;
        info!(?summary, "the worker has stopped");
        summary
    }
}

/// The runner at work.
struct Loop {
    shared: Arc<Shared>,
    names: Vec<&'static str>,
    places: Places,
    stop: CancellationToken,
    running: JoinSet<Outcome>,
    summary: Summary,
    busy_at: Instant,
    failures: u32,
    swept_at: Option<Instant>,
    measured_at: Option<Instant>,
}

impl Loop {
    fn new(shared: Arc<Shared>, stop: CancellationToken) -> Self {
        let names = shared.registry.names(&shared.config.queues);
        let places = Places::new(&shared, &names);
        let (running, summary, busy_at) = (JoinSet::new(), Summary::default(), Instant::now());
        Self {
            shared,
            names,
            places,
            stop,
            running,
            summary,
            busy_at,
            failures: 0,
            swept_at: None,
            measured_at: None,
        }
    }

    async fn run(mut self) -> Summary {
        let woken = Arc::new(Notify::new());
        let listening = tokio::spawn(listen(self.shared.database.clone(), Arc::clone(&woken)));
        while !self.stop.is_cancelled() {
            let looked_at = Instant::now();
            let found = self.fill().await;
            let pause = self.pause(&found);
            if self.is_idle_for_long(looked_at) {
                break;
            }
            let has_place = !matches!(found, Found::Full);
            tokio::select! {
                () = self.stop.cancelled() => {}
                Some(ended) = self.running.join_next() => self.ended(ended),
                () = woken.notified(), if has_place => {}
                () = sleep(pause), if has_place => {}
            }
        }
        listening.abort();
        if let Some(watcher) = &self.shared.config.watcher {
            watcher.drain();
        }
        while let Some(ended) = self.running.join_next().await {
            self.ended(ended);
        }
        self.summary
    }

    fn ended(&mut self, ended: Result<Outcome, tokio::task::JoinError>) {
        self.busy_at = Instant::now();
        // A run that panicked outside of its handler keeps its lease until it ends.
        self.summary.count(ended.unwrap_or(Outcome::Lost));
    }

    /// Claims jobs for all free places.
    async fn fill(&mut self) -> Found {
        self.look_around().await;
        while !self.stop.is_cancelled() {
            let names = self.places.free();
            if names.is_empty() {
                // A runner that knows no job has no places, and is idle.
                return if self.running.is_empty() { Found::Nothing } else { Found::Full };
            }
            let claimed = within(&self.stop, self.shared.config.grace, self.shared.claim(&names)).await;
            let Some(claimed) = claimed else { return Found::Nothing };
            match self.shared.outage.note(claimed) {
                Some(Some(claim)) => self.start(claim),
                Some(None) => return Found::Nothing,
                None => return Found::Outage,
            }
        }
        Found::Full
    }

    fn start(&mut self, claim: Claim) {
        let place = self.places.take(&claim.job.name);
        let attempt = Attempt::new(Arc::clone(&self.shared), claim, self.stop.clone());
        let (watcher, begun) = (self.shared.config.watcher.clone(), Instant::now());
        self.running.spawn(async move {
            if let Some(watcher) = &watcher {
                watcher.begin();
            }
            let outcome = attempt.run().await;
            if let Some(watcher) = &watcher {
                watcher.end(begun.elapsed());
            }
            drop(place);
            outcome
        });
    }

    /// Looks for vanished workers and measures the queues, now and then.
    async fn look_around(&mut self) {
        if is_due(&mut self.swept_at, SWEEP.min(self.shared.config.poll)) {
            let swept = within(&self.stop, self.shared.config.grace, self.shared.sweep(&self.names)).await;
            swept.and_then(|swept| self.shared.outage.note(swept));
        }
        if is_due(&mut self.measured_at, DEPTHS) {
            let measured = within(&self.stop, self.shared.config.grace, self.shared.measure()).await;
            measured.and_then(|measured| self.shared.outage.note(measured));
        }
    }

    /// How long to wait before the next look.
    fn pause(&mut self, found: &Found) -> Duration {
        if matches!(found, Found::Outage) {
            self.failures += 1;
            self.busy_at = Instant::now();
            return OUTAGE.delay(self.failures);
        }
        self.failures = 0;
        let config = &self.shared.config;
        config.exit_when_idle.map_or(config.poll, |limit| limit.min(config.poll))
    }

    /// Whether nothing was due at this time and for long before it.
    fn is_idle_for_long(&self, looked_at: Instant) -> bool {
        let idle = looked_at.saturating_duration_since(self.busy_at);
        self.running.is_empty() && self.shared.config.exit_when_idle.is_some_and(|limit| idle >= limit)
    }
}

impl Shared {
    async fn claim(&self, names: &[&str]) -> Result<Option<Claim>, Error> {
        let lease_ms = milliseconds(self.config.lease);
        jobs::claim(&self.database, names, &self.config.worker, lease_ms).await
    }

    /// Takes back the jobs of workers that vanished, of the kinds that this runner knows; those that lost too many
    /// workers are buried, since it may be them who kill.
    async fn sweep(&self, names: &[&str]) -> Result<(), Error> {
        for claim in jobs::expired(&self.database).await? {
            if !names.contains(&claim.job.name.as_str()) {
                continue;
            }
            let observed = self.observed(&claim);
            match self.end_lease(&claim, observed.as_ref()).await {
                Err(error) if !error.is_transient() && observed.is_some() => {
                    error!(%error, job = %claim.job.id, "the city does not learn how its job ended");
                    self.end_lease(&claim, None).await?;
                }
                ended => ended?,
            }
        }
        Ok(())
    }

    async fn end_lease(&self, claim: &Claim, observed: Option<&Observed>) -> Result<(), Error> {
        let job = &claim.job;
        let worker = job.worker.as_deref().unwrap_or_default();
        let reason =
            format!("worker {worker} vanished during attempt {} of {}", job.attempts, job.max_attempts);
        let now = self.database.now();
        let mut transaction = self.database.begin().await?;
        let ended = if job.attempts >= job.max_attempts {
            if let Some(observed) = observed {
                observed.show(&mut transaction, Event::Dead { reason: &reason }).await?;
            }
            jobs::bury_expired(&mut transaction, &claim.lease, &reason, now).await?
        } else {
            jobs::take_back(&mut transaction, &claim.lease, &reason, now).await?
        };
        if !ended {
            return transaction.rollback().await;
        }
        transaction.commit().await?;
        warn!(job = %job.id, name = job.name, request_id = job.request_id, reason, "a lease has ended");
        Ok(())
    }

    async fn measure(&self) -> Result<(), Error> {
        for queue in self.registry.queues(&self.config.queues) {
            let depth = jobs::depth(&self.database, queue).await?;
            self.metrics.show_depth(queue, &depth, self.database.now());
        }
        self.metrics.tidy();
        Ok(())
    }

    /// The job's part in a city's life, where it has one and somebody follows it.
    fn observed(&self, claim: &Claim) -> Option<Observed> {
        let job = &claim.job;
        let stage = self.registry.kind(&job.name)?.stage?;
        let stage_job = StageJob {
            city: job.city?,
            stage,
            job: job.id,
            worker: job.worker.clone().unwrap_or_default(),
            request_id: job.request_id.clone(),
        };
        Some(Observed { observer: self.observer.clone()?, job: Arc::new(stage_job) })
    }
}

/// Wakes the loop when somebody says that there are jobs. It ends at once where the engine has nothing to hear.
async fn listen(database: Database, woken: Arc<Notify>) {
    let mut failures = 0;
    loop {
        if let Ok(listener) = database.listener(jobs::CHANNEL).await {
            let Some(mut listener) = listener else { return };
            failures = 0;
            // Something may have been said while nobody listened.
            woken.notify_one();
            while listener.heard().await.is_ok() {
                woken.notify_one();
            }
        }
        failures += 1;
        sleep(OUTAGE.delay(failures)).await;
    }
}

/// Waits for an answer, but after a stop no longer than for the time of grace.
async fn within<T>(stop: &CancellationToken, grace: Duration, answer: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        answer = answer => Some(answer),
        () = after(stop, grace) => None,
    }
}

/// Waits for a signal and then for a time of grace.
async fn after(signal: &CancellationToken, grace: Duration) {
    signal.cancelled().await;
    sleep(grace).await;
}

/// Whether something that is done once in a while is due; it is noted as done.
fn is_due(last: &mut Option<Instant>, every: Duration) -> bool {
    let is_due = last.is_none_or(|last| last.elapsed() >= every);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
