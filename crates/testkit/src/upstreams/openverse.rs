//! Openverse's search for pictures.
//!
//! Shaped after <https://api.openverse.org/v1/#tag/images/operation/images_search>.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::gallery::{self, Site};
use super::params::{Params, encoded};
use super::world::{Picture, file_name};
use super::{Answer, Upstream, World};

/// More on a page are only for registered clients.
const MOST_ON_PAGE: usize = 20;

/// The fake of Openverse.
#[derive(Debug)]
pub struct Openverse {
    /// Its server: `GET /v1/images/` and the pictures.
    pub upstream: Upstream,
}

impl Openverse {
    /// Starts it with what it knows.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let upstream = Upstream::start(|url| {
            let site = Site::new(url, world);
            let api = Router::new().route("/v1/images/", get(search)).with_state(Arc::clone(&site));
            api.merge(gallery::routes(&site))
        })
        .await;
        Self { upstream }
    }

    /// How many pictures were asked for.
    pub fn pictures_asked_for(&self) -> usize {
        self.upstream.log().count(gallery::PHOTOS)
    }
}

async fn search(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let params = Params::of_query(&uri);
    let size = params.number("page_size", MOST_ON_PAGE);
    if !(1..=MOST_ON_PAGE).contains(&size) {
        let detail = format!("page_size must be between 1 and {MOST_ON_PAGE} for anonymous requests.");
        return Answer::json(&json!({ "detail": detail })).status(401).into_response();
    }
    let found: Vec<&Picture> = site
        .world
        .found_by(params.text("q"))
        .into_iter()
        .filter(|picture| is_allowed(picture, &params))
        .collect();
    let number = params.number("page", 1);
    let (page, pages) = gallery::page(&found, number, size);
    if page.is_empty() && number > 1 {
        return Answer::json(&json!({"detail": "Invalid page."})).status(404).into_response();
    }
    let results: Vec<Value> = page.iter().map(|picture| result(&site, picture)).collect();
    let answer = json!({
        "result_count": found.len(),
        "page_count": pages,
        "page_size": size,
        "page": number,
        "results": results,
        "warnings": [],
    });
    Answer::json(&answer).into_response()
}

/// By `license` (`by,cc0`) and `license_type` (`commercial,modification`). Works that are not free are not there.
fn is_allowed(picture: &Picture, params: &Params) -> bool {
    let code = picture.licence.code.as_str();
    let licences = params.parts("license");
    let forbids = |kind: &str| match kind {
        "commercial" => code.contains("nc"),
        "modification" => code.contains("nd"),
        _ => false,
    };
    !code.is_empty()
        && (licences.is_empty() || licences.contains(&code))
        && !params.parts("license_type").into_iter().any(forbids)
}

fn result(site: &Site, picture: &Picture) -> Value {
    let name = encoded(&file_name(&picture.name));
    let original = site.photo(picture, "original");
    let licence = picture.licence.short_name();
    let attribution = format!("\"{}\" by {} is licensed under {licence}.", picture.name, picture.author);
    json!({
        "id": identifier(picture),
        "title": picture.name,
        "indexed_on": "2021-06-01T12:00:00Z",
        "foreign_landing_url": format!("https://commons.wikimedia.org/w/index.php?title=File:{name}"),
        "url": original,
        "creator": picture.author,
        "creator_url": null,
        "license": picture.licence.code,
        "license_version": picture.licence.version,
        "license_url": picture.licence.url(),
        "provider": "wikimedia",
        "source": "wikimedia",
        "category": "photograph",
        "filesize": picture.bytes.len(),
        "filetype": gallery::media_type(picture).rsplit('/').next(),
        "tags": [],
        "attribution": attribution,
        "height": picture.height,
        "width": picture.width,
        "mature": false,
        "thumbnail": site.photo(picture, "thumb"),
    })
}

/// A UUID that is the same for the same name.
fn identifier(picture: &Picture) -> String {
    let mut digits = super::vision::sha256(picture.name.as_bytes());
    digits.truncate(32);
    for place in [20, 16, 12, 8] {
        digits.insert(place, '-');
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::super::visitor::get;
    use super::super::world::samples::world;
    use super::*;

    async fn ask(openverse: &Openverse, query: &str) -> Value {
        get(&openverse.upstream, &format!("/v1/images/?{query}")).await.json()
    }

    #[tokio::test]
    async fn pages_are_counted_and_end() {
        let openverse = Openverse::start(world()).await;
        let first = ask(&openverse, "q=paris%20tower&page_size=2").await;
        assert_eq!((&first["result_count"], &first["page_count"]), (&json!(3), &json!(2)));
        let last = ask(&openverse, "q=tower&page_size=2&page=2").await;
        assert_eq!(last["results"].as_array().unwrap().len(), 1);
        assert_eq!(get(&openverse.upstream, "/v1/images/?q=tower&page_size=2&page=3").await.status, 404);
        assert_eq!(get(&openverse.upstream, "/v1/images/?q=tower&page_size=21").await.status, 401);
        assert_eq!(ask(&openverse, "q=rome").await["result_count"], 0);
    }

    #[tokio::test]
    async fn a_result_names_licence_author_and_picture() {
        let openverse = Openverse::start(world()).await;
        let found = ask(&openverse, "q=tower").await;
        let result = &found["results"][1];
        assert_eq!((&result["license"], &result["license_version"]), (&json!("by"), &json!("2.0")));
        assert_eq!(result["license_url"], "https://creativecommons.org/licenses/by/2.0/");
        assert_eq!(result["creator"], "Müller & Söhne");
        assert_eq!(result["id"].as_str().unwrap().len(), 36);
        let picture = get(&openverse.upstream, result["url"].as_str().unwrap()).await;
        assert_eq!(picture.body, world().pictures[1].bytes);
        assert_eq!(openverse.pictures_asked_for(), 1);
    }

    #[tokio::test]
    async fn licences_can_be_chosen() {
        let mut world = world();
        world.pictures[0].licence = super::super::world::Licence::new("by-nc-nd", "2.0");
        let openverse = Openverse::start(world).await;
        assert_eq!(ask(&openverse, "q=tower").await["result_count"], 3);
        assert_eq!(ask(&openverse, "q=tower&license_type=commercial,modification").await["result_count"], 2);
        assert_eq!(ask(&openverse, "q=tower&license=cc0,by-sa").await["result_count"], 1);
    }
}
