//! Overpass, which answers questions about OpenStreetMap. Like the fake of Wikidata's query service, it does not
//! understand the language: it looks which city a query is about.
//!
//! Shaped after <https://wiki.openstreetmap.org/wiki/Overpass_API> and
//! <https://dev.overpass-api.de/output_formats.html#json>.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::params::Params;
use super::world::{City, Sight, metres};
use super::{Answer, Upstream, World};

/// A point that is as near to the city as this, in metres, asks for the city.
const AROUND: f64 = 30_000.0;

/// The fake of Overpass.
#[derive(Debug)]
pub struct Overpass {
    /// Its server: `/api/interpreter`, by GET or POST.
    pub upstream: Upstream,
}

impl Overpass {
    /// Starts it with what it knows.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let route = get(interpret).post(interpret);
        let upstream =
            Upstream::start(|_| Router::new().route("/api/interpreter", route).with_state(Arc::new(world)))
                .await;
        Self { upstream }
    }
}

/// The query comes as `data` in the address or in a form.
async fn interpret(State(world): State<Arc<World>>, uri: Uri, body: Bytes) -> Response {
    let params = if body.is_empty() { Params::of_query(&uri) } else { Params::of_form(&body) };
    answer(&world, params.text("data")).into_response()
}

fn answer(world: &World, query: &str) -> Answer {
    if !query.contains("out") {
        let page = "<p><strong>Error</strong>: line 1: parse error: Unexpected end of input.</p>";
        return Answer::new("text/html; charset=utf-8", page).status(400);
    }
    if !query.contains("[out:json]") {
        return Answer::new(
            "application/osm3s+xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><osm version=\"0.6\"/>",
        );
    }
    let is_known = is_about(&world.city, query);
    let sights = world.sights.iter().enumerate().filter(|_| is_known);
    let elements: Vec<Value> = sights.map(|(index, sight)| element(index, sight, query)).collect();
    Answer::json(&json!({
        "version": 0.6,
        "generator": "Overpass API 0.7.62",
        "osm3s": {
            "timestamp_osm_base": "2026-11-01T00:00:00Z",
            "copyright": "The data included in this document is from www.openstreetmap.org.",
        },
        "elements": elements,
    }))
}

/// It names the city or its item in Wikidata, or a point near it.
fn is_about(city: &City, query: &str) -> bool {
    let names = |text: &str| query.contains(&format!("\"{text}\""));
    let is_near = |point| metres(point, (city.latitude, city.longitude)) <= AROUND;
    names(&city.name) || names(&city.wikidata) || points(query).into_iter().any(is_near)
}

/// Every pair of neighbouring numbers in brackets: a point, or corners of a rectangle.
fn points(query: &str) -> Vec<(f64, f64)> {
    let brackets = query.split('(').skip(1).filter_map(|rest| rest.split(')').next());
    let numbers = brackets.map(|inside| {
        inside.split([',', ':']).filter_map(|word| word.trim().parse().ok()).collect::<Vec<f64>>()
    });
    numbers
        .flat_map(|numbers| numbers.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>())
        .collect()
}

/// Every second sight is a way, which has a place only where the query asks for the centre.
fn element(index: usize, sight: &Sight, query: &str) -> Value {
    let id = 100_000 + index;
    let place = json!({"lat": sight.latitude, "lon": sight.longitude});
    let mut told = if index.is_multiple_of(2) {
        json!({"type": "node", "id": id, "lat": place["lat"], "lon": place["lon"]})
    } else {
        json!({"type": "way", "id": id})
    };
    if told["type"] == "way" && query.contains("center") {
        told["center"] = place;
    }
    told["tags"] = tags(sight);
    told
}

/// One name for each edition of Wikipedia: mapping is as thorough as fame is great.
fn tags(sight: &Sight) -> Value {
    let mut tags = json!({"name": sight.name, "tourism": "attraction", "wikidata": sight.wikidata});
    for language in 0..sight.sitelinks / 10 {
        tags[format!("name:x{language}")] = json!(sight.name);
    }
    tags["name:en"] = json!(sight.name);
    if let Some(german) = &sight.german {
        tags["name:de"] = json!(german);
    }
    if let Some(category) = &sight.category {
        tags["wikimedia_commons"] = json!(format!("Category:{category}"));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::super::params::encoded;
    use super::super::visitor::{get, post};
    use super::super::world::samples::world;
    use super::*;

    async fn elements(overpass: &Overpass, place: &str) -> usize {
        let query = format!("[out:json];nwr[tourism=attraction]({place});out center tags;");
        let path = format!("/api/interpreter?data={}", encoded(&query));
        get(&overpass.upstream, &path).await.json()["elements"].as_array().unwrap().len()
    }

    #[tokio::test]
    async fn a_city_is_known_by_name_and_by_points() {
        let overpass = Overpass::start(world()).await;
        for (place, found) in [
            ("area[\"name\"=\"Paris\"]", 2),
            ("around:5000,48.85,2.35", 2),
            ("48.8,2.2,48.9,2.4", 2),
            ("area[\"name\"=\"Rome\"]", 0),
            ("around:5000,41.9,12.5", 0),
        ] {
            assert_eq!(elements(&overpass, place).await, found, "{place}");
        }
    }

    #[tokio::test]
    async fn ways_have_a_centre_where_it_is_asked_for() {
        let overpass = Overpass::start(world()).await;
        for (out, latitude) in [("out center tags;", json!(48.86)), ("out tags;", json!(null))] {
            let form = format!("data={}", encoded(&format!("[out:json];nwr(\"Paris\");{out}")));
            let told = post(&overpass.upstream, "/api/interpreter", &[], form.as_bytes()).await.json();
            let [node, way] = [&told["elements"][0], &told["elements"][1]];
            assert_eq!((&node["type"], &node["lat"]), (&json!("node"), &json!(48.8583)));
            assert_eq!((&way["type"], &way["center"]["lat"]), (&json!("way"), &latitude));
            assert_eq!(way["tags"]["wikidata"], "Q900001");
        }
    }

    #[tokio::test]
    async fn what_is_no_query_is_refused() {
        let overpass = Overpass::start(world()).await;
        assert_eq!(get(&overpass.upstream, "/api/interpreter?data=nonsense").await.status, 400);
        let xml = get(&overpass.upstream, "/api/interpreter?data=node(1);out;").await;
        assert_eq!(xml.header("content-type"), "application/osm3s+xml");
    }
}
