//! Clients that send pictures until each is accepted, and remember what they were told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use super::{STALLED, TIERS, WAIT};
use crate::installation::{coloured, number_in, send_picture};

/// Requests that are under way at once.
const AT_ONCE: usize = 16;
/// A client that was not heard asks again after so long.
const AGAIN: Duration = Duration::from_millis(200);

/// What the clients know.
#[derive(Default)]
pub(super) struct Load {
    /// Where pictures are sent to.
    pub(super) tiers: Mutex<Vec<String>>,
    pub(super) attempts: Mutex<Vec<Attempt>>,
    begun: AtomicUsize,
    accepted: AtomicUsize,
}

/// A request as its client saw it. No other one has this name.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) red: u8,
    pub(super) is_accepted: bool,
}

pub(super) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(10 * WAIT).build().unwrap()
}

impl Load {
    /// Has clients send so many pictures, each until it is accepted.
    pub(super) async fn send_all(&self, requests: usize) {
        let client = client();
        let sending = stream::iter(0..requests).map(|number| self.send(&client, number));
        assert_eq!(sending.buffer_unordered(AT_ONCE).count().await, requests);
    }

    async fn send(&self, client: &reqwest::Client, number: usize) {
        let red = u8::try_from(60 + number % 180).unwrap();
        let begun = Instant::now();
        let mut turn = 0;
        while !self.send_once(client, number + turn, format!("{number}-{turn}.png"), red).await {
            assert!(begun.elapsed() < 2 * STALLED, "request {number} was not accepted {turn} times");
            tokio::time::sleep(AGAIN).await;
            turn += 1;
        }
    }

    /// Sends a picture; whether it was accepted.
    pub(super) async fn send_once(
        &self,
        client: &reqwest::Client,
        tier: usize,
        name: String,
        red: u8,
    ) -> bool {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let url = self.tiers.lock().unwrap()[tier % TIERS].clone();
        let is_accepted = is_accepted(client, &url, &name, red).await;
        self.attempts.lock().unwrap().push(Attempt { name, red, is_accepted });
        self.accepted.fetch_add(usize::from(is_accepted), Ordering::SeqCst);
        is_accepted
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// Whether a web tier takes a picture. Where it answers at once, that must be the answer to this picture.
async fn is_accepted(client: &reqwest::Client, url: &str, name: &str, red: u8) -> bool {
    let Ok(response) = send_picture(client, url, name, coloured(red), WAIT).await else { return false };
    let status = response.status().as_u16();
    // Nobody has heard an answer that breaks off.
    let Ok(body) = response.text().await else { return false };
    match status {
        200 => {
            assert_right(&serde_json::from_str(&body).unwrap(), red);
            true
        }
        202 => true,
        // It could not be sent to workers, or not be read in time.
        503 | 408 => false,
        other => panic!("{name}: {other} {body}"),
    }
}

pub(super) fn assert_right(report: &Value, red: u8) {
    let found = number_in(report);
    assert!(found.is_some_and(|found| (found - f64::from(red)).abs() < 1.0), "{report} for {red}");
}
