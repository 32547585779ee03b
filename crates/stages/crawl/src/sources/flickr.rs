//! Flickr, with a key.

use futures_util::stream::BoxStream;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::paging::{Page, search};
use super::{ApiKey, Service, address, fixed, words};
use crate::fetch::Fetcher;
use crate::licence::Licence;
use crate::{Candidate, City, ImageSource, Picture, Sight, SourceError};

const NAME: &str = "flickr";

/// Numbers of the free licences: BY and BY-SA 2.0 and 4.0, CC0, Public Domain Mark.
const FREE: &str = "4,5,9,10,11,12";

const PER_PAGE: &str = "100";

/// Flickr gives the first 4000 pictures of a search, then the last ones again.
const MOST_PAGES: u32 = 40;

/// How Flickr is asked.
#[derive(Debug, Clone)]
pub struct FlickrConfig {
    /// Where the service is.
    pub base: Url,
    /// The key of an application.
    pub key: ApiKey,
    /// Numbers of the licences that are asked for, with commas between them.
    pub licences: String,
}

impl FlickrConfig {
    /// The public service with this key, for pictures under free licences.
    pub fn new(key: ApiKey) -> Self {
        Self { base: fixed("https://www.flickr.com"), key, licences: FREE.to_owned() }
    }
}

/// Flickr.
#[derive(Debug, Clone)]
pub struct Flickr {
    service: Service,
    licences: String,
}

#[derive(Deserialize)]
struct Answer {
    stat: String,
    code: Option<i64>,
    message: Option<String>,
    photos: Option<Photos>,
}

#[derive(Deserialize)]
struct Photos {
    #[serde(default)]
    pages: u32,
    #[serde(default)]
    photo: Vec<Photo>,
}

#[derive(Deserialize)]
struct Photo {
    id: String,
    owner: String,
    #[serde(rename = "ownername")]
    owner_name: Option<String>,
    /// A text in most answers, a number in some.
    license: Option<Value>,
    /// 1024 pixels on the longer side.
    url_l: Option<String>,
    /// The original, where its owner shows it.
    url_o: Option<String>,
}

impl Flickr {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: FlickrConfig) -> Self {
        let service = Service::new(NAME, fetcher, &config.base, "services/rest/");
        Self { service: service.with_key("api_key", config.key), licences: config.licences }
    }

    async fn page(&self, search: &str, page: u32) -> Result<Page<u32>, SourceError> {
        let number = page.to_string();
        let parameters = [
            ("method", "flickr.photos.search"),
            ("format", "json"),
            ("nojsoncallback", "1"),
            ("text", search),
            ("license", &self.licences),
            ("media", "photos"),
            ("content_types", "0"),
            ("safe_search", "1"),
            ("sort", "relevance"),
            ("extras", "license,owner_name,url_l,url_o"),
            ("per_page", PER_PAGE),
            ("page", &number),
        ];
        let photos = self.photos(self.service.ask(&parameters).await?)?;
        let candidates = photos.photo.into_iter().filter_map(Photo::candidate).collect();
        let has_next = page < photos.pages.min(MOST_PAGES);
        Ok(Page { candidates, next: has_next.then_some(page + 1) })
    }

    fn photos(&self, answer: Answer) -> Result<Photos, SourceError> {
        let message = answer.message.unwrap_or_default();
        match (answer.stat.as_str(), answer.code, answer.photos) {
            ("ok", _, Some(photos)) => Ok(photos),
            (_, Some(100), _) => {
                Err(self.service.refused(&format!("the key is refused ({message}); is it the right one?")))
            }
            // The search is not available, the service is not, a write failed.
            (_, Some(10 | 105 | 106), _) => Err(self.service.busy(&message)),
            (stat, code, _) => {
                let code = code.map(|code| format!(" {code}")).unwrap_or_default();
                Err(self.service.refused(&format!("{stat}{code}: {message}")))
            }
        }
    }
}

impl ImageSource for Flickr {
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

impl Photo {
    fn candidate(self) -> Option<Candidate> {
        let licence = self.license.as_ref().and_then(number).and_then(Licence::of_flickr);
        let page_url = format!("https://www.flickr.com/photos/{}/{}", self.owner, self.id);
        Some(Candidate {
            // Whether there is an original changes with the owner's settings, the page stays.
            source: page_url.clone(),
            picture: Picture::At(address(&self.url_l.or(self.url_o)?)?),
            page_url: Some(page_url),
            author: self.owner_name.filter(|name| !name.trim().is_empty()),
            licence_url: licence.as_ref().and_then(Licence::url),
            licence: licence.map(|licence| licence.to_string()),
        })
    }
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}
