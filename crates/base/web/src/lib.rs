//! The web app of `web/`, as `scripts/web` built it, in the program: its page at `/` and the files that this names.
//!
//! A program that was built before the app has none: then [`page`] gives nothing, and whoever mounts it shows how to build it.
//! Programs of the development profile read the files from the disk each time.
#![forbid(unsafe_code)]

use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Serialize;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::Path;
use sightscan_http::axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::axum::routing::get;
use sightscan_http::axum::{Json, Router};
use sightscan_http::{Problem, Slug};

/// The files.
#[derive(RustEmbed)]
#[folder = "../../../web/dist/"]
struct Dist;

/// The page of the app.
const PAGE: &str = "index.html";
/// Files beside the page whose names stay, so that browsers must ask whether they have changed.
const BESIDE: [&str; 6] = [
    "apple-touch-icon.png",
    "icon-192.png",
    "icon-512.png",
    "icon.svg",
    "manifest.webmanifest",
    "service-worker.js",
];
/// Assets have a hash of what is in them in their names.
const ASSETS: &str = "assets/";
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Only what comes from here runs, in the page and in its workers; forms are sent here; nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";
/// What every file has, so that it is as safe as it can be: workers have the policy that comes with their script.
const SAFETY: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("permissions-policy"), "camera=(self), geolocation=(self), microphone=()"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
/// Only pages that are isolated from others may share memory between the threads that compute a network.
const ISOLATION: [(HeaderName, &str); 3] = [
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// Browsers send it to https and to this machine only, and complain of isolation elsewhere.
const TRUSTED: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The page of the app; none where the program was built without it. `asked` is the head of the request.
pub fn page(asked: &HeaderMap) -> Option<Response> {
    file(PAGE, asked)
}

/// What this server has beside detection, so that the app asks for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Features {
    /// Cities, which can be asked for.
    pub cities: bool,
    /// The studio and the control room: not where the cities are another server's.
    pub rooms: bool,
}

/// The routes of the files that the page names, and of what this server has.
pub fn routes<S: Clone + Send + Sync + 'static>(features: Features) -> Router<S> {
    let beside = BESIDE.into_iter().fold(Router::new(), |router, name| {
        router.route(&format!("/{name}"), get(async move |asked: HeaderMap| found(name, &asked)))
    });
    let features = get(async move || ([(header::CACHE_CONTROL, ASK_AGAIN)], Json(features)));
    beside.route("/assets/{name}", get(asset)).route("/app.json", features)
}

async fn asset(Path(name): Path<String>, asked: HeaderMap) -> Result<Response, Problem> {
    // Where files are read from the disk, a name could lead to others.
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    found(&if is_plain { format!("{ASSETS}{name}") } else { String::new() }, &asked)
}

fn found(path: &str, asked: &HeaderMap) -> Result<Response, Problem> {
    file(path, asked).ok_or_else(|| {
        Problem::new(
            Slug::NotFound,
            format!("the app has no file `{path}`; reload the page, which may be an old one"),
        )
    })
}

/// A file, packed where the client takes that; 304 where it has it already.
fn file(path: &str, asked: &HeaderMap) -> Option<Response> {
    let (file, is_packed) = find(path, takes_gzip(asked))?;
    let tag = tag(&file);
    let cache = if path.starts_with(ASSETS) { FOREVER } else { ASK_AGAIN };
    let mut response = match asked.get(header::IF_NONE_MATCH) {
        Some(known) if Some(known) == tag.as_ref() => StatusCode::NOT_MODIFIED.into_response(),
        _ => Body::from(file.data).into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::CONTENT_TYPE, media_type(path));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, sec-fetch-dest"));
    let isolation = ISOLATION.into_iter().filter(|_| asked.contains_key(TRUSTED));
    headers.extend(
        SAFETY.into_iter().chain(isolation).map(|(name, value)| (name, HeaderValue::from_static(value))),
    );
    headers.extend(is_packed.then_some((header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
    Some(response)
}

/// A file, and whether it is packed. What is large is there with gzip only.
fn find(path: &str, takes_gzip: bool) -> Option<(EmbeddedFile, bool)> {
    let packed = || Dist::get(&format!("{path}.gz")).map(|file| (file, true));
    let plain = || Dist::get(path).map(|file| (file, false));
    if takes_gzip { packed().or_else(plain) } else { plain().or_else(packed) }
}

/// By the end of its name; text is UTF-8.
fn media_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("wasm") => "application/wasm",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    })
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted =
        asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').filter_map(|coding| coding.split(';').next()).any(|coding| coding.trim() == "gzip")
}

/// A strong validator: the SHA-256 of what is sent.
fn tag(file: &EmbeddedFile) -> Option<HeaderValue> {
    let digits: String = file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{digits}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use sightscan_http::axum::http::Request;
    use tower::ServiceExt;

    async fn answer(path: &str, headers: &[(HeaderName, &str)]) -> Response {
        let router = routes::<()>(Features { cities: true, rooms: false });
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    /// The paths of assets that a page names.
    fn assets(page: &str) -> Vec<&str> {
        let named = page.split('"').filter(|text| text.starts_with("/assets/"));
        named.collect()
    }

    #[tokio::test]
    async fn the_app_is_told_what_this_server_has() {
        let answer = answer("/app.json", &[]).await;
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(text(answer).await, r#"{"cities":true,"rooms":false}"#);
    }

    #[tokio::test]
    async fn files_that_are_not_there_are_a_problem() {
        for path in ["/assets/none.js", "/assets/..%2Findex.html", "/assets/%2e%2e%2fCargo.toml"] {
            assert_eq!(answer(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn all_that_the_page_names_is_there_and_is_kept_for_as_long_as_it_may() {
        let Some(page) = page(&HeaderMap::new()) else {
            assert!(std::env::var_os("CI").is_none(), "the app is not built: run scripts/web");
            return;
        };
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        let page = text(page).await;
        let assets = assets(&page);
        assert!(assets.len() >= 2, "{page}");
        let beside = BESIDE.map(|name| format!("/{name}"));
        for path in assets.into_iter().chain(beside.iter().map(String::as_str)) {
            let plain = answer(path, &[]).await;
            assert_eq!(plain.status(), StatusCode::OK, "{path}");
            assert_eq!(plain.headers()[header::CONTENT_SECURITY_POLICY], POLICY, "{path}");
            let is_isolated =
                |answer: &Response| answer.headers().contains_key("cross-origin-embedder-policy");
            assert!(
                !is_isolated(&plain) && is_isolated(&answer(path, &[(TRUSTED, "empty")]).await),
                "{path}"
            );
            let (tag, cache) =
                (plain.headers()[header::ETAG].clone(), plain.headers()[header::CACHE_CONTROL].clone());
            assert_eq!(cache == FOREVER, path.starts_with("/assets/"), "{path}");
            let known = answer(path, &[(header::IF_NONE_MATCH, tag.to_str().unwrap())]).await;
            assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{path}");
            let packed = answer(path, &[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]).await;
            let is_packed = packed.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(
                packed.headers()[header::CONTENT_TYPE],
                plain.headers()[header::CONTENT_TYPE],
                "{path}"
            );
            assert!(is_packed || path.contains("icon"), "{path}");
        }
    }
}
