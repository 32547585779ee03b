//! The administrator's token: from the environment, or made at the first start and shown once.

use sightscan_http::AdminToken;
use sightscan_types::Sha256;
use sightscan_warehouse::{Database, settings};

use crate::error::{Error, Result};

/// The variable that holds the token.
pub const VARIABLE: &str = "SIGHTSCAN_ADMIN_TOKEN";
/// The setting that holds its SHA-256.
const SETTING: &str = "admin_token_sha256";

/// The token of this installation.
#[derive(Debug)]
pub struct Token {
    /// What lets the administrator in.
    pub token: AdminToken,
    /// The token itself, if it was made just now: it is shown once and never again.
    pub fresh: Option<String>,
}

/// The token that the variable gives; else that of the database, which gets one at the first start.
///
/// # Errors
/// When the given token is too weak, or the database does not answer.
pub async fn obtain(database: &Database, given: Option<&str>) -> Result<Token> {
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        return Ok(Token { token: AdminToken::new(given).map_err(Error::Token)?, fresh: None });
    }
    let (text, token) = AdminToken::generate();
    let (known, is_new) =
        settings::set_once(database, SETTING, &Sha256::of(text.as_bytes()).to_string()).await?;
    if is_new {
        return Ok(Token { token, fresh: Some(text) });
    }
    let known: Sha256 = known.parse().map_err(|_| Error::StoredToken)?;
    Ok(Token { token: AdminToken::from_sha256(known), fresh: None })
}
