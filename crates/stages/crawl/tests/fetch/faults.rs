//! What goes wrong, and what never passes.

use bytes::Bytes;
use serde_json::{Value, json};
use sightscan_testkit::upstreams::{Answer, Upstream};
use tokio::net::TcpSocket;

use super::servers::{Moody, raw};
use super::{at, failed, fetcher, picture, refused};

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
    // It has the port, so that nobody else gets it, and does not listen.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let url = format!("http://{host}/a.png?key=1").parse().unwrap();
    let told = failed(fetcher(&[&host]).picture(&url).await);
    assert!(told.contains("robots.txt is not known: cannot be reached"), "{told}");
}
