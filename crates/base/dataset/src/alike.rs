//! Which pictures look alike, so that none is tested with what was learnt.

use sightscan_pictures::hamming_distance;

/// Pictures whose perceptual hashes differ in at most so many of 64 bits look alike, as for a crawl.
const ALIKE: u32 = 6;

/// A number for each picture, the same for those that look alike, directly or through others. All pairs are compared:
/// some tenths of a second for 20,000 pictures.
pub fn near_duplicates(hashes: &[Option<u64>]) -> Vec<u64> {
    let mut parents: Vec<usize> = (0..hashes.len()).collect();
    let known: Vec<(usize, u64)> =
        hashes.iter().enumerate().filter_map(|(index, hash)| Some((index, (*hash)?))).collect();
    for (position, &(one, hash)) in known.iter().enumerate() {
        let near = known[position + 1..].iter().filter(|(_, other)| hamming_distance(hash, *other) <= ALIKE);
        for &(other, _) in near {
            let (one, other) = (root(&mut parents, one), root(&mut parents, other));
            parents[one.max(other)] = one.min(other);
        }
    }
    (0..hashes.len()).map(|index| root(&mut parents, index) as u64).collect()
}

/// The first picture of a group. Ways are halved as they are gone.
fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn likeness_goes_through_others_and_pictures_without_a_hash_are_alone() {
        let hashes = [Some(0), None, Some(u64::MAX), Some(0xFFF), Some(0x3F), None, Some(u64::MAX - 1)];
        assert_eq!(near_duplicates(&hashes), [0, 1, 2, 0, 0, 5, 2]);
    }

    proptest! {
        #[test]
        fn all_that_look_alike_are_together(hashes in proptest::collection::vec(proptest::option::of(0u64..4096), 0..40)) {
            let groups = near_duplicates(&hashes);
            for (one, other) in (0..hashes.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
                if let (Some(first), Some(second)) = (hashes[one], hashes[other]) {
                    prop_assert!(hamming_distance(first, second) > ALIKE || groups[one] == groups[other]);
                }
            }
        }
    }
}
