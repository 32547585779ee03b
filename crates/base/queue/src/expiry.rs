//! Until when somebody waits for answers, as services keep it: milliseconds since 1970-01-01 UTC, as a text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The text for a lease that begins now.
pub(crate) fn after(lease: Duration) -> String {
    (now() + lease.as_millis()).to_string()
}

/// Whether that time is over; never where the text is none of ours.
pub(crate) fn is_over(text: &str) -> bool {
    text.parse::<u128>().is_ok_and(|until| until <= now())
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_when_its_time_is() {
        assert!(is_over(&after(Duration::ZERO)));
        assert!(!is_over(&after(Duration::from_secs(60))));
        assert!(!is_over("") && !is_over("a queue of somebody else"));
    }
}
