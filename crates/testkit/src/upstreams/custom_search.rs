//! Google's Custom Search for pictures.
//!
//! Shaped after <https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list> and `…/v1/Search`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::gallery::{self, Site};
use super::params::Params;
use super::vision::refusal;
use super::world::Picture;
use super::{Answer, Upstream, World};

/// The key that it accepts.
pub const API_KEY: &str = "AIzaSySearch-0123456789-abcdefghijklmno";
/// The search engine that it knows.
pub const ENGINE: &str = "0123456789abcdef0";
const MOST_ON_PAGE: usize = 10;
/// What lies behind is never given.
const MOST: usize = 100;

/// The fake of Custom Search.
#[derive(Debug)]
pub struct CustomSearch {
    /// Its server: `GET /customsearch/v1` and the pictures.
    pub upstream: Upstream,
}

impl CustomSearch {
    /// Starts it with what it knows, for clients with [`API_KEY`] and [`ENGINE`].
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let upstream = Upstream::start(|url| {
            let site = Site::new(url, world);
            let api = Router::new().route("/customsearch/v1", get(list)).with_state(Arc::clone(&site));
            api.merge(gallery::routes(&site))
        })
        .await;
        Self { upstream }
    }
}

async fn list(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    search(&site, &Params::of_query(&uri)).unwrap_or_else(|refusal| refusal).into_response()
}

fn search(site: &Site, params: &Params) -> Result<Answer, Answer> {
    let start = params.number("start", 1);
    let count = params.number("num", MOST_ON_PAGE);
    check(params, start, count)?;
    let is_allowed = |picture: &&Picture| has_rights(picture, params.text("rights"));
    let found: Vec<&Picture> = site.world.found_by(params.text("q")).into_iter().filter(is_allowed).collect();
    let items: Vec<Value> =
        found.iter().skip(start - 1).take(count).map(|picture| item(site, picture)).collect();
    let total = found.len().to_string();
    let mut answer = json!({
        "kind": "customsearch#search",
        "queries": {"request": [query(params, &total, start, items.len())]},
        "searchInformation": {"searchTime": 0.2, "totalResults": total},
    });
    let next = start + items.len();
    if next <= found.len().min(MOST) {
        answer["queries"]["nextPage"] = json!([query(params, &total, next, count)]);
    }
    // Where nothing is found there is no list.
    if !items.is_empty() {
        answer["items"] = json!(items);
    }
    Ok(Answer::json(&answer))
}

fn check(params: &Params, start: usize, count: usize) -> Result<(), Answer> {
    let invalid = |message: &str| Err(refusal(400, "INVALID_ARGUMENT", message));
    match params.text("key") {
        API_KEY => {}
        "" => return Err(refusal(403, "PERMISSION_DENIED", "The request is missing a valid API key.")),
        _ => return invalid("API key not valid. Please pass a valid API key."),
    }
    let is_in_range = (1..=MOST_ON_PAGE).contains(&count) && start >= 1 && start + count <= MOST + 1;
    if params.text("cx") != ENGINE || !is_in_range || !params.has("q") || params.text("searchType") != "image"
    {
        return invalid("Request contains an invalid argument.");
    }
    Ok(())
}

/// Whether a licence is one of those in a filter such as `(cc_publicdomain|cc_attribute).-(cc_noncommercial)`.
fn has_rights(picture: &Picture, filter: &str) -> bool {
    let right = match picture.licence.code.as_str() {
        "cc0" | "pdm" => "cc_publicdomain",
        "by" => "cc_attribute",
        "by-sa" => "cc_sharealike",
        code if code.contains("nc") => "cc_noncommercial",
        code if code.contains("nd") => "cc_nonderived",
        _ => "",
    };
    let names = |list: &str| list.split('|').any(|name| name.trim_matches(['(', ')']) == right);
    let (wanted, unwanted) = filter.split_once(".-").unwrap_or((filter, ""));
    (wanted.is_empty() || names(wanted)) && (unwanted.is_empty() || !names(unwanted))
}

fn query(params: &Params, total: &str, start: usize, count: usize) -> Value {
    json!({
        "title": "Google Custom Search",
        "totalResults": total,
        "searchTerms": params.text("q"),
        "count": count,
        "startIndex": start,
        "inputEncoding": "utf8",
        "outputEncoding": "utf8",
        "safe": "off",
        "cx": ENGINE,
        "searchType": "image",
    })
}

fn item(site: &Site, picture: &Picture) -> Value {
    let mime = gallery::media_type(picture);
    json!({
        "kind": "customsearch#result",
        "title": picture.name,
        "htmlTitle": picture.name,
        "link": site.photo(picture, "original"),
        "displayLink": "www.example.org",
        "snippet": picture.name,
        "mime": mime,
        "fileFormat": mime,
        "image": {
            "contextLink": format!("{}/page", site.url),
            "height": picture.height,
            "width": picture.width,
            "byteSize": picture.bytes.len(),
            "thumbnailLink": site.photo(picture, "thumbnail"),
            "thumbnailHeight": 112,
            "thumbnailWidth": 150,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::visitor::get;
    use super::super::world::samples::world;
    use super::*;

    async fn ask(search: &CustomSearch, query: &str) -> Value {
        let path = format!("/customsearch/v1?key={API_KEY}&cx={ENGINE}&searchType=image&{query}");
        get(&search.upstream, &path).await.json()
    }

    #[tokio::test]
    async fn pages_follow_each_other_until_the_end() {
        let search = CustomSearch::start(world()).await;
        let first = ask(&search, "q=paris+tower&num=2").await;
        assert_eq!(first["items"].as_array().unwrap().len(), 2);
        assert_eq!(first["queries"]["nextPage"][0]["startIndex"], 3);
        let last = ask(&search, "q=paris+tower&num=2&start=3").await;
        assert_eq!(last["items"].as_array().unwrap().len(), 1);
        assert!(last["queries"].get("nextPage").is_none());
        assert!(ask(&search, "q=rome").await.get("items").is_none());
        let picture = get(&search.upstream, last["items"][0]["link"].as_str().unwrap()).await;
        assert_eq!(picture.body, world().pictures[2].bytes);
    }

    #[tokio::test]
    async fn limits_keys_and_rights_are_kept() {
        let search = CustomSearch::start(world()).await;
        for wrong in ["q=tower&num=11", "q=tower&num=10&start=92", "q=tower&start=0", "num=1"] {
            assert_eq!(ask(&search, wrong).await["error"]["status"], "INVALID_ARGUMENT", "{wrong}");
        }
        let path = format!("/customsearch/v1?key=wrong&cx={ENGINE}&searchType=image&q=tower");
        assert_eq!(get(&search.upstream, &path).await.status, 400);
        assert_eq!(get(&search.upstream, "/customsearch/v1?q=tower").await.status, 403);
        let free = ask(&search, "q=tower&rights=cc_publicdomain%7Ccc_attribute").await;
        assert_eq!(free["searchInformation"]["totalResults"], "2");
        let others = ask(&search, "q=tower&rights=(cc_attribute%7Ccc_sharealike).-(cc_sharealike)").await;
        assert_eq!(others["searchInformation"]["totalResults"], "1");
    }
}
