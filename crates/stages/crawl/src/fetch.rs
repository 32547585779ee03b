//! Fetching from the outside: politely, and trusting nobody.
//!
//! A [`Fetcher`] asks a host no more often than it likes to be asked: so many requests at once, a pace, `Crawl-delay`,
//! `Retry-After`. Pages and pictures are asked for only where robots.txt allows it (RFC 9309); pictures whose owner
//! does not want them in data sets (`X-Robots-Tag`, `tdm-reservation`) are not read. Services that are made to be asked
//! by programs have no robots.txt for these.
//!
//! Addresses come from strangers. Only public ones are connected to, whatever a name resolves to and wherever a
//! redirect leads; proxies are never used, because they would resolve names themselves. Answers are limited in bytes
//! and time and are never decompressed. A browser, which connects to whatever a page names, is let out by a door that
//! has the same rules.

mod address;
mod answer;
mod call;
#[cfg(feature = "browser")]
mod door;
mod guard;
mod hosts;
mod keyed;
mod metrics;
mod opt_out;
mod robots;
mod trouble;
mod visit;
mod wait;
mod web;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

use call::{Call, Kind};
use web::Web;

#[cfg(feature = "browser")]
pub(crate) use door::Door;
pub use visit::Visit;

/// Fetches answers of services and pictures. Clones are cheap and share everything.
#[derive(Debug, Clone)]
pub struct Fetcher {
    web: Arc<Web>,
}

/// How it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchConfig {
    /// Who we are: `SightScan/0.1 (https://…; contact@…)`. The word before the `/` is looked up in robots.txt.
    pub user_agent: String,
    /// Requests in flight to one host.
    pub per_host: usize,
    /// The shortest time between the beginnings of two requests to one host.
    pub pace: Duration,
    /// An answer that takes longer is given up, connecting and redirects included.
    pub timeout: Duration,
    /// A larger picture is given up.
    pub max_bytes: u64,
    /// Tries of a request, the first one included.
    pub tries: u32,
    /// The time before the second try; it doubles with each further one.
    pub back_off: Duration,
    /// A host that wants a longer wait is given up for now.
    pub max_wait: Duration,
    /// Hosts (`host` or `host:port`) that may have private addresses: base URLs that somebody has set.
    pub trusted_hosts: Vec<String>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("SightScan/", env!("CARGO_PKG_VERSION"), " (pictures of sights)").to_owned(),
            per_host: 3,
            pace: Duration::from_millis(200),
            timeout: Duration::from_secs(30),
            max_bytes: 30_000_000,
            tries: 5,
            back_off: Duration::from_millis(500),
            max_wait: Duration::from_secs(5 * 60),
            trusted_hosts: Vec::new(),
        }
    }
}

/// A picture that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it was in the end.
    pub url: Url,
}

/// Why there is no [`Fetcher`].
#[derive(Debug, thiserror::Error)]
#[error("no client for HTTP can be made: {0}; check the user agent and this machine's certificates")]
pub struct SetUpError(#[from] reqwest::Error);

/// Why nothing was fetched. The URLs are without credentials, those of services without their queries, which hold keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is not to be fetched, now or later: the reason, in few words that can be counted.
    #[error("{url}: {reason}")]
    Refused {
        /// What was asked for.
        url: Url,
        /// Why.
        reason: String,
    },
    /// It could not be fetched, but may be later.
    #[error("{url}: {reason}")]
    Failed {
        /// What was asked for.
        url: Url,
        /// Why.
        reason: String,
    },
}

impl FetchError {
    /// Whether asking later can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

impl Fetcher {
    /// A fetcher that has asked nobody yet.
    ///
    /// # Errors
    /// When the user agent cannot be sent, or there are no certificates to check others by.
    pub fn new(config: FetchConfig) -> Result<Self, SetUpError> {
        Ok(Self { web: Arc::new(Web::new(config)?) })
    }

    /// What was fetched so far, counted, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.web.metrics()
    }

    /// What a service answers.
    ///
    /// # Errors
    /// [`FetchError::Failed`] when it could not be reached or its answers were broken, however often it was asked;
    /// [`FetchError::Refused`] when it does not want to answer, or answers something else.
    pub async fn json<T: DeserializeOwned>(&self, url: Url) -> Result<T, FetchError> {
        self.service(Call::get(Kind::Service, url)).await
    }

    /// What a service answers to JSON.
    ///
    /// # Errors
    /// As [`Fetcher::json`].
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        url: Url,
        body: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, FetchError> {
        self.service(Call::post_json(url, body)?).await
    }

    /// What a service answers to the fields of a form.
    ///
    /// # Errors
    /// As [`Fetcher::json`].
    pub async fn post_form<T: DeserializeOwned>(
        &self,
        url: Url,
        fields: &[(&str, &str)],
    ) -> Result<T, FetchError> {
        self.service(Call::post_form(url, fields)).await
    }

    /// The text of a page. What is not UTF-8 in it is replaced.
    ///
    /// # Errors
    /// [`FetchError::Refused`] when it is not there or robots.txt forbids it, [`FetchError::Failed`] when it could not
    /// be reached.
    pub async fn text(&self, url: Url) -> Result<String, FetchError> {
        let page = self.web.fetch(&Call::get(Kind::Page, url), Ok).await?;
        Ok(String::from_utf8_lossy(&page.bytes).into_owned())
    }

    /// A picture's bytes, which begin as those of a picture do.
    ///
    /// # Errors
    /// [`FetchError::Refused`] when it is not there, is none, is too large, or its owner does not want it fetched or
    /// used; [`FetchError::Failed`] when it could not be reached.
    pub async fn picture(&self, url: &Url) -> Result<Fetched, FetchError> {
        let picture = self.web.fetch(&Call::get(Kind::Picture, url.clone()), Ok).await?;
        Ok(Fetched { bytes: picture.bytes, url: picture.url })
    }

    /// Waits until a page may be opened by other means than this fetcher, such as a browser: robots.txt, the pace and
    /// the number of requests in flight are those of the fetcher.
    ///
    /// # Errors
    /// [`FetchError::Refused`] when robots.txt forbids it or the address is not public, [`FetchError::Failed`] when this
    /// cannot be said now, or the host wants a longer pause than anybody waits.
    pub async fn may_visit(&self, url: &Url) -> Result<Visit, FetchError> {
        Visit::begin(Arc::clone(&self.web), url.clone()).await
    }

    /// Who we are.
    pub fn user_agent(&self) -> &str {
        self.web.user_agent()
    }

    async fn service<T: DeserializeOwned>(&self, call: Call) -> Result<T, FetchError> {
        self.web.fetch(&call, |answer| answer.json()).await
    }
}
