//! What every backend must do. A backend's crate makes these its tests with [`queue_contract`](crate::queue_contract).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Broker, Delivery, Queue};

/// Long enough that no message comes back by chance.
const LONG: Duration = Duration::from_secs(60);
/// The shortest lease that every backend has.
const SHORT: Duration = Duration::from_secs(1);
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages that several receivers share.
const MESSAGES: usize = 120;

/// Makes each part of the contract a test; `$open` is an async function that gives a broker without messages, and what must
/// live as long as it.
#[macro_export]
macro_rules! queue_contract {
    ($open:path) => {
        $crate::queue_contract!(@each $open,
            what_is_sent_is_received_once_and_gone_when_deleted,
            a_message_whose_lease_ends_is_received_again,
            a_lease_that_is_extended_does_not_end,
            a_released_message_comes_again_after_its_pause,
            a_buried_message_is_a_dead_letter,
            a_receiver_waits_for_the_first_message,
            an_empty_queue_is_no_error,
            many_receivers_share_the_messages,
            what_is_in_a_queue_is_counted,
            too_large_messages_are_refused,
            answers_reach_the_queue_that_they_are_for,
            a_queue_of_answers_ends_when_it_is_closed,
            queues_of_answers_that_nobody_keeps_are_swept,
        );
    };
    (@each $open:path, $($part:ident,)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $part() {
            let (broker, _keep) = $open().await;
            $crate::contract::$part(broker).await;
        }
    )+};
}

async fn send(queue: &dyn Queue, bodies: &[&str]) {
    queue.send(&bodies.iter().map(|&body| body.to_owned()).collect::<Vec<_>>()).await.expect("it is sent");
}

async fn receive_one(queue: &dyn Queue, lease: Duration) -> Delivery {
    let mut found = queue.receive(1, lease, PATIENCE).await.expect("the queue answers");
    assert_eq!(found.len(), 1, "one message comes");
    found.remove(0)
}

async fn nothing_comes(queue: &dyn Queue) {
    let found = queue.receive(10, LONG, Duration::ZERO).await.expect("the queue answers");
    assert_eq!(found, [], "nothing may come");
}

/// What services count is right after a while.
async fn counts_become(queue: &dyn Queue, waiting: u64, in_flight: u64, dead: u64) {
    let begun = Instant::now();
    loop {
        let depth = queue.depth().await.expect("the queue answers");
        if (depth.waiting, depth.in_flight, depth.dead) == (waiting, in_flight, dead) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{depth:?} never became {waiting}, {in_flight}, {dead}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Part of the contract.
pub async fn what_is_sent_is_received_once_and_gone_when_deleted(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    let sent: Vec<String> = (0..25).map(|number| format!("{{\"é\": \"{number}\\n'\"}}")).collect();
    queue.send(&sent).await.expect("it is sent");
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let found = queue.receive(10, LONG, PATIENCE).await.expect("the queue answers");
        assert!(!found.is_empty() && found.len() <= 10, "{} at once", found.len());
        assert!(found.iter().all(|delivery| delivery.receives == 1));
        received.extend(found);
    }
    let mut bodies: Vec<String> = received.iter().map(|delivery| delivery.body.clone()).collect();
    bodies.sort_unstable();
    let mut expected = sent;
    expected.sort_unstable();
    assert_eq!(bodies, expected);
    let receipts: Vec<_> = received.into_iter().map(|delivery| delivery.receipt).collect();
    queue.delete(&receipts).await.expect("they are deleted");
    queue.delete(&receipts).await.expect("twice is no harm");
    counts_become(&*queue, 0, 0, 0).await;
}

/// Part of the contract.
pub async fn a_message_whose_lease_ends_is_received_again(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    send(&*queue, &["work"]).await;
    let first = receive_one(&*queue, SHORT).await;
    let second = receive_one(&*queue, LONG).await;
    assert_eq!((first.receives, second.receives), (1, 2));
    assert_eq!(second.body, "work");
    queue.delete(&[second.receipt]).await.expect("it is deleted");
    let lost = queue.extend(&first.receipt, LONG).await.expect("the queue answers");
    assert!(!lost, "whoever was too slow learns it");
    nothing_comes(&*queue).await;
}

/// Part of the contract.
pub async fn a_lease_that_is_extended_does_not_end(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    send(&*queue, &["work"]).await;
    let held = receive_one(&*queue, SHORT).await;
    assert!(queue.extend(&held.receipt, LONG).await.expect("the queue answers"));
    let found = queue.receive(1, LONG, 2 * SHORT).await.expect("the queue answers");
    assert_eq!(found, [], "somebody has it");
    queue.delete(&[held.receipt]).await.expect("it is deleted");
}

/// Part of the contract.
pub async fn a_released_message_comes_again_after_its_pause(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    send(&*queue, &["work"]).await;
    let first = receive_one(&*queue, LONG).await;
    queue.release(&first.receipt, Duration::ZERO).await.expect("it is released");
    let second = receive_one(&*queue, LONG).await;
    assert_eq!((second.body.as_str(), second.receives), ("work", 2));
    let released = Instant::now();
    queue.release(&second.receipt, 6 * SHORT).await.expect("it is released");
    nothing_comes(&*queue).await;
    let third = receive_one(&*queue, LONG).await;
    assert_eq!(third.receives, 3);
    assert!(released.elapsed() >= SHORT, "it came after {:?}", released.elapsed());
    queue.delete(&[third.receipt]).await.expect("it is deleted");
}

/// Part of the contract.
pub async fn a_buried_message_is_a_dead_letter(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    send(&*queue, &["poison"]).await;
    let poison = receive_one(&*queue, LONG).await;
    queue.bury(&poison, "it kills every worker").await.expect("it is buried");
    nothing_comes(&*queue).await;
    counts_become(&*queue, 0, 0, 1).await;
}

/// Part of the contract.
pub async fn a_receiver_waits_for_the_first_message(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { receive_one(&*queue, LONG).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    send(&*queue, &["late"]).await;
    let late = waiting.await.expect("it does not panic");
    assert_eq!(late.body, "late");
    queue.delete(&[late.receipt]).await.expect("it is deleted");
}

/// Part of the contract.
pub async fn an_empty_queue_is_no_error(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    nothing_comes(&*queue).await;
    queue.send(&[]).await.expect("nothing is sent");
    queue.delete(&[]).await.expect("nothing is deleted");
    counts_become(&*queue, 0, 0, 0).await;
}

/// Part of the contract: none is lost. At least once is all that every service promises, and hardly ever means twice.
pub async fn many_receivers_share_the_messages(broker: Arc<dyn Broker>) {
    let seen = shared_out(broker).await;
    assert_eq!(seen.len(), MESSAGES, "none is lost");
    let twice = seen.values().filter(|&&times| times > 1).count();
    assert!(twice <= MESSAGES / 10, "{twice} came more than once");
}

/// What backends promise that hand out each message to one receiver alone.
pub async fn no_message_comes_twice(broker: Arc<dyn Broker>) {
    let seen = shared_out(broker).await;
    assert_eq!(seen.len(), MESSAGES, "none is lost");
    assert!(seen.values().all(|&times| times == 1), "none came twice: {seen:?}");
}

/// Has four receivers share messages; how often each came.
async fn shared_out(broker: Arc<dyn Broker>) -> HashMap<String, usize> {
    let queue = broker.requests();
    let bodies: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    for some in bodies.chunks(30) {
        queue.send(some).await.expect("they are sent");
    }
    let mut receivers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        receivers.spawn(receive_all(Arc::clone(&queue)));
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for body in receivers.join_all().await.into_iter().flatten() {
        *seen.entry(body).or_default() += 1;
    }
    seen
}

/// Receives and deletes until nothing comes any more.
async fn receive_all(queue: Arc<dyn Queue>) -> Vec<String> {
    let mut mine = Vec::new();
    loop {
        let found = queue.receive(7, LONG, SHORT).await.expect("the queue answers");
        if found.is_empty() {
            return mine;
        }
        let receipts: Vec<_> = found.iter().map(|delivery| delivery.receipt.clone()).collect();
        queue.delete(&receipts).await.expect("they are deleted");
        mine.extend(found.into_iter().map(|delivery| delivery.body));
    }
}

/// Part of the contract.
pub async fn what_is_in_a_queue_is_counted(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    send(&*queue, &["a", "b", "c"]).await;
    counts_become(&*queue, 3, 0, 0).await;
    let held = receive_one(&*queue, LONG).await;
    counts_become(&*queue, 2, 1, 0).await;
    queue.delete(&[held.receipt]).await.expect("it is deleted");
    counts_become(&*queue, 2, 0, 0).await;
    let accepted = queue.depth().await.expect("the queue answers").accepted;
    assert!(accepted.is_none_or(|accepted| accepted == 3), "{accepted:?} were sent");
}

/// Part of the contract.
pub async fn too_large_messages_are_refused(broker: Arc<dyn Broker>) {
    let queue = broker.requests();
    let large = "x".repeat(queue.greatest() + 1);
    let error = queue.send(&[large]).await.expect_err("it is too large");
    assert!(matches!(error, crate::Error::TooLarge { .. }), "{error}");
    counts_become(&*queue, 0, 0, 0).await;
}

/// Part of the contract.
pub async fn answers_reach_the_queue_that_they_are_for(broker: Arc<dyn Broker>) {
    let one = broker.open_replies("web-1", LONG).await.expect("it is made");
    let two = broker.open_replies("web-2", LONG).await.expect("it is made");
    for number in 0..5 {
        assert!(broker.reply("web-1", format!("one {number}")).await.expect("it is sent"));
        assert!(broker.reply("web-2", format!("two {number}")).await.expect("it is sent"));
    }
    for (queue, whose) in [(one, "one"), (two, "two")] {
        for _ in 0..5 {
            let answer = receive_one(&*queue, LONG).await;
            assert!(answer.body.starts_with(whose), "{}", answer.body);
            queue.delete(&[answer.receipt]).await.expect("it is deleted");
        }
        nothing_comes(&*queue).await;
    }
    nothing_comes(&*broker.requests()).await;
}

/// Part of the contract.
pub async fn a_queue_of_answers_ends_when_it_is_closed(broker: Arc<dyn Broker>) {
    broker.open_replies("web-1", LONG).await.expect("it is made");
    assert!(broker.reply("web-1", "unheard".into()).await.expect("it is sent"));
    broker.close_replies("web-1").await.expect("it is closed");
    broker.close_replies("web-1").await.expect("twice is no harm");
    assert!(!broker.reply("web-1", "too late".into()).await.expect("the broker answers"));
    assert!(broker.keep("web-1", LONG).await.is_err(), "its owner learns it");
}

/// Part of the contract.
pub async fn queues_of_answers_that_nobody_keeps_are_swept(broker: Arc<dyn Broker>) {
    broker.open_replies("vanished", SHORT).await.expect("it is made");
    broker.open_replies("kept", SHORT).await.expect("it is made");
    broker.keep("kept", LONG).await.expect("it is kept");
    tokio::time::sleep(SHORT + SHORT / 2).await;
    broker.sweep().await.expect("the broker sweeps");
    let begun = Instant::now();
    // A service may sweep by itself and take its time.
    while broker.reply("vanished", "x".into()).await.expect("the broker answers") {
        assert!(begun.elapsed() < PATIENCE, "it is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
        broker.sweep().await.expect("the broker sweeps");
    }
    assert!(broker.reply("kept", "x".into()).await.expect("the broker answers"));
}
