//! Wikidata through its query service (SPARQL).
//!
//! A sight is an item of a class that tourists visit, with coordinates, in the city's administrative area or near its
//! middle. The second is for the cities whose sights are not below them in the tree of areas: those of London are in
//! Greater London. The more Wikipedias have an article about it, the more notable it is.

mod query;

use std::collections::HashSet;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Url;
use serde::Deserialize;

use super::is_item;
use crate::fetch::Fetcher;
use crate::sources::{Service, fixed};
use crate::{City, Sight, SightSource, SourceError};
use query::Place;

const NAME: &str = "wikidata";

/// How Wikidata is asked.
#[derive(Debug, Clone)]
pub struct WikidataConfig {
    /// Where the query service is.
    pub base: Url,
}

impl Default for WikidataConfig {
    fn default() -> Self {
        Self { base: fixed("https://query.wikidata.org") }
    }
}

/// Wikidata.
#[derive(Debug, Clone)]
pub struct Wikidata {
    service: Service,
}

#[derive(Deserialize)]
struct Answer {
    results: Results,
}

#[derive(Deserialize)]
struct Results {
    bindings: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    item: Option<Term>,
    #[serde(rename = "itemLabel")]
    label: Option<Term>,
    coordinate: Option<Term>,
    category: Option<Term>,
}

#[derive(Deserialize)]
struct Term {
    value: String,
}

impl Wikidata {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: &WikidataConfig) -> Self {
        Self { service: Service::new(NAME, fetcher, &config.base, "sparql") }
    }

    /// The city is found by its id in GeoNames, else by its name, else what lies around it is taken.
    async fn ask(&self, city: &City, limit: u32) -> Result<Vec<Sight>, SourceError> {
        for place in Place::all_of(city) {
            let sights = self.sights_of(&query::sights(&place, city.country.as_deref(), limit)).await?;
            if !sights.is_empty() {
                return Ok(sights.into_iter().take(limit as usize).collect());
            }
        }
        Ok(Vec::new())
    }

    async fn sights_of(&self, query: &str) -> Result<Vec<Sight>, SourceError> {
        let answer: Answer = self.service.ask(&[("format", "json"), ("query", query)]).await?;
        let mut items = HashSet::new();
        let sights = answer.results.bindings.into_iter().filter_map(Row::sight);
        // An item with two coordinates or categories has several rows.
        Ok(sights.filter(|sight| items.insert(sight.wikidata.clone())).collect())
    }
}

impl SightSource for Wikidata {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sights<'a>(&'a self, city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>> {
        self.ask(city, limit).boxed()
    }
}

impl Row {
    fn sight(self) -> Option<Sight> {
        let item = self.item?.value.rsplit('/').next()?.to_owned();
        // The service writes the id where there is no label.
        let name = self.label?.value;
        if !is_item(&item) || name.trim().is_empty() || name == item {
            return None;
        }
        let (longitude, latitude) = self.coordinate.and_then(|point| point_of(&point.value)).unzip();
        Some(Sight {
            name,
            latitude,
            longitude,
            wikidata: Some(item.clone()),
            commons_category: self.category.map(|category| category.value),
            source: NAME.to_owned(),
            external_id: Some(item),
        })
    }
}

/// Longitude and latitude of a WKT literal, `Point(13.3777 52.5163)`.
fn point_of(literal: &str) -> Option<(f64, f64)> {
    let inside = literal.strip_prefix("Point(")?.strip_suffix(')')?;
    let (longitude, latitude) = inside.split_once(' ')?;
    Some((longitude.parse().ok()?, latitude.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read() {
        assert_eq!(point_of("Point(13.3777 52.5163)"), Some((13.3777, 52.5163)));
        assert_eq!(point_of("Point(-1.5e1 -3)"), Some((-15.0, -3.0)));
        for other in ["", "Point()", "Point(1)", "LineString(1 2, 3 4)", "<http://moon> Point(1 2)"] {
            assert_eq!(point_of(other), None, "{other}");
        }
    }
}
