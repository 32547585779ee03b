//! Asking the API: with the token, again where that may help, never faster than the API wants.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use super::error::KubernetesError;
use super::place::Place;

/// How long one try may take.
const LIMIT: Duration = Duration::from_secs(4);
/// How often a call is tried.
const TRIES: u32 = 3;
/// Before the second try; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Where the API asks for a longer wait, whoever asked is told instead.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// The wait of an API that says 429 and no time.
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// How a change is written: RFC 7386.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Something that is asked of the API, as a rule of a role names it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    /// What is changed.
    pub(super) patch: Option<Value>,
    /// Whether it may be done twice.
    pub(super) may_repeat: bool,
}

/// Asks the API of a cluster.
#[derive(Debug)]
pub(super) struct Client {
    place: Place,
    http: reqwest::Client,
    /// Until then the API wants not to be asked.
    quiet_until: Mutex<Option<Instant>>,
}

/// What the API says when it refuses: a `Status`, see
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) message: String,
    pub(super) code: u16,
}

impl Call {
    /// Reads.
    pub(super) fn read(verb: &'static str, resource: &'static str, path: String) -> Self {
        Self { verb, resource, path, query: Vec::new(), patch: None, may_repeat: true }
    }

    /// Changes.
    pub(super) fn patch(resource: &'static str, path: String, patch: Value) -> Self {
        let (verb, patch) = ("patch", Some(patch));
        Self { verb, resource, path, query: Vec::new(), patch, may_repeat: true }
    }

    /// What it is about, in words.
    pub(super) fn what(&self) -> String {
        format!("{} {} ({})", self.verb, self.resource, self.path)
    }
}

impl Client {
    pub(super) fn new(place: Place) -> Result<Self, KubernetesError> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(LIMIT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("sightscan/", env!("CARGO_PKG_VERSION")));
        if let Some(authorities) = place.authorities()? {
            builder = builder.tls_certs_only(authorities);
        }
        let unfit = |error: reqwest::Error| KubernetesError::Server {
            server: place.server.to_string(),
            why: error.to_string(),
        };
        let http = builder.build().map_err(unfit)?;
        Ok(Self { http, place, quiet_until: Mutex::default() })
    }

    /// The namespace of everything that is asked for.
    pub(super) fn namespace(&self) -> &str {
        &self.place.namespace
    }

    /// Asks, again where that may help, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, KubernetesError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match self.once(call).await {
                Err(KubernetesError::TooMany { wait, .. }) if wait <= LONGEST_WAIT => {}
                Err(error) if call.may_repeat && error.is_uncertain() => {
                    debug!(%error, "Kubernetes is asked again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                ended => return ended,
            }
        }
        self.once(call).await
    }

    async fn once<T: DeserializeOwned>(&self, call: &Call) -> Result<T, KubernetesError> {
        let response = self.send(call, LIMIT).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(call, &error))?;
        let odd =
            |error: serde_json::Error| KubernetesError::Odd { what: call.what(), why: error.to_string() };
        serde_json::from_slice(&body).map_err(odd)
    }

    /// Asks once; the whole answer must be there within `limit`.
    pub(super) async fn send(&self, call: &Call, limit: Duration) -> Result<Response, KubernetesError> {
        self.wait_until_welcome(call).await?;
        let request = self.request(call)?.timeout(limit);
        let response = request.send().await.map_err(|error| self.unreachable(call, &error))?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refusal(call, response).await),
        }
    }

    fn request(&self, call: &Call) -> Result<RequestBuilder, KubernetesError> {
        let mut url = self.place.server.clone();
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), call.path));
        let method = if call.patch.is_some() { Method::PATCH } else { Method::GET };
        let mut request = self.http.request(method, url).query(&call.query);
        if let Some(token) = self.place.token()? {
            request = request.bearer_auth(token);
        }
        if let Some(patch) = &call.patch {
            request = request.header(CONTENT_TYPE, MERGE_PATCH).body(patch.to_string());
        }
        Ok(request)
    }

    /// Waits where the API has asked for that, unless it takes too long.
    async fn wait_until_welcome(&self, call: &Call) -> Result<(), KubernetesError> {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if wait > LONGEST_WAIT {
            return Err(KubernetesError::TooMany { what: call.what(), wait });
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    pub(super) fn unreachable(&self, call: &Call, error: &reqwest::Error) -> KubernetesError {
        let (server, what) = (self.place.server.to_string(), call.what());
        KubernetesError::Unreachable { server, what, why: innermost(error) }
    }

    async fn refusal(&self, call: &Call, response: Response) -> KubernetesError {
        let (status, wait) = (response.status(), asked_for(response.headers()));
        // Proxies between here and the API say it in other words.
        let body = response.bytes().await.unwrap_or_default();
        let told: Status = serde_json::from_slice(&body).unwrap_or_default();
        let message = match told.message.is_empty() {
            true => status.canonical_reason().unwrap_or("no reason is given").to_owned(),
            false => told.message,
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
            return KubernetesError::TooMany { what: call.what(), wait };
        }
        self.meaning(call, status.as_u16(), message)
    }

    /// What this status of an answer, or of an event, means.
    pub(super) fn meaning(&self, call: &Call, status: u16, message: String) -> KubernetesError {
        let what = call.what();
        match status {
            401 => KubernetesError::Unauthorized { what, message, token: self.place.token_file.clone() },
            403 => {
                let (verb, resource, namespace) = (call.verb, call.resource, self.place.namespace.clone());
                KubernetesError::Forbidden { verb, resource, namespace, message }
            }
            404 => KubernetesError::NotFound { what, message },
            409 => KubernetesError::Conflict { what },
            410 => KubernetesError::Gone { what, message },
            _ => KubernetesError::Failed { what, status, message },
        }
    }
}

/// How long the API asks to wait (RFC 9110, section 10.2.3); Kubernetes says it in seconds.
fn asked_for(headers: &HeaderMap) -> Duration {
    let said = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    said.map_or(USUAL_WAIT, Duration::from_secs)
}

/// The cause that says most: reqwest's own words only tell that something was.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
