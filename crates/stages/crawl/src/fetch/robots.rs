//! What hosts say about robots: robots.txt by RFC 9309, remembered for each origin.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use texting_robots::Robot;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::FetchError;
use super::answer::Answer;
use super::trouble::Trouble;

/// RFC 9309, 2.4: no longer than a day.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Where nothing was learnt it is asked again soon, but not by everybody who waits for it.
const KEPT_WITHOUT: Duration = Duration::from_secs(60);

/// A host that wants longer between two requests gets this.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Rules with `$` become regular expressions, which take time and memory. Nobody of good will has more of them.
const PATTERNS: usize = 300;

/// What is known of an origin. Who finds nothing asks, and the others wait for that.
#[derive(Debug, Default)]
pub(super) struct Origin(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    rules: Rules,
    since: Instant,
}

/// The rules of an origin for us.
#[derive(Debug, Clone)]
pub(super) enum Rules {
    /// There are none.
    Free,
    /// These.
    Of(Arc<Robot>),
    /// Nothing can be said now, so nothing may be fetched: why.
    Unknown(String),
    /// They cannot be understood; whoever wrote them wanted something.
    Garbled,
}

impl Origin {
    /// The rules, asked for where they are not known.
    pub(super) async fn rules(&self, ask: impl AsyncFnOnce() -> Rules) -> Rules {
        let mut known = self.0.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh(Instant::now())) {
            return known.rules.clone();
        }
        let rules = ask().await;
        *known = Some(Known { rules: rules.clone(), since: Instant::now() });
        rules
    }
}

impl Known {
    fn is_fresh(&self, now: Instant) -> bool {
        let kept = if matches!(self.rules, Rules::Unknown(_)) { KEPT_WITHOUT } else { KEPT };
        now.saturating_duration_since(self.since) < kept
    }
}

impl Rules {
    /// What an attempt to get robots.txt says. What is not there (4xx, redirects without end) forbids nothing.
    pub(super) async fn of(fetched: Result<Answer, FetchError>, agent: &str) -> Self {
        match fetched {
            Ok(file) => Self::parse(file.bytes, agent.to_owned()).await,
            Err(FetchError::Refused { .. }) => Self::Free,
            Err(FetchError::Failed { reason, .. }) => Self::Unknown(reason),
        }
    }

    /// A hostile file may take a while.
    async fn parse(file: Bytes, agent: String) -> Self {
        let parsed = spawn_blocking(move || Self::read(&file, &agent)).await;
        parsed.unwrap_or(Self::Garbled)
    }

    fn read(file: &[u8], agent: &str) -> Self {
        if file.iter().filter(|byte| **byte == b'$').count() > PATTERNS {
            return Self::Garbled;
        }
        Robot::new(agent, file).map_or(Self::Garbled, |robot| Self::Of(Arc::new(robot)))
    }

    /// Refuses what is not allowed.
    pub(super) fn check(&self, url: &Url) -> Result<(), Trouble> {
        match self {
            Self::Free => Ok(()),
            Self::Of(robot) if robot.allowed(url.as_str()) => Ok(()),
            Self::Of(_) => Err(Trouble::last("robots.txt forbids it")),
            Self::Unknown(reason) => Err(Trouble::Later(format!("robots.txt is not known: {reason}"))),
            Self::Garbled => Err(Trouble::last("robots.txt is not understood")),
        }
    }

    /// `Crawl-delay`, which no standard knows but many files have.
    pub(super) fn delay(&self) -> Option<Duration> {
        let Self::Of(robot) = self else { return None };
        let seconds = robot.delay?.clamp(0.0, LONGEST_DELAY.as_secs_f32());
        Duration::try_from_secs_f32(seconds).ok()
    }
}

/// Where an origin has its robots.txt.
pub(super) fn address(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_path("/robots.txt");
    url.set_query(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn is_allowed(file: &str, path: &str) -> bool {
        let url = format!("https://example.org{path}").parse().unwrap();
        Rules::read(file.as_bytes(), "sightscan").check(&url).is_ok()
    }

    #[test]
    fn w_l1_robots_txt_is_obeyed() {
        let file = "User-agent: *\nDisallow: /private\nAllow: /private/open\nDisallow: /*.gif$\n\n\
                    User-agent: OtherBot\nDisallow: /\n";
        for (path, expected) in [
            ("/a.jpg", true),
            ("/private/a.jpg", false),
            ("/private/open/a.jpg", true),
            ("/a.gif", false),
            ("/a.gif?x", true),
            ("/robots.txt", true),
        ] {
            assert_eq!(is_allowed(file, path), expected, "{path}");
        }
    }

    #[test]
    fn rules_for_us_replace_those_for_all() {
        let file = "User-agent: *\nDisallow: /\n\nUser-agent: SightScan\nDisallow: /thumbs/\n";
        assert!(is_allowed(file, "/a.jpg"));
        assert!(!is_allowed(file, "/thumbs/a.jpg"));
    }

    #[test]
    fn crawl_delay_has_a_limit() {
        let delay = |seconds: &str| {
            let file = format!("User-agent: *\nCrawl-delay: {seconds}\nDisallow:\n");
            Rules::read(file.as_bytes(), "sightscan").delay()
        };
        assert_eq!(delay("2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(delay("86400"), Some(LONGEST_DELAY));
        assert_eq!(delay("soon"), None);
    }

    #[tokio::test]
    async fn what_is_not_there_forbids_nothing_and_what_cannot_be_had_forbids_all() {
        let url: Url = "https://example.org/a".parse().unwrap();
        let reason = "why".to_owned();
        let gone = FetchError::Refused { url: url.clone(), reason: reason.clone() };
        assert_eq!(Rules::of(Err(gone), "sightscan").await.check(&url), Ok(()));
        let down = FetchError::Failed { url: url.clone(), reason };
        let trouble = Rules::of(Err(down), "sightscan").await.check(&url).unwrap_err();
        assert!(matches!(trouble, Trouble::Later(_)));
    }

    #[test]
    fn too_many_patterns_forbid_all() {
        let file = |patterns| format!("User-agent: *\n{}", "Disallow: /*x$\n".repeat(patterns));
        assert!(is_allowed(&file(PATTERNS), "/a.jpg"));
        assert!(!is_allowed(&file(PATTERNS + 1), "/a.jpg"));
    }

    #[test]
    fn robots_txt_is_at_the_root() {
        let url = "https://example.org:8443/a/b?c=d".parse().unwrap();
        assert_eq!(address(&url).as_str(), "https://example.org:8443/robots.txt");
    }

    #[tokio::test]
    async fn one_asks_for_all_who_come_together() {
        let (origin, asked) = (Origin::default(), AtomicUsize::new(0));
        let ask = async || {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Rules::Unknown(nth.to_string())
        };
        let all = join_all((0..20).map(|_| origin.rules(ask))).await;
        assert!(all.iter().all(|rules| matches!(rules, Rules::Unknown(nth) if nth == "0")), "{all:?}");
    }

    #[test]
    fn rules_are_kept_for_a_day_and_ignorance_for_a_minute() {
        let since = Instant::now();
        let is_fresh = |rules, seconds| Known { rules, since }.is_fresh(since + Duration::from_secs(seconds));
        assert!(is_fresh(Rules::Free, 86_399) && !is_fresh(Rules::Free, 86_400));
        let unknown = || Rules::Unknown(String::new());
        assert!(is_fresh(unknown(), 59) && !is_fresh(unknown(), 60));
    }

    proptest! {
        #[test]
        fn no_file_panics(
            file in "((user-agent|allow|disallow|crawl-delay)?: ?[*$/a-z0-9.ü-]{0,8}[\\x00\\r\\n]){0,12}",
            path in "/\\PC*",
        ) {
            let mut url: Url = "https://example.org/".parse().unwrap();
            url.set_path(&path);
            let rules = Rules::read(file.as_bytes(), "sightscan");
            let _ = (rules.check(&url), rules.delay());
        }
    }
}
