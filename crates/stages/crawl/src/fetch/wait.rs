//! How long to wait.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// No wait between two tries is longer, unless the host asks for it.
const LONGEST: Duration = Duration::from_secs(60);

/// The forms of a time that RFC 9110 wants understood.
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// The wait after so many tries: twice as long each time, of which a random half is left out so that those who failed
/// together do not come back together.
pub(super) fn back_off(first: Duration, tried: u32) -> Duration {
    let doubled = 2u32.saturating_pow(tried.saturating_sub(1));
    first.saturating_mul(doubled).min(LONGEST).mul_f64(0.5 + random() / 2.0)
}

/// From 0 to 1.
fn random() -> f64 {
    // The standard library's source of randomness: every hasher is seeded differently.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// The wait that an answer asks for.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    asked_for(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

/// The wait that the text of a `Retry-After` asks for.
pub(super) fn asked_for(value: &str) -> Option<Duration> {
    wait_of(value, now())
}

/// When a wait that begins now is over, as text.
pub(super) fn when(wait: Duration) -> String {
    let end = chrono::Duration::from_std(wait).ok().and_then(|wait| now().checked_add_signed(wait));
    end.map_or_else(|| "further notice".to_owned(), |end| end.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, since.subsec_nanos()).unwrap_or_default()
}

/// Seconds or a time; a time that has passed is no wait.
fn wait_of(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than can be counted are a long time too.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let time = DATES.iter().find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())?;
    Some(time.and_utc().signed_duration_since(now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(value: &str) -> Option<u64> {
        let now = DateTime::from_timestamp(784_111_777 - 90, 0).unwrap();
        wait_of(value, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("99999999999999999999999"), Some(u64::MAX));
        // The three examples of RFC 9110, 5.6.7.
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(90));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:49:37 GMT"), Some(90));
        assert_eq!(seconds("Sun Nov  6 08:49:37 1994"), Some(90));
        assert_eq!(seconds("Sat, 05 Nov 1994 08:49:37 GMT"), Some(0));
        for nonsense in ["", "soon", "-1", "1.5", "12 s"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_end_of_a_wait_is_told() {
        assert!(when(Duration::from_secs(60)).ends_with('Z'));
        assert_eq!(when(Duration::MAX), "further notice");
    }

    #[test]
    fn waits_differ() {
        let waits: Vec<_> = (0..20).map(|_| back_off(Duration::from_secs(1), 1)).collect();
        assert!(waits.iter().any(|wait| wait != &waits[0]));
    }

    proptest! {
        #[test]
        fn a_wait_doubles_up_to_the_longest(first in 0u64..200_000, tried in 1u32..1000) {
            let first = Duration::from_millis(first);
            let whole = first.saturating_mul(1 << (tried - 1).min(20)).min(LONGEST);
            let wait = back_off(first, tried);
            prop_assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }

        #[test]
        fn nothing_in_retry_after_panics(value in "\\PC*") {
            let _ = seconds(&value);
        }
    }
}
