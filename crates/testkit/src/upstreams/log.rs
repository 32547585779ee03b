//! What a fake was asked.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use super::{address, lock};

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`.
    pub method: String,
    /// The path with its query, as it was sent.
    pub address: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// When its head had arrived.
    pub begun: Instant,
    /// When it was answered or given up by the client; `None` while neither has happened.
    pub ended: Option<Instant>,
    /// The status of the answer; `None` while there is none.
    pub status: Option<u16>,
}

impl Seen {
    /// The path without its query.
    pub fn path(&self) -> &str {
        self.address.split('?').next().unwrap_or(&self.address)
    }

    /// The query as it was sent, without its `?`.
    pub fn query(&self) -> &str {
        self.address.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The requests to a fake, in the order of their arrival.
#[derive(Debug, Default)]
pub struct Log(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    requests: VecDeque<Seen>,
    /// How many are no longer in `requests`.
    forgotten: usize,
    most_kept: Option<usize>,
    in_flight: usize,
    most_in_flight: usize,
}

impl Log {
    /// Every request that is remembered.
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.0).requests.iter().cloned().collect()
    }

    /// The remembered requests whose addresses begin with this.
    pub fn requests_to(&self, prefix: &str) -> Vec<Seen> {
        let is_wanted = |seen: &&Seen| seen.address.starts_with(prefix);
        lock(&self.0).requests.iter().filter(is_wanted).cloned().collect()
    }

    /// How many remembered requests have addresses that begin with this.
    pub fn count(&self, prefix: &str) -> usize {
        lock(&self.0).requests.iter().filter(|seen| seen.address.starts_with(prefix)).count()
    }

    /// How many requests there were, forgotten ones included.
    pub fn total(&self) -> usize {
        let book = lock(&self.0);
        book.forgotten + book.requests.len()
    }

    /// The most requests that were in flight at one time. A request ends before its answer is sent, so a client that
    /// waits for its answer is never counted twice.
    pub fn most_in_flight(&self) -> usize {
        lock(&self.0).most_in_flight
    }

    /// Forgets all requests. Those in flight still count as such.
    pub fn clear(&self) {
        let mut book = lock(&self.0);
        book.most_in_flight = book.in_flight;
        book.forgotten += book.requests.len();
        book.requests.clear();
    }

    /// Remembers only so many of the newest requests, for tests that measure memory.
    pub fn keep_at_most(&self, most: usize) {
        let mut book = lock(&self.0);
        book.most_kept = Some(most);
        book.forget();
    }

    /// A request whose head has arrived.
    pub(super) fn begin(&self, parts: &Parts) -> Entry<'_> {
        let seen = Seen {
            method: parts.method.to_string(),
            address: address(&parts.uri).to_owned(),
            headers: parts.headers.clone(),
            body: Bytes::new(),
            begun: Instant::now(),
            ended: None,
            status: None,
        };
        Entry { log: self, number: lock(&self.0).add(seen) }
    }
}

impl Book {
    /// The number of the request.
    fn add(&mut self, seen: Seen) -> usize {
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        self.requests.push_back(seen);
        let number = self.forgotten + self.requests.len() - 1;
        self.forget();
        number
    }

    fn forget(&mut self) {
        let superfluous = self.requests.len().saturating_sub(self.most_kept.unwrap_or(usize::MAX));
        self.requests.drain(..superfluous);
        self.forgotten += superfluous;
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut Seen)) {
        let position = number.checked_sub(self.forgotten);
        if let Some(seen) = position.and_then(|position| self.requests.get_mut(position)) {
            change(seen);
        }
    }
}

/// A request in flight; it ends with this value, also where the client has gone.
pub(super) struct Entry<'a> {
    log: &'a Log,
    number: usize,
}

impl Entry<'_> {
    pub(super) fn read(&mut self, body: &Bytes) {
        lock(&self.log.0).change(self.number, |seen| seen.body = body.clone());
    }

    pub(super) fn answered(self, status: StatusCode) {
        lock(&self.log.0).change(self.number, |seen| seen.status = Some(status.as_u16()));
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut book = lock(&self.log.0);
        book.in_flight -= 1;
        book.change(self.number, |seen| seen.ended = Some(Instant::now()));
    }
}
