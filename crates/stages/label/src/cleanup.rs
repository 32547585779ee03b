//! Which of a city's names mean the same sight.
//!
//! Labellers write `Brandenburg Gate`, `Brandenburger Tor` and `Berlin Brandenburg Gate`; a model should learn one class.
//! [`merged`] links names that mean the same, and gives all that hang together by links one name: that of the known sight
//! among them, else the shortest. What it finds depends on what it is asked and not on the order in which it is told, and
//! each answer says why, so that it can be shown to a person and undone. What was undone goes into
//! [`Question::kept_apart`].
//!
//! The rules are the original's (a name that holds another one, and names that are alike by 90 of 100), with these
//! differences:
//!
//! - Links are transitive: where `A` means `B` and `B` means `C`, all three have one name.
//! - Names are compared in any script; the original saw nothing but `A` to `Z`.
//! - Names that are written differently but read the same are the same, and so are those of one item in Google's
//!   Knowledge Graph.
//! - Known sights attract labels, and never become one sight because some label lies between them.
//! - A name is held by another one as whole words: `National Gallery` is no part of `International Gallery`.
//! - The city's name makes nothing alike: `London Eye` and `London Zoo` are compared as `Eye` and `Zoo`, too.
//! - Names with other numbers are not alike and do not hold each other: `Tower 1` and `Tower 2`, `Hall A` and `Hall B`.
//! - Names of places that lie far apart are not alike either.

mod form;
mod groups;
mod likeness;
mod links;
mod node;
mod ratio;

use std::collections::BTreeMap;
use std::fmt;

use sightscan_types::SightId;

use groups::Groups;
use links::{Link, links};
use node::{Node, nodes};

/// A name that labellers wrote.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Label {
    /// The name as it was written.
    pub name: String,
    /// In how many labellings.
    pub count: u64,
    /// Its id in Google's Knowledge Graph.
    pub mid: Option<String>,
    /// Where the sight is: degrees north, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    pub longitude: Option<f64>,
}

/// A sight of the city that is known from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownSight {
    /// The sight.
    pub id: SightId,
    /// What it is mostly called.
    pub name: String,
    /// What else it is called, in any language.
    pub aliases: Vec<String>,
    /// Its item in Wikidata.
    pub wikidata: Option<String>,
    /// Its id in Google's Knowledge Graph, which Wikidata knows as P646 and P2671.
    pub mid: Option<String>,
    /// Degrees north, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    pub longitude: Option<f64>,
}

/// The names of a city's sights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// What the city is called, in any language.
    pub city: Vec<String>,
    /// What labellers wrote.
    pub labels: Vec<Label>,
    /// What is known.
    pub sights: Vec<KnownSight>,
    /// Pairs of names, of labels or of sights, that somebody said are not the same.
    pub kept_apart: Vec<(String, String)>,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The name as it was written.
    pub label: String,
    /// The name of the class.
    pub name: String,
    /// The known sight that it means.
    pub sight: Option<SightId>,
    /// Why.
    pub why: Why,
}

/// Why a name means the same as others. `with` is the next name on the way to that of the class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is the name of its class; others may mean it, too.
    Itself,
    /// Both read the same, or this is the sight's name, one of its aliases or its item in Wikidata.
    SameName {
        /// The other name.
        with: String,
    },
    /// Both have the same id in Google's Knowledge Graph.
    SameEntity {
        /// The other name.
        with: String,
    },
    /// One of the two holds the other.
    Contained {
        /// The other name.
        with: String,
    },
    /// Both are written almost the same.
    Alike {
        /// The other name.
        with: String,
        /// How much, of 100; at least 90.
        percent: u8,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => write!(formatter, "its own name"),
            Self::SameName { with } => write!(formatter, "the same name as `{with}`"),
            Self::SameEntity { with } => write!(formatter, "the same landmark as `{with}` for Google"),
            Self::Contained { with } => write!(formatter, "one holds the other: `{with}`"),
            Self::Alike { with, percent } => write!(formatter, "{percent} % like `{with}`"),
        }
    }
}

/// Finds out which names mean the same: an answer for each name of a label, sorted by it.
///
/// Every name is compared with every other one, so thousands of them take a while; do not block an asynchronous thread.
pub fn merged(question: &Question) -> Vec<Merged> {
    let nodes = nodes(question);
    let apart = kept_apart(question, &nodes);
    let mut groups = Groups::new(nodes.len(), &apart);
    let has_sight = |members: &[usize]| members.iter().any(|&member| nodes[member].sight.is_some());
    for link in links(&nodes) {
        // A label between two sights belongs to that with the stronger link.
        groups.join(link, |one, other| link.is_same_sight() || !(has_sight(one) && has_sight(other)));
    }
    let mut merged: Vec<Merged> = groups.all().flat_map(|members| told(&nodes, &groups, members)).collect();
    merged.sort_unstable_by(|one, other| one.label.cmp(&other.label));
    merged
}

/// The nodes that each node must not be with.
fn kept_apart(question: &Question, nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, node) in nodes.iter().enumerate() {
        named.entry(&node.name).or_default().push(number);
    }
    let mut apart = vec![Vec::new(); nodes.len()];
    let pairs = question
        .kept_apart
        .iter()
        .filter_map(|(one, other)| Some((named.get(one.as_str())?, named.get(other.as_str())?)));
    for (one, other) in pairs.flat_map(|(ones, others)| {
        ones.iter().flat_map(move |&one| others.iter().map(move |&other| (one, other)))
    }) {
        apart[one].push(other);
        apart[other].push(one);
    }
    apart
}

/// What became of the labels of a group.
fn told<'a>(
    nodes: &'a [Node],
    groups: &Groups,
    members: &'a [usize],
) -> impl Iterator<Item = Merged> + use<'a> {
    let head = head(nodes, members);
    let whys: BTreeMap<usize, (usize, Link)> = groups.ways_to(head);
    let sight = head.and_then(|head| nodes[head].sight);
    members.iter().filter(|&&member| nodes[member].sight.is_none()).map(move |member| Merged {
        label: nodes[*member].name.clone(),
        name: nodes[head.unwrap_or(*member)].name.clone(),
        sight,
        why: whys.get(member).map_or(Why::Itself, |(next, link)| link.why(&nodes[*next].name)),
    })
}

/// Whose name a group has: the first sight's, else the shortest, of equally short ones the one most written.
fn head(nodes: &[Node], members: &[usize]) -> Option<usize> {
    members.iter().copied().min_by(|&one, &other| nodes[one].rank().cmp(&nodes[other].rank()))
}
