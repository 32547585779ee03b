//! When requests leave.

use std::time::{Duration, Instant};

use crate::Pace;

/// Which requests a run consists of and when each should leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) pace: Pace,
    pub(crate) requests: Option<u64>,
    pub(crate) duration: Option<Duration>,
}

/// How well an open loop kept to its schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Punctuality {
    /// Requests that left late because too many were under way.
    pub(crate) delayed: u64,
    /// Requests that were due and never left.
    pub(crate) not_sent: u64,
}

impl Schedule {
    /// How many requests there will be, where the schedule alone decides it.
    pub(crate) fn planned(&self) -> Option<u64> {
        let by_time = match (self.pace, self.duration) {
            (Pace::Open { rate, .. }, Some(duration)) => Some((duration.as_secs_f64() * rate).ceil() as u64),
            _ => None,
        };
        [self.requests, by_time].into_iter().flatten().min()
    }

    /// Whether request `index` may still leave `elapsed` after the begin.
    pub(crate) fn allows(&self, index: u64, elapsed: Duration) -> bool {
        self.requests.is_none_or(|limit| index < limit) && self.duration.is_none_or(|limit| elapsed < limit)
    }

    /// When request `index` of an open loop should leave, counted from the begin; `None` after the last one.
    pub(crate) fn intended(&self, index: u64) -> Option<Duration> {
        let Pace::Open { rate, .. } = self.pace else { return None };
        let at = Duration::from_secs_f64(index as f64 / rate);
        self.allows(index, at).then_some(at)
    }

    /// How many requests from `index` on were due within `elapsed`.
    pub(crate) fn due_from(&self, index: u64, elapsed: Duration) -> u64 {
        (index..).take_while(|&late| self.intended(late).is_some_and(|at| at <= elapsed)).count() as u64
    }
}

/// Sleeps until `at`, to within a tenth of a millisecond on an idle machine.
///
/// The runtime's timer counts whole milliseconds and rounds up, which would add up to a millisecond to every latency
/// of an open loop; so the last two are left to the system's timer.
pub(crate) async fn wait_until(at: Instant) {
    const COARSE: Duration = Duration::from_millis(2);
    let left = || at.saturating_duration_since(Instant::now());
    if let Some(early) = left().checked_sub(COARSE) {
        tokio::time::sleep(early).await;
    }
    let rest = left();
    if !rest.is_zero() {
        // Fails only while the runtime shuts down, when nobody waits for the schedule any more.
        let _ = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(rate: f64, requests: Option<u64>, duration: Option<Duration>) -> Schedule {
        Schedule { pace: Pace::Open { rate, max_in_flight: 1 }, requests, duration }
    }

    #[test]
    fn an_open_loop_leaves_at_fixed_times_until_the_limit() {
        let schedule = open(4.0, Some(3), None);
        let times: Vec<_> = (0..4).map(|index| schedule.intended(index)).collect();
        let quarter = Duration::from_millis(250);
        assert_eq!(times, [Some(Duration::ZERO), Some(quarter), Some(2 * quarter), None]);
    }

    #[test]
    fn a_closed_loop_has_no_intended_times_and_an_open_end() {
        let second = Some(Duration::from_secs(1));
        let schedule = Schedule { pace: Pace::Closed { threads: 1 }, requests: None, duration: second };
        assert_eq!((schedule.intended(0), schedule.planned()), (None, None));
        assert!(schedule.allows(1_000_000, Duration::from_millis(999)));
        assert!(!schedule.allows(0, Duration::from_secs(1)));
    }

    #[test]
    fn what_was_due_and_not_sent_is_counted() {
        let schedule = open(10.0, Some(8), None);
        assert_eq!(schedule.due_from(2, Duration::from_millis(450)), 3);
        assert_eq!(schedule.due_from(2, Duration::from_secs(9)), 6);
        assert_eq!(schedule.due_from(8, Duration::from_secs(9)), 0);
    }

    #[tokio::test]
    async fn waiting_is_never_early_and_the_past_is_not_waited_for() {
        for micros in [0, 300, 1700, 2100, 5300] {
            let at = Instant::now() + Duration::from_micros(micros);
            wait_until(at).await;
            assert!(Instant::now() >= at);
        }
        let begin = Instant::now();
        wait_until(begin - Duration::from_secs(1)).await;
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn an_open_schedule_is_even_and_ends_where_planned(
            rate in 0.5..5000.0_f64, requests in prop::option::of(1..2000_u64), ms in prop::option::of(1..2000_u64)
        ) {
            prop_assume!(requests.is_some() || ms.is_some());
            let schedule = open(rate, requests, ms.map(Duration::from_millis));
            let times: Vec<Duration> = (0..).map_while(|index| schedule.intended(index)).collect();
            let planned = schedule.planned().unwrap();
            // Floating point may put the very last one on either side of the limit.
            prop_assert!(planned.abs_diff(times.len() as u64) <= 1, "{planned} {}", times.len());
            for (before, after) in times.iter().zip(&times[1..]) {
                let gap = (*after - *before).as_secs_f64();
                prop_assert!((gap - 1.0 / rate).abs() < 1e-6);
            }
            prop_assert_eq!(schedule.due_from(0, Duration::from_secs(86_400)), times.len() as u64);
        }
    }
}
