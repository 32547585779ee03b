//! OpenStreetMap through an Overpass server: what is tagged as an attraction, a museum or historic.
//!
//! OpenStreetMap does not say how notable a sight is. In how many languages it has a name says much the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Url;
use serde::Deserialize;

use super::is_item;
use crate::fetch::Fetcher;
use crate::sources::{Service, fixed};
use crate::{City, Sight, SightSource, SourceError};

const NAME: &str = "openstreetmap";

/// Seconds that the server may take.
const TIMEOUT: u32 = 50;

/// Where the city's area is not known: metres around its middle.
const RADIUS: u32 = 5_000;

/// How OpenStreetMap is asked.
#[derive(Debug, Clone)]
pub struct OpenStreetMapConfig {
    /// Where the Overpass server is.
    pub base: Url,
}

impl Default for OpenStreetMapConfig {
    fn default() -> Self {
        Self { base: fixed("https://overpass-api.de") }
    }
}

/// OpenStreetMap. It needs to know where the city lies.
#[derive(Debug, Clone)]
pub struct OpenStreetMap {
    service: Service,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    elements: Vec<Element>,
    remark: Option<String>,
}

#[derive(Deserialize)]
struct Element {
    #[serde(rename = "type")]
    kind: String,
    id: u64,
    lat: Option<f64>,
    lon: Option<f64>,
    center: Option<Point>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Point {
    lat: f64,
    lon: f64,
}

impl OpenStreetMap {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: &OpenStreetMapConfig) -> Self {
        Self { service: Service::new(NAME, fetcher, &config.base, "api/interpreter") }
    }

    async fn ask(&self, city: &City, limit: u32) -> Result<Vec<Sight>, SourceError> {
        let Some((latitude, longitude)) = city.latitude.zip(city.longitude) else { return Ok(Vec::new()) };
        let mut elements = self.elements(&in_area(&city.name, latitude, longitude)).await?;
        if elements.is_empty() {
            elements = self.elements(&in_circle(latitude, longitude)).await?;
        }
        elements.sort_by_key(|element| (Reverse(element.fame()), element.id));
        let mut items = HashSet::new();
        let sights = elements.iter().filter_map(Element::sight);
        Ok(sights.filter(|sight| items.insert(sight.wikidata.clone())).take(limit as usize).collect())
    }

    async fn elements(&self, query: &str) -> Result<Vec<Element>, SourceError> {
        let answer: Answer = self.service.ask(&[("data", query)]).await?;
        match answer.remark {
            // The part that was found in time is in no useful order.
            Some(remark) if remark.contains("error") => Err(self.service.busy(&remark)),
            _ => Ok(answer.elements),
        }
    }
}

impl SightSource for OpenStreetMap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sights<'a>(&'a self, city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>> {
        self.ask(city, limit).boxed()
    }
}

impl Element {
    /// In how many languages it has a name; the mark of an attraction counts like ten.
    fn fame(&self) -> usize {
        let names = self.tags.keys().filter(|key| key.starts_with("name:")).count();
        let is_attraction = self.tags.get("tourism").is_some_and(|kind| kind == "attraction");
        names + if is_attraction { 10 } else { 0 }
    }

    fn sight(&self) -> Option<Sight> {
        let tag = |key: &str| self.tags.get(key).filter(|value| !value.trim().is_empty());
        let wikidata = tag("wikidata").filter(|id| is_item(id))?;
        let category = tag("wikimedia_commons").and_then(|page| page.strip_prefix("Category:"));
        let center = self.center.as_ref();
        Some(Sight {
            name: tag("name:en").or_else(|| tag("name"))?.clone(),
            latitude: self.lat.or(center.map(|center| center.lat)),
            longitude: self.lon.or(center.map(|center| center.lon)),
            wikidata: Some(wikidata.clone()),
            commons_category: category.map(str::to_owned),
            source: NAME.to_owned(),
            external_id: Some(format!("{}/{}", self.kind, self.id)),
        })
    }
}

/// Sights in the administrative area with the city's name that its middle lies in.
fn in_area(name: &str, latitude: f64, longitude: f64) -> String {
    let name = quoted(name);
    format!(
        "[out:json][timeout:{TIMEOUT}];is_in({latitude},{longitude})->.here;\
         (area.here[boundary=administrative][\"name\"={name}];\
         area.here[boundary=administrative][\"name:en\"={name}];)->.city;{}",
        sights_in("area.city")
    )
}

fn in_circle(latitude: f64, longitude: f64) -> String {
    let sights = sights_in(&format!("around:{RADIUS},{latitude},{longitude}"));
    format!("[out:json][timeout:{TIMEOUT}];{sights}")
}

fn sights_in(place: &str) -> String {
    format!(
        "(nwr[\"tourism\"~\"^(attraction|museum)$\"][\"wikidata\"][\"name\"]({place});\
         nwr[\"historic\"][\"wikidata\"][\"name\"]({place}););out center tags;"
    )
}

/// A string of Overpass QL.
fn quoted(text: &str) -> String {
    let escaped: String = text.chars().fold(String::new(), |mut escaped, letter| {
        if matches!(letter, '"' | '\\') {
            escaped.push('\\');
        }
        escaped.push(if letter.is_control() { ' ' } else { letter });
        escaped
    });
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_inside_its_quotes() {
        assert_eq!(quoted("Xi'an"), "\"Xi'an\"");
        assert_eq!(quoted("a\"];out;\\\n"), "\"a\\\"];out;\\\\ \"");
    }

    #[test]
    fn brackets_of_the_queries_match() {
        for query in [in_area("Berlin", 52.5, 13.4), in_circle(-33.9, 151.2)] {
            for (open, close) in [('(', ')'), ('[', ']')] {
                assert_eq!(query.matches(open).count(), query.matches(close).count(), "{query}");
            }
            assert!(query.ends_with("out center tags;"));
        }
    }
}
