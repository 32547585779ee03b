//! A service account: a mail address and the private key that proves it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

/// What is asked for: nothing but Vision.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-vision";

/// How long a signed request may be used, in seconds; Google's most is an hour.
const LIFETIME: u64 = 600;

/// How much the service's clock may be behind ours, in seconds.
const CLOCK_SKEW: u64 = 10;

pub(super) struct Account {
    email: String,
    key_id: Option<String>,
    key: EncodingKey,
    pub(super) token_url: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { email, token_url, .. } = self;
        formatter
            .debug_struct("Account")
            .field("email", email)
            .field("token_url", token_url)
            .finish_non_exhaustive()
    }
}

/// What is needed of the JSON file.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl Account {
    /// # Errors
    /// What is wrong with the file, without any of its content.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        // What serde says would quote the file.
        let file: File =
            serde_json::from_slice(json).map_err(|_| "it is not the JSON of credentials".to_owned())?;
        if file.kind != "service_account" {
            return Err("its `type` is not `service_account`".to_owned());
        }
        let pem = part(file.private_key, "private_key")?;
        let key = EncodingKey::from_rsa_pem(pem.as_bytes())
            .map_err(|_| "its `private_key` is not an RSA key in PEM".to_owned())?;
        Ok(Self {
            email: part(file.client_email, "client_email")?,
            key_id: file.private_key_id,
            key,
            token_url: part(file.token_uri, "token_uri")?,
        })
    }

    /// A request for an access token, signed for whoever is at `audience`.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(super) fn assertion(&self, audience: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let issued = now.saturating_sub(CLOCK_SKEW);
        let claims =
            Claims { iss: &self.email, scope: SCOPE, aud: audience, iat: issued, exp: issued + LIFETIME };
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

fn part(value: Option<String>, name: &str) -> Result<String, String> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| format!("it has no `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_service_account_is_told_without_its_content() {
        for (json, reason) in [
            ("secret", "it is not the JSON of credentials"),
            (
                r#"{"type": "authorized_user", "refresh_token": "secret"}"#,
                "its `type` is not `service_account`",
            ),
            (r#"{"type": "service_account"}"#, "it has no `private_key`"),
            (
                r#"{"type": "service_account", "private_key": "secret"}"#,
                "its `private_key` is not an RSA key in PEM",
            ),
        ] {
            assert_eq!(Account::parse(json.as_bytes()).unwrap_err(), reason);
        }
    }
}
