//! Faults on demand.

use std::sync::Mutex;
use std::time::Duration;

use super::lock;

/// A way in which a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else was faster (409).
    Conflict,
    /// It is too late for that (410).
    Gone,
    /// 429 with `Retry-After`.
    TooMany {
        /// In seconds.
        retry_after: u64,
    },
    /// The permission is missing (403).
    Forbidden,
    /// This status, such as 500 or 503.
    Status(u16),
    /// The right answer, too late.
    Stall(Duration),
    /// The connection is cut before anything is done.
    Cut,
    /// It is done, and the connection is cut before anybody hears of it.
    Unheard,
}

/// Those that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Planned>>);

#[derive(Debug)]
struct Planned {
    method: String,
    path: String,
    fault: Fault,
}

impl Faults {
    pub(super) fn next(&self, method: &str, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let planned = |fault| Planned { method: method.to_owned(), path: path.to_owned(), fault };
        lock(&self.0).extend(faults.into_iter().map(planned));
    }

    pub(super) fn are_given(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// The fault of this call.
    pub(super) fn draw(&self, method: &str, address: &str) -> Option<Fault> {
        let mut planned = lock(&self.0);
        let position =
            planned.iter().position(|one| one.method == method && address.contains(one.path.as_str()))?;
        Some(planned.remove(position).fault)
    }
}
