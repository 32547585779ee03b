//! Cities over real sockets, on both databases.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod documents;
mod donations;
mod events;
mod labelling;
mod legacy;
mod life;
mod places;
mod planner;
mod requests;
mod scheduler;
mod security;
mod sights;
mod support;
