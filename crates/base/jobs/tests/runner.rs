//! What a runner does with jobs that succeed, fail, panic, hang, are cancelled, or lose their lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sightscan_jobs::{
    Backoff, Completed, Event, Handle, Job, JobError, Observer, Registry, Run, Runner, RunnerConfig,
    StageJob, Summary, Wish, enqueue,
};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, JobId, JobState, Stage, Watcher};
use sightscan_warehouse::cities::{self, Progress};
use sightscan_warehouse::{Database, Transaction, jobs};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

on_both_engines![
    a_job_runs_once_and_its_effect_is_there_once,
    a_job_that_fails_is_tried_again,
    a_job_that_panics_too_often_is_dead_with_the_reason,
    a_job_that_can_never_go_well_is_dead_at_once,
    a_job_that_cannot_be_read_is_dead_with_the_reason,
    progress_is_seen_while_the_job_runs,
    a_cancelled_job_is_told_and_ends,
    a_cancelled_job_that_does_not_listen_is_dropped,
    a_stopped_runner_hands_back_what_does_not_finish,
    a_stopped_runner_lets_jobs_finish_in_time,
    a_runner_that_lost_its_lease_leaves_no_effect,
    a_job_that_kills_its_workers_is_buried,
    jobs_without_a_handler_wait,
    the_observer_sees_what_becomes_of_a_stage,
    a_job_of_a_city_that_is_gone_is_dead_at_last,
    jobs_run_beside_each_other,
    long_jobs_run_one_at_a_time_beside_the_others,
    whoever_watches_a_worker_sees_what_it_does,
];

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Behaviour {
    Succeed,
    FailTwice,
    Panic,
    Hopeless,
    WaitForCancel,
    WaitForStop,
    Hang,
    /// Waits until another one is there.
    Meet,
}

#[derive(Debug, Serialize, Deserialize)]
struct Task {
    city: CityId,
    behaviour: Behaviour,
}

impl Job for Task {
    const NAME: &'static str = "task";
    const QUEUE: &'static str = "tests";
    const MAX_ATTEMPTS: u32 = 3;

    fn city(&self) -> Option<CityId> {
        Some(self.city)
    }

    fn stage() -> Option<Stage> {
        Some(Stage::Crawl)
    }
}

/// Its effect is a row for the job, which counts how often it was written.
#[derive(Clone, Default)]
struct Worker {
    present: Arc<AtomicUsize>,
    met: Arc<AtomicUsize>,
}

/// Counts handlers that are there, also when they are dropped.
struct Presence<'a>(&'a AtomicUsize);

impl<'a> Presence<'a> {
    fn of(worker: &'a Worker) -> Self {
        worker.present.fetch_add(1, Ordering::SeqCst);
        Self(&worker.present)
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handle<Task> for Worker {
    async fn run(&self, task: Task, run: &Run) -> Result<Completed, JobError> {
        let _presence = Presence::of(self);
        run.progress(run.attempt(), Some(3), Some("at it"));
        match task.behaviour {
            Behaviour::Succeed => {}
            Behaviour::FailTwice if run.attempt() == 3 => {}
            Behaviour::FailTwice => return Err(JobError::Retry("not yet".to_owned())),
            Behaviour::Panic => panic!("no {}", "legs"),
            Behaviour::Hopeless => return Err(JobError::Fatal("never".to_owned())),
            Behaviour::WaitForCancel => {
                run.cancelled().await;
                return Err(JobError::Retry("told to stop".to_owned()));
            }
            Behaviour::WaitForStop => run.stopping().await,
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Meet => {
                self.met.fetch_add(1, Ordering::SeqCst);
                while self.met.load(Ordering::SeqCst) < 2 {
                    tokio::task::yield_now().await;
                }
            }
        }
        let mut completion = run.completion().await?;
        cities::count_request(&mut completion, task.city, &run.id().to_string(), 1).await?;
        completion.commit().await
    }
}

/// A job that takes until the runner stops.
#[derive(Debug, Serialize, Deserialize)]
struct LongTask;

impl Job for LongTask {
    const NAME: &'static str = "long-task";
    const QUEUE: &'static str = "long";
    const MAX_ATTEMPTS: u32 = 1;
}

impl Handle<LongTask> for Worker {
    async fn run(&self, _: LongTask, run: &Run) -> Result<Completed, JobError> {
        run.stopping().await;
        run.done().await
    }
}

/// Writes what it sees into the city's history.
struct Historian;

impl Observer for Historian {
    fn observe<'a>(
        &'a self,
        transaction: &'a mut Transaction,
        job: &'a StageJob,
        event: Event<'a>,
    ) -> futures_util::future::BoxFuture<'a, sightscan_warehouse::Result<()>> {
        let word = format!("{event:?}").split([' ', '(']).next().unwrap().to_owned();
        Box::pin(async move {
            assert_eq!(job.stage, Stage::Crawl);
            cities::remark(transaction, job.city, &job.worker, &word, 1).await
        })
    }
}

/// Waits until it is so.
async fn eventually(is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it never came to be");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A city, and a worker for its jobs.
struct House {
    test: TestDatabase,
    city: CityId,
    worker: Worker,
}

impl House {
    async fn new(test: TestDatabase) -> Self {
        let mut transaction = test.database.begin().await.unwrap();
        let name = CityName::parse("Berlin").unwrap();
        let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
        transaction.commit().await.unwrap();
        Self { test, city: city.id, worker: Worker::default() }
    }

    fn database(&self) -> &Database {
        &self.test.database
    }

    async fn enqueue(&self, behaviour: Behaviour) -> JobId {
        let mut transaction = self.database().begin().await.unwrap();
        let task = Task { city: self.city, behaviour };
        let wish = Wish { request_id: Some("r-7"), ..Wish::default() };
        let enqueued = enqueue(&mut transaction, &task, wish, self.database().now()).await.unwrap();
        transaction.commit().await.unwrap();
        enqueued.id
    }

    fn runner(&self, config: RunnerConfig) -> Runner {
        let registry = Registry::new().register::<Task>(self.worker.clone());
        Runner::new(self.database().clone(), registry, config, Some(Arc::new(Historian))).unwrap()
    }

    /// Runs until nothing is due any more.
    async fn run(&self) -> Summary {
        let config = RunnerConfig { exit_when_idle: Some(Duration::from_millis(200)), ..quick() };
        self.runner(config).run(CancellationToken::new()).await
    }

    fn start(&self, config: RunnerConfig) -> (CancellationToken, JoinHandle<Summary>) {
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(self.runner(config).run(stop)))
    }

    async fn show(&self, id: JobId) -> jobs::Job {
        jobs::show(self.database(), id).await.unwrap().unwrap()
    }

    async fn becomes(&self, id: JobId, state: JobState) {
        eventually(async || self.show(id).await.state == state).await;
    }

    async fn effects(&self) -> (i64, i64) {
        let requests = cities::requests(self.database(), self.city).await.unwrap();
        (requests.posts, requests.requesters)
    }

    async fn history(&self) -> Vec<String> {
        let events = cities::events(self.database(), self.city, 0, 100).await.unwrap();
        events.into_iter().filter_map(|event| event.message).collect()
    }
}

/// Everything happens soon.
fn quick() -> RunnerConfig {
    RunnerConfig {
        heartbeat: Duration::from_millis(20),
        poll: Duration::from_millis(20),
        grace: Duration::from_secs(30),
        backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(5) },
        ..RunnerConfig::default()
    }
}

async fn a_job_runs_once_and_its_effect_is_there_once(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Succeed).await;
    assert_eq!(house.run().await, Summary { done: 1, ..Summary::default() });
    assert_eq!(house.effects().await, (1, 1));
    let job = house.show(id).await;
    assert_eq!((job.state, job.attempts, job.request_id.as_deref()), (JobState::Done, 1, Some("r-7")));
    assert_eq!(house.run().await, Summary::default());
}

async fn a_job_that_fails_is_tried_again(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::FailTwice).await;
    assert_eq!(house.run().await, Summary { retried: 2, done: 1, ..Summary::default() });
    assert_eq!((house.effects().await, house.show(id).await.attempts), ((1, 1), 3));
}

async fn a_job_that_panics_too_often_is_dead_with_the_reason(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Panic).await;
    assert_eq!(house.run().await, Summary { retried: 2, dead: 1, ..Summary::default() });
    let job = house.show(id).await;
    assert_eq!((job.state, job.reason.as_deref()), (JobState::Dead, Some("the handler panicked: no legs")));
}

async fn a_job_that_can_never_go_well_is_dead_at_once(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Hopeless).await;
    assert_eq!(house.run().await, Summary { dead: 1, ..Summary::default() });
    assert_eq!(house.show(id).await.reason.as_deref(), Some("never"));
}

async fn a_job_that_cannot_be_read_is_dead_with_the_reason(test: TestDatabase) {
    let house = House::new(test).await;
    let mut transaction = house.database().begin().await.unwrap();
    let job = jobs::NewJob {
        name: Task::NAME,
        queue: Task::QUEUE,
        priority: 0,
        deduplication_key: None,
        city: None,
        payload: "{\"city\": 7}",
        run_at: 0,
        max_attempts: 3,
        request_id: None,
    };
    let id = jobs::enqueue(&mut transaction, &job, 1).await.unwrap().id;
    transaction.commit().await.unwrap();
    assert_eq!(house.run().await, Summary { dead: 1, ..Summary::default() });
    assert!(house.show(id).await.reason.unwrap().starts_with("its payload cannot be read: "));
}

async fn progress_is_seen_while_the_job_runs(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::WaitForStop).await;
    let (stop, runner) = house.start(quick());
    let progress = Progress { done: 1, total: Some(3), message: Some("at it".to_owned()) };
    eventually(async || house.show(id).await.progress == progress).await;
    eventually(async || house.history().await.contains(&"Progress".to_owned())).await;
    stop.cancel();
    assert_eq!(runner.await.unwrap().done, 1);
}

async fn a_cancelled_job_is_told_and_ends(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::WaitForCancel).await;
    let (stop, runner) = house.start(quick());
    house.becomes(id, JobState::Running).await;
    let mut transaction = house.database().begin().await.unwrap();
    jobs::cancel(&mut transaction, id, "too dear", 1).await.unwrap();
    transaction.commit().await.unwrap();
    house.becomes(id, JobState::Cancelled).await;
    stop.cancel();
    assert_eq!(runner.await.unwrap(), Summary { cancelled: 1, ..Summary::default() });
    assert_eq!(house.show(id).await.reason.as_deref(), Some("too dear"));
    assert_eq!(house.history().await.last().unwrap(), "Cancelled");
}

async fn a_cancelled_job_that_does_not_listen_is_dropped(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Hang).await;
    let (stop, runner) = house.start(RunnerConfig { grace: Duration::from_millis(20), ..quick() });
    house.becomes(id, JobState::Running).await;
    let mut transaction = house.database().begin().await.unwrap();
    jobs::cancel(&mut transaction, id, "too dear", 1).await.unwrap();
    transaction.commit().await.unwrap();
    house.becomes(id, JobState::Cancelled).await;
    assert_eq!(house.worker.present.load(Ordering::SeqCst), 0);
    stop.cancel();
    assert_eq!(runner.await.unwrap().cancelled, 1);
}

async fn a_stopped_runner_hands_back_what_does_not_finish(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Hang).await;
    let (stop, runner) = house.start(RunnerConfig { grace: Duration::from_millis(500), ..quick() });
    eventually(async || house.worker.present.load(Ordering::SeqCst) == 1).await;
    stop.cancel();
    assert_eq!(runner.await.unwrap(), Summary { handed_back: 1, ..Summary::default() });
    let job = house.show(id).await;
    assert_eq!((job.state, job.attempts, job.worker), (JobState::Waiting, 0, None));
    assert_eq!(house.worker.present.load(Ordering::SeqCst), 0);
}

async fn a_stopped_runner_lets_jobs_finish_in_time(test: TestDatabase) {
    let house = House::new(test).await;
    house.enqueue(Behaviour::WaitForStop).await;
    let (stop, runner) = house.start(quick());
    eventually(async || house.worker.present.load(Ordering::SeqCst) == 1).await;
    // It is not begun any more.
    house.enqueue(Behaviour::Succeed).await;
    stop.cancel();
    assert_eq!(runner.await.unwrap(), Summary { done: 1, ..Summary::default() });
    assert_eq!(house.effects().await, (1, 1));
}

/// Runs statements that are not ours, as a database tool would.
async fn with_a_tool(url: &str, statements: &'static str) {
    use sqlx::Connection as _;
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(path).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    }
}

async fn a_runner_that_lost_its_lease_leaves_no_effect(test: TestDatabase) {
    let house = House::new(test).await;
    let (hangs, completes) =
        (house.enqueue(Behaviour::Hang).await, house.enqueue(Behaviour::WaitForStop).await);
    // Of these two one is dropped by its heartbeat; the other finds it out when it completes.
    let slow = RunnerConfig { heartbeat: Duration::from_mins(1), ..quick() };
    let (stop, runner) = house.start(RunnerConfig { concurrency: 2, ..quick() });
    eventually(async || house.worker.present.load(Ordering::SeqCst) == 2).await;
    with_a_tool(&house.test.url, "UPDATE jobs SET lease = 'somebody else''s'").await;
    eventually(async || house.worker.present.load(Ordering::SeqCst) == 0).await;
    stop.cancel();
    assert_eq!(runner.await.unwrap(), Summary { lost: 2, ..Summary::default() });
    with_a_tool(&house.test.url, "UPDATE jobs SET state = 'waiting'").await;
    let (stop, runner) = house.start(RunnerConfig { concurrency: 2, grace: Duration::from_secs(1), ..slow });
    eventually(async || house.worker.present.load(Ordering::SeqCst) == 2).await;
    with_a_tool(&house.test.url, "UPDATE jobs SET lease = 'somebody else''s'").await;
    stop.cancel();
    assert_eq!(runner.await.unwrap(), Summary { lost: 2, ..Summary::default() });
    for id in [hangs, completes] {
        assert_eq!(house.show(id).await.state, JobState::Running);
    }
    assert_eq!(house.effects().await, (0, 0));
}

async fn a_job_that_kills_its_workers_is_buried(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Succeed).await;
    for attempt in 1..=3 {
        let claim = jobs::claim(house.database(), &[Task::NAME], "victim", 0).await.unwrap().unwrap();
        assert_eq!(claim.job.attempts, attempt);
        eventually(async || house.database().now() > claim.lease_until).await;
        if attempt < 3 {
            let mut transaction = house.database().begin().await.unwrap();
            let now = house.database().now();
            assert!(jobs::take_back(&mut transaction, &claim.lease, "vanished", now).await.unwrap());
            transaction.commit().await.unwrap();
        }
    }
    assert_eq!(house.run().await, Summary::default());
    let job = house.show(id).await;
    assert_eq!(job.reason.as_deref(), Some("worker victim vanished during attempt 3 of 3"));
    assert_eq!((job.state, house.history().await), (JobState::Dead, vec!["Dead".to_owned()]));
}

async fn jobs_without_a_handler_wait(test: TestDatabase) {
    let house = House::new(test).await;
    let id = house.enqueue(Behaviour::Succeed).await;
    let config = RunnerConfig { exit_when_idle: Some(Duration::from_millis(1)), ..quick() };
    for (registry, queues) in [
        (Registry::new(), vec![]),
        (Registry::new().register::<Task>(house.worker.clone()), vec!["other".to_owned()]),
    ] {
        let config = RunnerConfig { queues, ..config.clone() };
        let runner = Runner::new(house.database().clone(), registry, config, None).unwrap();
        assert_eq!(runner.run(CancellationToken::new()).await, Summary::default());
    }
    assert_eq!(house.show(id).await.state, JobState::Waiting);
}

async fn the_observer_sees_what_becomes_of_a_stage(test: TestDatabase) {
    let house = House::new(test).await;
    house.enqueue(Behaviour::FailTwice).await;
    house.run().await;
    let told: Vec<_> = house.history().await.into_iter().filter(|word| word != "Progress").collect();
    assert_eq!(told, ["Started", "Failed", "Started", "Failed", "Started", "Succeeded"]);
}

async fn a_job_of_a_city_that_is_gone_is_dead_at_last(test: TestDatabase) {
    let mut house = House::new(test).await;
    house.city = CityId::new();
    let id = house.enqueue(Behaviour::Succeed).await;
    assert_eq!(house.run().await, Summary { retried: 2, dead: 1, ..Summary::default() });
    assert_eq!(house.show(id).await.state, JobState::Dead);
}

async fn jobs_run_beside_each_other(test: TestDatabase) {
    let house = House::new(test).await;
    house.enqueue(Behaviour::Meet).await;
    house.enqueue(Behaviour::Meet).await;
    let config = RunnerConfig { concurrency: 2, exit_when_idle: Some(Duration::from_millis(200)), ..quick() };
    let runner = house.runner(config);
    let metrics = runner.metrics();
    let summary = runner.run(CancellationToken::new()).await;
    assert_eq!(summary, Summary { done: 2, ..Summary::default() });
    let line = "sightscan_jobs_running 0";
    assert!(metrics.render().lines().any(|found| found == line), "{}", metrics.render());
}

async fn long_jobs_run_one_at_a_time_beside_the_others(test: TestDatabase) {
    let house = House::new(test).await;
    let mut long = Vec::new();
    for _ in 0..2 {
        let mut transaction = house.database().begin().await.unwrap();
        let now = house.database().now();
        long.push(enqueue(&mut transaction, &LongTask, Wish::default(), now).await.unwrap().id);
        transaction.commit().await.unwrap();
    }
    let registry =
        Registry::new().register::<Task>(house.worker.clone()).register::<LongTask>(house.worker.clone());
    let config = RunnerConfig { long_queues: vec!["long".to_owned()], ..quick() };
    let runner = Runner::new(house.database().clone(), registry, config, Some(Arc::new(Historian))).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));
    house.becomes(long[0], JobState::Running).await;
    for _ in 0..3 {
        let short = house.enqueue(Behaviour::Succeed).await;
        house.becomes(short, JobState::Done).await;
    }
    assert_eq!(house.show(long[1]).await.state, JobState::Waiting, "one at a time");
    stop.cancel();
    assert_eq!(running.await.unwrap().done, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_wakes_an_idle_runner_long_before_it_would_look() {
    let house = House::new(TestDatabase::postgres().await).await;
    let (stop, runner) = house.start(RunnerConfig { poll: Duration::from_hours(1), ..quick() });
    for _ in 0..5 {
        let id = house.enqueue(Behaviour::Succeed).await;
        house.becomes(id, JobState::Done).await;
    }
    stop.cancel();
    // The last one is done before the runner has counted it, so how many it counted is not asked.
    runner.await.unwrap();
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Diary(std::sync::Mutex<Vec<&'static str>>);

impl Watcher for Diary {
    fn begin(&self) {
        self.0.lock().unwrap().push("begins");
    }

    fn end(&self, _took: Duration) {
        self.0.lock().unwrap().push("ends");
    }

    fn drain(&self) {
        self.0.lock().unwrap().push("drains");
    }
}

async fn whoever_watches_a_worker_sees_what_it_does(test: TestDatabase) {
    let house = House::new(test).await;
    let diary = Arc::new(Diary::default());
    let watcher: Arc<dyn Watcher> = Arc::<Diary>::clone(&diary);
    let (stop, runner) = house.start(RunnerConfig { watcher: Some(watcher), ..quick() });
    for _ in 0..2 {
        let id = house.enqueue(Behaviour::Succeed).await;
        house.becomes(id, JobState::Done).await;
        let is_ended = || diary.0.lock().unwrap().last() == Some(&"ends");
        eventually(async || is_ended()).await;
    }
    stop.cancel();
    runner.await.unwrap();
    assert_eq!(*diary.0.lock().unwrap(), ["begins", "ends", "begins", "ends", "drains"]);
}
