//! Google's Custom Search for pictures, with a key. It does not say who has made a picture, nor under which licence.

use futures_util::stream::BoxStream;
use reqwest::Url;
use serde::Deserialize;

use super::paging::{Page, search};
use super::{ApiKey, Service, address, fixed, words};
use crate::fetch::Fetcher;
use crate::licence::Licence;
use crate::{Candidate, City, ImageSource, Picture, Sight, SourceError};

const NAME: &str = "custom-search";

/// Pictures in one answer. Google gives ten, and no more than a hundred of a search.
const PER_PAGE: u32 = 10;
const LAST: u32 = 100;

/// How Custom Search is asked.
#[derive(Debug, Clone)]
pub struct CustomSearchConfig {
    /// Where the service is.
    pub base: Url,
    /// The key of an application.
    pub key: ApiKey,
    /// The id of the search engine, `cx`.
    pub engine: String,
    /// Which pictures are found, by the licence that their page says: `cc_publicdomain`, `cc_attribute`,
    /// `cc_sharealike`, `cc_noncommercial`, `cc_nonderived`, with `|` between them. All are found without a filter.
    pub rights: Option<String>,
    /// Whether pictures are fetched in full size, and not Google's thumbnails of them.
    pub full: bool,
    /// Whether only pictures of faces are found.
    pub face: bool,
}

impl CustomSearchConfig {
    /// The public service with this key and engine.
    pub fn new(key: ApiKey, engine: &str) -> Self {
        let (base, engine) = (fixed("https://www.googleapis.com"), engine.to_owned());
        Self { base, key, engine, rights: None, full: true, face: false }
    }
}

/// Google's Custom Search.
#[derive(Debug, Clone)]
pub struct CustomSearch {
    service: Service,
    engine: String,
    rights: Option<String>,
    licence: Option<Licence>,
    full: bool,
    face: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    queries: Queries,
}

#[derive(Default, Deserialize)]
struct Queries {
    #[serde(rename = "nextPage", default)]
    next: Vec<NextPage>,
}

#[derive(Deserialize)]
struct NextPage {
    #[serde(rename = "startIndex")]
    start: u32,
}

#[derive(Deserialize)]
struct Item {
    link: Option<String>,
    image: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "contextLink")]
    page: Option<String>,
    #[serde(rename = "thumbnailLink")]
    thumbnail: Option<String>,
}

impl CustomSearch {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: CustomSearchConfig) -> Self {
        let service =
            Service::new(NAME, fetcher, &config.base, "customsearch/v1").with_key("key", config.key);
        let licence = config.rights.as_deref().and_then(licence_of);
        let CustomSearchConfig { engine, rights, full, face, .. } = config;
        Self { service, engine, rights, licence, full, face }
    }

    async fn page(&self, search: &str, start: u32) -> Result<Page<u32>, SourceError> {
        let (start, count) = (start.to_string(), PER_PAGE.to_string());
        let mut parameters = vec![
            ("cx", self.engine.as_str()),
            ("q", search),
            ("searchType", "image"),
            ("num", &count),
            ("start", &start),
        ];
        parameters.extend(self.rights.as_deref().map(|rights| ("rights", rights)));
        parameters.extend(self.face.then_some(("imgType", "face")));
        let answer: Answer = self.service.ask(&parameters).await?;
        let candidates = answer.items.into_iter().filter_map(|item| self.candidate(item)).collect();
        let next = answer.queries.next.first().map(|page| page.start);
        Ok(Page { candidates, next: next.filter(|start| start + PER_PAGE - 1 <= LAST) })
    }

    fn candidate(&self, item: Item) -> Option<Candidate> {
        let url = address(&item.link?)?;
        let (page_url, thumbnail) = item.image.map(|image| (image.page, image.thumbnail)).unzip();
        let thumbnail = thumbnail.flatten().filter(|_| !self.full).and_then(|link| address(&link));
        Some(Candidate {
            source: url.to_string(),
            picture: Picture::At(thumbnail.unwrap_or(url)),
            page_url: page_url.flatten(),
            author: None,
            licence: self.licence.as_ref().map(Licence::to_string),
            licence_url: None,
        })
    }
}

impl ImageSource for CustomSearch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        search(words(city, sight), move |words, start| async move { self.page(&words, start).await })
    }
}

/// What all pictures of a filter allow at least: that of its licences which asks for most.
fn licence_of(rights: &str) -> Option<Licence> {
    let rights: Vec<&str> = rights.split(['|', ',', '(', ')', '.']).map(str::trim).collect();
    let has = |right: &str| rights.contains(&right);
    let known = ["cc_publicdomain", "cc_attribute", "cc_sharealike", "cc_noncommercial", "cc_nonderived"];
    let is_understood = rights.iter().all(|right| right.is_empty() || known.contains(right));
    if !is_understood || !known.into_iter().any(has) {
        return None;
    }
    Licence::read(match (has("cc_noncommercial"), has("cc_nonderived")) {
        (true, true) => "CC BY-NC-ND",
        (true, false) => "CC BY-NC",
        (false, true) => "CC BY-ND",
        (false, false) if has("cc_sharealike") => "CC BY-SA",
        (false, false) if has("cc_attribute") => "CC BY",
        (false, false) => "Public domain",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_the_licence_that_asks_for_most() {
        for (rights, licence) in [
            ("cc_publicdomain", Some("Public domain")),
            ("cc_publicdomain|cc_attribute", Some("CC BY")),
            ("(cc_publicdomain|cc_attribute|cc_sharealike)", Some("CC BY-SA")),
            ("cc_attribute|cc_noncommercial", Some("CC BY-NC")),
            ("cc_attribute.-(cc_noncommercial)", None),
            ("", None),
        ] {
            assert_eq!(licence_of(rights).map(|one| one.to_string()).as_deref(), licence, "{rights}");
        }
    }
}
