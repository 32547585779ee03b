//! Dividing a data set into parts for training, validation and testing.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::dataset::{Dataset, Item, Split};
use crate::error::{Error, Result};

/// How much of a data set each split gets. Only their proportion counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// For training.
    pub train: f64,
    /// For validation.
    pub validation: f64,
    /// For testing.
    pub test: f64,
}

impl Default for Shares {
    /// Eight tenths, one and one.
    fn default() -> Self {
        Self { train: 0.8, validation: 0.1, test: 0.1 }
    }
}

/// The text is that of no shares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} are no shares; give those for training, validation and testing as numbers with commas between them, such as \
     0.8,0.1,0.1"
)]
pub struct NotShares(String);

impl FromStr for Shares {
    type Err = NotShares;

    /// Two or three numbers; without the third one nothing is set apart for testing.
    fn from_str(text: &str) -> std::result::Result<Self, NotShares> {
        let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        let shares = match numbers.as_deref() {
            Some(&[train, validation]) => Some(Self { train, validation, test: 0.0 }),
            Some(&[train, validation, test]) => Some(Self { train, validation, test }),
            _ => None,
        };
        let shares = shares.filter(|shares| shares.normalised().is_ok());
        shares.ok_or_else(|| NotShares(text.to_owned()))
    }
}

impl Shares {
    /// As parts of 1, in the order of [`Split::ALL`].
    fn normalised(self) -> Result<[f64; 3]> {
        let shares = [self.train, self.validation, self.test];
        let sum: f64 = shares.iter().sum();
        if shares.iter().all(|share| share.is_finite() && *share >= 0.0) && sum > 0.0 && sum.is_finite() {
            return Ok(shares.map(|share| share / sum));
        }
        Err(Error::Split("the shares must be numbers that are not negative, and one of them greater than 0"))
    }
}

/// The place of [`Split::Test`] in [`Split::ALL`].
const TEST: usize = 2;

/// What each item is for, in the order of the items.
///
/// Items of one group stay together: give near-duplicates the same number, so that nothing is tested with what was
/// learnt. An item that is for testing already stays so, with its group: what was tested with once is never learnt from. One
/// that is for training or validation already is never for testing, with its group: what was learnt from once tests nobody.
/// Each class, and the negatives, are divided by the shares as far as the groups allow. The same items, groups,
/// shares and seed give the same answer, whatever the order of the items, as long as their names differ.
///
/// # Errors
/// Where there is not one group for each item, or the shares are negative or all nought.
pub fn split(dataset: &Dataset, groups: &[u64], shares: Shares, seed: u64) -> Result<Vec<Split>> {
    if groups.len() != dataset.items.len() {
        return Err(Error::Split("give a group for each item"));
    }
    let shares = shares.normalised()?;
    let mut families = families(dataset, groups, seed);
    let mut totals = BTreeMap::new();
    for family in &families {
        for (&stratum, count) in &family.strata {
            *totals.entry(stratum).or_insert(0.0) += count;
        }
    }
    // What is decided first; then rare classes, while every split has room; then large families, since small ones fill gaps.
    families.sort_by(|one, other| {
        let rarity = |family: &Family| family.rarest(&totals).map_or(0.0, |stratum| totals[&stratum]);
        let rarer = other.is_for_testing.cmp(&one.is_for_testing).then(rarity(one).total_cmp(&rarity(other)));
        rarer.then(other.members.len().cmp(&one.members.len())).then(one.lot.cmp(&other.lot))
    });
    let mut division = Division { shares, totals, given: Default::default(), items: [0.0; 3] };
    let mut splits = vec![Split::Train; groups.len()];
    for family in families {
        let chosen = if family.is_for_testing { TEST } else { division.choose(&family, dataset.items.len()) };
        division.give(&family, chosen);
        for &member in &family.members {
            splits[member] = Split::ALL[chosen];
        }
    }
    Ok(splits)
}

/// What is to be divided evenly: a class, the negatives (`None`), each with the number of pictures.
type Strata = BTreeMap<Option<usize>, f64>;

/// Items that stay together.
struct Family {
    members: Vec<usize>,
    strata: Strata,
    /// One of them was tested with before.
    is_for_testing: bool,
    /// One of them was learnt from before.
    is_learnt: bool,
    /// Decides among equals.
    lot: u64,
}

impl Family {
    fn rarest(&self, totals: &Strata) -> Option<Option<usize>> {
        self.strata.keys().copied().min_by(|one, other| totals[one].total_cmp(&totals[other]))
    }
}

fn families(dataset: &Dataset, groups: &[u64], seed: u64) -> Vec<Family> {
    let mut members = BTreeMap::<u64, Vec<usize>>::new();
    for (index, &group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(index);
    }
    members.into_values().map(|members| family(&dataset.items, members, seed)).collect()
}

fn family(items: &[Item], members: Vec<usize>, seed: u64) -> Family {
    let mut strata = Strata::new();
    for &member in &members {
        let mut classes: Vec<_> =
            items[member].labels.boxes().iter().map(|found| Some(found.class)).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.is_empty() {
            classes.push(None);
        }
        for class in classes {
            *strata.entry(class).or_insert(0.0) += 1.0;
        }
    }
    // By name and not by the number of the group, which may differ from run to run.
    let name = members.iter().map(|&member| items[member].name.as_str()).min().unwrap_or_default();
    let is_for_testing = members.iter().any(|&member| items[member].split == Some(Split::Test));
    let is_learnt =
        members.iter().any(|&member| items[member].split.is_some_and(|split| split != Split::Test));
    Family { lot: lot(name, seed), members, strata, is_for_testing, is_learnt }
}

/// A number that looks random and is the same on every machine and in every version (FNV-1a, mixed).
fn lot(name: &str, seed: u64) -> u64 {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

/// What has been given to each split.
struct Division {
    shares: [f64; 3],
    totals: Strata,
    given: [Strata; 3],
    items: [f64; 3],
}

impl Division {
    /// The split that lacks most of the family's rarest class, and of items among equals.
    fn choose(&self, family: &Family, items: usize) -> usize {
        let rarest = family.rarest(&self.totals);
        let lack = |index: usize| {
            let total = rarest.map_or(0.0, |stratum| self.totals[&stratum]);
            let given = rarest.and_then(|stratum| self.given[index].get(&stratum)).copied().unwrap_or(0.0);
            let of_all = self.shares[index] * items as f64 - self.items[index];
            (self.shares[index] * total - given, of_all)
        };
        let open = (0..3).filter(|&index| self.shares[index] > 0.0 && !(family.is_learnt && index == TEST));
        let chosen = open.max_by(|&one, &other| {
            let (one, other, order) = (lack(one), lack(other), other.cmp(&one));
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)).then(order)
        });
        chosen.unwrap_or(0)
    }

    fn give(&mut self, family: &Family, split: usize) {
        self.items[split] += family.members.len() as f64;
        for (&stratum, count) in &family.strata {
            *self.given[split].entry(stratum).or_insert(0.0) += count;
        }
    }
}
