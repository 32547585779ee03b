//! How often one client may ask: a bucket for each client that fills at a steady rate (the generic cell rate
//! algorithm of ITU-T I.371, as `governor` has it).

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use ipnet::IpNet;
use tower_http::validate_request::{ValidateRequest, ValidateRequestHeaderLayer};

use crate::admin::AdminGate;
use crate::client::ClientAddress;
use crate::problem::{Problem, Slug};

/// Below so many clients nobody looks for those that can be forgotten.
const FEW_CLIENTS: usize = 1024;
/// More clients are never remembered: with these, it is some megabytes.
const MOST_CLIENTS: usize = 65_536;

/// How many requests a client may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests per minute in the long run.
    pub per_minute: NonZeroU32,
    /// Requests at once, after a pause.
    pub burst: NonZeroU32,
}

/// A limit per client; its clones count together.
#[derive(Debug, Clone)]
pub struct RateLimit {
    clients: Arc<Mutex<Clients>>,
    spares_loopback: bool,
    spares: Option<AdminGate>,
}

impl RateLimit {
    /// A limit that holds for everybody.
    pub fn new(quota: Quota) -> Self {
        Self { clients: Arc::new(Mutex::new(Clients::new(quota))), spares_loopback: false, spares: None }
    }

    /// The same limit, but not for clients on this machine. Not for servers behind a proxy on the same machine that is
    /// not a trusted one: all clients seem to be on this machine then.
    #[must_use]
    pub fn sparing_loopback(mut self) -> Self {
        self.spares_loopback = true;
        self
    }

    /// The same limit, but not for requests with the administrator's token.
    #[must_use]
    pub fn sparing_admins(mut self, gate: AdminGate) -> Self {
        self.spares = Some(gate);
        self
    }

    /// Puts the limit before the routes that it is added to.
    pub fn layer(&self) -> ValidateRequestHeaderLayer<Self> {
        ValidateRequestHeaderLayer::custom(self.clone())
    }

    /// Counts one request.
    ///
    /// # Errors
    /// When the client has to wait; the problem says how long.
    pub fn check(&self, client: ClientAddress, headers: &HeaderMap) -> Result<(), Problem> {
        if self.spares_loopback && client.is_loopback() {
            return Ok(());
        }
        if self.spares.as_ref().is_some_and(|gate| gate.recognises(client, headers)) {
            return Ok(());
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.count(client.network()).map_err(too_many)
    }
}

impl ValidateRequest<Body> for RateLimit {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request) -> Result<(), Response> {
        let client = ClientAddress::of(request.extensions());
        self.check(client, request.headers()).map_err(IntoResponse::into_response)
    }
}

pub(crate) fn too_many(wait: Duration) -> Problem {
    let what = "you have asked more often than one client may; wait as long as the header retry-after says";
    Problem::new(Slug::RateLimited, what).retry_after(wait)
}

#[derive(Debug)]
struct Clients {
    quota: governor::Quota,
    limiter: DefaultKeyedRateLimiter<IpNet>,
    clock: DefaultClock,
    /// With so many clients it is time to forget some.
    tidy_at: usize,
}

impl Clients {
    fn new(quota: Quota) -> Self {
        let quota = governor::Quota::per_minute(quota.per_minute).allow_burst(quota.burst);
        let (limiter, clock) = (RateLimiter::keyed(quota), DefaultClock::default());
        Self { quota, limiter, clock, tidy_at: FEW_CLIENTS }
    }

    /// Counts one request, or tells how long to wait.
    fn count(&mut self, client: IpNet) -> Result<(), Duration> {
        self.tidy();
        self.limiter.check_key(&client).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// Forgets clients whose buckets are full again, and all where there are too many: a limit that is lenient for once
    /// is better than one that takes all memory.
    fn tidy(&mut self) {
        if self.limiter.len() < self.tidy_at {
            return;
        }
        self.limiter.retain_recent();
        if self.limiter.len() >= MOST_CLIENTS {
            self.limiter = RateLimiter::keyed(self.quota);
        }
        self.limiter.shrink_to_fit();
        self.tidy_at = (2 * self.limiter.len()).clamp(FEW_CLIENTS, MOST_CLIENTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::ConnectInfo;
    use axum::http::Extensions;
    use std::net::SocketAddr;
    use std::time::Instant;

    fn quota(per_minute: u32, burst: u32) -> Quota {
        Quota { per_minute: NonZeroU32::new(per_minute).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    fn client(ip: &str) -> ClientAddress {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(ip.parse().unwrap(), 1)));
        ClientAddress::of(&extensions)
    }

    /// How many of `requests` are let through.
    fn passed(limit: &RateLimit, ip: &str, requests: usize) -> usize {
        (0..requests).filter(|_| limit.check(client(ip), &HeaderMap::new()).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_and_what_is_more_is_told_to_wait() {
        let limit = RateLimit::new(quota(2, 5));
        assert_eq!(passed(&limit, "192.0.2.1", 9), 5);
        let problem = limit.check(client("192.0.2.1"), &HeaderMap::new()).unwrap_err();
        let response = problem.into_response();
        assert_eq!(response.status(), 429);
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((29..=30).contains(&wait), "one request every 30 s, not {wait}");
    }

    #[test]
    fn a_bucket_fills_again() {
        let limit = RateLimit::new(quota(6000, 1));
        assert_eq!(passed(&limit, "192.0.2.1", 1), 1);
        let give_up = Instant::now() + Duration::from_secs(5);
        while passed(&limit, "192.0.2.1", 1) == 0 {
            assert!(Instant::now() < give_up, "it should take 10 ms");
            std::thread::yield_now();
        }
    }

    #[test]
    fn clients_are_counted_apart_and_an_ipv6_site_together() {
        let limit = RateLimit::new(quota(1, 2));
        assert_eq!(passed(&limit, "192.0.2.1", 3), 2);
        assert_eq!(passed(&limit, "192.0.2.2", 3), 2);
        assert_eq!(passed(&limit, "2001:db8::1", 1) + passed(&limit, "2001:db8::ffff", 3), 2);
        assert_eq!(passed(&limit, "2001:db8:0:1::1", 3), 2);
    }

    #[test]
    fn loopback_is_spared_only_where_the_caller_says_so() {
        assert_eq!(passed(&RateLimit::new(quota(1, 1)), "127.0.0.1", 3), 1);
        let lenient = RateLimit::new(quota(1, 1)).sparing_loopback();
        assert_eq!(passed(&lenient, "::ffff:127.0.0.1", 3), 3);
        assert_eq!(passed(&lenient, "192.0.2.1", 3), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let address = |index: u32| IpNet::from(std::net::IpAddr::from(index.to_be_bytes()));
        let mut quick = Clients::new(quota(u32::MAX, 1));
        let mut slow = Clients::new(quota(1, 1));
        for index in 0..70_000 {
            quick.count(address(index)).unwrap();
            slow.count(address(index)).unwrap();
            assert!(quick.limiter.len() <= FEW_CLIENTS && slow.limiter.len() <= MOST_CLIENTS);
        }
        assert!(slow.limiter.len() < 5_000, "all were forgotten once");
        assert!(slow.count(address(69_999)).is_err(), "but who came later was not");
    }
}
