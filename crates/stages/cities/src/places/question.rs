//! What somebody types to find a place.

use std::iter;

use super::Place;
use super::fold::fold;

/// A name or its beginning, and where the place lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Folded.
    pub(super) name: String,
    /// Countries or regions, folded; all must be true.
    within: Vec<String>,
}

impl Question {
    /// The ways to read a text: all of it is a name; what follows a comma says where it lies.
    pub(super) fn readings(text: &str) -> impl Iterator<Item = Self> {
        let whole = Self { name: fold(text), within: Vec::new() };
        let parted = text.split_once(',').map(|(name, rest)| Self {
            name: fold(name),
            within: rest.split(',').map(fold).filter(|part| !part.is_empty()).collect(),
        });
        iter::once(whole).chain(parted)
    }

    /// The same question in one country only.
    pub(super) fn within(mut self, country: Option<&str>) -> Self {
        self.within.extend(country.map(fold));
        self
    }

    /// Whether a place lies where it should.
    pub(super) fn is_about(&self, place: &Place) -> bool {
        self.within.iter().all(|part| lies_in(place, part))
    }
}

/// Whether this is the code of the place's country or region, or how its name begins; folded.
pub(super) fn lies_in(place: &Place, folded: &str) -> bool {
    let codes = [&place.country.code, &place.region.code];
    let mut names = iter::once(&place.country.name).chain(&place.region.name);
    codes.iter().any(|code| fold(code) == folded)
        || !folded.is_empty() && names.any(|name| fold(name).starts_with(folded))
}
