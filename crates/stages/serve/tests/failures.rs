//! A picture that breaks something breaks nothing for others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use sightscan_serve::Config;
use tokio::io::AsyncWriteExt;

use crate::support::*;

fn is(work: &sightscan_serve::Work, word: &[u8]) -> bool {
    work.picture.starts_with(word)
}

/// A deadline that no test waits for: what ends earlier has one of its own.
const FAR_MS: u64 = 600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_500_for_its_own_request_only() {
    let factory = workers(|work| {
        assert!(!is(work, b"poison"), "the secret of the poison");
        nothing_found()
    });
    let server = Server::ready_with(Config::default(), factory).await;
    let ask = async |number: usize| {
        let body = if number.is_multiple_of(4) { "poison" } else { "food" };
        (body, server.post("/v1/detect", "image/png", body).await)
    };
    for (body, response) in join_all((0..40).map(ask)).await {
        if body == "food" {
            assert_eq!(response.status(), 200);
            continue;
        }
        let text = response.text().await.unwrap();
        assert!(text.contains("urn:sightscan:problem:internal") && !text.contains("secret"), "{text}");
    }
    assert_eq!(server.metric("sightscan_worker_panics_total").await, 10.0);
    // The answer comes before the worker has set up its models anew.
    server.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_picture_is_a_504_and_not_ready_while_others_go_on() {
    let free = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&free);
    let factory = workers(move |work| {
        while is(work, b"tar") && !gate.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        nothing_found()
    });
    let config = Config { stuck_after_ms: 1_000, deadline_ms: FAR_MS, ..Config::default() };
    let server = Arc::new(Server::ready_with(config, factory).await);
    let workers = Config::default().threads().instances.get();
    let ask = || {
        let request = server.client.post(server.url("/v1/detect")).header("x-sightscan-deadline-ms", "2000");
        request.body("tar").send()
    };
    let stuck = join_all((0..workers).map(|_| ask()));
    let stuck = async {
        for response in stuck.await {
            assert_eq!(problem(response.unwrap()).await, (504, "deadline".to_owned()));
        }
    };
    let watch = async {
        wait_until("readiness notices", || server.handle.reasons().iter().any(|why| why.contains("stuck")))
            .await;
        assert_eq!(server.get("/readyz").await.status(), 503);
        assert_eq!(server.get("/healthz").await.status(), 200);
        for _ in 0..20 {
            assert_eq!(server.post("/v1/detect", "image/png", "food").await.status(), 200);
        }
    };
    tokio::join!(stuck, watch);
    server.wait_for_metric("sightscan_stuck_workers", workers as f64).await;
    free.store(true, Ordering::Relaxed);
    server.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stops_answering_is_noticed_without_any_request() {
    let broken = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&broken);
    let factory = workers(move |_| {
        assert!(!flag.load(Ordering::Relaxed), "broken");
        nothing_found()
    });
    let config = Config { canary_after_ms: 20, stuck_after_ms: 200, ..Config::default() };
    let server = Server::ready_with(config, factory).await;
    broken.store(true, Ordering::Relaxed);
    wait_until("readiness notices", || server.handle.reasons().iter().any(|why| why.contains("colour_box")))
        .await;
    broken.store(false, Ordering::Relaxed);
    server.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_not_worked_for() {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let worked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&worked);
    let factory = workers(move |work| {
        if !is_canary(work) {
            counter.fetch_add(1, Ordering::Relaxed);
            let _ = gate.lock().unwrap().recv();
        }
        nothing_found()
    });
    let server = Arc::new(Server::ready_with(Config::default(), factory).await);
    let workers = Config::default().threads().instances.get();
    let busy: Vec<_> = (0..workers)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.post("/v1/detect", "image/png", "x").await.status() })
        })
        .collect();
    wait_until("the workers are busy", || worked.load(Ordering::Relaxed) == workers).await;
    let mut leaving = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    leaving.write_all(&raw_request("/v1/detect", "", b"leaving")).await.unwrap();
    server.wait_for_metric("sightscan_queue_depth", 1.0).await;
    drop(leaving);
    server
        .wait_for_metric(r#"sightscan_http_requests_total{route="/v1/detect",outcome="client-left"}"#, 1.0)
        .await;
    assert_eq!(server.metric("sightscan_pictures_in_flight").await, workers as f64);
    drop(release);
    for status in join_all(busy).await {
        assert_eq!(status.unwrap(), 200);
    }
    server.wait_for_metric("sightscan_abandoned_pictures_total", 1.0).await;
    assert_eq!(worked.load(Ordering::Relaxed), workers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_a_408_and_gives_its_place_back() {
    let config = Config { body_timeout_ms: 100, ..Config::default() };
    let server = Server::tiny(config).await;
    let address = server.address();
    let answer = tokio::task::spawn_blocking(move || {
        let head = b"POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nonly this";
        send_all_then_read(address, head).unwrap()
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body-timeout"), "{answer}");
    assert_eq!(server.metric("sightscan_pictures_in_flight").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_of_the_header_holds() {
    let (release, factory) = gated_workers();
    let config = Config { deadline_ms: FAR_MS, ..Config::default() };
    let server = Server::ready_with(config, factory).await;
    let ask = async |deadline: &str| {
        let request =
            server.client.post(server.url("/v1/detect")).header("x-sightscan-deadline-ms", deadline);
        request.body("x").send().await.unwrap()
    };
    let late =
        tokio::time::timeout(Duration::from_secs(60), ask("50")).await.expect("its own deadline holds");
    assert_eq!(problem(late).await, (504, "deadline".to_owned()), "while nothing is answered");
    drop(release);
    assert_eq!(ask("20000").await.status(), 200);
    for bad in ["0", "-5", "soon", "999999999999"] {
        assert_eq!(problem(ask(bad).await).await, (400, "invalid-parameter".to_owned()), "{bad}");
    }
}
