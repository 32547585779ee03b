//! Which images are labelled first, and which share an answer.

use std::collections::BTreeMap;

use sightscan_pictures::hamming_distance;
use sightscan_types::{CityId, Sha256, SightId};
use sightscan_warehouse::labelling::Unlabelled;

/// Images whose perceptual hashes differ in at most so many of 64 bits share an answer.
const SAME: u32 = 3;

/// Images that look the same; the first one is looked at, the others get its labels.
pub type Group = Vec<Unlabelled>;

/// Groups of images that look the same as the first one of their group, in the order of their first images. Every pair of
/// groups is compared: some tenths of a second for 20,000 images.
pub fn groups(images: Vec<Unlabelled>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut firsts: Vec<(u64, usize)> = Vec::new();
    for image in images {
        let same = image.perceptual_hash.and_then(|hash| {
            firsts.iter().find(|(first, _)| hamming_distance(hash, *first) <= SAME).map(|(_, group)| *group)
        });
        match same {
            Some(group) => groups[group].push(image),
            None => {
                firsts.extend(image.perceptual_hash.map(|hash| (hash, groups.len())));
                groups.push(vec![image]);
            }
        }
    }
    groups
}

/// Puts groups in an order in which sights take turns, each by chance. The chance is the city's: the same every time.
pub fn spread(groups: Vec<Group>, city: CityId) -> Vec<Group> {
    let mut by_sight: BTreeMap<Option<SightId>, Vec<Group>> = BTreeMap::new();
    for group in groups {
        by_sight.entry(group[0].sight).or_default().push(group);
    }
    let mut random = random(city);
    let mut turns: Vec<_> = by_sight
        .into_values()
        .map(|mut groups| {
            random.shuffle(&mut groups);
            groups.into_iter()
        })
        .collect();
    let mut order = Vec::new();
    loop {
        let before = order.len();
        order.extend(turns.iter_mut().filter_map(Iterator::next));
        if order.len() == before {
            return order;
        }
    }
}

fn random(city: CityId) -> fastrand::Rng {
    let hash = Sha256::of(city.to_string().as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    fastrand::Rng::with_seed(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_types::ImageId;

    fn image(hash: Option<u64>, sight: Option<SightId>) -> Unlabelled {
        let (id, sha256) = (ImageId::new(), Sha256::of(b""));
        Unlabelled { id, sha256, width: 1, height: 1, perceptual_hash: hash, sight }
    }

    #[test]
    fn images_that_look_the_same_share_a_group() {
        let images = [Some(0), Some(u64::MAX), Some(0b111), Some(0b1111), None, None, Some(u64::MAX - 1)];
        let images: Vec<Unlabelled> = images.map(|hash| image(hash, None)).into();
        let ids: Vec<ImageId> = images.iter().map(|image| image.id).collect();
        let groups = groups(images);
        let found: Vec<Vec<ImageId>> =
            groups.iter().map(|group| group.iter().map(|image| image.id).collect()).collect();
        let expected =
            vec![vec![ids[0], ids[2]], vec![ids[1], ids[6]], vec![ids[3]], vec![ids[4]], vec![ids[5]]];
        assert_eq!(found, expected);
    }

    #[test]
    fn row_21_sights_take_turns_and_the_order_is_the_citys() {
        let (gate, tower, city) = (SightId::new(), SightId::new(), CityId::new());
        let of = |sight, count: usize| (0..count).map(move |_| vec![image(None, Some(sight))]);
        let groups: Vec<Group> = of(gate, 10).chain(of(tower, 3)).collect();
        let order = spread(groups.clone(), city);
        let towers = order[..6].iter().filter(|group| group[0].sight == Some(tower)).count();
        assert_eq!((order.len(), towers), (13, 3), "all towers are among the first six");
        assert_eq!(spread(groups.clone(), city), order);
        let gates = |order: &[Group]| -> Vec<ImageId> {
            order.iter().filter(|group| group[0].sight == Some(gate)).map(|group| group[0].id).collect()
        };
        let others = (0..20).filter(|_| gates(&spread(groups.clone(), CityId::new())) != gates(&order));
        assert!(others.count() > 15, "another city has another order");
    }
}
