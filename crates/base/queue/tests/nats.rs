//! NATS JetStream, by the oldest server that Debian ships.

use std::sync::Arc;
use std::time::Duration;

use sightscan_queue::{Broker, NatsBroker};
use sightscan_testkit::services::Nats;

async fn open() -> (Arc<dyn Broker>, Nats) {
    let nats = Nats::start();
    let broker = connect(&nats).await;
    (Arc::new(broker), nats)
}

async fn connect(nats: &Nats) -> NatsBroker {
    NatsBroker::open(&nats.url, "detect", |_| None).await.expect("the server answers")
}

sightscan_queue::queue_contract!(open);

#[tokio::test(flavor = "multi_thread")]
async fn no_message_comes_twice() {
    let (broker, _nats) = open().await;
    sightscan_queue::contract::no_message_comes_twice(broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_survives_a_restart_of_the_server() {
    let (broker, mut nats) = open().await;
    broker.requests().send(&["kept".to_owned()]).await.expect("it is sent");
    nats.restart();
    let again = connect(&nats).await;
    let found = again.requests().receive(1, Duration::from_secs(60), Duration::from_secs(20)).await;
    assert_eq!(found.expect("the queue answers")[0].body, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_who_vanished_comes_back() {
    let (broker, nats) = open().await;
    broker.requests().send(&["work".to_owned()]).await.expect("it is sent");
    let taken = broker.requests().receive(1, Duration::from_secs(600), Duration::from_secs(20)).await;
    assert_eq!(taken.expect("the queue answers").len(), 1);
    // Whoever had it is not heard of any more, however long its lease was.
    drop(broker);
    let other = connect(&nats).await;
    let found = other.requests().receive(1, Duration::from_secs(60), Duration::from_secs(20)).await;
    assert_eq!(found.expect("the queue answers")[0].receives, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_told() {
    let error =
        NatsBroker::open("nats://127.0.0.1:9", "detect", |_| None).await.expect_err("nobody is there");
    assert!(error.to_string().contains("detect"), "{error}");
}
