//! Every request leaves a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use sightscan_experiment::{Config, Error, Load, Pace};
use tokio::sync::Notify;

use crate::server::{Server, folder, run};

/// A server of two instances that take turns and repeat the request's id.
fn two_instances() -> (Server, Arc<AtomicUsize>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turn);
    let handler = post(move |headers: HeaderMap| {
        let pod = ["pod-0", "pod-1"][counted.fetch_add(1, Ordering::SeqCst) % 2];
        async move {
            let id = headers["x-request-id"].to_str().unwrap().to_owned();
            ([("x-sightscan-instance", pod.to_owned()), ("x-request-id", id)], "[]")
        }
    });
    (Server::start(Router::new().route("/", handler)), turn)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_complete_and_instances_are_summed_up() {
    let ((server, _), folder) = (two_instances(), folder(5));
    let csv = folder.path().join("rows.csv");
    let config = Config {
        pace: Pace::Closed { threads: 3 },
        requests: Some(20),
        csv: Some(csv.clone()),
        ..Config::new(server.url("/"), folder.path())
    };
    let summary = run(config).await;
    let by_pod: Vec<_> = summary.instances.iter().map(|(pod, sum)| (pod.as_str(), sum.answered)).collect();
    assert_eq!(by_pod, [("pod-0", 10), ("pod-1", 10)]);

    let mut reader = csv::Reader::from_path(&csv).unwrap();
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let column = |name: &str| columns.iter().position(|found| found == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut indices: Vec<usize> = rows.iter().map(|row| row[column("index")].parse().unwrap()).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..20).collect::<Vec<_>>());
    for row in &rows {
        assert_eq!((&row[column("status")], &row[column("id")]), ("200", "matched"));
        assert_eq!((&row[column("sent_bytes")], &row[column("received_bytes")]), ("1000", "2"));
        assert!(row[column("instance")].starts_with("pod-") && row[column("error")].is_empty());
        assert!(row[column("latency_ms")].parse::<f64>().unwrap() > 0.0);
        assert_eq!(row[column("intended_ms")], row[column("started_ms")]);
        assert!(row[column("client")].parse::<usize>().unwrap() < 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_up_requests_are_sent_and_not_counted() {
    let ((server, turn), folder) = (two_instances(), folder(3));
    for pace in [Pace::Closed { threads: 2 }, Pace::Open { rate: 100.0, max_in_flight: 4 }] {
        turn.store(0, Ordering::SeqCst);
        let config = Config { pace, warm_up: 7, ..Config::new(server.url("/"), folder.path()) };
        assert_eq!(run(config).await.requests, 3);
        assert_eq!(turn.load(Ordering::SeqCst), 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_keeps_its_rows() {
    let release = Arc::new(Notify::new());
    let (turn, released) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&release));
    let handler = post(move || {
        let (turn, released) = (turn.fetch_add(1, Ordering::SeqCst), Arc::clone(&released));
        async move {
            if turn == 5 {
                released.notified().await;
            }
        }
    });
    let (server, folder) = (Server::start(Router::new().route("/", handler)), folder(8));
    let csv = folder.path().join("rows.csv");
    let config = Config { csv: Some(csv.clone()), ..Config::new(server.url("/"), folder.path()) };
    let running = tokio::spawn(run(config));

    // The sixth request is being held, so the five rows before it have to be in the file by themselves.
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs_err::read_to_string(&csv).map_or(0, |text| text.lines().count()) < 6 {
        assert!(Instant::now() < deadline, "five rows and the header are written while the run goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    release.notify_one();
    assert_eq!(running.await.unwrap().answered, 8);
    assert_eq!(fs_err::read_to_string(&csv).unwrap().lines().count(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_written_end_the_run_with_an_error() {
    let ((server, turn), folder) = (two_instances(), folder(1));
    let with_csv = async |path: &str| {
        let config = Config {
            csv: Some(path.into()),
            requests: Some(1_000_000),
            ..Config::new(server.url("/"), folder.path())
        };
        Load::prepare(config).unwrap().run(std::future::pending(), |_| {}).await
    };
    assert!(matches!(with_csv("/no/such/folder/rows.csv").await, Err(Error::Csv { .. })));
    assert_eq!(turn.load(Ordering::SeqCst), 0, "nothing is sent where the rows have no place");
    if cfg!(target_os = "linux") {
        // A disk that is full from the start.
        assert!(matches!(with_csv("/dev/full").await, Err(Error::Csv { .. })));
    }
}

#[test]
fn the_plan_is_known_where_it_does_not_depend_on_the_server() {
    let folder = folder(4);
    let config = Config::new("http://localhost/", folder.path());
    let planned = |config: Config| Load::prepare(config).unwrap().planned();
    assert_eq!(planned(config.clone()), Some(4));
    assert_eq!(planned(Config { requests: Some(9), ..config.clone() }), Some(9));
    let duration = Some(Duration::from_secs(2));
    assert_eq!(planned(Config { duration, ..config.clone() }), None);
    let pace = Pace::Open { rate: 10.0, max_in_flight: 1 };
    assert_eq!(planned(Config { duration, pace, ..config }), Some(20));
}
