//! How the pools were: each status that somebody has asked for is remembered for an hour. Nobody asks a queue or a cloud, which
//! may cost money, for this alone.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use sightscan_fleet::{PoolStatus, State};
use utoipa::ToSchema;

/// Kept for so long, in milliseconds.
const KEPT_MS: i64 = 3_600_000;
/// Not closer together, in milliseconds: several may look at once.
const APART_MS: i64 = 5_000;

/// How the pools were at a time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Moment {
    /// When: milliseconds since 1970-01-01 UTC.
    at: i64,
    /// One a pool.
    pools: Vec<PoolMoment>,
}

/// How a pool was at a time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PoolMoment {
    /// Its name.
    name: String,
    /// Messages that waited.
    waiting: u64,
    /// Messages that workers had.
    in_flight: u64,
    /// Messages that were given up.
    dead: u64,
    /// Workers that were starting.
    starting: usize,
    /// Workers that waited for work.
    idle: usize,
    /// Workers that worked.
    busy: usize,
    /// Workers that were asked to end.
    draining: usize,
}

impl PoolMoment {
    fn of(pool: &PoolStatus) -> Self {
        Self {
            name: pool.name.clone(),
            waiting: pool.waiting,
            in_flight: pool.in_flight,
            dead: pool.dead,
            starting: pool.count(State::Starting),
            idle: pool.count(State::Idle),
            busy: pool.count(State::Busy),
            draining: pool.count(State::Draining),
        }
    }
}

/// The last hour.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<VecDeque<Moment>>);

impl Past {
    /// Remembers how the pools are now.
    pub(crate) fn note(&self, pools: &[PoolStatus], now: i64) {
        let mut moments = self.lock();
        if moments.back().is_some_and(|last| (last.at..last.at + APART_MS).contains(&now)) {
            return;
        }
        moments.push_back(Moment { at: now, pools: pools.iter().map(PoolMoment::of).collect() });
        moments.retain(|moment| moment.at + KEPT_MS >= now);
    }

    /// Those of the hour before `now`, the oldest first.
    pub(crate) fn moments(&self, now: i64) -> Vec<Moment> {
        self.lock().iter().filter(|moment| moment.at + KEPT_MS >= now).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::busy_pool;
    use super::*;

    #[test]
    fn an_hour_is_remembered() {
        let pool = busy_pool();
        let past = Past::default();
        for now in [0, 2_000, 5_000, KEPT_MS + 2_000] {
            past.note(std::slice::from_ref(&pool), now);
        }
        let moments = past.moments(KEPT_MS + 2_000);
        let times: Vec<i64> = moments.iter().map(|moment| moment.at).collect();
        assert_eq!(times, [5_000, KEPT_MS + 2_000]);
        assert!(past.moments(2 * KEPT_MS + 3_000).is_empty(), "nobody has looked since");
        let busy = &moments[0].pools[0];
        assert_eq!((busy.waiting, busy.busy, busy.idle, busy.starting), (7, 2, 1, 0));
    }
}
