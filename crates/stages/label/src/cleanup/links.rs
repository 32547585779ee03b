//! What links two names.

use std::cmp::Reverse;

use super::Why;
use super::likeness::{Likeness, likeness};
use super::node::Node;

/// Sights that lie farther apart are not the same because their names are alike, in metres. Parks and palaces are
/// large, and Vision tells where the camera was.
const FAR: f64 = 3_000.0;

/// The mean radius of the earth in metres.
const EARTH: f64 = 6_371_008.8;

/// Two names that mean the same, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) one: usize,
    pub(super) other: usize,
    kind: Kind,
}

/// Why they do. The order is that in which links are used: the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Two sights that are one.
    SameSight,
    /// They lie so many metres apart; those whose places are unknown come last.
    SameName {
        metres: u64,
    },
    SameEntity,
    Alike {
        percent: Reverse<u8>,
    },
    Contained {
        letters: Reverse<usize>,
    },
}

impl Link {
    pub(super) fn is_same_sight(self) -> bool {
        self.kind == Kind::SameSight
    }

    pub(super) fn why(self, with: &str) -> Why {
        let with = with.to_owned();
        match self.kind {
            Kind::SameSight | Kind::SameName { .. } => Why::SameName { with },
            Kind::SameEntity => Why::SameEntity { with },
            Kind::Alike { percent: Reverse(percent) } => Why::Alike { with, percent },
            Kind::Contained { .. } => Why::Contained { with },
        }
    }
}

/// All links, the surest first.
pub(super) fn links(nodes: &[Node]) -> Vec<Link> {
    let mut links = Vec::new();
    for (other, node) in nodes.iter().enumerate() {
        let before = nodes.iter().take(other).enumerate();
        links.extend(before.filter_map(|(one, first)| Some(Link { one, other, kind: kind(first, node)? })));
    }
    links.sort_unstable_by_key(|link| (link.kind, link.one, link.other));
    links
}

fn kind(one: &Node, other: &Node) -> Option<Kind> {
    if one.sight.is_some() && other.sight.is_some() {
        return is_one_sight(one, other).then_some(Kind::SameSight);
    }
    let metres = || one.place.zip(other.place).map(|(one, other)| metres(one, other));
    if has_same_name(one, other) {
        return Some(Kind::SameName { metres: metres().map_or(u64::MAX, |metres| metres as u64) });
    }
    if is_shared(&one.mid, &other.mid) {
        return Some(Kind::SameEntity);
    }
    closest(one, other).filter(|_| metres().is_none_or(|metres| metres <= FAR))
}

/// Whether two sources knew the same sight.
fn is_one_sight(one: &Node, other: &Node) -> bool {
    let main = |node: &Node| node.forms.first().map(|form| form.whole.text.clone());
    let may_be = one.wikidata.is_none() || other.wikidata.is_none();
    is_shared(&one.wikidata, &other.wikidata) || (may_be && is_shared(&main(one), &main(other)))
}

fn has_same_name(one: &Node, other: &Node) -> bool {
    let is_item = |sight: &Node, label: &Node| sight.wikidata.as_ref() == Some(&label.name);
    let texts = |form: &super::form::Form, node: &Node| {
        node.forms.iter().any(|own| own.whole.text == form.whole.text)
    };
    is_item(one, other) || is_item(other, one) || one.forms.iter().any(|form| texts(form, other))
}

fn is_shared(one: &Option<String>, other: &Option<String>) -> bool {
    one.is_some() && one == other
}

/// The surest likeness of any of their names.
fn closest(one: &Node, other: &Node) -> Option<Kind> {
    let pairs = one.forms.iter().flat_map(|form| other.forms.iter().map(move |own| (form, own)));
    let kinds = pairs.filter_map(|(form, own)| likeness(form, own)).map(|likeness| match likeness {
        Likeness::Alike(percent) => Kind::Alike { percent: Reverse(percent) },
        Likeness::Contained(letters) => Kind::Contained { letters: Reverse(letters) },
    });
    kinds.min()
}

/// How far apart two places on the earth are (haversine formula).
fn metres(one: (f64, f64), other: (f64, f64)) -> f64 {
    let [(north, east), (other_north, other_east)] =
        [one, other].map(|(north, east)| (north.to_radians(), east.to_radians()));
    let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
    let chord = half(north, other_north) + north.cos() * other_north.cos() * half(east, other_east);
    2.0 * EARTH * chord.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_on_the_earth() {
        let (gate, column) = ((52.516_27, 13.377_70), (52.514_54, 13.350_12));
        assert!((metres(gate, column) - 1_876.0).abs() < 5.0, "{}", metres(gate, column));
        assert!((metres((0.0, 179.5), (0.0, -179.5)) - 111_195.0).abs() < 5.0);
        assert_eq!(metres(gate, gate), 0.0);
    }
}
