//! Where sights are found, one file a source.
//!
//! [`Wikidata`] is asked by default: it needs no key, and what it names has an item and a category in Commons by which
//! pictures are found. [`OpenStreetMap`] knows more of small towns, [`Places`] what Google's users visit, [`SightsFile`]
//! what somebody has written down. [`Merged`] puts the answers of several together. How a source is added is told in
//! [`sources`](crate::sources).

mod file;
mod language;
mod merged;
mod names;
mod openstreetmap;
mod places;
mod wikidata;

pub use file::SightsFile;
pub use merged::Merged;
pub use openstreetmap::{OpenStreetMap, OpenStreetMapConfig};
pub use places::{Places, PlacesConfig};
pub use wikidata::{Wikidata, WikidataConfig};

pub(crate) use names::fold;

/// An item of Wikidata, `Q82425`.
pub(crate) fn is_item(id: &str) -> bool {
    let number = id.strip_prefix('Q').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}
