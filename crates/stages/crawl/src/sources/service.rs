//! Asking a service without telling its key.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde::de::DeserializeOwned;

use crate::SourceError;
use crate::fetch::{FetchError, Fetcher};

/// What is written instead of a key.
const HIDDEN: &str = "…";

/// A key to a service. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key with this text; space around it, as files have it, is no part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Takes the key out of a text.
    fn hide_in(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let encoded = utf8_percent_encode(&self.0, NON_ALPHANUMERIC).to_string();
        text.replace(&encoded, HIDDEN).replace(&self.0, HIDDEN)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({HIDDEN})")
    }
}

/// A service that is asked with GET and answers JSON.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    name: &'static str,
    fetcher: Fetcher,
    endpoint: Result<Url, Url>,
    key: Option<(&'static str, ApiKey)>,
}

impl Service {
    /// A service without a key. The path is relative to the base URL, whose own path is a folder.
    pub(crate) fn new(name: &'static str, fetcher: Fetcher, base: &Url, path: &str) -> Self {
        let endpoint = folder(base).join(path).map_err(|_| base.clone());
        Self { name, fetcher, endpoint, key: None }
    }

    /// Sends a key as this parameter.
    pub(crate) fn with_key(mut self, parameter: &'static str, key: ApiKey) -> Self {
        self.key = Some((parameter, key));
        self
    }

    /// Asks with these parameters.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        parameters: &[(&str, &str)],
    ) -> Result<T, SourceError> {
        let url = self.url(parameters)?;
        self.fetcher.json(url).await.map_err(|error| self.fetch_error(error))
    }

    fn url(&self, parameters: &[(&str, &str)]) -> Result<Url, SourceError> {
        let mut url =
            self.endpoint.clone().map_err(|base| self.refused(&format!("{base} is no base URL")))?;
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some((parameter, key)) = &self.key {
            query.append_pair(parameter, &key.0);
        }
        drop(query);
        Ok(url)
    }

    fn fetch_error(&self, error: FetchError) -> SourceError {
        let error = match error {
            FetchError::Refused { url, reason } => {
                FetchError::Refused { url: bare(url), reason: self.hide_key(&reason) }
            }
            FetchError::Failed { url, reason } => {
                FetchError::Failed { url: bare(url), reason: self.hide_key(&reason) }
            }
        };
        SourceError::Fetch { name: self.name, error: Box::new(error) }
    }

    fn hide_key(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |(_, key)| key.hide_in(text))
    }

    /// It will not answer until somebody changes something.
    pub(crate) fn refused(&self, reason: &str) -> SourceError {
        SourceError::Answer { name: self.name, reason: self.hide_key(reason), is_transient: false }
    }

    /// It may answer later.
    pub(crate) fn busy(&self, reason: &str) -> SourceError {
        SourceError::Answer { name: self.name, reason: self.hide_key(reason), is_transient: true }
    }
}

/// Without its query, which is long and may have a key in it.
fn bare(mut url: Url) -> Url {
    url.set_query(None);
    url
}

/// A path below a base URL.
#[cfg(feature = "browser")]
pub(super) fn joined(base: &Url, path: &str) -> Url {
    folder(base).join(path).unwrap_or_else(|_| base.clone())
}

/// With a `/` at the end, so that a relative path does not replace the last part.
fn folder(base: &Url) -> Url {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    base
}

/// An address that is part of the program.
pub(crate) fn fixed(address: &'static str) -> Url {
    match Url::parse(address) {
        Ok(url) => url,
        Err(error) => unreachable!("{address} is part of the program and tested: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_s9_a_key_is_not_in_any_text() {
        let key = ApiKey::new(" se+cret\n");
        assert_eq!(key.hide_in("key=se%2Bcret or se+cret"), "key=… or …");
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
        assert_eq!(ApiKey::new("").hide_in("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_base_may_have_a_path() {
        for base in ["https://proxy.example/wiki", "https://proxy.example/wiki/"] {
            let joined = folder(&fixed(base)).join("w/api.php").unwrap();
            assert_eq!(joined.as_str(), "https://proxy.example/wiki/w/api.php");
        }
    }
}
