//! Flickr's search for photos.
//!
//! Shaped after <https://www.flickr.com/services/api/flickr.photos.search.html>,
//! <https://www.flickr.com/services/api/flickr.photos.licenses.getInfo.html> and
//! <https://www.flickr.com/services/api/response.json.html>.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::gallery::{self, Site};
use super::params::Params;
use super::world::Picture;
use super::{Answer, Upstream, World};

/// The key that it accepts.
pub const API_KEY: &str = "0123456789abcdef0123456789abcdef";
const MOST_ON_PAGE: usize = 500;
/// The longer side of `url_l` in pixels.
const LARGE: u32 = 1024;

/// The fake of Flickr.
#[derive(Debug)]
pub struct Flickr {
    /// Its server: `GET /services/rest/` and the pictures.
    pub upstream: Upstream,
}

impl Flickr {
    /// Starts it with what it knows, for clients with [`API_KEY`].
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(world: World) -> Self {
        let upstream = Upstream::start(|url| {
            let site = Site::new(url, world);
            let api = Router::new().route("/services/rest/", get(rest)).route("/services/rest", get(rest));
            api.with_state(Arc::clone(&site)).merge(gallery::routes(&site))
        })
        .await;
        Self { upstream }
    }
}

async fn rest(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let params = Params::of_query(&uri);
    if params.text("format") != "json" {
        return Answer::new(
            "text/xml; charset=utf-8",
            "<?xml version=\"1.0\" encoding=\"utf-8\" ?><rsp stat=\"ok\"/>",
        )
        .into_response();
    }
    let answer = match (params.text("method"), params.text("api_key")) {
        ("flickr.photos.search", API_KEY) => search(&site, &params),
        ("flickr.photos.search", _) => failed(100, "Invalid API Key (Key has invalid format)"),
        (method, _) => failed(112, &format!("Method \"{method}\" not found")),
    };
    if params.text("nojsoncallback") == "1" {
        return Answer::json(&answer).into_response();
    }
    Answer::new("text/javascript; charset=utf-8", format!("jsonFlickrApi({answer})")).into_response()
}

/// An error, which comes with status 200.
fn failed(code: u32, message: &str) -> Value {
    json!({"stat": "fail", "code": code, "message": message})
}

fn search(site: &Site, params: &Params) -> Value {
    if !params.has("text") && !params.has("tags") {
        return failed(
            3,
            "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead.",
        );
    }
    let licences = params.parts("license");
    let is_allowed = |picture: &&Picture| licences.is_empty() || licences.contains(&licence(picture));
    let text = format!("{} {}", params.text("text"), params.text("tags"));
    let found: Vec<&Picture> = site.world.found_by(&text).into_iter().filter(is_allowed).collect();
    let size = params.number("per_page", 100).clamp(1, MOST_ON_PAGE);
    let pages = found.len().div_ceil(size);
    // What comes behind the last page is the last page once more.
    let number = params.number("page", 1).clamp(1, pages.max(1));
    let (page, _) = gallery::page(&found, number, size);
    let extras = params.parts("extras");
    let photos: Vec<Value> = page.iter().map(|picture| photo(site, picture, &extras)).collect();
    json!({
        "photos": {"page": number, "pages": pages, "perpage": size, "total": found.len(), "photo": photos},
        "stat": "ok",
    })
}

/// The number of the licence; 0 where Flickr has none like it.
fn licence(picture: &Picture) -> &'static str {
    match (picture.licence.code.as_str(), picture.licence.version.as_str()) {
        ("by-nc-sa", "2.0") => "1",
        ("by-nc", "2.0") => "2",
        ("by-nc-nd", "2.0") => "3",
        ("by", "2.0") => "4",
        ("by-sa", "2.0") => "5",
        ("by-nd", "2.0") => "6",
        ("cc0", _) => "9",
        ("pdm", _) => "10",
        ("by", "4.0") => "11",
        ("by-sa", "4.0") => "12",
        ("by-nd", "4.0") => "13",
        ("by-nc", "4.0") => "14",
        ("by-nc-sa", "4.0") => "15",
        ("by-nc-nd", "4.0") => "16",
        _ => "0",
    }
}

fn photo(site: &Site, picture: &Picture, extras: &[&str]) -> Value {
    let number = site.world.pictures.iter().position(|other| other.name == picture.name).unwrap_or_default();
    let mut told = json!({
        "id": (50_000_000_000 + number as u64).to_string(),
        "owner": "12345678@N00",
        "secret": "0a1b2c3d4e",
        "server": "65535",
        "farm": 66,
        "title": picture.name,
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
    });
    for extra in extras {
        match *extra {
            "license" => told["license"] = json!(licence(picture)),
            "owner_name" => told["ownername"] = json!(picture.author),
            "url_l" => add_size(&mut told, site, picture, "l", LARGE),
            "url_o" => add_size(&mut told, site, picture, "o", u32::MAX),
            _ => {}
        }
    }
    told
}

/// Address, width and height of a size. Smaller pictures do not have it.
fn add_size(told: &mut Value, site: &Site, picture: &Picture, size: &str, side: u32) {
    let longer = picture.width.max(picture.height);
    if size == "l" && longer < side {
        return;
    }
    let scaled = |pixels: u32| u64::from(pixels) * u64::from(side.min(longer)) / u64::from(longer);
    told[format!("url_{size}")] = json!(site.photo(picture, size));
    told[format!("width_{size}")] = json!(scaled(picture.width));
    told[format!("height_{size}")] = json!(scaled(picture.height));
}

#[cfg(test)]
mod tests {
    use super::super::visitor::get;
    use super::super::world::samples::world;
    use super::*;

    async fn ask(flickr: &Flickr, query: &str) -> Value {
        let path = "/services/rest/?method=flickr.photos.search&format=json&nojsoncallback=1";
        get(&flickr.upstream, &format!("{path}&{query}")).await.json()
    }

    #[tokio::test]
    async fn photos_have_the_extras_that_were_asked_for() {
        let mut world = world();
        world.pictures[1].width = 2048;
        let flickr = Flickr::start(world).await;
        let extras = "license,owner_name,url_l,url_o";
        let found = ask(&flickr, &format!("api_key={API_KEY}&text=tower&extras={extras}")).await;
        assert_eq!((&found["stat"], &found["photos"]["total"]), (&json!("ok"), &json!(3)));
        let photos = &found["photos"]["photo"];
        assert_eq!((&photos[0]["license"], &photos[1]["license"]), (&json!("12"), &json!("4")));
        assert_eq!(photos[1]["ownername"], "Müller & Söhne");
        assert!(photos[0].get("url_l").is_none());
        assert_eq!((&photos[1]["width_l"], &photos[1]["width_o"]), (&json!(1024), &json!(2048)));
        let picture = get(&flickr.upstream, photos[1]["url_l"].as_str().unwrap()).await;
        assert_eq!(picture.header("content-type"), "image/png");
    }

    #[tokio::test]
    async fn licences_are_chosen_and_the_last_page_comes_again() {
        let flickr = Flickr::start(world()).await;
        let query = format!("api_key={API_KEY}&text=tower&per_page=2");
        let last = ask(&flickr, &format!("{query}&page=2")).await;
        assert_eq!(ask(&flickr, &format!("{query}&page=9")).await, last);
        assert_eq!(
            (&last["photos"]["pages"], last["photos"]["photo"].as_array().unwrap().len()),
            (&json!(2), 1)
        );
        let free = ask(&flickr, &format!("{query}&license=4,9")).await;
        assert_eq!(free["photos"]["total"], 2);
    }

    #[tokio::test]
    async fn errors_come_with_status_200() {
        let flickr = Flickr::start(world()).await;
        let refused = ask(&flickr, "api_key=wrong&text=tower").await;
        assert_eq!((&refused["stat"], &refused["code"]), (&json!("fail"), &json!(100)));
        let path =
            format!("/services/rest/?method=flickr.photos.search&format=json&api_key={API_KEY}&text=x");
        assert!(get(&flickr.upstream, &path).await.text().starts_with("jsonFlickrApi({"));
    }
}
