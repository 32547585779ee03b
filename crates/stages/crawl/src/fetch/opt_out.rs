//! What owners say about the use of a picture, in the headers of the answer.

use std::borrow::Cow;

use reqwest::header::{HeaderMap, HeaderValue};

use super::trouble::Trouble;

const X_ROBOTS_TAG: &str = "x-robots-tag";
const TDM_RESERVATION: &str = "tdm-reservation";

/// The rules after which a picture is not used; `none` is short for `noindex, nofollow`.
const OPT_OUTS: [&str; 5] = ["noai", "noimageai", "noindex", "noimageindex", "none"];

/// Refuses a picture that is not to be used, by us at least.
///
/// `agent` is what robots call themselves, in small letters.
pub(super) fn check(headers: &HeaderMap, agent: &str) -> Result<(), Trouble> {
    if headers.get_all(TDM_RESERVATION).iter().any(|value| text(value).trim() == "1") {
        return Err(Trouble::last("its owner reserves data mining (tdm-reservation)"));
    }
    let mut tags = headers.get_all(X_ROBOTS_TAG).iter();
    match tags.find_map(|value| opt_out(&text(value), agent)) {
        Some(rule) => Err(Trouble::Final(format!("its owner does not want it used ({rule})"))),
        None => Ok(()),
    }
}

/// Whatever the bytes are: rules are told apart from what is around them.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The first rule of a header that keeps us away. Rules are separated by commas; after `name:` they are for that robot.
fn opt_out(value: &str, agent: &str) -> Option<&'static str> {
    let mut is_for_us = true;
    for part in value.split(',') {
        let rule = match part.split_once(':') {
            Some((name, _)) if has_value(name) => continue,
            Some((name, rule)) => {
                is_for_us = is_us(name, agent);
                rule
            }
            None => part,
        };
        let found = OPT_OUTS.into_iter().find(|known| rule.trim().eq_ignore_ascii_case(known));
        if is_for_us && found.is_some() {
            return found;
        }
    }
    None
}

/// Whether a rule has a value after its name, or is a piece of one: names of robots have no spaces.
fn has_value(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name == "unavailable_after" || name.starts_with("max-") || name.contains(' ')
}

fn is_us(name: &str, agent: &str) -> bool {
    let name = name.trim();
    name == "*" || name.eq_ignore_ascii_case(agent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_wanted(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(&map, "sightscan").is_ok()
    }

    #[test]
    fn w_l1_opt_outs_are_obeyed() {
        for value in [
            "noai",
            "NoImageAI",
            "noindex",
            "noimageindex",
            "none",
            "nofollow, noai",
            "all,noimageai ",
            "sightscan: noindex",
            "SightScan: nofollow, noai",
            "*: noai",
            "otherbot: all, sightscan: noai",
            "max-snippet: 5, noai",
            "unavailable_after: 25 Jun 2030 15:00:00 PST, noai",
            "unavailable_after: Tuesday, 25-Jun-30 15:00:00 PST, noai",
        ] {
            assert!(!is_wanted(&[("x-robots-tag", value)]), "{value}");
        }
        assert!(!is_wanted(&[("x-robots-tag", "all"), ("x-robots-tag", "noai")]));
        assert!(!is_wanted(&[("tdm-reservation", "1")]));
        assert!(!is_wanted(&[("tdm-reservation", "0"), ("tdm-reservation", " 1 ")]));
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_opt_out() {
        let value = HeaderValue::from_bytes(b"\xFF\xE9, noai").unwrap();
        let headers = HeaderMap::from_iter([(X_ROBOTS_TAG.parse().unwrap(), value)]);
        assert!(check(&headers, "sightscan").is_err());
    }

    #[test]
    fn what_is_for_others_or_about_other_things_is_no_opt_out() {
        for value in [
            "",
            "all",
            "nofollow",
            "noarchive, nosnippet",
            "googlebot: noindex",
            "otherbot: noindex, noai",
            "noaid",
            "max-image-preview: none",
            "unavailable_after: 25 Jun 2030 15:00:00 PST",
        ] {
            assert!(is_wanted(&[("x-robots-tag", value)]), "{value}");
        }
        assert!(is_wanted(&[("tdm-reservation", "0")]));
        assert!(is_wanted(&[]));
        // A header of another robot says nothing about the next header.
        assert!(!is_wanted(&[("x-robots-tag", "otherbot: noai"), ("x-robots-tag", "noai")]));
    }

    proptest! {
        #[test]
        fn an_opt_out_counts_wherever_it_stands(others in proptest::collection::vec("[a-z]{1,12}", 0..6), at: usize) {
            let mut rules = others;
            rules.insert(at % (rules.len() + 1), "noai".to_owned());
            prop_assert!(opt_out(&rules.join(", "), "sightscan").is_some());
        }

        #[test]
        fn no_header_panics(value in "\\PC*") {
            let _ = opt_out(&value, "sightscan");
        }
    }
}
