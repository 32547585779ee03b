//! Server-sent events (WHATWG HTML, section 9.2): answers that go on while something happens.

use std::time::Duration;

use axum::BoxError;
use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};

pub use axum::response::sse::{Event, KeepAlive, Sse};

use crate::draining::Draining;
use crate::problem::{Problem, Slug};

/// The header by which a client that comes again says what it got last.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// By this header nginx is told to pass every event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// After so long without an event a comment is sent: proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers with these events until they end or the server stops; browsers then come again by themselves, and reach
/// another server or the next one.
pub fn event_stream<S, E>(events: S, draining: Draining) -> Response
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    stream_with(events, draining, KEEP_ALIVE)
}

fn stream_with<S, E>(events: S, draining: Draining, keep_alive: Duration) -> Response
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let events = events.take_until(draining.begun());
    let answer = Sse::new(events).keep_alive(KeepAlive::new().interval(keep_alive));
    ([(ACCEL_BUFFERING, "no")], answer).into_response()
}

/// The id of the last event that the client got, where it comes again. It can be extracted by handlers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEventId(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let sent = parts.headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
        let id = sent.map(|value| String::from_utf8(value.as_bytes().to_vec())).transpose();
        id.map(Self).map_err(|_| {
            Problem::new(Slug::InvalidParameter, format!("the header `{LAST_EVENT_ID}` must be UTF-8"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use futures_util::stream;
    use http_body_util::BodyExt;
    use std::convert::Infallible;

    #[tokio::test]
    async fn events_are_written_as_the_standard_says() {
        let events =
            [Event::default().event("state").id("7").data("{}"), Event::default().data("two\nlines")];
        let events = stream::iter(events.map(Ok::<_, Infallible>));
        let response = event_stream(events, Draining::default());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "event: state\nid: 7\ndata: {}\n\ndata: two\ndata: lines\n\n");
    }

    #[tokio::test]
    async fn silence_is_broken_by_comments() {
        let silent = stream::pending::<Result<Event, Infallible>>();
        let mut body = stream_with(silent, Draining::default(), Duration::from_millis(5)).into_body();
        for _ in 0..3 {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), ":\n\n");
        }
    }

    #[tokio::test]
    async fn the_last_event_is_told_by_clients_that_come_again() {
        let id = async |sent: &[u8]| {
            let request = Request::builder().header(LAST_EVENT_ID, sent).body(()).unwrap();
            LastEventId::from_request_parts(&mut request.into_parts().0, &()).await
        };
        assert_eq!(id(b"42").await.unwrap(), LastEventId(Some("42".to_owned())));
        assert_eq!(id("Zürich".as_bytes()).await.unwrap(), LastEventId(Some("Zürich".to_owned())));
        assert_eq!(id(b"").await.unwrap(), LastEventId(None));
        assert_eq!(id(b"\xff").await.unwrap_err().slug(), Slug::InvalidParameter);
    }
}
