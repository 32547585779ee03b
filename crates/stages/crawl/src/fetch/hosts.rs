//! What a host can bear: so many requests at once, a pace, and pauses that it asks for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::trouble::Trouble;
use super::wait::when;

/// A year is as good as any longer pause, and can be added to every moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A request in flight, as long as this lives.
pub(super) type Pass = OwnedSemaphorePermit;

/// A host, whatever the protocol.
#[derive(Debug)]
pub(super) struct Host {
    in_flight: Arc<Semaphore>,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
    pace: Duration,
    /// The next request begins no earlier.
    next: Instant,
    /// It wants to be left alone until then.
    paused: Instant,
}

/// What a request has to do.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    At(Instant),
    TooLate(Duration),
}

impl Host {
    pub(super) fn new(in_flight: usize, pace: Duration) -> Self {
        let now = Instant::now();
        // A host that may not be asked at all would be waited for without end.
        let in_flight = Arc::new(Semaphore::new(in_flight.clamp(1, Semaphore::MAX_PERMITS)));
        Self { in_flight, times: Mutex::new(Times::new(pace, now)) }
    }

    /// Waits until a request may begin; it is in flight as long as its pass lives.
    pub(super) async fn enter(&self, max_wait: Duration) -> Result<Pass, Trouble> {
        let Ok(pass) = Arc::clone(&self.in_flight).acquire_owned().await else {
            unreachable!("nobody closes it");
        };
        loop {
            let turn = self.times().turn(Instant::now(), max_wait);
            match turn {
                Turn::Now => return Ok(pass),
                Turn::At(begin) => sleep_until(begin).await,
                Turn::TooLate(wait) => return Err(too_long(wait)),
            }
        }
    }

    /// Leaves the host alone for a while.
    pub(super) fn pause(&self, wait: Duration) {
        self.times().pause(Instant::now(), wait);
    }

    /// Asks no more often than this.
    pub(super) fn slow_down(&self, pace: Duration) {
        self.times().slow_down(pace);
    }

    /// Whether forgetting the host would make us ask it too early.
    pub(super) fn is_waiting(&self) -> bool {
        self.times().begin() > Instant::now()
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn new(pace: Duration, now: Instant) -> Self {
        Self { pace, next: now, paused: now }
    }

    /// When the next request may begin.
    fn begin(&self) -> Instant {
        self.next.max(self.paused)
    }

    fn turn(&mut self, now: Instant, max_wait: Duration) -> Turn {
        let pause = self.paused.saturating_duration_since(now);
        if pause > max_wait {
            return Turn::TooLate(pause);
        }
        if self.begin() > now {
            return Turn::At(self.begin());
        }
        self.next = now + self.pace;
        Turn::Now
    }

    fn pause(&mut self, now: Instant, wait: Duration) {
        self.paused = self.paused.max(now + wait.min(LONGEST));
    }

    fn slow_down(&mut self, pace: Duration) {
        self.pace = self.pace.max(pace);
    }
}

/// What becomes of a request to a host that wants too long a pause.
pub(super) fn too_long(wait: Duration) -> Trouble {
    Trouble::Later(format!("its host wants no requests until {}", when(wait)))
}

/// What tells hosts apart. A host on its usual port is the same one with and without TLS.
pub(super) fn key(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    const PATIENCE: Duration = Duration::from_secs(300);

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn requests_begin_at_the_pace_and_at_the_slowest_that_was_asked_for() {
        let now = Instant::now();
        let mut times = Times::new(seconds(2), now);
        assert_eq!(times.turn(now, PATIENCE), Turn::Now);
        assert_eq!(times.turn(now, PATIENCE), Turn::At(now + seconds(2)));
        times.slow_down(seconds(10));
        times.slow_down(seconds(1));
        assert_eq!(times.turn(now + seconds(3), PATIENCE), Turn::Now);
        assert_eq!(times.turn(now + seconds(4), PATIENCE), Turn::At(now + seconds(13)));
    }

    #[test]
    fn a_host_that_wants_a_pause_has_it_whole() {
        let now = Instant::now();
        let mut times = Times::new(Duration::ZERO, now);
        times.pause(now, seconds(30));
        times.pause(now, seconds(5));
        assert_eq!(times.turn(now + seconds(29), PATIENCE), Turn::At(now + seconds(30)));
        assert_eq!(times.turn(now + seconds(30), PATIENCE), Turn::Now);
    }

    #[test]
    fn nobody_waits_for_a_host_that_wants_too_long_a_pause() {
        let now = Instant::now();
        let mut times = Times::new(Duration::ZERO, now);
        times.pause(now, seconds(301));
        assert_eq!(times.turn(now, PATIENCE), Turn::TooLate(seconds(301)));
        assert_eq!(times.turn(now + seconds(1), PATIENCE), Turn::At(now + seconds(301)));
        times.pause(now, Duration::MAX);
        assert_eq!(times.turn(now, PATIENCE), Turn::TooLate(LONGEST));
    }

    #[tokio::test]
    async fn so_many_are_in_flight_and_no_more() {
        let host = Host::new(2, Duration::ZERO);
        let passes = [host.enter(PATIENCE).await.unwrap(), host.enter(PATIENCE).await.unwrap()];
        assert!(host.enter(PATIENCE).now_or_never().is_none());
        drop(passes);
        assert!(host.enter(PATIENCE).now_or_never().is_some());
    }

    #[tokio::test]
    async fn everybody_waits_for_a_host_that_wants_a_pause() {
        let (host, begun, pause) = (Host::new(3, Duration::ZERO), Instant::now(), Duration::from_millis(60));
        host.pause(pause);
        assert!(host.is_waiting());
        let waiting = (0..6).map(|_| host.enter(PATIENCE));
        // Each ends as soon as it has begun.
        let were_let_in = join_all(waiting.map(|enter| enter.map(|pass| pass.is_ok()))).await;
        assert_eq!(were_let_in, [true; 6]);
        assert!(begun.elapsed() >= pause);
        assert!(!host.is_waiting());
        host.pause(PATIENCE * 2);
        assert!(matches!(host.enter(PATIENCE).await, Err(Trouble::Later(_))));
    }

    #[tokio::test]
    async fn a_host_that_may_not_be_asked_is_asked_one_by_one() {
        let host = Host::new(0, Duration::ZERO);
        assert!(host.enter(PATIENCE).await.is_ok());
    }

    #[test]
    fn a_host_is_known_by_its_name_and_unusual_port() {
        let key = |url: &str| key(&url.parse().unwrap());
        assert_eq!(key("http://Example.org/a"), key("https://example.org:443/b"));
        assert_ne!(key("http://example.org/"), key("http://example.org:8080/"));
    }
}
