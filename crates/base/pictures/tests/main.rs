//! The real pictures: cleaned, fingerprinted and shrunk.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod real;
