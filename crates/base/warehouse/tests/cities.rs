//! Cities: their names, their life, their history, who asked for them.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::names::{CityName, Slug};
use sightscan_types::{CityState, Stage};
use sightscan_warehouse::Database;
use sightscan_warehouse::cities::{self, City, Filter, NotNow, Place, Progress, Step};

on_both_engines![
    any_name_is_a_city_and_never_more_than_a_name,
    a_city_is_made_once_by_many_at_once,
    requests_are_counted_by_post_and_by_requester,
    a_life_is_a_history_with_who_and_why,
    a_step_that_is_not_allowed_changes_nothing,
    of_two_who_approve_at_once_one_does,
    a_paused_city_goes_on_where_it_was,
    a_failed_city_goes_on_with_the_stage_that_failed,
    progress_is_seen_and_numbered_without_gaps,
    cities_are_listed_by_pages_and_found_by_text,
];

async fn create(database: &Database, name: &str) -> City {
    let mut transaction = database.begin().await.unwrap();
    let name = CityName::parse(name).unwrap();
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    city
}

async fn step(database: &Database, city: &City, step: Step) -> Result<City, NotNow> {
    let mut transaction = database.begin().await.unwrap();
    let now = database.now();
    let result =
        cities::step(&mut transaction, city.id, &step, "admin", Some("for the test"), now).await.unwrap();
    transaction.commit().await.unwrap();
    result
}

async fn any_name_is_a_city_and_never_more_than_a_name(test: TestDatabase) {
    let names = [
        "Köln",
        "Xi'an",
        "Stratford-upon-Avon",
        "St. John's",
        "Rom",
        "北京",
        "x'); DROP TABLE cities; --",
        "$(reboot)",
    ];
    for name in names {
        let city = create(&test.database, name).await;
        let found = cities::by_slug(&test.database, &city.slug).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.state), (name, CityState::Requested));
        assert_eq!(create(&test.database, &found.legacy_name).await.id, city.id, "{name}");
    }
    assert_eq!(cities::list(&test.database, &Filter::default(), None, 100).await.unwrap().len(), names.len());
}

async fn a_city_is_made_once_by_many_at_once(test: TestDatabase) {
    let names = ["New York", "NEW_YORK", "new york", "NEW YORK"].repeat(5);
    let made = join_all(names.iter().map(|name| create(&test.database, name))).await;
    assert!(made.iter().all(|city| city.id == made[0].id));
    let place = Place { id: 2_950_159, country: "DE".to_owned(), latitude: 52.52, longitude: 13.41 };
    let mut transaction = test.database.begin().await.unwrap();
    let berlin = CityName::parse("berlin").unwrap();
    let (city, is_new) = cities::find_or_create(&mut transaction, &berlin, Some(&place), 5).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(is_new);
    assert_eq!(cities::by_id(&test.database, city.id).await.unwrap().unwrap().place, Some(place));
}

async fn requests_are_counted_by_post_and_by_requester(test: TestDatabase) {
    let city = create(&test.database, "Kyoto").await;
    let ask = async |requester: String| {
        let mut transaction = test.database.begin().await.unwrap();
        cities::count_request(&mut transaction, city.id, &requester, 1).await.unwrap();
        transaction.commit().await.unwrap();
    };
    join_all((0..30).map(|number| ask(format!("client {}", number % 7)))).await;
    let requests = cities::requests(&test.database, city.id).await.unwrap();
    assert_eq!((requests.posts, requests.requesters), (30, 7));
}

async fn a_life_is_a_history_with_who_and_why(test: TestDatabase) {
    let city = create(&test.database, "Berlin").await;
    let life = [
        CityState::Approved,
        CityState::Crawling,
        CityState::Labelling,
        CityState::Training,
        CityState::Live,
    ];
    for state in life {
        assert_eq!(step(&test.database, &city, Step::To(state)).await.unwrap().state, state);
    }
    let history = cities::history(&test.database, city.id, 0, 100).await.unwrap();
    let states: Vec<_> = history.iter().map(|event| event.state.clone().unwrap()).collect();
    assert_eq!(states, life.map(|state| state.to_string()));
    assert!(
        history
            .iter()
            .all(|event| event.actor == "admin" && event.message.as_deref() == Some("for the test"))
    );
    assert_eq!(history[0].from_state.as_deref(), Some("requested"));
}

async fn a_step_that_is_not_allowed_changes_nothing(test: TestDatabase) {
    let city = create(&test.database, "Berlin").await;
    let refused = step(&test.database, &city, Step::To(CityState::Crawling)).await;
    assert_eq!(refused, Err(NotNow { state: CityState::Requested }));
    assert_eq!(cities::by_id(&test.database, city.id).await.unwrap().unwrap(), city);
    assert!(cities::events(&test.database, city.id, 0, 10).await.unwrap().is_empty());
}

async fn of_two_who_approve_at_once_one_does(test: TestDatabase) {
    let city = create(&test.database, "Berlin").await;
    let approved = join_all((0..8).map(|_| step(&test.database, &city, Step::To(CityState::Approved)))).await;
    assert_eq!(approved.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(cities::history(&test.database, city.id, 0, 10).await.unwrap().len(), 1);
}

async fn a_paused_city_goes_on_where_it_was(test: TestDatabase) {
    let city = create(&test.database, "Berlin").await;
    step(&test.database, &city, Step::To(CityState::Approved)).await.unwrap();
    step(&test.database, &city, Step::To(CityState::Crawling)).await.unwrap();
    let paused = step(&test.database, &city, Step::Pause("too dear".to_owned())).await.unwrap();
    assert_eq!((paused.state, paused.reason.as_deref()), (CityState::Paused, Some("too dear")));
    let resumed = step(&test.database, &city, Step::Resume).await.unwrap();
    assert_eq!((resumed.state, resumed.reason, resumed.resumes), (CityState::Crawling, None, None));
}

async fn a_failed_city_goes_on_with_the_stage_that_failed(test: TestDatabase) {
    let city = create(&test.database, "Berlin").await;
    for state in [CityState::Approved, CityState::Crawling, CityState::Labelling] {
        step(&test.database, &city, Step::To(state)).await.unwrap();
    }
    let failed = step(&test.database, &city, Step::Fail(Stage::Label, "no key".to_owned())).await.unwrap();
    assert_eq!((failed.state, failed.failed_stage), (CityState::Failed, Some(Stage::Label)));
    assert_eq!(cities::by_id(&test.database, city.id).await.unwrap().unwrap(), failed);
    assert_eq!(step(&test.database, &city, Step::Resume).await.unwrap().state, CityState::Labelling);
}

async fn progress_is_seen_and_numbered_without_gaps(test: TestDatabase) {
    let city = create(&test.database, "Berlin").await;
    let note = async |done: i64| {
        let mut transaction = test.database.begin().await.unwrap();
        let progress = Progress { done, total: Some(20), message: Some("Brandenburger Tor".to_owned()) };
        cities::note_progress(&mut transaction, city.id, Stage::Crawl, "worker", &progress, 1).await.unwrap();
        cities::remark(&mut transaction, city.id, "worker", "a remark", 1).await.unwrap();
        cities::note_epoch(&mut transaction, city.id, "worker", "{}", 1).await.unwrap();
        transaction.commit().await.unwrap();
    };
    join_all((1..=10).map(note)).await;
    let events = cities::events(&test.database, city.id, 0, 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    assert_eq!(cities::events(&test.database, city.id, 28, 100).await.unwrap().len(), 2);
    assert_eq!(cities::forget_progress(&test.database, 2).await.unwrap(), 20);
    assert_eq!(cities::by_id(&test.database, city.id).await.unwrap().unwrap().progress.total, Some(20));
}

async fn cities_are_listed_by_pages_and_found_by_text(test: TestDatabase) {
    for name in ["Berlin", "Århus", "New York", "York", "100% Town", "1000 Town"] {
        create(&test.database, name).await;
    }
    let list = async |search: &str, after: Option<&Slug>, limit| {
        let filter = Filter { search: Some(search.to_owned()), state: None };
        let cities = cities::list(&test.database, &filter, after, limit).await.unwrap();
        cities.into_iter().map(|city| city.name).collect::<Vec<_>>()
    };
    assert_eq!(list("YORK", None, 10).await, ["New York", "York"]);
    assert_eq!(list("YORK", None, 1).await, ["New York"]);
    assert_eq!(list("YORK", Some(&"new-york".parse().unwrap()), 10).await, ["York"]);
    assert_eq!(list("ÅRHUS", None, 10).await, ["Århus"]);
    assert_eq!(list("100% T", None, 10).await, ["100% Town"]);
    let requested = Filter { state: Some(CityState::Live), search: None };
    assert!(cities::list(&test.database, &requested, None, 10).await.unwrap().is_empty());
}
