//! All names of all places, sorted, so that those with the same beginning stand together.
//!
//! The *weight* of a name is the population of its place, fifty times for the name that the place mostly has:
//! otherwise Changchun, which some spell Cancun, would come before Cancún.

use std::cmp::Reverse;
use std::ops::Range;

use strsim::osa_distance;

use super::fold::spellings;
use super::table::Record;

/// How much more the usual name of a place counts than its other names.
const OWN_NAME: u32 = 50;

/// One name of one place.
#[derive(Debug)]
struct Entry {
    folded: Span,
    name: Span,
    place: u32,
    weight: u32,
    sketch: Sketch,
}

/// A part of a text.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.length as usize
    }
}

/// Appends to a text that holds many.
fn append(all: &mut String, text: &str) -> Span {
    let span = Span { start: all.len() as u32, length: text.len() as u32 };
    all.push_str(text);
    span
}

/// What rules out quickly that two names are alike.
#[derive(Debug, Clone, Copy)]
struct Sketch {
    /// A bit for each letter that occurs; letters of other scripts share bits.
    letters: u32,
    length: u32,
}

impl Sketch {
    fn of(folded: &str) -> Self {
        let start = Self { letters: 0, length: 0 };
        folded.chars().fold(start, |sketch, letter| Self {
            letters: sketch.letters | 1 << (u32::from(letter) % u32::BITS),
            length: sketch.length + 1,
        })
    }

    /// Whether so few errors might lead from one name to the other; each changes the length by at most one and
    /// adds or takes away at most two letters.
    fn is_within(self, other: Self, errors: u32) -> bool {
        self.length.abs_diff(other.length) <= errors
            && (self.letters ^ other.letters).count_ones() <= 2 * errors
    }
}

/// How many typing errors a name of this many letters may have.
fn allowed_errors(length: u32) -> u32 {
    match length {
        0..=1 => 0,
        2..=4 => 1,
        5..=9 => 2,
        _ => 3,
    }
}

/// A name that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// Number of its place.
    pub(super) place: usize,
    /// Number of its entry.
    pub(super) entry: usize,
    /// How likely it is meant if it is alike.
    pub(super) weight: u64,
    /// How alike it is, 0 to 1.
    pub(super) score: f64,
}

impl Hit {
    /// Sorts the likeliest first, always in the same order: all of a name before its beginning, then by weight.
    pub(super) fn rank(&self) -> (bool, Reverse<u64>, usize, usize) {
        (self.score < 1.0, Reverse(self.weight), self.place, self.entry)
    }
}

/// All names of all places.
#[derive(Debug)]
pub(super) struct Index {
    folded: String,
    names: String,
    entries: Vec<Entry>,
}

impl Index {
    pub(super) fn of(records: &[Record<'_>]) -> Self {
        let mut index = Self { folded: String::new(), names: String::new(), entries: Vec::new() };
        for (place, record) in records.iter().enumerate() {
            index.add(place, record.name, record.population.saturating_mul(OWN_NAME));
            record.alternatives().for_each(|name| index.add(place, name, record.population));
        }
        index.sort();
        index
    }

    fn sort(&mut self) {
        let Self { folded, names, entries } = self;
        entries.sort_unstable_by_key(|entry| (&folded[entry.folded.range()], entry.place));
        entries.shrink_to_fit();
        folded.shrink_to_fit();
        names.shrink_to_fit();
    }

    fn add(&mut self, place: usize, name: &str, weight: u32) {
        let span = append(&mut self.names, name);
        for folded in spellings(name).filter(|folded| !folded.is_empty()) {
            let (sketch, folded) = (Sketch::of(&folded), append(&mut self.folded, &folded));
            self.entries.push(Entry { folded, name: span, place: place as u32, weight, sketch });
        }
    }

    /// A name as it is spelt.
    pub(super) fn name(&self, entry: usize) -> &str {
        &self.names[self.entries[entry].name.range()]
    }

    fn folded(&self, entry: &Entry) -> &str {
        &self.folded[entry.folded.range()]
    }

    /// The names that are exactly this one.
    pub(super) fn exactly(&self, folded: &str) -> Vec<Hit> {
        let range = self.range(folded, |name| name == folded);
        range.map(|number| self.hit(number, 1.0)).collect()
    }

    /// The names that begin so; none for nothing.
    pub(super) fn beginning_with(&self, folded: &str) -> Vec<Hit> {
        if folded.is_empty() {
            return Vec::new();
        }
        let range = self.range(folded, |name| name.starts_with(folded));
        let share = |entry: &Entry| folded.len() as f64 / f64::from(entry.folded.length);
        range.map(|number| self.hit(number, share(&self.entries[number]))).collect()
    }

    /// The names that the fewest typing errors lead to (optimal string alignment: a letter too many, too few, wrong,
    /// or two that changed places).
    pub(super) fn nearest(&self, folded: &str) -> Vec<Hit> {
        let sketch = Sketch::of(folded);
        let attempts = (0..=allowed_errors(sketch.length)).map(|errors| self.within(folded, sketch, errors));
        attempts.into_iter().find(|hits| !hits.is_empty()).unwrap_or_default()
    }

    fn within(&self, folded: &str, sketch: Sketch, errors: u32) -> Vec<Hit> {
        let candidates =
            self.entries.iter().enumerate().filter(|(_, entry)| entry.sketch.is_within(sketch, errors));
        let near = candidates
            .filter(|(_, entry)| osa_distance(self.folded(entry), folded) <= errors as usize)
            .map(|(number, entry)| {
                let longer = entry.sketch.length.max(sketch.length).max(1);
                self.hit(number, 1.0 - f64::from(errors) / f64::from(longer))
            });
        near.collect()
    }

    /// The entries from this name on that fit.
    fn range(&self, folded: &str, fits: impl Fn(&str) -> bool) -> Range<usize> {
        let start = self.entries.partition_point(|entry| self.folded(entry) < folded);
        let length = self.entries[start..].partition_point(|entry| fits(self.folded(entry)));
        start..start + length
    }

    fn hit(&self, number: usize, score: f64) -> Hit {
        let entry = &self.entries[number];
        Hit { place: entry.place as usize, entry: number, weight: u64::from(entry.weight), score }
    }
}
