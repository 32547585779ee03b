//! What is told of a single model only: how its training went, and what it finds in some of its test pictures.

use serde::{Deserialize, Serialize};
use sightscan_types::{RelativeBox, Sha256};

use crate::statement::sql;
use crate::{Error, Result, Transaction};

/// Its entry in the model's metrics.
const ENTRY: &str = "details";

/// How a training went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// What happened in each epoch: a JSON object each.
    pub history: Vec<serde_json::Value>,
    /// Some of the test pictures.
    pub sheet: Vec<Seen>,
}

/// A test picture: what is there beside what the model finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The SHA-256 of its file.
    pub sha256: Sha256,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What is there.
    pub there: Vec<SeenBox>,
    /// What the model finds.
    pub found: Vec<SeenBox>,
}

/// A box of a test picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenBox {
    /// What is in it.
    pub label: String,
    /// Where it is.
    #[serde(flatten)]
    pub area: RelativeBox,
    /// How sure the model is, 0 to 1; `None` for what is there.
    pub score: Option<f64>,
}

/// Puts details into the metrics of a model.
///
/// # Errors
/// When the metrics are no JSON object.
pub fn with_details(metrics: &mut serde_json::Value, details: &Details) -> Result<()> {
    let details =
        serde_json::to_value(details).map_err(|error| Error::damaged("details of a model", error))?;
    let entries = metrics.as_object_mut();
    let entries = entries.ok_or_else(|| Error::damaged("metrics of a model", "they are no JSON object"))?;
    entries.insert(ENTRY.to_owned(), details);
    Ok(())
}

/// Takes the details out of the metrics of a model; there are none of one that was not trained here.
pub(super) fn split(metrics: &str) -> Result<(serde_json::Value, Details)> {
    let mut metrics: serde_json::Value = Error::read("metrics of a model", metrics)?;
    let entry = metrics.as_object_mut().and_then(|entries| entries.remove(ENTRY));
    let details = entry.map(serde_json::from_value).transpose();
    let details = details.map_err(|error| Error::damaged("details of a model", error))?;
    Ok((metrics, details.unwrap_or_default()))
}

/// Takes a picture that was withdrawn off the sheets of all models.
pub(crate) async fn forget(transaction: &mut Transaction, sha256: &Sha256) -> Result<()> {
    let statement =
        sql("SELECT model_id, metrics FROM models WHERE metrics LIKE $1").bind(format!("%{sha256}%"));
    let rows: Vec<(String, String)> = statement.all(transaction).await?;
    for (id, metrics) in rows {
        let (mut metrics, mut details) = split(&metrics)?;
        details.sheet.retain(|seen| seen.sha256 != *sha256);
        with_details(&mut metrics, &details)?;
        sql("UPDATE models SET metrics = $2 WHERE model_id = $1")
            .bind(id)
            .bind(metrics.to_string())
            .execute(transaction)
            .await?;
    }
    Ok(())
}
