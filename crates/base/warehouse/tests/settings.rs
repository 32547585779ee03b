//! Small facts.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::settings;

on_both_engines![a_setting_is_kept_and_replaced, of_many_that_set_once_one_wins];

async fn a_setting_is_kept_and_replaced(test: TestDatabase) {
    let database = &test.database;
    assert_eq!(settings::get(database, "colour").await.unwrap(), None);
    settings::set(database, "colour", "Rot 'or' \u{5317}\u{4eac}; DROP TABLE settings").await.unwrap();
    settings::set(database, "colour", "blau").await.unwrap();
    assert_eq!(settings::get(database, "colour").await.unwrap().as_deref(), Some("blau"));
}

async fn of_many_that_set_once_one_wins(test: TestDatabase) {
    let values: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let set = values.iter().map(|value| settings::set_once(&test.database, "token", value));
    let results: Vec<(String, bool)> = join_all(set).await.into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(results.iter().filter(|(_, won)| *won).count(), 1);
    assert!(results.iter().all(|(holds, _)| *holds == results[0].0));
}
