//! Who may do what is not for everybody: the administrator, who has a token (RFC 6750).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower_http::validate_request::{ValidateRequest, ValidateRequestHeaderLayer};
use uuid::Uuid;

use crate::client::ClientAddress;
use crate::limit::too_many;
use crate::problem::{Problem, Slug};

/// A shorter token could be guessed.
const LEAST_LENGTH: usize = 16;
/// After so many wrong tokens a client has to wait.
const MOST_FAILURES: u32 = 10;
/// For so long, counted from the first of them.
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Failures of more clients are not remembered.
const MOST_CLIENTS: usize = 16_384;

/// What is known about the administrator's token: its SHA-256 only, so that memory and logs cannot tell it.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

/// A token that nobody should use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an administrator's token has at least 16 characters, which are printable ASCII without spaces; generate one"
)]
pub struct UnfitToken;

impl AdminToken {
    /// The token with this hash, such as one that was stored.
    pub const fn from_sha256(hash: sightscan_types::Sha256) -> Self {
        Self(*hash.as_bytes())
    }

    /// The token that somebody chose.
    ///
    /// # Errors
    /// When it has fewer than 16 characters, or some that a header cannot carry.
    pub fn new(token: &str) -> Result<Self, UnfitToken> {
        let fits = token.len() >= LEAST_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(digest(token.as_bytes()))) } else { Err(UnfitToken) }
    }

    /// A fresh token of 256 random bits, in base64 for URLs (RFC 4648, section 5).
    pub fn generate() -> (String, Self) {
        // Each UUID of version 4 has 122 bits from the system's source; the digest condenses their 366.
        let random = [(); 3].map(|()| Uuid::new_v4().into_bytes());
        let text = base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest(random.as_flattened()));
        let token = Self(digest(text.as_bytes()));
        (text, token)
    }

    /// Compares in a time that does not depend on how much of the candidate is right.
    pub fn is(&self, candidate: &[u8]) -> bool {
        digest(candidate).ct_eq(&self.0).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AdminToken").finish_non_exhaustive()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lets the administrator in. Its clones count failures together.
///
/// A client that has sent ten wrong tokens within a minute has to wait until the minute is over, with the right one,
/// too. Behind a proxy that is not a trusted one all clients seem to be one, and wait together.
#[derive(Debug, Clone)]
pub struct AdminGate {
    token: AdminToken,
    open_to_loopback: bool,
    failures: Arc<Mutex<Failures>>,
}

impl AdminGate {
    /// A gate that opens for this token.
    pub fn new(token: AdminToken) -> Self {
        Self { token, open_to_loopback: false, failures: Arc::default() }
    }

    /// The same gate, but open to clients on this machine. Not for servers behind a proxy on the same machine that is
    /// not a trusted one: all clients seem to be on this machine then.
    #[must_use]
    pub fn open_to_loopback(mut self) -> Self {
        self.open_to_loopback = true;
        self
    }

    /// Puts the gate before the routes that it is added to.
    pub fn layer(&self) -> ValidateRequestHeaderLayer<Self> {
        ValidateRequestHeaderLayer::custom(self.clone())
    }

    /// Whether the request is the administrator's.
    ///
    /// # Errors
    /// When it has no token or a wrong one, or when its client has sent too many wrong ones lately.
    pub fn admit(&self, client: ClientAddress, headers: &HeaderMap) -> Result<(), Problem> {
        if self.is_admin(client, headers)? { Ok(()) } else { Err(missing()) }
    }

    /// Whether it is the administrator who asks what others may ask as well.
    ///
    /// # Errors
    /// When the request has a wrong token, so that whoever sent it does not go on sending it, or when its client has sent
    /// too many of them lately.
    pub fn is_admin(&self, client: ClientAddress, headers: &HeaderMap) -> Result<bool, Problem> {
        if self.open_to_loopback && client.is_loopback() {
            return Ok(true);
        }
        bearer(headers).map_or(Ok(false), |token| self.compare(client.network(), token).map(|()| true))
    }

    /// Whether the request has the administrator's token; a wrong one counts as a failure here, too.
    pub(crate) fn recognises(&self, client: ClientAddress, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| self.compare(client.network(), token).is_ok())
    }

    fn compare(&self, client: IpNet, token: &[u8]) -> Result<(), Problem> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(wait) = failures.wait(client, now) {
            return Err(too_many(wait));
        }
        if self.token.is(token) {
            return Ok(());
        }
        failures.count(client, now);
        Err(wrong())
    }
}

impl ValidateRequest<Body> for AdminGate {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request) -> Result<(), Response> {
        let client = ClientAddress::of(request.extensions());
        self.admit(client, request.headers()).map_err(IntoResponse::into_response)
    }
}

/// The token of a request that has one; the name of the scheme is not case-sensitive (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) =
        headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn missing() -> Problem {
    let what = "this is for the administrator only; send the token in the header `authorization: Bearer …`";
    Problem::new(Slug::Unauthorized, what)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn wrong() -> Problem {
    let what = "this is not the administrator's token; send the right one";
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    Problem::new(Slug::Unauthorized, what).header(header::WWW_AUTHENTICATE, challenge)
}

/// An argument of handlers that only the administrator may call; the router's state has the [`AdminGate`].
#[derive(Debug, Clone, Copy)]
pub struct Admin;

impl<S: Sync> FromRequestParts<S> for Admin
where
    AdminGate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let client = ClientAddress::of(&parts.extensions);
        AdminGate::from_ref(state).admit(client, &parts.headers).map(|()| Self)
    }
}

/// Wrong tokens by client.
#[derive(Debug, Default)]
struct Failures(HashMap<IpNet, Recent>);

/// The wrong tokens of one client.
#[derive(Debug)]
struct Recent {
    since: Instant,
    count: u32,
}

impl Recent {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.since + FAILURE_WINDOW
    }
}

impl Failures {
    /// How long the client has to wait, where it has to.
    fn wait(&self, client: IpNet, now: Instant) -> Option<Duration> {
        let recent = self.0.get(&client)?;
        let blocked = recent.count >= MOST_FAILURES && !recent.is_over(now);
        blocked.then(|| recent.since + FAILURE_WINDOW - now)
    }

    fn count(&mut self, client: IpNet, now: Instant) {
        self.make_room(now);
        let recent = self.0.entry(client).or_insert(Recent { since: now, count: 0 });
        if recent.is_over(now) {
            *recent = Recent { since: now, count: 0 };
        }
        recent.count += 1;
    }

    fn make_room(&mut self, now: Instant) {
        if self.0.len() >= MOST_CLIENTS {
            self.0.retain(|_, recent| !recent.is_over(now));
        }
        if self.0.len() >= MOST_CLIENTS {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn gate() -> AdminGate {
        AdminGate::new(AdminToken::new(TOKEN).unwrap())
    }

    fn nobody() -> ClientAddress {
        ClientAddress::of(&axum::http::Extensions::new())
    }

    fn answer(gate: &AdminGate, authorization: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        }
        let response = match gate.admit(nobody(), &headers) {
            Ok(()) => "come in".into_response(),
            Err(problem) => problem.into_response(),
        };
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        (response.status().as_u16(), challenge.unwrap_or_default().to_owned())
    }

    #[test]
    fn the_right_token_opens_and_others_are_challenged() {
        let gate = gate();
        for (sent, status, challenge) in [
            (format!("Bearer {TOKEN}"), 200, ""),
            (format!("bearer  {TOKEN}"), 200, ""),
            (String::new(), 401, "Bearer"),
            ("Basic dXNlcjpwYXNz".to_owned(), 401, "Bearer"),
            (TOKEN.to_owned(), 401, "Bearer"),
            ("Bearer".to_owned(), 401, "Bearer"),
            ("Bearer ".to_owned(), 401, "Bearer error=\"invalid_token\""),
            (format!("Bearer {TOKEN}x"), 401, "Bearer error=\"invalid_token\""),
        ] {
            assert_eq!(answer(&gate, &sent), (status, challenge.to_owned()), "{sent:?}");
        }
    }

    #[test]
    fn unfit_tokens_are_refused() {
        for token in ["", "fifteen-letters", "sixteen letters!", "sixteen-lettérs"] {
            assert_eq!(AdminToken::new(token).unwrap_err(), UnfitToken, "{token}");
        }
    }

    #[test]
    fn generated_tokens_fit_differ_and_are_not_shown() {
        let ((one, token), (other, _)) = (AdminToken::generate(), AdminToken::generate());
        assert_eq!(one.len(), 43);
        assert!(AdminToken::new(&one).is_ok() && token.is(one.as_bytes()) && !token.is(other.as_bytes()));
        assert_eq!(format!("{token:?}"), "AdminToken { .. }");
    }

    #[test]
    fn who_guesses_has_to_wait_and_even_the_right_token_does_not_help() {
        let gate = gate();
        for _ in 0..MOST_FAILURES {
            assert_eq!(answer(&gate, "Bearer wrong").0, 401);
        }
        assert_eq!(answer(&gate, &format!("Bearer {TOKEN}")).0, 429);
        assert_eq!(answer(&gate, "").0, 401, "who does not guess is told what is missing");
    }

    #[test]
    fn failures_are_forgotten_after_a_while_and_their_memory_is_bounded() {
        let client = |index: u32| IpNet::from(std::net::IpAddr::from(index.to_be_bytes()));
        let (mut failures, start) = (Failures::default(), Instant::now());
        (0..MOST_FAILURES).for_each(|_| failures.count(client(0), start));
        assert_eq!(failures.wait(client(0), start), Some(FAILURE_WINDOW));
        assert_eq!(failures.wait(client(1), start), None);
        let later = start + FAILURE_WINDOW;
        assert_eq!(failures.wait(client(0), later), None);
        failures.count(client(0), later);
        assert_eq!(failures.wait(client(0), later), None, "the old ones no longer count");
        (1..MOST_FAILURES).for_each(|_| failures.count(client(0), later));
        assert_eq!(failures.wait(client(0), later), Some(FAILURE_WINDOW));
        (0..20_000).for_each(|index| failures.count(client(index), start));
        assert!(failures.0.len() <= MOST_CLIENTS);
    }
}
