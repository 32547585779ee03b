//! How many workers are needed.

use std::time::Duration;

use serde::Serialize;

use super::{Law, Queue};

/// More workers than this are never advised.
const MOST: usize = 1000;
/// The share of the requests that must be answered in time.
const SHARE: f64 = 0.95;

/// How many workers answer 95 % of so many requests a second within a time?
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Question {
    /// Requests a second.
    pub rate: f64,
    /// The 95th percentile of the response time must not be longer.
    pub p95: Duration,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Advice {
    /// What was asked.
    pub question: Question,
    /// The fewest workers; none where no number of them is enough.
    pub workers: Option<usize>,
    /// The 95th percentile with that many, in seconds.
    pub p95_s: Option<f64>,
}

impl Question {
    /// The answer by a law of scalability: N workers together answer X(N), each of them X(N)/N, and requests come by chance, to any of
    /// them.
    pub fn answered(self, law: &Law) -> Advice {
        let found = (1..=MOST).find_map(|workers| {
            let service_rate = law.throughput(workers) / workers as f64;
            let time = Queue { rate: self.rate, service_rate, workers }.quantile(SHARE)?;
            (time <= self.p95.as_secs_f64()).then_some((workers, time))
        });
        Advice { question: self, workers: found.map(|found| found.0), p95_s: found.map(|found| found.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: Law = Law { one: 10.0, contention: 0.0, coherency: 0.0 };

    fn workers(law: &Law, rate: f64, p95_ms: u64) -> Option<usize> {
        Question { rate, p95: Duration::from_millis(p95_ms) }.answered(law).workers
    }

    #[test]
    fn a_little_room_is_kept_above_what_is_just_enough() {
        // Ten requests a second keep one worker busy for ever: two are needed.
        assert_eq!(workers(&LAW, 10.0, 1000), Some(2));
        assert_eq!(workers(&LAW, 1.0, 1000), Some(1));
        assert_eq!(workers(&LAW, 100.0, 1000), Some(15), "each has a queue of its own");
        assert!(workers(&LAW, 100.0, 310).unwrap() > 15);
    }

    #[test]
    fn what_no_number_of_workers_can_do_has_none() {
        assert_eq!(workers(&LAW, 1.0, 100), None, "one picture takes as long");
        let hindered = Law { one: 10.0, contention: 0.1, coherency: 0.1 };
        assert_eq!(workers(&hindered, 50.0, 10_000), None);
    }

    #[test]
    fn contention_needs_more_workers() {
        let contended = Law { contention: 0.05, ..LAW };
        assert!(workers(&contended, 20.0, 1000) > workers(&LAW, 20.0, 1000));
    }
}
