//! What different spellings of a name have in common.

use deunicode::deunicode_char;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Where the Latin letters end that ASCII can say.
const AFTER_LATIN: char = '\u{300}';

/// A name without capitals, accents, spaces and punctuation; letters of other scripts stay what they are.
/// `Köln` is `koln`, `Xi’an` is `xian`, `БЕРЛИН` is `берлин`.
pub(super) fn fold(name: &str) -> String {
    let bare = name.nfkd().filter(|&character| canonical_combining_class(character) == 0);
    let small = bare.flat_map(char::to_lowercase);
    let mut folded = String::with_capacity(name.len());
    small.for_each(|letter| push(&mut folded, letter));
    folded
}

fn push(folded: &mut String, letter: char) {
    match letter {
        // The capital of both is the same.
        'ς' => folded.push('σ'),
        letter if letter.is_ascii() || letter >= AFTER_LATIN => folded.extend(Some(letter).filter(is_kept)),
        latin => {
            let ascii = deunicode_char(latin).unwrap_or_default().chars();
            folded.extend(ascii.filter(is_kept).map(|letter| letter.to_ascii_lowercase()));
        }
    }
}

fn is_kept(letter: &char) -> bool {
    letter.is_alphanumeric()
}

/// The folded forms under which a name is found: its own, and with `ae` for `ä` as Germans write without umlauts.
pub(super) fn spellings(name: &str) -> impl Iterator<Item = String> {
    let german = name.contains(['ä', 'ö', 'ü', 'Ä', 'Ö', 'Ü']).then(|| {
        let small = name.to_lowercase();
        fold(&small.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue"))
    });
    [Some(fold(name)), german].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_a_name_have_one_form() {
        for (names, folded) in [
            (&["Köln", "KÖLN", "Ko\u{308}ln", "koln", "k-ö l'n"][..], "koln"),
            (&["Xi'an", "Xi’an", "XIAN", "xi an"], "xian"),
            (&["New York", "NEW_YORK", "new-york"], "newyork"),
            (&["Gießen", "GIESSEN", "Giessen"], "giessen"),
            (&["Łódź", "LODZ"], "lodz"),
            (&["İstanbul", "istanbul", "ISTANBUL"], "istanbul"),
            (&["Берлин", "БЕРЛИН"], "берлин"),
            (&["Αθήνας", "ΑΘΗΝΑΣ", "αθηνασ"], "αθηνασ"),
            (&["北京"], "北京"),
            (&["Пʻариз", "париз"], "париз"),
            (&["", " ,.'-_"], ""),
        ] {
            for name in names {
                assert_eq!(fold(name), folded, "{name}");
            }
        }
        assert_ne!(fold("रोम"), fold("राम"), "vowels of Indic scripts are no accents");
    }

    #[test]
    fn umlauts_are_found_as_germans_write_them_too() {
        assert_eq!(spellings("Köln").collect::<Vec<_>>(), ["koln", "koeln"]);
        assert_eq!(spellings("Überlingen").collect::<Vec<_>>(), ["uberlingen", "ueberlingen"]);
        assert_eq!(spellings("Berlin").collect::<Vec<_>>(), ["berlin"]);
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing_and_capitals_do_not_matter(name in "[\\p{Latin}\\p{Cyrillic}\\p{Greek}\\p{Han}' -]{0,30}") {
            let folded = fold(&name);
            prop_assert_eq!(fold(&folded), folded.clone());
            prop_assert_eq!(fold(&name.to_lowercase()), folded);
        }

        #[test]
        fn anything_can_be_folded(name in any::<String>()) {
            fold(&name);
            prop_assert!(spellings(&name).count() >= 1);
        }
    }
}
