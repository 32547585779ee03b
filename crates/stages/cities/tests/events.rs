//! Following a city.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::Stage;
use sightscan_warehouse::cities::{self, Progress};
use tokio::time::timeout;

use crate::support::{Site, problem};

on_both_engines![
    w_p9_whoever_follows_a_city_hears_what_happens,
    the_epochs_of_a_training_are_followed,
    followers_do_not_hold_up_a_restart
];

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event: its name, its id and its data.
type Event = (String, u64, Value);

/// Somebody who follows a city.
struct Follower {
    body: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
}

impl Follower {
    async fn of(site: &Site, last: Option<u64>) -> Self {
        let request = site.request(Method::GET, "/v1/cities/berlin/events");
        let request = match last {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.bytes_stream().boxed(), text: String::new() }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                // Comments keep the connection open.
                if !event.starts_with(':') {
                    return Some(read(&event));
                }
                continue;
            }
            let piece = timeout(PATIENCE, self.body.next()).await.expect("an event comes in time")?;
            self.text.push_str(std::str::from_utf8(&piece.ok()?).unwrap());
        }
    }
}

fn read(event: &str) -> Event {
    let field = |name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} is missing in {event}")).to_owned()
    };
    (field("event"), field("id").parse().unwrap(), serde_json::from_str(&field("data")).unwrap())
}

async fn note(site: &Site, done: i64) {
    let database = &site.warehouse.database;
    let city = cities::by_slug(database, &"berlin".parse().unwrap()).await.unwrap().unwrap();
    let mut transaction = database.begin().await.unwrap();
    let progress = Progress { done, total: Some(10), message: Some("Reichstag".to_owned()) };
    let now = database.now();
    cities::note_progress(&mut transaction, city.id, Stage::Crawl, "a worker", &progress, now).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn w_p9_whoever_follows_a_city_hears_what_happens(test: TestDatabase) {
    let site = Site::start(test).await;
    problem(site.get("/v1/cities/berlin/events").await, 404, "unknown-city").await;
    site.approved("Berlin").await;
    let mut follower = Follower::of(&site, None).await;
    let (name, id, data) = follower.next().await.unwrap();
    assert_eq!(
        (name.as_str(), id, &data["state"]),
        ("state", 1, &json!("approved")),
        "what has happened so far"
    );
    // By another process, whose changes this one has to hear of.
    let other = site.replica(sightscan_cities::Config::default()).await;
    note(&other, 4).await;
    let (name, id, mut data) = follower.next().await.unwrap();
    assert_eq!((name.as_str(), id), ("progress", 2));
    assert!(data["at"].as_i64().unwrap() > 1_600_000_000_000);
    data.as_object_mut().unwrap().remove("at");
    let expected = json!({"city": "berlin", "stage": "crawl", "state": "approved", "done": 4, "total": 10,
                          "message": "Reichstag", "epoch": null});
    assert_eq!(data, expected);
    drop(follower);

    note(&other, 5).await;
    let mut again = Follower::of(&site, Some(2)).await;
    let (_, id, data) = again.next().await.unwrap();
    assert_eq!((id, &data["done"]), (3, &json!(5)), "nothing twice, nothing lost");
}

async fn the_epochs_of_a_training_are_followed(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let (database, epoch) = (&site.warehouse.database, json!({"epoch": 3, "box_loss": 0.25, "map50": null}));
    let city = cities::by_slug(database, &"berlin".parse().unwrap()).await.unwrap().unwrap();
    let mut transaction = database.begin().await.unwrap();
    cities::note_epoch(&mut transaction, city.id, "a worker", &epoch.to_string(), 7).await.unwrap();
    transaction.commit().await.unwrap();
    let mut follower = Follower::of(&site, Some(1)).await;
    let (name, id, data) = follower.next().await.unwrap();
    assert_eq!((name.as_str(), id), ("epoch", 2));
    assert_eq!((&data["epoch"], &data["message"]), (&epoch, &Value::Null));
}

async fn followers_do_not_hold_up_a_restart(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let mut follower = Follower::of(&site, None).await;
    follower.next().await.unwrap();
    site.stop();
    assert_eq!(follower.next().await, None);
}
