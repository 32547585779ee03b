//! Who gets a place: decided before a body is read, from what is in flight and how long a picture takes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use sightscan_http::{Problem, Slug};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// No client is told to stay away for longer: by then the load has changed.
const GREATEST_WAIT: Duration = Duration::from_secs(60);
/// Estimates are means, so the deadline must leave room for pictures that take longer.
const HEADROOM: f64 = 1.25;

/// The places for pictures: those that are worked on and those that wait.
#[derive(Debug)]
pub struct Admission {
    free: Arc<Semaphore>,
    places: usize,
    workers: u32,
}

/// The places of one request, one a picture; given back when it is dropped, and so when its client leaves.
#[derive(Debug)]
pub struct Ticket(OwnedSemaphorePermit);

impl Admission {
    /// Places for the pictures that `workers` work on and `queue_depth` more.
    pub fn new(workers: NonZeroUsize, queue_depth: usize) -> Self {
        let places = queue_depth.saturating_add(workers.get()).min(Semaphore::MAX_PERMITS);
        let workers = u32::try_from(workers.get()).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(places)), places, workers }
    }

    /// Pictures that have a place.
    pub fn in_flight(&self) -> usize {
        self.places.saturating_sub(self.free.available_permits())
    }

    /// A place for one picture, which must be done within `time_left` and takes a worker about `pace`.
    ///
    /// # Errors
    /// When no place is free, or the wait would be longer than the time that is left.
    pub fn enter(&self, time_left: Duration, pace: Duration) -> Result<Ticket, Problem> {
        self.acquire(1, time_left, pace).map(Ticket)
    }

    /// Places for all pictures of a request that turns out to hold `pictures`.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn grow(
        &self,
        ticket: &mut Ticket,
        pictures: usize,
        time_left: Duration,
        pace: Duration,
    ) -> Result<(), Problem> {
        let missing = pictures.saturating_sub(ticket.0.num_permits());
        if missing > 0 {
            ticket.0.merge(self.acquire(missing, time_left, pace)?);
        }
        Ok(())
    }

    fn acquire(
        &self,
        pictures: usize,
        time_left: Duration,
        pace: Duration,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        let ahead = u32::try_from(self.in_flight()).unwrap_or(u32::MAX);
        let wanted = u32::try_from(pictures).unwrap_or(u32::MAX);
        let backlog = pace.saturating_mul(ahead) / self.workers;
        let end = backlog + pace.saturating_mul(wanted.div_ceil(self.workers));
        // With a free worker there is no wait, whatever the last measurements say.
        if ahead >= self.workers && end.mul_f64(HEADROOM) > time_left {
            return Err(busy("the wait would be longer than the deadline", backlog));
        }
        let permit = Arc::clone(&self.free).try_acquire_many_owned(wanted);
        permit.map_err(|_| busy("as many pictures wait as may", backlog))
    }
}

fn busy(why: &str, backlog: Duration) -> Problem {
    let what = format!("the server has too much work: {why}; try again after the seconds in `retry-after`");
    Problem::new(Slug::Busy, what).retry_after(backlog.min(GREATEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const PACE: Duration = Duration::from_millis(100);

    fn admission(workers: usize, queue_depth: usize) -> Admission {
        Admission::new(NonZeroUsize::new(workers).unwrap(), queue_depth)
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let admission = admission(2, 3);
        let tickets: Vec<Ticket> = (0..5).map(|_| admission.enter(LONG, PACE).unwrap()).collect();
        assert_eq!(admission.in_flight(), 5);
        assert_eq!(admission.enter(LONG, PACE).unwrap_err().slug(), Slug::Busy);
        drop(tickets);
        assert_eq!(admission.in_flight(), 0);
        assert!(admission.enter(LONG, PACE).is_ok());
    }

    #[test]
    fn every_picture_of_a_request_counts() {
        let admission = admission(1, 3);
        let mut ticket = admission.enter(LONG, PACE).unwrap();
        admission.grow(&mut ticket, 4, LONG, PACE).unwrap();
        assert_eq!(admission.in_flight(), 4);
        assert!(admission.enter(LONG, PACE).is_err());
        drop(ticket);
        let mut ticket = admission.enter(LONG, PACE).unwrap();
        assert!(admission.grow(&mut ticket, 5, LONG, PACE).is_err());
    }

    #[test]
    fn who_would_wait_longer_than_the_deadline_is_refused() {
        let admission = admission(2, 100);
        let _ahead: Vec<Ticket> = (0..10).map(|_| admission.enter(LONG, PACE).unwrap()).collect();
        // Ten pictures for two workers at 100 ms each: 500 ms, and 100 ms for its own; with headroom 750 ms.
        assert!(admission.enter(Duration::from_millis(749), PACE).is_err());
        assert!(admission.enter(Duration::from_millis(751), PACE).is_ok());
    }

    #[test]
    fn a_free_worker_takes_a_picture_however_slow_the_last_one_was() {
        let admission = admission(2, 100);
        let hours = Duration::from_secs(7200);
        let _one = admission.enter(PACE, hours).unwrap();
        let _two = admission.enter(PACE, hours).unwrap();
        assert!(admission.enter(PACE, hours).is_err());
    }
}
