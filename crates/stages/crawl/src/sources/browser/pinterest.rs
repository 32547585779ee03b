//! Pinterest, as a browser sees it. It does not say who has made a picture, nor under which licence.

use futures_util::stream::BoxStream;
use reqwest::Url;

use super::tab::Tab;
use super::wall::{Places, Shown, Wall};
use super::{Browser, Search, named, search_text, unlicensed};
use crate::sources::{address, fixed, joined};
use crate::{Candidate, City, Held, ImageSource, Picture, Sight, SourceError};

const NAME: &str = "pinterest";

/// Pinterest marks its pins for its own tests. It changes its markup without notice; this is the one place that has to
/// follow.
const PLACES: Places = Places { list: "main, [role=main]", picture: "[data-test-id=pin] img" };

/// The size that a wall of pins shows, and the larger one that is taken; both are widths in pixels.
const SIZES: (&str, &str) = ("/236x/", "/564x/");

/// How Pinterest is searched.
#[derive(Debug, Clone)]
pub struct PinterestConfig {
    /// Where the search page is.
    pub base: Url,
}

impl Default for PinterestConfig {
    fn default() -> Self {
        Self { base: fixed("https://www.pinterest.de") }
    }
}

/// Pinterest's search for pins.
#[derive(Debug, Clone)]
pub struct Pinterest {
    browser: Browser,
    config: PinterestConfig,
}

impl Pinterest {
    /// Looks with this browser.
    pub const fn new(browser: Browser, config: PinterestConfig) -> Self {
        Self { browser, config }
    }

    async fn search(&self, city: &City, sight: &Sight) -> Result<Pins, SourceError> {
        let mut url = joined(&self.config.base, "search/pins/");
        url.set_query(Some(&format!("q={}", search_text(city, sight))));
        let tab = Tab::open(&self.browser, NAME, url).await?;
        Ok(Pins(Wall::of(tab, PLACES).await?))
    }
}

impl ImageSource for Pinterest {
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

/// A search that goes on.
#[derive(Debug)]
struct Pins(Wall);

impl Search for Pins {
    async fn next(&mut self) -> Result<Option<Shown>, SourceError> {
        self.0.next().await
    }

    fn candidate(&self, shown: Shown) -> Option<Candidate> {
        pin(shown)
    }
}

/// A pin in its larger size. Other pictures on the wall have one size only: faces of people, adverts.
fn pin(shown: Shown) -> Option<Candidate> {
    let (small, large) = SIZES;
    if !shown.picture.contains(small) {
        return None;
    }
    let url = address(&shown.picture.replacen(small, large, 1))?;
    Some(unlicensed(url.to_string(), Picture::At(url), shown.page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(picture: &str) -> Option<Candidate> {
        pin(Shown { picture: picture.to_owned(), page: None })
    }

    #[test]
    fn row_11_the_larger_size_is_taken() {
        let pin = of("https://i.pinimg.com/236x/aa/bb/cc.jpg").unwrap();
        assert_eq!(pin.source, "https://i.pinimg.com/564x/aa/bb/cc.jpg");
        assert_eq!(pin.picture, Picture::At(pin.source.parse().unwrap()));
        assert_eq!((pin.licence, pin.author), (None, None));
    }

    #[test]
    fn what_is_no_pin_is_passed_over() {
        for other in
            ["https://i.pinimg.com/75x75_RS/aa/face.jpg", "data:image/png;base64,/236x/", "/236x/a.jpg"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
