//! What the names of a city's labels are read as.

use std::collections::BTreeMap;

use sightscan_types::{CityId, SightId};
use sightscan_warehouse::sights;
use sightscan_warehouse::{Database, labelling};

/// A name that a box can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Class {
    /// The name.
    pub(crate) name: String,
    /// Images with a current box of it, under whatever name.
    pub(crate) images: i64,
    /// The sight, where it is known.
    pub(crate) sight: Option<SightId>,
}

/// The names that boxes in a city can have: those that its labels are read as, and its sights; the most frequent first.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn classes(database: &Database, city: CityId) -> sightscan_warehouse::Result<Vec<Class>> {
    let mut known: BTreeMap<String, (i64, Option<SightId>)> = BTreeMap::new();
    for sight in sights::list(database, city).await? {
        known.insert(sight.known.name, (0, Some(sight.id)));
    }
    let merges = labelling::merges(database, city).await?;
    for (name, _, images) in labelling::names(database, city).await? {
        let merge = merges.iter().find(|merge| merge.label == name && !merge.is_undone);
        let read_as = merge.map_or(&name, |merge| &merge.canonical);
        let (count, sight) = known.entry(read_as.clone()).or_default();
        *count += images;
        *sight = sight.or(merge.and_then(|merge| merge.sight));
    }
    let class = |(name, (images, sight))| Class { name, images, sight };
    let mut classes: Vec<Class> = known.into_iter().map(class).collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.images));
    Ok(classes)
}
