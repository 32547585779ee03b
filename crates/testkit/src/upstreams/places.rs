//! Google Places: text search.
//!
//! Shaped after <https://developers.google.com/maps/documentation/places/web-service/search-text> (the service that is
//! called legacy now).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::params::{Params, folded};
use super::world::{Sight, World};
use super::{Answer, Upstream, lock};

/// The key that it accepts.
pub const API_KEY: &str = "AIzaSyPlaces-0123456789-abcdefghijklmno";
/// Its path.
pub const PATH: &str = "/maps/api/place/textsearch/json";
const MOST_ON_PAGE: usize = 20;
/// Until then a token is not yet valid.
const TOKEN_DELAY: Duration = Duration::from_millis(50);

/// The fake of Places.
#[derive(Debug)]
pub struct Places {
    /// Its server: `GET /maps/api/place/textsearch/json`.
    pub upstream: Upstream,
}

#[derive(Debug)]
struct Site {
    world: World,
    tokens: Mutex<Vec<Token>>,
}

/// The way to a further page.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    begin: usize,
    valid: Instant,
    language: String,
}

impl Places {
    /// Starts it with what it knows, for clients with [`API_KEY`].
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let site = Arc::new(Site { world, tokens: Mutex::default() });
        let upstream =
            Upstream::start(|_| Router::new().route(PATH, get(text_search)).with_state(site)).await;
        Self { upstream }
    }

    /// From now on every search gets this status, such as `OVER_QUERY_LIMIT`, in an answer with status 200.
    pub fn refuse(&self, status: &str, message: &str) {
        self.upstream.fix(PATH, Answer::json(&failed(status, message)));
    }
}

fn failed(status: &str, message: &str) -> Value {
    json!({"error_message": message, "html_attributions": [], "results": [], "status": status})
}

async fn text_search(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let params = Params::of_query(&uri);
    let answer = match params.text("key") {
        API_KEY => site.search(&params),
        "" => failed(
            "REQUEST_DENIED",
            "You must use an API key to authenticate each request to Google Maps Platform APIs.",
        ),
        _ => failed("REQUEST_DENIED", "The provided API key is invalid."),
    };
    Answer::json(&answer).into_response()
}

impl Site {
    fn search(&self, params: &Params) -> Value {
        if params.has("pagetoken") {
            return self.further(params.text("pagetoken"));
        }
        if !params.has("query") {
            return failed("INVALID_REQUEST", "");
        }
        let is_known = folded(params.text("query")).contains(&folded(&self.world.city.name));
        let found = if is_known { self.world.sights.len() } else { 0 };
        self.page(0, found, params.text("language"))
    }

    fn further(&self, text: &str) -> Value {
        let token = lock(&self.tokens).iter().find(|token| token.text == text).cloned();
        match token.filter(|token| token.valid <= Instant::now()) {
            Some(token) => self.page(token.begin, self.world.sights.len(), &token.language),
            None => failed("INVALID_REQUEST", ""),
        }
    }

    fn page(&self, begin: usize, end: usize, language: &str) -> Value {
        let page = self.world.sights.iter().take(end).skip(begin).take(MOST_ON_PAGE);
        let results: Vec<Value> = page.map(|sight| place(sight, language)).collect();
        let status = if results.is_empty() { "ZERO_RESULTS" } else { "OK" };
        let next = begin + results.len();
        let mut answer = json!({"html_attributions": [], "results": results, "status": status});
        if next < end {
            answer["next_page_token"] = json!(self.token(next, language));
        }
        answer
    }

    fn token(&self, begin: usize, language: &str) -> String {
        let mut tokens = lock(&self.tokens);
        let text = format!("Aap_uE-{}", tokens.len());
        let valid = Instant::now() + TOKEN_DELAY;
        tokens.push(Token { text: text.clone(), begin, valid, language: language.to_owned() });
        text
    }
}

fn place(sight: &Sight, language: &str) -> Value {
    let german = sight.german.as_deref().filter(|_| language == "de");
    let corner = |by: f64| json!({"lat": sight.latitude + by, "lng": sight.longitude + by});
    json!({
        "business_status": "OPERATIONAL",
        "formatted_address": "1 Street, 75000 City",
        "geometry": {
            "location": {"lat": sight.latitude, "lng": sight.longitude},
            "viewport": {"northeast": corner(0.001), "southwest": corner(-0.001)},
        },
        "name": german.unwrap_or(&sight.name),
        "place_id": format!("ChIJ{}", sight.wikidata),
        "rating": 4.6,
        "reference": format!("ChIJ{}", sight.wikidata),
        "types": ["tourist_attraction", "point_of_interest", "establishment"],
        "user_ratings_total": 1000 + sight.sitelinks,
    })
}

#[cfg(test)]
mod tests {
    use super::super::visitor::get;
    use super::super::world::samples::world;
    use super::*;

    async fn ask(places: &Places, query: &str) -> Value {
        get(&places.upstream, &format!("{PATH}?key={API_KEY}&{query}")).await.json()
    }

    #[tokio::test]
    async fn names_are_in_the_language_that_was_asked_for() {
        let places = Places::start(world()).await;
        let german = ask(&places, "query=sights%20Paris&language=de").await;
        assert_eq!((&german["status"], &german["results"][0]["name"]), (&json!("OK"), &json!("Turm")));
        assert_eq!(german["results"][1]["name"], "Bridge");
        let default = ask(&places, "query=sights%20Paris").await;
        assert_eq!(default["results"][0]["name"], "Tower");
        assert_eq!(default["results"][0]["geometry"]["location"]["lat"], 48.8583);
        assert_eq!(ask(&places, "query=sights%20Rome").await["status"], "ZERO_RESULTS");
    }

    #[tokio::test]
    async fn refusals_come_with_status_200() {
        let places = Places::start(world()).await;
        let wrong = get(&places.upstream, &format!("{PATH}?key=wrong&query=sights%20Paris")).await;
        assert_eq!((wrong.status, &wrong.json()["status"]), (200, &json!("REQUEST_DENIED")));
        assert_eq!(ask(&places, "language=de").await["status"], "INVALID_REQUEST");
        places.refuse("OVER_QUERY_LIMIT", "You have exceeded your daily request quota for this API.");
        assert_eq!(ask(&places, "query=sights%20Paris").await["status"], "OVER_QUERY_LIMIT");
    }

    #[tokio::test]
    async fn the_next_page_can_be_had_after_a_moment() {
        let mut world = world();
        world.sights = (0..21).map(|_| world.sights[0].clone()).collect();
        let places = Places::start(world).await;
        let first = ask(&places, "query=paris").await;
        assert_eq!(first["results"].as_array().unwrap().len(), 20);
        let next = format!("pagetoken={}", first["next_page_token"].as_str().unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut second = ask(&places, &next).await;
        while second["status"] == "INVALID_REQUEST" {
            assert!(Instant::now() < deadline, "the token is never valid");
            second = ask(&places, &next).await;
        }
        assert_eq!(second["results"].as_array().unwrap().len(), 1);
        assert!(second.get("next_page_token").is_none());
    }
}
