//! The end of a server: not ready at once, and every request that was taken is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sightscan_serve::Config;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_not_ready_at_once_and_answers_its_full_queue() {
    let answered = Arc::new(AtomicUsize::new(0));
    let is_open = Arc::new(AtomicBool::new(false));
    let (counter, gate) = (Arc::clone(&answered), Arc::clone(&is_open));
    let factory = workers(move |work| {
        if !is_canary(work) {
            // Until all requests are there none is answered.
            while !gate.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(40));
            counter.fetch_add(1, Ordering::Relaxed);
        }
        nothing_found()
    });
    let config = Config { queue_depth: 40, drain_delay_ms: 5_000, ..Config::default() };
    let server = Server::ready_with(config, factory).await;
    let (client, url, ready) = (server.client.clone(), server.url("/v1/detect"), server.url("/readyz"));
    let requests: Vec<_> = (0..40)
        .map(|_| {
            let request = client.post(&url).body("x");
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        })
        .collect();
    server.wait_for_metric(r#"sightscan_pictures_in_flight"#, 40.0).await;
    is_open.store(true, Ordering::Relaxed);
    let before = answered.load(Ordering::Relaxed);
    let Server { handle, .. } = server;
    let stopping = tokio::spawn(handle.stop());
    while client.get(&ready).send().await.expect("it still listens").status() != 503 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stopped = stopping.await.unwrap();
    assert_eq!(stopped.cut_off, 0);
    assert!(before < 40, "the queue was empty before the stop");
    for request in requests {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(answered.load(Ordering::Relaxed), 40);
    assert!(client.get(&ready).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stuck_ends_all_the_same() {
    let factory = workers(|work| {
        while !is_canary(work) {
            std::thread::park();
        }
        nothing_found()
    });
    let config = Config { drain_limit_ms: 200, ..Config::default() };
    let server = Server::ready_with(config, factory).await;
    let request = server.client.post(server.url("/v1/detect")).body("x");
    let request = tokio::spawn(async move { request.send().await });
    server.wait_for_metric("sightscan_pictures_in_flight", 1.0).await;
    let Server { handle, .. } = server;
    let stopped = tokio::time::timeout(Duration::from_secs(20), handle.stop()).await.unwrap();
    assert_eq!(stopped.cut_off, 1);
    assert!(request.await.unwrap().is_err());
}
