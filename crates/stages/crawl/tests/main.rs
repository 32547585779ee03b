//! Crawling over real sockets.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[cfg(feature = "browser")]
mod browser;
mod crawl;
mod fetch;
mod sources;
mod support;
