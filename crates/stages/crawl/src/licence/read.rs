//! What sources say of licences, read.

use reqwest::Url;

use super::{Licence, Terms};

impl Licence {
    /// A licence as it is named in words (`CC BY-SA 4.0`), by its SPDX identifier, or by the address of its text. What is
    /// not understood is [`Licence::Other`]; `None` when nothing is said.
    pub fn read(words: &str) -> Option<Self> {
        let words = words.trim();
        if words.is_empty() {
            return None;
        }
        let known = if words.contains("://") { of_address(words) } else { of_words(words) };
        Some(known.unwrap_or_else(|| Self::Other(words.to_owned())))
    }

    /// A licence as Openverse names it: `by-sa` and `4.0`, `cc0`, `pdm`.
    pub fn of_openverse(licence: &str, version: Option<&str>) -> Option<Self> {
        match licence.trim() {
            "" => None,
            "pdm" => Some(Self::PublicDomainMark),
            "cc0" => Some(Self::Cc0),
            terms => Self::read(&format!("CC {terms} {}", version.unwrap_or_default())),
        }
    }

    /// A licence by its number in Flickr.
    pub fn of_flickr(number: u32) -> Option<Self> {
        let words = match number {
            0 => "All rights reserved",
            1 => "CC BY-NC-SA 2.0",
            2 => "CC BY-NC 2.0",
            3 => "CC BY-NC-ND 2.0",
            4 => "CC BY 2.0",
            5 => "CC BY-SA 2.0",
            6 => "CC BY-ND 2.0",
            7 => "No known copyright restrictions",
            8 => "United States Government Work",
            9 => "CC0 1.0",
            10 => "PDM 1.0",
            11 => "CC BY 4.0",
            12 => "CC BY-SA 4.0",
            13 => "CC BY-ND 4.0",
            14 => "CC BY-NC 4.0",
            15 => "CC BY-NC-SA 4.0",
            16 => "CC BY-NC-ND 4.0",
            _ => return None,
        };
        Self::read(words)
    }
}

/// The licence whose text is at an address of creativecommons.org.
fn of_address(address: &str) -> Option<Licence> {
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?;
    if host.strip_prefix("www.").unwrap_or(host) != "creativecommons.org" {
        return None;
    }
    let path: Vec<&str> = url.path_segments()?.filter(|segment| !segment.is_empty()).collect();
    match path.as_slice() {
        ["publicdomain", "zero", ..] => Some(Licence::Cc0),
        ["publicdomain", "mark", ..] => Some(Licence::PublicDomainMark),
        ["licenses", "publicdomain", ..] => Some(Licence::PublicDomain),
        ["licenses", terms, version, rest @ ..] => {
            // `deed.de` is a translation of the summary, `de` a licence of its own.
            let port = rest.first().filter(|segment| is_port(segment)).copied().unwrap_or_default();
            of_words(&format!("CC {terms} {version} {port}"))
        }
        _ => None,
    }
}

/// A licence in words that are in use, whatever separates them.
fn of_words(words: &str) -> Option<Licence> {
    let lower = words.to_ascii_lowercase().replace("creative commons", "cc");
    let is_separator = |letter: char| !letter.is_ascii_alphanumeric() && letter != '.';
    let tokens: Vec<&str> = lower.split(is_separator).filter(|token| !token.is_empty()).collect();
    match tokens.as_slice() {
        ["cc0" | "cc0.1.0"] | ["cc0", "1.0"] | ["cc", "zero" | "0"] | ["cc", "zero" | "0", "1.0"] => {
            Some(Licence::Cc0)
        }
        ["pdm"] | ["pdm", "1.0"] | ["licenseref", "pdm"] => Some(Licence::PublicDomainMark),
        ["public", "domain", "mark"] | ["public", "domain", "mark", "1.0"] => Some(Licence::PublicDomainMark),
        ["pd"] | ["public", "domain"] => Some(Licence::PublicDomain),
        ["cc", terms @ ..] => terms_of(terms).map(Licence::CreativeCommons),
        _ => None,
    }
}

/// The terms after `CC`: conditions, then a version, then a jurisdiction. Every word has to be understood, because one
/// that is not may take a right away.
fn terms_of(tokens: &[&str]) -> Option<Terms> {
    let mut terms = Terms::default();
    let conditions = tokens.iter().take_while(|token| add_condition(&mut terms, token)).count();
    let (conditions, rest) = tokens.split_at(conditions);
    if !matches!(conditions.first(), Some(&("by" | "attribution"))) {
        return None;
    }
    let versions = rest.iter().take_while(|token| is_version(token)).count();
    // `CC BY-SA 2.5,2.0,1.0` is a choice, which the first one takes.
    terms.version = rest.first().filter(|_| versions > 0).map(|version| (*version).to_owned());
    match &rest[versions..] {
        // The words in front of a port are names of the unported licences.
        [] | ["international" | "generic" | "unported" | "migrated"] => {}
        [port] if versions > 0 && is_port(port) => terms.port = Some(port.to_ascii_uppercase()),
        _ => return None,
    }
    let contradicts_itself = terms.share_alike && terms.no_derivatives;
    (!contradicts_itself).then_some(terms)
}

/// Notes a condition; `false` when this is none.
fn add_condition(terms: &mut Terms, token: &str) -> bool {
    match token {
        "by" | "attribution" => {}
        "nc" | "noncommercial" => terms.non_commercial = true,
        "nd" | "noderivs" | "noderivatives" => terms.no_derivatives = true,
        "sa" | "sharealike" => terms.share_alike = true,
        _ => return false,
    }
    true
}

fn is_version(token: &str) -> bool {
    matches!(token.as_bytes(), [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Two letters of a country; a condition at this place is none.
fn is_port(token: &str) -> bool {
    let is_condition = matches!(token, "by" | "nc" | "nd" | "sa");
    let is_country = token.len() == 2 && token.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_country && !is_condition) || matches!(token, "igo" | "scotland")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(words: &str) -> String {
        Licence::read(words).unwrap().to_string()
    }

    #[test]
    fn words_of_sources_become_spdx_identifiers() {
        for (words, spdx) in [
            ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
            ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
            ("cc by 2.0", "CC-BY-2.0"),
            ("Creative Commons Attribution-ShareAlike 3.0", "CC-BY-SA-3.0"),
            ("CC BY-SA 3.0 de", "CC-BY-SA-3.0-DE"),
            ("CC BY-SA 2.5,2.0,1.0", "CC-BY-SA-2.5"),
            ("CC-BY-SA-3.0-migrated", "CC-BY-SA-3.0"),
            ("CC BY-ND-NC 1.0", "CC-BY-NC-ND-1.0"),
            ("CC0", "CC0-1.0"),
            ("CC0 1.0", "CC0-1.0"),
            ("CC0-1.0", "CC0-1.0"),
            ("Public Domain Mark 1.0", "LicenseRef-PDM"),
            ("Public domain", "Public domain"),
            ("CC BY-SA 3.0 fr", "CC BY-SA 3.0 FR"),
            ("CC BY-SA", "CC BY-SA"),
            ("GFDL 1.2", "GFDL 1.2"),
        ] {
            assert_eq!(written(words), spdx, "{words}");
        }
    }

    #[test]
    fn addresses_of_texts_become_spdx_identifiers() {
        for (address, spdx) in [
            ("https://creativecommons.org/licenses/by-sa/4.0", "CC-BY-SA-4.0"),
            ("http://creativecommons.org/licenses/by/2.0/deed.en", "CC-BY-2.0"),
            ("https://www.creativecommons.org/licenses/by/3.0/de/deed.de", "CC-BY-3.0-DE"),
            ("https://creativecommons.org/publicdomain/zero/1.0/deed.en", "CC0-1.0"),
            ("https://creativecommons.org/publicdomain/mark/1.0/", "LicenseRef-PDM"),
            ("https://example.org/licenses/by/4.0/", "https://example.org/licenses/by/4.0/"),
            (
                "https://creativecommons.org/licenses/sampling+/1.0/",
                "https://creativecommons.org/licenses/sampling+/1.0/",
            ),
        ] {
            assert_eq!(written(address), spdx, "{address}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_free() {
        for words in [
            "All rights reserved",
            "GFDL",
            "CC BY-SA 4.0 except for the logo",
            "CC BY 4.0 NC",
            "CC SA 1.0",
            "CC BY-SA-ND 4.0",
            "CC",
            "Public domain in the United States",
            "https://creativecommons.org.example.org/licenses/by/4.0/",
            "https://creativecommons.org/licenses/by-nc/4.0/",
        ] {
            assert!(!Licence::read(words).unwrap().is_free(), "{words}");
        }
        assert_eq!(Licence::read("  "), None);
    }

    /// Shaped after the licences in <https://api.openverse.org/v1/>.
    #[test]
    fn licences_of_openverse() {
        let written = |licence, version| Licence::of_openverse(licence, version).unwrap().to_string();
        assert_eq!(written("by-sa", Some("4.0")), "CC-BY-SA-4.0");
        assert_eq!(written("by-nc-nd", Some("2.0")), "CC-BY-NC-ND-2.0");
        assert_eq!(written("cc0", Some("1.0")), "CC0-1.0");
        assert_eq!(written("pdm", Some("1.0")), "LicenseRef-PDM");
        assert_eq!(written("by", None), "CC BY");
        assert!(!Licence::of_openverse("sampling+", Some("1.0")).unwrap().is_free());
        assert_eq!(Licence::of_openverse("", None), None);
    }

    /// Shaped after <https://www.flickr.com/services/api/flickr.photos.licenses.getInfo.html>.
    #[test]
    fn licences_of_flickr() {
        let free: Vec<u32> =
            (0..=16).filter(|&number| Licence::of_flickr(number).unwrap().is_free()).collect();
        assert_eq!(free, [4, 5, 9, 10, 11, 12]);
        assert_eq!(Licence::of_flickr(5).unwrap().to_string(), "CC-BY-SA-2.0");
        assert_eq!(Licence::of_flickr(17), None);
    }

    fn terms() -> impl Strategy<Value = Terms> {
        let version = proptest::option::of("[1-9]\\.[0-9]");
        (any::<bool>(), 0..3, version, proptest::option::of("DE|FR|JP|UK|IGO")).prop_map(
            |(non_commercial, change, version, port)| Terms {
                non_commercial,
                no_derivatives: change == 1,
                share_alike: change == 2,
                port: port.filter(|_| version.is_some()),
                version,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(terms in terms()) {
            let licence = Licence::CreativeCommons(terms);
            prop_assert_eq!(Licence::read(&licence.to_string()), Some(licence.clone()));
            if let Some(url) = licence.url() {
                prop_assert_eq!(Licence::read(&url), Some(licence));
            }
        }

        #[test]
        fn no_condition_that_takes_a_right_away_is_passed_over(
            words in "(CC|cc) ?(BY|by|sa|SA)?[ -](4.0 )?(NC|nd|NonCommercial|NoDerivs)([ -](sa|4.0|de))?",
        ) {
            prop_assert!(!Licence::read(&words).unwrap().is_free());
        }

        #[test]
        fn any_words_are_read(words in "\\PC{0,40}") {
            let read = Licence::read(&words);
            prop_assert_eq!(read.is_none(), words.trim().is_empty());
            if let Some(licence) = read {
                prop_assert_eq!(Licence::read(&licence.to_string()), Some(licence));
            }
        }
    }
}
