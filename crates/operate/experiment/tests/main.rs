//! The load generator against real servers on the loopback interface.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod dialects;
mod failures;
mod open_loop;
mod rows;
mod server;
mod study;
