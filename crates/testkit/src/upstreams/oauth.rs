//! Google's token endpoint for service accounts.
//!
//! Shaped after <https://developers.google.com/identity/protocols/oauth2/service-account#httprest> (request, answer and
//! error codes) and RFC 7523.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, get_current_timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::params::Params;
use super::{Answer, Upstream, lock};

/// Made for these tests; it opens nothing.
const PRIVATE_KEY: &str = include_str!("oauth/private_key.pem");
const PUBLIC_KEY: &str = include_str!("oauth/public_key.pem");

/// The account whose key that is.
pub const CLIENT_EMAIL: &str = "labeller@sightscan-tests.iam.gserviceaccount.com";
const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Where real tokens come from; a client may name it though it asks here.
const GOOGLE: &str = "https://oauth2.googleapis.com/token";
/// Scopes that allow what the fakes offer.
const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/cloud-vision"];
/// The longest time between `iat` and `exp` in seconds.
const LONGEST: u64 = 3600;
/// How far the clocks may differ, in seconds.
const SKEW: u64 = 300;

/// The fake of the token endpoint.
#[derive(Debug)]
pub struct OAuth {
    /// Its server: `POST /token`.
    pub upstream: Upstream,
    tokens: Arc<Tokens>,
}

/// The tokens that were given and are still good.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    given: usize,
    uses_of_new: Option<u32>,
    expires_in: Option<u64>,
    /// How often each may still be used; `None` for ever.
    good: HashMap<String, Option<u32>>,
}

#[derive(Clone)]
struct Endpoint {
    audience: String,
    tokens: Arc<Tokens>,
}

impl OAuth {
    /// Starts it; tokens do not expire unless told.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let tokens = Arc::new(Tokens::default());
        let shared = Arc::clone(&tokens);
        let upstream = Upstream::start(|url| {
            let endpoint = Endpoint { audience: format!("{url}/token"), tokens: shared };
            Router::new().route("/token", post(token)).with_state(endpoint)
        })
        .await;
        Self { upstream, tokens }
    }

    /// The address that gives tokens.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.upstream.url())
    }

    /// The content of the service account's JSON file, as the Google Cloud console gives it.
    pub fn service_account(&self) -> String {
        service_account(&self.token_url()).to_string()
    }

    /// Writes that file into a folder.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn write_service_account(&self, folder: &Path) -> PathBuf {
        let path = folder.join("service_account.json");
        fs_err::write(&path, self.service_account()).expect("the folder is writable");
        path
    }

    /// Tokens that are given from now on are good for so many uses.
    pub fn expire_after(&self, uses: u32) {
        lock(&self.tokens.0).uses_of_new = Some(uses);
    }

    /// What new tokens say of themselves, in seconds; 3599 unless set.
    pub fn set_expires_in(&self, seconds: u64) {
        lock(&self.tokens.0).expires_in = Some(seconds);
    }

    /// From now on no token that was given is good.
    pub fn expire_all(&self) {
        lock(&self.tokens.0).good.clear();
    }

    /// How many tokens were given.
    pub fn tokens_given(&self) -> usize {
        lock(&self.tokens.0).given
    }

    pub(super) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens)
    }
}

impl Tokens {
    /// Whether the token is good; this is one of its uses.
    pub(super) fn accepts(&self, token: &str) -> bool {
        match lock(&self.0).good.get_mut(token) {
            None | Some(Some(0)) => false,
            Some(None) => true,
            Some(Some(uses)) => {
                *uses -= 1;
                true
            }
        }
    }

    fn give(&self) -> Value {
        let mut book = lock(&self.0);
        book.given += 1;
        let token = format!("ya29.c.test-{}", book.given);
        let uses = book.uses_of_new;
        book.good.insert(token.clone(), uses);
        json!({
            "access_token": token,
            "expires_in": book.expires_in.unwrap_or(3599),
            "token_type": "Bearer",
        })
    }
}

fn service_account(token_url: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": "sightscan-tests",
        "private_key_id": KEY_ID,
        "private_key": PRIVATE_KEY,
        "client_email": CLIENT_EMAIL,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_url,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "universe_domain": "googleapis.com",
    })
}

async fn token(State(endpoint): State<Endpoint>, body: Bytes) -> Response {
    let form = Params::of_form(&body);
    let answer = match endpoint.check(&form) {
        Ok(()) => Answer::json(&endpoint.tokens.give()).header("cache-control", "no-store"),
        Err(refusal) => {
            let error = json!({"error": refusal.error, "error_description": refusal.description});
            Answer::json(&error).status(400)
        }
    };
    answer.into_response()
}

#[derive(Debug)]
struct Refusal {
    error: &'static str,
    description: &'static str,
}

const fn refusal(error: &'static str, description: &'static str) -> Refusal {
    Refusal { error, description }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    scope: String,
    iat: u64,
    exp: u64,
}

impl Endpoint {
    fn check(&self, form: &Params) -> Result<(), Refusal> {
        if form.text("grant_type") != GRANT {
            return Err(refusal("unsupported_grant_type", "Invalid grant_type"));
        }
        let claims = self.claims(form.text("assertion"))?;
        if claims.iss != CLIENT_EMAIL {
            return Err(refusal("invalid_grant", "Invalid grant: account not found"));
        }
        check_times(&claims)?;
        check_scope(&claims.scope)
    }

    /// The claims of an assertion with a good signature that is meant for this endpoint.
    fn claims(&self, assertion: &str) -> Result<Claims, Refusal> {
        let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes()).expect("the key of the tests");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[self.audience.as_str(), GOOGLE]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // The times are checked by Google's rules.
        validation.validate_exp = false;
        let claims = decode(assertion, &key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => refusal("invalid_grant", "Invalid JWT Signature."),
            ErrorKind::InvalidAudience => refusal("invalid_grant", "Invalid JWT: Failed audience check."),
            _ => refusal("invalid_request", "Bad Request"),
        })?;
        Ok(claims.claims)
    }
}

fn check_times(claims: &Claims) -> Result<(), Refusal> {
    let now = get_current_timestamp();
    let is_short = claims.exp.checked_sub(claims.iat).is_some_and(|seconds| seconds <= LONGEST);
    if is_short && claims.iat <= now + SKEW && claims.exp + SKEW >= now {
        return Ok(());
    }
    let description = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                       Check your iat and exp values in the JWT claim.";
    Err(refusal("invalid_grant", description))
}

fn check_scope(scope: &str) -> Result<(), Refusal> {
    if scope.is_empty() {
        return Err(refusal("invalid_scope", "Empty or missing scope not allowed."));
    }
    let is_known = scope.split(' ').all(|word| SCOPES.contains(&word));
    is_known
        .then_some(())
        .ok_or_else(|| refusal("invalid_scope", "Invalid OAuth scope or ID token audience provided."))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::params::encoded;
    use super::super::visitor::{self, Reply};
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};

    fn claims(oauth: &OAuth) -> Value {
        let now = get_current_timestamp();
        json!({"iss": CLIENT_EMAIL, "scope": SCOPES[1], "aud": oauth.token_url(), "iat": now, "exp": now + LONGEST})
    }

    async fn ask(oauth: &OAuth, claims: &Value) -> Reply {
        let key = EncodingKey::from_rsa_pem(PRIVATE_KEY.as_bytes()).unwrap();
        send(oauth, GRANT, &encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()).await
    }

    async fn send(oauth: &OAuth, grant: &str, assertion: &str) -> Reply {
        let form = format!("grant_type={}&assertion={}", encoded(grant), encoded(assertion));
        let headers = ["Content-Type: application/x-www-form-urlencoded"];
        visitor::post(&oauth.upstream, "/token", &headers, form.as_bytes()).await
    }

    /// A token as a client gets it.
    pub(in super::super) async fn token_of(oauth: &OAuth) -> String {
        let reply = ask(oauth, &claims(oauth)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_signed_request_gives_a_token_until_it_is_used_up() {
        let oauth = OAuth::start().await;
        oauth.expire_after(2);
        let token = token_of(&oauth).await;
        let accepted: Vec<bool> = (0..3).map(|_| oauth.tokens.accepts(&token)).collect();
        assert_eq!(accepted, [true, true, false]);
        let next = token_of(&oauth).await;
        assert_ne!(next, token);
        oauth.expire_all();
        assert!(!oauth.tokens.accepts(&next));
        assert_eq!(oauth.tokens_given(), 2);
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_as_google_does() {
        let oauth = OAuth::start().await;
        let right = claims(&oauth);
        let now = right["iat"].as_u64().unwrap();
        for (claim, value, error) in [
            ("aud", json!("https://example.org/token"), "invalid_grant"),
            ("iss", json!("somebody@example.org"), "invalid_grant"),
            ("exp", json!(now + LONGEST + 1), "invalid_grant"),
            ("iat", json!(now + 2 * SKEW), "invalid_grant"),
            ("scope", json!(""), "invalid_scope"),
            ("scope", json!("https://www.googleapis.com/auth/drive"), "invalid_scope"),
        ] {
            let mut wrong = right.clone();
            wrong[claim] = value;
            let reply = ask(&oauth, &wrong).await;
            assert_eq!((reply.status, &reply.json()["error"]), (400, &json!(error)), "{claim}");
        }
        assert_eq!(oauth.tokens_given(), 0);
    }

    #[tokio::test]
    async fn another_signature_is_refused() {
        let oauth = OAuth::start().await;
        let key = EncodingKey::from_rsa_pem(PRIVATE_KEY.as_bytes()).unwrap();
        let good = encode(&Header::new(Algorithm::RS256), &claims(&oauth), &key).unwrap();
        let other = encode(&Header::new(Algorithm::RS256), &json!({"iss": "x"}), &key).unwrap();
        let (signed, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let reply = send(&oauth, GRANT, &format!("{signed}.{signature}")).await;
        assert_eq!(reply.json()["error_description"], "Invalid JWT Signature.");
        let reply = send(&oauth, "password", &good).await;
        assert_eq!(reply.json()["error"], "unsupported_grant_type");
        assert_eq!(send(&oauth, GRANT, &good).await.status, 200);
    }

    #[test]
    fn the_account_is_written_as_the_console_gives_it() {
        let account = service_account("http://127.0.0.1:1/token");
        assert_eq!(account["type"], "service_account");
        assert!(EncodingKey::from_rsa_pem(account["private_key"].as_str().unwrap().as_bytes()).is_ok());
    }
}
