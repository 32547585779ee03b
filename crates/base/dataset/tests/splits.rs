//! Dividing a data set.

use proptest::prelude::*;
use sightscan_dataset::{Attribution, Dataset, Item, Labels, Shares, Split, split};

use crate::support::boxed;

/// One item for each class that is given; `None` is a negative.
fn dataset(classes: &[Option<usize>]) -> Dataset {
    let items = classes.iter().enumerate().map(|(index, class)| {
        let boxes = class.map(|class| boxed(class, 0.0, 0.0, 1.0, 1.0)).into_iter().collect();
        let labels = Labels::Annotated(boxes);
        let (name, attribution) = (format!("{index}.jpg"), Attribution::default());
        Item { name, picture: None, width: 1, height: 1, split: None, labels, attribution }
    });
    Dataset { classes: (0..10).map(|class| class.to_string()).collect(), items: items.collect() }
}

fn own_groups(dataset: &Dataset) -> Vec<u64> {
    (0..dataset.items.len() as u64).collect()
}

fn count(splits: &[Split], split: Split) -> usize {
    splits.iter().filter(|&&found| found == split).count()
}

#[test]
fn each_class_and_the_negatives_are_divided_by_the_shares() {
    let classes: Vec<_> =
        (0..300).map(|index| [None, Some(0), Some(1)][index % 3]).chain([Some(2); 20]).collect();
    let dataset = dataset(&classes);
    let splits = split(&dataset, &own_groups(&dataset), Shares::default(), 7).unwrap();
    for (class, expected) in [(None, [80, 10, 10]), (Some(0), [80, 10, 10]), (Some(2), [16, 2, 2])] {
        let of_class: Vec<_> = splits
            .iter()
            .zip(&classes)
            .filter(|(_, found)| **found == class)
            .map(|(split, _)| *split)
            .collect();
        assert_eq!(Split::ALL.map(|split| count(&of_class, split)), expected, "{class:?}");
    }
}

#[test]
fn the_seed_decides_and_the_order_of_the_items_does_not() {
    let dataset = dataset(&[Some(0); 50]);
    let groups = own_groups(&dataset);
    let with = |seed| split(&dataset, &groups, Shares::default(), seed).unwrap();
    assert_eq!(with(1), with(1));
    assert_ne!(with(1), with(2));
    let mut turned = dataset.clone();
    turned.items.reverse();
    let mut splits = split(&turned, &groups, Shares::default(), 1).unwrap();
    splits.reverse();
    assert_eq!(splits, with(1));
}

#[test]
fn what_was_tested_with_stays_for_testing_with_what_looks_like_it() {
    let mut dataset = dataset(&[Some(0); 40]);
    for tested in [3, 5] {
        dataset.items[tested].split = Some(Split::Test);
    }
    let mut groups = own_groups(&dataset);
    groups[4] = groups[3];
    let splits = split(&dataset, &groups, Shares::default(), 1).unwrap();
    assert!([3, 4, 5].iter().all(|&tested| splits[tested] == Split::Test));
    assert_eq!(Split::ALL.map(|split| count(&splits, split)), [32, 4, 4], "they count as its share");
}

#[test]
fn shares_that_are_none_and_groups_that_do_not_fit_are_refused() {
    let dataset = dataset(&[Some(0); 3]);
    let refused = |groups: &[u64], shares| split(&dataset, groups, shares, 0).unwrap_err().to_string();
    assert!(refused(&[1, 2], Shares::default()).contains("a group for each item"));
    for train in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(refused(&[1, 2, 3], Shares { train, validation: 0.0, test: 0.0 }).contains("shares"));
    }
}

#[test]
fn shares_are_read_as_people_write_them() {
    let shares = |text: &str| text.parse::<Shares>();
    assert_eq!(shares("0.8,0.1,0.1"), Ok(Shares::default()));
    assert_eq!(shares("9, 1"), Ok(Shares { train: 9.0, validation: 1.0, test: 0.0 }));
    for text in ["", "1", "0,0,0", "a,b,c", "1,2,3,4", "-1,2,3", "nan,1,1", "0.8;0.1"] {
        assert!(shares(text).unwrap_err().to_string().contains("0.8,0.1,0.1"), "{text}");
    }
}

proptest! {
    #[test]
    fn groups_stay_together_and_a_share_of_nothing_gets_nothing(
        items in proptest::collection::vec((proptest::option::of(0usize..4), 0u64..8), 0..60), seed: u64
    ) {
        let (classes, groups): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        let shares = Shares { train: 3.0, validation: 1.0, test: 0.0 };
        let splits = split(&dataset(&classes), &groups, shares, seed).unwrap();
        prop_assert_eq!(splits.len(), classes.len());
        prop_assert_eq!(count(&splits, Split::Test), 0);
        for (split, group) in splits.iter().zip(&groups) {
            let first = groups.iter().position(|other| other == group).unwrap();
            prop_assert_eq!(*split, splits[first]);
        }
    }
}
