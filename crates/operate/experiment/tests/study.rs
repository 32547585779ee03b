//! The experiment, on a service whose workers are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use sightscan_experiment::Dialect;
use sightscan_experiment::study::{
    Cell, Environment, Error, Event, Folder, Matrix, Method, Plan, Results, Target, TargetPlan, run,
};
use tokio_util::sync::CancellationToken;

use crate::server::{Server, folder};

/// A service of so many workers that take turns.
struct Service {
    server: Server,
    origin: String,
    workers: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    scaled: Vec<usize>,
}

impl Service {
    /// A service that answers this status when it is asked for the n-th time.
    fn start(status: impl Fn(usize) -> StatusCode + Clone + Send + Sync + 'static) -> Self {
        let (workers, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (there, counted) = (Arc::clone(&workers), Arc::clone(&asked));
        let answer = post(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let worker = format!("worker-{}", number % there.load(Ordering::SeqCst));
            let status = status(number);
            async move { (status, [("x-sightscan-instance", worker)], "[]") }
        });
        let server = Server::start(Router::new().route("/v1/detect", answer));
        let origin = server.url("");
        Self { server, origin, workers, asked, scaled: Vec::new() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Target for Service {
    fn origin(&self) -> &str {
        &self.origin
    }

    async fn scale(&mut self, workers: usize) -> Result<(), Error> {
        self.workers.store(workers, Ordering::SeqCst);
        self.scaled.push(workers);
        Ok(())
    }

    async fn end(self: Box<Self>) -> Result<(), Error> {
        drop(self.server);
        Ok(())
    }
}

/// Twelve pictures, 2 × 2 × 2 cells.
fn plan(pictures: &tempfile::TempDir, allow_failures: bool) -> Plan {
    let method = Method {
        target: TargetPlan::Processes { model: None, cpus: None, memory_mb: None },
        folder: pictures.path().to_owned(),
        dialect: Dialect::V1,
        requests: None,
        warm_up: 1,
        timeout_s: 60.0,
        allow_failures,
    };
    Plan { matrix: Matrix { workers: vec![1, 3], threads: vec![1, 4], repeats: 2 }, method }
}

fn begin(place: &tempfile::TempDir, plan: Plan) -> Folder {
    Folder::begin(place.path(), plan, Environment::of_this_machine()).unwrap()
}

async fn measure(folder: &Folder, service: &mut Service) -> Result<(), Error> {
    run(folder, service, &CancellationToken::new(), |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn w16_every_request_of_every_cell_is_kept_and_nothing_is_measured_twice() {
    let (pictures, place) = (folder(12), tempfile::tempdir().unwrap());
    let experiment = begin(&place, plan(&pictures, false));
    let mut service = Service::start(|_| StatusCode::OK);
    measure(&experiment, &mut service).await.unwrap();
    assert_eq!(service.scaled, [1, 3, 1, 3], "a repeat is a whole matrix");
    let warm_up = 2 * 2 * (1 + 3);
    assert_eq!(service.asked(), 8 * 12 + warm_up);
    let rows = |cell| csv::Reader::from_path(experiment.rows(cell)).unwrap().into_records().count();
    assert!(experiment.plan().matrix.cells().all(|cell| rows(cell) == 12));
    let table = csv::Reader::from_path(place.path().join("cells.csv")).unwrap().into_records().count();
    assert_eq!(table, 8);
    measure(&experiment, &mut service).await.unwrap();
    assert_eq!(service.asked(), 8 * 12 + warm_up, "all was there already");
}

#[tokio::test(flavor = "multi_thread")]
async fn w18_the_answers_of_a_cell_are_spread_over_all_workers_and_add_up() {
    let (pictures, place) = (folder(12), tempfile::tempdir().unwrap());
    let experiment = begin(&place, plan(&pictures, false));
    measure(&experiment, &mut Service::start(|_| StatusCode::OK)).await.unwrap();
    for run in Results::read(&experiment).unwrap().runs {
        assert_eq!(run.instances.len(), run.cell.workers, "{run:?}");
        assert_eq!(run.instances.values().sum::<u64>(), 12);
        assert!(run.instances.values().all(|answers| *answers > 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_that_was_stopped_goes_on_where_it_was() {
    let (pictures, place) = (folder(12), tempfile::tempdir().unwrap());
    let experiment = begin(&place, plan(&pictures, false));
    let mut service = Service::start(|_| StatusCode::OK);
    let (stop, mut seen) = (CancellationToken::new(), 0);
    let asked = stop.clone();
    let stopped = run(&experiment, &mut service, &stop, |event| {
        seen += usize::from(matches!(event, Event::Measured(_)));
        if seen == 3 {
            asked.cancel();
        }
    });
    let told = stopped.await.unwrap_err();
    assert!(matches!(told, Error::Stopped { have: 3, want: 8 }), "{told}");
    let before = service.asked();
    measure(&experiment, &mut service).await.unwrap();
    let rest = 5 * 12 + 3 + 2 * (1 + 3);
    assert_eq!(service.asked() - before, rest, "five cells and their warm-up");
    assert!(experiment.plan().matrix.cells().all(|cell| experiment.has(cell)));
}

#[tokio::test(flavor = "multi_thread")]
async fn w16_a_cell_with_failures_is_refused_and_repeated() {
    let (pictures, place) = (folder(12), tempfile::tempdir().unwrap());
    let experiment = begin(&place, plan(&pictures, false));
    let refuses = |number: usize| if number == 5 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut service = Service::start(refuses);
    let told = measure(&experiment, &mut service).await.unwrap_err().to_string();
    assert!(told.contains("1 of 12 requests") && told.contains("503 1"), "{told}");
    assert!(told.contains("workers 1, threads 1, repeat 1") && told.contains("--allow-failures"), "{told}");
    let first = Cell { workers: 1, threads: 1, repeat: 1 };
    assert!(!experiment.has(first));
    measure(&experiment, &mut service).await.unwrap();
    assert!(experiment.has(first), "the next run repeats it");
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_with_failures_are_kept_where_that_is_said_and_their_failures_are_in_no_mean() {
    let (pictures, place) = (folder(12), tempfile::tempdir().unwrap());
    let experiment = begin(&place, plan(&pictures, true));
    let refuses =
        |number: usize| if number % 2 == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    measure(&experiment, &mut Service::start(refuses)).await.unwrap();
    let results = Results::read(&experiment).unwrap();
    for run in &results.runs {
        assert_eq!((run.answered, run.failed()), (6, 6), "{run:?}");
        assert!(run.mean_s > 0.0);
    }
    assert_eq!(results.at(3, 4).unwrap().failed, 12);
}
