//! How long to wait before the next try.

use std::time::Duration;

/// Exponential back-off with full jitter: a random share of a time that doubles with each failure, up to a cap, so
/// that those who failed together do not come back together. Source: Marc Brooker, "Exponential Backoff And Jitter",
/// AWS Architecture Blog, 2015 (`sleep = random_between(0, min(cap, base * 2 ** attempt))`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest time after the first failure.
    pub base: Duration,
    /// The longest time after any number of failures.
    pub cap: Duration,
}

impl Backoff {
    /// How long to wait after so many failures in a row (1 is the first).
    pub fn delay(&self, failures: u32) -> Duration {
        self.longest(failures).mul_f64(fastrand::f64())
    }

    fn longest(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }
}

/// Of jobs: from a second to ten minutes.
impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_mins(10) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_delay_doubles_up_to_the_cap() {
        let longest = [1, 2, 3, 10, 11, 40, u32::MAX].map(|failures| Backoff::default().longest(failures));
        assert_eq!(longest.map(|delay| delay.as_secs()), [1, 2, 4, 512, 600, 600, 600]);
    }

    #[test]
    fn delays_are_spread_over_the_whole_range() {
        let delays: Vec<f64> = (0..1_000).map(|_| Backoff::default().delay(1).as_secs_f64()).collect();
        assert!(delays.iter().any(|delay| *delay < 0.1) && delays.iter().any(|delay| *delay > 0.9));
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_the_cap(base in 0_u64..1 << 40, cap in 0_u64..1 << 40, failures: u32) {
            let backoff = Backoff { base: Duration::from_millis(base), cap: Duration::from_millis(cap) };
            prop_assert!(backoff.delay(failures) <= backoff.cap);
        }
    }
}
