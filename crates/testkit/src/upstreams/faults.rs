//! Faults on demand.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse as _, Response};

use super::answer::{Answer, half, length};
use super::{MOST_BYTES, lock};

/// Two addresses that redirect to each other for ever.
const LOOP: [&str; 2] = ["/.loop/0", "/.loop/1"];

/// What a proxy or a captive portal says instead of the service.
const PAGE: &str = "<!DOCTYPE html><html><head><title>Welcome</title></head>\
                    <body><h1>Sign in to use this network</h1></body></html>";

/// A way in which an answer is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// 429 with `Retry-After`.
    TooMany {
        /// In seconds.
        retry_after: u64,
    },
    /// 503.
    ServerError,
    /// The right answer, too late.
    Slow(Duration),
    /// A redirect to addresses that redirect to each other.
    RedirectLoop,
    /// 200 with an HTML page instead of a picture or JSON.
    WrongType,
    /// The first half of the right answer; then the connection is closed, though `Content-Length` says more.
    Truncated,
}

impl Fault {
    /// Every kind, so short that a client can wait it out.
    pub const ALL: [Self; 6] = [
        Self::TooMany { retry_after: 1 },
        Self::ServerError,
        Self::Slow(Duration::from_millis(300)),
        Self::RedirectLoop,
        Self::WrongType,
        Self::Truncated,
    ];

    /// This fault instead of the right answer, which is made only where some of it is needed.
    pub(super) async fn give(self, right: impl Future<Output = Response>) -> Response {
        match self {
            Self::TooMany { retry_after } => too_many(retry_after).into_response(),
            Self::ServerError => {
                Answer::new("text/plain", "upstream connect error").status(503).into_response()
            }
            Self::Slow(delay) => {
                tokio::time::sleep(delay).await;
                right.await
            }
            Self::RedirectLoop => Answer::redirect(LOOP[0]).into_response(),
            Self::WrongType => Answer::new("text/html; charset=utf-8", PAGE).into_response(),
            Self::Truncated => truncated(right.await).await,
        }
    }
}

fn too_many(retry_after: u64) -> Answer {
    Answer::new("text/plain", "Too many requests").status(429).header("retry-after", &retry_after.to_string())
}

async fn truncated(right: Response) -> Response {
    let (mut parts, body) = right.into_parts();
    let body = to_bytes(body, MOST_BYTES).await.unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, length(&body));
    Response::from_parts(parts, half(&body))
}

/// The answer to an address of the redirect loop.
pub(super) fn loop_answer(path: &str) -> Option<Answer> {
    let position = LOOP.iter().position(|address| *address == path)?;
    Some(Answer::redirect(LOOP[1 - position]))
}

/// Which answers are broken, and how. It can be changed while the server runs.
///
/// Whether the n-th answer to an address is broken depends on the seed, the address and n alone, not on which of two
/// concurrent requests came first.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    share: f64,
    kinds: Vec<Fault>,
    seed: u64,
    most_in_a_row: Option<u32>,
    spared: Vec<String>,
    /// Asked for one by one: the next requests under a prefix.
    next: Vec<(String, Fault)>,
    addresses: HashMap<String, Tries>,
}

/// What happened at one address.
#[derive(Debug, Default)]
struct Tries {
    all: u64,
    broken_in_a_row: u32,
}

impl Faults {
    /// From now on this share of the answers (0.0 to 1.0) is broken, each in one of these ways.
    ///
    /// # Panics
    /// When the share is none, or nothing says how an answer is to be broken.
    pub fn set(&self, share: f64, kinds: &[Fault]) {
        assert!((0.0..=1.0).contains(&share), "{share} is no share");
        assert!(share == 0.0 || !kinds.is_empty(), "no kinds of faults are given");
        let mut plan = lock(&self.0);
        plan.share = share;
        plan.kinds = kinds.to_vec();
    }

    /// From now on nothing is broken. Seed and limits stay.
    pub fn clear(&self) {
        self.set(0.0, &[]);
        lock(&self.0).next.clear();
    }

    /// What chance depends on; 0 unless set. Every address begins anew.
    pub fn seed(&self, seed: u64) {
        let mut plan = lock(&self.0);
        plan.seed = seed;
        plan.addresses.clear();
    }

    /// No address gets more broken answers than this in a row, so that a client with more tries comes through.
    pub fn at_most_in_a_row(&self, most: u32) {
        lock(&self.0).most_in_a_row = Some(most);
    }

    /// Addresses that begin with this are never broken by chance.
    pub fn spare(&self, prefix: &str) {
        lock(&self.0).spared.push(prefix.to_owned());
    }

    /// The next requests whose addresses begin with `prefix` get these faults, one each, in this order.
    pub fn next(&self, prefix: &str, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().map(|fault| (prefix.to_owned(), fault));
        lock(&self.0).next.extend(faults);
    }

    /// The fault for this request, if any.
    pub(super) fn draw(&self, address: &str) -> Option<Fault> {
        let mut plan = lock(&self.0);
        plan.ordered(address).or_else(|| plan.by_chance(address))
    }
}

impl Plan {
    fn ordered(&mut self, address: &str) -> Option<Fault> {
        let position = self.next.iter().position(|(prefix, _)| address.starts_with(prefix.as_str()))?;
        Some(self.next.remove(position).1)
    }

    fn by_chance(&mut self, address: &str) -> Option<Fault> {
        let is_spared = self.spared.iter().any(|prefix| address.starts_with(prefix.as_str()));
        if self.share == 0.0 || is_spared {
            return None;
        }
        let tries = self.addresses.entry(address.to_owned()).or_default();
        tries.all += 1;
        let mut chance = chance(self.seed, address, tries.all);
        let is_enough = self.most_in_a_row.is_some_and(|most| tries.broken_in_a_row >= most);
        let fault = (chance.f64() < self.share && !is_enough).then(|| chance.choice(&self.kinds).copied());
        tries.broken_in_a_row = if fault.is_some() { tries.broken_in_a_row + 1 } else { 0 };
        fault.flatten()
    }
}

fn chance(seed: u64, address: &str, nth: u64) -> fastrand::Rng {
    let mut hasher = DefaultHasher::new();
    (seed, address, nth).hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(faults: &Faults, address: &str, requests: usize) -> Vec<Option<Fault>> {
        (0..requests).map(|_| faults.draw(address)).collect()
    }

    #[test]
    fn the_share_is_kept_and_the_seed_repeats_it() {
        let of_seed = |seed| {
            let faults = Faults::default();
            faults.seed(seed);
            faults.set(0.3, &Fault::ALL);
            broken(&faults, "/picture.jpg", 4000)
        };
        let drawn = of_seed(1);
        let share = drawn.iter().flatten().count() as f64 / 4000.0;
        assert!((0.27..0.33).contains(&share), "{share}");
        assert!(Fault::ALL.iter().all(|kind| drawn.contains(&Some(*kind))));
        assert_eq!(drawn, of_seed(1));
        assert_ne!(drawn, of_seed(2));
    }

    #[test]
    fn other_addresses_do_not_change_what_an_address_gets() {
        let alone = Faults::default();
        alone.set(0.5, &[Fault::ServerError]);
        let mixed = Faults::default();
        mixed.set(0.5, &[Fault::ServerError]);
        let expected = broken(&alone, "/a", 50);
        let found: Vec<_> = (0..50)
            .map(|_| {
                mixed.draw("/b");
                mixed.draw("/a")
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_row_of_faults_ends() {
        let faults = Faults::default();
        faults.set(1.0, &[Fault::ServerError]);
        faults.at_most_in_a_row(2);
        let drawn = broken(&faults, "/a", 6);
        let is_broken: Vec<bool> = drawn.iter().map(Option::is_some).collect();
        assert_eq!(is_broken, [true, true, false, true, true, false]);
    }

    #[test]
    fn ordered_faults_come_first_and_once() {
        let faults = Faults::default();
        faults.next("/a", [Fault::ServerError, Fault::WrongType]);
        assert_eq!(faults.draw("/b"), None);
        assert_eq!(broken(&faults, "/a/x", 3), [Some(Fault::ServerError), Some(Fault::WrongType), None]);
    }

    #[test]
    fn spared_addresses_are_whole() {
        let faults = Faults::default();
        faults.set(1.0, &[Fault::ServerError]);
        faults.spare("/robots.txt");
        assert_eq!(faults.draw("/robots.txt"), None);
        faults.clear();
        assert_eq!(faults.draw("/a"), None);
    }
}
