//! Writing down which of a city's names mean the same sight.

use sightscan_types::CityId;
use sightscan_warehouse::labelling::{self, Merge};
use sightscan_warehouse::sights::{self, Sight};
use sightscan_warehouse::{Database, cities};

use crate::cleanup::{KnownSight, Label, Merged, Question, merged};
use crate::error::Result;

/// Finds out which names of a city's labels mean the same sight and writes it down; how many are read as another name.
/// What somebody has undone stays apart.
///
/// # Errors
/// When the database does not answer.
pub async fn tidy(database: &Database, city: CityId) -> Result<usize> {
    let question = ask(database, city).await?;
    let found = tokio::task::spawn_blocking(move || merged(&question)).await?;
    let merges: Vec<Merge> = found.into_iter().filter_map(merge).collect();
    let mut transaction = database.begin().await?;
    labelling::replace_merges(&mut transaction, city, &merges, database.now()).await?;
    transaction.commit().await?;
    Ok(merges.len())
}

async fn ask(database: &Database, city: CityId) -> Result<Question> {
    let known = cities::by_id(database, city).await?;
    let undone = labelling::merges(database, city).await?.into_iter().filter(|merge| merge.is_undone);
    let names = labelling::names(database, city).await?.into_iter();
    let sights = sights::list(database, city).await?.into_iter();
    Ok(Question {
        city: known.into_iter().flat_map(|city| [city.name, city.legacy_name]).collect(),
        labels: names.map(label).collect(),
        sights: sights.map(known_sight).collect(),
        kept_apart: undone.map(|merge| (merge.label, merge.canonical)).collect(),
    })
}

fn label((name, mid, count): (String, Option<String>, i64)) -> Label {
    Label { name, mid, count: count.unsigned_abs(), ..Label::default() }
}

fn known_sight(Sight { id, known, .. }: Sight) -> KnownSight {
    KnownSight {
        id,
        name: known.name,
        aliases: known.commons_category.into_iter().collect(),
        wikidata: known.wikidata,
        mid: None,
        latitude: known.latitude,
        longitude: known.longitude,
    }
}

/// What is to be written down; nothing for a name that is its own.
fn merge(found: Merged) -> Option<Merge> {
    let is_own = found.label == found.name && found.sight.is_none();
    let reason = found.why.to_string();
    let Merged { label, name: canonical, sight, .. } = found;
    (!is_own).then_some(Merge { label, canonical, sight, reason, is_undone: false })
}
