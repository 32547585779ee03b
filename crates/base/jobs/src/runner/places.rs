//! Places for jobs: so many for short ones, and one for long ones.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;

/// The places of a runner.
pub(super) struct Places {
    short: Group,
    long: Group,
}

/// Places for some kinds of jobs.
struct Group {
    names: Vec<&'static str>,
    free: Arc<Semaphore>,
}

impl Places {
    /// Places for jobs of these names, none taken.
    pub(super) fn new(shared: &Shared, names: &[&'static str]) -> Self {
        let is_long = |name: &&str| {
            let kind = shared.registry.kind(name);
            kind.is_some_and(|kind| shared.config.long_queues.iter().any(|queue| queue == kind.queue))
        };
        let (long, short) = names.iter().partition(|name| is_long(name));
        Self { short: Group::new(short, shared.config.concurrency), long: Group::new(long, 1) }
    }

    /// The names of the jobs that there is a place for.
    pub(super) fn free(&self) -> Vec<&'static str> {
        [&self.short, &self.long]
            .into_iter()
            .filter(|places| places.free.available_permits() > 0)
            .flat_map(|places| places.names.iter().copied())
            .collect()
    }

    /// Takes the place of a job until the answer is dropped.
    pub(super) fn take(&self, name: &str) -> Option<OwnedSemaphorePermit> {
        let places = if self.long.names.contains(&name) { &self.long } else { &self.short };
        Arc::clone(&places.free).try_acquire_owned().ok()
    }
}

impl Group {
    fn new(names: Vec<&'static str>, number: usize) -> Self {
        Self { names, free: Arc::new(Semaphore::new(number)) }
    }
}
