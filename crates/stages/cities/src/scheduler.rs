//! Periodic tasks under supervision: one process leads, each task has its interval, and none of them ends the others.
//!
//! The first run of each task comes at once when a process begins to lead (the original waited for one interval). A
//! task that fails or panics is tried again after ten seconds, then later each time, and at the latest at its next
//! interval. How the last runs went is in the table `scheduled_tasks`.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sightscan_http::panic_message;
use sightscan_warehouse::{Database, leaderships, scheduled_tasks};
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::Cities;
use crate::error::Result;

/// The role that one of the schedulers leads.
const ROLE: &str = "scheduler";

/// Times of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Whoever leads is followed by another after so long without a sign.
    pub leadership: Duration,
    /// How often the scheduler gives that sign.
    pub sign: Duration,
    /// After a first failure a task is tried again after so long.
    pub first_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            leadership: Duration::from_secs(15),
            sign: Duration::from_secs(3),
            first_retry: Duration::from_secs(10),
        }
    }
}

/// What a task does: it says in a few words what came of it.
pub type Work = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String>> + Send>> + Send + Sync>;

/// A periodic task.
#[derive(Clone)]
pub struct Task {
    /// Its name, as in the table of tasks.
    pub name: &'static str,
    /// From one run's begin to the next.
    pub interval: Duration,
    /// What is done.
    pub work: Work,
}

impl fmt::Debug for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, interval, .. } = self;
        formatter.debug_struct("Task").field("name", name).field("interval", interval).finish_non_exhaustive()
    }
}

impl Task {
    /// A task that does this with the cities.
    pub fn new<F>(
        name: &'static str,
        interval: Duration,
        cities: &Arc<Cities>,
        work: impl Fn(Arc<Cities>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<String>> + Send + 'static,
    {
        let cities = Arc::clone(cities);
        Self { name, interval, work: Arc::new(move || Box::pin(work(Arc::clone(&cities)))) }
    }
}

/// How the scheduler is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether this process leads.
    pub leads: bool,
    /// Why it is not known who leads.
    pub lost: Option<String>,
    /// Tasks whose last run in this process failed, and why.
    pub failing: BTreeMap<&'static str, String>,
}

impl Status {
    /// Why the scheduler does not do its work; empty when it does, or waits for another one that leads.
    pub fn reasons(&self) -> Vec<String> {
        self.lost.iter().map(|reason| format!("the database does not say who leads: {reason}")).collect()
    }
}

/// Runs tasks while it leads.
#[derive(Debug)]
pub struct Scheduler {
    database: Database,
    holder: String,
    pace: Pace,
    tasks: Vec<Task>,
    status: Mutex<Status>,
    metrics: Option<Arc<Cities>>,
}

impl Scheduler {
    /// A scheduler of the cities' own tasks; `holder` names this process among those that could lead.
    pub fn new(cities: &Arc<Cities>, holder: impl Into<String>) -> Self {
        let database = cities.warehouse.database.clone();
        let scheduler = Self::of(database, crate::planner::tasks(cities), holder, Pace::default());
        Self { metrics: Some(Arc::clone(cities)), ..scheduler }
    }

    /// A scheduler of these tasks.
    pub fn of(database: Database, tasks: Vec<Task>, holder: impl Into<String>, pace: Pace) -> Self {
        Self { database, holder: holder.into(), pace, tasks, status: Mutex::default(), metrics: None }
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Runs until it is told to stop; then lets the tasks finish that run, and resigns.
    pub async fn run(&self, stop: CancellationToken) {
        let leads = watch::Sender::new(false);
        let tasks = self.tasks.iter().map(|task| self.repeat(task, leads.subscribe(), &stop));
        tokio::join!(self.lead(&leads, &stop), join_all(tasks));
        if let Err(error) = leaderships::resign(&self.database, ROLE, &self.holder).await {
            warn!(%error, "the scheduler could not resign; another one takes over in a moment");
        }
        self.note(|status| status.leads = false);
    }

    /// Asks again and again whether this process leads.
    async fn lead(&self, leads: &watch::Sender<bool>, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let now = self.claim().await;
            if leads.send_if_modified(|before| std::mem::replace(before, now) != now) {
                info!(holder = self.holder, leads = now, "leadership of the scheduler");
            }
            pause(self.pace.sign, stop).await;
        }
    }

    async fn claim(&self) -> bool {
        let ttl = i64::try_from(self.pace.leadership.as_millis()).unwrap_or(i64::MAX);
        let led = leaderships::lead(&self.database, ROLE, &self.holder, ttl).await;
        if let Err(error) = &led {
            warn!(%error, "nobody knows who leads the scheduler");
        }
        self.note(|status| {
            status.lost = led.as_ref().err().map(ToString::to_string);
            status.leads = *led.as_ref().unwrap_or(&false);
        });
        led.unwrap_or(false)
    }

    /// Runs one task again and again while this process leads. A run that has begun goes on when leadership is lost:
    /// each task is safe beside another one, to lead only spares work.
    async fn repeat(&self, task: &Task, mut leads: watch::Receiver<bool>, stop: &CancellationToken) {
        let mut failures = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = leads.wait_for(|leads| *leads) => {}
            }
            let begun = Instant::now();
            failures = if self.run_once(task).await { 0 } else { failures + 1 };
            let wait = self.pace.wait(task.interval, failures).saturating_sub(begun.elapsed());
            pause(wait, stop).await;
        }
    }

    /// Runs a task and writes down how it went; whether it went well.
    async fn run_once(&self, task: &Task) -> bool {
        self.record(scheduled_tasks::started(&self.database, task.name).await);
        // On its own, so that a panic ends nothing else.
        let ended = match tokio::spawn((task.work)()).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => Err(panicked(error)),
        };
        let failure = ended.as_ref().err().map(String::as_str);
        self.record(scheduled_tasks::finished(&self.database, task.name, failure.map_or(Ok(()), Err)).await);
        self.report(task.name, &ended);
        ended.is_ok()
    }

    fn record(&self, written: sightscan_warehouse::Result<()>) {
        if let Err(error) = written {
            warn!(%error, "a run of the scheduler could not be written down");
        }
    }

    fn report(&self, name: &'static str, ended: &std::result::Result<String, String>) {
        match ended {
            Ok(told) => debug!(task = name, result = told, "task of the scheduler is done"),
            Err(reason) => error!(task = name, reason, "task of the scheduler failed and is tried again"),
        }
        if let Some(cities) = &self.metrics {
            cities.metrics.count_task(name, ended.is_ok());
        }
        self.note(|status| match ended {
            Ok(_) => drop(status.failing.remove(name)),
            Err(reason) => drop(status.failing.insert(name, reason.clone())),
        });
    }
}

impl Pace {
    /// From one run's begin to the next, after so many failures in a row.
    fn wait(&self, interval: Duration, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => interval,
            Some(earlier) => self.first_retry.saturating_mul(2_u32.saturating_pow(earlier)).min(interval),
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

fn panicked(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => format!("panicked: {}", panic_message(payload.as_ref())),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_tried_later_each_time_but_never_later_than_usual() {
        let pace = Pace::default();
        let waits = [0, 1, 2, 3, 40].map(|failures| pace.wait(Duration::from_secs(35), failures).as_secs());
        assert_eq!(waits, [35, 10, 20, 35, 35]);
        assert_eq!(pace.wait(Duration::from_secs(5), 1).as_secs(), 5);
    }
}
