//! Names in the form in which they are compared.

use deunicode::{deunicode, deunicode_char};
use unicode_normalization::UnicodeNormalization;

/// Letters are counted by so many kinds; those of one script rarely share one.
const KINDS: usize = 32;

/// A name in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// All of it.
    pub(super) whole: Words,
    /// Without the city's name and the word `city`.
    pub(super) bare: Words,
    /// Its numbers and single capitals, by which halls and towers are told apart.
    pub(super) marks: Vec<String>,
}

/// Words without capitals, accents and punctuation, and without the spaces between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    /// Where words begin in the text, and where the last one ends.
    bounds: Vec<usize>,
    /// How many letters there are.
    pub(super) letters: usize,
    /// How often those of each kind.
    counts: [u8; KINDS],
}

/// The names of the city as words.
#[derive(Debug, Clone, Default)]
pub(super) struct CityWords(Vec<Vec<String>>);

impl CityWords {
    pub(super) fn new(names: &[String]) -> Self {
        let words = names.iter().map(|name| folded(name)).chain([vec!["city".to_owned()]]);
        let mut words: Vec<Vec<String>> = words.filter(|words| !words.is_empty()).collect();
        // The longest first: `New York City` before `New York`.
        words.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        words.dedup();
        Self(words)
    }

    fn removed_from(&self, words: &[String]) -> Vec<String> {
        let mut rest = words;
        let mut kept = Vec::with_capacity(words.len());
        while let Some((first, behind)) = rest.split_first() {
            match self.0.iter().find(|name| rest.starts_with(name)) {
                Some(name) => rest = &rest[name.len()..],
                None => {
                    kept.push(first.clone());
                    rest = behind;
                }
            }
        }
        kept
    }
}

impl Form {
    pub(super) fn new(name: &str, city: &CityWords) -> Self {
        let words = folded(name);
        let bare = Words::new(&city.removed_from(&words));
        Self { whole: Words::new(&words), bare, marks: marks(name) }
    }
}

impl Words {
    fn new(words: &[String]) -> Self {
        let mut bounds = vec![0];
        let ends = words.iter().scan(0, |end, word| {
            *end += word.len();
            Some(*end)
        });
        bounds.extend(ends);
        let text = words.concat();
        let mut counts = [0_u8; KINDS];
        for letter in text.chars() {
            let count = &mut counts[letter as usize % KINDS];
            *count = count.saturating_add(1);
        }
        Self { letters: text.chars().count(), text, bounds, counts }
    }

    /// At most so many letters are in both texts, of less than 256 letters each.
    pub(super) fn most_common(&self, other: &Self) -> usize {
        let pairs = self.counts.iter().zip(&other.counts);
        pairs.map(|(one, other)| usize::from(*one.min(other))).sum()
    }

    /// How many letters it has when it is said in Latin ones: a word in Chinese is short, but says as much.
    pub(super) fn latin_letters(&self) -> usize {
        deunicode(&self.text).chars().filter(|letter| letter.is_alphanumeric()).count()
    }

    /// Whether all of `other` stands in it as whole words. In a text of one word there is no telling.
    pub(super) fn hold(&self, other: &Self) -> bool {
        let is_bound = |place: usize| self.bounds.len() <= 2 || self.bounds.binary_search(&place).is_ok();
        let mut places =
            self.text.match_indices(&other.text).map(|(place, found)| (place, place + found.len()));
        !other.text.is_empty() && places.any(|(start, end)| is_bound(start) && is_bound(end))
    }
}

/// The words of a name, as they are written.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = None;
    for letter in name.nfkc() {
        let is_new = before.is_some_and(|before| begins_word(before, letter));
        match words.last_mut() {
            // A mark without a letter before it says nothing.
            Some(last) if !is_new => {
                last.extend(
                    Some(letter).filter(|&letter| is_kept(letter) && !(last.is_empty() && is_mark(letter))),
                );
            }
            _ => words.push(
                Some(letter).filter(|&letter| is_kept(letter) && !is_mark(letter)).into_iter().collect(),
            ),
        }
        before = Some(letter);
    }
    words.retain(|word| !word.is_empty());
    // Marks that something stood between may have another order now.
    words.into_iter().map(|word| word.nfkc().collect()).collect()
}

/// Whether a word begins at this letter: behind a space or punctuation, at a hump (`BrandenburgGate`), and everywhere
/// in scripts without spaces.
fn begins_word(before: char, letter: char) -> bool {
    let is_joint =
        |letter: char| matches!(letter, '\'' | '’' | 'ʼ' | '`') || is_invisible(letter) || is_mark(letter);
    let is_gap = |letter: char| !letter.is_alphanumeric() && !is_joint(letter);
    is_gap(before)
        || is_gap(letter)
        || (before.is_lowercase() && letter.is_uppercase())
        || (is_unspaced(letter) && !is_mark(letter))
        || (is_unspaced(before) && !is_unspaced(letter))
}

/// Soft hyphens and characters without width.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Accents that stand behind their letters.
fn is_mark(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter)
}

/// Scripts that put no spaces between words: Thai to Myanmar, Khmer, kana, ideographs.
fn is_unspaced(letter: char) -> bool {
    matches!(letter, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn is_kept(letter: char) -> bool {
    letter.is_alphanumeric() || is_mark(letter)
}

fn folded(name: &str) -> Vec<String> {
    words(name)
        .iter()
        .map(|word| word.chars().flat_map(char::to_lowercase).map(plain).collect::<String>())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

/// A letter without accents where these are left away by many: in Latin, Greek and Cyrillic. `ß` is `ss`.
fn plain(letter: char) -> String {
    match letter {
        '\u{300}'..='\u{36F}' => String::new(),
        'ς' => "σ".to_owned(),
        'ё' => "е".to_owned(),
        // Latin letters of all kinds.
        '\u{80}'..='\u{2AF}' | '\u{1E00}'..='\u{1EFF}' => deunicode_char(letter)
            .unwrap_or_default()
            .to_lowercase()
            .replace(|ascii: char| !ascii.is_ascii_alphanumeric(), ""),
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => {
            letter.nfd().filter(|part| !is_mark(*part)).collect()
        }
        other => other.to_string(),
    }
}

/// Numbers, Roman ones, too, and single capitals.
fn marks(name: &str) -> Vec<String> {
    words(name).iter().flat_map(|word| marks_of(word)).collect()
}

fn marks_of(word: &str) -> Vec<String> {
    if let Some(number) = roman(word) {
        return vec![number.to_string()];
    }
    let mut letters = word.chars();
    if let (Some(only), None) = (letters.next(), letters.next())
        && only.is_uppercase()
    {
        return vec![only.to_lowercase().collect()];
    }
    let digits = word.split(|letter: char| !letter.is_numeric()).filter(|digits| !digits.is_empty());
    digits.map(|digits| without_zeros(&deunicode(digits))).collect()
}

/// `007` is 7.
fn without_zeros(digits: &str) -> String {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0".to_owned() } else { rest.to_owned() }
}

/// A Roman number below 40 in capitals: what kings and terminals have.
fn roman(word: &str) -> Option<u32> {
    if word.is_empty() || word.len() > 7 {
        return None;
    }
    let digits = word.chars().map(|letter| match letter {
        'I' => Some(1),
        'V' => Some(5),
        'X' => Some(10),
        _ => None,
    });
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let next = digits.iter().skip(1).chain([&0]);
    let (added, taken) = digits.iter().zip(next).fold((0, 0), |(added, taken), (digit, next)| {
        if digit < next { (added, taken + digit) } else { (added + digit, taken) }
    });
    Some(added - taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(name: &str, city: &[&str]) -> Form {
        let names: Vec<String> = city.iter().map(ToString::to_string).collect();
        Form::new(name, &CityWords::new(&names))
    }

    fn whole(name: &str) -> String {
        form(name, &[]).whole.text
    }

    #[test]
    fn spellings_of_a_name_have_one_form() {
        for (names, text) in [
            (
                &["Brandenburg Gate", "BRANDENBURG_GATE", "BrandenburgGate", "brandenburg-gate!"][..],
                "brandenburggate",
            ),
            (&["Siegessäule", "SIEGESSÄULE", "Siegessa\u{308}ule"], "siegessaule"),
            (&["Schloß", "SCHLOSS", "Schloss"], "schloss"),
            (&["King's Cross", "King’s Cross", "KINGS CROSS"], "kingscross"),
            (&["Ｔｏｋｙｏ Ｔｏｗｅｒ", "Tokyo Tower"], "tokyotower"),
            (&["Ακρόπολης", "ΑΚΡΟΠΟΛΗΣ"], "ακροπολησ"),
            (&["Пётр", "ПЕТР"], "петр"),
            (&["故宫"], "故宫"),
            (&["", "!?", "😀"], ""),
        ] {
            for name in names {
                assert_eq!(whole(name), text, "{name}");
            }
        }
        assert_ne!(whole("が"), whole("か"), "these marks are no accents");
        assert_ne!(whole("रोम"), whole("राम"));
    }

    #[test]
    fn the_name_of_the_city_is_taken_out_as_words() {
        for (name, city, bare) in [
            ("Berlin Cathedral", &["Berlin"][..], "cathedral"),
            ("BerlinCityHall", &["BERLIN"], "hall"),
            ("New York City Hall", &["New York", "New York City"], "hall"),
            ("Berliner Dom", &["Berlin"], "berlinerdom"),
            ("Romantic Museum", &["Rom"], "romanticmuseum"),
            ("北京故宫", &["Beijing", "北京"], "故宫"),
            ("Berlin City", &["Berlin"], ""),
        ] {
            assert_eq!(form(name, city).bare.text, bare, "{name}");
        }
    }

    #[test]
    fn words_hold_whole_words() {
        let hold = |long: &str, short: &str| form(long, &[]).whole.hold(&form(short, &[]).whole);
        assert!(hold("The National Gallery of Art", "National Gallery"));
        assert!(hold("The National Gallery of Art", "NATIONALGALLERY"));
        assert!(!hold("International Gallery", "National Gallery"));
        assert!(hold("INTERNATIONALGALLERY", "National Gallery"), "there is no telling");
        assert!(hold("北京天安门广场", "天安门"));
        assert!(hold("The Branden\u{AD}burg Gate", "Brandenburg Gate"));
        assert!(!hold("The Branden burg Gate", "burgGateHouse"));
        assert!(!hold("Tower", "") && !hold("", "Tower"));
    }

    #[test]
    fn numbers_and_single_capitals_are_marks() {
        for (name, marks) in [
            ("Tower 1", &["1"][..]),
            ("Pier39", &["39"]),
            ("Pier 039, Gate 7", &["39", "7"]),
            ("Terminal II", &["2"]),
            ("Henry XIV", &["14"]),
            ("Hall A", &["a"]),
            ("Wohnpark ２", &["2"]),
            ("Tower of London", &[]),
            ("Statue of a Lion", &[]),
        ] {
            assert_eq!(form(name, &[]).marks, marks, "{name}");
        }
    }

    #[test]
    fn the_length_is_counted_in_latin_letters() {
        assert_eq!(form("天安门", &[]).whole.latin_letters(), "tiananmen".len());
        assert_eq!(form("Café 7", &[]).whole.latin_letters(), 5);
    }

    #[test]
    fn marks_that_lost_their_letter_do_not_count() {
        for (name, expected) in
            [("\u{2de0}\u{384}\u{16ff0}", ""), ("a\u{2de0}'\u{16ff0}", "a\u{16ff0}\u{2de0}")]
        {
            assert_eq!(whole(name), expected);
            assert_eq!(whole(&whole(name)), whole(name));
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_form(name in any::<String>()) {
            let form = form(&name, &["Berlin"]);
            prop_assert!(form.bare.letters <= form.whole.letters && form.whole.letters == form.whole.text.chars().count());
            prop_assert!(form.whole.text.is_empty() || form.whole.hold(&form.whole));
        }

        #[test]
        fn texts_share_no_more_letters_than_they_may(one in "[a-d]{0,9}", other in "[a-d]{0,9}") {
            let (one, other) = (form(&one, &[]).whole, form(&other, &[]).whole);
            let letters = |words: &Words| words.text.chars().collect::<Vec<_>>();
            let percent = crate::cleanup::ratio::percent(&letters(&one), &letters(&other));
            let most = crate::cleanup::ratio::percent_of(one.most_common(&other), one.letters + other.letters);
            prop_assert!(usize::from(percent) <= most || one.letters + other.letters == 0);
        }

        #[test]
        fn a_form_stays(name in "[a-zA-ZÀ-ÖØ-öø-ɏΑ-ΡΣ-Ωα-ωА-яЁё一-鿿0-9' -]{0,30}") {
            let text = whole(&name);
            prop_assert_eq!(whole(&text), text);
        }

        #[test]
        fn capitals_and_spaces_do_not_matter(name in "[a-zA-ZÀ-ÖØ-öø-ɏА-яЁё一-鿿 '-]{0,30}") {
            prop_assert_eq!(whole(&name.to_lowercase()), whole(&name));
            prop_assert_eq!(whole(&name.replace(' ', "  ")), whole(&name));
        }
    }
}
