//! The routes of cities, their images, models and jobs, and those of the original.
//!
//! A handler reads the request, asks [`Cities`] or the warehouse, and words the answer.

mod cities;
mod decisions;
mod donations;
mod events;
mod files;
mod images;
mod jobs;
mod labelling;
mod legacy;
mod models;
mod places;
mod problems;
mod sights;
mod upload;

use std::num::NonZeroU32;
use std::sync::Arc;

use sightscan_http::axum::Router;
use sightscan_http::axum::extract::FromRef;
use sightscan_http::axum::http::HeaderMap;
use sightscan_http::{
    AdminGate, AllowedHosts, Budget, ClientAddress, Problem, Quota, RateLimit, SmallBodies, Surroundings,
};
use sightscan_http::{client, exchange, hosts, openapi};
use sightscan_types::Slug;
use sightscan_warehouse::cities::City;
use utoipa_axum::router::OpenApiRouter;

use crate::error::{Error, Result};
use crate::{Cities, Config};

/// Bytes of all bodies of one kind that are in memory at once, in greatest bodies.
const BODIES_AT_ONCE: u64 = 16;
/// A form is a little larger than the picture in it.
const FORM: u64 = 64 << 10;

/// What the routes share.
#[derive(Debug, Clone)]
pub struct Api {
    cities: Arc<Cities>,
    gate: AdminGate,
    reads: RateLimit,
    writes: RateLimit,
    small: SmallBodies,
    uploads: Budget,
}

impl Api {
    /// Routes of these cities; `gate` lets the administrator in.
    pub fn new(cities: Arc<Cities>, gate: AdminGate) -> Self {
        let config = &cities.config;
        let upload = config.max_upload_bytes + FORM;
        let (reads, writes) = (quota(config.requests_per_minute), quota(config.writes_per_minute));
        Self {
            reads: RateLimit::new(reads).sparing_admins(gate.clone()),
            writes: RateLimit::new(writes).sparing_admins(gate.clone()),
            small: SmallBodies::default(),
            uploads: Budget::new(upload, upload * BODIES_AT_ONCE),
            gate,
            cities,
        }
    }

    /// Whether the administrator asks.
    fn is_admin(&self, client: ClientAddress, headers: &HeaderMap) -> Result<bool, Problem> {
        self.gate.is_admin(client, headers)
    }
}

impl FromRef<Api> for AdminGate {
    fn from_ref(api: &Api) -> Self {
        api.gate.clone()
    }
}

impl FromRef<Api> for SmallBodies {
    fn from_ref(api: &Api) -> Self {
        api.small.clone()
    }
}

impl FromRef<Api> for Arc<Cities> {
    fn from_ref(api: &Api) -> Self {
        Self::clone(&api.cities)
    }
}

/// So many requests a minute, all of which may come at once.
fn quota(per_minute: u32) -> Quota {
    let number = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
    Quota { per_minute: number, burst: number }
}

/// The route of places, which needs no warehouse.
pub fn places() -> OpenApiRouter {
    places::router()
}

/// All routes with their descriptions for OpenAPI. Who only looks may do so often, who changes something less often,
/// and what only the administrator may is closed to others.
pub fn router(api: &Api) -> OpenApiRouter {
    let looking = OpenApiRouter::new()
        .merge(places::router())
        .merge(cities::looking())
        .merge(events::router())
        .merge(images::looking())
        .merge(models::looking())
        .merge(sights::looking())
        .merge(donations::looking())
        .merge(legacy::looking())
        .layer(api.reads.layer());
    let changing = OpenApiRouter::new()
        .merge(cities::changing())
        .merge(donations::changing())
        .merge(legacy::changing())
        .layer(api.writes.layer());
    let deciding = OpenApiRouter::new()
        .merge(decisions::router())
        .merge(images::deciding())
        .merge(jobs::router())
        .merge(models::deciding())
        .merge(sights::deciding())
        .layer(api.gate.layer());
    looking.merge(changing).merge(deciding).with_state(api.clone())
}

/// The routes of the original's labelling service, for a listener of their own; all are the administrator's.
pub fn labelling(api: &Api) -> OpenApiRouter {
    labelling::router().layer(api.gate.layer()).with_state(api.clone())
}

/// The routes, the document about them under its own path and the original's, and the pages that show it.
pub fn documented(routes: OpenApiRouter) -> Router {
    let original = legacy::documents(routes.get_openapi());
    openapi::documented(routes).merge(original)
}

/// Settings that cannot be meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A host.
    #[error("allowed_hosts: {0}")]
    Host(#[from] hosts::NotAHost),
    /// A proxy.
    #[error("trusted_proxies: {0}")]
    Proxy(#[from] client::NotANetwork),
}

/// What surrounds the routes: whom they believe about the client's address, and the hosts they answer for.
///
/// # Errors
/// When a host or a proxy is none.
pub fn surroundings(
    config: &Config,
    listen: std::net::SocketAddr,
    observer: exchange::Observer,
) -> std::result::Result<Surroundings, SettingsError> {
    let hosts = if config.allowed_hosts.is_empty() {
        AllowedHosts::default_for(listen)
    } else {
        AllowedHosts::parse(&config.allowed_hosts)?
    };
    let trusted = client::TrustedProxies::parse(&config.trusted_proxies)?;
    Ok(Surroundings { trusted, hosts, ..Surroundings::new(observer) })
}

impl Cities {
    /// The city that a path names by its slug.
    async fn find(&self, slug: &str) -> Result<City> {
        let city = match slug.parse::<Slug>() {
            Ok(slug) => sightscan_warehouse::cities::by_slug(&self.warehouse.database, &slug).await?,
            Err(_) => None,
        };
        city.ok_or_else(|| Error::UnknownCity(slug.to_owned()))
    }
}
