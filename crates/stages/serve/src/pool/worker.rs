//! One worker thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sightscan_http::panic_message;
use tracing::{debug, error};

use super::queue::{Job, Next};
use super::{Analyse, Answer, Done, Failure, Shared, Work};

/// Idle workers have this instead of a time.
const IDLE: u64 = u64::MAX;

/// Numbers the workers of this process, for the log.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// What others can see of a worker.
pub(super) struct Slot {
    pub(super) number: usize,
    /// The worker was given up: it ends when it comes back.
    pub(super) superseded: AtomicBool,
    built: AtomicBool,
    ended: AtomicBool,
    start: Instant,
    /// Milliseconds after `start` at which the picture at hand was begun.
    busy_since: AtomicU64,
    /// Of the models that are loaded.
    generation: AtomicU64,
    /// The generation whose models could not be loaded.
    refused: AtomicU64,
    /// Models are being loaded and let go of.
    renewing: AtomicBool,
}

impl Slot {
    fn new() -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            superseded: AtomicBool::new(false),
            built: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            start: Instant::now(),
            busy_since: AtomicU64::new(IDLE),
            generation: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            renewing: AtomicBool::new(false),
        }
    }

    /// Whether the models are loaded and the worker is not stuck.
    pub(super) fn is_able(&self) -> bool {
        self.built.load(Ordering::Relaxed) && !self.is_stuck() && !self.has_ended()
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.superseded.load(Ordering::Relaxed) && !self.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the worker has the models of this generation.
    pub(super) fn has_renewed(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) >= generation
    }

    /// Whether the worker could not load the models of this generation.
    pub(super) fn has_refused(&self, generation: u64) -> bool {
        self.refused.load(Ordering::Acquire) == generation
    }

    /// Whether the worker is loading models; it is not any more after this.
    pub(super) fn take_renewing(&self) -> bool {
        self.renewing.swap(false, Ordering::AcqRel)
    }

    /// How long the worker has been busy with the picture at hand; zero when idle.
    pub(super) fn busy_for(&self) -> Duration {
        match self.busy_since.load(Ordering::Relaxed) {
            IDLE => Duration::ZERO,
            since => self.start.elapsed().saturating_sub(Duration::from_millis(since)),
        }
    }

    fn set_busy(&self, busy: bool) {
        let since = if busy { self.start.elapsed().as_millis() as u64 } else { IDLE };
        self.busy_since.store(since, Ordering::Relaxed);
    }
}

/// Starts a worker thread.
pub(super) fn spawn(shared: &Arc<Shared>) -> std::io::Result<Arc<Slot>> {
    let slot = Arc::new(Slot::new());
    let worker = Worker { shared: Arc::clone(shared), slot: Arc::clone(&slot), analyser: None };
    std::thread::Builder::new().name(format!("detect-{}", slot.number)).spawn(move || worker.run())?;
    Ok(slot)
}

struct Worker {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    analyser: Option<Box<dyn Analyse>>,
}

impl Worker {
    fn run(mut self) {
        self.rebuild();
        let mut seen = 0;
        while !self.slot.superseded.load(Ordering::Relaxed) {
            match self.shared.queue.next(seen) {
                Next::Job(job) => self.serve(*job),
                Next::Renew(generation) => {
                    seen = generation;
                    self.renew(generation);
                }
                Next::End => break,
            }
        }
        debug!(worker = self.slot.number, "worker ends");
    }

    fn serve(&mut self, job: Job) {
        let begun = Instant::now();
        let queued = begun - job.queued_at;
        self.slot.set_busy(true);
        let result = self.attempt(&job.work);
        self.slot.set_busy(false);
        match &result {
            Ok(answer) => self.note_success(&job.work, answer, queued, begun.elapsed()),
            Err(_) => self.shared.metrics.failed_pictures.increment(1),
        }
        // A client that has left meanwhile needs no answer.
        let _ = job.reply.send(result.map(|answer| Done { answer, queued }));
        self.rebuild();
    }

    /// Loads and lets go of models. Whoever waits for this generation waits in vain if that fails, and gives it up.
    fn renew(&mut self, generation: u64) {
        self.slot.renewing.store(true, Ordering::Release);
        self.slot.set_busy(true);
        let renewed = self.try_to_renew();
        self.slot.set_busy(false);
        match renewed {
            Ok(()) => self.slot.generation.store(generation, Ordering::Release),
            Err(failure) => {
                error!(worker = self.slot.number, ?failure, "worker cannot load a model");
                self.slot.refused.store(generation, Ordering::Release);
            }
        }
        if self.slot.take_renewing() {
            self.shared.queue.renewed();
        }
    }

    fn try_to_renew(&mut self) -> Result<(), Failure> {
        let analyser = self.ensure_built()?;
        match catch_unwind(AssertUnwindSafe(|| analyser.renew())) {
            Ok(renewed) => renewed.map_err(Failure::Work),
            Err(payload) => Err(self.note_panic(payload.as_ref())),
        }
    }

    /// Sets up anew what a panic destroyed: the next picture should not wait for it, and readiness should know.
    fn rebuild(&mut self) {
        if let Err(failure) = self.ensure_built() {
            error!(worker = self.slot.number, ?failure, "worker cannot set up its models");
        }
    }

    fn note_success(&self, work: &Work, answer: &Answer, queued: Duration, busy: Duration) {
        self.shared.pace.record(busy);
        self.shared.metrics.pictures.increment(1);
        self.shared.metrics.time(queued, &answer.analysis.times);
        work.model.note_proof();
    }

    /// Does the work; after a panic, what panicked is thrown away, because nobody knows what state it is in.
    fn attempt(&mut self, work: &Work) -> Result<Answer, Failure> {
        let analyser = self.ensure_built()?;
        match catch_unwind(AssertUnwindSafe(|| analyser.analyse(work))) {
            Ok(result) => result.map_err(Failure::Work),
            Err(payload) => Err(self.note_panic(payload.as_ref())),
        }
    }

    fn note_panic(&mut self, payload: &(dyn Any + Send)) -> Failure {
        self.analyser = None;
        self.slot.built.store(false, Ordering::Relaxed);
        self.shared.metrics.panics.increment(1);
        let message = panic_message(payload).to_owned();
        error!(worker = self.slot.number, %message, "worker panicked");
        Failure::Panicked(message)
    }

    fn ensure_built(&mut self) -> Result<&mut Box<dyn Analyse>, Failure> {
        let analyser = match self.analyser.take() {
            Some(analyser) => analyser,
            None => build(&self.shared)?,
        };
        self.slot.built.store(true, Ordering::Relaxed);
        Ok(self.analyser.insert(analyser))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The models go first: whoever waits for the end waits for that.
        self.analyser = None;
        self.slot.ended.store(true, Ordering::Release);
    }
}

fn build(shared: &Shared) -> Result<Box<dyn Analyse>, Failure> {
    match catch_unwind(AssertUnwindSafe(|| (shared.factory)())) {
        Ok(built) => built.map_err(|error| Failure::NotBuilt(error.to_string())),
        Err(payload) => Err(Failure::NotBuilt(format!("panicked: {}", panic_message(payload.as_ref())))),
    }
}
