//! Amazon SQS, by a server that speaks its protocol.

use std::sync::Arc;

use sightscan_queue::{Broker, SqsBroker};
use sightscan_testkit::services::Moto;

async fn open() -> (Arc<dyn Broker>, Moto) {
    let moto = Moto::start();
    let broker = connect(&moto, "detect").await;
    (Arc::new(broker), moto)
}

async fn connect(moto: &Moto, queue: &str) -> SqsBroker {
    let variables = moto.variables();
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    SqsBroker::open(&moto.queue(queue), variable).await.expect("the service answers")
}

sightscan_queue::queue_contract!(open);

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_name_for_the_secret_key_works_and_queues_are_apart() {
    let moto = Moto::start();
    let [endpoint, _, region, id, (_, secret)] = moto.variables();
    let variables = [endpoint, region, id, ("AWS_ACCESS_KEY", secret)];
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let berlin = SqsBroker::open(&moto.queue("berlin"), variable).await.expect("it is let in");
    let rome = connect(&moto, "rome").await;
    berlin.requests().send(&["for Berlin".to_owned()]).await.expect("it is sent");
    assert_eq!(rome.requests().depth().await.expect("it is counted").waiting, 0);
    assert_eq!(berlin.requests().depth().await.expect("it is counted").waiting, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_answer_is_told() {
    let variable = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:9".to_owned()),
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    };
    let error = SqsBroker::open("http://127.0.0.1:9/1/detect", variable).await.expect_err("nobody is there");
    assert!(error.to_string().contains("detect"), "{error}");
}
