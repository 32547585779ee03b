//! One request to Vision, until it is answered or refused.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, Url};

use super::batch::Body;
use super::credentials::Kind;
use super::refusal::Refusal;
use super::retry::Patience;
use super::secret::Secret;
use super::token::Tokens;
use super::wire::{self, Responses};
use super::{Credentials, VisionConfig, VisionError};

/// Where a key belongs: unlike an address, headers are not logged on the way.
const API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// A connection that is not made in this time is tried again; nothing was sent yet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer with more bytes is no answer to 16 pictures.
const MOST_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    access: Access,
    patience: Patience,
}

#[derive(Debug)]
enum Access {
    Key(Secret),
    Account(Box<Tokens>),
}

impl Client {
    pub(super) fn new(config: &VisionConfig, credentials: Credentials) -> Result<Self, VisionError> {
        // A redirect would carry the key to somewhere else.
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout)
            .user_agent(concat!("SightScan/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(VisionError::Client)?;
        let url = format!("{}/v1/images:annotate", config.base_url.trim_end_matches('/'));
        Ok(Self {
            http,
            url: address("Google Vision", &url)?,
            access: Access::new(config, credentials)?,
            patience: Patience::new(config),
        })
    }

    /// Asks until somebody has looked at the pictures, or nobody will.
    pub(super) async fn annotate(&self, body: &Body<'_>) -> Result<Vec<wire::Response>, Refusal> {
        let mut tries = 0;
        loop {
            tries += 1;
            let refusal = match self.attempt(body).await {
                Ok(responses) => return Ok(responses),
                Err(refusal) => refusal,
            };
            match self.patience.pause(&refusal, tries) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(refusal),
            }
        }
    }

    /// One try; a second one at once with a fresh token, where the old one is no longer good.
    async fn attempt(&self, body: &Body<'_>) -> Result<Vec<wire::Response>, Refusal> {
        let secret = self.access.secret(&self.http).await?;
        match self.once(body, &secret).await {
            Err(Refusal::Unauthorised(_)) if self.access.forget(&secret).await => {
                let fresh = self.access.secret(&self.http).await?;
                self.once(body, &fresh).await
            }
            answer => answer,
        }
    }

    async fn once(&self, body: &Body<'_>, secret: &Secret) -> Result<Vec<wire::Response>, Refusal> {
        let request = self.access.authorised(self.http.post(self.url.clone()), secret);
        let request =
            request.map_err(|_| Refusal::Exhausted("the token of Google is no header".to_owned()))?;
        let text = answer(request.json(body), secret).await?;
        let not_json = |_| Refusal::Lost("Google Vision answers something that is not its JSON".to_owned());
        Ok(serde_json::from_str::<Responses>(&text).map_err(not_json)?.responses)
    }
}

impl Access {
    fn new(config: &VisionConfig, credentials: Credentials) -> Result<Self, VisionError> {
        match credentials.0 {
            Kind::Key(key) => key.header("").map(|_| Self::Key(key)).map_err(|_| VisionError::Key),
            Kind::Account(account) => {
                let url = config.token_url.as_ref().unwrap_or(&account.token_url);
                let url = address("Google's access tokens", url)?;
                Ok(Self::Account(Box::new(Tokens::new(*account, url))))
            }
        }
    }

    async fn secret(&self, http: &reqwest::Client) -> Result<Secret, Refusal> {
        match self {
            Self::Key(key) => Ok(key.clone()),
            Self::Account(tokens) => tokens.get(http).await,
        }
    }

    /// Makes sure that a token is not used again; whether there can be another one.
    async fn forget(&self, secret: &Secret) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Account(tokens) => {
                tokens.forget(secret).await;
                true
            }
        }
    }

    fn authorised(
        &self,
        request: RequestBuilder,
        secret: &Secret,
    ) -> Result<RequestBuilder, InvalidHeaderValue> {
        let (name, value): (HeaderName, HeaderValue) = match self {
            Self::Key(_) => (API_KEY, secret.header("")?),
            Self::Account(_) => (AUTHORIZATION, secret.header("Bearer ")?),
        };
        Ok(request.header(name, value))
    }
}

fn address(service: &'static str, text: &str) -> Result<Url, VisionError> {
    let wrong = |reason: String| VisionError::Url { service, url: text.to_owned(), reason };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("`{}` is not HTTP", url.scheme())));
    }
    Ok(url)
}

/// The body of a good answer. What any other answer says is told without the secret.
pub(super) async fn answer(request: RequestBuilder, secret: &Secret) -> Result<String, Refusal> {
    let response = request.send().await.map_err(Refusal::of_network)?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status.is_success() {
        return text(response).await;
    }
    // The status alone decides what is to be done; without the body only the words are missing.
    let body = text(response).await.unwrap_or_default();
    Err(Refusal::of_status(status, &headers, &secret.hidden_in(&body)))
}

async fn text(mut response: Response) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Refusal::of_network)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(Refusal::Lost(format!("Google answers more than {MOST_BYTES} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
