//! Web tiers and workers that have nothing in common but a queue and buckets.

mod doubtful;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use reqwest::multipart::Form;
use serde_json::{Value, json};
use sightscan_blobs::{Address, Bucket};
use sightscan_engine::EngineChoice;
use sightscan_engine::model::{ModelFolder, Overrides};
use sightscan_queue::{Broker, Queue};
use sightscan_serve::elastic::{self, WorkerOptions, WorkerSummary};
use sightscan_serve::{
    Choice, Config, Detection, Factory, Front, Handle, Objects, Post, QueueWorker, start_front,
};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::tiny;
use sightscan_types::PixelBox;
use sightscan_warehouse::queues::TableBroker;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::elastic::doubtful::Doubtful;
use crate::support::*;
use crate::uploads::{measuring_workers, part, sized};

/// A queue, buckets, and what uses them.
struct Installation {
    database: TestDatabase,
    folder: TempDir,
    config: elastic::Config,
    client: reqwest::Client,
}

/// A wait that nobody ends; long enough for a slow machine to put a picture into the queue meanwhile.
const SHORT_MS: u64 = 3_000;

struct Tier {
    handle: Handle,
    url: String,
}

struct Worker {
    stop: CancellationToken,
    running: JoinHandle<WorkerSummary>,
}

impl Worker {
    async fn stop(self) -> WorkerSummary {
        self.stop.cancel();
        self.running.await.unwrap()
    }
}

impl Installation {
    async fn new() -> Self {
        let config = elastic::Config { lease_seconds: 20, ..elastic::Config::default() };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { database: TestDatabase::sqlite().await, folder: tempfile::tempdir().unwrap(), config, client }
    }

    async fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(TableBroker::open(&self.database.database, "detect").await.unwrap())
    }

    async fn queue(&self) -> Arc<dyn Queue> {
        self.broker().await.requests()
    }

    fn bucket(&self, name: &str) -> Bucket {
        Bucket::open(&Address::Folder(self.folder.path().join(name)), |_| None).unwrap()
    }

    fn objects(&self) -> Objects {
        Objects { input: self.bucket("in"), output: self.bucket("out"), results: self.bucket("results") }
    }

    async fn tier(&self) -> Tier {
        self.tier_with(Config::default()).await
    }

    async fn tier_with(&self, config: Config) -> Tier {
        self.tier_on(self.broker().await, config).await
    }

    async fn tier_on(&self, broker: Arc<dyn Broker>, config: Config) -> Tier {
        let choice = Choice {
            folder: ModelFolder::new(self.folder.path().join("models")),
            references: Vec::new(),
            overrides: Overrides::default(),
            engine: EngineChoice::Rten,
        };
        let post = Post::start(self.config.clone(), broker, self.objects(), choice, None).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = start_front(Front::elsewhere(config, Arc::new(post)).unwrap(), listener).unwrap();
        Tier { url: format!("http://{}", handle.address()), handle }
    }

    /// A worker with the tiny network.
    async fn worker(&self) -> Worker {
        self.worker_of(|config, model| Detection::start(config, vec![model]).unwrap(), None).await
    }

    async fn worker_with(&self, factory: Factory) -> Worker {
        self.worker_of(
            move |config, model| Detection::start_with(config, vec![model], factory).unwrap(),
            None,
        )
        .await
    }

    async fn worker_of(
        &self,
        detection: impl FnOnce(Config, Arc<sightscan_engine::Model>) -> Detection,
        exit_when_idle: Option<Duration>,
    ) -> Worker {
        self.worker_on(self.broker().await, detection, exit_when_idle).await
    }

    async fn worker_on(
        &self,
        broker: Arc<dyn Broker>,
        detection: impl FnOnce(Config, Arc<sightscan_engine::Model>) -> Detection,
        exit_when_idle: Option<Duration>,
    ) -> Worker {
        let model = sightscan_engine::Model::open(
            &tiny::write_colour_box(self.folder.path()),
            &Overrides::default(),
            EngineChoice::Rten,
        );
        let detection = Arc::new(detection(Config::default(), model.unwrap()));
        let options =
            WorkerOptions { name: "a-worker".into(), exit_when_idle, watcher: None, notifier: None };
        let worker = QueueWorker::new(self.config.clone(), detection, broker, self.objects(), options);
        let stop = CancellationToken::new();
        Worker { running: tokio::spawn(worker.run(stop.clone())), stop }
    }

    async fn detect(&self, tier: &Tier, name: &str, picture: Vec<u8>) -> reqwest::Response {
        let form = Form::new().part("image", part(name, picture));
        self.client.post(format!("{}/v1/detect", tier.url)).multipart(form).send().await.unwrap()
    }

    async fn upload(&self, tier: &Tier, field: &'static str, name: &str, picture: Vec<u8>) -> (u16, String) {
        let form = Form::new().part(field, part(name, picture));
        let response = self.client.post(&tier.url).multipart(form).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn get(&self, url: String) -> Value {
        ok_json(self.client.get(url).send().await.unwrap()).await
    }
}

/// Waits until something is so that must be asked for.
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "{what} did not come about");
}

fn names(bucket: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(bucket).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_api_answers_the_same_through_a_queue() {
    let installation = Installation::new().await;
    let (tier, worker) = (installation.tier().await, installation.worker().await);
    let direct = Server::tiny(Config::default()).await;
    let without_times = |mut answer: Value| {
        answer.as_object_mut().unwrap().remove("timing_ms");
        answer
    };
    for query in ["", "?confidence=0.99", "?model=colour_box&max=1", "?classes=colour"] {
        let url = format!("{}/v1/detect{query}", tier.url);
        let answer = installation.client.post(url).body(picture()).send().await.unwrap();
        assert!(answer.headers().contains_key("server-timing"));
        let answer = without_times(ok_json(answer).await);
        assert_eq!(answer, without_times(direct.v1(query, picture()).await), "{query}");
    }
    let course = json!({"id": "7", "image": encoded(&picture())}).to_string();
    let request = installation.client.post(format!("{}{COURSE}", tier.url));
    let answer = request.header("content-type", "application/json").body(course).send().await.unwrap();
    assert_eq!(ok_json(answer).await["objects"], direct.course("", &picture()).await["objects"]);
    let drawn = installation.client.post(format!("{}/v1/detect?annotate=png", tier.url)).body(picture());
    let drawn = drawn.send().await.unwrap();
    assert_eq!(
        (drawn.status().as_u16(), &drawn.headers()["content-type"]),
        (200, &"image/png".parse().unwrap())
    );
    for (query, body, expected) in [
        ("?model=other", picture(), (404, "unknown-model")),
        ("?classes=other", picture(), (400, "invalid-parameter")),
        ("?confidence=2", picture(), (400, "invalid-parameter")),
        ("", b"text".to_vec(), (415, "not-a-picture")),
        ("", Vec::new(), (400, "malformed")),
    ] {
        let response = installation.client.post(format!("{}/v1/detect{query}", tier.url)).body(body);
        let found = problem(response.send().await.unwrap()).await;
        assert_eq!(found, (expected.0, expected.1.to_owned()), "{query}");
    }
    let models = installation.get(format!("{}/v1/models", tier.url)).await;
    assert_eq!(models["items"][0]["name"], "landmarks", "what comes with the program: {models}");
    let summary = worker.stop().await;
    assert_eq!((summary.done, summary.failed, summary.dead), (6, 3, 0));
    tier.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_pictures_of_any_size_travel_by_their_key_and_small_ones_in_the_message_too() {
    let installation = Installation::new().await;
    let tier = installation.tier_with(Config { deadline_ms: SHORT_MS, ..Config::default() }).await;
    let large: Vec<u8> =
        (0..400_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    for (name, bytes) in [("small.png", picture()), ("large.bin", large.clone())] {
        let answer = installation.detect(&tier, name, bytes.clone()).await;
        assert_eq!(answer.status(), 202);
        let queue = installation.queue().await;
        let delivery =
            queue.receive(1, Duration::from_secs(60), Duration::from_secs(5)).await.unwrap().remove(0);
        assert!(delivery.body.len() < 64 << 10, "{} bytes", delivery.body.len());
        let message: Value = serde_json::from_str(&delivery.body).unwrap();
        assert_eq!((&message["name"], &message["input"]), (&json!(name), &json!(name)));
        assert!(message["id"].as_str().unwrap().len() == 36 && message["reply_to"].is_string(), "{message}");
        assert_eq!(message["picture"].is_string(), name == "small.png");
        let stored = fs_err::read(installation.folder.path().join("in").join(name)).unwrap();
        assert!(stored == bytes, "bytes as they were uploaded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_a_worker_that_dies_with_a_picture_leaves_it_to_the_next_and_the_user_gets_one_answer() {
    let installation = Installation::new().await;
    let tier = installation.tier().await;
    let asking = installation.detect(&tier, "a.png", picture());
    let dying = async {
        let queue = installation.queue().await;
        // It takes the picture and is never heard of again.
        let taken = queue.receive(1, Duration::from_secs(1), Duration::from_secs(5)).await.unwrap();
        assert_eq!(taken.len(), 1);
        installation.worker().await
    };
    let (answer, worker) = tokio::join!(asking, dying);
    assert_eq!(ok_json(answer).await["detections"].as_array().unwrap().len(), 1);
    assert_eq!(worker.stop().await.done, 1);
    assert_eq!(installation.queue().await.depth().await.unwrap().waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i06_answers_reach_the_user_whose_picture_it_was_whatever_it_is_called() {
    let installation = Installation::new().await;
    let tiers = [installation.tier().await, installation.tier().await];
    let workers = [installation.worker().await, installation.worker().await];
    // The box is as wide as the picture is red, so that the answer tells which picture it is for.
    let ask = async |number: u8| {
        let red = 2 * number + 50;
        let picture = tiny::plain_picture([red, 128, 255], 255, 10);
        let tier = &tiers[usize::from(number % 2)];
        let answer = ok_json(installation.detect(tier, "test_0.JPEG", picture).await).await;
        assert_eq!(answer["image"], "test_0.JPEG");
        let found: PixelBox = serde_json::from_value(answer["detections"][0]["box"].clone()).unwrap();
        assert!((found.width - f32::from(red)).abs() < 1.0, "{} for {red}", found.width);
    };
    stream::iter(0..100_u8).map(ask).buffer_unordered(25).count().await;
    let mut done = 0;
    for worker in workers {
        done += worker.stop().await.done;
    }
    assert_eq!(done, 100);
    assert_eq!(names(&installation.folder.path().join("in")).len(), 100);
    assert_eq!(names(&installation.folder.path().join("out")).len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn i07_second_answers_answers_to_nobody_and_nonsense_are_harmless() {
    let installation = Installation::new().await;
    let tier = installation.tier_with(Config { deadline_ms: 10_000, ..Config::default() }).await;
    let (reach, factory) = gated_workers();
    let worker = installation.worker_with(factory).await;
    let asking = tokio::spawn({
        let (client, url) = (installation.client.clone(), format!("{}/v1/detect", tier.url));
        async move { client.post(url).body(picture()).send().await.unwrap().status().as_u16() }
    });
    let queue = installation.queue().await;
    until("somebody has it", async || queue.depth().await.unwrap().in_flight == 1).await;
    let name = installation.folder.path();
    let reply_to = {
        let file = fs_err::read_dir(name.join("in")).unwrap().next().unwrap().unwrap();
        assert_eq!(file.file_name(), "picture");
        installation.reply_queue().await
    };
    let broker = installation.broker().await;
    for body in ["nonsense".to_owned(), json!({"id": uuid::Uuid::now_v7()}).to_string()] {
        assert!(broker.reply(&reply_to, body).await.unwrap());
    }
    reach.send(()).unwrap();
    assert_eq!(asking.await.unwrap(), 200);
    // The real answer a second time: its request is not waited for any more.
    let result = names(&name.join("results")).remove(0);
    assert!(broker.reply(&reply_to, json!({"id": result}).to_string()).await.unwrap());
    drop(reach);
    assert_eq!(installation.detect(&tier, "next.png", picture()).await.status(), 200);
    let metrics = installation.client.get(format!("{}/metrics", tier.url)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("sightscan_foreign_answers_total 3"), "{metrics}");
    until("the queue of answers is empty", async || installation.messages(&reply_to).await == 0).await;
    worker.stop().await;
}

impl Installation {
    /// The name of the only queue of answers.
    async fn reply_queue(&self) -> String {
        let rows = self.rows("SELECT name FROM queues WHERE expires_at IS NOT NULL").await;
        assert_eq!(rows.len(), 1);
        rows[0].clone()
    }

    async fn messages(&self, queue: &str) -> usize {
        let all = self.rows("SELECT queue FROM queue_messages").await;
        all.iter().filter(|name| *name == queue).count()
    }

    /// The first column of a query, as a tool of the database shows it.
    async fn rows(&self, query: &'static str) -> Vec<String> {
        sightscan_testkit::database::texts(&self.database.url, query).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i09_labels_are_stored_as_each_years_course_asks_for() {
    let installation = Installation::new().await;
    let tier = installation.tier().await;
    let worker = installation.worker_with(measuring_workers()).await;
    let first = installation.upload(&tier, "myfile", "test_0.JPEG", sized(4)).await;
    let second = installation.upload(&tier, "inputFile", "test_00.jpg", sized(5)).await;
    assert_eq!((first, second), ((200, "4x2".into()), (200, "test_00:5x2".into())));
    // Neither the same name again nor one that differs in its extension only takes anything away.
    installation.upload(&tier, "myfile", "test_0.JPEG", sized(6)).await;
    installation.upload(&tier, "myfile", "test_0.png", sized(4)).await;
    let out = installation.folder.path().join("out");
    assert_eq!(fs_err::read(out.join("test_0")).unwrap(), b"(test_0, 4x2)");
    assert_eq!(fs_err::read(out.join("test_00")).unwrap(), b"5x2");
    assert_eq!(names(&out).len(), 4, "{:?}", names(&out));
    assert_eq!(names(&installation.folder.path().join("in")).len(), 4);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_without_workers_the_wait_ends_with_an_address_that_tells_once_there_are() {
    let installation = Installation::new().await;
    let tier = installation.tier_with(Config { deadline_ms: SHORT_MS, ..Config::default() }).await;
    // Clients of the course take every 2xx for an answer.
    let course = json!({"id": "7", "image": encoded(&picture())}).to_string();
    let (answer, late, (status, text)) = tokio::join!(
        installation.detect(&tier, "a.png", picture()),
        installation.client.post(format!("{}{COURSE}", tier.url)).body(course).send(),
        installation.upload(&tier, "myfile", "b.png", picture()),
    );
    assert_eq!(answer.status(), 202);
    let address = answer.headers()["location"].to_str().unwrap().to_owned();
    let accepted: Value = answer.json().await.unwrap();
    assert_eq!(accepted["requests"][0]["status"], address.as_str());
    let late = late.unwrap();
    assert!(late.headers()["location"].to_str().unwrap().starts_with("/v1/requests/"));
    assert_eq!(problem(late).await, (504, "deadline".into()));
    assert!(status == 202 && text.starts_with("/v1/requests/"), "{status} {text}");
    let status = installation.get(format!("{}{address}", tier.url)).await;
    assert_eq!((&status["state"], &status["name"]), (&json!("accepted"), &json!("a.png")));
    // Any web tier tells.
    let other = installation.tier().await;
    let events = installation.client.get(format!("{}{address}/events", other.url)).send().await.unwrap();
    let worker = installation.worker().await;
    let events = events.text().await.unwrap();
    assert!(events.contains("\"state\":\"accepted\"") && events.contains("\"state\":\"done\""), "{events}");
    let ended = installation.get(format!("{}{address}", other.url)).await;
    assert_eq!(ended["report"]["detections"][0]["label"], tiny::COLOUR_BOX_CLASS);
    for unknown in ["nonsense".to_owned(), uuid::Uuid::now_v7().to_string()] {
        let url = format!("{}/v1/requests/{unknown}", tier.url);
        assert_eq!(
            problem(installation.client.get(url).send().await.unwrap()).await,
            (404, "not-found".into())
        );
    }
    until("all are done", async || installation.queue().await.depth().await.unwrap().waiting == 0).await;
    assert_eq!(worker.stop().await.done, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_fails_again_and_again_is_given_up_and_its_user_told() {
    let installation = Installation::new().await;
    let tier = installation.tier().await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let factory = workers(move |work| {
        if !is_canary(work) {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("poison");
        }
        nothing_found()
    });
    let worker = installation.worker_with(factory).await;
    let answer = installation.detect(&tier, "poison.png", picture()).await;
    assert_eq!(problem(answer).await, (500, "internal".into()));
    let queue = installation.queue().await;
    until("it is a dead letter", async || queue.depth().await.unwrap().dead == 1).await;
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.accepted, depth.waiting, depth.in_flight), (Some(1), 0, 0));
    assert_eq!(tries.load(Ordering::Relaxed), installation.config.max_receives as usize);
    assert_eq!(worker.stop().await.dead, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_a_dead_letter() {
    let installation = Installation::new().await;
    let queue = installation.queue().await;
    queue.send(&["{}".to_owned(), "no json".to_owned()]).await.unwrap();
    let worker = installation.worker().await;
    until("both are dead letters", async || queue.depth().await.unwrap().dead == 2).await;
    assert_eq!(worker.stop().await, WorkerSummary { dead: 2, ..WorkerSummary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_kept_as_long_as_the_picture_is_looked_at() {
    let mut installation = Installation::new().await;
    installation.config.lease_seconds = 5;
    let tier = installation.tier().await;
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    // Twice as long as the lease.
    let slow = workers(move |work| {
        if !is_canary(work) {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(10));
        }
        nothing_found()
    });
    let slow = installation.worker_with(slow).await;
    let asking = installation.detect(&tier, "a.png", picture());
    let other = async {
        let queue = installation.queue().await;
        until("somebody has it", async || queue.depth().await.unwrap().in_flight == 1).await;
        installation.worker().await
    };
    let (answer, other) = tokio::join!(asking, other);
    assert_eq!(answer.status(), 200);
    assert_eq!(slow.stop().await, WorkerSummary { done: 1, ..WorkerSummary::default() });
    assert_eq!(other.stop().await, WorkerSummary::default(), "it must not get it as well");
    assert_eq!(looks.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_a_bucket_costs_a_picture_no_try() {
    let mut installation = Installation::new().await;
    installation.config.lease_seconds = 5;
    let (tier, worker) = (installation.tier().await, installation.worker().await);
    // A file in its place: nothing can be stored or read there.
    let results = installation.folder.path().join("results");
    let aside = installation.folder.path().join("aside");
    fs_err::rename(&results, &aside).unwrap();
    fs_err::write(&results, "").unwrap();
    let asking = installation.detect(&tier, "a.png", picture());
    let mending = async {
        let queue = installation.queue().await;
        until("somebody has it", async || queue.depth().await.unwrap().in_flight == 1).await;
        // Longer than its lease and all tries would take.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(queue.depth().await.unwrap().in_flight, 1, "it is held");
        fs_err::remove_file(&results).unwrap();
        fs_err::rename(&aside, &results).unwrap();
    };
    let (answer, ()) = tokio::join!(asking, mending);
    assert_eq!(ok_json(answer).await["detections"].as_array().unwrap().len(), 1);
    assert_eq!(worker.stop().await, WorkerSummary { done: 1, ..WorkerSummary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_which_nobody_knows_whether_it_was_sent_has_one_end() {
    let installation = Installation::new().await;
    let doubtful = Doubtful::new(installation.broker().await);
    let tier = installation.tier_on(doubtful, Config::default()).await;
    let answer = installation.detect(&tier, "a.png", picture()).await;
    assert_eq!(problem(answer).await, (503, "unavailable".into()));
    // It is in the queue all the same: whoever finds it there finds how it has ended, and its picture.
    let (queue, objects) = (installation.queue().await, installation.objects());
    assert_eq!(queue.depth().await.unwrap().waiting, 1);
    assert_eq!(objects.states().await.unwrap(), ["unsent"]);
    assert_eq!(names(&installation.folder.path().join("in")), ["a.png"]);
    let worker = installation.worker().await;
    until("it is taken out", async || {
        let depth = queue.depth().await.unwrap();
        depth.waiting + depth.in_flight == 0
    })
    .await;
    assert_eq!(worker.stop().await, WorkerSummary { failed: 1, ..WorkerSummary::default() });
    assert_eq!(objects.states().await.unwrap(), ["unsent"], "once and for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_answer_is_not_an_empty_one() {
    let installation = Installation::new().await;
    let doubtful = Doubtful::new(installation.broker().await);
    let detection = |config, model| Detection::start(config, vec![model]).unwrap();
    let broker: Arc<dyn Broker> = doubtful.clone();
    let worker = installation.worker_on(broker, detection, Some(Duration::from_millis(300))).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!worker.running.is_finished(), "it waits for the queue");
    doubtful.recover();
    let ended = tokio::time::timeout(Duration::from_secs(60), worker.running).await;
    assert_eq!(ended.unwrap().unwrap(), WorkerSummary::default(), "then there is nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_was_damaged_is_given_up_and_not_read_for_ever() {
    let mut installation = Installation::new().await;
    installation.config.max_receives = 1;
    let tier = installation.tier_with(Config { deadline_ms: SHORT_MS, ..Config::default() }).await;
    let answer = installation.detect(&tier, "a.png", picture()).await;
    assert_eq!(answer.status(), 202);
    let told: Value = answer.json().await.unwrap();
    let id = told["requests"][0]["id"].as_str().unwrap();
    installation.bucket("results").put(id, "no json".into()).await.unwrap();
    let worker = installation.worker().await;
    let queue = installation.queue().await;
    until("it is a dead letter", async || queue.depth().await.unwrap().dead == 1).await;
    assert_eq!(worker.stop().await, WorkerSummary { dead: 1, retried: 1, ..WorkerSummary::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_comes_back_however_long_it_is() {
    let installation = Installation::new().await;
    let (tier, worker) = (installation.tier().await, installation.worker().await);
    let name = format!("{}.png", "ü".repeat(2000));
    let answer = ok_json(installation.detect(&tier, &name, picture()).await).await;
    assert_eq!(answer["image"], name.as_str());
    let id = "x".repeat(400_000);
    let course = json!({"id": id, "image": encoded(&picture())}).to_string();
    let request = installation.client.post(format!("{}{COURSE}", tier.url)).body(course);
    assert_eq!(ok_json(request.send().await.unwrap()).await["id"], id.as_str());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawn_picture_is_told_at_the_address_too() {
    let installation = Installation::new().await;
    let tier = installation.tier_with(Config { deadline_ms: SHORT_MS, ..Config::default() }).await;
    let url = format!("{}/v1/detect?annotate=png", tier.url);
    let answer = installation.client.post(url).body(picture()).send().await.unwrap();
    let address = answer.headers()["location"].to_str().unwrap().to_owned();
    let worker = installation.worker().await;
    let status = async || installation.get(format!("{}{address}", tier.url)).await;
    until("it is done", async || status().await["state"] == "done").await;
    let drawn = status().await["drawn"].as_str().unwrap().to_owned();
    let drawn = base64_simd::STANDARD.decode_to_vec(drawn).unwrap();
    assert!(drawn.starts_with(b"\x89PNG"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_leaves_a_result() {
    let installation = Installation::new().await;
    let tier = installation.tier().await;
    let asking =
        tokio::spawn(installation.client.post(format!("{}/v1/detect", tier.url)).body(picture()).send());
    let queue = installation.queue().await;
    until("it is sent", async || queue.depth().await.unwrap().waiting == 1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled(), "it has left");
    let worker = installation.worker().await;
    let results = installation.folder.path().join("results");
    until("there is a result", async || names(&results).len() == 1).await;
    assert_eq!(worker.stop().await.done, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_a_worker_ends_by_itself_when_there_is_nothing_to_do_and_not_before() {
    let installation = Installation::new().await;
    let tier = installation.tier().await;
    let limit = Duration::from_secs(6);
    let start = |config, model| Detection::start(config, vec![model]).unwrap();
    let worker = installation.worker_of(start, Some(limit)).await;
    for _ in 0..3 {
        assert_eq!(installation.detect(&tier, "a.png", picture()).await.status(), 200);
        // Longer than the limit, all together.
        tokio::time::sleep(limit / 2).await;
        assert!(!worker.running.is_finished());
    }
    let summary =
        tokio::time::timeout(Duration::from_secs(60), worker.running).await.expect("it ends").unwrap();
    assert_eq!(summary.done, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_tier_that_ends_leaves_no_queue_of_answers() {
    let installation = Installation::new().await;
    let tier = installation.tier().await;
    let reply_to = installation.reply_queue().await;
    assert!(tier.handle.stop().await.cut_off == 0);
    assert!(!installation.broker().await.reply(&reply_to, "x".into()).await.unwrap());
}
