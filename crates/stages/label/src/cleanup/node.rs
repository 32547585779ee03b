//! Names that may be linked: of labels and of known sights.

use std::cmp::Reverse;

use sightscan_types::SightId;

use super::form::{CityWords, Form};
use super::{KnownSight, Label, Question};

/// A label or a known sight.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// Of its names: a sight may have several, a label has one. Those that cannot be compared are missing.
    pub(super) forms: Vec<Form>,
    /// The sight; none of labels.
    pub(super) sight: Option<SightId>,
    pub(super) wikidata: Option<String>,
    pub(super) mid: Option<String>,
    /// Degrees north and east.
    pub(super) place: Option<(f64, f64)>,
    count: u64,
}

impl Node {
    fn of_sight(sight: &KnownSight, city: &CityWords) -> Self {
        let names = [&sight.name].into_iter().chain(&sight.aliases);
        Self {
            name: sight.name.clone(),
            forms: names.map(|name| Form::new(name, city)).filter(is_comparable).collect(),
            sight: Some(sight.id),
            wikidata: sight.wikidata.clone(),
            mid: sight.mid.clone(),
            place: sight.latitude.zip(sight.longitude),
            count: 0,
        }
    }

    fn of_label(label: &Label, city: &CityWords) -> Self {
        Self {
            name: label.name.clone(),
            forms: [Form::new(&label.name, city)].into_iter().filter(is_comparable).collect(),
            sight: None,
            wikidata: None,
            mid: label.mid.clone(),
            place: label.latitude.zip(label.longitude),
            count: label.count,
        }
    }

    /// Whose name a group has: the least.
    pub(super) fn rank(&self) -> impl Ord + use<'_> {
        let letters = self.forms.first().map_or(0, |form| form.whole.letters);
        let is_label = self.sight.is_none();
        // Of sights that are one, the one that Wikidata knows.
        let is_unknown = self.wikidata.is_none();
        (is_label, is_unknown, letters, Reverse(self.count), &self.name, self.sight)
    }
}

fn is_comparable(form: &Form) -> bool {
    !form.whole.text.is_empty()
}

/// All that can be linked, each once, in an order that does not depend on that of the question.
pub(super) fn nodes(question: &Question) -> Vec<Node> {
    let city = CityWords::new(&question.city);
    let mut sights: Vec<Node> = question.sights.iter().map(|sight| Node::of_sight(sight, &city)).collect();
    sights.sort_unstable_by(|one, other| one.rank().cmp(&other.rank()));
    let mut labels: Vec<&Label> = question.labels.iter().collect();
    labels.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
    labels.dedup_by(|one, other| one.name == other.name);
    sights.extend(labels.into_iter().map(|label| Node::of_label(label, &city)));
    sights
}

/// Of several with the same name the one that says most.
fn key(label: &Label) -> impl Ord + use<'_> {
    let degrees = |degrees: Option<f64>| degrees.map(f64::to_bits);
    let rest = (Reverse(&label.mid), Reverse(degrees(label.latitude)), Reverse(degrees(label.longitude)));
    (&label.name, Reverse(label.count), rest)
}
