//! Who waits for which answer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use sightscan_queue::Reply;
use sightscan_types::DetectionId;
use tokio::sync::{Notify, oneshot};

use crate::pool::lock;

/// The requests whose answers have not come.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    expected: HashMap<DetectionId, Expected>,
    /// Why no answers can be received, where that is so.
    outage: Option<String>,
}

/// An answer that will come. It is expected also when its client has left, so that it is taken out of the queue.
#[derive(Debug)]
struct Expected {
    answer: oneshot::Sender<Reply>,
    until: Instant,
}

impl Waiting {
    /// Expects an answer, but no longer than until then.
    pub(super) fn expect(&self, id: DetectionId, until: Instant) -> oneshot::Receiver<Reply> {
        let (answer, receiver) = oneshot::channel();
        lock(&self.state).expected.insert(id, Expected { answer, until });
        self.changed.notify_one();
        receiver
    }

    /// Returns once an answer is expected.
    pub(super) async fn any(&self) {
        while lock(&self.state).expected.is_empty() {
            self.changed.notified().await;
        }
    }

    /// Hands on an answer; `false` where none is expected, or nobody waits for it any more.
    pub(super) fn answer(&self, id: DetectionId, reply: Reply) -> bool {
        let expected = lock(&self.state).expected.remove(&id);
        expected.is_some_and(|expected| expected.answer.send(reply).is_ok())
    }

    /// Expects no answer any more.
    pub(super) fn forget(&self, id: DetectionId) {
        lock(&self.state).expected.remove(&id);
    }

    /// Expects no answers any more whose time is over.
    pub(super) fn forget_overdue(&self) {
        let now = Instant::now();
        lock(&self.state).expected.retain(|_, expected| expected.until > now);
    }

    /// Answers that are expected.
    pub(super) fn len(&self) -> usize {
        lock(&self.state).expected.len()
    }

    pub(super) fn note_outage(&self, outage: Option<String>) {
        lock(&self.state).outage = outage;
    }

    /// Why no answers can be received, where that is so.
    pub(super) fn outage(&self) -> Option<String> {
        lock(&self.state).outage.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_queue::Outcome;

    fn reply(id: DetectionId) -> Reply {
        Reply {
            id,
            name: "x".into(),
            worker: "w".into(),
            queued_ms: 0.0,
            finished_at: 0,
            outcome: Outcome::Dead { reason: "no".into() },
        }
    }

    #[test]
    fn an_answer_reaches_who_waits_for_it_and_once() {
        let (waiting, soon) = (Waiting::default(), Instant::now() + std::time::Duration::from_secs(60));
        let (one, two) = (DetectionId::new(), DetectionId::new());
        let (mut first, mut second) = (waiting.expect(one, soon), waiting.expect(two, soon));
        assert!(waiting.answer(two, reply(two)));
        assert!(first.try_recv().is_err());
        assert_eq!(second.try_recv().unwrap().id, two);
        assert!(!waiting.answer(two, reply(two)), "a second answer");
        assert!(!waiting.answer(DetectionId::new(), reply(one)), "an answer to nobody");
        drop(first);
        assert!(!waiting.answer(one, reply(one)), "its client has left");
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn what_never_comes_is_forgotten() {
        let waiting = Waiting::default();
        let _receiver = waiting.expect(DetectionId::new(), Instant::now());
        waiting.forget_overdue();
        assert_eq!(waiting.len(), 0);
    }
}
