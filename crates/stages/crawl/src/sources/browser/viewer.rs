//! Pages that open a result in a viewer, where the arrow key goes on to the next one.

use std::collections::HashSet;

use tokio::time::{Instant, sleep};

use super::MOST_RESULTS;
use super::tab::{LOOK, Tab, literal};
use super::wall::{Places, Shown};
use crate::SourceError;
use crate::sources::address;

/// After so many steps in a row without a new picture there are none.
const MOST_BARREN: usize = 3;

/// Where the viewer is, as selectors of CSS.
#[derive(Debug, Clone, Copy)]
pub(super) struct ViewerPlaces {
    /// The results, of which the first is clicked on.
    pub(super) results: Places,
    /// The open viewer's picture.
    pub(super) picture: &'static str,
    /// The link to the page that the picture is from.
    pub(super) link: &'static str,
    /// How addresses of thumbnails begin, which stand in until the picture has come.
    pub(super) stand_ins: &'static str,
}

/// The pictures of a viewer, one after the other.
#[derive(Debug)]
pub(super) struct Viewer {
    tab: Tab,
    places: ViewerPlaces,
    look: String,
    seen: HashSet<String>,
    last: Option<String>,
    is_open: bool,
}

impl Viewer {
    pub(super) fn of(tab: Tab, places: ViewerPlaces) -> Self {
        let look = look(&places);
        Self { tab, places, look, seen: HashSet::new(), last: None, is_open: false }
    }

    /// The next picture; `None` when no new ones come.
    pub(super) async fn next(&mut self) -> Result<Option<Shown>, SourceError> {
        for _ in 0..MOST_BARREN {
            if self.seen.len() >= MOST_RESULTS || !self.step().await? {
                return Ok(None);
            }
            if let Some(shown) = self.settled().await? {
                self.last = Some(shown.picture.clone());
                if self.seen.insert(shown.picture.clone()) {
                    return Ok(Some(shown));
                }
            }
        }
        if self.seen.is_empty() { Err(self.tab.unknown("no picture in the viewer").await) } else { Ok(None) }
    }

    /// Opens the first picture, or goes on to the next one; says whether there is one.
    async fn step(&mut self) -> Result<bool, SourceError> {
        if !self.is_open {
            self.is_open = self.open().await?;
            return Ok(self.is_open);
        }
        self.tab.press("ArrowRight").await?;
        Ok(true)
    }

    async fn open(&self) -> Result<bool, SourceError> {
        let Places { list, picture } = self.places.results;
        if !self.tab.appears(list, self.tab.patience()).await? {
            return Err(self.tab.unknown("no list of results").await);
        }
        if !self.tab.appears(picture, self.tab.calm()).await? {
            return Ok(false);
        }
        self.tab.click(picture).await?;
        match self.tab.until::<Shown>(&self.look, self.tab.patience()).await? {
            Some(_) => Ok(true),
            None => Err(self.tab.unknown("no viewer has opened").await),
        }
    }

    /// The picture that the viewer comes to show; `None` where it stays the same, or a thumbnail.
    async fn settled(&self) -> Result<Option<Shown>, SourceError> {
        let begun = Instant::now();
        loop {
            let shown: Option<Shown> = self.tab.evaluate(&self.look).await?;
            let picture = shown.as_ref().map(|shown| &shown.picture);
            let is_coming = picture.is_none_or(|picture| self.is_stand_in(picture));
            if !is_coming && picture != self.last.as_ref() {
                return Ok(shown);
            }
            let limit = if is_coming { self.tab.patience() } else { self.tab.calm() };
            if begun.elapsed() >= limit {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
    }

    /// Whether this is a thumbnail; one of those is a `data:` URI, too.
    fn is_stand_in(&self, picture: &str) -> bool {
        picture.starts_with(self.places.stand_ins) || address(picture).is_none()
    }
}

/// A script that says what the viewer shows, where it is open. Of a longer address only the beginning is of use.
fn look(places: &ViewerPlaces) -> String {
    let (picture, link) = (literal(places.picture), literal(places.link));
    format!(
        "(() => {{
            const image = document.querySelector({picture});
            if (image === null || !image.checkVisibility() || !image.src) return null;
            return {{ picture: image.src.slice(0, 10000), page: document.querySelector({link})?.href || null }};
        }})()"
    )
}
