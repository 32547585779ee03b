//! Which licences are used.

use super::Licence;

/// Which pictures are used by their licence. The others are kept, but set aside until a person has looked at them.
/// By default those under free licences are used and no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Further licences that are used, as SPDX identifiers (`CC-BY-NC-4.0`) or in a source's words.
    pub accepted: Vec<String>,
    /// Whether pictures are used whose licence the source does not say: for collections whose rights were cleared.
    pub accept_unknown: bool,
}

/// Whether a picture is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Use,
    /// Not before a person has looked at it: why, in few words that can be counted.
    Quarantine(String),
}

impl Policy {
    /// Judges a licence, as candidates name it.
    pub fn judge(&self, licence: Option<&str>) -> Verdict {
        match licence.and_then(Licence::read) {
            None if self.accept_unknown => Verdict::Use,
            None => Verdict::Quarantine("its licence is not known".to_owned()),
            Some(licence) if licence.is_free() || self.accepts(&licence) => Verdict::Use,
            Some(licence) => Verdict::Quarantine(format!("its licence is {licence}")),
        }
    }

    fn accepts(&self, licence: &Licence) -> bool {
        let name = licence.to_string();
        self.accepted.iter().any(|accepted| {
            accepted.trim().eq_ignore_ascii_case(&name) || Licence::read(accepted).as_ref() == Some(licence)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_used(policy: &Policy, licence: Option<&str>) -> bool {
        policy.judge(licence) == Verdict::Use
    }

    #[test]
    fn w_l1_only_free_licences_are_used() {
        let policy = Policy::default();
        for free in ["CC-BY-SA-4.0", "CC BY 2.0", "CC0", "Public domain", "LicenseRef-PDM", "CC BY-SA 3.0 fr"]
        {
            assert!(is_used(&policy, Some(free)), "{free}");
        }
        for other in ["CC-BY-NC-4.0", "CC-BY-ND-2.0", "GFDL-1.2-or-later", "All rights reserved", "?"] {
            assert!(!is_used(&policy, Some(other)), "{other}");
        }
        assert!(!is_used(&policy, None));
        assert!(!is_used(&policy, Some(" ")));
    }

    #[test]
    fn further_licences_are_used_when_they_are_named() {
        let accepted = vec!["cc-by-nc-4.0".to_owned(), "Own pictures".to_owned()];
        let policy = Policy { accepted, accept_unknown: false };
        assert!(is_used(&policy, Some("CC BY-NC 4.0")));
        assert!(is_used(&policy, Some("own pictures")));
        assert!(!is_used(&policy, Some("CC BY-NC 3.0")));
        assert!(!is_used(&policy, None));
    }

    #[test]
    fn unknown_licences_are_used_when_that_is_wanted_but_not_known_unfree_ones() {
        let policy = Policy { accept_unknown: true, ..Policy::default() };
        assert!(is_used(&policy, None));
        assert!(!is_used(&policy, Some("All rights reserved")));
    }

    #[test]
    fn the_reason_names_the_licence() {
        let verdict = Policy::default().judge(Some("CC BY-NC 4.0"));
        assert_eq!(verdict, Verdict::Quarantine("its licence is CC-BY-NC-4.0".to_owned()));
    }
}
