//! The contract of queues, on both engines.

use std::sync::Arc;

use sightscan_queue::Broker;
use sightscan_testkit::database::TestDatabase;
use sightscan_warehouse::queues::TableBroker;

async fn broker(test: TestDatabase) -> (Arc<dyn Broker>, TestDatabase) {
    (Arc::new(TableBroker::open(&test.database, "detect").await.unwrap()), test)
}

macro_rules! on {
    ($engine:ident) => {
        mod $engine {
            use super::*;

            async fn open() -> (Arc<dyn Broker>, TestDatabase) {
                broker(TestDatabase::$engine().await).await
            }

            sightscan_queue::queue_contract!(open);

            #[tokio::test(flavor = "multi_thread")]
            async fn no_message_comes_twice() {
                let (broker, _test) = open().await;
                sightscan_queue::contract::no_message_comes_twice(broker).await;
            }
        }
    };
}

on!(sqlite);
on!(postgres);
