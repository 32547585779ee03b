//! How long a picture keeps a worker busy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The weight of a new sample is one in so many.
const SMOOTHING: u64 = 8;

/// The exponentially weighted moving average of the time that a picture keeps a worker busy.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    nanoseconds: AtomicU64,
}

impl Pace {
    /// The average; zero before the first sample.
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    pub(crate) fn record(&self, sample: Duration) {
        let sample = u64::try_from(sample.as_nanos()).unwrap_or(u64::MAX / SMOOTHING);
        let next = |old: u64| if old == 0 { sample } else { old - old / SMOOTHING + sample / SMOOTHING };
        self.nanoseconds.update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_starts_at_the_first_sample_and_follows_the_others() {
        let pace = Pace::default();
        assert_eq!(pace.get(), Duration::ZERO);
        pace.record(Duration::from_millis(80));
        assert_eq!(pace.get(), Duration::from_millis(80));
        pace.record(Duration::from_millis(160));
        assert_eq!(pace.get(), Duration::from_millis(90));
        for _ in 0..100 {
            pace.record(Duration::from_millis(10));
        }
        assert!(pace.get() < Duration::from_millis(11));
    }
}
