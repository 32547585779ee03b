//! Periodic tasks under supervision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sightscan_cities::scheduler::{Pace, Scheduler, Task, Work};
use sightscan_cities::{Config, Error};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::{Database, scheduled_tasks};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::Site;

on_both_engines![
    row_34_tasks_run_every_so_often,
    w_c45_failing_and_panicking_tasks_are_tried_again_and_end_nothing,
    of_two_schedulers_one_leads_and_the_other_takes_over,
    w_c1_an_idle_system_starts_nothing,
];

const PATIENCE: Duration = Duration::from_secs(60);
const PACE: Pace = Pace {
    leadership: Duration::from_secs(8),
    sign: Duration::from_millis(50),
    first_retry: Duration::from_millis(10),
};

/// A task that counts its runs, and what each of them does then.
fn counting(
    name: &'static str,
    runs: &Arc<AtomicU32>,
    then: impl Fn(u32) -> Result<String, Error> + Clone + Send + Sync + 'static,
) -> Task {
    let runs = Arc::clone(runs);
    let work: Work = Arc::new(move || {
        let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
        let then = then.clone();
        Box::pin(async move { then(run) })
    });
    Task { name, interval: Duration::from_millis(30), work }
}

fn well(_: u32) -> Result<String, Error> {
    Ok("well".to_owned())
}

fn start(
    database: &Database,
    holder: &str,
    tasks: Vec<Task>,
) -> (Arc<Scheduler>, CancellationToken, JoinHandle<()>) {
    let scheduler = Arc::new(Scheduler::of(database.clone(), tasks, holder, PACE));
    let (stop, running) = (CancellationToken::new(), Arc::clone(&scheduler));
    let stopped = stop.clone();
    let handle = tokio::spawn(async move { running.run(stopped).await });
    (scheduler, stop, handle)
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} does not happen"));
}

async fn row_34_tasks_run_every_so_often(test: TestDatabase) {
    let runs = Arc::new(AtomicU32::new(0));
    let (scheduler, stop, handle) = start(&test.database, "one", vec![counting("a", &runs, well)]);
    until("three runs", async || runs.load(Ordering::SeqCst) >= 3).await;
    assert!(scheduler.status().leads);
    stop.cancel();
    handle.await.unwrap();
    assert!(!scheduler.status().leads);
    let told = scheduled_tasks::list(&test.database).await.unwrap();
    assert_eq!((told[0].task.as_str(), told[0].failures), ("a", 0));
    assert_eq!(told[0].runs, i64::from(runs.load(Ordering::SeqCst)));
    assert!(told[0].last_finished_at >= told[0].last_started_at);
}

async fn w_c45_failing_and_panicking_tasks_are_tried_again_and_end_nothing(test: TestDatabase) {
    let counts = [(); 3].map(|()| Arc::new(AtomicU32::new(0)));
    let failing = |run: u32| match run {
        1 => Err(Error::UnknownDonation),
        _ => well(run),
    };
    let panicking = |run: u32| if run < 3 { panic!("out of luck") } else { well(run) };
    let tasks = vec![
        counting("failing", &counts[0], failing),
        counting("panicking", &counts[1], panicking),
        counting("sound", &counts[2], well),
    ];
    let (scheduler, stop, handle) = start(&test.database, "one", tasks);
    until("recovery", async || {
        let told = scheduled_tasks::list(&test.database).await.unwrap();
        told.len() == 3 && told.iter().all(|task| task.runs > 3 && task.last_error.is_none())
    })
    .await;
    stop.cancel();
    handle.await.unwrap();
    let told = scheduled_tasks::list(&test.database).await.unwrap();
    let failures: Vec<_> = told.iter().map(|task| (task.task.as_str(), task.failures)).collect();
    assert_eq!(failures, [("failing", 1), ("panicking", 2), ("sound", 0)]);
    assert!(scheduler.status().failing.is_empty());
}

async fn of_two_schedulers_one_leads_and_the_other_takes_over(test: TestDatabase) {
    let counts = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
    let (one, stop_one, ended_one) = start(&test.database, "one", vec![counting("a", &counts[0], well)]);
    until("the first leads", async || one.status().leads).await;
    let (two, stop_two, ended_two) = start(&test.database, "two", vec![counting("a", &counts[1], well)]);
    until("many runs", async || counts[0].load(Ordering::SeqCst) > 10).await;
    assert_eq!(counts[1].load(Ordering::SeqCst), 0, "the other one waits");
    // The leader vanishes without resigning.
    ended_one.abort();
    until("the other one takes over", async || two.status().leads).await;
    until("a run", async || counts[1].load(Ordering::SeqCst) > 0).await;
    stop_one.cancel();
    stop_two.cancel();
    ended_two.await.unwrap();
}

async fn w_c1_an_idle_system_starts_nothing(test: TestDatabase) {
    let config = Config {
        plan_training_seconds: 1,
        plan_labelling_seconds: 1,
        refresh_seconds: 1,
        ..Config::default()
    };
    let site = Site::with(test, config).await;
    // Somebody has asked for a city, but there is nothing to label or to train on.
    site.approved("Berlin").await;
    for _ in 0..3 {
        site.cities.refresh_marts(false).await.unwrap();
        assert!(site.cities.plan_labelling().await.unwrap().is_empty());
        assert!(site.cities.plan_training().await.unwrap().is_empty());
        site.cities.collect_blobs().await.unwrap();
        site.cities.prune().await.unwrap();
    }
    let jobs = site.jobs("").await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["queue"], "crawl");
}
