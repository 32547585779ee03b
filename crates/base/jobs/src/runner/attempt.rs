//! One attempt at a job: its handler runs, its lease is kept, and how it ended is written down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sightscan_warehouse::cities::Progress;
use sightscan_warehouse::jobs::{self, Beat, Claim};
use sightscan_warehouse::{Error, Transaction};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

use super::{OUTAGE, Shared, after, milliseconds};
use crate::handler::JobError;
use crate::observer::Event;
use crate::run::{Completed, Observed, Run};

/// How often progress is written, at most.
const PROGRESS: Duration = Duration::from_secs(1);
/// At least so long a runner that stops tries to write down how its jobs have ended.
const SETTLING: Duration = Duration::from_secs(5);
/// How long a handler that was dropped may take to let go.
const LETTING_GO: Duration = Duration::from_secs(10);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Retried,
    Dead,
    Cancelled,
    HandedBack,
    Lost,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::HandedBack => "handed-back",
            Self::Lost => "lost",
        }
    }
}

/// How the handler ended.
enum End {
    Completed,
    Failed(JobError),
    /// It was dropped after it or the worker was asked to stop.
    Stopped,
}

/// What is to be written about a job that its handler did not complete.
enum Verdict {
    Cancel,
    Retry { reason: String, retry_at: i64 },
    Bury { reason: String },
    HandBack,
}

/// One attempt at a job.
pub(super) struct Attempt {
    shared: Arc<Shared>,
    run: Run,
    progress: watch::Receiver<Progress>,
}

impl Attempt {
    pub(super) fn new(shared: Arc<Shared>, claim: Claim, stop: CancellationToken) -> Self {
        let (sender, progress) = watch::channel(Progress::default());
        let cancelled = CancellationToken::new();
        if claim.job.cancel_requested {
            cancelled.cancel();
        }
        let run = Run {
            database: shared.database.clone(),
            observed: shared.observed(&claim),
            claim: Arc::new(claim),
            progress: sender,
            cancelled,
            stop,
        };
        Self { shared, run, progress }
    }

    /// Runs the job; every line of the log about it has its id and the request's.
    pub(super) async fn run(mut self) -> Outcome {
        let job = &self.run.claim.job;
        let span = info_span!("job", id = %job.id, name = job.name, request_id = job.request_id);
        Box::pin(self.go().instrument(span)).await
    }

    async fn go(&mut self) -> Outcome {
        let began = Instant::now();
        self.shared.metrics.running.increment(1.0);
        let outcome = self.end().await;
        self.shared.metrics.running.decrement(1.0);
        if let Some(kind) = self.shared.registry.kind(&self.run.claim.job.name) {
            self.shared.metrics.count(kind.name, outcome.name(), began.elapsed());
        }
        outcome
    }

    async fn end(&mut self) -> Outcome {
        let attempt = self.run.attempt();
        // Its last worker was asked to stop it and vanished.
        if self.run.is_cancelled() {
            return self.settle(&Verdict::Cancel).await;
        }
        match self.show(Event::Started).await {
            Ok(()) => {}
            Err(error) if error.is_transient() => {
                self.shared.outage.failed(&error);
                return self.settle(&Verdict::HandBack).await;
            }
            Err(error) => return self.settle(&self.verdict(End::Failed(error.into()))).await,
        }
        info!(attempt, "the job begins");
        match self.supervise().await {
            End::Completed => {
                info!(attempt, "the job is done");
                Outcome::Done
            }
            End::Failed(JobError::Lost) => {
                warn!(attempt, "the lease is lost: the job is finished, or somebody else has it");
                Outcome::Lost
            }
            end => self.settle(&self.verdict(end)).await,
        }
    }

    /// Shows an event that is true by itself to the observer.
    async fn show(&self, event: Event<'_>) -> Result<(), Error> {
        let Some(observed) = &self.run.observed else { return Ok(()) };
        let mut transaction = self.run.database.begin().await?;
        observed.show(&mut transaction, event).await?;
        transaction.commit().await
    }

    /// Lets the handler run for as long as the lease is held and nobody wants it to stop.
    async fn supervise(&mut self) -> End {
        let Some(kind) = self.shared.registry.kind(&self.run.claim.job.name) else { return End::Stopped };
        let mut task = tokio::spawn(kind.start(self.run.clone()).in_current_span());
        let (cancelled, stop) = (self.run.cancelled.clone(), self.run.stop.clone());
        let grace = self.shared.config.grace;
        let end = tokio::select! {
            ended = &mut task => return End::of(ended),
            () = self.keep_lease() => End::Failed(JobError::Lost),
            () = after(&cancelled, grace) => End::Stopped,
            () = after(&stop, grace) => End::Stopped,
        };
        // It may have committed at the last moment.
        if let Some(Ok(Ok(_))) = let_go(task).await { End::Completed } else { end }
    }

    /// Makes the lease longer and shows progress, until the lease is lost.
    async fn keep_lease(&mut self) {
        let heartbeat = self.shared.config.heartbeat;
        let mut tick = interval(PROGRESS.min(heartbeat));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        let mut beat_at = Instant::now();
        loop {
            tick.tick().await;
            let has_news = self.progress.has_changed().unwrap_or(false);
            if !has_news && beat_at.elapsed() < heartbeat {
                continue;
            }
            beat_at = Instant::now();
            if self.beat(has_news).await == Some(Beat::Lost) {
                return;
            }
        }
    }

    /// `None`: the database does not answer. The job goes on, since nobody else can have it then, either.
    async fn beat(&mut self, has_news: bool) -> Option<Beat> {
        let progress = self.progress.borrow_and_update().clone();
        let lease_ms = milliseconds(self.shared.config.lease);
        let beat = jobs::heartbeat(&self.run.database, &self.run.claim.lease, lease_ms, &progress).await;
        let beat = self.shared.outage.note(beat)?;
        match beat {
            Beat::CancelRequested => self.run.cancelled.cancel(),
            Beat::Held if has_news => {
                self.shared.outage.note(self.show(Event::Progress(&progress)).await);
            }
            Beat::Held | Beat::Lost => {}
        }
        Some(beat)
    }

    fn verdict(&self, end: End) -> Verdict {
        let job = &self.run.claim.job;
        if self.run.is_cancelled() {
            return Verdict::Cancel;
        }
        match end {
            End::Failed(JobError::Retry(reason)) if job.attempts < job.max_attempts => {
                let failures = u32::try_from(job.attempts).unwrap_or(u32::MAX);
                let delay = self.shared.config.backoff.delay(failures);
                Verdict::Retry { reason, retry_at: self.run.database.now() + milliseconds(delay) }
            }
            End::Failed(error) => Verdict::Bury { reason: error.to_string() },
            End::Completed | End::Stopped => Verdict::HandBack,
        }
    }

    /// Writes the verdict down, again and again while the database does not answer; once the lease has ended the job
    /// is somebody else's anyway. Whoever stops has a moment for it even without a grace.
    async fn settle(&self, verdict: &Verdict) -> Outcome {
        let config = &self.shared.config;
        let limit = if self.run.stop.is_cancelled() { config.grace.max(SETTLING) } else { config.lease };
        let outcome = timeout(limit, self.settle_at_last(verdict)).await.unwrap_or(Outcome::Lost);
        let attempt = self.run.attempt();
        match (outcome, verdict) {
            (Outcome::Retried | Outcome::Dead, Verdict::Retry { reason, .. } | Verdict::Bury { reason }) => {
                warn!(attempt, outcome = outcome.name(), reason, "the job has failed");
            }
            _ => info!(attempt, outcome = outcome.name(), "the job has ended"),
        }
        outcome
    }

    async fn settle_at_last(&self, verdict: &Verdict) -> Outcome {
        let mut failures = 0;
        loop {
            let settled = match self.try_to_settle(verdict, self.run.observed.as_ref()).await {
                Err(error) if !error.is_transient() && self.run.observed.is_some() => {
                    error!(%error, "the city does not learn how its job ended");
                    self.try_to_settle(verdict, None).await
                }
                settled => settled,
            };
            if let Some(outcome) = self.shared.outage.note(settled) {
                return outcome;
            }
            failures += 1;
            sleep(OUTAGE.delay(failures)).await;
        }
    }

    async fn try_to_settle(&self, verdict: &Verdict, observed: Option<&Observed>) -> Result<Outcome, Error> {
        let mut transaction = self.run.database.begin().await?;
        // Observers lock cities, and a city is locked before its jobs.
        if let (Some(observed), Some(event)) = (observed, verdict.event()) {
            observed.show(&mut transaction, event).await?;
        }
        if let Some(outcome) = self.write(&mut transaction, verdict).await? {
            transaction.commit().await?;
            return Ok(outcome);
        }
        transaction.rollback().await?;
        match verdict {
            // It was asked for again after somebody had asked to cancel it.
            Verdict::Cancel => Box::pin(self.try_to_settle(&Verdict::HandBack, None)).await,
            _ => Ok(Outcome::Lost),
        }
    }

    /// `None`: the lease is lost.
    async fn write(
        &self,
        transaction: &mut Transaction,
        verdict: &Verdict,
    ) -> Result<Option<Outcome>, Error> {
        let (lease, now) = (&self.run.claim.lease, self.run.database.now());
        let (held, outcome) = match verdict {
            Verdict::Cancel => (jobs::finish_cancelled(transaction, lease, now).await?, Outcome::Cancelled),
            Verdict::Retry { reason, retry_at } => {
                (jobs::retry_later(transaction, lease, reason, *retry_at).await?, Outcome::Retried)
            }
            Verdict::Bury { reason } => (jobs::bury(transaction, lease, reason, now).await?, Outcome::Dead),
            Verdict::HandBack => (jobs::hand_back(transaction, lease).await?, Outcome::HandedBack),
        };
        Ok(held.then_some(outcome))
    }
}

impl Verdict {
    fn event(&self) -> Option<Event<'_>> {
        match self {
            Self::Cancel => Some(Event::Cancelled),
            Self::Retry { reason, retry_at } => Some(Event::Failed { reason, retry_at: *retry_at }),
            Self::Bury { reason } => Some(Event::Dead { reason }),
            Self::HandBack => None,
        }
    }
}

impl End {
    fn of(ended: Result<Result<Completed, JobError>, JoinError>) -> Self {
        match ended {
            Ok(Ok(_)) => Self::Completed,
            Ok(Err(error)) => Self::Failed(error),
            Err(error) => Self::Failed(JobError::Retry(panic_message(error))),
        }
    }
}

/// Drops a handler and waits until it is gone, and its transaction with it.
async fn let_go<T>(task: JoinHandle<T>) -> Option<Result<T, JoinError>> {
    task.abort();
    timeout(LETTING_GO, task).await.ok()
}

fn panic_message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the handler was dropped".to_owned() };
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the handler panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}
