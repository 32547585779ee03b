//! Models: numbered without gaps, the newest one served at once.

use bytes::Bytes;
use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityId, ModelAction, ModelState, Sha256};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::marts;
use sightscan_warehouse::models::{self, By, Details, Model, NewModel, Promoted};

use crate::support::{BY, TestWarehouse, new_model};

on_both_engines![
    row_05_models_of_a_city_count_from_1_and_the_newest_is_served,
    w_c40_ten_who_publish_at_once_get_ten_versions,
    row_06_w_p03_the_mart_has_the_live_model_of_each_city_at_once,
    a_model_is_kept_as_it_was_published,
    details_are_apart_from_what_is_in_lists,
    a_city_that_is_not_there_has_no_model,
    a_candidate_answers_only_when_it_is_promoted,
    a_training_that_is_tried_again_leaves_one_candidate,
    rolling_back_goes_the_way_back_step_by_step,
    ten_who_promote_at_once_leave_one_live_and_a_ledger_without_gaps,
    models_of_before_the_registry_are_live_or_retired,
];

async fn row_05_models_of_a_city_count_from_1_and_the_newest_is_served(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, rome) = (test.city("Berlin").await, test.city("Rome").await);
    assert_eq!(models::current(test.database(), &berlin.slug).await.unwrap(), None);
    let first = test.publish(&berlin, "first", None).await;
    let second = test.publish(&berlin, "second", None).await;
    let other = test.publish(&rome, "first", None).await;
    assert_eq!([first.version, second.version, other.version], [1, 2, 1]);
    assert_eq!(models::current(test.database(), &berlin.slug).await.unwrap().unwrap(), second);
    let first = Model { state: ModelState::Retired, ..first };
    assert_eq!(models::get(test.database(), berlin.id, 1).await.unwrap().unwrap(), first);
    assert_eq!(models::get(test.database(), berlin.id, 3).await.unwrap(), None);
    let page = models::list(test.database(), berlin.id, None, 1).await.unwrap();
    assert_eq!(page, [second]);
    let next = models::list(test.database(), berlin.id, Some(page[0].version), 10).await.unwrap();
    assert_eq!(next, [first]);
}

async fn w_c40_ten_who_publish_at_once_get_ten_versions(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let contents: Vec<_> = (0..10).map(|number| format!("model {number}")).collect();
    let published = join_all(contents.iter().map(|content| test.publish(&berlin, content, None))).await;
    let mut versions: Vec<_> = published.iter().map(|model| model.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=10).collect::<Vec<_>>());
    assert_eq!(models::current(test.database(), &berlin.slug).await.unwrap().unwrap().version, 10);
}

async fn row_06_w_p03_the_mart_has_the_live_model_of_each_city_at_once(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (berlin, york) = (test.city("Berlin").await, test.city("new_york").await);
    test.city("Rome").await;
    for content in ["one", "two", "three"] {
        let published = test.publish(&york, content, None).await;
        // Nothing is refreshed in between.
        let shown = marts::current_models(test.database()).await.unwrap();
        assert_eq!(shown.len(), 1);
        assert_eq!((shown[0].model, shown[0].version), (published.id, published.version));
        assert_eq!((shown[0].sha256, shown[0].size), (published.sha256, published.size));
    }
    test.publish(&berlin, "four", None).await;
    let shown = marts::current_models(test.database()).await.unwrap();
    let shown: Vec<_> = shown.iter().map(|each| (each.legacy_name.as_str(), each.version)).collect();
    assert_eq!(shown, [("BERLIN", 1), ("NEW_YORK", 3)]);
}

async fn a_model_is_kept_as_it_was_published(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let model = NewModel {
        considered_images: 123,
        metrics: r#"{"map50": 0.5}"#.to_owned(),
        ..new_model(&test.city("Berlin").await)
    };
    let published = models::publish(&test.warehouse, Bytes::from_static(b"onnx"), &model, BY).await.unwrap();
    assert_eq!((published.city, published.considered_images), (model.city, 123));
    assert_eq!((&published.metrics, &published.specification), (&model.metrics, &model.specification));
    assert_eq!((published.size, published.sha256), (4, Sha256::of(b"onnx")));
    assert_eq!((published.tainted_at, published.taint), (None, None));
    assert_eq!(test.warehouse.blobs.get(&published.sha256).await.unwrap(), "onnx");
}

async fn details_are_apart_from_what_is_in_lists(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let model = test.publish_with_sheet(&city, &[Sha256::of(b"a gate")]).await;
    let (metrics, details) = model.measured().unwrap();
    assert_eq!(metrics, serde_json::json!({"map50": 0.5}));
    assert_eq!(details.sheet[0].there[0].area.w, 0.5);
    // One that was imported has none.
    let imported = test.candidate(&city, "imported").await.measured().unwrap();
    assert_eq!(imported, (serde_json::json!({}), Details::default()));
    let damaged = Model { metrics: r#"{"details": 7}"#.to_owned(), ..model };
    assert!(damaged.measured().unwrap_err().to_string().contains("details of a model"));
}

async fn a_city_that_is_not_there_has_no_model(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let model = NewModel { city: CityId::new(), ..new_model(&test.city("Berlin").await) };
    assert!(models::publish(&test.warehouse, Bytes::from_static(b"onnx"), &model, BY).await.is_err());
    assert_eq!(test.count("SELECT COUNT(*) FROM models").await, 0);
}

impl TestWarehouse {
    async fn candidate(&self, city: &City, content: &'static str) -> Model {
        let model = new_model(city);
        models::register(&self.warehouse, content.into(), &model, BY).await.unwrap()
    }

    async fn promote(&self, city: &City, version: i64) -> Promoted {
        let mut transaction = self.database().begin().await.unwrap();
        let promoted = models::promote(&mut transaction, city.id, version, BY, 7).await.unwrap();
        transaction.commit().await.unwrap();
        promoted
    }

    async fn roll_back(&self, city: &City) -> Option<i64> {
        let mut transaction = self.database().begin().await.unwrap();
        let by = By { actor: "bob", why: "it sees ghosts" };
        let live = models::roll_back(&mut transaction, city.id, by, 8).await.unwrap();
        transaction.commit().await.unwrap();
        live.map(|live| live.version)
    }

    async fn live(&self, city: &City) -> Option<i64> {
        models::current(self.database(), &city.slug).await.unwrap().map(|model| model.version)
    }

    /// What was done with which version, and which one it replaced; the oldest first.
    async fn ledger(&self, city: &City) -> Vec<(ModelAction, i64, Option<i64>)> {
        let entries = models::history(self.database(), city.id, None, 1000).await.unwrap();
        let numbers: Vec<i64> = entries.iter().rev().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=entries.len() as i64).collect::<Vec<_>>());
        entries.iter().rev().map(|entry| (entry.action, entry.version, entry.replaced)).collect()
    }
}

async fn a_candidate_answers_only_when_it_is_promoted(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let first = test.candidate(&berlin, "first").await;
    assert_eq!((first.version, first.state, test.live(&berlin).await), (1, ModelState::Candidate, None));
    assert_eq!(test.roll_back(&berlin).await, None);
    assert!(
        matches!(test.promote(&berlin, 1).await, Promoted::Now(model) if model.state == ModelState::Live)
    );
    assert_eq!(test.promote(&berlin, 1).await, Promoted::Before);
    assert_eq!(test.promote(&berlin, 2).await, Promoted::Unknown);
    let second = test.candidate(&berlin, "second").await;
    let mut transaction = test.database().begin().await.unwrap();
    let rejected =
        models::reject(&mut transaction, &second, By { actor: "gate", why: "worse" }, 9).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((rejected.state, test.live(&berlin).await), (ModelState::Rejected, Some(1)));
    let last = &models::history(test.database(), berlin.id, None, 1).await.unwrap()[0];
    assert_eq!((last.actor.as_str(), last.why.as_str(), last.at), ("gate", "worse", 9));
    use ModelAction::{Promoted as Live, Registered, Rejected};
    let expected = [(Registered, 1, None), (Live, 1, None), (Registered, 2, None), (Rejected, 2, None)];
    assert_eq!(test.ledger(&berlin).await, expected);
}

async fn a_training_that_is_tried_again_leaves_one_candidate(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let dataset = Some(test.dataset(&berlin, &[]).await);
    let model = NewModel { dataset, ..new_model(&berlin) };
    let first = models::register(&test.warehouse, "onnx".into(), &model, BY).await.unwrap();
    let again = models::register(&test.warehouse, "onnx".into(), &model, BY).await.unwrap();
    assert_eq!(first, again);
    let other = models::register(&test.warehouse, "other".into(), &model, BY).await.unwrap();
    assert_eq!(other.version, 2);
}

async fn rolling_back_goes_the_way_back_step_by_step(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    for content in ["one", "two", "three"] {
        test.publish(&berlin, content, None).await;
    }
    assert_eq!(test.roll_back(&berlin).await, Some(2));
    assert_eq!(test.roll_back(&berlin).await, Some(1));
    assert_eq!(test.roll_back(&berlin).await, None);
    assert_eq!(test.live(&berlin).await, Some(1));
    test.promote(&berlin, 3).await;
    assert_eq!(test.roll_back(&berlin).await, Some(1), "what was live before, not the number before");
    let ledger = test.ledger(&berlin).await;
    assert_eq!(
        ledger[3..],
        [
            (ModelAction::RolledBack, 2, Some(3)),
            (ModelAction::RolledBack, 1, Some(2)),
            (ModelAction::Promoted, 3, Some(1)),
            (ModelAction::RolledBack, 1, Some(3)),
        ]
    );
}

async fn ten_who_promote_at_once_leave_one_live_and_a_ledger_without_gaps(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    for content in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"] {
        test.candidate(&berlin, content).await;
    }
    join_all((1..=10).map(|version| test.promote(&berlin, version))).await;
    assert_eq!(test.count("SELECT COUNT(*) FROM models WHERE state = 'live'").await, 1);
    let ledger = test.ledger(&berlin).await;
    let mut live = None;
    for (_, version, replaced) in &ledger[10..] {
        assert_eq!(*replaced, live);
        live = Some(*version);
    }
    assert_eq!((ledger.len(), test.live(&berlin).await), (20, live));
}

async fn models_of_before_the_registry_are_live_or_retired(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    for content in ["one", "two"] {
        test.publish(&berlin, content, None).await;
    }
    test.promote(&berlin, 1).await;
    test.database().migrate(Some(8)).await.unwrap();
    test.database().migrate(None).await.unwrap();
    // Before, the newest one was served.
    assert_eq!(test.live(&berlin).await, Some(2));
    assert_eq!(models::get(test.database(), berlin.id, 1).await.unwrap().unwrap().state, ModelState::Retired);
    assert_eq!(test.ledger(&berlin).await, [(ModelAction::Promoted, 2, None)]);
}
