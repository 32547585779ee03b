//! How alike two texts are.

/// How alike two texts are, of 100: `2 M / T`, where `M` is the length of their longest common subsequence and `T` that
/// of both together, rounded. It is 100 for equal texts and 0 for those without a common letter.
///
/// This is the ratio of `rapidfuzz`, and of `fuzzywuzzy` where `python-Levenshtein` is installed. Without that
/// `fuzzywuzzy` counts in `M` the blocks that `difflib` finds greedily, which are never more letters than the longest
/// common subsequence, so that its ratio is the same or lower.
pub(super) fn percent(one: &[char], other: &[char]) -> u8 {
    let total = one.len() + other.len();
    let percent = if total == 0 { 100 } else { percent_of(common(one, other), total) };
    u8::try_from(percent).unwrap_or(100)
}

/// The same of so many common letters and so many of both texts together.
pub(super) fn percent_of(common: usize, total: usize) -> usize {
    (400 * common + total) / (2 * total.max(1))
}

/// The length of the longest common subsequence.
fn common(one: &[char], other: &[char]) -> usize {
    let mut row = vec![0_usize; other.len() + 1];
    for letter in one {
        let mut before = 0;
        for (place, found) in other.iter().enumerate() {
            let above = row[place + 1];
            row[place + 1] = if letter == found { before + 1 } else { above.max(row[place]) };
            before = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(one: &str, other: &str) -> u8 {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        percent(&letters(one), &letters(other))
    }

    #[test]
    fn texts_are_as_alike_as_rapidfuzz_says() {
        for (one, other, percent) in [
            ("", "", 100),
            ("abc", "", 0),
            ("abc", "xyz", 0),
            ("this is a test", "this is a test!", 97),
            ("fuzzy wuzzy was a bear", "wuzzy fuzzy was a bear", 91),
            ("brandenburggate", "brandenburgergate", 94),
            ("brandenburggate", "brandenburgertor", 77),
            ("kitten", "sitting", 62),
            ("abcdefghi", "abcdefghij", 95),
            ("故宫博物院", "故宫博物馆", 80),
        ] {
            assert_eq!(of(one, other), percent, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn it_is_symmetric_and_full_for_equal_texts_alone(one in "[ab]{0,12}", other in "[ab]{0,12}") {
            let percent = of(&one, &other);
            prop_assert_eq!(percent, of(&other, &one));
            prop_assert_eq!(percent == 100, one == other);
        }
    }
}
