//! The pictures of a world, for the services whose addresses of pictures have no shape of their own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sightscan_pictures::sniff;

use super::params::encoded;
use super::world::{Picture, file_name};
use super::{Answer, World};

/// How the paths of pictures begin.
pub(super) const PHOTOS: &str = "/photos/";

/// What most of the services know: themselves and the world.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) url: String,
    pub(super) world: World,
    by_file_name: HashMap<String, usize>,
}

impl Site {
    pub(super) fn new(url: &str, world: World) -> Arc<Self> {
        Arc::new(Self { url: url.to_owned(), by_file_name: world.by_file_name(), world })
    }

    /// A picture by the name of its file in addresses.
    pub(super) fn picture(&self, name: &str) -> Option<&Picture> {
        self.world.pictures.get(*self.by_file_name.get(name)?)
    }

    /// The address of a picture in one of its sizes, such as `original`.
    pub(super) fn photo(&self, picture: &Picture, size: &str) -> String {
        format!("{}{PHOTOS}{size}/{}", self.url, encoded(&file_name(&picture.name)))
    }
}

/// The route to the pictures.
pub(super) fn routes(site: &Arc<Site>) -> Router {
    Router::new().route("/photos/{size}/{name}", get(photo)).with_state(Arc::clone(site))
}

async fn photo(State(site): State<Arc<Site>>, Path((_, name)): Path<(String, String)>) -> Response {
    site.picture(&name).map_or_else(|| Answer::empty(404), given).into_response()
}

/// A picture's bytes, as what they are.
pub(super) fn given(picture: &Picture) -> Answer {
    Answer::new(media_type(picture), picture.bytes.clone())
}

pub(super) fn media_type(picture: &Picture) -> &'static str {
    sniff(&picture.bytes).map_or("application/octet-stream", |format| format.media_type())
}

/// A part of what was found, and how many parts there are; pages count from 1.
pub(super) fn page<T>(found: &[T], number: usize, size: usize) -> (&[T], usize) {
    let begin = (number.saturating_sub(1) * size).min(found.len());
    let end = (begin + size).min(found.len());
    (&found[begin..end], found.len().div_ceil(size))
}
