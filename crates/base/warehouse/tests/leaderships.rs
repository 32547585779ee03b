//! Of several that want to lead one does.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::leaderships::{lead, resign};

on_both_engines![
    of_many_one_leads,
    a_leader_that_vanished_is_replaced,
    a_leader_that_resigns_is_replaced_at_once
];

const LONG: i64 = 60_000;

async fn of_many_one_leads(test: TestDatabase) {
    let names: Vec<String> = (0..10).map(|number| format!("scheduler {number}")).collect();
    let leads = join_all(names.iter().map(|name| lead(&test.database, "planner", name, LONG))).await;
    assert_eq!(leads.into_iter().filter(|leads| *leads.as_ref().unwrap()).count(), 1);
    assert!(lead(&test.database, "another role", "scheduler 0", LONG).await.unwrap());
}

async fn a_leader_that_vanished_is_replaced(test: TestDatabase) {
    assert!(lead(&test.database, "planner", "one", 50).await.unwrap());
    assert!(lead(&test.database, "planner", "one", 50).await.unwrap(), "it goes on leading");
    let until = test.database.now() + 50;
    while !lead(&test.database, "planner", "two", LONG).await.unwrap() {
        assert!(test.database.now() <= until + 60_000);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!lead(&test.database, "planner", "one", 50).await.unwrap());
}

async fn a_leader_that_resigns_is_replaced_at_once(test: TestDatabase) {
    assert!(lead(&test.database, "planner", "one", LONG).await.unwrap());
    resign(&test.database, "planner", "two").await.unwrap();
    assert!(!lead(&test.database, "planner", "two", LONG).await.unwrap());
    resign(&test.database, "planner", "one").await.unwrap();
    assert!(lead(&test.database, "planner", "two", LONG).await.unwrap());
}
