//! Whether every request that was accepted is somewhere.

use serde::Serialize;
use sightscan_queue::{Address, Queue};
use sightscan_serve::Objects;

use crate::elastic::{broker, objects};
use crate::error::Result;
use crate::setup::Setup;

/// So often requests are counted again that come and go meanwhile.
const TRIES: usize = 5;

/// Where the requests of a queue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Requests that were taken in: as the queue counts them, else the pictures in the input bucket.
    pub accepted: u64,
    /// Requests whose picture was looked at.
    pub done: u64,
    /// Requests that were themselves to blame.
    pub failed: u64,
    /// Requests that were given up.
    pub dead: u64,
    /// Requests that were refused because the queue did not answer: each may have been in it, and then is among the accepted ones.
    pub unsent: u64,
    /// Requests that wait.
    pub waiting: u64,
    /// Requests that workers have.
    pub in_flight: u64,
}

impl Ledger {
    /// Whether none is lost. A request that has just ended may be counted twice as long as its message is not deleted: so that
    /// equality is asked for only while nothing is under way.
    pub fn holds(&self) -> bool {
        let ended = self.done + self.failed + self.dead;
        let under_way = self.waiting + self.in_flight;
        let is_lost = ended + self.unsent + under_way < self.accepted;
        let is_double = under_way == 0 && ended > self.accepted;
        !is_lost && !is_double
    }
}

/// Counts the requests of a queue; the buckets must be those of this queue alone.
///
/// # Errors
/// When the queue or a bucket does not answer, or a result cannot be read.
pub async fn check(setup: &Setup, queue: &Address) -> Result<Ledger> {
    let warehouse = setup.open().await?;
    let objects = objects(setup)?;
    let requests = broker(queue, &warehouse).await?.requests();
    let mut ledger = count(requests.as_ref(), &objects).await?;
    for _ in 0..TRIES {
        // A request that has come and ended between two counts may be in one of them only.
        let again = count(requests.as_ref(), &objects).await?;
        let is_calm = again.accepted == ledger.accepted;
        ledger = again;
        if is_calm || ledger.holds() {
            break;
        }
    }
    warehouse.database.close().await;
    Ok(ledger)
}

async fn count(requests: &dyn Queue, objects: &Objects) -> Result<Ledger> {
    // The queue first: what ends meanwhile is counted twice and not never.
    let depth = requests.depth().await?;
    let (done, failed, unsent) = ended(objects).await?;
    let accepted = match depth.accepted {
        Some(accepted) => accepted,
        None => objects.input.keys().await?.len() as u64,
    };
    let (waiting, in_flight, dead) = (depth.waiting, depth.in_flight, depth.dead);
    Ok(Ledger { accepted, done, failed, dead, unsent, waiting, in_flight })
}

/// How many requests were done, how many failed, and how many could not be sent.
async fn ended(objects: &Objects) -> Result<(u64, u64, u64)> {
    let (mut done, mut failed, mut unsent) = (0, 0, 0);
    for state in objects.states().await? {
        match state {
            "done" => done += 1,
            "failed" => failed += 1,
            "unsent" => unsent += 1,
            // Those that were given up are dead letters, and counted as such.
            _ => {}
        }
    }
    Ok((done, failed, unsent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_nowhere_is_seen() {
        let all = Ledger { accepted: 10, done: 7, failed: 2, dead: 1, unsent: 0, waiting: 0, in_flight: 0 };
        assert!(all.holds());
        assert!(!Ledger { done: 6, ..all }.holds(), "one is lost");
        assert!(!Ledger { done: 8, ..all }.holds(), "one has ended twice");
        assert!(Ledger { unsent: 3, ..all }.holds(), "none of them was in the queue");
        assert!(Ledger { done: 5, unsent: 3, ..all }.holds(), "two of them were");
        assert!(!Ledger { done: 5, unsent: 1, ..all }.holds(), "one is lost");
        assert!(Ledger { done: 3, waiting: 2, in_flight: 2, ..all }.holds());
        assert!(Ledger { done: 4, waiting: 2, in_flight: 2, ..all }.holds(), "one is about to be deleted");
        assert!(!Ledger { done: 2, waiting: 2, in_flight: 2, ..all }.holds(), "one is lost");
    }
}
