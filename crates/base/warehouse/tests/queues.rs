//! The contract of queues, on both engines.

mod sqlite {
    use std::sync::Arc;

    use sightscan_queue::Broker;
    use sightscan_testkit::database::TestDatabase;
    use sightscan_warehouse::queues::TableBroker;

    async fn open() -> (Arc<dyn Broker>, TestDatabase) {
        let test = TestDatabase::sqlite().await;
        (Arc::new(TableBroker::open(&test.database, "detect").await.unwrap()), test)
    }

    sightscan_queue::queue_contract!(open);

    #[tokio::test(flavor = "multi_thread")]
    async fn no_message_comes_twice() {
        let (broker, _test) = open().await;
        sightscan_queue::contract::no_message_comes_twice(broker).await;
    }
}

mod postgres {
    use std::sync::Arc;

    use sightscan_queue::Broker;
    use sightscan_testkit::database::TestDatabase;
    use sightscan_warehouse::queues::TableBroker;

    async fn open() -> (Arc<dyn Broker>, TestDatabase) {
        let test = TestDatabase::postgres().await;
        (Arc::new(TableBroker::open(&test.database, "detect").await.unwrap()), test)
    }

    sightscan_queue::queue_contract!(open);

    #[tokio::test(flavor = "multi_thread")]
    async fn no_message_comes_twice() {
        let (broker, _test) = open().await;
        sightscan_queue::contract::no_message_comes_twice(broker).await;
    }
}
