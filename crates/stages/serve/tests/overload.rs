//! Ten times more than the server can do: what it takes it answers in time, the rest it refuses readably.

use std::time::{Duration, Instant};

use sightscan_serve::Config;

use crate::support::*;

/// How long the analyser needs for a picture.
const SERVICE: Duration = Duration::from_millis(100);
const DEADLINE_MS: u64 = 1000;
const DURATION: Duration = Duration::from_secs(3);
const BODY: usize = 20_000;

struct Outcome {
    status: u16,
    answer: String,
    elapsed: Duration,
}

fn ask(address: std::net::SocketAddr) -> Outcome {
    let start = Instant::now();
    let headers = format!("x-sightscan-deadline-ms: {DEADLINE_MS}\r\n");
    let request = raw_request("/v1/detect", &headers, &vec![b'x'; BODY]);
    let answer = send_all_then_read(address, &request).expect("no connection is reset");
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("an answer has a status");
    Outcome { status, answer, elapsed: start.elapsed() }
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_readably_and_what_is_taken_is_answered_in_time() {
    let factory = workers(|_| {
        std::thread::sleep(SERVICE);
        nothing_found()
    });
    let server = Server::ready_with(Config::default(), factory).await;
    let address = server.address();
    let capacity = Config::default().threads().instances.get() as f64 / SERVICE.as_secs_f64();
    let offered = (10.0 * capacity * DURATION.as_secs_f64()) as usize;
    let start = tokio::time::Instant::now();
    let mut requests = Vec::new();
    for number in 0..offered {
        tokio::time::sleep_until(start + DURATION.mul_f64(number as f64 / offered as f64)).await;
        requests.push(tokio::task::spawn_blocking(move || ask(address)));
    }
    let mut outcomes = Vec::new();
    for request in requests {
        outcomes.push(request.await.unwrap());
    }
    let (taken, refused): (Vec<&Outcome>, Vec<&Outcome>) =
        outcomes.iter().partition(|outcome| outcome.status == 200);
    for outcome in &refused {
        assert_eq!(outcome.status, 429, "{}", outcome.answer);
        assert!(
            outcome.answer.contains("retry-after: ") && outcome.answer.ends_with('}'),
            "{}",
            outcome.answer
        );
    }
    let mut times: Vec<Duration> = refused.iter().map(|outcome| outcome.elapsed).collect();
    times.sort();
    assert!(
        times[times.len() / 2] < Duration::from_millis(50),
        "a refusal takes {:?}",
        times[times.len() / 2]
    );
    let slowest = taken.iter().map(|outcome| outcome.elapsed).max().unwrap();
    assert!(slowest < Duration::from_millis(DEADLINE_MS + 100), "{slowest:?}");
    let goodput = taken.len() as f64 / DURATION.as_secs_f64();
    assert!(goodput >= 0.8 * capacity, "{goodput} of {capacity} a second, {} refused", refused.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_comes_before_the_body() {
    let config = Config { queue_depth: 0, ..Config::default() };
    let workers_count = config.threads().instances.get();
    let (release, factory) = gated_workers();
    let server = Server::ready_with(config, factory).await;
    let busy: Vec<_> = (0..workers_count)
        .map(|_| tokio::spawn(server.client.post(server.url("/v1/detect")).body("x").send()))
        .collect();
    server.wait_for_metric("sightscan_pictures_in_flight", workers_count as f64).await;
    let address = server.address();
    let answer = tokio::task::spawn_blocking(move || {
        // The body is announced, but never sent.
        let head = b"POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
        send_all_then_read(address, head).unwrap()
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 429"));
    drop(release);
    for answer in busy {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
}
