//! What is asked for.

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Serialize;

use super::FetchError;

/// What kind of answer is wanted, which decides about manners and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An answer of a service in JSON.
    Service,
    /// A page for people.
    Page,
    /// A picture.
    Picture,
    /// What a host says about robots.
    Robots,
}

impl Kind {
    /// Whether robots.txt is about it.
    pub(super) const fn asks_robots(self) -> bool {
        matches!(self, Self::Page | Self::Picture)
    }

    /// What is sent as `Accept`.
    pub(super) const fn accepted(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Service => "application/json, */*;q=0.1",
            Self::Page => "text/*, */*;q=0.5",
            Self::Picture => "image/jpeg, image/png, image/webp, image/*;q=0.5",
            Self::Robots => "text/plain, */*;q=0.5",
        })
    }

    /// Its name in counts.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Page => "page",
            Self::Picture => "picture",
            Self::Robots => "robots",
        }
    }
}

/// A request before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Body>,
}

/// What is sent along.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) media_type: HeaderValue,
    pub(super) bytes: Bytes,
}

impl Call {
    pub(super) const fn get(kind: Kind, url: Url) -> Self {
        Self { kind, method: Method::GET, url, body: None }
    }

    pub(super) fn post_json(url: Url, body: &(impl Serialize + ?Sized)) -> Result<Self, FetchError> {
        match serde_json::to_vec(body) {
            Ok(json) => Ok(Self::post(url, "application/json", json)),
            Err(error) => {
                let reason = format!("the question is no JSON: {error}");
                Err(FetchError::Refused { url: shown(Kind::Service, &url), reason })
            }
        }
    }

    pub(super) fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let form = form(&url, fields);
        Self::post(url, "application/x-www-form-urlencoded", form)
    }

    fn post(url: Url, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = Body { media_type: HeaderValue::from_static(media_type), bytes: body.into() };
        Self { kind: Kind::Service, method: Method::POST, url, body: Some(body) }
    }

    /// The URL as it may be seen by everybody.
    pub(super) fn shown_url(&self) -> Url {
        shown(self.kind, &self.url)
    }
}

/// The URL without what may be secret.
fn shown(kind: Kind, url: &Url) -> Url {
    let mut url = bare(url.clone());
    if kind == Kind::Service {
        url.set_query(None);
    }
    url
}

/// The URL without what is not for its host: credentials, which nobody has given us to send, and the fragment.
pub(super) fn bare(mut url: Url) -> Url {
    // Addresses without a host, which have no credentials, cannot be changed so.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

/// Fields as a form sends them, which is how a query has them.
fn form(url: &Url, fields: &[(&str, &str)]) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_forms_are() {
        let url: Url = "https://example.org/api?key=1".parse().unwrap();
        let call = Call::post_form(url, &[("data", "[out:json];\nnode(1)"), ("q", "Tour & Eiffel+ü")]);
        let body = call.body.unwrap();
        assert_eq!(body.bytes, "data=%5Bout%3Ajson%5D%3B%0Anode%281%29&q=Tour+%26+Eiffel%2B%C3%BC");
        assert_eq!(call.url.query(), Some("key=1"));
    }

    #[test]
    fn urls_are_shown_without_secrets() {
        let url: Url = "https://user:secret@example.org/a?key=secret#part".parse().unwrap();
        assert_eq!(Call::get(Kind::Service, url.clone()).shown_url().as_str(), "https://example.org/a");
        let picture = Call::get(Kind::Picture, url).shown_url();
        assert_eq!(picture.as_str(), "https://example.org/a?key=secret");
    }

    #[test]
    fn addresses_without_a_host_stay() {
        let url: Url = "data:text/plain,hello".parse().unwrap();
        assert_eq!(bare(url.clone()), url);
    }
}
