//! Openverse, which finds openly licensed pictures of many collections.

use futures_util::stream::BoxStream;
use reqwest::Url;
use serde::Deserialize;

use super::paging::{Page, search};
use super::{Service, address, fixed, words};
use crate::fetch::Fetcher;
use crate::licence::Licence;
use crate::{Candidate, City, ImageSource, Picture, Sight, SourceError};

const NAME: &str = "openverse";

/// Who does not register may ask for so many in one answer, and for so many pages.
const PER_PAGE: &str = "20";
const MOST_PAGES: u32 = 12;

/// How Openverse is asked.
#[derive(Debug, Clone)]
pub struct OpenverseConfig {
    /// Where the service is.
    pub base: Url,
    /// Whether only pictures that may be used commercially and changed are asked for: the ones that are free. The others
    /// would be quarantined by default.
    pub only_free: bool,
}

impl Default for OpenverseConfig {
    fn default() -> Self {
        Self { base: fixed("https://api.openverse.org"), only_free: true }
    }
}

/// Openverse.
#[derive(Debug, Clone)]
pub struct Openverse {
    service: Service,
    only_free: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    page_count: u32,
    #[serde(default)]
    results: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    url: Option<String>,
    foreign_landing_url: Option<String>,
    creator: Option<String>,
    license: Option<String>,
    license_version: Option<String>,
    license_url: Option<String>,
}

impl Openverse {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: &OpenverseConfig) -> Self {
        let service = Service::new(NAME, fetcher, &config.base, "v1/images/");
        Self { service, only_free: config.only_free }
    }

    async fn page(&self, search: &str, page: u32) -> Result<Page<u32>, SourceError> {
        let number = page.to_string();
        let mut parameters = vec![("q", search), ("page_size", PER_PAGE), ("page", &number)];
        if self.only_free {
            parameters.push(("license_type", "commercial,modification"));
        }
        let answer: Answer = self.service.ask(&parameters).await?;
        let candidates = answer.results.into_iter().filter_map(Image::candidate).collect();
        let has_next = page < answer.page_count.min(MOST_PAGES);
        Ok(Page { candidates, next: has_next.then_some(page + 1) })
    }
}

impl ImageSource for Openverse {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        search(words(city, sight), move |words, page| async move { self.page(&words, page).await })
    }
}

impl Image {
    fn candidate(self) -> Option<Candidate> {
        let url = address(&self.url?)?;
        let code = self.license.unwrap_or_default();
        let licence = Licence::of_openverse(&code, self.license_version.as_deref());
        let own_url = licence.as_ref().and_then(Licence::url);
        Some(Candidate {
            source: url.to_string(),
            picture: Picture::At(url),
            page_url: self.foreign_landing_url,
            author: self.creator.filter(|name| !name.trim().is_empty()),
            licence: licence.map(|licence| licence.to_string()),
            licence_url: self.license_url.or(own_url),
        })
    }
}
