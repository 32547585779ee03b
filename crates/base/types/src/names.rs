//! What a city is called: as people write it, in URLs, and as the first clients ask for it.
//!
//! A name is only ever a name. Whatever it holds, its [`Slug`] consists of `a-z`, `0-9` and hyphens, and nothing
//! here is an identifier, a path or a word of a shell.

use std::fmt;
use std::str::FromStr;

use deunicode::{deunicode_char, deunicode_with_tofu};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

/// The greatest number of characters of a name, in each of its forms.
pub const LONGEST: usize = 100;

/// Bytes of the hash that stands for what a slug cannot say; each is two characters.
const HASH_BYTES: usize = 6;

/// What a path in a URL, a line `CITY=n` or a file name of the first clients cannot hold. Dropped from legacy forms.
const UNFIT_FOR_LEGACY: [char; 6] = ['/', '\\', '=', '%', '?', '#'];

/// Why a text is not the name of a city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// There is nothing but white space.
    #[error("the name of the city is empty; write one")]
    Empty,
    /// It is longer than [`LONGEST`], or would be in capitals.
    #[error("the name of the city has more than {LONGEST} characters; shorten it")]
    TooLong,
    /// It holds a character that controls the text instead of being part of it.
    #[error("the name of the city holds the control character U+{:04X}; remove it", *.0 as u32)]
    Control(char),
    /// It has no letter of any script.
    #[error("the name of the city has no letter; write it in any script")]
    NoLetter,
}

/// The name of a city, in any script.
///
/// Names that differ in capitals, accents, punctuation or in underscores for spaces have the same
/// [slug](Self::slug) and so mean the same city: `New York`, `NEW_YORK` and `new york`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 100, example = "New York")]
pub struct CityName(String);

impl CityName {
    /// Reads a name: composes its characters (Unicode NFC), takes underscores for spaces, and collapses and trims
    /// white space. A name all in capitals or all in small letters gets the capitals of a title.
    ///
    /// # Errors
    /// When nothing is left, when it is longer than [`LONGEST`], and when it has a control character or no letter.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(control) = text.chars().find(|&character| is_control(character)) {
            return Err(NameError::Control(control));
        }
        let typed = collapsed(&text.replace('_', " "));
        if typed.is_empty() {
            return Err(NameError::Empty);
        }
        let name = Self(titled(typed));
        // Capitals can be longer: the upper case of `ß` is `SS`.
        if [&name.0, &name.legacy()].iter().any(|form| form.chars().count() > LONGEST) {
            return Err(NameError::TooLong);
        }
        if name.0.chars().any(char::is_alphabetic) { Ok(name) } else { Err(NameError::NoLetter) }
    }

    /// As people write it: `New York`.
    pub fn display(&self) -> &str {
        &self.0
    }

    /// As URLs say it: `new-york`. Letters of other scripts and with accents become their nearest in ASCII
    /// (`Köln` is `koln`, `北京` is `bei-jing`). Where some have none, or where the slug would be longer than
    /// [`LONGEST`], it ends with a hash of the name, so that different names stay different.
    pub fn slug(&self) -> Slug {
        // From the legacy form, since that is the same for all ways to write the name.
        let key = self.legacy().to_lowercase();
        let plain = hyphenated(&deunicode_with_tofu(&key, ""));
        let is_lossy = key.chars().any(|letter| letter.is_alphabetic() && deunicode_char(letter).is_none());
        if is_lossy || plain.is_empty() || plain.len() > LONGEST {
            return Slug(with_hash(&plain, &key));
        }
        Slug(plain)
    }

    /// As the first clients ask for it: in capitals, with underscores for spaces, and without what would break a
    /// URL or a file of theirs. `NEW_YORK`, `KÖLN`, `XI'AN`.
    pub fn legacy(&self) -> String {
        // Small letters first: the capital `ẞ` is a capital already, but `ß` becomes `SS`.
        let capitals = self.0.to_lowercase().to_uppercase().replace(UNFIT_FOR_LEGACY, "");
        collapsed(&capitals).replace(' ', "_")
    }
}

impl fmt::Display for CityName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for CityName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for CityName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<CityName> for String {
    fn from(name: CityName) -> Self {
        name.0
    }
}

/// Control characters, and those that turn the direction of what follows, by which one name can look like another.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters composed, one space between words and none around them.
fn collapsed(text: &str) -> String {
    let composed: String = text.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Gives a text without capitals, or of nothing but capitals, the capitals of a title.
fn titled(text: String) -> String {
    let (has_small, has_capital) =
        (text.chars().any(char::is_lowercase), text.chars().any(char::is_uppercase));
    if has_small == has_capital {
        return text;
    }
    let words = text.split_inclusive([' ', '-']).map(capitalised);
    words.collect::<String>().nfc().collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let Some(first) = letters.next() else { return String::new() };
    let mut capital = first.to_lowercase().flat_map(char::to_uppercase);
    // Where a capital is several letters (`ß`), only the first of them is one.
    let head = capital.next().into_iter().chain(capital.flat_map(char::to_lowercase));
    head.collect::<String>() + &letters.as_str().to_lowercase()
}

/// Letters and digits with single hyphens between them; apostrophes join (`Xi'an` is `xian`).
fn hyphenated(ascii: &str) -> String {
    let joined = ascii.replace(['\'', '`'], "").to_ascii_lowercase();
    let words = joined.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// As much of a slug as fits, or `city`, and the first bytes of the SHA-256 of the whole name.
fn with_hash(plain: &str, key: &str) -> String {
    let fitting: String = plain.chars().take(LONGEST - 2 * HASH_BYTES - 1).collect();
    let start = Some(fitting.trim_end_matches('-')).filter(|start| !start.is_empty()).unwrap_or("city");
    let hash = Sha256::digest(key);
    hash.iter().take(HASH_BYTES).fold(format!("{start}-"), |slug, byte| format!("{slug}{byte:02x}"))
}

/// Why a text is not a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a slug has 1 to {LONGEST} letters a-z and digits with single hyphens between them, as in new-york")]
pub struct SlugError;

/// The name of a city in URLs: `[a-z0-9]+(-[a-z0-9]+)*`, at most [`LONGEST`] characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 100, example = "new-york")]
pub struct Slug(String);

impl Slug {
    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Slug {
    type Error = SlugError;

    fn try_from(text: String) -> Result<Self, SlugError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
        };
        if text.len() <= LONGEST && text.split('-').all(is_word) { Ok(Self(text)) } else { Err(SlugError) }
    }
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, SlugError> {
        Self::try_from(text.to_owned())
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> CityName {
        CityName::parse(text).unwrap()
    }

    #[test]
    fn a_name_has_a_display_form_a_slug_and_a_legacy_form() {
        for (typed, display, slug, legacy) in [
            ("New York", "New York", "new-york", "NEW_YORK"),
            ("NEW_YORK", "New York", "new-york", "NEW_YORK"),
            ("NEW YORK", "New York", "new-york", "NEW_YORK"),
            ("new_york", "New York", "new-york", "NEW_YORK"),
            ("New_York", "New York", "new-york", "NEW_YORK"),
            ("  new \u{2003} york ", "New York", "new-york", "NEW_YORK"),
            ("Köln", "Köln", "koln", "KÖLN"),
            ("Ko\u{308}ln", "Köln", "koln", "KÖLN"),
            ("KÖLN", "Köln", "koln", "KÖLN"),
            ("Gießen", "Gießen", "giessen", "GIESSEN"),
            ("Xi'an", "Xi'an", "xian", "XI'AN"),
            ("Xi’an", "Xi’an", "xian", "XI’AN"),
            ("stratford-upon-avon", "Stratford-Upon-Avon", "stratford-upon-avon", "STRATFORD-UPON-AVON"),
            ("Stratford-upon-Avon", "Stratford-upon-Avon", "stratford-upon-avon", "STRATFORD-UPON-AVON"),
            ("St. John's", "St. John's", "st-johns", "ST._JOHN'S"),
            ("Rom", "Rom", "rom", "ROM"),
            ("Å", "Å", "a", "Å"),
            ("北京", "北京", "bei-jing", "北京"),
            ("МОСКВА", "Москва", "moskva", "МОСКВА"),
            ("İstanbul", "İstanbul", "istanbul", "İSTANBUL"),
            ("50%/A=B?#c", "50%/A=B?#c", "50abc", "50ABC"),
            ("$(reboot)", "$(reboot)", "reboot", "$(REBOOT)"),
            (
                "x'; DROP TABLE cities--",
                "x'; DROP TABLE cities--",
                "x-drop-table-cities",
                "X';_DROP_TABLE_CITIES--",
            ),
            ("../../etc/passwd", "../../etc/passwd", "etcpasswd", "....ETCPASSWD"),
        ] {
            let name = name(typed);
            let forms = (name.display(), name.slug().to_string(), name.legacy());
            assert_eq!(forms, (display, slug.to_owned(), legacy.to_owned()), "{typed}");
        }
    }

    #[test]
    fn what_is_not_a_name_is_refused_with_the_reason() {
        for (text, error) in [
            ("", NameError::Empty),
            (" _ ", NameError::Empty),
            ("..", NameError::NoLetter),
            ("42", NameError::NoLetter),
            ("😀", NameError::NoLetter),
            ("New\nYork", NameError::Control('\n')),
            ("Berlin\0", NameError::Control('\0')),
            ("nil\u{202E}reB", NameError::Control('\u{202E}')),
            (&"x".repeat(101), NameError::TooLong),
            (&"ß".repeat(51), NameError::TooLong),
        ] {
            assert_eq!(CityName::parse(text), Err(error), "{text:?}");
        }
        assert!(CityName::parse(&"x".repeat(100)).is_ok());
        assert!(CityName::parse(&"ß".repeat(50)).is_ok());
        assert_eq!(
            NameError::Control('\u{7}').to_string(),
            "the name of the city holds the control character U+0007; remove it"
        );
    }

    #[test]
    fn names_that_ascii_cannot_say_have_slugs_of_their_own() {
        let (one, two) = (name("\u{13000}\u{13001}").slug(), name("\u{13001}\u{13000}").slug());
        assert_ne!(one, two);
        for slug in [&one, &two] {
            assert!(slug.as_str().starts_with("city-") && slug.as_str().len() == 17, "{slug}");
        }
        assert!(name("Thebes \u{13000}").slug().as_str().starts_with("thebes-"));
        let (one, two) = ("京".repeat(99) + "北", "京".repeat(99) + "南");
        assert_ne!(name(&one).slug(), name(&two).slug());
    }

    #[test]
    fn slugs_are_validated() {
        for good in ["new-york", "a", "42", "paris-us-tx", &"a".repeat(100)] {
            assert_eq!(good.parse::<Slug>().unwrap().as_str(), good);
            let json = serde_json::to_string(good).unwrap();
            assert_eq!(serde_json::from_str::<Slug>(&json).unwrap().to_string(), good);
        }
        for bad in ["", "-", "a-", "-a", "a--b", "A", "ö", "a b", "a/b", "a\n", &"a".repeat(101)] {
            assert_eq!(bad.parse::<Slug>(), Err(SlugError), "{bad:?}");
            assert!(serde_json::from_value::<Slug>(bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_in_json_is_its_display_form() {
        let read: CityName = serde_json::from_str(r#""NEW_YORK""#).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), r#""New York""#);
        assert!(serde_json::from_str::<CityName>(r#""..""#).is_err());
    }

    /// All forms of a name are names of the same city, and reading a form again changes nothing.
    fn forms_agree(text: &str) -> Result<(), TestCaseError> {
        let Ok(name) = CityName::parse(text) else { return Ok(()) };
        let (slug, legacy) = (name.slug(), name.legacy());
        prop_assert_eq!(slug.as_str().parse::<Slug>(), Ok(slug.clone()));
        prop_assert_eq!(CityName::parse(name.display()), Ok(name));
        let again = CityName::parse(&legacy);
        prop_assert!(again.is_ok(), "{} is refused", legacy);
        let again = again.unwrap();
        prop_assert_eq!(again.legacy(), legacy);
        prop_assert_eq!(&again.slug(), &slug);
        Ok(())
    }

    #[test]
    fn the_forms_agree_for_every_character_that_has_other_forms() {
        let is_formed = |character: &char| {
            let text = character.to_string();
            text.to_lowercase() != text || text.to_uppercase() != text || text.chars().nfc().ne(text.chars())
        };
        for character in (0..=0x2FFFF).filter_map(char::from_u32).filter(is_formed) {
            for text in
                [format!("{character}"), format!("a{character}b"), format!("A{character}B {character}")]
            {
                forms_agree(&text).unwrap_or_else(|error| panic!("{character:?}: {error}"));
            }
        }
    }

    proptest! {
        #[test]
        fn the_forms_agree(text in any::<String>()) {
            forms_agree(&text)?;
        }

        #[test]
        fn the_forms_of_words_agree(text in "[\\p{L}\\p{M}\\p{Zs}_'/%=.-]{1,60}") {
            forms_agree(&text)?;
        }

        #[test]
        fn underscores_and_capitals_do_not_matter(text in "[A-Za-zÀ-ÿ '-]{1,40}") {
            let Ok(typed) = CityName::parse(&text) else { return Ok(()) };
            for form in [text.replace(' ', "_"), text.to_uppercase(), text.to_lowercase()] {
                let other = CityName::parse(&form);
                prop_assert_eq!(other.map(|name| name.slug()), Ok(typed.slug()));
            }
        }
    }
}
