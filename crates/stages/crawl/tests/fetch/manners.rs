//! robots.txt, opt-outs, pace and pauses.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sightscan_crawl::fetch::{FetchConfig, Fetcher};
use sightscan_testkit::upstreams::{Answer, Upstream};

use super::servers::{Drip, Moody, raw};
use super::{at, failed, fetcher, gallery, picture, quick, refused};

#[tokio::test]
async fn w_l1_robots_txt_is_asked_once_and_obeyed() {
    let server = gallery().await;
    server.fix("/private/a.png", Answer::new("image/png", picture()));
    server.set_robots("User-agent: SightScan\nDisallow: /private\n\nUser-agent: *\nDisallow: /\n");
    let fetcher = fetcher(&[server.host()]);
    let (open, private) = (at(&server, "/a.png"), at(&server, "/private/a.png"));
    let all = join_all((0..20).map(|_| fetcher.picture(&open))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(refused(fetcher.picture(&private).await), "robots.txt forbids it");
    assert_eq!(refused(fetcher.text(private).await), "robots.txt forbids it");
    assert_eq!(server.log().count("/robots.txt"), 1);
    assert_eq!(server.log().count("/private"), 0);
}

#[tokio::test]
async fn w_l1_robots_txt_is_asked_where_a_redirect_leads() {
    let (here, there) = (gallery().await, gallery().await);
    there.set_robots("User-agent: *\nDisallow: /\n");
    here.fix("/moved", Answer::redirect(&format!("{}/a.png", there.url())));
    let fetcher = fetcher(&[here.host(), there.host()]);
    assert_eq!(refused(fetcher.picture(&at(&here, "/moved")).await), "robots.txt forbids it");
    assert_eq!(there.log().count("/a.png"), 0);
}

#[tokio::test]
async fn w_l1_without_robots_txt_all_is_allowed_and_where_it_fails_nothing_is_now() {
    for status in [401, 403, 404, 410] {
        let server = gallery().await;
        server.fix("/robots.txt", Answer::empty(status));
        assert!(fetcher(&[server.host()]).picture(&at(&server, "/a.png")).await.is_ok(), "{status}");
    }
    for status in [500, 503, 429] {
        let server = gallery().await;
        server.fix("/robots.txt", Answer::empty(status));
        let (fetcher, url) = (fetcher(&[server.host()]), at(&server, "/a.png"));
        for result in join_all((0..10).map(|_| fetcher.picture(&url))).await {
            assert!(failed(result).contains("robots.txt is not known"), "{status}");
        }
        assert_eq!((server.log().count("/robots.txt"), server.log().count("/a.png")), (5, 0), "{status}");
    }
}

#[tokio::test]
async fn w_l1_a_robots_txt_without_end_is_read_as_far_as_it_must_be() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
                User-agent: *\nDisallow: /\n";
    let server = Drip::start(head, &[b'#'; 1 << 16], Duration::ZERO).await;
    assert_eq!(refused(fetcher(&[&server.host]).picture(&server.url()).await), "robots.txt forbids it");
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < 20 << 20, "{sent}");
}

#[tokio::test]
async fn w_l1_who_does_not_want_a_picture_used_is_heard_before_it_is_read() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Robots-Tag: all, noai\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Robots-Tag: sightscan: noimageindex\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTDM-Reservation: 1\r\n\r\n",
    ] {
        let server = Drip::start(head, b"", Duration::from_secs(60)).await;
        let reason = refused(fetcher(&[&server.host]).picture(&server.url()).await);
        assert!(reason.starts_with("its owner "), "{reason}");
    }
    let server = gallery().await;
    server.add_header("/a.png", "X-Robots-Tag", "otherbot: noai");
    server.add_header("/a.png", "TDM-Reservation", "0");
    assert!(fetcher(&[server.host()]).picture(&at(&server, "/a.png")).await.is_ok());
}

#[tokio::test]
async fn a_host_has_no_more_than_three_requests_at_once() {
    let server = Upstream::blank().await;
    server.fix("/a", Answer::json(&json!(1)).after(Duration::from_millis(50)));
    let fetcher = fetcher(&[server.host()]);
    let all = join_all((0..20).map(|_| fetcher.json::<u32>(at(&server, "/a")))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.log().most_in_flight(), 3);
}

#[tokio::test]
async fn a_host_that_is_waited_for_does_not_hold_others_up() {
    let (slow, fast) = (Upstream::blank().await, Upstream::blank().await);
    slow.fix("/a", Answer::json(&json!(1)).after(Duration::from_secs(60)));
    fast.fix("/a", Answer::json(&json!(1)));
    let fetcher = fetcher(&[slow.host(), fast.host()]);
    let waiting = join_all((0..10).map(|_| fetcher.json::<u32>(at(&slow, "/a"))));
    let asked = async { fetcher.json::<u32>(at(&fast, "/a")).await };
    tokio::select! {
        _ = waiting => panic!("the slow host was first"),
        answer = asked => assert_eq!(answer.unwrap(), 1),
    }
}

/// The time between the beginnings of requests, in the order of their beginnings.
fn gaps(server: &Upstream) -> Vec<Duration> {
    let seen = server.log().requests();
    seen.windows(2).map(|pair| pair[1].begun.duration_since(pair[0].begun)).collect()
}

#[tokio::test]
async fn requests_keep_the_pace() {
    let server = gallery().await;
    let pace = Duration::from_millis(100);
    let fetcher = Fetcher::new(FetchConfig { pace, ..quick(&[server.host()]) }).unwrap();
    let url = at(&server, "/a.png");
    let begun = Instant::now();
    assert!(join_all((0..5).map(|_| fetcher.picture(&url))).await.iter().all(Result::is_ok));
    // Together, because a request that was sent late makes the time to the next one short.
    assert!(begun.elapsed() >= pace * 5, "{:?}", gaps(&server));
}

#[tokio::test]
async fn w_l1_who_opens_pages_otherwise_has_the_same_manners() {
    let server = gallery().await;
    server.set_robots("User-agent: *\nDisallow: /private\n");
    let fetcher = Fetcher::new(FetchConfig { per_host: 1, ..quick(&[server.host()]) }).unwrap();
    let url = at(&server, "/page");
    assert_eq!(refused(fetcher.may_visit(&at(&server, "/private")).await), "robots.txt forbids it");
    assert_eq!(
        refused(fetcher.may_visit(&"http://127.0.0.1:9/".parse().unwrap()).await),
        "its address is not public"
    );
    let visit = fetcher.may_visit(&url).await.unwrap();
    let another = at(&server, "/a.png");
    let waits = tokio::time::timeout(Duration::from_millis(300), fetcher.picture(&another)).await;
    assert!(waits.is_err() && server.log().count("/a.png") == 0, "one at a time");
    assert!(visit.answered(200, None).is_ok());
    assert_eq!(refused(visit.answered(403, None)), "403 Forbidden");
    assert!(failed(visit.answered(429, Some("1"))).contains("429"));
    assert!(failed(visit.answered(503, Some("9999"))).contains("no requests until"));
    drop(visit);
    assert!(failed(fetcher.may_visit(&url).await).contains("no requests until"), "the pause is the host's");
}

#[tokio::test]
async fn crawl_delay_is_kept() {
    let server = gallery().await;
    server.set_robots("User-agent: *\nCrawl-delay: 0.2\n");
    let (fetcher, url) = (fetcher(&[server.host()]), at(&server, "/a.png"));
    let begun = Instant::now();
    assert!(join_all((0..4).map(|_| fetcher.picture(&url))).await.iter().all(Result::is_ok));
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", gaps(&server));
}

#[tokio::test]
async fn retry_after_holds_the_whole_host() {
    let server = Moody::start(|path, nth| match (path, nth) {
        ("/limited", 0) => raw("503 Service Unavailable", "Retry-After: 1\r\n", b""),
        _ => raw("200 OK", "", b"1"),
    })
    .await;
    // One by one, so that nothing is on its way when the pause is asked for.
    let fetcher = Fetcher::new(FetchConfig { per_host: 1, ..quick(&[&server.host]) }).unwrap();
    let begun = Instant::now();
    let paths = ["/limited", "/other", "/another"];
    let all = paths.map(|path| async {
        fetcher.json::<u32>(server.url(path)).await.unwrap();
        begun.elapsed()
    });
    let ended = join_all(all).await;
    assert!(ended.iter().all(|ended| *ended >= Duration::from_secs(1)), "{ended:?}");
    assert_eq!(server.asked.lock().unwrap().first().map(String::as_str), Some("/limited"));
}

#[tokio::test]
async fn nobody_waits_for_hours() {
    let server = gallery().await;
    server.fix("/limited", Answer::empty(429).header("retry-after", "7200"));
    let fetcher = fetcher(&[server.host()]);
    let begun = Instant::now();
    let told = failed(fetcher.json::<Value>(at(&server, "/limited")).await);
    assert!(told.contains("its host wants no requests until 2"), "{told}");
    let told = failed(fetcher.json::<Value>(at(&server, "/a.png")).await);
    assert!(told.contains("its host wants no requests until 2"), "{told}");
    assert_eq!(server.log().total(), 1);
    assert!(begun.elapsed() < Duration::from_secs(60));
}
