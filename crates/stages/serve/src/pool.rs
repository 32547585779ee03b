//! Worker threads that keep their models loaded, and the queue in front of them.
//!
//! A worker does all the work for one picture (decode, prepare, infer, post), so that the number of workers
//! bounds the pictures that are decoded at once and nothing is handed over twice.

mod pace;
mod queue;
mod worker;

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sightscan_engine::annotate::EncodeError;
use sightscan_engine::{Analysis, DetectError, Options};
use sightscan_http::Hold;
use tokio::sync::oneshot;
use tracing::error;

use crate::metrics::Metrics;
use crate::models::{Drawing, Served};
pub(crate) use pace::Pace;
pub(crate) use queue::Refused;
use queue::{Job, Queue};
use worker::Slot;

/// One picture to look at.
#[derive(Debug, Clone)]
pub struct Work {
    /// Which model.
    pub model: Arc<Served>,
    /// The bytes of the picture.
    pub picture: Bytes,
    /// Which boxes are kept.
    pub options: Options,
    /// In which format the picture is drawn with its boxes, where it is.
    pub drawing: Option<Drawing>,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was found.
    pub analysis: Analysis,
    /// The picture with its boxes, as a file, where it was asked for.
    pub drawn: Option<Vec<u8>>,
}

/// The picture could not be analysed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// The engine could not do it.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The drawn picture could not be written.
    #[error(transparent)]
    Draw(#[from] EncodeError),
}

/// What a worker thread owns: it looks at one picture at a time.
pub trait Analyse: Send {
    /// Looks at one picture.
    ///
    /// # Errors
    /// When the picture is not usable or the network fails.
    fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError>;

    /// Loads models that are served from now on, and lets go of those that are not any more.
    ///
    /// # Errors
    /// When a model cannot be loaded; the others go on.
    fn renew(&mut self) -> Result<(), WorkError> {
        Ok(())
    }
}

/// Makes what a worker thread owns: at its start, and anew after a panic.
pub type Factory = Arc<dyn Fn() -> Result<Box<dyn Analyse>, WorkError> + Send + Sync>;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The picture or the network is to blame.
    Work(WorkError),
    /// The worker panicked, with this message.
    Panicked(String),
    /// The worker could not set up its model instances.
    NotBuilt(String),
    /// The deadline passed while the picture waited.
    Late,
}

/// An answer, and how long it took to get to it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) answer: Answer,
    pub(crate) queued: Duration,
}

pub(crate) type Reply = Result<Done, Failure>;

/// The size of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) workers: NonZeroUsize,
    pub(crate) queue_depth: usize,
    pub(crate) stuck_after: Duration,
}

/// How the worker threads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Workers that have their models loaded and are not stuck.
    pub(crate) able: usize,
    /// Workers that have been busy with one picture for too long.
    pub(crate) stuck: usize,
}

/// Worker threads and their queue.
pub struct Pool {
    shared: Arc<Shared>,
    slots: Mutex<Vec<Arc<Slot>>>,
}

/// What the workers and the pool both use.
struct Shared {
    factory: Factory,
    queue: Queue,
    metrics: Arc<Metrics>,
    pace: Pace,
    size: Size,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pool").field("size", &self.shared.size).finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn start(factory: Factory, size: Size, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let queue = Queue::new(size.queue_depth, Arc::clone(&metrics));
        let shared = Arc::new(Shared { factory, queue, metrics, pace: Pace::default(), size });
        let slots =
            (0..size.workers.get()).map(|_| worker::spawn(&shared)).collect::<std::io::Result<_>>()?;
        Ok(Self { shared, slots: Mutex::new(slots) })
    }

    /// Queues a picture; the answer comes through the receiver. Whoever drops the receiver is not worked for.
    pub(crate) fn submit(
        &self,
        work: Work,
        deadline: Instant,
        hold: Arc<Hold>,
    ) -> Result<oneshot::Receiver<Reply>, Refused> {
        let (reply, receiver) = oneshot::channel();
        self.shared.queue.push(Job { work, deadline, queued_at: Instant::now(), reply, hold })?;
        Ok(receiver)
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.shared.pace
    }

    /// Pictures that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    /// Has every worker load and let go of models, one after the other, each as soon as it has answered the picture at hand.
    pub(crate) fn renew(&self, generation: u64) {
        self.shared.queue.renew(generation);
    }

    /// Whether every worker that is not stuck has done so.
    pub(crate) fn has_renewed(&self, generation: u64) -> bool {
        lock(&self.slots)
            .iter()
            .filter(|slot| !slot.has_ended() && !slot.is_stuck())
            .all(|slot| slot.has_renewed(generation))
    }

    /// Whether a worker could not.
    pub(crate) fn has_refused(&self, generation: u64) -> bool {
        lock(&self.slots).iter().any(|slot| slot.has_refused(generation))
    }

    pub(crate) fn condition(&self) -> Condition {
        let slots = lock(&self.slots);
        let able = slots.iter().filter(|slot| slot.is_able()).count();
        let stuck = slots.iter().filter(|slot| slot.is_stuck()).count();
        Condition { able, stuck }
    }

    /// Looks after the workers: gives up those that are stuck and starts others in their place, as many at most
    /// as there are workers, so that a model that always sticks cannot fill the machine with threads.
    pub(crate) fn watch(&self) {
        let mut slots = lock(&self.slots);
        slots.retain(|slot| !slot.has_ended());
        for slot in slots.iter().filter(|slot| slot.busy_for() > self.shared.size.stuck_after) {
            if !slot.superseded.swap(true, Ordering::Relaxed) {
                error!(worker = slot.number, busy_ms = slot.busy_for().as_millis() as u64, "worker is stuck");
                self.shared.metrics.given_up.increment(1);
                if slot.take_renewing() {
                    self.shared.queue.renewed();
                }
            }
        }
        let workers = self.shared.size.workers.get();
        let working = slots.iter().filter(|slot| !slot.is_stuck()).count();
        let room = (2 * workers).saturating_sub(slots.len());
        for _ in 0..workers.saturating_sub(working).min(room) {
            match worker::spawn(&self.shared) {
                Ok(slot) => slots.push(slot),
                Err(error) => error!(%error, "cannot start a worker in place of a stuck one"),
            }
        }
        self.shared.metrics.stuck_workers.set((slots.len() - working) as f64);
    }

    /// Takes no more pictures; the workers end when those that wait are done.
    pub(crate) fn close(&self) {
        self.shared.queue.close();
    }

    /// Waits for the workers to end, except for stuck ones; says whether all others did within the limit.
    pub(crate) fn join(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let running = |slots: &[Arc<Slot>]| slots.iter().any(|slot| !slot.has_ended() && !slot.is_stuck());
        while running(&lock(&self.slots)) {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

/// Locks, also where a thread panicked with the lock: what these locks guard is whole at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
