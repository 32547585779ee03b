//! The bounded queue: first come, first served; who has left or is too late is not served at all.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use sightscan_http::Hold;
use tokio::sync::oneshot;

use super::{Failure, Reply, Work, lock};
use crate::metrics::Metrics;

/// A picture that waits.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) deadline: Instant,
    pub(super) queued_at: Instant,
    pub(super) reply: oneshot::Sender<Reply>,
    /// Keeps the bytes counted as long as they are in memory.
    #[expect(dead_code, reason = "it is held, not read")]
    pub(super) hold: Arc<Hold>,
}

/// A picture was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many wait as may.
    Full,
    /// The pool takes no more.
    Closed,
}

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    depth: usize,
    metrics: Arc<Metrics>,
}

/// What a worker is to do next.
pub(super) enum Next {
    /// Look at a picture.
    Job(Box<Job>),
    /// Load and let go of models, up to this generation.
    Renew(u64),
    /// End.
    End,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
    /// Of the models that workers should have loaded.
    generation: u64,
    /// A worker loads and lets go of models; the others answer meanwhile.
    is_renewing: bool,
}

impl Queue {
    pub(super) fn new(depth: usize, metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), depth, metrics }
    }

    pub(super) fn push(&self, job: Job) -> Result<(), Refused> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.jobs.len() >= self.depth {
            self.sweep(&mut state.jobs);
        }
        if state.jobs.len() >= self.depth {
            return Err(Refused::Full);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for what is to be done next by a worker that has the models of this generation.
    pub(super) fn next(&self, generation: u64) -> Next {
        let mut state = lock(&self.state);
        loop {
            // Before the next picture: with pictures always waiting it would never come to it.
            if state.generation > generation && !state.is_renewing {
                state.is_renewing = true;
                return Next::Renew(state.generation);
            }
            match state.jobs.pop_front() {
                Some(job) => {
                    if let Some(job) = self.worth_doing(job) {
                        return Next::Job(Box::new(job));
                    }
                }
                None if state.closed => return Next::End,
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Has every worker renew its models.
    pub(super) fn renew(&self, generation: u64) {
        let mut state = lock(&self.state);
        state.generation = state.generation.max(generation);
        drop(state);
        self.changed.notify_all();
    }

    /// The worker that renewed its models is done, or was given up: the next one may.
    pub(super) fn renewed(&self) {
        lock(&self.state).is_renewing = false;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.state).jobs.len()
    }

    fn sweep(&self, jobs: &mut VecDeque<Job>) {
        let kept = std::mem::take(jobs).into_iter().filter_map(|job| self.worth_doing(job));
        jobs.extend(kept);
    }

    fn worth_doing(&self, job: Job) -> Option<Job> {
        if job.reply.is_closed() {
            self.metrics.abandoned.increment(1);
            return None;
        }
        if job.deadline <= Instant::now() {
            self.metrics.late.increment(1);
            // A receiver that is gone by now needs no answer.
            let _ = job.reply.send(Err(Failure::Late));
            return None;
        }
        Some(job)
    }
}
