//! Licences, and which of them are free.
//!
//! Sources name a licence each in their own way: Commons writes `CC BY-SA 4.0`, Openverse `by-sa` and `4.0`, Flickr `5`,
//! others the address of its text. All become a [`Licence`], whose text form is the SPDX identifier where there is one,
//! and a [`Policy`] says whether pictures under it are used.

mod policy;
mod read;

use std::fmt;

pub use policy::{Policy, Verdict};

/// The ported Creative Commons licences that SPDX lists. All unported ones of 1.0 to 4.0 are listed.
const PORTS_IN_SPDX: [&str; 21] = [
    "CC-BY-2.5-AU",
    "CC-BY-3.0-AT",
    "CC-BY-3.0-AU",
    "CC-BY-3.0-DE",
    "CC-BY-3.0-IGO",
    "CC-BY-3.0-NL",
    "CC-BY-3.0-US",
    "CC-BY-NC-3.0-DE",
    "CC-BY-NC-ND-3.0-DE",
    "CC-BY-NC-ND-3.0-IGO",
    "CC-BY-NC-SA-2.0-DE",
    "CC-BY-NC-SA-2.0-FR",
    "CC-BY-NC-SA-2.0-UK",
    "CC-BY-NC-SA-3.0-DE",
    "CC-BY-NC-SA-3.0-IGO",
    "CC-BY-ND-3.0-DE",
    "CC-BY-SA-2.0-UK",
    "CC-BY-SA-2.1-JP",
    "CC-BY-SA-3.0-AT",
    "CC-BY-SA-3.0-DE",
    "CC-BY-SA-3.0-IGO",
];

/// Versions of the unported licences.
const VERSIONS: [&str; 5] = ["1.0", "2.0", "2.5", "3.0", "4.0"];

/// Under which terms a picture may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Licence {
    /// All rights are waived: CC0 1.0.
    Cc0,
    /// Nobody has rights in it, as the Public Domain Mark says.
    PublicDomainMark,
    /// Nobody has rights in it, for a reason that the source does not name in short.
    PublicDomain,
    /// A Creative Commons licence with terms.
    CreativeCommons(Terms),
    /// Anything else, in the source's own words.
    Other(String),
}

/// What a Creative Commons licence asks for besides naming the author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// NC: not for commercial use.
    pub non_commercial: bool,
    /// ND: not to be changed.
    pub no_derivatives: bool,
    /// SA: what is made of it has the same licence.
    pub share_alike: bool,
    /// `4.0`, where the source says.
    pub version: Option<String>,
    /// The jurisdiction that it was ported to, `DE`.
    pub port: Option<String>,
}

impl Licence {
    /// Whether anybody may use and change it for any purpose: CC0, public domain, BY and BY-SA.
    pub const fn is_free(&self) -> bool {
        match self {
            Self::Cc0 | Self::PublicDomainMark | Self::PublicDomain => true,
            Self::CreativeCommons(terms) => !terms.non_commercial && !terms.no_derivatives,
            Self::Other(_) => false,
        }
    }

    /// Its SPDX identifier, where there is one. SPDX lists no mark of the public domain, so that has a reference.
    pub fn spdx(&self) -> Option<String> {
        match self {
            Self::Cc0 => Some("CC0-1.0".to_owned()),
            Self::PublicDomainMark => Some("LicenseRef-PDM".to_owned()),
            Self::CreativeCommons(terms) => terms.spdx(),
            Self::PublicDomain | Self::Other(_) => None,
        }
    }

    /// Where its text is.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Cc0 => Some("https://creativecommons.org/publicdomain/zero/1.0/".to_owned()),
            Self::PublicDomainMark => Some("https://creativecommons.org/publicdomain/mark/1.0/".to_owned()),
            Self::CreativeCommons(terms) => terms.url(),
            Self::PublicDomain | Self::Other(_) => None,
        }
    }
}

impl Terms {
    /// `BY-NC-SA`, in the order in which Creative Commons and SPDX name them.
    fn conditions(&self) -> String {
        let terms = [
            (true, "BY"),
            (self.non_commercial, "NC"),
            (self.no_derivatives, "ND"),
            (self.share_alike, "SA"),
        ];
        let asked: Vec<&str> = terms.into_iter().filter_map(|(asked, term)| asked.then_some(term)).collect();
        asked.join("-")
    }

    fn spdx(&self) -> Option<String> {
        let version = self.version.as_deref()?;
        let unported = format!("CC-{}-{version}", self.conditions());
        let Some(port) = &self.port else { return VERSIONS.contains(&version).then_some(unported) };
        let ported = format!("{unported}-{port}");
        PORTS_IN_SPDX.contains(&ported.as_str()).then_some(ported)
    }

    fn url(&self) -> Option<String> {
        let version = self.version.as_deref()?;
        let terms = self.conditions().to_ascii_lowercase();
        let port = self.port.as_deref().map(|port| format!("{}/", port.to_ascii_lowercase()));
        Some(format!("https://creativecommons.org/licenses/{terms}/{version}/{}", port.unwrap_or_default()))
    }
}

/// Its SPDX identifier where there is one, else words. What is written [reads](Licence::read) as the same licence.
impl fmt::Display for Licence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(spdx) = self.spdx() {
            return formatter.write_str(&spdx);
        }
        match self {
            Self::Cc0 | Self::PublicDomainMark | Self::PublicDomain => formatter.write_str("Public domain"),
            Self::CreativeCommons(terms) => {
                write!(formatter, "CC {}", terms.conditions())?;
                let rest = [terms.version.as_deref(), terms.port.as_deref()];
                rest.into_iter().flatten().try_for_each(|word| write!(formatter, " {word}"))
            }
            Self::Other(words) => formatter.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spdx_lists_all_unported_licences_and_some_ported_ones() {
        for (words, spdx) in [
            ("CC BY 2.5", Some("CC-BY-2.5")),
            ("CC BY-SA 3.0 de", Some("CC-BY-SA-3.0-DE")),
            ("CC BY-SA 3.0 fr", None),
            ("CC BY-SA 2.1 jp", Some("CC-BY-SA-2.1-JP")),
            ("CC BY-SA 2.1", None),
            ("CC BY-SA", None),
            ("CC0", Some("CC0-1.0")),
            ("Public domain", None),
        ] {
            assert_eq!(Licence::read(words).unwrap().spdx().as_deref(), spdx, "{words}");
        }
    }

    #[test]
    fn a_licence_names_its_text() {
        for (words, url) in [
            ("CC BY-NC-SA 2.0", "https://creativecommons.org/licenses/by-nc-sa/2.0/"),
            ("CC BY-SA 3.0 de", "https://creativecommons.org/licenses/by-sa/3.0/de/"),
            ("CC0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ] {
            let licence = Licence::read(words).unwrap();
            assert_eq!(licence.url().as_deref(), Some(url));
            assert_eq!(Licence::read(url), Some(licence), "the address names the licence");
        }
        assert_eq!(Licence::read("CC BY").unwrap().url(), None, "there are several texts");
    }
}
