//! Fetching over real sockets.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use reqwest::Url;
use serde_json::{Value, json};
use sightscan_crawl::fetch::{FetchConfig, FetchError, Fetcher};
use sightscan_pictures::{Encoding, Picture, encode};
use sightscan_testkit::upstreams::{Answer, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A configuration that waits for nothing that it need not wait for.
fn quick(trusted: &[&str]) -> FetchConfig {
    FetchConfig {
        user_agent: "SightScan/9 (https://example.org; a@example.org)".to_owned(),
        pace: Duration::ZERO,
        timeout: Duration::from_secs(5),
        back_off: Duration::from_millis(10),
        trusted_hosts: trusted.iter().map(|&host| host.to_owned()).collect(),
        ..FetchConfig::default()
    }
}

fn fetcher(trusted: &[&str]) -> Fetcher {
    Fetcher::new(quick(trusted)).unwrap()
}

fn picture() -> Bytes {
    let rgb = (0..64 * 48 * 3).map(|at| (at % 251) as u8).collect();
    encode(&Picture { width: 64, height: 48, rgb }, Encoding::Png).unwrap().into()
}

/// A server with a picture under `/a.png`.
async fn gallery() -> Upstream {
    let server = Upstream::blank().await;
    server.fix("/a.png", Answer::new("image/png", picture()));
    server
}

fn at(server: &Upstream, path: &str) -> Url {
    format!("{}{path}", server.url()).parse().unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, FetchError>) -> String {
    match result {
        Err(FetchError::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn failed<T: std::fmt::Debug>(result: Result<T, FetchError>) -> String {
    match result {
        Err(error @ FetchError::Failed { .. }) => {
            assert!(error.is_transient());
            error.to_string()
        }
        other => panic!("has not failed: {other:?}"),
    }
}

/// A server that answers everything but robots.txt with a head and then the same bytes again and again.
struct Drip {
    host: String,
    sent: Arc<AtomicUsize>,
}

impl Drip {
    async fn start(head: &'static str, bytes: &'static [u8], every: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(drip(stream, head, bytes, every, Arc::clone(&counter)));
            }
        });
        Self { host, sent }
    }

    fn url(&self) -> Url {
        format!("http://{}/a.png", self.host).parse().unwrap()
    }
}

async fn drip(
    mut stream: TcpStream,
    head: &str,
    bytes: &[u8],
    every: Duration,
    sent: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let is_robots = asked_for(&mut stream).await? == "/robots.txt";
    if is_robots && !head.contains("text/plain") {
        return stream.write_all(&raw("404 Not Found", "Connection: close\r\n", b"")).await;
    }
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(bytes).await?;
        sent.fetch_add(bytes.len(), Ordering::Relaxed);
        tokio::time::sleep(every).await;
    }
}

// What is fetched.

#[tokio::test]
async fn a_picture_is_fetched_whole_and_honestly() {
    let server = gallery().await;
    let (fetcher, url) = (fetcher(&[server.host()]), at(&server, "/a.png"));
    let fetched = tokio::spawn(async move { fetcher.picture(&url).await }).await.unwrap().unwrap();
    assert_eq!(fetched.bytes, picture());
    assert_eq!(fetched.url, at(&server, "/a.png"));
    let seen = server.log().requests();
    assert_eq!(seen.iter().map(|seen| seen.path()).collect::<Vec<_>>(), ["/robots.txt", "/a.png"]);
    for request in &seen {
        assert_eq!(request.header("user-agent"), Some("SightScan/9 (https://example.org; a@example.org)"));
        assert_eq!((request.header("referer"), request.header("cookie")), (None, None));
        assert_eq!(request.header("accept-encoding"), None);
    }
}

#[tokio::test]
async fn services_are_asked_without_robots_txt() {
    let server = Upstream::blank().await;
    server.set_robots("User-agent: *\nDisallow: /\n");
    server.fix("/api", Answer::json(&json!({"answer": 42})));
    let fetcher = fetcher(&[server.host()]);
    let url = at(&server, "/api?key=k&q=a%20b");
    assert_eq!(fetcher.json::<Value>(url.clone()).await.unwrap()["answer"], 42);
    let fields = [("data", "[out:json];"), ("q", "Köln & Bonn")];
    assert_eq!(fetcher.post_form::<Value>(url.clone(), &fields).await.unwrap()["answer"], 42);
    assert_eq!(fetcher.post_json::<Value>(url, &json!({"a": [1]})).await.unwrap()["answer"], 42);

    let seen = server.log().requests();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|seen| seen.address == "/api?key=k&q=a%20b"));
    assert_eq!(seen[0].method, "GET");
    assert_eq!(seen[1].body, "data=%5Bout%3Ajson%5D%3B&q=K%C3%B6ln+%26+Bonn");
    assert_eq!(seen[1].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((seen[2].method.as_str(), &seen[2].body[..]), ("POST", &b"{\"a\":[1]}"[..]));
    assert_eq!(seen[2].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn redirects_are_followed_to_the_fifth() {
    let server = gallery().await;
    for nth in 1..=6 {
        server.fix(&format!("/{nth}"), Answer::redirect(&format!("{}", nth - 1)));
    }
    server.fix("/0", Answer::redirect("/a.png#top"));
    let fetcher = fetcher(&[server.host()]);
    let fetched = fetcher.picture(&at(&server, "/4")).await.unwrap();
    assert_eq!((fetched.bytes, fetched.url), (picture(), at(&server, "/a.png")));
    assert_eq!(refused(fetcher.picture(&at(&server, "/5")).await), "redirects too often");
}

#[tokio::test]
async fn credentials_in_addresses_are_not_sent() {
    let server = gallery().await;
    let with_credentials = format!("http://user:secret@{}/a.png", server.host());
    server.fix("/there", Answer::redirect(&with_credentials));
    let fetcher = fetcher(&[server.host()]);
    for url in [with_credentials.parse().unwrap(), at(&server, "/there")] {
        assert_eq!(fetcher.picture(&url).await.unwrap().url, at(&server, "/a.png"));
    }
    let missing = format!("http://user:secret@{}/missing", server.host()).parse().unwrap();
    let error = fetcher.picture(&missing).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(server.log().requests().iter().all(|seen| seen.header("authorization").is_none()));
}

// What goes wrong.

/// Bytes of an answer, after which the connection is closed.
fn raw(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server whose answers depend on how often an address was asked for.
struct Moody {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Moody {
    async fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::<String>::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Ok(path) = asked_for(&mut stream).await else { continue };
                let nth = log.lock().unwrap().iter().filter(|other| **other == path).count();
                log.lock().unwrap().push(path.clone());
                drop(stream.write_all(&answer(&path, nth)).await);
                drop(stream.shutdown().await);
            }
        });
        Self { host, asked }
    }

    fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.host).parse().unwrap()
    }

    fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|other| *other == path).count()
    }
}

/// Reads a request's head and body, and tells its path.
async fn asked_for(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// What is broken at first, by the path, and right afterwards.
fn moods(path: &str, nth: usize) -> Vec<u8> {
    let body = if path.starts_with("/json") { Bytes::from_static(b"{\"answer\": 42}") } else { picture() };
    let right = || raw("200 OK", "", &body);
    let broken = match path.rsplit('/').next().unwrap() {
        "robots.txt" => return raw("404 Not Found", "", b""),
        "limited" => raw("429 Too Many Requests", "Retry-After: 0\r\n", b""),
        "limited-somehow" => raw("429 Too Many Requests", "", b""),
        "overloaded" => raw("503 Service Unavailable", "", b"upstream"),
        "failing" => raw("500 Internal Server Error", "", b"oops"),
        "page" => raw("200 OK", "Content-Type: text/html\r\n", b"<html>Sign in</html>"),
        "circle" => raw("302 Found", "Location: circle\r\n", b""),
        "cut" => right()[..right().len() - 4].to_vec(),
        "silent" => Vec::new(),
        "noise" => b"nothing of HTTP\r\n\r\n".to_vec(),
        other => panic!("{other}"),
    };
    if nth < 2 { broken } else { right() }
}

const MOODS: [&str; 9] =
    ["limited", "limited-somehow", "overloaded", "failing", "page", "circle", "cut", "silent", "noise"];

#[tokio::test]
async fn every_passing_fault_is_overcome() {
    let server = Moody::start(moods).await;
    let fetcher = fetcher(&[&server.host]);
    for mood in MOODS {
        let fetched = fetcher.picture(&server.url(&format!("/picture/{mood}"))).await;
        assert_eq!(fetched.unwrap().bytes, picture(), "{mood}");
        let answer: Value = fetcher.json(server.url(&format!("/json/{mood}"))).await.unwrap();
        assert_eq!(answer["answer"], 42, "{mood}");
    }
    let answer: Value = fetcher.post_json(server.url("/json/posted/failing"), &json!(1)).await.unwrap();
    assert_eq!(answer["answer"], 42);
}

#[tokio::test]
async fn what_never_passes_is_given_up_after_the_tries() {
    let server = Moody::start(|path, _| moods(path, 0)).await;
    let fetcher = fetcher(&[&server.host]);
    for (mood, reason, tries) in [
        ("limited", "429 Too Many Requests", 5),
        ("failing", "500 Internal Server Error", 5),
        ("overloaded", "503 Service Unavailable", 5),
        ("cut", "its answer broke off", 5),
        ("silent", "its answer broke off", 5),
    ] {
        let path = format!("/picture/{mood}");
        let told = failed(fetcher.picture(&server.url(&path)).await);
        assert!(told.contains(reason), "{told}");
        assert_eq!(server.count(&path), tries, "{mood}");
    }
    for (mood, reason) in [("page", "not a picture"), ("circle", "redirects in a circle")] {
        let path = format!("/picture/{mood}");
        assert_eq!(refused(fetcher.picture(&server.url(&path)).await), reason);
        assert_eq!(server.count(&path), 5, "{mood}");
    }
    let told = failed(fetcher.json::<Value>(server.url("/json/page")).await);
    assert!(told.contains("its answer is not understood"), "{told}");
    assert_eq!(server.count("/json/page"), 5);
}

#[tokio::test]
async fn a_page_instead_of_a_picture_is_not_believed_among_other_faults() {
    let server = Moody::start(|path, nth| match (path, nth) {
        ("/robots.txt", _) => raw("404 Not Found", "", b""),
        (_, 1) => raw("502 Bad Gateway", "", b""),
        _ => raw("200 OK", "", b"<html>"),
    })
    .await;
    let told = failed(fetcher(&[&server.host]).picture(&server.url("/a.png")).await);
    assert!(told.ends_with("not a picture"), "{told}");
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once() {
    let server = Upstream::blank().await;
    server.fix("/gone", Answer::empty(410));
    server.fix("/secret", Answer::empty(403));
    let fetcher = fetcher(&[server.host()]);
    for (path, reason) in [("/missing", "gone"), ("/gone", "gone"), ("/secret", "403 Forbidden")] {
        assert_eq!(refused(fetcher.picture(&at(&server, path)).await), reason);
        assert_eq!(server.log().count(path), 1);
    }
    assert_eq!(refused(fetcher.text(at(&server, "/missing")).await), "gone");
}

#[tokio::test]
async fn a_service_says_why_it_does_not_answer_and_no_error_tells_the_key() {
    let server = Upstream::blank().await;
    let said = json!({"error": {"code": 403, "message": "The provided API key is expired."}});
    server.fix("/api", Answer::json(&said).status(403));
    server.fix("/shape", Answer::json(&json!({"error": 1})));
    let fetcher = fetcher(&[server.host()]);
    let error = fetcher.json::<Value>(at(&server, "/api?key=secret")).await.unwrap_err();
    let expected = format!("{}/api: 403 Forbidden: The provided API key is expired.", server.url());
    assert_eq!((error.to_string(), error.is_transient()), (expected, false));
    let other = fetcher.json::<Vec<u8>>(at(&server, "/shape?key=secret")).await;
    let unreachable = fetcher.json::<Value>("http://127.0.0.1:1/?key=secret".parse().unwrap()).await;
    for error in [other.unwrap_err().to_string(), unreachable.unwrap_err().to_string()] {
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_nobody_answers_for_may_be_there_later() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let host = free.local_addr().unwrap().to_string();
    drop(free);
    let url = format!("http://{host}/a.png?key=1").parse().unwrap();
    let told = failed(fetcher(&[&host]).picture(&url).await);
    assert!(told.contains("robots.txt is not known: cannot be reached"), "{told}");
}

// Limits.

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
        assert!(begun.elapsed() >= second / 2 && begun.elapsed() < 10 * second, "{:?}", begun.elapsed());
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

// Manners.

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

// Safety.

#[tokio::test]
async fn private_hosts_are_not_connected_to() {
    let server = gallery().await;
    let port = server.host().rsplit(':').next().unwrap();
    let fetcher = fetcher(&["127.0.0.1:1", "elsewhere.example.org"]);
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url: Url = format!("http://{host}:{port}/a.png").parse().unwrap();
        assert_eq!(refused(fetcher.json::<Value>(url.clone()).await), "its address is not public", "{host}");
        assert_eq!(refused(fetcher.text(url.clone()).await), "its address is not public", "{host}");
        assert_eq!(refused(fetcher.picture(&url).await), "its address is not public", "{host}");
    }
    assert_eq!(server.log().total(), 0);
}

#[tokio::test]
async fn redirects_do_not_lead_to_private_hosts() {
    let (open, private) = (Upstream::blank().await, gallery().await);
    let port = private.host().rsplit(':').next().unwrap();
    let fetcher = fetcher(&[open.host()]);
    for (nth, (target, reason)) in [
        (format!("{}/a.png", private.url()), "its address is not public"),
        (format!("http://localhost:{port}/a.png"), "its address is not public"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "its address is not public"),
        ("//[fd00:ec2::254]/latest".to_owned(), "its address is not public"),
        ("file:///etc/passwd".to_owned(), "not an address of the web"),
        ("http://".to_owned(), "redirects to nowhere"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{nth}");
        open.fix(&path, Answer::redirect(&target));
        assert_eq!(refused(fetcher.picture(&at(&open, &path)).await), reason, "{target}");
    }
    assert_eq!(private.log().total(), 0);
}

#[tokio::test]
async fn only_the_trusted_port_of_a_host_is_trusted() {
    let (trusted, other) = (gallery().await, gallery().await);
    let port = |server: &Upstream| server.host().rsplit(':').next().unwrap().to_owned();
    let fetcher = fetcher(&[&format!("localhost:{}", port(&trusted))]);
    let url = |server| format!("http://localhost:{}/a.png", port(server)).parse().unwrap();
    assert!(fetcher.picture(&url(&trusted)).await.is_ok());
    assert_eq!(refused(fetcher.picture(&url(&other)).await), "its address is not public");
}

/// This process cannot change its environment, so another one runs a test that would fail.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let proxied = "fetch::services_are_asked_without_robots_txt";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", proxied]).env_remove("NO_PROXY").env_remove("no_proxy");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, "http://127.0.0.1:1");
    }
    let ran = command.output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn questions_are_not_carried_to_where_a_redirect_leads() {
    let server = Upstream::blank().await;
    server.fix("/api", Answer::redirect("/elsewhere").status(307));
    let answer = fetcher(&[server.host()]).post_form::<Value>(at(&server, "/api"), &[("a", "b")]).await;
    assert_eq!(refused(answer), "redirects");
    assert_eq!(server.log().count("/elsewhere"), 0);
}

#[test]
fn an_agent_that_cannot_be_sent_is_told() {
    let config = FetchConfig { user_agent: "two\nlines".to_owned(), ..FetchConfig::default() };
    assert!(Fetcher::new(config).unwrap_err().to_string().contains("user agent"));
}
