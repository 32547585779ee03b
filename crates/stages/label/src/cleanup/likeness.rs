//! Whether two names look as if they meant the same.

use super::form::Form;
use super::ratio::{percent, percent_of};

/// Names are alike from here on, of 100; the original's threshold.
const ALIKE: u8 = 90;

/// A name that is held by another one must have more letters, without the city's; the original's guard.
const TOO_SHORT: usize = 9;

/// Longer names are not compared letter by letter, which takes time by the square of their length.
const TOO_LONG: usize = 200;

/// What two names have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// One holds the other, which has so many letters.
    Contained(usize),
    /// They are written almost the same: how much, of 100.
    Alike(u8),
}

/// What two names have in common, if anything.
pub(super) fn likeness(one: &Form, other: &Form) -> Option<Likeness> {
    let is_city = one.bare.text.is_empty() || other.bare.text.is_empty();
    if is_city || one.marks != other.marks {
        return None;
    }
    contained(one, other).or_else(|| alike(one, other))
}

fn contained(one: &Form, other: &Form) -> Option<Likeness> {
    let is_shorter = one.bare.text.len() <= other.bare.text.len();
    let (short, long) = if is_shorter { (&one.bare, &other.bare) } else { (&other.bare, &one.bare) };
    let is_held = long.hold(short) && short.latin_letters() > TOO_SHORT;
    is_held.then_some(Likeness::Contained(short.letters))
}

fn alike(one: &Form, other: &Form) -> Option<Likeness> {
    let pairs = [(&one.whole, &other.whole), (&one.bare, &other.bare)];
    // Most names have so few letters in common that their order does not matter.
    let may_be = pairs.iter().all(|(one, other)| {
        one.letters.max(other.letters) <= TOO_LONG
            && percent_of(one.most_common(other), one.letters + other.letters) >= usize::from(ALIKE)
    });
    if !may_be {
        return None;
    }
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    let percents = pairs.map(|(one, other)| percent(&letters(&one.text), &letters(&other.text)));
    let least = percents.into_iter().min().filter(|&percent| percent >= ALIKE);
    least.map(Likeness::Alike)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleanup::form::CityWords;

    fn of(one: &str, other: &str, city: &str) -> Option<Likeness> {
        let city = CityWords::new(&[city.to_owned()]);
        let forms = [one, other].map(|name| Form::new(name, &city));
        assert_eq!(likeness(&forms[0], &forms[1]), likeness(&forms[1], &forms[0]), "{one} {other}");
        likeness(&forms[0], &forms[1])
    }

    #[test]
    fn a_name_that_is_long_enough_is_held() {
        for (one, other, letters) in [
            ("Brandenburg Gate", "Brandenburg Gate at Night", Some(15)),
            ("Brandenburg Gate", "Berlin Brandenburg Gate", Some(15)),
            ("Victory Column", "The Victory Column, Berlin", Some(13)),
            ("天安门广场", "北京天安门广场夜景", Some(5)),
            ("Cathedral", "Cathedral Museum", None),
            ("Berlin Wall", "Berlin Wall Memorial", None),
            ("National Gallery", "International Gallery", None),
        ] {
            assert_eq!(of(one, other, "Berlin"), letters.map(Likeness::Contained), "{one} {other}");
        }
    }

    #[test]
    fn names_are_alike_from_90_on() {
        for (one, other, percent) in [
            ("Brandenburg Gate", "Brandenburger Gate", Some(94)),
            ("Siegessäule", "Siegessaeule", Some(96)),
            ("Kaiser Wilhelm Church", "Kaiser Wilhelm Charch", Some(95)),
            ("Brandenburg Gate", "Brandenburger Tor", None),
            ("Old Museum", "New Museum", None),
            ("故宫博物院", "故宫博物馆", None),
        ] {
            assert_eq!(of(one, other, "Berlin"), percent.map(Likeness::Alike), "{one} {other}");
        }
    }

    #[test]
    fn the_name_of_the_city_makes_nothing_alike() {
        assert_eq!(of("San Francisco City Hall", "San Francisco City Mall", "San Francisco"), None);
        assert_eq!(of("San Francisco", "San Francisco City", "San Francisco"), None);
        assert_eq!(of("Shenzhen", "Shenzhen City Museum", "Shenzhen"), None);
    }

    #[test]
    fn other_numbers_are_other_sights() {
        for (one, other) in [
            ("Petronas Tower 1", "Petronas Tower 2"),
            ("Central Terminal I", "Central Terminal II"),
            ("Exhibition Hall A", "Exhibition Hall B"),
            ("Central Terminal", "Central Terminal 2"),
        ] {
            assert_eq!(of(one, other, "Berlin"), None, "{one} {other}");
        }
        assert_eq!(
            of("Petronas Tower 2", "The Petronas Tower II", "Berlin"),
            None,
            "the one numeral is not in the other"
        );
        assert_eq!(of("Petronas Tower 2", "The Petronas Tower 2", "Berlin"), Some(Likeness::Contained(14)));
    }

    #[test]
    fn very_long_names_are_compared_in_no_time() {
        let (one, other) = ("ab ".repeat(50_000), "ba ".repeat(50_000));
        assert_eq!(of(&one, &other, "Berlin"), None);
    }
}
