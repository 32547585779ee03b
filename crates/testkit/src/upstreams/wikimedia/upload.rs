//! The host of the files: originals, and thumbnails of standard sizes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};

use super::super::Answer;
use super::super::gallery::given;
use super::super::params::encoded;
use super::super::world::{Picture, file_name};
use super::Site;

/// The widths of thumbnails that are given to everybody, in pixels.
pub const STANDARD_WIDTHS: [u32; 11] = [20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840];

/// How the paths of thumbnails begin.
pub const THUMBNAILS: &str = "/wikipedia/commons/thumb/";

/// The address of an original.
pub(super) fn original_url(site: &Site, picture: &Picture) -> String {
    format!("{}/wikipedia/commons/{}", site.url, path(picture))
}

/// The address of a thumbnail.
pub(super) fn thumbnail_url(site: &Site, picture: &Picture, width: u32) -> String {
    let name = file(picture);
    format!("{}{THUMBNAILS}{}/{width}px-{name}", site.url, path(picture))
}

/// The two folders of a file come from a hash of its name; MediaWiki's is another one, which nobody has to know.
fn path(picture: &Picture) -> String {
    let mut hasher = DefaultHasher::new();
    picture.name.hash(&mut hasher);
    let folder = format!("{:02x}", hasher.finish() & 0xff);
    format!("{}/{folder}/{}", &folder[..1], file(picture))
}

fn file(picture: &Picture) -> String {
    encoded(&file_name(&picture.name))
}

pub(super) async fn original(
    State(site): State<Arc<Site>>,
    Path((_, _, name)): Path<(String, String, String)>,
) -> Response {
    let answer = match site.picture(&name) {
        None => missing(),
        Some(_) if site.refuses_originals.load(Ordering::Relaxed) => too_many(),
        Some(picture) => given(picture),
    };
    answer.into_response()
}

pub(super) async fn thumbnail(
    State(site): State<Arc<Site>>,
    Path((_, _, name, thumbnail)): Path<(String, String, String, String)>,
) -> Response {
    let Some(picture) = site.picture(&name) else { return missing().into_response() };
    let width = thumbnail.split_once("px-").and_then(|(width, _)| width.parse().ok());
    let answer = match width {
        Some(width) if !STANDARD_WIDTHS.contains(&width) => {
            refused("Use thumbnail sizes listed on https://w.wiki/GHai")
        }
        Some(width) if width >= picture.width => {
            refused("The requested width is bigger than the width of the source file")
        }
        Some(_) => given(picture),
        None => missing(),
    };
    answer.into_response()
}

fn missing() -> Answer {
    Answer::new("text/html; charset=utf-8", "<!DOCTYPE html><title>404 Not Found</title>").status(404)
}

fn refused(why: &str) -> Answer {
    Answer::new("text/plain", why.to_owned()).status(400)
}

fn too_many() -> Answer {
    let text = "Original files are not given to programs. Use thumbnails.";
    Answer::new("text/plain", text).status(429).header("retry-after", "1000")
}

#[cfg(test)]
mod tests {
    use super::super::super::visitor::get;
    use super::super::super::world::samples::world;
    use super::super::Wikimedia;
    use super::*;

    #[tokio::test]
    async fn thumbnails_have_standard_sizes_below_the_originals() {
        let wikimedia = Wikimedia::start(world()).await;
        let picture = &wikimedia.world().pictures[0];
        assert_eq!(picture.width, 600);
        for (width, status) in [(500, 200), (512, 400), (960, 400)] {
            let url = thumbnail_url(&wikimedia.site, picture, width);
            let reply = get(&wikimedia.upstream, &url).await;
            assert_eq!(reply.status, status, "{width}");
            if status == 200 {
                assert_eq!(reply.header("content-type"), "image/png");
                assert_eq!(reply.body, picture.bytes);
            }
        }
        assert_eq!(wikimedia.pictures_asked_for(), 3);
    }

    #[tokio::test]
    async fn originals_are_given_until_they_are_refused() {
        let wikimedia = Wikimedia::start(world()).await;
        let picture = &wikimedia.world().pictures[0];
        let url = original_url(&wikimedia.site, picture);
        assert_eq!(get(&wikimedia.upstream, &url).await.body, picture.bytes);
        wikimedia.refuse_originals();
        assert_eq!(get(&wikimedia.upstream, &url).await.status, 429);
        assert_eq!(get(&wikimedia.upstream, "/wikipedia/commons/a/ab/None.jpg").await.status, 404);
    }
}
