//! The load test itself: clients or a schedule on one side, the recorder on the other.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Exchange};
use crate::dialect::Payload;
use crate::pictures::Pictures;
use crate::record::{Event, Recorder};
use crate::row::{Failure, Row};
use crate::schedule::{Punctuality, Schedule, wait_until};
use crate::{Config, Error, Pace, Summary};

/// Clients that warm up a server for an open loop.
const WARM_UP_CLIENTS: usize = 8;

/// A load test that is ready to start.
#[derive(Debug)]
pub struct Load {
    config: Config,
    schedule: Schedule,
    pictures: Arc<Pictures>,
    client: Arc<Client>,
}

impl Load {
    /// Checks the configuration and reads the pictures: up to 512 MiB of bodies are kept in memory, beyond that each
    /// picture is read when it is sent. Blocks on the disk; nothing is sent yet.
    ///
    /// # Errors
    /// For a number that makes no sense, a URL that is not HTTP, and a folder without readable pictures.
    pub fn prepare(config: Config) -> Result<Self, Error> {
        config.check()?;
        let client = Arc::new(Client::new(&config)?);
        let pictures = Arc::new(Pictures::load(&config)?);
        let once = config.duration.is_none().then_some(pictures.len() as u64);
        let schedule =
            Schedule { pace: config.pace, requests: config.requests.or(once), duration: config.duration };
        Ok(Self { config, schedule, pictures, client })
    }

    /// The number of pictures in the folder.
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// How many requests will be sent, for a progress bar; `None` where only the server's speed decides.
    pub fn planned(&self) -> Option<u64> {
        self.schedule.planned()
    }

    /// Runs the test. `observer` is called on a thread of its own, in order, for every [`Event`]. When `stop` is
    /// ready, requests under way are given up and what was measured so far is summed up.
    ///
    /// # Errors
    /// Only where the CSV file cannot be written; failed requests are part of the summary.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        observer: impl FnMut(&Event) + Send + 'static,
    ) -> Result<Summary, Error> {
        let cancel = CancellationToken::new();
        let mut work = pin!(self.warm_up_and_measure(&cancel, observer));
        tokio::select! {
            biased;
            summary = &mut work => summary,
            () = stop => {
                cancel.cancel();
                work.await
            }
        }
    }

    async fn warm_up_and_measure(
        &self,
        cancel: &CancellationToken,
        observer: impl FnMut(&Event) + Send + 'static,
    ) -> Result<Summary, Error> {
        if self.config.warm_up > 0 {
            let warm_up = self.measure(self.warm_up(), cancel, None, |_| {}).await?;
            tracing::info!(answered = warm_up.answered, failed = warm_up.failed, "load warm-up done");
        }
        self.measure(self.schedule, cancel, self.config.csv.as_deref(), observer).await
    }

    fn warm_up(&self) -> Schedule {
        let threads = match self.config.pace {
            Pace::Closed { threads } => threads,
            Pace::Open { max_in_flight, .. } => max_in_flight.min(WARM_UP_CLIENTS),
        };
        Schedule { pace: Pace::Closed { threads }, requests: Some(self.config.warm_up), duration: None }
    }

    async fn measure(
        &self,
        schedule: Schedule,
        cancel: &CancellationToken,
        csv: Option<&Path>,
        observer: impl FnMut(&Event) + Send + 'static,
    ) -> Result<Summary, Error> {
        let recorder = Recorder::start(csv, observer)?;
        let run = Arc::new(Run {
            schedule,
            pictures: Arc::clone(&self.pictures),
            client: Arc::clone(&self.client),
            begin: Instant::now(),
            cancel: cancel.clone(),
            events: recorder.events,
        });
        let punctuality = match schedule.pace {
            Pace::Closed { threads } => run.closed(threads).await,
            Pace::Open { max_in_flight, .. } => run.open(max_in_flight).await,
        };
        let wall = run.begin.elapsed();
        // The recorder ends when the last sender is gone.
        drop(run);
        let tally = surface(recorder.tally.await)?;
        Ok(tally.summarise(wall, punctuality))
    }
}

/// What the tasks of a run share.
struct Run {
    schedule: Schedule,
    pictures: Arc<Pictures>,
    client: Arc<Client>,
    begin: Instant,
    cancel: CancellationToken,
    events: mpsc::Sender<Event>,
}

impl Run {
    /// Closed loop: every client takes the next request when its last one ended.
    async fn closed(self: &Arc<Self>, threads: usize) -> Punctuality {
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for client in 0..threads {
            clients.spawn(Arc::clone(self).client(client, Arc::clone(&next)));
        }
        drain(clients).await;
        Punctuality::default()
    }

    async fn client(self: Arc<Self>, client: usize, next: Arc<AtomicU64>) {
        while !self.is_over() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if !self.schedule.allows(index, self.begin.elapsed()) {
                return;
            }
            self.request(index, Some(client), None).await;
        }
    }

    /// Open loop: requests leave at their times, however many are under way, up to `max_in_flight`.
    async fn open(self: &Arc<Self>, max_in_flight: usize) -> Punctuality {
        let slots = Arc::new(Semaphore::new(max_in_flight));
        let mut requests = JoinSet::new();
        let mut delayed = 0;
        let mut index = 0;
        while let Some(intended) = self.schedule.intended(index) {
            let Some(slot) = self.slot(&slots, self.begin + intended, &mut delayed).await else { break };
            let run = Arc::clone(self);
            requests.spawn(async move {
                run.request(index, None, Some(intended)).await;
                drop(slot);
            });
            index += 1;
            // Ended tasks are taken out on the way, so that a long test does not pile them up.
            while let Some(ended) = requests.try_join_next() {
                surface(ended);
            }
        }
        let not_sent = self.schedule.due_from(index, self.begin.elapsed());
        drain(requests).await;
        Punctuality { delayed, not_sent }
    }

    /// Waits until `at` and for room among the requests under way; `None` when the run is over.
    async fn slot(
        &self,
        slots: &Arc<Semaphore>,
        at: Instant,
        delayed: &mut u64,
    ) -> Option<OwnedSemaphorePermit> {
        self.cancel.run_until_cancelled(wait_until(at)).await?;
        if self.is_over() {
            return None;
        }
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Some(slot);
        }
        let room = self.cancel.run_until_cancelled(Arc::clone(slots).acquire_owned());
        let left = self.schedule.duration.unwrap_or(Duration::MAX).saturating_sub(self.begin.elapsed());
        if left.is_zero() {
            return None;
        }
        let slot = tokio::time::timeout(left, room).await.ok()??.ok()?;
        *delayed += 1;
        Some(slot)
    }

    /// Whether no further request may leave: stopped by the user, or the rows have nowhere to go.
    fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || self.events.is_closed()
    }

    /// One request from picture to row.
    async fn request(&self, index: u64, client: Option<usize>, intended: Option<Duration>) {
        let picture = self.pictures.name(index);
        // A closed channel means that the recorder failed; the run then ends and reports it.
        let _ = self.events.send(Event::Started { picture: Arc::clone(&picture) }).await;
        let payload = self.pictures.payload(index).await;
        let started = self.begin.elapsed();
        let intended = intended.unwrap_or(started);
        let mut exchange = self.exchange(payload.as_ref()).await;
        let row = Row {
            index,
            picture,
            client,
            intended,
            started,
            latency: exchange.latency(self.begin + intended),
            outcome: exchange.outcome,
            sent_bytes: payload.map_or(0, |payload| payload.bytes.len() as u64),
            received_bytes: exchange.received_bytes,
            instance: exchange.instance.take(),
            id: exchange.id,
            error: exchange.error.take(),
        };
        let _ = self.events.send(Event::Finished { row, answer: exchange.answer }).await;
    }

    async fn exchange(&self, payload: Result<&Payload, &Error>) -> Exchange {
        match payload {
            Ok(payload) => {
                let sent = self.cancel.run_until_cancelled(self.client.exchange(payload)).await;
                sent.unwrap_or_else(Exchange::cancelled)
            }
            Err(error) => {
                let reason = std::error::Error::source(error).map(ToString::to_string);
                Exchange::failed(Failure::Picture, reason.unwrap_or_else(|| error.to_string()))
            }
        }
    }
}

async fn drain(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        surface(ended);
    }
}

/// A panic in a task is a fault of this program and goes on in the caller, instead of a row that silently misses.
fn surface<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()))
}
