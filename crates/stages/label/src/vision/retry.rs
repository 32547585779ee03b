//! Trying again what nobody has looked at.

use std::time::Duration;

use sightscan_jobs::Backoff;

use super::VisionConfig;
use super::refusal::Refusal;

/// How often and how long somebody tries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    tries: u32,
    backoff: Backoff,
    longest_wait: Duration,
}

impl Patience {
    pub(super) fn new(config: &VisionConfig) -> Self {
        let VisionConfig { tries, backoff, longest_wait, .. } = *config;
        Self { tries, backoff, longest_wait }
    }

    /// How long to wait before the next try after so many, unless this was the last one.
    pub(super) fn pause(&self, refusal: &Refusal, tries: u32) -> Option<Duration> {
        let Refusal::Busy { wait, .. } = refusal else { return None };
        let pause = self.backoff.delay(tries).max(wait.unwrap_or_default());
        (tries < self.tries && pause <= self.longest_wait).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(wait: Option<u64>) -> Refusal {
        Refusal::Busy { reason: String::new(), wait: wait.map(Duration::from_secs), is_quota: false }
    }

    #[test]
    fn only_what_is_busy_is_tried_again_and_not_for_ever() {
        let patience = Patience::new(&VisionConfig { tries: 3, ..VisionConfig::default() });
        assert!(patience.pause(&busy(None), 1).is_some() && patience.pause(&busy(None), 2).is_some());
        assert_eq!(patience.pause(&busy(None), 3), None);
        assert_eq!(patience.pause(&Refusal::Lost(String::new()), 1), None);
        assert_eq!(patience.pause(&Refusal::Malformed(String::new()), 1), None);
    }

    #[test]
    fn the_service_may_ask_for_a_longer_pause_but_not_for_any() {
        let patience = Patience::new(&VisionConfig::default());
        assert_eq!(patience.pause(&busy(Some(90)), 1), Some(Duration::from_secs(90)));
        assert_eq!(patience.pause(&busy(Some(121)), 1), None);
    }
}
