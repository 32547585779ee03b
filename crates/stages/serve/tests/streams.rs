//! Cameras over WebSockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use sightscan_serve::Config;
use sightscan_testkit::tiny;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::*;

type Camera = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(server: &Server, query: &str, origin: Option<&str>) -> Result<Camera, (u16, String)> {
    let address = format!("ws://{}/v1/stream{query}", server.address());
    let mut request = address.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((camera, _)) => Ok(camera),
        Err(Error::Http(response)) => {
            let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
            Err((response.status().as_u16(), body))
        }
        Err(error) => panic!("{error}"),
    }
}

async fn camera(server: &Server) -> Camera {
    connect(server, "", None).await.unwrap()
}

async fn show(camera: &mut Camera, picture: Vec<u8>) {
    camera.send(Message::binary(picture)).await.unwrap();
}

/// The next answer; none once the connection is closed.
async fn answer(camera: &mut Camera) -> Option<Value> {
    loop {
        match camera.next().await?.ok()? {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

#[tokio::test]
async fn each_picture_of_a_camera_is_answered_as_a_request_would_be() {
    let server = Server::tiny(Config::default()).await;
    let mut camera = camera(&server).await;
    let expected = server.v1("", picture()).await;
    for number in 1..=3 {
        show(&mut camera, picture()).await;
        let answered = answer(&mut camera).await.unwrap();
        assert_eq!(answered["frame"], number);
        assert_eq!(answered["report"]["detections"], expected["detections"]);
        assert!(answered["report"]["timing_ms"]["infer"].is_number(), "{answered}");
    }
    show(&mut camera, b"no picture".to_vec()).await;
    let refused = answer(&mut camera).await.unwrap();
    assert_eq!((&refused["frame"], &refused["problem"]["status"]), (&4.into(), &415.into()), "{refused}");
    // The connection goes on.
    show(&mut camera, tiny::plain_picture([0, 0, 0], 4, 4)).await;
    assert_eq!(answer(&mut camera).await.unwrap()["report"]["detections"], serde_json::json!([]));
}

#[tokio::test]
async fn the_newest_picture_wins_while_another_is_looked_at() {
    let looked = Arc::new(AtomicUsize::new(0));
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (gate, count) = (std::sync::Mutex::new(gate), Arc::clone(&looked));
    let factory = workers(move |work| {
        if !is_canary(work) {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = gate.lock().unwrap().recv();
        }
        nothing_found()
    });
    let server = Server::ready_with(Config::default(), factory).await;
    let mut camera = camera(&server).await;
    show(&mut camera, picture()).await;
    wait_until("the first picture is looked at", || looked.load(Ordering::SeqCst) == 1).await;
    for _ in 2..=9 {
        show(&mut camera, picture()).await;
    }
    // A pong says that the server has read what came before the ping.
    camera.send(Message::Ping(Default::default())).await.unwrap();
    while !matches!(camera.next().await.unwrap().unwrap(), Message::Pong(_)) {}
    release.send(()).unwrap();
    assert_eq!(answer(&mut camera).await.unwrap()["frame"], 1);
    release.send(()).unwrap();
    assert_eq!(answer(&mut camera).await.unwrap()["frame"], 9);
    assert_eq!(looked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_there_is_a_connection() {
    let server = Server::tiny(Config { max_streams: 1, ..Config::default() }).await;
    for (query, origin, status, word) in [
        ("?model=unknown", None, 404, "unknown"),
        ("?confidence=7", None, 400, "confidence"),
        ("?colour=blue", None, 400, "colour"),
        ("", Some("http://evil.example"), 421, "pages of other servers"),
    ] {
        let (found, body) = connect(&server, query, origin).await.unwrap_err();
        assert!(found == status && body.contains(word), "{query}: {found} {body}");
    }
    assert_eq!(problem(server.get("/v1/stream").await).await, (400, "malformed".into()));
    let own = format!("http://{}", server.address());
    let listed = ok_json(server.get("/v1/models").await).await;
    let named = format!("?model={}", listed["items"][0]["name"].as_str().unwrap());
    let first = connect(&server, &named, Some(&own)).await;
    let first = match first {
        Ok(camera) => camera,
        Err((status, body)) => panic!("{status}: {body}"),
    };
    assert_eq!(connect(&server, "", None).await.unwrap_err().0, 429);
    drop(first);
    let again = async {
        while connect(&server, "", None).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_its_cameras() {
    let server = Server::tiny(Config::default()).await;
    let mut camera = camera(&server).await;
    show(&mut camera, picture()).await;
    assert!(answer(&mut camera).await.is_some());
    let stopped = server.handle.stop().await;
    assert_eq!(stopped.cut_off, 0);
    let farewell = loop {
        match camera.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            // Asked whether it is still there.
            other => assert!(other.is_ping(), "{other}"),
        }
    };
    assert_eq!(u16::from(farewell.code), 1001, "{farewell}");
}
