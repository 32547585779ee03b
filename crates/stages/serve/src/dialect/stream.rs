//! `GET /v1/stream`: a WebSocket (RFC 6455) for a camera, whose pictures come one after the other.
//!
//! Each binary message of the client is a picture. The answer to it is a text message with JSON, `{"frame", "report"}` or
//! `{"frame", "problem"}`, where `frame` counts the pictures of the connection from 1. One picture is looked at at a time. Of those
//! that come meanwhile the newest is kept and the others are dropped without an answer: a slow server shows what the camera sees
//! now, and not what it saw a while ago.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::Value;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::ws::rejection::WebSocketUpgradeRejection;
use sightscan_http::axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use sightscan_http::axum::extract::{FromRequestParts, Request, State};
use sightscan_http::axum::http::uri::Authority;
use sightscan_http::axum::http::{HeaderMap, header};
use sightscan_http::axum::response::Response;
use sightscan_http::{Draining, Problem, Slug};
use sightscan_queue::Wanted;
use sightscan_types::PictureReport;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::v1::{Asked, asked};
use crate::http::{App, NamedPicture};
use crate::openapi;

/// The path of this dialect.
pub(crate) const PATH: &str = "/v1/stream";
/// Bytes of a picture. Those of cameras have fewer; one is looked at and one waits, outside of the budget of bodies.
const GREATEST_FRAME: usize = 2 << 20;
/// How often the connection is used, so that nobody on the way takes it for dead.
const PING: Duration = Duration::from_secs(20);
/// A camera that shows nothing for so long has to connect again.
const IDLE: Duration = Duration::from_secs(60);

/// A picture of a connection.
#[derive(Debug, Clone, Default)]
struct Frame {
    /// From 1; 0 is none.
    number: u64,
    bytes: Bytes,
}

/// The answer to a picture: what was seen, or why nothing was.
#[derive(Serialize)]
struct Answer {
    frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<PictureReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
}

/// A camera that is connected.
struct Connection {
    app: Arc<App>,
    wanted: Wanted,
    _place: OwnedSemaphorePermit,
}

/// Finds what is in the pictures of a camera, over a WebSocket: binary messages are pictures, and text messages answer them with
/// `{"frame", "report"}` or `{"frame", "problem"}`.
#[utoipa::path(get, path = PATH, tag = "detection", params(Asked),
    responses((status = 101, description = "a WebSocket"), openapi::DetectionProblems, openapi::UnknownModel))]
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    draining: Draining,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let asked = asked(&parts)?;
    same_origin(&parts.headers)?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(no_websocket)?;
    let wanted = Wanted { drawing: None, ..asked.into() };
    // What cannot be meant is refused before there is a connection.
    app.order(wanted.clone())?;
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| full())?;
    let upgrade = upgrade.max_message_size(GREATEST_FRAME).max_frame_size(GREATEST_FRAME);
    let connection = Connection { app, wanted, _place: place };
    Ok(upgrade.on_upgrade(move |socket| connection.serve(socket, draining)))
}

fn no_websocket(why: WebSocketUpgradeRejection) -> Problem {
    Problem::new(
        Slug::Malformed,
        format!("this is for WebSockets, and the request opens none: {}", why.body_text()),
    )
}

fn full() -> Problem {
    let what = "as many cameras are connected as may be; send single pictures to /v1/detect, or try again";
    Problem::new(Slug::Busy, what).retry_after(Duration::from_secs(5))
}

/// Browsers let any page open a WebSocket to anywhere; they tell whose page it is.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let authority = |text: &str| text.parse::<Authority>().ok();
    let theirs = origin.to_str().ok().and_then(|origin| authority(origin.split_once("://")?.1));
    let ours = headers.get(header::HOST).and_then(|host| authority(host.to_str().ok()?));
    if theirs.is_some() && theirs == ours {
        return Ok(());
    }
    Err(Problem::new(Slug::MisdirectedRequest, "pages of other servers may open no connection here"))
}

impl Connection {
    async fn serve(self, socket: WebSocket, draining: Draining) {
        let (mut answers, pictures) = socket.split();
        let (keep, mut newest) = watch::channel(Frame::default());
        tokio::select! {
            () = receive(pictures, keep) => {}
            () = self.answer(&mut newest, &mut answers) => {}
            () = draining.begun() => {}
        }
        // Whoever has left does not hear it.
        let frame = CloseFrame { code: close_code::AWAY, reason: "this server ends or hears nothing".into() };
        let _ = answers.send(Message::Close(Some(frame))).await;
    }

    /// Answers the newest picture again and again, until the client cannot be reached.
    async fn answer(&self, newest: &mut watch::Receiver<Frame>, answers: &mut SplitSink<WebSocket, Message>) {
        let mut ping = tokio::time::interval(PING);
        loop {
            let frame = tokio::select! {
                changed = newest.changed() => match changed {
                    Ok(()) => Some(newest.borrow_and_update().clone()),
                    Err(_) => return,
                },
                _ = ping.tick() => None,
            };
            let message = match frame {
                Some(frame) => self.answer_to(frame).await,
                None => Message::Ping(Bytes::new()),
            };
            if answers.send(message).await.is_err() {
                return;
            }
        }
    }

    async fn answer_to(&self, frame: Frame) -> Message {
        let (report, problem) = match self.see(frame.bytes).await {
            Ok(report) => (Some(report), None),
            Err(problem) => (None, Some(problem.json())),
        };
        let answer = Answer { frame: frame.number, report, problem };
        Message::text(serde_json::to_string(&answer).unwrap_or_default())
    }

    /// Looks at a picture as at that of a request.
    async fn see(&self, picture: Bytes) -> Result<PictureReport, Problem> {
        let mut visit = self.app.enter(&HeaderMap::new())?;
        let received = self.app.receive(&visit, Body::from(picture)).await?;
        // By its name, which may mean another version by now.
        let order = self.app.order(self.wanted.clone())?;
        let picture = NamedPicture { name: None, bytes: received.bytes };
        let seen = self.app.see(&mut visit, order, vec![picture], received.hold).await?;
        let only = seen.into_iter().next();
        only.map(|seen| seen.report).ok_or_else(|| Problem::internal("nothing was seen"))
    }
}

/// Keeps the newest picture of the client, until it leaves or shows nothing.
async fn receive(mut pictures: SplitStream<WebSocket>, newest: watch::Sender<Frame>) {
    let mut number = 0;
    while let Ok(Some(bytes)) = tokio::time::timeout(IDLE, picture(&mut pictures)).await {
        number += 1;
        newest.send_replace(Frame { number, bytes });
    }
}

/// The next picture; none once the client has left. Pongs and texts mean nothing.
async fn picture(pictures: &mut SplitStream<WebSocket>) -> Option<Bytes> {
    loop {
        match pictures.next().await?.ok()? {
            Message::Binary(bytes) => return Some(bytes),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_server_may_connect_and_programs_that_are_no_pages() {
        let allowed = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
            same_origin(&headers).is_ok()
        };
        assert!(allowed(None, "127.0.0.1:8002"));
        assert!(allowed(Some("http://127.0.0.1:8002"), "127.0.0.1:8002"));
        assert!(allowed(Some("https://Sights.example"), "sights.example"));
        for foreign in ["http://127.0.0.1:8003", "https://evil.example", "null", "http://127.0.0.1"] {
            assert!(!allowed(Some(foreign), "127.0.0.1:8002"), "{foreign}");
        }
    }
}
