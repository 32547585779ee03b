//! Limits of bytes and time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sightscan_crawl::fetch::{FetchConfig, Fetcher};
use sightscan_testkit::upstreams::{Answer, Upstream};

use super::servers::Drip;
use super::{at, failed, fetcher, picture, quick, refused};

#[tokio::test]
async fn w_c24_answers_without_end_are_given_up_in_time() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let second = Duration::from_secs(1);
    for server in [
        Drip::start(head, b"\x89", Duration::from_millis(20)).await,
        Drip::start("HTTP/1.1 200 OK\r\nX: ", b"a", Duration::from_millis(20)).await,
        Drip::start("", b"", second).await,
    ] {
        let config = FetchConfig { timeout: second / 4, tries: 2, ..quick(&[&server.host]) };
        let begun = Instant::now();
        let told = failed(Fetcher::new(config).unwrap().picture(&server.url()).await);
        assert!(told.ends_with("no answer in time"), "{told}");
        assert!(begun.elapsed() >= second / 2 && begun.elapsed() < 60 * second, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn w_c24_redirects_do_not_prolong_the_time() {
    let server = Upstream::blank().await;
    for nth in 0..4 {
        let next = format!("/{}", nth + 1);
        server.fix(&format!("/{nth}"), Answer::redirect(&next).after(Duration::from_millis(150)));
    }
    server.fix("/4", Answer::new("image/png", picture()));
    let config = FetchConfig { timeout: Duration::from_millis(400), tries: 1, ..quick(&[server.host()]) };
    let told = failed(Fetcher::new(config).unwrap().picture(&at(&server, "/0")).await);
    assert!(told.ends_with("no answer in time"), "{told}");
    assert_eq!(server.log().count("/4"), 0);
}

/// As a picture begins, and more of it than a connection buffers.
static HUGE: [u8; 1 << 20] = {
    let mut bytes = [0; 1 << 20];
    (bytes[0], bytes[1], bytes[2]) = (0xFF, 0xD8, 0xFF);
    bytes
};

#[tokio::test]
async fn a_picture_without_end_is_cut_at_the_limit() {
    let server = Drip::start("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", &HUGE, Duration::ZERO).await;
    let config = FetchConfig { max_bytes: 2 << 20, ..quick(&[&server.host]) };
    assert_eq!(refused(Fetcher::new(config).unwrap().picture(&server.url()).await), "too large");
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < 20 << 20, "{sent}");
}

#[tokio::test]
async fn a_picture_that_is_said_to_be_too_large_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 30000001\r\n\r\n";
    let server = Drip::start(head, b"", Duration::from_secs(60)).await;
    assert_eq!(refused(fetcher(&[&server.host]).picture(&server.url()).await), "too large");
}

#[tokio::test]
async fn a_film_is_not_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n";
    let server = Drip::start(head, &[0; 4096], Duration::from_secs(60)).await;
    assert_eq!(refused(fetcher(&[&server.host]).picture(&server.url()).await), "not a picture");
}
