//! Two pages as a browser sees them when it searches for pictures: a search engine with a viewer, and a wall of pins.
//! Their behaviour is that of the pages which the original crawler drove; their markup is our own.
//!
//! - `/search?q=…&tbm=isch`: thumbnails as `data:` URIs in `#islrg > [data-ri] > img`, twenty at first and twenty
//!   more whenever the end is scrolled to. A click opens the picture in `#viewer img`, where the thumbnail stands
//!   until the picture has come; the arrow keys go on to the next.
//! - `/search/pins/?q=…`: `[data-test-id=pin] img` with addresses in `/236x/`, which are in `/564x/` and
//!   `/originals/`, too; twenty-five at first and more by scrolling.
//!
//! Its robots.txt allows everything.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sightscan_pictures::{Limits, decode, thumbnail};

use super::gallery::{self, Site};
use super::params::{Params, encoded};
use super::world::{Picture, file_name};
use super::{Answer, Upstream, World};

const THUMBNAILS: &str = include_str!("search_page/thumbnails.html");
const PINS: &str = include_str!("search_page/pins.html");
/// What stands in the pages for the results.
const RESULTS: &str = "/*RESULTS*/[]";
/// More results are not shown.
const MOST: usize = 100;
/// The longer side of a thumbnail in pixels.
const THUMBNAIL: u32 = 160;

/// The fake of the search pages.
#[derive(Debug)]
pub struct SearchPage {
    /// Its server: the pages and their pictures.
    pub upstream: Upstream,
}

impl SearchPage {
    /// Starts it with what it knows.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let upstream = Upstream::start(|url| {
            let site = Site::new(url, world);
            let pages = Router::new()
                .route("/search", get(thumbnails))
                .route("/search/pins/", get(pins))
                .route("/{size}/{a}/{b}/{name}", get(pin))
                .with_state(Arc::clone(&site));
            pages.merge(gallery::routes(&site))
        })
        .await;
        upstream.set_robots("User-agent: *\nAllow: /\n");
        Self { upstream }
    }
}

/// A page with results in it. `<` would end its script.
fn page(markup: &str, results: &[Value]) -> Response {
    let results = Value::from(results).to_string().replace('<', "\\u003c");
    Answer::new("text/html; charset=utf-8", markup.replace(RESULTS, &results)).into_response()
}

async fn thumbnails(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let found = found(&site, &uri);
    let result = |picture: &&Picture| {
        json!({
            "title": picture.name,
            "page": format!("{}/page", site.url),
            "picture": site.photo(picture, "full"),
            "thumbnail": data_uri(picture),
        })
    };
    page(THUMBNAILS, &found.iter().map(result).collect::<Vec<_>>())
}

async fn pins(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let found = found(&site, &uri);
    let result = |picture: &&Picture| {
        let name = encoded(&file_name(&picture.name));
        json!({
            "title": picture.name,
            "page": format!("{}/pin/{name}/", site.url),
            "picture": format!("{}/236x/0a/1b/{name}", site.url),
        })
    };
    page(PINS, &found.iter().map(result).collect::<Vec<_>>())
}

fn found<'a>(site: &'a Site, uri: &Uri) -> Vec<&'a Picture> {
    let mut found = site.world.found_by(Params::of_query(uri).text("q"));
    found.truncate(MOST);
    found
}

/// A pin in one of its sizes.
async fn pin(
    State(site): State<Arc<Site>>,
    Path((size, _, _, name)): Path<(String, String, String, String)>,
) -> Response {
    let answer = match (size.as_str(), site.picture(&name)) {
        ("236x" | "564x" | "originals", Some(picture)) => gallery::given(picture),
        _ => Answer::empty(404),
    };
    answer.into_response()
}

/// A small JPEG in an address; what cannot be decoded stays as it is.
fn data_uri(picture: &Picture) -> String {
    let decoded = decode(&picture.bytes, &Limits::default()).ok();
    let small = decoded.and_then(|decoded| thumbnail(&decoded, THUMBNAIL).ok());
    let (kind, bytes) = small.map_or_else(
        || (gallery::media_type(picture), picture.bytes.to_vec()),
        |small| ("image/jpeg", small),
    );
    format!("data:{kind};base64,{}", base64_simd::STANDARD.encode_to_string(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::visitor::get;
    use super::super::world::samples::world;
    use super::*;

    /// The results that a page's script has.
    async fn results(search: &SearchPage, path: &str) -> Vec<Value> {
        let page = get(&search.upstream, path).await.text();
        let (_, rest) = page.split_once("const results = ").unwrap();
        let (results, _) = rest.split_once(";\n").unwrap();
        serde_json::from_str(results).unwrap()
    }

    #[tokio::test]
    async fn thumbnails_come_with_the_page_and_pictures_by_their_addresses() {
        let search = SearchPage::start(world()).await;
        let found = results(&search, "/search?q=paris%20tower&tbm=isch").await;
        assert_eq!(found.len(), 3);
        let data = found[0]["thumbnail"].as_str().unwrap().strip_prefix("data:image/jpeg;base64,").unwrap();
        let small = base64_simd::STANDARD.decode_to_vec(data).unwrap();
        assert!(decode(&small, &Limits::default()).is_ok());
        let picture = get(&search.upstream, found[0]["picture"].as_str().unwrap()).await;
        assert_eq!(picture.body, world().pictures[0].bytes);
    }

    #[tokio::test]
    async fn pins_are_there_in_three_sizes() {
        let search = SearchPage::start(world()).await;
        let found = results(&search, "/search/pins/?q=tower").await;
        let address = found[1]["picture"].as_str().unwrap();
        assert!(address.contains("/236x/"));
        for (size, status) in [("236x", 200), ("564x", 200), ("originals", 200), ("999x", 404)] {
            assert_eq!(get(&search.upstream, &address.replace("236x", size)).await.status, status, "{size}");
        }
        assert!(results(&search, "/search/pins/?q=rome").await.is_empty());
    }

    #[tokio::test]
    async fn a_name_does_not_end_the_script() {
        let mut world = world();
        world.pictures[0].name = "</script>.jpg".to_owned();
        let search = SearchPage::start(world).await;
        let page = get(&search.upstream, "/search/pins/?q=tower").await.text();
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(get(&search.upstream, "/robots.txt").await.text().contains("Allow: /"));
    }
}
