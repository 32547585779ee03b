//! The query service. It does not understand SPARQL: it looks which city a query is about, and tells by the
//! properties that stand before its variables what each of them is to hold.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::super::Answer;
use super::super::params::Params;
use super::super::world::{City, Sight, World, metres};
use super::Site;
use super::entities::uri;

const FORMAT: &str = "application/sparql-results+json";
/// A query that asks for what is around a point asks for the city when the point is as near to it as this.
const AROUND_METRES: f64 = 30_000.0;

pub(super) async fn get(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    answer(&site.world, &Params::of_query(&uri), &headers).into_response()
}

pub(super) async fn post(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&site.world, &Params::of_form(&body), &headers).into_response()
}

fn answer(world: &World, params: &Params, headers: &HeaderMap) -> Answer {
    let query = params.text("query");
    let Some(variables) = selected(query) else {
        return Answer::new("text/plain", "MalformedQueryException: no SELECT").status(400);
    };
    let accepts_json = headers.get(ACCEPT).is_some_and(|value| value.as_bytes().ends_with(b"json"));
    if params.text("format") != "json" && !accepts_json {
        return Answer::new("application/sparql-results+xml", "<?xml version='1.0'?><sparql/>");
    }
    let names: Vec<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    let results = json!({"head": {"vars": names}, "results": {"bindings": rows(world, query, &variables)}});
    Answer::new(FORMAT, results.to_string())
}

/// A variable of the result.
#[derive(Debug, PartialEq, Eq)]
struct Variable {
    name: String,
    meaning: Meaning,
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    City,
    CityName,
    Sight,
    SightName,
    GermanName,
    Coordinates,
    Latitude,
    Longitude,
    Sitelinks,
    Category,
    Unknown,
}

/// The variables between SELECT and WHERE, those of `(… AS ?name)` included.
fn selected(query: &str) -> Option<Vec<Variable>> {
    let begin = query.find("SELECT")? + "SELECT".len();
    let end = begin + query[begin..].find('{')?;
    let head: Vec<&str> = words(&query[begin..end]).collect();
    let body: Vec<&str> = words(&query[end..]).collect();
    let mut variables = Vec::new();
    let mut depth = 0_i32;
    let mut expression = Vec::new();
    for (position, word) in head.iter().enumerate() {
        match *word {
            "(" => depth += 1,
            ")" => depth -= 1,
            word if word.starts_with('?') && depth == 0 => variables.push(variable(word, &[word], &body)),
            word if word.starts_with('?') && head[position - 1].eq_ignore_ascii_case("AS") => {
                variables.push(variable(word, &std::mem::take(&mut expression), &body));
            }
            word => expression.push(word),
        }
    }
    Some(variables)
}

/// Words, with brackets and the signs that end a triple as words of their own.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(|word| {
        word.split_inclusive(['(', ')', '{', '}', ';', ','])
            .flat_map(|part| {
                let end = part.trim_end_matches(['(', ')', '{', '}', ';', ',', '.']).len();
                [&part[..end], &part[end..]]
            })
            .filter(|part| !part.is_empty())
    })
}

fn variable(name: &str, expression: &[&str], body: &[&str]) -> Variable {
    let counts = expression.iter().any(|word| word.eq_ignore_ascii_case("COUNT"));
    let inner = expression.iter().find(|word| word.starts_with('?')).copied().unwrap_or(name);
    let meaning = match (counts, meaning(inner, body)) {
        (true, _) => Meaning::Sitelinks,
        (false, Meaning::Unknown) => by_name(name),
        (false, meaning) => meaning,
    };
    Variable { name: name.trim_start_matches('?').to_owned(), meaning }
}

/// By the triples that the variable is the subject or the object of; labels of the label service by their names.
fn meaning(variable: &str, body: &[&str]) -> Meaning {
    if let Some(labelled) = variable.strip_suffix("Label") {
        let of_city = meaning(labelled, body) == Meaning::City;
        return if of_city { Meaning::CityName } else { Meaning::SightName };
    }
    let places = body.iter().enumerate().filter(|(_, word)| **word == variable).map(|(place, _)| place);
    let told = |place: usize| {
        let before = place.checked_sub(1).and_then(|place| body.get(place)).copied().unwrap_or_default();
        let after = body.get(place + 1).copied().unwrap_or_default();
        let language = body[place..].iter().take(14).any(|word| word.contains("\"de\""));
        as_object(before, language).or_else(|| as_subject(before, after))
    };
    places.filter_map(told).next().unwrap_or(Meaning::Unknown)
}

fn as_object(property: &str, is_german: bool) -> Option<Meaning> {
    let meaning = match property {
        path if path.contains("geoLatitude") => Meaning::Latitude,
        path if path.contains("geoLongitude") => Meaning::Longitude,
        path if path.contains("P625") || path == "wikibase:location" => Meaning::Coordinates,
        path if path.contains("wikibase:sitelinks") => Meaning::Sitelinks,
        path if path.ends_with("P373") => Meaning::Category,
        path if path.contains("P131") => Meaning::City,
        path if path.ends_with("rdfs:label") && is_german => Meaning::GermanName,
        path if path.ends_with("rdfs:label") => Meaning::SightName,
        _ => return None,
    };
    Some(meaning)
}

/// A subject stands at the beginning of a triple: a property comes after it and none before.
fn as_subject(before: &str, after: &str) -> Option<Meaning> {
    if before.contains(':') || !after.contains(':') {
        return None;
    }
    Some(if after.contains("P1566") { Meaning::City } else { Meaning::Sight })
}

fn by_name(variable: &str) -> Meaning {
    let name = variable.to_lowercase();
    let known = [
        ("lat", Meaning::Latitude),
        ("lon", Meaning::Longitude),
        ("coord", Meaning::Coordinates),
        ("location", Meaning::Coordinates),
        ("link", Meaning::Sitelinks),
        ("categor", Meaning::Category),
        ("commons", Meaning::Category),
        ("label", Meaning::SightName),
        ("name", Meaning::SightName),
        ("item", Meaning::Sight),
        ("sight", Meaning::Sight),
        ("place", Meaning::Sight),
    ];
    known.iter().find(|(part, _)| name.contains(part)).map_or(Meaning::Unknown, |(_, meaning)| *meaning)
}

/// The sights of the city, the most notable first, or the city itself where nothing else is asked for.
fn rows(world: &World, query: &str, variables: &[Variable]) -> Vec<Value> {
    if !is_about(&world.city, query) {
        return Vec::new();
    }
    let is_of_sights = |variable: &Variable| {
        matches!(
            variable.meaning,
            Meaning::Sight | Meaning::SightName | Meaning::Sitelinks | Meaning::Category
        )
    };
    let mut sights: Vec<Option<&Sight>> = world.sights.iter().map(Some).collect();
    if !variables.iter().any(is_of_sights) {
        sights = vec![None];
    }
    sights.sort_by_key(|sight| std::cmp::Reverse(sight.map_or(0, |sight| sight.sitelinks)));
    let sights = sights.into_iter().take(limit(query));
    sights.map(|sight| row(&world.city, sight, variables)).collect()
}

/// It names the city by one of its ids or by its name, or a point near it.
fn is_about(city: &City, query: &str) -> bool {
    let item = format!("wd:{}", city.wikidata);
    let has_item = query
        .match_indices(&item)
        .any(|(place, _)| !query[place + item.len()..].starts_with(|next: char| next.is_ascii_digit()));
    let quoted = |text: &str| query.contains(&format!("\"{text}\"")) || query.contains(&format!("'{text}'"));
    let is_near =
        point(query).is_some_and(|point| metres(point, (city.latitude, city.longitude)) <= AROUND_METRES);
    has_item || quoted(&city.geonames.to_string()) || quoted(&city.name) || is_near
}

/// The first `Point(longitude latitude)`.
fn point(query: &str) -> Option<(f64, f64)> {
    let begin = query.find("Point(")? + "Point(".len();
    let end = begin + query[begin..].find(')')?;
    let (longitude, latitude) = query[begin..end].trim().split_once(' ')?;
    Some((latitude.trim().parse().ok()?, longitude.parse().ok()?))
}

fn limit(query: &str) -> usize {
    let last = query.rfind("LIMIT").map_or("", |place| &query[place + "LIMIT".len()..]);
    last.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(usize::MAX)
}

fn row(city: &City, sight: Option<&Sight>, variables: &[Variable]) -> Value {
    let bound = variables
        .iter()
        .filter_map(|variable| Some((variable.name.clone(), value(variable.meaning, city, sight)?)));
    Value::Object(bound.collect::<Map<_, _>>())
}

/// A variable without a value is left out.
fn value(meaning: Meaning, city: &City, sight: Option<&Sight>) -> Option<Value> {
    let place = sight.map_or((city.latitude, city.longitude), |sight| (sight.latitude, sight.longitude));
    Some(match meaning {
        Meaning::City => json!({"type": "uri", "value": uri(&city.wikidata)}),
        Meaning::CityName => named(&city.name, "en"),
        Meaning::Sight => json!({"type": "uri", "value": uri(&sight?.wikidata)}),
        Meaning::SightName => named(&sight?.name, "en"),
        Meaning::GermanName => named(sight?.german.as_ref()?, "de"),
        Meaning::Coordinates => {
            let point = format!("Point({} {})", place.1, place.0);
            typed("http://www.opengis.net/ont/geosparql#wktLiteral", &point)
        }
        Meaning::Latitude => typed("http://www.w3.org/2001/XMLSchema#double", &place.0.to_string()),
        Meaning::Longitude => typed("http://www.w3.org/2001/XMLSchema#double", &place.1.to_string()),
        Meaning::Sitelinks => {
            typed("http://www.w3.org/2001/XMLSchema#integer", &sight?.sitelinks.to_string())
        }
        Meaning::Category => json!({"type": "literal", "value": sight?.category.as_ref()?}),
        Meaning::Unknown => return None,
    })
}

fn named(name: &str, language: &str) -> Value {
    json!({"xml:lang": language, "type": "literal", "value": name})
}

fn typed(kind: &str, value: &str) -> Value {
    json!({"datatype": kind, "type": "literal", "value": value})
}

#[cfg(test)]
mod tests {
    use super::super::super::params::encoded;
    use super::super::super::visitor::get;
    use super::super::super::world::samples::world;
    use super::super::Wikimedia;
    use super::*;

    const SIGHTS: &str = "SELECT ?item ?itemLabel (SAMPLE(?place) AS ?coord) ?links ?category WHERE {
        ?city wdt:P1566 \"2988507\" .
        ?item wdt:P131* ?city; wdt:P625 ?place; wikibase:sitelinks ?links.
        OPTIONAL { ?item wdt:P373 ?category }
        SERVICE wikibase:label { bd:serviceParam wikibase:language \"en\". }
    } GROUP BY ?item ORDER BY DESC(?links) LIMIT ";

    async fn ask(wikimedia: &Wikimedia, query: &str) -> Vec<Value> {
        let path = format!("/sparql?format=json&query={}", encoded(query));
        let reply = get(&wikimedia.upstream, &path).await;
        assert_eq!(reply.header("content-type"), FORMAT);
        reply.json()["results"]["bindings"].as_array().unwrap().clone()
    }

    #[tokio::test]
    async fn the_most_notable_sights_of_the_city_are_told() {
        let wikimedia = Wikimedia::start(world()).await;
        let all = ask(&wikimedia, &format!("{SIGHTS}50")).await;
        assert_eq!(all.len(), 2);
        let tower = &all[0];
        assert_eq!(tower["item"]["value"], "http://www.wikidata.org/entity/Q243");
        assert_eq!(tower["itemLabel"]["value"], "Tower");
        assert_eq!(tower["coord"]["value"], "Point(2.2945 48.8583)");
        assert_eq!(tower["links"]["value"], "190");
        assert_eq!(tower["category"]["value"], "Tower");
        assert_eq!(ask(&wikimedia, &format!("{SIGHTS}1")).await.len(), 1);
    }

    #[tokio::test]
    async fn another_city_has_no_sights() {
        let wikimedia = Wikimedia::start(world()).await;
        let query = format!("{SIGHTS}50").replace("2988507", "2950159");
        assert_eq!(ask(&wikimedia, &query).await, Vec::<Value>::new());
    }

    #[tokio::test]
    async fn a_city_is_known_by_item_name_and_place() {
        let wikimedia = Wikimedia::start(world()).await;
        let around =
            "?item wdt:P625 ?place. bd:serviceParam wikibase:center \"Point(2.35 48.85)\"^^geo:wktLiteral";
        for text in
            ["?item wdt:P131 wd:Q90 .", "?city rdfs:label \"Paris\"@en . ?item wdt:P131 ?city", around]
        {
            let found = ask(&wikimedia, &format!("SELECT ?item WHERE {{ {text} }}")).await;
            assert_eq!(found.len(), 2, "{text}");
        }
        let other = ask(&wikimedia, "SELECT ?item WHERE { ?item wdt:P131 wd:Q901 }").await;
        assert_eq!(other.len(), 0);
    }

    #[tokio::test]
    async fn inner_queries_do_not_matter() {
        let wikimedia = Wikimedia::start(world()).await;
        let query = "PREFIX wd: <http://www.wikidata.org/entity/>
            SELECT ?item ?itemLabel ?coordinate ?links WHERE {
              { SELECT DISTINCT ?item ?links WHERE {
                  { ?city wdt:P1566 \"2988507\" . ?item wdt:P131+ ?city . } UNION { ?city wdt:P625 ?centre . }
                  ?item wikibase:sitelinks ?links . FILTER(?links > 1)
                } ORDER BY DESC(?links) LIMIT 600 }
              ?item wdt:P625 ?coordinate .
            } ORDER BY DESC(?links) ?item LIMIT 1";
        let found = ask(&wikimedia, query).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].as_object().unwrap().len(), 4, "{found:?}");
        assert_eq!(found[0]["links"]["value"], "190");
    }

    #[tokio::test]
    async fn the_city_itself_is_told() {
        let wikimedia = Wikimedia::start(world()).await;
        let found = ask(&wikimedia, "SELECT ?city ?cityLabel WHERE { ?city wdt:P1566 '2988507' }").await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["city"]["value"], "http://www.wikidata.org/entity/Q90");
        assert_eq!(found[0]["cityLabel"]["value"], "Paris");
    }

    #[tokio::test]
    async fn who_does_not_ask_for_json_gets_xml() {
        let wikimedia = Wikimedia::start(world()).await;
        let path = format!("/sparql?query={}", encoded("SELECT ?item { }"));
        let reply = get(&wikimedia.upstream, &path).await;
        assert_eq!(reply.header("content-type"), "application/sparql-results+xml");
        assert_eq!(get(&wikimedia.upstream, "/sparql?format=json&query=DESCRIBE").await.status, 400);
    }
}
