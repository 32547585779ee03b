//! Workers are killed at random, and the database under them: each effect is there exactly once, and no job is lost.
//!
//! The workers are processes: this test binary again, told by the environment to be one. Their effect is a row for the
//! job in the transaction that completes it; the row counts how often it was written.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sightscan_jobs::{
    Backoff, Completed, Handle, Job, JobError, Registry, Run, Runner, RunnerConfig, Wish, enqueue,
};
use sightscan_testkit::database::{Cluster, TestDatabase, new_database};
use sightscan_types::names::CityName;
use sightscan_types::{CityId, JobState};
use sightscan_warehouse::jobs::Filter;
use sightscan_warehouse::{Database, cities, jobs};
use tokio_util::sync::CancellationToken;

const URL: &str = "SIGHTSCAN_CHAOS_URL";
const SEED: &str = "SIGHTSCAN_CHAOS_SEED";
const FOLDER: &str = "SIGHTSCAN_CHAOS_FOLDER";

const WORKERS: usize = 8;
/// Figures at full scale.
const JOBS: f64 = 10_000.0;
const KILLS: f64 = 200.0;
const SERVER_KILLS: f64 = 5.0;

/// Jobs that are enqueued in one transaction.
const BATCH: usize = 500;
/// A worker that vanished has lost its jobs after this time.
const LEASE: Duration = Duration::from_secs(2);
/// How long without any progress is a failure.
const STALLED: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
struct Effect {
    city: CityId,
}

impl Job for Effect {
    const NAME: &'static str = "effect";
    const QUEUE: &'static str = "chaos";
    const MAX_ATTEMPTS: u32 = 50;
}

/// Takes a random while for the work, and now and then for the transaction that ends it.
struct Worker {
    /// Holds a file named after the process while its transaction is open and slow.
    folder: PathBuf,
}

impl Handle<Effect> for Worker {
    async fn run(&self, job: Effect, run: &Run) -> Result<Completed, JobError> {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..8))).await;
        let mut completion = run.completion().await?;
        cities::count_request(&mut completion, job.city, &run.id().to_string(), 1).await?;
        if fastrand::u8(..100) < 3 {
            let holds = self.folder.join(std::process::id().to_string());
            fs_err::write(&holds, "").unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
            fs_err::remove_file(&holds).unwrap();
        }
        completion.commit().await
    }
}

#[test]
#[ignore = "one of the processes of the chaos tests"]
fn worker_process() {
    let Ok(url) = std::env::var(URL) else { return };
    fastrand::seed(std::env::var(SEED).unwrap().parse().unwrap());
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    // One thread, so that the seed decides.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work(&url, folder));
}

async fn work(url: &str, folder: PathBuf) {
    let address = url.parse().unwrap();
    let database = loop {
        // The server may be dead right now.
        match Database::open(&address).await {
            Ok(database) => break database,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let config = RunnerConfig {
        concurrency: 4,
        lease: LEASE,
        heartbeat: LEASE / 4,
        poll: Duration::from_millis(200),
        backoff: Backoff { base: Duration::from_millis(50), cap: Duration::from_millis(500) },
        ..RunnerConfig::default()
    };
    let registry = Registry::new().register::<Effect>(Worker { folder });
    let runner = Runner::new(database, registry, config, None).unwrap();
    runner.run(CancellationToken::new()).await;
}

/// The processes of one test; they end with the value.
struct Workers {
    url: String,
    folder: tempfile::TempDir,
    children: Vec<Child>,
    random: fastrand::Rng,
}

impl Workers {
    fn start(url: &str, random: fastrand::Rng) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut workers = Self { url: url.to_owned(), folder, children: Vec::new(), random };
        workers.children = (0..WORKERS).map(|_| workers.spawn()).collect();
        workers
    }

    fn spawn(&mut self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "chaos::worker_process", "--ignored"])
            .env(URL, &self.url)
            .env(SEED, self.random.u64(..).to_string())
            .env(FOLDER, self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills a worker without a warning (SIGKILL) and starts another in its place.
    fn kill(&mut self, index: usize) {
        self.children[index].kill().unwrap();
        self.children[index].wait().unwrap();
        self.children[index] = self.spawn();
    }

    fn kill_any(&mut self) {
        let index = self.random.usize(..WORKERS);
        self.kill(index);
    }

    /// Kills a worker that is in the middle of the transaction that ends a job; on SQLite it holds the write lock.
    fn kill_a_writer(&mut self) {
        let deadline = Instant::now() + STALLED;
        loop {
            assert!(Instant::now() < deadline, "no worker was seen to write");
            if let Some(index) = self.writer() {
                return self.kill(index);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn writer(&self) -> Option<usize> {
        let mut names = fs_err::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.find_map(|name| self.children.iter().position(|child| name == *child.id().to_string()))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

/// The figures of a run at the scale that is asked for.
struct Plan {
    jobs: usize,
    kills: usize,
    server_kills: usize,
}

impl Plan {
    fn events(&self) -> usize {
        self.kills + self.server_kills
    }

    /// Whether this event, counted from 1, is the server's: those are spread evenly, each in the middle of its share,
    /// where there is still work for a writer to be caught at.
    fn is_server(&self, event: usize) -> bool {
        let middle = |kill: usize| (2 * kill + 1) * self.events() / (2 * self.server_kills) + 1;
        (0..self.server_kills).map(middle).any(|at| at == event)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive numbers")]
fn plan() -> Plan {
    let share = |figure: f64| (figure * sightscan_testkit::scale()).ceil() as usize;
    Plan { jobs: share(JOBS), kills: share(KILLS), server_kills: share(SERVER_KILLS) }
}

async fn enqueue_all(database: &Database, count: usize) -> CityId {
    let mut transaction = database.begin().await.unwrap();
    let name = CityName::parse("Berlin").unwrap();
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
    transaction.commit().await.unwrap();
    for begin in (0..count).step_by(BATCH) {
        let mut transaction = database.begin().await.unwrap();
        for _ in begin..count.min(begin + BATCH) {
            let job = Effect { city: city.id };
            enqueue(&mut transaction, &job, Wish::default(), database.now()).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    city.id
}

/// Effects that are there; `None` while the database does not answer.
async fn effects(database: &Database, city: CityId) -> Option<usize> {
    let requests = tokio::time::timeout(Duration::from_secs(1), cities::requests(database, city)).await;
    let requests = requests.ok()?.ok()?;
    Some(usize::try_from(requests.posts).unwrap())
}

/// Waits until so many effects are there.
async fn progress(database: &Database, city: CityId, wanted: usize) {
    let mut last = (0, Instant::now());
    loop {
        let done = effects(database, city).await.unwrap_or(last.0);
        if done >= wanted {
            return;
        }
        if done > last.0 {
            last = (done, Instant::now());
        }
        assert!(last.1.elapsed() < STALLED, "{done} of {wanted} effects, and no progress any more");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Kills workers and, with `kill_server`, the database, spread over the work; then everything must be done once.
#[expect(clippy::print_stdout, reason = "who sees it fail wants to repeat it")]
async fn survive(database: &Database, url: &str, mut kill_server: impl FnMut(&mut Workers)) {
    let seed =
        std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{SEED}={seed} repeats the kills");
    let plan = plan();
    let city = enqueue_all(database, plan.jobs).await;
    let mut workers = Workers::start(url, fastrand::Rng::with_seed(seed));
    let events = plan.events();
    for event in 1..=events {
        progress(database, city, plan.jobs * event / (events + 1)).await;
        if plan.is_server(event) { kill_server(&mut workers) } else { workers.kill_any() }
    }
    progress(database, city, plan.jobs).await;
    let requests = cities::requests(database, city).await.unwrap();
    let done = i64::try_from(plan.jobs).unwrap();
    assert_eq!((requests.posts, requests.requesters), (done, done), "each effect is there exactly once");
    assert_archived(database, plan.jobs).await;
}

/// The live table is empty and the archive complete.
#[expect(clippy::print_stdout, reason = "it says how much was survived")]
async fn assert_archived(database: &Database, count: usize) {
    let limit = u32::try_from(count + 1).unwrap();
    let everything = jobs::list(database, &Filter::default(), None, limit).await.unwrap();
    assert_eq!(everything.len(), count);
    let unfinished: Vec<_> = everything.iter().filter(|job| job.state != JobState::Done).collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    assert_eq!(jobs::depth(database, Effect::QUEUE).await.unwrap(), jobs::Depth::default());
    let again = everything.iter().filter(|job| job.attempts > 1).count();
    println!("{count} jobs, {again} of them taken over from a worker that vanished");
    assert!(again > 0, "no kill hit a job: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_sqlite_leaves_each_effect_once() {
    let test = TestDatabase::sqlite().await;
    survive(&test.database, &test.url, Workers::kill_a_writer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_postgres_leaves_each_effect_once() {
    let cluster = Cluster::start();
    let url = new_database(&cluster.url).await;
    let database = Database::open(&url.parse().unwrap()).await.unwrap();
    let kill = |_: &mut Workers| {
        cluster.kill();
        cluster.restart();
    };
    survive(&database, &url, kill).await;
}
