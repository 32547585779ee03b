//! The life of a city: what an admin decides, and what workers bring about.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sightscan_cities::{Config, Life};
use sightscan_jobs::{Backoff, Completed, Handle, JobError, Registry, Run, Runner, RunnerConfig, Summary};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CrawlCity, LabelCity, TrainCity};
use tokio_util::sync::CancellationToken;

use crate::support::{Site, problem};

on_both_engines![
    a_city_lives_from_its_request_to_live,
    a_live_city_stays_live_whatever_its_jobs_do,
    a_stage_that_fails_for_good_is_told_and_retried_from_there,
    a_paused_city_has_no_jobs_and_goes_on_where_it_was,
    a_rejected_city_can_be_approved_later,
    decisions_that_mean_nothing_are_refused,
    w_p9_jobs_show_their_progress_and_can_be_cancelled_and_retried,
];

/// Does all stages: well, or not at all.
#[derive(Clone)]
struct Worker {
    fails: bool,
}

impl Worker {
    async fn work(&self, run: &Run) -> Result<Completed, JobError> {
        run.progress(3, Some(4), Some("three of four"));
        if self.fails { Err(JobError::Fatal("no network".to_owned())) } else { run.done().await }
    }
}

/// Each stage is worked on alike.
macro_rules! handles {
    ($($job:ty),+) => {$(
        impl Handle<$job> for Worker {
            async fn run(&self, _: $job, run: &Run) -> Result<Completed, JobError> {
                self.work(run).await
            }
        }
    )+};
}
handles!(CrawlCity, LabelCity, TrainCity);

/// Does what there is to do.
async fn work(site: &Site, fails: bool) -> Summary {
    let worker = Worker { fails };
    let registry = Registry::new()
        .register::<CrawlCity>(worker.clone())
        .register::<LabelCity>(worker.clone())
        .register::<TrainCity>(worker);
    let config = RunnerConfig {
        exit_when_idle: Some(Duration::ZERO),
        poll: Duration::from_millis(20),
        worker: "a worker".to_owned(),
        backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(1) },
        ..RunnerConfig::default()
    };
    let database = site.warehouse.database.clone();
    let life = Arc::new(Life::new(database.clone()));
    let runner = Runner::new(database, registry, config, Some(life)).unwrap();
    runner.run(CancellationToken::new()).await
}

async fn state(site: &Site) -> Value {
    site.json("/v1/cities/berlin").await["state"].clone()
}

/// Enqueues the job of a stage, as a plan does.
async fn enqueue<J: sightscan_jobs::Job>(site: &Site, job: impl FnOnce(sightscan_types::CityId) -> J) {
    let database = &site.warehouse.database;
    let slug = "berlin".parse().unwrap();
    let city = sightscan_warehouse::cities::by_slug(database, &slug).await.unwrap().unwrap();
    let mut transaction = database.begin().await.unwrap();
    let wish = sightscan_jobs::Wish::default();
    sightscan_jobs::enqueue(&mut transaction, &job(city.id), wish, database.now()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn train(site: &Site) {
    enqueue(site, |city| TrainCity { city, epochs: 1, min_images_per_label: 1 }).await;
}

async fn label(site: &Site) {
    enqueue(site, |city| LabelCity { city, budget: 1 }).await;
}

async fn a_city_lives_from_its_request_to_live(test: TestDatabase) {
    let site = Site::start(test).await;
    assert_eq!(site.approved("Berlin").await["state"], "approved");
    assert_eq!(work(&site, false).await.done, 1);
    assert_eq!(state(&site).await, "labelling");
    label(&site).await;
    assert_eq!(work(&site, false).await.done, 1);
    assert_eq!(state(&site).await, "labelling", "the planner says when it is enough");
    train(&site).await;
    assert_eq!(work(&site, false).await.done, 1);
    let city = site.json("/v1/cities/berlin").await;
    let history: Vec<(&Value, &Value)> =
        city["history"].as_array().unwrap().iter().map(|event| (&event["to"], &event["actor"])).collect();
    let (requesters, worker) = (json!("requesters"), json!("a worker"));
    let expected = [
        (&json!("approved"), &requesters),
        (&json!("crawling"), &worker),
        (&json!("labelling"), &worker),
        (&json!("training"), &worker),
        (&json!("live"), &worker),
    ];
    assert_eq!(history, expected);
}

/// A city that is live.
async fn live(test: TestDatabase) -> Site {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    work(&site, false).await;
    train(&site).await;
    work(&site, false).await;
    assert_eq!(state(&site).await, "live");
    site
}

async fn a_live_city_stays_live_whatever_its_jobs_do(test: TestDatabase) {
    let site = live(test).await;
    for fails in [false, true] {
        label(&site).await;
        train(&site).await;
        enqueue(&site, |city| CrawlCity { city, max_sights: 1, max_images_per_sight: 1 }).await;
        let summary = work(&site, fails).await;
        assert_eq!(summary.done + summary.dead, 3);
        assert_eq!(state(&site).await, "live");
    }
}

async fn a_stage_that_fails_for_good_is_told_and_retried_from_there(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    assert_eq!(work(&site, true).await.dead, 1);
    let city = site.json("/v1/cities/berlin").await;
    assert_eq!((&city["state"], &city["failed_stage"]), (&json!("failed"), &json!("crawl")));
    assert_eq!(city["reason"], "no network");
    assert_eq!(site.decide("/v1/cities/berlin/retry").await["state"], "approved");
    work(&site, false).await;
    assert_eq!(state(&site).await, "labelling");

    train(&site).await;
    work(&site, true).await;
    assert_eq!(site.json("/v1/cities/berlin").await["failed_stage"], "train");
    assert_eq!(site.decide("/v1/cities/berlin/retry").await["state"], "labelling");
    assert_eq!(work(&site, false).await.done, 1, "it goes on with the training");
    assert_eq!(state(&site).await, "live");
}

async fn a_paused_city_has_no_jobs_and_goes_on_where_it_was(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let paused =
        site.admin(Method::POST, "/v1/cities/berlin/pause", Some(json!({"reason": "too dear"}))).await;
    let paused: Value = paused.json().await.unwrap();
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("too dear")));
    assert_eq!(work(&site, false).await, Summary::default());
    assert_eq!(site.jobs("?state=cancelled").await.len(), 1);
    assert_eq!(site.decide("/v1/cities/berlin/resume").await["state"], "approved");
    assert_eq!(work(&site, false).await.done, 1);
    assert_eq!(state(&site).await, "labelling");
}

async fn a_rejected_city_can_be_approved_later(test: TestDatabase) {
    let site = Site::with(test, Config { request_threshold: 9, ..Config::default() }).await;
    site.approved("Berlin").await;
    assert_eq!(site.decide("/v1/cities/berlin/reject").await["state"], "rejected");
    for number in 0..20 {
        site.post_as(&format!("192.0.2.{number}"), "/v1/cities", &json!({"name": "Berlin"})).await;
    }
    assert_eq!(state(&site).await, "rejected", "requests do not outvote an admin");
    assert_eq!(site.decide("/v1/cities/berlin/approve").await["state"], "approved");
    assert_eq!(site.jobs("?state=waiting").await.len(), 1);
}

async fn decisions_that_mean_nothing_are_refused(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    for verb in ["approve", "resume", "retry"] {
        let answer = site.admin(Method::POST, &format!("/v1/cities/berlin/{verb}"), None).await;
        let told = problem(answer, 409, "not-now").await;
        assert!(told["detail"].as_str().unwrap().contains("approved"), "{told}");
    }
    let unknown = site.admin(Method::POST, "/v1/cities/atlantis/approve", None).await;
    problem(unknown, 404, "unknown-city").await;
    assert_eq!(site.jobs("").await.len(), 1);
}

async fn w_p9_jobs_show_their_progress_and_can_be_cancelled_and_retried(test: TestDatabase) {
    let site = Site::start(test).await;
    site.approved("Berlin").await;
    let job = site.jobs("?city=berlin&queue=crawl&state=waiting").await.remove(0);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    assert!(job["request_id"].is_string(), "it is known which request asked for it");

    assert_eq!(site.decide(&format!("{path}/cancel")).await["state"], "cancelled");
    assert_eq!(state(&site).await, "paused", "nobody works for the city any more");
    let again = site.admin(Method::POST, &format!("{path}/cancel"), None).await;
    problem(again, 409, "not-now").await;
    assert_eq!(site.decide(&format!("{path}/retry")).await["state"], "waiting");
    assert_eq!(state(&site).await, "approved");
    work(&site, false).await;
    let done = site.admin(Method::GET, &path, None).await.json::<Value>().await.unwrap();
    assert_eq!((&done["state"], &done["worker"]), (&json!("done"), &json!("a worker")));
    let retried = site.admin(Method::POST, &format!("{path}/retry"), None).await;
    problem(retried, 409, "not-now").await;
    for id in ["x", "019ab000-0000-7000-8000-000000000000"] {
        let unknown = site.admin(Method::GET, &format!("/v1/jobs/{id}"), None).await;
        problem(unknown, 404, "unknown-job").await;
    }
}
