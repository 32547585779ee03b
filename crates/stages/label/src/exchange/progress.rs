//! How far an export or an import is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Hears how many pictures are done, and of how many.
pub type Tell = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Counts pictures that are done.
#[derive(Clone)]
pub(super) struct Progress(Arc<Counts>);

struct Counts {
    done: AtomicUsize,
    total: AtomicUsize,
    tell: Tell,
}

impl Progress {
    pub(super) fn new(tell: &Tell) -> Self {
        let (done, total) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Counts { done, total, tell: Arc::clone(tell) }))
    }

    pub(super) fn expect(&self, total: usize) {
        self.0.total.store(total, Ordering::Relaxed);
        (self.0.tell)(self.0.done.load(Ordering::Relaxed), total);
    }

    pub(super) fn step(&self) {
        let done = 1 + self.0.done.fetch_add(1, Ordering::Relaxed);
        (self.0.tell)(done, self.0.total.load(Ordering::Relaxed));
    }
}
