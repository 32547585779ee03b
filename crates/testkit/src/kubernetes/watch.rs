//! A watch: one JSON object a line, as things happen.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::Shared;
use super::answers::status;
use super::api::Question;

/// How long a watch lasts that does not say how long.
const USUAL: Duration = Duration::from_secs(60);
/// How often it says how far it has come.
const BOOKMARK: Duration = Duration::from_millis(500);

/// Where a watch is.
struct Watching {
    shared: Arc<Shared>,
    changed: Receiver<u64>,
    /// The last version that was told.
    told: u64,
    unsent: VecDeque<String>,
    until: Instant,
    has_bookmarks: bool,
    is_over: bool,
}

/// The events since the version that is asked for.
pub(super) fn events(shared: Arc<Shared>, question: &Question) -> Response {
    let lasts = question.timeout_seconds.map_or(USUAL, Duration::from_secs);
    let watching = Watching {
        changed: shared.changed.subscribe(),
        told: question.resource_version.parse().unwrap_or_else(|_| shared.state().version()),
        shared,
        unsent: VecDeque::new(),
        until: Instant::now() + lasts,
        has_bookmarks: question.allow_watch_bookmarks,
        is_over: false,
    };
    let lines = stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        Some((Ok::<_, Infallible>(line), watching))
    });
    ([(CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
}

impl Watching {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.unsent.pop_front() {
                return Some(line);
            }
            if self.is_over || Instant::now() >= self.until {
                return None;
            }
            self.look();
            if self.unsent.is_empty() {
                self.wait().await;
            }
        }
    }

    fn look(&mut self) {
        self.changed.mark_unchanged();
        let state = self.shared.state();
        match state.since(self.told) {
            Some(events) => {
                self.told = events.last().map_or(self.told, |event| event.version);
                self.unsent.extend(events.into_iter().map(|event| line(event.kind, event.object)));
            }
            None => {
                let told = format!("too old resource version: {} ({})", self.told, state.version());
                self.unsent.push_back(line("ERROR", status(410, "Expired", &told)));
                self.is_over = true;
            }
        }
    }

    async fn wait(&mut self) {
        let soon = Instant::now() + BOOKMARK;
        if tokio::time::timeout_at(soon.min(self.until), self.changed.changed()).await.is_err()
            && self.has_bookmarks
        {
            let metadata = json!({"resourceVersion": self.told.to_string(), "creationTimestamp": null});
            self.unsent.push_back(line(
                "BOOKMARK",
                json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata}),
            ));
        }
    }
}

fn line(kind: &str, object: Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}
