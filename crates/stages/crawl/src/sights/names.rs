//! Whether two names, or two places, are one.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Metres.
const EARTH_RADIUS: f64 = 6_371_000.0;

/// A name without capitals, accents, spaces and punctuation: `Église St-Éloi` is `eglisesteloi`.
pub(crate) fn fold(name: &str) -> String {
    let bare = name.nfkd().filter(|&letter| canonical_combining_class(letter) == 0);
    let mut folded = String::with_capacity(name.len());
    for letter in bare.flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric()) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'ı' => folded.push('i'),
            other => folded.push(other),
        }
    }
    folded
}

/// Metres between two points, each with its latitude and longitude.
pub(super) fn distance(from: (f64, f64), to: (f64, f64)) -> f64 {
    let ((from_latitude, from_longitude), (to_latitude, to_longitude)) = (from, to);
    let half_sine = |difference: f64| (difference.to_radians() / 2.0).sin().powi(2);
    let square = half_sine(to_latitude - from_latitude)
        + from_latitude.to_radians().cos()
            * to_latitude.to_radians().cos()
            * half_sine(to_longitude - from_longitude);
    2.0 * EARTH_RADIUS * square.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_a_name_have_one_form() {
        for (names, folded) in [
            (&["Siegessäule", "SIEGESSA\u{308}ULE", "sieges-saule"][..], "siegessaule"),
            (&["Schloß", "SCHLOSS"], "schloss"),
            (&["Sacré-Cœur", "sacre coeur"], "sacrecoeur"),
            (&["Храм", "ХРАМ"], "храм"),
        ] {
            for name in names {
                assert_eq!(fold(name), folded, "{name}");
            }
        }
    }

    #[test]
    fn distances_are_in_metres() {
        let (gate, reichstag) = ((52.5163, 13.3777), (52.5186, 13.3761));
        assert!((distance(gate, reichstag) - 278.0).abs() < 5.0);
        assert!((distance((0.0, 179.999), (0.0, -179.999)) - 222.4).abs() < 1.0, "across the date line");
    }

    proptest! {
        #[test]
        fn a_folded_name_stays(name in "\\PC{0,30}") {
            let folded = fold(&name);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn distances_are_finite_and_the_same_both_ways(
            a in (-90.0..90.0, -180.0..180.0), b in (-90.0..90.0, -180.0..180.0),
        ) {
            let there = distance(a, b);
            prop_assert!((0.0..=20_100_000.0).contains(&there));
            prop_assert!((there - distance(b, a)).abs() < 1e-3);
        }
    }
}
