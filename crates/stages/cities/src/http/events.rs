//! `GET /v1/cities/{slug}/events`: what happens to a city, as it happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use serde::Serialize;
use sightscan_http::asked::Named;
use sightscan_http::axum;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::response::Response;
use sightscan_http::events::Event as Message;
use sightscan_http::{Draining, LastEventId, Problem, event_stream};
use sightscan_types::{CityId, Slug};
use sightscan_warehouse::cities::{self, Event};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problems::CityProblems;
use crate::Cities;
use crate::error::Result;

/// Events that are read at once.
const BATCH: u32 = 100;
/// After so long without being told, a follower looks all the same.
const LOOK: Duration = Duration::from_secs(15);

/// Something that happened to a city: the `data` of an event. The event's name is `state`, `progress`, `epoch` or `log`, its
/// id counts from 1 for each city.
#[derive(Debug, Serialize, ToSchema)]
struct Happening {
    /// The city's slug.
    city: Slug,
    /// The stage that it is about.
    stage: Option<String>,
    /// The city's state after it.
    state: Option<String>,
    /// Units that are done.
    done: Option<i64>,
    /// Units there are.
    total: Option<i64>,
    /// Why, or what is being done.
    message: Option<String>,
    /// Of an epoch of its training: its number, losses, mean average precision and speed.
    #[schema(value_type = Option<Object>)]
    epoch: Option<serde_json::Value>,
    /// When: milliseconds since 1970-01-01 UTC.
    at: i64,
}

/// Somebody who follows a city.
struct Follower {
    cities: Arc<Cities>,
    city: CityId,
    slug: Slug,
    last: i64,
    read: VecDeque<Event>,
    changes: watch::Receiver<()>,
}

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Follows a city: first what has happened so far, then what happens. Who comes again with `last-event-id` gets what
/// came after that event.
#[utoipa::path(get, path = "/v1/cities/{slug}/events", tag = "cities", params(
    ("slug" = Slug, Path, description = "the city"),
    ("last-event-id" = Option<i64>, Header, description = "the id of the last event that was seen")),
    responses((status = 200, description = "server-sent events", body = Happening, content_type = "text/event-stream"),
        CityProblems))]
async fn follow(
    State(cities): State<Arc<Cities>>,
    Named(slug): Named<String>,
    LastEventId(last): LastEventId,
    draining: Draining,
) -> Result<Response, Problem> {
    let city = cities.find(&slug).await?;
    // An id that is none of ours is that of a list which is gone: everything is new then.
    let last = last.and_then(|id| id.parse().ok()).unwrap_or(0);
    let changes = cities.changes.follow();
    let follower = Follower { cities, city: city.id, slug: city.slug, last, read: VecDeque::new(), changes };
    Ok(event_stream(follower.messages(), draining))
}

impl Follower {
    /// Events until the database does not answer; the client comes again then.
    fn messages(self) -> impl Stream<Item = Result<Message>> {
        stream::try_unfold(self, async |mut follower| {
            let event = follower.next().await?;
            let message = follower.message(event)?;
            Ok(Some((message, follower)))
        })
    }

    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.last = event.number;
                return Ok(event);
            }
            self.changes.mark_unchanged();
            let database = &self.cities.warehouse.database;
            self.read = cities::events(database, self.city, self.last, BATCH).await?.into();
            if self.read.is_empty() {
                // Either way it is time to look.
                let _ = tokio::time::timeout(LOOK, self.changes.changed()).await;
            }
        }
    }

    fn message(&self, event: Event) -> Result<Message> {
        let epoch: Option<serde_json::Value> = event.epoch().map(serde_json::from_str).transpose()?;
        let message = event.message.filter(|_| epoch.is_none());
        let (number, kind) = (event.number.to_string(), event.kind);
        let happening = Happening {
            city: self.slug.clone(),
            stage: event.stage,
            state: event.state,
            done: event.done,
            total: event.total,
            message,
            epoch,
            at: event.at,
        };
        let data = serde_json::to_string(&happening)?;
        Ok(Message::default().event(kind).id(number).data(data))
    }
}
