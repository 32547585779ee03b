//! Failures are told apart from latency.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use sightscan_experiment::{Config, Dialect, Event, Load, Pace, Summary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::server::{Server, folder, run, watch};

/// A server below HTTP: reads what comes first on each connection, writes `answer`, and hangs up; with `reset` so
/// abruptly that the client sees a reset.
async fn rude_server(answer: &'static [u8], reset: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(be_rude(connection, answer, reset));
        }
    });
    url
}

async fn be_rude(mut connection: TcpStream, answer: &'static [u8], reset: bool) {
    let mut request = vec![0; 64 << 10];
    if reset {
        // The body has arrived and stays unread: closing then makes the system send a reset.
        while connection.peek(&mut request).await.unwrap() < 1000 {
            tokio::task::yield_now().await;
        }
        return;
    }
    let mut read = 0;
    while read < 1000 {
        read += connection.read(&mut request).await.unwrap();
    }
    connection.write_all(answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_counted_apart_and_leave_the_mean_alone() {
    let turn = Arc::new(AtomicUsize::new(0));
    let handler = post(move || {
        let turn = turn.fetch_add(1, Ordering::SeqCst);
        async move {
            match turn % 4 {
                0 => StatusCode::TOO_MANY_REQUESTS,
                1 => StatusCode::INTERNAL_SERVER_ERROR,
                _ => {
                    tokio::time::sleep(Duration::from_millis(60)).await;
                    StatusCode::OK
                }
            }
        }
    });
    let (server, folder) = (Server::start(Router::new().route("/", handler)), folder(12));
    let summary = run(Config::new(server.url("/"), folder.path())).await;
    assert_eq!((summary.requests, summary.answered, summary.failed), (12, 6, 6), "{summary}");
    assert_eq!((summary.failures["429"].count, summary.failures["500"].count), (3, 3));
    let latency = summary.latency.unwrap();
    assert!(latency.mean_ms >= 60.0 && latency.p50_ms >= 59.9, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_exchanges_are_told_by_kind() {
    let folder = folder(3);
    let of = async |url: String| run(Config::new(url, folder.path())).await;

    let silent = of(rude_server(b"", false).await).await;
    assert_eq!(silent.failures["broken"].count, 3, "{silent}");
    let cut = of(rude_server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", false).await).await;
    assert_eq!((cut.answered, cut.failures["broken"].count), (0, 3), "{cut}");
    let no_http = of(rude_server(b"220 mail.example ESMTP\r\n", false).await).await;
    assert_eq!(no_http.failures["broken"].count, 3, "{no_http}");
    let reset = of(rude_server(b"", true).await).await;
    assert_eq!(reset.failures["reset"].count, 3, "{reset}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_and_no_answer_in_time_are_told_by_kind() {
    let folder = folder(3);
    // It has the port, so that nobody else gets it, and does not listen.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let free = silent.local_addr().unwrap();
    let refused = run(Config::new(format!("http://{free}/"), folder.path())).await;
    assert_eq!(refused.failures["connect"].count, 3, "{refused}");
    assert!(refused.failures["connect"].example.as_ref().unwrap().contains("refused"), "{refused}");

    let server = Server::start(Router::new().route("/", post(std::future::pending::<StatusCode>)));
    let timeout = Duration::from_millis(100);
    let late = run(Config { timeout, ..Config::new(server.url("/"), folder.path()) }).await;
    assert_eq!((late.failures["timeout"].count, late.latency), (3, None), "{late}");
    assert!(late.wall_s >= 0.3, "{late}");
}

/// A course run against a server that takes 20 ms and, if wanted, is killed after 20 answers, and gives no more than 24.
async fn course_run(dialect: Dialect, kill: bool) -> Summary {
    let asked = Arc::new(AtomicUsize::new(0));
    let handler = post(move || async move {
        if kill && asked.fetch_add(1, Ordering::Relaxed) >= 24 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        r#"{"objects": []}"#
    });
    let folder = folder(60);
    let server = Server::start(Router::new().route("/", handler));
    let url = server.url("/");
    let mut server = Some(server);
    let mut answers = 0;
    watch(Config::course(dialect, folder.path(), url, 4), move |event| {
        if let Event::Finished { row, .. } = event {
            answers += usize::from(row.outcome.is_answered());
        }
        if kill && answers == 20 {
            server.take();
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn w15_killing_the_server_in_the_middle_gives_failures_and_not_a_lower_mean() {
    for dialect in [Dialect::Iweblens2020, Dialect::Iweblens2021] {
        let whole = course_run(dialect, false).await;
        assert_eq!((whole.answered, whole.failed), (60, 0), "{whole}");
        let killed = course_run(dialect, true).await;
        assert!((20..60).contains(&killed.answered) && killed.failed > 0, "{killed}");
        assert_eq!(killed.requests, 60);
        // An answer takes 20 ms and four are under way at a time: anything below counts failures as speed.
        for summary in [whole, killed] {
            assert!(summary.mean_response_time_s.unwrap() >= 0.02, "{summary}");
            assert!(summary.wall_per_answer_s.unwrap() >= 0.005, "{summary}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_test_sums_up_what_it_has() {
    let turn = Arc::new(AtomicUsize::new(0));
    let handler = post(move || {
        let turn = turn.fetch_add(1, Ordering::SeqCst);
        async move {
            if turn >= 10 {
                std::future::pending::<()>().await;
            }
            StatusCode::OK
        }
    });
    let (server, folder) = (Server::start(Router::new().route("/", handler)), folder(50));
    let ten = Arc::new(Notify::new());
    let (seen, answers) = (Arc::clone(&ten), Mutex::new(0));
    let config = Config { pace: Pace::Closed { threads: 3 }, ..Config::new(server.url("/"), folder.path()) };
    let begin = Instant::now();
    let load = Load::prepare(config).unwrap();
    let summary = load.run(ten.notified(), move |event| {
        let mut answers = answers.lock().unwrap();
        *answers += usize::from(matches!(event, Event::Finished { .. }));
        if *answers == 10 {
            seen.notify_one();
        }
    });
    let summary = summary.await.unwrap();
    assert_eq!((summary.answered, summary.failed), (10, 0), "{summary}");
    assert!((1..=3).contains(&summary.cancelled), "{summary}");
    assert!(begin.elapsed() < Config::TIMEOUT, "stopping does not wait for the time limit");
}
