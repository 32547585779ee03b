//! Ten times more than the server can do: what it takes it answers, the rest it refuses readably.

use std::time::Duration;

use sightscan_serve::Config;

use crate::support::*;

/// How long the analyser needs for a picture.
const SERVICE: Duration = Duration::from_millis(100);
const DURATION: Duration = Duration::from_secs(3);
const BODY: usize = 20_000;

/// The status and the answer.
fn ask(address: std::net::SocketAddr) -> (u16, String) {
    let request = raw_request("/v1/detect", "", &vec![b'x'; BODY]);
    let answer = send_all_then_read(address, &request).expect("no connection is reset");
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("an answer has a status");
    (status, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_readably_and_what_is_taken_is_answered() {
    let factory = workers(|_| {
        std::thread::sleep(SERVICE);
        nothing_found()
    });
    let server = Server::ready_with(Config { queue_depth: 16, ..Config::default() }, factory).await;
    let address = server.address();
    let capacity = Config::default().threads().instances.get() as f64 / SERVICE.as_secs_f64();
    let offered = (10.0 * capacity * DURATION.as_secs_f64()) as usize;
    let start = tokio::time::Instant::now();
    let mut requests = Vec::new();
    for number in 0..offered {
        tokio::time::sleep_until(start + DURATION.mul_f64(number as f64 / offered as f64)).await;
        requests.push(tokio::task::spawn_blocking(move || ask(address)));
    }
    let (mut taken, mut refused) = (0, 0);
    for request in requests {
        let (status, answer) = request.await.unwrap();
        if status == 200 {
            taken += 1;
            continue;
        }
        refused += 1;
        assert_eq!(status, 429, "{answer}");
        assert!(answer.contains("retry-after: ") && answer.ends_with('}'), "{answer}");
    }
    // How many of each there are in what time is measured in `bench/`.
    assert!(taken >= Config::default().threads().instances.get() && refused > 0, "{taken} and {refused}");
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
