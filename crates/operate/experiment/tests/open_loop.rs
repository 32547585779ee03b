//! Requests that leave on time, whatever the server does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use sightscan_experiment::{Config, Pace, Summary};
use tokio::sync::Mutex;

use crate::server::{Server, folder, run};

const STALL: Duration = Duration::from_millis(300);

/// A server that answers one request after the other and stops the world at the 20th.
fn stalling_server() -> Server {
    let (world, turn) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
    let handler = post(move || {
        let (world, turn) = (Arc::clone(&world), turn.fetch_add(1, Ordering::SeqCst));
        async move {
            let _alone = world.lock().await;
            if turn == 20 {
                tokio::time::sleep(STALL).await;
            }
            StatusCode::OK
        }
    });
    Server::start(Router::new().route("/", handler))
}

async fn hundred(pace: Pace) -> Summary {
    let (server, folder) = (stalling_server(), folder(4));
    run(Config { pace, requests: Some(100), ..Config::new(server.url("/"), folder.path()) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_seen_by_everybody_who_came_meanwhile() {
    let open = hundred(Pace::Open { rate: 100.0, max_in_flight: 100 }).await;
    assert_eq!((open.answered, open.delayed, open.not_sent), (100, 0, 0), "{open}");
    let latency = open.latency.unwrap();
    // 30 requests came within the stall; the tenth longest wait of 100 is 200 ms.
    assert!(latency.p99_ms >= 280.0 && latency.p90_ms >= 150.0, "{open}");
    assert!(open.wall_s >= 0.99, "the schedule takes a second: {open}");

    // The closed loop's only client was waiting itself, so that the same stall hides in one request of a hundred.
    let closed = hundred(Pace::Closed { threads: 1 }).await.latency.unwrap();
    assert!(closed.p90_ms < 150.0 && closed.max_ms >= 300.0, "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_counts_from_the_intended_start_even_where_the_limit_holds_requests_back() {
    let (server, folder) = (stalling_server(), folder(4));
    let pace = Pace::Open { rate: 100.0, max_in_flight: 1 };
    let config = Config { pace, requests: Some(60), ..Config::new(server.url("/"), folder.path()) };
    let summary = run(config).await;
    assert_eq!((summary.answered, summary.not_sent), (60, 0), "{summary}");
    assert!(summary.delayed >= 20, "{summary}");
    assert!(summary.latency.unwrap().p90_ms >= 150.0, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_due_and_never_left_is_reported() {
    let server = Server::start(Router::new().route("/", post(std::future::pending::<StatusCode>)));
    let folder = folder(1);
    let summary = run(Config {
        pace: Pace::Open { rate: 100.0, max_in_flight: 2 },
        duration: Some(Duration::from_millis(300)),
        timeout: Duration::from_secs(4),
        ..Config::new(server.url("/"), folder.path())
    })
    .await;
    assert_eq!((summary.requests, summary.failures["timeout"].count), (2, 2), "{summary}");
    assert_eq!(summary.requests + summary.not_sent, 30, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duration_ends_both_loops() {
    let (server, folder) = (Server::start(Router::new().route("/", post(|| async {}))), folder(2));
    let duration = Some(Duration::from_secs(2));
    for pace in [Pace::Closed { threads: 2 }, Pace::Open { rate: 200.0, max_in_flight: 8 }] {
        let summary = run(Config { pace, duration, ..Config::new(server.url("/"), folder.path()) }).await;
        assert_eq!(summary.failed, 0, "{summary}");
        assert!(summary.answered > 2, "the folder is repeated: {summary}");
        if matches!(pace, Pace::Open { .. }) {
            assert_eq!(summary.requests + summary.not_sent, 400, "{summary}");
        }
    }
}
