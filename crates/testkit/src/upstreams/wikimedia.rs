//! Wikidata and Wikimedia Commons on one server: the query service, both APIs, and the host of the files.
//!
//! Shaped after
//! - <https://www.mediawiki.org/wiki/Wikidata_Query_Service/User_Manual> (`/sparql`),
//! - <https://www.wikidata.org/w/api.php?action=help&modules=wbsearchentities> and `wbgetentities`,
//! - <https://www.mediawiki.org/wiki/API:Query>, `API:Continue`, `API:Categorymembers`, `API:Search`, `API:Geosearch`,
//!   `API:Imageinfo` (`/w/api.php`),
//! - <https://www.mediawiki.org/wiki/Common_thumbnail_sizes> (the files),
//! - <https://foundation.wikimedia.org/wiki/Policy:Wikimedia_Foundation_User-Agent_Policy>.

mod commons;
mod entities;
mod sparql;
mod upload;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::params::Params;
use super::world::Picture;
use super::{Answer, Upstream, World};

pub use upload::{STANDARD_WIDTHS, THUMBNAILS};

/// Names that libraries give themselves; Wikimedia refuses them.
const GENERIC_AGENTS: [&str; 8] =
    ["python-", "curl/", "wget/", "go-http-client", "java/", "okhttp", "reqwest", "axios/"];

/// The fake of Wikidata and Commons.
#[derive(Debug)]
pub struct Wikimedia {
    /// Its server: `/sparql`, `/w/api.php` (of both) and `/wikipedia/commons/…`.
    pub upstream: Upstream,
    site: Arc<Site>,
}

#[derive(Debug)]
struct Site {
    url: String,
    world: World,
    by_file_name: HashMap<String, usize>,
    refuses_originals: AtomicBool,
}

impl Site {
    fn new(url: &str, world: World) -> Self {
        let by_file_name = world.by_file_name();
        Self { url: url.to_owned(), world, by_file_name, refuses_originals: AtomicBool::new(false) }
    }

    /// A picture by the name of its file in addresses.
    fn picture(&self, name: &str) -> Option<&Picture> {
        self.world.pictures.get(*self.by_file_name.get(name)?)
    }
}

impl Wikimedia {
    /// Starts it with what it knows.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let mut site = None;
        let upstream = Upstream::start(|url| {
            let known = Arc::new(Site::new(url, world));
            site = Some(Arc::clone(&known));
            routes(known)
        })
        .await;
        Self { upstream, site: site.expect("the routes were asked for") }
    }

    /// What it knows.
    pub fn world(&self) -> &World {
        &self.site.world
    }

    /// The address of the query service.
    pub fn sparql_url(&self) -> String {
        format!("{}/sparql", self.upstream.url())
    }

    /// The address of both APIs.
    pub fn api_url(&self) -> String {
        format!("{}/w/api.php", self.upstream.url())
    }

    /// From now on originals answer 429, as <https://phabricator.wikimedia.org/T413570> tells; thumbnails are given.
    pub fn refuse_originals(&self) {
        self.site.refuses_originals.store(true, Ordering::Relaxed);
    }

    /// How many pictures were asked for: thumbnails and originals.
    pub fn pictures_asked_for(&self) -> usize {
        self.upstream.log().count("/wikipedia/commons/")
    }
}

fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/sparql", get(sparql::get).post(sparql::post))
        .route("/w/api.php", get(api).post(api))
        .route("/wikipedia/commons/thumb/{a}/{ab}/{name}/{thumbnail}", get(upload::thumbnail))
        .route("/wikipedia/commons/{a}/{ab}/{name}", get(upload::original))
        .layer(from_fn(only_honest_agents))
        .with_state(site)
}

async fn only_honest_agents(request: Request, next: Next) -> Response {
    if is_honest(request.headers()) {
        return next.run(request).await;
    }
    let text = "Please set a user-agent and respect our robot policy https://w.wiki/4wJS.\n";
    Answer::new("text/plain", text).status(403).into_response()
}

/// It says which client it is, and how to reach whoever runs it.
fn is_honest(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = agent.to_lowercase();
    let has_contact = agent.contains('@') || agent.contains("https://") || agent.contains("http://");
    has_contact && !GENERIC_AGENTS.iter().any(|generic| agent.starts_with(generic))
}

/// Why a module of `api.php` refuses.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    info: String,
}

impl Refusal {
    fn new(code: &'static str, info: impl Into<String>) -> Self {
        Self { code, info: info.into() }
    }
}

type Outcome = Result<Value, Refusal>;

/// Parameters come in the query and, of a POST, in the body.
async fn api(State(site): State<Arc<Site>>, uri: Uri, body: Bytes) -> Response {
    let params = if body.is_empty() { Params::of_query(&uri) } else { Params::of_form(&body) };
    if params.text("format") != "json" {
        return Answer::new("text/html; charset=utf-8", "<!DOCTYPE html><title>MediaWiki API result</title>")
            .into_response();
    }
    match act(&site, &params) {
        Ok(value) => Answer::json(&value).into_response(),
        Err(refusal) => refused(&refusal).into_response(),
    }
}

fn act(site: &Site, params: &Params) -> Outcome {
    match params.text("action") {
        "query" => commons::query(site, params),
        "wbsearchentities" => entities::search(&site.world, params),
        "wbgetentities" => entities::get(&site.world, params),
        other => {
            Err(Refusal::new("badvalue", format!("Unrecognized value for parameter \"action\": {other}.")))
        }
    }
}

/// An error of the API, which answers 200 and tells in a header and in the body.
fn refused(refusal: &Refusal) -> Answer {
    let error = json!({"error": {"code": refusal.code, "info": refusal.info}, "servedby": "mw-api-ext.fake"});
    Answer::json(&error).header("mediawiki-api-error", refusal.code)
}

#[cfg(test)]
mod tests {
    use super::super::visitor::{get, get_as};
    use super::super::world::samples::world;
    use super::*;

    #[tokio::test]
    async fn who_does_not_say_who_they_are_is_refused() {
        let wikimedia = Wikimedia::start(world()).await;
        let path = "/w/api.php?action=query&format=json&titles=File:Tower%201.jpg&prop=imageinfo";
        let refused: [&[&str]; 4] = [
            &[],
            &["User-Agent: reqwest/0.13"],
            &["User-Agent: curl/8.1 (https://example.org)"],
            &["User-Agent: SightScan"],
        ];
        for headers in refused {
            assert_eq!(get_as(&wikimedia.upstream, path, headers).await.status, 403, "{headers:?}");
        }
        assert_eq!(get(&wikimedia.upstream, path).await.status, 200);
    }

    #[tokio::test]
    async fn errors_of_the_api_are_told_in_good_answers() {
        let wikimedia = Wikimedia::start(world()).await;
        let reply = get(&wikimedia.upstream, "/w/api.php?action=edit&format=json").await;
        assert_eq!((reply.status, reply.header("mediawiki-api-error")), (200, "badvalue"));
        assert_eq!(reply.json()["error"]["code"], "badvalue");
        let reply = get(&wikimedia.upstream, "/w/api.php?action=query").await;
        assert!(reply.header("content-type").starts_with("text/html"));
    }
}
