//! Times in which the database does not answer.

use std::sync::atomic::{AtomicBool, Ordering};

use sightscan_warehouse::Error;
use tracing::{info, warn};

/// Whether the database answers, as far as this runner knows. An outage is logged when it begins and when it is over.
#[derive(Debug, Default)]
pub(crate) struct Outage(AtomicBool);

impl Outage {
    pub(crate) fn failed(&self, error: &Error) {
        if !self.0.swap(true, Ordering::Relaxed) {
            warn!(%error, "the database does not answer: jobs go on, and are claimed again once it does");
        }
    }

    pub(crate) fn answered(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            info!("the database answers again");
        }
    }

    /// Notes whether a call was answered, and passes on what it answered.
    pub(crate) fn note<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => {
                self.answered();
                Some(value)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }
}
