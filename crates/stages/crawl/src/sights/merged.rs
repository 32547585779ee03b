//! The sights of several sources as one list.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tracing::warn;

use super::fold;
use super::names::distance;
use crate::{City, Sight, SightSource, SourceError};

/// Sights of one name that are nearer to each other are one, in metres: sources disagree about where the middle is.
const NEAR: f64 = 300.0;

/// Several sources, asked at once. The sights of the first one come first, and have the names that it gives them.
pub struct Merged {
    sources: Vec<Box<dyn SightSource>>,
}

impl Merged {
    /// Merges these, the most trusted first.
    pub fn new(sources: Vec<Box<dyn SightSource>>) -> Self {
        Self { sources }
    }

    /// One source that does not answer is passed over when another does.
    async fn ask(&self, city: &City, limit: u32) -> Result<Vec<Sight>, SourceError> {
        let answers = join_all(self.sources.iter().map(|source| source.sights(city, limit))).await;
        let mut merged = Vec::new();
        let mut first_error = None;
        for answer in answers {
            match answer {
                Ok(sights) => sights.into_iter().for_each(|sight| add(&mut merged, sight)),
                Err(error) => {
                    warn!(city = city.name, %error, "a source of sights does not answer");
                    first_error = first_error.or(Some(error));
                }
            }
        }
        merged.truncate(limit as usize);
        match first_error {
            Some(error) if merged.is_empty() => Err(error),
            _ => Ok(merged),
        }
    }
}

impl SightSource for Merged {
    fn name(&self) -> &'static str {
        "merged"
    }

    fn sights<'a>(&'a self, city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>> {
        self.ask(city, limit).boxed()
    }
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.sources.iter().map(|source| source.name())).finish()
    }
}

/// Adds a sight, or what it says to the one that it is.
fn add(sights: &mut Vec<Sight>, new: Sight) {
    match sights.iter_mut().find(|known| are_one(known, &new)) {
        Some(known) => complete(known, new),
        None => sights.push(new),
    }
}

fn are_one(known: &Sight, new: &Sight) -> bool {
    if let (Some(known), Some(new)) = (&known.wikidata, &new.wikidata) {
        return known == new;
    }
    let is_near = match (point(known), point(new)) {
        (Some(known), Some(new)) => distance(known, new) < NEAR,
        // They are in one city at least.
        _ => true,
    };
    is_near && fold(&known.name) == fold(&new.name)
}

fn point(sight: &Sight) -> Option<(f64, f64)> {
    sight.latitude.zip(sight.longitude)
}

/// What one source leaves open another may say.
fn complete(known: &mut Sight, new: Sight) {
    if point(known).is_none() {
        (known.latitude, known.longitude) = (new.latitude, new.longitude);
    }
    if known.wikidata.is_none() {
        known.wikidata = new.wikidata;
    }
    if known.commons_category.is_none() {
        known.commons_category = new.commons_category;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(name: &str, point: Option<(f64, f64)>, wikidata: Option<&str>) -> Sight {
        let (latitude, longitude) = point.unzip();
        let wikidata = wikidata.map(str::to_owned);
        Sight { name: name.to_owned(), latitude, longitude, wikidata, ..Sight::default() }
    }

    fn merged(sights: impl IntoIterator<Item = Sight>) -> Vec<Sight> {
        let mut merged = Vec::new();
        sights.into_iter().for_each(|sight| add(&mut merged, sight));
        merged
    }

    const GATE: (f64, f64) = (52.5163, 13.3777);
    const NEAR_GATE: (f64, f64) = (52.5170, 13.3780);
    const FAR: (f64, f64) = (52.5200, 13.4094);

    #[test]
    fn sights_of_one_item_are_one() {
        let [gate] = &merged([
            sight("Brandenburg Gate", None, Some("Q82425")),
            Sight {
                commons_category: Some("Brandenburger Tor".to_owned()),
                ..sight("Brandenburger Tor", Some(GATE), Some("Q82425"))
            },
        ])[..] else {
            panic!("not one sight")
        };
        assert_eq!((gate.name.as_str(), point(gate)), ("Brandenburg Gate", Some(GATE)));
        assert_eq!(gate.commons_category.as_deref(), Some("Brandenburger Tor"));
    }

    #[test]
    fn sights_of_one_name_are_one_when_they_are_near() {
        let count = |other| merged([sight("Dom", Some(GATE), Some("Q1")), other]).len();
        assert_eq!(count(sight("DOM", Some(NEAR_GATE), None)), 1);
        assert_eq!(count(sight("DOM", Some(FAR), None)), 2);
        assert_eq!(count(sight("dom", None, None)), 1);
        assert_eq!(count(sight("Münster", Some(GATE), None)), 2);
        assert_eq!(count(sight("Dom", Some(GATE), Some("Q2"))), 2, "two items are two sights");
    }
}
