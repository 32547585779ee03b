//! Google's search for images, as a browser sees it. It does not say who has made a picture, nor under which licence.

use futures_util::stream::BoxStream;
use reqwest::Url;
use sightscan_types::Sha256;

use super::tab::Tab;
use super::viewer::{Viewer, ViewerPlaces};
use super::wall::{Places, Shown, Wall};
use super::{Browser, Search, data_uri, named, search_text, unlicensed};
use crate::sources::{address, fixed, joined};
use crate::{Candidate, City, Held, ImageSource, Picture, Sight, SourceError};

const NAME: &str = "google-images";

/// Shaped after the page that the original crawler drove: a list of numbered thumbnails, and a viewer beside it. Google
/// changes its markup without notice; this is the one place that has to follow.
const PLACES: ViewerPlaces = ViewerPlaces {
    results: Places { list: "#islrg", picture: "#islrg > [data-ri] > img" },
    picture: "#viewer img",
    link: "#viewer a",
    stand_ins: "https://encrypted-tbn",
};

/// How Google's images are searched.
#[derive(Debug, Clone)]
pub struct GoogleImagesConfig {
    /// Where the search page is.
    pub base: Url,
    /// Whether pictures are fetched in full size, and not Google's thumbnails of them.
    pub full: bool,
    /// Whether only pictures of faces are found.
    pub face: bool,
}

impl Default for GoogleImagesConfig {
    fn default() -> Self {
        Self { base: fixed("https://www.google.com"), full: false, face: false }
    }
}

/// Google's search for images.
#[derive(Debug, Clone)]
pub struct GoogleImages {
    browser: Browser,
    config: GoogleImagesConfig,
}

/// A search that goes on.
#[derive(Debug)]
enum Results {
    Thumbnails(Wall),
    Full(Viewer),
}

impl GoogleImages {
    /// Looks with this browser.
    pub const fn new(browser: Browser, config: GoogleImagesConfig) -> Self {
        Self { browser, config }
    }

    async fn search(&self, city: &City, sight: &Sight) -> Result<Results, SourceError> {
        let tab = Tab::open(&self.browser, NAME, self.url(city, sight)).await?;
        if self.config.full {
            return Ok(Results::Full(Viewer::of(tab, PLACES)));
        }
        Ok(Results::Thumbnails(Wall::of(tab, PLACES.results).await?))
    }

    fn url(&self, city: &City, sight: &Sight) -> Url {
        let mut url = joined(&self.config.base, "search");
        let face = if self.config.face { "&tbs=itp:face" } else { "" };
        url.set_query(Some(&format!("q={}&tbm=isch{face}", search_text(city, sight))));
        url
    }
}

impl ImageSource for GoogleImages {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        named(self.search(city, sight))
    }

    fn hold(&self) -> Option<Box<dyn Held>> {
        Some(self.browser.hold())
    }
}

impl Search for Results {
    async fn next(&mut self) -> Result<Option<Shown>, SourceError> {
        match self {
            Self::Full(viewer) => viewer.next().await,
            Self::Thumbnails(wall) => wall.next().await,
        }
    }

    fn candidate(&self, shown: Shown) -> Option<Candidate> {
        match self {
            Self::Full(_) => full_size(shown),
            Self::Thumbnails(wall) => thumbnail(shown, wall.url()),
        }
    }
}

/// A thumbnail has no address that is the same each time, so its content identifies it.
fn thumbnail(shown: Shown, search: &Url) -> Option<Candidate> {
    let page = Some(search.to_string());
    match data_uri::picture(&shown.picture) {
        Some(bytes) => {
            let source = format!("urn:sha256:{}", Sha256::of(&bytes));
            Some(unlicensed(source, Picture::Here(bytes), page))
        }
        None => full_size(Shown { page, ..shown }),
    }
}

fn full_size(shown: Shown) -> Option<Candidate> {
    let url = address(&shown.picture)?;
    Some(unlicensed(url.to_string(), Picture::At(url), shown.page))
}
