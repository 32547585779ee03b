//! Consents: what donors agreed to, and by which they take it back.

use sightscan_types::{ConsentId, ConsentKind, Sha256};

use crate::statement::sql;
use crate::{Database, Error, Result, Transaction};

/// A consent that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsent {
    /// Its id.
    pub id: ConsentId,
    /// How it was given.
    pub kind: ConsentKind,
    /// Which text was agreed to.
    pub text_version: String,
    /// Keyed hash of the client.
    pub requester: String,
    /// SHA-256 of the token in the deletion link; the token itself is not kept.
    pub deletion_token: Sha256,
}

/// A consent as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Its id.
    pub id: ConsentId,
    /// How it was given.
    pub kind: ConsentKind,
    /// Which text was agreed to.
    pub text_version: String,
    /// When it was given.
    pub given_at: i64,
    /// When it was taken back.
    pub revoked_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct Row {
    consent_id: String,
    kind: String,
    text_version: String,
    given_at: i64,
    revoked_at: Option<i64>,
}

/// Writes a consent down.
///
/// # Errors
/// When the database does not answer.
pub async fn record(transaction: &mut Transaction, consent: &NewConsent, now: i64) -> Result<ConsentId> {
    sql("INSERT INTO consents (consent_id, kind, text_version, requester, deletion_token, given_at) \
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind(consent.id.to_string())
    .bind(consent.kind.as_str())
    .bind(&consent.text_version)
    .bind(&consent.requester)
    .bind(consent.deletion_token.to_string())
    .bind(now)
    .execute(transaction)
    .await?;
    Ok(consent.id)
}

/// The consent that this token takes back.
///
/// # Errors
/// When the database does not answer.
pub async fn by_token(database: &Database, token: &str) -> Result<Option<Consent>> {
    let hash = Sha256::of(token.as_bytes());
    let text =
        "SELECT consent_id, kind, text_version, given_at, revoked_at FROM consents WHERE deletion_token = $1";
    find(database, sql(text).bind(hash.to_string())).await
}

/// A consent by its id.
///
/// # Errors
/// When the database does not answer.
pub async fn by_id(database: &Database, id: ConsentId) -> Result<Option<Consent>> {
    let text =
        "SELECT consent_id, kind, text_version, given_at, revoked_at FROM consents WHERE consent_id = $1";
    find(database, sql(text).bind(id.to_string())).await
}

async fn find(database: &Database, statement: crate::statement::Statement) -> Result<Option<Consent>> {
    let row: Option<Row> = statement.optional(&mut database.session().await?).await?;
    row.map(Consent::try_from).transpose()
}

/// Notes that a consent was taken back; the first time counts.
pub(crate) async fn revoke(transaction: &mut Transaction, id: ConsentId, now: i64) -> Result<()> {
    sql("UPDATE consents SET revoked_at = COALESCE(revoked_at, $2) WHERE consent_id = $1")
        .bind(id.to_string())
        .bind(now)
        .execute(transaction)
        .await?;
    Ok(())
}

impl TryFrom<Row> for Consent {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: Error::read("consent id", &row.consent_id)?,
            kind: Error::read("kind of consent", &row.kind)?,
            text_version: row.text_version,
            given_at: row.given_at,
            revoked_at: row.revoked_at,
        })
    }
}
