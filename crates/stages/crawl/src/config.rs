//! The section `[crawl]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use sightscan_warehouse::Warehouse;
use tracing::warn;

use crate::assembly::Assembly;
use crate::crawler::Crawler;
use crate::fetch::{FetchConfig, Fetcher, SetUpError};
use crate::intake::Demands;
use crate::licence::Policy;

/// The section `[crawl]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who names the sights of a city: `wikidata`, `openstreetmap`, `places`, `demo` (an invented city), or a file; those of
    /// several are merged.
    pub sights: Vec<String>,
    /// Who names pictures, in the order in which they are asked: `commons`, `openverse`, `flickr`, `custom-search`,
    /// `google-images`, `pinterest`, `demo`, a folder, a `.zip`, or a list of addresses (`.txt`, `.csv`).
    pub sources: Vec<String>,
    /// Licences that are used beside the free ones, by their SPDX identifiers.
    pub licences: Vec<String>,
    /// Whether pictures are used whose licence is not known.
    pub accept_unknown_licences: bool,
    /// The licence of pictures from folders and `.zip` files.
    pub own_licence: Option<String>,
    /// Their author.
    pub own_author: Option<String>,
    /// A mail address or a page for those whose pictures are fetched; it is in the user agent.
    pub contact: Option<String>,
    /// Sights that are crawled at once.
    pub threads: usize,
    /// Pixels of the shorter side that a picture must have.
    pub min_side: u32,
    /// How many times longer than the other one side of a picture may be.
    pub max_aspect: u32,
    /// Pixels that a picture may have.
    pub max_pixels: u64,
    /// Bytes that a picture may have.
    pub max_bytes: u64,
    /// Requests in flight to one host.
    pub requests_per_host: usize,
    /// The shortest time between two requests to one host, in milliseconds.
    pub pace_ms: u64,
    /// An answer that takes longer is given up, in seconds.
    pub timeout_seconds: u64,
    /// The browser of `google-images` and `pinterest`; the one that is found on the machine if it is not set.
    pub chromium: Option<PathBuf>,
    /// Whether that browser has no window.
    pub headless: bool,
    /// What does not appear on a page of it in this time is given up, in seconds.
    pub patience_seconds: u64,
    /// Where services are, for those that are not where they are usually: `wikidata = "http://127.0.0.1:9000"`.
    pub services: Services,
}

/// Where services are, if not at their usual addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// Wikidata's query service.
    pub wikidata: Option<ServiceUrl>,
    /// Overpass, for OpenStreetMap.
    pub openstreetmap: Option<ServiceUrl>,
    /// Google Places.
    pub places: Option<ServiceUrl>,
    /// Wikimedia Commons.
    pub commons: Option<ServiceUrl>,
    /// Openverse.
    pub openverse: Option<ServiceUrl>,
    /// Flickr.
    pub flickr: Option<ServiceUrl>,
    /// Google Custom Search.
    pub custom_search: Option<ServiceUrl>,
    /// Google's search for images, as a browser sees it.
    pub google_images: Option<ServiceUrl>,
    /// Pinterest, as a browser sees it.
    pub pinterest: Option<ServiceUrl>,
}

/// The address of a service, as it is written in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceUrl(Url);

impl TryFrom<String> for ServiceUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Url::parse(&text) {
            Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => Ok(Self(url)),
            _ => Err(format!("`{text}` is no address: write it as https://example.org")),
        }
    }
}

impl From<ServiceUrl> for String {
    fn from(service: ServiceUrl) -> Self {
        service.0.into()
    }
}

impl ServiceUrl {
    /// Where it is.
    pub(crate) const fn url(&self) -> &Url {
        &self.0
    }
}

/// What the flags of the original's crawler say beside the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Google {
    /// Whether sources of Google may be asked.
    pub is_allowed: bool,
    /// Full-size pictures instead of thumbnails.
    pub full: bool,
    /// Pictures of faces only.
    pub face: bool,
}

impl Default for Google {
    fn default() -> Self {
        Self { is_allowed: true, full: true, face: false }
    }
}

/// A configuration that no crawler can have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A source is not known.
    #[error("`{name}` names no source of {what}: give {known}, or a file or folder that exists")]
    UnknownSource {
        /// What was given.
        name: String,
        /// `sights` or `pictures`.
        what: &'static str,
        /// Those that there are.
        known: &'static str,
    },
    /// A source needs a key.
    #[error("the source `{source_name}` needs a key: set {variable}")]
    NoKey {
        /// The source.
        source_name: &'static str,
        /// The environment variable.
        variable: &'static str,
    },
    /// A source needs a browser, and there is none.
    #[error(
        "the source `{source_name}` looks at pages with Chromium, and {missing}: install it (on Debian `apt-get install \
         chromium`), or set `chromium = \"/path/to/it\"` in [crawl]; `--sources commons` needs none"
    )]
    NoBrowser {
        /// The source.
        source_name: String,
        /// What is missing.
        missing: String,
    },
    /// This program was built without the part that drives a browser.
    #[error(
        "the source `{0}` looks at pages with a browser, which this program was built without: build it with \
         `--features browser`, or ask another source, such as `commons`"
    )]
    WithoutBrowser(String),
    /// Nothing is left to ask.
    #[error("no source of {0} is left: name one, or allow those of Google")]
    NoSource(&'static str),
    /// The invented city cannot be drawn.
    #[error(transparent)]
    Source(#[from] crate::SourceError),
    /// The user agent cannot be sent.
    #[error(transparent)]
    Client(#[from] SetUpError),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sights: vec!["wikidata".to_owned()],
            sources: vec!["commons".to_owned()],
            licences: Vec::new(),
            accept_unknown_licences: false,
            own_licence: None,
            own_author: None,
            contact: None,
            threads: 4,
            min_side: 100,
            max_aspect: 4,
            max_pixels: 50_000_000,
            max_bytes: 30_000_000,
            requests_per_host: 3,
            pace_ms: 100,
            timeout_seconds: 60,
            chromium: None,
            headless: true,
            patience_seconds: 10,
            services: Services::default(),
        }
    }
}

impl Config {
    /// The crawler that is described. Keys are read from the environment through `variable`.
    ///
    /// # Errors
    /// When a source is not known, or its key or its browser is missing.
    pub fn crawler(
        &self,
        warehouse: Warehouse,
        google: Google,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Crawler, ConfigError> {
        self.crawler_with(Fetcher::new(self.fetching())?, warehouse, google, variable)
    }

    /// As [`Config::crawler`], with a fetcher of one's own.
    ///
    /// # Errors
    /// As [`Config::crawler`].
    pub fn crawler_with(
        &self,
        fetcher: Fetcher,
        warehouse: Warehouse,
        google: Google,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Crawler, ConfigError> {
        let assembly = Assembly::new(self, google, fetcher.clone(), variable);
        Ok(Crawler {
            warehouse,
            fetcher,
            sights: assembly.sights()?,
            sources: assembly.sources()?,
            policy: Policy { accepted: self.licences.clone(), accept_unknown: self.accept_unknown_licences },
            demands: Demands {
                min_side: self.min_side,
                max_aspect: self.max_aspect,
                max_pixels: self.max_pixels,
            },
        })
    }

    fn fetching(&self) -> FetchConfig {
        FetchConfig {
            user_agent: format!("SightScan/{} ({})", env!("CARGO_PKG_VERSION"), self.who_asks()),
            per_host: self.requests_per_host,
            pace: Duration::from_millis(self.pace_ms),
            timeout: Duration::from_secs(self.timeout_seconds),
            max_bytes: self.max_bytes,
            trusted_hosts: self.services.hosts(),
            ..FetchConfig::default()
        }
    }

    /// Whom to write to about what is fetched.
    fn who_asks(&self) -> &str {
        self.contact.as_deref().unwrap_or_else(|| {
            warn!("services want to know who asks, and some refuse those who do not say it: set `contact` in [crawl]");
            "no contact given"
        })
    }
}

impl Services {
    /// The hosts of those that somebody has set: they may have private addresses.
    fn hosts(&self) -> Vec<String> {
        let Self { wikidata, openstreetmap, places, commons, openverse, flickr, custom_search, .. } = self;
        let set = [wikidata, openstreetmap, places, commons, openverse, flickr, custom_search];
        let of_pages = self.hosts_of_pages();
        set.into_iter().flatten().filter_map(|service| host(&service.0)).chain(of_pages).collect()
    }

    /// Those of them whose pages a browser looks at.
    pub(crate) fn hosts_of_pages(&self) -> Vec<String> {
        [&self.google_images, &self.pinterest]
            .into_iter()
            .flatten()
            .filter_map(|service| host(&service.0))
            .collect()
    }
}

/// `host:port`, as far as they are given.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
