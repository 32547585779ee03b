//! Google Places.
//!
//! Two text searches for `sights CITY`: in German, and in the language that Google chooses.

use std::collections::HashSet;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join};
use reqwest::Url;
use serde::Deserialize;

use crate::fetch::Fetcher;
use crate::sources::{ApiKey, Service, fixed};
use crate::{City, Sight, SightSource, SourceError};

const NAME: &str = "places";

/// How Google Places is asked.
#[derive(Debug, Clone)]
pub struct PlacesConfig {
    /// Where the service is.
    pub base: Url,
    /// `MAPS_KEY`.
    pub key: ApiKey,
}

impl PlacesConfig {
    /// The public service with this key.
    pub fn new(key: ApiKey) -> Self {
        Self { base: fixed("https://maps.googleapis.com"), key }
    }
}

/// Google Places' text search: the first page of each of two searches, which is up to 20 sights.
#[derive(Debug, Clone)]
pub struct Places {
    service: Service,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    error_message: Option<String>,
    #[serde(default)]
    results: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    name: Option<String>,
    place_id: Option<String>,
    geometry: Option<Geometry>,
}

#[derive(Deserialize)]
struct Geometry {
    location: Option<Location>,
}

#[derive(Deserialize)]
struct Location {
    lat: f64,
    lng: f64,
}

impl Places {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: PlacesConfig) -> Self {
        let service = Service::new(NAME, fetcher, &config.base, "maps/api/place/textsearch/json");
        Self { service: service.with_key("key", config.key) }
    }

    async fn ask(&self, city: &City, limit: u32) -> Result<Vec<Sight>, SourceError> {
        let query = format!("sights {}", city.name);
        let in_german = [("query", query.as_str()), ("language", "de")];
        let (german, default) = try_join(self.search(&in_german), self.search(&in_german[..1])).await?;
        let sights = german.into_iter().chain(default).filter_map(sight);
        Ok(distinct(sights).take(limit as usize).collect())
    }

    async fn search(&self, parameters: &[(&str, &str)]) -> Result<Vec<Place>, SourceError> {
        let answer: Answer = self.service.ask(parameters).await?;
        let message = answer.error_message.as_deref().unwrap_or("without a reason");
        match answer.status.as_str() {
            "OK" | "ZERO_RESULTS" => Ok(answer.results),
            "OVER_QUERY_LIMIT" => Err(self.service.busy(&format!(
                "the quota of MAPS_KEY is used up ({message}); wait, or raise it in the Google Cloud console"
            ))),
            "REQUEST_DENIED" => Err(self.service.refused(&format!(
                "MAPS_KEY is refused ({message}); allow it the Places API in the Google Cloud console"
            ))),
            "UNKNOWN_ERROR" => Err(self.service.busy(&format!("Google cannot answer now ({message})"))),
            other => Err(self.service.refused(&format!("{other}: {message}"))),
        }
    }
}

impl SightSource for Places {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sights<'a>(&'a self, city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>> {
        self.ask(city, limit).boxed()
    }
}

fn sight(place: Place) -> Option<Sight> {
    let location = place.geometry.and_then(|geometry| geometry.location);
    Some(Sight {
        name: place.name.filter(|name| !name.trim().is_empty())?,
        latitude: location.as_ref().map(|location| location.lat),
        longitude: location.as_ref().map(|location| location.lng),
        source: NAME.to_owned(),
        external_id: place.place_id,
        ..Sight::default()
    })
}

/// Each place once, by its id and by its name: both languages name most.
fn distinct(sights: impl Iterator<Item = Sight>) -> impl Iterator<Item = Sight> {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    sights.filter(move |sight| {
        let is_new_id = sight.external_id.as_ref().is_none_or(|id| ids.insert(id.clone()));
        names.insert(sight.name.clone()) && is_new_id
    })
}
