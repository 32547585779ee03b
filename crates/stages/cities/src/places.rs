//! The places of the world with over 15,000 inhabitants and smaller capitals, and all that they are called.
//!
//! The facts are from GeoNames (<https://www.geonames.org>, CC BY 4.0); `scripts/gazetteer.py` writes the table that
//! is built in. It is unpacked when it is first asked for, which takes a third of a second and some 30 MB.

mod fold;
mod index;
mod naming;
mod question;
mod table;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use sightscan_types::{CityName, Slug};
use sightscan_warehouse::cities;

use index::{Hit, Index};
use question::Question;
use table::TableError;

static TABLE: &[u8] = include_bytes!("../data/places.gz");

/// A name means one place where that has this many times the weight of the next namesake.
const CLEARLY_GREATER: u64 = 5;

/// How many suggestions there are for an unknown name.
const NEAREST: usize = 5;

/// A country.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Country {
    /// ISO 3166-1 alpha-2, `DE`; GeoNames adds `XK`.
    pub code: Box<str>,
    /// In English.
    pub name: Box<str>,
}

/// The first administrative division of a country: a state, a province.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// As GeoNames has it, unique in the country: `TX`, `16`; may be empty.
    pub code: Box<str>,
    /// In English, where it is known: in the United States only.
    pub name: Option<Box<str>>,
}

/// A city, a town, or a part of one.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// The id of GeoNames, which stays.
    pub id: u32,
    /// What it is mostly called.
    pub name: Box<str>,
    /// Its name as a city, whose slug no other place has. The greatest of namesakes has the plain name, the others
    /// say where they lie: `Paris` and `Paris (US TX)`.
    pub city: CityName,
    /// What tells it from its namesakes, unique too: `Paris, Texas, United States`.
    pub label: Box<str>,
    /// Where it lies.
    pub country: Arc<Country>,
    /// Where in the country it lies.
    pub region: Arc<Region>,
    /// Degrees north, to about 100 m.
    pub latitude: f64,
    /// Degrees east, to about 100 m.
    pub longitude: f64,
    /// How many people live there.
    pub population: u32,
}

impl Place {
    /// What the warehouse keeps of it.
    pub fn facts(&self) -> cities::Place {
        cities::Place {
            id: self.id.into(),
            country: self.country.code.to_string(),
            latitude: self.latitude,
            longitude: self.longitude,
        }
    }

    /// Its unique name in URLs: `paris`, `paris-us-tx`.
    pub fn slug(&self) -> Slug {
        self.city.slug()
    }
}

/// A place that may be meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion<'a> {
    /// The place.
    pub place: &'a Place,
    /// That of its names which is nearest to what was asked for.
    pub matched_name: &'a str,
    /// How much of that name was asked for, 0 to 1; 1 is all of it.
    pub score: f64,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution<'a> {
    /// This place.
    One(&'a Place),
    /// One of these, the likeliest first.
    Several(Vec<&'a Place>),
    /// None that is known.
    Unknown {
        /// What may have been meant, the likeliest first.
        nearest: Vec<Suggestion<'a>>,
    },
}

/// The gazetteer.
#[derive(Debug)]
pub struct Places {
    all: Vec<Place>,
    ids: HashMap<u32, usize>,
    slugs: HashMap<Slug, usize>,
    index: Index,
}

impl Places {
    /// The gazetteer that is built in; the first call unpacks it.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Places> = LazyLock::new(|| match Places::read(TABLE) {
            Ok(places) => places,
            Err(error) => unreachable!("the table is part of the program and tested: {error}"),
        });
        &EMBEDDED
    }

    /// Reads a table as `scripts/gazetteer.py` writes it.
    fn read(packed: &[u8]) -> Result<Self, TableError> {
        let text = table::unpack(packed)?;
        let records = table::records(&text)?;
        let index = Index::of(&records);
        let all = naming::places(records)?;
        let ids = all.iter().enumerate().map(|(number, place)| (place.id, number)).collect();
        let slugs = all.iter().enumerate().map(|(number, place)| (place.slug(), number)).collect();
        Ok(Self { all, ids, slugs, index })
    }

    /// All places, in no order that means anything.
    pub fn all(&self) -> &[Place] {
        &self.all
    }

    /// The place with this id of GeoNames.
    pub fn by_id(&self, id: u32) -> Option<&Place> {
        self.ids.get(&id).map(|&number| &self.all[number])
    }

    /// The place with this [slug](Place::slug).
    pub fn by_slug(&self, slug: &Slug) -> Option<&Place> {
        self.slugs.get(slug).map(|&number| &self.all[number])
    }

    /// The places one of whose names begins with this text, at most `limit`: first those that have exactly this
    /// name, then by their [weight](index). Capitals, accents, spaces and punctuation do not matter. Text
    /// after a comma is the country or region (`paris, us`). Where none begins so, the [`nearest`](Self::nearest).
    pub fn search(&self, text: &str, limit: usize) -> Vec<Suggestion<'_>> {
        let hits = self.first_hits(Question::readings(text), Index::beginning_with);
        if hits.is_empty() { self.nearest(text, limit) } else { self.suggestions(hits, limit) }
    }

    /// The places one of whose names differs from this text by the fewest typing errors, at most `limit`; none
    /// where that would be more than one error in four letters, two in nine, or three.
    pub fn nearest(&self, text: &str, limit: usize) -> Vec<Suggestion<'_>> {
        self.suggestions(self.first_hits(Question::readings(text), Index::nearest), limit)
    }

    /// What a name means. An `id` that is known decides alone. Otherwise the places with exactly this name count
    /// (capitals, accents, spaces and punctuation do not matter), in `country` (code or English name) where one is given.
    /// It is [one](Resolution::One) if there is one only, or if it has at least five times the
    /// [weight](index) of the next. The names of [cities](Place::city) are known, too.
    pub fn resolve(&self, name: &str, country: Option<&str>, id: Option<u32>) -> Resolution<'_> {
        if let Some(id) = id {
            return self.by_id(id).map_or_else(|| self.unknown(name), Resolution::One);
        }
        let questions = Question::readings(name).map(|question| question.within(country));
        match self.first_hits(questions, Index::exactly).as_slice() {
            [] => self.by_name(name, country).map_or_else(|| self.unknown(name), Resolution::One),
            hits => self.decide(hits),
        }
    }

    fn decide(&self, hits: &[Hit]) -> Resolution<'_> {
        match hits {
            [only] => Resolution::One(&self.all[only.place]),
            [first, second, ..] if first.weight >= CLEARLY_GREATER * second.weight => {
                Resolution::One(&self.all[first.place])
            }
            _ => Resolution::Several(hits.iter().map(|hit| &self.all[hit.place]).collect()),
        }
    }

    fn by_name(&self, name: &str, country: Option<&str>) -> Option<&Place> {
        let place = self.by_slug(&CityName::parse(name).ok()?.slug())?;
        let country = country.map(fold::fold);
        country.is_none_or(|country| question::lies_in(place, &country)).then_some(place)
    }

    /// What may have been meant: a name with typing errors or the beginning of one. `Berlinn` is Berlin rather than
    /// Berlin-Neukölln, `San Fran` is San Francisco rather than San Juan.
    fn unknown(&self, name: &str) -> Resolution<'_> {
        let finds: [fn(&Index, &str) -> Vec<Hit>; 2] = [Index::nearest, Index::beginning_with];
        let hits = finds.into_iter().flat_map(|find| self.first_hits(Question::readings(name), find));
        Resolution::Unknown { nearest: self.suggestions(ranked(hits.collect()), NEAREST) }
    }

    /// The one place that somebody means who cannot be asked back: of namesakes the likeliest.
    pub fn likeliest(&self, name: &str) -> Option<&Place> {
        match self.resolve(name, None, None) {
            Resolution::One(place) => Some(place),
            Resolution::Several(places) => places.into_iter().next(),
            Resolution::Unknown { .. } => None,
        }
    }

    /// What is found for the first question for which anything is.
    fn first_hits(
        &self,
        questions: impl Iterator<Item = Question>,
        find: fn(&Index, &str) -> Vec<Hit>,
    ) -> Vec<Hit> {
        let mut found = questions.map(|question| self.hits(&question, find));
        found.find(|hits| !hits.is_empty()).unwrap_or_default()
    }

    /// The best hit of each place, the best first.
    fn hits(&self, question: &Question, find: fn(&Index, &str) -> Vec<Hit>) -> Vec<Hit> {
        let mut hits = find(&self.index, &question.name);
        hits.retain(|hit| question.is_about(&self.all[hit.place]));
        ranked(hits)
    }

    fn suggestions(&self, hits: Vec<Hit>, limit: usize) -> Vec<Suggestion<'_>> {
        hits.into_iter().take(limit).map(|hit| self.suggestion(hit)).collect()
    }

    fn suggestion(&self, hit: Hit) -> Suggestion<'_> {
        let (place, matched_name) = (&self.all[hit.place], self.index.name(hit.entry));
        Suggestion { place, matched_name, score: hit.score }
    }
}

/// The best hit of each place, the best first.
fn ranked(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_unstable_by_key(Hit::rank);
    let mut seen = BTreeSet::new();
    hits.retain(|hit| seen.insert(hit.place));
    hits
}

#[cfg(test)]
mod tests;
