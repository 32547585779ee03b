//! Access tokens of a service account (RFC 7523: a signed request is the grant).

use std::time::{Duration, Instant};

use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::account::Account;
use super::client;
use super::refusal::Refusal;
use super::secret::Secret;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A token is renewed so long before it expires, because a request takes its time.
const EARLY: Duration = Duration::from_mins(2);

/// Gets a token when it is needed, and keeps it while it is good.
#[derive(Debug)]
pub(super) struct Tokens {
    account: Account,
    url: Url,
    held: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    secret: Secret,
    renew_at: Instant,
}

/// What the service answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(account: Account, url: Url) -> Self {
        Self { account, url, held: Mutex::new(None) }
    }

    /// A token that is good for a while. Of several that need a new one, one asks and the others wait for it.
    ///
    /// # Errors
    /// [`Refusal::Busy`] or [`Refusal::Exhausted`]: without a token nobody has looked at a picture.
    pub(super) async fn get(&self, http: &reqwest::Client) -> Result<Secret, Refusal> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.secret.clone());
        }
        let token = self.granted(http).await.map_err(without_token)?;
        Ok(held.insert(token).secret.clone())
    }

    /// Makes sure that a token which was refused is not used again.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut held = self.held.lock().await;
        held.take_if(|token| token.secret == *refused);
    }

    async fn granted(&self, http: &reqwest::Client) -> Result<Token, Refusal> {
        let begun = Instant::now();
        let assertion = self.account.assertion(self.url.as_str());
        let assertion =
            assertion.map_err(|error| Refusal::Exhausted(format!("the key cannot sign: {error}")))?;
        let request = http.post(self.url.clone()).form(&[("grant_type", GRANT), ("assertion", &assertion)]);
        let text = client::answer(request, &Secret::new(&assertion)).await?;
        let granted: Granted =
            serde_json::from_str(&text).map_err(|_| Refusal::Lost("Google answers no token".to_owned()))?;
        let lifetime = Duration::from_secs(granted.expires_in).saturating_sub(EARLY);
        let renew_at = begun.checked_add(lifetime).unwrap_or(begun);
        Ok(Token { secret: Secret::new(&granted.access_token), renew_at })
    }
}

/// What a refused token means for the pictures: they were not sent.
fn without_token(refusal: Refusal) -> Refusal {
    let prefixed = |reason: String| format!("no access token: {reason}");
    match refusal {
        Refusal::Busy { reason, wait, .. } => {
            Refusal::Busy { reason: prefixed(reason), wait, is_quota: false }
        }
        Refusal::Lost(reason) => Refusal::Busy { reason: prefixed(reason), wait: None, is_quota: false },
        Refusal::Unauthorised(reason) | Refusal::Malformed(reason) | Refusal::Exhausted(reason) => {
            Refusal::Exhausted(prefixed(reason))
        }
    }
}
